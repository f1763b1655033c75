//! One shard's switch with the ways out of its connections, behind a lock that is never held while
//! waiting; and what joins the shards of a relay.
//!
//! Whoever changes something in the switch also writes what follows from it: a frame goes from its
//! publisher's task straight to the transport of each reader, and a reader's own task is woken only if
//! its transport did not take everything.

mod access;
mod mailbox;
mod port;
mod wire;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use sori_wire::limits::{CLOSING_MS_MAX, TICK_MS};
use sori_wire::{AccessProof, CloseCode, Exporter, RelayMessage};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::carrier::{Farewell, Outlet};
use crate::settings::{Limits, Rate};
use crate::switch::{Access, ConnectionId, Delivery, Directory, Switch, Time};
use crate::totals::{Counters, Monitor};
pub use access::AccessKeys;
#[cfg(test)]
pub(crate) use mailbox::MAILBOX_BYTES_MAX;
pub(crate) use mailbox::{Mailbox, Parcel};
pub(crate) use port::Port;
use wire::Wire;

/// One shard of a relay, shared by its connections. Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct Hub {
    inner: Arc<Mutex<Inner>>,
    relay: Arc<Relay>,
    shard: usize,
}

/// What all shards of a relay share.
#[derive(Debug)]
struct Relay {
    mailboxes: Arc<[Mailbox]>,
    /// To the other relays of a cluster, if it is one.
    outward: Option<Arc<Mailbox>>,
    policy: Policy,
    monitor: Monitor,
    start: Instant,
}

/// What a relay wants of every connection.
#[derive(Debug)]
pub struct Policy {
    /// Any of these lets a client in; none for an open relay.
    pub access_keys: AccessKeys,
    /// How much of everything.
    pub limits: Limits,
    /// How often the keys of a connection are renewed.
    pub key_update: Duration,
}

#[derive(Debug)]
struct Inner {
    switch: Switch,
    /// By [`ConnectionId::index`].
    wires: Vec<Option<Wire>>,
    told: Told,
}

/// What the monitor was told last.
#[derive(Debug, Default)]
struct Told {
    attachments: u64,
    topics: u64,
    queued_bytes: u64,
    gaps: u64,
}

/// One connection's place in the hub; giving it up detaches it from everything.
#[derive(Debug)]
pub(crate) struct Membership {
    hub: Hub,
    id: ConnectionId,
}

impl Hub {
    /// The shards of a new relay.
    #[must_use]
    pub fn shards(count: usize, policy: Policy, monitor: &Monitor) -> Vec<Self> {
        Self::shards_with(count, policy, monitor, None)
    }

    /// The shards of a new relay that is part of a cluster if there is a port to it.
    pub(crate) fn shards_with(
        count: usize,
        policy: Policy,
        monitor: &Monitor,
        port: Option<&Port>,
    ) -> Vec<Self> {
        let limits = policy.limits;
        let directory = Directory::new(count, limits.attachments_per_topic_max);
        let mailboxes = match port {
            None => Port::mailboxes(count),
            Some(port) => {
                directory.tell(Arc::clone(&port.interest));
                Arc::clone(&port.shards)
            }
        };
        let queued_bytes_max = limits.queued_bytes_max.checked_div(count).unwrap_or(0);
        let relay = Arc::new(Relay {
            mailboxes,
            outward: port.map(|port| Arc::clone(&port.outward)),
            policy,
            monitor: monitor.clone(),
            start: Instant::now(),
        });
        let hub = |shard| Self {
            inner: Arc::new(Mutex::new(Inner {
                switch: Switch::new(directory.clone(), shard, queued_bytes_max),
                wires: Vec::new(),
                told: Told::default(),
            })),
            relay: Arc::clone(&relay),
            shard,
        };
        (0..count).map(hub).collect()
    }

