//! Commits: taking them in, choosing among branches, going back, and carrying out what this
//! device wants of a group (protocol §5).

use std::collections::BTreeSet;

use sori_mls::{
    AccountId, Change, CommitHeader, Member, Misuse, Operation, Order, OrderKind, OwnCommit,
    Snapshot, StateId,
};

use crate::engine::Engine;
use crate::envelope::ChannelMessage;
use crate::error::Error;
use crate::group::{Group, SNAPSHOTS_MAX};
use crate::groups::policy_name;
use crate::orders::subject;
use crate::outcome::{Outcome, Reason};
use crate::record::{ChannelRecord, CommitRecord, Intent, Notice, NoticeKind, Standing, Wish};
use crate::table;
use crate::time::{DAY_MS, Time};

/// How long a state can be gone back to at most, in milliseconds.
const SNAPSHOT_AGE_MAX_MS: u64 = 14 * DAY_MS;
/// Orders that were signed this many epochs ago cannot be realised any more (protocol §5.5.4).
const ORDER_AGE_EPOCHS_MAX: u64 = 256;
/// Most accounts that one commit adds here: their KeyPackages and spare ones are about 6 KB each.
const ADDS_TOGETHER_MAX: usize = 8;
/// How often in a row a lost commit is made again before the wait for others begins anew.
const RECOMMITS_MAX: usize = 16;

impl Engine {
    /// Takes in a commit on `parent` that came on the group's channel.
    pub(crate) fn take_commit(
        &mut self,
        group: &mut Group,
        parent: StateId,
        clock: u64,
        (message, spares): (&[u8], &[Vec<u8>]),
        now: Time,
    ) -> Result<Outcome, Error> {
        if self.is_over(group, now)? {
            return Ok(Outcome::Over);
        }
        if !group.record.states.contains_key(&parent) && group.tree.node(&parent).is_none() {
            return Ok(Outcome::Waits(parent));
        }
        // A state on a branch that loses today is built all the same: what hangs on it has to be
        // known, for messages and for the day on which the branch wins.
        if !self.open_state(group, &parent, now)? {
            return Ok(Outcome::Unreadable);
        }
        let Some(snapshot) = self.snapshot(group, &parent)? else {
            return Ok(Outcome::Unreadable);
        };
        // What does not pass is dropped: every honest member judges it alike, unless the trouble is here.
        let Ok(header) = snapshot.inspect_commit(self.core()?, message) else {
            return self.note_stuck(group, &snapshot, message, now);
        };
        if header.parent != parent {
            return Ok(Outcome::Refused(Reason::Malformed));
        }
        if group.tree.node(&header.id).is_some() {
            return Ok(Outcome::Known);
        }
        self.keep_commit(group, &header, (clock, now), (message, spares))?;
        self.take_orders_of(group, &header, now)?;
        self.confirm(group, now)?;
        self.plan_readd(group, now)?;
        group.plan_ballot(now);
        self.look_for_equivocation(group, &header, now)?;
        if group.choose()?.path.contains(&header.id) {
            return Ok(Outcome::Taken);
        }
        // What is voted, ordered and done after a removal passes on a channel of its own.
        if !header.removed.is_empty() && !header.removes_me {
            self.open_state(group, &header.id, now)?;
        }
        Ok(Outcome::Superseded)
    }

    fn keep_commit(
        &mut self,
        group: &mut Group,
        header: &CommitHeader,
        (clock, now): (u64, Time),
        (message, spares): (&[u8], &[Vec<u8>]),
    ) -> Result<(), Error> {
        let number = group.record.next_commit;
        group.record.next_commit = number.saturating_add(1);
        let commit = CommitRecord {
            id: header.id,
            parent: header.parent,
            clock,
            key: header.key,
            author: header.author,
            notices: notices(header),
            message: message.to_vec(),
            spares: spares.to_vec(),
            epoch: header.epoch.0,
            needs_role: header.needs_role,
            heard: now,
        };
        self.put(
            table::COMMIT,
            &table::of(group.record.number, number),
            &commit,
        )?;
        group.learn_commit(&commit, number);
        self.save_group(group)
    }

    pub(crate) fn commit_record(
        &self,
        group: &Group,
        id: &StateId,
    ) -> Result<Option<CommitRecord>, Error> {
        let Some(node) = group.tree.node(id) else {
            return Ok(None);
        };
        self.get(table::COMMIT, &table::of(group.record.number, node.number))
    }

