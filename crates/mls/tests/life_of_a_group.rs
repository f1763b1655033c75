//! Groups through the public interface: founding, joining, talking, changing, leaving.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{GROUP, Person, assert_agree, assert_talk, commit_by, device_of, group_of, person};
use sori_mls::{
    AccountKey, Avatar, Change, Class, Conversation, Epoch, Error, GroupData, Invalid, JoinPolicy,
    Misuse, NeedsState, Operation, Order, OrderKind, Refusal, Role, Rows,
};

#[test]
fn groups_of_two_to_eight_agree_and_talk() {
    for count in 2..=8 {
        let mut people = group_of(count);
        assert_agree(&people);
        assert_talk(&mut people);
        for author in [0, usize::from(count) - 1] {
            let header = commit_by(&mut people, author, &Operation::Update);
            assert_eq!(header.key.class, Class::Update);
            assert_agree(&people);
        }
        assert_talk(&mut people);
    }
}

#[test]
fn a_new_group_has_its_owner_and_data() {
    let people = group_of(1);
    let snapshot = people[0].snapshot();
    assert_eq!(snapshot.epoch(), Epoch(0));
    assert_eq!(snapshot.group_id(), GROUP);
    assert_eq!(snapshot.data().name, "tea");
    let me = snapshot.me().unwrap();
    assert_eq!(
        (me.account, me.leaf, me.role),
        (people[0].id(), 0, Role::Owner)
    );
    assert_eq!(me.device, people[0].core.device().id());
    assert_eq!(me.signature_key, people[0].core.device().signature_key());
    assert_eq!(snapshot.role_of(&people[0].id()), Some(Role::Owner));
    assert_eq!(snapshot.role_of(&person(9).id()), None);
}

#[test]
fn data_of_a_new_group_is_checked() {
    let founder = person(1);
    let data = || GroupData::new(founder.id(), String::new(), Conversation::Group);
    let refused = |data, misuse: Misuse| {
        assert_eq!(
            founder.core.create_group(GROUP, data).unwrap_err(),
            Error::Misuse(misuse)
        );
    };
    refused(
        GroupData {
            owner: person(2).id(),
            ..data()
        },
        Misuse::NewGroupData,
    );
    refused(
        GroupData {
            admins: vec![person(2).id()],
            ..data()
        },
        Misuse::NewGroupData,
    );
    refused(
        GroupData {
            spent_orders: vec![(Epoch(0), [0; 32])],
            ..data()
        },
        Misuse::NewGroupData,
    );
    refused(
        GroupData {
            name: "x".repeat(257),
            ..data()
        },
        Misuse::Limits,
    );
    refused(
        GroupData {
            relays: vec![String::new(); 9],
            ..data()
        },
        Misuse::Limits,
    );
}

#[test]
fn adding_names_the_added_and_their_leaves() {
    let mut people = group_of(3);
    let mut fourth = person(4);
    let add = Operation::Add {
        key_packages: vec![fourth.key_package()],
    };
    let commit = people[0].commit(&add).unwrap();
    let added = commit.header.added.clone();
    assert_eq!(commit.header.key.class, Class::Add);
    assert_eq!(added.len(), 1);
    assert_eq!(
        (added[0].account, added[0].leaf, added[0].role),
        (fourth.id(), 3, Role::Member)
    );
    assert_eq!(commit.child.snapshot().member_by_leaf(3), Some(&added[0]));
    people[0].go(commit.header.id);
    for other in &mut people[1..] {
        assert_eq!(other.follow(&commit.message).unwrap(), commit.header);
    }
    fourth.join(&commit.welcome.unwrap()).unwrap();
    people.push(fourth);
    assert_agree(&people);
    assert_talk(&mut people);
}

