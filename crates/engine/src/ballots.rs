//! Votes and reports: how members come to agree for good on what one of them has done (protocol §5.7, §5.10).
//!
//! What members say about commits lies in the channel log like the commits themselves, so whoever was away hears of it.
//! A device says all that it has to say at a time in one envelope, a *ballot*. A vote is given once for each parent and never changed:
//! it is stored in the step that sends it.

use std::collections::{BTreeMap, BTreeSet};

use sori_mls::branch::{Abstain, Choice, Real, Sight, VOTE_WAIT_MS, Voter};
use sori_mls::{AccountId, CommitHeader, Report, StateFacts, StateId, Vote};

use crate::engine::Engine;
use crate::envelope::{BALLOT_MAX, ChannelMessage};
use crate::error::Error;
use crate::group::Group;
use crate::outcome::{Outcome, Reason};
use crate::record::{BallotRecord, Standing};
use crate::table;
use crate::time::Time;

/// Random part of the wait before a ballot for each voter, in milliseconds: about five ballots a second in a group,
/// whatever its size.
const BALLOT_SPREAD_MS: u64 = 200;
/// Wait before what could not be voted about yet is looked at again, in milliseconds: while this device catches up or
/// a commit is too new, and while it reaches nobody.
const BALLOT_AGAIN_MS: u64 = 3_000;
const BALLOT_ALONE_MS: u64 = 60_000;

/// What a device knows, beside the graph, of what was said about the commits of a group.
#[derive(Debug, Default)]
pub(crate) struct Ballots {
    /// The rows of votes and reports, by their numbers, with the parent of the commit that each is about.
    pub(crate) rows: BTreeMap<u64, StateId>,
    next: u64,
    /// What this account has voted: the child, by its parent.
    pub(crate) voted: BTreeMap<StateId, StateId>,
    /// Commits that this device has not reported yet: their parents, and whether they could be processed.
    reports: BTreeMap<StateId, (StateId, bool)>,
    /// When to say what there is to say.
    pub(crate) at: Option<Time>,
    /// When to look for states that can be destroyed.
    pub(crate) destroy_at: Option<Time>,
    /// When a member last said that it holds of a channel what is here of it, and nothing else.
    pub(crate) even: BTreeMap<(u32, AccountId), Time>,
}

impl Group {
    /// The path to follow, and what of it is settled.
    pub(crate) fn choose(&self) -> Result<Choice<Real>, Error> {
        let mut choice = self.branches.choose(self.anchor()?);
        if sori_mls::broken!("tie broken by arrival") {
            choice.path = self.first_come(self.anchor()?);
        }
        Ok(choice)
    }

    /// What no build follows that is not broken on purpose.
    fn first_come(&self, anchor: StateId) -> Vec<StateId> {
        let mut path = vec![anchor];
        while let Some(last) = path.last() {
            let children = self.tree.ids().filter(|(_, node)| node.parent == *last);
            match children.min_by_key(|(_, node)| node.number) {
                Some((child, _)) => path.push(*child),
                None => break,
            }
        }
        path
    }

    /// What this device knows of a commit beside the graph.
    fn sight(&self, child: &StateId, now: Time) -> Sight {
        let heard = self.tree.node(child).map(|node| node.heard);
        Sight {
            known_ms: heard.map_or(0, |heard| now.since_ms(heard)),
            processed: self.record.states.contains_key(child),
        }
    }

    /// Whether a state of this channel is on a branch that lost to something that is not settled.
    pub(crate) fn is_undecided(&self, channel: u32) -> bool {
        let states = self.record.states.iter();
        let beside = states.filter(|(s, kept)| kept.channel == channel && !self.is_on_way(s));
        beside.into_iter().any(|(state, _)| {
            let rival = self.rival_of(state);
            rival.is_some_and(|rival| {
                let kept = rival.and_then(|rival| self.record.states.get(&rival));
                kept.is_none_or(|kept| kept.settled.is_none())
            })
        })
    }

    fn is_on_way(&self, state: &StateId) -> bool {
        self.record.path.contains(state)
    }

