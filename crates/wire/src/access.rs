//! Access keys of private relays: proof of belonging, and of nothing else (`protocol §2.9`).

use std::fmt;
use std::str::FromStr;

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, Mac};
use rand_core::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::topic::Exporter;

/// What a private relay asks of everybody: 32 random bytes that all of its clients share. In text:
/// base64url without padding, 43 characters.
///
/// Everybody who belongs holds the same key, so using it says that somebody belongs and not who.
/// It can be cloned and compared, unlike other secrets, because it is part of a
/// [`RelayUrl`](crate::RelayUrl). `Debug` does not print it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Zeroize, ZeroizeOnDrop)]
pub struct AccessKey([u8; 32]);

/// The text is not an access key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an access key is 43 characters of base64url: letters, digits, '-' and '_'")]
pub struct InvalidAccessKey;

/// Proof of an access key on one connection: HMAC-SHA256, 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessProof([u8; 32]);

impl AccessKey {
    /// Takes 32 uniformly random bytes as a key.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Draws a key.
    #[must_use]
    pub fn generate(rng: &mut (impl RngCore + CryptoRng)) -> Self {
        let mut key = Self([0; 32]);
        rng.fill_bytes(&mut key.0);
        key
    }

    /// The key as text.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(Base64UrlUnpadded::encode_string(&self.0))
    }

    /// Shows that this key is held, on one connection only (`protocol §2.9.2`).
    #[must_use]
    pub fn prove(&self, exporter: &Exporter) -> AccessProof {
        let mut proof = AccessProof([0; 32]);
        // HMAC takes keys of every length, so there is always one.
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) {
            mac.update(PROOF_CONTEXT);
            mac.update(exporter.as_bytes());
            proof.0 = mac.finalize().into_bytes().into();
        }
        proof
    }
}

impl AccessProof {
    /// Takes 32 bytes as a proof.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The proof's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether it was made with one of `keys` for the connection that `exporter` comes from. All
    /// keys are tried always, in the same time whichever fits.
    #[must_use]
    pub fn is_by_one_of(&self, keys: &[AccessKey], exporter: &Exporter) -> bool {
        let mut fits = Choice::from(0);
        for key in keys {
            fits |= key.prove(exporter).0.ct_eq(&self.0);
        }
        fits.into()
    }
}

impl FromStr for AccessKey {
    type Err = InvalidAccessKey;

    fn from_str(text: &str) -> Result<Self, InvalidAccessKey> {
        let mut key = Self([0; 32]);
        match Base64UrlUnpadded::decode(text, &mut key.0) {
            Ok(decoded) if decoded.len() == 32 => Ok(key),
            Ok(_) | Err(_) => Err(InvalidAccessKey),
        }
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessKey(redacted)")
    }
}

impl fmt::Debug for AccessProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessProof(redacted)")
    }
}

/// Starts what every proof is computed over, so that it serves nothing else.
const PROOF_CONTEXT: &[u8] = b"sori/1 access\0";
