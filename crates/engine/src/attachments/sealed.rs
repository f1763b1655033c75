//! A file as it is kept and passed on: pieces, each sealed under the file's own key (protocol §9.1, §9.2).
//!
//! The key travels inside the message, so whoever has no message cannot read a piece, and when the
//! message is forgotten nobody can. The name of a file is a hash over all of its sealed pieces: a
//! member that makes up a piece is noticed before the piece is kept.

use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::error::Error;

/// Bytes of a file in one piece; the last has the rest. Sealed, and with what is around it, a piece fits
/// into one frame.
pub(crate) const PIECE_LEN: usize = 60 * 1024;
/// Longest file, in bytes. What a member gains at this size: so much of each other member's disk, for as long
/// as these keep the message.
pub const FILE_LEN_MAX: u64 = 16 * 1024 * 1024;

const TAG_LEN: usize = 16;
const LABEL: &[u8] = b"sori file 1";

/// Names a file: the hash over its length and its sealed pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct FileId(pub(crate) [u8; 32]);

impl FileId {
    /// The name of the file with these pieces, given by their hashes.
    pub(crate) fn of(size: u64, hashes: &[PieceHash]) -> Self {
        let mut hash = Sha256::new_with_prefix(LABEL);
        hash.update(size.to_be_bytes());
        for piece in hashes {
            hash.update(piece);
        }
        Self(hash.finalize().into())
    }
}

/// SHA-256 of a sealed piece.
pub(crate) type PieceHash = [u8; 32];

/// The hash of a sealed piece.
pub(crate) fn hash(sealed: &[u8]) -> PieceHash {
    Sha256::digest(sealed).into()
}

/// How many pieces a file of `size` bytes has; `None` for no bytes, and for too many.
pub(crate) fn count(size: u64) -> Option<u32> {
    let piece = u64::try_from(PIECE_LEN).ok()?;
    (1..=FILE_LEN_MAX)
        .contains(&size)
        .then(|| u32::try_from(size.div_ceil(piece)).ok())
        .flatten()
}

/// How many bytes the sealed piece `index` of a file of `size` bytes has; `None` if it has no such piece.
pub(crate) fn sealed_len(size: u64, index: u32) -> Option<usize> {
    let before = u64::from(index).checked_mul(u64::try_from(PIECE_LEN).ok()?)?;
    let rest = size.checked_sub(before).filter(|rest| *rest > 0)?;
    let len = usize::try_from(rest).ok()?.min(PIECE_LEN);
    len.checked_add(TAG_LEN)
}

/// How many bytes of a file of `size` bytes its first `pieces` pieces make.
pub(crate) fn bytes_of(size: u64, pieces: u32) -> u64 {
    let piece = u64::try_from(PIECE_LEN).unwrap_or(u64::MAX);
    u64::from(pieces).saturating_mul(piece).min(size)
}

/// What opens a file: drawn for it alone, so that a key and a nonce never meet twice.
pub(crate) struct FileKey {
    key: Zeroizing<[u8; 32]>,
    nonce: [u8; 12],
}

impl FileKey {
    pub(crate) fn new(key: [u8; 32], nonce: [u8; 12]) -> Self {
        Self {
            key: Zeroizing::new(key),
            nonce,
        }
    }

    /// The key that a message names; `None` if it has another length.
    pub(crate) fn from_slices(key: &[u8], nonce: &[u8]) -> Option<Self> {
        Some(Self::new(key.try_into().ok()?, nonce.try_into().ok()?))
    }

    pub(crate) fn parts(&self) -> (Vec<u8>, Vec<u8>) {
        (self.key.to_vec(), self.nonce.to_vec())
    }

    /// Seals piece `index`.
    pub(crate) fn seal(&self, index: u32, piece: &[u8]) -> Result<Vec<u8>, Error> {
        let nonce = self.nonce_of(index);
        let sealed = self.cipher().encrypt(Nonce::from_slice(&nonce), piece);
        sealed.map_err(|_| Error::Internal("seal a piece"))
    }

    /// Opens piece `index`; `None` if it was not sealed under this key, as this piece.
    pub(crate) fn open(&self, index: u32, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let nonce = self.nonce_of(index);
        let opened = self.cipher().decrypt(Nonce::from_slice(&nonce), sealed);
        opened.ok().map(Zeroizing::new)
    }

    fn cipher(&self) -> ChaCha20Poly1305 {
        ChaCha20Poly1305::new(Key::from_slice(self.key.as_slice()))
    }

    /// The file's nonce with the index in its last four bytes, as TLS does it (RFC 8446 §5.3).
    fn nonce_of(&self, index: u32) -> [u8; 12] {
        let mut nonce = self.nonce;
        for (byte, of_index) in nonce.iter_mut().skip(8).zip(index.to_be_bytes()) {
            *byte ^= of_index;
        }
        nonce
    }
}

impl std::fmt::Debug for FileKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FileKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// protocol §9.1
    #[test]
    fn a_piece_opens_under_its_key_and_in_its_place_only() {
        let key = FileKey::new([1; 32], [2; 12]);
        let sealed = key.seal(7, b"piece").unwrap();
        assert_eq!(key.open(7, &sealed).unwrap().as_slice(), b"piece");
        assert!(key.open(8, &sealed).is_none());
        assert!(FileKey::new([3; 32], [2; 12]).open(7, &sealed).is_none());
        assert!(FileKey::new([1; 32], [4; 12]).open(7, &sealed).is_none());
        let mut changed = sealed;
        changed[0] ^= 1;
        assert!(key.open(7, &changed).is_none());
        assert!(FileKey::from_slices(&[1; 31], &[2; 12]).is_none());
    }

    /// protocol §9.1
    #[test]
    fn lengths_around_a_piece_and_the_longest_file_have_their_pieces() {
        let piece = u64::try_from(PIECE_LEN).unwrap();
        for (size, pieces) in [
            (0, None),
            (1, Some(1)),
            (piece, Some(1)),
            (piece + 1, Some(2)),
            (FILE_LEN_MAX, Some(274)),
            (FILE_LEN_MAX + 1, None),
        ] {
            assert_eq!(count(size), pieces, "{size}");
        }
        assert_eq!(sealed_len(piece + 1, 0), Some(PIECE_LEN + TAG_LEN));
        assert_eq!(sealed_len(piece + 1, 1), Some(1 + TAG_LEN));
        assert_eq!(sealed_len(piece + 1, 2), None);
    }

    #[test]
    fn a_name_tells_lengths_and_orders_apart() {
        let name = FileId::of(5, &[[1; 32], [2; 32]]);
        assert_ne!(name, FileId::of(6, &[[1; 32], [2; 32]]));
        assert_ne!(name, FileId::of(5, &[[2; 32], [1; 32]]));
        assert_ne!(name, FileId::of(5, &[[1; 32]]));
    }
}
