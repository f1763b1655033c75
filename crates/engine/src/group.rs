//! One group in memory.

use std::collections::BTreeMap;

use sori_mls::branch::{Branches, Commit};
use sori_mls::{AccountId, GroupData, Head, Order, StateFacts, StateId};

use crate::ballots::Ballots;

use crate::channel::CLOCK_SKEW_MS;
use crate::engine::Engine;
use crate::error::Error;
use crate::record::{
    CommitRecord, CursorRecord, GroupRecord, Intent, ResyncRecord, Standing, StrayRecord,
};
use crate::snapshots::SharedPieces;
use crate::table;
use crate::time::{DAY_MS, Day, Time};
use crate::timeline::Timeline;
use crate::tree::{Node, Tree};
use crate::view::Event;
use crate::welcomes::Waiting;

/// Most snapshots kept of one group's path, and as many of branches that lost. Older states can
/// no longer be gone back to; what a member gains by filling them is that a very long race is
/// settled early.
pub(crate) const SNAPSHOTS_MAX: usize = 64;

/// A group.
pub(crate) struct Group {
    pub(crate) record: GroupRecord,
    pub(crate) cursor: CursorRecord,
    pub(crate) tree: Tree,
    /// By what its members choose among commits.
    pub(crate) branches: Branches,
    /// What the choice has to know of the states that are kept.
    pub(crate) facts: BTreeMap<StateId, StateFacts>,
    /// States that were on the way until they were destroyed, and when they were.
    pub(crate) former: BTreeMap<StateId, Time>,
    /// What was said about commits.
    pub(crate) ballots: Ballots,
    /// The head, once it was needed. Dropped whenever the path changes.
    pub(crate) head: Option<Head>,
    /// What is in memory of the timeline, once it was needed.
    pub(crate) timeline: Option<Timeline>,
    /// The pieces that its states share, once they were counted.
    pub(crate) shared: Option<SharedPieces>,
    /// Envelopes by the state they wait for: channel and sequence in the log.
    pub(crate) waiting: BTreeMap<StateId, Vec<(u32, u64)>>,
    /// Messages of states that are not on the path, by their numbers.
    pub(crate) strays: BTreeMap<u64, StrayRecord>,
    /// Welcomes that wait, by the intents of their commits.
    pub(crate) welcomes: BTreeMap<u64, Waiting>,
    /// The latest place of an own message that was sent again long after it was written.
    pub(crate) sent_again: u64,
    /// When to renew this device's keys.
    pub(crate) renew_at: Option<Time>,
    /// When to let in again whoever came in on a way that lost.
    pub(crate) readd_at: Option<Time>,
    /// When to commit again what was lost, and to realise leave orders of others.
    pub(crate) commits_at: Option<Time>,
    /// When to do so at the latest, even if a catch-up is going on.
    pub(crate) commits_by: Option<Time>,
    /// How it stands if its state is or was lost.
    pub(crate) resync: ResyncRecord,
}

/// What is to be done in a group and when, beside what the store says.
#[derive(Clone, Copy, Default)]
pub(crate) struct Plans {
    commits_at: Option<Time>,
    ballot_at: Option<Time>,
    destroy_at: Option<Time>,
}

impl Group {
    pub(crate) fn new(record: GroupRecord, cursor: CursorRecord) -> Self {
        Self {
            record,
            cursor,
            tree: Tree::default(),
            branches: Branches::default(),
            facts: BTreeMap::new(),
            former: BTreeMap::new(),
            ballots: Ballots::default(),
            head: None,
            timeline: None,
            shared: None,
            waiting: BTreeMap::new(),
            strays: BTreeMap::new(),
            welcomes: BTreeMap::new(),
            readd_at: None,
            sent_again: 0,
            renew_at: None,
            commits_at: None,
            commits_by: None,
            resync: ResyncRecord::default(),
        }
    }

    /// What is planned, for when the rest is read again.
    pub(crate) const fn plans(&self) -> Plans {
        Plans {
            commits_at: self.commits_at,
            ballot_at: self.ballots.at,
            destroy_at: self.ballots.destroy_at,
        }
    }

