//! First contact with somebody who lies.

use sori_mls::{AccountId, Conversation, GroupData, HybridPublic, Operation};
use sori_store::MemoryDisk;
use sori_wire::{AccessKey, Topic};
use zeroize::Zeroizing;

use super::{NOW, Peer, carry, open, pair, relay, round};
use crate::chunk::Assembler;
use crate::engine::Engine;
use crate::envelope::Private;
use crate::handshake::{self, Admission, InviteMessage, JoinRequest};
use crate::invite_link::InviteLink;
use crate::invites::{InviteOptions, invite_frames, invite_message};
use crate::view::JoinState;

/// Everything that somebody who has the link can do on its topic.
struct Line {
    link: InviteLink,
    topic: Topic,
}

impl Line {
    fn of(link: &str) -> Self {
        let link: InviteLink = link.parse().unwrap();
        let topic = link.topic_seed().topic();
        Self { link, topic }
    }

    fn say(&self, to: &mut Peer, message: &InviteMessage) -> Vec<InviteMessage> {
        let mut rng = to.engine.rng.clone();
        let frames = invite_frames(&self.link.seal_key(), message, [1; 8], &mut rng).unwrap();
        let mut answers = Vec::new();
        for frame in frames {
            answers.extend(to.hear(self.topic, &frame, NOW));
        }
        self.read(answers)
    }

    fn read(&self, frames: Vec<(Topic, Vec<u8>)>) -> Vec<InviteMessage> {
        let mut incoming = Assembler::default();
        frames
            .iter()
            .filter(|(topic, _)| *topic == self.topic)
            .filter_map(|(_, frame)| invite_message(&self.link.seal_key(), &mut incoming, frame))
            .collect()
    }
}

fn invite(inviter: &mut Peer) -> String {
    let options = InviteOptions::default();
    let link = inviter.engine.invite_create(options, NOW).unwrap();
    inviter.attend(NOW);
    link
}

/// protocol §1.3.5, §7.1.1
#[test]
fn an_invite_brings_the_access_key_of_a_private_relay_to_who_has_no_relay_yet() {
    let private = relay().with_access(AccessKey::from_bytes([5; 32]));
    let mut ada = Peer::new("Ada", 1);
    ada.engine.relay_set(&private.to_string(), NOW).unwrap();
    let link = invite(&mut ada);
    let mut eve = open(&MemoryDisk::default(), 2, NOW);
    eve.account_create("Eve", NOW).unwrap();
    eve.invite_accept(&link, NOW).unwrap();
    assert_eq!(eve.relay(), Some(&private));
}

/// A request by this engine's account, signed for this attempt.
fn request(engine: &Engine, pin: &[u8; 32], knock: &[u8; 16]) -> JoinRequest {
    let me = engine.me().unwrap();
    let mut request = JoinRequest {
        salt: [9; 32],
        name: "Eve".to_owned(),
        account: *me.id.as_bytes(),
        mailbox: me.mailbox.public().as_bytes().to_vec(),
        key_packages: vec![me.core.new_key_package().unwrap().bytes],
        signature: Vec::new(),
    };
    sign(engine, &mut request, pin, knock);
    request
}

fn sign(engine: &Engine, request: &mut JoinRequest, pin: &[u8; 32], knock: &[u8; 16]) {
    let bytes = request.signed_bytes(pin, knock);
    let key = &engine.me().unwrap().key;
    request.signature = key.sign(JoinRequest::LABEL, &bytes).to_vec();
}

