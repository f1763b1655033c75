//! How the relays of a cluster come to hold the same epoch key, without anybody storing it.
//!
//! A plain value without I/O or clock: what arrives is handed in with the time, what is to be said is
//! taken out. `docs/decisions/0010-epoch-keys-are-handed-on.md` says why it is like this.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use chacha20poly1305::aead::Aead;
use chacha20poly1305::{ChaCha20Poly1305, Key, KeyInit, Nonce};
use rustls::crypto::ActiveKeyExchange;
use rustls::crypto::aws_lc_rs::kx_group::X25519MLKEM768;
use zeroize::Zeroizing;

use super::control::{Control, GIVEN_MAX, Given};
use super::epoch::{Epoch, EpochId, NodeId};
use super::secret::Membership;
use crate::bucket::Bucket;
use crate::settings::Rate;
use crate::time::Time;

/// The epochs that a relay holds, and what it knows of the others for that.
pub(super) struct Keyring {
    node: NodeId,
    membership: Membership,
    rotation_ms: u64,
    /// At most two, the newest last.
    held: Vec<Held>,
    peers: BTreeMap<NodeId, Time>,
    asking: Option<Asking>,
    /// Connected to the bus since then.
    connected: Option<Time>,
    beacon_at: Time,
    gives: Bucket,
    outgoing: VecDeque<Vec<u8>>,
    broken: Continuity,
}

/// Whether everything that was published reached the epochs that this relay listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Continuity {
    /// Frames may have passed under a key that somebody did not have.
    Broken,
    Whole,
}

struct Held {
    epoch: Arc<Epoch>,
    made: Time,
    send_from: Time,
}

struct Asking {
    ask: [u8; 16],
    whom: NodeId,
    exchange: Box<dyn ActiveKeyExchange>,
    since: Time,
}

impl Keyring {
    pub(super) fn new(node: NodeId, membership: Membership, rotation_ms: u64, now: Time) -> Self {
        Self {
            node,
            membership,
            rotation_ms,
            held: Vec::new(),
            peers: BTreeMap::new(),
            asking: None,
            connected: None,
            beacon_at: now,
            gives: Bucket::full(GIVES, now),
            outgoing: VecDeque::new(),
            broken: Continuity::Whole,
        }
    }

    /// The bus can be used from now on. Who is first makes a key only after having listened.
    pub(super) fn handle_connected(&mut self, now: Time) {
        self.connected = Some(now);
        self.beacon(now);
    }

    pub(super) fn handle_disconnected(&mut self) {
        self.connected = None;
        self.peers.clear();
    }

    /// Something arrived where relays talk about keys. Returns whether it was from one of them.
    pub(super) fn handle_message(&mut self, sealed: &[u8], now: Time) -> bool {
        let Some(opened) = self.membership.open(sealed) else {
            return false;
        };
        match Control::decode(&opened) {
            None => return false,
            Some(Control::Beacon { from, number, id }) if from != self.node => {
                self.handle_beacon(from, number, id, now);
            }
            Some(Control::Ask {
                from,
                to,
                ask,
                share,
            }) if to == self.node => self.handle_ask(from, ask, share, now),
            Some(Control::Give {
                from,
                to,
                ask,
                share,
                sealed,
            }) if to == self.node => self.handle_give(from, ask, share, sealed, now),
            Some(Control::Ask { .. } | Control::Beacon { .. } | Control::Give { .. }) => {}
        }
        true
    }

    /// Lets time pass: makes, takes up and gives up epochs. To be called twice a second or so.
    pub(super) fn handle_timeout(&mut self, now: Time) {
        self.peers
            .retain(|_, heard| now.millis_since(*heard) < PEER_MS);
        if let Some(asking) = &self.asking
            && now.millis_since(asking.since) >= ASK_MS
        {
            self.asking = None;
        }
        self.make(now);
        if let [_, newer] = self.held.as_slice()
            && now.0 >= newer.send_from.0.saturating_add(GRACE_MS)
        {
            self.held.remove(0);
        }
        if self.connected.is_some() && now >= self.beacon_at {
            self.beacon(now);
        }
    }

    /// The next message to publish where relays talk about keys.
    pub(super) fn poll_send(&mut self) -> Option<Vec<u8>> {
        self.outgoing.pop_front()
    }

    /// The epochs to listen under.
    pub(super) fn listening(&self) -> impl Iterator<Item = &Arc<Epoch>> {
        self.held.iter().map(|held| &held.epoch)
    }

