//! Topics: meeting places that are known by a public key and entered by a signature
//! (`protocol §2.2`).

use std::fmt;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use rand_core::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Label of the TLS exporter that binds proofs to a connection (RFC 8446 §7.5, RFC 5705 §4).
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-sori-topic-proof";

/// Context of that exporter: the protocol's name, so that another version gets another value.
pub const EXPORTER_CONTEXT: &[u8] = b"sori/1";

/// The secret half of a topic: an Ed25519 seed of 32 bytes. Whoever holds it may attach.
///
/// It can be cloned, unlike other secrets, because one seed serves every connection that attaches.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct TopicSeed([u8; 32]);

impl TopicSeed {
    /// Takes 32 uniformly random or derived bytes as a seed.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Draws a seed.
    #[must_use]
    pub fn generate(rng: &mut (impl RngCore + CryptoRng)) -> Self {
        let mut seed = Self([0; 32]);
        rng.fill_bytes(&mut seed.0);
        seed
    }

    /// The seed's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The topic that this seed opens.
    #[must_use]
    pub fn topic(&self) -> Topic {
        Topic(SigningKey::from_bytes(&self.0).verifying_key().to_bytes())
    }

    /// Signs the right to attach to [`Self::topic`], good on one connection only.
    #[must_use]
    pub fn prove(&self, exporter: &Exporter) -> TopicProof {
        let key = SigningKey::from_bytes(&self.0);
        let topic = Topic(key.verifying_key().to_bytes());
        TopicProof::from_bytes(key.sign(&signed_bytes(exporter, &topic)).to_bytes())
    }
}

impl fmt::Debug for TopicSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TopicSeed(redacted)")
    }
}

/// A topic's name: an Ed25519 public key, 32 bytes. The relay learns nothing else about it.
///
/// Any 32 bytes can be held; bytes that are no key, or a key of small order, fail every
/// [`Self::verify`]. `Debug` does not print it: a topic identifies a conversation's meeting place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Topic([u8; 32]);

impl Topic {
    /// Takes 32 bytes as a topic.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The topic's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Checks that whoever made `proof` holds this topic's seed and made it for the connection that
    /// `exporter` comes from (`protocol §2.2`). Strict: no small-order key, no second encoding.
    ///
    /// # Errors
    /// [`ProofError`] in every other case; it does not say which.
    pub fn verify(&self, proof: &TopicProof, exporter: &Exporter) -> Result<(), ProofError> {
        let key = VerifyingKey::from_bytes(&self.0).map_err(|_| ProofError)?;
        key.verify_strict(
            &signed_bytes(exporter, self),
            &Signature::from_bytes(&proof.to_bytes()),
        )
        .map_err(|_| ProofError)
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Topic(redacted)")
    }
}

/// Proof of a topic on one connection: an Ed25519 signature, 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicProof([[u8; 32]; 2]); // serde has no arrays of 64; two halves have the same bytes.

impl TopicProof {
    /// Takes 64 bytes as a proof.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 64]) -> Self {
        let signature = Signature::from_bytes(&bytes);
        Self([*signature.r_bytes(), *signature.s_bytes()])
    }

    /// The 64 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 64] {
        let [r, s] = self.0;
        Signature::from_components(r, s).to_bytes()
    }
}

impl fmt::Debug for TopicProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TopicProof(redacted)")
    }
}

/// The proof did not match the topic and the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the proof does not match the topic and the connection")]
pub struct ProofError;

/// What both ends of one TLS connection, and nobody else, can compute: 32 bytes exported under
/// [`EXPORTER_LABEL`] and [`EXPORTER_CONTEXT`].
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Exporter([u8; 32]);

impl Exporter {
    /// Takes the exported bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exporter(redacted)")
    }
}

/// The bytes under a proof: a context string that names the use, the exporter and the topic.
fn signed_bytes(exporter: &Exporter, topic: &Topic) -> Vec<u8> {
    [PROOF_CONTEXT, &exporter.0, &topic.0].concat()
}

/// Starts every signed proof, so that the signature serves nothing else. The zero byte ends it, so
/// that no longer context can begin with this one.
const PROOF_CONTEXT: &[u8] = b"sori/1 attach\0";
