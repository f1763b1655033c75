//! What comes of the answers.

use sori_mls::{AccountId, NeedsState, PeekContent, StateId, peek, verify_account_signature};
use zeroize::Zeroizing;

use super::{
    Asking, FORMER_MAX, NAMES_MAX, STAND_SPREAD_PER_MEMBER_MS, WAY_INFO, WAY_LABEL, Way, WayBody,
    What,
};
use crate::engine::Engine;
use crate::envelope::{ChannelMessage, STAND_LABEL, Stand, Verdict};
use crate::error::Error;
use crate::group::Group;
use crate::handshake::clean_name;
use crate::record::{ChannelRecord, PendingRecord, Standing};
use crate::table;
use crate::time::Time;

/// Questions after which an answer is taken though a commit on its state is here.
const PATIENCE: u32 = 4;
/// Wait from the first answer to the weighing of all, in milliseconds; what each member adds comes
/// on top of it.
const WEIGH_WAIT_MS: u64 = 1_000;
/// Calls after which a single member is believed that this device was removed.
const CALLS_ENOUGH: u32 = 8;
/// How long who was let in on a way that lost calls at least before it takes itself for removed, in milliseconds: others let it
/// in again after a minute, and one after another.
const ORPHAN_WAIT_MS: u64 = 300_000;
/// Accounts that have to say so before this device gives up its state or takes itself for removed:
/// half of the others, and no more than this.
const WITNESSES_MAX: usize = 5;

impl Engine {
    /// Whether an offer on this channel answers a call of ours for the way back.
    pub(crate) fn asks_for_way(&self, channel: u32, nonce: u64) -> bool {
        let group = self.channels.get(&channel).map(|held| held.record.group);
        let asking = group.and_then(|group| self.resyncs.asking.get(&group));
        let question = asking.and_then(|asking| asking.question.as_ref());
        question.is_some_and(|q| q.nonce == nonce && matches!(q.what, What::Way(_)))
            && !self.sessions.is_taking(channel)
    }

    /// The way back: verified, gone, and told to everybody (protocol §5.6.8).
    pub(crate) fn take_way(&mut self, channel: u32, sealed: &[u8], now: Time) -> Result<(), Error> {
        let Some(id) = self.channels.get(&channel).map(|held| held.record.group) else {
            return Ok(());
        };
        self.with_group(id, |engine, group| {
            let Some((body, giver)) = engine.open_way(group, sealed) else {
                return Ok(());
            };
            let info = engine.core()?.read_group_info(&body.group_info)?;
            let gives = |member: &sori_mls::Member| member.account == giver;
            if info.group_id() != id || !info.members().iter().any(gives) {
                return Ok(());
            }
            // A commit that nobody follows must not keep this device out for ever.
            let asking = engine.resyncs.asking.get(&id);
            let patient = asking.is_some_and(|asking| asking.rounds <= PATIENCE);
            if patient && engine.is_left(group, &info)? {
                return Ok(());
            }
            let commit = match engine.core()?.rejoin(&info) {
                Err(sori_mls::Error::NeedsState(NeedsState::NotMember)) => return Ok(()),
                commit => commit?,
            };
            let known = |secret, superseded| ChannelRecord {
                group: id,
                secret,
                superseded,
                lost: false,
                joiners: false,
                pruned: crate::time::Day(0),
                undecided: false,
            };
            for secret in body.former.iter().take(FORMER_MAX).rev() {
                let number = engine.open_channel(known(*secret, Some(now)))?;
                engine.find_channel_again(number)?;
            }
            let channel = engine.open_channel(known(body.channel_secret, None))?;
            group.observe(body.clock, now);
            for (account, name) in body.names.iter().take(NAMES_MAX) {
                if let Some(name) = clean_name(name) {
                    group.record.names.insert(*account, name);
                }
            }
            engine.resyncs.forget(&id);
            engine.come_back(group, commit, channel, now)?;
            engine.plan_check(&id, now);
            Ok(())
        })
    }

    /// The answer to our question, if it is one: by somebody who was in the group as far as we know.
    pub(super) fn open_way(&self, group: &Group, sealed: &[u8]) -> Option<(WayBody, AccountId)> {
        if group.record.standing != Standing::Lost {
            return None;
        }
        let asking = self.resyncs.asking.get(&group.record.id)?;
        let question = asking.question.as_ref()?;
        let What::Way(key) = &question.what else {
            return None;
        };
        let opened = |about: &[u8; 32]| Some((*about, key.open(WAY_INFO, about, sealed).ok()?));
        let (about, plain) = question.about.iter().find_map(opened)?;
        let (way, rest): (Way, &[u8]) = postcard::take_from_bytes(&plain).ok()?;
        let signature = <&[u8; 64]>::try_from(way.signature.as_slice()).ok()?;
        let signed = Zeroizing::new([about.as_slice(), &way.body].concat());
        verify_account_signature(&way.account, WAY_LABEL, &signed, signature).ok()?;
        let (body, after): (WayBody, &[u8]) = postcard::take_from_bytes(&way.body).ok()?;
        (rest.is_empty() && after.is_empty()).then_some((body, way.account))
    }

