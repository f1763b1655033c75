//! A cell of the slot file: one slot's key and generation, sealed under the master key.
//!
//! 128 bytes: `nonce 24 | ciphertext of (generation u64 | key 32 | zeros 48) | tag 16`, big-endian,
//! XChaCha20-Poly1305 with the slot's number (u32) as associated data. The file is a row of blocks, each of
//! 128 slots: 16 KiB with copy A of them all, then 16 KiB with copy B. So the two copies of a cell never
//! share a page, and growing appends.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::chain::ChainKey;
use super::locked::Locked;
use crate::entropy::Entropy;
use crate::error::Error;
use crate::seal::derive;

/// The length of a cell.
pub(crate) const CELL_LEN: usize = 128;
/// Slots in one block of the file.
pub(crate) const BLOCK_SLOTS: u32 = 128;

const NONCE_LEN: usize = 24;
const PLAIN_LEN: usize = CELL_LEN - NONCE_LEN - 16;
const KEY_AT: usize = 8;
const COPY_LEN: u64 = BLOCK_SLOTS as u64 * CELL_LEN as u64;

/// Which of the two copies of a cell.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CopyOf {
    A,
    B,
}

/// What a cell holds.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct Cell {
    pub(crate) generation: u64,
    pub(crate) key: ChainKey,
}

impl std::fmt::Debug for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cell")
    }
}

/// Seals and opens cells under one master key.
pub(crate) struct CellSeal(Locked);

impl CellSeal {
    pub(crate) fn new(master: &[u8; 32]) -> Result<Self, Error> {
        let derived = derive(master, b"sori store slot cells 2", &[])?;
        let mut key = Locked::zeroed(32);
        if let Some(place) = key.part_mut::<32>(0) {
            place.copy_from_slice(derived.as_slice());
        }
        Ok(Self(key))
    }

    /// Whether the system keeps the key in memory.
    pub(crate) const fn is_locked(&self) -> bool {
        self.0.is_locked()
    }

    /// The bytes of a cell; both copies hold the same.
    pub(crate) fn seal(
        &self,
        slot: u32,
        (generation, key): (u64, &[u8; 32]),
        entropy: &mut Entropy,
    ) -> Result<Vec<u8>, Error> {
        let mut plain = Zeroizing::new(Vec::with_capacity(PLAIN_LEN));
        plain.extend_from_slice(&generation.to_be_bytes());
        plain.extend_from_slice(key);
        plain.resize(PLAIN_LEN, 0);
        let nonce: [u8; NONCE_LEN] = entropy.bytes();
        let payload = Payload {
            msg: &plain,
            aad: &slot.to_be_bytes(),
        };
        let sealed = self
            .cipher()
            .and_then(|cipher| cipher.encrypt(XNonce::from_slice(&nonce), payload).ok())
            .ok_or(Error::ValueTooLarge)?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// What a cell holds; `None` if these bytes are no cell of this slot.
    pub(crate) fn open(&self, slot: u32, bytes: &[u8]) -> Option<Cell> {
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>()?;
        let payload = Payload {
            msg: sealed,
            aad: &slot.to_be_bytes(),
        };
        let plain = self
            .cipher()?
            .decrypt(XNonce::from_slice(nonce), payload)
            .ok()?;
        let plain = Zeroizing::new(plain);
        let generation = u64::from_be_bytes(*plain.first_chunk()?);
        let key = Zeroizing::new(*plain.get(KEY_AT..)?.first_chunk()?);
        Some(Cell { generation, key })
    }

    fn cipher(&self) -> Option<XChaCha20Poly1305> {
        let key = self.0.part::<32>(0)?;
        Some(XChaCha20Poly1305::new(key.into()))
    }
}

impl std::fmt::Debug for CellSeal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CellSeal")
    }
}

/// Where a copy of a cell stands in the file.
pub(crate) fn offset(slot: u32, copy: CopyOf) -> u64 {
    let (block, within) = (u64::from(slot / BLOCK_SLOTS), slot % BLOCK_SLOTS);
    let copies = block.saturating_mul(2);
    let copies = match copy {
        CopyOf::A => copies,
        CopyOf::B => copies.saturating_add(1),
    };
    let len = u64::try_from(CELL_LEN).unwrap_or(u64::MAX);
    let within = u64::from(within).saturating_mul(len);
    copies.saturating_mul(COPY_LEN).saturating_add(within)
}

/// How many slots a file of `len` bytes has room for, in whole blocks, the last one begun counted too.
pub(crate) fn slots_in(len: u64) -> u32 {
    let blocks = len.div_ceil(COPY_LEN.saturating_mul(2));
    u32::try_from(blocks).map_or(u32::MAX, |blocks| blocks.saturating_mul(BLOCK_SLOTS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cell_opens_in_its_slot_under_its_master_key_only_and_unchanged() {
        let seal = CellSeal::new(&[1; 32]).unwrap();
        let mut entropy = Entropy::new([2; 32]);
        let bytes = seal.seal(7, (5, &[9; 32]), &mut entropy).unwrap();
        assert_eq!(bytes.len(), CELL_LEN);
        let cell = seal.open(7, &bytes).unwrap();
        assert_eq!((cell.generation, *cell.key), (5, [9; 32]));
        assert!(seal.open(8, &bytes).is_none());
        assert!(CellSeal::new(&[3; 32]).unwrap().open(7, &bytes).is_none());
        for bit in 0..CELL_LEN * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(seal.open(7, &changed).is_none(), "bit {bit}");
        }
        for len in 0..CELL_LEN {
            assert!(seal.open(7, &bytes[..len]).is_none(), "length {len}");
        }
    }

    #[test]
    fn copies_stand_in_pages_of_their_own_and_nothing_overlaps() {
        let mut seen = std::collections::BTreeSet::new();
        for slot in 0..3 * BLOCK_SLOTS {
            let [a, b] = [CopyOf::A, CopyOf::B].map(|copy| offset(slot, copy));
            assert_ne!(a / 4096, b / 4096);
            assert!(seen.insert(a) && seen.insert(b));
            assert!(a % CELL_LEN as u64 == 0 && b % CELL_LEN as u64 == 0);
        }
        let len = seen.last().unwrap() + CELL_LEN as u64;
        assert_eq!(slots_in(len), 3 * BLOCK_SLOTS);
        assert_eq!(slots_in(0), 0);
    }
}
