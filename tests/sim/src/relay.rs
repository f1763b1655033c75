//! The relay of the world: the relay's own switch, fed with the bytes that clients send.
//!
//! It has two nodes, as a relay in a cluster has: each person is connected to one of them, and what is
//! published at one is handed to the other unless the way between them is cut. When it is no longer cut,
//! those who missed something are told of a gap, as the cluster does it.

use std::collections::BTreeMap;

use bytes::Bytes;
use sori_engine::PublishToken;
use sori_relay::switch::{
    Access, ConnectionId, Directory, Draft, ProvenTopic, Publication, Switch, Time, Transmit,
};
use sori_wire::{
    ClientMessage, ClientMessageRef, Decoder, Exporter, Frame, Handle, Intake, Refusal,
    RelayMessage, RequestId, Topic, TopicSeed,
};

/// Nodes of the relay.
const NODES: usize = 2;
/// More than the frames that wait in any world.
const QUEUED_BYTES_MAX: usize = 256 * 1024 * 1024;

/// What the relay says to somebody.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    Attached(Topic),
    Refused(Topic, Refusal),
    Published(PublishToken, u32),
    Frame(Topic, Vec<u8>),
    Gap(Topic),
    /// The relay ends the connection.
    Closed,
}

/// What is said, to whom.
pub(crate) type Words = Vec<(usize, Said)>;
/// Who reads nothing, until when.
pub(crate) type Waits = Vec<(usize, u64)>;

/// All nodes, and who is connected to them.
pub(crate) struct Relay {
    nodes: Vec<Switch>,
    links: BTreeMap<usize, Link>,
    at: BTreeMap<(usize, ConnectionId), usize>,
    /// Whether the nodes hear each other.
    cut: bool,
    /// What a node would have had to hand on while it could not. By the topics: what number a topic has is left to
    /// chance, and would give each run another order.
    missed: BTreeMap<(usize, Topic), Handle>,
    began: u64,
    exporter: Exporter,
}

/// One connection, both ends of it.
struct Link {
    node: usize,
    id: ConnectionId,
    intake: Intake,
    decoder: Decoder<RelayMessage>,
    asked: BTreeMap<RequestId, Asked>,
    next: u32,
    topics: BTreeMap<Handle, Topic>,
    handles: BTreeMap<Topic, Handle>,
    /// Until when the client reads nothing.
    busy_until: u64,
}

enum Asked {
    Attach(Topic),
    Publish(PublishToken),
}

impl Relay {
    pub(crate) fn new(now: u64) -> Self {
        let directory = Directory::new(NODES, usize::MAX);
        let nodes = (0..NODES).map(|node| Switch::new(directory.clone(), node, QUEUED_BYTES_MAX));
        Self {
            nodes: nodes.collect(),
            links: BTreeMap::new(),
            at: BTreeMap::new(),
            cut: false,
            missed: BTreeMap::new(),
            began: now,
            exporter: Exporter::from_bytes([1; 32]),
        }
    }

    fn time(&self, now: u64) -> Time {
        Time(now.saturating_sub(self.began))
    }

    /// Opens a connection to a node.
    pub(crate) fn connect(&mut self, who: usize, node: usize, now: u64) {
        self.disconnect(who);
        let time = self.time(now);
        let id = self.nodes[node].handle_connect(Access::Free, time).unwrap();
        let link = Link {
            node,
            id,
            intake: Intake::new(),
            decoder: Decoder::new(),
            asked: BTreeMap::new(),
            next: 0,
            topics: BTreeMap::new(),
            handles: BTreeMap::new(),
            busy_until: 0,
        };
        self.at.insert((node, id), who);
        self.links.insert(who, link);
    }

    /// A connection is gone.
    pub(crate) fn disconnect(&mut self, who: usize) {
        if let Some(link) = self.links.remove(&who) {
            self.at.remove(&(link.node, link.id));
            self.nodes[link.node].handle_disconnect(link.id);
        }
    }

