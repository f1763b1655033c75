//! One step: what was staged, turned into rows to write and changes to the slots.
//!
//! First everything is decided ([`Plan::of`]): which records go on in their slots, which buckets lose a
//! record and must move to a fresh slot or end. Then, with enough slots at hand, everything is sealed
//! ([`Plan::seal`]). Nothing of it is true before the batch is durable.

use std::collections::{BTreeMap, BTreeSet};

use crate::entropy::Entropy;
use crate::error::Error;
use crate::kv::Op;
use crate::ledger::{DATABASE, Ledger, weight};
use crate::overlay::{Address, Former, Staged, Value};
use crate::rows::Rows;
use crate::seal::{Head, Place, RowSeal};
use crate::slots::owner::{Bucket, Owner, owner_key, removal};
use crate::slots::pool::Change;
use crate::table::{Class, Keeping, Table};

const CORRUPT: Error = Error::Corrupt { file: DATABASE };

/// What a step will do.
pub(crate) struct Plan {
    items: BTreeMap<(u8, Vec<u8>), Item>,
    /// Slots whose key must go.
    erased: BTreeSet<u32>,
    /// Buckets that need a slot from the pool.
    homeless: BTreeSet<Bucket>,
}

/// One record and what becomes of it.
struct Item {
    before: Option<Head>,
    after: Option<(Source, Home)>,
}

/// Where the bytes come from.
enum Source {
    /// The value as it is committed: it only moves to another slot.
    Committed,
    Staged(Value),
}

/// Which key will seal a record.
enum Home {
    Bucket(Bucket),
    /// The next generation of the slot that the record has.
    Chain(u32),
    /// A slot of its own from the pool.
    Fresh,
}

/// What is to be done with a bucket that loses a record.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Loss {
    /// End it if nothing is left.
    EndIfEmpty,
    /// Move the rest to a fresh slot.
    Rekey,
}

/// A step, ready to be written.
pub(crate) struct Sealed {
    pub(crate) ops: Vec<Op>,
    pub(crate) ledger: Ledger,
    pub(crate) change: Change,
    /// Weights of the owner rows among `ops`.
    pub(crate) weights: BTreeMap<u32, u128>,
}

impl Plan {
    /// Decides; writes nothing.
    pub(crate) fn of(rows: Rows<'_>, staged: BTreeMap<Address, Staged>) -> Result<Self, Error> {
        let mut plan = Self {
            items: BTreeMap::new(),
            erased: BTreeSet::new(),
            homeless: BTreeSet::new(),
        };
        let mut losses = BTreeMap::new();
        for ((table, key), write) in staged {
            let before = rows.head((table.number(), &key))?;
            if before.is_none() && matches!(write, Staged::Delete { .. }) {
                continue;
            }
            let after = plan.decide(rows, (table, &key), before.as_ref(), (write, &mut losses))?;
            let item = Item { before, after };
            plan.items.insert((table.number(), key), item);
        }
        for (slot, loss) in losses {
            plan.settle_loss(rows, slot, loss)?;
        }
        plan.find_homeless(rows);
        Ok(plan)
    }

    /// Whether nothing is to be written.
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How many slots of the pool the step takes.
    pub(crate) fn slots_needed(&self) -> usize {
        let fresh = |item: &&Item| matches!(item.after, Some((_, Home::Fresh)));
        let fresh = self.items.values().filter(fresh).count();
        self.homeless.len().saturating_add(fresh)
    }

