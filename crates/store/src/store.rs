//! The store as its callers see it.

mod moving;
mod repair;

pub use repair::RepairReport;

use std::collections::BTreeMap;
use std::path::Path;

use zeroize::Zeroizing;

use crate::entropy::Entropy;
use crate::error::Error;
use crate::kv::copy::Census;
use crate::kv::memory::MemoryDisk;
use crate::kv::{Backend, Kv, Stats};
use crate::ledger::{DATABASE, LEDGER_KEY, Ledger};
use crate::overlay::{Former, Overlay, Savepoint, Staged, Value};
use crate::profile::{Opened, Profile, Suspicion};
use crate::rows::Rows;
use crate::seal::Keys;
use crate::search::FilterKey;
use crate::slots::{Left, Slots};
use crate::step::{Plan, Sealed};
use crate::table::{Class, KEY_LEN_MAX, Table, VALUE_LEN_MAX};
use crate::unlock::{Cost, Unlock, UnlockMethod};

/// How a new profile is made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Options {
    /// The storage engine; [`Store::move_to`] changes it later.
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
/// Dropping the store discards what was staged and runs [`Store::forget`]. After an error from `commit` or
/// `forget`, or damage found while reading for them, every method answers [`Error::Poisoned`]: drop the
/// store, open it again and reload.
#[derive(Debug)]
pub struct Store {
    // Dropped in this order: the database is closed before the profile records that it was.
    kv: Box<dyn Kv>,
    slots: Slots,
    backing: Backing,
    keys: Keys,
    entropy: Entropy,
    ledger: Ledger,
    overlay: Overlay,
    census: Census,
    health: Health,
}

/// Where a store lies, and who is told that it was left in order.
#[derive(Debug)]
enum Backing {
    /// Not admitted yet: to be left as it was found.
    Doubtful,
    Folder(Box<Profile>),
    Memory(MemoryDisk),
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
    /// [`Error::NotFound`], [`Error::Corrupt`], [`Error::NewerVersion`], [`Error::OlderVersion`],
    /// [`Error::Io`].
    pub fn unlock_method(dir: &Path) -> Result<UnlockMethod, Error> {
        Profile::unlock_method(dir)
    }

