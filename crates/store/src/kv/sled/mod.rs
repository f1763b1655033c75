//! The sled backend, with the rails that make sled 0.34.7 survive what it does not survive alone. The
//! tests beside this file show each of them holding.
//!
//! 1. **Settings**: sled is pinned exactly; a small cache; the background flush stays on, since sled
//!    reclaims space nowhere else; no compression.
//! 2. **Sync**: a batch is acknowledged after sled's flush *and* an fdatasync of the log through our own
//!    handle: on Linux sled's flush never reaches the device.
//! 3. **Creation**: a profile is built beside its place, synced and renamed (by the profile); everything is
//!    synced again at each opening, since sled syncs neither `conf` nor directories. `conf`, which sled
//!    reads without believing its checksum, is compared with the one content it can have and rewritten.
//! 4. **Opening**: a leftover `snap.*.generating` is removed first, sled would take it for a snapshot. With
//!    a damaged snapshot sled is opened without: the log alone rebuilds the tree. sled panics on some
//!    damaged files, so every call into it is fenced.
//! 5. **Short rows**: none above 4 KiB; then no leaf is moved into `blobs/`, whose files sled never syncs.
//!    That folder is looked at before each acknowledgement, and synced should it hold anything.
//! 6. **One tree, one writer, bounded batches**: at most 1,000 rows or 1 MiB each; larger steps go through
//!    [`journal`].
//! 7. **First error, last word**: after a failed write no other is taken until it is opened again.
//! 8. **Rebuild**: sled's log does not shrink; what is too bloated is copied into a new one (by the store,
//!    which does the same to change the engine).
//! 9. **No wait for ever**: sled's flush runs on a thread of its own, which is left behind if it does not come back.
//! 10. **Lock**: sled locks its log, and lets go a moment after it is closed: opening waits a little for it.
//!     The profile has a lock of its own besides.

mod journal;
pub(super) mod salvage;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread::{self, sleep};
use std::time::Duration;

use super::backend::{Backend, RELEASE_PAUSE, RELEASE_TRIES};
use super::{Kv, Op, ROW_LEN_MAX, Row, Stats, fence};
use crate::error::Error;
use crate::ledger::DATABASE;
use crate::mutant::broken;
use crate::profile::files;

/// sled's page cache. Several profiles may be open on one machine; the rest is left to the system.
const CACHE_LEN: u64 = 16 * 1024 * 1024;
/// sled reclaims space in its background flush only, so that must stay on.
const FLUSH_EVERY_MS: u64 = 500;
/// How long one flush is waited for before sled is asked again, and how often. Disks that sleep need seconds.
const FLUSH_PATIENCE: Duration = Duration::from_secs(3);
const FLUSHES_MAX: usize = 20;
/// What `conf` holds for the settings used here.
const CONF: &[u8] =
    b"segment_size: 524288\nuse_compression: false\nversion: 0.34\n\x76\x19\x51\xC1";

/// What to build on at opening.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Recovery {
    /// The log alone: snapshots are removed. What comes up must be counted.
    FromLog,
    /// The latest snapshot and the log after it, as always.
    FromSnapshot,
}

/// An open sled database.
pub(crate) struct SledKv {
    db: Fenced,
    log: File,
    dir: PathBuf,
    writer: Mutex<Writer>,
}

/// sled's handle. Closing it syncs the log, and sled panics if the device refuses: that is fenced, too. All that
/// was acknowledged was synced before.
struct Fenced(Option<sled::Db>);

impl Fenced {
    /// Runs a call into sled, turning panics and sled's errors into ours.
    fn call<T>(&self, call: impl FnOnce(&sled::Db) -> sled::Result<T>) -> Result<T, Error> {
        match &self.0 {
            Some(db) => fenced(|| call(db)),
            None => Err(Error::Poisoned),
        }
    }
}

impl Fenced {
    /// Waits until sled has written all that was given to it.
    ///
    /// When one of its own threads meets an error, sled's flush sometimes waits for ever for what will not come. So
    /// it runs on a thread that can be left behind; asked once more, sled tells the error.
    fn flush(&self) -> Result<(), Error> {
        let (told, answer) = mpsc::channel();
        for _ in 0..FLUSHES_MAX {
            self.begin_flush(told.clone())?;
            if let Ok(outcome) = answer.recv_timeout(FLUSH_PATIENCE) {
                return outcome;
            }
        }
        Err(Error::from(ErrorKind::TimedOut))
    }

    fn begin_flush(&self, told: mpsc::Sender<Result<(), Error>>) -> Result<(), Error> {
        let db = self.0.clone().ok_or(Error::Poisoned)?;
        let flush = move || {
            let outcome = fenced(|| db.flush()).map(drop);
            let _ = fenced(|| {
                drop(db);
                Ok(())
            });
            let _nobody_waits_any_more = told.send(outcome);
        };
        thread::Builder::new()
            .name("store flush".into())
            .spawn(flush)?;
        Ok(())
    }
}

impl Drop for Fenced {
    fn drop(&mut self) {
        let _ = fenced(|| {
            drop(self.0.take());
            Ok(())
        });
    }
}

/// Held by the one writer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Writer {
    Failed,
    Good,
}