    /// Puts a commit into the graph and the tree.
    pub(crate) fn learn_commit(&mut self, commit: &CommitRecord, number: u64) {
        let node = Node {
            parent: commit.parent,
            key: commit.key,
            number,
            heard: commit.heard,
        };
        self.tree.insert(commit.id, node);
        let of_branch = Commit {
            parent: commit.parent,
            author: commit.author,
            epoch: commit.epoch,
            needs_role: commit.needs_role,
            key: commit.key,
        };
        self.branches.add_commit(commit.id, of_branch);
    }

    /// The orders that are kept.
    pub(crate) fn orders(&self) -> Vec<Order> {
        let decoded = self.record.orders.iter().map(|bytes| Order::decode(bytes));
        decoded.filter_map(Result::ok).collect()
    }

    /// Keeps these orders, of those that are kept, and forgets the others.
    pub(crate) fn set_orders(&mut self, kept: Vec<Vec<u8>>) {
        for order in self.orders() {
            let is_kept = order.encode().is_ok_and(|bytes| kept.contains(&bytes));
            if !is_kept {
                self.branches.forget_order(&order.id());
            }
        }
        self.record.orders = kept;
    }

    /// Whether this device may say and do something in it.
    pub(crate) const fn check_active(&self) -> Result<(), Error> {
        match self.record.standing {
            Standing::Active => Ok(()),
            Standing::Lost => Err(Error::Rejoining),
            Standing::Halted => Err(Error::Halted),
            Standing::Leaving | Standing::Out | Standing::OutHalted => Err(Error::NotMember),
        }
    }

    /// Whether there is no state of it on this device.
    pub(crate) const fn is_stateless(&self) -> bool {
        self.record.path.is_empty()
    }

    /// The state that this device is in.
    pub(crate) fn head_state(&self) -> Result<StateId, Error> {
        self.record
            .path
            .last()
            .copied()
            .ok_or(Error::Internal("group without a state"))
    }

    /// Whether the commit of an intent is not on the path.
    pub(crate) fn is_lost(&self, intent: &Intent) -> bool {
        let committed = intent.committed;
        !committed.is_some_and(|state| self.record.path.contains(&state))
    }

    /// The oldest state that can still be gone back to.
    pub(crate) fn anchor(&self) -> Result<StateId, Error> {
        self.record
            .path
            .first()
            .copied()
            .ok_or(Error::Internal("group without a state"))
    }

    /// The channel on which messages of a state travel.
    pub(crate) fn channel_of(&self, state: &StateId) -> Result<u32, Error> {
        self.record
            .states
            .get(state)
            .map(|state| state.channel)
            .ok_or(Error::Internal("state without a channel"))
    }

    /// The channel of the head.
    pub(crate) fn channel(&self) -> Result<u32, Error> {
        self.channel_of(&self.head_state()?)
    }

    /// The place of an account in the roster; added at its end if it is new.
    pub(crate) fn roster_index(&mut self, account: &AccountId) -> usize {
        let roster = &mut self.record.roster;
        roster
            .iter()
            .position(|known| known == account)
            .unwrap_or_else(|| {
                roster.push(*account);
                roster.len().saturating_sub(1)
            })
    }

    /// The next value of the hybrid logical clock, for something written here.
    pub(crate) fn tick(&mut self, now: Time) -> u64 {
        let next = self.cursor.clock.saturating_add(1).max(clock_of(now));
        self.cursor.clock = within(next, now.day());
        self.cursor.clock
    }

    /// Takes notice of a clock value from outside. One from the far future is not followed, so
    /// that nobody can drag everybody's clock along (protocol §8.3).
    pub(crate) fn observe(&mut self, clock: u64, now: Time) {
        let bound = clock_of(now.plus_ms(CLOCK_SKEW_MS));
        if clock <= bound {
            self.cursor.clock = self.cursor.clock.max(clock);
        }
    }
}

/// The hybrid logical clock's value at a time: milliseconds, with room below for a million
/// events within each.
pub(crate) const fn clock_of(now: Time) -> u64 {
    now.unix_ms().saturating_mul(1 << 20)
}