/// protocol §7.2.3
#[test]
fn a_joiner_checks_the_pin_and_takes_one_key_only() {
    let (mut inviter, mut joiner) = (Peer::new("Ada", 1), Peer::new("Bo", 2));
    let link = invite(&mut inviter);
    let line = Line::of(&link);
    joiner.engine.invite_accept(&link, NOW).unwrap();
    let said = joiner.attend(NOW);
    let Some(InviteMessage::Knock { knock, commitment }) = line.read(said).pop() else {
        panic!("no knock");
    };
    let mut key = line
        .say(&mut inviter, &InviteMessage::Knock { knock, commitment })
        .pop()
        .unwrap();
    let changed = |change: fn(&mut Vec<u8>, &mut [u8; 32], &mut [u8; 16])| {
        let mut changed = key.clone();
        if let InviteMessage::Key {
            public,
            account,
            nonce,
            ..
        } = &mut changed
        {
            change(public, account, nonce);
        }
        changed
    };
    let other_public = changed(|public, _, _| public[0] ^= 1);
    let other_account = changed(|_, account, _| account[0] ^= 1);
    let other_nonce = changed(|_, _, nonce| nonce[0] ^= 1);
    for wrong in [other_public, other_account] {
        assert_eq!(line.say(&mut joiner, &wrong), []);
    }
    let waiting = |joiner: &Peer| joiner.engine.join_list(NOW).unwrap().remove(0);
    assert_eq!(waiting(&joiner).state, JoinState::Knocking);
    assert!(!line.say(&mut joiner, &key).is_empty());
    let code = waiting(&joiner).code;
    assert_eq!(line.say(&mut joiner, &other_nonce), []);
    assert_eq!(waiting(&joiner).code, code);
    // The same key once more changes nothing either.
    if let InviteMessage::Key { name, .. } = &mut key {
        "Eve".clone_into(name);
    }
    assert_eq!(line.say(&mut joiner, &key), []);
    assert_eq!(waiting(&joiner).name, "Ada");
}

/// protocol §7.2.4, §7.2.6
#[test]
fn an_inviter_drops_false_requests_and_lets_nobody_in_unasked() {
    let (mut inviter, eve) = (Peer::new("Ada", 1), Peer::new("Eve", 2));
    let victim = Peer::new("Bo", 3);
    let line = Line::of(&invite(&mut inviter));
    let pin = *line.link.pin();
    let mut ask = |knock: [u8; 16], committed: &[u8], request: &[u8]| {
        let commitment = handshake::commitment(committed);
        let answer = line.say(&mut inviter, &InviteMessage::Knock { knock, commitment });
        let Some(InviteMessage::Key { public, .. }) = answer.first() else {
            panic!("no key");
        };
        let to = HybridPublic::from_bytes(public).unwrap();
        let core = eve.engine.core().unwrap();
        let sealed = core
            .hybrid_seal(&to, handshake::REQUEST_INFO, &knock, request)
            .unwrap();
        let answers = line.say(&mut inviter, &InviteMessage::Request { knock, sealed });
        (answers, inviter.engine.join_list(NOW).unwrap().len())
    };
    let good = |knock| request(&eve.engine, &pin, knock);
    let bytes = |request: &JoinRequest| request.encode().unwrap().to_vec();

    let other = bytes(&good(&[1; 16]));
    let mut changed = good(&[1; 16]);
    changed.salt = [8; 32];
    sign(&eve.engine, &mut changed, &pin, &[1; 16]);
    assert_eq!(
        ask([1; 16], &other, &bytes(&changed)).1,
        0,
        "not committed to"
    );

    let replayed = bytes(&good(&[1; 16]));
    assert_eq!(
        ask([2; 16], &replayed, &replayed).1,
        0,
        "of another attempt"
    );

    let mut claimed = good(&[3; 16]);
    claimed.account = *victim.engine.me().unwrap().id.as_bytes();
    sign(&eve.engine, &mut claimed, &pin, &[3; 16]);
    let claimed = bytes(&claimed);
    assert_eq!(ask([3; 16], &claimed, &claimed).1, 0, "in another's name");

    let mut foreign = good(&[4; 16]);
    let package = victim.engine.core().unwrap().new_key_package().unwrap();
    foreign.key_packages.push(package.bytes);
    sign(&eve.engine, &mut foreign, &pin, &[4; 16]);
    let foreign = bytes(&foreign);
    assert_eq!(
        ask([4; 16], &foreign, &foreign).1,
        0,
        "another's KeyPackage"
    );

    let honest = bytes(&good(&[5; 16]));
    let knock = [5; 16];
    let asked = ask(knock, &honest, &honest);
    assert_eq!(asked, (vec![InviteMessage::Received { knock }], 1));
    // Nobody has approved: asking again and again opens no door.
    assert_eq!(
        ask_again(&line, &mut inviter, knock),
        vec![InviteMessage::Received { knock }]
    );
    assert!(inviter.engine.groups.is_empty());
}

fn ask_again(line: &Line, inviter: &mut Peer, knock: [u8; 16]) -> Vec<InviteMessage> {
    let again = InviteMessage::Request {
        knock,
        sealed: vec![1; 2000],
    };
    line.say(inviter, &again)
}

