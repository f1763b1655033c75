//! The choice and the rules of voting on small graphs. States and accounts are numbers, keys are (class, number).

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{Abstain, Against, Choice, Commit, Graph, Loss, Names, OrderFact, Sight, Voter};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Small;

impl Names for Small {
    type State = u8;
    type Account = u8;
    type Key = (u8, u8);
    type Order = u8;
}

const SEEN: Sight = Sight {
    known_ms: 20_000,
    processed: true,
};

/// One fact of a graph.
#[derive(Debug, Clone)]
enum Fact {
    Commit(u8, Commit<Small>),
    Voters(u8, BTreeSet<u8>),
    Vote(u8, u8, u8),
    Report(u8, u8, bool),
    Order(u8, OrderFact<Small>),
    Open(u8, u8),
    Settled(u8),
}

fn graph(facts: &[Fact]) -> Graph<Small> {
    let mut graph = Graph::default();
    for fact in facts.iter().cloned() {
        match fact {
            Fact::Commit(id, commit) => graph.add_commit(id, commit),
            Fact::Voters(state, voters) => graph.set_voters(state, voters),
            Fact::Vote(parent, child, account) => _ = graph.add_vote(parent, child, account),
            Fact::Report(child, account, ok) => _ = graph.add_report(child, account, ok),
            Fact::Order(id, order) => graph.add_order(id, order),
            Fact::Open(state, order) => graph.set_open(state, order),
            Fact::Settled(state) => graph.settle(state),
        }
    }
    graph
}

/// A commit with a key of its class and its own number.
fn commit(parent: u8, id: u8, author: u8, class: u8) -> Fact {
    let commit = Commit {
        parent,
        author,
        epoch: match id {
            0..=2 => 1,
            _ => 2,
        },
        needs_role: class < 3,
        key: (class, id),
    };
    Fact::Commit(id, commit)
}

/// States 0 to 9 with the accounts 1 to `voters`.
fn places(voters: u8) -> Vec<Fact> {
    let voters: BTreeSet<u8> = (1..=voters).collect();
    (0..10)
        .map(|state| Fact::Voters(state, voters.clone()))
        .collect()
}

/// Two branches at 0: 1 and then 3; 2, which loses by its key, and then 4.
fn fork(voters: u8, more: &[Fact]) -> Graph<Small> {
    let commits = [
        commit(0, 1, 1, 4),
        commit(0, 2, 2, 4),
        commit(1, 3, 1, 4),
        commit(2, 4, 2, 4),
    ];
    graph(&[&commits, places(voters).as_slice(), more].concat())
}

fn against(target: u8, against: Against, base: u8) -> Vec<Fact> {
    let order = OrderFact {
        target,
        against,
        base,
        base_epoch: match base {
            0 => 0,
            1 | 2 => 1,
            _ => u64::from(base),
        },
    };
    let open = (0..10).map(|state| Fact::Open(state, 7));
    [Fact::Order(7, order)].into_iter().chain(open).collect()
}

fn losses(choice: &Choice<Small>) -> Vec<(u8, Loss)> {
    choice.losses.clone().into_iter().collect()
}

/// protocol §5.4.1, §5.4.2
#[test]
fn without_votes_the_smallest_key_wins_at_the_first_divergence() {
    let choice = fork(3, &[]).choose(0);
    assert_eq!(choice.path, [0, 1, 3]);
    assert_eq!(losses(&choice), [(2, Loss::Key)]);
    // However long the other branch is.
    let longer: Vec<_> = (5..9).map(|id| commit(id - 1, id, 2, 0)).collect();
    assert_eq!(fork(3, &longer).choose(0).path, [0, 1, 3]);
    assert_eq!(fork(3, &[]).choose(2).path, [2, 4]);
    assert_eq!(Graph::<Small>::default().choose(9).path, [9]);
}

