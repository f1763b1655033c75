//! One test for each rule: a commit that MLS accepts and the group must not.
//!
//! The commits are made with OpenMLS directly, as a member with a changed program would.

#[path = "../../tests/common/mod.rs"]
pub(super) mod common;

use openmls::prelude::{
    Capabilities, Ciphersuite, CredentialType, CredentialWithKey, Extension, ExtensionType,
    Extensions, GroupContext, KeyPackage, LeafNodeIndex, LeafNodeParameters, Lifetime, MlsGroup,
    NewSignerBundle, PreSharedKeyProposal, Proposal, RequiredCapabilitiesExtension, Sender,
    UnknownExtension,
};
use openmls::prelude::{CommitBuilder, Initial};

use self::common::{Person, commit_by, device_of, group_of, person};
use crate::commit::CommitAad;
use crate::crypto::CIPHERSUITE;
use crate::key_package::{capabilities, lifetime};
use crate::limits::{ADDS_PER_COMMIT_MAX, ORDER_AGE_EPOCHS_MAX};
use crate::storage::RowStore;
use crate::{
    AccountId, AccountKey, Class, Conversation, Device, Epoch, Error, GROUP_DATA_EXTENSION,
    GroupData, Invalid, JoinPolicy, NeedsState, Operation, Order, Refusal, Role, StateId,
};

type Builder<'a> = CommitBuilder<'a, Initial>;

/// A commit with any content and associated data, on the head of its author.
fn craft_with(
    author: &Person,
    aad: Vec<u8>,
    fill: impl FnOnce(Builder<'_>) -> Builder<'_>,
) -> Vec<u8> {
    let (store, mut group) = author.snapshot().into_parts();
    let crypto = author.core.crypto();
    let provider = crypto.provider(&store).unwrap();
    group.set_aad(aad);
    fill(group.commit_builder())
        .load_psks(&store)
        .unwrap()
        .build(crypto, crypto, author.core.device(), |_| true)
        .unwrap()
        .stage_commit(&provider)
        .unwrap()
        .into_commit()
        .to_bytes()
        .unwrap()
}

fn aad(author: &Person, orders: Vec<Order>) -> Vec<u8> {
    CommitAad {
        parent: author.snapshot().state(),
        orders,
    }
    .encode()
    .unwrap()
}

/// A commit with any content and true associated data.
fn craft(author: &Person, fill: impl FnOnce(Builder<'_>) -> Builder<'_>) -> Vec<u8> {
    craft_with(author, aad(author, Vec::new()), fill)
}

/// A commit that sets this group data and nothing else.
fn craft_data(author: &Person, change: impl FnOnce(&mut GroupData)) -> Vec<u8> {
    let mut data = author.snapshot().data().clone();
    change(&mut data);
    craft(author, |builder| set_data(builder, &data))
}

fn set_data<'a>(builder: Builder<'a>, data: &GroupData) -> Builder<'a> {
    builder
        .propose_group_context_extensions(data.to_extensions().unwrap())
        .unwrap()
}

fn verdict(receiver: &Person, commit: &[u8]) -> Result<Class, Error> {
    receiver
        .snapshot()
        .inspect_commit(&receiver.core, commit)
        .map(|header| header.key.class)
}

#[track_caller]
fn assert_refused(receiver: &Person, commit: &[u8], refusal: Refusal) {
    assert_eq!(verdict(receiver, commit), Err(Error::Refused(refusal)));
}

fn leaf(people: &[Person], account: &AccountId) -> LeafNodeIndex {
    let snapshot = people[0].snapshot();
    LeafNodeIndex::new(
        snapshot
            .members()
            .iter()
            .find(|member| member.account == *account)
            .unwrap()
            .leaf,
    )
}

fn key_package_of(person: &mut Person, by: &Person) -> KeyPackage {
    by.core.parse_key_package(&person.key_package()).unwrap()
}

