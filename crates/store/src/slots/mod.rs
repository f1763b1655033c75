//! Key slots: small keys that can be overwritten, so that what they sealed is gone.
//!
//! A storage engine keeps deleted bytes for as long as it pleases. So no row is sealed under a key that
//! lives as long as the profile: each belongs to a slot, and the slots lie in one small file that is
//! overwritten in place.
//!
//! ```text
//!   slots.<n>   sealed under the master key      ([`cell`], [`device`])
//!      │ read whole at opening
//!      ▼
//!   keys in locked memory ([`keys`]), their chains ([`chain`])
//!      │
//!      ▼
//!   whom each belongs to, which are free, which must be overwritten ([`pool`], [`owner`])
//! ```
//!
//! Why a crash never loses a key: a slot's cell moves along its chain only after a row that is at least as
//! far is durable; new rows use only keys that were durable before; of the two copies of a cell the second is
//! touched only when the first is durable. Why nothing is remembered: the intent to overwrite a slot is
//! durable together with the deletion, and is done again at opening.

pub(crate) mod cell;
pub(crate) mod chain;
pub(crate) mod device;
pub(crate) mod keys;
pub(crate) mod locked;
pub(crate) mod owner;
pub(crate) mod pool;

use std::collections::{BTreeMap, BTreeSet};

use crate::entropy::Entropy;
use crate::error::Error;
use crate::mutant::broken;
use crate::seal::{Head, ROOT_SLOT, RowSeal};
use cell::{BLOCK_SLOTS, CELL_LEN, Cell, CellSeal, CopyOf};
use chain::ChainKey;
use device::{Device, Part, SLOTS_MAX};
use keys::KeyTable;
use owner::Owner;
use pool::{Change, Owned, Pool};

/// The name under which damage of the slot file is reported.
pub(crate) const SLOTS: &str = "slots";

/// Fewer free slots than this, and the next quiet moment makes more.
const AVAILABLE_MIN: usize = 64;
/// After so many commits the file is brought up to date even if nobody asked: far below the longest chain
/// that can be caught up with.
const COMMITS_BEHIND_MAX: u64 = chain::STEPS_MAX / 2;
const CORRUPT: Error = Error::Corrupt { file: SLOTS };

/// The slots of an open profile.
pub(crate) struct Slots {
    device: Box<dyn Device>,
    seal: CellSeal,
    keys: KeyTable,
    pool: Pool,
    /// Slots of which no copy could be read.
    lost: BTreeSet<u32>,
    commits_behind: u64,
}

/// A slot file under another master key, not yet in use.
#[derive(Debug)]
pub(crate) struct Copied {
    device: Box<dyn Device>,
    seal: CellSeal,
}

impl Copied {
    /// The same bytes, now on another device.
    pub(crate) fn on(self, device: Box<dyn Device>) -> Self {
        Self { device, ..self }
    }
}

/// How a profile was left.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Left {
    /// By a crash, or it is not known: cells may lag, and keys of the pool may have sealed rows of a step
    /// that never became true.
    Anyhow,
    /// Closed after everything was brought up to date.
    InOrder,
}

impl Slots {
    /// Fills an empty device: slot 0 with `root`, the rest with fresh keys.
    pub(crate) fn create(
        device: Box<dyn Device>,
        master: &[u8; 32],
        root: ChainKey,
        entropy: &mut Entropy,
    ) -> Result<Self, Error> {
        let mut slots = Self {
            device,
            seal: CellSeal::new(master)?,
            keys: KeyTable::default(),
            pool: Pool::default(),
            lost: BTreeSet::new(),
            commits_behind: 0,
        };
        slots.keys.grow_to(BLOCK_SLOTS);
        let root = Cell {
            generation: 0,
            key: root,
        };
        slots.keys.set(ROOT_SLOT, &root)?;
        slots.pool.mark_rewrite(ROOT_SLOT);
        (1..BLOCK_SLOTS).for_each(|slot| slots.pool.mark_rekey(slot));
        slots.write_pending(entropy)?;
        Ok(slots)
    }