    pub(crate) fn is_connected(&self, who: usize) -> bool {
        self.links.contains_key(&who)
    }

    /// Where somebody is attached.
    pub(crate) fn topics(&self, who: usize) -> Vec<Topic> {
        let link = self.links.get(&who);
        link.map_or_else(Vec::new, |link| link.handles.keys().copied().collect())
    }

    /// Somebody reads nothing until then.
    pub(crate) fn stall(&mut self, who: usize, until: u64) {
        if let Some(link) = self.links.get_mut(&who) {
            link.busy_until = until;
        }
    }

    pub(crate) fn attach(&mut self, who: usize, seed: &TopicSeed, now: u64) {
        let (topic, proof) = (seed.topic(), seed.prove(&self.exporter));
        let Some(link) = self.links.get_mut(&who) else {
            return;
        };
        let request = link.ask(Asked::Attach(topic));
        let message = ClientMessage::Attach {
            request,
            topic,
            proof,
        };
        self.receive(who, &message, now);
    }

    pub(crate) fn detach(&mut self, who: usize, topic: &Topic, now: u64) {
        let Some(link) = self.links.get_mut(&who) else {
            return;
        };
        if let Some(handle) = link.handles.remove(topic) {
            link.topics.remove(&handle);
            self.receive(who, &ClientMessage::Detach { handle }, now);
        }
    }

    /// Publishes a frame; `false` if somebody is not attached there.
    pub(crate) fn publish(
        &mut self,
        who: usize,
        topic: &Topic,
        frame: Frame,
        token: PublishToken,
        now: u64,
    ) -> bool {
        let Some(link) = self.links.get_mut(&who) else {
            return false;
        };
        let Some(handle) = link.handles.get(topic).copied() else {
            return false;
        };
        let request = link.ask(Asked::Publish(token));
        let message = ClientMessage::Publish {
            request,
            handle,
            frame,
        };
        self.receive(who, &message, now);
        true
    }

    /// The bytes of a message arrive at the node.
    fn receive(&mut self, who: usize, message: &ClientMessage, now: u64) {
        let time = self.time(now);
        let bytes = message.encode();
        let Some(link) = self.links.get_mut(&who) else {
            return;
        };
        let (node, id) = (link.node, link.id);
        let mut publications = Vec::new();
        let mut received = link.intake.receive(&bytes);
        while let Some(message) = received.next().unwrap() {
            let switch = &mut self.nodes[node];
            match message {
                ClientMessageRef::Attach {
                    request,
                    topic,
                    proof,
                } => match ProvenTopic::verify(&topic, &proof, &self.exporter) {
                    Ok(proven) => switch.handle_attach(id, request, &proven),
                    Err(_) => switch.handle_refused(id, request, Refusal::BadProof),
                },
                ClientMessageRef::Detach { handle } => switch.handle_detach(id, handle, time),
                ClientMessageRef::Publish {
                    request,
                    handle,
                    frame,
                } => publications.push(Draft::new(handle, request, frame).finish()),
                ClientMessageRef::Access { .. } => {}
            }
        }
        drop(received);
        for publication in publications {
            self.forward(node, id, &publication, time);
        }
    }

    fn forward(&mut self, node: usize, id: ConnectionId, publication: &Publication, time: Time) {
        let published = self.nodes[node].handle_publish(id, publication, time);
        if published.is_none() {
            return;
        }
        let delivery = publication.delivery();
        let topic = (self.at.get(&(node, id)))
            .and_then(|who| self.links.get(who)?.topics.get(&delivery.handle()).copied());
        let Some(topic) = topic else { return };
        let others: Vec<usize> = self.nodes[node]
            .other_shards(delivery.handle())
            .map(|(other, _)| other)
            .collect();
        for other in others {
            if self.cut {
                self.missed.insert((other, topic), delivery.handle());
            } else {
                self.nodes[other].handle_delivery(delivery, time);
            }
        }
    }