/// A KeyPackage that differs from ours.
fn odd_key_package(
    person: &Person,
    capabilities: Capabilities,
    lifetime: Lifetime,
    last_resort: bool,
) -> KeyPackage {
    let store = RowStore::default();
    let provider = person.core.crypto().provider(&store).unwrap();
    let mut builder = KeyPackage::builder()
        .leaf_node_capabilities(capabilities)
        .key_package_lifetime(lifetime);
    if last_resort {
        builder = builder.mark_as_last_resort();
    }
    let device = person.core.device();
    builder
        .build(CIPHERSUITE, &provider, device, device.credential())
        .unwrap()
        .into_key_package()
}

/// Three people: owner, admin, member.
fn ranked(count: u8) -> Vec<Person> {
    let mut people = group_of(count);
    let account = people[1].id();
    commit_by(
        &mut people,
        0,
        &Operation::SetRole {
            account,
            role: Role::Admin,
        },
    );
    people
}

#[test]
fn crafted_commits_pass_when_they_keep_the_rules() {
    let people = ranked(3);
    assert_eq!(
        verdict(
            &people[2],
            &craft(&people[0], |builder| builder.force_self_update(true))
        ),
        Ok(Class::Update)
    );
    let renamed = craft_data(&people[1], |data| data.name.push('x'));
    assert_eq!(verdict(&people[2], &renamed), Ok(Class::GroupData));
}

/// protocol §5.3.2
#[test]
fn associated_data_must_name_the_parent() {
    let people = group_of(2);
    let update =
        |aad: Vec<u8>| craft_with(&people[0], aad, |builder| builder.force_self_update(true));
    for aad in [
        Vec::new(),
        b"other".to_vec(),
        [aad(&people[0], Vec::new()), vec![0]].concat(),
    ] {
        assert_refused(&people[1], &update(aad), Refusal::AssociatedData);
    }
    let parent = StateId::from_bytes([1; 32]);
    let elsewhere = CommitAad {
        parent,
        orders: Vec::new(),
    }
    .encode()
    .unwrap();
    let other_parent = NeedsState::OtherParent { parent };
    assert_eq!(
        verdict(&people[1], &update(elsewhere)),
        Err(Error::NeedsState(other_parent))
    );
}

/// protocol §5.1.3
#[test]
fn proposals_by_reference_are_refused() {
    let people = group_of(3);
    let (store, mut group) = people[0].snapshot().into_parts();
    let crypto = people[0].core.crypto();
    let provider = crypto.provider(&store).unwrap();
    let device = people[0].core.device();
    let target = LeafNodeIndex::new(2);
    let (proposal, _) = group
        .propose_remove_member(&provider, device, target)
        .unwrap();
    assert_refused(
        &people[1],
        &proposal.to_bytes().unwrap(),
        Refusal::ByReference,
    );
    group.set_aad(aad(&people[0], Vec::new()));
    let (commit, _, _) = group
        .commit_to_pending_proposals(&provider, device)
        .unwrap();
    assert_refused(
        &people[1],
        &commit.to_bytes().unwrap(),
        Refusal::ByReference,
    );
}

/// protocol §3.2.4
#[test]
fn account_device_and_key_cannot_change() {
    let people = group_of(2);
    let author = &people[0];
    let other = device_of(AccountKey::from_bytes(&[1; 32]), 77);
    let stolen = CredentialWithKey {
        credential: other.core.device().credential().credential,
        signature_key: author.core.device().credential().signature_key,
    };
    let parameters = LeafNodeParameters::builder()
        .with_credential_with_key(stolen)
        .build();
    let commit = craft(author, |builder| builder.leaf_node_parameters(parameters));
    assert_refused(&people[1], &commit, Refusal::ChangedCredential);

    // The whole leaf, credential and key, of another device of the same account.
    let (store, mut group) = author.snapshot().into_parts();
    let crypto = author.core.crypto();
    let provider = crypto.provider(&store).unwrap();
    group.set_aad(aad(author, Vec::new()));
    let device = other.core.device();
    let signer = NewSignerBundle {
        signer: device,
        credential_with_key: device.credential(),
    };
    let commit = group
        .commit_builder()
        .load_psks(&store)
        .unwrap()
        .build_with_new_signer(crypto, crypto, author.core.device(), signer, |_| true)
        .unwrap()
        .stage_commit(&provider)
        .unwrap();
    assert_refused(
        &people[1],
        &commit.into_commit().to_bytes().unwrap(),
        Refusal::ChangedCredential,
    );
}

