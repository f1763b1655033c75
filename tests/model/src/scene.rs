//! What can happen at all: the commits, votes, reports and orders of a scene.

use crate::facts::Facts;

/// The founder and owner; honest.
pub const ADA: u8 = 0;
/// A member; honest.
pub const BO: u8 = 1;
/// A member; honest or not.
pub const CY: u8 = 2;
/// Everybody.
pub const ALL: [u8; 3] = [ADA, BO, CY];
/// The state that the group was founded in.
pub const ROOT: u8 = 0;

/// What a commit does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Renews keys: class 4.
    Update,
    /// Another one of the same author on the same parent, of class 3 so that it wins; only a liar makes it.
    Rival,
    /// Renews keys, but so that some members cannot process it; only a liar makes it.
    Garbled,
    /// Realises Ada's order that Cy be removed.
    Realise,
    /// Brings back its author, who could not follow: class 4.
    Rejoin,
}

/// One thing that can be known of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fact {
    /// A commit was made, by the state it leads to.
    Commit(u8),
    /// An account voted for a commit.
    Vote {
        /// The commit.
        child: u8,
        /// The account.
        account: u8,
    },
    /// An account could not process a commit.
    Failed {
        /// The commit.
        child: u8,
        /// The account.
        account: u8,
    },
    /// Ada ordered that Cy be removed when this state was her head.
    Order(u8),
}

/// A commit of the universe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commit {
    /// The state it is made on.
    pub parent: u8,
    /// Who makes it.
    pub author: u8,
    /// What it does.
    pub kind: Kind,
    /// The epoch that it leads to.
    pub epoch: u8,
}

/// Who is there and what may happen.
#[derive(Debug, Clone)]
pub struct Scene {
    /// Its name, for the table.
    pub name: &'static str,
    /// Epochs in which members commit of their own accord.
    pub epochs: u8,
    /// How many updates each honest member makes at most, in all.
    pub updates: u32,
    /// Whether Cy lies.
    pub liar: bool,
    /// What the liar makes besides updates.
    pub lies: Vec<Kind>,
    /// How many facts the liar makes at most.
    pub lies_max: u32,
    /// Who cannot process garbled commits.
    pub garbled_for: Vec<u8>,
    /// Whether Ada orders that Cy be removed.
    pub order: bool,
}

/// A rule that is broken on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Variant {
    /// None is.
    Right,
    /// Of two commits of one class the one that came first wins.
    TieByArrival,
    /// A device that goes another way votes anew.
    VoteChanged,
    /// A device votes below a commit although it voted for its rival.
    VoteBelowRival,
    /// A vote leaves the device before it is durable.
    VoteBeforeDurable,
    /// One vote settles.
    SettleEarly,
    /// Orders are kept and not realised.
    OrderNotRealised,
    /// Orders do not count against commits of their target.
    NoPoison,
    /// Commits that realise orders come after all others.
    NoPriority,
    /// One member who cannot process a commit is enough to drop it.
    OneVetoes,
    /// Who cannot follow does not come back.
    NoRejoin,
}

/// All that can be known in a scene.
#[derive(Debug)]
pub struct Universe {
    /// Commits; the one that leads to state `n` is at `n - 1`.
    commits: Vec<Commit>,
    facts: Vec<Fact>,
}

impl Universe {
    /// What can be known in this scene.
    #[must_use]
    pub fn of(scene: &Scene) -> Self {
        let mut commits: Vec<Commit> = Vec::new();
        let mut parents = vec![(ROOT, 0, true)];
        while let Some((parent, epoch, has_cy)) = parents.pop() {
            for (author, kind) in kinds(scene, epoch, has_cy) {
                commits.push(Commit {
                    parent,
                    author,
                    kind,
                    epoch: epoch + 1,
                });
                let id = u8::try_from(commits.len()).unwrap_or(u8::MAX);
                parents.push((id, epoch + 1, has_cy && kind != Kind::Realise));
            }
        }
        let mut universe = Self {
            commits,
            facts: Vec::new(),
        };
        universe.facts = universe.all_facts(scene);
        universe
    }

