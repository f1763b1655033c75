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

/// Finishes or undoes what was interrupted, so that every attempt starts from the same files: a copy goes
/// back, a database that was moved takes its place, and what was incomplete goes away.
pub(crate) fn resume(root: &Path) -> Result<(), Error> {
    files::remove_dir_if_there(&unfinished(root))?;
    files::remove_dir_if_there(&moving(root))?;
    files::remove_dir_if_there(&discarded(root))?;
    // Never both: a copy is made at an opening, after this, and gone before anything can be moved.
    for successor in [copy(root), moved(root)] {
        if successor.is_dir() {
            put_in_place(root, &successor)?;
        }
    }
    Ok(())
}

/// The database that the next opening will use.
pub(crate) fn current(root: &Path) -> PathBuf {
    let successors = [copy(root), moved(root)];
    let successor = successors.into_iter().find(|path| path.is_dir());
    successor.unwrap_or_else(|| database(root))
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
    put_in_place(root, &copy(root))
}

/// Lets `successor` be the database. Interrupted, the next opening does the rest, for it finds it still.
fn put_in_place(root: &Path, successor: &Path) -> Result<(), Error> {
    if database(root).is_dir() {
        fs::rename(database(root), discarded(root))?;
    }
    fs::rename(successor, database(root))?;
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

/// A database that is being filled.
pub(super) fn moving(root: &Path) -> PathBuf {
    root.join("db.moving")
}

/// A complete database that is to take the place of the other.
pub(super) fn moved(root: &Path) -> PathBuf {
    root.join("db.moved")
}

fn discarded(root: &Path) -> PathBuf {
    root.join("db.discarded")
}