/// A clock value as it counts in an envelope of a day: all members agree on the day, because an
/// envelope opens under the key of one only, so nobody can write into the far future and stay the
/// newest for ever, or into the past unseen.
pub(crate) fn within(clock: u64, day: Day) -> u64 {
    let margin = CLOCK_SKEW_MS.saturating_mul(2);
    let first = day.end().minus_ms(DAY_MS.saturating_add(margin));
    clock.clamp(clock_of(first), clock_of(day.end().plus_ms(margin)))
}

impl Engine {
    pub(crate) fn load_groups(&mut self) -> Result<(), Error> {
        let planned: BTreeMap<_, _> = self
            .groups
            .iter()
            .map(|(id, group)| (*id, group.plans()))
            .collect();
        self.groups = BTreeMap::new();
        for (number, record) in self.scan::<GroupRecord>(table::GROUP, &[])? {
            let number = u32::try_from(number).map_err(|_| Error::Internal("group number"))?;
            let cursor = self
                .get(table::CURSOR, &table::one(number))?
                .unwrap_or_default();
            let planned = planned.get(&record.id).copied().unwrap_or_default();
            let group = self.group_of(record, cursor, planned)?;
            self.groups.insert(group.record.id, group);
        }
        Ok(())
    }

    /// A group with what the store holds of its commits and of what waits.
    pub(crate) fn group_of(
        &self,
        record: GroupRecord,
        cursor: CursorRecord,
        plans: Plans,
    ) -> Result<Group, Error> {
        let mut group = Group::new(record, cursor);
        let prefix = table::one(group.record.number);
        for (number, commit) in self.scan::<CommitRecord>(table::COMMIT, &prefix)? {
            group.learn_commit(&commit, number);
        }
        self.load_facts(&mut group)?;
        self.load_ballots(&mut group)?;
        self.load_former(&mut group)?;
        self.load_waiting(&mut group)?;
        self.load_strays(&mut group)?;
        self.load_welcomes(&mut group)?;
        self.load_resync(&mut group)?;
        (group.commits_at, group.ballots.at) = (plans.commits_at, plans.ballot_at);
        group.ballots.destroy_at = plans.destroy_at;
        Ok(group)
    }

    pub(crate) fn save_group(&mut self, group: &Group) -> Result<(), Error> {
        self.put(
            table::GROUP,
            &table::one(group.record.number),
            &group.record,
        )
    }

    pub(crate) fn save_cursor(&mut self, group: &Group) -> Result<(), Error> {
        self.put(
            table::CURSOR,
            &table::one(group.record.number),
            &group.cursor,
        )
    }

    pub(crate) fn group_changed(&mut self, group: &Group) {
        self.event(Event::GroupChanged {
            group: group.record.id.to_string(),
        });
    }

    /// A number that no group has yet.
    pub(crate) fn next_group_number(&self) -> u32 {
        let last = self
            .groups
            .values()
            .map(|group| group.record.number)
            .max()
            .unwrap_or(0);
        last.saturating_add(1)
    }

    /// The agreed data of the group at its head, or as it was last known.
    pub(crate) fn group_data(&self, group: &mut Group) -> Result<GroupData, Error> {
        if group.is_stateless() {
            return group.known_data();
        }
        self.ensure_head(group)?;
        let head = group.head.as_ref().ok_or(Error::Internal("head"))?;
        Ok(head.snapshot().data().clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_count_only_around_the_day_of_their_envelope() {
        let noon = Time::from_unix_ms(20_779 * DAY_MS + DAY_MS / 2);
        let day = noon.day();
        assert_eq!(within(clock_of(noon), day), clock_of(noon));
        let last = clock_of(day.end().plus_ms(2 * CLOCK_SKEW_MS));
        assert_eq!(within(u64::MAX, day), last);
        let first = clock_of(day.end().minus_ms(DAY_MS + 2 * CLOCK_SKEW_MS));
        assert_eq!(within(0, day), first);
    }
}
