//! The rows into a new database: to be rid of a bloated one, or for another engine.

use std::path::Path;

use super::{Backing, Store};
use crate::error::Error;
use crate::kv::copy::{Extent, Progress, copy};
use crate::kv::{Backend, Closed};
use crate::ledger::DATABASE;
use crate::profile::Profile;
use crate::unlock::Unlock;

impl Store {
    /// The engine that keeps the profile in `dir`; needs no secret and no lock.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn backend_of(dir: &Path) -> Result<Backend, Error> {
        Profile::backend_of(dir)
    }

    /// Moves the closed profile in `dir` to `backend`; to the one it has, this is a rebuild. `progress` is
    /// called after each batch of rows. `seed` as for [`Store::open`].
    ///
    /// The copy is counted before it takes the place of the old database, which is removed only then. A
    /// crash at any point leaves one of the two, complete; an error leaves the old one, unless it comes
    /// after that moment.
    ///
    /// # Errors
    /// [`Error::NoRoom`] and [`Error::Full`] with nothing changed; as [`Store::open`].
    pub fn move_to(
        dir: &Path,
        unlock: &Unlock,
        backend: Backend,
        seed: [u8; 32],
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), Error> {
        Self::open(dir, unlock, seed)?.replace_database(backend, progress)
    }

    /// Whether a rebuild would be worth while: [`Store::maintain`] found so, now or in an earlier session.
    /// Best asked after opening, when somebody can be shown that it takes a moment.
    #[must_use]
    pub fn rebuild_is_due(&self) -> bool {
        matches!(&self.backing, Backing::Folder(profile) if profile.is_due())
    }

    /// Copies everything into a new database of the same engine, which takes the place of the old one. What
    /// is staged stays staged. In memory there is nothing to do.
    ///
    /// # Errors
    /// [`Error::NoRoom`] and [`Error::Full`] with nothing changed and the store as usable as before; after
    /// any other error it may be [poisoned](Error::Poisoned), and opens again with everything.
    pub fn rebuild(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(), Error> {
        self.check(&[])?;
        match &self.backing {
            Backing::Folder(profile) => self.replace_database(profile.backend(), progress),
            Backing::Doubtful | Backing::Memory(_) => Ok(()),
        }
    }

    fn replace_database(
        &mut self,
        to: Backend,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), Error> {
        let filled = self.fill_new_database(to, progress);
        let Backing::Folder(profile) = &mut self.backing else {
            return filled;
        };
        if filled.is_err() {
            profile.abandon_move();
            return filled;
        }
        let replaced = profile.finish_move(to).map(|kv| self.kv = kv);
        self.poison_unless_ok(replaced)?;
        self.witness();
        Ok(())
    }

    /// Copies and counts. On success both databases are closed, on failure the old one stays open.
    fn fill_new_database(
        &mut self,
        to: Backend,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), Error> {
        let Backing::Folder(profile) = &self.backing else {
            return Ok(());
        };
        let extent = Extent::of(self.kv.as_ref())?;
        let new = profile.begin_move(to, extent.len)?;
        copy(self.kv.as_ref(), new.as_ref(), extent.rows, progress)?;
        let old = std::mem::replace(&mut self.kv, new);
        let counted = self.count_again(extent);
        self.kv = match &counted {
            Ok(()) => Box::new(Closed),
            Err(_) => old,
        };
        counted
    }

    /// Whether the database holds `extent`, and every value that was acknowledged.
    fn count_again(&self, extent: Extent) -> Result<(), Error> {
        if Extent::of(self.kv.as_ref())? != extent {
            return Err(Error::Corrupt { file: DATABASE });
        }
        self.verify().map(drop)
    }
}
