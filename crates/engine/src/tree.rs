//! The commits known of one group, by the state that each produces. Which of them are followed is for the graph of
//! branches to say (protocol §5.4); this one knows where each is kept.

use std::collections::BTreeMap;

use sori_mls::{BranchKey, StateId};

use crate::time::Time;

/// The commits known of one group, by the state each produces.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    nodes: BTreeMap<StateId, Node>,
}

/// One commit.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// The state it was made in.
    pub(crate) parent: StateId,
    /// Its place among the commits on one parent.
    pub(crate) key: BranchKey,
    /// Number of its row in the store.
    pub(crate) number: u64,
    /// When this device heard of it.
    pub(crate) heard: Time,
}

impl Tree {
    /// Adds a commit; a second one with the same id changes nothing.
    pub(crate) fn insert(&mut self, id: StateId, node: Node) {
        self.nodes.entry(id).or_insert(node);
    }

    /// Forgets a commit.
    pub(crate) fn remove(&mut self, id: &StateId) -> Option<Node> {
        self.nodes.remove(id)
    }

    /// The commit that produces this state.
    pub(crate) fn node(&self, id: &StateId) -> Option<&Node> {
        self.nodes.get(id)
    }

    /// All commits.
    pub(crate) fn ids(&self) -> impl Iterator<Item = (&StateId, &Node)> {
        self.nodes.iter()
    }
}
