//! The filter of a bucket: which grams its messages have, and roughly where.
//!
//! A bucket holds at most 256 messages. They are told apart in sixteen columns of 16, by the number that a
//! message has in its page. The filter is sixteen Bloom filters side by side: an array of 16-bit *cells*, in
//! which bit `c` belongs to column `c`. A gram sets the bit of its column in [`HASHES`] cells; it may be in
//! those columns whose bit stands in all of them. One filter for the whole bucket would be
//! half as long and let ten times as many messages through where words occur near each other, not
//! together (`cargo test -p sori-store --release --test search -- --ignored --nocapture`).

use std::collections::BTreeMap;
use std::hash::Hasher;
use std::ops::RangeInclusive;

use siphasher::sip::SipHasher13;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::fold::fold;
use super::grams::{Gram, each};

/// Makes the filters of a profile its own: 16 random bytes, kept sealed like everything else.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct FilterKey([u8; 16]);

impl FilterKey {
    /// Takes 16 bytes from a cryptographic random source.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
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
    /// The cells of this gram among `count`: double hashing over the two halves.
    fn cells(self, count: usize) -> impl Iterator<Item = usize> {
        let count = count as u64;
        let (start, step) = (self.0 & 0xFFFF_FFFF, self.0 >> 32 | 1);
        (0..HASHES).map(move |n| {
            let place = start.wrapping_add(step.wrapping_mul(n)) & 0xFFFF_FFFF;
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

    /// The filter of what was added.
    #[must_use]
    pub fn finish(self) -> Filter {
        let used = || self.counts.iter().filter(|count| **count > 0);
        let mean = used().sum::<usize>().div_ceil(used().count().max(1));
        let cells = mean.saturating_mul(CELLS_PER_GRAM).clamp(1, CELLS_MAX);
        let full = (0..COLUMNS)
            .zip(&self.counts)
            .filter(|(_, count)| **count > COLUMN_GRAMS_MAX)
            .fold(0, |full, (column, _)| full | bit(column));
        let mut cells = Zeroizing::new(vec![full; cells]);
        for (hash, columns) in &self.grams {
            for place in hash.cells(cells.len()) {
                if let Some(cell) = cells.get_mut(place) {
                    *cell |= columns;
                }
            }
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(
            Filter::LEN_MAX.min(cells.len().saturating_mul(CELL_LEN).saturating_add(1)),
        ));
        bytes.push(VERSION);
        bytes.extend(cells.iter().flat_map(|cell| cell.to_be_bytes()));
        Filter { bytes }
    }
}

/// A finished filter.
#[derive(Clone)]
pub struct Filter {
    /// The version, then at least one cell of two bytes, the first one the higher.
    bytes: Zeroizing<Vec<u8>>,
}

impl Filter {
    /// The longest record of a filter, in bytes: 64 KiB and one. About 12 KB are usual.
    pub const LEN_MAX: usize = CELLS_MAX * CELL_LEN + 1;

    /// Takes what [`as_bytes`](Self::as_bytes) gave. `None` if it is empty, too long or of a version not
    /// known here: then build it anew or search the bucket without it.
    #[must_use]
    pub fn from_bytes(bytes: Zeroizing<Vec<u8>>) -> Option<Self> {
        let (version, cells) = bytes.split_first()?;
        let whole = !cells.is_empty() && cells.len().is_multiple_of(CELL_LEN);
        let fits = *version == VERSION && whole && bytes.len() <= Self::LEN_MAX;
        fits.then_some(Self { bytes })
    }

    /// The record to be stored: 1 byte version, then the cells.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The columns in which a message may match. Those left out hold none that does.
    #[must_use]
    pub fn candidates(&self, probe: &Probe) -> Columns {
        let cells = self.bytes.get(1..).unwrap_or_default();
        let (cells, _) = cells.as_chunks::<CELL_LEN>();
        let mut columns = u16::MAX;
        for hash in &probe.0 {
            for place in hash.cells(cells.len()) {
                columns &= cells
                    .get(place)
                    .map_or(u16::MAX, |cell| u16::from_be_bytes(*cell));
            }
            if columns == 0 {
                break;
            }
        }
        Columns(columns)
    }
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Filter({} bytes)", self.bytes.len())
    }
}

/// What a filter is asked for: the hashed grams of a query. Made once, asked of every filter.
#[derive(Clone)]
pub struct Probe(Vec<GramHash>);

impl Probe {
    pub(super) fn new(mut hashes: Vec<GramHash>) -> Self {
        hashes.sort_unstable();
        hashes.dedup();
        Self(hashes)
    }
}

impl std::fmt::Debug for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Probe({} grams)", self.0.len())
    }
}

/// A set of columns, each the messages of 16 numbers in a row.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Columns(u16);

impl Columns {
    /// Every message of the page, as if there were no filter.
    pub const ALL: Self = Self(u16::MAX);

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

const VERSION: u8 = 1;
/// Bits of the number inside a column: 16 messages.
const COLUMN_BITS: u8 = 4;
const COLUMNS: usize = 16;
const CELL_LEN: usize = 2;
/// Cells for each gram of a column, in the mean. With [`HASHES`], one gram passes a column wrongly about
/// twice in a hundred times; most queries have several.
const CELLS_PER_GRAM: usize = 8;
const HASHES: u64 = 5;
/// Most different grams of a column; five times what 16 messages of usual length have. A member who
/// sends longer texts gains that searches read them all.
const COLUMN_GRAMS_MAX: usize = 4096;
const CELLS_MAX: usize = CELLS_PER_GRAM * COLUMN_GRAMS_MAX;
