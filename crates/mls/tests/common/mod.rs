//! People for tests: each a device whose states live in a store, and in nothing else.
//!
//! Every step loads what it needs from rows and stores what changed, so memory is never needed.
#![allow(dead_code, reason = "each test program uses a part")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "all of this runs in tests, which fail by panicking"
)]

use std::collections::BTreeMap;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use sori_mls::{
    AccountId, AccountKey, CommitHeader, Conversation, Core, Decrypted, Device, Error, GroupData,
    GroupId, Head, Operation, OrderKind, OwnCommit, PeekContent, Rows, Snapshot, StateId, peek,
};
use zeroize::Zeroizing;

pub(crate) const GROUP: GroupId = GroupId::from_bytes([7; 16]);

/// One device with its durable states.
pub(crate) struct Person {
    pub(crate) account: AccountKey,
    pub(crate) core: Core,
    /// What a store would hold: private KeyPackages and the rows of every state.
    pub(crate) key_packages: Vec<Zeroizing<Vec<u8>>>,
    pub(crate) states: BTreeMap<StateId, Rows>,
    pub(crate) head: Option<StateId>,
}

/// Brings a device and its randomness to life from a number.
pub(crate) fn person(number: u8) -> Person {
    device_of(AccountKey::from_bytes(&[number; 32]), number)
}

/// Another device of an account.
pub(crate) fn device_of(account: AccountKey, number: u8) -> Person {
    let mut rng = ChaCha20Rng::from_seed([number; 32]);
    let device = Device::generate(&account, &mut rng);
    let device = Device::from_bytes(&device.to_bytes()).unwrap();
    let core = Core::new(device, [number.wrapping_add(100); 32]).unwrap();
    Person {
        account,
        core,
        key_packages: Vec::new(),
        states: BTreeMap::new(),
        head: None,
    }
}

/// A group of this many people; the first owns it. All are at the same state.
pub(crate) fn group_of(count: u8) -> Vec<Person> {
    let mut people: Vec<_> = (1..=count).map(person).collect();
    let (owner, others) = people.split_first_mut().unwrap();
    owner.create(GroupData::new(
        owner.id(),
        "tea".to_owned(),
        Conversation::Group,
    ));
    if others.is_empty() {
        return people;
    }
    let key_packages = others.iter_mut().map(Person::key_package).collect();
    let commit = owner.commit(&Operation::Add { key_packages }).unwrap();
    owner.go(commit.header.id);
    for other in others.iter_mut() {
        other.join(commit.welcome.as_ref().unwrap()).unwrap();
    }
    people
}

/// The first makes a commit; everybody follows it.
pub(crate) fn commit_by(
    people: &mut [Person],
    author: usize,
    operation: &Operation,
) -> CommitHeader {
    let commit = people[author].commit(operation).unwrap();
    for (i, person) in people.iter_mut().enumerate() {
        if i == author {
            person.go(commit.header.id);
        } else {
            let header = person.follow(&commit.message).unwrap();
            assert_eq!(
                CommitHeader {
                    removes_me: false,
                    ..header
                },
                commit.header
            );
        }
    }
    commit.header
}

/// All people see one state, members, data and secrets.
pub(crate) fn assert_agree(people: &[Person]) {
    let (first, others) = people.split_first().unwrap();
    let state = first.snapshot();
    let secret = state.export_secret(&first.core, "agree", b"x").unwrap();
    for other in others {
        let theirs = other.snapshot();
        assert_eq!(theirs.state(), state.state());
        assert_eq!(theirs.epoch(), state.epoch());
        assert_eq!(theirs.members(), state.members());
        assert_eq!(theirs.data(), state.data());
        assert_eq!(
            *theirs.export_secret(&other.core, "agree", b"x").unwrap(),
            *secret
        );
    }
}

/// Everybody says something that all others read.
pub(crate) fn assert_talk(people: &mut [Person]) {
    for speaker in 0..people.len() {
        let message = people[speaker].send("hello");
        for (listener, person) in people.iter_mut().enumerate() {
            if listener != speaker {
                assert_eq!(person.read(&message).unwrap(), "hello");
            }
        }
    }
}

impl Person {
    pub(crate) fn id(&self) -> AccountId {
        self.account.id()
    }

    pub(crate) fn create(&mut self, data: GroupData) {
        let head = self.core.create_group(GROUP, data).unwrap();
        self.keep_head(head);
    }

    pub(crate) fn key_package(&mut self) -> Vec<u8> {
        let new = self.core.new_key_package().unwrap();
        self.key_packages.push(new.private);
        new.bytes
    }

