//! Welcomes: when somebody who is let in hears of it (protocol §7.3.1), and who is let in again whose way in has
//! lost (protocol §5.8).
//!
//! A commit can lose, and then whoever was let in by it stands on a branch that nobody follows. So the Welcome
//! waits until a majority of the members has the commit, or for a while without a rival. It happens all the same when the
//! group is cut in two; then the inviter lets the joiner in again, or another member who may.

use std::collections::BTreeSet;

use sori_mls::{AccountId, JoinPolicy, Role, StateId};

use crate::engine::Engine;
use crate::error::Error;
use crate::group::Group;
use crate::network::Purpose;
use crate::record::{Delivery, Intent, NoticeKind, Standing, WelcomeRecord, Wish};
use crate::table;
use crate::time::Time;

/// How long a commit without a rival is waited for that no majority is known to have, in milliseconds.
const WELCOME_WAIT_MS: u64 = 15_000;
/// How often that long is waited if it has one, and is ahead of it.
const WELCOME_WAITS_MAX: u32 = 4;
/// How often that long is waited for a way to whoever is let in.
const DELIVERIES_MAX: u32 = 240;
/// How long another member waits for the inviter to let somebody in again, in milliseconds; its rank among all
/// comes on top of it.
const READD_WAIT_MS: u64 = 60_000;

/// A Welcome that waits.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    /// The state that its commit leads to.
    state: StateId,
    /// The entries of the log that carry the commit: channel, first and last.
    entries: (u32, u64, u64),
    /// Members, at the parent, before anybody was added.
    voters: usize,
    holders: BTreeSet<AccountId>,
    at: Option<Time>,
    waits: u32,
}

impl Group {
    /// Whether a commit of ours that is on the way lets somebody in, and a majority may soon be known to have it.
    pub(crate) fn is_letting_in(&self) -> bool {
        let mut fresh =
            (self.welcomes.values()).filter(|waiting| waiting.waits == 0 && waiting.at.is_some());
        fresh.any(|waiting| self.record.path.contains(&waiting.state))
    }

    /// Lets in at once who waited for others to be let in.
    fn let_in_next(&mut self, now: Time) {
        let is_add = |intent: &Intent| matches!(intent.wish, Wish::Add { .. });
        let waits = |intent: &Intent| intent.committed.is_none() && is_add(intent);
        if self.record.intents.iter().any(waits) && !self.is_letting_in() {
            self.commits_at = Some(now);
        }
    }
}

impl Engine {
    /// What waits, after a start.
    pub(crate) fn load_welcomes(&self, group: &mut Group) -> Result<(), Error> {
        let kept = self.scan::<WelcomeRecord>(table::WELCOME, &table::one(group.record.number))?;
        let waiting = |record: WelcomeRecord| Waiting {
            state: record.state,
            entries: record.entries,
            voters: usize::try_from(record.voters).unwrap_or(usize::MAX),
            holders: BTreeSet::new(),
            at: None,
            waits: 0,
        };
        group.welcomes = (kept.into_iter())
            .map(|(number, record)| (number, waiting(record)))
            .collect();
        Ok(())
    }

    /// Keeps the Welcome of a commit of ours until it is time; a founder who is alone need not wait.
    pub(crate) fn keep_welcome(
        &mut self,
        group: &mut Group,
        intent: &Intent,
        (state, entries): (StateId, (u32, u64, u64)),
        welcome: Vec<u8>,
        now: Time,
    ) -> Result<(), Error> {
        let voters = self.accounts(group)?.len();
        if voters < 2 {
            return self.deliver_welcome(group, (&state, entries), &intent.wish, welcome, now);
        }
        let record = WelcomeRecord {
            state,
            entries,
            voters: u32::try_from(voters).unwrap_or(u32::MAX),
            welcome,
        };
        let key = table::of(group.record.number, intent.number);
        self.put(table::WELCOME, &key, &record)?;
        let waiting = Waiting {
            state,
            entries,
            voters,
            holders: BTreeSet::new(),
            at: Some(now.plus_ms(WELCOME_WAIT_MS)),
            waits: 0,
        };
        group.welcomes.insert(intent.number, waiting);
        Ok(())
    }