    /// Whether `unlock` opens the profile in `dir`; also while it is open. Takes as long as opening it, most of which
    /// is the hash of the passphrase.
    ///
    /// # Errors
    /// [`Error::WrongPassphrase`], [`Error::WrongKey`], [`Error::WrongPassphraseOrKey`], [`Error::WrongMethod`] if it
    /// does not; and those of [`Store::unlock_method`].
    pub fn check_unlock(dir: &Path, unlock: &Unlock) -> Result<(), Error> {
        Profile::check_unlock(dir, unlock)
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
    /// [`Error::InUse`], [`Error::Corrupt`], [`Error::Full`], [`Error::ReadOnly`], [`Error::NewerVersion`],
    /// [`Error::OlderVersion`], [`Error::Io`]. None of them costs a committed record.
    pub fn open(dir: &Path, unlock: &Unlock, seed: [u8; 32]) -> Result<Self, Error> {
        let opened = Profile::open(dir, unlock)?;
        Self::admit(opened, Entropy::new(seed))
    }

    /// Opens a disk in memory, making it a store on first use. `seed` as for [`Store::create`].
    ///
    /// # Errors
    /// [`Error::InUse`] while another store is open on this disk; [`Error::Io`] where the disk was told to fail.
    pub fn open_memory(disk: &MemoryDisk, seed: [u8; 32]) -> Result<Self, Error> {
        let mut entropy = Entropy::new(seed);
        let kv = Box::new(disk.attach()?);
        let device = Box::new(disk.slot_file());
        let (slots, keys) = if let Some(master) = disk.master() {
            let slots = Slots::load(device, &master)?;
            let keys = Keys::new(&*slots.root()?)?;
            (slots, keys)
        } else {
            let (master, root) = (entropy.bytes32(), entropy.bytes32());
            let keys = Keys::new(&root)?;
            disk.set_master(master.clone());
            let slots = Slots::create(device, &master, root, &mut entropy)?;
            kv.format(Ledger::default().to_op(&keys, &mut entropy)?);
            (slots, keys)
        };
        let mut store = Self::assemble(kv, slots, keys, entropy)?;
        store.adopt_slots(disk.left())?;
        store.begin(Backing::Memory(disk.clone()))
    }

    /// Checks what came up against what was acknowledged.
    fn admit(opened: Opened, entropy: Entropy) -> Result<Self, Error> {
        let mut store = Self::assemble(opened.kv, opened.slots, opened.keys, entropy)?;
        if store.ledger.commits() < opened.commits_acknowledged {
            return Err(Error::Corrupt { file: DATABASE });
        }
        store.adopt_slots(opened.left)?;
        if opened.suspicion == Suspicion::Strong {
            store.verify()?;
        }
        let profile = opened.profile.accept(store.ledger.commits())?;
        store.begin(Backing::Folder(Box::new(profile)))
    }

    fn assemble(
        kv: Box<dyn Kv>,
        slots: Slots,
        keys: Keys,
        mut entropy: Entropy,
    ) -> Result<Self, Error> {
        let row = kv.get(LEDGER_KEY)?;
        let row = row.ok_or(Error::Corrupt { file: DATABASE })?;
        let ledger = Ledger::from_row(&keys, &row)?;
        // The opening that is about to be counted.
        entropy.distinguish(ledger.commits(), ledger.openings().wrapping_add(1));
        Ok(Self {
            kv,
            slots,
            backing: Backing::Doubtful,
            keys,
            entropy,
            ledger,
            overlay: Overlay::default(),
            census: Census::default(),
            health: Health::Good,
        })
    }

    /// Tells each slot whose it is, and after a crash how far its record is.
    fn adopt_slots(&mut self, left: Left) -> Result<(), Error> {
        let (owners, tally) = self.rows().owners()?;
        if !self.ledger.has_owners(&tally) {
            return Err(Error::Corrupt { file: DATABASE });
        }
        self.slots.adopt(owners, left)?;
        if left == Left::Anyhow {
            for (slot, generation) in self.rows().generations()? {
                self.slots.catch_up(slot, generation)?;
            }
        }
        Ok(())
    }

    /// Forgets what a crash kept from being forgotten, then counts this opening, both durably, before
    /// anything is handed out.
    fn begin(mut self, backing: Backing) -> Result<Self, Error> {
        self.backing = backing;
        self.forget()?;
        self.ledger.count_opening();
        let counted = Plan::of(self.rows(), BTreeMap::new()).and_then(|plan| self.write(plan));
        self.poison_unless_ok(counted)?;
        Ok(self)
    }

    /// Destroys the profile in `dir` for good: overwrites what opens it, then removes everything. Needs no
    /// secret.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::InUse`]; [`Error::Io`], [`Error::ReadOnly`] after as much as possible is gone.
    pub fn destroy(dir: &Path) -> Result<(), Error> {
        Profile::destroy(dir)
    }

    /// Stages a value of at most [`VALUE_LEN_MAX`] bytes at a key of at most [`KEY_LEN_MAX`]. A new record
    /// gets [`Class::NONE`]; one that is there keeps its class.
    ///
    /// In a table of pages or a log the version that is replaced can be opened, by who has master key and
    /// files, until its bucket gets a fresh slot or ends; see [`Store::put_forgetting`].
    ///
    /// # Errors
    /// [`Error::KeyTooLong`], [`Error::ValueTooLarge`] (nothing is staged then), [`Error::Poisoned`].
    pub fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), Error> {
        self.stage_put(table, key, (value, None, Former::Replaced))
    }

    /// As [`Store::put`], in `class`. A record that was in another class leaves its bucket as if it had been
    /// deleted there. Where records have slots of their own a class means nothing.
    ///
    /// # Errors
    /// As [`Store::put`].
    pub fn put_in(
        &mut self,
        table: Table,
        key: &[u8],
        class: Class,
        value: &[u8],
    ) -> Result<(), Error> {
        self.stage_put(table, key, (value, Some(class), Former::Replaced))
    }

    /// As [`Store::put`]; in addition no earlier version can be opened any more once [`Store::forget`] has
    /// run: the whole bucket moves to a fresh slot. A record with a slot of its own leaves its chain for another
    /// slot, so that who holds a copy of the slot file from before that slot's key was drawn does not get to the
    /// new version along the chain.
    ///
    /// # Errors
    /// As [`Store::put`].
    pub fn put_forgetting(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), Error> {
        self.stage_put(table, key, (value, None, Former::Forgotten))
    }

