//! Who is connected where, and what the way does to what people say.

use rand_core::RngCore;
use sori_engine::{Effect, PublishToken};
use sori_wire::{Frame, Topic};

use super::{GAP_WAIT_MS, Happening, KEPT_MAX, World};
use crate::relay::{Relay, Said};

impl World {
    pub(super) fn hang_up(&mut self, who: usize) {
        self.people[who].connection += 1;
        if let Some(relay) = &mut self.relay {
            relay.disconnect(who);
        }
    }

    /// Ends somebody's connection; the program notices.
    pub fn disconnect(&mut self, who: usize) {
        let connected = (self.relay.as_ref()).is_some_and(|relay| relay.is_connected(who));
        self.hang_up(who);
        if connected {
            self.later(1, who, Happening::Disconnected);
        }
    }

    /// Takes the relay away, or brings it back without any memory.
    pub fn relay(&mut self, up: bool) {
        if up == self.relay.is_some() {
            return;
        }
        if up {
            self.relay = Some(Relay::new(self.now));
            return;
        }
        for who in 0..self.people.len() {
            self.disconnect(who);
        }
        self.relay = None;
    }

    /// Connects somebody to the other node of the relay, as a change of network does. Frames pass between the
    /// two unless [`World::cut`] says otherwise.
    pub fn set_side(&mut self, who: usize, side: usize) {
        if self.people[who].side != side {
            self.people[who].side = side;
            self.disconnect(who);
        }
    }

    /// The node of the relay that somebody is connected to.
    pub fn side(&self, who: usize) -> usize {
        self.people[who].side
    }

    /// Cuts the way between the nodes of the relay, or mends it: a `silent` relay does not say that something
    /// was missed.
    pub fn cut(&mut self, cut: bool, silent: bool) {
        if let Some(relay) = &mut self.relay {
            relay.cut(cut, silent);
        }
        self.listen();
    }

    /// Whether the nodes of the relay do not hear each other.
    pub fn is_cut(&self) -> bool {
        self.relay.as_ref().is_some_and(Relay::is_cut)
    }

    /// Parts somebody from the others, or brings somebody back: frames pass only between people on one side.
    pub fn part(&mut self, who: usize, side: usize) {
        self.set_side(who, side);
        let parted = self.people.iter().any(|person| person.side != 0);
        self.cut(parted, false);
    }

    /// Somebody's program reads nothing for some time.
    pub fn stall(&mut self, who: usize, ms: u64) {
        if let Some(relay) = &mut self.relay {
            relay.stall(who, self.now + ms);
        }
    }

    pub(super) fn carry_out(&mut self, who: usize, effect: Effect) {
        let now = self.now;
        match effect {
            Effect::Connect { relay } if relay != self.url => {
                self.later(5, who, Happening::Unreachable(relay));
            }
            Effect::Connect { .. } => {
                let side = self.people[who].side;
                let answer = match &mut self.relay {
                    Some(relay) => {
                        relay.connect(who, side, now);
                        Happening::Connected(self.people[who].connection)
                    }
                    None => Happening::Disconnected,
                };
                self.later(5, who, answer);
            }
            Effect::Attach { relay, .. }
            | Effect::Detach { relay, .. }
            | Effect::Disconnect { relay }
            | Effect::Publish { relay, .. }
                if relay != self.url => {}
            Effect::Disconnect { .. } => self.hang_up(who),
            Effect::Attach { seed, .. } => {
                if let Some(relay) = &mut self.relay {
                    relay.attach(who, &seed, now);
                }
            }
            Effect::Detach { topic, .. } => {
                if let Some(relay) = &mut self.relay {
                    relay.detach(who, &topic, now);
                }
            }
            Effect::Event(event) => self.shown(who, event),
            Effect::Publish {
                topic,
                frame,
                token,
                ..
            } => {
                let bytes = frame.as_bytes().to_vec();
                if self.people[who].is_mute {
                    return;
                }
                let relay = self.relay.as_mut();
                if relay.is_some_and(|relay| relay.publish(who, &topic, frame, token, now)) {
                    self.counts.frames += 1;
                    self.counts.bytes += bytes.len() as u64;
                    self.keep(topic, bytes);
                }
            }
            _ => unreachable!("a new effect"),
        }
    }

    pub(super) fn keep(&mut self, topic: Topic, bytes: Vec<u8>) {
        if self.ways.replayed == 0 && !self.keeps {
            return;
        }
        if self.kept.len() >= KEPT_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back((topic, bytes));
    }