/// protocol §3.2.5
#[test]
fn capabilities_cannot_shrink_and_leaf_extensions_are_not_in_use() {
    let people = group_of(2);
    let fewer = Capabilities::new(
        None,
        Some(&[Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519]),
        Some(&[ExtensionType::Unknown(GROUP_DATA_EXTENSION)]),
        Some(&[]),
        Some(&[CredentialType::Basic]),
    );
    let parameters = LeafNodeParameters::builder()
        .with_capabilities(fewer)
        .build();
    let commit = craft(&people[0], |builder| {
        builder.leaf_node_parameters(parameters)
    });
    assert!(verdict(&people[1], &commit).is_err());
    let unknown = Extension::Unknown(GROUP_DATA_EXTENSION, UnknownExtension(vec![1]));
    let parameters = LeafNodeParameters::builder()
        .with_extensions(Extensions::single(unknown).unwrap())
        .build();
    let commit = craft(&people[0], |builder| {
        builder.leaf_node_parameters(parameters)
    });
    assert_refused(&people[1], &commit, Refusal::KeyPackage);
}

/// protocol §5.3.3, §5.3.4
#[test]
fn each_commit_has_one_class() {
    let people = ranked(4);
    let owner = &people[0];
    let target = leaf(&people, &people[3].id());
    let mut data = owner.snapshot().data().clone();
    data.name.push('x');
    let add = || vec![key_package_of(&mut person(9), owner)];
    let commits = [
        craft(owner, |builder| {
            builder.propose_adds(add()).propose_removals([target])
        }),
        craft(owner, |builder| {
            set_data(builder.propose_adds(add()), &data)
        }),
        craft(owner, |builder| {
            set_data(
                builder.propose_adds(add()).propose_removals([target]),
                &data,
            )
        }),
    ];
    for commit in commits {
        assert_refused(&people[2], &commit, Refusal::Content);
    }
    let renamed_too = craft(owner, |builder| {
        set_data(builder.propose_removals([target]), &data)
    });
    assert_refused(&people[2], &renamed_too, Refusal::GroupData);
    let role_too = craft_data(owner, |data| {
        data.name.push('x');
        data.admins.clear();
    });
    assert_refused(&people[2], &role_too, Refusal::Content);
}

/// protocol §5.3.4, §5.5.4
#[test]
fn orders_need_their_removal_and_removals_nothing_else() {
    let people = ranked(4);
    let order = |i: usize| people[i].core.leave_order(&people[i].snapshot()).unwrap();
    let owner = &people[0];
    let with = |orders: Vec<Order>, removed: &[usize], spent: &[Order]| {
        let mut data = crate::roles::after_orders(owner.snapshot().public(), spent).unwrap();
        data.admins
            .retain(|admin| !removed.iter().any(|i| people[*i].id() == *admin));
        let leaves = removed
            .iter()
            .map(|i| leaf(&people, &people[*i].id()))
            .collect::<Vec<_>>();
        craft_with(owner, aad(owner, orders), |builder| {
            set_data(builder.propose_removals(leaves), &data)
        })
    };
    assert_eq!(
        verdict(&people[1], &with(vec![order(3)], &[3], &[order(3)])),
        Err(Error::Refused(Refusal::GroupData))
    );
    let third = order(3);
    let spend = std::slice::from_ref(&third);
    assert_eq!(
        verdict(&people[2], &with(vec![third.clone()], &[3], spend)),
        Ok(Class::Leave)
    );
    // Another is removed along with, or instead of, who leaves.
    assert_refused(
        &people[1],
        &with(vec![third.clone()], &[2, 3], spend),
        Refusal::Order,
    );
    assert_refused(
        &people[1],
        &with(vec![third.clone()], &[2], spend),
        Refusal::Order,
    );
    // The same order twice.
    let twice = vec![third.clone(), third.clone()];
    assert_refused(&people[1], &with(twice, &[3], spend), Refusal::Order);
    // Not marked as spent, or another one marked.
    assert_refused(
        &people[1],
        &with(vec![third.clone()], &[3], &[]),
        Refusal::GroupData,
    );
    assert_refused(
        &people[1],
        &with(vec![third.clone()], &[3], &[order(2)]),
        Refusal::GroupData,
    );
    // An admin who leaves also leaves the table.
    let second = order(1);
    let mut data =
        crate::roles::after_orders(owner.snapshot().public(), std::slice::from_ref(&second))
            .unwrap();
    data.admins.push(people[1].id());
    let commit = craft_with(owner, aad(owner, vec![second]), |builder| {
        set_data(
            builder.propose_removals([leaf(&people, &people[1].id())]),
            &data,
        )
    });
    assert_refused(&people[2], &commit, Refusal::GroupData);
    // Orders without any content.
    let empty = craft_with(owner, aad(owner, vec![third]), |builder| {
        builder.force_self_update(true)
    });
    assert_refused(&people[2], &empty, Refusal::Content);
}

