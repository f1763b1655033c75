//! QUIC connections of one shard.

use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

use quinn::{Connection, Endpoint, EndpointConfig, Incoming, ServerConfig, TokioRuntime, VarInt};
use sori_wire::CloseCode;
use sori_wire::limits::{HANDSHAKE_MS_MAX, UNATTACHED_MS_MAX};
use tokio::time::{sleep, timeout};

use super::place::{NoPlace, Place};
use super::shard::Crew;
use super::udp::EndpointSocket;
use crate::carrier::{QuicInlet, QuicOutlet};
use crate::gate::Address;
use crate::{session, stack, tls};

/// How endpoints of a shard are made.
#[derive(Debug)]
pub(super) struct Quic {
    pub(super) socket: UdpSocket,
    pub(super) endpoint: EndpointConfig,
    pub(super) server: ServerConfig,
}

impl Quic {
    /// Accepts connections until the future is dropped.
    ///
    /// When the last connection of an endpoint has gone, the next one starts with another endpoint:
    /// tables and buffers of the old one hold what is left of addresses, and are wiped with it.
    pub(super) async fn serve(&self, crew: &Crew) -> io::Result<()> {
        loop {
            let socket = EndpointSocket::new(&self.socket)?;
            let endpoint = Endpoint::new_with_abstract_socket(
                self.endpoint.clone(),
                Some(self.server.clone()),
                Arc::clone(&socket) as _,
                Arc::new(TokioRuntime),
            )?;
            let _closed_when_dropped = Closing(&endpoint);
            accept(&endpoint, crew).await;
            socket.retire();
            drop(socket);
            stack::mark();
        }
    }
}

/// Closes what is still open when the shard stops.
struct Closing<'a>(&'a Endpoint);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close(number(CloseCode::GoingAway), b"");
    }
}

/// Accepts connections until all that came have gone, or the endpoint fails.
async fn accept(endpoint: &Endpoint, crew: &Crew) {
    let mut used = false;
    loop {
        tokio::select! {
            biased;
            incoming = endpoint.accept() => match incoming {
                Some(incoming) => {
                    used = true;
                    admit(incoming, crew);
                }
                None => return,
            },
            () = sleep(Duration::from_millis(IDLE_LOOK_MS)), if used => {
                if endpoint.open_connections() == 0 {
                    return;
                }
            }
        }
    }
}

/// Decides over a first packet before any cryptography is spent on it.
fn admit(incoming: Incoming, crew: &Crew) {
    let address = if incoming.remote_address_validated() {
        Address::Proven
    } else {
        Address::Unproven
    };
    let counters = crew.hub.counters();
    match crew.places.take(incoming.remote_address().ip(), address) {
        Ok(place) => {
            let crew = crew.clone();
            tokio::spawn(async move { connect(incoming, &crew, place).await });
        }
        Err(NoPlace::Full) => {
            counters.refused_full.add(1);
            incoming.refuse();
        }
        Err(NoPlace::PassOver) => {
            counters.refused_rate.add(1);
            incoming.ignore();
        }
        Err(NoPlace::Prove) => {
            counters.retries.add(1);
            let _gone_if_it_fails = incoming.retry();
        }
    }
}

/// One connection from first packet to close. Says nothing to anyone about how it went.
async fn connect(incoming: Incoming, crew: &Crew, place: Place) {
    // In a box of its own, so that its state is gone when hands are shaken.
    let Some(connection) = Box::pin(shake_hands(incoming, crew)).await else {
        crew.hub.counters().handshakes_failed.add(1);
        return;
    };
    crew.hub.counters().connections_quic.add(1);
    let levels = crew.hub.monitor().levels();
    let counted = levels.connections_quic.hold();
    let code = converse(&connection, crew).await;
    #[cfg(not(sori_mutants))]
    connection.close(number(code), b"");
    #[cfg(sori_mutants)]
    connection.close(number(code), reason(code));
    drop((counted, place));
}

async fn shake_hands(incoming: Incoming, crew: &Crew) -> Option<Connection> {
    let _counted = crew.hub.monitor().levels().handshakes.hold();
    let connecting = incoming.accept().ok()?;
    let patience = Duration::from_millis(HANDSHAKE_MS_MAX);
    timeout(patience, connecting).await.ok()?.ok()
}

async fn converse(connection: &Connection, crew: &Crew) -> CloseCode {
    let exporter =
        tls::exporter(|out, label, context| connection.export_keying_material(out, label, context));
    let Some(exporter) = exporter else {
        return CloseCode::Done;
    };
    let patience = Duration::from_millis(UNATTACHED_MS_MAX);
    match timeout(patience, connection.accept_bi()).await {
        Ok(Ok((writer, reader))) => {
            let outlet = QuicOutlet::new(connection.clone(), writer);
            session::serve(&crew.hub, exporter, QuicInlet(reader), outlet).await
        }
        Ok(Err(_)) => CloseCode::Done,
        Err(_) => CloseCode::Unattached,
    }
}

#[cfg(sori_mutants)]
fn reason(code: CloseCode) -> &'static [u8] {
    let is_wrong = code == CloseCode::Malformed;
    if is_wrong && crate::mutant::is("closes-with-words") {
        return b"malformed";
    }
    b""
}

const fn number(code: CloseCode) -> VarInt {
    VarInt::from_u32(code.number())
}

/// How often a shard looks whether everybody has gone, in milliseconds.
const IDLE_LOOK_MS: u64 = 100;