    /// To how many topics somebody is attached.
    pub(crate) fn topics(&self, who: usize) -> usize {
        (self.relay.as_ref()).map_or(0, |relay| relay.topics(who).len())
    }

    /// Whether somebody is attached to a topic.
    #[cfg(test)]
    pub(crate) fn is_at(&self, who: usize, topic: &Topic) -> bool {
        (self.relay.as_ref()).is_some_and(|relay| relay.topics(who).contains(topic))
    }

    /// Frames that were published on a topic, the latest ones.
    pub(crate) fn kept_on(&self, topic: &Topic) -> Vec<Vec<u8>> {
        let on = self.kept.iter().filter(|(at, _)| at == topic);
        on.map(|(_, bytes)| bytes.clone()).collect()
    }

    /// Somebody publishes random bytes wherever it is attached.
    pub fn inject_noise(&mut self, who: usize, len: usize) {
        let mut bytes = vec![0; len];
        self.rng.fill_bytes(&mut bytes);
        let topics = (self.relay.as_ref()).map_or_else(Vec::new, |relay| relay.topics(who));
        for topic in topics {
            self.inject(who, topic, bytes.clone());
        }
    }

    /// Somebody publishes what another did, with one bit turned.
    pub fn inject_turned(&mut self, who: usize) {
        if self.kept.is_empty() {
            return;
        }
        let at = usize::try_from(self.rng.next_u64()).unwrap() % self.kept.len();
        let (topic, mut bytes) = self.kept[at].clone();
        let bit = usize::try_from(self.rng.next_u64()).unwrap() % (bytes.len() * 8).max(1);
        if let Some(byte) = bytes.get_mut(bit / 8) {
            *byte ^= 1 << (bit % 8);
        }
        self.inject(who, topic, bytes);
    }

    /// Somebody publishes these bytes.
    pub(crate) fn inject(&mut self, who: usize, topic: Topic, bytes: Vec<u8>) {
        let (frame, now) = (Frame::new(bytes).unwrap(), self.now);
        if let Some(relay) = &mut self.relay {
            relay.publish(who, &topic, frame, PublishToken(u64::MAX), now);
        }
        self.listen();
    }

    /// Puts what the relay says on its way.
    pub(super) fn listen(&mut self) {
        let Some(relay) = &mut self.relay else {
            return;
        };
        let (said, later) = relay.poll(self.now);
        for (who, until) in later {
            self.later(until - self.now, who, Happening::Resume);
        }
        for (who, said) in said {
            self.send(who, said);
        }
    }

    pub(super) fn send(&mut self, who: usize, said: Said) {
        match said {
            Said::Frame(topic, frame) => self.send_frame(who, topic, frame),
            Said::Closed => self.disconnect(who),
            Said::Gap(_) => {
                self.counts.gaps += 1;
                self.say_later(3, who, said);
            }
            Said::Attached(_) | Said::Refused(..) => self.say_later(3, who, said),
            Said::Published(..) => self.say_later(4, who, said),
        }
    }

    pub(super) fn say_later(&mut self, ms: u64, who: usize, said: Said) {
        let connection = self.people[who].connection;
        self.later(ms, who, Happening::Said(connection, said));
    }

    pub(super) fn send_frame(&mut self, who: usize, topic: Topic, frame: Vec<u8>) {
        if self.people[who].is_cut_off {
            self.counts.lost += 1;
            return;
        }
        if self.one_in(self.ways.loss) {
            self.counts.lost += 1;
            // One notice stands for all that is lost until it arrives.
            if !self.ways.silent && self.gaps.insert((who, topic)) {
                self.counts.gaps += 1;
                self.say_later(GAP_WAIT_MS, who, Said::Gap(topic));
            }
            return;
        }
        let twice = self.one_in(self.ways.doubled);
        self.counts.doubled += u64::from(twice);
        for _ in 0..=u64::from(twice) {
            let delay = 1 + self.rng.next_u64() % self.ways.delay;
            let last = self.last_arrival.entry(who).or_default();
            self.counts.reordered += u64::from(self.now + delay < *last);
            *last = (*last).max(self.now + delay);
            self.counts.delivered += 1;
            self.say_later(delay, who, Said::Frame(topic, frame.clone()));
        }
        if self.one_in(self.ways.replayed) && !self.kept.is_empty() {
            let at = usize::try_from(self.rng.next_u64()).unwrap() % self.kept.len();
            let (topic, frame) = self.kept[at].clone();
            self.counts.replayed += 1;
            self.say_later(self.ways.delay, who, Said::Frame(topic, frame));
        }
    }
}