    /// Where a record goes, and what that does to the slot it had.
    fn decide(
        &mut self,
        rows: Rows<'_>,
        (table, key): (Table, &[u8]),
        before: Option<&Head>,
        (write, losses): (Staged, &mut BTreeMap<u32, Loss>),
    ) -> Result<Option<(Source, Home)>, Error> {
        let held = before.map(|head| head.slot);
        let owner = match held {
            Some(slot) => {
                let owner = rows.slots.pool().owner(slot);
                let at = (table.number(), key);
                Some(owner.filter(|owner| owner.has(at)).ok_or(CORRUPT)?)
            }
            None => None,
        };
        let (value, class, former) = match write {
            Staged::Delete { former } => (None, None, former),
            Staged::Put {
                value,
                class,
                former,
            } => (Some(value), class, former),
        };
        let home = value
            .is_some()
            .then(|| home_of((table, key), (held, owner), class, former));
        if let (Some(slot), Some(owner)) = (held, owner) {
            match (owner, &home) {
                (Owner::Record { .. }, Some(Home::Chain(_))) => {}
                (Owner::Record { .. }, _) => {
                    self.erased.insert(slot);
                }
                (Owner::Bucket(bucket), home) => {
                    let stays = matches!(home, Some(Home::Bucket(target)) if target == bucket);
                    if let Some(loss) = loss_of(table, former, stays) {
                        let worst = losses.entry(slot).or_insert(loss);
                        *worst = loss.max(*worst);
                    }
                }
                (Owner::Erasing, _) => return Err(CORRUPT),
            }
        }
        Ok(value.map(Source::Staged).zip(home))
    }

    /// Moves the rest of a bucket that lost a record, or ends it.
    fn settle_loss(&mut self, rows: Rows<'_>, slot: u32, loss: Loss) -> Result<(), Error> {
        let Some(Owner::Bucket(bucket)) = rows.slots.pool().owner(slot) else {
            return Err(CORRUPT);
        };
        let is_staged = |key: &[u8]| self.items.contains_key(&(bucket.table, key.to_vec()));
        if loss == Loss::EndIfEmpty {
            let is_home = |item: &Item| matches!(&item.after, Some((_, Home::Bucket(home))) if home == bucket);
            let lives =
                self.items.values().any(is_home) || rows.has_members(bucket, slot, is_staged)?;
            if !lives {
                self.erased.insert(slot);
            }
            return Ok(());
        }
        self.erased.insert(slot);
        for (key, head) in rows.members(bucket, slot, is_staged)? {
            let item = Item {
                before: Some(head),
                after: Some((Source::Committed, Home::Bucket(bucket.clone()))),
            };
            self.items.insert((bucket.table, key), item);
        }
        Ok(())
    }

    fn find_homeless(&mut self, rows: Rows<'_>) {
        for item in self.items.values() {
            let Some((_, Home::Bucket(bucket))) = &item.after else {
                continue;
            };
            let slot = rows.slots.pool().slot_of(bucket);
            if slot.is_none_or(|slot| self.erased.contains(&slot)) {
                self.homeless.insert(bucket.clone());
            }
        }
    }