#[test]
fn a_freed_leaf_is_used_again_as_announced() {
    let mut people = group_of(4);
    let gone = people.remove(1);
    let removal = people[0].removal(gone.id());
    commit_by(&mut people, 0, &removal);
    let mut newcomers = [person(10), person(11)];
    let key_packages = newcomers.iter_mut().map(Person::key_package).collect();
    let commit = people[0].commit(&Operation::Add { key_packages }).unwrap();
    let leaves: Vec<_> = commit
        .header
        .added
        .iter()
        .map(|member| member.leaf)
        .collect();
    assert_eq!(leaves, [1, 4]);
    for added in &commit.header.added {
        assert_eq!(
            commit.child.snapshot().member_by_leaf(added.leaf),
            Some(added)
        );
    }
}

#[test]
fn everybody_may_add_own_devices() {
    let mut people = group_of(2);
    let mut second = device_of(AccountKey::from_bytes(&[2; 32]), 50);
    let add = Operation::Add {
        key_packages: vec![second.key_package()],
    };
    let commit = people[1].commit(&add).unwrap();
    people[1].go(commit.header.id);
    people[0].follow(&commit.message).unwrap();
    second.join(&commit.welcome.unwrap()).unwrap();
    people.push(second);
    assert_agree(&people);
    assert_talk(&mut people);

    // Removing the account removes both devices at once.
    let account = people[1].id();
    let removal = people[0].removal(account);
    let header = people[0].commit(&removal).unwrap().header;
    assert_eq!(header.removed.len(), 2);
}

#[test]
fn removed_people_know_it_and_cannot_go_on() {
    let mut people = group_of(3);
    let account = people[2].id();
    let removal = people[0].removal(account);
    let commit = people[0].commit(&removal).unwrap();
    assert_eq!(commit.header.key.class, Class::Moderation);
    assert!(!commit.header.removes_me);
    people[0].go(commit.header.id);
    let seen = people[1].follow(&commit.message).unwrap();
    assert_eq!(seen, commit.header);
    let mut removed = people.pop().unwrap();
    let seen = removed.follow(&commit.message).unwrap();
    assert!(seen.removes_me);
    assert_eq!(seen.id, commit.header.id);
    assert_eq!(seen.removed[0].account, removed.id());

    let snapshot = removed.snapshot();
    assert_eq!(snapshot.me(), None);
    assert_eq!(snapshot.members().len(), 2);
    assert_eq!(snapshot.role_of(&removed.id()), None);
    let not_member = Error::NeedsState(NeedsState::NotMember);
    assert_eq!(
        snapshot.export_secret(&removed.core, "x", b"").unwrap_err(),
        not_member
    );
    let mut head = removed.load_head();
    assert_eq!(
        head.encrypt(&removed.core, b"", b"").unwrap_err(),
        not_member
    );
    assert_eq!(
        head.commit(&removed.core, &Operation::Update).unwrap_err(),
        not_member
    );
    let message = people[0].send("without you");
    assert_eq!(removed.read(&message).unwrap_err(), not_member);
    let next = people[0].commit(&Operation::Update).unwrap();
    assert_eq!(removed.receive(&next.message).unwrap_err(), not_member);
    assert_agree(&people);
}

#[test]
fn names_relays_and_roles_change_for_all() {
    let mut people = group_of(3);
    let rename = Operation::Rename {
        name: "차".to_owned(),
    };
    let header = commit_by(&mut people, 0, &rename);
    assert_eq!(header.key.class, Class::GroupData);
    assert_eq!(
        header.changes,
        [Change::Renamed {
            name: "차".to_owned()
        }]
    );
    let relays = vec!["relay://example.org:443/#key".to_owned()];
    let header = commit_by(
        &mut people,
        0,
        &Operation::SetRelays {
            relays: relays.clone(),
        },
    );
    assert_eq!(header.changes, [Change::Relays { relays }]);
    let account = people[1].id();
    let header = commit_by(
        &mut people,
        0,
        &Operation::SetRole {
            account,
            role: Role::Admin,
        },
    );
    assert_eq!(
        header.changes,
        [Change::Role {
            account,
            role: Role::Admin
        }]
    );
    assert_eq!(people[2].snapshot().role_of(&account), Some(Role::Admin));
    let header = commit_by(
        &mut people,
        1,
        &Operation::Rename {
            name: "tea again".to_owned(),
        },
    );
    assert_eq!(header.key.rank, 1);
    let demotion = people[0].demotion(account);
    let header = commit_by(&mut people, 0, &demotion);
    assert_eq!(header.key.class, Class::Moderation);
    assert_eq!(people[2].snapshot().role_of(&account), Some(Role::Member));
    assert_agree(&people);
    assert_talk(&mut people);
}

