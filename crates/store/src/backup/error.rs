//! What can go wrong with a backup, in sentences that say what to do.

use std::io::{self, ErrorKind};

use crate::error::Error;

/// Why a backup could not be written or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The passphrase cost is outside what is allowed.
    #[error("The passphrase cost is outside the allowed range. Use the standard cost.")]
    CostOutOfRange,
    /// The file is damaged at or after this byte.
    #[error("The backup is damaged at byte {at}. Use another copy of it.")]
    Damaged {
        /// Where in the file the damage shows.
        at: u64,
    },
    /// There is a file of that name.
    #[error("There is a file of that name already. Choose another name: nothing was overwritten.")]
    Exists,
    /// The disk is full.
    #[error("The disk is full. Free some space, then make the backup again.")]
    Full,
    /// Input or output failed.
    #[error("The disk answered with an error ({kind}). Check it, then try again.")]
    Io {
        /// The kind of failure the system reported.
        kind: ErrorKind,
    },
    /// A later version of Sori wrote it.
    #[error("The backup was written by a newer version of Sori. Update Sori, then try again.")]
    NewerVersion,
    /// It is some other file.
    #[error("This file is not a Sori backup. Choose another file.")]
    NotABackup,
    /// The folder or file may not be written or read.
    #[error("The file may not be read or written. Check its permissions, or choose another place.")]
    Refused,
    /// A record is longer than a store takes: a fault of the caller.
    #[error(
        "A record is too large for a backup. This is a fault in the program: please report it."
    )]
    TooLarge,
    /// The file ends too early: copying or writing it was interrupted.
    #[error("The backup is not complete: its end is missing. Use another copy of it.")]
    Truncated,
    /// The passphrase is not the one the backup was made with.
    #[error("The passphrase is not the one this backup was made with. Try again.")]
    WrongPassphrase,
}

impl BackupError {
    /// A stable name for programs; part of docs/rpc.md.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::CostOutOfRange | Self::TooLarge => "internal",
            Self::Damaged { .. } => "backup_damaged",
            Self::Exists => "file_exists",
            Self::Full => "disk_full",
            Self::Io { .. } | Self::Refused => "file",
            Self::NewerVersion => "backup_newer",
            Self::NotABackup => "not_a_backup",
            Self::Truncated => "backup_truncated",
            Self::WrongPassphrase => "backup_passphrase",
        }
    }
}

impl From<io::Error> for BackupError {
    fn from(error: io::Error) -> Self {
        let kind = error.kind();
        let known = Error::from(kind);
        if matches!(known, Error::Full) {
            Self::Full
        } else if matches!(known, Error::ReadOnly) {
            Self::Refused
        } else if kind == ErrorKind::AlreadyExists {
            Self::Exists
        } else if kind == ErrorKind::UnexpectedEof {
            Self::Truncated
        } else {
            Self::Io { kind }
        }
    }
}