    /// Stages the removal of a record; one that is not there is no error. How far it is forgotten then is
    /// said at [`Table`].
    ///
    /// # Errors
    /// [`Error::KeyTooLong`], [`Error::Poisoned`].
    pub fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), Error> {
        self.check(key)?;
        let write = Staged::Delete {
            former: Former::Deleted,
        };
        self.overlay.stage((table, key.to_vec()), write);
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
        let staged = self.overlay.take();
        let mut result = Plan::of(self.rows(), staged).and_then(|plan| {
            if plan.is_empty() {
                return Ok(());
            }
            self.write(plan)
        });
        if result.is_ok() && self.slots.is_far_behind() {
            result = self.slots.forget(&mut self.entropy);
        }
        self.poison_unless_ok(result)
    }

    /// Brings the slot file up to what is durable: from now on nobody can open what was overwritten or
    /// deleted before, as each [`Table`] says. Waits for the device twice; without anything to do it does
    /// nothing. To be called soon after each commit (100 ms are meant) and at once before the profile is
    /// locked. Dropping the store does it too.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Full`] on file systems that copy on write, [`Error::Poisoned`]. After an error
    /// the store is poisoned; what was not forgotten is forgotten when it is opened again.
    pub fn forget(&mut self) -> Result<(), Error> {
        self.check(&[])?;
        let result = self.slots.forget(&mut self.entropy);
        self.poison_unless_ok(result)
    }

    /// Replaces the master key, without touching any record: what an older copy of the slot file holds, or a
    /// flash chip that did not really overwrite it, is then under a key that is gone. Draws fresh keys for all
    /// free slots, too, and runs [`Store::forget`] first. With `None` the same secret opens the profile as before;
    /// nobody need be asked for it.
    ///
    /// A crash at any point leaves a profile that opens, with the old or the new secret.
    ///
    /// # Errors
    /// [`Error::Full`] with nothing changed; [`Error::ReadOnly`], [`Error::Io`], [`Error::Poisoned`]: the store
    /// may be poisoned then, and opens again with everything.
    pub fn rotate_master(&mut self, new: Option<&Unlock>) -> Result<(), Error> {
        self.check(&[])?;
        self.slots.rekey_pool();
        self.forget()?;
        let result = match &mut self.backing {
            Backing::Folder(profile) => {
                let entropy = &mut self.entropy;
                let prepared = profile.prepare_rotation(new, &self.slots, entropy)?;
                profile.rotate(prepared, &mut self.slots)
            }
            Backing::Memory(disk) => {
                let master = self.entropy.bytes32();
                disk.rotate(master, &mut self.slots, &mut self.entropy)
            }
            Backing::Doubtful => Ok(()),
        };
        self.poison_unless_ok(result)
    }

    /// Opens the profile with another secret from now on, under another master key: as
    /// [`Store::rotate_master`]. When it returns, the old secret no longer opens this profile; an older copy
    /// of the folder still opens with it, as it was then.
    ///
    /// # Errors
    /// As [`Store::rotate_master`].
    pub fn change_unlock(&mut self, new: &Unlock) -> Result<(), Error> {
        self.rotate_master(Some(new))
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
        self.rows().get((table.number(), key))
    }

    /// The records whose keys are `prefix` and one of the bytes `lasts`, by that byte, staged writes included.
    /// Faster than asking for each, because most of masking a key is done once.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn get_each(
        &self,
        table: Table,
        prefix: &[u8],
        lasts: &[u8],
    ) -> Result<BTreeMap<u8, Value>, Error> {
        let key = |last: u8| [prefix, &[last]].concat();
        self.check(&key(0))?;
        let (mut staged, mut committed) = (Vec::new(), Vec::new());
        for last in lasts {
            match self.overlay.get(&(table, key(*last))) {
                Some(value) => staged.extend(value.map(|value| (*last, value.clone()))),
                None => committed.push(*last),
            }
        }
        let mut found = self.rows().get_each((table.number(), prefix), &committed)?;
        found.extend(staged);
        Ok(found)
    }

    /// All records of `table` whose key starts with `prefix`, ascending by key, staged writes
    /// included. Everything found is held in memory at once: choose prefixes accordingly.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn range(&self, table: Table, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Value)>, Error> {
        self.check(prefix)?;
        let mut found = self.rows().range(table.number(), prefix)?;
        for (key, staged) in self.overlay.range(table, prefix) {
            match staged {
                Some(value) => found.insert(key.clone(), value.clone()),
                None => found.remove(key),
            };
        }
        Ok(found.into_iter().collect())
    }

    /// Whether [`Store::forget`] has anything to do.
    #[must_use]
    pub fn forget_due(&self) -> bool {
        self.slots.forget_due()
    }

    /// How often this profile was opened, this opening counted: raised durably before anything is handed out.
    /// Who keeps the last number outside of the profile, together with [`Store::profile_id`], notices a
    /// profile that was put back from an older copy.
    #[must_use]
    pub const fn openings(&self) -> u64 {
        self.ledger.openings()
    }

    /// How many steps were made durable; each opening is one, so it grows even if nothing is written.
    #[must_use]
    pub const fn commits(&self) -> u64 {
        self.ledger.commits()
    }

    /// A random name of this profile that never changes and says nothing about it.
    #[must_use]
    pub const fn profile_id(&self) -> [u8; 16] {
        self.keys.profile_id()
    }

    /// How often the master key was replaced. When is the caller's to remember.
    #[must_use]
    pub fn rotations(&self) -> u64 {
        match &self.backing {
            Backing::Doubtful => 0,
            Backing::Folder(profile) => profile.rotation(),
            Backing::Memory(disk) => disk.rotation(),
        }
    }

    /// Whether the system keeps all keys of this profile out of swap. Where it allows little locked memory
    /// it does not; that is no error.
    #[must_use]
    pub fn keys_locked(&self) -> bool {
        let wrapping = match &self.backing {
            Backing::Folder(profile) => profile.is_locked(),
            Backing::Doubtful | Backing::Memory(_) => true,
        };
        wrapping && self.keys.is_locked() && self.slots.are_locked()
    }

    /// The key of this profile's search filters. It never changes.
    #[must_use]
    pub fn filter_key(&self) -> FilterKey {
        self.keys.filters()
    }

    /// This moment of staging, to go back to with [`Store::rollback_to`].
    #[must_use]
    pub const fn savepoint(&self) -> Savepoint {
        self.overlay.savepoint()
    }

    /// Looks after the files and tells how they are. Cheap, a few milliseconds; meant for idle moments. In a
    /// large profile each call counts on, and once everything is counted and found to be mostly dead,
    /// [`Store::rebuild_is_due`] says so.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupt`], [`Error::Poisoned`].
    pub fn maintain(&mut self) -> Result<Stats, Error> {
        self.check(&[])?;
        let mut stats = self.kv.maintain()?;
        let Backing::Folder(profile) = &self.backing else {
            return Ok(stats);
        };
        stats.opening = profile.opening();
        if stats.is_large() {
            let count = self.census.advance(self.kv.as_ref())?;
            stats.live_len = count.map(|count| count.len);
        }
        if stats.is_bloated() {
            profile.note_due()?;
        }
        Ok(stats)
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

    fn stage_put(
        &mut self,
        table: Table,
        key: &[u8],
        (value, class, former): (&[u8], Option<Class>, Former),
    ) -> Result<(), Error> {
        self.check(key)?;
        if value.len() > VALUE_LEN_MAX {
            return Err(Error::ValueTooLarge);
        }
        let write = Staged::Put {
            value: Zeroizing::new(value.to_vec()),
            class,
            former,
        };
        self.overlay.stage((table, key.to_vec()), write);
        Ok(())
    }

    /// Carries out a plan. Only when the batch is durable does anything in memory change.
    fn write(&mut self, plan: Plan) -> Result<(), Error> {
        self.slots.reserve(plan.slots_needed(), &mut self.entropy)?;
        let rows = Rows {
            kv: self.kv.as_ref(),
            keys: &self.keys,
            slots: &self.slots,
        };
        let Sealed {
            mut ops,
            mut ledger,
            change,
            weights,
        } = plan.seal(rows, self.ledger, &mut self.entropy)?;
        ledger.count_commit();
        ops.push(ledger.to_op(&self.keys, &mut self.entropy)?);
        self.kv.commit(ops)?;
        self.ledger = ledger;
        self.slots.apply(change, &weights)?;
        self.witness();
        Ok(())
    }

    /// Notes the commit where a profile keeps account of them.
    fn witness(&mut self) {
        if let Backing::Folder(profile) = &mut self.backing {
            profile.witness_commit(self.ledger.commits());
        }
    }

    fn poison_unless_ok(&mut self, result: Result<(), Error>) -> Result<(), Error> {
        if result.is_err() {
            self.health = Health::Poisoned;
            if let Backing::Folder(profile) = &mut self.backing {
                profile.distrust();
            }
        }
        result
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
            slots: &self.slots,
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if matches!(self.backing, Backing::Doubtful) || self.forget().is_err() {
            // The next opening does what is left to do.
            return;
        }
        if let Backing::Memory(disk) = &self.backing {
            disk.leave_in_order();
        }
    }
}
