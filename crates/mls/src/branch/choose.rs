//! Where to go: the fork choice (protocol §5.4.4).

use std::collections::{BTreeMap, BTreeSet};

use super::graph::{Against, Commit, Graph, Names};

/// The outcome of the choice.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Choice<N: Names> {
    /// The states from the anchor (first) to the head (last).
    pub path: Vec<N::State>,
    /// The children of states on the path that are not on it themselves, with why not.
    pub losses: BTreeMap<N::State, Loss>,
    /// The states on the path, without the anchor, that are settled: the members cannot leave them by themselves.
    pub settled: BTreeSet<N::State>,
}

/// Why a commit is not on the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Loss {
    /// A rival is settled.
    Settled,
    /// An order is open against its author, and it was not made before that order.
    Poisoned,
    /// More members could not process it than could, by two at least.
    Unprocessable,
    /// A rival has a smaller key.
    Key,
}

impl<N: Names> Choice<N> {
    /// The last state of the path.
    #[must_use]
    pub fn head(&self) -> Option<&N::State> {
        self.path.last()
    }
}

impl<N: Names> Graph<N> {
    /// The path that everybody with this graph and anchor takes. Linear in commits and votes, and for each order in
    /// the length of the way to its base.
    #[must_use]
    pub fn choose(&self, anchor: N::State) -> Choice<N> {
        let settled = self.settled_states();
        let before = self.before_bases();
        let mut choice = Choice {
            path: vec![anchor],
            losses: BTreeMap::new(),
            settled: BTreeSet::new(),
        };
        let mut current = anchor;
        // Ids are hashes over their parents, so no walk turns in a circle; the bound makes that independent of the
        // hash.
        for _ in 0..self.commits.len() {
            let Some(next) = self.step(&current, &settled, &before, &mut choice.losses) else {
                break;
            };
            if settled.contains(&next) {
                choice.settled.insert(next);
            }
            choice.path.push(next);
            current = next;
        }
        choice
    }

    /// The child that follows on the path, if one does; the others are put among the losses.
    fn step(
        &self,
        current: &N::State,
        settled: &BTreeSet<N::State>,
        before: &BTreeMap<N::Order, BTreeSet<N::State>>,
        losses: &mut BTreeMap<N::State, Loss>,
    ) -> Option<N::State> {
        let any_settled = self.children(current).any(|child| settled.contains(child));
        let mut best: Option<(N::Key, N::State)> = None;
        for child in self.children(current) {
            let Some(commit) = self.commits.get(child) else {
                continue;
            };
            let loss = match any_settled {
                true if settled.contains(child) => None,
                true => Some(Loss::Settled),
                false if self.is_poisoned(child, commit, before) => Some(Loss::Poisoned),
                false if self.is_unprocessable(child, commit) => Some(Loss::Unprocessable),
                false => None,
            };
            if let Some(loss) = loss {
                losses.insert(*child, loss);
                continue;
            }
            let mine = (commit.key, *child);
            let worse = match best {
                Some(other) if other < mine => Some(mine),
                other => {
                    best = Some(mine);
                    other
                }
            };
            losses.extend(worse.map(|(_, loser)| (loser, Loss::Key)));
        }
        best.map(|(_, child)| child)
    }

    /// States that are settled: more than half of the voters of a parent voted for the edge that leads to the state
    /// or to one after it.
    pub(super) fn settled_states(&self) -> BTreeSet<N::State> {
        let mut settled = BTreeSet::new();
        for (id, commit) in &self.commits {
            if !self.is_edge_settled(id, &commit.parent) {
                continue;
            }
            let mut at = *id;
            while settled.insert(at) {
                let Some(above) = self.commits.get(&at) else {
                    break;
                };
                at = above.parent;
            }
        }
        settled
    }

    fn is_edge_settled(&self, child: &N::State, parent: &N::State) -> bool {
        if self.settled.contains(child) {
            return true;
        }
        let (Some(voters), Some(votes)) = (self.voters.get(parent), self.votes.get(parent)) else {
            return false;
        };
        let votes = votes
            .iter()
            .filter(|(account, children)| children.contains(child) && voters.contains(account))
            .count();
        if crate::broken!("settle too early") {
            return votes > 0;
        }
        votes.saturating_mul(2) > voters.len()
    }

    /// For each order whose base is known the states up to and with it: what was decided in view of those commits
    /// does not touch them.
    pub(super) fn before_bases(&self) -> BTreeMap<N::Order, BTreeSet<N::State>> {
        let way = |base: N::State| {
            let mut states = BTreeSet::new();
            let mut at = base;
            while states.insert(at) {
                let Some(commit) = self.commits.get(&at) else {
                    break;
                };
                at = commit.parent;
            }
            states
        };
        let known = self.orders.iter().filter(|(_, o)| self.knows(&o.base));
        known.map(|(id, order)| (*id, way(order.base))).collect()
    }

    /// Whether an order is open at the parent against the author, and the commit is not on the way to its base. As
    /// long as the base is not known that can only be said of commits to later epochs.
    pub(super) fn is_poisoned(
        &self,
        child: &N::State,
        commit: &Commit<N>,
        before: &BTreeMap<N::Order, BTreeSet<N::State>>,
    ) -> bool {
        self.open.get(&commit.parent).is_some_and(|open| {
            open.iter().any(|id| {
                let Some(order) = self.orders.get(id) else {
                    return false;
                };
                let touches = order.target == commit.author
                    && (order.against == Against::Membership || commit.needs_role);
                let is_before = match before.get(id) {
                    Some(way) => way.contains(child),
                    None => commit.epoch <= order.base_epoch,
                };
                touches && !is_before
            })
        })
    }

    /// Whether the voters of the parent, the author aside, who could not process the commit are more than those who
    /// could by at least two: one alone can be lying.
    fn is_unprocessable(&self, child: &N::State, commit: &Commit<N>) -> bool {
        let (mut ok, mut failed) = (0_usize, 0_usize);
        for (account, processed) in self.reports.get(child).into_iter().flatten() {
            if *account == commit.author || !self.is_voter(&commit.parent, account) {
                continue;
            }
            let count = if *processed { &mut ok } else { &mut failed };
            *count = count.saturating_add(1);
        }
        failed > ok.saturating_add(1)
    }
}
