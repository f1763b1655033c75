//! NATS, as the relay uses it: a connection that comes back by itself, publishing without waiting for
//! anybody for long, and one subscription for each subject.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, ConnectOptions, Event, ServerAddr};
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_stream::StreamExt;

use super::epoch::EpochId;
use super::settings::ClusterSettings;
use sori_wire::Handle;

/// A connection to one of the servers.
#[derive(Debug)]
pub(super) struct Bus {
    client: Client,
    arrivals: mpsc::Sender<Arrived>,
    /// The connection took nothing; until then it is not tried again, so that many messages do not
    /// each wait for it.
    stalled_until: Cell<Option<Instant>>,
}

/// Where something arrived, and what.
#[derive(Debug)]
pub(super) enum Arrived {
    Control(Bytes),
    Topic(Handle, EpochId, Bytes),
}

/// What became of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    Down,
    Up,
}

/// What arrives at a relay.
#[derive(Debug)]
pub(super) struct Inflow {
    pub(super) arrivals: mpsc::Receiver<Arrived>,
    pub(super) links: mpsc::Receiver<Link>,
}

/// The bus does not take anything now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unavailable;

/// A subject that is listened to, until this is dropped.
#[derive(Debug)]
pub(super) struct Subscription {
    task: JoinHandle<()>,
}

impl Bus {
    /// Begins to connect, and goes on for as long as it takes. `settings` were looked at before.
    pub(super) async fn connect(settings: &ClusterSettings) -> io::Result<(Self, Inflow)> {
        let (arrivals, arrived) = mpsc::channel(ARRIVALS_MAX);
        let (linked, links) = mpsc::channel(LINKS_MAX);
        let mut options = ConnectOptions::new()
            .name("sori-relay")
            .no_echo()
            .retry_on_initial_connect()
            .ignore_discovered_servers()
            .client_capacity(COMMANDS_MAX)
            .subscription_capacity(SUBSCRIPTION_MAX)
            .ping_interval(PING)
            .connection_timeout(CONNECT)
            .reconnect_delay_callback(pause)
            .event_callback(move |event| {
                let linked = linked.clone();
                async move {
                    let link = match event {
                        Event::Connected => Link::Up,
                        Event::Disconnected | Event::Closed => Link::Down,
                        // Losses show by themselves in what arrives next.
                        Event::ClientError(_)
                        | Event::Draining
                        | Event::LameDuckMode
                        | Event::ServerError(_)
                        | Event::SlowConsumer(_) => return,
                    };
                    let _stopped = linked.send(link).await;
                }
            });
        if let Some(tls) = settings.tls()? {
            options = options.tls_client_config(tls);
        }
        let servers: Vec<ServerAddr> = settings.servers.iter().map(|it| it.0.clone()).collect();
        let client = options.connect(servers).await.map_err(io::Error::other)?;
        let bus = Self {
            client,
            arrivals,
            stalled_until: Cell::new(None),
        };
        let inflow = Inflow {
            arrivals: arrived,
            links,
        };
        Ok((bus, inflow))
    }

    pub(super) fn is_up(&self) -> bool {
        let is_stalled = |until: Instant| Instant::now() < until;
        self.client.connection_state() == State::Connected
            && !self.stalled_until.get().is_some_and(is_stalled)
    }

    /// Publishes, if there is a connection that takes it within a second.
    pub(super) async fn publish(&self, subject: String, bytes: Vec<u8>) -> Result<(), Unavailable> {
        if !self.is_up() {
            return Err(Unavailable);
        }
        let publishing = self.client.publish(subject, Bytes::from(bytes));
        self.patiently(publishing).await
    }

    /// Waits a moment for what was published to leave.
    pub(super) async fn flush(&self) {
        if self.is_up() {
            let _left_or_lost = timeout(PATIENCE, self.client.flush()).await;
        }
    }

    /// Listens to a subject; what arrives there is passed on as `arrived` makes it.
    pub(super) async fn subscribe(
        &self,
        subject: String,
        arrived: impl Fn(Bytes) -> Arrived + Send + 'static,
    ) -> Result<Subscription, Unavailable> {
        if !self.is_up() {
            return Err(Unavailable);
        }
        let mut subscriber = self.patiently(self.client.subscribe(subject)).await?;
        let arrivals = self.arrivals.clone();
        let task = tokio::spawn(async move {
            while let Some(message) = subscriber.next().await {
                if arrivals.send(arrived(message.payload)).await.is_err() {
                    return;
                }
            }
        });
        Ok(Subscription { task })
    }

    async fn patiently<T, E>(
        &self,
        asking: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Unavailable> {
        let outcome = timeout(PATIENCE, asking).await;
        if outcome.is_err() {
            self.stalled_until.set(Instant::now().checked_add(STALL));
        }
        outcome.map_err(|_| Unavailable)?.map_err(|_| Unavailable)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Pause before the next attempt to connect: none at first, then up to a second.
fn pause(attempts: usize) -> Duration {
    let doublings = u32::try_from(attempts).unwrap_or(u32::MAX).min(10);
    let ms = 2_u64.saturating_pow(doublings).min(PAUSE_MS_MAX);
    Duration::from_millis(if attempts <= 1 { 0 } else { ms })
}

/// Messages from all subjects that wait to be opened.
pub(crate) const ARRIVALS_MAX: usize = 256;

/// Messages from one subject that wait behind those; more are lost, and the next one shows it.
pub(crate) const SUBSCRIPTION_MAX: usize = 64;

/// Messages that wait to be written to the server.
pub(crate) const COMMANDS_MAX: usize = 128;

/// Comings and goings of the connection that wait to be noticed.
const LINKS_MAX: usize = 16;

/// How often the server is asked whether it is there; after two without an answer it is not.
const PING: Duration = Duration::from_secs(2);

/// How long an attempt to connect may take.
const CONNECT: Duration = Duration::from_secs(3);

/// How long the connection may take nothing before frames are given up.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long a connection that took nothing is left alone.
const STALL: Duration = Duration::from_millis(500);

/// Longest pause between two attempts to connect, in milliseconds.
const PAUSE_MS_MAX: u64 = 1000;