    pub(crate) fn forget_welcome(&mut self, group: &mut Group, intent: u64) -> Result<(), Error> {
        if group.welcomes.remove(&intent).is_none() {
            return Ok(());
        }
        self.delete(table::WELCOME, &table::of(group.record.number, intent))
    }

    /// A member holds an entry of a channel's log: perhaps the commit that a Welcome waits for.
    pub(crate) fn note_commit_held(
        &mut self,
        group: &mut Group,
        (channel, sequence): (u32, u64),
        account: &AccountId,
        now: Time,
    ) -> Result<(), Error> {
        let mut ripe = Vec::new();
        for (number, waiting) in &mut group.welcomes {
            let (at, first, last) = waiting.entries;
            if at != channel || !(first..=last).contains(&sequence) {
                continue;
            }
            waiting.holders.insert(*account);
            let have = waiting.holders.len().saturating_add(1);
            if have.saturating_mul(2) > waiting.voters {
                ripe.push(*number);
            }
        }
        self.welcome(group, ripe, now)
    }

    /// A member holds all of a channel's log.
    pub(crate) fn note_commits_held(
        &mut self,
        group: &mut Group,
        channel: u32,
        account: &AccountId,
        now: Time,
    ) -> Result<(), Error> {
        let on_channel = group.welcomes.values().map(|waiting| waiting.entries);
        let lasts: Vec<u64> = on_channel
            .filter(|(at, ..)| *at == channel)
            .map(|(_, _, last)| last)
            .collect();
        for last in lasts {
            self.note_commit_held(group, (channel, last), account, now)?;
        }
        Ok(())
    }

    /// The relay handed an entry to nobody: who would have to hear of a commit first is not there.
    pub(crate) fn nobody_there(
        &mut self,
        channel: u32,
        sequence: u64,
        now: Time,
    ) -> Result<(), Error> {
        let Some(id) = self.channels.get(&channel).map(|held| held.record.group) else {
            return Ok(());
        };
        if !self.groups.contains_key(&id) {
            return Ok(());
        }
        self.with_group(id, |engine, group| {
            let carried = |entries: (u32, u64, u64)| {
                entries.0 == channel && (entries.1..=entries.2).contains(&sequence)
            };
            let waiting = group.welcomes.iter();
            let ripe = waiting.filter(|(_, waiting)| carried(waiting.entries));
            let ripe = ripe.map(|(number, _)| *number).collect();
            engine.welcome(group, ripe, now)
        })
    }

    /// Hands out Welcomes whose commits are on the way to the head.
    fn welcome(&mut self, group: &mut Group, ripe: Vec<u64>, now: Time) -> Result<(), Error> {
        for number in ripe {
            let Some(waiting) = group.welcomes.get(&number) else {
                continue;
            };
            if !group.record.path.contains(&waiting.state) {
                continue;
            }
            let intent = group.record.intents.iter().find(|i| i.number == number);
            let wish = intent.map(|intent| intent.wish.clone());
            let key = table::of(group.record.number, number);
            let kept = self.get::<WelcomeRecord>(table::WELCOME, &key)?;
            let (Some(wish), Some(kept)) = (wish, kept) else {
                self.forget_welcome(group, number)?;
                continue;
            };
            let (state, welcome) = (kept.state, kept.welcome.clone());
            match self.deliver_welcome(group, (&state, kept.entries), &wish, welcome, now) {
                Ok(()) => self.forget_welcome(group, number)?,
                Err(error) if error.is_fatal() => return Err(error),
                // There is no way to it at present.
                Err(_) => {}
            }
        }
        group.let_in_next(now);
        Ok(())
    }

