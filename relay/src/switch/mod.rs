//! Who is attached to what, and what waits for whom: the relay's core, without I/O or clock.
//!
//! A relay has one switch for each shard; they share a [`Directory`]. The caller verifies proofs
//! (they cost CPU and need no state), passes `now` in, asks with [`Switch::poll_transmit`] for the
//! bytes of a connection after [`Switch::poll_wake`] named it, and carries what a shard published to
//! the others. No call ever waits: a reader that is too slow loses frames and gets a notice, a
//! publisher notices nothing (`protocol §2.4`).

mod delivery;
mod directory;
mod interest;
mod outbox;
mod proven;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use slab::Slab;
use sori_wire::limits::{
    ACCESS_MS_MAX, CONTROL_QUEUE_BYTES_MAX, TOPICS_PER_CONNECTION_MAX, UNATTACHED_MS_MAX,
};
use sori_wire::{CloseCode, Handle, Refusal, RelayMessage, RequestId};

#[cfg(sori_mutants)]
use crate::mutant;
pub use crate::time::Time;
pub use delivery::{Delivery, Draft, Publication};
pub use directory::Directory;
pub(crate) use directory::Entry;
pub(crate) use interest::{Change, Interest};
#[cfg(test)]
pub(crate) use outbox::BATCH_LEN;
use outbox::{Outbox, Push, Room};
pub use proven::ProvenTopic;

/// Names one connection of a shard while it lasts. Never shown to anyone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionId(usize);

impl ConnectionId {
    /// Small numbers that come again when a connection has gone.
    pub(crate) const fn index(self) -> usize {
        self.0
    }
}

/// What to do for a connection now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transmit {
    /// Write the pieces, in order.
    Bytes,
    /// Everything was said, the relay is stopping: end the stream.
    Finish,
    /// Nothing waits; [`Switch::poll_wake`] will name the connection when something does.
    Nothing,
}

/// Whether a connection has to show an access key before it does anything (`protocol §2.9`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// No, or it has done so.
    Free,
    /// Yes, and it has not yet.
    Required,
}

/// Attachments and queues of the connections of one shard.
#[derive(Debug)]
pub struct Switch {
    connections: Slab<Connection>,
    topics: BTreeMap<Handle, Local>,
    directory: Directory,
    shard: usize,
    queued_bytes: usize,
    queued_bytes_max: usize,
    attachments: usize,
    gaps: u64,
    woken: Vec<ConnectionId>,
    closing: Vec<(ConnectionId, CloseCode)>,
    phase: Phase,
}

#[derive(Debug)]
struct Connection {
    /// Sorted.
    handles: Vec<Handle>,
    outbox: Outbox,
    unattached_since: Option<Time>,
    access: Access,
}

/// A topic with attachments in this shard.
#[derive(Debug)]
struct Local {
    entry: Arc<Entry>,
    members: Vec<ConnectionId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Serving,
    Stopping,
}

impl Switch {
    /// The switch of the shard with this number, which holds at most `queued_bytes_max` bytes of
    /// waiting frames over all its connections (a frame that waits for several readers counts several
    /// times).
    #[must_use]
    pub const fn new(directory: Directory, shard: usize, queued_bytes_max: usize) -> Self {
        Self {
            connections: Slab::new(),
            topics: BTreeMap::new(),
            directory,
            shard,
            queued_bytes: 0,
            queued_bytes_max,
            attachments: 0,
            gaps: 0,
            woken: Vec::new(),
            closing: Vec::new(),
            phase: Phase::Serving,
        }
    }

    /// A connection opened its stream. `None` once the relay is stopping.
    pub fn handle_connect(&mut self, access: Access, now: Time) -> Option<ConnectionId> {
        if self.phase == Phase::Stopping {
            return None;
        }
        let connection = Connection {
            handles: Vec::new(),
            outbox: Outbox::default(),
            unattached_since: Some(now),
            access,
        };
        Some(ConnectionId(self.connections.insert(connection)))
    }

    /// A connection is gone: everything about it is dropped.
    pub fn handle_disconnect(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.try_remove(id.0) else {
            return;
        };
        let waiting = connection.outbox.queued_bytes();
        self.queued_bytes = self.queued_bytes.saturating_sub(waiting);
        for handle in connection.handles {
            self.leave(handle, id);
        }
    }

    /// A connection showed a good access key.
    pub fn handle_access(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(id.0) {
            connection.access = Access::Free;
        }
    }

