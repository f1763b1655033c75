//! Steps too large for one sled batch, still atomic.
//!
//! A sled batch holds back the log until its end is written, so a huge one can starve itself of buffers.
//! Such a step is first written, in bounded batches, as journal rows; then one small batch with a marker
//! makes it valid; then it is applied in bounded batches. A crash before the marker leaves rows that the
//! next opening throws away, a crash after it leaves a journal that the next opening applies again:
//! every write is absolute, so applying twice does no harm.
//!
//! Marker: key `00 00`, value `count u32`. Journal row `n`: key `00 01 | n u32`, value
//! `key length u8 | key | 0` for a delete, `key length u8 | key | 1 | value` for a put.

use super::SledKv;
use crate::error::Error;
use crate::kv::{Kv, Op};
use crate::ledger::DATABASE;

/// The most rows in one sled batch.
const BATCH_ROWS_MAX: usize = 1000;
/// The most bytes in one sled batch.
const BATCH_LEN_MAX: usize = 1024 * 1024;

const MARKER: &[u8] = &[0, 0];
const ROWS: &[u8] = &[0, 1];
const ROWS_END: &[u8] = &[0, 2];
const CORRUPT: Error = Error::Corrupt { file: DATABASE };

/// Whether `ops` may go to sled as one batch.
pub(crate) fn fits_one_batch(ops: &[Op]) -> bool {
    ops.len() <= BATCH_ROWS_MAX && ops.iter().map(len).sum::<usize>() <= BATCH_LEN_MAX
}

/// Writes a step of any size.
pub(crate) fn commit(kv: &SledKv, ops: &[Op]) -> Result<(), Error> {
    let mut rows = Vec::with_capacity(ops.len());
    for (index, op) in (0_u32..).zip(ops) {
        rows.push(Op {
            key: row_key(index),
            value: Some(encode(op)?),
        });
    }
    apply_in_parts(kv, &rows)?;
    kv.sync()?;
    let count = u32::try_from(ops.len()).map_err(|_| Error::ValueTooLarge)?;
    kv.apply(&[Op {
        key: MARKER.to_vec(),
        value: Some(count.to_be_bytes().to_vec()),
    }])?;
    kv.sync()?;
    finish(kv, ops)
}

/// Brings an interrupted step to its end, or away.
pub(crate) fn recover(kv: &SledKv) -> Result<(), Error> {
    if let Some(ops) = pending(kv)? {
        return finish(kv, &ops);
    }
    let rows = kv.range(ROWS, Some(ROWS_END), usize::MAX)?;
    let keys: Vec<Op> = rows.into_iter().map(|(key, _)| delete(key)).collect();
    apply_in_parts(kv, &keys)?;
    if keys.is_empty() { Ok(()) } else { kv.sync() }
}

/// The step that was acknowledged and is not applied as a whole yet.
pub(super) fn pending(kv: &dyn Kv) -> Result<Option<Vec<Op>>, Error> {
    let Some(marker) = kv.get(MARKER)? else {
        return Ok(None);
    };
    let rows = kv.range(ROWS, Some(ROWS_END), usize::MAX)?;
    let count = u32::from_be_bytes(marker.try_into().map_err(|_| CORRUPT)?);
    if usize::try_from(count) != Ok(rows.len()) {
        return Err(CORRUPT);
    }
    let ops = rows.into_iter().map(|(_, row)| decode(&row).ok_or(CORRUPT));
    ops.collect::<Result<Vec<Op>, Error>>().map(Some)
}

/// Applies a valid journal and clears it, the marker first: rows without a marker mean nothing.
fn finish(kv: &SledKv, ops: &[Op]) -> Result<(), Error> {
    apply_in_parts(kv, ops)?;
    kv.sync()?;
    kv.apply(&[delete(MARKER.to_vec())])?;
    kv.sync()?;
    let rows: Vec<Op> = (0_u32..)
        .zip(ops)
        .map(|(index, _)| delete(row_key(index)))
        .collect();
    apply_in_parts(kv, &rows)?;
    kv.sync()
}

fn apply_in_parts(kv: &SledKv, ops: &[Op]) -> Result<(), Error> {
    parts(ops).try_for_each(|part| kv.apply(part))
}

/// Cuts `ops` into batches as large as allowed.
fn parts(mut ops: &[Op]) -> impl Iterator<Item = &[Op]> {
    std::iter::from_fn(move || {
        let mut total = 0_usize;
        let fitting = ops.iter().take(BATCH_ROWS_MAX).take_while(|op| {
            total = total.saturating_add(len(op));
            total <= BATCH_LEN_MAX
        });
        // At least one, so that it ends whatever the length of a row.
        let (part, rest) = ops.split_at(fitting.count().max(1).min(ops.len()));
        ops = rest;
        (!part.is_empty()).then_some(part)
    })
}

