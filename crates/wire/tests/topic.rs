//! Topic proofs: `docs/protocol.md`, section 2.2.

use ed25519_dalek::{Signer, SigningKey};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use sori_wire::{Exporter, ProofError, Topic, TopicProof, TopicSeed};

proptest! {
    /// protocol §2.2.4
    #[test]
    fn proof_holds_for_its_topic_and_connection_only(
        seed in any::<[u8; 32]>(),
        other in any::<[u8; 32]>(),
        exported in any::<[u8; 32]>(),
        byte in 0_usize..64,
        bit in 0_u8..8,
    ) {
        prop_assume!(seed != other && exported != other);
        let seed = TopicSeed::from_bytes(seed);
        let exporter = Exporter::from_bytes(exported);
        let proof = seed.prove(&exporter);
        prop_assert_eq!(seed.topic().verify(&proof, &exporter), Ok(()));

        let elsewhere = Exporter::from_bytes(other);
        prop_assert_eq!(seed.topic().verify(&proof, &elsewhere), Err(ProofError));
        let stranger = TopicSeed::from_bytes(other).topic();
        prop_assert_eq!(stranger.verify(&proof, &exporter), Err(ProofError));
        let mut bent = proof.to_bytes();
        bent[byte] ^= 1 << bit;
        let bent = TopicProof::from_bytes(bent);
        prop_assert_eq!(seed.topic().verify(&bent, &exporter), Err(ProofError));
    }

    #[test]
    fn any_bytes_can_be_checked(
        topic in any::<[u8; 32]>(),
        proof in any::<[u8; 64]>(),
        exported in any::<[u8; 32]>(),
    ) {
        let outcome = Topic::from_bytes(topic)
            .verify(&TopicProof::from_bytes(proof), &Exporter::from_bytes(exported));
        prop_assert_eq!(outcome, Err(ProofError));
    }
}

/// protocol §2.2.1, §2.2.2
#[test]
fn proof_is_a_signature_over_context_exporter_and_topic() {
    let seed = [7; 32];
    let exported = [9; 32];
    let topic = TopicSeed::from_bytes(seed).topic();
    let message = [b"sori/1 attach\0".as_slice(), &exported, topic.as_bytes()].concat();
    let signature = SigningKey::from_bytes(&seed).sign(&message);
    let proof = TopicProof::from_bytes(signature.to_bytes());
    assert_eq!(
        topic.verify(&proof, &Exporter::from_bytes(exported)),
        Ok(())
    );
}

/// The neutral element as a key accepts one signature for every message, unless checked strictly.
///
/// protocol §2.2.4
#[test]
fn small_order_key_proves_nothing() {
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let mut proof = [0; 64];
    proof[..32].copy_from_slice(&neutral);
    let outcome = Topic::from_bytes(neutral).verify(
        &TopicProof::from_bytes(proof),
        &Exporter::from_bytes([0; 32]),
    );
    assert_eq!(outcome, Err(ProofError));
}

#[test]
fn debug_output_shows_neither_seed_nor_topic() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let seed = TopicSeed::generate(&mut rng);
    let exporter = Exporter::from_bytes([3; 32]);
    let proof = seed.prove(&exporter);
    let shown = format!("{seed:?} {:?} {exporter:?} {proof:?}", seed.topic());
    assert_eq!(
        shown,
        "TopicSeed(redacted) Topic(redacted) Exporter(redacted) TopicProof(redacted)"
    );
}
