//! What a member says to those who ask.

use std::collections::{BTreeMap, BTreeSet};

use sori_mls::{DeviceId, GroupId, HybridPublic, verify_device_signature};
use zeroize::Zeroizing;

use super::{
    FORMER_MAX, NAMES_MAX, Planned, Planning, STAND_SPREAD_PER_MEMBER_MS, Saying, WAY_INFO,
    WAY_LABEL, Way, WayBody,
};
use crate::channel::Channel;
use crate::engine::Engine;
use crate::envelope::{ASK_LABEL, Ask, Check, LOGS_MAX, STAND_LABEL, Stand, Verdict};
use crate::error::Error;
use crate::group::Group;
use crate::prints::Prints;
use crate::record::{self, Standing};
use crate::time::Time;

/// Shortest and random wait before an answer, in milliseconds.
const ANSWER_WAIT_MS: u64 = 20;
const ANSWER_SPREAD_MS: u64 = 250;
/// Wait of a member that is catching up itself, in milliseconds: it may be behind.
const BUSY_WAIT_MS: u64 = 700;
/// Wait of a member that was let in and that nobody has been seen to follow yet, in milliseconds: its way may
/// have lost, so it answers only where nobody else does.
const LAST_WAIT_MS: u64 = 10_000;
/// One device gets an answer this often at most, in milliseconds: each costs a signature and the tree.
const GRANT_EVERY_MS: u64 = 3_000;

impl Engine {
    /// A device asks for the way back: this one answers, if it knows better than others that the
    /// device is in the group or is not (protocol §5.6.7).
    pub(crate) fn take_ask(&mut self, channel: u32, ask: Ask, now: Time) -> Result<(), Error> {
        let Some(held) = self.channels.get(&channel) else {
            return Ok(());
        };
        let (id, tag) = (held.record.group, held.tag());
        let is_own = ask.device == self.core()?.device().id();
        let known = self.with_group(id, |engine, group| {
            if is_own || !engine.may_give(group)? {
                return Ok(None);
            }
            let is_last = !engine.may_answer(group)?;
            Ok(Some((asker_is_member(group, &ask, &tag), is_last)))
        })?;
        let (answer, first) = match known {
            None | Some((Membership::Forged, _) | (Membership::Out, true)) => return Ok(()),
            Some((Membership::In, is_last)) => {
                let first = if is_last {
                    LAST_WAIT_MS
                } else {
                    ANSWER_WAIT_MS
                };
                (Planning::Way(ask), first)
            }
            Some((Membership::Out, false)) => {
                let stand = self.stand(ask.id(&tag), Verdict::NoMember)?;
                (Planning::Stand(Saying::new(stand)), ANSWER_WAIT_MS)
            }
        };
        let wait = first.saturating_add(self.below(ANSWER_SPREAD_MS));
        let at = now.plus_ms(wait);
        self.resyncs.plan(Planned {
            at,
            channel,
            answer,
        });
        Ok(())
    }

    /// Whether this device stands in the group and is not itself in doubt.
    fn may_answer(&self, group: &mut Group) -> Result<bool, Error> {
        Ok(group.resync.entered.is_none() && self.may_give(group)?)
    }

    /// Whether this device can give the way: also who was let in and has seen nobody since. If all others have
    /// lost the state, nobody else can.
    fn may_give(&self, group: &mut Group) -> Result<bool, Error> {
        let stands = matches!(group.record.standing, Standing::Active | Standing::Leaving);
        let came_back = group.resync.entered.is_some() && !group.resync.let_in;
        if !stands || group.is_stateless() || group.resync.founded || came_back {
            return Ok(false);
        }
        self.ensure_head(group)?;
        Ok(true)
    }

    /// Gives the way, once the wait is over and nobody else has.
    pub(super) fn answer_ask(&mut self, channel: u32, ask: Ask, now: Time) -> Result<(), Error> {
        if self.sessions.is_asking(channel) {
            let at = now.plus_ms(BUSY_WAIT_MS);
            let answer = Planning::Way(ask);
            self.resyncs.plan(Planned {
                at,
                channel,
                answer,
            });
            return Ok(());
        }
        self.resyncs
            .granted
            .retain(|_, at| now.since_ms(*at) < GRANT_EVERY_MS);
        if self.resyncs.granted.contains_key(&ask.device) {
            return Ok(());
        }
        let Some(held) = self.channels.get(&channel) else {
            return Ok(());
        };
        let (id, tag) = (held.record.group, held.tag());
        let way = self.with_group(id, |engine, group| {
            if !engine.may_give(group)? || asker_is_member(group, &ask, &tag) != Membership::In {
                return Ok(None);
            }
            engine.way(group, &ask.device, &ask.id(&tag)).map(Some)
        })?;
        let Some(way) = way else { return Ok(()) };
        let about = ask.id(&tag);
        let key = HybridPublic::from_bytes(&ask.key)?;
        let sealed = self.core()?.hybrid_seal(&key, WAY_INFO, &about, &way)?;
        self.resyncs.granted.insert(ask.device, now);
        self.give(channel, ask.nonce, sealed, now);
        Ok(())
    }

