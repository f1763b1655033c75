//! The forward chain of a key slot.
//!
//! `K(g+1) = SHA-256("sori store chain 2" || K(g))`: whoever holds generation g can go on, and never back.
//! The key of the rows of generation g is another hash of K(g), so that a row key tells nothing of the chain.

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// How far the slot file may lag behind the newest row of a slot; more at once is not our writing.
pub(crate) const STEPS_MAX: u64 = 1 << 17;

/// The key of a slot at one generation.
pub(crate) type ChainKey = Zeroizing<[u8; 32]>;

/// `key`, `steps` generations later; `None` beyond [`STEPS_MAX`].
pub(crate) fn advanced(key: &[u8; 32], steps: u64) -> Option<ChainKey> {
    if steps > STEPS_MAX {
        return None;
    }
    let mut key = Zeroizing::new(*key);
    for _ in 0..steps {
        key = hashed(b"sori store chain 2", &key);
    }
    Some(key)
}

/// The key that seals the rows of this generation.
pub(crate) fn row_key(key: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    hashed(b"sori store row key 2", key)
}

fn hashed(label: &[u8], key: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    let digest = Sha256::new().chain_update(label).chain_update(key);
    Zeroizing::new(digest.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_add_up_and_no_generation_repeats() {
        let start = [1; 32];
        let third = advanced(&start, 3).unwrap();
        assert_eq!(third, advanced(&advanced(&start, 2).unwrap(), 1).unwrap());
        assert_ne!(*third, *advanced(&start, 2).unwrap());
        assert_eq!(*advanced(&start, 0).unwrap(), start);
        assert_ne!(*row_key(&start), *advanced(&start, 1).unwrap());
    }

    #[test]
    fn lag_beyond_the_bound_is_refused() {
        assert!(advanced(&[1; 32], STEPS_MAX + 1).is_none());
    }
}
