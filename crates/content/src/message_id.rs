//! The name of a message, derived from its content (draft §3.3).

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::Error;

/// Length of a [`MessageId`] in bytes.
pub const MESSAGE_ID_LEN: usize = 32;

/// SHA-256 in the IANA "Named Information Hash Algorithm" registry, the first byte of every id.
pub(crate) const HASH_ALGORITHM_SHA256: u8 = 1;

/// The id of a message: one byte that names the hash (1 = SHA-256) and the first 31 bytes of that
/// hash.
///
/// Text form: 64 hexadecimal digits, written in lower case, read in either. `Debug` does not print
/// it, since an id in a log would tie log lines to messages.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId([u8; MESSAGE_ID_LEN]);

impl MessageId {
    /// The id with these bytes.
    ///
    /// Content that refers to an id whose first byte is not 1 is refused by whoever decodes it.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; MESSAGE_ID_LEN]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes of the id.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; MESSAGE_ID_LEN] {
        &self.0
    }

    /// Derives the id of `message`, the encoded content that has this `salt`:
    ///
    /// ```text
    /// hash = SHA-256( u16 length || sender URI || u16 length || room URI || message || salt )
    /// id   = 0x01 || hash[0..31]
    /// ```
    ///
    /// The salt, inside the message already, stands at the end again against length extension.
    pub(crate) fn derive(sender_uri: &str, room_uri: &str, message: &[u8], salt: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash_uri(&mut hash, sender_uri);
        hash_uri(&mut hash, room_uri);
        hash.update(message);
        hash.update(salt);
        let digest: [u8; 32] = hash.finalize().into();
        let mut id = [HASH_ALGORITHM_SHA256; MESSAGE_ID_LEN];
        for (to, from) in id.iter_mut().skip(1).zip(digest) {
            *to = from;
        }
        Self(id)
    }
}

/// The length field has two bytes; of a longer URI only what the field can count takes part, so
/// that length and bytes agree in every case.
fn hash_uri(hash: &mut Sha256, uri: &str) {
    let len = u16::try_from(uri.len()).unwrap_or(u16::MAX);
    let bytes = uri
        .as_bytes()
        .get(..usize::from(len))
        .unwrap_or(uri.as_bytes());
    hash.update(len.to_be_bytes());
    hash.update(bytes);
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MessageId(..)")
    }
}

impl FromStr for MessageId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut digits = text.chars().map(|digit| digit.to_digit(16));
        let mut id = [0; MESSAGE_ID_LEN];
        for byte in &mut id {
            let (Some(Some(high)), Some(Some(low))) = (digits.next(), digits.next()) else {
                return Err(Error::InvalidMessageId);
            };
            *byte = u8::try_from(high << 4 | low).map_err(|_| Error::InvalidMessageId)?;
        }
        if digits.next().is_some() {
            return Err(Error::InvalidMessageId);
        }
        Ok(Self(id))
    }
}
