//! Choices that can be repeated from their seed.

use std::time::{SystemTime, UNIX_EPOCH};

/// SplitMix64.
pub struct Dice(u64);

impl Dice {
    /// From `SORI_RELAY_SEED`, or from a new seed, which is printed.
    #[expect(
        clippy::print_stdout,
        reason = "the seed is what repeats a test that failed"
    )]
    pub fn new() -> Self {
        let given = std::env::var("SORI_RELAY_SEED").ok();
        let now = || {
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap()
                .as_nanos() as u64
        };
        let seed = given.and_then(|text| text.parse().ok()).unwrap_or_else(now);
        println!("SORI_RELAY_SEED={seed}");
        Self(seed)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as usize % bound.max(1)
    }

    pub fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.byte()).collect()
    }

    /// Changes up to four bytes, and mostly cuts some off.
    pub fn spoil(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            bytes[at] = self.byte();
        }
        bytes.truncate(self.below(bytes.len() + 1));
    }
}
