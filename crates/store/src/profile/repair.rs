//! A damaged profile, and the new one that takes its place.
//!
//! ```text
//! store/            damaged: read, never written
//! store.repair/     a copy of its database, where an engine has to open it, for it writes then; removed at the end
//! store.new/        being filled: worth nothing
//! store.repaired/   complete: from the moment of this name on it is the profile
//! store.damaged-1/  what was damaged, kept aside; with a higher number if there is one already
//! ```
//!
//! A crash before the profile is complete leaves the damaged one as it was, a crash after it is finished at the
//! next opening ([`settle`]).

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::header::Header;
use super::{
    Opened, Profile, build, files, open_slots, read_headers, rescue, root, unwrap_any, witness,
};
use crate::entropy::Entropy;
use crate::error::Error;
use crate::kv::{Backend, Care, Kv};
use crate::ledger::Ledger;
use crate::seal::Keys;
use crate::slots::Slots;
use crate::unlock::{Unlock, Wrapping};

/// A profile opened to save from it what can be read.
pub(crate) struct Damaged {
    /// First, so that it is closed before its folder is removed.
    pub(crate) kv: Box<dyn Kv>,
    pub(crate) slots: Slots,
    pub(crate) keys: Keys,
    pub(crate) commits_acknowledged: u64,
    dir: PathBuf,
    header: Header,
    wrapping: Wrapping,
    backend: Backend,
    lock: File,
}

impl Damaged {
    /// Reads the database as far as that is possible. Header and root key must be readable.
    pub(crate) fn open(dir: &Path, unlock: &Unlock) -> Result<Self, Error> {
        if !Profile::exists(dir) {
            return Err(Error::NotFound);
        }
        let lock = files::lock(&dir.join("lock"))?;
        settle(dir)?;
        let root = root(dir);
        let (header, wrapping, master) = unwrap_any(read_headers(&root)?, unlock)?;
        let slots = open_slots(&root, &header, &master)?;
        let keys = Keys::new(&*slots.root()?)?;
        let commits_acknowledged = witness::read(&root.join("witness"), &keys.witness())?.commits;
        let copy = dir.join("store.repair");
        let db = rescue::current(&root);
        let (kv, backend) = (open_damaged(&db, &copy)?, Backend::of(&db));
        Ok(Self {
            kv,
            slots,
            keys,
            commits_acknowledged,
            dir: dir.to_path_buf(),
            header,
            wrapping,
            backend,
            lock,
        })
    }

    /// An empty profile beside this one: with its secret and its root key, hence its name; with a master key
    /// of its own.
    pub(crate) fn successor(&self, ledger: Ledger, entropy: &mut Entropy) -> Result<Opened, Error> {
        let building = self.dir.join("store.new");
        let master = entropy.bytes32();
        let sequence = self.header.sequence().wrapping_add(1);
        let rotation = self.header.rotation().wrapping_add(1);
        let header = Header::wrap(&master, &self.wrapping, (sequence, rotation), entropy)?;
        let core = (self.slots.root()?, ledger);
        build(&building, self.backend, (&header, &master), core, entropy)?;
        let wrapping = self.wrapping.duplicate();
        let lock = self.lock.try_clone()?;
        Profile::open_database(building, lock, (header, wrapping), &master)
    }

    /// Lets the successor, closed by now, take the place of this profile; answers where this one lies then.
    pub(crate) fn give_way(self) -> Result<PathBuf, Error> {
        let (dir, backend) = (self.dir, self.backend);
        drop(self.kv);
        let copy = dir.join("store.repair");
        if copy.is_dir() {
            backend.settle(&copy)?;
        }
        files::sync_tree(&dir.join("store.new"))?;
        fs::rename(dir.join("store.new"), repaired(&dir))?;
        files::sync_dir(&dir)?;
        let aside = next_aside(&dir);
        settle(&dir)?;
        drop(self.lock);
        Ok(aside)
    }
}

/// Reads a damaged database without its engine if that can be, or opens a copy of it as far as the engine gets.
fn open_damaged(db: &Path, copy: &Path) -> Result<Box<dyn Kv>, Error> {
    let backend = Backend::of(db);
    if let Some(rows) = backend.salvage(db)? {
        return Ok(rows);
    }
    files::copy_tree(db, copy)?;
    match backend.open(copy, Care::Checked) {
        Err(Error::Corrupt { .. }) => backend.open(copy, Care::FromScratch),
        result => result,
    }
}

impl std::fmt::Debug for Damaged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Damaged")
    }
}

/// A profile that is complete and not yet in its place.
pub(super) fn repaired(dir: &Path) -> PathBuf {
    dir.join("store.repaired")
}

/// Finishes a repair that was complete, and removes what one that was not complete left. Needs the lock.
pub(super) fn settle(dir: &Path) -> Result<(), Error> {
    files::remove_dir_if_there(&dir.join("store.repair"))?;
    if !repaired(dir).is_dir() {
        return Ok(());
    }
    let store = dir.join("store");
    if store.is_dir() {
        fs::rename(&store, next_aside(dir))?;
        files::sync_dir(dir)?;
    }
    fs::rename(repaired(dir), store)?;
    files::sync_dir(dir)
}

/// A name for the damaged profile that is not taken.
fn next_aside(dir: &Path) -> PathBuf {
    let mut number = 1_u32;
    loop {
        let path = dir.join(format!("store.damaged-{number}"));
        if !path.exists() || number == u32::MAX {
            return path;
        }
        number = number.saturating_add(1);
    }
}
