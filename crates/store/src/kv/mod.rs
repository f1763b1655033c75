//! The four methods a storage engine must offer. It sees sealed bytes only.

mod backend;
#[cfg(test)]
mod conformance;
pub(crate) mod memory;
mod redb;
mod sled;

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
    /// Files that the backend keeps outside its log; anything but zero is a broken invariant.
    pub stray_files: u64,
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
    use super::prefix_end;

    #[test]
    fn prefix_end_is_the_next_key_of_that_length_or_none() {
        assert_eq!(prefix_end(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(prefix_end(&[1, 255]), Some(vec![2]));
        assert_eq!(prefix_end(&[255, 255]), None);
        assert_eq!(prefix_end(b""), None);
    }
}
