//! When an honest device votes. All that keeps two branches from both being settled is in here (protocol §5.4.5).

use std::collections::BTreeMap;

use super::choose::Choice;
use super::graph::{Graph, Names};

/// How long a commit must have been known without a better rival before a device votes for it, in milliseconds.
pub const VOTE_WAIT_MS: u64 = 20_000;

/// Who is about to vote.
#[derive(Debug)]
pub struct Voter<'a, N: Names> {
    /// Its account.
    pub account: N::Account,
    /// What this device has voted before: the child by its parent. Durable, and never changed.
    pub votes: &'a BTreeMap<N::State, N::State>,
}

/// What a device knows of a commit beside the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// For how long it has known it, in milliseconds.
    pub known_ms: u64,
    /// Whether it has processed it: it has the state that the commit leads to.
    pub processed: bool,
}

/// Why a device does not vote for a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Abstain {
    /// The commit is not on the chosen path, or the state is the anchor.
    NotChosen,
    /// The account is not among those who vote on the parent.
    NoVoter,
    /// It has voted on the parent: a vote is never changed.
    Voted,
    /// The commit has not been known for 20 seconds.
    TooNew,
    /// The commit was not processed here.
    Unprocessed,
    /// An order is open against the author.
    Poisoned,
    /// The commits before it come first.
    ParentFirst,
    /// It voted for a rival of a commit before this one, which is not settled.
    Against,
}

impl<N: Names> Graph<N> {
    /// Whether a device may vote for the commit that leads to `child`, which must be on the chosen path.
    ///
    /// # Errors
    /// Why not.
    pub fn may_vote(
        &self,
        choice: &Choice<N>,
        me: &Voter<'_, N>,
        child: &N::State,
        sight: Sight,
    ) -> Result<(), Abstain> {
        let commit = self.commits.get(child).ok_or(Abstain::NotChosen)?;
        let edges = choice.path.iter().zip(choice.path.iter().skip(1));
        if !edges.clone().any(|(_, state)| state == child) {
            return Err(Abstain::NotChosen);
        }
        if !self.is_voter(&commit.parent, &me.account) {
            return Err(Abstain::NoVoter);
        }
        if me.votes.contains_key(&commit.parent) {
            return Err(Abstain::Voted);
        }
        for (parent, state) in edges.take_while(|(_, state)| *state != child) {
            match me.votes.get(parent) {
                _ if choice.settled.contains(state) => {}
                Some(vote) if vote == state => {}
                Some(_) => return Err(Abstain::Against),
                None if self.is_voter(parent, &me.account) => return Err(Abstain::ParentFirst),
                None => {}
            }
        }
        if !sight.processed {
            return Err(Abstain::Unprocessed);
        }
        if sight.known_ms < VOTE_WAIT_MS {
            return Err(Abstain::TooNew);
        }
        if self.is_poisoned(child, commit, &self.before_bases()) {
            return Err(Abstain::Poisoned);
        }
        Ok(())
    }

    /// The votes that a device may give now: parent and child, the oldest first. Each has to be durable among its
    /// votes before it is sent.
    pub fn votes_due(
        &self,
        choice: &Choice<N>,
        me: &Voter<'_, N>,
        sight: impl Fn(&N::State) -> Sight,
    ) -> Vec<(N::State, N::State)> {
        let mut votes = me.votes.clone();
        let mut due = Vec::new();
        for (parent, child) in choice.path.iter().zip(choice.path.iter().skip(1)) {
            let now = Voter {
                account: me.account,
                votes: &votes,
            };
            if self.may_vote(choice, &now, child, sight(child)).is_ok() {
                votes.insert(*parent, *child);
                due.push((*parent, *child));
            }
        }
        due
    }
}
