//! Sealing of rows, and the keys of a profile.
//!
//! Row: `version u8 | slot u32 | generation u64 | nonce 24 | ciphertext | tag 16`, integers big-endian,
//! XChaCha20-Poly1305. Associated data: everything before the nonce, then the place of the row. The key
//! comes from a key slot and a generation along its chain; there is one static slot (0) at generation 0
//! until slots can be erased one by one.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::entropy::Entropy;
use crate::error::Error;
use crate::mask::Mask;
use crate::store::Table;

/// Bytes a sealed row has beyond its plaintext.
pub(crate) const SEAL_OVERHEAD: usize = HEADER_LEN + NONCE_LEN + TAG_LEN;
/// The nonce of a row, which no other row of the profile has.
pub(crate) type Nonce = [u8; NONCE_LEN];

const ROW_VERSION: u8 = 1;
const STATIC_SLOT: u32 = 0;
const FIRST_GENERATION: u64 = 0;
const HEADER_LEN: usize = 1 + 4 + 8;
const NONCE_LEN: usize = 24;
const TAG_LEN: usize = 16;

/// The place of a row, bound to its content: a row moved elsewhere does not open.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'a> {
    /// Row `index` (from 1) of a value whose first row has the nonce `first`, so that rows of two
    /// versions of a value cannot be mixed.
    Continuation {
        table: Table,
        key: &'a [u8],
        index: u16,
        first: Nonce,
    },
    /// The first row of a value.
    First { table: Table, key: &'a [u8] },
    /// The store's own ledger.
    Ledger,
}

impl Place<'_> {
    fn append_to(self, out: &mut Vec<u8>) {
        let (kind, address) = match self {
            Self::Continuation { table, key, .. } => (1, Some((table, key))),
            Self::First { table, key } => (2, Some((table, key))),
            Self::Ledger => (3, None),
        };
        out.push(kind);
        if let Some((table, key)) = address {
            out.push(table.0);
            // Keys are at most 64 bytes, checked at the door; the length keeps the encoding injective.
            out.push(u8::try_from(key.len()).unwrap_or(u8::MAX));
            out.extend_from_slice(key);
        }
        if let Self::Continuation { index, first, .. } = self {
            out.extend_from_slice(&index.to_be_bytes());
            out.extend_from_slice(&first);
        }
    }
}

/// The keys that follow from a profile's master key.
pub(crate) struct Keys {
    rows: XChaCha20Poly1305,
    mask: Mask,
    ledger: Zeroizing<[u8; 32]>,
    witness: Zeroizing<[u8; 32]>,
}

impl Keys {
    pub(crate) fn new(master: &[u8; 32]) -> Result<Self, Error> {
        let slot = derive(master, b"sori store slot key 1", &STATIC_SLOT.to_be_bytes())?;
        let row = derive(
            &slot,
            b"sori store row key 1",
            &FIRST_GENERATION.to_be_bytes(),
        )?;
        let mask = derive(master, b"sori store mask key 1", &[])?;
        Ok(Self {
            rows: XChaCha20Poly1305::new(row.as_slice().into()),
            mask: Mask::new(&mask),
            ledger: derive(master, b"sori store ledger key 1", &[])?,
            witness: derive(master, b"sori store witness key 1", &[])?,
        })
    }

    /// The mask at the root, for record keys.
    pub(crate) fn mask(&self) -> Mask {
        self.mask.clone()
    }

    /// The key of the ledger's sum.
    pub(crate) fn ledger(&self) -> &[u8; 32] {
        &self.ledger
    }

    /// The key that authenticates the witness file.
    pub(crate) fn witness(&self) -> &Zeroizing<[u8; 32]> {
        &self.witness
    }

