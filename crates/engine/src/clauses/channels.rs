//! Channels over days, the choice of the head, and what a catch-up may bring.

use std::collections::BTreeSet;

use sori_mls::branch::{Branches, Commit};
use sori_mls::{AccountId, BranchKey, Class, StateId};
use sori_wire::TopicSeed;

use super::{NOW, Peer, pair, relay};
use crate::channel::{CLOCK_SKEW_MS, days};
use crate::chunk::{self, Assembler, Chunk};
use crate::delivery::CHANNEL_AAD;
use crate::effect::Effect;
use crate::envelope::ChannelMessage;
use crate::network::Purpose;
use crate::record::ChannelRecord;
use crate::seal::SealKey;
use crate::session::{Entry, Session, SessionMessage};
use crate::time::{DAY_MS, Day, Time};

/// protocol §4.1.3
#[test]
fn near_midnight_the_topics_of_both_days_are_listened_to() {
    let midnight = NOW.day().end();
    let (today, tomorrow) = (NOW.day(), midnight.day());
    let at = |time: Time| days(time).into_iter().collect::<Vec<_>>();
    assert_eq!(at(midnight.minus_ms(CLOCK_SKEW_MS + 1)), [today]);
    assert_eq!(at(midnight.minus_ms(CLOCK_SKEW_MS)), [today, tomorrow]);
    assert_eq!(at(midnight), [today, tomorrow]);
    assert_eq!(at(midnight.plus_ms(CLOCK_SKEW_MS - 1)), [today, tomorrow]);
    assert_eq!(at(midnight.plus_ms(CLOCK_SKEW_MS)), [tomorrow]);
}

/// The channels whose topics somebody wants to be attached to.
fn listened(peer: &mut Peer, now: Time) -> BTreeSet<u32> {
    let wanted = peer.engine.channel_topics(now).unwrap().into_iter();
    wanted
        .filter_map(|wanted| match wanted.purpose {
            Purpose::Channel { channel, .. } => Some(channel),
            _ => None,
        })
        .collect()
}

/// protocol §4.1.4
#[test]
fn former_channels_are_listened_to_for_thirty_days_and_eight_in_all() {
    let [mut ada, _] = pair();
    let group = ada.group();
    let current = ada.channel();
    let former: Vec<u32> = (1..=8)
        .map(|number| {
            let record = ChannelRecord {
                group,
                secret: [number; 32],
                superseded: Some(NOW),
                lost: false,
                joiners: false,
                pruned: Day(0),
                undecided: false,
            };
            ada.engine.open_channel(record).unwrap()
        })
        .collect();
    let month = NOW.plus_ms(30 * DAY_MS);
    // Here the head's channel is the oldest of nine; as always, the newest ones are taken.
    assert_eq!(listened(&mut ada, month), former.iter().copied().collect());
    assert_eq!(
        listened(&mut ada, month.plus_ms(1)),
        BTreeSet::from([current])
    );
}

/// protocol §4.3.2
#[test]
fn envelopes_are_kept_for_thirty_days_and_no_longer() {
    let [mut ada, _] = pair();
    let channel = ada.channel();
    let count = |peer: &Peer| peer.engine.channels[&channel].log.len();
    let before = count(&ada);
    assert!(before > 0);
    ada.restart(NOW.plus_ms(30 * DAY_MS));
    assert_eq!(count(&ada), before);
    ada.restart(NOW.plus_ms(31 * DAY_MS));
    assert_eq!(count(&ada), 0);
}

/// protocol §2.7.3
#[test]
fn a_new_connection_attaches_to_everything_anew() {
    let [mut ada, _] = pair();
    let attached = ada.topics.clone();
    assert!(!attached.is_empty());
    ada.engine.handle_disconnected(&relay(), NOW).unwrap();
    ada.engine.flush(NOW).unwrap();
    let later = NOW.plus_ms(60_000);
    ada.engine.handle_timeout(later).unwrap();
    let effects = ada.engine.flush(later).unwrap();
    assert!(effects.iter().any(|e| matches!(e, Effect::Connect { .. })));
    ada.engine.handle_connected(&relay(), later).unwrap();
    let effects = ada.engine.flush(later).unwrap().into_iter();
    let again: BTreeSet<_> = effects
        .filter_map(|effect| match effect {
            Effect::Attach { seed, .. } => Some(seed.topic()),
            _ => None,
        })
        .collect();
    assert_eq!(again, attached);
}

/// protocol §5.4.2
#[test]
fn the_head_depends_on_neither_arrival_nor_length() {
    let id = |number: u8| StateId::from_bytes([number; 32]);
    let author = AccountId::from_bytes([9; 32]);
    let node = |parent: u8, child: u8, class| {
        let key = BranchKey {
            class,
            rank: 0,
            tie: *author.as_bytes(),
            id: id(child),
        };
        let commit = Commit {
            parent: id(parent),
            author,
            epoch: u64::from(child),
            needs_role: false,
            key,
        };
        (id(child), commit)
    };
    let mut commits = vec![
        node(0, 1, Class::Update),
        node(1, 2, Class::Moderation),
        node(2, 3, Class::Moderation),
        node(3, 4, Class::Moderation),
        node(0, 5, Class::GroupData),
        node(5, 6, Class::Update),
        node(5, 7, Class::Leave),
    ];
    for round in 0..commits.len() * 2 {
        let mut branches = Branches::default();
        for (id, commit) in commits.clone() {
            branches.add_commit(id, commit);
        }
        assert_eq!(branches.choose(id(0)).path, [id(0), id(5), id(7)]);
        commits.rotate_left(1);
        if round % 2 == 0 {
            commits.reverse();
        }
    }
}

