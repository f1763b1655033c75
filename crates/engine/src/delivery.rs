//! The channel log: what is written to it, what arrives for it, and where it goes (protocol §4.3).
//!
//! The log is the outbox. Publishing a frame is a hint to whoever is listening; everybody else
//! gets the entry by catch-up from any member that holds it.

use std::collections::{BTreeMap, BTreeSet};

use sori_mls::{GroupId, StateId};
use sori_wire::RelayUrl;

use crate::channel::{self, Channel};
use crate::chunk::{self, CHUNK_LEN_MAX, Chunk};
use crate::engine::Engine;
use crate::envelope::{CHANNEL_MESSAGE_LEN_MAX, ChannelMessage};
use crate::error::Error;
use crate::group::{Group, within};
use crate::network::{Carried, Purpose, Wanted};
use crate::outcome::{Outcome, Reason};
use crate::record::{ChannelRecord, LogRecord, PendingRecord};
use crate::session::EnvelopeId;
use crate::table;
use crate::time::{DAY_MS, Day, Time};

/// Most chunks of one message on a channel.
const CHUNKS_MAX: usize = CHANNEL_MESSAGE_LEN_MAX / CHUNK_LEN_MAX + 1;
/// Associated data of every sealed frame of a channel.
pub(crate) const CHANNEL_AAD: &[u8] = b"sori channel frame 1";
/// Most channels of a group that are listened to at once.
const CHANNELS_PER_GROUP_MAX: usize = 8;
/// How long a channel is listened to after a removal made another one take its place
/// (protocol §4.1.4).
const SUPERSEDED_MS: u64 = 30 * DAY_MS;
/// Most relays at which one group is met.
const RELAYS_PER_GROUP_MAX: usize = 4;

/// The length of a sealed frame.
fn len_of(sealed: &[u8]) -> u32 {
    u32::try_from(sealed.len()).unwrap_or(u32::MAX)
}

impl Engine {
    pub(crate) fn load_channels(&mut self) -> Result<(), Error> {
        let before = std::mem::take(&mut self.channels);
        let floors: BTreeMap<u32, _> = (before.iter())
            .map(|(number, channel)| (*number, channel.log.floor))
            .collect();
        let mut live: BTreeMap<u32, _> = before
            .into_iter()
            .map(|(number, channel)| (number, channel.live))
            .collect();
        for (number, record) in self.scan::<ChannelRecord>(table::CHANNEL, &[])? {
            let number = u32::try_from(number).map_err(|_| Error::Internal("channel number"))?;
            let mut channel = Channel::new(record);
            channel.log.floor = floors
                .get(&number)
                .copied()
                .unwrap_or(channel.record.pruned);
            for (sequence, entry) in self.scan::<LogRecord>(table::LOG, &table::one(number))? {
                channel
                    .log
                    .insert(entry.id, (sequence, entry.day, entry.len));
                if entry.unsent {
                    channel.log.unsent.insert(sequence);
                }
                channel
                    .log
                    .open
                    .extend(entry.message.map(|message| (sequence, message)));
            }
            channel.live = live.remove(&number).unwrap_or_default();
            channel.live.holds.clear();
            self.channels.insert(number, channel);
        }
        Ok(())
    }

    pub(crate) fn open_channel(&mut self, record: ChannelRecord) -> Result<u32, Error> {
        let known = self
            .channels
            .iter()
            .find(|(_, c)| c.record.group == record.group && c.record.secret == record.secret);
        if let Some((number, _)) = known {
            return Ok(*number);
        }
        let number = self
            .channels
            .keys()
            .last()
            .map_or(1, |last| last.saturating_add(1));
        self.channels.insert(number, Channel::new(record));
        self.save_channel(number)?;
        self.topics_stale = true;
        Ok(number)
    }

    /// Listens again on a channel that was given up, because it is on the group's way after all.
    pub(crate) fn find_channel_again(&mut self, number: u32) -> Result<(), Error> {
        let Some(held) = self
            .channels
            .get_mut(&number)
            .filter(|held| held.record.lost)
        else {
            return Ok(());
        };
        held.record.lost = false;
        self.topics_stale = true;
        self.save_channel(number)
    }