    /// Seals `plain` for `place`.
    pub(crate) fn seal(
        &self,
        place: Place<'_>,
        plain: &[u8],
        entropy: &mut Entropy,
    ) -> Result<(Nonce, Vec<u8>), Error> {
        let nonce: Nonce = entropy.bytes();
        let mut row = header();
        let aad = associated_data(&row, place);
        let payload = Payload {
            msg: plain,
            aad: &aad,
        };
        // Sealing fails only for lengths far above any row of ours.
        let sealed = self
            .rows
            .encrypt(XNonce::from_slice(&nonce), payload)
            .map_err(|_| Error::ValueTooLarge)?;
        row.extend_from_slice(&nonce);
        row.extend_from_slice(&sealed);
        Ok((nonce, row))
    }

    /// Opens a row that stands at `place`; `None` if it is not what was sealed for that place.
    pub(crate) fn open(&self, place: Place<'_>, row: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (head, rest) = row.split_at_checked(HEADER_LEN)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN)?;
        if head != header().as_slice() {
            return None;
        }
        let aad = associated_data(head, place);
        let payload = Payload {
            msg: sealed,
            aad: &aad,
        };
        let plain = self.rows.decrypt(XNonce::from_slice(nonce), payload).ok()?;
        Some(Zeroizing::new(plain))
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

/// The nonce that stands in a sealed row, not yet verified.
pub(crate) fn nonce_of(row: &[u8]) -> Option<Nonce> {
    let nonce = row.get(HEADER_LEN..)?.first_chunk::<NONCE_LEN>()?;
    Some(*nonce)
}

fn header() -> Vec<u8> {
    let mut header = vec![ROW_VERSION];
    header.extend_from_slice(&STATIC_SLOT.to_be_bytes());
    header.extend_from_slice(&FIRST_GENERATION.to_be_bytes());
    header
}

fn associated_data(header: &[u8], place: Place<'_>) -> Vec<u8> {
    let mut aad = header.to_vec();
    place.append_to(&mut aad);
    aad
}

/// HKDF-SHA256 with an info of `label || context`.
fn derive(key: &[u8; 32], label: &[u8], context: &[u8]) -> Result<Zeroizing<[u8; 32]>, Error> {
    let mut out = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(None, key)
        .expand_multi_info(&[label, context], out.as_mut_slice())
        .map_err(|_| Error::ValueTooLarge)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'static> = Place::First {
        table: Table(1),
        key: b"k",
    };

    fn sealed(plain: &[u8]) -> (Keys, Nonce, Vec<u8>) {
        let keys = Keys::new(&[1; 32]).unwrap();
        let (nonce, row) = keys.seal(PLACE, plain, &mut Entropy::new([2; 32])).unwrap();
        (keys, nonce, row)
    }

    #[test]
    fn row_opens_at_its_place_only() {
        let (keys, nonce, row) = sealed(b"words");
        assert_eq!(row.len(), 5 + SEAL_OVERHEAD);
        assert_eq!(nonce_of(&row), Some(nonce));
        assert_eq!(keys.open(PLACE, &row).unwrap().as_slice(), b"words");
        let elsewhere = [
            Place::First {
                table: Table(2),
                key: b"k",
            },
            Place::First {
                table: Table(1),
                key: b"l",
            },
            Place::Continuation {
                table: Table(1),
                key: b"k",
                index: 1,
                first: nonce,
            },
            Place::Ledger,
        ];
        for place in elsewhere {
            assert!(keys.open(place, &row).is_none(), "{place:?}");
        }
    }

    #[test]
    fn row_with_any_bit_flipped_or_cut_short_does_not_open() {
        let (keys, _, row) = sealed(b"words");
        for bit in 0..row.len() * 8 {
            let mut changed = row.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(keys.open(PLACE, &changed).is_none(), "bit {bit}");
        }
        for len in 0..row.len() {
            assert!(keys.open(PLACE, &row[..len]).is_none(), "length {len}");
        }
    }

    #[test]
    fn row_of_another_profile_does_not_open() {
        let (_, _, row) = sealed(b"words");
        assert!(Keys::new(&[9; 32]).unwrap().open(PLACE, &row).is_none());
    }
}
