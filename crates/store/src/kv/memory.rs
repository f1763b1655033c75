//! A backend in memory: for simulations, tests and as the plainest statement of what a backend does.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zeroize::Zeroizing;

use super::{Kv, Op, Row, Stats};
use crate::error::Error;

/// A disk that lives in memory. Clones are handles to the same disk, and it outlives the stores opened
/// on it, so a test can drop a store (a crash) and open the disk again.
#[derive(Clone, Default)]
pub struct MemoryDisk {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    master: Option<Zeroizing<[u8; 32]>>,
    failure: Option<Failure>,
    commits: u64,
    open: bool,
}

/// What the next commit does instead of succeeding.
#[derive(Clone, Copy)]
enum Failure {
    Applied,
    NotApplied,
}

impl MemoryDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the next commit fail with nothing written.
    pub fn fail_next_commit(&self) {
        self.lock().failure = Some(Failure::NotApplied);
    }

    /// Makes the next commit write everything and report failure all the same, as a disk may that
    /// loses its answer. The caller cannot tell the two apart until it opens the disk again.
    pub fn fail_next_commit_after_writing(&self) {
        self.lock().failure = Some(Failure::Applied);
    }

    /// How many commits have reached this disk.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.lock().commits
    }

    /// The master key of this disk, made from `fresh` at the first opening.
    pub(crate) fn master(&self, fresh: Zeroizing<[u8; 32]>) -> Zeroizing<[u8; 32]> {
        self.lock().master.get_or_insert(fresh).clone()
    }

    /// Opens the disk for one user at a time.
    pub(crate) fn attach(&self) -> Result<MemoryKv, Error> {
        let mut inner = self.lock();
        if inner.open {
            return Err(Error::InUse);
        }
        inner.open = true;
        drop(inner);
        Ok(MemoryKv { disk: self.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for MemoryDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MemoryDisk")
    }
}

/// The open disk; dropping it lets the disk be opened again.
#[derive(Debug)]
pub(crate) struct MemoryKv {
    disk: MemoryDisk,
}

impl MemoryKv {
    /// Writes the first row of an empty disk; no commit, so neither counted nor made to fail.
    pub(crate) fn format(&self, op: Op) {
        if let Some(value) = op.value {
            self.disk.lock().rows.insert(op.key, value);
        }
    }
}

impl Kv for MemoryKv {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.disk.lock().rows.get(key).cloned())
    }

    fn range(&self, from: &[u8], to: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, Error> {
        if to.is_some_and(|to| to <= from) {
            return Ok(Vec::new());
        }
        let bounds = (
            Bound::Included(from),
            to.map_or(Bound::Unbounded, Bound::Excluded),
        );
        let inner = self.disk.lock();
        let rows = inner.rows.range::<[u8], _>(bounds).take(limit);
        Ok(rows
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }

    fn commit(&self, ops: Vec<Op>) -> Result<(), Error> {
        let mut inner = self.disk.lock();
        let failure = inner.failure.take();
        let failed = Error::Io {
            kind: std::io::ErrorKind::Other,
        };
        if matches!(failure, Some(Failure::NotApplied)) {
            return Err(failed);
        }
        for op in ops {
            match op.value {
                Some(value) => inner.rows.insert(op.key, value),
                None => inner.rows.remove(&op.key),
            };
        }
        inner.commits = inner.commits.saturating_add(1);
        if matches!(failure, Some(Failure::Applied)) {
            return Err(failed);
        }
        Ok(())
    }

    fn maintain(&self) -> Result<Stats, Error> {
        let inner = self.disk.lock();
        let lens = inner
            .rows
            .iter()
            .map(|(key, value)| key.len().saturating_add(value.len()));
        let sum = lens.fold(0_usize, usize::saturating_add);
        Ok(Stats {
            len_on_disk: u64::try_from(sum).unwrap_or(u64::MAX),
            stray_files: 0,
        })
    }
}

impl Drop for MemoryKv {
    fn drop(&mut self) {
        self.disk.lock().open = false;
    }
}