/// protocol §5.4.4
#[test]
fn a_settled_child_wins_and_so_does_one_with_a_settled_descendant() {
    let half = [Fact::Vote(0, 2, 1), Fact::Vote(0, 2, 2)];
    assert_eq!(fork(4, &half).choose(0).path, [0, 1, 3]);
    let choice = fork(3, &half).choose(0);
    assert_eq!(choice.path, [0, 2, 4]);
    assert_eq!(choice.settled, [2].into());
    assert_eq!(losses(&choice), [(1, Loss::Settled)]);
    let below = [Fact::Vote(2, 4, 1), Fact::Vote(2, 4, 3)];
    let choice = fork(3, &below).choose(0);
    assert_eq!(choice.path, [0, 2, 4]);
    assert_eq!(choice.settled, [2, 4].into());
    assert_eq!(fork(3, &[Fact::Settled(4)]).choose(0).path, [0, 2, 4]);
    // Of two settled ones the key decides.
    let both = [Fact::Settled(3), Fact::Settled(4)];
    assert_eq!(fork(3, &both).choose(0).path, [0, 1, 3]);
}

/// protocol §5.7.3
#[test]
fn votes_of_others_than_the_voters_of_the_parent_do_not_count() {
    let strangers = [Fact::Vote(0, 2, 8), Fact::Vote(0, 2, 9)];
    assert_eq!(fork(3, &strangers).choose(0).path, [0, 1, 3]);
    let elsewhere = [Fact::Vote(1, 2, 1), Fact::Vote(1, 2, 2)];
    assert_eq!(fork(3, &elsewhere).choose(0).path, [0, 1, 3]);
    let twice = [Fact::Vote(0, 2, 1), Fact::Vote(0, 2, 1)];
    assert_eq!(fork(3, &twice).choose(0).path, [0, 1, 3]);
}

/// protocol §5.4.4
#[test]
fn commits_of_a_target_are_poisoned_unless_they_lead_to_the_order() {
    let choice = fork(3, &against(1, Against::Membership, 0)).choose(0);
    assert_eq!(choice.path, [0, 2, 4]);
    assert_eq!(losses(&choice), [(1, Loss::Poisoned)]);
    let choice = fork(3, &against(1, Against::Membership, 1)).choose(0);
    assert_eq!(choice.path, [0, 1], "made before the order");
    assert_eq!(losses(&choice), [(2, Loss::Key), (3, Loss::Poisoned)]);
    // A base that nobody knows may yet turn out to lie behind what is not of a later epoch.
    let unknown = |base_epoch| {
        let mut facts = against(1, Against::Membership, 99);
        if let Some(Fact::Order(_, order)) = facts.first_mut() {
            order.base_epoch = base_epoch;
        }
        fork(3, &facts).choose(0).path
    };
    assert_eq!(unknown(2), [0, 1, 3]);
    assert_eq!(unknown(1), [0, 1]);
    assert_eq!(unknown(0), [0, 2, 4]);
    let unopened = against(1, Against::Membership, 0).swap_remove(0);
    assert_eq!(fork(3, &[unopened]).choose(0).path, [0, 1, 3]);
    let settled = [
        against(1, Against::Membership, 0),
        vec![Fact::Settled(1), Fact::Settled(3)],
    ]
    .concat();
    assert_eq!(fork(3, &settled).choose(0).path, [0, 1, 3]);
}

/// protocol §5.4.4
#[test]
fn who_is_demoted_can_still_do_what_members_can() {
    assert_eq!(
        fork(3, &against(1, Against::Role, 0)).choose(0).path,
        [0, 1, 3]
    );
    let commits = [commit(0, 1, 1, 1), commit(0, 2, 2, 4)];
    let facts = [commits.to_vec(), places(3), against(1, Against::Role, 0)].concat();
    assert_eq!(graph(&facts).choose(0).path, [0, 2]);
}

/// protocol §5.4.4
#[test]
fn a_commit_that_two_more_cannot_process_than_can_is_dropped() {
    let failed = |count: u8| {
        (2..)
            .take(count.into())
            .map(|account| Fact::Report(1, account, false))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        fork(5, &failed(1)).choose(0).path,
        [0, 1, 3],
        "one may be lying"
    );
    let choice = fork(5, &failed(2)).choose(0);
    assert_eq!(choice.path, [0, 2, 4]);
    assert_eq!(losses(&choice), [(1, Loss::Unprocessable)]);
    let with_ok = |account| [failed(2), vec![Fact::Report(1, account, true)]].concat();
    assert_eq!(fork(5, &with_ok(4)).choose(0).path, [0, 1, 3]);
    assert_eq!(
        fork(5, &with_ok(1)).choose(0).path,
        [0, 2, 4],
        "the author's word does not count"
    );
    assert_eq!(
        fork(5, &with_ok(9)).choose(0).path,
        [0, 2, 4],
        "nor a stranger's"
    );
    assert_eq!(
        fork(5, &with_ok(2)).choose(0).path,
        [0, 1, 3],
        "both of two answers count"
    );
    let settled = [failed(3), vec![Fact::Settled(1)]].concat();
    assert_eq!(fork(5, &settled).choose(0).path, [0, 1, 3]);
    // With nothing left the head stays.
    let both = [
        failed(2),
        vec![Fact::Report(2, 3, false), Fact::Report(2, 4, false)],
    ]
    .concat();
    assert_eq!(fork(5, &both).choose(0).path, [0]);
}

