//! The clock the engine is given: the wall clock where it started, carried on by the monotonic
//! one, and set again now and then.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sori_engine::Time;

/// Turns the machine's two clocks into [`Time`].
///
/// Between two settings it cannot jump. It is set to the wall clock when the two differ by
/// [`STEP`] or more (the person changed the clock; the machine slept) and otherwise once in
/// [`SETTING_INTERVAL`], which takes out the drift.
#[derive(Debug)]
pub(crate) struct Clock {
    wall_ms: u64,
    mono: Instant,
}

impl Clock {
    /// A clock set to now.
    pub(crate) fn start() -> Self {
        Self {
            wall_ms: wall_ms(),
            mono: Instant::now(),
        }
    }

    /// The time now.
    pub(crate) fn now(&mut self) -> Time {
        self.read(wall_ms(), Instant::now())
    }

    fn read(&mut self, wall_ms: u64, mono: Instant) -> Time {
        let elapsed = mono.saturating_duration_since(self.mono);
        let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let carried_ms = self.wall_ms.saturating_add(elapsed_ms);
        let is_off = Duration::from_millis(carried_ms.abs_diff(wall_ms)) >= STEP;
        if is_off || elapsed >= SETTING_INTERVAL {
            *self = Self { wall_ms, mono };
            return Time::from_unix_ms(wall_ms);
        }
        Time::from_unix_ms(carried_ms)
    }
}

fn wall_ms() -> u64 {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

/// A difference that is not drift.
const STEP: Duration = Duration::from_secs(2);

/// How often the clock is set.
const SETTING_INTERVAL: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_jump_of_the_wall_clock_is_not_followed_at_once() {
        let mono = Instant::now();
        let mut clock = Clock {
            wall_ms: 10_000,
            mono,
        };
        let later = mono + Duration::from_secs(1);
        assert_eq!(clock.read(10_100, later), Time::from_unix_ms(11_000));
        assert_eq!(clock.read(12_900, later), Time::from_unix_ms(11_000));
    }

    #[test]
    fn a_step_or_a_long_time_sets_the_clock() {
        let mono = Instant::now();
        let mut clock = Clock {
            wall_ms: 10_000,
            mono,
        };
        assert_eq!(clock.read(12_000, mono), Time::from_unix_ms(12_000));
        assert_eq!(clock.read(5_000, mono), Time::from_unix_ms(5_000));
        let later = mono + SETTING_INTERVAL;
        assert_eq!(clock.read(606_000, later), Time::from_unix_ms(606_000));
        assert_eq!(clock.wall_ms, 606_000);
    }
}