/// protocol §5.5.4
#[test]
fn orders_must_be_signed_current_and_of_this_group() {
    let mut people = group_of(3);
    let snapshot = people[2].snapshot();
    let order = people[2].core.leave_order(&snapshot).unwrap();
    let refused = Err(Error::Refused(Refusal::Order));
    let realise = |people: &mut [Person], order: Order| {
        people[1]
            .commit(&Operation::Realise {
                orders: vec![order],
            })
            .map(|commit| commit.header.key.class)
    };

    let mut forged = order.encode().unwrap();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(
        realise(&mut people, Order::decode(&forged).unwrap()),
        refused
    );
    let by_another = order.with(people[1].core.device(), |_| {});
    assert_eq!(realise(&mut people, by_another), refused);
    let device = people[2].core.device();
    let for_another = order.with(device, |body| {
        body.target = people[1].core.device().account()
    });
    let other_group = order.with(device, |body| {
        body.group = crate::GroupId::from_bytes([0; 16])
    });
    let far = order.with(device, |body| {
        body.base_epoch = Epoch(ORDER_AGE_EPOCHS_MAX + 2)
    });
    let near = order.with(device, |body| {
        body.base_epoch = Epoch(ORDER_AGE_EPOCHS_MAX + 1)
    });
    for order in [for_another, other_group, far] {
        assert_eq!(realise(&mut people, order), refused);
    }
    assert_eq!(realise(&mut people, near), Ok(Class::Leave));
    assert_eq!(realise(&mut people, order), Ok(Class::Leave));
}

/// protocol §5.5.3, §5.5.4
#[test]
fn nobody_realises_that_the_owner_leaves() {
    let mut people = group_of(2);
    let order = people[1].core.leave_order(&people[1].snapshot()).unwrap();
    let owner = people[0].core.device();
    let account = owner.account();
    let order = order.with(owner, |body| {
        (body.target, body.issuer, body.issuer_device) = (account, account, owner.id());
    });
    let refused = people[1]
        .commit(&Operation::Realise {
            orders: vec![order],
        })
        .unwrap_err();
    assert_eq!(refused, Error::Refused(Refusal::OwnerLeaves));
}

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

