//! A value as rows, and back.
//!
//! Backend key of a row: `0x02 | masked (table u8 || record key) | index u16`. No two records share one:
//! the length of a backend key tells the length of the record key.
//! The first row's plaintext is `length u32 | beginning of the value`; rows 1, 2, ... continue it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use zeroize::Zeroizing;

use crate::entropy::Entropy;
use crate::error::Error;
use crate::kv::{Kv, Op, ROW_LEN_MAX, prefix_end};
use crate::ledger::{DATABASE, Ledger, Tally, weight};
use crate::mask::Mask;
use crate::overlay::Value;
use crate::seal::{Head, Keys, Nonce, Place, RowSeal, SEAL_OVERHEAD};
use crate::slots::Slots;
use crate::slots::owner::{Bucket, OWNERS, Owner, slot_of};
use crate::slots::pool::Owned;
use crate::table::VALUE_LEN_MAX;

/// Plaintext bytes in a full row.
const PLAIN_LEN_MAX: usize = ROW_LEN_MAX - SEAL_OVERHEAD;
/// The length that stands before a value.
const LENGTH_LEN: usize = 4;
/// First byte of the backend keys of records.
pub(crate) const RECORDS: u8 = 0x02;
/// Rows read from the backend at once.
const PAGE_LEN: usize = 512;
const CORRUPT: Error = Error::Corrupt { file: DATABASE };

// The row index is a u16.
const _: () = assert!(VALUE_LEN_MAX / PLAIN_LEN_MAX < u16::MAX as usize);

/// Rows read at once where a few are likely to be enough.
const FEW: usize = 16;

/// A record's address: the number of its table, and its key.
pub(crate) type At<'a> = (u8, &'a [u8]);

/// Reads and prepares values over a backend, with the keys of a profile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows<'a> {
    pub(crate) kv: &'a dyn Kv,
    pub(crate) keys: &'a Keys,
    pub(crate) slots: &'a Slots,
}

impl<'a> Rows<'a> {
    /// The committed value at this address.
    pub(crate) fn get(self, at: At<'_>) -> Result<Option<Value>, Error> {
        self.get_with(&mut self.opener(), &self.stem(at), at)
    }

    /// The committed value at an address whose stem is known.
    fn get_with(
        self,
        opener: &mut Opener<'_>,
        stem: &[u8],
        at: At<'_>,
    ) -> Result<Option<Value>, Error> {
        let Some(first) = self.kv.get(&with_index(stem, 0))? else {
            return Ok(None);
        };
        let mut assembly = Assembly::start(opener, at, &first)?;
        while let Some(index) = assembly.next_index() {
            let row = self.kv.get(&with_index(stem, index))?.ok_or(CORRUPT)?;
            assembly.add(opener, at, &row)?;
        }
        Ok(Some(assembly.value))
    }

    /// The committed values at `prefix` and one of these last bytes, by that byte.
    pub(crate) fn get_each(
        self,
        (table, prefix): At<'_>,
        lasts: &[u8],
    ) -> Result<BTreeMap<u8, Value>, Error> {
        let mut mask = self.keys.mask();
        let mut stem = stem_with(&mut mask, table, prefix);
        let mut key = prefix.to_vec();
        let mut opener = self.opener();
        let mut values = BTreeMap::new();
        for last in lasts {
            stem.push(mask.masked(*last));
            key.push(*last);
            if let Some(value) = self.get_with(&mut opener, &stem, (table, &key))? {
                values.insert(*last, value);
            }
            stem.pop();
            key.pop();
        }
        Ok(values)
    }

    /// How the committed value at this address is sealed, not verified.
    pub(crate) fn head(self, at: At<'_>) -> Result<Option<Head>, Error> {
        let first = self.kv.get(&with_index(&self.stem(at), 0))?;
        first.map(|row| Head::of(&row).ok_or(CORRUPT)).transpose()
    }

