//! The switch, shared by all connections behind one lock that is never held while waiting.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::switch::{ConnectionId, Switch, Time};

/// Shared handle to the switch. Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct Hub {
    shared: Arc<Mutex<Shared>>,
    start: Instant,
}

#[derive(Debug)]
struct Shared {
    switch: Switch,
    wakers: BTreeMap<ConnectionId, Arc<Notify>>,
}

/// One connection's place in the hub; giving it up detaches it from everything.
#[derive(Debug)]
pub(crate) struct Membership {
    hub: Hub,
    id: ConnectionId,
    waker: Arc<Notify>,
}

impl Hub {
    /// A hub around a fresh switch; `queued_bytes_max` as in [`Switch::new`].
    #[must_use]
    pub fn new(queued_bytes_max: usize) -> Self {
        Self {
            shared: Arc::new(Mutex::new(Shared {
                switch: Switch::new(queued_bytes_max),
                wakers: BTreeMap::new(),
            })),
            start: Instant::now(),
        }
    }

    /// Tells everyone that the relay is stopping (`protocol §2.8`).
    pub fn shut_down(&self) {
        self.with(|switch, _| switch.handle_shutdown());
    }

    /// Lets a connection in; `None` once the relay is stopping.
    pub(crate) fn join(&self) -> Option<Membership> {
        let id = self.with(Switch::handle_connect)?;
        let waker = Arc::new(Notify::new());
        self.lock().wakers.insert(id, Arc::clone(&waker));
        // A shutdown between the two locks would have called a waker that was not there yet.
        waker.notify_one();
        Some(Membership {
            hub: self.clone(),
            id,
            waker,
        })
    }

    /// Milliseconds since the hub was made.
    pub(crate) fn now(&self) -> Time {
        Time(u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// Runs a step of the switch, then wakes the connections it named.
    fn with<R>(&self, step: impl FnOnce(&mut Switch, Time) -> R) -> R {
        let now = self.now();
        let mut shared = self.lock();
        let result = step(&mut shared.switch, now);
        while let Some(id) = shared.switch.poll_wake() {
            if let Some(waker) = shared.wakers.get(&id) {
                waker.notify_one();
            }
        }
        result
    }

    /// A panic while the lock was held ends one connection, not the relay: the maps stay usable.
    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Membership {
    /// Runs a step of the switch for this connection.
    pub(crate) fn with<R>(&self, step: impl FnOnce(&mut Switch, ConnectionId, Time) -> R) -> R {
        self.hub.with(|switch, now| step(switch, self.id, now))
    }

    /// Waits until something was queued for this connection after its queue was empty.
    ///
    /// Cancel-safe: a notice that was not waited for is kept.
    pub(crate) async fn woken(&self) {
        self.waker.notified().await;
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut shared = self.hub.lock();
        shared.wakers.remove(&self.id);
        shared.switch.handle_disconnect(self.id);
    }
}