/// protocol §5.1.3
#[test]
fn external_commits_are_refused() {
    let people = group_of(2);
    let (_, group) = people[0].snapshot().into_parts();
    let info = group
        .export_group_info(people[0].core.crypto(), people[0].core.device(), true)
        .unwrap();
    let info = openmls::prelude::MlsMessageIn::from(info);
    let openmls::prelude::MlsMessageBodyIn::GroupInfo(info) = info.extract() else {
        panic!("a GroupInfo was made");
    };
    let joiner = person(3);
    let store = RowStore::default();
    let crypto = joiner.core.crypto();
    let provider = crypto.provider(&store).unwrap();
    let parameters = LeafNodeParameters::builder()
        .with_capabilities(capabilities())
        .build();
    let (_, bundle) = MlsGroup::external_commit_builder()
        .with_aad(aad(&people[0], Vec::new()))
        .build_group(&provider, info, joiner.core.device().credential())
        .unwrap()
        .leaf_node_parameters(parameters)
        .load_psks(&store)
        .unwrap()
        .build(crypto, crypto, joiner.core.device(), |_| true)
        .unwrap()
        .finalize(&provider)
        .unwrap();
    assert_refused(
        &people[1],
        &bundle.into_commit().to_bytes().unwrap(),
        Refusal::External,
    );
}