    /// What a device needs to come back to the head.
    pub(super) fn way(
        &self,
        group: &mut Group,
        device: &DeviceId,
        about: &[u8; 32],
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let former = self.former_channels(group, device)?;
        self.ensure_head(group)?;
        let head = group.head.as_ref().ok_or(Error::Internal("head"))?;
        let channel = self.channels.get(&group.channel()?);
        let me = self.me()?;
        let mut names = group.record.names.clone();
        names.insert(me.id, me.record.name.clone());
        let body = WayBody {
            group_info: head.snapshot().group_info(&me.core)?,
            channel_secret: channel.ok_or(Error::Internal("channel"))?.record.secret,
            former,
            clock: group.cursor.clock,
            names: names.into_iter().take(NAMES_MAX).collect(),
        };
        let body = record::encode(&body)?;
        let signed = Zeroizing::new([about.as_slice(), &body].concat());
        record::encode(&Way {
            account: me.id,
            signature: me.key.sign(WAY_LABEL, &signed).to_vec(),
            body: body.to_vec(),
        })
    }

    /// The secrets of the channels before the current one in which a device was a member, the newest first: on
    /// them it hears of what may yet win over the head.
    fn former_channels(&self, group: &Group, device: &DeviceId) -> Result<Vec<[u8; 32]>, Error> {
        let mut seen = BTreeSet::from([group.channel()?]);
        let mut secrets = Vec::new();
        for state in group.record.path.clone().iter().rev() {
            let channel = group.channel_of(state)?;
            if secrets.len() >= FORMER_MAX || !seen.insert(channel) {
                continue;
            }
            let snapshot = self.snapshot(group, state)?;
            let members = snapshot.iter().flat_map(|state| state.members());
            let was_in = members.into_iter().any(|member| member.device == *device);
            if let Some(held) = self.channels.get(&channel).filter(|_| was_in) {
                secrets.push(held.record.secret);
            }
        }
        Ok(secrets)
    }

    /// The logs of a group's channels, the newest first.
    pub(super) fn logs_of(&self, group: &GroupId) -> Vec<([u8; 32], Prints)> {
        let of_group = self.channels.values().rev();
        // What is said on a branch that lost counts as well until something is settled in its place.
        let counts = |held: &&Channel| !held.record.lost || held.record.undecided;
        let logs = of_group.filter(|held| held.record.group == *group && counts(held));
        logs.take(LOGS_MAX)
            .map(|held| (*held.tag(), held.log.prints()))
            .collect()
    }

    /// Somebody asks whether a state is on the way to our head.
    pub(crate) fn take_check(
        &mut self,
        channel: u32,
        check: &Check,
        now: Time,
    ) -> Result<(), Error> {
        let Some(id) = self.channels.get(&channel).map(|held| held.record.group) else {
            return Ok(());
        };
        let about = check.id();
        if self.resyncs.is_to_say(&about) {
            return Ok(());
        }
        let ours: BTreeMap<_, _> = self.logs_of(&id).into_iter().collect();
        // Whose log is another one may still hear of what brings it here, or us there. A channel that
        // only one of us knows begins with a commit on one that both know.
        let alike = check
            .logs
            .iter()
            .all(|(tag, log)| ours.get(tag).is_none_or(|ours| ours.agrees(log)));
        let verdict = self.with_group(id, |engine, group| {
            if !engine.may_answer(group)? {
                return Ok(None);
            }
            // Of two who know different states, one that has only just come back can be the one that is off the way.
            let is_new = group.is_on_trust() && !group.resync.let_in;
            let judges = !is_new || group.tree.node(&check.state).is_some();
            Ok(match group.was_on_way(&check.state) {
                true => Some(Verdict::Follows),
                false => (alike && judges).then_some(Verdict::Elsewhere),
            })
        })?;
        let Some(verdict) = verdict else {
            return Ok(());
        };
        let members = self.groups.get(&id).map_or(2, |g| g.known_members().len());
        let members = u64::try_from(members).unwrap_or(u64::MAX);
        let spread = STAND_SPREAD_PER_MEMBER_MS.saturating_mul(members);
        let spread = spread.saturating_add(ANSWER_SPREAD_MS);
        let at = now.plus_ms(ANSWER_WAIT_MS.saturating_add(self.below(spread)));
        let answer = Planning::Stand(Saying::new(self.stand(about, verdict)?));
        self.resyncs.plan(Planned {
            at,
            channel,
            answer,
        });
        Ok(())
    }

    pub(super) fn stand(&self, about: [u8; 32], verdict: Verdict) -> Result<Stand, Error> {
        let me = self.me()?;
        let mut stand = Stand {
            about,
            account: me.id,
            verdict,
            signature: Vec::new(),
        };
        let bytes = stand.signed_bytes();
        stand.signature = me.key.sign(STAND_LABEL, &bytes).to_vec();
        Ok(stand)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Membership {
    In,
    Out,
    /// In the group, but the call is not by its device.
    Forged,
}

/// Whether who calls is a device of the group at the head.
pub(super) fn asker_is_member(group: &Group, ask: &Ask, tag: &[u8; 32]) -> Membership {
    let members = group.head.iter().flat_map(|head| head.snapshot().members());
    let device = members
        .into_iter()
        .find(|member| member.account == ask.account && member.device == ask.device);
    let Some(device) = device else {
        return Membership::Out;
    };
    let bytes = ask.signed_bytes(tag);
    let signed = <&[u8; 64]>::try_from(ask.signature.as_slice()).is_ok_and(|signature| {
        verify_device_signature(&device.signature_key, ASK_LABEL, &bytes, signature).is_ok()
    });
    match signed {
        true => Membership::In,
        false => Membership::Forged,
    }
}
