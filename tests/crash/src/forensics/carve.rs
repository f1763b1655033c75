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
        for at in memchr::memchr_iter(VERSION, bytes) {
            open(&bytes[at..], cells, &mut haul);
        }
    }
    haul
}

fn open(bytes: &[u8], cells: &Cells, haul: &mut Haul) {
    let Some((head, rest)) = bytes.split_at_checked(HEAD_LEN) else {
        return;
    };
    let Some((nonce, sealed)) = rest.split_at_checked(NONCE_LEN) else {
        return;
    };
    let (slot, generation) = (
        head[1..5]
            .iter()
            .fold(0, |n, byte| n << 8 | u32::from(*byte)),
        head[5..]
            .iter()
            .fold(0, |n, byte| n << 8 | u64::from(*byte)),
    );
    if generation > GENERATIONS_MAX || !cells.has(slot) {
        return;
    }
    haul.rows.insert(nonce.to_vec());
    for key in cells.row_keys(slot, generation, GENERATIONS_MAX) {
        let mut sample = sealed[..SAMPLE_LEN.min(sealed.len())].to_vec();
        let mut stream = XChaCha20::new(&key.into(), nonce.into());
        stream.seek(STREAM_AT);
        stream.apply_keystream(&mut sample);
        haul.versions.extend(recognise(&sample));
    }
}
