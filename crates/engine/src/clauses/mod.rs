//! Clauses of `docs/protocol.md` whose tests have to speak as peers who keep to no rules: a few
//! engines, a relay that tests can read and write to, and no time but what tests let pass.

use std::collections::{BTreeSet, VecDeque};

use sori_mls::GroupId;
use sori_store::{MemoryDisk, Store};
use sori_wire::{RelayUrl, Topic};

use crate::effect::Effect;
use crate::engine::Engine;
use crate::invites::InviteOptions;
use crate::messages::Notices;
use crate::time::Time;
use crate::view::MessageView;

mod ballots;
mod channels;
mod files;
mod first_contact;
mod messages;
mod orders;
mod typing;

/// 2026-11-22T03:00:00Z.
const NOW: Time = Time::from_unix_ms(1_795_316_400_000);

/// Somebody's engine and what it is attached to.
struct Peer {
    engine: Engine,
    disk: MemoryDisk,
    topics: BTreeSet<Topic>,
    opened: u8,
}

/// A frame that somebody published.
type Published = (usize, Topic, Vec<u8>);

fn relay() -> RelayUrl {
    format!("relay://127.0.0.1:4433/#{}", "A".repeat(43))
        .parse()
        .unwrap()
}

impl Peer {
    fn new(name: &str, seed: u8) -> Self {
        let disk = MemoryDisk::default();
        let mut peer = Self {
            engine: open(&disk, seed, NOW),
            disk,
            topics: BTreeSet::new(),
            opened: seed,
        };
        peer.engine.account_create(name, NOW).unwrap();
        peer.engine.relay_set(&relay().to_string(), NOW).unwrap();
        peer.attend(NOW);
        peer
    }

    /// Ends the program and starts it again on what its disk holds.
    fn restart(&mut self, now: Time) {
        self.opened = self.opened.wrapping_add(100);
        // The old engine goes before the new one opens the same disk.
        self.engine = open(&MemoryDisk::default(), 0, now);
        self.engine = open(&self.disk, self.opened, now);
        self.topics.clear();
        self.attend(now);
    }

    /// Does what the engine asks for until it asks for nothing; what it published meanwhile.
    fn attend(&mut self, now: Time) -> Vec<(Topic, Vec<u8>)> {
        let mut published = Vec::new();
        loop {
            let effects = self.engine.flush(now).unwrap();
            if effects.is_empty() {
                return published;
            }
            for effect in effects {
                match effect {
                    Effect::Connect { relay } => self.engine.handle_connected(&relay, now),
                    Effect::Attach { relay, seed } => {
                        self.topics.insert(seed.topic());
                        self.engine.handle_attached(&relay, seed.topic(), now)
                    }
                    Effect::Detach { topic, .. } => {
                        self.topics.remove(&topic);
                        Ok(())
                    }
                    Effect::Publish {
                        topic,
                        frame,
                        token,
                        ..
                    } => {
                        published.push((topic, frame.as_bytes().to_vec()));
                        self.engine.handle_published(token, 0, now)
                    }
                    Effect::Disconnect { .. } | Effect::Event(_) => Ok(()),
                }
                .unwrap();
            }
        }
    }

    /// Hears a frame and does what follows.
    fn hear(&mut self, topic: Topic, frame: &[u8], now: Time) -> Vec<(Topic, Vec<u8>)> {
        self.engine
            .handle_frame(&relay(), topic, frame, now)
            .unwrap();
        self.attend(now)
    }

    fn list(&mut self, group: GroupId) -> Vec<MessageView> {
        self.engine
            .message_list(&group.to_string(), None, 100, Notices::Left, NOW)
            .unwrap()
    }

    fn texts(&mut self, group: GroupId) -> Vec<String> {
        let list = self.list(group).into_iter().rev();
        list.map(|message| message.text).collect()
    }

    /// The only conversation.
    fn group(&self) -> GroupId {
        *self.engine.groups.keys().next().unwrap()
    }

    /// The channel of the head.
    fn channel(&self) -> u32 {
        self.engine.groups[&self.group()].channel().unwrap()
    }
}

fn open(disk: &MemoryDisk, seed: u8, now: Time) -> Engine {
    let store = Store::open_memory(disk, [seed; 32]).unwrap();
    Engine::open(store, [seed; 32], now).unwrap()
}

/// Passes frames to whoever is attached until nobody says anything more.
fn carry(people: &mut [Peer], said: Vec<Published>) {
    let mut waiting = VecDeque::from(said);
    while let Some((from, topic, frame)) = waiting.pop_front() {
        for (other, person) in people.iter_mut().enumerate() {
            if other != from && person.topics.contains(&topic) {
                let answers = person.hear(topic, &frame, NOW).into_iter();
                waiting.extend(answers.map(|(topic, frame)| (other, topic, frame)));
            }
        }
    }
}

/// Lets somebody do what it means to, and the others hear of it.
fn round(people: &mut [Peer], who: usize) {
    let said = people[who].attend(NOW);
    let said = said.into_iter().map(|(topic, frame)| (who, topic, frame));
    carry(people, said.collect());
}

/// Two people in a conversation of two: the first has invited the second.
fn pair() -> [Peer; 2] {
    let mut people = [Peer::new("Ada", 1), Peer::new("Bo", 2)];
    let link = people[0]
        .engine
        .invite_create(InviteOptions::default(), NOW)
        .unwrap();
    round(&mut people, 0);
    let join = people[1].engine.invite_accept(&link, NOW).unwrap();
    round(&mut people, 1);
    people[0].engine.join_approve(&join, NOW).unwrap();
    round(&mut people, 0);
    round(&mut people, 1);
    assert_eq!(people[1].engine.groups.len(), 1);
    people
}