    /// Keeps time for this shard and takes what other shards have for it. Never returns.
    pub async fn run(&self) {
        let mut tick = interval(Duration::from_millis(TICK_MS));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                parcels = self.collect() => self.with(|switch, now| unpack(parcels, switch, now)),
                _ = tick.tick() => self.handle_timeout(),
            }
        }
    }

    /// Tells everyone that the relay is stopping (`protocol §2.8`).
    pub fn shut_down(&self) {
        let mailbox = self.relay.mailboxes.get(self.shard);
        let parcels = mailbox.map(Mailbox::take).unwrap_or_default();
        self.with(|switch, now| {
            // Their publishers have been told that they were handed on.
            unpack(parcels, switch, now);
            switch.handle_shutdown();
        });
    }

    /// Whether everyone has been told that the relay is stopping.
    pub(crate) fn is_stopping(&self) -> bool {
        self.lock().switch.is_stopping()
    }

    /// Lets a connection in; `None` once the relay is stopping.
    pub(crate) fn join(&self, outlet: Box<dyn Outlet>) -> Option<Membership> {
        let now = self.now();
        let access = if self.relay.policy.access_keys.are_none() {
            Access::Free
        } else {
            Access::Required
        };
        let mut inner = self.lock();
        let id = inner.switch.handle_connect(access, now)?;
        if inner.wires.len() <= id.index() {
            inner
                .wires
                .resize_with(id.index().saturating_add(1), || None);
        }
        if let Some(place) = inner.wires.get_mut(id.index()) {
            *place = Some(Wire::new(outlet, now));
        }
        Some(Membership {
            hub: self.clone(),
            id,
        })
    }

    /// Milliseconds since the relay started.
    pub(crate) fn now(&self) -> Time {
        let elapsed = self.relay.start.elapsed().as_millis();
        Time(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }

    pub(crate) fn counters(&self) -> &Counters {
        self.relay.monitor.counters()
    }

    pub(crate) fn monitor(&self) -> &Monitor {
        &self.relay.monitor
    }

    async fn collect(&self) -> VecDeque<Parcel> {
        match self.relay.mailboxes.get(self.shard) {
            Some(mailbox) => mailbox.collect().await,
            None => std::future::pending().await,
        }
    }

    /// Lets time pass for everyone.
    fn handle_timeout(&self) {
        let now = self.now();
        let mut inner = self.lock();
        inner.switch.handle_timeout(now);
        while let Some((id, code)) = inner.switch.poll_close() {
            if let Some(wire) = inner.wire(id) {
                wire.close(code);
            }
        }
        let after_ms = self.relay.policy.key_update.as_millis();
        let after_ms = u64::try_from(after_ms).unwrap_or(u64::MAX);
        for wire in inner.wires.iter_mut().flatten() {
            wire.handle_timeout(now);
            if wire.renew_keys(after_ms, now) {
                self.counters().key_updates.add(1);
            }
        }
        inner.flush_woken(now);
        inner.tell(&self.relay.monitor);
    }

    /// Runs a step of the switch, then writes whatever it gave anyone to say.
    fn with<R>(&self, step: impl FnOnce(&mut Switch, Time) -> R) -> R {
        let now = self.now();
        let mut inner = self.lock();
        let result = step(&mut inner.switch, now);
        inner.flush_woken(now);
        inner.tell(&self.relay.monitor);
        result
    }

    /// A panic while the lock was held ends one connection, not the relay: the maps stay usable.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands on what other shards have for this one.
fn unpack(parcels: VecDeque<Parcel>, switch: &mut Switch, now: Time) {
    for parcel in parcels {
        match parcel {
            Parcel::Delivery(delivery) => switch.handle_delivery(&delivery, now),
            Parcel::Loss(handle) => switch.handle_loss(handle),
        }
    }
}

impl Inner {
    fn wire(&mut self, id: ConnectionId) -> Option<&mut Wire> {
        self.wires.get_mut(id.index())?.as_mut()
    }

    fn flush_woken(&mut self, now: Time) {
        while let Some(id) = self.switch.poll_wake() {
            self.flush(id, now);
        }
    }

    fn flush(&mut self, id: ConnectionId, now: Time) {
        let wire = self.wires.get_mut(id.index()).and_then(Option::as_mut);
        if let Some(wire) = wire {
            wire.flush(id, &mut self.switch, now);
        }
    }

    /// Brings the levels up to date.
    fn tell(&mut self, monitor: &Monitor) {
        let (switch, told, levels) = (&self.switch, &mut self.told, monitor.levels());
        let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        for (now, told, level) in [
            (
                number(switch.attachment_count()),
                &mut told.attachments,
                &levels.attachments,
            ),
            (
                number(switch.topic_count()),
                &mut told.topics,
                &levels.topics,
            ),
            (
                number(switch.queued_bytes()),
                &mut told.queued_bytes,
                &levels.queued_bytes,
            ),
            (switch.gap_count(), &mut told.gaps, &monitor.counters().gaps),
        ] {
            level.change(*told, now);
            *told = now;
        }
    }
}

impl Membership {
    /// Runs steps of the switch for this connection.
    pub(crate) fn with<R>(&self, step: impl FnOnce(&mut Switch, ConnectionId, Time) -> R) -> R {
        self.hub.with(|switch, now| step(switch, self.id, now))
    }

    /// Takes a publication to the other shards with readers, and to the other relays.
    pub(crate) fn post(&self, switch: &Switch, delivery: &Delivery) {
        for (shard, _) in switch.other_shards(delivery.handle()) {
            if let Some(mailbox) = self.hub.relay.mailboxes.get(shard) {
                mailbox.post(delivery);
            }
        }
        if let Some(outward) = &self.hub.relay.outward {
            outward.post(delivery);
        }
    }

    /// For the connection's own task: writes what can be written, and says why the connection is over
    /// once it is. `cx` is woken when either may have changed.
    pub(crate) fn poll_verdict(&self, cx: &mut Context<'_>) -> Poll<CloseCode> {
        let now = self.hub.now();
        let mut inner = self.hub.lock();
        let verdict = self.poll_wire(&mut inner, cx);
        if verdict.is_ready() {
            return verdict;
        }
        inner.flush(self.id, now);
        self.poll_wire(&mut inner, cx)
    }

    /// Whether so many answers wait that nothing more should be read.
    pub(crate) fn is_congested(&self) -> bool {
        self.hub.lock().switch.is_congested(self.id)
    }

    /// Whether a proof shows an access key. On an open relay every proof does.
    pub(crate) fn lets_in(&self, proof: &AccessProof, exporter: &Exporter) -> bool {
        self.hub.relay.policy.access_keys.let_in(proof, exporter)
    }

    pub(crate) fn is_private(&self) -> bool {
        !self.hub.relay.policy.access_keys.are_none()
    }

    pub(crate) fn work_rate(&self) -> Rate {
        self.hub.relay.policy.limits.work
    }

    pub(crate) const fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Tells the peer why it is over, on a carrier that cannot say so itself, if it listens.
    pub(crate) async fn say_farewell(&self, code: CloseCode) {
        let says_so = |wire: &mut Wire| wire.outlet().farewell() == Farewell::Message;
        if code == CloseCode::Done || self.hub.lock().wire(self.id).map(says_so) != Some(true) {
            return;
        }
        let mut last = Vec::new();
        // That the relay is stopping was said already, in its own words.
        if code != CloseCode::GoingAway {
            last.push(Bytes::from(RelayMessage::Closing { code }.encode()));
        }
        let said = std::future::poll_fn(|cx| {
            let mut inner = self.hub.lock();
            inner
                .wire(self.id)
                .map_or(Poll::Ready(()), |wire| wire.poll_farewell(cx, &mut last))
        });
        let _does_not_listen = timeout(Duration::from_millis(CLOSING_MS_MAX), said).await;
    }

    fn poll_wire(&self, inner: &mut Inner, cx: &mut Context<'_>) -> Poll<CloseCode> {
        inner
            .wire(self.id)
            .map_or(Poll::Ready(CloseCode::Done), |wire| wire.poll_verdict(cx))
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut inner = self.hub.lock();
        inner.switch.handle_disconnect(self.id);
        let wire = inner.wires.get_mut(self.id.index()).and_then(Option::take);
        inner.tell(&self.hub.relay.monitor);
        // Not under the lock: a transport may have much to put away.
        drop(inner);
        drop(wire);
    }
}
