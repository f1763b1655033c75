//! Sealing of rows, and the keys that follow from the root key.
//!
//! Row: `version u8 | slot u32 | generation u64 | nonce 24 | ciphertext | tag 16`, integers big-endian,
//! XChaCha20-Poly1305. Associated data: everything before the nonce, then the place of the row. The key
//! belongs to a key slot and a generation along its chain ([`crate::slots`]). The store's own rows are sealed
//! under slot 0, whose key, the root key, never changes.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::entropy::Entropy;
use crate::error::Error;
use crate::mask::Mask;
use crate::search::FilterKey;
use crate::slots::chain;
use crate::slots::locked::Locked;

/// Bytes a sealed row has beyond its plaintext.
pub(crate) const SEAL_OVERHEAD: usize = HEADER_LEN + NONCE_LEN + TAG_LEN;
/// The nonce of a row, which no other row of the profile has.
pub(crate) type Nonce = [u8; NONCE_LEN];
/// The slot of the root key.
pub(crate) const ROOT_SLOT: u32 = 0;

const ROW_VERSION: u8 = 2;
const HEADER_LEN: usize = 1 + 4 + 8;
const NONCE_LEN: usize = 24;
const TAG_LEN: usize = 16;

/// The place of a row, bound to its content: a row moved elsewhere does not open.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'a> {
    /// Row `index` (from 1) of a value whose first row has the nonce `first`, so that rows of two
    /// versions of a value cannot be mixed.
    Continuation {
        table: u8,
        key: &'a [u8],
        index: u16,
        first: Nonce,
    },
    /// The first row of a value.
    First { table: u8, key: &'a [u8] },
    /// The store's own ledger.
    Ledger,
    /// Whom a slot belongs to.
    Owner { slot: u32 },
}

impl Place<'_> {
    fn append_to(self, out: &mut Vec<u8>) {
        let (kind, address) = match self {
            Self::Continuation { table, key, .. } => (1, Some((table, key))),
            Self::First { table, key } => (2, Some((table, key))),
            Self::Ledger => (3, None),
            Self::Owner { .. } => (4, None),
        };
        out.push(kind);
        if let Some((table, key)) = address {
            out.push(table);
            // Keys are at most 64 bytes, checked at the door; the length keeps the encoding injective.
            out.push(u8::try_from(key.len()).unwrap_or(u8::MAX));
            out.extend_from_slice(key);
        }
        if let Self::Continuation { index, first, .. } = self {
            out.extend_from_slice(&index.to_be_bytes());
            out.extend_from_slice(&first);
        }
        if let Self::Owner { slot } = self {
            out.extend_from_slice(&slot.to_be_bytes());
        }
    }
}

/// What stands in clear at the beginning of a row; not verified before the row is opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Head {
    pub(crate) slot: u32,
    pub(crate) generation: u64,
    pub(crate) nonce: Nonce,
}

impl Head {
    /// The head of a row, if it is one of this version.
    pub(crate) fn of(row: &[u8]) -> Option<Self> {
        let ([version], rest) = row.split_first_chunk::<1>()?;
        let (slot, rest) = rest.split_first_chunk::<4>()?;
        let (generation, rest) = rest.split_first_chunk::<8>()?;
        let nonce = rest.first_chunk::<NONCE_LEN>()?;
        (*version == ROW_VERSION).then_some(Self {
            slot: u32::from_be_bytes(*slot),
            generation: u64::from_be_bytes(*generation),
            nonce: *nonce,
        })
    }
}

/// Seals and opens the rows of one slot at one generation.
pub(crate) struct RowSeal {
    header: [u8; HEADER_LEN],
    cipher: XChaCha20Poly1305,
}

impl RowSeal {
    /// From the slot's chain key at this generation.
    pub(crate) fn new(slot: u32, generation: u64, chain_key: &[u8; 32]) -> Self {
        let mut header = [ROW_VERSION; HEADER_LEN];
        let (_, numbers) = header.split_at_mut(1);
        let (slot_at, generation_at) = numbers.split_at_mut(4);
        slot_at.copy_from_slice(&slot.to_be_bytes());
        generation_at.copy_from_slice(&generation.to_be_bytes());
        let key = chain::row_key(chain_key);
        let cipher = XChaCha20Poly1305::new(key.as_slice().into());
        Self { header, cipher }
    }

