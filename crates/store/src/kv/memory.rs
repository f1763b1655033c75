//! A backend in memory: for simulations, tests and as the plainest statement of what a backend does.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zeroize::Zeroizing;

use super::{Kv, Op, Row, Stats};
use crate::entropy::Entropy;
use crate::error::Error;
use crate::slots::device::{Device, Part};
use crate::slots::{Left, Slots};

/// A disk that lives in memory. Clones are handles to the same disk, and it outlives the stores opened
/// on it, so a test can drop a store (a crash) and open the disk again.
#[derive(Clone, Default)]
pub struct MemoryDisk {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    slots: Vec<u8>,
    rotation: u64,
    master: Option<Zeroizing<[u8; 32]>>,
    failure: Option<Failure>,
    /// Bytes that the slot file still takes before the power goes.
    slot_bytes_left: Option<usize>,
    is_dead: bool,
    commits: u64,
    written: u64,
    slot_syncs: u64,
    was_left_in_order: bool,
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

    /// How many bytes of keys and rows were written to this disk, as sealed. The slot file does not count.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.lock().written
    }

    /// How many bytes this disk holds: keys and rows as sealed, and the slot file.
    #[must_use]
    pub fn held(&self) -> u64 {
        let inner = self.lock();
        let rows = inner
            .rows
            .iter()
            .map(|(key, row)| key.len().saturating_add(row.len()));
        let held = rows.fold(inner.slots.len(), usize::saturating_add);
        u64::try_from(held).unwrap_or(u64::MAX)
    }

    /// How often a store has waited for this disk to take what it wrote to the slot file.
    #[must_use]
    pub fn slot_syncs(&self) -> u64 {
        self.lock().slot_syncs
    }

    /// Lets the power go after `len` more bytes were written to the slot file: they are there, what follows is
    /// not, and until the disk is opened again every write fails.
    pub fn cut_power_after_slot_bytes(&self, len: usize) {
        self.lock().slot_bytes_left = Some(len);
    }

    /// A disk of its own that holds what this one holds now: what a crash at this moment leaves. Dropping a
    /// store, by contrast, closes it in order.
    #[must_use]
    pub fn image(&self) -> Self {
        let inner = self.lock();
        let copy = Inner {
            rows: inner.rows.clone(),
            slots: inner.slots.clone(),
            rotation: inner.rotation,
            master: inner.master.clone(),
            was_left_in_order: inner.was_left_in_order && !inner.open,
            ..Inner::default()
        };
        Self {
            inner: Arc::new(Mutex::new(copy)),
        }
    }

    /// The master key of this disk, if it has been used.
    pub(crate) fn master(&self) -> Option<Zeroizing<[u8; 32]>> {
        self.lock().master.clone()
    }

    /// Gives an empty disk its master key.
    pub(crate) fn set_master(&self, master: Zeroizing<[u8; 32]>) {
        self.lock().master = Some(master);
    }

    /// Replaces the master key at once: here nothing can come between.
    pub(crate) fn rotate(
        &self,
        master: Zeroizing<[u8; 32]>,
        slots: &mut Slots,
        entropy: &mut Entropy,
    ) -> Result<(), Error> {
        let scratch = Self::new();
        let copied = slots.copy_to(Box::new(scratch.slot_file()), &master, entropy)?;
        let bytes = std::mem::take(&mut scratch.lock().slots);
        let mut inner = self.lock();
        inner.master = Some(master);
        inner.slots = bytes;
        inner.rotation = inner.rotation.saturating_add(1);
        drop(inner);
        slots.move_to(copied.on(Box::new(self.slot_file())));
        Ok(())
    }

    /// How often the master key was replaced.
    pub(crate) fn rotation(&self) -> u64 {
        self.lock().rotation
    }

    /// The bytes of the slot file.
    #[cfg(feature = "forensics")]
    pub(crate) fn slot_bytes(&self) -> Vec<u8> {
        self.lock().slots.clone()
    }

    /// All rows, one after the other.
    #[cfg(feature = "forensics")]
    pub(crate) fn row_bytes(&self) -> Vec<u8> {
        let rows: Vec<Vec<u8>> = self.lock().rows.values().cloned().collect();
        rows.concat()
    }

    /// The slot file.
    pub(crate) fn slot_file(&self) -> MemoryDevice {
        MemoryDevice(self.clone())
    }

    /// How the last user left the disk.
    pub(crate) fn left(&self) -> Left {
        if self.lock().was_left_in_order {
            Left::InOrder
        } else {
            Left::Anyhow
        }
    }

    /// Notes that everything is in order, until the disk is opened again.
    pub(crate) fn leave_in_order(&self) {
        self.lock().was_left_in_order = true;
    }

    /// Opens the disk for one user at a time.
    pub(crate) fn attach(&self) -> Result<MemoryKv, Error> {
        let mut inner = self.lock();
        if inner.open {
            return Err(Error::InUse);
        }
        inner.open = true;
        if std::mem::take(&mut inner.is_dead) {
            inner.slot_bytes_left = None;
        }
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

/// The slot file of a disk in memory.
#[derive(Debug)]
pub(crate) struct MemoryDevice(MemoryDisk);

impl Device for MemoryDevice {
    fn read(&self) -> Result<Vec<u8>, Error> {
        Ok(self.0.lock().slots.clone())
    }

    fn overwrite(&self, parts: Vec<Part>) -> Result<(), Error> {
        let mut inner = self.0.lock();
        inner.was_left_in_order = false;
        for (offset, mut bytes) in parts {
            if inner.is_dead {
                return Err(FAILED);
            }
            if let Some(left) = inner.slot_bytes_left {
                inner.is_dead = bytes.len() > left;
                bytes.truncate(left);
                inner.slot_bytes_left = Some(left.saturating_sub(bytes.len()));
            }
            write_at(&mut inner.slots, offset, &bytes);
        }
        if inner.is_dead {
            return Err(FAILED);
        }
        inner.slot_syncs = inner.slot_syncs.saturating_add(1);
        Ok(())
    }
}

const FAILED: Error = Error::Io {
    kind: std::io::ErrorKind::Other,
};

fn write_at(file: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let from = usize::try_from(offset).unwrap_or(usize::MAX);
    let to = from.saturating_add(bytes.len());
    if file.len() < to {
        file.resize(to, 0);
    }
    if let Some(place) = file.get_mut(from..to) {
        place.copy_from_slice(bytes);
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
        if inner.is_dead || matches!(failure, Some(Failure::NotApplied)) {
            return Err(FAILED);
        }
        inner.was_left_in_order = false;
        for op in ops {
            let len = op.value.as_ref().map_or(0, Vec::len);
            let len = u64::try_from(op.key.len().saturating_add(len)).unwrap_or(u64::MAX);
            inner.written = inner.written.saturating_add(len);
            match op.value {
                Some(value) => inner.rows.insert(op.key, value),
                None => inner.rows.remove(&op.key),
            };
        }
        inner.commits = inner.commits.saturating_add(1);
        if matches!(failure, Some(Failure::Applied)) {
            return Err(FAILED);
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
            ..Stats::default()
        })
    }
}

impl Drop for MemoryKv {
    fn drop(&mut self) {
        self.disk.lock().open = false;
    }
}
