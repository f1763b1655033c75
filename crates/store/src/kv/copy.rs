//! All rows of one database into another, whatever the engines: rows are opaque.

use super::{Kv, Op, ROW_LEN_MAX, Row};
use crate::error::Error;

/// Rows in one batch: together with their keys at most 1 MiB, which every engine takes as one.
const PAGE_LEN: usize = 256;

const _: () = assert!(PAGE_LEN * (ROW_LEN_MAX + 96) <= 1024 * 1024);

/// How far a rebuild or a move has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Progress {
    /// Rows copied so far.
    pub rows_done: u64,
    /// Rows in all.
    pub rows: u64,
}

/// How much a database holds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Extent {
    /// Rows.
    pub(crate) rows: u64,
    /// Bytes of their keys and values.
    pub(crate) len: u64,
}

impl Extent {
    /// Of everything in `kv`; reads it all.
    pub(crate) fn of(kv: &dyn Kv) -> Result<Self, Error> {
        let mut census = Census::default();
        while census.advance(kv)?.is_none() {}
        Ok(census.last.unwrap_or_default())
    }

    fn add(&mut self, page: &[Row]) {
        let lens = page
            .iter()
            .map(|(key, value)| key.len().saturating_add(value.len()));
        let len = lens.fold(0, usize::saturating_add);
        self.len = self
            .len
            .saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        let rows = u64::try_from(page.len()).unwrap_or(u64::MAX);
        self.rows = self.rows.saturating_add(rows);
    }
}

/// Copies every row of `from` into `to`, in batches that are durable one by one.
pub(crate) fn copy(
    from: &dyn Kv,
    to: &dyn Kv,
    rows: u64,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Error> {
    let mut next = Vec::new();
    let mut done = Extent::default();
    loop {
        let page = page(from, &mut next)?;
        done.add(&page);
        let is_last = page.len() < PAGE_LEN;
        let put = |(key, row)| Op {
            key,
            value: Some(row),
        };
        to.commit(page.into_iter().map(put).collect())?;
        progress(Progress {
            rows_done: done.rows,
            rows,
        });
        if is_last {
            return Ok(());
        }
    }
}

/// The rows from `next` on; sets `next` behind the last of them.
fn page(kv: &dyn Kv, next: &mut Vec<u8>) -> Result<Vec<Row>, Error> {
    let page = kv.range(next, None, PAGE_LEN)?;
    if let Some((last, _)) = page.last() {
        next.clone_from(last);
        next.push(0);
    }
    Ok(page)
}

/// A count of everything, taken a piece at a time.
///
/// Writes in between make it inexact, which does no harm where only proportions matter.
#[derive(Debug, Default)]
pub(crate) struct Census {
    next: Vec<u8>,
    counting: Extent,
    last: Option<Extent>,
}

impl Census {
    /// Rows looked at by one piece: some milliseconds.
    const PIECE_LEN: usize = 16 * PAGE_LEN;

    /// Counts on; answers the latest complete count, if there is one.
    pub(crate) fn advance(&mut self, kv: &dyn Kv) -> Result<Option<Extent>, Error> {
        for _ in 0..Self::PIECE_LEN / PAGE_LEN {
            let page = page(kv, &mut self.next)?;
            self.counting.add(&page);
            if page.len() < PAGE_LEN {
                self.next.clear();
                self.last = Some(std::mem::take(&mut self.counting));
                break;
            }
        }
        Ok(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::memory::MemoryDisk;

    fn filled(rows: u32) -> impl Kv {
        let kv = MemoryDisk::new().attach().unwrap();
        let put = |n: u32| Op {
            key: n.to_be_bytes().to_vec(),
            value: Some(vec![7; 10]),
        };
        kv.commit((0..rows).map(put).collect()).unwrap();
        kv
    }

    #[test]
    fn copy_has_every_row_and_says_how_far_it_is() {
        for rows in [0, 1, 255, 256, 257, 5000] {
            let (from, to) = (filled(rows), filled(0));
            let mut last = None;
            copy(&from, &to, rows.into(), &mut |progress| {
                assert!(last <= Some(progress.rows_done), "it never goes back");
                last = Some(progress.rows_done);
            })
            .unwrap();
            assert_eq!(last, Some(rows.into()));
            let everything = |kv: &dyn Kv| kv.range(&[], None, usize::MAX).unwrap();
            assert_eq!(everything(&to), everything(&from));
        }
    }

    #[test]
    fn census_comes_to_an_end_in_bounded_pieces() {
        let kv = filled(10_000);
        let mut census = Census::default();
        assert_eq!(census.advance(&kv).unwrap(), None);
        assert_eq!(census.advance(&kv).unwrap(), None);
        let expected = Extent {
            rows: 10_000,
            len: 140_000,
        };
        assert_eq!(census.advance(&kv).unwrap(), Some(expected));
        assert_eq!(
            census.advance(&kv).unwrap(),
            Some(expected),
            "kept while it counts anew"
        );
        assert_eq!(Extent::of(&kv).unwrap(), expected);
    }
}
