//! Catch-up: meeting whoever holds what others miss, to exchange it (protocol §6).
//!
//! A device says hello with its log in short ([`hellos`](crate::hellos)). Whoever differs answers after a random wait with a one-time topic; one answer silences
//! the others. There the two reconcile.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use sori_mls::AccountId;
use sori_wire::{RelayUrl, Topic, TopicSeed};

use crate::channel::{Answer, LOG_DAYS};
use crate::chunk::{self, Assembler, Chunk};
use crate::engine::Engine;
use crate::envelope::{ChannelMessage, OFFER_LABEL, Offer};
use crate::error::Error;
use crate::network::{Carried, Purpose, Wanted};
use crate::prints::Prints;
use crate::resync::WAY_LEN_MAX;
use crate::seal::SealKey;
use crate::session::{Entry, EnvelopeId, PART_LEN_MAX, Salt, Session, SessionMessage};
use crate::table;
use crate::time::{Day, Time};
use crate::view::SyncView;

/// Associated data of the frames of the one that answered and of the one that asked: a frame
/// sent back to where it came from does not open.
const ANSWERER_AAD: &[u8] = b"sori catch-up 1 answerer";
const ASKER_AAD: &[u8] = b"sori catch-up 1 asker";
/// Ours and the peer's, by the side that we are on.
const ASKING: [&[u8]; 2] = [ASKER_AAD, ANSWERER_AAD];
const ANSWERING: [&[u8]; 2] = [ANSWERER_AAD, ASKER_AAD];
/// How long an offer waits that no known member has signed, in milliseconds.
const UNPROVED_MS: u64 = 1_000;
/// How long a member whose catch-up broke off without bringing anything comes last, in milliseconds.
const UNHELPFUL_MS: u64 = 600_000;
/// Offers of others that are remembered on a channel.
const OFFERS_MAX: usize = 64;
/// Members that one device catches up with at a time on a channel.
const HELPERS_MAX: usize = 3;
/// From so many missing envelopes on another member is asked to help.
const HELP_FROM: usize = 512;
/// After this long without a word a catch-up is given up, in milliseconds; the next begins where
/// it ended.
const SILENCE_MS: u64 = 8_000;
/// The same before the first word, for who asks: another one may answer better.
const FIRST_SILENCE_MS: u64 = 2_500;
/// How often that is doubled at most, after as many catch-ups that broke off: the way to the others may be long.
const PATIENCE_MAX: u32 = 3;
/// Most catch-ups at a time; a peer gains at most this many sessions' memory.
const SESSIONS_MAX: usize = 4;
/// Frames of one catch-up that are remembered.
const SEEN_MAX: usize = 4096;

/// The catch-ups that are going on.
#[derive(Default)]
pub(crate) struct Sessions {
    running: BTreeMap<u64, Running>,
    next: u64,
}

