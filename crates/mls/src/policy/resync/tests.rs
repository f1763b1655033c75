//! External commits that MLS may accept and the group must not, made with OpenMLS directly.

use openmls::prelude::tls_codec::{Deserialize as _, Serialize as _, VLBytes};
use openmls::prelude::{
    Capabilities, CommitBuilder, CredentialType, Extension, ExtensionType, Extensions, Initial,
    LeafNodeParameters, MlsGroup, PreSharedKeyProposal, ProtocolVersion, UnknownExtension,
};
use openmls::schedule::{ExternalPsk, PreSharedKeyId, Psk};

use crate::commit::CommitAad;
use crate::core::join_config;
use crate::crypto::CIPHERSUITE;
use crate::key_package::capabilities;
use crate::policy::tests::common::{Person, commit_by, device_of, group_of, person};
use crate::storage::RowStore;
use crate::{
    AccountKey, Class, Core, Device, Error, GROUP_DATA_EXTENSION, GroupData, GroupInfo, Invalid,
    NeedsState, Order, Refusal, StateId,
};

type Builder<'a> = CommitBuilder<'a, Initial, MlsGroup>;

/// What the first of the people gives away about its head.
fn info(people: &[Person]) -> GroupInfo {
    let giver = &people[0];
    let bytes = giver.snapshot().group_info(&giver.core).unwrap();
    giver.core.read_group_info(&bytes).unwrap()
}

fn craft_on(
    (people, core): (&[Person], &Core),
    (parent, orders): (StateId, Vec<Order>),
    fill: impl for<'a> FnOnce(Builder<'a>, &RowStore) -> Builder<'a>,
) -> Vec<u8> {
    let store = RowStore::default();
    let crypto = core.crypto();
    let provider = crypto.provider(&store).unwrap();
    let builder = MlsGroup::external_commit_builder()
        .with_config(join_config())
        .with_aad(CommitAad { parent, orders }.encode().unwrap())
        .build_group(
            &provider,
            info(people).verifiable,
            core.device().credential(),
        )
        .unwrap()
        .leaf_node_parameters(ours());
    let complete = fill(builder, &store)
        .load_psks(&store)
        .unwrap()
        .build(crypto, crypto, core.device(), |_| true)
        .unwrap();
    let (_, bundle) = complete.finalize(&provider).unwrap();
    bundle.into_commit().to_bytes().unwrap()
}

fn ours() -> LeafNodeParameters {
    LeafNodeParameters::builder()
        .with_capabilities(capabilities())
        .build()
}

/// An external commit by a device on the head, with true associated data.
fn craft(
    people: &[Person],
    core: &Core,
    fill: impl for<'a> FnOnce(Builder<'a>) -> Builder<'a>,
) -> Vec<u8> {
    let parent = people[0].snapshot().state();
    craft_on((people, core), (parent, Vec::new()), |builder, _| {
        fill(builder)
    })
}

/// The commit with other proposals, signed anew. Its confirmation tag is wrong then; the rules come before it.
fn with_proposals(
    people: &[Person],
    core: &Core,
    change: impl FnOnce(Vec<u8>) -> Vec<u8>,
) -> Vec<u8> {
    let commit = craft(people, core, |builder| builder);
    // Behind the content: signature and confirmation tag, each with its length.
    let (content, _) = commit.split_last_chunk::<{ 2 + 64 + 1 + 32 }>().unwrap();
    // Version, wire format, group id, epoch, sender, associated data, kind of content.
    let start = 2 + 2 + 17 + 8 + 1 + (1 + 34) + 1;
    let (before, mut rest) = content.split_at(start);
    let proposals = VLBytes::tls_deserialize(&mut rest).unwrap();
    let proposals = VLBytes::new(change(proposals.as_slice().to_vec()));
    let content = [before, &vector(&proposals), rest].concat();
    let snapshot = people[0].snapshot();
    let context = snapshot
        .parent()
        .tree
        .group_context()
        .tls_serialize_detached();
    let signed = [content.as_slice(), &context.unwrap()].concat();
    let label = VLBytes::new(b"MLS 1.0 FramedContentTBS".to_vec());
    let signed = [vector(&label), vector(&VLBytes::new(signed))].concat();
    let signature = VLBytes::new(core.device().sign_plain(&signed));
    let tag = VLBytes::new(vec![7; 32]);
    [content, vector(&signature), vector(&tag)].concat()
}

