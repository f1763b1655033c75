//! TLS connections of one shard over TCP (`protocol §1.4`).

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::Poll;
use std::time::Duration;

use rustix::net::sockopt;
use sori_wire::CloseCode;
use sori_wire::limits::HANDSHAKE_MS_MAX;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::place::{NoPlace, Place};
use super::shard::Crew;
use crate::carrier::{self, Wiping};
use crate::gate::Address;
use crate::{session, tls};

/// Accepts connections until the future is dropped.
pub(super) async fn serve(listener: &TcpListener, acceptor: &TlsAcceptor, crew: &Crew) {
    loop {
        // An address never gets into this future, whose memory lasts as long as the relay.
        let accepted = poll_fn(|cx| match listener.poll_accept(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(accepted) => Poll::Ready(accepted.map(|(stream, from)| {
                admit(stream, from, acceptor, crew);
            })),
        });
        // Out of descriptors or memory, most likely: others have to leave first.
        if accepted.await.is_err() {
            sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
        }
    }
}

fn admit(stream: TcpStream, from: SocketAddr, acceptor: &TlsAcceptor, crew: &Crew) {
    #[cfg(sori_mutants)]
    if let std::net::IpAddr::V4(address) = from.ip().to_canonical()
        && crate::mutant::is("keeps-addresses")
    {
        crate::mutant::keep(&address.octets());
    }
    #[cfg(sori_mutants)]
    if crate::mutant::is("logs-addresses") {
        crate::mutant::say(format_args!("connection from {from}"));
    }
    match crew.places.take(from.ip(), Address::Proven) {
        Ok(place) => {
            let (acceptor, crew) = (acceptor.clone(), crew.clone());
            tokio::spawn(async move { connect(stream, &acceptor, &crew, place).await });
        }
        Err(reason) => refuse(&stream, reason, crew),
    }
}

/// Without a word, and without the kernel remembering the address for a minute.
fn refuse(stream: &TcpStream, reason: NoPlace, crew: &Crew) {
    let counters = crew.hub.counters();
    match reason {
        NoPlace::Full => counters.refused_full.add(1),
        NoPlace::PassOver | NoPlace::Prove => counters.refused_rate.add(1),
    }
    let _closed_either_way = sockopt::set_socket_linger(stream, Some(Duration::ZERO));
}

async fn connect(stream: TcpStream, acceptor: &TlsAcceptor, crew: &Crew, place: Place) {
    let stream = match tune(&stream) {
        // In a box of its own, so that its state is gone when hands are shaken.
        Ok(()) => Box::pin(shake_hands(Wiping(stream), acceptor, crew)).await,
        Err(_) => None,
    };
    let Some(stream) = stream else {
        crew.hub.counters().handshakes_failed.add(1);
        return;
    };
    crew.hub.counters().connections_tcp.add(1);
    let counted = crew.hub.monitor().levels().connections_tcp.hold();
    if let Some(session) = converse(stream, crew) {
        session.await;
    }
    drop((counted, place));
}

/// Small messages leave at once, and a peer that has gone is found out.
fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, Duration::from_secs(PROBE_SECONDS))?;
    sockopt::set_tcp_keepintvl(stream, Duration::from_secs(PROBE_SECONDS / 3))?;
    sockopt::set_tcp_keepcnt(stream, 3)?;
    Ok(())
}

async fn shake_hands<S>(stream: S, acceptor: &TlsAcceptor, crew: &Crew) -> Option<TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let _counted = crew.hub.monitor().levels().handshakes.hold();
    let patience = Duration::from_millis(HANDSHAKE_MS_MAX);
    let stream = timeout(patience, acceptor.accept(stream))
        .await
        .ok()?
        .ok()?;
    // A client that names no protocol at all is let through by TLS, and refused here.
    (stream.get_ref().1.alpn_protocol() == Some(sori_wire::ALPN)).then_some(stream)
}

/// A session inside TLS over whatever carries it. The stream moves to where it stays before anything
/// waits, so that no task has room for it.
fn converse<S>(stream: TlsStream<S>, crew: &Crew) -> Option<impl Future<Output = CloseCode>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let exporter = tls::exporter(|out, label, context| {
        let exported = stream
            .get_ref()
            .1
            .export_keying_material(out, label, Some(context));
        exported.map(|_| ())
    })?;
    let (inlet, outlet) = carrier::split(stream);
    Some(session::serve(&crew.hub, exporter, inlet, outlet))
}

/// Seconds of silence after which a peer is probed, and for which it then may stay silent.
const PROBE_SECONDS: u64 = 30;

/// Pause after a connection that could not be accepted, in milliseconds.
const ACCEPT_PAUSE_MS: u64 = 50;
