//! The store as its callers see it.

use std::path::Path;

use zeroize::Zeroizing;

use crate::entropy::Entropy;
use crate::error::Error;
use crate::kv::memory::MemoryDisk;
use crate::kv::{Backend, Kv, Op, Stats};
use crate::ledger::{DATABASE, LEDGER_KEY, Ledger};
use crate::overlay::{Overlay, Savepoint, Value};
use crate::profile::{Opened, Profile, Suspicion};
use crate::rows::Rows;
use crate::seal::Keys;
use crate::unlock::{Cost, Unlock, UnlockMethod};

/// The longest record key, in bytes. Each byte costs a hash at every access.
pub const KEY_LEN_MAX: usize = 64;
/// The longest value: 16 MiB. Everything staged is held in memory until the commit.
pub const VALUE_LEN_MAX: usize = 16 * 1024 * 1024;

/// A table: records with keys of their own. The engine gives the numbers; they are masked on disk.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Table(pub u8);

/// How a new profile is made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Options {
    /// The storage engine.
    pub backend: Backend,
    /// What a guess at the passphrase costs.
    pub cost: Cost,
}

impl Options {
    /// As [`Options::default`], with a passphrase hash that costs next to nothing: for tests that make
    /// many profiles, never for a person's.
    #[must_use]
    pub fn weak_for_tests() -> Self {
        Self {
            cost: Cost::WEAK,
            ..Self::default()
        }
    }
}

impl Default for Options {
    /// sled at [`Cost::STANDARD`].
    fn default() -> Self {
        Self {
            backend: Backend::default(),
            cost: Cost::STANDARD,
        }
    }
}

/// An open profile: the only door to what the device keeps.
///
/// Writes are staged, are seen by reads at once, and reach the disk together in [`Store::commit`].
/// Dropping the store forgets what was staged. After an error from `commit`, or damage found while
/// reading for it, every method answers [`Error::Poisoned`]: drop the store, open it again and reload.
#[derive(Debug)]
pub struct Store {
    // Dropped in this order: the database is closed before the profile records that it was.
    kv: Box<dyn Kv>,
    profile: Option<Profile>,
    keys: Keys,
    entropy: Entropy,
    ledger: Ledger,
    overlay: Overlay,
    health: Health,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Health {
    Good,
    Poisoned,
}

impl Store {
    /// Whether `dir` holds a profile, whatever state it is in.
    #[must_use]
    pub fn exists(dir: &Path) -> bool {
        Profile::exists(dir)
    }

    /// How the profile in `dir` is unlocked; needs no secret and no lock.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Corrupt`], [`Error::NewerVersion`], [`Error::Io`].
    pub fn unlock_method(dir: &Path) -> Result<UnlockMethod, Error> {
        Profile::unlock_method(dir)
    }

    /// Makes a profile in `dir` (made too if absent) with [`Options::default`] and opens it. It is built
    /// beside its place and moved there when complete, so a crash leaves none rather than half of one.
    ///
    /// `seed` is 32 fresh bytes from the operating system's random source: master key, salts and nonces
    /// come from it. A predictable seed is a readable profile.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`], [`Error::InUse`], [`Error::Full`], [`Error::ReadOnly`], [`Error::Io`].
    pub fn create(dir: &Path, unlock: &Unlock, seed: [u8; 32]) -> Result<Self, Error> {
        Self::create_with(dir, unlock, Options::default(), seed)
    }

    /// As [`Store::create`], with another engine or another cost for guessing the passphrase.
    ///
    /// # Errors
    /// As [`Store::create`].
    pub fn create_with(
        dir: &Path,
        unlock: &Unlock,
        options: Options,
        seed: [u8; 32],
    ) -> Result<Self, Error> {
        let mut entropy = Entropy::new(seed);
        let opened = Profile::create(dir, unlock, options, &mut entropy)?;
        Self::admit(opened, entropy)
    }

    /// As [`Store::create`], with a passphrase hash that costs next to nothing: for tests that make
    /// many profiles, never for a person's.
    ///
    /// # Errors
    /// As [`Store::create`].
    pub fn create_with_weak_cost_for_tests(
        dir: &Path,
        unlock: &Unlock,
        seed: [u8; 32],
    ) -> Result<Self, Error> {
        Self::create_with(dir, unlock, Options::weak_for_tests(), seed)
    }