    /// A connection asks to attach to a topic whose proof was verified (`protocol §2.2`).
    pub fn handle_attach(&mut self, id: ConnectionId, request: RequestId, proven: &ProvenTopic) {
        let outcome = self.attach(id, proven);
        self.answer(
            id,
            &match outcome {
                Ok(handle) => RelayMessage::Attached { request, handle },
                Err(reason) => RelayMessage::Refused { request, reason },
            },
        );
    }

    /// A request was found wrong before it got here, for example by its proof.
    pub fn handle_refused(&mut self, id: ConnectionId, request: RequestId, reason: Refusal) {
        self.answer(id, &RelayMessage::Refused { request, reason });
    }

    /// A connection ends an attachment. An unknown handle is ignored.
    pub fn handle_detach(&mut self, id: ConnectionId, handle: Handle, now: Time) {
        let Some(connection) = self.connections.get_mut(id.0) else {
            return;
        };
        let Ok(at) = connection.handles.binary_search(&handle) else {
            return;
        };
        #[cfg(sori_mutants)]
        if mutant::is("ignores-detach") {
            return;
        }
        connection.handles.remove(at);
        if connection.handles.is_empty() {
            connection.unattached_since = Some(now);
        }
        self.on_outbox(id, |outbox| outbox.forget(handle));
        self.leave(handle, id);
    }

    /// A connection publishes frames through one of its attachments (`protocol §2.4`). Returns for
    /// how many others they are; `None` if it is not attached there. What
    /// [`Self::other_shards`] then names has to get the same delivery.
    pub fn handle_publish(
        &mut self,
        id: ConnectionId,
        publication: &Publication,
        now: Time,
    ) -> Option<usize> {
        let delivery = publication.delivery();
        let handle = delivery.handle();
        let is_attached = self
            .connections
            .get(id.0)
            .is_some_and(|connection| connection.handles.binary_search(&handle).is_ok());
        if !is_attached {
            for request in publication.requests() {
                self.handle_refused(id, *request, Refusal::UnknownHandle);
            }
            return None;
        }
        #[cfg(sori_mutants)]
        faults_of_publish(delivery, now);
        let here = self.fan_out(delivery, Some(id), now);
        let elsewhere: usize = self.other_shards(handle).map(|(_, count)| count).sum();
        let relays = self.topics.get(&handle).map(|local| &local.entry);
        let receivers = here
            .saturating_add(elsewhere)
            .saturating_add(relays.map_or(0, |entry| entry.elsewhere()));
        #[cfg(sori_mutants)]
        let receivers = receivers.saturating_add(usize::from(mutant::is("counts-the-publisher")));
        for request in publication.requests() {
            let message = RelayMessage::Published {
                request: *request,
                receivers: u32::try_from(receivers).unwrap_or(u32::MAX),
            };
            self.answer(id, &message);
        }
        Some(receivers)
    }

    /// Frames that were published in another shard.
    pub fn handle_delivery(&mut self, delivery: &Delivery, now: Time) {
        self.fan_out(delivery, None, now);
    }

    /// Frames of another shard were lost on the way here.
    pub fn handle_loss(&mut self, handle: Handle) {
        let Some(local) = self.topics.remove(&handle) else {
            return;
        };
        for id in &local.members {
            if self.on_outbox(*id, |outbox| outbox.push_gap(handle)) == Some(true) {
                self.gaps = self.gaps.saturating_add(1);
            }
        }
        self.topics.insert(handle, local);
    }

    /// The relay is stopping: everyone is told, nobody new is let in.
    pub fn handle_shutdown(&mut self) {
        if self.phase == Phase::Stopping {
            return;
        }
        self.phase = Phase::Stopping;
        for id in self.ids() {
            self.answer(id, &RelayMessage::GoingAway);
        }
    }

    /// Whether [`Self::handle_shutdown`] was called.
    #[must_use]
    pub const fn is_stopping(&self) -> bool {
        matches!(self.phase, Phase::Stopping)
    }

    /// Drops what has waited too long and finds out who has to go. To be called twice a second or so.
    pub fn handle_timeout(&mut self, now: Time) {
        for id in self.ids() {
            self.expire(id, now);
            let Some(connection) = self.connections.get(id.0) else {
                continue;
            };
            let alone_ms = connection
                .unattached_since
                .map_or(0, |since| now.millis_since(since));
            if connection.access == Access::Required && alone_ms >= ACCESS_MS_MAX {
                self.closing.push((id, CloseCode::NoAccess));
            } else if alone_ms >= UNATTACHED_MS_MAX {
                self.closing.push((id, CloseCode::Unattached));
            }
        }
    }

