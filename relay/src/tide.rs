//! When so many have left that the memory they took is worth giving back.

/// Looks once a second how many are connected.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tide {
    /// The most that there were since half of them had left.
    high: u64,
    /// Seconds since half had left, while there is something to do about it.
    ebb: Option<u32>,
}

impl Tide {
    /// A second has passed, and so many are connected now; says whether to give memory back.
    pub(crate) fn tick(&mut self, now: u64) -> bool {
        self.high = self.high.max(now);
        let left = self.high.saturating_sub(now);
        if left >= WORTH_IT && left >= now {
            self.high = now;
            self.ebb = Some(0);
            return false;
        }
        self.ebb = match self.ebb {
            None | Some(LATE..) => None,
            Some(seconds) => Some(seconds.saturating_add(1)),
        };
        matches!(self.ebb, Some(SOON | LATE))
    }
}

/// Fewer are not worth going through the heap for: some 40 KiB each.
const WORTH_IT: u64 = 64;

/// Seconds after which memory is given back: when what was closed in order has been let go of, and when nothing
/// can be left of it.
const SOON: u32 = 5;
const LATE: u32 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    /// The seconds, counted from one, in which memory is given back.
    fn given(levels: impl IntoIterator<Item = u64>) -> Vec<usize> {
        let mut tide = Tide::default();
        let seconds = levels.into_iter().enumerate();
        seconds
            .filter_map(|(second, now)| tide.tick(now).then_some(second + 1))
            .collect()
    }

    #[test]
    fn memory_is_given_back_twice_when_half_of_many_have_left() {
        let levels = [0, 500, 400, 251, 250]; // In the fifth second half have left.
        let after = std::iter::repeat_n(240, 200);
        assert_eq!(given(levels.into_iter().chain(after)), [10, 65]);
    }

    #[test]
    fn those_who_leave_next_are_waited_for() {
        let levels = [500, 250, 250, 100, 100, 10];
        let after = std::iter::repeat_n(0, 200);
        assert_eq!(given(levels.into_iter().chain(after)), [11, 66]);
    }

    #[test]
    fn few_who_come_and_go_do_not_matter() {
        assert!(given([0, 63, 0, 63, 1, 63, 0].repeat(40)).is_empty());
    }
}