    pub(crate) fn save_channel(&mut self, number: u32) -> Result<(), Error> {
        let Some(channel) = self.channels.get(&number) else {
            return Ok(());
        };
        let encoded = crate::record::encode(&channel.record)?;
        self.put_bytes(table::CHANNEL, &table::one(number), &encoded)
    }

    /// The topics of all channels that are listened to, at the group's relays and the profile's.
    pub(crate) fn channel_topics(&mut self, now: Time) -> Result<Vec<Wanted>, Error> {
        let days = channel::days(now);
        let relays = self.relays_of_groups(now)?;
        let mut per_group: BTreeMap<GroupId, usize> = BTreeMap::new();
        let mut wanted = Vec::new();
        // The newest channels first, so that the bound drops the oldest.
        for (number, channel) in self.channels.iter_mut().rev() {
            let group = channel.record.group;
            let Some(relays) = relays.get(&group) else {
                continue;
            };
            let record = &channel.record;
            if record.lost && !record.joiners && !record.undecided {
                continue;
            }
            let expired = channel
                .record
                .superseded
                .is_some_and(|since| now.since_ms(since) > SUPERSEDED_MS);
            let count = per_group.entry(group).or_default();
            if expired || *count >= CHANNELS_PER_GROUP_MAX {
                continue;
            }
            *count = count.saturating_add(1);
            if let Some(first) = days.first() {
                channel.forget_days_before(*first);
            }
            for day in &days {
                let keys = channel.day(*day);
                wanted.extend(relays.iter().map(|relay| Wanted {
                    relay: relay.clone(),
                    topic: keys.topic,
                    seed: keys.seed.clone(),
                    purpose: Purpose::Channel {
                        channel: *number,
                        day: *day,
                    },
                }));
            }
        }
        Ok(wanted)
    }

    fn relays_of_groups(
        &mut self,
        now: Time,
    ) -> Result<BTreeMap<GroupId, BTreeSet<RelayUrl>>, Error> {
        let own = self.relay.clone();
        let ids: Vec<GroupId> = self.groups.keys().copied().collect();
        let mut relays = BTreeMap::new();
        for id in ids {
            let found = self.with_group(id, |engine, group| {
                if engine.is_over(group, now)? {
                    return Ok(None);
                }
                Ok(Some(engine.group_data(group)?.relays))
            });
            // A group whose head cannot be loaded is not listened to; its verbs say why.
            let named = match found {
                Err(error) if error.is_fatal() => return Err(error),
                Ok(None) | Err(_) => continue,
                Ok(Some(named)) => named,
            };
            let urls = own
                .iter()
                .cloned()
                .chain(named.iter().filter_map(|url| url.parse().ok()));
            relays.insert(id, urls.take(RELAYS_PER_GROUP_MAX).collect());
        }
        Ok(relays)
    }

    /// Writes a message to the log of a channel and hands it to whoever is listening.
    /// `message`: the line of the timeline that it carries. Gives its first and last place in the log.
    pub(crate) fn send_envelope(
        &mut self,
        channel: u32,
        envelope: &ChannelMessage,
        message: Option<u64>,
        now: Time,
    ) -> Result<(u64, u64), Error> {
        let encoded = envelope.encode()?;
        let chunks = chunk::split(&encoded, self.random()).map_err(|_| Error::OutOfBounds {
            what: "a message",
            bounds: "smaller",
        })?;
        let last = chunks.len().saturating_sub(1);
        let mut places = None;
        for (index, chunk) in chunks.iter().enumerate() {
            let day = now.day();
            let sealed = self.seal_for(channel, day, chunk)?;
            let entry = LogRecord {
                id: EnvelopeId::of(&sealed),
                day,
                len: len_of(&sealed),
                unsent: true,
                message: message.filter(|_| index == last),
            };
            let sequence = self.append(channel, &entry, &sealed)?;
            self.publish_entry(channel, day, sequence, &sealed);
            places = Some((places.map_or(sequence, |(first, _)| first), sequence));
        }
        self.log_grew(channel, now);
        places.ok_or(Error::Internal("chunks"))
    }

