//! Which name leads to which file, under two kinds of file system.

use std::collections::{BTreeMap, BTreeSet};

use super::loss::{Loss, NameLoss};
use crate::chance::Chance;
use crate::error::Error;

/// A file or folder, whatever it is called.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Node(u64);

/// The folder that is recorded.
pub(super) const ROOT: Node = Node(0);

/// How a file system keeps names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FileSystem {
    /// Names change in order, in one journal: who waits for a file whose metadata has changed waits for all names before
    /// that, too, and no later ones. So do ext4 and most others at the least.
    Ordered,
    /// A name is held only once somebody has waited for its folder. So POSIX allows.
    Strict,
}

/// Folders and what is in them.
pub(super) type Tree = BTreeMap<Node, BTreeMap<String, Node>>;

/// All names, as seen, as held, and on their way.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    file_system: FileSystem,
    seen: Tree,
    held: Tree,
    on_their_way: Vec<Change>,
    next: u64,
}

/// Names that change together: folder, name, and where it leads from now on.
#[derive(Clone, Debug)]
struct Change {
    moment: u64,
    edits: Vec<(Node, String, Option<Node>)>,
}

impl Names {
    pub(super) fn new(file_system: FileSystem) -> Self {
        let root = Tree::from([(ROOT, BTreeMap::new())]);
        Self {
            file_system,
            seen: root.clone(),
            held: root,
            on_their_way: Vec::new(),
            next: 1,
        }
    }

    pub(super) const fn seen_tree(&self) -> &Tree {
        &self.seen
    }

    pub(super) fn moments_on_their_way(&self) -> impl Iterator<Item = u64> {
        self.on_their_way.iter().map(|change| change.moment)
    }

    /// The file or folder that `path` leads to.
    pub(super) fn find(&self, path: &str) -> Result<Node, Error> {
        let mut node = ROOT;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let next = self.seen.get(&node).and_then(|folder| folder.get(name));
            node = *next.ok_or_else(|| Error::Recording(format!("there is no {path}")))?;
        }
        Ok(node)
    }

    pub(super) fn create(&mut self, path: &str, moment: u64) -> Result<Node, Error> {
        let (folder, name) = self.place(path)?;
        let node = Node(self.next);
        self.next += 1;
        self.change(vec![(folder, name, Some(node))], moment);
        Ok(node)
    }

    pub(super) fn make_folder(&mut self, path: &str, moment: u64) -> Result<Node, Error> {
        let node = self.create(path, moment)?;
        // An empty folder that no name leads to is not there.
        self.seen.entry(node).or_default();
        self.held.entry(node).or_default();
        Ok(node)
    }

    pub(super) fn link(&mut self, from: &str, to: &str, moment: u64) -> Result<(), Error> {
        let node = self.find(from)?;
        let (folder, name) = self.place(to)?;
        self.change(vec![(folder, name, Some(node))], moment);
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &str, moment: u64) -> Result<(), Error> {
        self.find(path)?;
        let (folder, name) = self.place(path)?;
        self.change(vec![(folder, name, None)], moment);
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &str, to: &str, moment: u64) -> Result<(), Error> {
        let node = self.find(from)?;
        let (from_folder, from_name) = self.place(from)?;
        let (to_folder, to_name) = self.place(to)?;
        let edits = vec![
            (from_folder, from_name, None),
            (to_folder, to_name, Some(node)),
        ];
        self.change(edits, moment);
        Ok(())
    }

    /// Everything is held.
    pub(super) fn hold_all(&mut self) {
        self.hold_until(u64::MAX);
    }

    /// Everything from before the moment `until` is held.
    pub(super) fn hold_until(&mut self, until: u64) {
        self.hold_those(|change| change.moment < until);
    }

    /// Somebody waited for a file whose metadata changed last at the moment `until`.
    pub(super) fn hold_with_file(&mut self, until: u64) {
        if self.file_system == FileSystem::Ordered {
            self.hold_those(|change| change.moment <= until);
        }
    }

    /// Somebody waited, from the moment `until` on, for a folder.
    pub(super) fn hold_folder(&mut self, folder: Node, until: u64) {
        let concerns = |change: &Change| {
            change.moment < until && change.edits.iter().any(|(at, _, _)| *at == folder)
        };
        match self.file_system {
            FileSystem::Ordered => {
                let last = self.on_their_way.iter().rfind(|change| concerns(change));
                if let Some(last) = last.map(|change| change.moment) {
                    self.hold_those(|change| change.moment <= last);
                }
            }
            FileSystem::Strict => self.hold_those(concerns),
        }
    }

    /// The tree as it may be found after a power cut.
    pub(super) fn after(&self, loss: &Loss, chance: &mut Chance) -> Tree {
        let mut tree = self.held.clone();
        let count = match (loss.names, self.file_system) {
            (NameLoss::Some, FileSystem::Ordered) => chance.index(self.on_their_way.len() + 1),
            _ => self.on_their_way.len(),
        };
        let mut broken: BTreeSet<Node> = BTreeSet::new();
        for change in self.on_their_way.iter().take(count) {
            let is_lost = match loss.names {
                NameLoss::All => true,
                NameLoss::From(cut) => change.moment >= cut,
                NameLoss::Nothing => false,
                NameLoss::Some => {
                    self.file_system == FileSystem::Strict && chance.permille(300)
                        || change.edits.iter().any(|(at, _, _)| broken.contains(at))
                }
            };
            if is_lost {
                broken.extend(change.edits.iter().map(|(at, _, _)| *at));
            } else {
                change.apply(&mut tree);
            }
        }
        tree
    }

    fn change(&mut self, edits: Vec<(Node, String, Option<Node>)>, moment: u64) {
        let change = Change { moment, edits };
        change.apply(&mut self.seen);
        self.on_their_way.push(change);
    }

    fn hold_those(&mut self, is_held: impl Fn(&Change) -> bool) {
        let changes = std::mem::take(&mut self.on_their_way);
        for change in changes {
            if is_held(&change) {
                change.apply(&mut self.held);
            } else {
                self.on_their_way.push(change);
            }
        }
    }

    fn place(&self, path: &str) -> Result<(Node, String), Error> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        Ok((self.find(folder)?, name.to_owned()))
    }
}

impl Change {
    fn apply(&self, tree: &mut Tree) {
        for (folder, name, node) in &self.edits {
            let folder = tree.entry(*folder).or_default();
            match node {
                Some(node) => folder.insert(name.clone(), *node),
                None => folder.remove(name),
            };
        }
    }
}
