//! Translating OpenMLS' errors into who is at fault.

use openmls::framing::errors::MessageDecryptionError;
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
        ProcessMessageError::ValidationError(ValidationError::UnableToDecrypt(
            MessageDecryptionError::SecretTreeError(_)
            | MessageDecryptionError::GenerationOutOfBound,
        )) => NeedsState::AlreadyRead.into(),
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
        ProcessMessageError::InvalidCommit(StageCommitError::OwnCommitMismatch) => {
            NeedsState::OwnCommit.into()
        }
        ProcessMessageError::InvalidCommit(StageCommitError::MissingProposal) => {
            Refusal::ByReference.into()
        }
        ProcessMessageError::StorageError(_) => Error::Internal("rows of the group"),
        ProcessMessageError::GroupStateError(MlsGroupStateError::UseAfterEviction) => {
            NeedsState::NotMember.into()
        }
        _ => Invalid::Commit.into(),
    }
}
