//! When a commit waits: who is in no hurry lets others go first (protocol §5.10).

use crate::engine::Engine;
use crate::error::Error;
use crate::group::Group;
use crate::network::Purpose;
use crate::record::{Standing, Wish};
use crate::time::Time;

/// Wait for each account that is before this one in the order of ties, and the longest, in milliseconds.
const RANK_WAIT_MS: u64 = 2_000;
const RANK_WAIT_MAX_MS: u64 = 30_000;
/// States after the last settled one from which on keys are not renewed, and nothing but orders is committed.
const UNSETTLED_FOR_UPDATE: usize = 8;
const UNSETTLED_FOR_ALL: usize = 32;
/// Messages sent in one state from which on a device means to renew its keys, and at which it does not wait for others any
/// more; and at which it does so even if nobody hears of it. All are fewer than the keys that a receiver skips and keeps.
const SENT_SOON: u32 = 300;
const SENT_NOW: u32 = 400;
const SENT_LAST: u32 = 800;

impl Engine {
    /// Whether a commit for this wish has to wait until more is settled.
    pub(crate) fn must_wait(&self, group: &Group, wish: &Wish) -> bool {
        match wish {
            Wish::Realise | Wish::Order { .. } => false,
            // More messages in one state than a receiver skips keys for could not all be read by who comes back.
            Wish::Update if group.cursor.sent >= SENT_LAST => {
                group.unsettled() >= UNSETTLED_FOR_ALL
            }
            Wish::Update => group.unsettled() >= UNSETTLED_FOR_UPDATE,
            // Who comes while somebody else is let in is let in with all others who wait by then.
            Wish::Add { .. } => group.unsettled() >= UNSETTLED_FOR_ALL || group.is_letting_in(),
            Wish::Rename { .. }
            | Wish::SetPolicy { .. }
            | Wish::SetTimer { .. }
            | Wish::SetFileLimit { .. }
            | Wish::SetAvatar { .. }
            | Wish::SetRole { .. } => group.unsettled() >= UNSETTLED_FOR_ALL,
        }
    }

    /// Whether somebody else was heard, or is attached, on one of the group's channels.
    pub(crate) fn reaches_somebody(&self, group: &Group) -> bool {
        let of_group = |held: &crate::channel::Channel| held.record.group == group.record.id;
        let channels = self.channels.iter().filter(|(_, held)| of_group(held));
        channels.into_iter().any(|(number, held)| {
            let is_here =
                |purpose| matches!(purpose, Purpose::Channel { channel, .. } if channel == *number);
            let met = !held.live.heard.is_empty() || held.live.met;
            met && self.network.is_attached(is_here)
        })
    }

    /// How long this device lets others go first, in milliseconds: another time for each, which nobody can choose.
    pub(crate) fn politeness(&self, group: &mut Group) -> Result<u64, Error> {
        let rank = u64::from(self.rank_in_tie(group)?);
        Ok(rank.saturating_mul(RANK_WAIT_MS).min(RANK_WAIT_MAX_MS))
    }

    /// Realises what was ordered about others, and renews this device's keys if enough was sent with the present ones; a while before that it waits for its
    /// turn. To be called before a message gets its place: what follows from the commit may bring other lines.
    pub(crate) fn renew_keys(&mut self, group: &mut Group, now: Time) -> Result<(), Error> {
        self.realise_decisions(group, now)?;
        let sent = group.cursor.sent;
        if sent >= SENT_LAST || sent >= SENT_NOW && self.reaches_somebody(group) {
            group.renew_at = None;
            return self.wish(group, Wish::Update, now);
        }
        if group.cursor.sent >= SENT_SOON && group.renew_at.is_none() {
            group.renew_at = Some(now.plus_ms(self.politeness(group)?));
        }
        Ok(())
    }

    /// Renews keys whose turn has come, unless another commit has done so meanwhile.
    pub(crate) fn renew_due(&mut self, group: &mut Group, now: Time) -> Result<(), Error> {
        if group.renew_at.is_none_or(|at| at > now) {
            return Ok(());
        }
        group.renew_at = None;
        let active = group.record.standing == Standing::Active;
        if active && group.cursor.sent >= SENT_SOON && self.reaches_somebody(group) {
            self.wish(group, Wish::Update, now)?;
        }
        Ok(())
    }
}
