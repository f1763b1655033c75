//! Logs in short: what tells two members whether they hold the same envelopes, day by day
//! (protocol §6.1.1).
//!
//! The ids of a day go into a set hash that nobody can steer: each id is stretched to 1024
//! numbers of 16 bits, and these are added up one by one (LtHash). Who writes envelopes could find
//! some whose ids add up to what he wants, were they only added; to find such a set here, he would
//! have to find short vectors in a lattice of 1024 dimensions.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::session::EnvelopeId;
use crate::time::Day;

/// Numbers in a set hash.
const WIDTH: usize = 1024;
/// Most days in a print: those that a log is kept, and what clocks may differ.
pub(crate) const DAYS_MAX: usize = 40;

/// A set of ids, as the sum of what each is stretched to.
#[derive(Clone)]
pub(crate) struct SetHash {
    count: u64,
    sums: Box<[u16; WIDTH]>,
    /// What it comes to, once somebody asked: a hello is compared far more often than an envelope comes.
    digest: OnceLock<[u8; 32]>,
}

impl Default for SetHash {
    fn default() -> Self {
        Self {
            count: 0,
            sums: Box::new([0; WIDTH]),
            digest: OnceLock::new(),
        }
    }
}

impl std::fmt::Debug for SetHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SetHash({})", self.count)
    }
}

impl SetHash {
    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// Puts an id in that is not in.
    pub(crate) fn add(&mut self, id: &EnvelopeId) {
        self.count = self.count.saturating_add(1);
        self.digest = OnceLock::new();
        for (sum, part) in self.sums.iter_mut().zip(stretch(id)) {
            *sum = sum.wrapping_add(part);
        }
    }

    /// Takes an id out that is in.
    pub(crate) fn remove(&mut self, id: &EnvelopeId) {
        self.count = self.count.saturating_sub(1);
        self.digest = OnceLock::new();
        for (sum, part) in self.sums.iter_mut().zip(stretch(id)) {
            *sum = sum.wrapping_sub(part);
        }
    }

    fn digest(&self) -> [u8; 32] {
        *self.digest.get_or_init(|| {
            let sums: Vec<u8> = self.sums.iter().flat_map(|sum| sum.to_be_bytes()).collect();
            let hash =
                Sha256::new_with_prefix(b"sori log 1").chain_update(self.count.to_be_bytes());
            hash.chain_update(sums).finalize().into()
        })
    }
}

/// The numbers that an id is stretched to: the ChaCha20 key stream under the id, big endian.
fn stretch(id: &EnvelopeId) -> impl Iterator<Item = u16> {
    let mut bytes = vec![0; 2 * WIDTH];
    ChaCha20Rng::from_seed(id.0).fill_bytes(&mut bytes);
    (0..WIDTH).map(move |index| {
        let at = index.saturating_mul(2);
        let pair = bytes.get(at..at.saturating_add(2));
        pair.and_then(|pair| pair.try_into().ok())
            .map_or(0, u16::from_be_bytes)
    })
}

/// A day of a log in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DayPrint {
    pub(crate) day: Day,
    /// SHA-256 over `sori log 1`, the number of envelopes and the set hash of their ids.
    pub(crate) digest: [u8; 32],
}

/// A log in short.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Prints {
    /// What is of an earlier day is neither kept nor asked for.
    pub(crate) floor: Day,
    /// Every day from then on of which there are envelopes, ascending; at most [`DAYS_MAX`].
    pub(crate) days: Vec<DayPrint>,
}

impl Prints {
    pub(crate) fn of(floor: Day, days: &BTreeMap<Day, SetHash>) -> Self {
        let held = days.range(floor..).filter(|(_, set)| set.count > 0);
        let print = |(day, set): (&Day, &SetHash)| DayPrint {
            day: *day,
            digest: set.digest(),
        };
        // The newest, if a far clock has made more days than there can be.
        let mut prints: Vec<DayPrint> = held.rev().take(DAYS_MAX).map(print).collect();
        prints.reverse();
        Self {
            floor,
            days: prints,
        }
    }

