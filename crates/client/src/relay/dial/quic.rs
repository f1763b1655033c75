//! QUIC to one address of a relay, with the one stream that is the session (`protocol §1.1`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, ConnectionError, Endpoint, IdleTimeout, TransportConfig, VarInt};
use sori_engine::Trouble;
use sori_wire::{CloseCode, RelayUrl};

use super::super::carrier::{Carrier, Dialled, Inlet, Outlet};

/// Opens a session to one address.
pub(super) async fn dial(
    address: SocketAddr,
    relay: &RelayUrl,
    config: rustls::ClientConfig,
) -> Result<Dialled, Trouble> {
    let config = client_config(config)?;
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
    let connection = connecting.await.map_err(|error| trouble(&error))?;
    let (send, recv) = connection
        .open_bi()
        .await
        .map_err(|error| trouble(&error))?;
    let exporter = super::exporter(|out, label, context| {
        connection.export_keying_material(out, label, context)
    })?;
    Ok(Dialled {
        carrier: Carrier::Quic(endpoint, connection),
        inlet: Inlet::Quic(recv),
        outlet: Outlet::Quic(send),
        exporter,
    })
}

fn client_config(tls: rustls::ClientConfig) -> Result<ClientConfig, Trouble> {
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
pub(in super::super) fn trouble(error: &ConnectionError) -> Trouble {
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
