//! The stored form of one group state: a flat map of small keys to values.

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::fmt;

use zeroize::Zeroize as _;

/// All rows of one state of one group, ready to be kept by a store.
///
/// Keys have at most 64 bytes and begin with a number for the kind of row; values are opaque and secret, and wiped
/// when dropped. KeyPackages and other rows that do not belong to the group are never in here, so a snapshot can be
/// copied and deleted without touching anything else.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Rows(BTreeMap<Vec<u8>, Vec<u8>>);

/// Rows that changed: the new value, or `None` for a row that is gone. The values are as secret as [`Rows`].
pub type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// What a row holds, for a store that keeps rows apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKind {
    /// What every member knows alike, such as the ratchet tree: large, and nearly the same from one state to the
    /// next.
    Public,
    /// The keys of messages: the one row that changes with each message, and what it was must not be kept.
    Ratchet,
    /// Everything else, secret and small.
    Secret,
}

impl Rows {
    /// The rows in this map.
    #[must_use]
    pub const fn from_map(map: BTreeMap<Vec<u8>, Vec<u8>>) -> Self {
        Self(map)
    }

    /// Writes a batch of changes into the rows.
    pub fn apply(&mut self, changes: &Changes) {
        for (key, value) in changes {
            match value {
                Some(value) => self.insert(key.clone(), value.clone()),
                None => self.remove(key),
            }
        }
    }

    /// All rows in the order of their keys.
    pub fn iter(&self) -> btree_map::Iter<'_, Vec<u8>, Vec<u8>> {
        self.0.iter()
    }

    /// The value of one row.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.0.get(key).map(Vec::as_slice)
    }

    /// The number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The map itself. From here on the caller wipes it.
    #[must_use]
    pub fn into_map(mut self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        std::mem::take(&mut self.0)
    }

    /// Sets a row and wipes its former value.
    pub(crate) fn insert(&mut self, key: Vec<u8>, value: Vec<u8>) {
        if let Some(mut old) = self.0.insert(key, value) {
            old.zeroize();
        }
    }

    /// Removes a row and wipes it.
    pub(crate) fn remove(&mut self, key: &[u8]) {
        if let Some(mut old) = self.0.remove(key) {
            old.zeroize();
        }
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        self.0.values_mut().for_each(|value| value.zeroize());
    }
}

impl<'a> IntoIterator for &'a Rows {
    type Item = (&'a Vec<u8>, &'a Vec<u8>);
    type IntoIter = btree_map::Iter<'a, Vec<u8>, Vec<u8>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl FromIterator<(Vec<u8>, Vec<u8>)> for Rows {
    fn from_iter<I: IntoIterator<Item = (Vec<u8>, Vec<u8>)>>(rows: I) -> Self {
        Self(rows.into_iter().collect())
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rows({})", self.0.len())
    }
}
