//! A session in suite 0x004F that was recorded with OpenMLS and our provider, replayed by mls-rs over libcrux and
//! RustCrypto (`recorded/session.json`).
//!
//! Where `groups.rs` lets both libraries make each other's messages anew, these bytes stay: a later version
//! of either that understands them otherwise would not open the groups of today.
//!
//! `SORI_RECORD=1` writes another recording.

use std::path::PathBuf;

use mls_rs::MlsMessage;
use mls_rs::group::ReceivedMessage;
use mls_rs::storage_provider::in_memory::InMemoryKeyPackageStorage;
use mls_rs_core::crypto::{SignaturePublicKey, SignatureSecretKey};
use mls_rs_core::key_package::KeyPackageData;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde::{Deserialize, Serialize};
use sori_mls::{
    AccountKey, Conversation, Core, Device, GroupData, GroupId, Head, JoinPolicy, Operation,
    OrderKind, Role,
};
use sori_mls_interop::member::{self, Keys};

/// Everything, the secrets of the one who replays included. They were made for it.
#[derive(Debug, Serialize, Deserialize)]
struct Session {
    about: String,
    member: Secrets,
    #[serde(with = "hex")]
    welcome: Vec<u8>,
    steps: Vec<Step>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Secrets {
    #[serde(with = "hex")]
    credential: Vec<u8>,
    #[serde(with = "hex")]
    public: Vec<u8>,
    #[serde(with = "hex")]
    secret: Vec<u8>,
    #[serde(with = "hex")]
    reference: Vec<u8>,
    #[serde(with = "hex")]
    key_package: Vec<u8>,
    #[serde(with = "hex")]
    init_key: Vec<u8>,
    #[serde(with = "hex")]
    leaf_key: Vec<u8>,
}

/// What comes, and what is to be there afterwards.
#[derive(Debug, Serialize, Deserialize)]
struct Step {
    what: String,
    /// A commit; nothing before the first step, which is the Welcome's state.
    #[serde(with = "hex")]
    commit: Vec<u8>,
    epoch: u64,
    #[serde(with = "hex")]
    state: Vec<u8>,
    /// Exported with label `sori channel 1`.
    #[serde(with = "hex")]
    exported: Vec<u8>,
    /// Said in this state by members, with what it says.
    messages: Vec<Message>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Message {
    #[serde(with = "hex")]
    message: Vec<u8>,
    text: String,
}

fn place() -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/recorded/session.json"
    ))
}

/// One of ours.
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

    fn head(&self) -> &Head {
        self.head.as_ref().unwrap()
    }

    fn follow(&mut self, commit: &[u8]) {
        let (_, child) = self
            .head()
            .snapshot()
            .apply_commit(&self.core, commit)
            .unwrap();
        self.head = Some(self.core.load_head(child.rows()).unwrap());
    }

    fn say(&mut self, text: &str) -> Message {
        let head = self.head.as_mut().unwrap();
        let state = *head.snapshot().state().as_bytes();
        let message = head.encrypt(&self.core, &state, text.as_bytes());
        Message {
            message: message.unwrap(),
            text: text.to_owned(),
        }
    }

    fn step(&self, what: &str, commit: Vec<u8>, messages: Vec<Message>) -> Step {
        let snapshot = self.head().snapshot();
        let exported = snapshot.export_secret(&self.core, "sori channel 1", b"");
        Step {
            what: what.to_owned(),
            commit,
            epoch: snapshot.epoch().0,
            state: snapshot.state().as_bytes().to_vec(),
            exported: exported.unwrap().to_vec(),
            messages,
        }
    }
}

