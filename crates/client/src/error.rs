//! Why something did not happen, in sentences for people and names for programs.

use std::sync::Arc;

use sori_engine::store::backup::BackupError;
use thiserror::Error;

use crate::keychain::KeychainError;
use crate::profile::StoreError;

/// What the client refuses or fails with. Contains no message, name, key or address.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A backup could not be made or read.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// An empty passphrase protects nothing.
    #[error("the passphrase is empty; choose one that nobody can guess")]
    EmptyPassphrase,
    /// The engine refused, or failed.
    #[error(transparent)]
    Engine(#[from] sori_engine::Error),
    /// A file to be written for the person cannot be written.
    #[error("{}", export_words(*.kind))]
    Export {
        /// What the system reported.
        kind: std::io::ErrorKind,
    },
    /// The operating system's keychain refused, or is not there.
    #[error(transparent)]
    Keychain(#[from] KeychainError),
    /// The profile's folder cannot be made or read.
    #[error(
        "the profile's folder cannot be used ({kind}); check that it can be written, or choose another"
    )]
    Folder {
        /// What the system reported.
        kind: std::io::ErrorKind,
    },
    /// A write to the profile failed. The client opens the profile again and goes on; if that
    /// fails, too, it ends.
    #[error("this could not be saved; look whether it is there before you try again: {0}")]
    NotSaved(Arc<sori_engine::Error>),
    /// The profile could not be opened or created.
    #[error(transparent)]
    Profile(#[from] StoreError),
    /// The client has ended: it was shut down, or a write to the profile failed.
    #[error("Sori has stopped working on this profile; start it again")]
    Stopped,
    /// A file that the person named cannot be read.
    #[error("the file cannot be read ({kind}); check that it is there and may be read")]
    Unreadable {
        /// What the system reported.
        kind: std::io::ErrorKind,
    },
    /// The system gave no thread or no randomness.
    #[error("this machine has no resources left to start Sori; close something and try again")]
    System,
}

impl Error {
    /// Why the engine ended, if it ended because the profile could not be opened again.
    pub(crate) fn into_engine(self) -> sori_engine::Error {
        match self {
            Self::Engine(error) => error,
            Self::Profile(error) => error.into(),
            Self::Backup(_)
            | Self::EmptyPassphrase
            | Self::Export { .. }
            | Self::Folder { .. }
            | Self::Keychain(_)
            | Self::NotSaved(_)
            | Self::Stopped
            | Self::Unreadable { .. }
            | Self::System => sori_engine::Error::Internal("the profile cannot be opened again"),
        }
    }

    /// A stable name for programs; part of docs/rpc.md.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Backup(error) => error.name(),
            Self::EmptyPassphrase => "empty_passphrase",
            Self::Engine(error) => engine_name(error),
            Self::NotSaved(error) => engine_name(error),
            Self::Keychain(error) => error.name(),
            Self::Export { kind } => export_name(*kind),
            Self::Folder { .. } => "folder",
            Self::Profile(error) => profile_name(error),
            Self::Stopped => "stopped",
            Self::System => "system",
            Self::Unreadable { .. } => "unreadable_file",
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::Export { kind: error.kind() }
    }
}

const fn export_name(kind: std::io::ErrorKind) -> &'static str {
    if matches!(kind, std::io::ErrorKind::AlreadyExists) {
        return "file_exists";
    }
    if matches!(kind, std::io::ErrorKind::StorageFull) {
        return "disk_full";
    }
    "file"
}

fn export_words(kind: std::io::ErrorKind) -> String {
    match export_name(kind) {
        "file_exists" => {
            "there is a file of that name already; choose another name, or have it replaced"
                .to_owned()
        }
        "disk_full" => {
            "the disk is full; free some space and try again: nothing was left behind".to_owned()
        }
        _ => format!("the file cannot be written ({kind}); check the folder, or choose another"),
    }
}

/// Names where the store failed are more use than the engine's one for all of them.
const fn engine_name(error: &sori_engine::Error) -> &'static str {
    if let sori_engine::Error::Store(error) = error {
        return profile_name(error);
    }
    error.name()
}

/// The names of what can go wrong at opening, where telling them apart helps.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what is left, and what may come, is one to a program: the store failed"
)]
const fn profile_name(error: &StoreError) -> &'static str {
    match error {
        StoreError::AlreadyExists => "profile_exists",
        StoreError::Corrupt { .. } => "profile_damaged",
        StoreError::Full => "disk_full",
        StoreError::InUse => "profile_in_use",
        StoreError::NewerVersion => "profile_newer",
        StoreError::NoRoom { .. } => "no_room",
        StoreError::NotFound => "no_profile",
        StoreError::ReadOnly => "read_only",
        StoreError::WrongKey => "wrong_key",
        StoreError::WrongMethod { .. } => "wrong_unlock_method",
        StoreError::WrongPassphrase | StoreError::WrongPassphraseOrKey => "wrong_passphrase",
        _ => "store",
    }
}
