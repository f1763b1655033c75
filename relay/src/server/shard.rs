//! One thread of a relay: its sockets, its connections, and its share of everything.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::{interval, timeout};
use tokio_rustls::TlsAcceptor;

use super::place::Places;
use super::quic::Quic;
use super::tcp;
use crate::hub::Hub;
use crate::stack;

/// What every connection of a shard works with. Cloning it is cheap; a clone says that a connection
/// is still there.
#[derive(Clone, Debug)]
pub(super) struct Crew {
    pub(super) hub: Hub,
    pub(super) places: Places,
    /// Closed when every clone is gone. Nothing is ever sent.
    pub(super) aboard: mpsc::Sender<Infallible>,
}

/// A shard before it runs.
pub(super) struct Shard {
    pub(super) hub: Hub,
    pub(super) places: Places,
    pub(super) quic: Quic,
    pub(super) tcp: Option<(std::net::TcpListener, TlsAcceptor)>,
}

impl Shard {
    /// Serves until `stop` resolves; then tells every client, lets what waits go out for at most
    /// three seconds, and closes. Says through `ready` when it serves.
    pub(super) async fn run(
        self,
        ready: impl FnOnce(io::Result<()>),
        stop: impl Future<Output = ()>,
    ) {
        let listener = match self.tcp {
            Some((listener, acceptor)) => match TcpListener::from_std(listener) {
                Ok(listener) => Some((listener, acceptor)),
                Err(error) => return ready(Err(error)),
            },
            None => None,
        };
        ready(Ok(()));
        let (aboard, mut all_gone) = mpsc::channel(1);
        let crew = Crew {
            hub: self.hub,
            places: self.places,
            aboard,
        };
        let hub = crew.hub.clone();
        let endless = async {
            tokio::join!(hub.run(), forget(&crew.places));
        };
        // The endpoint lives on while clients take their leave, but lets nobody in: the hub does not.
        let quic = async {
            // A socket that cannot be used any more leaves TCP, and the other shards.
            let _failed = self.quic.serve(&crew).await;
            std::future::pending::<()>().await;
        };
        let accepting = async {
            match &listener {
                Some((listener, acceptor)) => tcp::serve(listener, acceptor, &crew).await,
                None => std::future::pending().await,
            }
        };
        let stopping = async {
            tokio::select! {
                () = accepting => {}
                () = stop => {}
            }
            crew.hub.shut_down();
        };
        tokio::select! {
            () = endless => {}
            () = quic => {}
            () = async {
                stopping.await;
                let patience = Duration::from_millis(STOP_MS_MAX);
                let _out_of_time = timeout(patience, leave(&crew)).await;
            } => {}
        }
        drop(crew);
        let _out_of_time = timeout(Duration::from_millis(CLOSE_MS_MAX), all_gone.recv()).await;
    }
}

/// Waits until only the shard itself is left.
async fn leave(crew: &Crew) {
    let mut look = interval(Duration::from_millis(LEAVE_LOOK_MS));
    while crew.aboard.strong_count() > 1 {
        look.tick().await;
    }
}

/// Lets prefixes be forgotten, and what calls left on the stack. Never returns.
async fn forget(places: &Places) {
    let mut look = interval(Duration::from_millis(FORGET_MS));
    loop {
        look.tick().await;
        places.forget();
        stack::mark();
    }
}

/// Longest time for clients to take what waits for them when the relay stops.
const STOP_MS_MAX: u64 = 3000;

/// Longest time for the closing packets to leave after that.
const CLOSE_MS_MAX: u64 = 1000;

/// How often a stopping shard looks whether everybody has left, in milliseconds.
const LEAVE_LOOK_MS: u64 = 5;

/// How often a shard forgets, in milliseconds.
const FORGET_MS: u64 = 500;
