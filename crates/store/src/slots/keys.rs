//! The keys of all slots, in memory.

use super::cell::Cell;
use super::locked::Locked;
use crate::error::Error;
use zeroize::Zeroizing;

/// `generation u64 | key 32`.
const ENTRY_LEN: usize = 40;
const GENERATION_LEN: usize = 8;
/// Entries in one locked piece of memory.
const PIECE_ENTRIES: usize = 512;

/// Generation and key of each slot, the newest that a durable row has. The slot file may lag behind it.
#[derive(Debug, Default)]
pub(crate) struct KeyTable {
    pieces: Vec<Locked>,
    len: u32,
}

impl KeyTable {
    /// How many slots there are.
    pub(crate) const fn len(&self) -> u32 {
        self.len
    }

    /// Whether the system keeps all of them in memory.
    pub(crate) fn is_locked(&self) -> bool {
        self.pieces.iter().all(Locked::is_locked)
    }

    /// Makes room for slots up to `len`, without keys.
    pub(crate) fn grow_to(&mut self, len: u32) {
        self.len = self.len.max(len);
        let needed = usize::try_from(self.len).unwrap_or(usize::MAX);
        while self.pieces.len().saturating_mul(PIECE_ENTRIES) < needed {
            let piece = Locked::zeroed(PIECE_ENTRIES.saturating_mul(ENTRY_LEN));
            self.pieces.push(piece);
        }
    }

    /// Gives up the slots from `len` on.
    pub(crate) fn cut_to(&mut self, len: u32) {
        self.len = self.len.min(len);
    }

    /// What the slot holds; zeros after [`KeyTable::wipe`].
    pub(crate) fn get(&self, slot: u32) -> Option<Cell> {
        let (piece, entry) = place(slot);
        let bytes = self.pieces.get(piece)?.part::<ENTRY_LEN>(entry)?;
        let (generation, key) = bytes.split_first_chunk::<GENERATION_LEN>()?;
        Some(Cell {
            generation: u64::from_be_bytes(*generation),
            key: Zeroizing::new(*key.first_chunk()?),
        })
    }

    /// Replaces what the slot holds.
    pub(crate) fn set(&mut self, slot: u32, cell: &Cell) -> Result<(), Error> {
        let (piece, entry) = place(slot);
        let bytes = self
            .pieces
            .get_mut(piece)
            .and_then(|piece| piece.part_mut::<ENTRY_LEN>(entry))
            .ok_or(Error::Corrupt { file: super::SLOTS })?;
        let (generation, key) = bytes.split_at_mut(GENERATION_LEN);
        generation.copy_from_slice(&cell.generation.to_be_bytes());
        key.copy_from_slice(cell.key.as_slice());
        Ok(())
    }

    /// Forgets the key of a slot.
    pub(crate) fn wipe(&mut self, slot: u32) -> Result<(), Error> {
        let key = Zeroizing::new([0; 32]);
        self.set(slot, &Cell { generation: 0, key })
    }
}

/// Piece and entry of a slot.
fn place(slot: u32) -> (usize, usize) {
    let slot = usize::try_from(slot).unwrap_or(usize::MAX);
    (slot / PIECE_ENTRIES, slot % PIECE_ENTRIES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_keep_apart_across_pieces_and_growing_keeps_them() {
        let mut table = KeyTable::default();
        table.grow_to(600);
        let cell = |byte| Cell {
            generation: u64::from(byte),
            key: Zeroizing::new([byte; 32]),
        };
        for (slot, byte) in [(0, 1), (511, 2), (512, 3), (599, 4)] {
            table.set(slot, &cell(byte)).unwrap();
        }
        table.grow_to(5000);
        assert_eq!(table.get(511), Some(cell(2)));
        assert_eq!(table.get(512), Some(cell(3)));
        table.wipe(512).unwrap();
        assert_eq!(table.get(512), Some(cell(0)));
        assert_eq!(table.get(599), Some(cell(4)));
        assert!(table.set(6000, &cell(1)).is_err());
    }
}