/// protocol §5.1.2
#[test]
fn group_data_must_be_ours_and_well_formed() {
    let people = group_of(2);
    let owner = &people[0];
    let required = |types: &[ExtensionType]| {
        Extension::RequiredCapabilities(RequiredCapabilitiesExtension::new(types, &[], &[]))
    };
    let ours = ExtensionType::Unknown(GROUP_DATA_EXTENSION);
    let data = owner.snapshot().data().encode().unwrap();
    let unknown =
        |bytes: Vec<u8>| Extension::Unknown(GROUP_DATA_EXTENSION, UnknownExtension(bytes));
    let set = |extensions: Vec<Extension>| {
        let extensions: Extensions<GroupContext> = Extensions::from_vec(extensions).unwrap();
        craft(owner, |builder| {
            builder
                .propose_group_context_extensions(extensions)
                .unwrap()
        })
    };
    let trailing = [data, vec![0]].concat();
    let commits = [
        set(vec![required(&[ours])]),
        set(vec![required(&[ours]), unknown(Vec::new())]),
        set(vec![required(&[ours]), unknown(vec![0xFF; 100])]),
        set(vec![required(&[ours]), unknown(trailing)]),
    ];
    for commit in commits {
        assert_eq!(
            verdict(&people[1], &commit),
            Err(Error::Invalid(Invalid::GroupData))
        );
    }
    assert_refused(&people[1], &craft_data(owner, |_| {}), Refusal::GroupData);
    let spend = craft_data(owner, |data| data.spent_orders.push((Epoch(0), [1; 32])));
    assert_refused(&people[1], &spend, Refusal::GroupData);
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

/// protocol §5.3.3, §5.3.4
#[test]
fn members_change_nothing_but_themselves() {
    let mut people = ranked(4);
    let member = &people[3];
    assert_refused(
        &people[0],
        &craft_data(member, |data| data.name.push('x')),
        Refusal::NotAllowed,
    );
    assert_refused(
        &people[0],
        &craft_data(member, |data| data.admins.clear()),
        Refusal::NotAllowed,
    );
    assert_refused(
        &people[0],
        &craft_data(member, |data| data.owner = member.id()),
        Refusal::NotAllowed,
    );
    let target = leaf(&people, &people[2].id());
    let removal = craft(member, |builder| builder.propose_removals([target]));
    assert_refused(&people[0], &removal, Refusal::NotAllowed);
    let package = key_package_of(&mut person(9), member);
    let add = craft(member, |builder| builder.propose_adds([package]));
    assert_refused(&people[0], &add, Refusal::NotAllowed);

    // Unless the group lets members add.
    let opened = craft_data(&people[0], |data| data.join_policy = JoinPolicy::Members);
    for person in &mut people[1..] {
        person.follow(&opened).unwrap();
    }
    let package = key_package_of(&mut person(9), &people[3]);
    let add = craft(&people[3], |builder| builder.propose_adds([package]));
    assert_eq!(verdict(&people[2], &add), Ok(Class::Add));
}

/// protocol §5.3.3, §5.3.4
#[test]
fn only_the_owner_appoints() {
    let people = ranked(3);
    let admin = &people[1];
    let third = people[2].id();
    assert_refused(
        &people[0],
        &craft_data(admin, |data| data.admins.push(third)),
        Refusal::NotAllowed,
    );
    let crown_self = craft_data(admin, |data| {
        data.admins = vec![data.owner];
        data.owner = admin.id();
    });
    assert_refused(&people[0], &crown_self, Refusal::NotAllowed);
    let appoint = craft_data(&people[0], |data| data.admins.push(third));
    assert_eq!(verdict(&people[2], &appoint), Ok(Class::GroupData));
    let step_down = craft_data(admin, |data| data.admins.clear());
    assert_eq!(verdict(&people[2], &step_down), Ok(Class::GroupData));
    assert_eq!(
        verdict(
            &people[2],
            &craft_data(&people[0], |data| data.admins.clear())
        ),
        Ok(Class::Moderation)
    );
}

/// protocol §5.3.5
#[test]
fn the_role_table_moves_one_step_at_a_time() {
    let mut people = ranked(4);
    let account = people[2].id();
    commit_by(
        &mut people,
        0,
        &Operation::SetRole {
            account,
            role: Role::Admin,
        },
    );
    let owner = &people[0];
    let stranger = person(9).id();
    let fourth = people[3].id();
    let refuse = |change: fn(&mut GroupData, AccountId), account| {
        assert_refused(
            &people[3],
            &craft_data(owner, |data| change(data, account)),
            Refusal::GroupData,
        );
    };
    refuse(|data, _| data.admins.reverse(), fourth);
    refuse(|data, _| data.admins.clear(), fourth);
    refuse(|data, account| data.admins.push(account), stranger);
    refuse(|data, account| data.admins.insert(0, account), fourth);
    refuse(|data, account| data.admins[0] = account, fourth);
    refuse(|data, account| data.owner = account, fourth);
    refuse(|data, account| data.owner = account, stranger);
}

/// protocol §5.3.1, §5.3.3, §5.3.4
#[test]
fn equal_and_higher_ranks_are_safe() {
    let mut people = ranked(4);
    let account = people[2].id();
    commit_by(
        &mut people,
        0,
        &Operation::SetRole {
            account,
            role: Role::Admin,
        },
    );
    let [owner, senior, junior] = [0, 1, 2].map(|i| people[i].id());
    let remove = |author: usize, target: &AccountId| {
        let data = crate::roles::without(people[author].snapshot().data(), &[*target]);
        let commit = craft(&people[author], |builder| {
            let builder = builder.propose_removals([leaf(&people, target)]);
            if data == *people[author].snapshot().data() {
                builder
            } else {
                set_data(builder, &data)
            }
        });
        verdict(&people[3], &commit)
    };
    let outranked = Err(Error::Refused(Refusal::Outranked));
    assert_eq!(remove(1, &owner), outranked);
    assert_eq!(remove(2, &owner), outranked);
    assert_eq!(remove(2, &senior), outranked);
    assert_eq!(remove(1, &junior), Ok(Class::Moderation));
    assert_eq!(remove(0, &senior), Ok(Class::Moderation));
    let demote = |author: usize, target: AccountId| {
        verdict(
            &people[3],
            &craft_data(&people[author], |data| {
                data.admins.retain(|admin| *admin != target)
            }),
        )
    };
    assert_eq!(demote(2, senior), outranked);
    assert_eq!(demote(1, junior), Ok(Class::Moderation));
}

/// protocol §5.3.5
#[test]
fn a_removed_admin_leaves_the_table_in_the_same_commit() {
    let people = ranked(3);
    let target = leaf(&people, &people[1].id());
    let kept = craft(&people[0], |builder| builder.propose_removals([target]));
    assert_refused(&people[2], &kept, Refusal::GroupData);
    let third = leaf(&people, &people[2].id());
    let needless = craft(&people[0], |builder| {
        set_data(
            builder.propose_removals([third]),
            people[0].snapshot().data(),
        )
    });
    assert_refused(&people[1], &needless, Refusal::GroupData);
}

/// protocol §5.3.5
#[test]
fn accounts_are_removed_whole() {
    let mut people = group_of(2);
    let mut second = device_of(AccountKey::from_bytes(&[2; 32]), 50);
    let add = Operation::Add {
        key_packages: vec![second.key_package()],
    };
    let commit = people[1].commit(&add).unwrap();
    people[1].go(commit.header.id);
    people[0].follow(&commit.message).unwrap();
    second.join(&commit.welcome.unwrap()).unwrap();
    let one = craft(&people[0], |builder| {
        builder.propose_removals([LeafNodeIndex::new(1)])
    });
    assert_refused(&people[1], &one, Refusal::PartialRemoval);
    let both = [LeafNodeIndex::new(1), LeafNodeIndex::new(2)];
    let both = craft(&people[0], |builder| builder.propose_removals(both));
    assert_eq!(verdict(&people[1], &both), Ok(Class::Moderation));
    // Who has several devices may remove one of them.
    let own = craft(&people[1], |builder| {
        builder.propose_removals([LeafNodeIndex::new(2)])
    });
    assert_eq!(verdict(&people[0], &own), Ok(Class::Leave));
    // An order to leave takes all devices, or it is not realised.
    let order = people[1].core.leave_order(&people[1].snapshot()).unwrap();
    let owner = &people[0];
    let data = crate::roles::after_orders(owner.snapshot().public(), std::slice::from_ref(&order))
        .unwrap();
    let half = craft_with(owner, aad(owner, vec![order]), |builder| {
        set_data(builder.propose_removals([LeafNodeIndex::new(1)]), &data)
    });
    assert_refused(&people[1], &half, Refusal::PartialRemoval);
    // The second device cannot realise that its own account leaves.
    second.go(second.head.unwrap());
    let order = people[1].core.leave_order(&people[1].snapshot()).unwrap();
    let data = crate::roles::after_orders(second.snapshot().public(), std::slice::from_ref(&order))
        .unwrap();
    let own = craft_with(&second, aad(&second, vec![order]), |builder| {
        set_data(builder.propose_removals([LeafNodeIndex::new(1)]), &data)
    });
    assert_refused(&people[0], &own, Refusal::NotAllowed);
}

/// protocol §5.1.3
#[test]
fn pre_shared_keys_are_not_in_use() {
    use openmls::schedule::{ExternalPsk, PreSharedKeyId, Psk};
    let people = group_of(2);
    let (store, mut group) = people[0].snapshot().into_parts();
    let crypto = people[0].core.crypto();
    let provider = crypto.provider(&store).unwrap();
    let id = PreSharedKeyId::new(
        CIPHERSUITE,
        crypto,
        Psk::External(ExternalPsk::new(vec![1])),
    )
    .unwrap();
    id.store(&provider, &[2; 32]).unwrap();
    group.set_aad(aad(&people[0], Vec::new()));
    let proposal = Proposal::PreSharedKey(Box::new(PreSharedKeyProposal::new(id)));
    let commit = group
        .commit_builder()
        .add_proposal(proposal)
        .load_psks(&store)
        .unwrap()
        .build(crypto, crypto, people[0].core.device(), |_| true)
        .unwrap()
        .stage_commit(&provider)
        .unwrap();
    let staged_by_author = group.pending_commit().unwrap();
    let author = Sender::Member(LeafNodeIndex::new(0));
    let judged = super::judge(
        &people[0].snapshot().parent(),
        &author,
        &aad(&people[0], Vec::new()),
        staged_by_author,
        &[],
    );
    assert_eq!(judged.unwrap_err(), Error::Refused(Refusal::ProposalType));
    // Others have no keys that are not the group's, so that MLS' own checks come first.
    let commit = commit.into_commit().to_bytes().unwrap();
    assert_eq!(
        verdict(&people[1], &commit),
        Err(Error::Invalid(Invalid::Commit))
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
        super::added_members(snapshot.public(), snapshot.data(), &vec![&package; count])
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