    /// All committed values of `table` whose key starts with `prefix`.
    pub(crate) fn range(self, table: u8, prefix: &[u8]) -> Result<BTreeMap<Vec<u8>, Value>, Error> {
        let mut raw: BTreeMap<Vec<u8>, BTreeMap<u16, Vec<u8>>> = BTreeMap::new();
        self.each_below(table, prefix, PAGE_LEN, |key, index, row| {
            raw.entry(key).or_default().insert(index, row);
            ControlFlow::Continue(())
        })?;
        let mut opener = self.opener();
        let mut values = BTreeMap::new();
        for (key, rows) in raw {
            let value = assemble(&mut opener, (table, &key), rows)?;
            values.insert(key, value);
        }
        Ok(values)
    }

    /// The committed records of a bucket that `slot` seals, but for those in `except`.
    pub(crate) fn members(
        self,
        bucket: &Bucket,
        slot: u32,
        except: impl Fn(&[u8]) -> bool,
    ) -> Result<Vec<(Vec<u8>, Head)>, Error> {
        let mut members = Vec::new();
        self.each_below(bucket.table, &bucket.page, PAGE_LEN, |key, index, row| {
            if let Some(head) = member(index, &row, slot).filter(|_| !except(&key)) {
                members.push((key, head));
            }
            ControlFlow::Continue(())
        })?;
        Ok(members)
    }

