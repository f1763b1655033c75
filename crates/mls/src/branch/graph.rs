//! What members know of the branches of a group: sets that only grow, until what is old is forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::hash::Hash;

/// The kinds of names that a graph is made of.
pub trait Names: Clone + Debug + Eq + Ord + Hash {
    /// A state of the group; a commit has the name of the state it leads to.
    type State: Copy + Debug + Eq + Ord + Hash;
    /// An account.
    type Account: Copy + Debug + Eq + Ord + Hash;
    /// By which valid commits on one parent are compared; the smallest wins, and no two are equal.
    type Key: Copy + Debug + Eq + Ord + Hash;
    /// An order.
    type Order: Copy + Debug + Eq + Ord + Hash;
}

/// A valid commit, as far as the choice looks at it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Commit<N: Names> {
    /// The state it was made on.
    pub parent: N::State,
    /// The account of its author.
    pub author: N::Account,
    /// The epoch of the state it leads to.
    pub epoch: u64,
    /// Whether the author could not make it as a plain member.
    pub needs_role: bool,
    /// Its place among the commits on one parent.
    pub key: N::Key,
}

/// What an order takes from its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Against {
    /// Membership: none of its commits counts any more.
    Membership,
    /// The role: commits that do not need it still count.
    Role,
}

/// An order of one account against another, as far as the choice looks at it. Leaving is no such order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderFact<N: Names> {
    /// Whom it is about.
    pub target: N::Account,
    /// What it takes.
    pub against: Against,
    /// The head of its issuer when it was given.
    pub base: N::State,
    /// The epoch of that.
    pub base_epoch: u64,
}

/// The children of one state that each account voted for: more than one is a proof of cheating.
pub(super) type Votes<N> = BTreeMap<<N as Names>::Account, BTreeSet<<N as Names>::State>>;

/// All that is known of the branches of one group.
///
/// Everything can be added in any order and repeatedly; facts about states that are not known yet are kept and begin
/// to count when the state is there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Graph<N: Names> {
    pub(super) commits: BTreeMap<N::State, Commit<N>>,
    pub(super) children: BTreeMap<N::State, BTreeSet<N::State>>,
    /// Accounts whose votes and reports about commits on a state count.
    pub(super) voters: BTreeMap<N::State, BTreeSet<N::Account>>,
    /// By the parent.
    pub(super) votes: BTreeMap<N::State, Votes<N>>,
    /// For each commit who could process it (true) and who could not (false).
    pub(super) reports: BTreeMap<N::State, BTreeSet<(N::Account, bool)>>,
    pub(super) orders: BTreeMap<N::Order, OrderFact<N>>,
    /// For each state the orders that a commit on it could realise.
    pub(super) open: BTreeMap<N::State, BTreeSet<N::Order>>,
    /// Commits that are settled although their votes are not here (any more).
    pub(super) settled: BTreeSet<N::State>,
}

impl<N: Names> Default for Graph<N> {
    fn default() -> Self {
        Self {
            commits: BTreeMap::new(),
            children: BTreeMap::new(),
            voters: BTreeMap::new(),
            votes: BTreeMap::new(),
            reports: BTreeMap::new(),
            orders: BTreeMap::new(),
            open: BTreeMap::new(),
            settled: BTreeSet::new(),
        }
    }
}

impl<N: Names> Graph<N> {
    /// Adds a commit that is valid on its parent and leads to `id`. A second one of the same id changes nothing.
    pub fn add_commit(&mut self, id: N::State, commit: Commit<N>) {
        if self.commits.contains_key(&id) {
            return;
        }
        self.children.entry(commit.parent).or_default().insert(id);
        self.commits.insert(id, commit);
    }

    /// Says who votes about the commits on a state.
    pub fn set_voters(&mut self, state: N::State, voters: BTreeSet<N::Account>) {
        self.voters.insert(state, voters);
    }

    /// Adds a vote whose signature holds. False if it was known.
    pub fn add_vote(&mut self, parent: N::State, child: N::State, account: N::Account) -> bool {
        let votes = self.votes.entry(parent).or_default();
        votes.entry(account).or_default().insert(child)
    }

    /// Adds a report whose signature holds. False if it was known.
    pub fn add_report(&mut self, child: N::State, account: N::Account, ok: bool) -> bool {
        self.reports.entry(child).or_default().insert((account, ok))
    }

    /// Adds an order to remove or demote somebody. [`Graph::set_open`] says where it holds.
    pub fn add_order(&mut self, id: N::Order, order: OrderFact<N>) {
        self.orders.entry(id).or_insert(order);
    }

    /// Says that a commit on this state could realise this order: its issuer outranks the target there, and it is
    /// not spent.
    pub fn set_open(&mut self, state: N::State, order: N::Order) {
        self.open.entry(state).or_default().insert(order);
    }

    /// Notes that a commit is settled, for the time when its votes are gone.
    pub fn settle(&mut self, child: N::State) {
        self.settled.insert(child);
    }

    /// Forgets a state with all that is known about it, but none of its descendants.
    pub fn forget(&mut self, state: &N::State) -> Option<Commit<N>> {
        self.forget_facts(state);
        self.forget_commit(state)
    }

    /// Forgets who votes in a state, what was voted there, and which orders are open.
    pub fn forget_facts(&mut self, state: &N::State) {
        self.voters.remove(state);
        self.votes.remove(state);
        self.open.remove(state);
    }

    /// Forgets how a state came about. What is known of the commits on it stays: it is the oldest from now on.
    pub fn forget_commit(&mut self, state: &N::State) -> Option<Commit<N>> {
        self.reports.remove(state);
        self.settled.remove(state);
        let commit = self.commits.remove(state)?;
        if let Some(siblings) = self.children.get_mut(&commit.parent) {
            siblings.remove(state);
            if siblings.is_empty() {
                self.children.remove(&commit.parent);
            }
        }
        Some(commit)
    }

    /// Forgets an order.
    pub fn forget_order(&mut self, id: &N::Order) {
        self.orders.remove(id);
        self.open.retain(|_, open| {
            open.remove(id);
            !open.is_empty()
        });
    }

    /// The commit that leads to this state.
    #[must_use]
    pub fn commit(&self, id: &N::State) -> Option<&Commit<N>> {
        self.commits.get(id)
    }

    /// All commits.
    pub fn commits(&self) -> impl Iterator<Item = (&N::State, &Commit<N>)> {
        self.commits.iter()
    }

    /// The states that commits on this one lead to.
    pub fn children(&self, parent: &N::State) -> impl Iterator<Item = &N::State> {
        self.children.get(parent).into_iter().flatten()
    }

    /// The children of this state that an account voted for. More than one: it voted twice.
    pub fn votes_of(
        &self,
        parent: &N::State,
        account: &N::Account,
    ) -> impl Iterator<Item = &N::State> {
        self.votes
            .get(parent)
            .and_then(|votes| votes.get(account))
            .into_iter()
            .flatten()
    }

    /// Whether a state is known: as what a commit leads to or was made on, or by who votes in it.
    #[must_use]
    pub fn knows(&self, state: &N::State) -> bool {
        self.commits.contains_key(state)
            || self.children.contains_key(state)
            || self.voters.contains_key(state)
    }

    pub(super) fn is_voter(&self, state: &N::State, account: &N::Account) -> bool {
        self.voters
            .get(state)
            .is_some_and(|voters| voters.contains(account))
    }
}
