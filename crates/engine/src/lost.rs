//! Groups whose MLS state is lost on this device: what is destroyed, what is kept, and how what the
//! person does meanwhile waits (protocol §5.6).
//!
//! The state is lost when the profile is an older copy (its keys may have been used since), when a
//! backup brought everything but the state, or when the others follow a commit that cannot be
//! processed here. Then nothing is encrypted, committed or signed in the group's name until this
//! device has come back; envelopes are kept and passed on all the same.

use std::collections::BTreeSet;

use sori_mls::{AccountId, GroupData, GroupId, Operation, OwnCommit, Snapshot, StateId};

use crate::channel::{Channel, LOG_DAYS};
use crate::engine::Engine;
use crate::envelope::{ChannelMessage, Private};
use crate::error::Error;
use crate::group::Group;
use crate::outcome::{Outcome, Reason};
use crate::receipts::{add_holder, count_holders};
use crate::record::{Body, KnownRecord, Notice, NoticeKind, ResyncRecord, Standing, StateOfJoin};
use crate::table;
use crate::time::{DAY_MS, Time};

/// Most commits remembered that cannot be processed here. Whoever makes more of them only makes this
/// device slower to notice.
const STUCK_MAX: usize = 16;
/// Latest arrivals among which a restored profile looks for own messages that nobody got.
const LOOKED_BACK_MAX: u64 = 256;
/// KeyPackages that contacts get in the place of void ones.
const KEY_PACKAGES_ANEW: usize = 4;

impl Group {
    /// The group data as it was known when the state was lost.
    pub(crate) fn known_data(&self) -> Result<GroupData, Error> {
        Ok(GroupData::decode(&self.resync.known.data)?)
    }

    /// Whether the oldest state here is one that this device came back into.
    pub(crate) fn came_back(&self) -> bool {
        let first = self.record.path.first();
        first.is_some() && first == self.resync.anchor.as_ref()
    }

    /// Whether nothing says that the way to the oldest state here is the group's but who gave it: what is settled of
    /// what followed settles what came before as well.
    pub(crate) fn is_on_trust(&self) -> bool {
        let mut path = self.record.path.iter();
        let settled = |state: &StateId| {
            let kept = self.record.states.get(state);
            kept.is_some_and(|kept| kept.settled.is_some())
        };
        self.came_back() && !path.any(settled)
    }

    /// The members as they were known when the state was lost.
    pub(crate) fn known_members(&self) -> &[AccountId] {
        &self.resync.known.members
    }
}

impl Engine {
    /// Gives up what this profile may have used elsewhere: it is an older copy of itself that was put back, or
    /// comes from a backup. To be called right after [`Engine::open`], before anything else, and made durable
    /// with [`Engine::flush`]; if the program ends before that, call it at the next opening. Calling it twice
    /// does no harm.
    ///
    /// Destroyed are the MLS state of every group (snapshots, commits, what was about to be committed) and the
    /// private halves of KeyPackages, if there are any: so no key and generation is used twice. Of a backup that
    /// holds none of these, tables `SNAPSHOT`, `COMMIT`, `RATCHET`, `PIECE` and `KEY_PACKAGE`, nothing is
    /// missed. It has to hold the account and its device, contacts, channels (their secrets lead to the
    /// others), and of each group the records in `GROUP`, `CURSOR` and `RESYNC` beside the timeline. Of the
    /// latest own messages those go out again that nobody is known to have and no channel log holds.
    ///
    /// From then on a group's standing is `rejoining`: the person reads its history and writes, and as soon as
    /// a member can be reached the group is entered anew as the same device and what was written goes out
    /// (protocol §5.6). A group that nobody else was in is founded anew at once. Groups that this account
    /// was out of stay as they are.
    ///
    /// # Errors
    /// Trouble with the store, or a row that does not decode; then nothing has changed.
    pub fn mark_restored(&mut self, now: Time) -> Result<(), Error> {
        if self.me.is_none() {
            return Ok(());
        }
        self.atomically(|engine| {
            engine.void_key_packages(now)?;
            let ids: Vec<GroupId> = engine.groups.keys().copied().collect();
            for id in ids {
                engine.with_group(id, |engine, group| engine.restored(group, now))?;
            }
            Ok(())
        })
    }