    /// Puts all that passed on a channel that was lost into the log of another one. Members who
    /// never were on the losing branch know its first commit from the channel before it, and find
    /// here what was said and done on it; everybody who does this makes the same entries.
    pub(crate) fn carry_over(&mut self, from: u32, to: u32) -> Result<(), Error> {
        let Some(lost) = self.channels.get(&from).filter(|_| from != to) else {
            return Ok(());
        };
        for (sequence, day) in lost.log.in_order() {
            self.carry(from, sequence, day, to)?;
        }
        // From here on the other channel has to bring it to somebody.
        self.all_handed_over(from)
    }

    /// Puts one entry of the log of a channel that was lost into the log of another one.
    fn carry(&mut self, from: u32, sequence: u64, day: Day, to: u32) -> Result<(), Error> {
        let key = table::of(from, sequence);
        let (entry, sealed) = (
            self.get::<LogRecord>(table::LOG, &key)?,
            self.store.get(table::SEALED, &key)?,
        );
        let (Some(entry), Some(sealed)) = (entry, sealed) else {
            return Ok(());
        };
        let plain = self
            .channels
            .get_mut(&from)
            .and_then(|lost| lost.day(day).seal.open(CHANNEL_AAD, &sealed));
        let (Some(plain), Some(held)) = (plain, self.channels.get_mut(&to)) else {
            return Ok(());
        };
        let sealed = held.day(day).seal.seal_again(CHANNEL_AAD, &plain);
        let sealed = sealed.map_err(|_| Error::Internal("seal"))?;
        let id = EnvelopeId::of(&sealed);
        if held.log.contains(&id) {
            return Ok(());
        }
        let carried = LogRecord {
            id,
            unsent: true,
            ..entry
        };
        let sequence = self.append(to, &carried, &sealed)?;
        self.publish_entry(to, day, sequence, &sealed);
        Ok(())
    }

    /// What comes on a channel that was lost goes on to the others by that of the head.
    fn carry_on(&mut self, channel: u32, sequence: u64, day: Day) -> Result<(), Error> {
        let held = self.channels.get(&channel).map(|held| &held.record);
        let Some(id) = held.filter(|record| record.lost).map(|record| record.group) else {
            return Ok(());
        };
        let head = self.groups.get(&id).filter(|group| !group.is_stateless());
        match head.map(Group::channel).transpose()? {
            Some(to) if to != channel => self.carry(channel, sequence, day, to),
            Some(_) | None => Ok(()),
        }
    }

    /// Sends a message that nobody keeps to whoever is listening on a channel.
    pub(crate) fn send_transient(
        &mut self,
        channel: u32,
        message: &ChannelMessage,
        now: Time,
    ) -> Result<(), Error> {
        let encoded = message.encode()?;
        let object = self.random();
        let Ok(chunks) = chunk::split(&encoded, object) else {
            return Ok(());
        };
        let day = now.day();
        for chunk in &chunks {
            let sealed = self.seal_for(channel, day, chunk)?;
            let Some(topic) = self.topic_of(channel, day) else {
                return Ok(());
            };
            self.network
                .publish(topic, &sealed, Carried::Transient, &mut self.effects);
        }
        Ok(())
    }

    pub(crate) fn seal_for(
        &mut self,
        channel: u32,
        day: Day,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let channel = self
            .channels
            .get_mut(&channel)
            .ok_or(Error::Internal("channel"))?;
        channel
            .day(day)
            .seal
            .seal(CHANNEL_AAD, plaintext, &mut self.rng)
            .map_err(|_| Error::Internal("seal"))
    }

    fn topic_of(&mut self, channel: u32, day: Day) -> Option<sori_wire::Topic> {
        self.channels
            .get_mut(&channel)
            .map(|channel| channel.day(day).topic)
    }