/// A group of ours in which a good deal happens, seen by a member who does nothing.
fn record() -> Session {
    let account = AccountKey::from_bytes(&[9; 32]);
    let keys = Keys::generate(&account, [9; 16]).unwrap();
    let packages = InMemoryKeyPackageStorage::new();
    let client = keys.clone().device(packages.clone());
    let package = member::key_package(&client).unwrap().to_bytes().unwrap();
    let (reference, kept) = packages.key_packages().remove(0);

    let mut ada = Ours::new(1);
    let mut data = GroupData::new(
        ada.core.device().account(),
        "tea".to_owned(),
        Conversation::Group,
    );
    data.join_policy = JoinPolicy::Members;
    ada.head = Some(
        ada.core
            .create_group(GroupId::from_bytes([7; 16]), data)
            .unwrap(),
    );
    let (mut bea, mut cleo) = (Ours::new(2), Ours::new(3));
    let [of_bea, of_cleo] = [&bea, &cleo].map(|ours| ours.core.new_key_package().unwrap());
    let added = ada.head().commit(
        &ada.core,
        &Operation::Add {
            key_packages: vec![package, of_bea.bytes],
        },
    );
    let added = added.unwrap();
    ada.head = Some(added.child);
    let welcome = added.welcome.unwrap();
    bea.head = Some(bea.core.join(&welcome, &[&of_bea.private]).unwrap().0);

    let mut steps = Vec::new();
    let said = vec![ada.say("one"), ada.say("둘"), bea.say("three")];
    steps.push(ada.step("the Welcome's state", Vec::new(), said));
    let operations = [
        ("keys are renewed", Operation::Update),
        (
            "a new name",
            Operation::Rename {
                name: "차".to_owned(),
            },
        ),
        (
            "a third of ours comes",
            Operation::Add {
                key_packages: vec![of_cleo.bytes],
            },
        ),
        (
            "she becomes an admin",
            Operation::SetRole {
                account: cleo.core.device().account(),
                role: Role::Admin,
            },
        ),
        (
            "messages disappear",
            Operation::SetDisappearing { seconds: Some(60) },
        ),
    ];
    for (what, operation) in operations {
        let commit = ada.head().commit(&ada.core, &operation).unwrap();
        ada.head = Some(commit.child);
        bea.follow(&commit.message);
        match commit.welcome {
            Some(welcome) => {
                cleo.head = Some(cleo.core.join(&welcome, &[&of_cleo.private]).unwrap().0)
            }
            None if cleo.head.is_some() => cleo.follow(&commit.message),
            None => {}
        }
        let said = vec![bea.say(what), ada.say("and again")];
        steps.push(ada.step(what, commit.message, said));
    }
    let commit = cleo.head().commit(&cleo.core, &Operation::Update).unwrap();
    cleo.head = Some(commit.child);
    ada.follow(&commit.message);
    bea.follow(&commit.message);
    let said = vec![cleo.say("four")];
    steps.push(ada.step("another member renews its keys", commit.message, said));

    // A device that has lost its state comes back by an external commit.
    let info = ada.head().snapshot().group_info(&ada.core).unwrap();
    let info = bea.core.read_group_info(&info).unwrap();
    let back = bea.core.rejoin(&info).unwrap();
    bea.head = Some(back.child);
    ada.follow(&back.message);
    cleo.follow(&back.message);
    let said = vec![bea.say("here again")];
    steps.push(ada.step("a device comes back", back.message, said));

    let order = ada.core.order(
        OrderKind::Remove,
        bea.core.device().account(),
        ada.head().snapshot(),
    );
    let operation = Operation::Realise {
        orders: vec![order.unwrap()],
    };
    let commit = ada.head().commit(&ada.core, &operation).unwrap();
    ada.head = Some(commit.child);
    cleo.follow(&commit.message);
    let said = vec![ada.say("without her"), cleo.say("five")];
    steps.push(ada.step("a member is put out", commit.message, said));

    Session {
        about: "A session of suite 0x004F, recorded with OpenMLS; secrets of the member who replays it, made for it alone. \
                Bytes in hexadecimal. Written by tests/recorded.rs"
            .to_owned(),
        member: Secrets {
            credential: keys.credential,
            public: keys.public.as_bytes().to_vec(),
            secret: keys.secret.as_bytes().to_vec(),
            reference,
            key_package: kept.key_package_bytes,
            init_key: kept.init_key.to_vec(),
            leaf_key: kept.leaf_node_key.to_vec(),
        },
        welcome,
        steps,
    }
}

/// protocol §5.1.1: every state, secret and message of it is the same over other cryptography and another library.
#[test]
fn a_recorded_session_is_understood_by_another_library_over_other_cryptography() {
    if std::env::var_os("SORI_RECORD").is_some() {
        let text = serde_json::to_string_pretty(&record()).unwrap();
        std::fs::create_dir_all(place().parent().unwrap()).unwrap();
        std::fs::write(place(), text + "\n").unwrap();
    }
    let text = std::fs::read_to_string(place()).unwrap();
    let session: Session = serde_json::from_str(&text).unwrap();
    replay(&session);
}

/// And so is one that was not recorded before.
#[test]
fn a_new_session_is_replayed_as_well() {
    replay(&record());
}

/// A recording with a bit turned is not.
#[test]
fn a_recording_that_was_changed_is_refused() {
    let mut session = record();
    let bytes = &mut session.steps[1].commit;
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    assert!(std::panic::catch_unwind(|| replay(&session)).is_err());
}

fn replay(session: &Session) {
    let member = &session.member;
    let packages = InMemoryKeyPackageStorage::new();
    let kept = KeyPackageData::new(
        member.key_package.clone(),
        member.init_key.clone().into(),
        member.leaf_key.clone().into(),
        u64::MAX,
    );
    packages.insert(member.reference.clone(), kept);
    let keys = Keys {
        credential: member.credential.clone(),
        public: SignaturePublicKey::new(member.public.clone()),
        secret: SignatureSecretKey::new(member.secret.clone()),
    };
    let client = keys.device(packages);
    let welcome = MlsMessage::from_bytes(&session.welcome).unwrap();
    let (mut group, _) = client.join_group(None, &welcome, None).unwrap();
    let mut heard = 0;
    for step in &session.steps {
        if !step.commit.is_empty() {
            let commit = MlsMessage::from_bytes(&step.commit).unwrap();
            let commit = group.process_incoming_message(commit).unwrap();
            assert!(
                matches!(commit, ReceivedMessage::Commit(_)),
                "{}",
                step.what
            );
        }
        assert_eq!(group.current_epoch(), step.epoch, "{}", step.what);
        assert_eq!(
            member::state(&group).as_slice(),
            step.state,
            "{}",
            step.what
        );
        let exported = group.export_secret(b"sori channel 1", b"", 32).unwrap();
        assert_eq!(exported.as_bytes(), step.exported, "{}", step.what);
        for message in &step.messages {
            let bytes = MlsMessage::from_bytes(&message.message).unwrap();
            let ReceivedMessage::ApplicationMessage(said) =
                group.process_incoming_message(bytes).unwrap()
            else {
                panic!("not a message");
            };
            assert_eq!(said.data(), message.text.as_bytes());
            heard += 1;
        }
    }
    assert!(session.steps.len() >= 9 && heard >= 15);
    println!(
        "{} states and {heard} messages replayed",
        session.steps.len()
    );
}
