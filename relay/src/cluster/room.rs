//! What a relay knows about one topic beyond itself: what it said there last, and what it heard from
//! whom. A plain value.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::epoch::{EpochId, NodeId};
use super::keyring::NODES_MAX;
use super::message::{Header, Notes, Opened};
use crate::switch::{Delivery, Entry};
use crate::time::Time;

/// A topic with attachments at this relay.
#[derive(Debug)]
pub(super) struct Room {
    entry: Arc<Entry>,
    /// The counter of what was published here last; 0 if nothing was.
    sent: u64,
    announced: usize,
    /// Something is to be said even if no frame comes to say it with.
    due: Due,
    notes: Notes,
    /// When readers are told that they may have missed frames until then.
    settles: Option<Time>,
    heard: BTreeMap<NodeId, Heard>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Marker,
    Nothing,
}

#[derive(Clone, Copy, Debug)]
struct Heard {
    last: u64,
    attachments: u32,
    /// Under which it was heard last.
    epoch: EpochId,
}

/// What follows from a message.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) delivery: Option<Delivery>,
    pub(super) loss: Loss,
}

/// Whether frames from another relay are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    None,
    Some,
}

impl Room {
    pub(super) fn new(entry: Arc<Entry>) -> Self {
        Self {
            entry,
            sent: 0,
            announced: 0,
            due: Due::Nothing,
            notes: Notes::default(),
            settles: None,
            heard: BTreeMap::new(),
        }
    }

    pub(super) const fn entry(&self) -> &Arc<Entry> {
        &self.entry
    }

    /// The relay begins to hear, or hears again: what passed before `settles` may be missing, and the
    /// others are asked who is there.
    pub(super) const fn begin(&mut self, settles: Time) {
        self.settles = Some(settles);
        self.notes.asks = true;
        self.due = Due::Marker;
    }

    /// Frames that should have gone out did not: the next message says so.
    pub(super) const fn lose(&mut self) {
        self.notes.lost = true;
        self.due = Due::Marker;
    }

    /// The message with this header did not go out: what it said is still to be said.
    pub(super) const fn take_back(&mut self, header: Header, carries: Carries) {
        self.notes.asks |= header.notes.asks;
        self.notes.lost |= header.notes.lost || matches!(carries, Carries::Frames);
        self.due = Due::Marker;
    }

    /// Says once more who is attached here: somebody may be there who has not heard it.
    pub(super) const fn remind(&mut self) {
        self.due = Due::Marker;
    }

    /// What stands in front of the message with this counter, which is the next one here.
    pub(super) fn next_header(&mut self, counter: u64, carries: Carries) -> Header {
        self.announced = self.entry.attachments();
        // Behind frames comes a marker, so that the loss of the last of them shows as well.
        self.due = match carries {
            Carries::Frames => Due::Marker,
            Carries::Nothing => Due::Nothing,
        };
        Header {
            before: std::mem::replace(&mut self.sent, counter),
            attachments: u32::try_from(self.announced).unwrap_or(u32::MAX),
            notes: std::mem::take(&mut self.notes),
        }
    }

    /// Whether a message without frames is to be published.
    pub(super) fn wants_marker(&self) -> bool {
        self.due == Due::Marker || self.entry.attachments() != self.announced
    }

    /// Whether readers are to be told now that frames may be missing. From now on answers arrive, so
    /// the others are asked again.
    pub(super) fn settle(&mut self, now: Time) -> Loss {
        if self.settles.take_if(|at| *at <= now).is_none() {
            return Loss::None;
        }
        self.notes.asks = true;
        self.due = Due::Marker;
        Loss::Some
    }

    /// A message that was opened under `epoch`. `None` if it was there before.
    pub(super) fn handle(&mut self, opened: &Opened, epoch: EpochId) -> Option<Arrival> {
        let header = opened.header;
        let last = self.heard.get(&opened.from).map(|heard| heard.last);
        if last.is_some_and(|last| opened.counter <= last) {
            return None;
        }
        let is_whole = header.before == 0 || last.is_none_or(|last| last == header.before);
        let loss = if header.notes.lost || !is_whole {
            Loss::Some
        } else {
            Loss::None
        };
        if header.notes.asks {
            self.due = Due::Marker;
        }
        if self.heard.len() < NODES_MAX || last.is_some() {
            let heard = Heard {
                last: opened.counter,
                attachments: header.attachments,
                epoch,
            };
            self.heard.insert(opened.from, heard);
            self.count();
        }
        Some(Arrival {
            delivery: Delivery::new(self.entry.handle(), opened.frames()),
            loss,
        })
    }

    /// Which epochs there are now. A relay with attachments here says something under each; who did not
    /// has said things that did not arrive.
    pub(super) fn handle_epochs(&self, epochs: &[EpochId]) -> Loss {
        let is_silent = |heard: &Heard| heard.attachments > 0 && !epochs.contains(&heard.epoch);
        match self.heard.values().any(is_silent) {
            true => Loss::Some,
            false => Loss::None,
        }
    }

    /// Who else is in the cluster now. Of the others nobody is attached any more, and what they said
    /// last may be missing.
    pub(super) fn handle_peers(&mut self, present: &BTreeSet<NodeId>) -> Loss {
        let mut loss = Loss::None;
        for (node, heard) in &mut self.heard {
            if heard.attachments > 0 && !present.contains(node) {
                heard.attachments = 0;
                loss = Loss::Some;
            }
        }
        if self.heard.len() >= NODES_MAX {
            self.heard.retain(|node, _| present.contains(node));
        }
        self.count();
        loss
    }

