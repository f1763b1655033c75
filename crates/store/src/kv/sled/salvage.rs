//! Reading rows out of a damaged log without sled.
//!
//! sled finds its pages by following its own tables. Where one of them is missing it gives up, or looks for it for ever,
//! taking more and more memory. But the log says everything twice over: each message carries the page it is for, and
//! its place in time.
//!
//! ```text
//! segment, 512 KiB   header: crc32 4 | number in time 8 (masked) | 8       then messages, one after the other
//! message            crc32 4 | kind 1 | length | segment's number | page | body
//!                    kind 8: a page as a whole: the range of its keys, and its rows
//!                    kind 10: one row put or deleted in a page
//! ```
//!
//! So all messages whose checksums are right are replayed in the order of their time: a page as a whole says
//! what is in its range, and what follows changes that. What is in a part of the log that is gone is missing; a row
//! whose deletion is in such a part may come back, and then does not open if its key slot was overwritten.
//! Only numbers below are from sled 0.34.7 (`pagecache`, `serialization.rs`); nothing of it runs here.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::ops::Bound;
use std::path::Path;

use super::journal;
use crate::error::Error;
use crate::kv::{Kv, Op, Row, Stats};

const SEGMENT_LEN: usize = 512 * 1024;
const SEGMENT_HEADER_LEN: usize = 20;
/// Both numbers in a segment's header are masked by it, and checksums by all ones.
const NUMBER_MASK: u64 = 0x7FFF_FFFF_FFFF_FFFF;

const CANCELED: u8 = 1;
const CAP: u8 = 2;
const NODE: u8 = 8;
const LINK: u8 = 10;

/// Rows read out of a log. Nothing can be written.
#[derive(Debug, Default)]
pub(crate) struct Salvage {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What all keys of a page begin with; in its messages they stand without it.
    prefixes: BTreeMap<u64, Vec<u8>>,
}

impl Salvage {
    /// Reads what can be read of the log at `path`. Holds its rows in memory.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let mut log = File::open(path)?;
        let mut salvage = Self::default();
        for (number, at) in segments(&mut log)? {
            let segment = read_at(&mut log, at, SEGMENT_LEN)?;
            salvage.replay(number, &segment);
        }
        // One of which a part is missing says nothing for sure.
        for op in journal::pending(&salvage)
            .ok()
            .flatten()
            .into_iter()
            .flatten()
        {
            match op.value {
                Some(value) => salvage.rows.insert(op.key, value),
                None => salvage.rows.remove(&op.key),
            };
        }
        Ok(salvage)
    }

    /// Replays the messages of one segment that are whole. Behind one that is not, the next is looked for.
    fn replay(&mut self, number: u64, segment: &[u8]) {
        let mut rest = segment.get(SEGMENT_HEADER_LEN..).unwrap_or_default();
        while !rest.is_empty() {
            // A segment that was used before still holds messages of that time behind its end.
            let Some((message, after)) = Message::read(rest, number) else {
                rest = rest.get(1..).unwrap_or_default();
                continue;
            };
            if message.kind == CAP {
                break;
            }
            // One that does not decode says nothing, and the next may.
            let _said = match message.kind {
                NODE => self.node(message.page, Bytes(message.body)),
                LINK => self.link(message.page, Bytes(message.body)),
                _ => Some(()),
            };
            rest = after;
        }
    }

    /// A page as a whole.
    fn node(&mut self, page: u64, mut body: Bytes<'_>) -> Option<()> {
        let (_next, _merging_child) = (body.number()?, body.number()?);
        let _merging = body.byte()?;
        let prefix_len = usize::from(body.byte()?);
        let (low, high) = (body.bytes()?, body.bytes()?);
        let is_leaf = body.byte()? == 0;
        let count = usize::try_from(body.number()?).ok()?;
        if !is_leaf || count > body.0.len() {
            return None;
        }
        let prefix = low.get(..prefix_len)?;
        let keys: Option<Vec<Vec<u8>>> = (0..count)
            .map(|_| Some([prefix, body.bytes()?].concat()))
            .collect();
        let values: Option<Vec<&[u8]>> = (0..count).map(|_| body.bytes()).collect();
        let (keys, values) = (keys?, values?);
        self.clear(low, high);
        let values = values.into_iter().map(<[u8]>::to_vec);
        self.rows.extend(keys.into_iter().zip(values));
        self.prefixes.insert(page, prefix.to_vec());
        Some(())
    }

    /// A change to a page. Of a page whose beginning is lost nobody knows what its keys begin with.
    fn link(&mut self, page: u64, mut body: Bytes<'_>) -> Option<()> {
        let prefix = self.prefixes.get(&page)?;
        match body.byte()? {
            0 => {
                let key = [prefix, body.bytes()?].concat();
                self.rows.insert(key, body.bytes()?.to_vec());
            }
            1 => {
                let key = [prefix, body.bytes()?].concat();
                self.rows.remove(&key);
            }
            _ => {}
        }
        Some(())
    }

    /// Takes away the rows from `low` on and below `high`, which has no meaning if it is empty.
    fn clear(&mut self, low: &[u8], high: &[u8]) {
        let mut above = self.rows.split_off(low);
        if !high.is_empty() {
            self.rows.append(&mut above.split_off(high));
        }
    }
}