    /// Opens the profile in `dir`. `seed` as for [`Store::create`], fresh at each opening.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::WrongPassphrase`], [`Error::WrongKey`], [`Error::WrongMethod`],
    /// [`Error::InUse`], [`Error::Corrupt`], [`Error::Full`], [`Error::ReadOnly`],
    /// [`Error::NewerVersion`], [`Error::Io`]. None of them costs a committed record.
    pub fn open(dir: &Path, unlock: &Unlock, seed: [u8; 32]) -> Result<Self, Error> {
        let opened = Profile::open(dir, unlock)?;
        Self::admit(opened, Entropy::new(seed))
    }

    /// Opens a disk in memory, making it a store on first use. `seed` as for [`Store::create`].
    ///
    /// # Errors
    /// [`Error::InUse`] while another store is open on this disk.
    pub fn open_memory(disk: &MemoryDisk, seed: [u8; 32]) -> Result<Self, Error> {
        let mut entropy = Entropy::new(seed);
        let kv = Box::new(disk.attach()?);
        let keys = Keys::new(&disk.master(entropy.bytes32()))?;
        if kv.get(LEDGER_KEY)?.is_none() {
            kv.format(Ledger::default().to_op(&keys, &mut entropy)?);
        }
        let ledger = read_ledger(kv.as_ref(), &keys)?;
        Ok(Self::assemble(kv, keys, entropy, ledger, None))
    }

    /// Checks what came up against what was acknowledged.
    fn admit(opened: Opened, entropy: Entropy) -> Result<Self, Error> {
        let ledger = read_ledger(opened.kv.as_ref(), &opened.keys)?;
        if ledger.commits() < opened.commits_acknowledged {
            return Err(Error::Corrupt { file: DATABASE });
        }
        let mut store = Self::assemble(opened.kv, opened.keys, entropy, ledger, None);
        if opened.suspicion == Suspicion::Strong {
            store.verify()?;
        }
        store.profile = Some(opened.profile.accept(ledger.commits())?);
        Ok(store)
    }

    fn assemble(
        kv: Box<dyn Kv>,
        keys: Keys,
        mut entropy: Entropy,
        ledger: Ledger,
        profile: Option<Profile>,
    ) -> Self {
        entropy.distinguish(ledger.commits());
        Self {
            kv,
            profile,
            keys,
            entropy,
            ledger,
            overlay: Overlay::default(),
            health: Health::Good,
        }
    }

    /// Stages a value of at most [`VALUE_LEN_MAX`] bytes at a key of at most [`KEY_LEN_MAX`].
    ///
    /// # Errors
    /// [`Error::KeyTooLong`], [`Error::ValueTooLarge`] (nothing is staged then), [`Error::Poisoned`].
    pub fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), Error> {
        self.check(key)?;
        if value.len() > VALUE_LEN_MAX {
            return Err(Error::ValueTooLarge);
        }
        let value = Zeroizing::new(value.to_vec());
        self.overlay.stage((table, key.to_vec()), Some(value));
        Ok(())
    }

