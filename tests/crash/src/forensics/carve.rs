//! Looks for sealed rows at every offset of every file, whatever the storage engine thinks is there.
//!
//! A row: `2 | slot u32 | generation u64 | nonce 24 | ciphertext | tag 16`. Its length is not known here and its place is
//! not either, so its tag cannot be checked. It need not be: the cipher is a key stream, and a value of the plan is
//! recognised from a few plaintext bytes wherever they stand. That is what a patient thief would do.

use std::collections::BTreeSet;

use chacha20::XChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};

use super::keys::Cells;
use crate::disk::image::Image;
use crate::value::recognise;

const VERSION: u8 = 2;
const HEAD_LEN: usize = 1 + 4 + 8;
const NONCE_LEN: usize = 24;
/// Where the key stream of the plaintext begins: the first block makes the key of the tag.
const STREAM_AT: u64 = 64;
/// So much of a row is enough to recognise a value in it.
const SAMPLE_LEN: usize = 64;
/// No row is longer.
const ROW_LEN_MAX: usize = 4000;
/// No slot of the plan is rewritten more often than this.
const GENERATIONS_MAX: u64 = 1 << 12;

/// What was found in the files.
#[derive(Clone, Debug, Default)]
pub(super) struct Haul {
    /// Rows, each nonce counted once.
    pub(super) rows: BTreeSet<Vec<u8>>,
    /// Versions that could be read.
    pub(super) versions: BTreeSet<u64>,
}

/// Reads every row that the keys in `cells` open.
pub(super) fn carve(image: &Image, cells: &Cells) -> Haul {
    let mut haul = Haul::default();
    for (_, bytes) in image.files() {
        for row in rows(bytes, cells) {
            haul.rows.insert(row.nonce.to_vec());
            let samples = row.open(cells, SAMPLE_LEN);
            haul.versions
                .extend(samples.iter().flat_map(|sample| recognise(sample)));
        }
    }
    haul
}

/// The plaintext of every row that the keys in `cells` open, each followed by what the key makes of the bytes behind it.
pub(super) fn plaintexts(image: &Image, cells: &Cells) -> Vec<Vec<u8>> {
    let mut seen = BTreeSet::new();
    let files: Vec<&[u8]> = image.files().map(|(_, bytes)| bytes).collect();
    let rows = files.iter().flat_map(|bytes| rows(bytes, cells));
    rows.filter(|row| seen.insert(row.nonce))
        .flat_map(|row| row.open(cells, ROW_LEN_MAX))
        .collect()
}

/// What looks like a row: its slot exists, and its generation may.
#[derive(Clone, Copy, Debug)]
struct Row<'a> {
    slot: u32,
    generation: u64,
    nonce: &'a [u8; NONCE_LEN],
    /// Its ciphertext, and everything behind it.
    sealed: &'a [u8],
}

fn rows<'a>(bytes: &'a [u8], cells: &'a Cells) -> impl Iterator<Item = Row<'a>> {
    memchr::memchr_iter(VERSION, bytes).filter_map(|at| {
        let (head, rest) = bytes[at..].split_at_checked(HEAD_LEN)?;
        let (nonce, sealed) = rest.split_first_chunk()?;
        let number = |bytes: &[u8]| bytes.iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
        let slot = u32::try_from(number(&head[1..5])).ok()?;
        let generation = number(&head[5..]);
        let may_be = generation <= GENERATIONS_MAX && cells.has(slot);
        may_be.then_some(Row {
            slot,
            generation,
            nonce,
            sealed,
        })
    })
}

impl Row<'_> {
    /// Its first `len` bytes under each key that may be its own.
    fn open(&self, cells: &Cells, len: usize) -> Vec<Vec<u8>> {
        let keys = cells.row_keys(self.slot, self.generation, GENERATIONS_MAX);
        let opened = keys.into_iter().map(|key| {
            let mut sample = self.sealed[..len.min(self.sealed.len())].to_vec();
            let mut stream = XChaCha20::new(&key.into(), self.nonce.into());
            stream.seek(STREAM_AT);
            stream.apply_keystream(&mut sample);
            sample
        });
        opened.collect()
    }
}
