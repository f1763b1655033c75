//! Everything that can be set about a relay, and what it is if nobody sets it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use sori_wire::AccessKey;

use crate::cluster::ClusterSettings;
use crate::key::RelaySecret;

/// How a relay is to run. There is nothing here, and nowhere else, that would make it keep anything.
#[derive(Debug)]
pub struct Settings {
    /// Address to listen on, for UDP and, at the same port, for TCP. Port 0 takes any free one;
    /// `[::]` serves IPv4 as well.
    pub listen: SocketAddr,
    /// The key by which clients know the relay.
    pub secret: RelaySecret,
    /// Certificate for clients that know the relay by its domain; `None` for the pinned key alone.
    pub certificate: Option<CertificateFiles>,
    /// Keys of a private relay, any of which lets a client in; none for an open relay.
    pub access_keys: Vec<AccessKey>,
    /// Whether the byte session is served over TLS on TCP too.
    pub tcp: Tcp,
    /// Threads that serve connections; 0 for one on each core.
    pub shards: usize,
    /// How much of everything.
    pub limits: Limits,
    /// How often the keys of a connection's packets or records are renewed (`protocol §1.2.5`).
    pub key_update: Duration,
    /// The cluster that the relay is part of; `None` if it stands alone.
    pub cluster: Option<ClusterSettings>,
}

/// Whether TCP is served beside UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tcp {
    /// UDP alone.
    Off,
    /// Both, at the same port number.
    On,
}

/// Files of a certificate as authorities hand it out. They are read at the start and on
/// [`Server::reload_certificate`](crate::Server::reload_certificate).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate and those above it, in PEM.
    pub chain: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
}

/// Bounds that an operator may set; those of the protocol itself are in
/// [`sori_wire::limits`]. `docs/limits.md` has all of them and what an attacker gains at each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most connections at a time.
    pub connections_max: usize,
    /// Most connections at a time from one address prefix (/24 of IPv4, /56 of IPv6).
    pub connections_per_prefix_max: usize,
    /// Handshakes from one address prefix.
    pub handshakes_per_prefix: Rate,
    /// Handshakes a second, over all addresses, from which on an address has to show first that it
    /// receives what is sent to it.
    pub handshakes_unproven: Rate,
    /// Most attachments of one topic.
    pub attachments_per_topic_max: usize,
    /// Most bytes of frames that wait, over all connections.
    pub queued_bytes_max: usize,
    /// What one connection may make the relay do, in bytes.
    pub work: Rate,
}

/// A token bucket: `burst` at once, and `per_second` from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Most at once.
    pub burst: u64,
    /// What comes back each second.
    pub per_second: u64,
}

impl Settings {
    /// An open relay at `listen` with everything else as it is if nobody sets it.
    #[must_use]
    pub fn new(listen: SocketAddr, secret: RelaySecret) -> Self {
        Self {
            listen,
            secret,
            certificate: None,
            access_keys: Vec::new(),
            tcp: Tcp::On,
            shards: 0,
            limits: Limits::default(),
            key_update: Duration::from_secs(3600),
            cluster: None,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            connections_per_prefix_max: 2_000,
            handshakes_per_prefix: Rate {
                burst: 1_000,
                per_second: 50,
            },
            handshakes_unproven: Rate {
                burst: 200,
                per_second: 100,
            },
            attachments_per_topic_max: 5_000,
            queued_bytes_max: 256 << 20,
            work: Rate {
                burst: 64 << 20,
                per_second: 32 << 20,
            },
        }
    }
}