    fn append(&mut self, channel: u32, entry: &LogRecord, sealed: &[u8]) -> Result<u64, Error> {
        let held = self
            .channels
            .get_mut(&channel)
            .ok_or(Error::Internal("channel"))?;
        let sequence = held.log.next;
        held.log.insert(entry.id, (sequence, entry.day, entry.len));
        if entry.unsent {
            held.log.unsent.insert(sequence);
        }
        held.log
            .open
            .extend(entry.message.map(|message| (sequence, message)));
        let (key, day) = (table::of(channel, sequence), table::day(entry.day));
        self.put_in((table::LOG, day), &key, entry)?;
        self.store.put_in(table::SEALED, &key, day, sealed)?;
        Ok(sequence)
    }

    fn publish_entry(&mut self, channel: u32, day: Day, sequence: u64, sealed: &[u8]) {
        if let Some(topic) = self.topic_of(channel, day) {
            let carried = Carried::Envelope { channel, sequence };
            self.network
                .publish(topic, sealed, carried, &mut self.effects);
        }
    }

    /// Publishes what was written today while nobody could be reached. Older entries find their
    /// way by catch-up.
    pub(crate) fn publish_unsent(&mut self, channel: u32, day: Day) -> Result<(), Error> {
        let Some(held) = self.channels.get(&channel) else {
            return Ok(());
        };
        for sequence in held.log.unsent.clone() {
            let key = table::of(channel, sequence);
            let entry = self.get::<LogRecord>(table::LOG, &key)?;
            if entry.is_some_and(|entry| entry.day == day)
                && let Some(sealed) = self.store.get(table::SEALED, &key)?
            {
                self.publish_entry(channel, day, sequence, &sealed);
            }
        }
        Ok(())
    }

    /// The relay handed an entry to somebody: it need not be published again.
    pub(crate) fn envelope_handed_over(
        &mut self,
        channel: u32,
        sequence: u64,
    ) -> Result<(), Error> {
        let Some(held) = self.channels.get_mut(&channel) else {
            return Ok(());
        };
        if !held.log.unsent.remove(&sequence) {
            return Ok(());
        }
        let key = table::of(channel, sequence);
        let Some(mut entry) = self.get::<LogRecord>(table::LOG, &key)? else {
            return Ok(());
        };
        entry.unsent = false;
        self.put(table::LOG, &key, &entry)
    }

    /// Somebody holds all that is in a channel's log.
    pub(crate) fn all_handed_over(&mut self, channel: u32) -> Result<(), Error> {
        let unsent = self.channels.get(&channel).map(|c| c.log.unsent.clone());
        for sequence in unsent.unwrap_or_default() {
            self.envelope_handed_over(channel, sequence)?;
        }
        Ok(())
    }

    /// A frame of a channel, live or from a catch-up: opened, logged if it is an envelope, and
    /// acted upon. What does not open is dropped. Whether it was new.
    pub(crate) fn accept_frame(
        &mut self,
        channel: u32,
        day: Day,
        sealed: &[u8],
        now: Time,
    ) -> Result<(), Error> {
        let id = EnvelopeId::of(sealed);
        let Some(held) = self.channels.get_mut(&channel) else {
            return Ok(());
        };
        if held.log.contains(&id) || day < held.log.floor {
            return Ok(());
        }
        let Some(plain) = held.day(day).seal.open(CHANNEL_AAD, sealed) else {
            return Ok(());
        };
        let Some(chunk) = Chunk::parse(&plain) else {
            return Ok(());
        };
        self.hasten_ask(channel, now);
        if chunk.count == 1 {
            let Some(message) = ChannelMessage::decode(&chunk.bytes) else {
                return Ok(());
            };
            if !message.is_logged() {
                return self.take_transient(channel, message, now);
            }
            let entry = LogRecord {
                id,
                day,
                len: len_of(sealed),
                unsent: false,
                message: None,
            };
            let sequence = self.take_entry((channel, day), &entry, sealed, now)?;
            self.note_receipt(channel, id, &message, now);
            return self.dispatch(channel, sequence, message, (day, now));
        }
        let entry = LogRecord {
            id,
            day,
            len: len_of(sealed),
            unsent: false,
            message: None,
        };
        let sequence = self.take_entry((channel, day), &entry, sealed, now)?;
        let Some(whole) = self.assemble(channel, &chunk, day)? else {
            return Ok(());
        };
        let Some(message) = ChannelMessage::decode(&whole) else {
            return Ok(());
        };
        if !message.is_logged() {
            return Ok(());
        }
        self.note_receipt(channel, id, &message, now);
        self.dispatch(channel, sequence, message, (day, now))
    }