    /// Whether rows with this head are sealed by this key.
    pub(crate) fn is_of(&self, head: &Head) -> bool {
        let (slot, generation) = (head.slot.to_be_bytes(), head.generation.to_be_bytes());
        self.header.strip_prefix(&[ROW_VERSION])
            == Some([&slot[..], &generation].concat().as_slice())
    }

    /// Seals `plain` for `place`.
    pub(crate) fn seal(
        &self,
        place: Place<'_>,
        plain: &[u8],
        entropy: &mut Entropy,
    ) -> Result<(Nonce, Vec<u8>), Error> {
        let nonce: Nonce = entropy.bytes();
        let aad = self.associated_data(place);
        let payload = Payload {
            msg: plain,
            aad: &aad,
        };
        // Sealing fails only for lengths far above any row of ours.
        let sealed = self
            .cipher
            .encrypt(XNonce::from_slice(&nonce), payload)
            .map_err(|_| Error::ValueTooLarge)?;
        Ok((nonce, [&self.header[..], &nonce, &sealed].concat()))
    }

    /// Opens a row that stands at `place`; `None` if it is not what was sealed for that place.
    pub(crate) fn open(&self, place: Place<'_>, row: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (head, rest) = row.split_at_checked(HEADER_LEN)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN)?;
        if head != self.header {
            return None;
        }
        let aad = self.associated_data(place);
        let payload = Payload {
            msg: sealed,
            aad: &aad,
        };
        let plain = self
            .cipher
            .decrypt(XNonce::from_slice(nonce), payload)
            .ok()?;
        Some(Zeroizing::new(plain))
    }

    /// Decrypts a row without asking for its place and tag, as somebody might who only reads. What follows the
    /// row in `row` comes out as noise.
    #[cfg(feature = "forensics")]
    pub(crate) fn decrypt_unverified(&self, row: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = row.get(HEADER_LEN..)?.split_at_checked(NONCE_LEN)?;
        // The cipher is its own inverse: encrypting the ciphertext gives the plaintext.
        let nonce = XNonce::from_slice(nonce);
        let mut plain = self.cipher.encrypt(nonce, sealed).ok()?;
        plain.truncate(sealed.len());
        Some(Zeroizing::new(plain))
    }

    fn associated_data(&self, place: Place<'_>) -> Vec<u8> {
        let mut aad = self.header.to_vec();
        place.append_to(&mut aad);
        aad
    }
}

impl std::fmt::Debug for RowSeal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RowSeal")
    }
}

/// The keys that follow from the root key and live as long as the profile.
pub(crate) struct Keys {
    rows: RowSeal,
    secrets: Locked,
    profile_id: [u8; 16],
}

/// Where each key stands in [`Keys::secrets`].
const MASK: usize = 0;
const LEDGER: usize = 1;
const WITNESS: usize = 2;
const FILTERS: usize = 3;
const LABELS: [&[u8]; 4] = [
    b"sori store mask key 2",
    b"sori store ledger key 2",
    b"sori store witness key 2",
    b"sori store filter key 2",
];

impl Keys {
    pub(crate) fn new(root: &[u8; 32]) -> Result<Self, Error> {
        let mut secrets = Locked::zeroed(LABELS.len().saturating_mul(32));
        for (index, label) in LABELS.into_iter().enumerate() {
            let key = derive(root, label, &[])?;
            if let Some(place) = secrets.part_mut::<32>(index) {
                place.copy_from_slice(key.as_slice());
            }
        }
        let id = derive(root, b"sori store profile id 2", &[])?;
        let mut profile_id = [0; 16];
        for (to, from) in profile_id.iter_mut().zip(id.iter()) {
            *to = *from;
        }
        Ok(Self {
            rows: RowSeal::new(ROOT_SLOT, 0, root),
            secrets,
            profile_id,
        })
    }

    /// The seal of the store's own rows.
    pub(crate) const fn own_rows(&self) -> &RowSeal {
        &self.rows
    }