    /// Whether [`Rows::members`] would find any.
    pub(crate) fn has_members(
        self,
        bucket: &Bucket,
        slot: u32,
        except: impl Fn(&[u8]) -> bool,
    ) -> Result<bool, Error> {
        let mut found = false;
        self.each_below(bucket.table, &bucket.page, FEW, |key, index, row| {
            found = member(index, &row, slot).is_some() && !except(&key);
            if found {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// The writes that replace the value at this address, whose first row has the head `before`, by `value`
    /// sealed under `seal`, or delete it; keeps `ledger` in step.
    pub(crate) fn replace(
        self,
        at: At<'_>,
        before: Option<&Head>,
        sealed: Option<(&Value, &RowSeal)>,
        (ledger, entropy): (&mut Ledger, &mut Entropy),
    ) -> Result<Vec<Op>, Error> {
        let stem = self.stem(at);
        let first_key = with_index(&stem, 0);
        if let Some(head) = before {
            ledger.subtract(self.keys, &first_key, &head.nonce);
        }
        let mut ops = Vec::new();
        if let Some((value, seal)) = sealed {
            let nonce = seal_value(at, &stem, (value, seal), (entropy, &mut ops))?;
            ledger.add(self.keys, &first_key, &nonce);
        }
        if before.is_some() {
            self.delete_from(&stem, ops.len(), &mut ops)?;
        }
        Ok(ops)
    }

    /// Reads everything and counts it anew. Every slot in use must seal something, too.
    pub(crate) fn audit(self) -> Result<Ledger, Error> {
        let mut ledger = Ledger::default();
        let mut firsts = Vec::new();
        let mut slots = BTreeSet::new();
        let mut rows = 0_u64;
        self.each_row(&[RECORDS], PAGE_LEN, |raw_key, row| {
            rows = rows.saturating_add(1);
            let (masked, index) = split_tail(raw_key, 1).ok_or(CORRUPT)?;
            if index == 0 {
                let head = Head::of(&row).ok_or(CORRUPT)?;
                ledger.add(self.keys, raw_key, &head.nonce);
                slots.insert(head.slot);
                firsts.push(masked.to_vec());
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let mut counted = 0_u64;
        for masked in firsts {
            let (table, key) = self.unmask(&masked)?;
            let value = self.get((table, &key))?.ok_or(CORRUPT)?;
            counted = counted.saturating_add(u64::from(row_count(value.len())));
        }
        if counted != rows || !slots.into_iter().eq(self.slots.pool().in_use()) {
            return Err(CORRUPT);
        }
        Ok(ledger)
    }

    /// All owner rows, and the tally of them.
    pub(crate) fn owners(self) -> Result<(BTreeMap<u32, Owned>, Tally), Error> {
        let (mut owners, mut tally) = (BTreeMap::new(), Tally::default());
        self.each_row(&[OWNERS], PAGE_LEN, |raw_key, row| {
            let slot = slot_of(raw_key).ok_or(CORRUPT)?;
            let nonce = Head::of(&row).ok_or(CORRUPT)?.nonce;
            let plain = self.keys.own_rows().open(Place::Owner { slot }, &row);
            let owner = plain
                .and_then(|plain| Owner::decode(&plain))
                .ok_or(CORRUPT)?;
            let weight = weight(self.keys, raw_key, &nonce);
            tally.add(weight);
            owners.insert(slot, Owned { owner, weight });
            Ok(ControlFlow::Continue(()))
        })?;
        Ok((owners, tally))
    }

    /// For each record with a slot of its own, the generation it has reached. One that is ahead of its slot
    /// must open, for the slot will follow it.
    pub(crate) fn generations(self) -> Result<Vec<(u32, u64)>, Error> {
        let mut generations = Vec::new();
        for (slot, owner) in self.slots.pool().owners() {
            if let Owner::Record { table, key } = owner {
                let head = self.head((*table, key))?.ok_or(CORRUPT)?;
                if head.slot != slot {
                    return Err(CORRUPT);
                }
                if !self.slots.is_at(slot, head.generation) {
                    self.get((*table, key))?;
                    generations.push((slot, head.generation));
                }
            }
        }
        Ok(generations)
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

    /// Calls `visit` with record key, index and row of every row of `table` below `prefix`.
    fn each_below(
        self,
        table: u8,
        prefix: &[u8],
        page_len: usize,
        mut visit: impl FnMut(Vec<u8>, u16, Vec<u8>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let mut mask = self.keys.mask();
        let stem = stem_with(&mut mask, table, prefix);
        self.each_row(&stem, page_len, |raw_key, row| {
            let Some((tail, index)) = split_tail(raw_key, stem.len()) else {
                return Ok(ControlFlow::Continue(()));
            };
            let mut key = prefix.to_vec();
            let mut mask = mask.clone();
            key.extend(tail.iter().map(|byte| mask.unmask(*byte)));
            Ok(visit(key, index, row))
        })
    }

    /// Calls `visit` with every row whose backend key starts with `prefix`, ascending, until it breaks off.
    /// Reads `page_len` rows at first and more with every page.
    fn each_row(
        self,
        prefix: &[u8],
        mut page_len: usize,
        mut visit: impl FnMut(&[u8], Vec<u8>) -> Result<ControlFlow<()>, Error>,
    ) -> Result<(), Error> {
        let end = prefix_end(prefix);
        let mut from = prefix.to_vec();
        loop {
            let page = self.kv.range(&from, end.as_deref(), page_len)?;
            let Some((last, _)) = page.last() else {
                return Ok(());
            };
            from.clone_from(last);
            from.push(0);
            let is_last = page.len() < page_len;
            for (key, row) in page {
                if visit(&key, row)?.is_break() {
                    return Ok(());
                }
            }
            if is_last {
                return Ok(());
            }
            page_len = page_len.saturating_mul(2).min(PAGE_LEN);
        }
    }

    const fn opener(self) -> Opener<'a> {
        Opener {
            slots: self.slots,
            last: None,
        }
    }

    fn stem(self, (table, key): At<'_>) -> Vec<u8> {
        stem_with(&mut self.keys.mask(), table, key)
    }

    /// The address in a backend key, without its first byte and its row index.
    pub(crate) fn unmask(self, masked: &[u8]) -> Result<(u8, Vec<u8>), Error> {
        let mut mask = self.keys.mask();
        let (table, key) = masked.split_first().ok_or(CORRUPT)?;
        let table = mask.unmask(*table);
        Ok((table, key.iter().map(|byte| mask.unmask(*byte)).collect()))
    }
}

/// Opens rows; neighbours often share a seal, so the last one is kept.
struct Opener<'a> {
    slots: &'a Slots,
    last: Option<RowSeal>,
}

impl Opener<'_> {
    /// Opens a row of the record at this address.
    fn open(&mut self, at: At<'_>, place: Place<'_>, row: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let head = Head::of(row)?;
        if !self.last.as_ref().is_some_and(|seal| seal.is_of(&head)) {
            self.last = self.slots.seal_of(&head);
        }
        let owner = self.slots.pool().owner(head.slot)?;
        let seal = self.last.as_ref().filter(|_| owner.has(at))?;
        seal.open(place, row)
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
    fn start(opener: &mut Opener<'_>, at: At<'_>, row: &[u8]) -> Result<Self, Error> {
        let first = Head::of(row).ok_or(CORRUPT)?.nonce;
        let (table, key) = at;
        let plain = opener
            .open(at, Place::First { table, key }, row)
            .ok_or(CORRUPT)?;
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

    fn add(&mut self, opener: &mut Opener<'_>, at: At<'_>, row: &[u8]) -> Result<(), Error> {
        let (table, key) = at;
        let place = Place::Continuation {
            table,
            key,
            index: self.next,
            first: self.first,
        };
        let plain = opener.open(at, place, row).ok_or(CORRUPT)?;
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
    opener: &mut Opener<'_>,
    at: At<'_>,
    mut rows: BTreeMap<u16, Vec<u8>>,
) -> Result<Value, Error> {
    let first = rows.remove(&0).ok_or(CORRUPT)?;
    let mut assembly = Assembly::start(opener, at, &first)?;
    while let Some(index) = assembly.next_index() {
        let row = rows.remove(&index).ok_or(CORRUPT)?;
        assembly.add(opener, at, &row)?;
    }
    if !rows.is_empty() {
        return Err(CORRUPT);
    }
    Ok(assembly.value)
}

/// Appends the rows of a value to `ops`; answers the nonce of the first.
fn seal_value(
    (table, key): At<'_>,
    stem: &[u8],
    (value, seal): (&Value, &RowSeal),
    (entropy, ops): (&mut Entropy, &mut Vec<Op>),
) -> Result<Nonce, Error> {
    let len = u32::try_from(value.len()).map_err(|_| Error::ValueTooLarge)?;
    let (begin, rest) = value.split_at(value.len().min(PLAIN_LEN_MAX - LENGTH_LEN));
    let mut plain = Zeroizing::new(Vec::with_capacity(PLAIN_LEN_MAX));
    plain.extend_from_slice(&len.to_be_bytes());
    plain.extend_from_slice(begin);
    let (first, row) = seal.seal(Place::First { table, key }, &plain, entropy)?;
    ops.push(put(with_index(stem, 0), row));
    for (index, part) in (1_u16..).zip(rest.chunks(PLAIN_LEN_MAX)) {
        let place = Place::Continuation {
            table,
            key,
            index,
            first,
        };
        let (_, row) = seal.seal(place, part, entropy)?;
        ops.push(put(with_index(stem, index), row));
    }
    Ok(first)
}

/// The head of a row, if it is the first of a record that `slot` seals.
fn member(index: u16, row: &[u8], slot: u32) -> Option<Head> {
    Head::of(row).filter(|head| index == 0 && head.slot == slot)
}

/// How many rows a value of `len` bytes takes.
fn row_count(len: usize) -> u32 {
    let rest = len.saturating_sub(PLAIN_LEN_MAX - LENGTH_LEN);
    u32::try_from(rest.div_ceil(PLAIN_LEN_MAX)).map_or(u32::MAX, |rows| rows.saturating_add(1))
}

/// The backend key of a record without its row index; leaves `mask` behind the record key.
fn stem_with(mask: &mut Mask, table: u8, key: &[u8]) -> Vec<u8> {
    let mut stem = vec![RECORDS];
    mask.mask_into(&[table], &mut stem);
    mask.mask_into(key, &mut stem);
    stem
}

/// Splits a backend key into the masked bytes from `at` on and the row index; `None` if it is too
/// short to hold both: then it belongs to a shorter record key whose index looks like masked bytes.
pub(crate) fn split_tail(raw_key: &[u8], at: usize) -> Option<(&[u8], u16)> {
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
