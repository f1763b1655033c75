//! mls-rs in our groups, and we in those of mls-rs.
//!
//! Each step is made by one side and followed by the other; then both have to name the state alike, export the same
//! secret, and read each other.

use mls_rs::client_builder::MlsConfig;
use mls_rs::extension::built_in::RequiredCapabilitiesExt;
use mls_rs::group::{CommitEffect, ReceivedMessage};
use mls_rs::mls_rs_codec::MlsEncode as _;
use mls_rs::{Extension, ExtensionList, Group, MlsMessage};
use mls_rs_core::identity::CredentialType;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use sori_mls::{
    AccountId, AccountKey, Class, CommitHeader, Conversation, Core, Device, Error, GroupData,
    GroupId, Head, JoinPolicy, Operation, OrderKind, Refusal, Role,
};
use sori_mls_interop::member::{self, GROUP_DATA};

const GROUP: [u8; 16] = [7; 16];

/// One of ours: a device and the state it sends from.
struct Ours {
    core: Core,
    head: Option<Head>,
}

impl Ours {
    fn new(number: u8) -> Self {
        let mut rng = ChaCha20Rng::from_seed([number; 32]);
        let account = AccountKey::from_bytes(&[number; 32]);
        let device = Device::generate(&account, &mut rng);
        let core = Core::new(device, [number.wrapping_add(100); 32]).unwrap();
        Self { core, head: None }
    }

    /// The founder of a group where everybody may add.
    fn founder(number: u8) -> Self {
        let mut ours = Self::new(number);
        let mut data = GroupData::new(ours.account(), "tea".to_owned(), Conversation::Group);
        data.join_policy = JoinPolicy::Members;
        let head = ours.core.create_group(GroupId::from_bytes(GROUP), data);
        ours.head = Some(head.unwrap());
        ours
    }

    fn account(&self) -> AccountId {
        self.core.device().account()
    }

    fn head(&self) -> &Head {
        self.head.as_ref().unwrap()
    }

    fn commit(&mut self, operation: &Operation) -> (MlsMessage, Option<MlsMessage>) {
        let commit = self.head().commit(&self.core, operation).unwrap();
        self.head = Some(commit.child);
        let welcome = commit.welcome.map(|bytes| read(&bytes));
        (read(&commit.message), welcome)
    }

    fn judge(&self, commit: &MlsMessage) -> Result<CommitHeader, Error> {
        let bytes = commit.to_bytes().unwrap();
        self.head().snapshot().inspect_commit(&self.core, &bytes)
    }

    fn follow(&mut self, commit: &MlsMessage) -> CommitHeader {
        let bytes = commit.to_bytes().unwrap();
        let (header, child) = self
            .head()
            .snapshot()
            .apply_commit(&self.core, &bytes)
            .unwrap();
        self.head = Some(self.core.load_head(child.rows()).unwrap());
        header
    }

    fn say(&mut self, text: &str) -> MlsMessage {
        let head = self.head.as_mut().unwrap();
        let state = *head.snapshot().state().as_bytes();
        read(&head.encrypt(&self.core, &state, text.as_bytes()).unwrap())
    }

    fn hear(&mut self, message: &MlsMessage) -> Result<(AccountId, String), Error> {
        let bytes = message.to_bytes().unwrap();
        let snapshot = self.head.as_mut().unwrap().snapshot_mut();
        let heard = snapshot.decrypt(&self.core, &bytes)?;
        assert_eq!(heard.aad, snapshot.state().as_bytes());
        let text = String::from_utf8(heard.plaintext.to_vec()).unwrap();
        Ok((heard.sender.account, text))
    }
}

fn read(bytes: &[u8]) -> MlsMessage {
    MlsMessage::from_bytes(bytes).unwrap()
}

/// Both name the state alike, have the same members and secret, and read each other. `account` is theirs.
fn agree(ours: &mut Ours, theirs: &mut Group<impl MlsConfig>, account: AccountId) {
    let snapshot = ours.head().snapshot();
    assert_eq!(*snapshot.state().as_bytes(), member::state(theirs));
    assert_eq!(snapshot.epoch().0, theirs.current_epoch());
    let members: Vec<_> = snapshot
        .members()
        .iter()
        .map(|member| member.leaf)
        .collect();
    let roster: Vec<_> = theirs.roster().members().iter().map(|m| m.index).collect();
    assert_eq!(members, roster);
    let exported = theirs.export_secret(b"sori channel 1", b"", 32).unwrap();
    let secret = snapshot.export_secret(&ours.core, "sori channel 1", b"");
    assert_eq!(secret.unwrap().as_slice(), exported.as_bytes());

    let message = ours.say("from ours");
    let ReceivedMessage::ApplicationMessage(heard) =
        theirs.process_incoming_message(message).unwrap()
    else {
        panic!("not a message");
    };
    assert_eq!(heard.data(), b"from ours");
    let aad = member::state(theirs).to_vec();
    let message = theirs.encrypt_application_message(b"from theirs", aad);
    let heard = ours.hear(&message.unwrap()).unwrap();
    assert_eq!(heard, (account, "from theirs".to_owned()));
}

