//! One test for each rule: a commit that MLS accepts and the group must not.
//!
//! The commits are made with OpenMLS directly, as a member with a changed program would.

mod add;
#[path = "../../../tests/common/mod.rs"]
pub(super) mod common;
mod data;
mod form;
mod leave;
mod moderation;

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
    GroupData, Invalid, JoinPolicy, Misuse, NeedsState, Operation, Order, OrderKind, Refusal, Role,
    StateId,
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