impl Kv for Salvage {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.rows.get(key).cloned())
    }

    fn range(&self, from: &[u8], to: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, Error> {
        if to.is_some_and(|to| to <= from) {
            return Ok(Vec::new());
        }
        let to = to.map_or(Bound::Unbounded, Bound::Excluded);
        let rows = self.rows.range::<[u8], _>((Bound::Included(from), to));
        let rows = rows.take(limit);
        Ok(rows.map(|(key, row)| (key.clone(), row.clone())).collect())
    }

    fn commit(&self, _: Vec<Op>) -> Result<(), Error> {
        Err(Error::Poisoned)
    }

    fn maintain(&self) -> Result<Stats, Error> {
        Err(Error::Poisoned)
    }
}

/// The segments that have a header, by their number in time, and where they lie.
fn segments(log: &mut File) -> Result<BTreeMap<u64, u64>, Error> {
    let step = u64::try_from(SEGMENT_LEN).unwrap_or(u64::MAX);
    let len = log.metadata()?.len();
    let mut found = BTreeMap::new();
    for index in 0..len.div_ceil(step) {
        let at = index.saturating_mul(step);
        let header = read_at(log, at, SEGMENT_HEADER_LEN)?;
        if let Some(number) = segment_number(&header) {
            found.insert(number, at);
        }
    }
    Ok(found)
}

/// Which segment of the log's whole history a header begins.
fn segment_number(header: &[u8]) -> Option<u64> {
    let (checksum, covered) = header.split_first_chunk::<4>()?;
    if crc32fast::hash(covered) != !u32::from_le_bytes(*checksum) {
        return None;
    }
    let (number, _) = covered.split_first_chunk::<8>()?;
    let at = u64::from_le_bytes(*number) ^ NUMBER_MASK;
    at.checked_div(u64::try_from(SEGMENT_LEN).ok()?)
}

