//! Who is attached to what, and what waits for whom: the relay's core, without I/O or clock.
//!
//! The caller verifies proofs (they cost CPU and need no state), passes `now` in, and asks with
//! [`Switch::poll_transmit`] for the bytes of a connection after [`Switch::poll_wake`] named it.
//! No call ever waits: a reader that is too slow loses frames and gets a notice, a publisher
//! notices nothing (`protocol §2.4`).

mod outbox;
mod proven;
mod time;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use sori_wire::limits::{CONTROL_QUEUE_BYTES_MAX, TOPICS_PER_CONNECTION_MAX};
use sori_wire::{Handle, Refusal, RelayMessage, RequestId, Topic};

use outbox::{Outbox, Push, Room};
pub use proven::ProvenTopic;
pub use time::Time;

/// Names one connection for as long as the process runs. Never used twice, never shown to anyone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionId(u64);

/// What to do for a connection now.
#[derive(Debug, PartialEq, Eq)]
pub enum Transmit {
    /// Write these bytes, in order.
    Bytes(Vec<Bytes>),
    /// Everything was said, the relay is stopping: end the stream.
    Finish,
    /// Nothing waits; [`Switch::poll_wake`] will name the connection when something does.
    Nothing,
}

/// Attachments and queues of all connections.
#[derive(Debug)]
pub struct Switch {
    connections: BTreeMap<ConnectionId, Connection>,
    topics: BTreeMap<Arc<Topic>, BTreeMap<ConnectionId, Handle>>,
    connections_opened: u64,
    queued_bytes: usize,
    queued_bytes_max: usize,
    woken: Vec<ConnectionId>,
    phase: Phase,
}

#[derive(Debug)]
struct Connection {
    topics: BTreeMap<Handle, Arc<Topic>>,
    outbox: Outbox,
    handles_given: u32,
    unattached_since: Option<Time>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Serving,
    Stopping,
}

impl Switch {
    /// A switch that holds at most `queued_bytes_max` bytes of waiting frames over all connections
    /// (a frame that waits for several readers counts several times).
    #[must_use]
    pub const fn new(queued_bytes_max: usize) -> Self {
        Self {
            connections: BTreeMap::new(),
            topics: BTreeMap::new(),
            connections_opened: 0,
            queued_bytes: 0,
            queued_bytes_max,
            woken: Vec::new(),
            phase: Phase::Serving,
        }
    }

    /// A connection opened its stream. `None` once the relay is stopping.
    pub fn handle_connect(&mut self, now: Time) -> Option<ConnectionId> {
        if self.phase == Phase::Stopping {
            return None;
        }
        let id = ConnectionId(self.connections_opened);
        self.connections_opened = self.connections_opened.saturating_add(1);
        let connection = Connection {
            topics: BTreeMap::new(),
            outbox: Outbox::default(),
            handles_given: 0,
            unattached_since: Some(now),
        };
        self.connections.insert(id, connection);
        Some(id)
    }

    /// A connection is gone: everything about it is dropped.
    pub fn handle_disconnect(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.remove(&id) else {
            return;
        };
        self.queued_bytes = self
            .queued_bytes
            .saturating_sub(connection.outbox.queued_bytes());
        for topic in connection.topics.values() {
            self.leave(topic, id);
        }
    }

    /// A connection asks to attach to a topic whose proof was verified (`protocol §2.2`).
    pub fn handle_attach(&mut self, id: ConnectionId, request: RequestId, proven: &ProvenTopic) {
        let outcome = self.attach(id, proven.topic());
        self.answer(
            id,
            match outcome {
                Ok(handle) => RelayMessage::Attached { request, handle },
                Err(reason) => RelayMessage::Refused { request, reason },
            },
        );
    }

    /// A request was found wrong before it got here, for example by its proof.
    pub fn handle_refused(&mut self, id: ConnectionId, request: RequestId, reason: Refusal) {
        self.answer(id, RelayMessage::Refused { request, reason });
    }