fn vector(bytes: &VLBytes) -> Vec<u8> {
    bytes.tls_serialize_detached().unwrap()
}

/// A proposal in a commit (RFC 9420 §12.4): inline, its type, its content.
fn proposal(kind: u16, content: &[u8]) -> Vec<u8> {
    [&[1], kind.to_be_bytes().as_slice(), content].concat()
}

fn remove(leaf: u32) -> Vec<u8> {
    proposal(3, &leaf.to_be_bytes())
}

/// What a member says to it, and who has no secrets.
fn verdicts(people: &[Person], commit: &[u8]) -> [Result<Class, Error>; 2] {
    let member = &people[1];
    let class = |header: crate::CommitHeader| header.key.class;
    [
        member
            .snapshot()
            .inspect_commit(&member.core, commit)
            .map(class),
        info(people).inspect_commit(&member.core, commit).map(class),
    ]
}

#[track_caller]
fn assert_refused(people: &[Person], commit: &[u8], refusal: Refusal) {
    let refused = Err(Error::Refused(refusal));
    assert_eq!(verdicts(people, commit), [refused.clone(), refused]);
}

/// MLS itself does not accept it: its tree is another, or a key is there twice.
#[track_caller]
fn assert_invalid(people: &[Person], commit: &[u8]) {
    let refused = Err(Error::Invalid(Invalid::Commit));
    assert_eq!(verdicts(people, commit), [refused.clone(), refused]);
}

/// protocol §5.6.1
#[test]
fn a_crafted_comeback_passes_when_it_keeps_the_rules() {
    let people = group_of(3);
    let commit = craft(&people, &people[2].core, |builder| builder);
    assert_eq!(
        verdicts(&people, &commit),
        [Ok(Class::Update), Ok(Class::Update)]
    );
}

/// protocol §5.1.3, §5.6.1
#[test]
fn nobody_joins_by_an_external_commit() {
    let mut people = group_of(4);
    let stranger = person(9);
    let commit = craft(&people, &stranger.core, |builder| builder);
    assert_refused(&people, &commit, Refusal::External);
    // Nor in the place of somebody.
    for leaf in 0..4 {
        let commit = with_proposals(&people, &stranger.core, |p| [p, remove(leaf)].concat());
        assert_invalid(&people, &commit);
    }
    // Nor who was in the group once.
    let account = people[3].id();
    let removal = people[0].removal(account);
    commit_by(&mut people, 0, &removal);
    let removed = people.pop().unwrap();
    let commit = craft(&people, &removed.core, |builder| builder);
    assert_refused(&people, &commit, Refusal::External);
    // Nor another device of somebody who is.
    let second = device_of(AccountKey::from_bytes(&[3; 32]), 50);
    let commit = craft(&people, &second.core, |builder| builder);
    assert_refused(&people, &commit, Refusal::External);
    let commit = with_proposals(&people, &second.core, |p| [p, remove(2)].concat());
    assert_invalid(&people, &commit);
}

/// protocol §3.2.4, §5.6.1
#[test]
fn a_device_comes_back_with_the_signature_key_it_had() {
    let people = group_of(3);
    let of_third = people[2].core.device().id();
    let device = Device::with_id(&AccountKey::from_bytes(&[3; 32]), of_third, &[77; 32]);
    let core = Core::new(device, [5; 32]).unwrap();
    let commit = craft(&people, &core, |builder| builder);
    assert_refused(&people, &commit, Refusal::ChangedCredential);
    let commit = with_proposals(&people, &core, |p| [p, remove(2)].concat());
    assert_invalid(&people, &commit);
    // An account that did not vouch for the device is nobody.
    let core = Core::new(Device::forged(&people[2].id(), &[77; 32]), [5; 32]).unwrap();
    let commit = craft(&people, &core, |builder| builder);
    assert_refused(&people, &commit, Refusal::External);
}