    /// Stages the removal of a record; one that is not there is no error.
    ///
    /// # Errors
    /// [`Error::KeyTooLong`], [`Error::Poisoned`].
    pub fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), Error> {
        self.check(key)?;
        self.overlay.stage((table, key.to_vec()), None);
        Ok(())
    }

    /// Undoes every write staged since `savepoint` was taken. Nothing committed is ever undone.
    pub fn rollback_to(&mut self, savepoint: Savepoint) {
        self.overlay.rollback_to(savepoint);
    }

    /// Writes everything staged as one atomic step. On `Ok` it survives a power cut. Without anything
    /// staged nothing is written.
    ///
    /// # Errors
    /// Any. Then nothing stays staged, whether the step reached the disk is not known, and the store
    /// is [poisoned](Error::Poisoned) until it is opened again.
    pub fn commit(&mut self) -> Result<(), Error> {
        self.check(&[])?;
        if self.overlay.is_empty() {
            return Ok(());
        }
        let result = self.write_staged();
        if result.is_err() {
            self.health = Health::Poisoned;
            if let Some(profile) = &mut self.profile {
                profile.distrust();
            }
        }
        result
    }

    /// Wraps the master key for another secret; records stay as they are. When it returns, the old
    /// secret no longer opens this profile (an older copy of the folder still does). If it fails, the
    /// old or the new secret opens it. On a disk in memory there is nothing to do.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::ReadOnly`], [`Error::Io`], [`Error::Poisoned`].
    pub fn change_unlock(&mut self, new: &Unlock) -> Result<(), Error> {
        self.check(&[])?;
        match &mut self.profile {
            Some(profile) => profile.change_unlock(new, &mut self.entropy),
            None => Ok(()),
        }
    }

    /// The value at `key`, staged writes included.
    ///
    /// # Errors
    /// [`Error::KeyTooLong`], [`Error::Corrupt`], [`Error::Io`], [`Error::Poisoned`].
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Value>, Error> {
        self.check(key)?;
        if let Some(staged) = self.overlay.get(&(table, key.to_vec())) {
            return Ok(staged.cloned());
        }
        self.rows().get(table, key)
    }

    /// All records of `table` whose key starts with `prefix`, ascending by key, staged writes
    /// included. Everything found is held in memory at once: choose prefixes accordingly.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn range(&self, table: Table, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Value)>, Error> {
        self.check(prefix)?;
        let mut found = self.rows().range(table, prefix)?;
        for (key, staged) in self.overlay.range(table, prefix) {
            match staged {
                Some(value) => found.insert(key.clone(), value.clone()),
                None => found.remove(key),
            };
        }
        Ok(found.into_iter().collect())
    }

    /// This moment of staging, to go back to with [`Store::rollback_to`].
    #[must_use]
    pub const fn savepoint(&self) -> Savepoint {
        self.overlay.savepoint()
    }

    /// Looks after the files and tells how they are. Cheap; meant for idle moments.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupt`], [`Error::Poisoned`].
    pub fn maintain(&mut self) -> Result<Stats, Error> {
        self.check(&[])?;
        self.kv.maintain()
    }

    /// Reads every committed record and compares what is there with what was acknowledged; answers how
    /// many records there are. Takes time in proportion to the profile.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if any record is missing, surplus, old or damaged; [`Error::Io`].
    pub fn verify(&self) -> Result<u64, Error> {
        self.check(&[])?;
        let counted = self.rows().audit()?;
        if !counted.holds_the_same(&self.ledger) {
            return Err(Error::Corrupt { file: DATABASE });
        }
        Ok(counted.values())
    }

    fn write_staged(&mut self) -> Result<(), Error> {
        let staged = self.overlay.take();
        let mut ledger = self.ledger;
        let mut ops: Vec<Op> = Vec::new();
        let rows = Rows {
            kv: self.kv.as_ref(),
            keys: &self.keys,
        };
        for ((table, key), value) in &staged {
            let address = (*table, key.as_slice());
            ops.extend(rows.stage(address, value.as_ref(), &mut ledger, &mut self.entropy)?);
        }
        if ops.is_empty() {
            return Ok(());
        }
        ledger.count_commit();
        ops.push(ledger.to_op(&self.keys, &mut self.entropy)?);
        self.kv.commit(ops)?;
        self.ledger = ledger;
        if let Some(profile) = &mut self.profile {
            profile.witness_commit(ledger.commits());
        }
        Ok(())
    }

    const fn check(&self, key: &[u8]) -> Result<(), Error> {
        if matches!(self.health, Health::Poisoned) {
            return Err(Error::Poisoned);
        }
        if key.len() > KEY_LEN_MAX {
            return Err(Error::KeyTooLong);
        }
        Ok(())
    }

    fn rows(&self) -> Rows<'_> {
        Rows {
            kv: self.kv.as_ref(),
            keys: &self.keys,
        }
    }
}

fn read_ledger(kv: &dyn Kv, keys: &Keys) -> Result<Ledger, Error> {
    let row = kv
        .get(LEDGER_KEY)?
        .ok_or(Error::Corrupt { file: DATABASE })?;
    Ledger::from_row(keys, &row)
}
