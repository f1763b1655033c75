//! A device that lost its state comes back by an external commit, as the device it was.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;

use common::{Person, assert_agree, assert_talk, commit_by, group_of, person};
use sori_mls::{
    Class, CommitHeader, Error, GroupInfo, Invalid, NeedsState, Operation, OwnCommit, Refusal,
    Role, limits,
};

/// What a member gives away about its head, as the other reads it.
fn info(giver: &Person, reader: &Person) -> GroupInfo {
    let bytes = giver.snapshot().group_info(&giver.core).unwrap();
    reader.core.read_group_info(&bytes).unwrap()
}

/// Everything but the device itself is gone.
fn lose_state(person: &mut Person) {
    person.states = BTreeMap::new();
    person.head = None;
    person.key_packages.clear();
}

/// Commits from outside at the head of `giver`, and is at the child.
fn rejoin(people: &mut [Person], who: usize, giver: usize) -> OwnCommit {
    let info = info(&people[giver], &people[who]);
    let commit = people[who].core.rejoin(&info).unwrap();
    let rows = commit.child.snapshot().rows();
    people[who].states.insert(commit.header.id, rows);
    people[who].head = Some(commit.header.id);
    commit
}

/// protocol §5.6.1, §5.6.2
#[test]
fn a_device_that_lost_its_state_is_the_member_it_was() {
    for who in 0..4 {
        let mut people = group_of(4);
        let account = people[1].id();
        let role = Role::Admin;
        commit_by(&mut people, 0, &Operation::SetRole { account, role });
        let before = *people[who].snapshot().me().unwrap();
        lose_state(&mut people[who]);
        let commit = rejoin(&mut people, who, (who + 1) % 4);
        let header = &commit.header;
        assert_eq!(header.key.class, Class::Update);
        assert_eq!(header.rejoined, Some(before), "nothing in between was free");
        assert_eq!(header.author, people[who].id());
        assert!(header.added.is_empty() && header.removed.is_empty() && header.changes.is_empty());
        assert!(commit.welcome.is_none());
        for (i, person) in people.iter_mut().enumerate() {
            if i != who {
                assert_eq!(person.follow(&commit.message).unwrap(), *header);
            }
        }
        assert_eq!(people[who].snapshot().me(), Some(&before));
        assert_agree(&people);
        assert_talk(&mut people);
        commit_by(&mut people, who, &Operation::Update);
        commit_by(&mut people, (who + 2) % 4, &Operation::Update);
        assert_agree(&people);
        assert_talk(&mut people);
    }
}

#[test]
fn who_comes_back_takes_the_leftmost_free_leaf() {
    let mut people = group_of(4);
    let account = people[1].id();
    let removal = people[0].removal(account);
    commit_by(&mut people, 0, &removal);
    people.remove(1);
    lose_state(&mut people[2]);
    let commit = rejoin(&mut people, 2, 0);
    assert_eq!(commit.header.rejoined.unwrap().leaf, 1);
    for person in &mut people[..2] {
        assert_eq!(person.follow(&commit.message).unwrap(), commit.header);
    }
    assert_eq!(people[2].snapshot().me(), commit.header.rejoined.as_ref());
    assert_agree(&people);
    assert_talk(&mut people);
}

#[test]
fn a_state_seen_from_outside_is_the_state() {
    let people = group_of(3);
    let (snapshot, info) = (people[0].snapshot(), info(&people[0], &people[2]));
    assert_eq!(info.state(), snapshot.state());
    assert_eq!(info.epoch(), snapshot.epoch());
    assert_eq!(info.group_id(), snapshot.group_id());
    assert_eq!(info.data(), snapshot.data());
    assert_eq!(info.members(), snapshot.members());
    assert_eq!(
        info.member(people[1].core.device()),
        snapshot.member_by_leaf(1)
    );
    assert_eq!(info.member(person(9).core.device()), None);
}