impl SledKv {
    /// Opens or makes the database in `dir`.
    pub(crate) fn open(dir: &Path, recovery: Recovery) -> Result<Self, Error> {
        files::create_private_dir(dir)?;
        remove_snapshots(dir, recovery)?;
        heal_conf(dir)?;
        files::make_private(dir)?;
        files::sync_tree(dir)?;
        let db = open_sled(dir)?;
        files::make_private(dir)?;
        files::sync_tree(dir)?;
        let log = files::open_private(&Backend::Sled.log_path(dir))?;
        let dir = dir.to_path_buf();
        let writer = Mutex::new(Writer::Good);
        let kv = Self {
            db,
            log,
            dir,
            writer,
        };
        journal::recover(&kv)?;
        Ok(kv)
    }

    /// Hands one bounded batch to sled; durable only after [`SledKv::sync`].
    fn apply(&self, ops: &[Op]) -> Result<(), Error> {
        let mut batch = sled::Batch::default();
        for op in ops {
            match &op.value {
                Some(value) => batch.insert(op.key.as_slice(), value.as_slice()),
                None => batch.remove(op.key.as_slice()),
            }
        }
        self.db.call(|db| db.apply_batch(batch))
    }

    fn write(&self, ops: &[Op]) -> Result<(), Error> {
        debug_assert!(
            ops.iter()
                .flat_map(|op| &op.value)
                .all(|row| row.len() <= ROW_LEN_MAX),
            "a row is too long for the log"
        );
        if ops.is_empty() {
            return Ok(());
        }
        if !journal::fits_one_batch(ops) {
            return journal::commit(self, ops);
        }
        self.apply(ops)?;
        self.sync()
    }

    /// Waits until the device has every batch applied so far.
    fn sync(&self) -> Result<(), Error> {
        if broken!("acknowledge before durable") {
            return Ok(());
        }
        self.db.flush()?;
        if self.stray_files()? != 0 {
            files::sync_tree(&self.dir.join("blobs"))?;
        }
        Ok(self.log.sync_data()?)
    }

    /// Files outside the log. None are expected; see rail 5.
    fn stray_files(&self) -> Result<u64, Error> {
        let count = files::entries(&self.dir.join("blobs"))?.len();
        Ok(u64::try_from(count).unwrap_or(u64::MAX))
    }
}

impl Kv for SledKv {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let value = self.db.call(|db| db.get(key))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn range(&self, from: &[u8], to: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, Error> {
        if to.is_some_and(|to| to <= from) {
            return Ok(Vec::new());
        }
        let to_row = |(key, value): (sled::IVec, sled::IVec)| (key.to_vec(), value.to_vec());
        self.db.call(|db| {
            let rows = match to {
                Some(to) => db.range(from..to),
                None => db.range(from..),
            };
            rows.take(limit).map(|row| row.map(to_row)).collect()
        })
    }

    fn commit(&self, ops: Vec<Op>) -> Result<(), Error> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if *writer == Writer::Failed {
            return Err(Error::Poisoned);
        }
        let result = self.write(&ops);
        if result.is_err() {
            *writer = Writer::Failed;
        }
        result
    }

    fn maintain(&self) -> Result<Stats, Error> {
        Ok(Stats {
            len_on_disk: self.db.call(sled::Db::size_on_disk)?,
            stray_files: self.stray_files()?,
            ..Stats::default()
        })
    }
}

impl std::fmt::Debug for SledKv {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SledKv")
    }
}

fn config(dir: &Path) -> sled::Config {
    sled::Config::new()
        .path(dir)
        .cache_capacity(CACHE_LEN)
        .flush_every_ms(Some(FLUSH_EVERY_MS))
}

fn open_sled(dir: &Path) -> Result<Fenced, Error> {
    let config = config(dir);
    let mut result = fenced(|| config.open());
    for _ in 0..RELEASE_TRIES {
        // The profile's own lock keeps other users out: the holder can only be a thread of ours
        // that is about to end.
        if !matches!(result, Err(Error::InUse)) {
            break;
        }
        sleep(RELEASE_PAUSE);
        result = fenced(|| config.open());
    }
    result.map(|db| Fenced(Some(db)))
}

/// Removes unfinished snapshots, or all.
fn remove_snapshots(dir: &Path, recovery: Recovery) -> Result<(), Error> {
    for path in files::entries(dir)? {
        let name = path.file_name().map(|name| name.to_string_lossy());
        let is_snapshot = name.is_some_and(|name| name.starts_with("snap."));
        let is_finished = path
            .extension()
            .is_none_or(|extension| extension != "generating");
        if is_snapshot && (recovery == Recovery::FromLog || !is_finished) {
            files::remove_if_there(&path)?;
        }
    }
    Ok(())
}

fn heal_conf(dir: &Path) -> Result<(), Error> {
    let path = dir.join("conf");
    match files::read_at_most(&path, 4096)? {
        Some(bytes) if bytes != CONF => files::replace_durably(&path, CONF),
        Some(_) | None => Ok(()),
    }
}

/// Runs a call into sled, turning panics and sled's errors into ours.
fn fenced<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T, Error> {
    match fence::fenced(call) {
        Ok(result) => result.map_err(|error| translate(&error)),
        Err(fence::Panicked) => Err(Error::Corrupt { file: DATABASE }),
    }
}

fn translate(error: &sled::Error) -> Error {
    match error {
        sled::Error::Io(error) if error.to_string().contains("could not acquire lock") => {
            Error::InUse
        }
        sled::Error::Io(error) => Error::from(error.kind()),
        sled::Error::CollectionNotFound(_)
        | sled::Error::Corruption { .. }
        | sled::Error::ReportableBug(_)
        | sled::Error::Unsupported(_) => Error::Corrupt { file: DATABASE },
    }
}
