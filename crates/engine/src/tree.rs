//! The tree of commits of one group and the choice among its branches (protocol §5.4).
//!
//! A pure function of what it holds: the order of arrival, clocks and the length of branches
//! play no part. Votes, orders against authors and settling will join the choice later; their
//! place is [`Tree::best_child`].

use std::collections::{BTreeMap, BTreeSet};

use sori_mls::{BranchKey, StateId};

/// The commits known of one group, by the state each produces.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    nodes: BTreeMap<StateId, Node>,
    children: BTreeMap<StateId, BTreeSet<BranchKey>>,
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
}

impl Tree {
    /// Adds a commit; a second one with the same id changes nothing.
    pub(crate) fn insert(&mut self, id: StateId, node: Node) {
        if self.nodes.contains_key(&id) {
            return;
        }
        self.children
            .entry(node.parent)
            .or_default()
            .insert(node.key);
        self.nodes.insert(id, node);
    }

    /// Forgets a commit.
    pub(crate) fn remove(&mut self, id: &StateId) -> Option<Node> {
        let node = self.nodes.remove(id)?;
        if let Some(keys) = self.children.get_mut(&node.parent) {
            keys.remove(&node.key);
            if keys.is_empty() {
                self.children.remove(&node.parent);
            }
        }
        Some(node)
    }

    /// The commit that produces this state.
    pub(crate) fn node(&self, id: &StateId) -> Option<&Node> {
        self.nodes.get(id)
    }

    /// The child that wins at this parent: the smallest key.
    pub(crate) fn best_child(&self, parent: &StateId) -> Option<StateId> {
        if sori_mls::broken!("tie broken by arrival") {
            let children = self.nodes.iter().filter(|(_, node)| node.parent == *parent);
            let first = children.min_by_key(|(_, node)| node.number);
            return first.map(|(id, _)| *id);
        }
        self.children
            .get(parent)
            .and_then(BTreeSet::first)
            .map(|key| key.id)
    }

    /// The states from `anchor` (first) to the head (last).
    pub(crate) fn choose(&self, anchor: StateId) -> Vec<StateId> {
        let mut path = vec![anchor];
        let mut current = anchor;
        // Each step adds a node that is in the tree, and ids are hashes over their parents, so
        // the walk cannot turn in a circle; the bound makes that independent of the hash.
        for _ in 0..=self.nodes.len() {
            let Some(next) = self.best_child(&current) else {
                break;
            };
            path.push(next);
            current = next;
        }
        path
    }

    /// All commits.
    pub(crate) fn ids(&self) -> impl Iterator<Item = (&StateId, &Node)> {
        self.nodes.iter()
    }
}
