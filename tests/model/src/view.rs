//! What a member makes of what it knows, with the code of the protocol.

use std::collections::BTreeMap;

use sori_mls::branch::{Against, Choice, Commit, Graph, Names, OrderFact, Sight, Voter};

use crate::facts::Facts;
use crate::scene::{ADA, CY, Fact, Kind, ROOT, Universe, Variant};

/// Names of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Small;

impl Names for Small {
    type State = u8;
    type Account = u8;
    /// Class, rank, tie-break, id.
    type Key = (u8, u8, u8, u8);
    type Order = u8;
}

/// A wait that is over, for a commit that was processed.
const READY: Sight = Sight {
    known_ms: sori_mls::branch::VOTE_WAIT_MS,
    processed: true,
};

/// What somebody knows, and what follows.
#[derive(Debug)]
pub struct View {
    /// What is known of the branches.
    pub graph: Graph<Small>,
    /// Where to go.
    pub choice: Choice<Small>,
    /// The base of the order, if it is known.
    pub order: Option<u8>,
}

impl View {
    /// The view of who knows these facts. `arrival` matters to one broken variant only.
    #[must_use]
    pub fn of(universe: &Universe, variant: Variant, known: &Facts, arrival: &[u8]) -> Self {
        let facts: Vec<Fact> = universe.known(known).collect();
        let order = facts.iter().find_map(|fact| match fact {
            Fact::Order(base) => Some(*base),
            Fact::Commit(_) | Fact::Vote { .. } | Fact::Failed { .. } => None,
        });
        let mut graph = Graph::default();
        let builder = Builder {
            universe,
            variant,
            arrival,
            order,
        };
        // Everything comes twice, and the second time in the other order.
        for fact in facts.iter().chain(facts.iter().rev()) {
            builder.learn(&mut graph, *fact);
        }
        builder.learn_state(&mut graph, ROOT);
        if variant == Variant::OneVetoes {
            drop_vetoed(universe, &mut graph, &facts);
        }
        let choice = graph.choose(ROOT);
        Self {
            graph,
            choice,
            order,
        }
    }

    /// The end of the path.
    #[must_use]
    pub fn head(&self) -> u8 {
        self.choice.head().copied().unwrap_or(ROOT)
    }

    /// What an account has voted, as far as this view knows: the child by its parent. Of two, one.
    #[must_use]
    pub fn votes_of(&self, universe: &Universe, account: u8) -> BTreeMap<u8, u8> {
        let parents = universe.commits().map(|(_, commit)| commit.parent);
        let vote = |parent| {
            let child = self.graph.votes_of(&parent, &account).next();
            child.map(|child| (parent, *child))
        };
        parents.filter_map(vote).collect()
    }

    /// The next vote of an account that has processed these states.
    #[must_use]
    pub fn next_vote(
        &self,
        universe: &Universe,
        variant: Variant,
        account: u8,
        processed: impl Fn(u8) -> bool,
    ) -> Option<u8> {
        let mut votes = self.votes_of(universe, account);
        match variant {
            Variant::VoteChanged => self.forget_changed(&mut votes, account),
            Variant::VoteBelowRival => self.follow_path(&mut votes),
            _ => {}
        }
        let me = Voter {
            account,
            votes: &votes,
        };
        let due = self.graph.votes_due(&self.choice, &me, |child| Sight {
            processed: processed(*child),
            ..READY
        });
        due.first().map(|(_, child)| *child)
    }

    fn edges(&self) -> impl Iterator<Item = (u8, u8)> + '_ {
        let path = self.choice.path.iter().copied();
        path.clone().zip(path.skip(1))
    }

    /// Leaves out the votes for what is not on the path, unless there are two already.
    fn forget_changed(&self, votes: &mut BTreeMap<u8, u8>, account: u8) {
        for (parent, child) in self.edges() {
            let once = self.graph.votes_of(&parent, &account).count() == 1;
            if once && votes.get(&parent) != Some(&child) {
                votes.remove(&parent);
            }
        }
    }

    /// Takes votes for votes for what is on the path.
    fn follow_path(&self, votes: &mut BTreeMap<u8, u8>) {
        for (parent, child) in self.edges() {
            votes.entry(parent).and_modify(|vote| *vote = child);
        }
    }
}

/// Puts facts into a graph.
struct Builder<'a> {
    universe: &'a Universe,
    variant: Variant,
    arrival: &'a [u8],
    order: Option<u8>,
}

impl Builder<'_> {
    fn learn(&self, graph: &mut Graph<Small>, fact: Fact) {
        match fact {
            Fact::Commit(id) => {
                if let Some(commit) = self.universe.commit(id) {
                    graph.add_commit(
                        id,
                        Commit {
                            parent: commit.parent,
                            author: commit.author,
                            epoch: commit.epoch.into(),
                            needs_role: false,
                            key: self.key(id),
                        },
                    );
                    self.learn_state(graph, id);
                }
            }
            Fact::Vote { child, account } => {
                if let Some(commit) = self.universe.commit(child) {
                    graph.add_vote(commit.parent, child, account);
                    if self.variant == Variant::SettleEarly {
                        graph.settle(child);
                    }
                }
            }
            Fact::Failed { child, account } => {
                graph.add_report(child, account, false);
            }
            Fact::Order(base) => graph.add_order(
                0,
                OrderFact {
                    target: CY,
                    against: Against::Membership,
                    base,
                    base_epoch: self.universe.epoch(base).into(),
                },
            ),
        }
    }

    fn learn_state(&self, graph: &mut Graph<Small>, state: u8) {
        graph.set_voters(state, self.universe.members(state).collect());
        let open = self.order.is_some() && !self.universe.is_spent(state);
        if open && self.variant != Variant::NoPoison {
            graph.set_open(state, 0);
        }
    }

    fn key(&self, id: u8) -> (u8, u8, u8, u8) {
        let Some(commit) = self.universe.commit(id) else {
            return (u8::MAX, 0, 0, id);
        };
        let priority = self
            .order
            .is_some_and(|base| self.universe.epoch(base) < commit.epoch);
        let class = match commit.kind {
            Kind::Realise if self.variant == Variant::NoPriority => 5,
            Kind::Realise if priority => 0,
            Kind::Realise | Kind::Rival => 3,
            Kind::Update | Kind::Garbled | Kind::Rejoin => 4,
        };
        // Ada owns the group, and is the issuer of the order; all others share a rank.
        let decides = if commit.kind == Kind::Realise {
            ADA
        } else {
            commit.author
        };
        let rank = u8::from(decides != ADA);
        // Any function of parent and author does in the place of a hash.
        let tie = match self.variant {
            Variant::TieByArrival => {
                let at = self.arrival.iter().position(|state| *state == id);
                return (
                    class,
                    0,
                    at.and_then(|at| u8::try_from(at).ok()).unwrap_or(id),
                    id,
                );
            }
            _ => (commit.parent * 7 + commit.author * 5 + 3) % 11,
        };
        (class, rank, tie, id)
    }
}

/// What one broken variant does: one who fails, and nobody who says otherwise, is enough.
fn drop_vetoed(universe: &Universe, graph: &mut Graph<Small>, facts: &[Fact]) {
    for fact in facts {
        if let Fact::Failed { child, .. } = fact
            && universe.commit(*child).is_some()
        {
            graph.forget(child);
        }
    }
}