struct Running {
    channel: u32,
    /// Who answers us or whom we answer, as it says.
    peer: AccountId,
    salt: Salt,
    /// The first day of what is reconciled.
    floor: Day,
    relays: Vec<RelayUrl>,
    seed: TopicSeed,
    topic: Topic,
    seal: SealKey,
    /// Associated data of our frames and of the peer's.
    aad: [&'static [u8]; 2],
    stage: Stage,
    incoming: Assembler,
    /// Frames seen: one that comes over two relays counts once.
    seen: BTreeSet<EnvelopeId>,
    until: Time,
    /// Whether the peer has said anything.
    is_heard: bool,
    /// Whether it has brought anything that is in the log now. What is refused each time it
    /// comes is no news, or two who differ for good would greet each other without end.
    accepted: bool,
}

enum Stage {
    /// We answered a hello: the offer goes out once we listen on the topic.
    Offering { hello: u64, session: Session },
    /// We took an offer and begin once we are attached.
    Opening,
    /// Messages go back and forth.
    Talking(Session),
    /// We answer a device that comes back: it asks for one part after another.
    Giving { ask: u64, answer: Vec<u8> },
    /// We come back, and have this much of the answer.
    Taking(Vec<u8>),
}

/// The part of an answer from `offset` on; nothing at its end.
fn part(answer: &[u8], offset: u32) -> Option<SessionMessage> {
    let rest = answer.get(usize::try_from(offset).ok()?..)?;
    let bytes = rest.get(..PART_LEN_MAX).unwrap_or(rest).to_vec();
    let len = u32::try_from(answer.len()).ok()?;
    (!bytes.is_empty()).then_some(SessionMessage::Part { len, bytes })
}

/// Of the other catch-ups that ask on a channel, what each leaves to this one: the later half of what
/// it asks for, as long as this one does not know what it will ask for itself.
fn borrow(
    sessions: &mut Sessions,
    channel: u32,
    session: &mut Session,
) -> BTreeMap<u64, VecDeque<EnvelopeId>> {
    let mut lent = BTreeMap::new();
    let mut claimed = BTreeSet::new();
    if session.left_to_ask().is_some() {
        return lent;
    }
    for (number, other) in &mut sessions.running {
        if other.channel != channel || other.aad != ASKING {
            continue;
        }
        if let Stage::Talking(other) = &mut other.stage {
            lent.insert(*number, other.lend_half());
            claimed.extend(other.claims());
        }
    }
    session.leave_to_others(claimed);
    lent
}

/// Gives back what this one does not ask for.
fn give_back(
    sessions: &mut Sessions,
    lent: BTreeMap<u64, VecDeque<EnvelopeId>>,
    session: &Session,
) {
    if lent.is_empty() {
        return;
    }
    let claimed = session.claims();
    for (number, ids) in lent {
        if let Some(Stage::Talking(other)) = sessions.running.get_mut(&number).map(|o| &mut o.stage)
        {
            other.take_back(ids.into_iter().filter(|id| !claimed.contains(id)));
        }
    }
}

impl Running {
    /// Whether it answers somebody who has said nothing yet, and may have taken another one's offer.
    fn is_idle(&self) -> bool {
        self.aad == ANSWERING && !self.is_heard
    }
}

impl Sessions {
    pub(crate) fn topics(&self) -> Vec<Wanted> {
        let one = |(number, running): (&u64, &Running)| {
            let (number, seed, topic) = (*number, running.seed.clone(), running.topic);
            running
                .relays
                .iter()
                .map(move |relay| Wanted {
                    relay: relay.clone(),
                    topic,
                    seed: seed.clone(),
                    purpose: Purpose::Session(number),
                })
                .collect::<Vec<_>>()
        };
        self.running.iter().flat_map(one).collect()
    }

    pub(crate) fn next_timeout(&self) -> Option<Time> {
        self.running.values().map(|running| running.until).min()
    }

    pub(crate) fn is_busy(&self, channel: u32) -> bool {
        self.running
            .values()
            .any(|running| running.channel == channel)
    }

    /// Whether somebody gives us the way back on this channel.
    pub(crate) fn is_taking(&self, channel: u32) -> bool {
        self.running
            .values()
            .any(|running| running.channel == channel && matches!(running.stage, Stage::Taking(_)))
    }

    /// How many we are asking on this channel, and whether all of them have much to give still.
    fn helpers(&self, channel: u32) -> (usize, bool) {
        let asking = |running: &&Running| running.channel == channel && running.aad == ASKING;
        let helpers: Vec<&Running> = self.running.values().filter(asking).collect();
        let busy = helpers.iter().all(|running| match &running.stage {
            Stage::Talking(session) => session.left_to_ask().is_some_and(|left| left >= HELP_FROM),
            Stage::Offering { .. } | Stage::Opening | Stage::Giving { .. } | Stage::Taking(_) => {
                false
            }
        });
        (helpers.len(), busy)
    }

    /// Whether somebody's hello can be answered now: not who is being answered already.
    pub(crate) fn may_answer(&self, channel: u32, account: &AccountId) -> bool {
        !self.has_peer(channel, account, ANSWERING)
            && (self.running.len() < SESSIONS_MAX || self.running.values().any(Running::is_idle))
    }

    /// Makes room for one more catch-up, if need be by giving up the oldest whose offer nobody has taken yet.
    fn make_room(&mut self) -> bool {
        if self.running.len() >= SESSIONS_MAX {
            let idle = self.running.iter().find(|(_, running)| running.is_idle());
            let Some(idle) = idle.map(|(number, _)| *number) else {
                return false;
            };
            self.running.remove(&idle);
        }
        true
    }