    /// The epoch to publish under.
    pub(super) fn sending(&self, now: Time) -> Option<&Arc<Epoch>> {
        let mut newest_first = self.held.iter().rev();
        let due = newest_first.find(|held| held.send_from <= now);
        due.or_else(|| self.held.first()).map(|held| &held.epoch)
    }

    /// Whether frames may have been missed for want of a key since this was asked last.
    pub(super) const fn take_continuity(&mut self) -> Continuity {
        std::mem::replace(&mut self.broken, Continuity::Whole)
    }

    /// Others that were heard in the last seconds.
    pub(super) fn peers(&self) -> impl Iterator<Item = NodeId> {
        self.peers.keys().copied()
    }

    pub(super) fn subject(&self) -> &str {
        self.membership.subject()
    }

    fn newest(&self) -> Option<&Held> {
        self.held.last()
    }

    /// Makes the first epoch of a cluster, or the next one. Relays wait for one another by their ids,
    /// so that mostly one does it; if two do, the rank decides.
    fn make(&mut self, now: Time) {
        let before_me = self.peers.range(..self.node).count();
        let patience = u64::try_from(before_me)
            .unwrap_or(u64::MAX)
            .saturating_mul(STAGGER_MS);
        let Some(newest) = self.newest() else {
            let listened = self.connected.map(|since| now.millis_since(since));
            if listened.is_some_and(|ms| ms >= LISTEN_MS.saturating_add(patience))
                && let Some(epoch) = Epoch::draw(1, EpochId::NONE)
            {
                self.take_up(epoch, now, now);
            }
            return;
        };
        let age_ms = now.millis_since(newest.made);
        if age_ms < self.rotation_ms.saturating_add(patience) || newest.send_from > now {
            return;
        }
        let (number, parent) = (newest.epoch.number(), newest.epoch.id());
        if let Some(epoch) = Epoch::draw(number.saturating_add(1), parent) {
            let send_from = Time(now.0.saturating_add(self.lead_ms()));
            self.take_up(epoch, now, send_from);
        }
    }

    fn take_up(&mut self, epoch: Epoch, made: Time, send_from: Time) {
        self.held.push(Held {
            epoch: Arc::new(epoch),
            made,
            send_from,
        });
        while self.held.len() > GIVEN_MAX {
            self.held.remove(0);
        }
        self.beacon_at = Time(0);
    }

    /// How long an epoch is known before frames are sealed under it: all have it by then.
    fn lead_ms(&self) -> u64 {
        LEAD_MS.min(self.rotation_ms / 4)
    }

    fn handle_beacon(&mut self, from: NodeId, number: u64, id: EpochId, now: Time) {
        if self.peers.len() < NODES_MAX || self.peers.contains_key(&from) {
            self.peers.insert(from, now);
        }
        let mine = self.newest().map(|newest| newest.epoch.rank());
        let theirs = (number > 0).then_some(super::epoch::Rank(number, std::cmp::Reverse(id)));
        if theirs < mine {
            // It lacks something. It need not wait for the next beacon.
            self.beacon_at = self.beacon_at.min(Time(now.0.saturating_add(ANSWER_MS)));
        }
        if theirs <= mine || self.asking.is_some() {
            return;
        }
        let mut ask = [0; 16];
        if getrandom::fill(&mut ask).is_err() {
            return;
        }
        let Ok(exchange) = X25519MLKEM768.start() else {
            return;
        };
        let message = Control::Ask {
            from: self.node,
            to: from,
            ask,
            share: exchange.pub_key(),
        };
        let message = message.encode();
        self.asking = Some(Asking {
            ask,
            whom: from,
            exchange,
            since: now,
        });
        self.say(&message);
    }

    fn handle_ask(&mut self, from: NodeId, ask: [u8; 16], share: &[u8], now: Time) {
        if self.held.is_empty() || !self.gives.take(1, GIVES, now) {
            return;
        }
        let Ok(exchange) = X25519MLKEM768.start_and_complete(share) else {
            return;
        };
        let given: Vec<Given> = self.held.iter().map(|held| held.give(now)).collect();
        let transcript = transcript(self.node, from, ask);
        let key = self
            .membership
            .wrap_key(exchange.secret.secret_bytes(), &transcript);
        let sealed = ChaCha20Poly1305::new(Key::from_slice(key.as_ref()))
            .encrypt(&Nonce::default(), Given::encode_all(&given).as_slice());
        let Ok(sealed) = sealed else {
            return;
        };
        let message = Control::Give {
            from: self.node,
            to: from,
            ask,
            share: &exchange.pub_key,
            sealed: &sealed,
        };
        self.say(&message.encode());
    }

