//! TLS 1.3 over TCP, for networks that let no UDP pass (`protocol §1.4`).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, Error};
use socket2::{SockRef, TcpKeepalive};
use sori_engine::Trouble;
use sori_wire::RelayUrl;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::super::carrier::{Carrier, Dialled, Inlet, Outlet};

/// Opens a session to one address.
pub(super) async fn dial(
    address: SocketAddr,
    relay: &RelayUrl,
    config: ClientConfig,
) -> Result<Dialled, Trouble> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(|_error| Trouble::Unreachable)?;
    tune(&stream).map_err(|_error| Trouble::Machine)?;
    // The name is not sent (see tls.rs); it is what a certificate is compared with.
    let name = ServerName::try_from(relay.host().to_lookup()).map_err(|_error| Trouble::Lookup)?;
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
    let stream = connecting.await.map_err(|error| trouble(&error))?;
    let session = stream.get_ref().1;
    if session.alpn_protocol() != Some(sori_wire::ALPN) {
        return Err(Trouble::Protocol);
    }
    let exporter = super::exporter(|out, label, context| {
        let exported = session.export_keying_material(out, label, Some(context));
        exported.map(|_out| ())
    })?;
    let taken = Arc::new(AtomicU64::new(0));
    let (read, write) = tokio::io::split(stream);
    Ok(Dialled {
        carrier: Carrier::Tcp(Arc::clone(&taken)),
        inlet: Inlet::Tcp(read, taken),
        outlet: Outlet::Tcp(write),
        exporter,
    })
}

/// Small messages leave at once, and a relay that has gone is found out as soon as over QUIC.
fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let probing = TcpKeepalive::new()
        .with_time(PROBE)
        .with_interval(PROBE)
        .with_retries(PROBES);
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&probing)?;
    // The probes say nothing while something we sent waits to be acknowledged.
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(GIVE_UP))?;
    Ok(())
}

/// What an error of the handshake means to a person.
fn trouble(error: &io::Error) -> Trouble {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref());
    match tls {
        Some(Error::InvalidCertificate(_)) => Trouble::WrongKey,
        Some(_) => Trouble::Protocol,
        // Whoever hung up without a word is not a relay, or a relay that takes nobody now.
        None => Trouble::Closed,
    }
}

/// Pause before, and between, the probes of a silent connection.
const PROBE: Duration = Duration::from_secs(5);

/// Probes without an answer after which the relay counts as gone.
const PROBES: u32 = 2;

/// How long what was sent may wait to be acknowledged.
#[cfg(target_os = "linux")]
const GIVE_UP: Duration = Duration::from_secs(15);