    /// Whether a valid commit on this state is here already: then who gave it is behind.
    fn is_left(&self, group: &Group, info: &sori_mls::GroupInfo) -> Result<bool, Error> {
        for place in group.waiting.get(&info.state()).into_iter().flatten() {
            let key = table::of(place.0, place.1);
            let pending: Option<PendingRecord> = self.get(table::PENDING, &key)?;
            let message = pending.and_then(|p| ChannelMessage::decode(&p.envelope));
            let Some(ChannelMessage::Commit { message, .. }) = message else {
                continue;
            };
            let is_commit =
                peek(&message).is_ok_and(|p| matches!(p.content, PeekContent::Commit { .. }));
            if is_commit && info.inspect_commit(self.core()?, &message).is_ok() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What a member says to our question.
    pub(crate) fn take_stand(
        &mut self,
        channel: u32,
        stand: &Stand,
        now: Time,
    ) -> Result<(), Error> {
        let group = self.channels.get(&channel).map(|held| held.record.group);
        let Some(id) = group.filter(|id| self.groups.contains_key(id)) else {
            return Ok(());
        };
        let me = self.me()?.id;
        self.with_group(id, |engine, group| {
            let is_asked = (engine.resyncs.asking.get(&id))
                .and_then(|asking| asking.question.as_ref())
                .is_some_and(|question| question.about.contains(&stand.about));
            if !is_asked && !engine.resyncs.is_to_say(&stand.about) {
                return Ok(());
            }
            let Ok(signature) = <&[u8; 64]>::try_from(stand.signature.as_slice()) else {
                return Ok(());
            };
            let bytes = stand.signed_bytes();
            let signed = verify_account_signature(&stand.account, STAND_LABEL, &bytes, signature);
            // Who founded the group anew knows nobody, and whoever is on its channel was let in.
            let is_known = group.resync.founded || group.known_members().contains(&stand.account);
            let is_other = stand.account != me && is_known;
            if signed.is_err() || !is_other {
                return Ok(());
            }
            engine.somebody_says(stand, now);
            if is_asked {
                engine.note_verdict(group, stand, now);
            }
            Ok(())
        })
    }

    /// Notes what a member says to our question, and plans to weigh it with what others say.
    fn note_verdict(&mut self, group: &Group, stand: &Stand, now: Time) {
        let Some(asking) = self.resyncs.asking.get_mut(&group.record.id) else {
            return;
        };
        if let Some(question) = &mut asking.question {
            question.verdicts.insert(stand.account, stand.verdict);
        }
        let members = u64::try_from(group.known_members().len()).unwrap_or(u64::MAX);
        let wait = WEIGH_WAIT_MS.saturating_add(STAND_SPREAD_PER_MEMBER_MS.saturating_mul(members));
        asking.weigh_at.get_or_insert_with(|| now.plus_ms(wait));
    }

    /// Acts on what members have said, if enough of them have.
    pub(super) fn weigh(&mut self, group: &mut Group, now: Time) -> Result<(), Error> {
        if group.is_over_here() {
            return Ok(());
        }
        let id = group.record.id;
        let asking = self.resyncs.asking.get(&id);
        let asked = |asking: &Asking| asking.since.map_or(0, |since| now.since_ms(since));
        let Some((rounds, asked_ms, question)) =
            asking.and_then(|a| Some((a.rounds, asked(a), a.question.as_ref()?)))
        else {
            return Ok(());
        };
        let count = |verdict| {
            question
                .verdicts
                .values()
                .filter(|v| **v == verdict)
                .count()
        };
        let (follow, elsewhere) = (count(Verdict::Follows), count(Verdict::Elsewhere));
        let removed = count(Verdict::NoMember);
        let others = group.known_members().len().saturating_sub(1);
        let enough = others.div_ceil(2).clamp(1, WITNESSES_MAX);
        // One of two could be the one that is off the way, and the other one slow.
        let more = (others / 2).saturating_add(1).clamp(1, WITNESSES_MAX);
        let surely = if rounds > PATIENCE { enough } else { more };
        let is_lost = match &question.what {
            // Who was let in on a way that lost may be let in again.
            What::Way(_) if group.resync.orphan && asked_ms < ORPHAN_WAIT_MS => return Ok(()),
            What::Way(_) if removed > 0 && rounds >= CALLS_ENOUGH => {
                return self.out_meanwhile(group, now);
            }
            What::Way(_) if removed >= enough && !group.resync.orphan => {
                return self.out_meanwhile(group, now);
            }
            What::Way(_) => return Ok(()),
            What::State(state) if group.resync.stuck.contains(state) => {
                if elsewhere >= surely && elsewhere > follow {
                    return self.forget_stuck(group, *state, now);
                }
                follow >= enough
            }
            // What was said about a state that this device has left since says nothing of where it is.
            What::State(state) if group.head_state()? != *state => return Ok(()),
            // A device cannot judge what lies before the state it came back into by a member's word.
            // It goes by the word of those who are there, until it has seen for itself what is settled.
            What::State(_) if group.is_on_trust() => elsewhere > follow,
            What::State(_) => elsewhere >= surely && elsewhere > follow,
        };
        if is_lost {
            self.resyncs.forget(&id);
            // Others who were let in with it may have brought it back to that way.
            group.resync.orphan = group.came_back() && (group.resync.let_in || group.resync.orphan);
            return self.lose_way(group, now);
        }
        let is_head = matches!(&question.what, What::State(state) if group.head_state()? == *state);
        if is_head && follow > 0 {
            self.confirm(group, now)?;
            self.resyncs.settled(&id, now);
            self.plan_recheck(group, now);
        }
        Ok(())
    }

    /// The others do not follow a commit that cannot be processed here: of several it may be another one.
    fn forget_stuck(&mut self, group: &mut Group, child: StateId, now: Time) -> Result<(), Error> {
        let id = group.record.id;
        group.resync.stuck.retain(|stuck| *stuck != child);
        if let Some(asking) = self.resyncs.asking.get_mut(&id) {
            asking.suspects.remove(&child);
            asking.question = None;
        }
        self.plan_check(&id, now);
        self.save_resync(group)
    }
}
