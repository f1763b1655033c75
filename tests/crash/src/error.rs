//! What can go wrong with a campaign itself, and how a finding is told.

use std::path::PathBuf;

/// Why a campaign could not be run, or what it found.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The C compiler is missing or refused the recorder.
    #[error("the recorder cannot be compiled with `cc`: {0}")]
    Compile(String),
    /// An engine answered with an error.
    #[error("{engine}: {what}")]
    Engine {
        /// Which engine.
        engine: &'static str,
        /// What it said.
        what: String,
    },
    /// What an engine holds is not what it has to hold.
    #[error("{0}")]
    Finding(String),
    /// A file or process could not be handled.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The log of the recorder is not what the recorder writes.
    #[error("the recording is unusable: {0}")]
    Recording(String),
    /// A process under test ended in a way that was not foreseen.
    #[error("the worker ended with {status}: {said}")]
    Worker {
        /// How it ended.
        status: String,
        /// The end of what it said on standard error.
        said: String,
    },
}

impl Error {
    /// Something an engine holds, or does not hold, against its promise.
    pub(crate) fn finding(what: impl Into<String>) -> Self {
        Self::Finding(what.into())
    }

    /// For `map_err` on operations of the file system.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// As [`Error::io`], for a path.
    pub(crate) fn at(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path: PathBuf = path.to_path_buf();
        move |source| Self::Io {
            what: path.display().to_string(),
            source,
        }
    }
}
