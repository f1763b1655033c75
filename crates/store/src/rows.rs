//! A value as rows, and back.
//!
//! Backend key of a row: `0x02 | masked (table u8 || record key) | index u16`. No two records share one:
//! the length of a backend key tells the length of the record key.
//! The first row's plaintext is `length u32 | beginning of the value`; rows 1, 2, ... continue it.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use crate::entropy::Entropy;
use crate::error::Error;
use crate::kv::{Kv, Op, ROW_LEN_MAX, prefix_end};
use crate::ledger::{DATABASE, Ledger};
use crate::mask::Mask;
use crate::overlay::Value;
use crate::seal::{Keys, Nonce, Place, SEAL_OVERHEAD, nonce_of};
use crate::store::{Table, VALUE_LEN_MAX};

/// Plaintext bytes in a full row.
const PLAIN_LEN_MAX: usize = ROW_LEN_MAX - SEAL_OVERHEAD;
/// The length that stands before a value.
const LENGTH_LEN: usize = 4;
/// First byte of the backend keys of records.
const RECORDS: u8 = 0x02;
/// Rows read from the backend at once.
const PAGE_LEN: usize = 512;
const CORRUPT: Error = Error::Corrupt { file: DATABASE };

// The row index is a u16.
const _: () = assert!(VALUE_LEN_MAX / PLAIN_LEN_MAX < u16::MAX as usize);

/// Reads and prepares values over a backend, with the keys of a profile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows<'a> {
    pub(crate) kv: &'a dyn Kv,
    pub(crate) keys: &'a Keys,
}