/// protocol §7.3.2
#[test]
fn a_joiner_enters_only_what_the_inviter_has_signed() {
    let mut people = [Peer::new("Ada", 1), Peer::new("Bo", 2)];
    let eve = Peer::new("Eve", 3);
    let link = invite(&mut people[0]);
    let line = Line::of(&link);
    people[1].engine.invite_accept(&link, NOW).unwrap();
    round(&mut people, 1);
    let knock = people[0].engine.joins[&1].record.knock;
    let [ada, bo] = &mut people;
    let mailbox = bo.engine.me().unwrap().mailbox.public().clone();
    let (core, key) = (eve.engine.core().unwrap(), &eve.engine.me().unwrap().key);
    for claims in [ada.engine.me().unwrap().id, key.id()] {
        let mut forged = admission(claims);
        let bytes = forged.signed_bytes(line.link.pin(), &knock);
        forged.signature = key.sign(Admission::LABEL, &bytes).to_vec();
        let encoded = forged.encode().unwrap();
        let sealed = core
            .hybrid_seal(&mailbox, handshake::ADMISSION_INFO, &knock, &encoded)
            .unwrap();
        let forged = InviteMessage::Admitted { knock, sealed };
        assert_eq!(line.say(bo, &forged), []);
        let join = bo.engine.join_list(NOW).unwrap().remove(0);
        assert_eq!(join.state, JoinState::Waiting);
        assert!(bo.engine.groups.is_empty());
    }
    let id = people[0].engine.join_list(NOW).unwrap().remove(0).id;
    people[0].engine.join_approve(&id, NOW).unwrap();
    let said = people[0].attend(NOW).into_iter();
    carry(
        &mut people,
        said.map(|(topic, frame)| (0, topic, frame)).collect(),
    );
    assert_eq!(people[1].engine.groups.len(), 1);
}

/// protocol §7.3.1, §7.3.2
#[test]
fn who_is_let_in_has_the_commit_that_did_it_for_others() {
    let mut people = [Peer::new("Ada", 1), Peer::new("Bo", 2)];
    let link = invite(&mut people[0]);
    people[1].engine.invite_accept(&link, NOW).unwrap();
    round(&mut people, 1);
    let id = people[0].engine.join_list(NOW).unwrap().remove(0).id;
    people[0].engine.join_approve(&id, NOW).unwrap();
    let said = people[0].attend(NOW).into_iter();
    // Nothing passes but what passes on the invite's topic.
    let invited = Line::of(&link).link.topic_seed().topic();
    let said = said.filter(|(topic, _)| *topic == invited);
    carry(
        &mut people,
        said.map(|(topic, frame)| (0, topic, frame)).collect(),
    );
    let [ada, bo] = &people;
    let state = ada.engine.groups[&ada.group()].head_state().unwrap();
    assert_eq!(bo.engine.groups[&bo.group()].head_state().unwrap(), state);
    let commits = |peer: &Peer| -> Vec<_> {
        let channels = peer.engine.channels.iter();
        let held = channels.flat_map(|(channel, held)| {
            let places = held.log.in_order().into_keys();
            places.filter_map(|place| peer.engine.entry_at(*channel, place).unwrap())
        });
        held.map(|entry| entry.id()).collect()
    };
    let first = commits(ada)[0];
    assert!(commits(bo).contains(&first));
}

fn admission(claims: AccountId) -> Admission {
    Admission {
        group: [1; 16],
        welcome: vec![1; 100],
        channel_secret: Zeroizing::new([1; 32]),
        inviter_account: *claims.as_bytes(),
        inviter_name: "Ada".to_owned(),
        inviter_mailbox: vec![1; handshake::HYBRID_PUBLIC_LEN],
        key_packages: Vec::new(),
        names: Vec::new(),
        clock: 0,
        commit: Vec::new(),
        signature: Vec::new(),
    }
}

/// As if an invite had been used and its joiner had said that it is in.
fn use_up(inviter: &mut Peer, number: u32) {
    let invite = inviter.engine.invites.get_mut(&number).unwrap();
    invite.record.uses_left = Some(0);
}