#[test]
fn what_is_forgotten_is_gone_without_its_descendants() {
    let mut graph = fork(3, &[Fact::Settled(4), Fact::Vote(0, 2, 1)]);
    assert_eq!(graph.forget(&4).map(|commit| commit.parent), Some(2));
    assert_eq!(graph.choose(0).path, [0, 1, 3]);
    assert_eq!(graph.forget(&1).map(|commit| commit.author), Some(1));
    assert_eq!(graph.forget(&1), None);
    assert_eq!(graph.choose(0).path, [0, 2]);
    assert_eq!(graph.choose(1).path, [1, 3]);
}

#[test]
fn what_was_said_about_commits_on_the_oldest_state_stays() {
    let votes = [Fact::Vote(2, 4, 1), Fact::Vote(2, 4, 2)];
    let mut graph = fork(3, &votes);
    assert_eq!(graph.forget(&0), None);
    assert_eq!(graph.forget_commit(&2).map(|commit| commit.parent), Some(0));
    let choice = graph.choose(2);
    assert_eq!((choice.path, choice.settled), (vec![2, 4], [4].into()));
}

fn may(
    graph: &Graph<Small>,
    votes: &BTreeMap<u8, u8>,
    child: u8,
    sight: Sight,
) -> Result<(), Abstain> {
    let me = Voter { account: 3, votes };
    graph.may_vote(&graph.choose(0), &me, &child, sight)
}

/// protocol §5.4.5
#[test]
fn a_vote_is_given_once_in_order_after_a_wait_and_for_what_was_processed() {
    let graph = fork(3, &[]);
    let none = BTreeMap::new();
    assert_eq!(may(&graph, &none, 1, SEEN), Ok(()));
    assert_eq!(may(&graph, &none, 2, SEEN), Err(Abstain::NotChosen));
    assert_eq!(may(&graph, &none, 0, SEEN), Err(Abstain::NotChosen));
    assert_eq!(may(&graph, &none, 3, SEEN), Err(Abstain::ParentFirst));
    assert_eq!(may(&graph, &[(0, 1)].into(), 3, SEEN), Ok(()));
    assert_eq!(may(&graph, &[(0, 1)].into(), 1, SEEN), Err(Abstain::Voted));
    assert_eq!(may(&graph, &[(0, 2)].into(), 1, SEEN), Err(Abstain::Voted));
    assert_eq!(
        may(&graph, &[(0, 2)].into(), 3, SEEN),
        Err(Abstain::Against)
    );
    let new = Sight {
        known_ms: 19_999,
        ..SEEN
    };
    assert_eq!(may(&graph, &none, 1, new), Err(Abstain::TooNew));
    let unprocessed = Sight {
        processed: false,
        ..SEEN
    };
    assert_eq!(
        may(&graph, &none, 1, unprocessed),
        Err(Abstain::Unprocessed)
    );
    assert_eq!(may(&fork(2, &[]), &none, 1, SEEN), Err(Abstain::NoVoter));
}

/// protocol §5.4.5
#[test]
fn below_a_settled_commit_everybody_votes_whatever_they_voted_there() {
    let graph = fork(3, &[Fact::Settled(1)]);
    for votes in [[].into(), [(0, 2)].into()] {
        assert_eq!(may(&graph, &votes, 3, SEEN), Ok(()));
    }
}

/// protocol §5.4.5
#[test]
fn nobody_votes_for_what_an_order_is_open_against() {
    let order = against(1, Against::Membership, 0);
    let graph = fork(3, &[order, vec![Fact::Settled(1)]].concat());
    assert_eq!(
        may(&graph, &BTreeMap::new(), 1, SEEN),
        Err(Abstain::Poisoned)
    );
}

