//! The store as its callers see it.

use zeroize::Zeroizing;

use crate::entropy::Entropy;
use crate::error::Error;
use crate::kv::memory::MemoryDisk;
use crate::kv::{Kv, Op};
use crate::ledger::{DATABASE, LEDGER_KEY, Ledger};
use crate::overlay::{Overlay, Savepoint, Value};
use crate::rows::Rows;
use crate::seal::Keys;

/// The longest record key, in bytes. Each byte costs a hash at every access.
pub const KEY_LEN_MAX: usize = 64;
/// The longest value: 16 MiB. Everything staged is held in memory until the commit.
pub const VALUE_LEN_MAX: usize = 16 * 1024 * 1024;

/// A table: records with keys of their own. The engine gives the numbers; they are masked on disk.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Table(pub u8);

/// An open profile: the only door to what the device keeps.
///
/// Writes are staged, are seen by reads at once, and reach the disk together in [`Store::commit`].
/// Dropping the store forgets what was staged. After an error from `commit`, or damage found while
/// reading for it, every method answers [`Error::Poisoned`]: drop the store, open it again and reload.
#[derive(Debug)]
pub struct Store {
    kv: Box<dyn Kv>,
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
    /// Opens a disk in memory, making it a store on first use. `seed` as for [`Store::create`].
    ///
    /// # Errors
    /// [`Error::InUse`] while another store is open on this disk.
    pub fn open_memory(disk: &MemoryDisk, seed: [u8; 32]) -> Result<Self, Error> {
        let mut entropy = Entropy::new(seed);
        let kv = Box::new(disk.attach()?);
        let keys = Keys::new(&disk.master(entropy.bytes32()))?;
        if kv.get(LEDGER_KEY)?.is_none() {
            kv.commit(vec![Ledger::default().to_op(&keys, &mut entropy)?])?;
        }
        Self::assemble(kv, keys, entropy)
    }

    fn assemble(kv: Box<dyn Kv>, keys: Keys, mut entropy: Entropy) -> Result<Self, Error> {
        let row = kv
            .get(LEDGER_KEY)?
            .ok_or(Error::Corrupt { file: DATABASE })?;
        let ledger = Ledger::from_row(&keys, &row)?;
        entropy.distinguish(ledger.commits());
        Ok(Self {
            kv,
            keys,
            entropy,
            ledger,
            overlay: Overlay::default(),
            health: Health::Good,
        })
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
        }
        result
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
