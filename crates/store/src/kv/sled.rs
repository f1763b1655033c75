//! The sled backend, with the rails that make sled 0.34.7 survive what it does not survive alone.
//!
//! 1. A batch is acknowledged after sled's flush *and* an fdatasync of the log through our own handle:
//!    on Linux sled's flush never reaches the device.
//! 2. Everything is synced again at each opening, since sled syncs neither `conf` nor directories.
//! 3. A leftover `snap.*.generating` is removed before opening: sled would take it for a snapshot.
//! 4. If sled finds a snapshot damaged, it can be opened without: the log alone rebuilds the tree.
//! 5. No row above 4 KiB, one tree, bounded batches (larger steps go through [`super::journal`]); then
//!    `blobs/`, whose files sled never syncs, stays empty, which is checked before each acknowledgement.
//! 6. `conf`, which sled writes without syncing and reads without believing its checksum, is compared
//!    with the one content it can have and rewritten if it differs.
//! 7. sled panics on some damaged files: every call into it is fenced.

use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use super::{Kv, Op, Row, Stats, journal};
use crate::error::Error;
use crate::ledger::DATABASE;
use crate::profile::files;

/// sled's page cache. Several profiles may be open on one machine; the rest is left to the system.
const CACHE_LEN: u64 = 16 * 1024 * 1024;
/// sled reclaims space in its background flush only, so that must stay on.
const FLUSH_EVERY_MS: u64 = 500;
/// What `conf` holds for the settings used here.
const CONF: &[u8] =
    b"segment_size: 524288\nuse_compression: false\nversion: 0.34\n\x76\x19\x51\xC1";
/// How often, and with what pause, to wait for sled's threads to let go of a file they just closed.
const RELEASE_TRIES: u32 = 200;
const RELEASE_PAUSE: Duration = Duration::from_millis(10);

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
    db: sled::Db,
    log: File,
    dir: PathBuf,
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
        let log = files::open_private(&log_path(dir))?;
        let dir = dir.to_path_buf();
        let kv = Self { db, log, dir };
        journal::recover(&kv)?;
        Ok(kv)
    }

    /// Hands one bounded batch to sled; durable only after [`SledKv::sync`].
    pub(crate) fn apply(&self, ops: &[Op]) -> Result<(), Error> {
        let mut batch = sled::Batch::default();
        for op in ops {
            match &op.value {
                Some(value) => batch.insert(op.key.as_slice(), value.as_slice()),
                None => batch.remove(op.key.as_slice()),
            }
        }
        fenced(|| self.db.apply_batch(batch))
    }

    /// Waits until the device has every batch applied so far.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        fenced(|| self.db.flush())?;
        if self.stray_files()? != 0 {
            files::sync_tree(&self.dir.join("blobs"))?;
        }
        Ok(self.log.sync_data()?)
    }

    /// Files outside the log. None are expected; see rail 5.
    fn stray_files(&self) -> Result<u64, Error> {
        let count = files::entries(&self.dir.join("blobs"))?.len();
        debug_assert_eq!(count, 0, "a row was too long for the log");
        Ok(u64::try_from(count).unwrap_or(u64::MAX))
    }
}

impl Kv for SledKv {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let value = fenced(|| self.db.get(key))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn range(&self, from: &[u8], to: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, Error> {
        if to.is_some_and(|to| to <= from) {
            return Ok(Vec::new());
        }
        let to_row = |(key, value): (sled::IVec, sled::IVec)| (key.to_vec(), value.to_vec());
        fenced(|| {
            let rows = match to {
                Some(to) => self.db.range(from..to),
                None => self.db.range(from..),
            };
            rows.take(limit).map(|row| row.map(to_row)).collect()
        })
    }

    fn commit(&self, ops: Vec<Op>) -> Result<(), Error> {
        if ops.is_empty() {
            return Ok(());
        }
        if !journal::fits_one_batch(&ops) {
            return journal::commit(self, &ops);
        }
        self.apply(&ops)?;
        self.sync()
    }

    fn maintain(&self) -> Result<Stats, Error> {
        Ok(Stats {
            len_on_disk: fenced(|| self.db.size_on_disk())?,
            stray_files: self.stray_files()?,
        })
    }
}

impl std::fmt::Debug for SledKv {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SledKv")
    }
}