    pub(crate) fn welcomes_next_timeout(&self) -> Option<Time> {
        let groups = self.groups.values();
        let times = groups.flat_map(|group| {
            let welcomes = group.welcomes.values().filter_map(|waiting| waiting.at);
            welcomes.chain(group.readd_at).chain(group.renew_at)
        });
        times.min()
    }

    /// Hands out Welcomes that have waited long enough, and lets in again whom nobody else does.
    pub(crate) fn welcomes_timeout(&mut self, now: Time) -> Result<(), Error> {
        for id in self.groups.keys().copied().collect::<Vec<_>>() {
            let due = self.groups.get(&id).is_some_and(|group| {
                let mut welcomes = group.welcomes.values();
                welcomes.any(|w| w.at.is_some_and(|at| at <= now))
                    || group.readd_at.is_some_and(|at| at <= now)
                    || group.renew_at.is_some_and(|at| at <= now)
            });
            if due {
                self.tolerate(|engine| {
                    engine.with_group(id, |engine, group| {
                        engine.welcomes_due(group, now)?;
                        engine.renew_due(group, now)?;
                        engine.readd(group, now)
                    })
                })?;
            }
        }
        Ok(())
    }

    fn welcomes_due(&mut self, group: &mut Group, now: Time) -> Result<(), Error> {
        let due = group.welcomes.iter();
        let due = due.filter(|(_, waiting)| waiting.at.is_some_and(|at| at <= now));
        let due: Vec<(u64, StateId, u32)> = due
            .map(|(number, waiting)| (*number, waiting.state, waiting.entries.0))
            .collect();
        for (number, state, channel) in due {
            let known = group.record.intents.iter().any(|i| i.number == number);
            if !known {
                self.forget_welcome(group, number)?;
                continue;
            }
            let is_here =
                |purpose| matches!(purpose, Purpose::Channel { channel: c, .. } if c == channel);
            let attached = self.network.is_attached(is_here);
            let parent = group.tree.node(&state).map(|node| node.parent);
            let rivals = (group.tree.ids())
                .filter(|(id, node)| Some(node.parent) == parent && **id != state)
                .count();
            let Some(waiting) = group.welcomes.get_mut(&number) else {
                continue;
            };
            waiting.at = Some(now.plus_ms(WELCOME_WAIT_MS));
            if !attached {
                continue;
            }
            waiting.waits = waiting.waits.saturating_add(1);
            let waits = waiting.waits;
            if rivals == 0 || waits >= WELCOME_WAITS_MAX {
                self.welcome(group, vec![number], now)?;
            }
            if waits >= DELIVERIES_MAX {
                self.forget_welcome(group, number)?;
            }
        }
        group.let_in_next(now);
        Ok(())
    }

    /// A channel is attached: Welcomes that wait from before a start are looked at again.
    pub(crate) fn welcomes_attached(&mut self, channel: u32, now: Time) {
        let group = self.channels.get(&channel).map(|held| held.record.group);
        let Some(group) = group.and_then(|id| self.groups.get_mut(&id)) else {
            return;
        };
        for waiting in group.welcomes.values_mut() {
            let at = now.plus_ms(WELCOME_WAIT_MS);
            waiting.at.get_or_insert(at);
        }
    }

    /// Plans to let in again whoever was let in on a way that lost, if its inviter does not.
    pub(crate) fn plan_readd(&self, group: &mut Group, now: Time) -> Result<(), Error> {
        if group.readd_at.is_none() && !self.orphans(group)?.is_empty() {
            let wait = READD_WAIT_MS.saturating_add(self.politeness(group)?);
            group.readd_at = Some(now.plus_ms(wait));
        }
        Ok(())
    }