/// protocol §5.3.4, §5.6.4
#[test]
fn who_has_no_secrets_judges_as_the_members_do() {
    let mut people = group_of(4);
    let account = people[3].id();
    let info = info(&people[0], &people[2]);
    let operations = [
        Operation::Update,
        people[0].removal(account),
        Operation::Rename {
            name: "coffee".to_owned(),
        },
        Operation::Add {
            key_packages: vec![person(9).key_package()],
        },
    ];
    for operation in operations {
        let commit = people[0].commit(&operation).unwrap();
        let judged = info.inspect_commit(&people[2].core, &commit.message);
        assert_eq!(judged.unwrap(), commit.header);
        // So does a member that has lost the secrets only, or made the commit itself and forgot it.
        for member in &people[..2] {
            let judged = member
                .snapshot()
                .inspect_commit_publicly(&member.core, &commit.message);
            assert_eq!(judged.unwrap(), commit.header);
        }
    }
    // What they refuse it refuses, and it tells what is of another state.
    people[0].head = Some(commit_by(&mut people, 0, &Operation::Update).id);
    let later = people[0].commit(&Operation::Update).unwrap();
    let judged = info.inspect_commit(&people[2].core, &later.message);
    assert!(matches!(
        judged,
        Err(Error::NeedsState(NeedsState::OtherEpoch { .. }))
    ));
    let said = people[0].send("hello");
    let judged = info.inspect_commit(&people[2].core, &said);
    assert!(judged.is_err());
}

/// protocol §5.6.5
#[test]
fn another_copy_of_the_device_sees_that_it_is_out() {
    let mut people = group_of(3);
    let copy = people[2].states.clone();
    let head = people[2].head;
    lose_state(&mut people[2]);
    let commit = rejoin(&mut people, 2, 0);
    people[2].states = copy;
    people[2].head = head;
    let header = people[2].follow(&commit.message).unwrap();
    let expected = CommitHeader {
        removes_me: true,
        ..commit.header
    };
    assert_eq!(header, expected);
    assert_eq!(header.author_device, people[2].core.device().id());
    assert_eq!(people[2].snapshot().me(), None);
    let refused = people[2].load_head().encrypt(&people[2].core, b"", b"x");
    assert_eq!(refused, Err(Error::NeedsState(NeedsState::NotMember)));
}

/// protocol §5.4.1
#[test]
fn two_comebacks_of_one_device_race_like_any_two_commits() {
    let mut people = group_of(3);
    lose_state(&mut people[2]);
    let first = rejoin(&mut people, 2, 0);
    let second = rejoin(&mut people, 2, 1);
    assert_eq!(first.header.key.tie, second.header.key.tie);
    assert_ne!(first.header.id, second.header.id);
    let winner = first.header.key.min(second.header.key).id;
    for person in &mut people[..2] {
        let keys = [&first, &second].map(|commit| person.receive(&commit.message).unwrap().key);
        assert_eq!(keys.iter().min().unwrap().id, winner);
        person.go(winner);
    }
    people[2].go(winner);
    assert_agree(&people);
    assert_talk(&mut people);
}

/// protocol §5.4.1, §5.6.3
#[test]
fn a_removal_wins_over_the_comeback_of_who_is_removed() {
    let mut people = group_of(3);
    let account = people[2].id();
    let removal = people[0].removal(account);
    let removal = people[0].commit(&removal).unwrap();
    let seen = info(&people[1], &people[2]);
    lose_state(&mut people[2]);
    let comeback = rejoin(&mut people, 2, 1);
    assert!(removal.header.key < comeback.header.key);
    // The one that came back judges alike, though it never had the secrets of the parent.
    let judged = seen
        .inspect_commit(&people[2].core, &removal.message)
        .unwrap();
    assert_eq!(judged, removal.header);
    people[0].receive(&comeback.message).unwrap();
    people[0].go(removal.header.id);
    people[1].receive(&comeback.message).unwrap();
    people[1].follow(&removal.message).unwrap();
    // At the new head there is nothing to come back to.
    let after = info(&people[0], &people[2]);
    assert_eq!(
        people[2].core.rejoin(&after).unwrap_err(),
        Error::NeedsState(NeedsState::NotMember)
    );
}