    /// Keeps an envelope of somebody else, who is there then.
    fn take_entry(
        &mut self,
        (channel, day): (u32, Day),
        entry: &LogRecord,
        sealed: &[u8],
        now: Time,
    ) -> Result<u64, Error> {
        let sequence = self.append(channel, entry, sealed)?;
        self.carry_on(channel, sequence, day)?;
        self.log_grew(channel, now);
        if let Some(held) = self.channels.get_mut(&channel) {
            held.live.met = true;
        }
        Ok(sequence)
    }

    /// Keeps a chunk, the first one for its place; the whole message once all are there.
    fn assemble(
        &mut self,
        channel: u32,
        chunk: &Chunk,
        day: Day,
    ) -> Result<Option<Vec<u8>>, Error> {
        let key = table::chunk(channel, chunk.object, chunk.index);
        if usize::from(chunk.count) > CHUNKS_MAX || self.store.get(table::CHUNK, &key)?.is_some() {
            return Ok(None);
        }
        let kept = (day, &chunk.bytes);
        self.put_in((table::CHUNK, table::day(day)), &key, &kept)?;
        let mut prefix = table::one(channel).to_vec();
        prefix.extend(chunk.object);
        let parts = self.store.range(table::CHUNK, &prefix)?;
        if parts.len() < usize::from(chunk.count) {
            return Ok(None);
        }
        let mut whole = Vec::new();
        for (key, bytes) in parts {
            let (_, bytes): (Day, Vec<u8>) = crate::record::decode(&bytes)?;
            whole.extend_from_slice(&bytes);
            self.delete(table::CHUNK, &key)?;
        }
        Ok(Some(whole))
    }

    fn dispatch(
        &mut self,
        channel: u32,
        sequence: u64,
        message: ChannelMessage,
        (day, now): (Day, Time),
    ) -> Result<(), Error> {
        let Some(group) = self.channels.get(&channel).map(|held| held.record.group) else {
            return Ok(());
        };
        if !self.groups.contains_key(&group) {
            return Ok(());
        }
        self.with_group(group, |engine, group| {
            let outcome = engine.act(group, &message, (day, now))?;
            engine.outcomes.count(outcome);
            match outcome {
                Outcome::Waits(state) => {
                    let pending = PendingRecord {
                        state,
                        day,
                        envelope: message.encode()?.to_vec(),
                    };
                    let key = table::of(channel, sequence);
                    engine.put_in((table::PENDING, table::day(day)), &key, &pending)?;
                    group
                        .waiting
                        .entry(state)
                        .or_default()
                        .push((channel, sequence));
                    let is_commit = matches!(message, ChannelMessage::Commit { .. });
                    if !group.was_on_way(&state) {
                        engine.suspect(group, state, is_commit, now);
                    }
                    Ok(())
                }
                Outcome::Taken
                | Outcome::Superseded
                | Outcome::Known
                | Outcome::Unreadable
                | Outcome::Resync
                | Outcome::Refused(_)
                | Outcome::Over
                | Outcome::Halted => engine.settle(group, now),
            }
        })?;
        self.enter_admitted(now)
    }

