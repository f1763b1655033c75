//! What can go wrong, sorted by who is at fault, because the reaction differs.

use crate::{Epoch, StateId};

/// The error of every operation of this crate.
///
/// No variant carries key material, plaintext or an identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The other side sent something that no state accepts. Drop it.
    #[error("invalid: {0}")]
    Invalid(#[from] Invalid),
    /// The other side sent valid MLS that breaks a rule of the group. Drop it.
    #[error("refused by the group's rules: {0}")]
    Refused(#[from] Refusal),
    /// Not for this state: try another snapshot, or keep the message until one is there.
    #[error("not for this state: {0}")]
    NeedsState(#[from] NeedsState),
    /// The caller asked for something that cannot be done. Fix the call, or tell the person.
    #[error("not possible: {0}")]
    Misuse(#[from] Misuse),
    /// Stored rows cannot be read or belong to another version. Nothing was changed.
    #[error("stored group state: {0}")]
    Storage(#[from] StorageFault),
    /// A step that cannot fail has failed: a defect here or in a library below.
    #[error("internal error in {0}")]
    Internal(&'static str),
}

/// What is wrong with bytes that came from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// A message or object is longer than its limit (see [`crate::limits`]).
    #[error("too long")]
    TooLong,
    /// The bytes are not an encoding of the object.
    #[error("malformed")]
    Malformed,
    /// Another kind of MLS message than the one expected here.
    #[error("unexpected kind of message")]
    UnexpectedKind,
    /// A credential is not ours in form, or its account signature does not verify.
    #[error("credential not valid")]
    Credential,
    /// A signature of an account or a device does not verify.
    #[error("signature not valid")]
    Signature,
    /// The KeyPackage does not pass RFC 9420 §10.1, or lacks what this group needs.
    #[error("KeyPackage not valid")]
    KeyPackage,
    /// The Welcome does not decrypt or does not pass RFC 9420 §12.4.3.1.
    #[error("Welcome not valid")]
    Welcome,
    /// The group data extension is missing, malformed or against its limits.
    #[error("group data not valid")]
    GroupData,
    /// The GroupInfo does not pass RFC 9420 §12.4.3, or a member in it is not one our groups can have.
    #[error("GroupInfo not valid")]
    GroupInfo,
    /// The commit does not pass RFC 9420 §12.4.2 (signature, tags, tree, path, proposals).
    #[error("commit not valid")]
    Commit,
    /// An application message does not decrypt here, or its signature does not verify.
    #[error("message does not decrypt")]
    Undecryptable,
    /// A sealed box does not open under this key.
    #[error("sealed box does not open")]
    Sealed,
}

/// Which rule of the group a commit breaks (protocol: validity of commits).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The associated data is not ours, or names another parent than the one it was made on.
    #[error("associated data of the commit")]
    AssociatedData,
    /// Proposals sent apart from their commit; they would block sending.
    #[error("proposal by reference")]
    ByReference,
    /// A member changed account, device or signature key in its update path.
    #[error("changed credential")]
    ChangedCredential,
    /// The content fits none of the five classes.
    #[error("mixed or unknown content")]
    Content,
    /// A conversation of two may not grow beyond its two accounts.
    #[error("third account in a direct conversation")]
    DirectIsFull,
    /// The same device twice in the group.
    #[error("duplicate device")]
    DuplicateDevice,
    /// From outside of the group: nobody joins this way, only a device that is in the group comes back.
    #[error("external sender")]
    External,
    /// Group data other than what the content of the commit requires.
    #[error("unexpected group data")]
    GroupData,
    /// An added KeyPackage with another suite, capabilities, lifetime or extensions than required.
    #[error("KeyPackage of an added member")]
    KeyPackage,
    /// The author may not do this.
    #[error("author lacks the role")]
    NotAllowed,
    /// An order is signed wrongly, spent, too old, or not fulfilled by the commit.
    #[error("order")]
    Order,
    /// The owner cannot leave or be removed; ownership has to be handed over first.
    #[error("owner must hand over first")]
    OwnerLeaves,
    /// The target has the same or a higher rank.
    #[error("target outranks the author")]
    Outranked,
    /// Only some of the devices of a removed account were removed.
    #[error("incomplete removal")]
    PartialRemoval,
    /// A pre-shared key, re-initialisation or another proposal type this group does not use.
    #[error("proposal type not in use")]
    ProposalType,
    /// Too many proposals, members or orders (see [`crate::limits`]).
    #[error("too many")]
    TooMany,
}

/// Why this state cannot take a message that may be right for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NeedsState {
    /// Of another group.
    #[error("another group")]
    OtherGroup,
    /// Of another epoch.
    #[error("epoch {} instead of {}", found.0, here.0)]
    OtherEpoch {
        /// The epoch of the message.
        found: Epoch,
        /// The epoch of this state.
        here: Epoch,
    },
    /// A commit on another state of the same epoch: another branch.
    #[error("another parent")]
    OtherParent {
        /// The state it was made on, as the message claims.
        parent: StateId,
    },
    /// A commit of this device: it cannot be processed again; use the child that was kept.
    #[error("own commit")]
    OwnCommit,
    /// A message of this device: it cannot be decrypted by it.
    #[error("own message")]
    OwnMessage,
    /// The message was read before, or its key is gone for another reason.
    #[error("key already used")]
    AlreadyRead,
    /// This device is not a member in this state.
    #[error("not a member in this state")]
    NotMember,
    /// More than 5,000 messages ahead of what was read from its sender: those in between come first.
    #[error("too far ahead of its sender's other messages")]
    TooFarAhead,
    /// None of the KeyPackages given fits the Welcome.
    #[error("no matching KeyPackage")]
    NoKeyPackage,
}

/// What the caller did that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misuse {
    /// A name, list or text outside its limits.
    #[error("value outside its limits")]
    Limits,
    /// The account is not a member of the group.
    #[error("account is not a member")]
    UnknownAccount,
    /// The operation would change nothing.
    #[error("nothing to change")]
    NoChange,
    /// An empty list of KeyPackages or orders.
    #[error("nothing given")]
    Empty,
    /// One leaves by a leave order that another member realises.
    #[error("cannot remove oneself")]
    RemovesSelf,
    /// The new group's data names another owner, or members that are not there yet.
    #[error("data of a new group")]
    NewGroupData,
}

/// What is wrong with stored rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StorageFault {
    /// A row or stored object cannot be decoded.
    #[error("cannot be decoded")]
    Corrupt,
    /// Rows that every state has are missing.
    #[error("incomplete")]
    Incomplete,
    /// Written by a newer version of this crate.
    #[error("of a newer version")]
    NewerVersion,
}
