//! Long values cut into pieces at places that their content decides, so that two values that
//! differ in one spot have all other pieces in common.
//!
//! Where a cut falls depends on a number that only the profile knows: the lengths of pieces can be
//! seen on a disk that is not unlocked, and would else tell what is in them to somebody who has
//! the same value.

use fastcdc::v2020::{FastCDC, Normalization};
use sha2::{Digest, Sha256};

use crate::record::GroupSeed;

/// The first half of the SHA-256 of a piece.
pub(crate) type PieceId = [u8; 16];

/// How long pieces are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grain {
    /// About 2 KiB, never more than one row of the store: for values that are kept for long.
    Coarse,
    /// About 512 bytes: for values that change all the time.
    Fine,
}

impl Grain {
    /// Least, average and most bytes of a piece.
    const fn bounds(self) -> (usize, usize, usize) {
        match self {
            Self::Coarse => (512, 2048, 3840),
            Self::Fine => (128, 512, 2048),
        }
    }
}

/// The pieces of a value, in order.
pub(crate) fn cut<'a>(value: &'a [u8], grain: Grain, seed: &GroupSeed) -> Vec<(PieceId, &'a [u8])> {
    let (seed, _) = seed.split_first_chunk().unwrap_or((&[0; 8], &[]));
    let seed = u64::from_be_bytes(*seed);
    let (least, average, most) = grain.bounds();
    let level = Normalization::Level1;
    FastCDC::with_level_and_seed(value, least, average, most, level, seed)
        .filter_map(|chunk| value.get(chunk.offset..chunk.offset.checked_add(chunk.length)?))
        .map(|piece| (id(piece), piece))
        .collect()
}

/// The name of a piece.
pub(crate) fn id(piece: &[u8]) -> PieceId {
    let mut id = [0; 16];
    for (to, from) in id.iter_mut().zip(Sha256::digest(piece)) {
        *to = from;
    }
    id
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn noise(len: usize, seed: u64) -> Vec<u8> {
        use rand_core::{RngCore as _, SeedableRng as _};
        let mut bytes = vec![0; len];
        rand_chacha::ChaCha20Rng::seed_from_u64(seed).fill_bytes(&mut bytes);
        bytes
    }

    #[test]
    fn values_that_differ_in_one_spot_share_nearly_all_pieces() {
        let old = noise(200_000, 1);
        let mut new = old.clone();
        new.splice(100_000..100_010, [7; 25]);
        for grain in [Grain::Coarse, Grain::Fine] {
            let known: Vec<PieceId> = cut(&old, grain, &[5; 16])
                .into_iter()
                .map(|(id, _)| id)
                .collect();
            let pieces = cut(&new, grain, &[5; 16]);
            let fresh = pieces.iter().filter(|(id, _)| !known.contains(id)).count();
            assert!((1..=3).contains(&fresh), "{fresh} of {}", pieces.len());
            assert!(pieces.len() > 200_000 / 5000);
        }
    }

    #[test]
    fn cuts_fall_elsewhere_in_another_profile() {
        let value = noise(200_000, 1);
        let lens = |seed| -> Vec<usize> {
            let pieces = cut(&value, Grain::Coarse, &[seed; 16]);
            pieces.iter().map(|(_, piece)| piece.len()).collect()
        };
        assert_eq!(lens(1), lens(1));
        assert_ne!(lens(1), lens(2));
    }

    proptest! {
        #[test]
        fn pieces_make_the_value_and_keep_their_bounds(len in 0_usize..20_000, seed: [u8; 16]) {
            let value = noise(len, u64::from(seed[0]));
            for grain in [Grain::Coarse, Grain::Fine] {
                let pieces = cut(&value, grain, &seed);
                let whole: Vec<u8> = pieces.iter().flat_map(|(_, piece)| piece.to_vec()).collect();
                prop_assert!(whole == value);
                let (_, _, most) = grain.bounds();
                prop_assert!(pieces.iter().all(|(_, piece)| !piece.is_empty() && piece.len() <= most));
            }
        }
    }
}
