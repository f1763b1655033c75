//! Record keys that tell nothing: encryption that keeps common prefixes.
//!
//! A profile at rest must not show which groups it knows: a group id in clear on two seized disks would
//! link their owners. Sealing the key whole would make a scan by prefix impossible. So each byte goes
//! through a secret permutation that depends on all bytes before it: keys with a common prefix have a
//! common masked prefix, and beyond the first differing byte nothing is alike. What stays visible is how
//! many keys share how long a prefix. Order is not kept: readers sort after unmasking.

use sha2::{Digest, Sha512};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A place in the tree of all keys: where masking stands after some bytes.
///
/// `chain` names the place; `rounds` are the tables of a four-round Feistel network over the two halves
/// of a byte: each round maps 16 nibbles to 16 nibbles, hence 8 bytes a round.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Mask {
    chain: [u8; 32],
    rounds: [[u8; 8]; 4],
}

impl Mask {
    /// The root, from the profile's mask key.
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self::place(key, None)
    }

    /// Masks the next byte and moves on.
    pub(crate) fn mask(&mut self, plain: u8) -> u8 {
        let masked = self.masked(plain);
        self.descend(plain);
        masked
    }

    /// Masks the next byte where no other follows.
    pub(crate) fn masked(&self, plain: u8) -> u8 {
        let (mut left, mut right) = (plain >> 4, plain & 15);
        for round in &self.rounds {
            (left, right) = (right, left ^ nibble(round, right));
        }
        (left << 4) | right
    }

    /// Recovers the next byte and moves on.
    pub(crate) fn unmask(&mut self, masked: u8) -> u8 {
        let (mut left, mut right) = (masked >> 4, masked & 15);
        for round in self.rounds.iter().rev() {
            (left, right) = (right ^ nibble(round, left), left);
        }
        let plain = (left << 4) | right;
        self.descend(plain);
        plain
    }

    /// Masks all of `plain`, appending to `out`.
    pub(crate) fn mask_into(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        out.extend(plain.iter().map(|byte| self.mask(*byte)));
    }

    fn descend(&mut self, plain: u8) {
        *self = Self::place(&self.chain, Some(plain));
    }

    fn place(chain: &[u8; 32], step: Option<u8>) -> Self {
        let mut hash = Sha512::new_with_prefix(chain);
        if let Some(byte) = step {
            hash.update([byte]);
        }
        let mut digest: [u8; 64] = hash.finalize().into();
        let mut place = Self {
            chain: [0; 32],
            rounds: [[0; 8]; 4],
        };
        let target = place
            .chain
            .iter_mut()
            .chain(place.rounds.iter_mut().flatten());
        for (to, from) in target.zip(digest) {
            *to = from;
        }
        digest.zeroize();
        place
    }
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mask")
    }
}

/// Entry `index` (0 to 15) of a table of 16 nibbles.
fn nibble(table: &[u8; 8], index: u8) -> u8 {
    let byte = table.get(usize::from(index >> 1)).copied().unwrap_or(0);
    if index & 1 == 0 { byte >> 4 } else { byte & 15 }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::Mask;

    fn masked(key: &[u8; 32], plain: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        Mask::new(key).mask_into(plain, &mut out);
        out
    }

    #[test]
    fn every_place_is_a_permutation() {
        for key in 0..8 {
            let seen: BTreeSet<u8> = (0..=255)
                .map(|byte| Mask::new(&[key; 32]).mask(byte))
                .collect();
            assert_eq!(seen.len(), 256);
        }
    }

    #[test]
    fn other_key_masks_otherwise() {
        assert_ne!(
            masked(&[1; 32], b"group-0001"),
            masked(&[2; 32], b"group-0001")
        );
    }

    proptest! {
        #[test]
        fn unmask_inverts_mask(key: [u8; 32], plain: Vec<u8>) {
            let mut mask = Mask::new(&key);
            let back: Vec<u8> = masked(&key, &plain).iter().map(|byte| mask.unmask(*byte)).collect();
            prop_assert_eq!(back, plain);
        }

        #[test]
        fn common_prefix_is_kept_and_no_longer(key: [u8; 32], prefix: Vec<u8>, a: Vec<u8>, b: Vec<u8>) {
            let common = |x: &[u8], y: &[u8]| x.iter().zip(y).take_while(|(p, q)| p == q).count();
            let (x, y) = ([&prefix[..], &a].concat(), [&prefix[..], &b].concat());
            prop_assert_eq!(common(&masked(&key, &x), &masked(&key, &y)), common(&x, &y));
        }
    }
}
