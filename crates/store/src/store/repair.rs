//! Saving from a damaged profile what can be read.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use super::Store;
use crate::entropy::Entropy;
use crate::error::Error;
use crate::kv::{Kv, prefix_end};
use crate::ledger::{LEDGER_KEY, Ledger};
use crate::profile::repair::Damaged;
use crate::rows::{RECORDS, Rows, split_tail};
use crate::seal::{Head, Place};
use crate::slots::owner::{Bucket, OWNERS, Owner, slot_of};
use crate::table::{Class, Table};
use crate::unlock::Unlock;

/// Values in one commit of the new profile, and bytes after which one is made anyway.
const BATCH_VALUES: u64 = 200;
const BATCH_LEN: usize = 512 * 1024;
/// Rows asked for at once.
const PAGE_LEN: usize = 256;
/// How many ranges that fail are divided further, before what is left of them is given up.
const FAILURES_MAX: u32 = 100;

/// What a repair saved.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RepairReport {
    /// Values that are there as they were last known.
    pub kept: u64,
    /// Values that are known to be missing: their rows or their keys are damaged.
    pub lost: u64,
    /// Steps that were acknowledged and of which the database knew nothing any more. What they wrote is
    /// missing or as it was before, and cannot be counted.
    pub steps_missing: u64,
    /// Where the damaged profile lies now. It can be opened by the same secret, as far as it can.
    pub aside: PathBuf,
}

impl Store {
    /// Saves what can be read from the profile in `dir`, which refuses to open as damaged: into a new profile
    /// that takes its place, opened by the same secret and of the same name ([`Store::profile_id`]). The
    /// damaged one is not changed and is kept aside. `seed` as for [`Store::create`]; `progress` is told
    /// how many values have been looked at.
    ///
    /// A key slot whose copies are both damaged costs the records that it sealed, and no others. Nothing is
    /// dropped silently: see [`RepairReport`]. Which records a step left out is for the caller to find: what
    /// must never run twice (a state of MLS) must not be built upon after a loss.
    ///
    /// A crash at any point leaves the damaged profile or the repaired one.
    ///
    /// # Errors
    /// As [`Store::open`]. [`Error::Corrupt`] where nothing can be saved: of `header`, if both copies are
    /// damaged; of `slots`, if the root key is; of the database, if nothing can be read of it.
    pub fn repair(
        dir: &Path,
        unlock: &Unlock,
        seed: [u8; 32],
        progress: &mut dyn FnMut(u64),
    ) -> Result<RepairReport, Error> {
        let mut entropy = Entropy::new(seed);
        let mut damaged = Damaged::open(dir, unlock)?;
        let ledger = damaged.ledger();
        let openings = ledger.map_or(0, |ledger| ledger.openings());
        entropy.distinguish(u64::MAX, openings);
        let found = damaged.find();
        damaged.slots.adopt_for_reading(found.owners);
        let successor = damaged.successor(Ledger::opened(openings), &mut entropy)?;
        let mut store = Self::admit(successor, entropy)?;
        let kept = damaged.save(&found.records, &mut store, progress)?;
        store.forget()?;
        drop(store);
        let known = u64::try_from(found.records.len()).unwrap_or(u64::MAX);
        let expected = ledger.map_or(0, |ledger| ledger.values()).max(known);
        let commits = ledger.map_or(0, |ledger| ledger.commits());
        let steps_missing = damaged.commits_acknowledged.saturating_sub(commits);
        Ok(RepairReport {
            kept,
            lost: expected.saturating_sub(kept),
            steps_missing,
            aside: damaged.give_way()?,
        })
    }
}

/// What a damaged database shows.
struct Found {
    /// Records of which there is a first row.
    records: BTreeSet<(u8, Vec<u8>)>,
    /// Whom each slot belongs to, as far as it is known or can be inferred.
    owners: BTreeMap<u32, Owner>,
}

impl Damaged {
    /// The ledger, if it can be read.
    fn ledger(&self) -> Option<Ledger> {
        let row = self.kv.get(LEDGER_KEY).ok()??;
        Ledger::from_row(&self.keys, &row).ok()
    }

    fn find(&self) -> Found {
        let mut owners = BTreeMap::new();
        each_readable_row(self.kv.as_ref(), &[OWNERS], &mut |raw_key, row| {
            let owner = slot_of(raw_key).and_then(|slot| {
                let plain = self.keys.own_rows().open(Place::Owner { slot }, row)?;
                Some((slot, Owner::decode(&plain)?))
            });
            owners.extend(owner);
        });
        let mut heads = BTreeMap::new();
        each_readable_row(self.kv.as_ref(), &[RECORDS], &mut |raw_key, row| {
            if let (Some((masked, 0)), Some(head)) = (split_tail(raw_key, 1), Head::of(row)) {
                let at = self.rows().unmask(masked);
                heads.extend(at.ok().map(|at| (at, head)));
            }
        });
        infer_owners(&mut owners, &heads);
        Found {
            records: heads.into_keys().collect(),
            owners,
        }
    }