    /// What is on the way in the place of the branch that a state beside it is on, if something is; nothing at all if
    /// nobody knows where that branch begins.
    fn rival_of(&self, state: &StateId) -> Option<Option<StateId>> {
        let mut at = *state;
        for _ in 0..self.record.states.len() {
            at = self.tree.node(&at)?.parent;
            if let Some(fork) = self.record.path.iter().position(|on| *on == at) {
                return Some(self.record.path.get(fork.saturating_add(1)).copied());
            }
        }
        None
    }
}

impl Engine {
    /// Votes and reports, after a start. Commits and facts were loaded before.
    pub(crate) fn load_ballots(&self, group: &mut Group) -> Result<(), Error> {
        if sori_mls::broken!("forget a halt") && group.record.standing == Standing::Halted {
            group.record.standing = Standing::Active;
        }
        let me = self.me.as_ref().map(|me| me.id);
        let mut said = BTreeSet::new();
        for (number, record) in
            self.scan::<BallotRecord>(table::BALLOT, &table::one(group.record.number))?
        {
            group.ballots.next = group.ballots.next.max(number.saturating_add(1));
            let parent = match &record {
                BallotRecord::Vote(bytes) => {
                    let vote = Vote::decode(bytes)?;
                    group.branches.learn_vote(&vote);
                    if Some(vote.account()) == me {
                        group.ballots.voted.insert(vote.parent(), vote.child());
                    }
                    vote.parent()
                }
                BallotRecord::Report { parent, report } => {
                    let report = Report::decode(report)?;
                    group.branches.learn_report(&report);
                    if Some(report.account()) == me {
                        said.insert(report.child());
                    }
                    *parent
                }
            };
            group.ballots.rows.insert(number, parent);
        }
        // What was processed and not reported before the profile was closed.
        let kept = group.record.states.keys();
        for state in kept.filter(|state| !said.contains(*state)) {
            if let Some(node) = group.tree.node(state) {
                group.ballots.reports.insert(*state, (node.parent, true));
            }
        }
        let settled = group.record.states.iter();
        let settled = settled.filter(|(_, kept)| kept.settled.is_some());
        for state in settled.map(|(state, _)| *state).collect::<Vec<_>>() {
            group.branches.settle(state);
        }
        Ok(())
    }

    fn keep_ballot(
        &mut self,
        group: &mut Group,
        parent: StateId,
        record: &BallotRecord,
    ) -> Result<(), Error> {
        let number = group.ballots.next;
        group.ballots.next = number.saturating_add(1);
        group.ballots.rows.insert(number, parent);
        let key = table::of(group.record.number, number);
        self.put(table::BALLOT, &key, record)
    }

    /// Forgets what was said about commits on a state.
    pub(crate) fn forget_ballots(
        &mut self,
        group: &mut Group,
        parent: &StateId,
    ) -> Result<(), Error> {
        let about = group.ballots.rows.iter();
        let about = about.filter(|(_, of)| *of == parent);
        for number in about.map(|(number, _)| *number).collect::<Vec<_>>() {
            group.ballots.rows.remove(&number);
            self.delete(table::BALLOT, &table::of(group.record.number, number))?;
        }
        group.ballots.voted.remove(parent);
        Ok(())
    }

    /// Takes in what a member says about commits. It waits for the first commit that is not known.
    pub(crate) fn take_ballot(
        &mut self,
        group: &mut Group,
        (votes, reports): (&[Vec<u8>], &[Vec<u8>]),
        now: Time,
    ) -> Result<Outcome, Error> {
        if self.is_over(group, now)? {
            return Ok(Outcome::Over);
        }
        let mut outcome = Outcome::Known;
        for bytes in reports {
            outcome = outcome.then(self.take_report(group, bytes, now)?);
        }
        for bytes in votes {
            outcome = outcome.then(self.take_vote(group, bytes, now)?);
        }
        Ok(outcome)
    }

