//! The model itself: members, what they do, what can happen to them.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use stateright::{Model, Property};

use crate::facts::Facts;
use crate::properties;
use crate::scene::{ADA, ALL, BO, CY, Fact, Kind, ROOT, Scene, Universe, Variant};
use crate::view::View;

/// Views by what is known and, for one variant, in what order it came.
type Views = BTreeMap<(Facts, Vec<u8>), Arc<View>>;

/// A group of three with a scene and a variant.
#[derive(Debug)]
pub struct World {
    pub(crate) scene: Scene,
    pub(crate) variant: Variant,
    pub(crate) universe: Universe,
    views: RwLock<Views>,
}

/// What an honest device holds. All of it is durable but what is marked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Member {
    /// What it knows.
    pub known: Facts,
    /// A vote that has left the device and is not durable: a broken variant has such.
    pub unsaved: Option<u8>,
    /// Commits in the order in which they came, for the variant to which that matters.
    pub arrival: Vec<u8>,
}

/// One moment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorldState {
    /// The honest devices; a liar's place is empty.
    pub members: [Member; 3],
    /// What the liar has made, in whole.
    pub lies: Facts,
    /// Every vote that ever left an honest device.
    pub said: Facts,
}

/// A step. What is made goes to those in `to`; for the others it is lost, or its author stopped before it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A member makes a fact of its own.
    Make {
        /// Who.
        who: u8,
        /// Its number.
        fact: u16,
        /// Who hears of it at once, as bits.
        to: u8,
    },
    /// The liar makes a fact, or tells another member of one.
    Lie {
        /// Its number.
        fact: u16,
        /// Who hears of it.
        to: u8,
    },
    /// Two members catch up with each other.
    Sync {
        /// The one.
        who: u8,
        /// The other.
        with: u8,
    },
    /// The unsaved becomes durable.
    Save {
        /// Of whom.
        who: u8,
    },
    /// A device stops and starts again: the unsaved is gone.
    Crash {
        /// Whose.
        who: u8,
    },
}

impl World {
    /// A group before anything happened.
    #[must_use]
    pub fn new(scene: Scene, variant: Variant) -> Self {
        Self {
            universe: Universe::of(&scene),
            scene,
            variant,
            views: RwLock::default(),
        }
    }

    /// The honest members.
    pub fn honest(&self) -> impl Iterator<Item = u8> + use<> {
        let liar = self.scene.liar;
        ALL.into_iter().filter(move |who| *who != CY || !liar)
    }

    /// What a member makes of what it knows. A function of what it knows, so that each is computed once.
    #[must_use]
    pub fn view(&self, member: &Member) -> Arc<View> {
        let key = (member.known, member.arrival.clone());
        let found = self.views.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(view) = found.get(&key) {
            return Arc::clone(view);
        }
        drop(found);
        let view = View::of(&self.universe, self.variant, &key.0, &key.1);
        let view = Arc::new(view);
        let mut views = self.views.write().unwrap_or_else(PoisonError::into_inner);
        views.insert(key, Arc::clone(&view));
        view
    }

    /// Whether a member has a state: all commits up to it could be processed, or it came back into it or one before.
    #[must_use]
    pub fn has_state(&self, who: u8, state: u8) -> bool {
        for state in self.universe.way_up(state) {
            let Some(commit) = self.universe.commit(state) else {
                break;
            };
            match commit.kind {
                Kind::Rejoin if commit.author == who => return true,
                Kind::Garbled if self.scene.garbled_for.contains(&who) => return false,
                _ => {}
            }
        }
        true
    }

    /// The last state of the path that a member has.
    #[must_use]
    pub fn place(&self, who: u8, view: &View) -> u8 {
        let path = view.choice.path.iter().rev();
        let mut states = path.filter(|state| self.has_state(who, **state));
        states.next().copied().unwrap_or(ROOT)
    }

    /// Whether a member cannot get to the end of the path.
    #[must_use]
    pub fn is_stuck(&self, who: u8, view: &View) -> bool {
        !self.has_state(who, view.head())
    }

    /// Whether the order is known and a commit on this state could realise it.
    #[must_use]
    pub fn is_open(&self, view: &View, state: u8) -> bool {
        view.order.is_some() && !self.universe.is_spent(state)
    }