    /// Writes every value that opens to `store`; answers how many.
    fn save(
        &self,
        records: &BTreeSet<(u8, Vec<u8>)>,
        store: &mut Store,
        progress: &mut dyn FnMut(u64),
    ) -> Result<u64, Error> {
        let (mut kept, mut len) = (0_u64, 0_usize);
        for (looked_at, (table, key)) in (1_u64..).zip(records) {
            let at = (*table, key.as_slice());
            if let Ok(Some(value)) = self.rows().get(at) {
                let (table, class) = self.keeping(at);
                store.put_in(table, key, class, &value)?;
                kept = kept.saturating_add(1);
                len = len.saturating_add(value.len());
            }
            if looked_at.is_multiple_of(BATCH_VALUES) || len > BATCH_LEN {
                store.commit()?;
                len = 0;
                progress(looked_at);
            }
        }
        store.commit()?;
        progress(u64::try_from(records.len()).unwrap_or(u64::MAX));
        Ok(kept)
    }

    /// How the record at this address is kept: alone, or in a bucket.
    fn keeping(&self, at: (u8, &[u8])) -> (Table, Class) {
        let head = self.rows().head(at).ok().flatten();
        let owner = head.and_then(|head| self.slots.pool().owner(head.slot));
        match owner {
            Some(Owner::Bucket(bucket)) => (Table::paged(at.0, bucket.page.len()), bucket.class),
            Some(Owner::Erasing | Owner::Record { .. }) | None => (Table::own(at.0), Class::NONE),
        }
    }

    fn rows(&self) -> Rows<'_> {
        Rows {
            kv: self.kv.as_ref(),
            keys: &self.keys,
            slots: &self.slots,
        }
    }
}

/// Gives an owner to slots whose owner row cannot be read: as others of the same table are kept, or else as
/// the keys that share the slot suggest.
fn infer_owners(owners: &mut BTreeMap<u32, Owner>, heads: &BTreeMap<(u8, Vec<u8>), Head>) {
    let mut page_lens: BTreeMap<u8, usize> = BTreeMap::new();
    for owner in owners.values() {
        if let Owner::Bucket(bucket) = owner {
            let page_len = page_lens.entry(bucket.table).or_default();
            *page_len = bucket.page.len().max(*page_len);
        }
    }
    let mut orphans: BTreeMap<(u32, u8), Vec<&[u8]>> = BTreeMap::new();
    for ((table, key), head) in heads {
        if !owners.contains_key(&head.slot) {
            orphans.entry((head.slot, *table)).or_default().push(key);
        }
    }
    for ((slot, table), keys) in orphans {
        // Ascending, so what the first and the last have in common they all have.
        let (Some(first), Some(last)) = (keys.first(), keys.last()) else {
            continue;
        };
        let common = first.iter().zip(*last).take_while(|(a, b)| a == b).count();
        let page_len = page_lens.get(&table).copied();
        let owner = match page_len.or_else(|| (keys.len() > 1).then_some(common)) {
            Some(page_len) => Owner::Bucket(Bucket {
                table,
                page: first.iter().take(page_len).copied().collect(),
                class: Class::NONE,
            }),
            None => Owner::Record {
                table,
                key: first.to_vec(),
            },
        };
        owners.insert(slot, owner);
    }
}

/// Calls `visit` with every row below `prefix` that the engine gives out; some perhaps more than once. Where it
/// fails, what lies around the damage is asked for in smaller and smaller pieces.
fn each_readable_row(kv: &dyn Kv, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8])) {
    let mut wanted = VecDeque::from([prefix.to_vec()]);
    let mut failures = 0_u32;
    while let Some(prefix) = wanted.pop_front() {
        if visit_below(kv, &prefix, visit).is_ok() || failures == FAILURES_MAX {
            continue;
        }
        failures = failures.saturating_add(1);
        wanted.extend((0..=u8::MAX).map(|byte| [&prefix[..], &[byte]].concat()));
    }
}

/// Calls `visit` with every row below `prefix`, until the engine fails.
fn visit_below(
    kv: &dyn Kv,
    prefix: &[u8],
    visit: &mut dyn FnMut(&[u8], &[u8]),
) -> Result<(), Error> {
    let end = prefix_end(prefix);
    let mut from = prefix.to_vec();
    loop {
        let page = kv.range(&from, end.as_deref(), PAGE_LEN)?;
        for (key, row) in &page {
            visit(key, row);
        }
        match page.last() {
            Some((last, _)) if page.len() == PAGE_LEN => {
                from.clone_from(last);
                from.push(0);
            }
            Some(_) | None => return Ok(()),
        }
    }
}
