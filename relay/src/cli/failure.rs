//! What can go wrong, as a sentence for the operator.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use sori_relay::{CertificateError, KeyError, StartError};
use sori_wire::InvalidRelayUrl;

use super::FileError;
use super::secrets::{AccessKeysError, ClusterSecretError, SecretFileError};
use crate::admin::AdminError;

/// Why a command did not do what it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("cannot use the file of access keys {}: {source}", path.display())]
    AccessKeys {
        path: PathBuf,
        source: AccessKeysError,
    },
    #[error("cannot open the admin socket {}: {source}", path.display())]
    Admin { path: PathBuf, source: AdminError },
    #[error("cannot ask the relay at {}: {source}; is it running with this admin socket, and may you open it?", path.display())]
    Ask { path: PathBuf, source: io::Error },
    #[error("cannot ask the relay at {address}: {source}; is it running with these metrics?")]
    AskMetrics {
        address: SocketAddr,
        source: io::Error,
    },
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error("to change before the relay can run like this: {0}")]
    Check(usize),
    #[error("cannot use the certificates for the cluster's servers: {0}")]
    ClusterTls(io::Error),
    #[error("cannot use the cluster secret {}: {source}", path.display())]
    ClusterSecret {
        path: PathBuf,
        source: ClusterSecretError,
    },
    #[error("cannot use the configuration file {}: {source}", path.display())]
    Config { path: PathBuf, source: FileError },
    #[error("cannot keep memory out of core dumps: {0}")]
    Hardening(io::Error),
    #[error("cannot use the key file {}: {source}", path.display())]
    Key { path: PathBuf, source: KeyError },
    #[error("cannot use the key file {}: {source}", path.display())]
    KeyFile {
        path: PathBuf,
        source: SecretFileError,
    },
    #[error("cannot serve metrics at {address}: {source}")]
    Metrics {
        address: SocketAddr,
        source: io::Error,
    },
    #[error("cannot read the program itself: {0}")]
    Program(io::Error),
    #[error("cannot make a key: {0}")]
    NewKey(KeyError),
    #[error("the relay says `{0}`")]
    NotServing(String),
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
    #[error("cannot tell clients where the relay is: {0}")]
    Place(#[from] InvalidRelayUrl),
    #[error("cannot start: {0}")]
    Runtime(io::Error),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("the URL is too long for a QR code; --url-only prints it alone")]
    TooLongForQr,
    #[error("the relay's answer is not a report; are both of one version?")]
    Unintelligible,
    #[error("{0}")]
    Usage(&'static str),
}

impl Failure {
    /// 2 for what is wrong in itself and fails again however often it is tried, as a wrong usage does;
    /// else 1.
    pub(crate) fn exit_code(&self) -> ExitCode {
        if matches!(self, Self::Config { .. } | Self::Usage(_)) {
            return ExitCode::from(2);
        }
        ExitCode::FAILURE
    }
}