impl Rows<'_> {
    /// The committed value at this address.
    pub(crate) fn get(self, table: Table, key: &[u8]) -> Result<Option<Value>, Error> {
        let stem = self.stem(table, key);
        let Some(first) = self.kv.get(&with_index(&stem, 0))? else {
            return Ok(None);
        };
        let mut assembly = Assembly::start(self.keys, table, key, &first)?;
        while let Some(index) = assembly.next_index() {
            let row = self.kv.get(&with_index(&stem, index))?.ok_or(CORRUPT)?;
            assembly.add(self.keys, table, key, &row)?;
        }
        Ok(Some(assembly.value))
    }

    /// All committed values of `table` whose key starts with `prefix`.
    pub(crate) fn range(
        self,
        table: Table,
        prefix: &[u8],
    ) -> Result<BTreeMap<Vec<u8>, Value>, Error> {
        let mut raw: BTreeMap<Vec<u8>, BTreeMap<u16, Vec<u8>>> = BTreeMap::new();
        let mut mask = self.keys.mask();
        let stem = stem_with(&mut mask, table, prefix);
        self.each_row(&stem, |raw_key, row| {
            if let Some((tail, index)) = split_tail(raw_key, stem.len()) {
                let mut key = prefix.to_vec();
                let mut mask = mask.clone();
                key.extend(tail.iter().map(|byte| mask.unmask(*byte)));
                raw.entry(key).or_default().insert(index, row);
            }
            Ok(())
        })?;
        let mut values = BTreeMap::new();
        for (key, rows) in raw {
            let value = assemble(self.keys, table, &key, rows)?;
            values.insert(key, value);
        }
        Ok(values)
    }

    /// The writes that put or delete a value; keeps `ledger` in step.
    pub(crate) fn stage(
        self,
        address: (Table, &[u8]),
        value: Option<&Value>,
        ledger: &mut Ledger,
        entropy: &mut Entropy,
    ) -> Result<Vec<Op>, Error> {
        let (table, key) = address;
        let stem = self.stem(table, key);
        let first_key = with_index(&stem, 0);
        let before = self.kv.get(&first_key)?;
        if let Some(row) = &before {
            let nonce = nonce_of(row).ok_or(CORRUPT)?;
            ledger.subtract(self.keys, &first_key, &nonce);
        }
        let mut ops = Vec::new();
        if let Some(value) = value {
            let nonce = self.seal_value(address, &stem, value, (entropy, &mut ops))?;
            ledger.add(self.keys, &first_key, &nonce);
        }
        if before.is_some() {
            self.delete_from(&stem, ops.len(), &mut ops)?;
        }
        Ok(ops)
    }

    /// Reads everything and counts it anew.
    pub(crate) fn audit(self) -> Result<Ledger, Error> {
        let mut ledger = Ledger::default();
        let mut firsts = Vec::new();
        let mut rows = 0_u64;
        self.each_row(&[RECORDS], |raw_key, row| {
            rows = rows.saturating_add(1);
            let (masked, index) = split_tail(raw_key, 1).ok_or(CORRUPT)?;
            if index == 0 {
                let nonce = nonce_of(&row).ok_or(CORRUPT)?;
                ledger.add(self.keys, raw_key, &nonce);
                firsts.push(masked.to_vec());
            }
            Ok(())
        })?;
        let mut counted = 0_u64;
        for masked in firsts {
            let (table, key) = self.unmask(&masked)?;
            let value = self.get(table, &key)?.ok_or(CORRUPT)?;
            counted = counted.saturating_add(u64::from(row_count(value.len())));
        }
        if counted != rows {
            return Err(CORRUPT);
        }
        Ok(ledger)
    }

    fn seal_value(
        self,
        (table, key): (Table, &[u8]),
        stem: &[u8],
        value: &Value,
        (entropy, ops): (&mut Entropy, &mut Vec<Op>),
    ) -> Result<Nonce, Error> {
        let len = u32::try_from(value.len()).map_err(|_| Error::ValueTooLarge)?;
        let (begin, rest) = value.split_at(value.len().min(PLAIN_LEN_MAX - LENGTH_LEN));
        let mut plain = Zeroizing::new(Vec::with_capacity(PLAIN_LEN_MAX));
        plain.extend_from_slice(&len.to_be_bytes());
        plain.extend_from_slice(begin);
        let (first, row) = self
            .keys
            .seal(Place::First { table, key }, &plain, entropy)?;
        ops.push(put(with_index(stem, 0), row));
        for (index, part) in (1_u16..).zip(rest.chunks(PLAIN_LEN_MAX)) {
            let place = Place::Continuation {
                table,
                key,
                index,
                first,
            };
            let (_, row) = self.keys.seal(place, part, entropy)?;
            ops.push(put(with_index(stem, index), row));
        }
        Ok(first)
    }

    /// Deletes what an older, longer value left from row `from` on.
    fn delete_from(self, stem: &[u8], from: usize, ops: &mut Vec<Op>) -> Result<(), Error> {
        let from = u16::try_from(from).map_err(|_| Error::ValueTooLarge)?;
        for index in from..=u16::MAX {
            let key = with_index(stem, index);
            if self.kv.get(&key)?.is_none() {
                break;
            }
            ops.push(Op { key, value: None });
        }
        Ok(())
    }

    /// Calls `visit` with every row whose backend key starts with `prefix`, ascending, page by page.
    fn each_row(
        self,
        prefix: &[u8],
        mut visit: impl FnMut(&[u8], Vec<u8>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let end = prefix_end(prefix);
        let mut from = prefix.to_vec();
        loop {
            let page = self.kv.range(&from, end.as_deref(), PAGE_LEN)?;
            let Some((last, _)) = page.last() else {
                return Ok(());
            };
            from.clone_from(last);
            from.push(0);
            let is_last = page.len() < PAGE_LEN;
            for (key, row) in page {
                visit(&key, row)?;
            }
            if is_last {
                return Ok(());
            }
        }
    }

    fn stem(self, table: Table, key: &[u8]) -> Vec<u8> {
        stem_with(&mut self.keys.mask(), table, key)
    }

    fn unmask(self, masked: &[u8]) -> Result<(Table, Vec<u8>), Error> {
        let mut mask = self.keys.mask();
        let (table, key) = masked.split_first().ok_or(CORRUPT)?;
        let table = Table(mask.unmask(*table));
        Ok((table, key.iter().map(|byte| mask.unmask(*byte)).collect()))
    }
}