    /// Reads all cells. Writes nothing: [`Slots::adopt`] says whose they are, then [`Slots::forget`] mends.
    pub(crate) fn load(device: Box<dyn Device>, master: &[u8; 32]) -> Result<Self, Error> {
        let seal = CellSeal::new(master)?;
        let bytes = device.read()?;
        let mut keys = KeyTable::default();
        let mut pool = Pool::default();
        let mut lost = BTreeSet::new();
        let count = cell::slots_in(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        keys.grow_to(count.min(SLOTS_MAX));
        for slot in 0..keys.len() {
            let [a, b] = [CopyOf::A, CopyOf::B].map(|copy| copy_in(&bytes, slot, copy));
            // A is written first, so where both can be read and differ it is the later one.
            match seal.open(slot, a).or_else(|| seal.open(slot, b)) {
                Some(cell) => keys.set(slot, &cell)?,
                None => {
                    lost.insert(slot);
                }
            }
            if a != b {
                pool.mark_rewrite(slot);
            }
        }
        Ok(Self {
            device,
            seal,
            keys,
            pool,
            lost,
            commits_behind: 0,
        })
    }

    /// The root key.
    pub(crate) fn root(&self) -> Result<ChainKey, Error> {
        if self.lost.contains(&ROOT_SLOT) {
            return Err(CORRUPT);
        }
        Ok(self.keys.get(ROOT_SLOT).ok_or(CORRUPT)?.key)
    }

    /// Takes in the owner rows; everything without one goes to the pool.
    pub(crate) fn adopt(&mut self, owners: BTreeMap<u32, Owned>, left: Left) -> Result<(), Error> {
        for slot in 1..self.keys.len() {
            if owners.contains_key(&slot) {
                continue;
            }
            let was_lost = self.lost.remove(&slot);
            if left == Left::Anyhow || was_lost {
                self.pool.mark_rekey(slot);
            } else {
                self.pool.add_free(slot);
            }
        }
        for (slot, owned) in owners {
            if slot == ROOT_SLOT || slot >= self.keys.len() {
                return Err(CORRUPT);
            }
            if owned.owner == Owner::Erasing {
                self.lost.remove(&slot);
            }
            self.pool.adopt(slot, owned)?;
        }
        if !self.lost.is_empty() {
            return Err(CORRUPT);
        }
        Ok(())
    }

    /// Takes in what is known of the owners, for reading only: nothing of it need be complete.
    pub(crate) fn adopt_for_reading(&mut self, owners: BTreeMap<u32, Owner>) {
        self.pool.adopt_for_reading(owners);
    }

    /// Goes on to the generation that a durable row of the slot has, if the cell lagged behind it.
    pub(crate) fn catch_up(&mut self, slot: u32, generation: u64) -> Result<(), Error> {
        let cell = self.keys.get(slot).ok_or(CORRUPT)?;
        if generation > cell.generation {
            self.keys.set(slot, &advance(&cell, generation)?)?;
            self.pool.mark_rewrite(slot);
        }
        Ok(())
    }

    /// States of the slots.
    pub(crate) const fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Whether the system keeps all keys in memory.
    pub(crate) fn are_locked(&self) -> bool {
        self.keys.is_locked() && self.seal.is_locked()
    }

    /// Whether the slot stands at this generation.
    pub(crate) fn is_at(&self, slot: u32, generation: u64) -> bool {
        let cell = self.keys.get(slot);
        cell.is_some_and(|cell| cell.generation == generation)
    }

    /// The seal of a row with this head; `None` if its key is gone, or never was.
    pub(crate) fn seal_of(&self, head: &Head) -> Option<RowSeal> {
        if head.slot == ROOT_SLOT {
            return None;
        }
        self.seal_at(head.slot, head.generation)
    }

    /// The seal for rows of a slot as it is.
    pub(crate) fn seal_now(&self, slot: u32) -> Option<RowSeal> {
        let cell = self.keys.get(slot)?;
        Some(RowSeal::new(slot, cell.generation, &cell.key))
    }

    /// What the slot will hold when its record is overwritten.
    pub(crate) fn next(&self, slot: u32) -> Result<Cell, Error> {
        let cell = self.keys.get(slot).ok_or(CORRUPT)?;
        let generation = cell.generation.checked_add(1).ok_or(CORRUPT)?;
        advance(&cell, generation)
    }

    /// Makes sure that `count` slots can be taken. Grows the file only if there are too few.
    pub(crate) fn reserve(&mut self, count: usize, entropy: &mut Entropy) -> Result<(), Error> {
        let missing = count.saturating_sub(self.pool.available_count());
        if missing == 0 {
            return Ok(());
        }
        let block = usize::try_from(BLOCK_SLOTS).unwrap_or(usize::MAX);
        let blocks = u32::try_from(missing.div_ceil(block)).map_err(|_| Error::Full)?;
        let from = self.keys.len();
        let to = from.saturating_add(blocks.saturating_mul(BLOCK_SLOTS));
        if to > SLOTS_MAX {
            return Err(Error::Full);
        }
        self.write_fresh(from..to, entropy)
    }

    /// The step is durable: what it did to the slots is true from now on.
    pub(crate) fn apply(
        &mut self,
        change: Change,
        weights: &BTreeMap<u32, u128>,
    ) -> Result<(), Error> {
        for (slot, cell) in &change.advanced {
            self.keys.set(*slot, cell)?;
        }
        for slot in &change.erased {
            if broken!("delete and keep the key") {
                continue;
            }
            self.keys.wipe(*slot)?;
        }
        self.commits_behind = self.commits_behind.saturating_add(1);
        self.pool.apply(change, weights)
    }

    /// Whether [`Slots::forget`] has anything to overwrite.
    pub(crate) fn forget_due(&self) -> bool {
        !self.pool.to_rekey().is_empty() || !self.pool.to_rewrite().is_empty()
    }

    /// Whether the file has to be brought up to date now, asked or not.
    pub(crate) const fn is_far_behind(&self) -> bool {
        self.commits_behind >= COMMITS_BEHIND_MAX
    }

    /// Lets the next [`Slots::forget`] draw fresh keys for all free slots.
    pub(crate) fn rekey_pool(&mut self) {
        self.pool.mark_free_for_rekey();
    }

    /// Brings the file up to what is durable: two waits for the device, none if there is nothing to do. Then
    /// grows it if free slots are running low; that this fails is no error before one is needed.
    pub(crate) fn forget(&mut self, entropy: &mut Entropy) -> Result<(), Error> {
        if self.forget_due() {
            self.write_pending(entropy)?;
        }
        self.commits_behind = 0;
        if self.pool.available_count() < AVAILABLE_MIN {
            let wanted = AVAILABLE_MIN.saturating_mul(2);
            match self.reserve(wanted, entropy) {
                Ok(()) | Err(Error::Full) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes every slot to a new file under another master key.
    pub(crate) fn copy_to(
        &self,
        device: Box<dyn Device>,
        master: &[u8; 32],
        entropy: &mut Entropy,
    ) -> Result<Copied, Error> {
        let seal = CellSeal::new(master)?;
        let all = 0..self.keys.len();
        write_cells((device.as_ref(), &seal), &self.keys, all, entropy)?;
        Ok(Copied { device, seal })
    }

    /// Goes on with the copy; the file so far is let go.
    pub(crate) fn move_to(&mut self, copied: Copied) {
        self.device = copied.device;
        self.seal = copied.seal;
    }

    fn write_pending(&mut self, entropy: &mut Entropy) -> Result<(), Error> {
        for slot in self.pool.to_rekey() {
            let has_key = |cell: Cell| *cell.key != [0; 32];
            if broken!("delete and keep the key") && self.keys.get(*slot).is_some_and(has_key) {
                continue;
            }
            let key = entropy.bytes32();
            self.keys.set(*slot, &Cell { generation: 0, key })?;
        }
        let pending: BTreeSet<u32> = self.pool.to_rekey() | self.pool.to_rewrite();
        self.write_cells(pending.into_iter(), entropy)?;
        self.pool.settle();
        Ok(())
    }

    /// Adds slots at the end of the file.
    fn write_fresh(
        &mut self,
        slots: std::ops::Range<u32>,
        entropy: &mut Entropy,
    ) -> Result<(), Error> {
        self.keys.grow_to(slots.end);
        for slot in slots.clone() {
            let key = entropy.bytes32();
            self.keys.set(slot, &Cell { generation: 0, key })?;
        }
        let written = self.write_cells(slots.clone(), entropy);
        if written.is_err() {
            // What reached the file is overwritten by the next attempt, or taken in at the next opening.
            self.keys.cut_to(slots.start);
            return written;
        }
        slots.for_each(|slot| self.pool.add_free(slot));
        Ok(())
    }

    fn write_cells(
        &self,
        slots: impl Iterator<Item = u32>,
        entropy: &mut Entropy,
    ) -> Result<(), Error> {
        let target = (self.device.as_ref(), &self.seal);
        write_cells(target, &self.keys, slots, entropy)
    }

    fn seal_at(&self, slot: u32, generation: u64) -> Option<RowSeal> {
        let cell = self.keys.get(slot)?;
        let steps = generation.checked_sub(cell.generation)?;
        let key = chain::advanced(&cell.key, steps)?;
        Some(RowSeal::new(slot, generation, &key))
    }
}

impl std::fmt::Debug for Slots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Slots")
    }
}

/// Writes copy A of all cells, waits for the device, then copy B.
fn write_cells(
    (device, seal): (&dyn Device, &CellSeal),
    keys: &KeyTable,
    slots: impl Iterator<Item = u32>,
    entropy: &mut Entropy,
) -> Result<(), Error> {
    let mut cells = Vec::new();
    for slot in slots {
        let cell = keys.get(slot).ok_or(CORRUPT)?;
        let bytes = seal.seal(slot, (cell.generation, &cell.key), entropy)?;
        cells.push((slot, bytes));
    }
    for copy in [CopyOf::A, CopyOf::B] {
        let part =
            |(slot, bytes): &(u32, Vec<u8>)| -> Part { (cell::offset(*slot, copy), bytes.clone()) };
        // Both are written once, when a block of slots is new.
        if broken!("overwrite one copy of a key") && copy == CopyOf::B && cells.len() < 64 {
            continue;
        }
        device.overwrite(cells.iter().map(part).collect())?;
    }
    Ok(())
}

fn advance(cell: &Cell, generation: u64) -> Result<Cell, Error> {
    let steps = generation.checked_sub(cell.generation).ok_or(CORRUPT)?;
    let key = chain::advanced(&cell.key, steps).ok_or(CORRUPT)?;
    Ok(Cell { generation, key })
}

/// One copy of a cell in the bytes of the file; empty where the file ends before it.
pub(crate) fn copy_in(bytes: &[u8], slot: u32, copy: CopyOf) -> &[u8] {
    let from = usize::try_from(cell::offset(slot, copy)).unwrap_or(usize::MAX);
    let to = from.saturating_add(CELL_LEN);
    bytes.get(from..to).unwrap_or_default()
}
