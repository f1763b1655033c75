//! Which engine keeps the rows of a profile, and where its files are.

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use super::Kv;
use super::redb::RedbKv;
use super::sled::salvage::Salvage;
use super::sled::{Recovery, SledKv};
use crate::error::Error;
use crate::profile::files;

/// How often, and with what pause, to wait for an engine's threads to let go of a file they just closed.
pub(super) const RELEASE_TRIES: u32 = 200;
pub(super) const RELEASE_PAUSE: Duration = Duration::from_millis(10);

/// A storage engine for the rows of a profile. Each keeps them sealed and durable alike.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Backend {
    /// redb: a copy-on-write B-tree in one file.
    Redb,
    /// sled: a log with a tree in memory.
    #[default]
    Sled,
}

/// How much of what it finds an engine may believe when it opens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Care {
    /// The files are not as they were left: check what the engine can check.
    Checked,
    /// Nothing that can be made anew from the rows themselves.
    FromScratch,
    /// Everything, as after an orderly close.
    Usual,
}

impl Backend {
    /// All engines, by name.
    pub const ALL: [Self; 2] = [Self::Redb, Self::Sled];

    /// The name a person types and reads.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Redb => "redb",
            Self::Sled => "sled",
        }
    }

    /// The engine of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|backend| backend.name() == name)
    }

    /// The engine that made the database in `db`; sled if there is none.
    pub(crate) fn of(db: &Path) -> Self {
        if Self::Redb.log_path(db).exists() {
            Self::Redb
        } else {
            Self::Sled
        }
    }

    /// Opens the database in `db`, or makes it; what it already holds is durable then.
    pub(crate) fn open(self, db: &Path, care: Care) -> Result<Box<dyn Kv>, Error> {
        Ok(match (self, care) {
            (Self::Redb, care) => Box::new(RedbKv::open(db, care)?),
            (Self::Sled, Care::FromScratch) => Box::new(SledKv::open(db, Recovery::FromLog)?),
            (Self::Sled, Care::Checked | Care::Usual) => {
                Box::new(SledKv::open(db, Recovery::FromSnapshot)?)
            }
        })
    }

    /// What can be read of the rows in `db` without the engine, which fails on them. Nothing is written.
    pub(crate) fn salvage(self, db: &Path) -> Result<Option<Box<dyn Kv>>, Error> {
        Ok(match self {
            // Its pages say neither where they belong nor when they were written.
            Self::Redb => None,
            Self::Sled => Some(Box::new(Salvage::read(&self.log_path(db))?)),
        })
    }

    /// The one file in `db` that holds every row.
    pub(crate) fn log_path(self, db: &Path) -> PathBuf {
        db.join(match self {
            Self::Redb => "redb",
            Self::Sled => "db",
        })
    }

    /// The length of that file, 0 if there is none.
    pub(crate) fn log_len(self, db: &Path) -> u64 {
        std::fs::metadata(self.log_path(db)).map_or(0, |metadata| metadata.len())
    }

    /// Waits until no thread of the engine holds that file any more, then until the device has it.
    /// Answers its final length, or `None` if the engine does not let go.
    pub(crate) fn settle(self, db: &Path) -> Result<Option<u64>, Error> {
        let log = files::open_private(&self.log_path(db))?;
        for _ in 0..RELEASE_TRIES {
            // Both lock the file while they have it open; getting the lock shows that they have not.
            if log.try_lock().is_ok() {
                log.sync_all()?;
                return Ok(Some(log.metadata()?.len()));
            }
            sleep(RELEASE_PAUSE);
        }
        Ok(None)
    }
}

impl std::fmt::Display for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
