//! One relay in its cluster: what it hears from the bus goes to its shards, what they publish goes to
//! the bus.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::Future;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sori_wire::Handle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::bus::{Arrived, Bus, Inflow, Link, Subscription, Unavailable};
use super::epoch::{EpochId, NodeId};
use super::keyring::{Continuity, Keyring};
use super::message;
use super::room::{Carries, Loss, Room};
use crate::hub::{Parcel, Port};
use crate::switch::{Change, Delivery, Entry};
use crate::time::Time;
use crate::totals::Monitor;

/// The state of one relay in its cluster, owned by one task.
#[derive(Debug)]
pub(super) struct Node {
    id: NodeId,
    keyring: Keyring,
    bus: Bus,
    port: Port,
    monitor: Monitor,
    control: Option<Subscription>,
    rooms: BTreeMap<Handle, Room>,
    subscriptions: BTreeMap<(Handle, EpochId), Subscription>,
    epochs: Vec<EpochId>,
    /// What is published goes under this one.
    sending: Option<EpochId>,
    present: BTreeSet<NodeId>,
    /// Where the walk along topics that have something to say ended last time.
    marked: Handle,
    /// Of what was published last.
    counter: u64,
    start: Instant,
    upkeep: Upkeep,
}

/// Whether every topic is listened to under every epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upkeep {
    Done,
    Due,
}

impl Node {
    pub(super) fn new(
        id: NodeId,
        keyring: Keyring,
        bus: Bus,
        port: Port,
        monitor: Monitor,
    ) -> Self {
        Self {
            id,
            keyring,
            bus,
            port,
            monitor,
            control: None,
            rooms: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            epochs: Vec::new(),
            sending: None,
            present: BTreeSet::new(),
            marked: Handle(0),
            counter: 0,
            start: Instant::now(),
            upkeep: Upkeep::Done,
        }
    }