/// A value being put together from its rows.
struct Assembly {
    value: Value,
    first: Nonce,
    len: usize,
    next: u16,
}

impl Assembly {
    fn start(keys: &Keys, table: Table, key: &[u8], row: &[u8]) -> Result<Self, Error> {
        let first = nonce_of(row).ok_or(CORRUPT)?;
        let plain = keys.open(Place::First { table, key }, row).ok_or(CORRUPT)?;
        let (len, begin) = plain.split_first_chunk::<LENGTH_LEN>().ok_or(CORRUPT)?;
        let len = usize::try_from(u32::from_be_bytes(*len)).map_err(|_| CORRUPT)?;
        if len > VALUE_LEN_MAX || begin.len() > len {
            return Err(CORRUPT);
        }
        // Full capacity at once: growing would leave unwiped copies behind.
        let mut value = Zeroizing::new(Vec::with_capacity(len));
        value.extend_from_slice(begin);
        Ok(Self {
            value,
            first,
            len,
            next: 1,
        })
    }

    /// The index of the row that is still missing, if one is.
    fn next_index(&self) -> Option<u16> {
        (self.value.len() < self.len).then_some(self.next)
    }

    fn add(&mut self, keys: &Keys, table: Table, key: &[u8], row: &[u8]) -> Result<(), Error> {
        let place = Place::Continuation {
            table,
            key,
            index: self.next,
            first: self.first,
        };
        let plain = keys.open(place, row).ok_or(CORRUPT)?;
        let len = self.value.len().saturating_add(plain.len());
        if plain.is_empty() || len > self.len {
            return Err(CORRUPT);
        }
        self.value.extend_from_slice(&plain);
        self.next = self.next.checked_add(1).ok_or(CORRUPT)?;
        Ok(())
    }
}

fn assemble(
    keys: &Keys,
    table: Table,
    key: &[u8],
    mut rows: BTreeMap<u16, Vec<u8>>,
) -> Result<Value, Error> {
    let first = rows.remove(&0).ok_or(CORRUPT)?;
    let mut assembly = Assembly::start(keys, table, key, &first)?;
    while let Some(index) = assembly.next_index() {
        let row = rows.remove(&index).ok_or(CORRUPT)?;
        assembly.add(keys, table, key, &row)?;
    }
    if !rows.is_empty() {
        return Err(CORRUPT);
    }
    Ok(assembly.value)
}

/// How many rows a value of `len` bytes takes.
fn row_count(len: usize) -> u32 {
    let rest = len.saturating_sub(PLAIN_LEN_MAX - LENGTH_LEN);
    u32::try_from(rest.div_ceil(PLAIN_LEN_MAX)).map_or(u32::MAX, |rows| rows.saturating_add(1))
}

/// The backend key of a record without its row index; leaves `mask` behind the record key.
fn stem_with(mask: &mut Mask, table: Table, key: &[u8]) -> Vec<u8> {
    let mut stem = vec![RECORDS];
    mask.mask_into(&[table.0], &mut stem);
    mask.mask_into(key, &mut stem);
    stem
}

/// Splits a backend key into the masked bytes from `at` on and the row index; `None` if it is too
/// short to hold both: then it belongs to a shorter record key whose index looks like masked bytes.
fn split_tail(raw_key: &[u8], at: usize) -> Option<(&[u8], u16)> {
    let (tail, index) = raw_key.get(at..)?.split_last_chunk::<2>()?;
    Some((tail, u16::from_be_bytes(*index)))
}

fn with_index(stem: &[u8], index: u16) -> Vec<u8> {
    [stem, &index.to_be_bytes()].concat()
}

const fn put(key: Vec<u8>, row: Vec<u8>) -> Op {
    Op {
        key,
        value: Some(row),
    }
}