/// protocol §5.3.3
#[test]
fn owner_hands_over_and_becomes_first_admin() {
    let mut people = group_of(3);
    let [first, second, third] = [people[0].id(), people[1].id(), people[2].id()];
    commit_by(
        &mut people,
        0,
        &Operation::SetRole {
            account: second,
            role: Role::Admin,
        },
    );
    let header = commit_by(
        &mut people,
        0,
        &Operation::SetRole {
            account: third,
            role: Role::Owner,
        },
    );
    assert_eq!(header.changes.len(), 2);
    let snapshot = people[1].snapshot();
    assert_eq!(snapshot.data().owner, third);
    assert_eq!(snapshot.data().admins, [first, second]);
    // Now the former owner may leave.
    let order = people[0].core.leave_order(&people[0].snapshot()).unwrap();
    let commit = people[1]
        .commit(&Operation::Realise {
            orders: vec![order],
        })
        .unwrap();
    assert_eq!(commit.child.snapshot().data().admins, [second]);
}

/// protocol §5.5.1
#[test]
fn leaving_is_an_order_that_anybody_realises() {
    let mut people = group_of(4);
    let leaver = people.pop().unwrap();
    let order = leaver.core.leave_order(&leaver.snapshot()).unwrap();
    let order = Order::decode(&order.encode().unwrap()).unwrap();
    assert_eq!(order.target(), leaver.id());
    let header = commit_by(
        &mut people,
        2,
        &Operation::Realise {
            orders: vec![order.clone()],
        },
    );
    assert_eq!(header.key.class, Class::Leave);
    assert_eq!(header.removed[0].account, leaver.id());
    assert_eq!(header.orders.len(), 1);
    assert_eq!(header.orders[0], order);
    let snapshot = people[0].snapshot();
    assert_eq!(snapshot.role_of(&leaver.id()), None);
    let spent = &snapshot.data().spent_orders;
    assert!(spent.contains(&(Epoch(1), order.id())));
    assert_eq!(spent.len(), 2, "the order, and who is gone");
    assert_agree(&people);
    assert_talk(&mut people);
}

/// protocol §5.5.2
#[test]
fn a_spent_order_does_not_remove_who_came_back() {
    let mut people = group_of(3);
    let mut leaver = people.pop().unwrap();
    let order = leaver.core.leave_order(&leaver.snapshot()).unwrap();
    commit_by(
        &mut people,
        1,
        &Operation::Realise {
            orders: vec![order.clone()],
        },
    );
    let add = Operation::Add {
        key_packages: vec![leaver.key_package()],
    };
    let commit = people[0].commit(&add).unwrap();
    people[0].go(commit.header.id);
    people[1].follow(&commit.message).unwrap();
    leaver.join(&commit.welcome.unwrap()).unwrap();
    let again = people[1].commit(&Operation::Realise {
        orders: vec![order],
    });
    assert_eq!(again.unwrap_err(), Error::Refused(Refusal::Order));
    people.push(leaver);
    assert_agree(&people);
}

