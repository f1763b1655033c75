//! Two commits on one parent: everybody chooses alike, and who was on the other branch comes back.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeSet;

use common::{Person, assert_agree, assert_talk, commit_by, group_of, person};
use proptest::prelude::*;
use sori_mls::{
    BranchKey, Class, Error, Invalid, NeedsState, Operation, OrderKind, OwnCommit, Role, StateId,
};

/// Everybody gets both commits, in an order of their own, and picks the smallest key.
fn settle(people: &mut [Person], commits: &[(usize, &OwnCommit)]) -> StateId {
    let mut choices = BTreeSet::new();
    for (i, person) in people.iter_mut().enumerate() {
        let mut keys: Vec<BranchKey> = Vec::new();
        for step in 0..commits.len() {
            let (author, commit) = commits[(i + step) % commits.len()];
            if author == i {
                keys.push(commit.header.key);
            } else {
                keys.push(person.receive(&commit.message).unwrap().key);
            }
        }
        let best = keys.iter().min().unwrap();
        choices.insert(best.id);
        person.go(best.id);
    }
    assert_eq!(choices.len(), 1, "all choose the same");
    choices.into_iter().next().unwrap()
}

/// protocol §5.4.1, §5.4.3
#[test]
fn racing_commits_settle_on_one_and_the_loser_comes_back() {
    let mut people = group_of(3);
    let parent = people[0].head.unwrap();
    let late = people[2].send("said before the race");
    let mut fourth = person(4);
    let add = people[0]
        .commit(&Operation::Add {
            key_packages: vec![fourth.key_package()],
        })
        .unwrap();
    let rename = Operation::Rename {
        name: "renamed".to_owned(),
    };
    let account = people[1].id();
    let update = people[1].commit(&Operation::Update).unwrap();
    assert!(add.header.key < update.header.key, "the class decides");

    // Both went on to their own child and spoke there before they heard of each other.
    people[0].go(add.header.id);
    people[1].go(update.header.id);
    let on_winner = people[0].send("on the winning branch");
    let on_loser = people[1].send("on the losing branch");

    let head = settle(&mut people, &[(0, &add), (1, &update)]);
    assert_eq!(head, add.header.id);
    assert_agree(&people);
    assert_eq!(people[1].read(&on_winner).unwrap(), "on the winning branch");
    assert_eq!(people[1].read(&late).unwrap(), "said before the race");
    assert_eq!(people[0].read(&late).unwrap(), "said before the race");
    // The losing branch can still be read by who kept its state, and by nobody else.
    assert_eq!(people[2].read(&on_loser).unwrap(), "on the losing branch");
    assert_eq!(
        people[2].read_in(head, &on_loser).err().unwrap(),
        Error::Invalid(Invalid::Undecryptable)
    );
    assert_eq!(people[2].read(&on_winner).unwrap(), "on the winning branch");

    fourth.join(&add.welcome.unwrap()).unwrap();
    people.push(fourth);
    assert_agree(&people);
    assert_talk(&mut people);
    // The loser commits its intent again, and life goes on.
    commit_by(&mut people, 1, &Operation::Update);
    commit_by(&mut people, 0, &rename);
    commit_by(
        &mut people,
        0,
        &Operation::SetRole {
            account,
            role: Role::Admin,
        },
    );
    assert_ne!(people[0].head.unwrap(), parent);
    assert_agree(&people);
    assert_talk(&mut people);
}