    /// What a member has to do, of its own accord or by the rules, in this moment. Updates it only may make.
    #[must_use]
    pub fn duties(&self, state: &WorldState, who: u8) -> Vec<Fact> {
        let Some(member) = state.members.get(usize::from(who)) else {
            return Vec::new();
        };
        let view = self.view(member);
        let head = view.head();
        let mut duties = Vec::new();
        for (child, commit) in self.universe.commits() {
            let bad = commit.kind == Kind::Garbled && self.scene.garbled_for.contains(&who);
            let judged =
                self.knows(member, Fact::Commit(child)) && self.has_state(who, commit.parent);
            if bad && judged {
                duties.push(Fact::Failed {
                    child,
                    account: who,
                });
            }
        }
        if self.is_stuck(who, &view) {
            duties.extend(self.way_back(state, who, head).map(Fact::Commit));
        } else if self.is_open(&view, head)
            && who != CY
            && self.variant != Variant::OrderNotRealised
        {
            let commit = self.universe.commit_by(head, who, Kind::Realise);
            duties.extend(commit.map(Fact::Commit));
        }
        let vote = view.next_vote(&self.universe, self.variant, who, |child| {
            self.has_state(who, child)
        });
        let vote = vote.filter(|_| member.unsaved.is_none());
        duties.extend(vote.map(|child| Fact::Vote {
            child,
            account: who,
        }));
        duties.retain(|fact| !self.knows(member, *fact));
        duties
    }

    /// The commit by which a member comes back into the head, if somebody who is there gives it the state.
    fn way_back(&self, state: &WorldState, who: u8, head: u8) -> Option<u8> {
        if self.variant == Variant::NoRejoin {
            return None;
        }
        let helps = |other: u8| {
            let member = state.members.get(usize::from(other));
            member.is_some_and(|member| {
                let view = self.view(member);
                view.head() == head && !self.is_stuck(other, &view)
            })
        };
        self.honest().find(|other| *other != who && helps(*other))?;
        self.universe.commit_by(head, who, Kind::Rejoin)
    }

    /// What a member may do besides its duties.
    fn wishes(&self, state: &WorldState, who: u8) -> Vec<Fact> {
        let Some(member) = state.members.get(usize::from(who)) else {
            return Vec::new();
        };
        let view = self.view(member);
        let head = view.head();
        let out = who == CY && self.universe.is_spent(head);
        if self.is_stuck(who, &view) || out {
            return Vec::new();
        }
        let mut wishes = Vec::new();
        // Who knows of an order realises it first.
        let held_back =
            self.is_open(&view, head) && who != CY && self.variant != Variant::OrderNotRealised;
        if !held_back && self.updates(member, who) < self.scene.updates {
            let commit = self.universe.commit_by(head, who, Kind::Update);
            wishes.extend(commit.map(Fact::Commit));
        }
        if who == ADA && self.scene.order && view.order.is_none() {
            wishes.push(Fact::Order(head));
        }
        wishes.retain(|fact| self.universe.number(*fact).is_some() && !self.knows(member, *fact));
        wishes
    }

    fn updates(&self, member: &Member, who: u8) -> u32 {
        let mut count = 0;
        for (id, commit) in self.universe.commits() {
            let own = commit.author == who && commit.kind == Kind::Update;
            count += u32::from(own && self.knows(member, Fact::Commit(id)));
        }
        count
    }

    pub(crate) fn knows(&self, member: &Member, fact: Fact) -> bool {
        let number = self.universe.number(fact);
        number.is_some_and(|number| member.known.contains(number))
    }

    /// What the liar can say: anything about what exists, signed by itself.
    fn lies(&self, state: &WorldState) -> Vec<usize> {
        let exists = state
            .members
            .iter()
            .fold(state.lies, |all, member| all.union(&member.known));
        let is_there = |id: u8| {
            let number = self.universe.number(Fact::Commit(id));
            id == ROOT || number.is_some_and(|number| exists.contains(number))
        };
        let is_lie = |fact: &Fact| match *fact {
            Fact::Commit(id) => self
                .universe
                .commit(id)
                .is_some_and(|commit| commit.author == CY && is_there(commit.parent)),
            Fact::Vote { child, account } | Fact::Failed { child, account } => {
                account == CY && is_there(child)
            }
            Fact::Order(_) => false,
        };
        let numbers = 0..self.universe.len();
        let new = numbers.filter(|number| {
            let fact = self.universe.fact(*number);
            fact.is_some_and(|fact| is_lie(&fact))
        });
        let full = state.lies.len() >= self.scene.lies_max;
        new.filter(|number| !full || state.lies.contains(*number))
            .collect()
    }

    fn learn(&self, state: &mut WorldState, who: u8, facts: &Facts) {
        let Some(member) = state.members.get_mut(usize::from(who)) else {
            return;
        };
        if self.variant == Variant::TieByArrival {
            for fact in self.universe.known(facts) {
                if let Fact::Commit(id) = fact
                    && !member.arrival.contains(&id)
                {
                    member.arrival.push(id);
                }
            }
        }
        member.known = member.known.union(facts);
    }

