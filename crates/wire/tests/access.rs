//! Access keys: `docs/protocol.md`, section 2.9.

use proptest::prelude::*;
use sori_wire::{AccessKey, AccessProof, Exporter};

fn keys(bytes: &[u8]) -> Vec<AccessKey> {
    bytes
        .iter()
        .map(|byte| AccessKey::from_bytes([*byte; 32]))
        .collect()
}

/// The example of `docs/protocol.md`, section 2.9.
#[test]
fn proof_is_that_of_the_protocol_document() {
    let exporter = Exporter::from_bytes([2; 32]);
    let proof = AccessKey::from_bytes([1; 32]).prove(&exporter);
    let hex: String = proof
        .as_bytes()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    let document = include_str!("../../../docs/protocol.md");
    assert!(document.contains(&hex), "not in protocol.md: {hex}");
}

/// protocol §2.9.1, §2.9.2, §2.9.5
#[test]
fn every_key_of_several_lets_in_and_another_does_not() {
    let exporter = Exporter::from_bytes([2; 32]);
    for key in keys(&[1, 2, 3]) {
        assert!(
            key.prove(&exporter)
                .is_by_one_of(&keys(&[1, 2, 3]), &exporter)
        );
    }
    let other = AccessKey::from_bytes([4; 32]).prove(&exporter);
    assert!(!other.is_by_one_of(&keys(&[1, 2, 3]), &exporter));
    assert!(!other.is_by_one_of(&[], &exporter));
    // On another connection it is worth nothing.
    assert!(!other.is_by_one_of(&keys(&[4]), &Exporter::from_bytes([3; 32])));
}

proptest! {
    #[test]
    fn no_changed_proof_is_good(key in any::<[u8; 32]>(), at in 0_usize..32, flip in 1_u8..) {
        let exporter = Exporter::from_bytes([2; 32]);
        let keys = [AccessKey::from_bytes(key)];
        let [key] = &keys;
        let mut bytes = *key.prove(&exporter).as_bytes();
        bytes[at] ^= flip;
        prop_assert!(!AccessProof::from_bytes(bytes).is_by_one_of(&keys, &exporter));
    }

    #[test]
    fn key_survives_its_text(key in any::<[u8; 32]>()) {
        let key = AccessKey::from_bytes(key);
        prop_assert_eq!(key.to_text().parse(), Ok(key));
    }
}
