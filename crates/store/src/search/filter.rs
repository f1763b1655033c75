//! The filter of a bucket: which grams its messages have, and roughly where.
//!
//! A bucket holds at most 256 messages. They are told apart in sixteen columns of 16, by the number that a
//! message has in its page. A filter is sixteen Bloom filters side by side: an array of 16-bit *cells*, in
//! which bit `c` belongs to column `c`. A gram sets the bit of its column in [`HASHES`] cells; it may be in
//! those columns whose bit stands in all of them. One filter for the whole bucket would be half as long and
//! let ten times as many messages through where words occur near each other, not together
//! (`cargo test -p sori-store --release --test search -- --ignored --nocapture`).
//!
//! A bucket has [`SLICES`] such filters, each for its share of all grams, so that most searches read one of
//! them and not all. Each has a salt, so that no gram shares its cells with a frequent one in every bucket.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::hash::Hasher;
use std::ops::RangeInclusive;

use siphasher::sip::SipHasher13;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::fold::fold;
use super::grams::{Gram, each, telling};

/// Makes the filters of a profile its own: 16 random bytes, kept sealed like everything else.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct FilterKey([u8; 16]);

impl FilterKey {
    /// Takes 16 bytes from a cryptographic random source.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The key that the first half of 32 secret bytes makes.
    pub(crate) fn of(secret: &[u8; 32]) -> Self {
        let mut key = Self([0; 16]);
        for (to, from) in key.0.iter_mut().zip(secret) {
            *to = *from;
        }
        key
    }

    pub(super) fn hash(&self, gram: Gram) -> GramHash {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        hasher.write(&gram.to_le_bytes());
        GramHash(hasher.finish())
    }
}

impl std::fmt::Debug for FilterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FilterKey")
    }
}

/// The keyed hash of a gram (SipHash-1-3).
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct GramHash(u64);

impl GramHash {
    /// The slice that remembers this gram.
    fn slice(self) -> u8 {
        u8::try_from(self.0 >> SLICE_SHIFT).unwrap_or(0)
    }

    /// The cells of this gram among `count`, under the salt of a bucket.
    fn cells(self, salt: u64, count: usize) -> impl Iterator<Item = usize> {
        let (hash, count) = (self.0 ^ salt, count as u64);
        HASHES.into_iter().map(move |odd| {
            let place = hash.wrapping_mul(odd) >> 32;
            // Scaled down from 32 bits; below `count`, which is at most `CELLS_MAX`.
            usize::try_from(place.wrapping_mul(count) >> 32).unwrap_or(0)
        })
    }
}

/// Collects the texts of a bucket.
#[derive(Debug)]
pub struct FilterBuilder<'a> {
    key: &'a FilterKey,
    /// Gram → the columns it is in.
    grams: BTreeMap<GramHash, u16>,
    /// How many different grams each column has.
    counts: [usize; COLUMNS],
}

impl<'a> FilterBuilder<'a> {
    /// Nothing yet.
    #[must_use]
    pub const fn new(key: &'a FilterKey) -> Self {
        Self {
            key,
            grams: BTreeMap::new(),
            counts: [0; COLUMNS],
        }
    }

    /// Adds the text of the message with the number `index` in its page; several texts of one message
    /// are fine. Whatever is added, the work and the memory stay bounded: a column with more than
    /// 4,096 grams lets everything through and takes no more.
    pub fn add(&mut self, index: u8, text: &str) {
        let column = column_of(index);
        let Some(count) = self.counts.get_mut(column) else {
            return;
        };
        if *count > COLUMN_GRAMS_MAX {
            return;
        }
        let folded = Zeroizing::new(fold(text));
        each(&folded, |gram| {
            if *count > COLUMN_GRAMS_MAX {
                return;
            }
            let columns = self.grams.entry(self.key.hash(gram)).or_default();
            if *columns & bit(column) == 0 {
                *columns |= bit(column);
                *count = count.saturating_add(1);
            }
        });
    }