    pub(crate) fn forget_commit(&mut self, group: &mut Group, id: &StateId) -> Result<(), Error> {
        group.branches.forget_commit(id);
        if let Some(node) = group.tree.remove(id) {
            self.delete(table::COMMIT, &table::of(group.record.number, node.number))?;
        }
        Ok(())
    }

    /// Goes where the tree says: builds the states that are missing on the chosen path and adopts
    /// it. What this device lost on the way it commits again once it has heard all there is.
    pub(crate) fn reconcile(&mut self, group: &mut Group, now: Time) -> Result<(), Error> {
        if group.is_stateless() {
            return Ok(());
        }
        let path = self.build_path(group, now)?;
        if path != group.record.path {
            self.adopt(group, path, now)?;
        }
        self.watch_rivals(group)?;
        if sori_mls::broken!("forget an intent") {
            let path = group.record.path.clone();
            let kept = |intent: &Intent| intent.committed.is_some_and(|s| path.contains(&s));
            group.record.intents.retain(kept);
        }
        if group.record.intents.iter().any(|i| group.is_lost(i)) {
            self.plan_commits(group, now);
        }
        Ok(())
    }

    /// Commits again what this device lost.
    pub(crate) fn recommit_lost(&mut self, group: &mut Group, now: Time) -> Result<(), Error> {
        self.realise_decisions(group, now)?;
        for _ in 0..RECOMMITS_MAX {
            if !self.recommit(group, now)? {
                break;
            }
            self.settle(group, now)?;
        }
        Ok(())
    }

    fn build_path(&mut self, group: &mut Group, now: Time) -> Result<Vec<StateId>, Error> {
        loop {
            let choice = group.choose()?;
            self.follow_settled(group, &choice, now)?;
            let path = choice.path;
            let missing = path.windows(2).find_map(|pair| match pair {
                [parent, child] if !group.record.states.contains_key(child) => {
                    Some((*parent, *child))
                }
                _ => None,
            });
            let Some((parent, child)) = missing else {
                return Ok(path);
            };
            if !self.build(group, &parent, &child, now)? {
                self.note_failed(group, &child, now);
                self.forget_commit(group, &child)?;
                self.add_stuck(group, child)?;
            }
        }
    }