    /// Lets in again whom a commit added that lost, by the KeyPackage that came with it.
    fn readd(&mut self, group: &mut Group, now: Time) -> Result<(), Error> {
        if group.readd_at.is_none_or(|at| at > now) {
            return Ok(());
        }
        group.readd_at = None;
        for (account, spare) in self.orphans(group)? {
            let wish = Wish::Add {
                account,
                key_packages: vec![spare],
                deliver: Delivery::Way,
            };
            match self.wish(group, wish, now) {
                Err(error) if error.is_fatal() => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Whom commits added that lost, with their spare KeyPackages: by somebody who is still in the group and may
    /// add. Who was put out meanwhile lets nobody in. Nobody who has come in or gone by another way since.
    fn orphans(&self, group: &mut Group) -> Result<Vec<(AccountId, Vec<u8>)>, Error> {
        let mut orphans = Vec::new();
        if group.record.standing != Standing::Active || !self.has_lost_spares(group)? {
            return Ok(orphans);
        }
        let me = self.me()?.id;
        let data = self.group_data(group)?;
        let accounts = self.accounts(group)?;
        let may_add = |account: &AccountId| {
            let is_admin = data.role_of(account) != Role::Member;
            accounts.contains(account) && (is_admin || data.join_policy == JoinPolicy::Members)
        };
        if !may_add(&me) {
            return Ok(orphans);
        }
        let mut known: BTreeSet<AccountId> = accounts.iter().copied().collect();
        for state in group.record.path.clone() {
            let commit = self.commit_record(group, &state)?;
            let notices = commit.into_iter().flat_map(|commit| commit.notices);
            known.extend(notices.filter_map(|notice| notice.subject));
        }
        for state in self.lost_forks(group) {
            let Some(commit) = self.commit_record(group, &state)? else {
                continue;
            };
            if commit.author == me || !may_add(&commit.author) {
                continue;
            }
            let added: BTreeSet<AccountId> = (commit.notices.iter())
                .filter(|n| n.what == NoticeKind::Added)
                .filter_map(|n| n.subject)
                .collect();
            for spare in commit.spares {
                let Ok(info) = self.core()?.inspect_key_package(&spare) else {
                    continue;
                };
                if added.contains(&info.account) && known.insert(info.account) {
                    orphans.push((info.account, spare));
                }
            }
        }
        Ok(orphans)
    }

    fn lost_commits(&self, group: &Group) -> Vec<StateId> {
        let lost = group.tree.ids().map(|(id, _)| *id);
        lost.filter(|id| !group.record.path.contains(id)).collect()
    }

    /// Those of them that branch off the way. The others are from before this account was let in: what became of whom
    /// they let in is not known here.
    fn lost_forks(&self, group: &Group) -> Vec<StateId> {
        let is_on_path = |state: &StateId| group.record.path.contains(state);
        let mut lost = self.lost_commits(group);
        lost.retain(|id| {
            let above = std::iter::successors(Some(*id), |state| {
                group.tree.node(state).map(|node| node.parent)
            });
            above.skip(1).any(|state| is_on_path(&state))
        });
        lost
    }

    fn has_lost_spares(&self, group: &Group) -> Result<bool, Error> {
        for state in self.lost_forks(group) {
            let commit = self.commit_record(group, &state)?;
            if commit.is_some_and(|commit| !commit.spares.is_empty()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a commit let somebody in who then went on by this channel.
    pub(crate) fn has_joiners(&self, group: &Group, channel: u32) -> Result<bool, Error> {
        for state in self.lost_commits(group) {
            if group.channel_of(&state).is_ok_and(|of| of == channel)
                && let Some(commit) = self.commit_record(group, &state)?
                && commit.notices.iter().any(|n| n.what == NoticeKind::Added)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The place of this account among the members at the head, by the tie-break of commits there: nobody can
    /// choose it, and it is another one for each.
    pub(crate) fn rank_in_tie(&self, group: &mut Group) -> Result<u32, Error> {
        let me = self.me()?.id;
        let head = group.head_state()?;
        let tie = |account: &AccountId| sori_mls::tie_break(&head, account);
        let mine = tie(&me);
        let before = (self.accounts(group)?.iter())
            .filter(|account| tie(account) < mine)
            .count();
        Ok(u32::try_from(before).unwrap_or(u32::MAX))
    }
}