    /// Cuts the way between the nodes, or mends it and tells those who missed something, unless the relay
    /// is one that keeps silent.
    pub(crate) fn cut(&mut self, cut: bool, silent: bool) {
        self.cut = cut;
        if cut {
            return;
        }
        for ((node, _), handle) in std::mem::take(&mut self.missed) {
            if !silent {
                self.nodes[node].handle_loss(handle);
            }
        }
    }

    pub(crate) const fn is_cut(&self) -> bool {
        self.cut
    }

    /// What there is to say to anybody who reads. Second: who does not read now, and until when.
    pub(crate) fn poll(&mut self, now: u64) -> (Words, Waits) {
        let time = self.time(now);
        let mut said = Vec::new();
        let mut later = Vec::new();
        for node in 0..self.nodes.len() {
            while let Some(id) = self.nodes[node].poll_wake() {
                let Some(who) = self.at.get(&(node, id)).copied() else {
                    continue;
                };
                let until = self.links.get(&who).map_or(0, |link| link.busy_until);
                if until > now {
                    later.push((who, until));
                } else {
                    self.read(who, time, &mut said);
                }
            }
            while let Some((id, _)) = self.nodes[node].poll_close() {
                if let Some(who) = self.at.get(&(node, id)).copied() {
                    said.push((who, Said::Closed));
                }
            }
        }
        (said, later)
    }

    /// Somebody reads again.
    pub(crate) fn resume(&mut self, who: usize, now: u64) -> Vec<(usize, Said)> {
        let mut said = Vec::new();
        self.read(who, self.time(now), &mut said);
        said
    }

    /// To be called now and then.
    pub(crate) fn timeout(&mut self, now: u64) {
        let time = self.time(now);
        for node in &mut self.nodes {
            node.handle_timeout(time);
        }
    }

    fn read(&mut self, who: usize, time: Time, said: &mut Vec<(usize, Said)>) {
        let Some(link) = self.links.get_mut(&who) else {
            return;
        };
        let switch = &mut self.nodes[link.node];
        let mut pieces: Vec<Bytes> = Vec::new();
        while switch.poll_transmit(link.id, time, &mut pieces) == Transmit::Bytes {
            for piece in pieces.drain(..) {
                link.decoder.push(&piece);
                while let Some(message) = link.decoder.next().unwrap() {
                    said.extend(link.understand(message).map(|said| (who, said)));
                }
            }
        }
    }
}

impl Link {
    fn ask(&mut self, asked: Asked) -> RequestId {
        self.next = self.next.wrapping_add(1);
        self.asked.insert(RequestId(self.next), asked);
        RequestId(self.next)
    }

    fn understand(&mut self, message: RelayMessage) -> Option<Said> {
        match message {
            RelayMessage::Attached { request, handle } => {
                let Some(Asked::Attach(topic)) = self.asked.remove(&request) else {
                    return None;
                };
                self.topics.insert(handle, topic);
                self.handles.insert(topic, handle);
                Some(Said::Attached(topic))
            }
            RelayMessage::Refused { request, reason } => match self.asked.remove(&request) {
                Some(Asked::Attach(topic)) => Some(Said::Refused(topic, reason)),
                Some(Asked::Publish(_)) | None => None,
            },
            RelayMessage::Published { request, receivers } => match self.asked.remove(&request) {
                Some(Asked::Publish(token)) => Some(Said::Published(token, receivers)),
                Some(Asked::Attach(_)) | None => None,
            },
            RelayMessage::Deliver { handle, frame } => {
                let topic = self.topics.get(&handle)?;
                Some(Said::Frame(*topic, frame.into_bytes()))
            }
            RelayMessage::Gap { handle } => self.topics.get(&handle).copied().map(Said::Gap),
            RelayMessage::GoingAway | RelayMessage::Closing { .. } => Some(Said::Closed),
        }
    }
}
