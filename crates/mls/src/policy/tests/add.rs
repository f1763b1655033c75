//! Class 2: devices that are added.

use super::*;

/// protocol §5.3.5
#[test]
fn a_conversation_of_two_stays_one() {
    let mut people = [person(1), person(2)];
    let owner = people[0].id();
    people[0].create(GroupData::new(owner, String::new(), Conversation::Direct));
    let key_packages = vec![people[1].key_package()];
    let commit = people[0].commit(&Operation::Add { key_packages }).unwrap();
    people[0].go(commit.header.id);
    people[1].join(&commit.welcome.unwrap()).unwrap();
    let third = key_package_of(&mut person(3), &people[0]);
    let commit = craft(&people[0], |builder| builder.propose_adds([third]));
    assert_refused(&people[1], &commit, Refusal::DirectIsFull);
    // Another device of one of the two is welcome.
    let second_device = key_package_of(
        &mut device_of(AccountKey::from_bytes(&[1; 32]), 60),
        &people[0],
    );
    let commit = craft(&people[0], |builder| builder.propose_adds([second_device]));
    assert_eq!(verdict(&people[1], &commit), Ok(Class::Add));
    assert_refused(
        &people[1],
        &craft_data(&people[0], |data| data.direct = Conversation::Group),
        Refusal::GroupData,
    );
}

/// protocol §5.3.5
#[test]
fn a_device_is_in_the_group_once() {
    let people = group_of(2);
    let account = AccountKey::from_bytes(&[2; 32]);
    let twin = Device::with_id(&account, people[1].core.device().id(), &[99; 32]);
    let mut twin = Person {
        core: crate::Core::new(twin, [5; 32]).unwrap(),
        ..device_of(account, 61)
    };
    let package = key_package_of(&mut twin, &people[0]);
    let commit = craft(&people[0], |builder| builder.propose_adds([package]));
    assert_refused(&people[1], &commit, Refusal::DuplicateDevice);
}

/// protocol §3.2.5
#[test]
fn added_key_packages_must_fit() {
    let people = group_of(2);
    let added = |package: KeyPackage| {
        let commit = craft(&people[0], |builder| builder.propose_adds([package]));
        verdict(&people[1], &commit).unwrap_err()
    };
    let newcomer = person(9);
    let refused = Error::Refused(Refusal::KeyPackage);
    assert_eq!(
        added(odd_key_package(
            &newcomer,
            capabilities(),
            Lifetime::new(3600),
            false
        )),
        refused
    );
    let last_resort = Capabilities::new(
        None,
        Some(&[CIPHERSUITE]),
        Some(&[
            ExtensionType::Unknown(GROUP_DATA_EXTENSION),
            ExtensionType::LastResort,
        ]),
        Some(&[]),
        None,
    );
    assert_eq!(
        added(odd_key_package(
            &newcomer,
            last_resort.clone(),
            lifetime(),
            true
        )),
        refused
    );
    // More capabilities than ours do no harm: later versions will have them.
    let package = odd_key_package(&newcomer, last_resort, lifetime(), false);
    let commit = craft(&people[0], |builder| builder.propose_adds([package]));
    assert_eq!(verdict(&people[1], &commit), Ok(Class::Add));
}