    /// Whether a hello would bring nothing because somebody is being asked already who is enough.
    pub(crate) fn has_help(&self, channel: u32) -> bool {
        let (helpers, busy) = self.helpers(channel);
        helpers >= HELPERS_MAX || (helpers > 0 && !busy)
    }

    fn has_peer(&self, channel: u32, account: &AccountId, aad: [&[u8]; 2]) -> bool {
        (self.running.values())
            .any(|one| one.channel == channel && one.peer == *account && one.aad == aad)
    }

    /// Whether we are asking somebody on this channel. Answering somebody does not keep us from
    /// asking: two members who say hello in the same instant answer each other, and if each waited
    /// for the other one to take its offer, both would wait for ever.
    pub(crate) fn is_asking(&self, channel: u32) -> bool {
        self.running
            .values()
            .any(|running| running.channel == channel && running.aad == ASKING)
    }

    /// The connection to a relay is gone, and with it the peers met there.
    pub(crate) fn disconnected(&mut self, relay: &RelayUrl) {
        self.running
            .retain(|_, running| !running.relays.contains(relay));
    }
}

impl Engine {
    /// A channel's topic is attached: what was written meanwhile goes out, and we say hello.
    pub(crate) fn channel_attached(
        &mut self,
        channel: u32,
        day: Day,
        now: Time,
    ) -> Result<(), Error> {
        if day != now.day() {
            return Ok(());
        }
        self.publish_unsent(channel, day)?;
        self.begin_hellos(channel, now);
        self.resync_attached(channel, now);
        self.welcomes_attached(channel, now);
        Ok(())
    }

    pub(crate) fn channels_next_timeout(&self) -> Option<Time> {
        self.channels
            .values()
            .flat_map(|channel| {
                let live = &channel.live;
                [
                    live.hello_at,
                    live.answer.as_ref().map(|answer| answer.at),
                    live.receipt_at,
                    live.unproved.as_ref().map(|(at, _)| *at),
                ]
            })
            .flatten()
            .min()
    }

    pub(crate) fn channels_timeout(&mut self, now: Time) -> Result<(), Error> {
        let due = |at: Option<Time>| at.is_some_and(|at| at <= now);
        let numbers: Vec<u32> = self.channels.keys().copied().collect();
        for number in numbers {
            let Some(held) = self.channels.get_mut(&number) else {
                continue;
            };
            let (hello, receipt) = (due(held.live.hello_at), due(held.live.receipt_at));
            let answer = held.live.answer.take_if(|answer| answer.at <= now);
            let unproved = held.live.unproved.take_if(|(at, _)| *at <= now);
            if hello {
                self.hello_due(number, now)?;
            }
            if receipt {
                self.send_receipts(number, now)?;
            }
            if let Some(answer) = answer {
                self.offer(number, &answer, now);
            }
            if let Some((_, offer)) = unproved {
                self.follow_offer(number, &offer, now);
            }
        }
        Ok(())
    }

    /// Takes in a message that is for those who listen now.
    pub(crate) fn take_transient(
        &mut self,
        channel: u32,
        message: ChannelMessage,
        now: Time,
    ) -> Result<(), Error> {
        match message {
            ChannelMessage::Hello(hello) => self.take_hello(channel, &hello, now),
            ChannelMessage::Offer(offer) => self.take_offer(channel, offer, now),
            ChannelMessage::Receipt(receipt) => self.take_receipt(channel, &receipt, now),
            ChannelMessage::Ask(ask) => self.take_ask(channel, ask, now),
            ChannelMessage::Check(check) => self.take_check(channel, &check, now),
            ChannelMessage::Stand(stand) => self.take_stand(channel, &stand, now),
            ChannelMessage::WhoHas { nonce, file } => {
                self.take_who_has(channel, nonce, file, now);
                Ok(())
            }
            ChannelMessage::Here { nonce, seed } => {
                self.take_here(channel, nonce, seed, now);
                Ok(())
            }
            ChannelMessage::Application { .. }
            | ChannelMessage::Commit { .. }
            | ChannelMessage::Order { .. }
            | ChannelMessage::Ballot { .. } => Ok(()),
        }
    }

