//! What can keep a measurement from being made.

use std::io;
use std::path::PathBuf;

/// Why there is no figure. The text is for the person who started the benchmark.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A broker to compare with is not installed.
    #[error(
        "{program} is not installed; on Debian and Ubuntu: `sudo apt install {package}`, or leave it out with --servers"
    )]
    Absent {
        /// The program.
        program: &'static str,
        /// The Debian package it comes with.
        package: &'static str,
    },
    /// A server did not answer as its protocol says.
    #[error("{0} did not answer as it should")]
    Answer(&'static str),
    /// The system refused something.
    #[error("could not {what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Messages were lost or took too long.
    #[error("{server} did not deliver everything in time ({shape})")]
    Late {
        /// Which server.
        server: &'static str,
        /// At which load.
        shape: String,
    },
    /// The relay is not where it is looked for.
    #[error("{} is not there; build it with `cargo build --release -p sori-relay`, or name it with --relay", .0.display())]
    NoRelay(PathBuf),
    /// QUIC failed.
    #[error("QUIC failed: {0}")]
    Quic(String),
    /// TLS could not be set up.
    #[error("TLS could not be set up: {0}")]
    Tls(String),
}

impl Error {
    /// For `map_err`: says what was tried.
    pub(crate) fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, source }
    }
}
