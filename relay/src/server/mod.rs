//! A running relay: one thread for each shard, all on one port.

mod place;
mod quic;
mod shard;
mod sockets;
mod tcp;
mod udp;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::num::NonZero;
use std::pin::Pin;
use std::sync::Arc;
use std::thread;

use sori_wire::{AccessKey, RelayKey};
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use crate::certificate::{Certificate, CertificateError};
use crate::cluster;
use crate::hub::{AccessKeys, Hub, Policy, Port};
use crate::settings::Settings;
use crate::totals::Monitor;
use crate::{stack, tls, transport};
use place::Places;
use quic::Quic;
use shard::Shard;
use sockets::Sockets;

/// Why a relay could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The certificate of its domain cannot be used.
    #[error("cannot use the certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// The build cannot do the encryption that is needed.
    #[error("cannot set up encryption: {0}")]
    Encryption(String),
    /// The address cannot be had.
    #[error("cannot listen on {listen}: {source}")]
    Listen {
        /// The address asked for.
        listen: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The cluster cannot be joined as it is set up.
    #[error("cannot join the cluster: {0}")]
    Cluster(io::Error),
    /// The operating system gives no thread, or nothing to wait with.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

/// A relay that runs. Dropping it stops it without a word to anyone; [`Self::drain`] is the way to
/// stop it in order.
#[derive(Debug)]
pub struct Server {
    local: SocketAddr,
    key: RelayKey,
    monitor: Monitor,
    certificate: Option<Arc<Certificate>>,
    access_keys: AccessKeys,
    threads: Vec<Thread>,
    cluster: Option<Thread>,
}

#[derive(Debug)]
struct Thread {
    stop: oneshot::Sender<()>,
    stopped: oneshot::Receiver<()>,
}

impl Server {
    /// Opens the sockets and serves from then on, on threads of its own. Blocks for a moment.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(settings: &Settings) -> Result<Self, StartError> {
        let listen_error = |source| StartError::Listen {
            listen: settings.listen,
            source,
        };
        let count = match settings.shards {
            0 => thread::available_parallelism().map_or(1, NonZero::get),
            count => count.min(SHARDS_MAX),
        };
        let sockets = sockets::open(settings.listen, settings.tcp, count).map_err(listen_error)?;
        let local = match sockets.first() {
            Some(first) => first.udp.local_addr().map_err(listen_error)?,
            None => return Err(listen_error(io::ErrorKind::AddrNotAvailable.into())),
        };
        let certificate = settings
            .certificate
            .clone()
            .map(|files| Certificate::load(files, tls::provider()).map(Arc::new))
            .transpose()?;
        let monitor = Monitor::default();
        let access_keys = AccessKeys::new(settings.access_keys.clone());
        let policy = Policy {
            access_keys: access_keys.clone(),
            limits: settings.limits,
            key_update: settings.key_update,
        };
        let port = settings.cluster.as_ref();
        let port = port.map(|_| Port::new(sockets.len()));
        let hubs = Hub::shards_with(sockets.len(), policy, &monitor, port.as_ref());
        let cluster = join(settings, port, &monitor)?;
        let shards = shards(settings, sockets, hubs, certificate.clone())?;
        let threads: Vec<Thread> = shards
            .into_iter()
            .map(spawn)
            .collect::<Result<_, _>>()
            .map_err(StartError::Thread)?;
        Ok(Self {
            local,
            key: settings.secret.public(),
            monitor,
            certificate,
            access_keys,
            threads,
            cluster,
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

    /// Reads the certificate files again, if there are any. Connections that are open go on.
    ///
    /// # Errors
    /// [`CertificateError`]; then the certificate before goes on being used.
    pub fn reload_certificate(&self) -> Result<(), CertificateError> {
        let certificate = self.certificate.as_ref();
        certificate.map_or(Ok(()), |certificate| certificate.reload())
    }

    /// From now on any of `keys` lets a client in, and no other; with none the relay is open.
    /// Connections that are open go on.
    pub fn replace_access_keys(&self, keys: Vec<AccessKey>) {
        self.access_keys.replace(keys);
    }

    /// Lets nobody in any more, tells every client, lets what waits go out for at most three
    /// seconds, and closes (`protocol §2.8`).
    pub async fn drain(self) {
        let mut stopped = Vec::new();
        for thread in self.threads {
            let _already_over = thread.stop.send(());
            stopped.push(thread.stopped);
        }
        for stopped in stopped {
            let _also_if_it_broke = stopped.await;
        }
        // What clients published last is on its way to the other relays by then.
        if let Some(cluster) = self.cluster {
            let _already_over = cluster.stop.send(());
            let _also_if_it_broke = cluster.stopped.await;
        }
    }
}

/// Runs the relay's part of its cluster on a thread of its own, if it has one: a bus that is slow is
/// nothing that a shard waits for.
fn join(
    settings: &Settings,
    port: Option<Port>,
    monitor: &Monitor,
) -> Result<Option<Thread>, StartError> {
    let (Some(cluster), Some(port)) = (settings.cluster.clone(), port) else {
        return Ok(None);
    };
    let monitor = monitor.clone();
    let thread = run("cluster", move |ready, stopping| async move {
        cluster::run(&cluster, port, monitor, ready, stopping).await;
    });
    thread.map(Some).map_err(StartError::Cluster)
}

fn shards(
    settings: &Settings,
    sockets: Vec<Sockets>,
    hubs: Vec<Hub>,
    certificate: Option<Arc<Certificate>>,
) -> Result<Vec<Shard>, StartError> {
    let encryption = |error: &dyn std::error::Error| StartError::Encryption(error.to_string());
    let tls = tls::server_config(&settings.secret, certificate).map_err(|e| encryption(&e))?;
    let quic = transport::server_config(tls.clone()).map_err(|e| encryption(&e))?;
    let endpoint = transport::endpoint_config(&settings.secret);
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let places = Places::new(settings.limits);
    let shard = |(sockets, hub): (Sockets, Hub)| Shard {
        hub,
        places: places.clone(),
        quic: Quic {
            socket: sockets.udp,
            endpoint: endpoint.clone(),
            server: quic.clone(),
        },
        tcp: sockets.tcp.map(|listener| (listener, acceptor.clone())),
    };
    Ok(sockets.into_iter().zip(hubs).map(shard).collect())
}

/// Runs a shard on a thread of its own and waits until it serves.
fn spawn(shard: Shard) -> io::Result<Thread> {
    run("shard", move |ready, stopping| shard.run(ready, stopping))
}

/// Runs something on a thread of its own and waits until it says that it is ready.
fn run<F: Future<Output = ()>>(
    name: &str,
    work: impl FnOnce(Ready, Stopping) -> F + Send + 'static,
) -> io::Result<Thread> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .on_thread_park(stack::wipe_if_marked)
        .event_interval(TURNS_BETWEEN_LOOKS)
        .build()?;
    let (stop, stopping) = oneshot::channel();
    let (done, stopped) = oneshot::channel();
    let (ready, is_ready) = std::sync::mpsc::channel();
    thread::Builder::new().name(name.into()).spawn(move || {
        let ready: Ready = Box::new(move |outcome| {
            let _nobody_waits = ready.send(outcome);
        });
        let stopping: Stopping = Box::pin(async {
            let _or_dropped = stopping.await;
        });
        runtime.block_on(work(ready, stopping));
        drop(runtime);
        let _nobody_waits = done.send(());
    })?;
    is_ready
        .recv()
        .unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))?;
    Ok(Thread { stop, stopped })
}

/// Says that a thread does its work, or why it cannot.
type Ready = Box<dyn FnOnce(io::Result<()>)>;

/// Resolves when a thread is to stop.
type Stopping = Pin<Box<dyn Future<Output = ()>>>;

/// Turns of tasks after which a thread looks what has arrived: a crowd of tasks that always have something to do
/// keeps it that long from hearing anybody.
const TURNS_BETWEEN_LOOKS: u32 = 16;

/// More shards than this would only get in each other's way.
const SHARDS_MAX: usize = 256;
