//! What can be set about a cluster.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use async_nats::ServerAddr;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::ClusterSecret;

/// How a relay meets the others that stand behind the same name.
#[derive(Clone, Debug)]
pub struct ClusterSettings {
    /// NATS servers, any of which will do.
    pub servers: Vec<BusServer>,
    /// What all relays of the cluster share.
    pub secret: ClusterSecret,
    /// Certificates, for servers that are reached over TLS.
    pub tls: BusTls,
    /// How often the epoch key changes.
    pub rotation: Duration,
}

/// Certificates for servers that are reached over TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BusTls {
    /// Who vouches for the servers (PEM); the system's authorities if there is none.
    pub authorities: Option<PathBuf>,
    /// By which the servers know this relay: certificate and private key (PEM).
    pub own: Option<(PathBuf, PathBuf)>,
}

/// A NATS server: `nats://HOST:PORT`, or `tls://HOST:PORT`.
#[derive(Clone, PartialEq, Eq)]
pub struct BusServer(pub(super) ServerAddr);

/// The text names no NATS server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a server is nats://HOST:PORT or tls://HOST:PORT, without name and password: \
     servers know relays by certificates (tls:// with cluster-certificate)"
)]
pub struct InvalidBusServer;

impl ClusterSettings {
    /// Settings with the usual rotation of ten minutes and no certificates.
    #[must_use]
    pub fn new(servers: Vec<BusServer>, secret: ClusterSecret) -> Self {
        Self {
            servers,
            secret,
            tls: BusTls::default(),
            rotation: ROTATION,
        }
    }

    /// Reads the certificates, if any server is reached over TLS.
    ///
    /// # Errors
    /// What could not be read or used, in words for the operator.
    pub fn check(&self) -> io::Result<()> {
        self.tls().map(|_| ())
    }

    pub(super) fn tls(&self) -> io::Result<Option<ClientConfig>> {
        if !self.servers.iter().any(|server| server.0.tls_required()) {
            return Ok(None);
        }
        let mut roots = RootCertStore::empty();
        match &self.tls.authorities {
            None => {
                let _those_that_can_be_used =
                    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
            Some(path) => {
                for certificate in certificates(path)? {
                    roots.add(certificate).map_err(|error| at(path, &error))?;
                }
            }
        }
        let builder = ClientConfig::builder().with_root_certificates(roots);
        let Some((chain, key)) = &self.tls.own else {
            return Ok(Some(builder.with_no_client_auth()));
        };
        let private = PrivateKeyDer::from_pem_file(key).map_err(|error| at(key, &error))?;
        let config = builder.with_client_auth_cert(certificates(chain)?, private);
        config.map(Some).map_err(|error| at(chain, &error))
    }
}

fn certificates(path: &PathBuf) -> io::Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    read.map_err(|error| at(path, &error))
}

fn at(path: &std::path::Path, error: &dyn std::error::Error) -> io::Error {
    io::Error::other(format!("{}: {error}", path.display()))
}

impl FromStr for BusServer {
    type Err = InvalidBusServer;

    fn from_str(text: &str) -> Result<Self, InvalidBusServer> {
        let has_scheme = text.starts_with("nats://") || text.starts_with("tls://");
        let address: ServerAddr = text.parse().map_err(|_| InvalidBusServer)?;
        let names_nobody = address.username().is_none() && address.password().is_none();
        if !has_scheme || !names_nobody || address.host().is_empty() {
            return Err(InvalidBusServer);
        }
        Ok(Self(address))
    }
}

impl BusServer {
    /// Whether it is reached over TLS.
    #[must_use]
    pub fn is_secured(&self) -> bool {
        self.0.tls_required()
    }

    /// Whether it is on this machine by its name.
    #[must_use]
    pub fn is_local(&self) -> bool {
        let host = self.0.host();
        let address = host.parse::<IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }
}

/// `HOST:PORT`.
impl fmt::Display for BusServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = (self.0.host(), self.0.port());
        if host.contains(':') {
            return write!(f, "[{host}]:{port}");
        }
        write!(f, "{host}:{port}")
    }
}

impl fmt::Debug for BusServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BusServer(redacted)")
    }
}

/// How often the epoch key changes.
const ROTATION: Duration = Duration::from_secs(600);
