//! The choice among branches: from what has been heard to the one path that all members follow (protocol §5.4).
//!
//! A [`Graph`] holds commits, votes, reports, orders and what was settled, by names only: no clock, no secrets, no
//! bytes. [`Graph::choose`] is a pure function of it. What arrived first or how long a branch is cannot play a part,
//! because neither is in the graph. The code is generic over the names, so that a model checker runs exactly what
//! devices run, on a few small symbols.
//!
//! ```text
//!   graph.add_commit / add_vote / add_report / add_order / settle      in any order, as often as it comes
//!          │
//!          ▼
//!   graph.choose(anchor) ── Choice { path, losses, settled }           where to go, and why not elsewhere
//!          │
//!          ▼
//!   graph.votes_due(choice, me, sight) ── edges to sign                 each durable before it is sent
//! ```
//!
//! A caller that cannot process the next state of the path does not take it from the graph: everybody else goes
//! there. It says so by a report, and comes back through others (protocol §5.6).

mod choose;
mod facts;
mod graph;
mod real;
mod voting;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;

pub use choose::{Choice, Loss};
pub use facts::StateFacts;
pub use graph::{Against, Commit, Graph, Names, OrderFact};
pub use real::{Branches, Real};
pub use voting::{Abstain, Sight, VOTE_WAIT_MS, Voter};