/// protocol §5.5.4
#[test]
fn an_order_about_who_was_there_before_does_not_remove_who_was_let_in_again() {
    let mut people = group_of(3);
    let mut target = people.pop().unwrap();
    let account = target.id();
    let order = |people: &[Person]| {
        let owner = &people[0];
        owner
            .core
            .order(OrderKind::Remove, account, &owner.snapshot())
    };
    let (first, second) = (order(&people).unwrap(), order(&people).unwrap());
    let realise = |order| Operation::Realise {
        orders: vec![order],
    };
    commit_by(&mut people, 1, &realise(first));
    let refused = people[1].commit(&realise(second.clone())).unwrap_err();
    assert_eq!(refused, Error::Refused(Refusal::Order));
    let add = Operation::Add {
        key_packages: vec![target.key_package()],
    };
    let commit = people[0].commit(&add).unwrap();
    people[0].go(commit.header.id);
    people[1].follow(&commit.message).unwrap();
    target.join(&commit.welcome.unwrap()).unwrap();
    let refused = people[1].commit(&realise(second)).unwrap_err();
    assert_eq!(refused, Error::Refused(Refusal::Order));
    // One that is given now holds.
    let third = order(&people).unwrap();
    commit_by(&mut people, 1, &realise(third));
    assert_eq!(people[0].snapshot().role_of(&account), None);
    assert_agree(&people);
}

/// protocol §5.5.3
#[test]
fn the_owner_cannot_just_leave() {
    let people = group_of(2);
    let refused = people[0]
        .core
        .leave_order(&people[0].snapshot())
        .unwrap_err();
    assert_eq!(refused, Error::Refused(Refusal::OwnerLeaves));
    let (core, head) = (&people[0].core, people[0].snapshot());
    let refused = core
        .order(OrderKind::Remove, people[0].id(), &head)
        .unwrap_err();
    assert_eq!(refused, Error::Misuse(Misuse::RemovesSelf));
}

#[test]
fn operations_that_make_no_sense_are_told_apart() {
    let mut people = group_of(2);
    let own = people[0].id();
    let stranger = person(9).id();
    let other = people[1].id();
    for (operation, misuse) in [
        (
            Operation::Add {
                key_packages: vec![],
            },
            Misuse::Empty,
        ),
        (Operation::Realise { orders: vec![] }, Misuse::Empty),
        (
            Operation::SetRole {
                account: stranger,
                role: Role::Admin,
            },
            Misuse::UnknownAccount,
        ),
        (
            Operation::SetRole {
                account: other,
                role: Role::Member,
            },
            Misuse::NoChange,
        ),
        (
            Operation::SetRole {
                account: own,
                role: Role::Owner,
            },
            Misuse::NoChange,
        ),
        (
            Operation::Rename {
                name: "tea".to_owned(),
            },
            Misuse::NoChange,
        ),
        (
            Operation::Rename {
                name: "x".repeat(257),
            },
            Misuse::Limits,
        ),
    ] {
        assert_eq!(
            people[0].commit(&operation).unwrap_err(),
            Error::Misuse(misuse),
            "{operation:?}"
        );
    }
    for (kind, account, misuse) in [
        (OrderKind::Remove, stranger, Misuse::UnknownAccount),
        (OrderKind::Demote, other, Misuse::NoChange),
    ] {
        let order = people[0].core.order(kind, account, &people[0].snapshot());
        assert_eq!(order.unwrap_err(), Error::Misuse(misuse));
    }
    let step_down = Operation::SetRole {
        account: own,
        role: Role::Member,
    };
    assert_eq!(
        people[0].commit(&step_down).unwrap_err(),
        Error::Refused(Refusal::OwnerLeaves)
    );
}

