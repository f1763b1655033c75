//! Randomness that a seed can repeat.

use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};

/// A seeded generator.
#[derive(Clone, Debug)]
pub(crate) struct Chance(ChaCha8Rng);

impl Chance {
    /// The generator of `seed` for the purpose numbered `stream`; streams of a seed are unrelated.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self(rng)
    }

    /// A number from 0 to `end - 1`; 0 if `end` is 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0.next_u64() % end.max(1)
    }

    /// As [`Chance::below`], for indices.
    pub(crate) fn index(&mut self, end: usize) -> usize {
        self.below(end as u64) as usize
    }

    /// True in `permille` of 1,000 cases.
    pub(crate) fn permille(&mut self, permille: u64) -> bool {
        self.below(1000) < permille
    }

    /// A length from `from` to `to`, small ones as likely as large ones.
    pub(crate) fn len(&mut self, from: usize, to: usize) -> usize {
        let doublings = (to / from.max(1)).max(1).ilog2() + 1;
        let base = from << self.below(u64::from(doublings));
        (base + self.index(base)).clamp(from, to)
    }
}
