//! The QUIC server: lets connections in, gives each its session, and stops in order.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::{Connection, Endpoint, Incoming, VarInt};
use sori_wire::limits::{HANDSHAKE_MS_MAX, UNATTACHED_MS_MAX};
use sori_wire::{CloseCode, RelayKey};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use crate::hub::Hub;
use crate::settings::Settings;
use crate::totals::Monitor;
use crate::{session, tls, transport};

/// Why a relay could not start.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {listen}: {source}")]
pub struct StartError {
    /// The address asked for.
    pub listen: SocketAddr,
    /// What the operating system said.
    pub source: io::Error,
}

/// A relay that runs.
#[derive(Debug)]
pub struct Server {
    local: SocketAddr,
    key: RelayKey,
    monitor: Monitor,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

impl Server {
    /// Opens the sockets and serves from then on, in the background.
    ///
    /// # Errors
    /// [`StartError`] if the address cannot be had.
    pub fn start(settings: &Settings) -> Result<Self, StartError> {
        let listener = Listener::bind(settings)?;
        let local = listener.local;
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(listener.run(async {
            let _or_server_dropped = stopped.await;
        }));
        Ok(Self {
            local,
            key: settings.secret.public(),
            monitor: Monitor::default(),
            stop,
            running,
        })
    }

    /// The address it listens on, with the real port.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The key that clients pin.
    #[must_use]
    pub const fn key(&self) -> RelayKey {
        self.key
    }

    /// What it can say about itself.
    #[must_use]
    pub fn monitor(&self) -> Monitor {
        self.monitor.clone()
    }

    /// Lets nobody in any more, tells every client, lets what waits go out for at most three
    /// seconds, and closes (`protocol §2.8`).
    pub async fn drain(self) {
        let _already_over = self.stop.send(());
        let _over = self.running.await;
    }
}

#[derive(Debug)]
struct Listener {
    endpoint: Endpoint,
    local: SocketAddr,
    hub: Hub,
    places: Arc<Semaphore>,
    handshakes: Arc<Semaphore>,
}

impl Listener {
    fn bind(settings: &Settings) -> Result<Self, StartError> {
        let open = || {
            let endpoint = transport::endpoint(settings.listen, &settings.secret)?;
            let local = endpoint.local_addr()?;
            Ok((endpoint, local))
        };
        let (endpoint, local) = open().map_err(|source| StartError {
            listen: settings.listen,
            source,
        })?;
        let places = settings.limits.connections_max.min(Semaphore::MAX_PERMITS);
        Ok(Self {
            endpoint,
            local,
            hub: Hub::new(settings.limits.queued_bytes_max),
            places: Arc::new(Semaphore::new(places)),
            handshakes: Arc::new(Semaphore::new(HANDSHAKES_UNPROVEN_MAX)),
        })
    }

    async fn run(self, stop: impl Future<Output = ()>) {
        let mut sessions = JoinSet::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                incoming = self.endpoint.accept() => match incoming {
                    Some(incoming) => self.admit(incoming, &mut sessions),
                    None => break,
                },
                Some(_) = sessions.join_next() => {}
            }
        }
        self.endpoint.set_server_config(None);
        self.hub.shut_down();
        let all_told = async { while sessions.join_next().await.is_some() {} };
        let _out_of_time = timeout(Duration::from_millis(STOP_MS_MAX), all_told).await;
        self.endpoint.close(close_number(CloseCode::GoingAway), b"");
        let _out_of_time = timeout(
            Duration::from_millis(CLOSE_MS_MAX),
            self.endpoint.wait_idle(),
        )
        .await;
    }

    /// Decides over a first packet before any cryptography is spent on it.
    fn admit(&self, incoming: Incoming, sessions: &mut JoinSet<()>) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return incoming.refuse();
        };
        // With many handshakes under way, an address must first show that it receives what is sent
        // to it, so that forged ones cost nothing but a packet.
        let handshake = Arc::clone(&self.handshakes).try_acquire_owned().ok();
        if handshake.is_none() && incoming.may_retry() && !incoming.remote_address_validated() {
            let _gone_if_it_fails = incoming.retry();
            return;
        }
        sessions.spawn(connect(self.hub.clone(), incoming, place, handshake));
    }
}

/// One connection from first packet to close. Says nothing to anyone about how it went.
async fn connect(
    hub: Hub,
    incoming: Incoming,
    place: OwnedSemaphorePermit,
    handshake: Option<OwnedSemaphorePermit>,
) {
    let patience = Duration::from_millis(HANDSHAKE_MS_MAX);
    let Ok(connecting) = incoming.accept() else {
        return;
    };
    let Ok(Ok(connection)) = timeout(patience, connecting).await else {
        return;
    };
    drop(handshake);
    let code = serve(&hub, &connection).await;
    connection.close(close_number(code), b"");
    drop(place);
}

async fn serve(hub: &Hub, connection: &Connection) -> CloseCode {
    let patience = Duration::from_millis(UNATTACHED_MS_MAX);
    let Some(exporter) = tls::exporter(connection) else {
        return CloseCode::Done;
    };
    let (writer, reader) = match timeout(patience, connection.accept_bi()).await {
        Ok(Ok(streams)) => streams,
        Ok(Err(_)) => return CloseCode::Done,
        Err(_) => return CloseCode::Unattached,
    };
    tokio::select! {
        code = session::serve(hub, &exporter, reader, writer) => code,
        _ = connection.closed() => CloseCode::Done,
        () = update_keys(connection) => CloseCode::Done,
    }
}

/// Renews the packet keys every hour, so that an image of the memory opens an hour of recorded
/// traffic at most (RFC 9001 §6). Never returns.
async fn update_keys(connection: &Connection) {
    loop {
        sleep(Duration::from_secs(KEY_UPDATE_SECONDS)).await;
        connection.force_key_update();
    }
}

const fn close_number(code: CloseCode) -> VarInt {
    VarInt::from_u32(code.number())
}

/// Handshakes under way beyond which unproven addresses have to prove themselves first.
const HANDSHAKES_UNPROVEN_MAX: usize = 256;

/// Longest time for clients to take what waits for them when the relay stops.
const STOP_MS_MAX: u64 = 3000;

/// Longest time for the closing packets to leave after that.
const CLOSE_MS_MAX: u64 = 1000;

const KEY_UPDATE_SECONDS: u64 = 3600;