/// The peer that answers somebody's hello, in the test's hands.
struct Answerer {
    seed: TopicSeed,
    seal: SealKey,
    session: Session,
    entries: Vec<Entry>,
}

impl Answerer {
    fn new(entries: Vec<Entry>) -> Self {
        let seed = TopicSeed::from_bytes([77; 32]);
        Self {
            seal: SealKey::derive(seed.as_bytes(), "catch-up", &[]),
            seed,
            session: Session::respond([0; 16], entries.iter().map(|e| (e.day, e.id()))).unwrap(),
            entries,
        }
    }

    /// Makes somebody who has said hello take an offer of ours; what it says.
    fn offer(&self, to: &mut Peer) -> Vec<Vec<u8>> {
        let channel = to.channel();
        let held = to.engine.channels.get_mut(&channel).unwrap();
        held.live.asked.push(1);
        let offer = crate::envelope::Offer {
            hello: 1,
            seed: *self.seed.as_bytes(),
            floor: Day(0),
            account: to.engine.me().unwrap().id,
            signature: Vec::new(),
        };
        to.engine.follow_offer(channel, &offer, NOW);
        frames(to.attend(NOW))
    }

    /// The answers to the asker's frames.
    fn answer(&mut self, frames: Vec<Vec<u8>>) -> Vec<SessionMessage> {
        let mut incoming = Assembler::default();
        let mut answers = Vec::new();
        for frame in frames {
            let Some(plain) = self.seal.open(b"sori catch-up 1 asker", &frame) else {
                continue;
            };
            let whole = incoming.push(Chunk::parse(&plain).unwrap());
            let message = SessionMessage::decode(&whole.unwrap()).unwrap();
            let entries = &self.entries;
            let mut fetch = |id: &_| entries.iter().find(|entry| entry.id() == *id).cloned();
            answers.extend(self.session.handle(message, &mut fetch).unwrap().send);
        }
        answers
    }

    fn say(&self, to: &mut Peer, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut rng = to.engine.rng.clone();
        let mut said = Vec::new();
        for chunk in chunk::split(bytes, to.engine.random()).unwrap() {
            let frame = self
                .seal
                .seal(b"sori catch-up 1 answerer", &chunk, &mut rng);
            said.extend(frames(to.hear(self.seed.topic(), &frame.unwrap(), NOW)));
        }
        said
    }
}

fn frames(published: Vec<(sori_wire::Topic, Vec<u8>)>) -> Vec<Vec<u8>> {
    published.into_iter().map(|(_, frame)| frame).collect()
}

/// protocol §6.2.6
#[test]
fn a_catch_up_brings_nothing_of_days_that_are_over_or_far() {
    let [mut ada, bo] = pair();
    let channel = ada.channel();
    let today = NOW.day().0;
    let mut rng = bo.engine.rng;
    let held = ada.engine.channels.get_mut(&channel).unwrap();
    let mut entry = |day: u32| {
        let order = ChannelMessage::Order {
            order: day.to_be_bytes().to_vec(),
        };
        let chunks = chunk::split(&order.encode().unwrap(), [1; 8]).unwrap();
        let keys = held.day(Day(day));
        let sealed = keys.seal.seal(CHANNEL_AAD, &chunks[0], &mut rng).unwrap();
        Entry {
            day: Day(day),
            sealed,
        }
    };
    let days = [today - 31, today - 30, today, today + 1, today + 2];
    let entries = days.map(&mut entry).to_vec();
    let mut answerer = Answerer::new(entries);
    let mut said = answerer.offer(&mut ada);
    while !said.is_empty() {
        let answers = answerer.answer(std::mem::take(&mut said));
        for answer in answers {
            said.extend(answerer.say(&mut ada, &answer.encode().unwrap()));
        }
    }
    let log = &ada.engine.channels[&channel].log;
    let taken: Vec<bool> = answerer
        .entries
        .iter()
        .map(|e| log.contains(&e.id()))
        .collect();
    assert_eq!(taken, [false, true, true, true, false]);
}

/// protocol §6.2.4
#[test]
fn a_catch_up_ends_on_what_makes_no_sense() {
    let [mut ada, _] = pair();
    let running = |ada: &Peer| !ada.engine.sessions.topics().is_empty();
    for nonsense in [
        vec![9_u8; 20],
        vec![0; 70_000],
        SessionMessage::Done.encode().unwrap(),
    ] {
        let answerer = Answerer::new(Vec::new());
        assert!(!answerer.offer(&mut ada).is_empty());
        assert!(running(&ada));
        answerer.say(&mut ada, &nonsense);
        assert!(!running(&ada));
    }
}
