//! The graph of a real group: what a commit, a state, an order, a vote and a report add to it.

use super::facts::StateFacts;
use super::graph::{Against, Commit, Graph, Names, OrderFact};
use crate::{AccountId, BranchKey, CommitHeader, Order, OrderKind, Report, StateId, Vote};

/// The names of real groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Real;

impl Names for Real {
    type State = StateId;
    type Account = AccountId;
    type Key = BranchKey;
    type Order = [u8; 32];
}

/// What is known of the branches of a real group.
pub type Branches = Graph<Real>;

impl Branches {
    /// Adds a commit that holds on its parent.
    pub fn learn_commit(&mut self, header: &CommitHeader) {
        self.add_commit(
            header.id,
            Commit {
                parent: header.parent,
                author: header.author,
                epoch: header.epoch.0,
                needs_role: header.needs_role,
                key: header.key,
            },
        );
    }

    /// Adds a state, with those of the known orders that are open in it.
    pub fn learn_state<'a>(
        &mut self,
        facts: &StateFacts,
        orders: impl IntoIterator<Item = &'a Order>,
    ) {
        self.set_voters(facts.state(), facts.voters());
        for order in orders {
            self.open_in(order, facts);
        }
    }

    /// Adds an order, and where among the known states it is open. One to leave has no part in the choice.
    pub fn learn_order<'a>(
        &mut self,
        order: &Order,
        states: impl IntoIterator<Item = &'a StateFacts>,
    ) {
        let against = match order.kind() {
            OrderKind::Leave => return,
            OrderKind::Remove => Against::Membership,
            OrderKind::Demote => Against::Role,
        };
        self.add_order(
            order.id(),
            OrderFact {
                target: order.target(),
                against,
                base: order.base().0,
                base_epoch: order.base().1.0,
            },
        );
        for facts in states {
            self.open_in(order, facts);
        }
    }

    fn open_in(&mut self, order: &Order, facts: &StateFacts) {
        if facts.is_open(order) {
            self.set_open(facts.state(), order.id());
        }
    }

    /// Adds a vote that [`Vote::verify`] passed. False if it was known.
    pub fn learn_vote(&mut self, vote: &Vote) -> bool {
        self.add_vote(vote.parent(), vote.child(), vote.account())
    }

    /// Adds a report that [`Report::verify`] passed. False if it was known.
    pub fn learn_report(&mut self, report: &Report) -> bool {
        self.add_report(report.child(), report.account(), report.is_ok())
    }
}