fn len(op: &Op) -> usize {
    let value = op.value.as_ref().map_or(0, Vec::len);
    op.key.len().saturating_add(value)
}

const fn delete(key: Vec<u8>) -> Op {
    Op { key, value: None }
}

fn row_key(index: u32) -> Vec<u8> {
    [ROWS, &index.to_be_bytes()].concat()
}

fn encode(op: &Op) -> Result<Vec<u8>, Error> {
    let key_len = u8::try_from(op.key.len()).map_err(|_| Error::KeyTooLong)?;
    let mut row = vec![key_len];
    row.extend_from_slice(&op.key);
    row.push(u8::from(op.value.is_some()));
    row.extend_from_slice(op.value.as_deref().unwrap_or_default());
    Ok(row)
}

fn decode(row: &[u8]) -> Option<Op> {
    let (key_len, rest) = row.split_first()?;
    let (key, rest) = rest.split_at_checked(usize::from(*key_len))?;
    let (is_put, value) = rest.split_first()?;
    Some(Op {
        key: key.to_vec(),
        value: (*is_put == 1).then(|| value.to_vec()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::sled::Recovery;

    fn open(dir: &std::path::Path) -> SledKv {
        SledKv::open(dir, Recovery::FromSnapshot).unwrap()
    }

    fn step() -> Vec<Op> {
        let put = |n: u16| Op {
            key: [&[9], &n.to_be_bytes()[..]].concat(),
            value: Some(vec![7; 100]),
        };
        (0..1500)
            .map(put)
            .chain([delete(b"old".to_vec())])
            .collect()
    }

    fn journal(ops: &[Op]) -> Vec<Op> {
        let rows = (0_u32..).zip(ops);
        rows.map(|(index, op)| Op {
            key: row_key(index),
            value: Some(encode(op).unwrap()),
        })
        .collect()
    }

    /// Runs `crash` on a database that holds `old`, opens again, and answers how many rows there are.
    fn rows_after(crash: impl Fn(&SledKv)) -> usize {
        let dir = tempfile::tempdir().unwrap();
        let kv = open(dir.path());
        kv.commit(vec![Op {
            key: b"old".to_vec(),
            value: Some(Vec::new()),
        }])
        .unwrap();
        crash(&kv);
        kv.sync().unwrap();
        drop(kv);
        open(dir.path()).range(&[], None, usize::MAX).unwrap().len()
    }

    #[test]
    fn crash_before_the_marker_leaves_the_state_before_the_step() {
        assert_eq!(
            rows_after(|kv| apply_in_parts(kv, &journal(&step())).unwrap()),
            1
        );
        assert_eq!(
            rows_after(|kv| apply_in_parts(kv, &journal(&step())[..700]).unwrap()),
            1
        );
    }

    #[test]
    fn crash_after_the_marker_leaves_the_state_after_the_step() {
        for applied in [0, 600, 1501] {
            let rows = rows_after(|kv| {
                let ops = step();
                apply_in_parts(kv, &journal(&ops)).unwrap();
                let count = u32::try_from(ops.len()).unwrap();
                kv.apply(&[Op {
                    key: MARKER.to_vec(),
                    value: Some(count.to_be_bytes().to_vec()),
                }])
                .unwrap();
                apply_in_parts(kv, &ops[..applied]).unwrap();
            });
            assert_eq!(rows, 1500, "{applied}");
        }
    }

    #[test]
    fn batches_are_as_large_as_allowed_and_no_larger() {
        let row = |len| Op {
            key: vec![9; 8],
            value: Some(vec![7; len]),
        };
        for (count, len, expected) in [
            (1000, 100, vec![1000]),
            (1001, 100, vec![1000, 1]),
            (524, 4000, vec![261, 261, 2]),
            (0, 0, vec![]),
        ] {
            let ops = vec![row(len); count];
            let lens: Vec<usize> = parts(&ops).map(<[Op]>::len).collect();
            assert_eq!(lens, expected);
            assert!(parts(&ops).all(fits_one_batch));
            assert_eq!(parts(&ops).flatten().count(), count);
        }
        // A row that no batch may hold still goes on its own rather than for ever round.
        assert_eq!(parts(&[row(2 * BATCH_LEN_MAX), row(1)]).count(), 2);
    }

    #[test]
    fn row_survives_encoding() {
        for op in step() {
            assert_eq!(decode(&encode(&op).unwrap()), Some(op));
        }
        assert_eq!(decode(&[3, 1]), None);
    }
}
