//! The store's own account of what must be there.
//!
//! A storage engine that recovers from damage may come up with fewer rows and say nothing. One sealed
//! row, rewritten in every batch, says how many commits and openings there were, how many values live, and a
//! keyed sum over the first rows of all of them (continuation rows are bound to the first); the same for the
//! rows that say whom each slot belongs to. Counting again shows whether anything is missing, surplus or old.
//!
//! Plaintext: `commits u64 | openings u64 | values u64 | sum u128 | slots u64 | sum u128`, big-endian.

use sha2::{Digest, Sha256};

use crate::entropy::Entropy;
use crate::error::Error;
use crate::kv::Op;
use crate::seal::{Keys, Nonce, Place};

/// Where the ledger stands in the backend.
pub(crate) const LEDGER_KEY: &[u8] = &[0x01];
/// The name under which a fault of the database is reported.
pub(crate) const DATABASE: &str = "db";

/// Counts and sums over the committed state.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Ledger {
    commits: u64,
    openings: u64,
    values: Tally,
    owners: Tally,
}

/// How many rows of a kind there are, and the sum of their fingerprints.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Tally {
    count: u64,
    sum: u128,
}

impl Tally {
    /// A row comes in.
    pub(crate) const fn add(&mut self, weight: u128) {
        self.count = self.count.wrapping_add(1);
        self.sum = self.sum.wrapping_add(weight);
    }

    /// A row goes out.
    pub(crate) const fn subtract(&mut self, weight: u128) {
        self.count = self.count.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(weight);
    }
}

impl Ledger {
    /// Of an empty profile that was opened so often.
    pub(crate) fn opened(openings: u64) -> Self {
        Self {
            openings,
            ..Self::default()
        }
    }

    /// How many commits the profile has seen.
    pub(crate) const fn commits(&self) -> u64 {
        self.commits
    }

    /// How often the profile was opened.
    pub(crate) const fn openings(&self) -> u64 {
        self.openings
    }

    /// How many values are stored.
    pub(crate) const fn values(&self) -> u64 {
        self.values.count
    }

    /// One more commit.
    pub(crate) const fn count_commit(&mut self) {
        self.commits = self.commits.wrapping_add(1);
    }

    /// One more opening.
    pub(crate) const fn count_opening(&mut self) {
        self.openings = self.openings.wrapping_add(1);
    }

    /// A value comes in, known by its backend key and the nonce of its first row.
    pub(crate) fn add(&mut self, keys: &Keys, raw_key: &[u8], nonce: &Nonce) {
        self.values.add(weight(keys, raw_key, nonce));
    }

    /// A value goes out.
    pub(crate) fn subtract(&mut self, keys: &Keys, raw_key: &[u8], nonce: &Nonce) {
        self.values.subtract(weight(keys, raw_key, nonce));
    }

    /// The owner rows.
    pub(crate) const fn owners_mut(&mut self) -> &mut Tally {
        &mut self.owners
    }

    /// Whether this is the tally of the owner rows.
    pub(crate) fn has_owners(&self, counted: &Tally) -> bool {
        self.owners == *counted
    }

    /// Whether both describe the same values, whatever the number of commits.
    pub(crate) fn holds_the_same(&self, other: &Self) -> bool {
        self.values == other.values
    }

    /// The row that carries this ledger.
    pub(crate) fn to_op(self, keys: &Keys, entropy: &mut Entropy) -> Result<Op, Error> {
        let mut plain = Vec::with_capacity(64);
        plain.extend_from_slice(&self.commits.to_be_bytes());
        plain.extend_from_slice(&self.openings.to_be_bytes());
        for tally in [self.values, self.owners] {
            plain.extend_from_slice(&tally.count.to_be_bytes());
            plain.extend_from_slice(&tally.sum.to_be_bytes());
        }
        let (_, row) = keys.own_rows().seal(Place::Ledger, &plain, entropy)?;
        Ok(Op {
            key: LEDGER_KEY.to_vec(),
            value: Some(row),
        })
    }

    /// Reads the ledger's row.
    pub(crate) fn from_row(keys: &Keys, row: &[u8]) -> Result<Self, Error> {
        let corrupt = Error::Corrupt { file: DATABASE };
        let Some(plain) = keys.own_rows().open(Place::Ledger, row) else {
            return Err(corrupt);
        };
        Self::decode(&plain).ok_or(corrupt)
    }

    fn decode(plain: &[u8]) -> Option<Self> {
        let (commits, rest) = plain.split_first_chunk::<8>()?;
        let (openings, rest) = rest.split_first_chunk::<8>()?;
        let (values, owners) = rest.split_at_checked(24)?;
        Some(Self {
            commits: u64::from_be_bytes(*commits),
            openings: u64::from_be_bytes(*openings),
            values: decode_tally(values)?,
            owners: decode_tally(owners)?,
        })
    }
}

fn decode_tally(bytes: &[u8]) -> Option<Tally> {
    let (count, sum) = bytes.split_first_chunk::<8>()?;
    Some(Tally {
        count: u64::from_be_bytes(*count),
        sum: u128::from_be_bytes(sum.try_into().ok()?),
    })
}

/// A keyed 128-bit fingerprint of one row.
pub(crate) fn weight(keys: &Keys, raw_key: &[u8], nonce: &Nonce) -> u128 {
    let digest: [u8; 32] = Sha256::new()
        .chain_update(keys.ledger())
        .chain_update(nonce)
        .chain_update(raw_key)
        .finalize()
        .into();
    let mut half = [0; 16];
    for (to, from) in half.iter_mut().zip(digest) {
        *to = from;
    }
    u128::from_be_bytes(half)
}