    /// Answers a hello, unless the difference is gone: listens on a one-time topic first.
    fn offer(&mut self, channel: u32, answer: &Answer, now: Time) {
        let Some(held) = self.channels.get(&channel) else {
            return;
        };
        let mine = held.log.prints();
        if mine.agrees(&answer.log) || !self.sessions.make_room() {
            return;
        }
        let floor = mine.common_floor(&answer.log);
        let Ok(session) = Session::respond(answer.salt, held.log.items_from(floor)) else {
            return;
        };
        let seed = TopicSeed::from_bytes(self.random());
        let hello = answer.hello;
        let stage = Stage::Offering { hello, session };
        self.begin(
            channel,
            seed,
            stage,
            (answer.asker, answer.salt, floor),
            now,
        );
    }

    fn take_offer(&mut self, channel: u32, offer: Offer, now: Time) -> Result<(), Error> {
        let Some(held) = self.channels.get(&channel) else {
            return Ok(());
        };
        let bytes = offer.signed_bytes(&held.tag());
        let proved = self.with_group(held.record.group, |engine, group| {
            let Offer {
                account, signature, ..
            } = &offer;
            engine.is_signed_by_member(group, account, OFFER_LABEL, &bytes, signature)
        })?;
        if proved {
            self.somebody_offers(channel, &offer);
        }
        if self.asks_for_way(channel, offer.hello) {
            let seed = TopicSeed::from_bytes(offer.seed);
            let peer = (offer.account, [0; 16], Day(0));
            self.begin(channel, seed, Stage::Taking(Vec::new()), peer, now);
            return Ok(());
        }
        let Some(held) = self.channels.get_mut(&channel) else {
            return Ok(());
        };
        let failed = held.live.unhelpful.get(&offer.account);
        let failed = failed.is_some_and(|at| now.since_ms(*at) < UNHELPFUL_MS);
        if proved && !failed {
            self.follow_offer(channel, &offer, now);
        } else if held.live.asked.contains(&offer.hello) && held.live.unproved.is_none() {
            held.live.unproved = Some((now.plus_ms(UNPROVED_MS), offer));
        }
        Ok(())
    }

    /// A member answers somebody: we need not. But whoever asks once more with the same log got
    /// nothing from who answered before: that one silences nobody then.
    fn somebody_offers(&mut self, channel: u32, offer: &Offer) {
        self.resyncs.somebody_answers(offer.hello);
        if sori_mls::broken!("answer every hello") {
            return;
        }
        let Some(held) = self.channels.get_mut(&channel) else {
            return;
        };
        let live = &mut held.live;
        let Some(answer) = live.answer.take_if(|answer| answer.hello == offer.hello) else {
            return;
        };
        let same = |(by, to, log): &(AccountId, AccountId, Prints)| {
            *by == offer.account && *to == answer.asker && *log == answer.log
        };
        if live.offers.iter().any(same) {
            live.answer = Some(answer);
            return;
        }
        if live.offers.len() >= OFFERS_MAX {
            live.offers.pop_front();
        }
        live.offers
            .push_back((offer.account, answer.asker, answer.log));
    }

    /// Goes to the topic of an offer, if it answers us and we need it.
    pub(crate) fn follow_offer(&mut self, channel: u32, offer: &Offer, now: Time) {
        let asks = self.sessions.has_peer(channel, &offer.account, ASKING);
        let has_help = self.sessions.has_help(channel);
        let Some(held) = self.channels.get_mut(&channel) else {
            return;
        };
        if asks || has_help || !held.live.asked.contains(&offer.hello) {
            return;
        }
        held.live.asked.retain(|asked| *asked != offer.hello);
        held.live.unproved = None;
        let floor = held.log.floor.max(offer.floor);
        let peer = (offer.account, held.live.salt, floor);
        let seed = TopicSeed::from_bytes(offer.seed);
        self.begin(channel, seed, Stage::Opening, peer, now);
    }