    /// Runs until `stop` resolves, then sends what waits.
    pub(super) async fn run(mut self, mut inflow: Inflow, stop: impl Future<Output = ()>) {
        let port = self.port.clone();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some(link) = inflow.links.recv() => self.handle_link(link).await,
                _ = tick.tick() => self.handle_timeout().await,
                Some(arrived) = inflow.arrivals.recv() => self.handle_arrived(arrived).await,
                () = port.interest.changed() => self.exchange(VecDeque::new()).await,
                parcels = port.outward.collect() => self.exchange(parcels).await,
            }
        }
        self.exchange(VecDeque::new()).await;
        self.say_goodbye().await;
        self.monitor.levels().cluster_up.set(0);
        self.monitor.levels().cluster_relays.set(0);
    }

    async fn handle_link(&mut self, link: Link) {
        let now = self.now();
        match link {
            Link::Down => {
                self.keyring.handle_disconnected();
                self.control = None;
                self.monitor.levels().cluster_up.set(0);
                self.handle_peers();
            }
            Link::Up => {
                self.monitor.levels().cluster_up.set(1);
                self.monitor.counters().cluster_connects.add(1);
                self.keyring.handle_connected(now);
                self.listen_for_keys().await;
                self.begin_all();
                self.upkeep = Upkeep::Due;
                self.take_up_epochs().await;
            }
        }
    }

    async fn handle_timeout(&mut self) {
        let now = self.now();
        self.keyring.handle_timeout(now);
        self.listen_for_keys().await;
        self.handle_peers();
        self.take_up_epochs().await;
        if !self.bus.is_up() {
            return;
        }
        let sending = self.keyring.sending(now).map(|epoch| epoch.id());
        let is_new = sending != self.sending;
        self.sending = sending;
        for room in self.rooms.values_mut() {
            if room.settle(now) == Loss::Some {
                self.port.lose(room.entry());
            }
            if is_new {
                room.remind();
            }
        }
        self.publish_markers().await;
    }

    /// Publishes what there is to say beside frames, of so many topics that others need not wait long.
    async fn publish_markers(&mut self) {
        let after = self.rooms.range((Excluded(self.marked), Unbounded));
        let wanting = after
            .chain(self.rooms.range(..=self.marked))
            .filter(|(_, room)| room.wants_marker())
            .map(|(handle, _)| *handle);
        let handles: Vec<Handle> = wanting.take(MARKERS_MAX).collect();
        for handle in handles {
            self.publish(handle, None).await;
            self.marked = handle;
        }
    }

    async fn handle_arrived(&mut self, arrived: Arrived) {
        match arrived {
            Arrived::Control(bytes) => {
                let now = self.now();
                if !self.keyring.handle_message(&bytes, now) {
                    self.monitor.counters().cluster_refused.add(1);
                }
                self.take_up_epochs().await;
            }
            Arrived::Topic(handle, epoch, bytes) => self.handle_message(handle, epoch, &bytes),
        }
    }

    /// Never inlined, so that what it leaves on the stack lies where the thread wipes it.
    #[inline(never)]
    fn handle_message(&mut self, handle: Handle, epoch: EpochId, bytes: &Bytes) {
        crate::stack::mark();
        // It was left, or the epoch is over; this was under way.
        let Some(room) = self.rooms.get_mut(&handle) else {
            return;
        };
        let mut held = self.keyring.listening();
        let Some(epoch) = held.find(|held| held.id() == epoch) else {
            return;
        };
        let id = epoch.id();
        let counters = self.monitor.counters();
        let tag = epoch.tag(room.entry().topic());
        let Some(opened) = message::open(epoch, tag, bytes) else {
            return counters.cluster_refused.add(1);
        };
        let Some(arrival) = room.handle(&opened, id) else {
            return counters.cluster_refused.add(1);
        };
        if arrival.loss == Loss::Some {
            counters.cluster_lost.add(1);
            self.port.lose(room.entry());
        }
        if let Some(delivery) = arrival.delivery {
            counters.cluster_frames_in.add(number(delivery.frames()));
            self.port.deliver(room.entry(), &delivery);
        }
    }

    /// Enters topics that came, publishes, and leaves topics that went: in this order, so that nothing
    /// that was published is without its topic.
    async fn exchange(&mut self, mut parcels: VecDeque<Parcel>) {
        let changes = self.port.interest.take();
        let mut came = Vec::new();
        for change in changes.values() {
            let (Change::Came(entry) | Change::Went(entry)) = change;
            if self.enter(entry).await {
                came.push(entry.handle());
            }
        }
        parcels.extend(self.port.outward.take());
        for parcel in parcels {
            match parcel {
                Parcel::Delivery(delivery) => {
                    self.publish(delivery.handle(), Some(&delivery)).await;
                }
                Parcel::Loss(handle) => self.lose(handle),
            }
        }
        for change in changes.into_values() {
            match change {
                Change::Came(entry) if came.contains(&entry.handle()) => {
                    self.listen(entry.handle()).await;
                }
                Change::Came(_) => {}
                Change::Went(entry) => self.leave(&entry).await,
            }
        }
    }

    /// Returns whether the topic is new.
    async fn enter(&mut self, entry: &Arc<Entry>) -> bool {
        let there = self.rooms.get(&entry.handle()).map(Room::entry).cloned();
        if let Some(there) = there {
            if Arc::ptr_eq(&there, entry) {
                return false;
            }
            // A topic that is over had this handle.
            self.leave(&there).await;
        }
        let mut room = Room::new(Arc::clone(entry));
        room.begin(self.settled());
        self.rooms.insert(entry.handle(), room);
        true
    }

    async fn leave(&mut self, entry: &Arc<Entry>) {
        let handle = entry.handle();
        let is_it = |room: &Room| Arc::ptr_eq(room.entry(), entry);
        if !self.rooms.get(&handle).is_some_and(is_it) {
            return;
        }
        // The others hear that nobody is attached here any more.
        self.publish(handle, None).await;
        self.rooms.remove(&handle);
        for epoch in &self.epochs {
            self.subscriptions.remove(&(handle, *epoch));
        }
    }

    /// Listens to a topic under every epoch in which that is not so yet.
    async fn listen(&mut self, handle: Handle) {
        let Some(room) = self.rooms.get(&handle) else {
            return;
        };
        for epoch in self.keyring.listening() {
            let place = (handle, epoch.id());
            if self.subscriptions.contains_key(&place) {
                continue;
            }
            let subject = epoch.tag(room.entry().topic()).to_subject();
            let arrived = move |bytes| Arrived::Topic(place.0, place.1, bytes);
            match self.bus.subscribe(subject, arrived).await {
                Ok(subscription) => {
                    self.subscriptions.insert(place, subscription);
                }
                Err(Unavailable) => self.upkeep = Upkeep::Due,
            }
        }
    }

    async fn listen_for_keys(&mut self) {
        if self.control.is_none() && self.bus.is_up() {
            let subject = self.keyring.subject().to_owned();
            self.control = self.bus.subscribe(subject, Arrived::Control).await.ok();
        }
    }

    /// Says what the keyring has to say, and listens under the epochs that it holds and no others.
    async fn take_up_epochs(&mut self) {
        while let Some(bytes) = self.keyring.poll_send() {
            let subject = self.keyring.subject().to_owned();
            let _heard_next_time = self.bus.publish(subject, bytes).await;
        }
        let epochs: Vec<EpochId> = self.keyring.listening().map(|epoch| epoch.id()).collect();
        if epochs != self.epochs {
            let new = epochs.iter().filter(|id| !self.epochs.contains(id)).count();
            self.monitor.counters().cluster_epochs.add(number(new));
            self.subscriptions
                .retain(|(_, epoch), _| epochs.contains(epoch));
            self.epochs = epochs;
            for room in self.rooms.values() {
                if room.handle_epochs(&self.epochs) == Loss::Some {
                    self.monitor.counters().cluster_lost.add(1);
                    self.port.lose(room.entry());
                }
            }
            self.upkeep = Upkeep::Due;
            crate::stack::mark();
        }
        if self.keyring.take_continuity() == Continuity::Broken {
            self.begin_all();
            for room in self.rooms.values_mut() {
                room.lose();
            }
        }
        if self.upkeep == Upkeep::Due && self.bus.is_up() {
            self.upkeep = Upkeep::Done;
            let handles: Vec<Handle> = self.rooms.keys().copied().collect();
            for handle in handles {
                self.listen(handle).await;
            }
        }
    }

    /// Publishes frames of this relay, or what else there is to say about a topic.
    async fn publish(&mut self, handle: Handle, delivery: Option<&Delivery>) {
        let now = self.now();
        let Some(room) = self.rooms.get_mut(&handle) else {
            return;
        };
        self.counter = self.counter.saturating_add(1);
        let carries = delivery.map_or(Carries::Nothing, |_| Carries::Frames);
        let header = room.next_header(self.counter, carries);
        let frames = delivery.into_iter().flat_map(Delivery::each_frame);
        let sealed = self.keyring.sending(now).and_then(|epoch| {
            let tag = epoch.tag(room.entry().topic());
            let bytes = message::seal(epoch, tag, self.id, self.counter, header, frames)?;
            Some((tag.to_subject(), bytes))
        });
        let published = match sealed {
            Some((subject, bytes)) => self.bus.publish(subject, bytes).await,
            None => Err(Unavailable),
        };
        let counters = self.monitor.counters();
        match (published, delivery) {
            (Ok(()), Some(delivery)) => {
                counters.cluster_frames_out.add(number(delivery.frames()));
            }
            (Ok(()), None) => {}
            (Err(Unavailable), _) => room.take_back(header, carries),
        }
    }

    fn lose(&mut self, handle: Handle) {
        if let Some(room) = self.rooms.get_mut(&handle) {
            room.lose();
        }
    }

    fn begin_all(&mut self) {
        let settled = self.settled();
        for room in self.rooms.values_mut() {
            room.begin(settled);
        }
    }

    fn handle_peers(&mut self) {
        let present: BTreeSet<NodeId> = self.keyring.peers().collect();
        if present != self.present {
            let is_new = |node: &NodeId| !self.present.contains(node);
            let somebody_came = present.iter().any(is_new);
            for room in self.rooms.values_mut() {
                // Where this relay itself was cut off, `begin` stands for all that was missed.
                if room.handle_peers(&present) == Loss::Some && self.bus.is_up() {
                    self.port.lose(room.entry());
                }
                if somebody_came {
                    room.remind();
                }
            }
            self.monitor
                .levels()
                .cluster_relays
                .set(number(present.len()));
            self.present = present;
        }
    }

    async fn say_goodbye(&mut self) {
        let entries: Vec<Arc<Entry>> = self.rooms.values().map(Room::entry).cloned().collect();
        for entry in entries {
            self.leave(&entry).await;
        }
        self.bus.flush().await;
    }

    fn settled(&self) -> Time {
        Time(self.now().0.saturating_add(SETTLE_MS))
    }

    fn now(&self) -> Time {
        let elapsed = self.start.elapsed().as_millis();
        Time(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }
}

fn number(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// How often time passes for everything here.
const TICK: Duration = Duration::from_millis(500);

/// When a subscription has reached all servers, in milliseconds.
const SETTLE_MS: u64 = 400;

/// Topics that say something beside frames in one tick: about a tenth of a second of work.
const MARKERS_MAX: usize = 8192;
