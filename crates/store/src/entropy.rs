//! Nonces and keys from the seed the caller gave.

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// A deterministic stream of bytes: block `n` is SHA-256 over a label, the seed, a distinguisher and `n`.
///
/// The store takes no randomness from the system, so that a simulation can replay it. The seed must be
/// fresh and unpredictable in a real program. As a second line against a seed used twice, the
/// distinguisher (the numbers of commits and openings so far) makes the stream differ at each opening.
pub(crate) struct Entropy {
    seed: Zeroizing<[u8; 32]>,
    distinguisher: [u64; 2],
    counter: u64,
}

impl Entropy {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self {
            seed: Zeroizing::new(seed),
            distinguisher: [0; 2],
            counter: 0,
        }
    }

    /// Continues the same seed on a stream of its own for a profile with so many commits and openings.
    pub(crate) const fn distinguish(&mut self, commits: u64, openings: u64) {
        self.distinguisher = [commits, openings];
    }

    /// The next 32 bytes.
    pub(crate) fn bytes32(&mut self) -> Zeroizing<[u8; 32]> {
        self.counter = self.counter.wrapping_add(1);
        let [commits, openings] = self.distinguisher;
        let digest = Sha256::new()
            .chain_update(b"sori store entropy 2")
            .chain_update(self.seed.as_slice())
            .chain_update(commits.to_be_bytes())
            .chain_update(openings.to_be_bytes())
            .chain_update(self.counter.to_be_bytes())
            .finalize();
        Zeroizing::new(digest.into())
    }

    /// The next `N` bytes, for `N` up to 32; the rest of the block is thrown away.
    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        const { assert!(N <= 32) };
        let block = self.bytes32();
        let mut out = [0; N];
        for (to, from) in out.iter_mut().zip(block.iter()) {
            *to = *from;
        }
        out
    }
}

impl std::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entropy")
    }
}

#[cfg(test)]
mod tests {
    use super::Entropy;

    #[test]
    fn same_seed_gives_the_same_stream_and_never_repeats_a_block() {
        let (mut a, mut b) = (Entropy::new([1; 32]), Entropy::new([1; 32]));
        let first = a.bytes::<24>();
        assert_eq!(first, b.bytes::<24>());
        assert_ne!(first, a.bytes::<24>());
    }

    #[test]
    fn seed_used_again_after_a_commit_gives_another_stream() {
        let (mut a, mut b) = (Entropy::new([1; 32]), Entropy::new([1; 32]));
        a.distinguish(1, 1);
        b.distinguish(2, 1);
        assert_ne!(*a.bytes32(), *b.bytes32());
        a.distinguish(2, 2);
        assert_ne!(*a.bytes32(), *b.bytes32());
    }
}