    fn begin(
        &mut self,
        channel: u32,
        seed: TopicSeed,
        stage: Stage,
        (peer, salt, floor): (AccountId, Salt, Day),
        now: Time,
    ) {
        let relays = self.network.relays_of(
            |purpose| matches!(purpose, Purpose::Channel { channel: c, .. } if c == channel),
        );
        let number = self.sessions.next;
        self.sessions.next = number.wrapping_add(1);
        let aad = match &stage {
            Stage::Offering { .. } | Stage::Giving { .. } => ANSWERING,
            Stage::Opening | Stage::Talking(_) | Stage::Taking(_) => ASKING,
        };
        let failures = (self.channels.get(&channel)).map_or(0, |held| held.live.broke_off);
        let patience = match aad == ASKING {
            true => FIRST_SILENCE_MS << failures.min(PATIENCE_MAX),
            false => SILENCE_MS,
        };
        let running = Running {
            channel,
            peer,
            salt,
            floor,
            aad,
            relays,
            topic: seed.topic(),
            seal: SealKey::derive(seed.as_bytes(), "catch-up", &[]),
            seed,
            stage,
            incoming: Assembler::default(),
            seen: BTreeSet::new(),
            until: now.plus_ms(patience),
            is_heard: false,
            accepted: false,
        };
        self.sessions.running.insert(number, running);
        self.topics_stale = true;
    }

    /// A one-time topic is attached.
    pub(crate) fn session_attached(&mut self, number: u64, now: Time) -> Result<(), Error> {
        let Some(mut running) = self.sessions.running.remove(&number) else {
            return Ok(());
        };
        let channel = running.channel;
        let mut first = None;
        let mut offer = None;
        running.stage = match running.stage {
            Stage::Offering { hello, session } => {
                offer = Some(self.signed_offer(channel, hello, &running.seed)?);
                Stage::Talking(session)
            }
            Stage::Opening => {
                let held = self.channels.get(&channel);
                let items = held.map(|held| held.log.items_from(running.floor));
                let items = items.unwrap_or_default();
                let Ok((session, message)) = Session::initiate(running.salt, items) else {
                    self.topics_stale = true;
                    return Ok(());
                };
                first = Some(message);
                Stage::Talking(session)
            }
            Stage::Giving { ask, answer } => {
                offer = Some(self.signed_offer(channel, ask, &running.seed)?);
                Stage::Giving { ask, answer }
            }
            Stage::Taking(answer) => {
                first = Some(SessionMessage::Want { offset: 0 });
                Stage::Taking(answer)
            }
            Stage::Talking(session) => Stage::Talking(session),
        };
        self.sessions.running.insert(number, running);
        if let Some(offer) = offer {
            self.send_transient(channel, &offer, now)?;
        }
        match first {
            Some(message) => self.session_send(number, &message),
            None => Ok(()),
        }
    }

    fn signed_offer(
        &self,
        channel: u32,
        hello: u64,
        seed: &TopicSeed,
    ) -> Result<ChannelMessage, Error> {
        let held = self.channels.get(&channel);
        let held = held.ok_or(Error::Internal("channel"))?;
        let mut offer = Offer {
            hello,
            seed: *seed.as_bytes(),
            floor: held.log.floor,
            account: self.me()?.id,
            signature: Vec::new(),
        };
        let bytes = offer.signed_bytes(&held.tag());
        offer.signature = self.core()?.device().sign(OFFER_LABEL, &bytes).to_vec();
        Ok(ChannelMessage::Offer(offer))
    }

    fn session_send(&mut self, number: u64, message: &SessionMessage) -> Result<(), Error> {
        let Ok(encoded) = message.encode() else {
            return Ok(());
        };
        let Ok(chunks) = chunk::split(&encoded, self.random()) else {
            return Ok(());
        };
        let Some(running) = self.sessions.running.get(&number) else {
            return Ok(());
        };
        let [ours, _] = running.aad;
        for chunk in &chunks {
            let sealed = running
                .seal
                .seal(ours, chunk, &mut self.rng)
                .map_err(|_| Error::Internal("seal"))?;
            let carried = Carried::Transient;
            self.network
                .publish(running.topic, &sealed, carried, &mut self.effects);
        }
        Ok(())
    }

    /// A frame of a catch-up.
    pub(crate) fn session_frame(
        &mut self,
        number: u64,
        frame: &[u8],
        now: Time,
    ) -> Result<(), Error> {
        let Some(mut running) = self.sessions.running.remove(&number) else {
            return Ok(());
        };
        if running.seen.len() >= SEEN_MAX {
            running.seen.clear();
        }
        let [_, theirs] = running.aad;
        let plain = running
            .seen
            .insert(EnvelopeId::of(frame))
            .then(|| running.seal.open(theirs, frame))
            .flatten();
        // Only the peer's word keeps a catch-up going, not noise that the relay makes.
        if plain.is_some() {
            running.until = now.plus_ms(SILENCE_MS);
            running.is_heard = true;
        }
        let whole = plain
            .and_then(|plain| Chunk::parse(&plain))
            .and_then(|chunk| running.incoming.push(chunk));
        let Some(whole) = whole else {
            self.sessions.running.insert(number, running);
            return Ok(());
        };
        // A peer that makes no sense is left to itself (protocol §6.2.4).
        let Ok(message) = SessionMessage::decode(&whole) else {
            self.topics_stale = true;
            return Ok(());
        };
        if matches!(running.stage, Stage::Giving { .. } | Stage::Taking(_)) {
            return self.pass_on(number, running, message, now);
        }
        self.talk(number, running, message, now)
    }