    /// The next connection whose empty queue got something, each once per time that happens.
    pub fn poll_wake(&mut self) -> Option<ConnectionId> {
        self.woken.pop()
    }

    /// The next connection to close, and why.
    pub fn poll_close(&mut self) -> Option<(ConnectionId, CloseCode)> {
        self.closing.pop()
    }

    /// What to do for a connection now. Bytes that are moved to `pieces` are no longer held here.
    pub fn poll_transmit(
        &mut self,
        id: ConnectionId,
        now: Time,
        pieces: &mut Vec<Bytes>,
    ) -> Transmit {
        self.expire(id, now);
        let taken = self.on_outbox(id, |outbox| {
            let before = pieces.len();
            outbox.take_batch(pieces);
            pieces.len() > before
        });
        match (taken, self.phase) {
            (None, _) | (Some(false), Phase::Stopping) => Transmit::Finish,
            (Some(true), _) => Transmit::Bytes,
            (Some(false), Phase::Serving) => Transmit::Nothing,
        }
    }

    /// Other shards with attachments of this topic, and how many.
    pub fn other_shards(&self, handle: Handle) -> impl Iterator<Item = (usize, usize)> {
        let entry = self.topics.get(&handle).map(|local| &local.entry);
        entry
            .into_iter()
            .flat_map(|entry| entry.in_shards())
            .filter(|(shard, count)| *shard != self.shard && *count > 0)
    }

    /// Whether so many answers wait for a connection that nothing more should be read from it.
    #[must_use]
    pub fn is_congested(&self, id: ConnectionId) -> bool {
        self.connections
            .get(id.0)
            .is_some_and(|connection| connection.outbox.control_bytes() > CONTROL_QUEUE_BYTES_MAX)
    }

    /// Bytes of frames that wait, over all connections of this shard.
    #[must_use]
    pub const fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// Number of topics with at least one attachment in this shard.
    #[must_use]
    pub fn topic_count(&self) -> usize {
        self.topics.len()
    }

    /// Number of attachments in this shard.
    #[must_use]
    pub const fn attachment_count(&self) -> usize {
        self.attachments
    }

    /// How often somebody lost frames and is told so, since the start.
    #[must_use]
    pub const fn gap_count(&self) -> u64 {
        self.gaps
    }

    fn attach(&mut self, id: ConnectionId, proven: &ProvenTopic) -> Result<Handle, Refusal> {
        if self.phase == Phase::Stopping {
            return Err(Refusal::Busy);
        }
        let connection = self.connections.get_mut(id.0).ok_or(Refusal::Busy)?;
        if connection.handles.len() >= topics_max() {
            return Err(Refusal::TooManyTopics);
        }
        let entry = self.directory.enter(proven.topic(), self.shard)?;
        let handle = entry.handle();
        #[cfg(sori_mutants)]
        if let Some((delivery, then)) = mutant::remembered(handle) {
            let _queued = connection
                .outbox
                .push_frames(handle, &delivery, then, Room::Normal);
        }
        let Err(at) = connection.handles.binary_search(&handle) else {
            self.directory.leave(&entry, self.shard);
            return Err(Refusal::AlreadyAttached);
        };
        connection.handles.insert(at, handle);
        connection.unattached_since = None;
        let local = self.topics.entry(handle).or_insert_with(|| Local {
            entry,
            members: Vec::new(),
        });
        local.members.push(id);
        self.attachments = self.attachments.saturating_add(1);
        Ok(handle)
    }

