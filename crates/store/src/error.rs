//! What can go wrong, in sentences that say what to do.

use std::io::{self, ErrorKind};

use crate::unlock::UnlockMethod;

/// Why the store refused or failed. No variant carries a record, a key or a path.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// [`Store::create`](crate::Store::create) found a profile already there.
    #[error("This folder already holds a profile. Open it, or choose another folder.")]
    AlreadyExists,
    /// A file is damaged: truncated, changed, or older than what was acknowledged.
    #[error(
        "The profile's file \"{file}\" is damaged. Keep a copy of the whole folder as it is, check the \
         disk, then repair the profile (`sori profile repair`), which saves what can be read, or restore a backup."
    )]
    Corrupt {
        /// The damaged file, as a name inside the profile folder.
        file: &'static str,
    },
    /// The cost of a passphrase hash is below [`Cost::FLOOR`](crate::Cost::FLOOR) or unreasonably high.
    #[error("The passphrase cost is outside the allowed range. Use the standard cost.")]
    CostOutOfRange,
    /// The disk (or a quota on it) is full.
    #[error(
        "The disk is full. Free some space and open the profile again: nothing saved was lost."
    )]
    Full,
    /// Another process, or another part of this one, has the profile open.
    #[error("The profile is open in another window or program. Close that one first.")]
    InUse,
    /// Input or output failed for a reason not named elsewhere.
    #[error("The disk answered with an error ({kind}). Check it, then open the profile again.")]
    Io {
        /// The kind of failure the system reported.
        kind: ErrorKind,
    },
    /// A record key is longer than [`KEY_LEN_MAX`](crate::KEY_LEN_MAX): a fault of the caller.
    #[error("A record key is too long. This is a fault in the program: please report it.")]
    KeyTooLong,
    /// The profile was written by a later version of Sori.
    #[error("The profile was written by a newer version of Sori. Update Sori, then open it again.")]
    NewerVersion,
    /// A copy of the database would not fit on the disk. Nothing was changed.
    #[error(
        "The profile needs {} MiB of free disk space to be rebuilt or moved, and there are {}. Free some \
         space and try again: nothing was changed.", mebibytes_up(*.needed), .free / MEBIBYTE
    )]
    NoRoom {
        /// Bytes that must be free.
        needed: u64,
        /// Bytes that are.
        free: u64,
    },
    /// There is no profile in this folder.
    #[error("There is no profile in this folder. Create one first, or choose another folder.")]
    NotFound,
    /// The profile was written by an early version of Sori, before it could forget.
    #[error(
        "The profile was made by an early version of Sori that this one cannot read. Open it with that \
         version, or make a new profile."
    )]
    OlderVersion,
    /// An earlier commit or read failed, so memory and disk may differ.
    #[error("An earlier write to the profile failed. Close the profile and open it again.")]
    Poisoned,
    /// The folder or a file in it may not be written.
    #[error(
        "The profile folder cannot be written. Check its permissions, or whether the disk is read-only."
    )]
    ReadOnly,
    /// A value is longer than [`VALUE_LEN_MAX`](crate::VALUE_LEN_MAX): a fault of the caller.
    #[error(
        "A record is too large to be stored. This is a fault in the program: please report it."
    )]
    ValueTooLarge,
    /// The key from the keychain does not open this profile.
    #[error(
        "The key in the system keychain does not belong to this profile. Check that you are logged in \
         as the user who made it."
    )]
    WrongKey,
    /// The profile is locked by another method.
    #[error("This profile is opened with {}.", method_words(*.expected))]
    WrongMethod {
        /// How this profile is unlocked.
        expected: UnlockMethod,
    },
    /// The passphrase does not open this profile.
    #[error("The passphrase is wrong. Try again: nothing was changed.")]
    WrongPassphrase,
    /// Passphrase and key together do not open this profile; which of them is wrong is not told.
    #[error(
        "The passphrase is wrong, or the key in the system keychain belongs to another profile. Try again: \
         nothing was changed."
    )]
    WrongPassphraseOrKey,
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::from(error.kind())
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        if matches!(
            kind,
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
        ) {
            return Self::Full;
        }
        if matches!(
            kind,
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
        ) {
            return Self::ReadOnly;
        }
        Self::Io { kind }
    }
}

const MEBIBYTE: u64 = 1024 * 1024;

const fn mebibytes_up(len: u64) -> u64 {
    len.div_ceil(MEBIBYTE)
}

const fn method_words(method: UnlockMethod) -> &'static str {
    match method {
        UnlockMethod::Both => "a passphrase and the system keychain together",
        UnlockMethod::Keychain => "the system keychain alone",
        UnlockMethod::Passphrase => "a passphrase alone",
    }
}