    fn restored(&mut self, group: &mut Group, now: Time) -> Result<(), Error> {
        let me = self.me()?.id;
        match group.record.standing {
            Standing::Lost if group.is_stateless() => Ok(()),
            Standing::Out | Standing::OutHalted => {
                self.destroy_states(group)?;
                group.record.intents.clear();
                self.save_group(group)
            }
            Standing::Active if group.known_members() == [me] => self.found_anew(group, now),
            Standing::Active | Standing::Leaving | Standing::Lost | Standing::Halted => {
                let unheard = self.unheard(group, now)?;
                // Whether its way in lost is not the question any more; what nobody has is among the unheard.
                if std::mem::take(&mut group.resync.let_in) {
                    group.resync.entered = None;
                    group.resync.said.clear();
                }
                self.lose(group, now)?;
                group.resync.unsent.extend(unheard);
                self.save_resync(group)
            }
        }
    }

    /// Own messages that nobody is known to hold and no log here carries any more, the oldest first: a
    /// backup has them, and not their ciphertext. They are encrypted anew under the same ids, so whoever has one
    /// all the same keeps it once. Those from before somebody came in are left alone: they were not for that one.
    fn unheard(&self, group: &mut Group, now: Time) -> Result<Vec<u64>, Error> {
        let me = self.me()?.id;
        let mine = group.roster_index(&me);
        let of_group = |held: &&Channel| held.record.group == group.record.id;
        let logs = self.channels.values().filter(of_group);
        let carried: BTreeSet<u64> = logs
            .flat_map(|held| held.log.open.values().copied())
            .collect();
        let kept = now.minus_ms(u64::from(LOG_DAYS).saturating_mul(DAY_MS));
        let next = group.cursor.next_message;
        let mut unheard = Vec::new();
        for sequence in (next.saturating_sub(LOOKED_BACK_MAX)..next).rev() {
            let Some(record) = self.message_record(group, sequence)? else {
                continue;
            };
            let came_in = matches!(&record.body, Body::Notice(n) if n.what == NoticeKind::Added);
            if came_in || Time::from_unix_ms(record.sent_at) < kept {
                break;
            }
            let only_here = count_holders(&record.holders, |index| index != mine) == 0;
            let is_content = matches!(record.body, Body::Content(_));
            if record.sender == me && is_content && only_here && !carried.contains(&sequence) {
                unheard.push(sequence);
            }
        }
        unheard.reverse();
        Ok(unheard)
    }

    pub(crate) fn load_resync(&self, group: &mut Group) -> Result<(), Error> {
        let key = table::one(group.record.number);
        group.resync = self.get(table::RESYNC, &key)?.unwrap_or_default();
        Ok(())
    }

    /// Keeps what is public of the head.
    pub(crate) fn note_known(&mut self, group: &mut Group) -> Result<(), Error> {
        let data = self.group_data(group)?.encode()?;
        let members = self.accounts(group)?;
        let known = KnownRecord { data, members };
        if group.resync.known == known {
            return Ok(());
        }
        group.resync.known = known;
        self.save_resync(group)
    }

    pub(crate) fn save_resync(&mut self, group: &Group) -> Result<(), Error> {
        let key = table::one(group.record.number);
        self.put(table::RESYNC, &key, &group.resync)
    }

    /// The group is entered by a Welcome: what went before is over.
    pub(crate) fn forget_resync(&mut self, group: &mut Group) -> Result<(), Error> {
        self.resyncs.forget(&group.record.id);
        group.resync = ResyncRecord {
            known: std::mem::take(&mut group.resync.known),
            unsent: std::mem::take(&mut group.resync.unsent),
            audience: std::mem::take(&mut group.resync.audience),
            ..ResyncRecord::default()
        };
        self.save_resync(group)
    }

    /// Destroys the state of a group, and keeps what it takes to come back and to show the group
    /// meanwhile (protocol §5.6.6).
    pub(crate) fn lose(&mut self, group: &mut Group, now: Time) -> Result<(), Error> {
        let in_vain = group.resync.entered.take().is_some();
        group.resync.founded = false;
        self.destroy_states(group)?;
        group.record.standing = Standing::Lost;
        group.record.intents.clear();
        (group.commits_at, group.commits_by) = (None, None);
        group.cursor.sent = 0;
        let resync = &mut group.resync;
        resync.stuck.clear();
        // What nobody could read is said again, by the same id, to nobody whom it was not meant for.
        let members = &resync.known.members;
        match resync.unsent.is_empty() {
            true => resync.audience.clone_from(members),
            false => resync.audience.retain(|account| members.contains(account)),
        }
        let said = std::mem::take(&mut resync.said);
        resync.unsent.extend(said);
        match in_vain {
            true => resync.tries = resync.tries.saturating_add(1),
            // The last that this device heard of the group; what it missed came after that.
            false => {
                let heard = Time::from_unix_ms(group.cursor.clock >> 20);
                (resync.tries, resync.since) = (0, heard.min(now));
            }
        }
        self.save_resync(group)?;
        self.save_group(group)?;
        if !in_vain {
            self.add_own_notice(group, notice(NoticeKind::Lost, None), now)?;
        }
        self.save_cursor(group)?;
        self.plan_ask(group, now);
        self.topics_stale = true;
        self.group_changed(group);
        Ok(())
    }

