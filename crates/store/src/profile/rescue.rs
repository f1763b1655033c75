//! A copy of the database from before a doubtful opening.
//!
//! An engine writes while it recovers: sled takes what follows a damaged spot for torn and overwrites it,
//! redb falls back to the commit before, frees what only the later one used and writes there. So where the files are not known to be as they were left, they are copied first; if what comes up is
//! not everything that was acknowledged, the copy goes back and the folder is as it was found.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::files;
use crate::error::Error;
use crate::kv::Backend;

/// Logs up to this length are checked byte by byte after an orderly close, and copied after a crash.
/// Longer ones would make opening slow; for them the witness and the seals must do.
const CAREFUL_LEN_MAX: u64 = 32 * 1024 * 1024;

/// Whether a log of `len` bytes is short enough for the careful way.
pub(crate) const fn is_careful(len: u64) -> bool {
    len <= CAREFUL_LEN_MAX
}

/// The SHA-256 of the log, or zeros if it is too long to be read at each opening.
pub(crate) fn digest(log: &Path, len: u64) -> Result<[u8; 32], Error> {
    if !is_careful(len) {
        return Ok([0; 32]);
    }
    let bytes = files::read_at_most(log, len)?.unwrap_or_default();
    Ok(Sha256::digest(bytes).into())
}

/// Puts back what an interrupted attempt left, so that every attempt starts from the same files.
pub(crate) fn resume(root: &Path) -> Result<(), Error> {
    files::remove_dir_if_there(&unfinished(root))?;
    files::remove_dir_if_there(&discarded(root))?;
    if !copy(root).is_dir() {
        return Ok(());
    }
    put_back(root)
}

/// Copies the database aside, whole or not at all; an earlier copy is kept rather.
pub(crate) fn keep(root: &Path) -> Result<(), Error> {
    if copy(root).is_dir() {
        return Ok(());
    }
    let unfinished = unfinished(root);
    let copied = files::copy_tree(&database(root), &unfinished);
    if let Err(error) = copied {
        let _ = files::remove_dir_if_there(&unfinished);
        return Err(error);
    }
    fs::rename(&unfinished, copy(root))?;
    files::sync_dir(root)
}

/// Everything is there: the copy is not needed any more.
pub(crate) fn release(root: &Path) -> Result<(), Error> {
    if !copy(root).is_dir() {
        return Ok(());
    }
    // Renamed first: half a copy must never be taken for a whole one.
    fs::rename(copy(root), discarded(root))?;
    files::sync_dir(root)?;
    files::remove_dir_if_there(&discarded(root))
}

/// The attempt failed: the copy takes its old place again, once the engine has let go of the other.
pub(crate) fn restore(root: &Path) -> Result<(), Error> {
    let database = database(root);
    if !copy(root).is_dir() || Backend::of(&database).settle(&database)?.is_none() {
        return Ok(());
    }
    put_back(root)
}

fn put_back(root: &Path) -> Result<(), Error> {
    if database(root).is_dir() {
        fs::rename(database(root), discarded(root))?;
    }
    fs::rename(copy(root), database(root))?;
    files::sync_dir(root)?;
    files::remove_dir_if_there(&discarded(root))
}

fn database(root: &Path) -> PathBuf {
    root.join("db")
}

fn copy(root: &Path) -> PathBuf {
    root.join("db.before-repair")
}

fn unfinished(root: &Path) -> PathBuf {
    root.join("db.copying")
}

fn discarded(root: &Path) -> PathBuf {
    root.join("db.discarded")
}