    /// Makes the snapshot of a state that is not on the path, and of those before it. False if
    /// that cannot be done here.
    pub(crate) fn open_state(
        &mut self,
        group: &mut Group,
        state: &StateId,
        now: Time,
    ) -> Result<bool, Error> {
        let mut missing = Vec::new();
        let mut at = *state;
        while !group.record.states.contains_key(&at) {
            let Some(parent) = group.tree.node(&at).map(|node| node.parent) else {
                return Ok(false);
            };
            if missing.len() >= SNAPSHOTS_MAX {
                return Ok(false);
            }
            missing.push((parent, at));
            at = parent;
        }
        while let Some((parent, child)) = missing.pop() {
            if !self.build(group, &parent, &child, now)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Makes the snapshot of `child` out of that of `parent`. False if its commit cannot be
    /// processed here.
    fn build(
        &mut self,
        group: &mut Group,
        parent: &StateId,
        child: &StateId,
        now: Time,
    ) -> Result<bool, Error> {
        let Some(commit) = self.commit_record(group, child)? else {
            return Ok(false);
        };
        let Some(snapshot) = self.snapshot(group, parent)? else {
            return Ok(false);
        };
        let Ok((header, mut made)) = snapshot.apply_commit(self.core()?, &commit.message) else {
            return Ok(false);
        };
        self.save_child(group, &header, &mut made, now)?;
        self.note_processed(group, &header, now);
        self.save_group(group)?;
        Ok(true)
    }

    fn save_child(
        &mut self,
        group: &mut Group,
        header: &CommitHeader,
        child: &mut Snapshot,
        now: Time,
    ) -> Result<(), Error> {
        let mut channel = group.channel_of(&header.parent)?;
        if !header.removed.is_empty() && !header.removes_me {
            channel = self.open_channel_of(group, child)?;
        }
        self.save_snapshot(group, child, channel, now)
    }

    /// Derives the channel that begins with this state and starts keeping it. It counts as lost
    /// until the state is on the path.
    pub(crate) fn open_channel_of(
        &mut self,
        group: &Group,
        state: &Snapshot,
    ) -> Result<u32, Error> {
        let secret = state.export_secret(self.core()?, "sori channel 1", &[])?;
        self.open_channel(ChannelRecord {
            group: group.record.id,
            secret: *secret,
            superseded: None,
            lost: true,
            joiners: false,
            pruned: crate::time::Day(0),
            undecided: false,
        })
    }

    /// Makes `path` the group's: what was said about dropped commits goes, about new ones comes.
    fn adopt(&mut self, group: &mut Group, path: Vec<StateId>, now: Time) -> Result<(), Error> {
        let before: BTreeSet<StateId> = group.record.path.iter().copied().collect();
        let after: BTreeSet<StateId> = path.iter().copied().collect();
        for dropped in before.difference(&after) {
            self.remove_notices(group, dropped)?;
        }
        let left: BTreeSet<u32> = before
            .difference(&after)
            .filter_map(|state| group.record.states.get(state).map(|state| state.channel))
            .collect();
        let fresh: Vec<StateId> = path
            .iter()
            .filter(|s| !before.contains(*s))
            .copied()
            .collect();
        group.record.path = path;
        group.head = None;
        group.cursor.sent = 0;
        let dropped: Vec<StateId> = before.difference(&after).copied().collect();
        self.follow_strays(group, &dropped, &fresh)?;
        for state in &fresh {
            if let Some(commit) = self.commit_record(group, state)? {
                group.observe(commit.clock, now);
                self.add_notices(group, &commit)?;
            }
        }
        self.ensure_head(group)?;
        self.follow_head(group)?;
        if group.record.leaving && group.record.standing == Standing::Active {
            group.record.leaving = false;
            let notice = Notice {
                what: NoticeKind::Withdrawn,
                actor: None,
                subject: None,
                detail: "leave".to_owned(),
            };
            self.add_own_notice(group, notice, now)?;
        }
        self.follow_channels(group, &left, now)?;
        self.prune(group, now)?;
        self.plan_open_orders(group, now)?;
        if group.has_own_strays() {
            self.plan_commits(group, now);
        }
        self.plan_readd(group, now)?;
        group.plan_ballot(now);
        self.save_group(group)?;
        self.save_cursor(group)?;
        self.group_changed(group);
        Ok(())
    }

    /// Brings standing, roster and open orders in line with the head.
    pub(crate) fn follow_head(&mut self, group: &mut Group) -> Result<(), Error> {
        let head = group.head.as_ref().ok_or(Error::Internal("head"))?;
        let members = head.snapshot().members().to_vec();
        let me = self.me()?.id;
        let owns = head.snapshot().data().owner == me;
        let oldest = head
            .snapshot()
            .epoch()
            .0
            .saturating_sub(ORDER_AGE_EPOCHS_MAX);
        // Another device of the account, or another copy of this one, does not keep it in.
        let in_group = head.snapshot().me().is_some();
        group.record.standing = match (in_group, group.record.standing) {
            (false, Standing::Halted | Standing::OutHalted) => Standing::OutHalted,
            (false, _) => Standing::Out,
            (true, Standing::Halted | Standing::OutHalted) => Standing::Halted,
            // Somebody handed the group over meanwhile, and an owner cannot leave.
            (true, Standing::Leaving) if owns => Standing::Active,
            (true, Standing::Leaving) => Standing::Leaving,
            // What put us out has lost, or we are back.
            (true, Standing::Out | Standing::Lost) if group.record.leaving && !owns => {
                Standing::Leaving
            }
            (true, Standing::Active | Standing::Out | Standing::Lost) => Standing::Active,
        };
        for member in &members {
            group.roster_index(&member.account);
        }
        // Orders that are realised at the head are kept: the commit that did it may lose yet.
        let mut orders = group.record.orders.clone();
        orders.retain(|bytes| Order::decode(bytes).is_ok_and(|order| order.base().1.0 >= oldest));
        if orders.len() < group.record.orders.len() {
            group.set_orders(orders);
        }
        self.note_known(group)?;
        self.follow_avatar(group)?;
        self.topics_stale = true;
        Ok(())
    }

    /// Brings the group's channels in line with the path: the head's is current, those before it
    /// are superseded, and `left`, if they are not among them, are lost.
    pub(crate) fn follow_channels(
        &mut self,
        group: &Group,
        left: &BTreeSet<u32>,
        now: Time,
    ) -> Result<(), Error> {
        let current = group.channel()?;
        let mut on_path = BTreeSet::new();
        for state in &group.record.path {
            on_path.insert(group.channel_of(state)?);
        }
        let numbers: Vec<u32> = self
            .channels
            .iter()
            .filter(|(_, channel)| channel.record.group == group.record.id)
            .map(|(number, _)| *number)
            .collect();
        for number in numbers {
            let Some(channel) = self.channels.get_mut(&number) else {
                continue;
            };
            let record = &mut channel.record;
            let was = (record.superseded, record.lost);
            record.superseded = match number == current {
                true => None,
                false => Some(record.superseded.unwrap_or(now)),
            };
            record.lost = (record.lost || left.contains(&number)) && !on_path.contains(&number);
            if was == (record.superseded, record.lost) {
                continue;
            }
            let carry = record.lost && !was.1;
            self.topics_stale = true;
            self.save_channel(number)?;
            if carry {
                self.carry_over(number, current)?;
                if self.has_joiners(group, number)?
                    && let Some(held) = self.channels.get_mut(&number)
                {
                    held.record.joiners = true;
                    self.save_channel(number)?;
                }
            }
        }
        Ok(())
    }

    /// Listens on the channels of branches that lost for as long as nothing is settled in their place: all have to
    /// know the same to choose alike.
    fn watch_rivals(&mut self, group: &Group) -> Result<(), Error> {
        let of_group = self.channels.iter().filter(|(_, held)| {
            let record = &held.record;
            record.group == group.record.id && (record.lost || record.undecided)
        });
        let changed: Vec<(u32, bool)> = of_group
            .map(|(number, held)| (*number, held, group.is_undecided(*number)))
            .filter(|(_, held, is)| held.record.undecided != (held.record.lost && *is))
            .map(|(number, held, is)| (number, held.record.lost && is))
            .collect();
        for (number, undecided) in changed {
            if let Some(held) = self.channels.get_mut(&number) {
                held.record.undecided = undecided;
            }
            self.topics_stale = true;
            self.save_channel(number)?;
        }
        Ok(())
    }

    /// Destroys snapshots that are too many or too old; the first state kept becomes the anchor.
    pub(crate) fn prune(&mut self, group: &mut Group, now: Time) -> Result<(), Error> {
        if sori_mls::broken!("keep old states") {
            return Ok(());
        }
        let old = now.minus_ms(SNAPSHOT_AGE_MAX_MS);
        while let [first, second, ..] = group.record.path.as_slice() {
            let (first, second) = (*first, *second);
            // A state is left when its successor was built, so that is when its age begins.
            let left = group
                .record
                .states
                .get(&second)
                .map_or(now, |state| state.since);
            let needed = left >= old && !self.is_dispensable(group, (&first, &second), now)?;
            if group.record.path.len() <= SNAPSHOTS_MAX && needed {
                break;
            }
            let siblings: Vec<StateId> = group
                .tree
                .ids()
                .filter(|(id, node)| node.parent == first && **id != second)
                .map(|(id, _)| *id)
                .collect();
            for sibling in siblings {
                self.forget_branch(group, &sibling)?;
            }
            self.forget_commit(group, &second)?;
            self.drop_snapshot(group, &first)?;
            self.note_former(group, first, now)?;
            group
                .record
                .intents
                .retain(|intent| intent.committed != Some(first));
            group.record.path.remove(0);
        }
        self.prune_branches(group, old)
    }

    /// Destroys snapshots of branches that lost, the oldest first: as many are kept as of the
    /// path, so that nobody can push states off the path by making branches.
    fn prune_branches(&mut self, group: &mut Group, old: Time) -> Result<(), Error> {
        let mut beside: Vec<(Time, StateId)> = group
            .record
            .states
            .iter()
            .filter(|(state, _)| !group.record.path.contains(state))
            .map(|(state, kept)| (kept.since, *state))
            .collect();
        beside.sort_unstable();
        let excess = beside.len().saturating_sub(SNAPSHOTS_MAX);
        for (index, (since, state)) in beside.into_iter().enumerate() {
            if index < excess || since < old {
                self.forget_branch(group, &state)?;
            }
        }
        Ok(())
    }

    pub(crate) fn forget_branch(&mut self, group: &mut Group, root: &StateId) -> Result<(), Error> {
        let mut doomed = vec![*root];
        while let Some(state) = doomed.pop() {
            doomed.extend(
                group
                    .tree
                    .ids()
                    .filter(|(_, node)| node.parent == state)
                    .map(|(id, _)| *id),
            );
            self.drop_snapshot(group, &state)?;
            self.forget_commit(group, &state)?;
        }
        Ok(())
    }

    /// Notes a wish and commits it. It is committed again whenever its commit loses.
    pub(crate) fn wish(&mut self, group: &mut Group, wish: Wish, now: Time) -> Result<(), Error> {
        group.check_active()?;
        if self.must_wait(group, &wish) {
            return self.keep_wish(group, wish, now);
        }
        if !matches!(wish, Wish::Realise | Wish::Order { .. }) {
            self.realise_decisions(group, now)?;
        }
        let number = group.record.next_intent;
        group.record.next_intent = number.saturating_add(1);
        let intent = Intent {
            number,
            wish,
            committed: None,
            since: now,
        };
        let done = self.attempt(group, |engine, group| {
            group.record.intents.push(intent.clone());
            engine.commit_intents(group, vec![intent], now)
        });
        match done {
            // It is so already.
            Err(Error::Mls(sori_mls::Error::Misuse(Misuse::NoChange))) => Ok(()),
            Err(error) => Err(error),
            Ok(()) => self.settle(group, now),
        }
    }

    /// Notes a wish that is to be committed once more is settled.
    fn keep_wish(&mut self, group: &mut Group, wish: Wish, now: Time) -> Result<(), Error> {
        if matches!(wish, Wish::Update) {
            return Ok(());
        }
        let number = group.record.next_intent;
        group.record.next_intent = number.saturating_add(1);
        group.record.intents.push(Intent {
            number,
            wish,
            committed: None,
            since: now,
        });
        self.plan_commits(group, now);
        self.save_group(group)
    }

    /// Does something to a group that is out of the map, and undoes all of it if it fails.
    fn attempt(
        &mut self,
        group: &mut Group,
        step: impl FnOnce(&mut Self, &mut Group) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let (record, cursor) = (group.record.clone(), group.cursor.clone());
        let done = self.atomically(|engine| step(engine, group));
        if done.as_ref().is_err_and(|error| !error.is_fatal()) {
            self.groups.remove(&record.id);
            *group = self.group_of(record, cursor, group.plans())?;
        }
        done
    }

    /// Commits one intent again whose commit is no longer on the path. Whether there was one.
    fn recommit(&mut self, group: &mut Group, now: Time) -> Result<bool, Error> {
        if group.record.standing != Standing::Active {
            return Ok(false);
        }
        let is_moot =
            |intent: &Intent| matches!(intent.wish, Wish::Update) && group.is_lost(intent);
        let moot: Vec<u64> = (group.record.intents.iter().filter(|i| is_moot(i)))
            .map(|intent| intent.number)
            .collect();
        group.record.intents.retain(|i| !moot.contains(&i.number));
        let lost = group
            .record
            .intents
            .iter()
            .find(|i| group.is_lost(i))
            .cloned();
        let Some(intent) = lost else { return Ok(false) };
        if self.must_wait(group, &intent.wish) {
            return Ok(false);
        }
        if self.add_together(group, &intent, now)? {
            return Ok(true);
        }
        let (number, told) = (intent.number, withdrawn(&intent.wish));
        let intent_wish = intent.wish.clone();
        let done = self.attempt(group, |engine, group| {
            engine.commit_intents(group, vec![intent], now)
        });
        match done {
            Ok(()) => {}
            Err(error) if error.is_fatal() => return Err(error),
            Err(error) => {
                // The new head does not allow it, or it has come true already.
                group
                    .record
                    .intents
                    .retain(|intent| intent.number != number);
                self.forget_welcome(group, number)?;
                if let Some(notice) = told.filter(|_| !has_come_true(&error)) {
                    self.add_own_notice(group, notice, now)?;
                    self.withdraw_join(&intent_wish)?;
                }
                self.save_group(group)?;
            }
        }
        Ok(true)
    }

    /// Adds everybody by one commit whose turn it is, if that is more than `first` alone. Whether it did: what cannot be added
    /// beside others is tried alone.
    fn add_together(
        &mut self,
        group: &mut Group,
        first: &Intent,
        now: Time,
    ) -> Result<bool, Error> {
        if !matches!(first.wish, Wish::Add { .. }) {
            return Ok(false);
        }
        let lost = group.record.intents.iter().filter(|i| group.is_lost(i));
        let adds = lost.filter(|intent| matches!(intent.wish, Wish::Add { .. }));
        let together: Vec<Intent> = adds.take(ADDS_TOGETHER_MAX).cloned().collect();
        if together.len() < 2 {
            return Ok(false);
        }
        let done = self.attempt(group, |engine, group| {
            engine.commit_intents(group, together, now)
        });
        match done {
            Err(error) if error.is_fatal() => Err(error),
            done => Ok(done.is_ok()),
        }
    }

    /// Makes one commit of one intent, or of several that add somebody.
    fn commit_intents(
        &mut self,
        group: &mut Group,
        mut intents: Vec<Intent>,
        now: Time,
    ) -> Result<(), Error> {
        let operation = self.operation_of(group, &mut intents)?;
        self.ensure_head(group)?;
        let head = group.head.as_ref().ok_or(Error::Internal("head"))?;
        let OwnCommit {
            header,
            message,
            welcome,
            mut child,
        } = head.commit(self.core()?, &operation)?;
        if self.is_ordered_out(group, header.needs_role)? {
            return Err(Error::NotAllowed);
        }
        let channel = group.channel()?;
        self.save_child(group, &header, child.snapshot_mut(), now)?;
        let clock = group.tick(now);
        let spares: Vec<Vec<u8>> = intents.iter().filter_map(|i| i.wish.spare()).collect();
        self.keep_commit(group, &header, (clock, now), (&message, &spares))?;
        for intent in &intents {
            let mut known = group.record.intents.iter_mut();
            if let Some(known) = known.find(|known| known.number == intent.number) {
                known.committed = Some(header.id);
                known.wish = intent.wish.clone();
            }
        }
        self.save_group(group)?;
        self.save_cursor(group)?;
        let commit = ChannelMessage::Commit {
            parent: header.parent,
            clock,
            message,
            spares,
        };
        let (first, last) = self.send_envelope(channel, &commit, None, now)?;
        let entries = (channel, first, last);
        let Some(welcome) = welcome else {
            return Ok(());
        };
        for intent in &intents {
            self.keep_welcome(group, intent, (header.id, entries), welcome.clone(), now)?;
        }
        Ok(())
    }

    /// What to commit for intents at the head.
    fn operation_of(
        &mut self,
        group: &mut Group,
        intents: &mut [Intent],
    ) -> Result<Operation, Error> {
        if let [one] = intents {
            return self.operation(group, &mut one.wish);
        }
        let mut added = Vec::new();
        for intent in intents {
            let Operation::Add { key_packages } = self.operation(group, &mut intent.wish)? else {
                return Err(Error::Internal("only adds are committed together"));
            };
            added.extend(key_packages);
        }
        Ok(Operation::Add {
            key_packages: added,
        })
    }

    /// What to commit for a wish at the head.
    fn operation(&mut self, group: &mut Group, wish: &mut Wish) -> Result<Operation, Error> {
        Ok(match wish {
            Wish::Add {
                account,
                key_packages,
                ..
            } => {
                self.ensure_head(group)?;
                let head = group.head.as_ref().ok_or(Error::Internal("head"))?;
                if head
                    .snapshot()
                    .members()
                    .iter()
                    .any(|member| member.account == *account)
                {
                    return Err(Error::AlreadyMember);
                }
                let package = match key_packages.pop() {
                    Some(package) => package,
                    None => self.spare_key_package(account)?,
                };
                Operation::Add {
                    key_packages: vec![package],
                }
            }
            Wish::Realise => self.realise(group)?,
            Wish::Order { order } => self.realise_own(group, order)?,
            Wish::Rename { name } => Operation::Rename { name: name.clone() },
            Wish::SetPolicy { policy } => Operation::SetJoinPolicy {
                policy: (*policy).into(),
            },
            Wish::SetTimer { seconds } => Operation::SetDisappearing { seconds: *seconds },
            Wish::SetFileLimit { limit } => Operation::SetFileLimit { limit: *limit },
            Wish::SetAvatar { avatar } => Operation::SetAvatar { avatar: *avatar },
            Wish::Update => Operation::Update,
            Wish::SetRole { account, role } => Operation::SetRole {
                account: *account,
                role: (*role).into(),
            },
        })
    }
}

/// What the timeline tells about a commit: each account once, however many devices it has.
fn notices(header: &CommitHeader) -> Vec<Notice> {
    let actor = Some(header.author);
    let about = |what, members: &[Member]| -> Vec<Notice> {
        let accounts: BTreeSet<AccountId> = members.iter().map(|member| member.account).collect();
        let one = |account| Notice {
            what,
            actor,
            subject: Some(account),
            detail: String::new(),
        };
        accounts.into_iter().map(one).collect()
    };
    let mut notices = about(NoticeKind::Added, &header.added);
    if header.rejoined.is_some() {
        notices.push(Notice {
            what: match header.removes_me {
                true => NoticeKind::Elsewhere,
                false => NoticeKind::Rejoined,
            },
            actor,
            subject: None,
            detail: String::new(),
        });
    }
    notices.extend(gone(header));
    notices.extend(
        header
            .changes
            .iter()
            .filter_map(|change| changed(decided(header, change).or(actor), change)),
    );
    notices
}

/// What is told about those who are no longer there: who decided it, not who carried it out.
fn gone(header: &CommitHeader) -> Vec<Notice> {
    let accounts: BTreeSet<AccountId> = header.removed.iter().map(|m| m.account).collect();
    let one = |account| {
        let removal = header
            .orders
            .iter()
            .find(|order| (order.kind(), order.target()) == (OrderKind::Remove, account));
        Notice {
            what: removal.map_or(NoticeKind::Left, |_| NoticeKind::Removed),
            actor: Some(removal.map_or(header.author, Order::issuer)),
            subject: Some(account),
            detail: String::new(),
        }
    };
    accounts.into_iter().map(one).collect()
}

/// Who ordered a change that the author of the commit only carries out.
fn decided(header: &CommitHeader, change: &Change) -> Option<AccountId> {
    let Change::Role { account, .. } = change else {
        return None;
    };
    let about = header
        .orders
        .iter()
        .find(|order| order.target() == *account);
    about.map(Order::issuer)
}

fn changed(actor: Option<AccountId>, change: &Change) -> Option<Notice> {
    let (what, subject, detail) = match change {
        Change::Renamed { name } => (NoticeKind::Renamed, None, name.clone()),
        Change::Role { account, role } => {
            (NoticeKind::Role, Some(*account), role.as_str().to_owned())
        }
        Change::JoinPolicy { policy } => {
            (NoticeKind::Policy, None, policy_name(*policy).to_owned())
        }
        Change::Disappearing { seconds } => (NoticeKind::Timer, None, number(*seconds)),
        Change::FileLimit { limit } => (NoticeKind::FileLimit, None, number(*limit)),
        Change::Avatar { hash } => {
            let detail = hash.map_or(String::new(), |_| "set".to_owned());
            (NoticeKind::Avatar, None, detail)
        }
        // Changes that have no way to come about yet, or need no line.
        Change::Relays { .. } | _ => return None,
    };
    Some(Notice {
        what,
        actor,
        subject,
        detail,
    })
}

/// A number as a notice has it; nothing for none.
fn number(value: Option<u32>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// Whether a wish fails because it is fulfilled.
const fn has_come_true(error: &Error) -> bool {
    matches!(
        error,
        Error::AlreadyMember
            | Error::Mls(sori_mls::Error::Misuse(
                Misuse::NoChange | Misuse::UnknownAccount
            ))
    )
}

/// What to tell when a wish cannot be carried out any more; nothing for those that have come true.
fn withdrawn(wish: &Wish) -> Option<Notice> {
    let (subject, detail) = match wish {
        Wish::Realise | Wish::Update => return None,
        Wish::Add { account, .. } => (Some(*account), "add"),
        Wish::Order { order } => match subject(order) {
            Some((OrderKind::Demote, account)) => (Some(account), "role"),
            Some((_, account)) => (Some(account), "remove"),
            None => return None,
        },
        Wish::Rename { name } => (None, name.as_str()),
        Wish::SetPolicy { .. } => (None, "policy"),
        Wish::SetTimer { .. } => (None, "timer"),
        Wish::SetFileLimit { .. } => (None, "file_limit"),
        Wish::SetAvatar { .. } => (None, "avatar"),
        Wish::SetRole { account, .. } => (Some(*account), "role"),
    };
    Some(Notice {
        what: NoticeKind::Withdrawn,
        actor: None,
        subject,
        detail: detail.to_owned(),
    })
}
