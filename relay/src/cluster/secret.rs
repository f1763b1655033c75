//! What the relays of a cluster share from the start: it proves that a relay belongs, and opens nothing
//! that was sealed under an epoch.

use std::fmt;
use std::str::FromStr;

use base64ct::{Base64UrlUnpadded, Encoding};
use chacha20poly1305::aead::Aead;
use chacha20poly1305::{Key, KeyInit, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// 32 random bytes that every relay of a cluster is given.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ClusterSecret([u8; 32]);

/// The text is not a cluster secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "it is not a cluster secret, which is 43 characters of base64url: letters, digits, '-' and '_'"
)]
pub struct InvalidClusterSecret;

/// What the secret is used for: where the relays talk about keys, and how that is sealed.
pub(super) struct Membership {
    subject: String,
    seal: XChaCha20Poly1305,
    wrap: Zeroizing<[u8; 32]>,
}

impl ClusterSecret {
    /// Takes 32 uniformly random bytes as a secret.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The secret as text.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(Base64UrlUnpadded::encode_string(&self.0))
    }
}

impl Membership {
    pub(super) fn new(secret: &ClusterSecret) -> Self {
        let hkdf = Hkdf::<Sha256>::new(Some(b"sori cluster 1"), &secret.0);
        let mut subject = [0; 16];
        let mut seal = Zeroizing::new([0; 32]);
        let mut wrap = Zeroizing::new([0; 32]);
        // These lengths are always had.
        let _always = hkdf.expand(b"subject", &mut subject);
        let _always = hkdf.expand(b"seal", seal.as_mut());
        let _always = hkdf.expand(b"wrap", wrap.as_mut());
        Self {
            subject: super::epoch::subject_of(subject),
            seal: XChaCha20Poly1305::new(Key::from_slice(seal.as_ref())),
            wrap,
        }
    }

    /// Where the relays of this cluster talk about keys.
    pub(super) fn subject(&self) -> &str {
        &self.subject
    }

    /// Seals a message about keys. `None` if the system has no randomness.
    pub(super) fn seal(&self, plaintext: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).ok()?;
        let sealed = self.seal.encrypt(XNonce::from_slice(&nonce), plaintext);
        Some([nonce.as_slice(), &sealed.ok()?].concat())
    }

    /// Opens a message about keys by a relay of this cluster.
    pub(super) fn open(&self, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN)?;
        let opened = self.seal.decrypt(XNonce::from_slice(nonce), sealed);
        opened.ok().map(Zeroizing::new)
    }

    /// The key under which one relay gives another its epoch keys. Who has the cluster's secret and
    /// not the shared secret of their exchange has nothing, and the other way round.
    pub(super) fn wrap_key(&self, shared: &[u8], transcript: &[u8]) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        let hkdf = Hkdf::<Sha256>::new(Some(self.wrap.as_ref()), shared);
        let _always = hkdf.expand(transcript, key.as_mut());
        key
    }
}

impl FromStr for ClusterSecret {
    type Err = InvalidClusterSecret;

    fn from_str(text: &str) -> Result<Self, InvalidClusterSecret> {
        let mut secret = Self([0; 32]);
        match Base64UrlUnpadded::decode(text, &mut secret.0) {
            Ok(decoded) if decoded.len() == 32 => Ok(secret),
            Ok(_) | Err(_) => Err(InvalidClusterSecret),
        }
    }
}

impl fmt::Debug for ClusterSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterSecret(redacted)")
    }
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Membership(redacted)")
    }
}

const NONCE_LEN: usize = 24;
