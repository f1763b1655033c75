//! Every key that somebody can derive who has the files and the secret: header, master key, cells of all slot files.
//!
//! Written from docs/store.md, not from the store's code: where the two disagree, the live records do not open and the
//! campaign fails.

use std::collections::BTreeMap;

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sha2::{Digest, Sha256};

use crate::disk::image::Image;
use crate::plan::Secret;

/// A key of 32 bytes.
pub(super) type Key = [u8; 32];

const CELL_LEN: usize = 128;
/// Slots in a block; a block holds copy A of all its cells, then copy B.
const BLOCK_SLOTS: usize = 128;

/// The master key that `secret` leads to, if one of the two header copies opens.
pub(super) fn master(image: &Image, secret: &Secret) -> Option<Key> {
    ["store/header-a", "store/header-b"]
        .into_iter()
        .filter_map(|path| file(image, path))
        .find_map(|header| open_header(header, secret))
}

/// `SORISTOR | version u16 | method u8 | sequence u64 | rotation u64 | KiB u32 | passes u32 | lanes u32 | salt 16 |
/// nonce 24 | wrapped key 48 | zeros | SHA-256`.
fn open_header(header: &[u8], secret: &Secret) -> Option<Key> {
    const NONCE_AT: usize = 8 + 2 + 1 + 8 + 8 + 12 + 16;
    let number = |at: usize| Some(u32::from_be_bytes(header.get(at..at + 4)?.try_into().ok()?));
    let (kib, passes, lanes) = (number(27)?, number(31)?, number(35)?);
    let salt = header.get(39..NONCE_AT)?;
    let stretched = |passphrase: &str| {
        let params = Params::new(kib, passes, lanes, Some(32)).ok()?;
        let mut key = [0; 32];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.as_bytes(), salt, &mut key)
            .ok()?;
        Some(key)
    };
    let key = match secret {
        Secret::Both(passphrase, key) => {
            let mut both = [0; 32];
            Hkdf::<Sha256>::new(Some(key), &stretched(passphrase)?)
                .expand(b"sori store both 2", &mut both)
                .ok()?;
            both
        }
        Secret::Key(key) => *key,
        Secret::Passphrase(passphrase) => stretched(passphrase)?,
    };
    let nonce = header.get(NONCE_AT..NONCE_AT + 24)?;
    let payload = Payload {
        msg: header.get(NONCE_AT + 24..NONCE_AT + 24 + 48)?,
        aad: header.get(..NONCE_AT)?,
    };
    let cipher = XChaCha20Poly1305::new(&key.into());
    let plain = cipher.decrypt(XNonce::from_slice(nonce), payload).ok()?;
    plain.try_into().ok()
}

/// What the cells of a profile hold: for each slot every generation and key that some copy of it has.
#[derive(Clone, Debug, Default)]
pub(super) struct Cells(BTreeMap<u32, BTreeMap<u64, Vec<Key>>>);

impl Cells {
    /// Opens all cells of all slot files of `image` that `master` opens.
    pub(super) fn open(image: &Image, master: &Key) -> Self {
        let mut cells = Self::default();
        let mut seal = [0; 32];
        let derived =
            Hkdf::<Sha256>::new(None, master).expand(b"sori store slot cells 2", &mut seal);
        if derived.is_err() {
            return cells;
        }
        let cipher = XChaCha20Poly1305::new(&seal.into());
        for (path, bytes) in image.files() {
            if !path.contains("slots.") {
                continue;
            }
            for (index, cell) in bytes.chunks_exact(CELL_LEN).enumerate() {
                let (block, within) = (index / (2 * BLOCK_SLOTS), index % BLOCK_SLOTS);
                cells.take_in((block * BLOCK_SLOTS + within) as u32, cell, &cipher);
            }
        }
        cells
    }

    /// `nonce 24 | ciphertext of (generation u64 | key 32 | zeros) | tag 16`, with the slot's number as associated data.
    fn take_in(&mut self, slot: u32, cell: &[u8], cipher: &XChaCha20Poly1305) {
        let payload = Payload {
            msg: &cell[24..],
            aad: &slot.to_be_bytes(),
        };
        let Ok(plain) = cipher.decrypt(XNonce::from_slice(&cell[..24]), payload) else {
            return;
        };
        let (Ok(generation), Ok(key)) = (plain[..8].try_into(), plain[8..40].try_into()) else {
            return;
        };
        self.add(slot, u64::from_be_bytes(generation), key);
    }

    fn add(&mut self, slot: u32, generation: u64, key: Key) {
        let keys = self
            .0
            .entry(slot)
            .or_default()
            .entry(generation)
            .or_default();
        if !keys.contains(&key) {
            keys.push(key);
        }
    }

    /// Everything that somebody knows who has kept `other` as well.
    pub(super) fn join(&mut self, other: &Self) {
        for (slot, generations) in &other.0 {
            for (generation, keys) in generations {
                keys.iter()
                    .for_each(|key| self.add(*slot, *generation, *key));
            }
        }
    }

    /// True if no cell opened.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True if there is such a slot.
    pub(super) fn has(&self, slot: u32) -> bool {
        self.0.contains_key(&slot)
    }

    /// All keys that rows of this slot and generation may have been sealed under: each known key, gone forward along its
    /// chain by at most `steps_max` steps.
    pub(super) fn row_keys(&self, slot: u32, generation: u64, steps_max: u64) -> Vec<Key> {
        let known = self.0.get(&slot).into_iter().flatten();
        known
            .filter(|(from, _)| generation >= **from && generation - **from <= steps_max)
            .flat_map(|(from, keys)| {
                keys.iter().map(|key| {
                    let end =
                        (*from..generation).fold(*key, |key, _| hash(b"sori store chain 2", &key));
                    hash(b"sori store row key 2", &end)
                })
            })
            .collect()
    }
}

fn hash(label: &[u8], key: &Key) -> Key {
    Sha256::new()
        .chain_update(label)
        .chain_update(key)
        .finalize()
        .into()
}

/// A file of the profile, wherever the profile lies in the image.
fn file<'a>(image: &'a Image, path: &str) -> Option<&'a [u8]> {
    image
        .files()
        .find(|(found, _)| found.ends_with(path))
        .map(|(_, bytes)| bytes)
}
