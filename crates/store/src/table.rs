//! Tables, and how the keys of their records are kept.

/// The longest record key, in bytes. Each byte costs a hash at every access.
pub const KEY_LEN_MAX: usize = 64;

/// The longest value: 16 MiB. Everything staged is held in memory until the commit.
pub const VALUE_LEN_MAX: usize = 16 * 1024 * 1024;

/// A table: records with keys of their own, and the way they can be forgotten. The caller gives the
/// numbers; they are masked on disk.
///
/// ```
/// use sori_store::Table;
///
/// const SECRETS: Table = Table::own(1);
/// /// Conversation u32, number of the message u64: pages of 256 messages.
/// const MESSAGES: Table = Table::paged(2, 11);
/// /// Channel u32, sequence u64.
/// const ENVELOPES: Table = Table::log(3, 11);
/// ```
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Table {
    number: u8,
    keeping: Keeping,
}

/// How the keys of a table's records are kept.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Keeping {
    Log { page_len: usize },
    Own,
    Paged { page_len: usize },
}

impl Table {
    /// Each record has a key slot of its own: once [`Store::forget`](crate::Store::forget) has run, no
    /// overwritten or deleted version of it can be opened any more. Costs 256 bytes in the slot file and one
    /// more row for each record: for secrets and for what changes often.
    #[must_use]
    pub const fn own(number: u8) -> Self {
        let keeping = Keeping::Own;
        Self { number, keeping }
    }

    /// Records share a slot with those of their bucket: same table, same first `page_len` bytes of the key
    /// (the page), same [`Class`]. Deleting a record moves the rest of its bucket to a fresh slot, so that the
    /// deleted one cannot be opened once `forget` has run. For that the whole bucket is read and written: keep
    /// pages at 256 records (a key is its page and one byte more), never above 512.
    #[must_use]
    pub const fn paged(number: u8, page_len: usize) -> Self {
        let keeping = Keeping::Paged { page_len };
        Self { number, keeping }
    }

    /// As [`Table::paged`], but deleting a record only takes it away: until the last record of its bucket is
    /// deleted, whoever has master key and files can open it. Then the bucket's slot is destroyed. For what
    /// leaves in order of age.
    #[must_use]
    pub const fn log(number: u8, page_len: usize) -> Self {
        let keeping = Keeping::Log { page_len };
        Self { number, keeping }
    }

    /// The table's number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.number
    }

    pub(crate) const fn keeping(self) -> Keeping {
        self.keeping
    }
}

/// What divides the records of a page further: when they expire, the day of the log, ... Records that die
/// together should share a class, for then one overwritten key ends them all.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Class(pub u32);

impl Class {
    /// The class of records that were put without one.
    pub const NONE: Self = Self(0);
}