    /// The state is off the way of the others: what was said in it is said again, for whoever has it may be unable to
    /// open it.
    pub(crate) fn lose_way(&mut self, group: &mut Group, now: Time) -> Result<(), Error> {
        let me = self.me()?.id;
        let states = group.record.states.values();
        let first = states.map(|state| state.messages).min();
        let next = group.cursor.next_message;
        let latest = next.saturating_sub(LOOKED_BACK_MAX);
        let marks: Vec<(u32, StateId)> = (group.record.states.keys())
            .map(|state| (group.mark_of(state), *state))
            .collect();
        for sequence in first.unwrap_or(next).max(latest)..next {
            let Some(mut record) = self.message_record(group, sequence)? else {
                continue;
            };
            let state = marks.iter().find(|(mark, _)| *mark == record.snapshot);
            let is_content = matches!(record.body, Body::Content(_));
            let is_said = group.resync.said.contains(&sequence);
            let Some((_, state)) = state.filter(|_| record.sender == me && is_content && !is_said)
            else {
                continue;
            };
            record.holders.clear();
            add_holder(&mut record.holders, group.roster_index(&me));
            self.save_message(group, sequence, &record)?;
            self.add_stray(group, sequence, true, state)?;
        }
        self.lose(group, now)
    }

    fn destroy_states(&mut self, group: &mut Group) -> Result<(), Error> {
        let commits: Vec<StateId> = group.tree.ids().map(|(id, _)| *id).collect();
        for commit in commits {
            self.forget_commit(group, &commit)?;
        }
        self.drop_all_snapshots(group)
    }

    /// Nobody else is in the group as far as this device knows, so nobody could let it back in. It goes on with
    /// a state of its own, on the same channel: whoever came in since is heard there, and then this device
    /// finds out that it is off the group's way (protocol §5.6.6).
    fn found_anew(&mut self, group: &mut Group, now: Time) -> Result<(), Error> {
        let mut data = group.known_data()?;
        (data.admins, data.spent_orders) = (Vec::new(), Vec::new());
        self.destroy_states(group)?;
        group.record.intents.clear();
        group.cursor.sent = 0;
        let core = self.core()?;
        let founded = core.create_group(group.record.id, data)?;
        // The first state of a group has one name, however often it is founded.
        let OwnCommit { header, child, .. } = founded.commit(core, &Operation::Update)?;
        let is_current = |held: &Channel| {
            let record = &held.record;
            record.group == group.record.id && record.superseded.is_none() && !record.lost
        };
        let current = self.channels.iter().rfind(|(_, held)| is_current(held));
        let channel = match current.map(|(number, _)| *number) {
            Some(number) => number,
            None => self.open_channel_of(group, child.snapshot())?,
        };
        group.record.path = vec![header.id];
        group.resync.anchor = Some(header.id);
        group.resync.entered = None;
        group.resync.founded = true;
        self.enter(group, child, channel, now)?;
        self.save_resync(group)?;
        self.group_changed(group);
        Ok(())
    }

    /// KeyPackages may have let this device in since: a second use would be the same keys again.
    fn void_key_packages(&mut self, now: Time) -> Result<(), Error> {
        for number in self.key_packages.keys().copied().collect::<Vec<_>>() {
            self.delete(table::KEY_PACKAGE, &table::one(number))?;
        }
        self.key_packages.clear();
        let open: Vec<u32> = self.open_outgoing_joins();
        for number in open {
            self.close_join(number, StateOfJoin::Expired, now)?;
        }
        let owed: Vec<AccountId> = self.contacts.keys().copied().collect();
        self.put(table::RESYNC, &table::one(0), &owed)
    }

