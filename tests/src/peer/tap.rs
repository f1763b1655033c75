//! A place on the way between a QUIC client and the relay, from which datagrams are counted, kept back and looked at.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use crate::finding::Finding;

/// Forwards the datagrams of one client while it exists.
#[derive(Debug)]
pub(crate) struct Tap {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct State {
    /// Datagrams of the client that still may pass.
    passes: AtomicUsize,
    cut: AtomicBool,
    to_relay: AtomicUsize,
    from_relay: AtomicUsize,
    heard: Mutex<Vec<Vec<u8>>>,
}

impl Tap {
    /// Lets so many datagrams of the client pass, and all of the relay.
    pub(crate) async fn before(relay: SocketAddr, passes: usize) -> Result<Self, Finding> {
        let bind = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0));
        let near = bind().await.map_err(Finding::not_seen)?;
        let far = bind().await.map_err(Finding::not_seen)?;
        far.connect(relay).await.map_err(Finding::not_seen)?;
        let address = near.local_addr().map_err(Finding::not_seen)?;
        let state = Arc::new(State {
            passes: AtomicUsize::new(passes),
            ..State::default()
        });
        let task = tokio::spawn(forward(near, far, Arc::clone(&state)));
        Ok(Self {
            address,
            state,
            task,
        })
    }

    /// From now on nothing passes, in either direction.
    pub(crate) fn cut(&self) {
        self.state.cut.store(true, Ordering::Relaxed);
    }

    /// Bytes of datagrams to the relay.
    pub(crate) fn sent_to_relay(&self) -> usize {
        self.state.to_relay.load(Ordering::Relaxed)
    }

    /// Bytes of datagrams from the relay.
    pub(crate) fn sent_by_relay(&self) -> usize {
        self.state.from_relay.load(Ordering::Relaxed)
    }

    /// The datagrams of the relay so far.
    pub(crate) fn heard(&self) -> Vec<Vec<u8>> {
        let heard = self.state.heard.lock();
        heard.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(near: UdpSocket, far: UdpSocket, state: Arc<State>) {
    let mut client = None;
    let (mut up, mut down) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            Ok((len, from)) = near.recv_from(&mut up) => {
                client = Some(from);
                let passes = state.passes.load(Ordering::Relaxed);
                if passes == 0 || state.cut.load(Ordering::Relaxed) {
                    continue;
                }
                state.passes.store(passes - 1, Ordering::Relaxed);
                state.to_relay.fetch_add(len, Ordering::Relaxed);
                let _lost = far.send(up.get(..len).unwrap_or_default()).await;
            }
            Ok(len) = far.recv(&mut down) => {
                let datagram = down.get(..len).unwrap_or_default();
                state.from_relay.fetch_add(len, Ordering::Relaxed);
                let heard = state.heard.lock();
                heard.unwrap_or_else(PoisonError::into_inner).push(datagram.to_vec());
                if state.cut.load(Ordering::Relaxed) {
                    continue;
                }
                if let Some(client) = client {
                    let _lost = near.send_to(datagram, client).await;
                }
            }
            else => {}
        }
    }
}