#[test]
fn joining_can_be_tried_again_after_a_failure() {
    let mut owner = group_of(1).remove(0);
    let mut joiner = person(2);
    let spare = joiner.key_package();
    let used = joiner.key_package();
    let reference_of_used = owner.core.inspect_key_package(&used).unwrap().reference;
    let commit = owner
        .commit(&Operation::Add {
            key_packages: vec![used],
        })
        .unwrap();
    let welcome = commit.welcome.unwrap();
    let mut damaged = welcome.clone();
    *damaged.last_mut().unwrap() ^= 1;
    assert_eq!(
        joiner.join(&damaged).unwrap_err(),
        Error::Invalid(Invalid::Welcome)
    );
    let reference = joiner.join(&welcome).unwrap();
    assert_eq!(reference, reference_of_used);
    // Also with the group already there, and to another branch of it by the spare KeyPackage.
    joiner.join(&welcome).unwrap();
    let other = owner
        .commit(&Operation::Add {
            key_packages: vec![spare],
        })
        .unwrap();
    joiner.join(&other.welcome.unwrap()).unwrap();
    owner.go(other.header.id);
    assert_agree(&[owner, joiner]);
}

#[test]
fn joining_without_the_key_package_is_refused() {
    let mut owner = group_of(1).remove(0);
    let (mut invited, mut other) = (person(2), person(3));
    let commit = owner
        .commit(&Operation::Add {
            key_packages: vec![invited.key_package()],
        })
        .unwrap();
    other.key_package();
    let refused = other.join(&commit.welcome.unwrap()).unwrap_err();
    assert_eq!(refused, Error::NeedsState(NeedsState::NoKeyPackage));
}

/// protocol §5.2.4
#[test]
fn messages_are_read_late_and_in_any_order_but_once() {
    let mut people = group_of(2);
    let messages: Vec<_> = (0..300).map(|i| people[0].send(&i.to_string())).collect();
    let parent = people[0].head.unwrap();
    commit_by(&mut people, 0, &Operation::Update);
    let after = people[0].send("after");
    assert_eq!(people[1].read(&after).unwrap(), "after");
    // The parent's messages come now, the last first.
    for (i, message) in messages.iter().enumerate().rev() {
        assert_eq!(people[1].read(message).unwrap(), i.to_string());
    }
    let again = people[1].read(&messages[150]).unwrap_err();
    assert_eq!(again, Error::NeedsState(NeedsState::AlreadyRead));
    let here = people[1].head.unwrap();
    let elsewhere = people[1].read_in(here, &messages[0]).err().unwrap();
    let epochs = NeedsState::OtherEpoch {
        found: Epoch(1),
        here: Epoch(2),
    };
    assert_eq!(elsewhere, Error::NeedsState(epochs));
    let own = people[0].read_in(parent, &messages[0]).err().unwrap();
    assert_eq!(own, Error::NeedsState(NeedsState::OwnMessage));
}

#[test]
fn a_message_far_ahead_waits_for_those_before_it() {
    let mut people = group_of(2);
    let mut head = people[0].load_head();
    let mut messages: Vec<_> = (0..=sori_mls::limits::RATCHET_FORWARD_MAX + 1)
        .map(|_| head.encrypt(&people[0].core, b"", b"x").unwrap())
        .collect();
    let last = messages.pop().unwrap();
    let state = head.snapshot().state();
    let early = people[1].read_in(state, &last).err().unwrap();
    assert_eq!(early, Error::NeedsState(NeedsState::TooFarAhead));
    people[1].read_in(state, &messages[0]).unwrap();
    people[1].read_in(state, &messages[1]).unwrap();
    people[1].read_in(state, &last).unwrap();
}

#[test]
fn other_group_data_changes_too() {
    let mut people = group_of(2);
    let avatar = Avatar {
        hash: [1; 32],
        size: 60 * 1024,
        key: [2; 32],
        nonce: [3; 12],
    };
    for operation in [
        Operation::SetAvatar {
            avatar: Some(avatar),
        },
        Operation::SetDisappearing { seconds: Some(60) },
        Operation::SetJoinPolicy {
            policy: JoinPolicy::Members,
        },
    ] {
        let header = commit_by(&mut people, 0, &operation);
        assert_eq!(
            (header.key.class, header.changes.len()),
            (Class::GroupData, 1)
        );
    }
    let data = people[1].snapshot().data().clone();
    assert_eq!(data.avatar, Some(avatar));
    assert_eq!(data.disappearing_seconds, Some(60));
    assert_eq!(data.join_policy, JoinPolicy::Members);
    let never = Operation::SetDisappearing { seconds: Some(0) };
    assert_eq!(
        people[0].commit(&never).unwrap_err(),
        Error::Misuse(Misuse::Limits)
    );
}