    /// Plans to give these contacts new KeyPackages.
    pub(crate) fn owe_key_packages(
        &mut self,
        accounts: Vec<AccountId>,
        at: Time,
    ) -> Result<(), Error> {
        if accounts.is_empty() {
            return Ok(());
        }
        let key = table::one(0);
        let owed: Option<Vec<AccountId>> = self.get(table::RESYNC, &key)?;
        let mut owed = owed.unwrap_or_default();
        owed.extend(accounts);
        owed.sort_unstable();
        owed.dedup();
        self.resyncs.replace_at = self.resyncs.replace_at.or(Some(at));
        self.put(table::RESYNC, &key, &owed)
    }

    /// Gives contacts that can be reached fresh KeyPackages in the place of those that are void.
    pub(crate) fn replace_key_packages(&mut self, now: Time) -> Result<(), Error> {
        let key = table::one(0);
        let owed: Option<Vec<AccountId>> = self.get(table::RESYNC, &key)?;
        let Some(mut owed) = owed else { return Ok(()) };
        for account in owed.clone() {
            let known = self.contacts.contains_key(&account);
            if known && self.shared_group(&account)?.is_none() {
                continue;
            }
            if known {
                let (_, packages) = self.new_key_packages(KEY_PACKAGES_ANEW)?;
                self.send_private(&account, &Private::KeyPackagesAnew(packages), now)?;
            }
            owed.retain(|other| *other != account);
        }
        match owed.is_empty() {
            true => self.delete(table::RESYNC, &key),
            false => self.put(table::RESYNC, &key, &owed),
        }
    }

    /// Stands at the state that an own external commit leads to: stored with the commit, which goes
    /// out to everybody (protocol §5.6.8).
    pub(crate) fn come_back(
        &mut self,
        group: &mut Group,
        commit: OwnCommit,
        channel: u32,
        now: Time,
    ) -> Result<(), Error> {
        let before: BTreeSet<AccountId> = group.known_members().iter().copied().collect();
        let OwnCommit {
            header,
            message,
            mut child,
            ..
        } = commit;
        self.save_snapshot(group, child.snapshot_mut(), channel, now)?;
        group.record.path = vec![header.id];
        group.head = Some(child);
        group.resync.anchor = Some(header.id);
        group.resync.entered = Some(header.id);
        group.resync.let_in = false;
        self.follow_head(group)?;
        self.follow_channels(group, &BTreeSet::new(), now)?;
        let clock = group.tick(now);
        let commit = ChannelMessage::Commit {
            parent: header.parent,
            clock,
            message,
            spares: Vec::new(),
        };
        self.send_envelope(channel, &commit, None, now)?;
        self.tell_back(group, &before, now)?;
        self.save_resync(group)?;
        self.save_group(group)?;
        self.save_cursor(group)?;
        self.take_kept_orders(group, now)?;
        self.settle(group, now)?;
        self.send_or_hold(group, now)?;
        if group.has_own_strays() {
            self.plan_commits(group, now);
        }
        self.group_changed(group);
        Ok(())
    }

    /// What the person has to know: since when messages may be missing, and who came and went.
    fn tell_back(
        &mut self,
        group: &mut Group,
        before: &BTreeSet<AccountId>,
        now: Time,
    ) -> Result<(), Error> {
        if group.resync.tries == 0 {
            let since = group.resync.since.unix_ms().to_string();
            let back = Notice {
                detail: since,
                ..notice(NoticeKind::Back, None)
            };
            self.add_own_notice(group, back, now)?;
        }
        let after: BTreeSet<AccountId> = self.accounts(group)?.into_iter().collect();
        let came = after
            .difference(before)
            .map(|a| (NoticeKind::AddedMeanwhile, *a));
        let went = before
            .difference(&after)
            .map(|a| (NoticeKind::GoneMeanwhile, *a));
        for (kind, account) in came.chain(went).collect::<Vec<_>>() {
            self.add_own_notice(group, notice(kind, Some(account)), now)?;
        }
        Ok(())
    }

    /// Orders that came while there was no state to judge them by.
    fn take_kept_orders(&mut self, group: &mut Group, now: Time) -> Result<(), Error> {
        let waiting: Vec<(StateId, (u32, u64))> = (group.waiting.iter())
            .flat_map(|(state, places)| places.iter().map(|place| (*state, *place)))
            .collect();
        for (state, (channel, sequence)) in waiting {
            let key = table::of(channel, sequence);
            let pending: Option<crate::record::PendingRecord> = self.get(table::PENDING, &key)?;
            let message = pending.and_then(|p| ChannelMessage::decode(&p.envelope));
            if !matches!(message, Some(ChannelMessage::Order { .. })) {
                continue;
            }
            if let Some(places) = group.waiting.get_mut(&state) {
                places.retain(|place| *place != (channel, sequence));
            }
            self.act_on_pending(group, channel, sequence, now)?;
        }
        group.waiting.retain(|_, places| !places.is_empty());
        Ok(())
    }

