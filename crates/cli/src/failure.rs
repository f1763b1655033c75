//! Why a command ends without having done what was asked, and with which exit code.

use sori_client::{EngineError, Error};

/// The end of a command.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It could not be done: exit code 1.
    Failed(String),
    /// The messenger refused or failed; the exit code depends on what it was.
    Client(Error),
    /// The person or the system wanted the program to end: exit code 130.
    Interrupted,
    /// Nobody reads our output any more; that is no error of anybody: exit code 0.
    OutputClosed,
    /// The command was used wrongly: exit code 2.
    Usage(String),
}

impl Failure {
    /// The exit code.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Client(error) if is_usage(error) => 2,
            Self::Client(_) => 1,
            Self::Interrupted => 130,
            Self::OutputClosed => 0,
            Self::Usage(_) => 2,
        }
    }
}

/// Whether what was typed cannot mean anything, whatever is in the profile.
const fn is_usage(error: &Error) -> bool {
    matches!(
        error,
        Error::EmptyPassphrase
            | Error::Engine(
                EngineError::InvalidInvite
                    | EngineError::InvalidRelay
                    | EngineError::OutOfBounds { .. }
            )
    )
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Client(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::OutputClosed;
        }
        Self::Failed(format!("input or output failed ({})", error.kind()))
    }
}