    fn all_facts(&self, scene: &Scene) -> Vec<Fact> {
        let mut facts = Vec::new();
        for (child, commit) in self.commits() {
            facts.push(Fact::Commit(child));
            for account in self.members(commit.parent) {
                facts.push(Fact::Vote { child, account });
                let reports = !scene.garbled_for.is_empty() && account != commit.author;
                if reports && (commit.kind == Kind::Garbled || account == CY) {
                    facts.push(Fact::Failed { child, account });
                }
            }
        }
        if scene.order {
            facts.push(Fact::Order(ROOT));
            let bases = self.commits().filter(|(_, commit)| commit.epoch < 2);
            facts.extend(bases.map(|(id, _)| Fact::Order(id)));
        }
        facts
    }

    /// All commits by the states they lead to.
    pub fn commits(&self) -> impl Iterator<Item = (u8, &Commit)> {
        (1..).zip(&self.commits)
    }

    /// The commit that leads to a state; none to the root.
    #[must_use]
    pub fn commit(&self, id: u8) -> Option<&Commit> {
        self.commits.get(usize::from(id).checked_sub(1)?)
    }

    /// The commit of somebody on a state.
    #[must_use]
    pub fn commit_by(&self, parent: u8, author: u8, kind: Kind) -> Option<u8> {
        let found = self
            .commits()
            .find(|(_, c)| (c.parent, c.author, c.kind) == (parent, author, kind));
        found.map(|(id, _)| id)
    }

    /// The epoch of a state.
    #[must_use]
    pub fn epoch(&self, state: u8) -> u8 {
        self.commit(state).map_or(0, |commit| commit.epoch)
    }

    /// The states from this one up to the root.
    pub fn way_up(&self, state: u8) -> impl Iterator<Item = u8> + '_ {
        std::iter::successors(Some(state), |state| {
            self.commit(*state).map(|commit| commit.parent)
        })
    }

    /// Whether the order was realised on the way to a state.
    #[must_use]
    pub fn is_spent(&self, state: u8) -> bool {
        self.way_up(state).any(|state| {
            self.commit(state)
                .is_some_and(|commit| commit.kind == Kind::Realise)
        })
    }

    /// Who is in the group in a state.
    pub fn members(&self, state: u8) -> impl Iterator<Item = u8> + use<> {
        let spent = self.is_spent(state);
        ALL.into_iter().filter(move |who| *who != CY || !spent)
    }

    /// The number of a fact.
    #[must_use]
    pub fn number(&self, fact: Fact) -> Option<usize> {
        self.facts.iter().position(|other| *other == fact)
    }

    /// The fact with a number.
    #[must_use]
    pub fn fact(&self, number: usize) -> Option<Fact> {
        self.facts.get(number).copied()
    }

    /// How many facts there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.facts.len()
    }

    /// Whether nothing can happen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.facts.is_empty()
    }

    /// These facts.
    pub fn known<'a>(&'a self, facts: &'a Facts) -> impl Iterator<Item = Fact> + 'a {
        facts.iter().filter_map(|number| self.fact(number))
    }
}

/// The commits that can be made on a state of this epoch.
fn kinds(scene: &Scene, epoch: u8, has_cy: bool) -> Vec<(u8, Kind)> {
    let mut kinds = Vec::new();
    if epoch < scene.epochs {
        kinds.extend([(ADA, Kind::Update), (BO, Kind::Update)]);
        if has_cy {
            kinds.push((CY, Kind::Update));
            let lies = scene.lies.iter().filter(|_| scene.liar);
            kinds.extend(lies.map(|kind| (CY, *kind)));
        }
    }
    // What follows of itself has one epoch more.
    if epoch <= scene.epochs {
        if scene.order && has_cy {
            kinds.extend([(ADA, Kind::Realise), (BO, Kind::Realise)]);
        }
        if scene.lies.contains(&Kind::Garbled) {
            kinds.extend([(ADA, Kind::Rejoin), (BO, Kind::Rejoin)]);
        }
    }
    kinds
}