/// Up to `len` bytes; fewer at the end.
fn read_at(log: &mut File, at: u64, len: usize) -> Result<Vec<u8>, Error> {
    log.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::new();
    let limit = u64::try_from(len).unwrap_or(u64::MAX);
    let mut part = log.take(limit);
    loop {
        match part.read_to_end(&mut bytes) {
            Ok(_) => return Ok(bytes),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// One message, its checksum being right.
struct Message<'a> {
    kind: u8,
    page: u64,
    body: &'a [u8],
}

impl<'a> Message<'a> {
    /// The message of segment `number` at the beginning of `bytes`, and what follows it.
    fn read(bytes: &'a [u8], number: u64) -> Option<(Self, &'a [u8])> {
        let (checksum, covered) = bytes.split_first_chunk::<4>()?;
        let mut rest = Bytes(covered);
        let kind = rest.byte()?;
        let len = usize::try_from(rest.number()?).ok()?;
        let (segment, page) = (rest.number()?, rest.number()?);
        if segment != number || kind < CANCELED {
            return None;
        }
        let header_len = covered.len().checked_sub(rest.0.len())?;
        let header = covered.get(..header_len)?;
        let (body, after) = rest.0.split_at_checked(len)?;
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(body);
        hasher.update(header);
        let is_whole = hasher.finalize() == !u32::from_le_bytes(*checksum);
        let message = Self { kind, page, body };
        is_whole.then_some((message, after))
    }
}

/// Bytes that are read from their beginning on.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    /// A number of one to nine bytes: small ones are their own first byte.
    fn number(&mut self) -> Option<u64> {
        let first = self.byte()?;
        match first {
            0..=240 => Some(u64::from(first)),
            241..=248 => {
                let high = u64::from(first.checked_sub(241)?).checked_mul(256)?;
                high.checked_add(240)?.checked_add(self.byte()?.into())
            }
            249 => {
                let high = u64::from(self.byte()?).checked_mul(256)?;
                high.checked_add(2288)?.checked_add(self.byte()?.into())
            }
            250..=255 => {
                let len = usize::from(first.checked_sub(247)?);
                let mut bytes = [0; 8];
                bytes.get_mut(..len)?.copy_from_slice(self.take(len)?);
                Some(u64::from_le_bytes(bytes))
            }
        }
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.number()?).ok()?;
        self.take(len)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kv::backend::{RELEASE_PAUSE, RELEASE_TRIES};

    /// sled lets go of its log a moment after it is closed.
    fn opened(config: &sled::Config) -> sled::Db {
        for _ in 0..RELEASE_TRIES {
            if let Ok(db) = config.open() {
                return db;
            }
            std::thread::sleep(RELEASE_PAUSE);
        }
        config.open().unwrap()
    }

    /// Rows that come, change and go, in a log of several segments that was opened again now and then.
    fn log(dir: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let mut expected = BTreeMap::new();
        for session in 0..3_u32 {
            let config = sled::Config::new().path(dir).segment_size(SEGMENT_LEN);
            let db = opened(&config.flush_every_ms(None));
            for n in 0..3000_u32 {
                let key = [&[3, 0][..], &(n * 7919 % 1500).to_be_bytes()].concat();
                if n % 5 == 4 {
                    db.remove(&key).unwrap();
                    expected.remove(&key);
                } else {
                    let value = [session, n].map(u32::to_be_bytes).concat().repeat(40);
                    db.insert(&key[..], &value[..]).unwrap();
                    expected.insert(key, value);
                }
            }
            db.flush().unwrap();
        }
        expected
    }

    #[test]
    fn a_whole_log_gives_exactly_what_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let expected = log(dir.path());
        let found = Salvage::read(&dir.path().join("db")).unwrap();
        assert_eq!(found.rows.len(), expected.len());
        assert!(found.rows == expected);
        let all = found.range(&[], None, usize::MAX).unwrap();
        assert_eq!(all, expected.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn a_log_cut_anywhere_gives_rows_that_were_once_there() {
        let dir = tempfile::tempdir().unwrap();
        log(dir.path());
        let path = dir.path().join("db");
        let whole = std::fs::read(&path).unwrap();
        let mut most = 0;
        for cut in (0..whole.len()).step_by(whole.len() / 17) {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let found = Salvage::read(&path).unwrap();
            for (key, value) in &found.rows {
                assert!(key.starts_with(&[3, 0]) && value.len() == 320, "{cut}");
            }
            most = most.max(found.rows.len());
        }
        assert!(most > 500, "{most}");
    }

    #[test]
    fn what_lies_behind_a_hole_in_a_segment_is_found() {
        let dir = tempfile::tempdir().unwrap();
        log(dir.path());
        let mut file = File::open(dir.path().join("db")).unwrap();
        let (number, at) = segments(&mut file).unwrap().pop_first().unwrap();
        let mut segment = read_at(&mut file, at, SEGMENT_LEN).unwrap();
        let mut whole = Salvage::default();
        whole.replay(number, &segment);
        segment[SEGMENT_HEADER_LEN..][..8].fill(0);
        let mut holed = Salvage::default();
        holed.replay(number, &segment);
        assert!(!whole.rows.is_empty());
        assert!(
            holed.rows.len() + 100 > whole.rows.len(),
            "{} of {}",
            holed.rows.len(),
            whole.rows.len()
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), page in 0..3_u64) {
            let mut salvage = Salvage::default();
            salvage.prefixes.insert(1, vec![3]);
            let _message = Message::read(&bytes, 0);
            let _said = salvage.node(page, Bytes(&bytes));
            let _said = salvage.link(page, Bytes(&bytes));
            salvage.replay(0, &bytes);
            let _number = segment_number(&bytes);
        }
    }
}
