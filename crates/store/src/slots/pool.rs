//! In what state each slot is, and what one step does to that.
//!
//! ```text
//!          taken by a commit                    deleted by a commit (intent durable)
//!  free ───────────────────► owned ───────────────────────────────────► to be re-keyed
//!    ▲                                                                        │
//!    │ a later commit removes the intent                  forget: a fresh key │
//!    └────────────────────────────── erased ◄──────────────────────────────── ┘
//! ```
//!
//! An erased slot may also be taken at once: its new owner row replaces the intent.

use std::collections::{BTreeMap, BTreeSet};

use super::SLOTS;
use super::cell::Cell;
use super::owner::{Bucket, Owner};
use crate::error::Error;
use crate::ledger::DATABASE;

/// An owner row as it stands in the database.
#[derive(Debug)]
pub(crate) struct Owned {
    pub(crate) owner: Owner,
    /// The row's share in the ledger's sum.
    pub(crate) weight: u128,
}

/// The states of all slots but the root's.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    owners: BTreeMap<u32, Owned>,
    buckets: BTreeMap<Bucket, u32>,
    /// Durable random keys that no row has used.
    free: BTreeSet<u32>,
    /// As free, but the intent still stands in the database.
    erased: BTreeSet<u32>,
    /// Their keys must be overwritten with fresh ones.
    rekey: BTreeSet<u32>,
    /// Their cells lag behind the keys in memory, or their copies differ.
    rewrite: BTreeSet<u32>,
}

/// What one step does to the slots. Nothing of it is true before its commit is durable.
#[derive(Debug, Default)]
pub(crate) struct Change {
    /// Chains that go on: what the slot holds afterwards.
    pub(crate) advanced: BTreeMap<u32, Cell>,
    /// Slots whose key must go.
    pub(crate) erased: BTreeSet<u32>,
    /// Slots from the pool and their owners.
    pub(crate) taken: BTreeMap<u32, Owner>,
}

impl Pool {
    /// Notes whom a slot belongs to, as read from the database.
    pub(crate) fn adopt(&mut self, slot: u32, owned: Owned) -> Result<(), Error> {
        if let Owner::Bucket(bucket) = &owned.owner {
            let twin = self.buckets.insert(bucket.clone(), slot);
            if twin.is_some() {
                return Err(Error::Corrupt { file: DATABASE });
            }
        }
        if owned.owner == Owner::Erasing {
            self.rekey.insert(slot);
        }
        self.owners.insert(slot, owned);
        Ok(())
    }

    /// Notes owners that may contradict each other.
    pub(crate) fn adopt_for_reading(&mut self, owners: BTreeMap<u32, Owner>) {
        let owned = |(slot, owner)| (slot, Owned { owner, weight: 0 });
        self.owners.extend(owners.into_iter().map(owned));
    }

    /// Whom the slot belongs to.
    pub(crate) fn owner(&self, slot: u32) -> Option<&Owner> {
        self.owners.get(&slot).map(|owned| &owned.owner)
    }

    /// The weight of the slot's owner row, if it has one.
    pub(crate) fn weight(&self, slot: u32) -> Option<u128> {
        self.owners.get(&slot).map(|owned| owned.weight)
    }

    /// All slots with owner rows, ascending.
    pub(crate) fn owners(&self) -> impl Iterator<Item = (u32, &Owner)> {
        self.owners
            .iter()
            .map(|(slot, owned)| (*slot, &owned.owner))
    }

    /// The slots that seal records, ascending.
    pub(crate) fn in_use(&self) -> impl Iterator<Item = u32> {
        self.owners()
            .filter(|(_, owner)| **owner != Owner::Erasing)
            .map(|(slot, _)| slot)
    }

    /// The slot of a bucket.
    pub(crate) fn slot_of(&self, bucket: &Bucket) -> Option<u32> {
        self.buckets.get(bucket).copied()
    }

    /// Slots that can be taken, those first whose intent is then replaced.
    pub(crate) fn available(&self) -> impl Iterator<Item = u32> {
        self.erased.iter().chain(&self.free).copied()
    }

    /// How many slots can be taken.
    pub(crate) fn available_count(&self) -> usize {
        self.erased.len().saturating_add(self.free.len())
    }

    /// Slots whose intents can go.
    pub(crate) const fn erased(&self) -> &BTreeSet<u32> {
        &self.erased
    }

    /// Slots that need a fresh key.
    pub(crate) const fn to_rekey(&self) -> &BTreeSet<u32> {
        &self.rekey
    }

    /// Slots whose cells are to be written as they are in memory.
    pub(crate) const fn to_rewrite(&self) -> &BTreeSet<u32> {
        &self.rewrite
    }

    /// The slot's cell must be written.
    pub(crate) fn mark_rewrite(&mut self, slot: u32) {
        self.rewrite.insert(slot);
    }

    /// The slot, which nobody owns, needs a fresh key before it can be taken.
    pub(crate) fn mark_rekey(&mut self, slot: u32) {
        self.free.remove(&slot);
        self.rewrite.remove(&slot);
        self.rekey.insert(slot);
    }