    /// The facts of a state, which is built if need be; what the outcome is if that cannot be done.
    fn facts_of(
        &mut self,
        group: &mut Group,
        state: &StateId,
        now: Time,
    ) -> Result<Result<StateFacts, Outcome>, Error> {
        if !group.facts.contains_key(state) {
            if group.tree.node(state).is_none() {
                return Ok(Err(Outcome::Waits(*state)));
            }
            self.open_state(group, state, now)?;
        }
        let facts = group.facts.get(state).cloned();
        Ok(facts.ok_or(Outcome::Unreadable))
    }

    fn take_vote(&mut self, group: &mut Group, bytes: &[u8], now: Time) -> Result<Outcome, Error> {
        let Ok(vote) = Vote::decode(bytes) else {
            return Ok(Outcome::Refused(Reason::Malformed));
        };
        let (parent, child, account) = (vote.parent(), vote.child(), vote.account());
        // The oldest state here has no commit: what is said about it is over.
        if group.anchor().is_ok_and(|oldest| oldest == child) {
            return Ok(Outcome::Known);
        }
        let facts = match self.facts_of(group, &parent, now)? {
            Ok(facts) => facts,
            Err(outcome) => return Ok(outcome),
        };
        if vote.verify(&facts).is_err() {
            return Ok(Outcome::Refused(Reason::Signature));
        }
        let known: Vec<StateId> = group
            .branches
            .votes_of(&parent, &account)
            .copied()
            .collect();
        if known.contains(&child) {
            return Ok(Outcome::Known);
        }
        // Two prove all that there is to prove. More count only for commits that there are, and do so for everybody.
        if known.len() > 1 && group.tree.node(&child).is_none() {
            return Ok(Outcome::Waits(child));
        }
        group.branches.learn_vote(&vote);
        self.keep_ballot(group, parent, &BallotRecord::Vote(bytes.to_vec()))?;
        // Nobody else has the key of this device.
        let is_own = facts.is_spoken_for_by(self.core()?.device());
        if is_own && account == self.me()?.id && group.ballots.voted.get(&parent) != Some(&child) {
            self.halt(group, now)?;
            return Ok(Outcome::Halted);
        }
        if !known.is_empty() {
            self.tell_double_vote(group, &vote, now)?;
        }
        Ok(Outcome::Taken)
    }

    fn take_report(
        &mut self,
        group: &mut Group,
        bytes: &[u8],
        now: Time,
    ) -> Result<Outcome, Error> {
        let Ok(report) = Report::decode(bytes) else {
            return Ok(Outcome::Refused(Reason::Malformed));
        };
        let child = report.child();
        let Some(parent) = group.tree.node(&child).map(|node| node.parent) else {
            // The oldest state here has no commit: what is said about it is over.
            return Ok(match group.record.states.contains_key(&child) {
                true => Outcome::Known,
                false => Outcome::Waits(child),
            });
        };
        let facts = match self.facts_of(group, &parent, now)? {
            Ok(facts) => facts,
            Err(outcome) => return Ok(outcome),
        };
        if report.verify(&facts).is_err() {
            return Ok(Outcome::Refused(Reason::Signature));
        }
        if !group.branches.learn_report(&report) {
            return Ok(Outcome::Known);
        }
        let record = BallotRecord::Report {
            parent,
            report: bytes.to_vec(),
        };
        self.keep_ballot(group, parent, &record)?;
        Ok(Outcome::Taken)
    }

    /// Notes that a commit could be processed.
    pub(crate) fn note_processed(&self, group: &mut Group, header: &CommitHeader, now: Time) {
        group.ballots.report(header, true);
        group.plan_ballot(now);
    }

    /// Notes that a commit could not be processed.
    pub(crate) fn note_failed(&self, group: &mut Group, child: &StateId, now: Time) {
        if let Some(node) = group.tree.node(child) {
            group.ballots.reports.insert(*child, (node.parent, false));
            group.plan_ballot(now);
        }
    }

    pub(crate) fn ballots_next_timeout(&self) -> Option<Time> {
        let times = |group: &Group| [group.ballots.at, group.ballots.destroy_at];
        self.groups.values().flat_map(times).flatten().min()
    }

