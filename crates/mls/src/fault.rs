//! Translating OpenMLS' errors into who is at fault.

use openmls::framing::errors::MessageDecryptionError;
use openmls::group::{ExternalCommitValidationError, PublicProcessMessageError};
use openmls::prelude::{
    MlsGroupStateError, ProcessMessageError, StageCommitError, ValidationError,
};

use crate::snapshot::ProcessError;
use crate::{Error, Invalid, NeedsState, Refusal};

/// Why an application message was not read.
pub(crate) fn of_message(error: &ProcessError) -> Error {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "all other faults are one to the caller: it does not decrypt"
    )]
    match error {
        ProcessMessageError::ValidationError(ValidationError::UnableToDecrypt(error)) => {
            of_decryption(error)
        }
        ProcessMessageError::StorageError(_) => Error::Internal("rows of the group"),
        ProcessMessageError::GroupStateError(MlsGroupStateError::UseAfterEviction) => {
            NeedsState::NotMember.into()
        }
        _ => Invalid::Undecryptable.into(),
    }
}

/// Why a commit was not staged.
pub(crate) fn of_commit(error: &ProcessError) -> Error {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "all other faults are one to the caller: not a valid commit"
    )]
    match error {
        ProcessMessageError::InvalidCommit(error) => of_staging(error),
        ProcessMessageError::StorageError(_) => Error::Internal("rows of the group"),
        ProcessMessageError::GroupStateError(MlsGroupStateError::UseAfterEviction) => {
            NeedsState::NotMember.into()
        }
        _ => Invalid::Commit.into(),
    }
}

/// Why a commit does not pass from outside.
pub(crate) fn of_public_commit(error: &PublicProcessMessageError) -> Error {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "all other faults are one to the caller: not a valid commit"
    )]
    match error {
        PublicProcessMessageError::InvalidCommit(error) => of_staging(error),
        _ => Invalid::Commit.into(),
    }
}

fn of_staging(error: &StageCommitError) -> Error {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "all other faults are one to the caller: not a valid commit"
    )]
    match error {
        StageCommitError::OwnCommitMismatch => NeedsState::OwnCommit.into(),
        StageCommitError::MissingProposal
        | StageCommitError::ExternalCommitValidation(
            ExternalCommitValidationError::ReferencedProposal,
        ) => Refusal::ByReference.into(),
        StageCommitError::ExternalCommitValidation(_) => Refusal::Content.into(),
        _ => Invalid::Commit.into(),
    }
}

/// Why a message has no key here. OpenMLS keeps the type of the ratchet's error to itself, so that its name has to
/// do; a test holds both sides to it.
fn of_decryption(error: &MessageDecryptionError) -> Error {
    match error {
        MessageDecryptionError::SecretTreeError(error)
            if format!("{error:?}") == "TooDistantInTheFuture" =>
        {
            NeedsState::TooFarAhead.into()
        }
        MessageDecryptionError::SecretTreeError(_)
        | MessageDecryptionError::GenerationOutOfBound => NeedsState::AlreadyRead.into(),
        MessageDecryptionError::LibraryError(_)
        | MessageDecryptionError::AeadError
        | MessageDecryptionError::WrongWireFormat
        | MessageDecryptionError::MalformedContent => Invalid::Undecryptable.into(),
    }
}
