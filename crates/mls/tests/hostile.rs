//! Whatever bytes arrive: an error, never a panic, and never a change of state.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use common::{Person, group_of, person};
use proptest::prelude::*;
use sori_mls::{
    Device, Error, GroupData, HybridPublic, Invalid, Operation, Order, Refusal, Rows, limits, peek,
};

/// A member, and things made for it by another.
struct Scene {
    member: Person,
    commit: Vec<u8>,
    removal: Vec<u8>,
    message: Vec<u8>,
    welcome: Vec<u8>,
    key_package: Vec<u8>,
    invited: Person,
}

/// Built anew for each case would be slow; each thread of a test only reads it.
fn scene() -> Scene {
    let mut people = group_of(3);
    let mut invited = person(9);
    let key_package = invited.key_package();
    let account = people[1].id();
    let operations = [
        Operation::Add {
            key_packages: vec![key_package.clone()],
        },
        Operation::Update,
        people[0].removal(account),
    ];
    let [add, update, removal] = operations.map(|operation| people[0].commit(&operation).unwrap());
    let message = people[0].send("secret");
    Scene {
        member: people.remove(1),
        commit: update.message,
        removal: removal.message,
        message,
        welcome: add.welcome.unwrap(),
        key_package,
        invited,
    }
}

/// Offers bytes to everything that takes bytes, and wants an error each time.
fn offer(scene: &Scene, bytes: &[u8]) {
    let member = &scene.member;
    let mut snapshot = member.snapshot();
    let before = snapshot.rows();
    assert!(snapshot.inspect_commit(&member.core, bytes).is_err());
    assert!(snapshot.apply_commit(&member.core, bytes).is_err());
    assert!(snapshot.decrypt(&member.core, bytes).is_err());
    assert_eq!(snapshot.rows(), before);
    let private: Vec<_> = scene
        .invited
        .key_packages
        .iter()
        .map(|private| private.as_slice())
        .collect();
    assert!(scene.invited.core.join(bytes, &private).is_err());
    assert!(member.core.inspect_key_package(bytes).is_err());
}

fn flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

#[test]
fn the_scene_itself_is_valid() {
    let mut scene = scene();
    let snapshot = scene.member.snapshot();
    assert!(
        snapshot
            .inspect_commit(&scene.member.core, &scene.commit)
            .is_ok()
    );
    assert!(
        snapshot
            .inspect_commit(&scene.member.core, &scene.removal)
            .unwrap()
            .removes_me
    );
    assert_eq!(scene.member.read(&scene.message).unwrap(), "secret");
    assert!(
        scene
            .member
            .core
            .inspect_key_package(&scene.key_package)
            .is_ok()
    );
    assert!(scene.invited.join(&scene.welcome).is_ok());
}

#[test]
fn every_bit_near_the_ends_of_a_message_counts() {
    let scene = scene();
    for bytes in [
        &scene.commit,
        &scene.removal,
        &scene.message,
        &scene.welcome,
        &scene.key_package,
    ] {
        let bits = bytes.len() * 8;
        for bit in (0..bits.min(8 * 150))
            .step_by(3)
            .chain((bits - 8 * 70..bits).step_by(5))
        {
            offer(&scene, &flipped(bytes, bit));
        }
    }
}

#[test]
fn shortened_and_lengthened_messages_are_refused() {
    let scene = scene();
    for bytes in [
        &scene.commit,
        &scene.message,
        &scene.welcome,
        &scene.key_package,
    ] {
        for len in (0..bytes.len()).step_by(bytes.len() / 40 + 1) {
            offer(&scene, &bytes[..len]);
        }
        offer(&scene, &[bytes.as_slice(), &[0]].concat());
    }
}

/// protocol §5.1.5
#[test]
fn messages_over_their_limits_are_refused_at_once() {
    let scene = scene();
    let too_long = |wire_format: u8, len: usize| {
        let mut bytes = vec![0; len + 1];
        bytes[..4].copy_from_slice(&[0, 1, 0, wire_format]);
        bytes
    };
    let error = Err(Error::Invalid(Invalid::TooLong));
    assert_eq!(peek(&too_long(1, limits::HANDSHAKE_LEN_MAX)), error);
    assert_eq!(peek(&too_long(2, limits::APPLICATION_LEN_MAX)), error);
    let joined = scene
        .invited
        .core
        .join(&too_long(3, limits::HANDSHAKE_LEN_MAX), &[]);
    assert_eq!(joined.err(), Some(Error::Invalid(Invalid::TooLong)));
    let inspected = scene
        .member
        .core
        .inspect_key_package(&too_long(5, limits::KEY_PACKAGE_LEN_MAX));
    assert_eq!(inspected.err(), Some(Error::Invalid(Invalid::TooLong)));
    let mut head = scene.member.load_head();
    assert!(
        head.encrypt(
            &scene.member.core,
            b"",
            &vec![0; limits::APPLICATION_LEN_MAX]
        )
        .is_err()
    );
    let long = vec![7; limits::APPLICATION_LEN_MAX - 1024];
    let message = head.encrypt(&scene.member.core, b"", &long).unwrap();
    assert!(peek(&message).is_ok());
}

