//! Token buckets: so much at once, and so much a second from then on.

use crate::settings::Rate;
use crate::time::Time;

/// The level of a bucket. Its [`Rate`] is kept by whoever has many of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    /// Thousandths of a token, so that nothing is lost between two looks; below zero is debt.
    level: i64,
    since: Time,
}

impl Bucket {
    pub(crate) fn full(rate: Rate, now: Time) -> Self {
        Self {
            level: thousandths(rate.burst),
            since: now,
        }
    }

    /// Takes `cost` tokens if they are there.
    pub(crate) fn take(&mut self, cost: u64, rate: Rate, now: Time) -> bool {
        self.refill(rate, now);
        let cost = thousandths(cost);
        if self.level < cost {
            return false;
        }
        self.level = self.level.saturating_sub(cost);
        true
    }

    /// Takes `cost` tokens whether they are there or not, and says for how many milliseconds to do
    /// nothing more.
    pub(crate) fn charge(&mut self, cost: u64, rate: Rate, now: Time) -> u64 {
        self.refill(rate, now);
        self.level = self.level.saturating_sub(thousandths(cost));
        if self.level >= 0 {
            return 0;
        }
        self.level.unsigned_abs().div_ceil(rate.per_second.max(1))
    }

    pub(crate) fn is_full(&mut self, rate: Rate, now: Time) -> bool {
        self.refill(rate, now);
        self.level >= thousandths(rate.burst)
    }

    /// Whether less than half is left.
    pub(crate) fn is_low(&mut self, rate: Rate, now: Time) -> bool {
        self.refill(rate, now);
        self.level < thousandths(rate.burst) / 2
    }

    fn refill(&mut self, rate: Rate, now: Time) {
        let gained = now
            .millis_since(self.since)
            .saturating_mul(rate.per_second)
            .min(i64::MAX.unsigned_abs());
        let gained = i64::try_from(gained).unwrap_or(i64::MAX);
        self.level = self
            .level
            .saturating_add(gained)
            .min(thousandths(rate.burst));
        self.since = now;
    }
}

fn thousandths(tokens: u64) -> i64 {
    i64::try_from(tokens.saturating_mul(1000)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RATE: Rate = Rate {
        burst: 10,
        per_second: 3,
    };

    #[test]
    fn burst_goes_at_once_and_the_rest_as_it_comes_back() {
        let mut bucket = Bucket::full(RATE, Time(0));
        assert!((0..10).all(|_| bucket.take(1, RATE, Time(0))));
        assert!(!bucket.take(1, RATE, Time(333)));
        assert!(bucket.take(1, RATE, Time(334)));
        assert!(!bucket.take(1, RATE, Time(400)));
    }

    #[test]
    fn debt_is_waited_for() {
        let mut bucket = Bucket::full(RATE, Time(0));
        assert_eq!(bucket.charge(10, RATE, Time(0)), 0);
        assert_eq!(bucket.charge(6, RATE, Time(0)), 2000);
        assert_eq!(bucket.charge(0, RATE, Time(1999)), 1);
        assert_eq!(bucket.charge(0, RATE, Time(2000)), 0);
    }

    proptest! {
        /// However often one looks, no more comes out than burst and rate allow.
        #[test]
        fn never_more_than_the_rate(waits in proptest::collection::vec(0_u64..50, 0..400)) {
            let mut bucket = Bucket::full(RATE, Time(0));
            let (mut now, mut taken) = (0, 0);
            for wait in waits {
                now += wait;
                taken += u64::from(bucket.take(1, RATE, Time(now)));
            }
            prop_assert!(taken <= RATE.burst + now * RATE.per_second / 1000);
        }

        #[test]
        fn no_rate_and_no_time_overflow(burst in any::<u64>(), per_second in any::<u64>(),
                                        now in any::<u64>(), cost in any::<u64>()) {
            let rate = Rate { burst, per_second };
            let mut bucket = Bucket::full(rate, Time(0));
            bucket.charge(cost, rate, Time(now));
            bucket.take(cost, rate, Time(now));
            bucket.is_full(rate, Time(now));
            bucket.is_low(rate, Time(now));
        }
    }
}