/// protocol §5.6.1
#[test]
fn who_comes_back_takes_out_its_own_leaf_and_nothing_else() {
    let people = group_of(4);
    let by = &people[2].core;
    let with = |added: Vec<u8>| with_proposals(&people, by, |p| [p, added].concat());
    assert_refused(&people, &with(remove(3)), Refusal::Content);
    let mut newcomer = person(9);
    // Behind version and wire format.
    let add = proposal(1, &newcomer.key_package()[4..]);
    assert_refused(&people, &with(add), Refusal::Content);
    let mut data: GroupData = people[0].snapshot().data().clone();
    data.admins.push(people[2].id());
    let extensions = data.to_extensions().unwrap().tls_serialize_detached();
    let promotes = proposal(7, &extensions.unwrap());
    assert_refused(&people, &with(promotes), Refusal::Content);
    let by_reference = [vec![2, 32], vec![1; 32]].concat();
    assert_refused(&people, &with(by_reference), Refusal::ByReference);
    // Another's leaf in place of the own one, or none.
    let other = with_proposals(&people, by, |p| {
        [p.strip_suffix(remove(2).as_slice()).unwrap(), &remove(3)].concat()
    });
    assert_invalid(&people, &other);
    let none = with_proposals(&people, by, |p| {
        p.strip_suffix(remove(2).as_slice()).unwrap().to_vec()
    });
    assert_invalid(&people, &none);
}

/// protocol §5.1.3, §5.6.1
#[test]
fn a_comeback_brings_no_pre_shared_key() {
    let people = group_of(3);
    let core = &people[2].core;
    let parent = people[0].snapshot().state();
    let commit = craft_on((&people, core), (parent, Vec::new()), |builder, store| {
        let key = Psk::External(ExternalPsk::new(vec![1]));
        let id = PreSharedKeyId::new(CIPHERSUITE, core.crypto(), key).unwrap();
        let provider = core.crypto().provider(store).unwrap();
        id.store(&provider, &[2; 32]).unwrap();
        builder.add_psk_proposal(PreSharedKeyProposal::new(id))
    });
    // A member has no such key, so that MLS' own checks come first.
    let [member, outside] = verdicts(&people, &commit);
    assert_eq!(member, Err(Error::Invalid(Invalid::Commit)));
    assert_eq!(outside, Err(Error::Refused(Refusal::ProposalType)));
}

/// protocol §5.3.2, §5.6.1
#[test]
fn a_comeback_names_its_parent_and_realises_no_order() {
    let people = group_of(4);
    let head = people[0].snapshot();
    let by = (people.as_slice(), &people[2].core);
    let order = people[3].core.leave_order(&people[3].snapshot()).unwrap();
    let with_order = craft_on(by, (head.state(), vec![order]), |builder, _| builder);
    assert_refused(&people, &with_order, Refusal::Content);
    let parent = StateId::from_bytes([1; 32]);
    let elsewhere = craft_on(by, (parent, Vec::new()), |builder, _| builder);
    let other = Err(Error::NeedsState(NeedsState::OtherParent { parent }));
    assert_eq!(verdicts(&people, &elsewhere), [other.clone(), other]);
}

/// protocol §3.2.5, §5.6.1
#[test]
fn a_comeback_has_a_leaf_like_all_others() {
    let people = group_of(3);
    let with_another = Capabilities::new(
        Some(&[ProtocolVersion::Mls10]),
        Some(&[CIPHERSUITE]),
        Some(&[
            ExtensionType::Unknown(GROUP_DATA_EXTENSION),
            ExtensionType::Unknown(0xF0B0),
        ]),
        Some(&[]),
        Some(&[CredentialType::Basic]),
    );
    let odd = Extension::Unknown(0xF0B0, UnknownExtension(vec![1]));
    let leaf = LeafNodeParameters::builder().with_capabilities(with_another);
    let leaf = leaf
        .with_extensions(Extensions::single(odd).unwrap())
        .build();
    let commit = craft(&people, &people[2].core, |builder| {
        builder.leaf_node_parameters(leaf)
    });
    assert_refused(&people, &commit, Refusal::KeyPackage);
}
