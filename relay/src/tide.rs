//! When so many have left that the memory they took is worth giving back.

/// The most connections that there were since memory was last given back.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tide {
    high: u64,
}

impl Tide {
    /// Takes note of how many there are now; says whether half of many have left.
    pub(crate) fn turns_at(&mut self, now: u64) -> bool {
        self.high = self.high.max(now);
        let left = self.high.saturating_sub(now);
        let turns = left >= WORTH_IT && left >= now;
        if turns {
            self.high = now;
        }
        turns
    }
}

/// Fewer are not worth going through the heap for: some 40 KiB each.
const WORTH_IT: u64 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_given_back_once_when_half_of_many_have_left() {
        let mut tide = Tide::default();
        let turns = [0, 500, 400, 251, 250, 250, 190, 125, 60, 0, 0].map(|now| tide.turns_at(now));
        assert_eq!(
            turns,
            [
                false, false, false, false, true, false, false, true, true, false, false
            ]
        );
    }

    #[test]
    fn few_who_come_and_go_do_not_matter() {
        let mut tide = Tide::default();
        for now in [0, 63, 0, 63, 1, 63, 0] {
            assert!(!tide.turns_at(now));
        }
    }
}
