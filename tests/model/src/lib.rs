//! A model of the branch rule: all that can happen in a group of three, explored to the last state.
//!
//! The members of the model run the code that devices run: [`Graph::choose`](sori_mls::branch::Graph::choose) and
//! [`Graph::votes_due`](sori_mls::branch::Graph::votes_due). Around it, everything else is made small: commits are
//! numbers from a [`Universe`], signatures hold, time is that any wait may be over. What can go wrong is not made
//! small: whatever a member makes can be lost on its way to any other, everything may arrive late, in any order, and
//! again, a device may stop between any two steps, and one member lies. It votes twice, makes competing commits and
//! commits that some cannot process, denies that it can process those of others, and tells each member something else.
//!
//! A [`Scene`] says who does what; a [`Variant`] breaks one rule on purpose, to show that its property can fail.
//!
//! What the model does not have: keys and real commits (the simulation has them), clocks, and groups so large that
//! not everybody votes.

mod facts;
mod properties;
mod scene;
mod view;
mod world;

pub use facts::Facts;
pub use scene::{ADA, ALL, BO, CY, Commit, Fact, Kind, ROOT, Scene, Universe, Variant};
pub use view::{Small, View};
pub use world::{Action, Member, World, WorldState};