/// Theirs follows a commit.
fn follow(theirs: &mut Group<impl MlsConfig>, commit: MlsMessage) -> CommitEffect {
    match theirs.process_incoming_message(commit).unwrap() {
        ReceivedMessage::Commit(commit) => commit.effect,
        other => panic!("not a commit but {other:?}"),
    }
}

/// A group of ours with one of theirs in it, both in one state.
fn together() -> (Ours, Group<impl MlsConfig>, AccountId) {
    let account = AccountKey::from_bytes(&[9; 32]);
    let client = member::device(&account, [9; 16]).unwrap();
    let package = member::key_package(&client).unwrap().to_bytes().unwrap();
    let mut ada = Ours::founder(1);
    let info = ada.core.inspect_key_package(&package).unwrap();
    assert_eq!(info.account, account.id());
    let (_, welcome) = ada.commit(&Operation::Add {
        key_packages: vec![package],
    });
    let (theirs, _) = client.join_group(None, &welcome.unwrap(), None).unwrap();
    (ada, theirs, account.id())
}

/// protocol §3.2.5, §5.1.1, §5.2.1: who was written from the document alone is let in and follows.
#[test]
fn another_library_follows_all_that_happens_in_our_groups() {
    let (mut ada, mut theirs, account) = together();
    agree(&mut ada, &mut theirs, account);
    let cleo = Ours::new(2);
    let operations = [
        Operation::Update,
        Operation::Rename {
            name: "차".to_owned(),
        },
        Operation::Add {
            key_packages: vec![cleo.core.new_key_package().unwrap().bytes],
        },
        Operation::SetRole {
            account: cleo.account(),
            role: Role::Admin,
        },
        Operation::SetDisappearing { seconds: Some(60) },
        Operation::SetRelays {
            relays: vec!["relay://relay.example:4433/#x".to_owned()],
        },
    ];
    for operation in &operations {
        let (commit, _) = ada.commit(operation);
        assert!(matches!(
            follow(&mut theirs, commit),
            CommitEffect::NewEpoch(_)
        ));
        agree(&mut ada, &mut theirs, account);
    }
    let order = ada
        .core
        .order(OrderKind::Remove, cleo.account(), ada.head().snapshot());
    let (commit, _) = ada.commit(&Operation::Realise {
        orders: vec![order.unwrap()],
    });
    follow(&mut theirs, commit);
    agree(&mut ada, &mut theirs, account);
    assert_eq!(theirs.roster().members().len(), 2);
}

/// protocol §5.3.2, §5.3.3: what another library commits in our form is judged by its content.
#[test]
fn we_follow_all_that_another_library_commits_in_our_groups() {
    let (mut ada, mut theirs, account) = together();
    let mut cleo = Ours::new(2);

    let aad = member::associated_data(&theirs);
    let commit = theirs.commit(aad).unwrap();
    theirs.apply_pending_commit().unwrap();
    let header = ada.follow(&commit.commit_message);
    assert_eq!((header.key.class, header.author), (Class::Update, account));
    agree(&mut ada, &mut theirs, account);

    let package = cleo.core.new_key_package().unwrap();
    let aad = member::associated_data(&theirs);
    let commit = theirs
        .commit_builder()
        .add_member(read(&package.bytes))
        .unwrap()
        .authenticated_data(aad)
        .build()
        .unwrap();
    theirs.apply_pending_commit().unwrap();
    let header = ada.follow(&commit.commit_message);
    assert_eq!(header.key.class, Class::Add);
    let welcome = commit.welcome_messages[0].to_bytes().unwrap();
    let (head, _) = cleo.core.join(&welcome, &[&package.private]).unwrap();
    cleo.head = Some(head);
    agree(&mut ada, &mut theirs, account);
    agree(&mut cleo, &mut theirs, account);

    let (commit, _) = ada.commit(&Operation::SetRole {
        account,
        role: Role::Admin,
    });
    follow(&mut theirs, commit.clone());
    cleo.follow(&commit);
    let aad = member::associated_data(&theirs);
    let mut data = ada.head().snapshot().data().clone();
    data.name = "coffee".to_owned();
    let commit = theirs
        .commit_builder()
        .set_group_context_ext(extensions(&data))
        .unwrap()
        .authenticated_data(aad)
        .build()
        .unwrap();
    theirs.apply_pending_commit().unwrap();
    for ours in [&mut ada, &mut cleo] {
        let header = ours.follow(&commit.commit_message);
        assert_eq!(header.key.class, Class::GroupData);
        assert_eq!(ours.head().snapshot().data().name, "coffee");
        agree(ours, &mut theirs, account);
    }
}