    /// No free slot can be taken before it got a fresh key.
    pub(crate) fn mark_free_for_rekey(&mut self) {
        self.rekey.append(&mut self.free);
    }

    /// The slot has a durable key that no row has used.
    pub(crate) fn add_free(&mut self, slot: u32) {
        self.free.insert(slot);
    }

    /// Everything that was to be written is durable.
    pub(crate) fn settle(&mut self) {
        self.rewrite.clear();
        for slot in std::mem::take(&mut self.rekey) {
            if self.owners.contains_key(&slot) {
                self.erased.insert(slot);
            } else {
                self.free.insert(slot);
            }
        }
    }

    /// The step is durable. `weights` are those of the owner rows it wrote.
    pub(crate) fn apply(
        &mut self,
        change: Change,
        weights: &BTreeMap<u32, u128>,
    ) -> Result<(), Error> {
        for slot in std::mem::take(&mut self.erased) {
            if !change.taken.contains_key(&slot) {
                self.owners.remove(&slot);
                self.free.insert(slot);
            }
        }
        let weight = |slot: u32| {
            let weight = weights.get(&slot).copied();
            weight.ok_or(Error::Corrupt { file: SLOTS })
        };
        for slot in change.erased {
            if let Some(Owner::Bucket(bucket)) = self.owner(slot).cloned() {
                self.buckets.remove(&bucket);
            }
            let (owner, weight) = (Owner::Erasing, weight(slot)?);
            self.owners.insert(slot, Owned { owner, weight });
            self.rewrite.remove(&slot);
            self.rekey.insert(slot);
        }
        for (slot, owner) in change.taken {
            self.free.remove(&slot);
            if let Owner::Bucket(bucket) = &owner {
                self.buckets.insert(bucket.clone(), slot);
            }
            let weight = weight(slot)?;
            self.owners.insert(slot, Owned { owner, weight });
        }
        self.rewrite.extend(change.advanced.into_keys());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Class;

    fn bucket(page: u8) -> Bucket {
        Bucket {
            table: 1,
            page: vec![page],
            class: Class::NONE,
        }
    }

    fn pool() -> Pool {
        let mut pool = Pool::default();
        (1..4).for_each(|slot| pool.add_free(slot));
        pool
    }

    fn apply(pool: &mut Pool, taken: &[(u32, Owner)], erased: &[u32]) {
        let change = Change {
            taken: taken.iter().cloned().collect(),
            erased: erased.iter().copied().collect(),
            advanced: BTreeMap::new(),
        };
        let slots = change.taken.keys().chain(&change.erased);
        let weights = slots.map(|slot| (*slot, 0)).collect();
        pool.apply(change, &weights).unwrap();
    }

    fn available(pool: &Pool) -> Vec<u32> {
        pool.available().collect()
    }

    #[test]
    fn slot_goes_round_through_every_state() {
        let mut pool = pool();
        apply(&mut pool, &[(1, Owner::Bucket(bucket(1)))], &[]);
        assert_eq!(pool.slot_of(&bucket(1)), Some(1));
        assert_eq!(available(&pool), [2, 3]);
        apply(&mut pool, &[], &[1]);
        assert_eq!(pool.slot_of(&bucket(1)), None);
        assert_eq!(available(&pool), [2, 3], "its old key is still there");
        pool.settle();
        assert_eq!(available(&pool), [1, 2, 3]);
        assert_eq!(pool.owner(1), Some(&Owner::Erasing));
        apply(&mut pool, &[], &[]);
        assert_eq!(pool.owner(1), None);
        assert_eq!(available(&pool), [1, 2, 3]);
    }

    #[test]
    fn erased_slot_can_be_taken_at_once() {
        let mut pool = pool();
        apply(&mut pool, &[(3, Owner::Bucket(bucket(1)))], &[]);
        apply(&mut pool, &[], &[3]);
        pool.settle();
        assert_eq!(pool.available().next(), Some(3));
        apply(&mut pool, &[(3, Owner::Bucket(bucket(2)))], &[]);
        assert_eq!(pool.slot_of(&bucket(2)), Some(3));
        assert_eq!(available(&pool), [1, 2]);
        assert!(pool.erased().is_empty());
    }

    #[test]
    fn bucket_that_moves_keeps_its_new_slot() {
        let mut pool = pool();
        apply(&mut pool, &[(1, Owner::Bucket(bucket(1)))], &[]);
        apply(&mut pool, &[(2, Owner::Bucket(bucket(1)))], &[1]);
        assert_eq!(pool.slot_of(&bucket(1)), Some(2));
        assert!(pool.to_rekey().contains(&1));
    }

    #[test]
    fn two_slots_of_one_bucket_are_damage() {
        let mut pool = Pool::default();
        let owned = || Owned {
            owner: Owner::Bucket(bucket(1)),
            weight: 0,
        };
        pool.adopt(1, owned()).unwrap();
        assert!(pool.adopt(2, owned()).is_err());
    }
}
