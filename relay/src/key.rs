//! The relay's own key and the file that holds it.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use base64ct::{Base64UrlUnpadded, Encoding};
use ed25519_dalek::SigningKey;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use sori_wire::RelayKey;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The secret half of the relay's key: an Ed25519 seed of 32 bytes.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct RelaySecret([u8; 32]);

/// Why a key could not be made, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// There is a file already; it may hold the key that clients have pinned.
    #[error("it exists already and is left as it is (a new key would lock out every client)")]
    Exists,
    /// The file is not a relay key.
    #[error("it is not a relay key file; make one with `sori-relay key FILE`")]
    Format,
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Others than the owner may read or change the file.
    #[error("other users may read or change it; run `chmod 600` on it")]
    Permissions,
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness")]
    Randomness,
}

impl RelaySecret {
    /// Draws a key from the operating system's randomness.
    ///
    /// # Errors
    /// [`KeyError::Randomness`].
    pub fn generate() -> Result<Self, KeyError> {
        let mut secret = Self([0; 32]);
        getrandom::fill(&mut secret.0).map_err(|_| KeyError::Randomness)?;
        Ok(secret)
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// [`KeyError::Permissions`] if users other than owner and group may read it, or others than the
    /// owner may write it; [`KeyError::Format`]; [`KeyError::Io`].
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let file = File::open(path)?;
        if file.metadata()?.mode() & MODE_FORBIDDEN != 0 {
            return Err(KeyError::Permissions);
        }
        // One byte more than a key file has, so that a longer one shows.
        let mut text = Zeroizing::new(String::with_capacity(FILE_LEN_MAX.saturating_add(1)));
        let limit = u64::try_from(FILE_LEN_MAX).unwrap_or(u64::MAX);
        let read = file.take(limit.saturating_add(1)).read_to_string(&mut text);
        match read {
            Ok(_) => Self::from_text(&text),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(KeyError::Format),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes a new key file, readable by its owner only, and waits until it is on disk.
    ///
    /// # Errors
    /// [`KeyError::Exists`] if there is anything at `path`; [`KeyError::Io`].
    pub fn save(&self, path: &Path) -> Result<(), KeyError> {
        let created = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path);
        let mut file = match created {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(KeyError::Exists);
            }
            Err(error) => return Err(error.into()),
        };
        let seed = Zeroizing::new(Base64UrlUnpadded::encode_string(&self.0));
        file.write_all(FILE_PREFIX.as_bytes())?;
        file.write_all(seed.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        Ok(())
    }

    /// The key that clients pin.
    #[must_use]
    pub fn public(&self) -> RelayKey {
        RelayKey::from_bytes(SigningKey::from_bytes(&self.0).verifying_key().to_bytes())
    }

    /// The key in PKCS #8 (RFC 8410 §7), as TLS libraries take it.
    pub(crate) fn to_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new([PKCS8_PREFIX.as_slice(), &self.0].concat())
    }

    /// A secret of its own for another purpose, from which this key cannot be computed. A relay that
    /// restarts with the same key gets the same one.
    pub(crate) fn derive(&self, purpose: &[u8]) -> Zeroizing<[u8; 32]> {
        let mut output = Zeroizing::new([0; 32]);
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) {
            mac.update(purpose);
            output.copy_from_slice(&mac.finalize().into_bytes());
        }
        output
    }

    fn from_text(text: &str) -> Result<Self, KeyError> {
        let encoded = text
            .trim_end()
            .strip_prefix(FILE_PREFIX)
            .ok_or(KeyError::Format)?;
        let mut secret = Self([0; 32]);
        match Base64UrlUnpadded::decode(encoded, &mut secret.0) {
            Ok(decoded) if decoded.len() == 32 => Ok(secret),
            Ok(_) | Err(_) => Err(KeyError::Format),
        }
    }
}

impl fmt::Debug for RelaySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RelaySecret(redacted)")
    }
}

/// What a key file starts with; 43 characters of base64url and a newline follow.
const FILE_PREFIX: &str = "sori-relay-key-1 ";

/// Longest key file: prefix, seed and a line ending.
const FILE_LEN_MAX: usize = FILE_PREFIX.len() + 43 + 2;

/// Permission bits that a key file must not have: anything for others, writing for the group. The
/// group may read, as service managers hand out credentials that way.
const MODE_FORBIDDEN: u32 = 0o037;

/// PrivateKeyInfo of version 0 with the algorithm 1.3.101.112, up to the seed itself.
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];
