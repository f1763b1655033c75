//! From a relay URL to an open byte session: addresses, QUIC, the pinned key, one stream, the
//! exporter value.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{
    ClientConfig, Connection, ConnectionError, Endpoint, IdleTimeout, RecvStream, SendStream,
    TransportConfig, VarInt,
};
use serde::Serialize;
use sori_wire::{CloseCode, EXPORTER_CONTEXT, EXPORTER_LABEL, Exporter, RelayUrl};
use thiserror::Error;

use super::tls;

/// Why there is no connection to a relay, as far as this device can tell. No address, no key and
/// no name is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Error, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Trouble {
    /// The relay closed the connection, or is shutting down.
    #[error("the relay closed the connection")]
    Closed,
    /// The relay's name leads to no address, or the name service cannot be reached.
    #[error("the relay's name could not be looked up; check the network and the spelling")]
    Lookup,
    /// This machine gave no socket, or the build cannot do the encryption that is needed.
    #[error("this machine cannot open a connection at the moment")]
    Machine,
    /// Whoever answers does not speak this version of the relay protocol.
    #[error("what answers at the relay's address does not speak this version of Sori")]
    Protocol,
    /// The relay is private, and the access key in its URL is missing or no longer good.
    #[error(
        "the relay is private and does not take the access key in its URL; ask for a new invite"
    )]
    NoAccess,
    /// Nobody answers.
    #[error("nobody answers at the relay's address")]
    Unreachable,
    /// Whoever answers does not hold the key that stands in the relay URL, or no certificate for its
    /// name.
    #[error(
        "what answers at the relay's address has another key than the relay URL says; somebody may be in between, or the relay has a new key"
    )]
    WrongKey,
}

/// An open byte session and what keeps it open.
#[derive(Debug)]
pub(super) struct Dialled {
    pub(super) endpoint: Endpoint,
    pub(super) connection: Connection,
    pub(super) send: SendStream,
    pub(super) recv: RecvStream,
    pub(super) exporter: Exporter,
}

/// Opens a connection: the relay's addresses one after the other until one answers.
///
/// # Errors
/// [`Trouble`] of the last address tried; a wrong key at any of them ends the search.
pub(super) async fn dial(relay: &RelayUrl) -> Result<Dialled, Trouble> {
    let config = client_config(relay)?;
    let mut last = Trouble::Lookup;
    for address in addresses(relay).await? {
        match dial_address(address, relay, config.clone()).await {
            Ok(dialled) => return Ok(dialled),
            Err(Trouble::WrongKey) => return Err(Trouble::WrongKey),
            Err(trouble) => last = trouble,
        }
    }
    Err(last)
}

/// At most [`ADDRESSES_MAX`] addresses, IPv6 and IPv4 as the system orders them.
async fn addresses(relay: &RelayUrl) -> Result<Vec<SocketAddr>, Trouble> {
    if let Some(address) = relay.host().address() {
        return Ok(vec![SocketAddr::new(address, relay.port())]);
    }
    let found = tokio::time::timeout(
        LOOKUP_WAIT,
        tokio::net::lookup_host((relay.host().to_lookup(), relay.port())),
    )
    .await;
    let Ok(Ok(addresses)) = found else {
        return Err(Trouble::Lookup);
    };
    Ok(addresses.take(ADDRESSES_MAX).collect())
}

async fn dial_address(
    address: SocketAddr,
    relay: &RelayUrl,
    config: ClientConfig,
) -> Result<Dialled, Trouble> {
    let local = match address.ip() {
        IpAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        IpAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    // One socket for each connection, so that two connections share no port either.
    let endpoint = Endpoint::client(local).map_err(|_error| Trouble::Machine)?;
    // The name is not sent (see tls.rs); it is what a certificate is compared with.
    let connecting = endpoint
        .connect_with(config, address, &relay.host().to_lookup())
        .map_err(|_error| Trouble::Machine)?;
    let connection = match tokio::time::timeout(HANDSHAKE_WAIT, connecting).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return Err(trouble(&error)),
        Err(_elapsed) => return Err(Trouble::Unreachable),
    };
    let (send, recv) = connection
        .open_bi()
        .await
        .map_err(|error| trouble(&error))?;
    let mut exported = [0; 32];
    connection
        .export_keying_material(&mut exported, EXPORTER_LABEL, EXPORTER_CONTEXT)
        .map_err(|_error| Trouble::Machine)?;
    let exporter = Exporter::from_bytes(exported);
    Ok(Dialled {
        endpoint,
        connection,
        send,
        recv,
        exporter,
    })
}

fn client_config(relay: &RelayUrl) -> Result<ClientConfig, Trouble> {
    let tls = tls::config(relay.identity()).map_err(|_error| Trouble::Machine)?;
    let quic = QuicClientConfig::try_from(tls).map_err(|_error| Trouble::Machine)?;
    let mut config = ClientConfig::new(Arc::new(quic));
    config.transport_config(Arc::new(transport()));
    Ok(config)
}

fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(IDLE_MS_MAX))))
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(VarInt::from_u32(STREAM_RECEIVE_WINDOW))
        .receive_window(VarInt::from_u32(CONNECTION_RECEIVE_WINDOW))
        .send_window(SEND_WINDOW)
        // The spin bit tells an observer on the path the round-trip time.
        .allow_spin(false);
    transport
}

/// What a QUIC error means to a person.
pub(super) fn trouble(error: &ConnectionError) -> Trouble {
    /// TLS alerts as QUIC carries them: 0x100 plus the alert (RFC 9001 §4.8).
    const CERTIFICATE_ALERTS: std::ops::RangeInclusive<u64> = 0x12a..=0x131;
    match error {
        ConnectionError::TimedOut | ConnectionError::Reset => Trouble::Unreachable,
        ConnectionError::TransportError(error)
            if CERTIFICATE_ALERTS.contains(&u64::from(error.code)) =>
        {
            Trouble::WrongKey
        }
        ConnectionError::TransportError(_) | ConnectionError::VersionMismatch => Trouble::Protocol,
        ConnectionError::ApplicationClosed(close)
            if CloseCode::from_number(close.error_code.into_inner())
                == Some(CloseCode::NoAccess) =>
        {
            Trouble::NoAccess
        }
        ConnectionError::ConnectionClosed(_)
        | ConnectionError::ApplicationClosed(_)
        | ConnectionError::LocallyClosed => Trouble::Closed,
        ConnectionError::CidsExhausted => Trouble::Machine,
    }
}

/// A name with more addresses than this would only make a failure take longer.
const ADDRESSES_MAX: usize = 4;

/// How long looking up a name may take.
const LOOKUP_WAIT: Duration = Duration::from_secs(10);

/// How long one address may take to answer. A relay that is just being restarted is found by
/// QUIC's own repeats within it.
const HANDSHAKE_WAIT: Duration = Duration::from_secs(10);

/// A sign of life this often, well below the 30 s after which home routers forget a UDP flow
/// (RFC 9308 §3.2), and often enough that [`IDLE_MS_MAX`] is not reached by two lost packets.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Milliseconds of silence after which a relay counts as gone: soon enough that a person is not
/// told "connected" for long when it is not so.
const IDLE_MS_MAX: u32 = 15_000;

/// What the relay may send before we have read: a few frames of the largest size. Bounds what a
/// hostile relay makes us hold.
const STREAM_RECEIVE_WINDOW: u32 = 512 * 1024;

/// The same for the connection; there is one stream.
const CONNECTION_RECEIVE_WINDOW: u32 = 1024 * 1024;

/// What is on the way to the relay and not acknowledged yet.
const SEND_WINDOW: u64 = 512 * 1024;