    /// Seals everything; [`Plan::slots_needed`] slots must be available.
    pub(crate) fn seal(
        self,
        rows: Rows<'_>,
        ledger: Ledger,
        entropy: &mut Entropy,
    ) -> Result<Sealed, Error> {
        let mut available = rows.slots.pool().available();
        let mut take = || available.next().ok_or(CORRUPT);
        let mut change = Change {
            erased: self.erased,
            ..Change::default()
        };
        let mut seals: BTreeMap<Bucket, RowSeal> = BTreeMap::new();
        for bucket in self.homeless {
            let slot = take()?;
            seals.insert(bucket.clone(), rows.slots.seal_now(slot).ok_or(CORRUPT)?);
            change.taken.insert(slot, Owner::Bucket(bucket));
        }
        let mut sealed = Sealed {
            ops: Vec::new(),
            ledger,
            change,
            weights: BTreeMap::new(),
        };
        for ((table, key), item) in self.items {
            let at = (table, key.as_slice());
            let account = (&mut sealed.ledger, &mut *entropy);
            let Some((source, home)) = item.after else {
                let ops = rows.replace(at, item.before.as_ref(), None, account)?;
                sealed.ops.extend(ops);
                continue;
            };
            let value = match source {
                Source::Staged(value) => value,
                Source::Committed => rows.get(at)?.ok_or(CORRUPT)?,
            };
            let own;
            let seal = match home {
                Home::Bucket(bucket) => match seals.entry(bucket) {
                    std::collections::btree_map::Entry::Occupied(seal) => &*seal.into_mut(),
                    std::collections::btree_map::Entry::Vacant(none) => {
                        let slot = rows.slots.pool().slot_of(none.key()).ok_or(CORRUPT)?;
                        &*none.insert(rows.slots.seal_now(slot).ok_or(CORRUPT)?)
                    }
                },
                Home::Chain(slot) => {
                    let next = rows.slots.next(slot)?;
                    own = RowSeal::new(slot, next.generation, &next.key);
                    sealed.change.advanced.insert(slot, next);
                    &own
                }
                Home::Fresh => {
                    let slot = take()?;
                    let key = key.clone();
                    let owner = Owner::Record { table, key };
                    sealed.change.taken.insert(slot, owner);
                    own = rows.slots.seal_now(slot).ok_or(CORRUPT)?;
                    &own
                }
            };
            let ops = rows.replace(at, item.before.as_ref(), Some((&value, seal)), account)?;
            sealed.ops.extend(ops);
        }
        sealed.write_owners(rows, entropy)?;
        Ok(sealed)
    }
}

impl Sealed {
    /// Appends the owner rows that the change of the slots asks for, and removes intents that are done.
    pub(crate) fn write_owners(
        &mut self,
        rows: Rows<'_>,
        entropy: &mut Entropy,
    ) -> Result<(), Error> {
        let pool = rows.slots.pool();
        let erasing = self
            .change
            .erased
            .iter()
            .map(|slot| (*slot, &Owner::Erasing));
        let taken = self.change.taken.iter().map(|(slot, owner)| (*slot, owner));
        for (slot, owner) in erasing.chain(taken) {
            let place = Place::Owner { slot };
            let (nonce, row) = rows.keys.own_rows().seal(place, &owner.encode(), entropy)?;
            let key = owner_key(slot);
            let share = weight(rows.keys, &key, &nonce);
            let tally = self.ledger.owners_mut();
            if let Some(before) = pool.weight(slot) {
                tally.subtract(before);
            }
            tally.add(share);
            self.weights.insert(slot, share);
            self.ops.push(Op {
                key,
                value: Some(row),
            });
        }
        for slot in pool.erased() {
            if let Some(share) = pool
                .weight(*slot)
                .filter(|_| !self.weights.contains_key(slot))
            {
                self.ledger.owners_mut().subtract(share);
                self.ops.push(removal(*slot));
            }
        }
        Ok(())
    }
}

/// Which key seals a record that is put.
fn home_of(
    (table, key): (Table, &[u8]),
    (held, owner): (Option<u32>, Option<&Owner>),
    class: Option<Class>,
    former: Former,
) -> Home {
    let Some(bucket) = Bucket::of(table, key, class.unwrap_or(Class::NONE)) else {
        return match (held, owner) {
            (Some(slot), Some(Owner::Record { .. })) if former == Former::Replaced => {
                Home::Chain(slot)
            }
            _ => Home::Fresh,
        };
    };
    match owner {
        Some(Owner::Bucket(current)) if class.is_none() && current.page == bucket.page => {
            Home::Bucket(current.clone())
        }
        _ => Home::Bucket(bucket),
    }
}

/// What a bucket of `table` must do when one of its records is replaced where it is, or leaves.
fn loss_of(table: Table, former: Former, stays: bool) -> Option<Loss> {
    if former == Former::Forgotten {
        return Some(Loss::Rekey);
    }
    match table.keeping() {
        Keeping::Log { .. } => (!stays).then_some(Loss::EndIfEmpty),
        Keeping::Own | Keeping::Paged { .. } => {
            (!stays || former == Former::Deleted).then_some(Loss::Rekey)
        }
    }
}