    /// The filters of what was added, by slice.
    #[must_use]
    pub fn finish(self) -> [Filter; SLICES as usize] {
        let mut slice = 0;
        [(); SLICES as usize].map(|()| {
            let filter = self.slice(slice);
            slice = slice.saturating_add(1);
            filter
        })
    }

    fn slice(&self, slice: u8) -> Filter {
        let first = GramHash(u64::from(slice) << SLICE_SHIFT);
        let last = GramHash(first.0 | ((1 << SLICE_SHIFT) - 1));
        let grams = || self.grams.range(first..=last);
        let bits: u32 = grams().map(|(_, columns)| columns.count_ones()).sum();
        let used = self.counts.iter().filter(|count| **count > 0).count();
        let mean = usize::try_from(bits)
            .unwrap_or(usize::MAX)
            .div_ceil(used.max(1));
        let count = mean.saturating_mul(CELLS_PER_GRAM).clamp(1, CELLS_MAX);
        let full = (0..COLUMNS)
            .zip(&self.counts)
            .filter(|(_, count)| **count > COLUMN_GRAMS_MAX)
            .fold(0, |full, (column, _)| full | bit(column));
        let salt = grams().fold(0, |salt, (hash, _)| salt ^ hash.0);
        let mut cells = Zeroizing::new(vec![full; count]);
        for (hash, columns) in grams() {
            for place in hash.cells(salt, count) {
                if let Some(cell) = cells.get_mut(place) {
                    *cell |= columns;
                }
            }
        }
        // Full capacity at once: growing would leave unwiped copies behind.
        let len = count.saturating_mul(CELL_LEN).saturating_add(HEAD_LEN);
        let mut bytes = Zeroizing::new(Vec::with_capacity(len));
        bytes.push(VERSION);
        bytes.extend(salt.to_be_bytes());
        bytes.extend(cells.iter().flat_map(|cell| cell.to_be_bytes()));
        Filter { bytes }
    }
}

/// A finished filter: one slice of what is known of a bucket.
#[derive(Clone)]
pub struct Filter {
    /// The version, the salt, then at least one cell of two bytes; big-endian.
    bytes: Zeroizing<Vec<u8>>,
}

impl Filter {
    /// The longest record of a filter, in bytes: 80 KiB and nine. About 2 KB are usual.
    pub const LEN_MAX: usize = CELLS_MAX * CELL_LEN + HEAD_LEN;

    /// Takes what [`as_bytes`](Self::as_bytes) gave. `None` if it is empty, too long or of a version not
    /// known here: then build it anew or search the bucket without it.
    #[must_use]
    pub fn from_bytes(bytes: Zeroizing<Vec<u8>>) -> Option<Self> {
        let (head, cells) = bytes.split_at_checked(HEAD_LEN)?;
        let whole = !cells.is_empty() && cells.len().is_multiple_of(CELL_LEN);
        let known = head.first() == Some(&VERSION);
        (known && whole && bytes.len() <= Self::LEN_MAX).then_some(Self { bytes })
    }

    /// The record to be stored: version u8, salt u64, then the cells.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The columns in which a message may match, as far as slice `slice` knows, which this filter is. Those
    /// left out hold none that does.
    #[must_use]
    pub fn candidates(&self, slice: u8, probe: &Probe) -> Columns {
        let Some((salt, cells)) = self.parts() else {
            return Columns::ALL;
        };
        let mut columns = u16::MAX;
        for hash in probe.hashes(slice) {
            for place in hash.cells(salt, cells.len()) {
                let cell = cells.get(place);
                columns &= cell.map_or(u16::MAX, |cell| u16::from_be_bytes(*cell));
            }
            if columns == 0 {
                break;
            }
        }
        Columns(columns)
    }

    fn parts(&self) -> Option<(u64, &[[u8; CELL_LEN]])> {
        let (salt, cells) = self.bytes.get(1..)?.split_first_chunk()?;
        let (cells, _) = cells.as_chunks();
        Some((u64::from_be_bytes(*salt), cells))
    }
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Filter({} bytes)", self.bytes.len())
    }
}