    pub(crate) fn join(&mut self, welcome: &[u8]) -> Result<[u8; 32], Error> {
        let private: Vec<_> = self
            .key_packages
            .iter()
            .map(|private| private.as_slice())
            .collect();
        let (head, reference) = self.core.join(welcome, &private)?;
        self.keep_head(head);
        Ok(reference)
    }

    /// Loads a state that is stored.
    pub(crate) fn load(&self, state: StateId) -> Snapshot {
        let snapshot = self.core.load(self.states[&state].clone()).unwrap();
        assert_eq!(snapshot.state(), state);
        snapshot
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.load(self.head.unwrap())
    }

    pub(crate) fn load_head(&self) -> Head {
        self.core
            .load_head(self.states[&self.head.unwrap()].clone())
            .unwrap()
    }

    /// Moves to another stored state.
    pub(crate) fn go(&mut self, state: StateId) {
        assert!(self.states.contains_key(&state));
        self.head = Some(state);
    }

    pub(crate) fn send(&mut self, text: &str) -> Vec<u8> {
        let mut head = self.load_head();
        let aad = head.snapshot().state();
        let message = head
            .encrypt(&self.core, aad.as_bytes(), text.as_bytes())
            .unwrap();
        self.store(head.snapshot_mut());
        message
    }

    /// Reads a message in the state that it names.
    pub(crate) fn read(&mut self, message: &[u8]) -> Result<String, Error> {
        let PeekContent::Application { aad } = peek(message).unwrap().content else {
            panic!("a message was expected");
        };
        let state = StateId::from_bytes(aad.as_slice().try_into().unwrap());
        self.read_in(state, message)
            .map(|read| String::from_utf8(read.plaintext.to_vec()).unwrap())
    }

    pub(crate) fn read_in(&mut self, state: StateId, message: &[u8]) -> Result<Decrypted, Error> {
        let mut snapshot = self.load(state);
        let result = snapshot.decrypt(&self.core, message);
        assert_eq!(snapshot.state(), state);
        self.store(&mut snapshot);
        result
    }

    /// Makes a commit and stores its child, without moving there.
    pub(crate) fn commit(&mut self, operation: &Operation) -> Result<OwnCommit, Error> {
        let head = self.load_head();
        let before = head.snapshot().rows();
        let mut commit = head.commit(&self.core, operation)?;
        assert_eq!(head.snapshot().rows(), before, "the parent is untouched");
        self.store(commit.child.snapshot_mut());
        Ok(commit)
    }

    /// This person's order to remove an account, to be realised.
    pub(crate) fn removal(&self, account: AccountId) -> Operation {
        self.order(OrderKind::Remove, account).unwrap()
    }

    /// This person's order that an admin become a member, to be realised.
    pub(crate) fn demotion(&self, account: AccountId) -> Operation {
        self.order(OrderKind::Demote, account).unwrap()
    }

    /// This person's order about an account, to be realised, if it may give it.
    pub(crate) fn order(&self, kind: OrderKind, account: AccountId) -> Option<Operation> {
        let order = self.core.order(kind, account, &self.snapshot());
        order.ok().map(|order| Operation::Realise {
            orders: vec![order],
        })
    }

    /// Processes a commit on the state that it names and stores the child, without moving there.
    pub(crate) fn receive(&mut self, commit: &[u8]) -> Result<CommitHeader, Error> {
        let PeekContent::Commit { parent } = peek(commit)?.content else {
            panic!("a commit was expected");
        };
        let snapshot = self.load(parent);
        let before = snapshot.rows();
        let (header, mut child) = snapshot.apply_commit(&self.core, commit)?;
        assert_eq!(snapshot.inspect_commit(&self.core, commit).unwrap(), header);
        assert_eq!(snapshot.rows(), before, "the parent is untouched");
        assert_eq!(child.state(), header.id);
        self.store(&mut child);
        Ok(header)
    }

    /// Processes a commit and moves to its child.
    pub(crate) fn follow(&mut self, commit: &[u8]) -> Result<CommitHeader, Error> {
        let header = self.receive(commit)?;
        self.go(header.id);
        Ok(header)
    }

    fn keep_head(&mut self, mut head: Head) {
        self.store(head.snapshot_mut());
        self.head = Some(head.snapshot().state());
    }

    /// What the engine does after each step: the changed rows become durable; memory is forgotten.
    fn store(&mut self, snapshot: &mut Snapshot) {
        let changes = snapshot.take_changes();
        let rows = self.states.entry(snapshot.state()).or_default();
        rows.apply(&changes);
        assert_eq!(*rows, snapshot.rows(), "changes and rows agree");
        assert!(snapshot.take_changes().is_empty());
    }
}