    /// Says what there is to say about commits, and destroys states that nobody needs any more.
    pub(crate) fn ballots_timeout(&mut self, now: Time) -> Result<(), Error> {
        let due = |at: Option<Time>| at.is_some_and(|at| at <= now);
        for id in self.groups.keys().copied().collect::<Vec<_>>() {
            let Some(group) = self.groups.get_mut(&id) else {
                continue;
            };
            let (cast, destroy) = (due(group.ballots.at), due(group.ballots.destroy_at));
            if cast {
                group.ballots.at = None;
                self.tolerate(|engine| {
                    engine.with_group(id, |engine, group| engine.cast(group, now))
                })?;
            }
            if destroy {
                self.tolerate(|engine| {
                    engine.with_group(id, |engine, group| engine.destroy_settled(group, now))
                })?;
            }
        }
        Ok(())
    }

    /// Votes where it is time to, and reports.
    fn cast(&mut self, group: &mut Group, now: Time) -> Result<(), Error> {
        let active = group.record.standing == Standing::Active;
        // Who is not sure that it is on the group's way has no say yet.
        let unsure = group.is_stateless() || group.resync.entered.is_some() || group.resync.founded;
        if !active || unsure {
            return Ok(());
        }
        let alone = self.accounts(group)?.len() < 2;
        if !alone && self.attached_channels(&group.record.id).is_empty() {
            // It is planned anew when one is attached.
            return Ok(());
        }
        if self.is_catching_up(group) || !(alone || self.reaches_somebody(group)) {
            let wait = match self.is_catching_up(group) {
                true => BALLOT_AGAIN_MS,
                false => BALLOT_ALONE_MS,
            };
            group.ballots.at = Some(now.plus_ms(wait));
            return Ok(());
        }
        let votes = self.votes_due(group, now)?;
        let reports = self.reports_due(group)?;
        self.send_ballots(group, votes, reports, now)?;
        self.settle(group, now)?;
        if !group.ballots.reports.is_empty() || self.has_too_new(group, now)? {
            let at = now.plus_ms(BALLOT_AGAIN_MS);
            let planned = group.ballots.at;
            group.ballots.at = Some(planned.map_or(at, |planned| planned.min(at)));
        }
        Ok(())
    }

    /// Says it where the head is, and what is about a commit on a state of another channel there as well: whoever that
    /// commit puts out, or who follows another one, hears it nowhere else.
    fn send_ballots(
        &mut self,
        group: &Group,
        votes: Vec<(StateId, Vec<u8>)>,
        reports: Vec<(StateId, Vec<u8>)>,
        now: Time,
    ) -> Result<(), Error> {
        let head = group.channel()?;
        let parents = votes.iter().chain(&reports).map(|(parent, _)| parent);
        let mut channels: BTreeSet<u32> = parents
            .filter_map(|parent| group.channel_of(parent).ok())
            .collect();
        if !channels.is_empty() {
            channels.insert(head);
        }
        for channel in channels {
            let is_for = |parent: &StateId| {
                channel == head || group.channel_of(parent).is_ok_and(|of| of == channel)
            };
            let of = |said: &[(StateId, Vec<u8>)]| -> Vec<Vec<u8>> {
                let said = said.iter().filter(|(parent, _)| is_for(parent));
                said.map(|(_, bytes)| bytes.clone()).collect()
            };
            let ballot = ChannelMessage::Ballot {
                votes: of(&votes),
                reports: of(&reports),
            };
            self.send_envelope(channel, &ballot, None, now)?;
        }
        Ok(())
    }

    /// Whether there is a commit on the way that this account would vote for but that it is too new.
    fn has_too_new(&self, group: &Group, now: Time) -> Result<bool, Error> {
        let choice = group.choose()?;
        let mut votes = group.ballots.voted.clone();
        for (parent, child) in choice.path.iter().zip(choice.path.iter().skip(1)) {
            let me = Voter {
                account: self.me()?.id,
                votes: &votes,
            };
            let sight = group.sight(child, now);
            match group.branches.may_vote(&choice, &me, child, sight) {
                Err(Abstain::TooNew) => return Ok(true),
                Ok(()) => _ = votes.insert(*parent, *child),
                Err(_) => {}
            }
        }
        Ok(false)
    }