#[test]
fn inspection_and_policy_agree_on_key_packages() {
    let newcomer = person(9);
    let core = &person(1).core;
    let bytes = |package: KeyPackage| {
        openmls::prelude::MlsMessageOut::from(package)
            .to_bytes()
            .unwrap()
    };
    let limited = bytes(odd_key_package(
        &newcomer,
        capabilities(),
        Lifetime::new(3600),
        false,
    ));
    assert_eq!(
        core.inspect_key_package(&limited).unwrap_err(),
        Error::Refused(Refusal::KeyPackage)
    );
    let without = Capabilities::new(None, Some(&[CIPHERSUITE]), Some(&[]), Some(&[]), None);
    let without = bytes(odd_key_package(&newcomer, without, lifetime(), false));
    assert_eq!(
        core.inspect_key_package(&without).unwrap_err(),
        Error::Refused(Refusal::KeyPackage)
    );
    let expired = bytes(odd_key_package(
        &newcomer,
        capabilities(),
        Lifetime::init(0, 1),
        false,
    ));
    assert_eq!(
        core.inspect_key_package(&expired).unwrap_err(),
        Error::Invalid(Invalid::KeyPackage)
    );
    let forged = Device::forged(&newcomer.account.id(), &[3; 32]);
    let forger = Person {
        core: crate::Core::new(forged, [5; 32]).unwrap(),
        ..person(9)
    };
    let forged = bytes(odd_key_package(&forger, capabilities(), lifetime(), false));
    assert_eq!(
        core.inspect_key_package(&forged).unwrap_err(),
        Error::Invalid(Invalid::Credential)
    );
}

/// protocol §3.2.4
#[test]
fn a_credential_without_the_accounts_signature_is_never_added_or_joined() {
    let people = group_of(2);
    let forged = Device::forged(&person(5).id(), &[3; 32]);
    let forger = Person {
        core: crate::Core::new(forged, [5; 32]).unwrap(),
        ..person(5)
    };
    let package = odd_key_package(&forger, capabilities(), lifetime(), false);
    let commit = craft(&people[0], |builder| builder.propose_adds([package]));
    assert_eq!(
        verdict(&people[1], &commit),
        Err(Error::Invalid(Invalid::Credential))
    );

    // A group founded by such a device is not joined.
    let mut victim = person(6);
    let data = GroupData::new(
        forger.core.device().account(),
        String::new(),
        Conversation::Group,
    );
    let head = forger.core.create_group(common::GROUP, data).unwrap();
    let add = Operation::Add {
        key_packages: vec![victim.key_package()],
    };
    let welcome = head.commit(&forger.core, &add).unwrap().welcome.unwrap();
    assert_eq!(
        victim.join(&welcome).unwrap_err(),
        Error::Invalid(Invalid::Credential)
    );
}

/// protocol §5.3.3
#[test]
fn a_full_batch_is_added_at_once_and_one_more_is_not() {
    let mut people = group_of(1);
    let mut newcomers: Vec<_> = (2..).take(ADDS_PER_COMMIT_MAX + 1).map(person).collect();
    let mut key_packages: Vec<_> = newcomers.iter_mut().map(Person::key_package).collect();
    let one_more = people[0]
        .commit(&Operation::Add {
            key_packages: key_packages.clone(),
        })
        .unwrap_err();
    assert_eq!(one_more, Error::Refused(Refusal::TooMany));
    key_packages.truncate(ADDS_PER_COMMIT_MAX);
    let commit = people[0].commit(&Operation::Add { key_packages }).unwrap();
    people[0].go(commit.header.id);
    newcomers[ADDS_PER_COMMIT_MAX - 1]
        .join(commit.welcome.as_ref().unwrap())
        .unwrap();
    people.push(newcomers.swap_remove(ADDS_PER_COMMIT_MAX - 1));
    common::assert_agree(&people);
    commit_by(&mut people, 1, &Operation::Update);
    common::assert_talk(&mut people);
}

#[test]
fn commits_add_a_bounded_number() {
    let people = group_of(2);
    let mut newcomer = person(9);
    let package = key_package_of(&mut newcomer, &people[0]);
    let snapshot = people[0].snapshot();
    let count = |count: usize| {
        crate::policy::added_members(snapshot.public(), snapshot.data(), &vec![&package; count])
            .unwrap_err()
    };
    assert_eq!(
        count(ADDS_PER_COMMIT_MAX + 1),
        Error::Refused(Refusal::TooMany)
    );
    assert_eq!(
        count(ADDS_PER_COMMIT_MAX),
        Error::Refused(Refusal::DuplicateDevice)
    );
}