    /// The peer's next message of a catch-up.
    fn talk(
        &mut self,
        number: u64,
        mut running: Running,
        message: SessionMessage,
        now: Time,
    ) -> Result<(), Error> {
        let channel = running.channel;
        let Stage::Talking(session) = &mut running.stage else {
            self.sessions.running.insert(number, running);
            return Ok(());
        };
        let mut trouble = None;
        let lent = borrow(&mut self.sessions, channel, session);
        let before = session.left_to_ask();
        let mut fetch = |id: &_| {
            let found = self.entry(channel, id);
            found.unwrap_or_else(|error| {
                trouble = Some(error);
                None
            })
        };
        let step = session.handle(message, &mut fetch);
        if let Some(error) = trouble {
            return Err(error);
        }
        give_back(&mut self.sessions, lent, session);
        let Ok(step) = step else {
            self.broke_off(&running, now);
            self.topics_stale = true;
            return Ok(());
        };
        let left = session.left_to_ask().unwrap_or(0);
        let needs_help = before.is_none() && left >= HELP_FROM;
        let mut accepted = running.accepted;
        self.sessions.running.insert(number, running);
        for message in &step.send {
            self.session_send(number, message)?;
        }
        let oldest = now.day().0.saturating_sub(LOG_DAYS);
        let oldest = Day(oldest).max(self.floor_of(channel));
        for Entry { day, sealed } in step.received {
            if day >= oldest && day.0 <= now.day().0.saturating_add(1) {
                let before = self.log_len(channel);
                self.tolerate(|engine| engine.accept_frame(channel, day, &sealed, now))?;
                accepted |= self.log_len(channel) > before;
            }
        }
        if let Some(running) = self.sessions.running.get_mut(&number) {
            running.accepted = accepted;
        }
        if step.finished {
            self.session_finished(number, channel, accepted, now);
        } else if needs_help {
            // Others may have what is missing, too.
            self.plan_hello_now(channel, now);
        }
        Ok(())
    }

    /// A message between a device that comes back and the one that answers it. What has no place here ends it.
    fn pass_on(
        &mut self,
        number: u64,
        mut running: Running,
        message: SessionMessage,
        now: Time,
    ) -> Result<(), Error> {
        self.topics_stale = true;
        let reply = match (&mut running.stage, message) {
            (Stage::Giving { answer, .. }, SessionMessage::Want { offset }) => part(answer, offset),
            (Stage::Taking(answer), SessionMessage::Part { len, bytes }) => {
                answer.extend_from_slice(&bytes);
                let (have, len) = (answer.len(), usize::try_from(len).unwrap_or(usize::MAX));
                if len > WAY_LEN_MAX || have > len {
                    return Ok(());
                }
                if have == len {
                    let (answer, channel) = (std::mem::take(answer), running.channel);
                    self.sessions.running.insert(number, running);
                    self.session_send(number, &SessionMessage::Done)?;
                    self.sessions.running.remove(&number);
                    return self.tolerate(|engine| engine.take_way(channel, &answer, now));
                }
                let offset = u32::try_from(have).map_err(|_| Error::Internal("length"))?;
                Some(SessionMessage::Want { offset })
            }
            _ => None,
        };
        let Some(reply) = reply else {
            return Ok(());
        };
        self.sessions.running.insert(number, running);
        self.session_send(number, &reply)
    }

    /// Begins to answer a device that comes back.
    pub(crate) fn give(&mut self, channel: u32, ask: u64, answer: Vec<u8>, now: Time) {
        if self.sessions.make_room() {
            let seed = TopicSeed::from_bytes(self.random());
            let Some(me) = self.me.as_ref().map(|me| me.id) else {
                return;
            };
            let peer = (me, [0; 16], Day(0));
            self.begin(channel, seed, Stage::Giving { ask, answer }, peer, now);
        }
    }

