//! The key by which clients know a relay (`protocol §1.2`).

use std::fmt;
use std::str::FromStr;

use base64ct::{Base64UrlUnpadded, Encoding};

/// A relay's public Ed25519 key, 32 bytes. In text: base64url without padding, 43 characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelayKey([u8; 32]);

/// The text is not a relay key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a relay key is 43 characters of base64url: letters, digits, '-' and '_'")]
pub struct InvalidRelayKey;

impl RelayKey {
    /// Takes the 32 bytes of a public key.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key as a DER SubjectPublicKeyInfo (RFC 8410 §4): what a TLS raw public key carries
    /// (RFC 7250 §3).
    #[must_use]
    pub fn to_spki(&self) -> [u8; 44] {
        let mut spki = [0; 44];
        for (to, from) in spki.iter_mut().zip(SPKI_PREFIX.iter().chain(&self.0)) {
            *to = *from;
        }
        spki
    }
}

impl fmt::Display for RelayKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Base64UrlUnpadded::encode_string(&self.0))
    }
}

impl fmt::Debug for RelayKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RelayKey({self})")
    }
}

impl FromStr for RelayKey {
    type Err = InvalidRelayKey;

    fn from_str(text: &str) -> Result<Self, InvalidRelayKey> {
        let mut bytes = [0; 32];
        match Base64UrlUnpadded::decode(text, &mut bytes) {
            Ok(decoded) if decoded.len() == 32 => Ok(Self(bytes)),
            Ok(_) | Err(_) => Err(InvalidRelayKey),
        }
    }
}

/// SEQUENCE { SEQUENCE { OID 1.3.101.112 }, BIT STRING of 32 bytes }, up to the key itself.
const SPKI_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];