    /// The mask at the root, for record keys.
    pub(crate) fn mask(&self) -> Mask {
        Mask::new(self.secret(MASK))
    }

    /// The key of the ledger's sums.
    pub(crate) fn ledger(&self) -> &[u8; 32] {
        self.secret(LEDGER)
    }

    /// The key that authenticates the witness file.
    pub(crate) fn witness(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(*self.secret(WITNESS))
    }

    /// The key of the search filters.
    pub(crate) fn filters(&self) -> FilterKey {
        FilterKey::of(self.secret(FILTERS))
    }

    /// A name for the profile that says nothing about it.
    pub(crate) const fn profile_id(&self) -> [u8; 16] {
        self.profile_id
    }

    /// Whether the system keeps these keys in memory.
    pub(crate) const fn is_locked(&self) -> bool {
        self.secrets.is_locked()
    }

    fn secret(&self, index: usize) -> &[u8; 32] {
        const { assert!(MASK < LABELS.len() && LEDGER < LABELS.len()) };
        const { assert!(WITNESS < LABELS.len() && FILTERS < LABELS.len()) };
        self.secrets.part(index).unwrap_or(&[0; 32])
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

/// HKDF-SHA256 with an info of `label || context`.
pub(crate) fn derive(
    key: &[u8; 32],
    label: &[u8],
    context: &[u8],
) -> Result<Zeroizing<[u8; 32]>, Error> {
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
        table: 1,
        key: b"k",
    };

    fn sealed(plain: &[u8]) -> (RowSeal, Nonce, Vec<u8>) {
        let seal = RowSeal::new(5, 9, &[1; 32]);
        let (nonce, row) = seal.seal(PLACE, plain, &mut Entropy::new([2; 32])).unwrap();
        (seal, nonce, row)
    }

    #[test]
    fn row_opens_at_its_place_only() {
        let (seal, nonce, row) = sealed(b"words");
        assert_eq!(row.len(), 5 + SEAL_OVERHEAD);
        let head = Head::of(&row).unwrap();
        assert_eq!((head.slot, head.generation, head.nonce), (5, 9, nonce));
        assert!(seal.is_of(&head));
        assert_eq!(seal.open(PLACE, &row).unwrap().as_slice(), b"words");
        let elsewhere = [
            Place::First {
                table: 2,
                key: b"k",
            },
            Place::First {
                table: 1,
                key: b"l",
            },
            Place::Continuation {
                table: 1,
                key: b"k",
                index: 1,
                first: nonce,
            },
            Place::Ledger,
            Place::Owner { slot: 5 },
        ];
        for place in elsewhere {
            assert!(seal.open(place, &row).is_none(), "{place:?}");
        }
    }

    #[test]
    fn row_with_any_bit_flipped_or_cut_short_does_not_open() {
        let (seal, _, row) = sealed(b"words");
        for bit in 0..row.len() * 8 {
            let mut changed = row.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(seal.open(PLACE, &changed).is_none(), "bit {bit}");
        }
        for len in 0..row.len() {
            assert!(seal.open(PLACE, &row[..len]).is_none(), "length {len}");
        }
    }

    #[test]
    fn row_of_another_slot_generation_or_key_does_not_open() {
        let (_, _, row) = sealed(b"words");
        let head = Head::of(&row).unwrap();
        let others = [
            RowSeal::new(6, 9, &[1; 32]),
            RowSeal::new(5, 8, &[1; 32]),
            RowSeal::new(5, 9, &[2; 32]),
        ];
        for other in &others {
            assert!(other.open(PLACE, &row).is_none());
        }
        assert!(!others[0].is_of(&head) && !others[1].is_of(&head));
    }

    #[test]
    fn keys_of_a_root_differ_from_each_other_and_from_those_of_another_root() {
        let (a, b) = (Keys::new(&[1; 32]).unwrap(), Keys::new(&[2; 32]).unwrap());
        assert_ne!(a.ledger(), b.ledger());
        assert_ne!(a.profile_id(), b.profile_id());
        assert_ne!(a.ledger(), &*a.witness());
        assert_ne!(a.ledger(), &[0; 32]);
    }
}