/// What filters are asked for: the hashed grams of a query. Made once, asked of every filter.
#[derive(Clone)]
pub struct Probe {
    /// By slice: the one most likely to say no is first.
    slices: Vec<(u8, Vec<GramHash>)>,
}

impl Probe {
    pub(super) fn new(mut grams: Vec<Gram>, key: &FilterKey) -> Self {
        grams.sort_unstable_by_key(|gram| Reverse(telling(*gram)));
        grams.dedup();
        let mut slices: Vec<(u8, Vec<GramHash>)> = Vec::new();
        for gram in grams {
            let hash = key.hash(gram);
            let known = slices.iter_mut().find(|(slice, _)| *slice == hash.slice());
            match known {
                Some((_, hashes)) => hashes.push(hash),
                None => slices.push((hash.slice(), vec![hash])),
            }
        }
        Self { slices }
    }

    /// The slices that know something of the query, in the order in which to ask them. When the columns left
    /// are none, the others need not be asked.
    pub fn slices(&self) -> impl Iterator<Item = u8> {
        self.slices.iter().map(|(slice, _)| *slice)
    }

    fn hashes(&self, slice: u8) -> &[GramHash] {
        let found = self.slices.iter().find(|(other, _)| *other == slice);
        found.map_or(&[], |(_, hashes)| hashes)
    }
}

impl std::fmt::Debug for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let grams = self.slices.iter().map(|(_, hashes)| hashes.len());
        write!(f, "Probe({} grams)", grams.sum::<usize>())
    }
}

/// A set of columns, each the messages of 16 numbers in a row.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Columns(u16);

impl Columns {
    /// Every message of the page, as if there were no filter.
    pub const ALL: Self = Self(u16::MAX);

    /// The columns that are in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether the message with this number is in one of the columns.
    #[must_use]
    pub const fn contains(self, index: u8) -> bool {
        self.0 & bit(column_of(index)) != 0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The numbers of each column, the newest (highest) first.
    pub fn newest_first(self) -> impl Iterator<Item = RangeInclusive<u8>> {
        (0..16_u8)
            .rev()
            .filter(move |column| self.0 & (1 << column) != 0)
            .map(|column| column << COLUMN_BITS..=column << COLUMN_BITS | ((1 << COLUMN_BITS) - 1))
    }
}

const fn column_of(index: u8) -> usize {
    (index >> COLUMN_BITS) as usize
}

const fn bit(column: usize) -> u16 {
    1 << (column & 15)
}

/// Filters of a bucket. The more there are, the less has to be read to ask one of them.
pub const SLICES: u8 = 8;
/// The first three bits of a hash name its slice.
const SLICE_SHIFT: u32 = 61;
const VERSION: u8 = 1;
/// Version and salt.
const HEAD_LEN: usize = 1 + 8;
/// Bits of the number inside a column: 16 messages.
const COLUMN_BITS: u8 = 4;
const COLUMNS: usize = 16;
const CELL_LEN: usize = 2;
/// Cells for each gram of a column, in the mean. With [`HASHES`], one gram passes a column wrongly about
/// once in a hundred times; most queries have several.
const CELLS_PER_GRAM: usize = 10;
/// Odd numbers that make cells of a hash: beginnings of the SHA-256 round constants, as nothing up a sleeve.
const HASHES: [u64; 5] = [
    0x428a_2f98_7137_4491,
    0xb5c0_fbcf_e9b5_dba5,
    0x3956_c25b_59f1_11f1,
    0x923f_82a4_ab1c_5ed5,
    0xd807_aa98_1283_5b01,
];
/// Most different grams of a column; five times what 16 messages of usual length have. A member who
/// sends longer texts gains that searches read them all.
const COLUMN_GRAMS_MAX: usize = 4096;
const CELLS_MAX: usize = CELLS_PER_GRAM * COLUMN_GRAMS_MAX;
