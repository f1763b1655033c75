//! A database copied into a new one that takes its place.
//!
//! ```text
//! db.moving      being filled: worth nothing
//! db.moved       complete and durable: from the moment of this name on it is the database
//! db.discarded   the former one, about to be removed
//! ```
//!
//! The step from the first name to the second decides. A crash before it leaves the old database, which
//! was not touched; a crash after it leaves a name that the next opening gives way to ([`rescue::resume`]).

use std::fs;
use std::path::Path;

use super::{Profile, files, rescue};
use crate::error::Error;
use crate::kv::{Backend, Care, Kv};

/// Says that a rebuild would be worth while, until there was one.
const DUE: &str = "rebuild-due";
/// Space that a new database takes beyond its rows.
const ROOM_LEN: u64 = 4 * 1024 * 1024;

impl Profile {
    /// The engine in use.
    pub(crate) const fn backend(&self) -> Backend {
        self.backend
    }

    /// Makes an empty database beside the one in use, for rows of `len` bytes.
    pub(crate) fn begin_move(&self, to: Backend, len: u64) -> Result<Box<dyn Kv>, Error> {
        // Both engines take about twice the bytes of the rows.
        check_room(&self.root, len.saturating_mul(2).saturating_add(ROOM_LEN))?;
        let moving = rescue::moving(&self.root);
        files::remove_dir_if_there(&moving)?;
        to.open(&moving, Care::Usual)
    }

    /// Removes what was begun. What cannot be removed now is removed at the next opening.
    pub(crate) fn abandon_move(&self) {
        let _ = files::remove_dir_if_there(&rescue::moving(&self.root));
    }

    /// Lets the new database take the place of the old one, both closed, and opens it.
    pub(crate) fn finish_move(&mut self, to: Backend) -> Result<Box<dyn Kv>, Error> {
        let (db, moving) = (self.root.join("db"), rescue::moving(&self.root));
        self.backend.settle(&db)?.ok_or(Error::InUse)?;
        to.settle(&moving)?.ok_or(Error::InUse)?;
        files::sync_tree(&moving)?;
        fs::rename(&moving, rescue::moved(&self.root))?;
        files::sync_dir(&self.root)?;
        rescue::resume(&self.root)?;
        self.backend = to;
        files::remove_if_there(&self.root.join(DUE))?;
        to.open(&db, Care::Usual)
    }

    /// Remembers that a rebuild would be worth while.
    pub(crate) fn note_due(&self) -> Result<(), Error> {
        files::open_private(&self.root.join(DUE)).map(drop)
    }

    /// Whether that was noted, now or in an earlier session.
    pub(crate) fn is_due(&self) -> bool {
        self.root.join(DUE).exists()
    }
}

/// Refuses where a copy would not fit, before anything is written. Where nobody can say, a disk that is too
/// small shows while copying, which does no harm either.
fn check_room(root: &Path, needed: u64) -> Result<(), Error> {
    match files::free_len(root) {
        Some(free) if free < needed => Err(Error::NoRoom { needed, free }),
        Some(_) | None => Ok(()),
    }
}
