//! Topics and the proofs that open them (`docs/protocol.md`, 2.2 and 2.9).

use ed25519_dalek::{Signer, SigningKey};
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// What a proof is over, before the exporter value.
pub(crate) const ATTACH_LABEL: &[u8] = b"sori/1 attach\0";

/// What an access proof is over, before the exporter value.
const ACCESS_LABEL: &[u8] = b"sori/1 access\0";

/// A topic with its seed.
#[derive(Clone, Debug)]
pub(crate) struct Topic(SigningKey);

impl Topic {
    pub(crate) fn from_seed(seed: [u8; 32]) -> Self {
        Self(SigningKey::from_bytes(&seed))
    }

    /// Its name at the relay.
    pub(crate) fn name(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// An honest proof.
    pub(crate) fn prove(&self, exporter: &[u8; 32]) -> [u8; 64] {
        self.sign(&[ATTACH_LABEL, exporter, &self.name()].concat())
    }

    /// A signature over anything.
    pub(crate) fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        self.0.sign(bytes).to_bytes()
    }
}

/// The proof of an access key on a connection.
pub(crate) fn access(key: &[u8; 32], exporter: &[u8; 32]) -> [u8; 32] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return [0; 32];
    };
    mac.update(ACCESS_LABEL);
    mac.update(exporter);
    mac.finalize().into_bytes().into()
}

/// Adds the order of the group to the scalar half of a signature: the same equation holds, in another encoding.
pub(crate) fn second_encoding(mut signature: [u8; 64]) -> [u8; 64] {
    let mut carry = 0_u16;
    for (byte, order) in signature.iter_mut().skip(32).zip(ORDER) {
        let [low, high] = (u16::from(*byte) + u16::from(order) + carry).to_le_bytes();
        *byte = low;
        carry = u16::from(high);
    }
    signature
}

/// The order of the group of Ed25519, little endian (RFC 8032, section 5.1).
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

#[cfg(test)]
mod tests {
    use ed25519_dalek::Signature;
    use sori_wire::{AccessKey, Exporter, TopicSeed};

    use super::*;

    #[test]
    fn proofs_are_those_of_the_product() {
        let exporter = [2; 32];
        let theirs = TopicSeed::from_bytes([7; 32]).prove(&Exporter::from_bytes(exporter));
        let topic = Topic::from_seed([7; 32]);
        assert_eq!(theirs.to_bytes(), topic.prove(&exporter));
        let key = AccessKey::from_bytes([1; 32]);
        let theirs = key.prove(&Exporter::from_bytes(exporter));
        assert_eq!(*theirs.as_bytes(), access(&[1; 32], &exporter));
    }

    #[test]
    fn the_second_encoding_differs_and_only_strict_verifiers_see_it() {
        let topic = Topic::from_seed([7; 32]);
        let good = topic.sign(b"x");
        let second = second_encoding(good);
        assert_ne!(good, second);
        let key = topic.0.verifying_key();
        assert!(
            key.verify_strict(b"x", &Signature::from_bytes(&good))
                .is_ok()
        );
        assert!(
            key.verify_strict(b"x", &Signature::from_bytes(&second))
                .is_err()
        );
    }
}
