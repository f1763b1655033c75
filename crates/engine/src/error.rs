//! Why a step did not happen.

use thiserror::Error;

/// Why the engine refused or failed. A refused step leaves everything as it was.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The profile already has an account.
    #[error("this profile already has an account")]
    AccountExists,
    /// The account is already a member of that group.
    #[error("that account is already a member of the group")]
    AlreadyMember,
    /// The invite was made by this very account.
    #[error("this invite was made by this profile; give it to somebody else")]
    OwnInvite,
    /// A text, name or number is outside its bounds.
    #[error("{what} must be {bounds}")]
    OutOfBounds {
        /// What was given.
        what: &'static str,
        /// What is allowed, in words.
        bounds: &'static str,
    },
    /// An invite link does not parse.
    #[error("this is not a Sori invite; it begins with sori:invite# and has to be copied whole")]
    InvalidInvite,
    /// A relay URL does not parse.
    #[error("this is not a relay URL; it looks like relay://HOST:PORT/#KEY")]
    InvalidRelay,
    /// The invite has expired.
    #[error("this invite has expired; ask for a new one")]
    InviteExpired,
    /// This device must not go on in the group.
    #[error(
        "another copy of this profile has been used in this group; stop using one of the two, then have an admin remove this account and let it in again"
    )]
    Halted,
    /// Something went wrong inside that should not be able to.
    #[error("internal error: {0}")]
    Internal(&'static str),
    /// A backup is of a later format.
    #[error("the backup was made by a newer version of Sori; update Sori, then try again")]
    NewerBackup,
    /// No KeyPackage of the contact is left to add it with.
    #[error(
        "this contact cannot be added until you have both been online together once more; send an invite instead"
    )]
    NoKeyPackage,
    /// The profile has no account yet.
    #[error("this profile has no account yet; create one first")]
    NoAccount,
    /// The profile has no relay yet.
    #[error("this profile has no relay yet; set one first")]
    NoRelay,
    /// The thing named does not exist here.
    #[error("no such {0} in this profile")]
    NotFound(&'static str),
    /// The member's role does not permit it.
    #[error("your role in this group does not allow that")]
    NotAllowed,
    /// The account is not, or no longer, in the group.
    #[error("you are no longer a member of this group")]
    NotMember,
    /// Only the sender of a message may change it.
    #[error("only the sender of a message can change it")]
    NotSender,
    /// The owner has to hand over first.
    #[error("the owner cannot leave while others remain; make somebody else the owner first")]
    OwnerCannotLeave,
    /// The MLS state of the group was lost here, and this device is not back yet.
    #[error(
        "this device has lost its keys for this group and is coming back; messages you write are kept until then"
    )]
    Rejoining,
    /// A join is not in a state in which that can be done.
    #[error("this request can no longer be answered")]
    JoinClosed,
    /// MLS refused.
    #[error(transparent)]
    Mls(#[from] sori_mls::Error),
    /// The local store failed. The engine must be opened again.
    #[error(transparent)]
    Store(#[from] sori_store::Error),
}

impl Error {
    /// A stable name for programs; part of docs/rpc.md.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::AccountExists => "account_exists",
            Self::AlreadyMember => "already_member",
            Self::OwnInvite => "own_invite",
            Self::OutOfBounds { .. } => "out_of_bounds",
            Self::InvalidInvite => "invalid_invite",
            Self::InvalidRelay => "invalid_relay",
            Self::InviteExpired => "invite_expired",
            Self::Halted => "halted",
            Self::Internal(_) => "internal",
            Self::NewerBackup => "backup_newer",
            Self::NoKeyPackage => "no_key_package",
            Self::NoAccount => "no_account",
            Self::NoRelay => "no_relay",
            Self::NotFound(_) => "not_found",
            Self::NotAllowed => "not_allowed",
            Self::NotMember => "not_member",
            Self::NotSender => "not_sender",
            Self::OwnerCannotLeave => "owner_cannot_leave",
            Self::Rejoining => "rejoining",
            Self::JoinClosed => "join_closed",
            Self::Mls(_) => "mls",
            Self::Store(_) => "store",
        }
    }

    /// Whether the engine must be dropped and opened again.
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        matches!(self, Self::Store(_))
    }
}
