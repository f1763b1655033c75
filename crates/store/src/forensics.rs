//! What somebody can read who has every byte of the disk, and the secret: for tests only.
//!
//! A [`Carver`] takes the keys from a slot file and looks for sealed rows at every offset of any bytes, whatever
//! the storage engine thinks of them: live, deleted, overwritten, in a journal. It does not ask for the tag, since
//! somebody who reads need not: each row is decrypted with every key that can be had, and the caller says whether
//! the result is one of its values. So it opens at least what a real attacker could.
//!
//! Behind the cargo feature `forensics`, which no program of Sori turns on.

use std::collections::BTreeMap;
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::Error;
use crate::kv::ROW_LEN_MAX;
use crate::kv::memory::MemoryDisk;
use crate::profile::Profile;
use crate::seal::{Head, ROOT_SLOT, RowSeal};
use crate::slots::cell::{BLOCK_SLOTS, Cell, CellSeal, CopyOf};
use crate::slots::{cell, chain, copy_in};

/// Generations above this are taken for chance, not for a row.
const GENERATION_MAX: u64 = 1 << 32;

/// Which keys are tried on a row.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effort {
    /// Those of the slot that the row names.
    NamedSlot,
    /// Those of every slot. Slow: for a few thousand rows and a few hundred slots.
    EverySlot,
}

/// The keys that a master key and a slot file give.
pub struct Carver {
    seal: CellSeal,
    /// Both copies of each cell: the second may lag behind the first.
    cells: BTreeMap<u32, Vec<Cell>>,
}

/// A place where a sealed row stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sighting {
    /// Where in the bytes.
    pub offset: usize,
    /// The slot that the row names.
    pub slot: u32,
    /// The generation that the row names.
    pub generation: u64,
    /// What the caller recognised, if any key gave it: plaintext and then, where the row ends, noise. The
    /// first row of a value begins with the value's length (u32, big-endian).
    pub plain: Option<Zeroizing<Vec<u8>>>,
}

impl Carver {
    /// With the keys of the profile in `dir`, open or not. Changes nothing.
    ///
    /// # Errors
    /// As [`Store::open`](crate::Store::open).
    pub fn new(dir: &Path, unlock: &crate::Unlock) -> Result<Self, Error> {
        let (master, slots) = Profile::read_keys(dir, unlock)?;
        Ok(Self::with_keys(CellSeal::new(&master)?, &slots))
    }

    /// With the keys of a disk in memory.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it holds no store.
    pub fn of_memory(disk: &MemoryDisk) -> Result<Self, Error> {
        let master = disk.master().ok_or(Error::NotFound)?;
        Ok(Self::with_keys(CellSeal::new(&master)?, &disk.slot_bytes()))
    }

    /// The same master key with another state of the slot file: an older copy, say.
    #[must_use]
    pub fn with_slot_file(self, slot_file: &[u8]) -> Self {
        Self::with_keys(self.seal, slot_file)
    }

    /// How many slots have a key.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.cells.len()
    }

    /// Every sealed row of a record in `bytes`. Rows that cannot be decrypted to something that `recognise`
    /// knows are listed without plaintext.
    pub fn carve(
        &self,
        bytes: &[u8],
        effort: Effort,
        recognise: impl Fn(&[u8]) -> bool,
    ) -> Vec<Sighting> {
        let mut sightings = Vec::new();
        for offset in 0..bytes.len() {
            let row = bytes.get(offset..).unwrap_or_default();
            let row = row.get(..ROW_LEN_MAX).unwrap_or(row);
            let Some(head) = Head::of(row).filter(|head| self.is_plausible(head)) else {
                continue;
            };
            let plain = self.keys_for(&head, effort).find_map(|seal| {
                let plain = seal.decrypt_unverified(row);
                plain.filter(|plain| recognise(plain))
            });
            sightings.push(Sighting {
                offset,
                slot: head.slot,
                generation: head.generation,
                plain,
            });
        }
        sightings
    }

    fn with_keys(seal: CellSeal, slot_file: &[u8]) -> Self {
        let len = u64::try_from(slot_file.len()).unwrap_or(u64::MAX);
        let mut cells: BTreeMap<u32, Vec<Cell>> = BTreeMap::new();
        for slot in 0..cell::slots_in(len) {
            for copy in [CopyOf::A, CopyOf::B] {
                if let Some(cell) = seal.open(slot, copy_in(slot_file, slot, copy)) {
                    cells.entry(slot).or_default().push(cell);
                }
            }
        }
        Self { seal, cells }
    }

    fn is_plausible(&self, head: &Head) -> bool {
        let slots = self.cells.len().saturating_mul(2);
        let slots = u32::try_from(slots).unwrap_or(u32::MAX).max(BLOCK_SLOTS);
        head.slot != ROOT_SLOT && head.slot < slots && head.generation < GENERATION_MAX
    }

    /// The seals that can be made for a row: each key as it is, and as far along its chain as the row says.
    fn keys_for(&self, head: &Head, effort: Effort) -> impl Iterator<Item = RowSeal> {
        let (slot, generation) = (head.slot, head.generation);
        let is_tried = move |at: u32| at == slot || effort == Effort::EverySlot;
        let cells = self.cells.iter().filter(move |(at, _)| is_tried(**at));
        cells.flat_map(|(_, cells)| cells).flat_map(move |cell| {
            let steps = generation.checked_sub(cell.generation);
            let further = steps.and_then(|steps| chain::advanced(&cell.key, steps));
            [Some(cell.key.clone()), further]
                .into_iter()
                .flatten()
                .map(move |key| RowSeal::new(slot, generation, &key))
        })
    }
}

impl std::fmt::Debug for Carver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Carver")
    }
}

/// All rows that a disk in memory holds now, one after the other. It keeps no old bytes: to have a history,
/// ask after each commit.
#[must_use]
pub fn rows_of(disk: &MemoryDisk) -> Vec<u8> {
    disk.row_bytes()
}