    fn session_finished(&mut self, number: u64, channel: u32, accepted: bool, now: Time) {
        self.sessions.running.remove(&number);
        self.topics_stale = true;
        if accepted {
            // Others may miss what we have just got; and the peer learns that we hold it.
            self.plan_hello_now(channel, now);
        }
        if let Some(held) = self.channels.get_mut(&channel) {
            (held.live.is_even, held.live.broke_off) = (true, 0);
        }
        self.sync_changed(channel);
    }

    fn floor_of(&self, channel: u32) -> Day {
        (self.channels.get(&channel)).map_or(Day(0), |held| held.log.floor)
    }

    /// A catch-up ended before its time. A peer that has brought nothing comes last from now on.
    fn broke_off(&mut self, running: &Running, now: Time) {
        let asked = running.aad == ASKING && !running.accepted;
        if let Some(held) = self.channels.get_mut(&running.channel).filter(|_| asked) {
            held.live.broke_off = held.live.broke_off.saturating_add(1);
            let unhelpful = &mut held.live.unhelpful;
            unhelpful.retain(|_, at| now.since_ms(*at) < UNHELPFUL_MS);
            unhelpful.insert(running.peer, now);
        }
    }

    fn log_len(&self, channel: u32) -> u64 {
        self.channels.get(&channel).map_or(0, |held| held.log.len())
    }

    pub(crate) fn entry(&self, channel: u32, id: &EnvelopeId) -> Result<Option<Entry>, Error> {
        let held = self.channels.get(&channel);
        let Some((sequence, day)) = held.and_then(|held| held.log.find(id)) else {
            return Ok(None);
        };
        let sealed = self
            .store
            .get(table::SEALED, &table::of(channel, sequence))?;
        Ok(sealed.map(|sealed| Entry {
            day,
            sealed: sealed.to_vec(),
        }))
    }

    pub(crate) fn sessions_timeout(&mut self, now: Time) -> Result<(), Error> {
        let over: Vec<u64> = self
            .sessions
            .running
            .iter()
            .filter(|(_, running)| running.until <= now)
            .map(|(number, _)| *number)
            .collect();
        for number in over {
            let Some(running) = self.sessions.running.remove(&number) else {
                continue;
            };
            self.broke_off(&running, now);
            self.topics_stale = true;
            // Whose offer was not taken lacks nothing: somebody else was first.
            if running.aad == ASKING || running.is_heard {
                self.plan_hello_now(running.channel, now);
            }
        }
        Ok(())
    }

    fn sync_changed(&mut self, channel: u32) {
        let Some(group) = self.channels.get(&channel).map(|held| held.record.group) else {
            return;
        };
        self.event(crate::view::Event::GroupChanged {
            group: group.to_string(),
        });
    }

    /// How a group's log stands.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the group.
    pub fn sync_status(&mut self, group: &str, _now: Time) -> Result<SyncView, Error> {
        let id = crate::messages::parse_group(group)?;
        let held = self.groups.get(&id).ok_or(Error::NotFound("group"))?;
        let pending = held
            .waiting
            .values()
            .map(Vec::len)
            .fold(0_usize, usize::saturating_add);
        let mut view = SyncView {
            group: id.to_string(),
            attached: false,
            envelopes: 0,
            pending: u64::try_from(pending).unwrap_or(u64::MAX),
            unsent: 0,
            catching_up: false,
            peers: 0,
        };
        for (number, channel) in self.channels.iter().filter(|(_, c)| c.record.group == id) {
            let is_here =
                |purpose| matches!(purpose, Purpose::Channel { channel: c, .. } if c == *number);
            view.attached |= self.network.is_attached(is_here);
            view.envelopes = view.envelopes.saturating_add(channel.log.len());
            let unsent = u64::try_from(channel.log.unsent.len()).unwrap_or(u64::MAX);
            view.unsent = view.unsent.saturating_add(unsent);
            view.catching_up |= self.sessions.is_busy(*number);
            let heard = u32::try_from(channel.live.heard.len()).unwrap_or(u32::MAX);
            view.peers = view.peers.max(heard);
        }
        Ok(view)
    }
}
