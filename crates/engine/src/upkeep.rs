//! What the owner of the engine does with the profile itself: its keys and its files.

use sori_store::{Error as StoreError, Progress, Stats, Unlock};

use crate::engine::Engine;
use crate::error::Error;

impl Engine {
    /// A random name of the profile that never changes and says nothing about it.
    #[must_use]
    pub const fn profile_id(&self) -> [u8; 16] {
        self.store.profile_id()
    }

    /// How often the profile was opened, this opening counted.
    #[must_use]
    pub const fn openings(&self) -> u64 {
        self.store.openings()
    }

    /// How many steps the profile has made durable; grows with each opening, too.
    #[must_use]
    pub const fn commits(&self) -> u64 {
        self.store.commits()
    }

    /// Whether the system keeps all keys of the profile out of swap.
    #[must_use]
    pub fn keys_locked(&self) -> bool {
        self.store.keys_locked()
    }

    /// Looks after the files and tells how they are; as [`sori_store::Store::maintain`].
    ///
    /// # Errors
    /// [`Error::Store`]; then the engine must be opened again.
    pub fn maintain(&mut self) -> Result<Stats, Error> {
        Ok(self.store.maintain()?)
    }

    /// Replaces the profile's master key; with `new` another secret opens it from now on. As
    /// [`sori_store::Store::rotate_master`].
    ///
    /// # Errors
    /// [`Error::Store`]; then the engine must be opened again.
    pub fn rotate_master(&mut self, new: Option<&Unlock>) -> Result<(), Error> {
        Ok(self.store.rotate_master(new)?)
    }

    /// Copies the profile into fresh files if they have grown out of proportion. Where there is no room for
    /// that nothing happens: it is tried again after another opening.
    ///
    /// # Errors
    /// [`Error::Store`]; then the engine must be opened again.
    pub fn rebuild_if_due(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(), Error> {
        if !self.store.rebuild_is_due() {
            return Ok(());
        }
        match self.store.rebuild(progress) {
            Ok(()) | Err(StoreError::NoRoom { .. } | StoreError::Full) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