#[test]
fn a_comeback_races_with_a_key_renewal_by_the_tie_break() {
    let mut people = group_of(3);
    let renewal = people[1].commit(&Operation::Update).unwrap();
    let seen = info(&people[0], &people[2]);
    lose_state(&mut people[2]);
    let comeback = rejoin(&mut people, 2, 0);
    let rival = seen
        .inspect_commit(&people[2].core, &renewal.message)
        .unwrap();
    for header in [&rival, &people[0].receive(&renewal.message).unwrap()] {
        assert_eq!(*header, renewal.header);
    }
    people[0].receive(&comeback.message).unwrap();
    people[1].receive(&comeback.message).unwrap();
    let comeback_wins = comeback.header.key < renewal.header.key;
    let winner = if comeback_wins { &comeback } else { &renewal };
    people[0].go(winner.header.id);
    people[1].go(winner.header.id);
    if !comeback_wins {
        // It cannot follow the winner, so it comes back once more, behind it.
        lose_state(&mut people[2]);
        let again = rejoin(&mut people, 2, 0);
        people[0].follow(&again.message).unwrap();
        people[1].follow(&again.message).unwrap();
    }
    assert_agree(&people);
    assert_talk(&mut people);
}

#[test]
fn who_is_not_in_the_state_gives_and_gets_nothing() {
    let mut people = group_of(3);
    let stranger = person(9);
    let seen = info(&people[0], &stranger);
    let not_member = Error::NeedsState(NeedsState::NotMember);
    assert_eq!(stranger.core.rejoin(&seen).unwrap_err(), not_member);
    let account = people[2].id();
    let removal = people[0].removal(account);
    commit_by(&mut people, 0, &removal);
    let given = people[2].snapshot().group_info(&people[2].core);
    assert_eq!(given.unwrap_err(), not_member);
}

/// protocol §5.1.5, §5.6.2
#[test]
fn a_group_info_that_was_changed_on_the_way_is_refused() {
    let people = group_of(3);
    let reader = &people[2].core;
    let bytes = people[0].snapshot().group_info(&people[0].core).unwrap();
    for bit in (0..bytes.len() * 8).step_by(bytes.len() / 40) {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(reader.read_group_info(&changed).is_err(), "bit {bit}");
    }
    for len in (0..bytes.len()).step_by(bytes.len() / 40) {
        assert!(reader.read_group_info(&bytes[..len]).is_err());
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(reader.read_group_info(&longer).is_err());
    let too_long = vec![0; limits::HANDSHAKE_LEN_MAX + 1];
    let refused = |bytes: &[u8]| reader.read_group_info(bytes).unwrap_err();
    assert_eq!(refused(&too_long), Error::Invalid(Invalid::TooLong));
    let key_package = person(9).key_package();
    assert_eq!(
        refused(&key_package),
        Error::Invalid(Invalid::UnexpectedKind)
    );
}

#[test]
fn every_bit_of_a_comeback_counts() {
    let mut people = group_of(3);
    let seen = info(&people[0], &people[2]);
    lose_state(&mut people[2]);
    let commit = rejoin(&mut people, 2, 0).message;
    let (member, snapshot) = (&people[1], people[1].snapshot());
    let tag = commit.len() - 32;
    let bits = (0..tag * 8).step_by(tag / 30).chain(tag * 8 - 600..tag * 8);
    for bit in bits.step_by(3) {
        let mut changed = commit.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(snapshot.inspect_commit(&member.core, &changed).is_err());
        assert!(
            seen.inspect_commit(&member.core, &changed).is_err(),
            "bit {bit}"
        );
    }
    // The confirmation tag proves what only members can check.
    let mut changed = commit.clone();
    changed[tag] ^= 1;
    assert!(snapshot.inspect_commit(&member.core, &changed).is_err());
    let judged = seen.inspect_commit(&member.core, &changed);
    assert_eq!(judged, seen.inspect_commit(&member.core, &commit));
    let external = Error::Refused(Refusal::External);
    let sender = 2 + 2 + 17 + 8;
    assert_eq!(commit[sender], 4);
    let mut proposal_sender = commit;
    proposal_sender[sender] = 3;
    assert_eq!(sori_mls::peek(&proposal_sender).unwrap_err(), external);
}