    /// Acts on an envelope, and says what became of it.
    fn act(
        &mut self,
        group: &mut Group,
        message: &ChannelMessage,
        (day, now): (Day, Time),
    ) -> Result<Outcome, Error> {
        match message {
            ChannelMessage::Application { state, message } => {
                self.take_application(group, state, message, (day, now))
            }
            ChannelMessage::Commit {
                parent,
                clock,
                message,
                spares,
            } => {
                let clock = within(*clock, day);
                self.take_commit(group, *parent, clock, (message, spares), now)
            }
            ChannelMessage::Order { order } => self.take_order(group, order, now),
            ChannelMessage::Ballot { votes, reports } => {
                self.take_ballot(group, (votes, reports), now)
            }
            ChannelMessage::Hello(_)
            | ChannelMessage::Offer { .. }
            | ChannelMessage::Receipt(_)
            | ChannelMessage::Ask(_)
            | ChannelMessage::Check(_)
            | ChannelMessage::Stand(_)
            | ChannelMessage::WhoHas { .. }
            | ChannelMessage::Here { .. }
            | ChannelMessage::Typing(_) => Ok(Outcome::Refused(Reason::Malformed)),
        }
    }

    /// Follows what was taken in until nothing more follows from it: the path, lost intents, and
    /// envelopes that waited for states which are known now.
    pub(crate) fn settle(&mut self, group: &mut Group, now: Time) -> Result<(), Error> {
        loop {
            self.reconcile(group, now)?;
            let ready: Vec<StateId> = group
                .waiting
                .keys()
                .filter(|s| group.record.states.contains_key(s) || group.tree.node(s).is_some())
                .copied()
                .collect();
            if ready.is_empty() {
                return Ok(());
            }
            for state in ready {
                for (channel, sequence) in group.waiting.remove(&state).unwrap_or_default() {
                    self.act_on_pending(group, channel, sequence, now)?;
                }
            }
        }
    }

    pub(crate) fn act_on_pending(
        &mut self,
        group: &mut Group,
        channel: u32,
        sequence: u64,
        now: Time,
    ) -> Result<(), Error> {
        let key = table::of(channel, sequence);
        let Some(pending) = self.get::<PendingRecord>(table::PENDING, &key)? else {
            return Ok(());
        };
        self.delete(table::PENDING, &key)?;
        if let Some(message) = ChannelMessage::decode(&pending.envelope) {
            // A state that is known and still cannot be used is one whose parent is gone: then
            // nothing will ever open the envelope, and waiting on would be for ever.
            let day = pending.day;
            let outcome = self.act(group, &message, (day, now))?;
            self.outcomes.count(outcome);
            if let Outcome::Waits(other) = outcome
                && other != pending.state
            {
                let pending = PendingRecord {
                    state: other,
                    ..pending
                };
                self.put_in((table::PENDING, table::day(day)), &key, &pending)?;
                let waiting = group.waiting.entry(other).or_default();
                waiting.push((channel, sequence));
            }
        }
        Ok(())
    }

    /// What waits, after a start.
    pub(crate) fn load_waiting(&self, group: &mut Group) -> Result<(), Error> {
        for (number, channel) in &self.channels {
            if channel.record.group != group.record.id {
                continue;
            }
            for (sequence, pending) in
                self.scan::<PendingRecord>(table::PENDING, &table::one(*number))?
            {
                group
                    .waiting
                    .entry(pending.state)
                    .or_default()
                    .push((*number, sequence));
            }
        }
        Ok(())
    }

    /// A connection is gone: where no other leads to a channel, whom we heard and what we asked
    /// counts anew.
    pub(crate) fn forget_live_channels(&mut self) {
        for (number, channel) in &mut self.channels {
            let is_here =
                |purpose| matches!(purpose, Purpose::Channel { channel, .. } if channel == *number);
            if self.network.is_attached(is_here) {
                continue;
            }
            let live = &mut channel.live;
            live.hello_at = None;
            live.hellos = 0;
            live.overdue = None;
            live.answer = None;
            live.asked.clear();
            live.heard.clear();
            live.met = false;
        }
    }
}