    /// What has to go with a fact: the order of the commit that realises it, for it is inside.
    fn with_contents(&self, member: &Member, fact: usize) -> Facts {
        let mut facts = Facts::default();
        facts.insert(fact);
        let realises = matches!(self.universe.fact(fact), Some(Fact::Commit(id))
            if self.universe.commit(id).is_some_and(|commit| commit.kind == Kind::Realise));
        if realises {
            let order =
                |number: &usize| matches!(self.universe.fact(*number), Some(Fact::Order(_)));
            member.known.iter().filter(order).for_each(|number| {
                facts.insert(number);
            });
        }
        facts
    }

    fn make(&self, state: &mut WorldState, who: u8, fact: usize, to: u8) {
        let Some(member) = state.members.get_mut(usize::from(who)) else {
            return;
        };
        let facts = self.with_contents(member, fact);
        let vote = matches!(self.universe.fact(fact), Some(Fact::Vote { .. }));
        if vote {
            state.said.insert(fact);
        }
        if vote && self.variant == Variant::VoteBeforeDurable {
            member.unsaved = match self.universe.fact(fact) {
                Some(Fact::Vote { child, .. }) => Some(child),
                _ => None,
            };
        } else {
            self.learn(state, who, &facts);
        }
        for other in ALL.into_iter().filter(|other| to & (1 << other) != 0) {
            self.learn(state, other, &facts);
        }
    }

    fn save(&self, state: &mut WorldState, who: u8) {
        let unsaved = state
            .members
            .get_mut(usize::from(who))
            .and_then(|member| member.unsaved.take());
        let number = unsaved.and_then(|child| {
            self.universe.number(Fact::Vote {
                child,
                account: who,
            })
        });
        let mut facts = Facts::default();
        if let Some(number) = number {
            facts.insert(number);
        }
        self.learn(state, who, &facts);
    }
}

impl Model for World {
    type State = WorldState;
    type Action = Action;

    fn init_states(&self) -> Vec<WorldState> {
        vec![WorldState {
            members: Default::default(),
            lies: Facts::default(),
            said: Facts::default(),
        }]
    }

    fn actions(&self, state: &WorldState, actions: &mut Vec<Action>) {
        let honest: Vec<u8> = self.honest().collect();
        for who in &honest {
            let facts = [self.duties(state, *who), self.wishes(state, *who)].concat();
            for fact in facts {
                let number = self
                    .universe
                    .number(fact)
                    .and_then(|n| u16::try_from(n).ok());
                let Some(fact) = number else { continue };
                let others: u8 = honest.iter().filter(|o| *o != who).map(|o| 1 << o).sum();
                // All others hear of it, or none: whoever does not catches up from those who did.
                actions.extend([0, others].map(|to| Action::Make {
                    who: *who,
                    fact,
                    to,
                }));
            }
            for with in honest.iter().filter(|with| *with > who) {
                let one = state.members.get(usize::from(*who));
                let other = state.members.get(usize::from(*with));
                if one.map(|member| member.known) != other.map(|member| member.known) {
                    let (who, with) = (*who, *with);
                    actions.push(Action::Sync { who, with });
                }
            }
            let member = state.members.get(usize::from(*who));
            if member.is_some_and(|member| member.unsaved.is_some()) {
                actions.extend([Action::Save { who: *who }, Action::Crash { who: *who }]);
            }
        }
        if self.scene.liar {
            for fact in self.lies(state) {
                for to in [ADA, BO] {
                    let member = state.members.get(usize::from(to));
                    let news = member.is_some_and(|member| !member.known.contains(fact));
                    if let (true, Ok(fact)) = (news, u16::try_from(fact)) {
                        actions.push(Action::Lie { fact, to });
                    }
                }
            }
        }
    }

    fn next_state(&self, last: &WorldState, action: Action) -> Option<WorldState> {
        let mut state = last.clone();
        match action {
            Action::Make { who, fact, to } => self.make(&mut state, who, usize::from(fact), to),
            Action::Lie { fact, to } => {
                let fact = usize::from(fact);
                let mut facts = Facts::default();
                facts.insert(fact);
                state.lies.insert(fact);
                self.learn(&mut state, to, &facts);
            }
            Action::Sync { who, with } => {
                let one = state.members.get(usize::from(who))?.known;
                let other = state.members.get(usize::from(with))?.known;
                self.learn(&mut state, who, &other);
                self.learn(&mut state, with, &one);
            }
            Action::Save { who } => self.save(&mut state, who),
            Action::Crash { who } => {
                state.members.get_mut(usize::from(who))?.unsaved = None;
            }
        }
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}
