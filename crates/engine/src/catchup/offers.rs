//! Offers: who answers a hello, on which one-time topic, and whose answer is taken (protocol §6.1.3, §6.1.4).

use std::collections::BTreeSet;

use sori_mls::AccountId;
use sori_wire::TopicSeed;

use super::running::{ANSWERING, ASKING, Running, Stage};
use super::talk::SILENCE_MS;
use crate::channel::Answer;
use crate::chunk::Assembler;
use crate::engine::Engine;
use crate::envelope::{ChannelMessage, OFFER_LABEL, Offer};
use crate::error::Error;
use crate::network::Purpose;
use crate::prints::Prints;
use crate::seal::SealKey;
use crate::session::{Salt, Session};
use crate::time::{Day, Time};

/// How long an offer waits that no known member has signed, in milliseconds.
const UNPROVED_MS: u64 = 1_000;
/// How long a member whose catch-up broke off without bringing anything comes last, in milliseconds.
pub(super) const UNHELPFUL_MS: u64 = 600_000;
/// Offers of others that are remembered on a channel.
const OFFERS_MAX: usize = 64;
/// The same before the first word, for who asks: another one may answer better.
const FIRST_SILENCE_MS: u64 = 2_500;
/// How often that is doubled at most, after as many catch-ups that broke off: the way to the others may be long.
const PATIENCE_MAX: u32 = 3;

impl Engine {
    /// Answers a hello, unless the difference is gone: listens on a one-time topic first.
    pub(super) fn offer(&mut self, channel: u32, answer: &Answer, now: Time) {
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

    pub(super) fn take_offer(
        &mut self,
        channel: u32,
        offer: Offer,
        now: Time,
    ) -> Result<(), Error> {
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

    pub(super) fn signed_offer(
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
}