    /// The votes to give now, by their parents.
    fn votes_due(
        &mut self,
        group: &mut Group,
        now: Time,
    ) -> Result<Vec<(StateId, Vec<u8>)>, Error> {
        let choice = group.choose()?;
        if choice.path != group.record.path {
            return Ok(Vec::new());
        }
        let mut voted = group.ballots.voted.clone();
        if sori_mls::broken!("a vote changed") {
            voted.retain(|_, child| choice.path.contains(child));
        }
        let me = Voter {
            account: self.me()?.id,
            votes: &voted,
        };
        let sight = |child: &StateId| group.sight(child, now);
        let due = group.branches.votes_due(&choice, &me, sight);
        let mut votes = Vec::new();
        for (parent, child) in due.into_iter().take(BALLOT_MAX / 2) {
            let Some(facts) = group.facts.get(&parent) else {
                continue;
            };
            let Ok(vote) = self.core()?.vote(facts, child) else {
                continue;
            };
            let bytes = vote.encode()?;
            group.branches.learn_vote(&vote);
            group.ballots.voted.insert(parent, child);
            self.keep_ballot(group, parent, &BallotRecord::Vote(bytes.clone()))?;
            votes.push((parent, bytes));
        }
        Ok(votes)
    }

    /// The reports to give now, by the parents of what they are about.
    fn reports_due(&mut self, group: &mut Group) -> Result<Vec<(StateId, Vec<u8>)>, Error> {
        let me = self.me()?.id;
        let mut reports = Vec::new();
        while reports.len() < BALLOT_MAX / 2
            && let Some((child, (parent, ok))) = group.ballots.reports.pop_first()
        {
            let author = group.branches.commit(&child).map(|commit| commit.author);
            let is_mine = author == Some(me);
            let Some(facts) = group.facts.get(&parent).filter(|_| !is_mine) else {
                continue;
            };
            let Ok(report) = self.core()?.report(facts, child, ok) else {
                continue;
            };
            let bytes = report.encode()?;
            group.branches.learn_report(&report);
            let record = BallotRecord::Report {
                parent,
                report: bytes.clone(),
            };
            self.keep_ballot(group, parent, &record)?;
            reports.push((parent, bytes));
        }
        Ok(reports)
    }
}

impl Ballots {
    /// Notes whether a commit could be processed, to be reported.
    pub(crate) fn report(&mut self, header: &CommitHeader, ok: bool) {
        self.reports.insert(header.id, (header.parent, ok));
    }
}

impl Group {
    /// Plans to say what there is to say.
    pub(crate) fn plan_ballot(&mut self, now: Time) {
        let head = self.record.path.last().copied();
        let voters = head.and_then(|head| self.facts.get(&head));
        let voters = voters.map_or(1, |facts| facts.voters().len());
        let voters = u64::try_from(voters).unwrap_or(u64::MAX);
        let spread = BALLOT_SPREAD_MS.saturating_mul(voters).max(1);
        // Another time for each device and head; it need not be secret.
        let head = head.map_or([0; 32], |head| *head.as_bytes());
        let lot = self.record.seed.iter().chain(&head);
        let lot = lot.fold(0_u64, |n, byte| {
            n.wrapping_mul(31).wrapping_add(u64::from(*byte))
        });
        let wait = VOTE_WAIT_MS.saturating_add(lot.checked_rem(spread).unwrap_or(0));
        let at = now.plus_ms(wait);
        self.ballots.at.get_or_insert(at);
    }

    /// Plans what was open when the profile was closed.
    pub(crate) fn plan_open_ballots(&mut self, now: Time) {
        if self.has_open_edges() || !self.ballots.reports.is_empty() {
            self.plan_ballot(now);
        }
        self.plan_destroy(now);
    }

    /// Whether there are commits on the way that are not settled and that this account has not voted about.
    fn has_open_edges(&self) -> bool {
        let edges = self.record.path.iter().zip(self.record.path.iter().skip(1));
        edges.into_iter().any(|(parent, child)| {
            let kept = self.record.states.get(child);
            !self.ballots.voted.contains_key(parent) && kept.is_some_and(|k| k.settled.is_none())
        })
    }
}
