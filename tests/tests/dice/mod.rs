//! Choices that can be repeated from their seed (SplitMix64).

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "what goes wrong in a test has to be loud, and the seed has to be seen"
)]

use std::time::SystemTime;

use crate::peers::number;

pub(crate) struct Dice(u64);

impl From<u64> for Dice {
    fn from(seed: u64) -> Self {
        Self(seed)
    }
}

impl Dice {
    /// From the seed in an environment variable, or from one that is printed.
    pub(crate) fn new(variable: &str) -> Self {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap();
        let seed = number(variable, now.subsec_nanos() as usize);
        println!("{variable}={seed}");
        Self(seed as u64)
    }

    /// A number below the bound.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.next() as usize % bound
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