    fn handle_give(&mut self, from: NodeId, ask: [u8; 16], share: &[u8], sealed: &[u8], now: Time) {
        let is_answer = |asking: &mut Asking| asking.ask == ask && asking.whom == from;
        let Some(asking) = self.asking.take_if(is_answer) else {
            return;
        };
        let Ok(shared) = asking.exchange.complete(share) else {
            return;
        };
        let transcript = transcript(from, self.node, ask);
        let key = self.membership.wrap_key(shared.secret_bytes(), &transcript);
        let opened = ChaCha20Poly1305::new(Key::from_slice(key.as_ref()))
            .decrypt(&Nonce::default(), sealed)
            .map(Zeroizing::new);
        let given = opened.ok().and_then(|opened| Given::decode_all(&opened));
        self.learn(given.unwrap_or_default(), now);
    }

    fn learn(&mut self, mut given: Vec<Given>, now: Time) {
        let Some(newest) = given.pop() else {
            return;
        };
        let age_ms = newest.age_ms;
        let newest = newest.into_epoch();
        let mine = self.newest().map(|newest| newest.epoch.rank());
        if Some(newest.rank()) <= mine {
            return;
        }
        // A successor that another relay made at the same time, and that lost, goes unused.
        if let [older, unused] = self.held.as_slice()
            && older.epoch.id() == newest.parent()
            && unused.send_from > now
        {
            self.held.pop();
        }
        let follows = self
            .newest()
            .is_some_and(|mine| mine.epoch.id() == newest.parent());
        let is_late = age_ms >= self.lead_ms();
        if !follows {
            if !self.held.is_empty() {
                self.broken = Continuity::Broken;
            }
            self.held.clear();
            for older in given {
                let made = Time(now.0.saturating_sub(older.age_ms));
                self.take_up(older.into_epoch(), made, Time(0));
            }
        } else if is_late {
            self.broken = Continuity::Broken;
        }
        let made = Time(now.0.saturating_sub(age_ms));
        let wait_ms = self.lead_ms().saturating_sub(age_ms);
        self.take_up(newest, made, Time(now.0.saturating_add(wait_ms)));
    }

    fn beacon(&mut self, now: Time) {
        let newest = self.newest().map(|newest| &newest.epoch);
        let message = Control::Beacon {
            from: self.node,
            number: newest.map_or(0, |epoch| epoch.number()),
            id: newest.map_or(EpochId::NONE, |epoch| epoch.id()),
        };
        let message = message.encode();
        self.say(&message);
        self.beacon_at = Time(now.0.saturating_add(BEACON_MS));
    }

    fn say(&mut self, message: &[u8]) {
        if self.outgoing.len() < OUTGOING_MAX {
            self.outgoing.extend(self.membership.seal(message));
        }
    }
}

impl Held {
    fn give(&self, now: Time) -> Given {
        Given {
            number: self.epoch.number(),
            parent: self.epoch.parent(),
            secret: Zeroizing::new(*self.epoch.secret()),
            age_ms: now.millis_since(self.made),
        }
    }
}

impl Given {
    fn into_epoch(self) -> Epoch {
        Epoch::new(self.number, self.parent, self.secret)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring(redacted)")
    }
}

/// What a wrapping key is bound to.
fn transcript(giver: NodeId, taker: NodeId, ask: [u8; 16]) -> Vec<u8> {
    [b"give".as_slice(), &giver.0, &taker.0, &ask].concat()
}

/// How often a relay says that it is there, in milliseconds.
const BEACON_MS: u64 = 1000;

/// Pause before a relay that lacks a key is told of it: the others need not all say so at once.
const ANSWER_MS: u64 = 50;

/// Silence after which a relay counts as gone.
pub(super) const PEER_MS: u64 = 5000;

/// How long a relay listens for others before it makes the first epoch of a cluster itself.
const LISTEN_MS: u64 = 2000;

/// By how much later a relay makes an epoch for each relay that comes before it.
const STAGGER_MS: u64 = 1500;

/// How long to wait for an answer before somebody else is asked.
const ASK_MS: u64 = 2000;

/// See [`Keyring::lead_ms`].
const LEAD_MS: u64 = 5000;

/// How long an epoch is held after the next one is in use: nothing is under way any more.
const GRACE_MS: u64 = 10_000;

/// Answers to relays that ask. Each costs one key exchange, 0.1 ms.
const GIVES: Rate = Rate {
    burst: 128,
    per_second: 32,
};

/// Most other relays that are taken note of.
pub(crate) const NODES_MAX: usize = 64;

/// Most messages about keys that wait to be published.
const OUTGOING_MAX: usize = 64;

#[cfg(test)]
mod tests;