#[test]
fn one_kind_of_message_does_not_pass_for_another() {
    let scene = scene();
    let member = &scene.member;
    let mut snapshot = member.snapshot();
    let unexpected = Error::Invalid(Invalid::UnexpectedKind);
    assert_eq!(
        snapshot
            .inspect_commit(&member.core, &scene.message)
            .unwrap_err(),
        unexpected
    );
    assert_eq!(
        snapshot.decrypt(&member.core, &scene.commit).err().unwrap(),
        unexpected
    );
    assert_eq!(
        member.core.inspect_key_package(&scene.commit).unwrap_err(),
        unexpected
    );
    assert_eq!(
        member.core.join(&scene.commit, &[]).unwrap_err(),
        unexpected
    );
    assert_eq!(peek(&scene.welcome).unwrap_err(), unexpected);
}

#[test]
fn rows_that_are_damaged_or_foreign_are_refused() {
    let people = group_of(2);
    let rows = people[0].snapshot().rows();
    assert!(
        people[1].core.load(rows.clone()).is_err(),
        "another device's state"
    );
    assert!(people[0].core.load(Rows::default()).is_err());
    for (key, value) in &rows {
        for damaged in [
            None,
            Some(Vec::new()),
            Some(vec![0xFF; value.len()]),
            Some(value[..value.len() / 2].to_vec()),
        ] {
            let mut changed = rows.clone();
            changed.apply(&BTreeMap::from([(key.clone(), damaged)]));
            // Empty lists read the same as absent ones; everything else must be noticed or be harmless.
            let _ = people[0].core.load(changed);
        }
    }
}

#[test]
fn peek_refuses_what_no_group_accepts() {
    let commit = scene().commit;
    // Version, wire format, group id with its length, epoch: then the kind of sender.
    let sender = 2 + 2 + 17 + 8;
    let mut external = commit.clone();
    external[sender] = 3;
    assert_eq!(
        peek(&external).unwrap_err(),
        Error::Refused(Refusal::External)
    );
    let aad = sender + 1 + 4;
    let mut other_aad = commit;
    other_aad[aad + 1] = 9;
    assert_eq!(
        peek(&other_aad).unwrap_err(),
        Error::Refused(Refusal::AssociatedData)
    );
}

thread_local! {
    static SCENE: LazyLock<Scene> = LazyLock::new(scene);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn garbage_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        SCENE.with(|scene| offer(scene, &bytes));
        let _ = GroupData::decode(&bytes);
        let _ = Order::decode(&bytes);
        let _ = HybridPublic::from_bytes(&bytes);
        prop_assert!(Device::from_bytes(&bytes).is_err());
        prop_assert!(SCENE.with(|scene| scene.member.core.join(&scene.welcome, &[&bytes]).is_err()));
    }

    #[test]
    fn garbage_behind_a_true_beginning_is_refused(
        which in 0_usize..4,
        cut in any::<prop::sample::Index>(),
        tail in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        SCENE.with(|scene| {
            let bytes = [&scene.commit, &scene.message, &scene.welcome, &scene.key_package][which];
            let mut changed = bytes[..cut.index(bytes.len())].to_vec();
            changed.extend_from_slice(&tail);
            prop_assume!(changed != *bytes);
            offer(scene, &changed);
            Ok(())
        })?;
    }

    #[test]
    fn tampered_messages_are_refused(
        which in 0_usize..5,
        bits in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
    ) {
        SCENE.with(|scene| {
            let bytes = [&scene.commit, &scene.removal, &scene.message, &scene.welcome, &scene.key_package][which];
            let changed = bits.iter().fold(bytes.clone(), |bytes, bit| flipped(&bytes, bit.index(bytes.len() * 8)));
            prop_assume!(changed != *bytes);
            offer(scene, &changed);
            Ok(())
        })?;
    }
}