/// protocol §5.4.1
#[test]
fn class_then_rank_then_tie_break_decide() {
    let mut people = group_of(5);
    let accounts: Vec<_> = people.iter().map(Person::id).collect();
    for account in [accounts[1], accounts[2]] {
        commit_by(
            &mut people,
            0,
            &Operation::SetRole {
                account,
                role: Role::Admin,
            },
        );
    }
    let rename = |name: &str| Operation::Rename {
        name: name.to_owned(),
    };
    let header =
        |person: &mut Person, operation: &Operation| person.commit(operation).unwrap().header;
    let ordered = people[2].removal(accounts[4]);
    let removal = header(&mut people[2], &ordered);
    let by_owner = header(&mut people[0], &rename("a"));
    let by_senior = header(&mut people[1], &rename("b"));
    let by_junior = header(&mut people[2], &rename("c"));
    let add = header(
        &mut people[0],
        &Operation::Add {
            key_packages: vec![person(9).key_package()],
        },
    );
    let order = people[4].core.leave_order(&people[4].snapshot()).unwrap();
    let leave = header(
        &mut people[0],
        &Operation::Realise {
            orders: vec![order],
        },
    );
    let update = header(&mut people[0], &Operation::Update);
    let mut equals = [
        header(&mut people[3], &Operation::Update),
        header(&mut people[4], &Operation::Update),
    ];
    equals.sort_by_key(|header| header.key.tie);
    let [first, second] = equals;

    let classes = [&removal, &by_owner, &add, &leave, &update].map(|header| header.key.class);
    let expected = [
        Class::Moderation,
        Class::GroupData,
        Class::Add,
        Class::Leave,
        Class::Update,
    ];
    assert_eq!(classes, expected);
    let ranks = [&by_owner, &by_senior, &by_junior, &first, &second].map(|header| header.key.rank);
    assert_eq!(ranks, [0, 1, 2, 3, 3]);
    let all = [
        removal, by_owner, by_senior, by_junior, add, leave, update, first, second,
    ];
    assert!(all.is_sorted_by(|a, b| a.key < b.key));
}

#[test]
fn same_members_race_again_and_again() {
    let mut people = group_of(4);
    let account = people[1].id();
    commit_by(
        &mut people,
        0,
        &Operation::SetRole {
            account,
            role: Role::Admin,
        },
    );
    for round in 0..6 {
        let operation = |author: usize| match round % 3 {
            0 => Operation::Update,
            1 => Operation::Rename {
                name: format!("{round} by {author}"),
            },
            _ => Operation::SetRelays {
                relays: vec![format!("relay://{round}.{author}")],
            },
        };
        let commits: Vec<_> = (0..2)
            .map(|author| people[author].commit(&operation(author)).unwrap())
            .collect();
        let commits: Vec<_> = commits.iter().enumerate().collect();
        settle(&mut people, &commits);
        assert_agree(&people);
    }
    assert_talk(&mut people);
}

/// protocol §5.2.2, §5.4.3
#[test]
fn going_back_several_states_and_following_another_branch() {
    let mut people = group_of(3);
    // The third builds a branch of its own, three commits long.
    let mut own = Vec::new();
    for _ in 0..3 {
        let commit = people[2].commit(&Operation::Update).unwrap();
        people[2].go(commit.header.id);
        own.push(commit);
    }
    let account = people[2].id();
    let removal = people[0]
        .commit(&Operation::SetRole {
            account,
            role: Role::Admin,
        })
        .unwrap();
    let elsewhere = people[2]
        .snapshot()
        .apply_commit(&people[2].core, &removal.message)
        .err()
        .unwrap();
    assert!(matches!(
        elsewhere,
        Error::NeedsState(NeedsState::OtherEpoch { .. })
    ));
    // Length does not count: the first divergence decides.
    assert!(removal.header.key < own[0].header.key);
    people[0].go(removal.header.id);
    people[1].follow(&removal.message).unwrap();
    people[2].follow(&removal.message).unwrap();
    assert_agree(&people);
    assert_talk(&mut people);
}

#[test]
fn a_commit_on_a_sibling_state_names_its_parent() {
    let mut people = group_of(2);
    let first = people[0].commit(&Operation::Update).unwrap();
    let second = people[1].commit(&Operation::Update).unwrap();
    people[0].go(first.header.id);
    people[1].go(second.header.id);
    let on_first = people[0].commit(&Operation::Update).unwrap();
    let elsewhere = people[1]
        .snapshot()
        .inspect_commit(&people[1].core, &on_first.message)
        .unwrap_err();
    let parent = first.header.id;
    assert_eq!(
        elsewhere,
        Error::NeedsState(NeedsState::OtherParent { parent })
    );
}

