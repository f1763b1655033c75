//! The four methods a storage engine must offer. It sees sealed bytes only.

mod backend;
#[cfg(test)]
mod conformance;
pub(crate) mod copy;
mod fence;
pub(crate) mod memory;
mod redb;
mod sled;
pub(crate) mod unsealed;

use std::time::Duration;

use crate::error::Error;
pub use backend::Backend;
pub(crate) use backend::Care;

/// No key or value handed to a backend is longer than this together with a few bytes of framing.
///
/// sled moves a leaf page above 128 KiB into a file that it never syncs, and splits leaves by count
/// (16 rows), not by size: rows of at most 4 KiB keep every leaf far below.
pub(crate) const ROW_LEN_MAX: usize = 4000;

/// One write: a value to put, or `None` to delete.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Op {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Option<Vec<u8>>,
}

/// A row as stored.
pub(crate) type Row = (Vec<u8>, Vec<u8>);

/// How the files are doing.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Bytes on disk, whole files counted.
    pub len_on_disk: u64,
    /// Bytes of all rows that count, keys and values; `None` until they have been counted, which does not
    /// happen in a small database.
    pub live_len: Option<u64>,
    /// How long the engine took to open what had been closed in order; zero otherwise.
    pub opening: Duration,
    /// Files that the backend keeps outside its log; anything but zero is a broken invariant.
    pub stray_files: u64,
}

impl Stats {
    /// Below this nothing is gained by a rebuild: 64 MiB.
    const FLOOR_LEN: u64 = 64 * 1024 * 1024;
    /// Opening in good order is slow above this.
    const SLOW_OPENING: Duration = Duration::from_secs(3);

    /// Whether the files are large enough for a rebuild to be considered.
    pub(crate) const fn is_large(&self) -> bool {
        self.len_on_disk > Self::FLOOR_LEN
    }

    /// Whether a rebuild is worth its time: more than three bytes on disk for each that counts, or more than
    /// two where opening is slow. (A fresh database has about 1.8.)
    #[must_use]
    pub fn is_bloated(&self) -> bool {
        let is_slow = self.opening > Self::SLOW_OPENING;
        let factor = if is_slow { 2 } else { 3 };
        self.is_large()
            && self
                .live_len
                .is_some_and(|live_len| self.len_on_disk > live_len.saturating_mul(factor))
    }
}

/// A storage engine: ordered rows, atomic durable batches. One writer at a time; readers may go on
/// meanwhile. Keys that start with a zero byte belong to the engine. After a failed commit an engine
/// may answer nothing more until it is opened again.
pub(crate) trait Kv: Send + Sync + std::fmt::Debug {
    /// The value at `key`.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error>;

    /// Up to `limit` rows with `from <= key < to` in ascending order; `to = None` is unbounded. Bounds
    /// that leave nothing between them give no rows.
    fn range(&self, from: &[u8], to: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, Error>;

    /// Applies all of `ops` in their order, or none of them; on `Ok` they survive a power cut.
    fn commit(&self, ops: Vec<Op>) -> Result<(), Error>;

    /// Looks after the files and tells how they are.
    fn maintain(&self) -> Result<Stats, Error>;
}

/// Stands where a database was closed: answers nothing.
#[derive(Debug)]
pub(crate) struct Closed;

impl Kv for Closed {
    fn get(&self, _: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Err(Error::Poisoned)
    }

    fn range(&self, _: &[u8], _: Option<&[u8]>, _: usize) -> Result<Vec<Row>, Error> {
        Err(Error::Poisoned)
    }

    fn commit(&self, _: Vec<Op>) -> Result<(), Error> {
        Err(Error::Poisoned)
    }

    fn maintain(&self) -> Result<Stats, Error> {
        Err(Error::Poisoned)
    }
}

/// The first key that no longer starts with `prefix`, or `None` if there is none.
pub(crate) fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Stats, prefix_end};

    #[test]
    fn rebuild_is_worth_while_when_large_and_mostly_dead() {
        const MIB: u64 = 1024 * 1024;
        let is_bloated = |on_disk, live: Option<u64>, seconds| {
            let stats = Stats {
                len_on_disk: on_disk * MIB,
                live_len: live.map(|live| live * MIB),
                opening: Duration::from_secs(seconds),
                stray_files: 0,
            };
            stats.is_bloated()
        };
        assert!(is_bloated(301, Some(100), 0));
        assert!(!is_bloated(300, Some(100), 0));
        assert!(!is_bloated(64, Some(1), 9), "too small to matter");
        assert!(is_bloated(65, Some(0), 0));
        assert!(!is_bloated(301, None, 9), "not counted yet");
        assert!(is_bloated(201, Some(100), 4));
        assert!(
            !is_bloated(200, Some(100), 4),
            "slow, but a rebuild would not help"
        );
    }

    #[test]
    fn prefix_end_is_the_next_key_of_that_length_or_none() {
        assert_eq!(prefix_end(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(prefix_end(&[1, 255]), Some(vec![2]));
        assert_eq!(prefix_end(&[255, 255]), None);
        assert_eq!(prefix_end(b""), None);
    }
}
