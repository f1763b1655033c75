//! What is settled, and when the states before it are destroyed (protocol §5.4.6, §5.7.6).
//!
//! A state that was left is kept for messages that are still on their way, and for the case that the commit which led on from it
//! loses. Once that commit is settled the second is over; and the first once every member who was in that state has said, by a
//! hello that agrees with the log here, that it has the commit and that nothing of it is missing here.

use std::collections::BTreeSet;

use sori_mls::branch::{Choice, Real};
use sori_mls::{AccountId, StateId};

use crate::engine::Engine;
use crate::error::Error;
use crate::group::Group;
use crate::table;
use crate::time::{DAY_MS, Time};

/// A state that was left is kept this long after that is settled, in milliseconds.
const SETTLED_KEPT_MS: u64 = 3 * DAY_MS;
/// And at least so long, if all have gone on from it.
const SETTLED_KEPT_LEAST_MS: u64 = 600_000;
/// Wait before what could not be destroyed yet is looked at again, in milliseconds; and after somebody was heard to have gone on.
const DESTROY_AGAIN_MS: u64 = 3_600_000;
const DESTROY_HEARD_MS: u64 = 60_000;
/// How long the name of a state is known that was destroyed, in milliseconds, and of how many.
const FORMER_KEPT_MS: u64 = 30 * DAY_MS;
const FORMER_MAX: usize = 1024;

impl Group {
    /// How many states are on the way after the last one that is settled: they may yet be undone.
    pub(crate) fn unsettled(&self) -> usize {
        let is_settled = |state: &StateId| {
            let kept = self.record.states.get(state);
            kept.is_some_and(|kept| kept.settled.is_some())
        };
        let path = &self.record.path;
        let settled = path.iter().rposition(is_settled).unwrap_or(0);
        path.len().saturating_sub(1).saturating_sub(settled)
    }

    /// Whether a state is on the way to the head, be it that it is destroyed.
    pub(crate) fn was_on_way(&self, state: &StateId) -> bool {
        self.record.path.contains(state) || self.former.contains_key(state)
    }

    /// Since when a state has been settled.
    fn settled_since(&self, state: &StateId) -> Option<Time> {
        self.record.states.get(state)?.settled
    }

    /// Plans to look for states that can be destroyed, if some may.
    pub(crate) fn plan_destroy(&mut self, now: Time) {
        self.plan_destroy_in(SETTLED_KEPT_LEAST_MS, now);
    }

    fn plan_destroy_in(&mut self, wait_ms: u64, now: Time) {
        let second = self.record.path.get(1);
        if second.is_some_and(|state| self.settled_since(state).is_some()) {
            self.destroy_in(wait_ms, now);
        }
    }

    fn destroy_in(&mut self, wait_ms: u64, now: Time) {
        let at = now.plus_ms(wait_ms);
        let planned = self.ballots.destroy_at;
        self.ballots.destroy_at = Some(planned.map_or(at, |planned| planned.min(at)));
    }
}

impl Engine {
    /// Notes what has been settled of the path.
    pub(crate) fn follow_settled(
        &mut self,
        group: &mut Group,
        choice: &Choice<Real>,
        now: Time,
    ) -> Result<(), Error> {
        let mut news = false;
        for state in &choice.settled {
            if let Some(kept) = group.record.states.get_mut(state)
                && kept.settled.is_none()
            {
                kept.settled = Some(now);
                group.branches.settle(*state);
                news = true;
            }
        }
        if !news {
            return Ok(());
        }
        // Of what follows some may be on a way that is about to be followed.
        group.destroy_in(SETTLED_KEPT_LEAST_MS, now);
        group.plan_ballot(now);
        // What waited until more is settled need not wait any longer.
        if group.record.intents.iter().any(|i| group.is_lost(i)) {
            group.commits_at = None;
            self.plan_commits(group, now);
        }
        self.save_group(group)
    }