/// The length of the log, 0 if there is none.
pub(crate) fn log_len(dir: &Path) -> u64 {
    fs::metadata(log_path(dir)).map_or(0, |metadata| metadata.len())
}

/// Waits until no thread of sled holds the log any more, then until the device has it. Answers the
/// log's final length, or `None` if sled does not let go.
pub(crate) fn settle(dir: &Path) -> Result<Option<u64>, Error> {
    let log = files::open_private(&log_path(dir))?;
    for _ in 0..RELEASE_TRIES {
        // sled locks the log while it is open; getting the lock shows that it is not.
        if log.try_lock().is_ok() {
            log.sync_all()?;
            return Ok(Some(log.metadata()?.len()));
        }
        sleep(RELEASE_PAUSE);
    }
    Ok(None)
}

/// sled's log: the one file that holds everything.
pub(crate) fn log_path(dir: &Path) -> PathBuf {
    dir.join("db")
}

fn open_sled(dir: &Path) -> Result<sled::Db, Error> {
    let config = sled::Config::new()
        .path(dir)
        .cache_capacity(CACHE_LEN)
        .flush_every_ms(Some(FLUSH_EVERY_MS));
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
    result
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
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(|error| translate(&error)),
        Err(_) => Err(Error::Corrupt { file: DATABASE }),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn open(dir: &Path) -> SledKv {
        SledKv::open(dir, Recovery::FromSnapshot).unwrap()
    }

    fn close(kv: SledKv) {
        let dir = kv.dir.clone();
        drop(kv);
        settle(&dir).unwrap().unwrap();
    }

    fn put(key: &[u8], value: &[u8]) -> Op {
        Op {
            key: key.to_vec(),
            value: Some(value.to_vec()),
        }
    }

    #[test]
    fn sled_conforms() {
        let dir = tempfile::tempdir().unwrap();
        super::super::conformance::run(&open(&dir.path().join("db")));
    }

    #[test]
    fn conf_is_what_sled_writes_and_is_healed() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("db");
        close(open(&dir));
        assert_eq!(fs::read(dir.join("conf")).unwrap(), CONF);
        for damage in [&b"nonsense, but long enough"[..], b""] {
            fs::write(dir.join("conf"), damage).unwrap();
            close(open(&dir));
            assert_eq!(fs::read(dir.join("conf")).unwrap(), CONF);
        }
    }

    #[test]
    fn unfinished_snapshot_is_removed_before_opening() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("db");
        let kv = open(&dir);
        kv.commit(vec![put(b"k", b"v")]).unwrap();
        close(kv);
        fs::write(dir.join("snap.FFFFFFFFFFFFFFFF.generating"), b"half").unwrap();
        assert_eq!(open(&dir).get(b"k").unwrap(), Some(b"v".to_vec()));
    }

    #[test]
    fn damaged_snapshot_is_an_error_and_the_log_alone_holds_everything() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("db");
        for round in 0..3_u8 {
            let kv = open(&dir);
            kv.commit(vec![put(&[round], b"v")]).unwrap();
            close(kv);
        }
        for path in files::entries(&dir).unwrap() {
            if path.to_string_lossy().contains("snap.") {
                let mut bytes = fs::read(&path).unwrap();
                bytes[0] ^= 0xff;
                fs::write(&path, bytes).unwrap();
            }
        }
        let damaged = SledKv::open(&dir, Recovery::FromSnapshot);
        assert!(matches!(damaged, Err(Error::Corrupt { .. })));
        let kv = SledKv::open(&dir, Recovery::FromLog).unwrap();
        assert_eq!(kv.range(&[], None, 9).unwrap().len(), 3);
    }

    #[test]
    fn step_larger_than_a_batch_is_applied_and_leaves_no_journal() {
        let dir = tempfile::tempdir().unwrap();
        let kv = open(&dir.path().join("db"));
        let ops: Vec<Op> = (0..2500_u16)
            .map(|n| put(&[&[9], &n.to_be_bytes()[..]].concat(), &[7; 100]))
            .collect();
        kv.commit(ops).unwrap();
        assert_eq!(kv.range(&[], None, 9999).unwrap().len(), 2500);
    }
}