    /// A connection ends an attachment. An unknown handle is ignored.
    pub fn handle_detach(&mut self, id: ConnectionId, handle: Handle, now: Time) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let Some(topic) = connection.topics.remove(&handle) else {
            return;
        };
        let freed = connection.outbox.forget(handle);
        self.queued_bytes = self.queued_bytes.saturating_sub(freed);
        if connection.topics.is_empty() {
            connection.unattached_since = Some(now);
        }
        self.leave(&topic, id);
    }

    /// A connection publishes a frame through one of its attachments (`protocol §2.4`).
    pub fn handle_publish(
        &mut self,
        id: ConnectionId,
        request: RequestId,
        handle: Handle,
        frame: &Bytes,
        now: Time,
    ) {
        let topic = self
            .connections
            .get(&id)
            .and_then(|connection| connection.topics.get(&handle))
            .cloned();
        let Some(topic) = topic else {
            return self.handle_refused(id, request, Refusal::UnknownHandle);
        };
        let receivers = self.fan_out(&topic, id, frame, now);
        self.answer(id, RelayMessage::Published { request, receivers });
    }

    /// The relay is stopping: everyone is told, nobody new is let in.
    pub fn handle_shutdown(&mut self) {
        if self.phase == Phase::Stopping {
            return;
        }
        self.phase = Phase::Stopping;
        let everyone: Vec<ConnectionId> = self.connections.keys().copied().collect();
        for id in everyone {
            self.answer(id, RelayMessage::GoingAway);
        }
    }

    /// Drops what has waited too long for a connection. To be called while its transport takes
    /// nothing; [`Self::poll_transmit`] does it by itself.
    pub fn handle_timeout(&mut self, id: ConnectionId, now: Time) {
        if let Some(connection) = self.connections.get_mut(&id) {
            let freed = connection.outbox.expire(now);
            self.queued_bytes = self.queued_bytes.saturating_sub(freed);
        }
    }

    /// The next connection whose empty queue got something, each once per time that happens.
    pub fn poll_wake(&mut self) -> Option<ConnectionId> {
        self.woken.pop()
    }

    /// What to do for a connection now. Bytes that are returned are no longer held here.
    pub fn poll_transmit(&mut self, id: ConnectionId, now: Time) -> Transmit {
        let Some(connection) = self.connections.get_mut(&id) else {
            return Transmit::Finish;
        };
        let before = connection.outbox.queued_bytes();
        connection.outbox.expire(now);
        let chunks = connection.outbox.take_batch();
        let freed = before.saturating_sub(connection.outbox.queued_bytes());
        self.queued_bytes = self.queued_bytes.saturating_sub(freed);
        if !chunks.is_empty() {
            return Transmit::Bytes(chunks);
        }
        match self.phase {
            Phase::Serving => Transmit::Nothing,
            Phase::Stopping => Transmit::Finish,
        }
    }

    /// Since when a connection has had no attachment; `None` while it has one.
    #[must_use]
    pub fn unattached_since(&self, id: ConnectionId) -> Option<Time> {
        self.connections.get(&id)?.unattached_since
    }

    /// Whether so many answers wait for a connection that nothing more should be read from it.
    #[must_use]
    pub fn is_congested(&self, id: ConnectionId) -> bool {
        self.connections
            .get(&id)
            .is_some_and(|connection| connection.outbox.control_bytes() > CONTROL_QUEUE_BYTES_MAX)
    }

    /// Bytes of frames that wait, over all connections.
    #[must_use]
    pub const fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// Number of topics with at least one attachment.
    #[must_use]
    pub fn topic_count(&self) -> usize {
        self.topics.len()
    }

    fn attach(&mut self, id: ConnectionId, topic: &Arc<Topic>) -> Result<Handle, Refusal> {
        if self.phase == Phase::Stopping {
            return Err(Refusal::Busy);
        }
        let connection = self.connections.get_mut(&id).ok_or(Refusal::Busy)?;
        if connection.topics.len() >= TOPICS_PER_CONNECTION_MAX {
            return Err(Refusal::TooManyTopics);
        }
        if self
            .topics
            .get(topic)
            .is_some_and(|attachments| attachments.contains_key(&id))
        {
            return Err(Refusal::AlreadyAttached);
        }
        let handle = Handle(connection.handles_given);
        connection.handles_given = connection
            .handles_given
            .checked_add(1)
            .ok_or(Refusal::Busy)?;
        connection.topics.insert(handle, Arc::clone(topic));
        connection.unattached_since = None;
        let attachments = self.topics.entry(Arc::clone(topic)).or_default();
        attachments.insert(id, handle);
        Ok(handle)
    }

    /// Queues one shared frame for everyone else and counts for whom there was room.
    fn fan_out(&mut self, topic: &Topic, from: ConnectionId, frame: &Bytes, now: Time) -> u32 {
        let Some(attachments) = self.topics.get(topic) else {
            return 0;
        };
        let mut receivers = 0_u32;
        for (id, handle) in attachments {
            let Some(connection) = self.connections.get_mut(id).filter(|_| *id != from) else {
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
            if outbox.push_frame(*handle, frame, now, room) == Push::Queued {
                receivers = receivers.saturating_add(1);
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

    fn answer(&mut self, id: ConnectionId, message: RelayMessage) {
        if let Some(connection) = self.connections.get_mut(&id) {
            if connection.outbox.is_empty() {
                self.woken.push(id);
            }
            connection.outbox.push_control(&message);
        }
    }

    fn leave(&mut self, topic: &Topic, id: ConnectionId) {
        if let Some(attachments) = self.topics.get_mut(topic) {
            attachments.remove(&id);
            if attachments.is_empty() {
                self.topics.remove(topic);
            }
        }
    }
}

#[cfg(test)]
mod tests;