/// protocol §7.3.3
#[test]
fn an_invite_that_is_used_up_makes_room_and_is_listened_on_for_a_while() {
    let mut people = [Peer::new("Ada", 1), Peer::new("Bo", 2)];
    let link = invite(&mut people[0]);
    for _ in 1..64 {
        invite(&mut people[0]);
    }
    let full = |ada: &mut Peer| {
        let made = ada.engine.invite_create(InviteOptions::default(), NOW);
        made.is_err_and(|error| error.name() == "out_of_bounds")
    };
    assert!(full(&mut people[0]));
    let join = people[1].engine.invite_accept(&link, NOW).unwrap();
    round(&mut people, 1);
    people[0].engine.join_approve(&join, NOW).unwrap();
    assert!(full(&mut people[0]), "the joiner is still on its way in");
    round(&mut people, 0);
    assert_eq!(people[1].engine.groups.len(), 1);
    let late = Line::of(&invite(&mut people[0]));
    assert!(full(&mut people[0]), "one was used, one more was made");

    let line = Line::of(&link);
    let [ada, _] = &mut people;
    assert!(ada.topics.contains(&line.topic));
    let (knock, commitment) = ([7; 16], [7; 32]);
    let answers = line.say(ada, &InviteMessage::Knock { knock, commitment });
    assert_eq!(answers, [InviteMessage::Gone { knock }]);

    for number in 2..=65 {
        use_up(ada, number);
    }
    for _ in 0..64 {
        invite(ada);
    }
    (66..=129).for_each(|number| use_up(ada, number));
    invite(ada);
    assert_eq!(ada.engine.invites.len(), 129);
    assert!(!ada.topics.contains(&line.topic), "the first is forgotten");
    assert!(ada.topics.contains(&late.topic), "no other is");
    ada.restart(NOW);
    assert_eq!(ada.engine.invites.len(), 129);
}

/// The question outlives the invite: its number is not given to another one, which may lead elsewhere.
#[test]
fn a_question_by_an_invite_that_has_expired_leads_to_no_other_group() {
    let mut people = [Peer::new("Ada", 1), Peer::new("Bo", 2)];
    let link = invite(&mut people[0]);
    let join = people[1].engine.invite_accept(&link, NOW).unwrap();
    round(&mut people, 1);
    let [ada, _] = &mut people;
    let later = NOW.plus_ms(8 * 86_400_000);
    ada.engine.handle_timeout(later).unwrap();
    assert!(ada.engine.invites.is_empty());
    let group = ada.engine.group_create("Family", later).unwrap();
    let to_the_group = InviteOptions {
        group: Some(group),
        ..InviteOptions::default()
    };
    ada.engine.invite_create(to_the_group, later).unwrap();
    let approved = ada.engine.join_approve(&join, later);
    assert_eq!(approved.unwrap_err().name(), "invite_expired");
}

/// protocol §7.3.5
#[test]
fn a_made_up_group_does_not_take_the_place_of_one_with_its_id() {
    let [mut ada, bo] = pair();
    let group = ada.group();
    let (_, packages) = ada.engine.new_key_packages(1).unwrap();
    let me = bo.engine.me().unwrap();
    let data = GroupData::new(me.id, String::new(), Conversation::Direct);
    let head = me.core.create_group(group, data).unwrap();
    let key_packages = packages;
    let add = head.commit(&me.core, &Operation::Add { key_packages });
    let mut trap = Admission {
        group: *group.as_bytes(),
        welcome: add.unwrap().welcome.unwrap(),
        ..admission(me.id)
    };
    let (pin, knock) = ([0; 32], [0; 16]);
    let bytes = trap.signed_bytes(&pin, &knock);
    trap.signature = me.key.sign(Admission::LABEL, &bytes).to_vec();
    let before = ada.engine.groups[&group].head_state().unwrap();
    let entered = ada
        .engine
        .atomically(|engine| engine.enter_group(&trap, (pin, knock), NOW));
    assert_eq!(entered.unwrap_err().name(), "already_member");
    assert_eq!(ada.engine.groups[&group].head_state().unwrap(), before);
}

/// protocol §7.3.4, §3.1.2
#[test]
fn what_is_for_one_member_is_read_whole_or_not_at_all() {
    let bytes = crate::record::encode(&Private::KeyPackages(Vec::new())).unwrap();
    assert!(Private::decode(&bytes).is_some());
    assert!(Private::decode(&[bytes.as_slice(), &[0]].concat()).is_none());
}