/// protocol §5.3.2, §5.3.4: it is bound by our rules all the same.
#[test]
fn what_another_library_may_not_commit_is_refused() {
    let (ada, mut theirs, account) = together();
    let refused = |commit: &MlsMessage| match ada.judge(commit) {
        Err(Error::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    };
    let commit = theirs.commit(Vec::new()).unwrap();
    theirs.clear_pending_commit();
    assert!(matches!(
        refused(&commit.commit_message),
        Refusal::AssociatedData
    ));

    let aad = member::associated_data(&theirs);
    let commit = theirs
        .commit_builder()
        .remove_member(0)
        .unwrap()
        .authenticated_data(aad.clone())
        .build()
        .unwrap();
    theirs.clear_pending_commit();
    refused(&commit.commit_message);

    let mut data = ada.head().snapshot().data().clone();
    data.owner = account;
    let commit = theirs
        .commit_builder()
        .set_group_context_ext(extensions(&data))
        .unwrap()
        .authenticated_data(aad.clone())
        .build()
        .unwrap();
    theirs.clear_pending_commit();
    refused(&commit.commit_message);

    // And the same library without a mistake is followed.
    let commit = theirs.commit(aad).unwrap();
    assert!(ada.judge(&commit.commit_message).is_ok());
}

/// protocol §5.5.4: it learns that it was removed, and reads nothing afterwards.
#[test]
fn another_library_is_out_when_it_was_removed() {
    let (mut ada, mut theirs, account) = together();
    let order = ada
        .core
        .order(OrderKind::Remove, account, ada.head().snapshot());
    let (commit, _) = ada.commit(&Operation::Realise {
        orders: vec![order.unwrap()],
    });
    assert!(matches!(
        follow(&mut theirs, commit),
        CommitEffect::Removed { .. }
    ));
    let message = ada.say("not for you");
    assert!(theirs.process_incoming_message(message).is_err());
}

/// protocol §5.6.1: a device of ours that lost its state comes back, and the other library follows.
#[test]
fn another_library_follows_a_device_that_comes_back() {
    let (mut ada, mut theirs, account) = together();
    let mut cleo = Ours::new(2);
    let package = cleo.core.new_key_package().unwrap();
    let (commit, welcome) = ada.commit(&Operation::Add {
        key_packages: vec![package.bytes],
    });
    follow(&mut theirs, commit);
    let welcome = welcome.unwrap().to_bytes().unwrap();
    cleo.core.join(&welcome, &[&package.private]).unwrap();

    let info = ada.head().snapshot().group_info(&ada.core).unwrap();
    let info = cleo.core.read_group_info(&info).unwrap();
    let back = cleo.core.rejoin(&info).unwrap();
    cleo.head = Some(back.child);
    let commit = read(&back.message);
    follow(&mut theirs, commit.clone());
    let header = ada.follow(&commit);
    assert!(header.rejoined.is_some());
    agree(&mut ada, &mut theirs, account);
    agree(&mut cleo, &mut theirs, account);
}

/// protocol §5.1.2: a group that another library founded by the document is one of ours.
#[test]
fn we_live_in_groups_that_another_library_founds() {
    let account = AccountKey::from_bytes(&[9; 32]);
    let client = member::device(&account, [9; 16]).unwrap();
    let mut data = GroupData::new(account.id(), "차".to_owned(), Conversation::Group);
    data.join_policy = JoinPolicy::Members;
    let mut theirs = client
        .group_builder()
        .unwrap()
        .with_now_time(0.into())
        .with_group_id(GROUP.to_vec())
        .with_group_context_extensions(extensions(&data))
        .build()
        .unwrap();
    let mut ada = Ours::new(1);
    let package = ada.core.new_key_package().unwrap();
    let aad = member::associated_data(&theirs);
    let commit = theirs
        .commit_builder()
        .add_member(read(&package.bytes))
        .unwrap()
        .authenticated_data(aad)
        .build()
        .unwrap();
    theirs.apply_pending_commit().unwrap();
    let welcome = commit.welcome_messages[0].to_bytes().unwrap();
    let (head, _) = ada.core.join(&welcome, &[&package.private]).unwrap();
    ada.head = Some(head);
    let account = account.id();
    agree(&mut ada, &mut theirs, account);

    let cleo = Ours::new(2);
    let operations = [
        Operation::Update,
        Operation::Add {
            key_packages: vec![cleo.core.new_key_package().unwrap().bytes],
        },
    ];
    for operation in &operations {
        let (commit, _) = ada.commit(operation);
        follow(&mut theirs, commit);
        agree(&mut ada, &mut theirs, account);
    }
    let aad = member::associated_data(&theirs);
    let commit = theirs.commit(aad).unwrap();
    theirs.apply_pending_commit().unwrap();
    ada.follow(&commit.commit_message);
    agree(&mut ada, &mut theirs, account);
}

/// The GroupContext extensions of a group with this data (protocol §5.1.2).
fn extensions(data: &GroupData) -> ExtensionList {
    let encoded = postcard::to_allocvec(data).unwrap();
    let required =
        RequiredCapabilitiesExt::new(vec![GROUP_DATA], vec![], vec![CredentialType::BASIC]);
    let mut list = ExtensionList::new();
    list.set_from(required).unwrap();
    list.set(Extension::new(
        GROUP_DATA,
        [[1].as_slice(), &encoded].concat(),
    ));
    assert!(list.mls_encode_to_vec().is_ok());
    list
}
