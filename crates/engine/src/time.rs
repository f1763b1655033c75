//! Time as the engine knows it: a number that the driver hands in.

use serde::{Deserialize, Serialize};

/// A point in time: milliseconds since 1970-01-01T00:00:00Z, as the driver's clock has it.
///
/// The engine never reads a clock. It assumes that the value seldom goes backwards and
/// survives it when it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Time(u64);

impl Time {
    /// From milliseconds since the Unix epoch.
    #[must_use]
    pub const fn from_unix_ms(ms: u64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn unix_ms(self) -> u64 {
        self.0
    }

    /// This time plus `ms` milliseconds, at most the largest time there is.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// This time minus `ms` milliseconds, at least the Unix epoch.
    #[must_use]
    pub const fn minus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_sub(ms))
    }

    /// Milliseconds from `earlier` to this time; zero if `earlier` is later.
    #[must_use]
    pub const fn since_ms(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The UTC day this time falls into.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "bounded in the line above")]
    pub const fn day(self) -> Day {
        let day = self.0 / DAY_MS;
        if day > u32::MAX as u64 {
            Day(u32::MAX)
        } else {
            Day(day as u32)
        }
    }
}

/// Milliseconds in a day.
pub(crate) const DAY_MS: u64 = 86_400_000;

/// A UTC day: whole days since 1970-01-01.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Day(pub u32);

impl Day {
    /// The first millisecond after this day.
    #[must_use]
    pub const fn end(self) -> Time {
        Time((self.0 as u64).saturating_add(1).saturating_mul(DAY_MS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_begin_and_end_at_utc_midnight() {
        assert_eq!(Time::from_unix_ms(0).day(), Day(0));
        assert_eq!(Time::from_unix_ms(DAY_MS - 1).day(), Day(0));
        assert_eq!(Time::from_unix_ms(DAY_MS).day(), Day(1));
        assert_eq!(Day(0).end(), Time::from_unix_ms(DAY_MS));
    }
}
