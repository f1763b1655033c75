//! How a profile is kept, moving it to the other storage engine, and repairing it.

use std::path::Path;

use serde::Serialize;
use sori_engine::store::{Backend, Progress, Stats, Store};

use crate::error::Error;
use crate::profile::{self, ProfileState, Repair, UnlockChoice, UnlockMethod};
use crate::upkeep;

/// How a profile is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProfileInfo {
    /// The storage engine: `redb` or `sled`; empty for a profile in memory.
    pub backend: &'static str,
    /// Bytes of its database on the disk.
    pub size: u64,
    /// What unlocks it: `both`, `keychain` or `passphrase`; empty for a profile in memory.
    pub unlock: &'static str,
    /// Whether the system keeps all its keys out of swap.
    pub keys_locked: bool,
    /// When its master key was last replaced, in seconds since 1970; `None` if that is not known.
    pub rotated_at: Option<u64>,
    /// Whether it would be noticed that the folder is an older copy.
    pub copies_noticed: bool,
}

impl ProfileInfo {
    pub(crate) fn of(
        dir: Option<&Path>,
        stats: &Stats,
        (keys_locked, copies_noticed): (bool, bool),
    ) -> Result<Self, Error> {
        let backend = dir.map(|dir| Store::backend_of(&profile::store_dir(dir)));
        let unlock = dir.map(profile::state);
        Ok(Self {
            backend: backend.transpose()?.map_or("", Backend::name),
            size: stats.len_on_disk,
            unlock: match unlock {
                None | Some(ProfileState::Absent) => "",
                Some(ProfileState::Locked(UnlockMethod::Both)) => "both",
                Some(ProfileState::Locked(UnlockMethod::Keychain)) => "keychain",
                Some(ProfileState::Locked(UnlockMethod::Passphrase)) => "passphrase",
            },
            keys_locked,
            rotated_at: dir.and_then(upkeep::rotated_at),
            copies_noticed,
        })
    }
}

/// Moves a profile that nobody has open to another storage engine; to the one it has, this writes its files
/// anew. Blocks, and tells `progress` how far it has come. Broken off anywhere it leaves the profile complete.
///
/// # Errors
/// [`Error::Profile`], [`Error::Keychain`], [`Error::EmptyPassphrase`]; nothing has changed then, unless it came
/// at the very end, and in any case nothing is lost.
pub fn profile_move(
    dir: &Path,
    unlock: &UnlockChoice,
    to: Backend,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Error> {
    profile::move_to(dir, unlock, (to, progress))
}

/// Repairs a profile that refuses to open as damaged: saves what can be read in a new profile that takes its
/// place. The damaged one is kept beside it as it is. The repaired one gives up the keys of its groups when it
/// is opened, and enters them anew. Blocks, and tells `progress` how many records it has looked at.
///
/// # Errors
/// [`Error::Profile`] ([`StoreError::Corrupt`](crate::StoreError::Corrupt) where nothing can be saved),
/// [`Error::Keychain`], [`Error::EmptyPassphrase`].
pub fn profile_repair(
    dir: &Path,
    unlock: &UnlockChoice,
    progress: &mut dyn FnMut(u64),
) -> Result<Repair, Error> {
    profile::repair(dir, unlock, progress)
}
