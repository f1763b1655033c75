//! Commits whose form no class has, and what no member may change of itself.

use super::*;

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
    assert_refused(&people[2], &renamed_too, Refusal::Order);
    let role_too = craft_data(owner, |data| {
        data.name.push('x');
        data.admins.clear();
    });
    assert_refused(&people[2], &role_too, Refusal::Content);
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
    let judged = crate::policy::judge(
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
    assert_refused(&people[0], &removal, Refusal::Order);
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
