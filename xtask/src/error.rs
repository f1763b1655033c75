//! What can go wrong, said so that the reader knows what to do next.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// An error of this program; its text is shown to the person as it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Error {
    /// The machine lacks something that this program may not or cannot install.
    #[error("{what} is missing.\n       {remedy}")]
    Absent {
        /// What is missing.
        what: String,
        /// What the person can do.
        remedy: String,
    },
    /// The programs did not do what the conversation needs.
    #[error("this did not hold: {0}")]
    DidNotHold(String),
    /// A command ended with another status than success.
    #[error("`{command}` failed ({status})")]
    Failed {
        /// The command as one could type it.
        command: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// The person asked us to stop.
    #[error("interrupted")]
    Interrupted,
    /// The operating system refused something.
    #[error("could not {what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// Cargo could not describe the workspace.
    #[error("cargo could not describe this workspace: {0}")]
    Metadata(#[from] cargo_metadata::Error),
    /// A file that a build should have made is not there.
    #[error("{} is not there although it was just built", .0.display())]
    NotBuilt(PathBuf),
    /// A program ended or fell silent before it said that it was ready.
    #[error("{program} did not get ready: {reason}")]
    NotReady {
        /// Which program.
        program: String,
        /// What was seen instead.
        reason: String,
    },
    /// A JSON-RPC call was answered with an error.
    #[error("{person}: {method} was answered with error {code}: {message}")]
    Refused {
        /// Whose process answered.
        person: String,
        /// The method that was called.
        method: String,
        /// The JSON-RPC error code.
        code: i64,
        /// The message of the error.
        message: String,
    },
    /// Several of the steps failed; each has been told where it happened.
    #[error("{0} of the steps above failed")]
    Steps(usize),
    /// A JSON-RPC process ended or answered something that is not JSON-RPC.
    #[error("{person}: the rpc process {what}")]
    Unexpected {
        /// Whose process it is.
        person: String,
        /// What it did.
        what: String,
    },
}

impl Error {
    /// An operating system error, with what was tried in the infinitive.
    pub(crate) fn io(what: impl Into<String>, source: io::Error) -> Self {
        Self::Io {
            what: what.into(),
            source,
        }
    }
}