    /// Whether it is one that [`of`](Self::of) makes.
    pub(crate) fn is_sound(&self) -> bool {
        let ascending = self.days.is_sorted_by(|one, other| one.day < other.day);
        let first = self.days.first();
        ascending && self.days.len() <= DAYS_MAX && first.is_none_or(|one| one.day >= self.floor)
    }

    /// Of that, the days before one.
    pub(crate) fn before(&self, end: Day) -> Self {
        let past = self.days.iter().filter(|print| print.day < end);
        Self {
            floor: self.floor,
            days: past.copied().collect(),
        }
    }

    pub(crate) fn digest(&self, day: Day) -> Option<[u8; 32]> {
        let found = self.days.iter().find(|print| print.day == day);
        found.map(|print| print.digest)
    }

    /// The first day that both keep.
    pub(crate) fn common_floor(&self, other: &Self) -> Day {
        self.floor.max(other.floor)
    }

    /// Whether both hold the same of the days that both keep.
    pub(crate) fn agrees(&self, other: &Self) -> bool {
        let floor = self.common_floor(other);
        let kept = |one: &Self| -> Vec<DayPrint> {
            let days = one.days.iter().filter(|print| print.day >= floor);
            days.copied().collect()
        };
        kept(self) == kept(other)
    }

    /// The days of which the other holds all that is here.
    pub(crate) fn equal_days(&self, other: &Self) -> Vec<Day> {
        let same = |print: &&DayPrint| other.digest(print.day) == Some(print.digest);
        self.days
            .iter()
            .filter(same)
            .map(|print| print.day)
            .collect()
    }

    /// The bytes that stand for it in what is signed.
    pub(crate) fn signed_bytes(&self) -> Vec<u8> {
        let mut bytes = self.floor.0.to_be_bytes().to_vec();
        for print in &self.days {
            bytes.extend(print.day.0.to_be_bytes());
            bytes.extend(print.digest);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(number: u8) -> EnvelopeId {
        EnvelopeId([number; 32])
    }

    fn prints(floor: u32, held: &[(u32, u8)]) -> Prints {
        let mut days: BTreeMap<Day, SetHash> = BTreeMap::new();
        for (day, number) in held {
            days.entry(Day(*day)).or_default().add(&id(*number));
        }
        Prints::of(Day(floor), &days)
    }

    #[test]
    fn only_days_that_both_keep_are_compared() {
        let full = prints(1, &[(1, 1), (2, 2), (3, 3)]);
        let pruned = prints(3, &[(3, 3)]);
        assert!(full.agrees(&pruned) && pruned.agrees(&full));
        assert_eq!(full.equal_days(&pruned), [Day(3)]);
        let other = prints(2, &[(2, 9), (3, 3)]);
        assert!(!full.agrees(&other) && pruned.agrees(&other));
        assert!(!prints(0, &[]).agrees(&full));
        assert!(full.is_sound() && pruned.is_sound());
    }

    #[test]
    fn what_is_no_print_is_not_taken_for_one() {
        let mut wrong = prints(1, &[(2, 2), (3, 3)]);
        wrong.days.reverse();
        assert!(!wrong.is_sound());
        let mut low = prints(1, &[(2, 2)]);
        low.floor = Day(3);
        assert!(!low.is_sound());
        let twice = Prints {
            floor: Day(0),
            days: vec![
                DayPrint {
                    day: Day(1),
                    digest: [0; 32]
                };
                2
            ],
        };
        assert!(!twice.is_sound());
    }

    proptest! {
        #[test]
        fn a_set_hash_is_of_the_set_alone(mut ids in proptest::collection::btree_set(any::<u8>(), 0..20)) {
            let mut forth = SetHash::default();
            ids.iter().for_each(|number| forth.add(&id(*number)));
            let mut back = SetHash::default();
            ids.iter().rev().for_each(|number| back.add(&id(*number)));
            prop_assert_eq!(forth.digest(), back.digest());
            if let Some(gone) = ids.pop_first() {
                back.remove(&id(gone));
                prop_assert_ne!(forth.digest(), back.digest());
                back.add(&id(gone));
                prop_assert_eq!(forth.digest(), back.digest());
            }
        }
    }
}