    /// Notes that a message has no ciphertext yet.
    pub(crate) fn keep_unsent(&mut self, group: &mut Group, message: u64) -> Result<(), Error> {
        group.resync.unsent.push(message);
        self.save_resync(group)
    }

    /// Notes that a message was sent by a device that nobody is seen to follow yet.
    pub(crate) fn note_said(&mut self, group: &mut Group, message: u64) -> Result<(), Error> {
        if group.resync.entered.is_none() {
            return Ok(());
        }
        group.resync.said.push(message);
        self.save_resync(group)
    }

    /// Sends what was written while the state was lost, if all who would read it were members when
    /// it was written. Otherwise the person is told, and sends it by writing on.
    fn send_or_hold(&mut self, group: &mut Group, now: Time) -> Result<(), Error> {
        let audience = &group.resync.audience;
        let known = &group.resync.known.members;
        if known.iter().all(|account| audience.contains(account)) {
            return self.send_unsent(group, now);
        }
        if group.resync.unsent.is_empty() {
            return Ok(());
        }
        self.add_own_notice(group, notice(NoticeKind::Held, None), now)
    }

    /// Sends what was written while the state was lost, in the order in which it was written.
    pub(crate) fn send_unsent(&mut self, group: &mut Group, now: Time) -> Result<(), Error> {
        if group.record.standing != Standing::Active || group.resync.unsent.is_empty() {
            return Ok(());
        }
        for sequence in std::mem::take(&mut group.resync.unsent) {
            self.send_again(group, sequence, now)?;
        }
        self.save_resync(group)
    }

    /// Somebody else was seen on the way that this device came back to: it is the group's.
    pub(crate) fn confirm(&mut self, group: &mut Group, now: Time) -> Result<(), Error> {
        let was_founded = std::mem::take(&mut group.resync.founded);
        if group.resync.entered.take().is_none() && !was_founded {
            return Ok(());
        }
        group.resync.tries = 0;
        for message in std::mem::take(&mut group.resync.said) {
            if let Some(record) = self.message_record(group, message)? {
                self.forget_what_changed(group, record.id)?;
            }
        }
        self.save_resync(group)?;
        self.resyncs.settled(&group.record.id, now);
        self.plan_recheck(group, now);
        Ok(())
    }

    /// Remembers a commit that holds for everybody who has the public part of its parent, but cannot
    /// be processed here.
    pub(crate) fn note_stuck(
        &mut self,
        group: &mut Group,
        parent: &Snapshot,
        message: &[u8],
        now: Time,
    ) -> Result<Outcome, Error> {
        let judged = parent.inspect_commit_publicly(self.core()?, message);
        let Ok(header) = judged else {
            return Ok(Outcome::Refused(Reason::Rules));
        };
        // A commit of another device that fails for its tags alone is here as well: whether it is
        // followed is for the others to say.
        if group.tree.node(&header.id).is_some() || group.record.states.contains_key(&header.id) {
            return Ok(Outcome::Known);
        }
        group.ballots.report(&header, false);
        group.plan_ballot(now);
        self.add_stuck(group, header.id)?;
        Ok(Outcome::Resync)
    }

    pub(crate) fn add_stuck(&mut self, group: &mut Group, child: StateId) -> Result<(), Error> {
        let stuck = &mut group.resync.stuck;
        if stuck.contains(&child) {
            return Ok(());
        }
        if stuck.len() >= STUCK_MAX {
            stuck.remove(0);
        }
        stuck.push(child);
        self.save_resync(group)
    }

    /// Members say that this account is no longer in the group.
    pub(crate) fn out_meanwhile(&mut self, group: &mut Group, now: Time) -> Result<(), Error> {
        group.record.standing = Standing::Out;
        self.resyncs.forget(&group.record.id);
        self.save_group(group)?;
        self.add_own_notice(group, notice(NoticeKind::OutMeanwhile, None), now)?;
        self.topics_stale = true;
        self.group_changed(group);
        Ok(())
    }
}

/// A notice that only this device's window shows.
fn notice(what: NoticeKind, subject: Option<AccountId>) -> Notice {
    Notice {
        what,
        actor: None,
        subject,
        detail: String::new(),
    }
}