    fn count(&self) {
        let counts = self.heard.values().map(|heard| heard.attachments);
        let sum = counts.fold(0, u32::saturating_add);
        self.entry
            .set_elsewhere(usize::try_from(sum).unwrap_or(usize::MAX));
    }
}

/// What a message takes along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carries {
    Frames,
    Nothing,
}

#[cfg(test)]
mod tests {
    use sori_wire::{Topic, TopicSeed};

    use super::super::epoch::{Epoch, EpochId};
    use super::super::message;
    use super::*;
    use crate::switch::entry_for_tests;

    /// Two relays' sides of one topic, and what is between them.
    struct Pair {
        epoch: Epoch,
        topic: Topic,
        here: Room,
        there: Room,
        counter: u64,
    }

    const THERE: NodeId = NodeId([9; 16]);

    impl Pair {
        fn new() -> Self {
            let topic = TopicSeed::from_bytes([1; 32]).topic();
            Self {
                epoch: Epoch::draw(1, EpochId::NONE).unwrap(),
                topic,
                here: Room::new(entry_for_tests(topic)),
                there: Room::new(entry_for_tests(topic)),
                counter: 0,
            }
        }

        /// What the other relay publishes next.
        fn publish(&mut self, frames: &[&[u8]]) -> Opened {
            self.counter += 1;
            let carries = match frames {
                [] => Carries::Nothing,
                [_, ..] => Carries::Frames,
            };
            let header = self.there.next_header(self.counter, carries);
            let tag = self.epoch.tag(&self.topic);
            let frames = frames.iter().copied();
            let bytes =
                message::seal(&self.epoch, tag, THERE, self.counter, header, frames).unwrap();
            message::open(&self.epoch, tag, &bytes).unwrap()
        }

        fn hear(&mut self, opened: &Opened) -> Option<(usize, Loss)> {
            let arrival = self.here.handle(opened, self.epoch.id())?;
            let frames = arrival.delivery.map_or(0, |delivery| delivery.frames());
            Some((frames, arrival.loss))
        }
    }

    #[test]
    fn what_is_missing_between_two_messages_is_a_loss_and_nothing_is_taken_twice() {
        let mut pair = Pair::new();
        let first = pair.publish(&[b"1"]);
        assert_eq!(pair.hear(&first), Some((1, Loss::None)));
        assert_eq!(pair.hear(&first), None);
        // What the relay publishes elsewhere leaves no hole here.
        pair.counter += 5;
        let second = pair.publish(&[b"2", b"3"]);
        assert_eq!(pair.hear(&second), Some((2, Loss::None)));
        let _lost = pair.publish(&[b"4"]);
        let fourth = pair.publish(&[b"5"]);
        assert_eq!(pair.hear(&fourth), Some((1, Loss::Some)));
        assert_eq!(pair.hear(&second), None);
    }

    #[test]
    fn the_loss_of_the_last_frame_shows_by_the_marker_behind_it() {
        let mut pair = Pair::new();
        let first = pair.publish(&[b"1"]);
        assert_eq!(pair.hear(&first), Some((1, Loss::None)));
        let _lost = pair.publish(&[b"2"]);
        assert!(pair.there.wants_marker());
        let marker = pair.publish(&[]);
        assert_eq!(pair.hear(&marker), Some((0, Loss::Some)));
        assert!(!pair.there.wants_marker(), "one marker is enough");
    }

    #[test]
    fn what_did_not_go_out_is_said_with_the_next_message_also_to_who_heard_nothing_yet() {
        let mut pair = Pair::new();
        pair.there.begin(Time(0));
        let header = pair.there.next_header(1, Carries::Frames);
        assert!(header.notes.asks);
        pair.there.take_back(header, Carries::Frames);
        pair.counter = 1;
        let next = pair.publish(&[b"2"]);
        assert!(next.header.notes.asks);
        assert_eq!(pair.hear(&next), Some((1, Loss::Some)));
        assert!(pair.here.wants_marker(), "it was asked");
    }

    #[test]
    fn readers_are_told_once_when_a_topic_begins_to_be_heard() {
        let mut pair = Pair::new();
        pair.here.begin(Time(400));
        assert_eq!(pair.here.settle(Time(399)), Loss::None);
        assert_eq!(pair.here.settle(Time(400)), Loss::Some);
        assert_eq!(pair.here.settle(Time(900)), Loss::None);
    }
    #[test]
    fn a_relay_that_has_gone_or_is_silent_in_a_new_epoch_is_a_loss_where_it_had_attachments() {
        let mut pair = Pair::new();
        let old = pair.epoch.id();
        let new = Epoch::draw(2, old).unwrap();
        let first = pair.publish(&[b"1"]);
        pair.hear(&first);
        assert_eq!(pair.here.handle_epochs(&[old, new.id()]), Loss::None);
        assert_eq!(pair.here.handle_epochs(&[new.id()]), Loss::Some);
        pair.epoch = new;
        let marker = pair.publish(&[]);
        pair.hear(&marker);
        assert_eq!(pair.here.handle_epochs(&[pair.epoch.id()]), Loss::None);

        assert_eq!(pair.here.handle_peers(&BTreeSet::from([THERE])), Loss::None);
        assert_eq!(pair.here.handle_peers(&BTreeSet::new()), Loss::Some);
        assert_eq!(pair.here.handle_peers(&BTreeSet::new()), Loss::None);
        assert_eq!(pair.here.handle_epochs(&[]), Loss::None);
    }
}
