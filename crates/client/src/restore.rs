//! Making a profile of a backup.

use std::fs::{self, File};
use std::io::{BufReader, ErrorKind};
use std::path::{Path, PathBuf};

use sori_engine::Restore;
use sori_engine::store::backup::{BackupError, BackupReader};
use tokio::sync::oneshot;

use crate::client::{Client, STACK_LEN};
use crate::clock::Clock;
use crate::error::Error;
use crate::profile::{self, Opened, StoreError, UnlockChoice};

/// How far restoring is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreProgress {
    /// Bytes of the backup that were read, and its length.
    Reading {
        /// Read so far.
        done: u64,
        /// In all.
        total: u64,
    },
    /// Messages that found their place again, and messages in all.
    Sorting {
        /// So far.
        done: u64,
        /// In all.
        total: u64,
    },
}

impl Client {
    /// Makes a profile in `dir` of the backup `file`, which `passphrase` opens; the profile is unlocked by
    /// `unlock` from then on. `progress` is called from another thread. The profile is built beside its place
    /// and gets its name when it is whole. When it is opened it enters its groups anew, as soon as others are
    /// there: as the same account, and in place of the device that the backup was made on, which must not be
    /// used any more.
    ///
    /// # Errors
    /// [`Error::Profile`] with [`StoreError::AlreadyExists`] if there is a profile, [`Error::Folder`] if the folder
    /// cannot be made or is not empty, [`Error::Backup`] if the file cannot be read, is damaged or opened by another
    /// passphrase, [`Error::Keychain`], [`Error::EmptyPassphrase`]. Then nothing was made.
    pub async fn restore(
        file: PathBuf,
        passphrase: zeroize::Zeroizing<String>,
        (dir, unlock): (PathBuf, UnlockChoice),
        mut progress: impl FnMut(RestoreProgress) + Send + 'static,
    ) -> Result<(), Error> {
        let (done, outcome) = oneshot::channel();
        std::thread::Builder::new()
            .name("sori-restore".into())
            .stack_size(STACK_LEN)
            .spawn(move || {
                let restored = restore(&file, &passphrase, (&dir, &unlock), &mut progress);
                // Nobody waits any more: it is done all the same.
                let _gone = done.send(restored);
            })
            .map_err(|_error| Error::System)?;
        outcome.await.unwrap_or(Err(Error::Stopped))
    }
}

fn restore(
    file: &Path,
    passphrase: &str,
    (dir, unlock): (&Path, &UnlockChoice),
    progress: &mut dyn FnMut(RestoreProgress),
) -> Result<(), Error> {
    if profile::state(dir) != profile::ProfileState::Absent {
        return Err(StoreError::AlreadyExists.into());
    }
    check_empty(dir)?;
    let source = File::open(file).map_err(BackupError::from)?;
    let total = source.metadata().map_err(BackupError::from)?.len();
    let passphrase = profile::normalised(passphrase)?;
    let mut reader = BackupReader::open(BufReader::new(source), &passphrase)?;

    let building = beside(dir)?;
    check_ours(&building)?;
    profile::remove(&building)?;
    let built = build(&mut reader, (&building, unlock), &mut |done| {
        progress(match done {
            RestoreProgress::Reading { done, .. } => RestoreProgress::Reading { done, total },
            sorting @ RestoreProgress::Sorting { .. } => sorting,
        });
    });
    let placed = built.and_then(|()| place(&building, dir));
    if placed.is_err() {
        // What cannot be removed now is removed by the next attempt.
        let _left = profile::remove(&building);
    }
    placed
}

/// Builds the profile in a folder of its own.
fn build(
    reader: &mut BackupReader<BufReader<File>>,
    (dir, unlock): (&Path, &UnlockChoice),
    progress: &mut dyn FnMut(RestoreProgress),
) -> Result<(), Error> {
    let Opened { store, mut upkeep } = profile::create(dir, unlock)?;
    let mut restore = Restore::new(store);
    while let Some(record) = reader.next_record()? {
        restore.record(&record)?;
        progress(RestoreProgress::Reading {
            done: reader.position(),
            total: 0,
        });
    }
    let now = Clock::start().now();
    let engine = restore.finish(profile::seed()?, now, &mut |at| {
        progress(RestoreProgress::Sorting {
            done: at.done,
            total: at.total,
        });
    })?;
    upkeep.made(&engine);
    // Closes the profile.
    drop(engine);
    Ok(())
}

/// Gives the finished profile its place, durably.
fn place(building: &Path, dir: &Path) -> Result<(), Error> {
    fs::rename(building, dir).map_err(|error| profile::folder(&error))?;
    profile::sync_dir(parent(dir)).map_err(|error| profile::folder(&error))
}

/// A folder with something in it is somebody's.
fn check_empty(dir: &Path) -> Result<(), Error> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(profile::folder(&error)),
    };
    match entries.count() {
        0 => Ok(()),
        _ => Err(Error::Folder {
            kind: ErrorKind::DirectoryNotEmpty,
        }),
    }
}

/// What an attempt that was broken off left is removed; a folder of that name with anything else is somebody's.
fn check_ours(building: &Path) -> Result<(), Error> {
    const LEFT: [&str; 4] = ["judged", "keychain-id", "rotated-at", "store"];
    let Ok(entries) = fs::read_dir(building) else {
        return Ok(());
    };
    let is_ours = |name: &std::ffi::OsStr| {
        let name = name.to_string_lossy();
        LEFT.contains(&name.strip_suffix(".new").unwrap_or(&name))
    };
    match entries.flatten().all(|entry| is_ours(&entry.file_name())) {
        true => Ok(()),
        false => Err(Error::Folder {
            kind: ErrorKind::AlreadyExists,
        }),
    }
}

fn beside(dir: &Path) -> Result<PathBuf, Error> {
    let name = dir.file_name().ok_or(Error::Folder {
        kind: ErrorKind::InvalidFilename,
    })?;
    let mut name = name.to_os_string();
    name.push(".restoring");
    Ok(dir.with_file_name(name))
}

fn parent(dir: &Path) -> &Path {
    let parent = dir.parent().filter(|path| !path.as_os_str().is_empty());
    parent.unwrap_or_else(|| Path::new("."))
}

#[cfg(test)]
mod tests;