#[test]
fn due_votes_follow_the_path_as_far_as_was_processed() {
    let graph = fork(3, &[]);
    let choice = graph.choose(0);
    let votes = BTreeMap::new();
    let me = Voter {
        account: 3,
        votes: &votes,
    };
    assert_eq!(graph.votes_due(&choice, &me, |_| SEEN), [(0, 1), (1, 3)]);
    let until_1 = |state: &u8| Sight {
        known_ms: 20_000,
        processed: *state == 1,
    };
    assert_eq!(graph.votes_due(&choice, &me, until_1), [(0, 1)]);
}

/// Any facts about ten states and four accounts. States have parents with smaller numbers, as hashes would see to.
fn any_fact() -> impl Strategy<Value = Fact> {
    let numbers = (1u8..10, 0u8..10, 1u8..5, 0u8..5);
    let against = prop_oneof![Just(Against::Membership), Just(Against::Role)];
    prop_oneof![
        8 => numbers.prop_map(|(id, parent, author, class)| commit(parent.min(id.saturating_sub(1)), id, author, class)),
        4 => (0u8..10, 0u8..10, 1u8..5).prop_map(|(parent, child, by)| Fact::Vote(parent, child, by)),
        2 => (0u8..10, 1u8..5, any::<bool>()).prop_map(|(child, by, ok)| Fact::Report(child, by, ok)),
        1 => (0u8..2, against, 0u8..10).prop_map(|(id, against, base)| {
            let base_epoch = u64::from(base);
            Fact::Order(id, OrderFact { target: id.saturating_add(1), against, base, base_epoch })
        }),
        1 => (0u8..10, 0u8..2).prop_map(|(state, order)| Fact::Open(state, order)),
        1 => (0u8..10).prop_map(Fact::Settled),
    ]
}

/// Of two commits or orders of one name, which hashes rule out, the first.
fn consistent(facts: Vec<Fact>) -> Vec<Fact> {
    let (mut commits, mut orders) = (BTreeSet::new(), BTreeSet::new());
    let mut facts = facts;
    facts.retain(|fact| match fact {
        Fact::Commit(id, _) => commits.insert(*id),
        Fact::Order(id, _) => orders.insert(*id),
        Fact::Voters(..)
        | Fact::Vote(..)
        | Fact::Report(..)
        | Fact::Open(..)
        | Fact::Settled(_) => true,
    });
    [places(4), facts].concat()
}

proptest! {
    /// Invariants I1 and I2: the choice depends on what is there, not on when and how often it came.
    #[test]
    fn the_order_of_arrival_plays_no_part(
        facts in prop::collection::vec(any_fact(), 0..40),
        places in prop::collection::vec(any::<prop::sample::Index>(), 80),
    ) {
        let facts = consistent(facts);
        let mut shuffled = facts.clone();
        for (at, place) in places.iter().enumerate().take(shuffled.len()) {
            let other = place.index(shuffled.len());
            shuffled.swap(at, other);
        }
        let repeated = [shuffled.clone(), shuffled].concat();
        for anchor in 0..10 {
            prop_assert_eq!(graph(&facts).choose(anchor), graph(&repeated).choose(anchor));
        }
    }

    /// The path leads over commits from parent to child, ends where nothing is left to take, and every other child
    /// of a state on it has a reason to lose.
    #[test]
    fn every_child_of_the_path_is_on_it_or_has_lost(facts in prop::collection::vec(any_fact(), 0..40)) {
        let graph = graph(&consistent(facts));
        let choice = graph.choose(0);
        for pair in choice.path.windows(2) {
            prop_assert_eq!(graph.commit(&pair[1]).map(|commit| commit.parent), Some(pair[0]));
        }
        for state in &choice.path {
            for child in graph.children(state) {
                prop_assert!(choice.path.contains(child) != choice.losses.contains_key(child));
            }
        }
    }

    /// Also for graphs that no hashes could make, with circles.
    #[test]
    fn the_choice_ends_whatever_the_graph_looks_like(edges in prop::collection::vec((0u8..6, 0u8..6), 0..20)) {
        let facts: Vec<_> = edges.iter().map(|(parent, id)| commit(*parent, *id, 1, 4)).collect();
        let all = [facts, against(1, Against::Membership, 3), vec![Fact::Settled(2)], places(3)].concat();
        let graph = graph(&all);
        for anchor in 0..6 {
            prop_assert!(graph.choose(anchor).path.len() <= 7);
        }
    }
}