#[test]
fn own_commits_are_recognised() {
    let mut people = group_of(2);
    let commit = people[0].commit(&Operation::Update).unwrap();
    let seen = people[0].receive(&commit.message).unwrap_err();
    assert_eq!(seen, Error::NeedsState(NeedsState::OwnCommit));
    let add = people[0]
        .commit(&Operation::Add {
            key_packages: vec![person(5).key_package()],
        })
        .unwrap();
    let seen = people[0].receive(&add.message).unwrap_err();
    assert_eq!(seen, Error::NeedsState(NeedsState::OwnCommit));
}

#[test]
fn secrets_depend_on_state_label_and_context() {
    let mut people = group_of(2);
    let secret = |person: &Person, label: &str, context: &[u8]| {
        *person
            .snapshot()
            .export_secret(&person.core, label, context)
            .unwrap()
    };
    let first = secret(&people[0], "a", b"1");
    assert_eq!(first, secret(&people[1], "a", b"1"));
    assert_ne!(first, secret(&people[0], "b", b"1"));
    assert_ne!(first, secret(&people[0], "a", b"2"));
    commit_by(&mut people, 0, &Operation::Update);
    assert_ne!(first, secret(&people[0], "a", b"1"));
}

#[test]
fn rows_stay_few_and_small_keyed_and_old_secrets_go() {
    let mut people = group_of(4);
    for round in 0..8 {
        commit_by(&mut people, round % 4, &Operation::Update);
        assert_talk(&mut people);
    }
    let first = people[0].states.values().map(Rows::len).max().unwrap();
    for person in &people {
        for rows in person.states.values() {
            assert!(rows.len() <= first && rows.len() < 16);
            // Kinds from 64 on belong to no group: KeyPackages and the like.
            assert!(rows.iter().all(|(key, _)| key.len() <= 64 && key[0] < 64));
        }
        let rows = person.snapshot().rows();
        let key_pairs = rows.iter().filter(|(key, _)| key[0] == 14).count();
        assert_eq!(key_pairs, 1, "key pairs of this epoch and of no other");
    }
}

#[test]
fn one_seed_gives_one_run() {
    let run = || {
        let mut people = group_of(5);
        let header = commit_by(&mut people, 3, &Operation::Update);
        let commit = people[0].commit(&Operation::Update).unwrap();
        let message = people[1].send("same");
        let sealed = {
            let key = people[1].core.hybrid_key(&[1; 32]).unwrap();
            people[0]
                .core
                .hybrid_seal(key.public(), b"", b"", b"same")
                .unwrap()
        };
        // OpenMLS notes the time in the row of message secrets, kind 7, for a use that is switched off.
        let timeless = |rows: &Rows| {
            rows.iter()
                .filter(|(key, _)| key[0] != 7)
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect()
        };
        let rows: Vec<Rows> = people[2].states.values().map(timeless).collect();
        (header.id, commit.message, message, sealed, rows)
    };
    assert_eq!(run(), run());
}

#[test]
fn debug_shows_no_secret_and_types_can_move_between_threads() {
    fn movable<T: Send + 'static>() {}
    movable::<sori_mls::Core>();
    movable::<sori_mls::Head>();
    movable::<sori_mls::Snapshot>();
    let people = group_of(2);
    let head = people[0].load_head();
    let text = format!(
        "{:?} {:?} {:?}",
        head,
        people[0].core,
        head.snapshot().rows()
    );
    assert!(text.len() < 300, "{text}");
}