    /// Queues shared frames for everyone else and counts for whom there was room.
    fn fan_out(&mut self, delivery: &Delivery, from: Option<ConnectionId>, now: Time) -> usize {
        let Some(local) = self.topics.get(&delivery.handle()) else {
            return 0;
        };
        let mut receivers = 0_usize;
        #[cfg(sori_mutants)]
        let local = &Local {
            entry: Arc::clone(&local.entry),
            members: everybody_or(&self.connections, &local.members),
        };
        for id in &local.members {
            #[cfg(sori_mutants)]
            let from = from.filter(|_| !mutant::is("echoes-frames"));
            if Some(*id) == from {
                continue;
            }
            let Some(connection) = self.connections.get_mut(id.0) else {
                continue;
            };
            let outbox = &mut connection.outbox;
            let was_empty = outbox.is_empty();
            let before = outbox.queued_bytes();
            let room = if self.queued_bytes < self.queued_bytes_max {
                Room::Normal
            } else {
                Room::Scarce
            };
            match outbox.push_frames(delivery.handle(), delivery, now, room) {
                Push::Queued => receivers = receivers.saturating_add(1),
                Push::Gap => self.gaps = self.gaps.saturating_add(1),
                Push::Dropped => {}
            }
            self.queued_bytes = self
                .queued_bytes
                .saturating_sub(before)
                .saturating_add(outbox.queued_bytes());
            if was_empty && !outbox.is_empty() {
                self.woken.push(*id);
            }
        }
        receivers
    }

    fn expire(&mut self, id: ConnectionId, now: Time) {
        let gaps = self.on_outbox(id, |outbox| outbox.expire(now)).unwrap_or(0);
        let gaps = u64::try_from(gaps).unwrap_or(u64::MAX);
        self.gaps = self.gaps.saturating_add(gaps);
    }

    fn answer(&mut self, id: ConnectionId, message: &RelayMessage) {
        self.on_outbox(id, |outbox| outbox.push_control(message));
    }

    /// Does something to a queue, keeps the sum, and notes if something waits now where nothing did.
    fn on_outbox<R>(
        &mut self,
        id: ConnectionId,
        change: impl FnOnce(&mut Outbox) -> R,
    ) -> Option<R> {
        let outbox = &mut self.connections.get_mut(id.0)?.outbox;
        let (was_empty, before) = (outbox.is_empty(), outbox.queued_bytes());
        let result = change(outbox);
        if was_empty && !outbox.is_empty() {
            self.woken.push(id);
        }
        self.queued_bytes = self
            .queued_bytes
            .saturating_sub(before)
            .saturating_add(outbox.queued_bytes());
        Some(result)
    }

    fn leave(&mut self, handle: Handle, id: ConnectionId) {
        let Some(local) = self.topics.get_mut(&handle) else {
            return;
        };
        if let Some(at) = local.members.iter().position(|member| *member == id) {
            local.members.swap_remove(at);
        }
        self.attachments = self.attachments.saturating_sub(1);
        self.directory.leave(&local.entry, self.shard);
        if local.members.is_empty() {
            self.topics.remove(&handle);
        }
    }

    fn ids(&self) -> Vec<ConnectionId> {
        let ids = self.connections.iter();
        ids.map(|(index, _)| ConnectionId(index)).collect()
    }
}

/// A topic as the directory of one shard knows it, with one attachment.
#[cfg(test)]
pub(crate) fn entry_for_tests(topic: sori_wire::Topic) -> Arc<Entry> {
    let directory = Directory::new(1, usize::MAX);
    directory.enter(&Arc::new(topic), 0).unwrap()
}

#[cfg(not(sori_mutants))]
const fn topics_max() -> usize {
    TOPICS_PER_CONNECTION_MAX
}

#[cfg(sori_mutants)]
fn topics_max() -> usize {
    if mutant::is("takes-any-number-of-topics") {
        return usize::MAX;
    }
    TOPICS_PER_CONNECTION_MAX
}

/// What a relay must not do with what passes it.
#[cfg(sori_mutants)]
fn faults_of_publish(delivery: &Delivery, now: Time) {
    if mutant::is("keeps-frames-for-a-second") {
        mutant::hold(&delivery.messages);
    }
    if mutant::is("keeps-frames") {
        mutant::keep(&delivery.messages);
    }
    if mutant::is("keeps-beginnings") {
        let frames = delivery.each_frame();
        frames.for_each(|frame| mutant::keep(frame.get(..32).unwrap_or_default()));
    }
    if mutant::is("tells-another-program") {
        mutant::pass_on(&delivery.messages);
    }
    if mutant::is("writes-a-file") {
        mutant::write(&delivery.messages);
    }
    if mutant::is("delivers-late") {
        mutant::remember(delivery, now);
    }
}

/// Members of a topic, or everybody.
#[cfg(sori_mutants)]
fn everybody_or(connections: &Slab<Connection>, members: &[ConnectionId]) -> Vec<ConnectionId> {
    if mutant::is("leaks-to-other-topics") {
        return connections.iter().map(|(id, _)| ConnectionId(id)).collect();
    }
    members.to_vec()
}

#[cfg(test)]
mod tests;