#[test]
fn who_was_removed_on_one_branch_may_be_a_member_on_another() {
    let mut people = group_of(3);
    let account = people[2].id();
    let removal = people[0].removal(account);
    let removal = people[0].commit(&removal).unwrap();
    let rename = people[0]
        .commit(&Operation::Rename {
            name: "other".to_owned(),
        })
        .unwrap();
    assert!(people[2].follow(&removal.message).unwrap().removes_me);
    assert!(people[2].snapshot().me().is_none());
    for person in &mut people[1..] {
        assert_eq!(person.follow(&rename.message).unwrap(), rename.header);
    }
    people[0].go(rename.header.id);
    assert_agree(&people);
    assert_talk(&mut people);
}

#[test]
fn a_key_package_is_good_on_either_branch() {
    let mut people = group_of(2);
    let account = people[1].id();
    commit_by(
        &mut people,
        0,
        &Operation::SetRole {
            account,
            role: Role::Admin,
        },
    );
    let mut third = person(3);
    let key_packages = vec![third.key_package()];
    let add = Operation::Add { key_packages };
    let commits = [
        people[0].commit(&add).unwrap(),
        people[1].commit(&add).unwrap(),
    ];
    third.join(commits[1].welcome.as_ref().unwrap()).unwrap();
    let head = settle(&mut people, &[(0, &commits[0]), (1, &commits[1])]);
    assert_eq!(head, commits[0].header.id);
    third.join(commits[0].welcome.as_ref().unwrap()).unwrap();
    people.push(third);
    assert_agree(&people);
    assert_talk(&mut people);
}

/// What somebody tries in a random round; who may not, gets an error and stays out of the race.
fn attempt(
    people: &mut [Person],
    author: usize,
    choice: u8,
    target: usize,
    spare: &mut Person,
) -> Option<OwnCommit> {
    let account = people[target % people.len()].id();
    let operation = match choice % 7 {
        0 => Operation::Update,
        1 => Operation::Rename {
            name: format!("{choice} {target}"),
        },
        2 => Operation::SetRole {
            account,
            role: Role::Admin,
        },
        3 => people[author].order(OrderKind::Demote, account)?,
        4 => Operation::SetRole {
            account,
            role: Role::Owner,
        },
        5 => Operation::Add {
            key_packages: vec![spare.key_package()],
        },
        _ if people.len() > 3 => people[author].order(OrderKind::Remove, account)?,
        _ => Operation::Update,
    };
    people[author].commit(&operation).ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn random_races_never_split_the_group(
        rounds in prop::collection::vec(prop::collection::vec((any::<u8>(), 0_usize..6), 6), 1..7),
    ) {
        let mut people = group_of(4);
        for (round, attempts) in rounds.iter().enumerate() {
            let mut spare = person(20 + u8::try_from(round).unwrap());
            let mut commits = Vec::new();
            for (author, (choice, target)) in attempts.iter().enumerate().take(people.len()) {
                if choice % 3 != 0 {
                    let commit = attempt(&mut people, author, *choice, *target, &mut spare);
                    commits.extend(commit.map(|commit| (author, commit)));
                }
            }
            let commits: Vec<_> = commits.iter().map(|(author, commit)| (*author, commit)).collect();
            if commits.is_empty() {
                continue;
            }
            let said = people[0].send("before it was settled");
            let head = settle(&mut people, &commits);
            let (_, winner) = commits.iter().find(|(_, commit)| commit.header.id == head).unwrap();
            for listener in &mut people[1..] {
                prop_assert_eq!(listener.read(&said).unwrap(), "before it was settled");
            }
            let removed: BTreeSet<_> = winner.header.removed.iter().map(|member| member.account).collect();
            people.retain(|person| !removed.contains(&person.id()));
            if let Some(welcome) = &winner.welcome {
                spare.join(welcome).unwrap();
                people.push(spare);
            }
            assert_agree(&people);
            prop_assert_eq!(people.len(), people[0].snapshot().members().len());
        }
        assert_talk(&mut people);
    }
}