    /// A member holds what is here of a channel, and nothing else.
    pub(crate) fn note_even(
        &self,
        group: &mut Group,
        channel: u32,
        account: &AccountId,
        now: Time,
    ) {
        group.ballots.even.insert((channel, *account), now);
        let second = group.record.path.get(1);
        let settled = second.and_then(|state| group.settled_since(state));
        if settled.is_some_and(|at| now.since_ms(at) >= SETTLED_KEPT_LEAST_MS) {
            group.plan_destroy_in(DESTROY_HEARD_MS, now);
        }
    }

    /// Destroys states that nobody needs any more.
    pub(crate) fn destroy_settled(&mut self, group: &mut Group, now: Time) -> Result<(), Error> {
        group.ballots.destroy_at = None;
        if group.is_stateless() {
            return Ok(());
        }
        self.prune(group, now)?;
        self.save_group(group)?;
        group.plan_destroy_in(DESTROY_AGAIN_MS, now);
        Ok(())
    }

    pub(crate) fn load_former(&self, group: &mut Group) -> Result<(), Error> {
        let former: Option<Vec<(StateId, Time)>> =
            self.get(table::FORMER, &table::one(group.record.number))?;
        group.former = former.unwrap_or_default().into_iter().collect();
        Ok(())
    }

    /// Notes the name of a state that is destroyed and was on the way: others may not have come so far.
    pub(crate) fn note_former(
        &mut self,
        group: &mut Group,
        state: StateId,
        now: Time,
    ) -> Result<(), Error> {
        group.former.insert(state, now);
        let former = &mut group.former;
        former.retain(|_, at| now.since_ms(*at) < FORMER_KEPT_MS);
        while former.len() > FORMER_MAX
            && let Some(oldest) = former.iter().min_by_key(|(_, at)| **at).map(|(s, _)| *s)
        {
            former.remove(&oldest);
        }
        let kept: Vec<(StateId, Time)> = former.iter().map(|(s, at)| (*s, *at)).collect();
        self.put(table::FORMER, &table::one(group.record.number), &kept)
    }

    /// Whether a state on the way need not be kept any more: the next one is settled, long enough ago.
    pub(crate) fn is_dispensable(
        &self,
        group: &mut Group,
        (state, next): (&StateId, &StateId),
        now: Time,
    ) -> Result<bool, Error> {
        let Some(settled) = group.settled_since(next) else {
            return Ok(false);
        };
        let kept_ms = now.since_ms(settled);
        Ok(kept_ms >= SETTLED_KEPT_MS
            || kept_ms >= SETTLED_KEPT_LEAST_MS && self.all_went_on(group, (state, next))?)
    }

    /// Whether all who were in a state are at the head, and are known to have the commit that led from it to the next and to
    /// have written nothing in it that is not here. One device must speak for each: of two one may be away. Who was put
    /// out is not heard any more, and may have written in it before it heard of that.
    fn all_went_on(
        &self,
        group: &mut Group,
        (state, next): (&StateId, &StateId),
    ) -> Result<bool, Error> {
        let Some(since) = group.record.states.get(next).map(|kept| kept.since) else {
            return Ok(false);
        };
        let (channel, me) = (group.channel_of(state)?, self.me()?.id);
        self.ensure_head(group)?;
        let head = group.head.as_ref().ok_or(Error::Internal("head"))?;
        let devices: Vec<AccountId> = (head.snapshot().members().iter())
            .map(|member| member.account)
            .collect();
        let accounts: BTreeSet<AccountId> = devices.iter().copied().collect();
        let Some(snapshot) = self.snapshot(group, state)? else {
            return Ok(false);
        };
        let mut were_in = snapshot.members().iter().map(|member| member.account);
        let has_it = |account: &AccountId| {
            let even = group.ballots.even.get(&(channel, *account));
            even.is_some_and(|at| *at >= since)
        };
        Ok(devices.len() == accounts.len()
            && were_in.all(|a| a == me || accounts.contains(&a) && has_it(&a)))
    }
}
