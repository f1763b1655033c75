//! What one member, or somebody who is none, can make a device believe: nothing.

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use sori_mls::{AccountKey, Device};
use sori_store::{MemoryDisk, Store};

use super::answers::{Membership, asker_is_member};
use super::*;
use crate::envelope::{STAND_LABEL, Stand};

const NOW: Time = Time::from_unix_ms(1_795_316_400_000);

/// A device in a group, and the keys of accounts that it takes for the other members.
struct Scene {
    engine: Engine,
    group: GroupId,
    channel: u32,
    others: Vec<AccountKey>,
}

impl Scene {
    fn new(others: u8) -> Self {
        let store = Store::open_memory(&MemoryDisk::default(), [1; 32]).unwrap();
        let mut engine = Engine::open(store, [2; 32], NOW).unwrap();
        engine.account_create("a", NOW).unwrap();
        let relay = format!("relay://127.0.0.1:4433/#{}", "A".repeat(43));
        engine.relay_set(&relay, NOW).unwrap();
        let id = engine.group_create("tea", NOW).unwrap();
        let group: GroupId = id.parse().unwrap();
        let keys = (1..=others).map(|n| AccountKey::from_bytes(&[n; 32]));
        let mut scene = Self {
            group,
            channel: engine.groups[&group].channel().unwrap(),
            engine,
            others: keys.collect(),
        };
        let members: Vec<AccountId> = scene.others.iter().map(AccountKey::id).collect();
        let held = scene.engine.groups.get_mut(&group).unwrap();
        held.resync.known.members.extend(members);
        scene
    }

    /// Puts a question without anybody there to hear it.
    fn ask(&mut self, what: What) -> [u8; 32] {
        let mut question = Question {
            nonce: 7,
            what,
            about: BTreeSet::new(),
            verdicts: BTreeMap::new(),
        };
        let (engine, channel) = (&mut self.engine, self.channel);
        engine.put_question(channel, &mut question, NOW).unwrap();
        let about = *question.about.first().unwrap();
        let asking = engine.resyncs.asking.entry(self.group).or_default();
        asking.question = Some(question);
        about
    }

    fn stand(&mut self, key: &AccountKey, about: [u8; 32], verdict: Verdict) {
        let mut stand = Stand {
            about,
            account: key.id(),
            verdict,
            signature: Vec::new(),
        };
        stand.signature = key.sign(STAND_LABEL, &stand.signed_bytes()).to_vec();
        self.take(&stand);
    }

    /// Takes an answer, and weighs what there is at once.
    fn take(&mut self, stand: &Stand) {
        self.engine.take_stand(self.channel, stand, NOW).unwrap();
        let engine = &mut self.engine;
        engine.resyncs_timeout(NOW.plus_ms(10_000)).unwrap();
    }

    fn standing(&self) -> Standing {
        self.engine.groups[&self.group].record.standing
    }

    fn lose(&mut self) {
        let group = self.group;
        self.engine
            .with_group(group, |engine, group| engine.lose(group, NOW))
            .unwrap();
    }

    fn way(&self) -> What {
        What::Way(Box::new(
            self.engine.core().unwrap().hybrid_key(&[3; 32]).unwrap(),
        ))
    }

    fn head(&self) -> StateId {
        self.engine.groups[&self.group].head_state().unwrap()
    }
}

/// protocol §5.6.7
#[test]
fn half_of_the_others_have_to_say_that_one_is_removed() {
    for (others, enough) in [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (20, 5)] {
        let mut scene = Scene::new(others);
        scene.lose();
        let way = scene.way();
        let about = scene.ask(way);
        let keys = std::mem::take(&mut scene.others);
        for (said, key) in keys.iter().take(enough).enumerate() {
            assert_eq!(scene.standing(), Standing::Lost, "{said} of {others}");
            // Whoever says it twice says it once.
            for _ in 0..2 {
                scene.stand(key, about, Verdict::NoMember);
            }
        }
        assert_eq!(scene.standing(), Standing::Out);
    }
}

/// protocol §5.6.9
#[test]
fn half_of_the_others_have_to_say_that_one_is_off_the_way_and_at_first_more() {
    let at_first = [(1, 1), (2, 2), (3, 2), (4, 3), (20, 5)].map(|(n, enough)| (n, enough, 1));
    let later = [(1, 1), (2, 1), (3, 2), (4, 2), (20, 5)].map(|(n, enough)| (n, enough, 5));
    for (others, enough, rounds) in at_first.into_iter().chain(later) {
        let mut scene = Scene::new(others);
        let head = scene.head();
        let about = scene.ask(What::State(head));
        let asking = scene.engine.resyncs.asking.get_mut(&scene.group);
        asking.unwrap().rounds = rounds;
        let keys = std::mem::take(&mut scene.others);
        for key in keys.iter().take(enough) {
            assert_eq!(scene.standing(), Standing::Active);
            scene.stand(key, about, Verdict::Elsewhere);
        }
        assert_eq!(scene.standing(), Standing::Lost);
        assert!(scene.engine.groups[&scene.group].record.states.is_empty());
    }
}

/// protocol §5.6.9
#[test]
fn who_has_just_come_back_by_one_word_goes_by_one_word() {
    let mut scene = Scene::new(9);
    let head = scene.head();
    let held = scene.engine.groups.get_mut(&scene.group).unwrap();
    (held.resync.entered, held.resync.anchor) = (Some(head), Some(head));
    let about = scene.ask(What::State(head));
    let keys = std::mem::take(&mut scene.others);
    scene.stand(&keys[0], about, Verdict::Elsewhere);
    assert_eq!(scene.standing(), Standing::Lost);
    assert_eq!(scene.engine.groups[&scene.group].resync.tries, 1);
}

/// protocol §5.6.9
#[test]
fn who_has_seen_its_way_settled_does_not_leave_it_for_one_word() {
    let mut scene = Scene::new(9);
    let head = scene.head();
    let held = scene.engine.groups.get_mut(&scene.group).unwrap();
    held.resync.anchor = Some(head);
    held.record.states.get_mut(&head).unwrap().settled = Some(NOW);
    let about = scene.ask(What::State(head));
    let keys = std::mem::take(&mut scene.others);
    for key in keys.iter().take(4) {
        scene.stand(key, about, Verdict::Elsewhere);
        assert_eq!(scene.standing(), Standing::Active);
    }
    scene.stand(&keys[4], about, Verdict::Elsewhere);
    assert_eq!(scene.standing(), Standing::Lost);
}

/// protocol §5.6.9
#[test]
fn what_is_said_of_a_head_that_was_left_or_to_who_is_halted_does_not_count() {
    let mut scene = Scene::new(1);
    let keys = std::mem::take(&mut scene.others);
    let about = scene.ask(What::State(StateId::from_bytes([9; 32])));
    scene.stand(&keys[0], about, Verdict::Elsewhere);
    assert_eq!(scene.standing(), Standing::Active);
    let held = scene.engine.groups.get_mut(&scene.group).unwrap();
    held.record.standing = Standing::Halted;
    let head = scene.head();
    let about = scene.ask(What::State(head));
    scene.stand(&keys[0], about, Verdict::Elsewhere);
    assert_eq!(scene.standing(), Standing::Halted);
}

/// protocol §5.6.9
#[test]
fn a_single_voice_does_not_count_against_those_who_follow() {
    let mut scene = Scene::new(9);
    let head = scene.head();
    let held = scene.engine.groups.get_mut(&scene.group).unwrap();
    (held.resync.entered, held.resync.anchor) = (Some(head), Some(head));
    let about = scene.ask(What::State(head));
    let keys = std::mem::take(&mut scene.others);
    scene.stand(&keys[0], about, Verdict::Follows);
    assert!(scene.engine.groups[&scene.group].resync.entered.is_none());
    let about = scene.ask(What::State(head));
    let both = [(&keys[0], Verdict::Elsewhere), (&keys[1], Verdict::Follows)];
    for (key, verdict) in both {
        let mut stand = scene.engine.stand(about, verdict).unwrap();
        stand.account = key.id();
        stand.signature = key.sign(STAND_LABEL, &stand.signed_bytes()).to_vec();
        scene.engine.take_stand(scene.channel, &stand, NOW).unwrap();
    }
    scene.engine.resyncs_timeout(NOW.plus_ms(10_000)).unwrap();
    assert_eq!(scene.standing(), Standing::Active);
}

/// protocol §5.6.9
#[test]
fn a_commit_that_cannot_be_processed_counts_when_half_follow_it() {
    let mut scene = Scene::new(4);
    let child = StateId::from_bytes([9; 32]);
    let held = scene.engine.groups.get_mut(&scene.group).unwrap();
    held.resync.stuck.push(child);
    let about = scene.ask(What::State(child));
    let keys = std::mem::take(&mut scene.others);
    scene.stand(&keys[0], about, Verdict::Follows);
    scene.stand(&keys[1], about, Verdict::Elsewhere);
    scene.stand(&keys[2], about, Verdict::Elsewhere);
    assert_eq!(scene.standing(), Standing::Active);
    scene.stand(&keys[3], about, Verdict::Follows);
    assert_eq!(scene.standing(), Standing::Lost);
}

/// protocol §5.6.9
#[test]
fn of_several_commits_that_cannot_be_processed_each_is_asked_about() {
    let mut scene = Scene::new(4);
    let [first, second] = [8, 9].map(|byte| StateId::from_bytes([byte; 32]));
    let held = scene.engine.groups.get_mut(&scene.group).unwrap();
    held.resync.stuck.extend([first, second]);
    let about = scene.ask(What::State(first));
    let keys = std::mem::take(&mut scene.others);
    for key in &keys[..3] {
        scene.stand(key, about, Verdict::Elsewhere);
    }
    assert_eq!(scene.standing(), Standing::Active);
    let held = &scene.engine.groups[&scene.group];
    assert_eq!(held.resync.stuck, [second]);
    let about = scene.ask(What::State(second));
    for key in &keys[..2] {
        scene.stand(key, about, Verdict::Follows);
    }
    assert_eq!(scene.standing(), Standing::Lost);
}

/// protocol §5.6.7, §5.6.9
#[test]
fn words_of_strangers_forged_ones_and_those_to_other_questions_do_not_count() {
    let mut scene = Scene::new(1);
    let head = scene.head();
    let about = scene.ask(What::State(head));
    let (member, stranger) = (
        AccountKey::from_bytes(&[1; 32]),
        AccountKey::from_bytes(&[99; 32]),
    );
    scene.stand(&stranger, about, Verdict::Elsewhere);
    scene.stand(&member, [8; 32], Verdict::Elsewhere);
    let signed_by = |key: &AccountKey, signed: Verdict, said: Verdict| {
        let mut stand = Stand {
            about,
            account: member.id(),
            verdict: signed,
            signature: Vec::new(),
        };
        stand.signature = key.sign(STAND_LABEL, &stand.signed_bytes()).to_vec();
        stand.verdict = said;
        stand
    };
    scene.take(&signed_by(
        &stranger,
        Verdict::Elsewhere,
        Verdict::Elsewhere,
    ));
    scene.take(&signed_by(&member, Verdict::Follows, Verdict::Elsewhere));
    let mut short = signed_by(&member, Verdict::Elsewhere, Verdict::Elsewhere);
    short.signature.pop();
    scene.take(&short);
    assert_eq!(scene.standing(), Standing::Active);
    scene.take(&signed_by(&member, Verdict::Elsewhere, Verdict::Elsewhere));
    assert_eq!(scene.standing(), Standing::Lost);
}

/// protocol §5.6.7
#[test]
fn a_call_is_answered_only_if_it_is_the_devices() {
    let mut scene = Scene::new(0);
    let tag = scene.engine.channels[&scene.channel].tag();
    let mut rng = ChaCha20Rng::from_seed([4; 32]);
    let stranger = Device::generate(&AccountKey::from_bytes(&[5; 32]), &mut rng);
    let me = scene.engine.core().unwrap().device();
    let called = |account, device, by: &Device| {
        let mut ask = Ask {
            nonce: 1,
            account,
            device,
            key: vec![0; 1216],
            signature: Vec::new(),
        };
        let bytes = ask.signed_bytes(&tag);
        ask.signature = by.sign(ASK_LABEL, &bytes).to_vec();
        ask
    };
    let forged = called(me.account(), me.id(), &stranger);
    let ours = called(me.account(), me.id(), me);
    let theirs = called(stranger.account(), stranger.id(), &stranger);
    let group = &scene.engine.groups[&scene.group];
    let verdicts = [&forged, &ours, &theirs].map(|ask| asker_is_member(group, ask, &tag) as u8);
    let expected = [Membership::Forged, Membership::In, Membership::Out];
    assert_eq!(verdicts, expected.map(|membership| membership as u8));
    // A call by a device of one's own is another copy's, and the other way round.
    scene.engine.take_ask(scene.channel, ours, NOW).unwrap();
    assert!(scene.engine.resyncs.planned.is_empty());
    // Who is not in the group is told so, and gets no way in.
    scene.engine.take_ask(scene.channel, theirs, NOW).unwrap();
    let [planned] = scene.engine.resyncs.planned.as_slice() else {
        panic!("one answer");
    };
    assert!(matches!(
        &planned.answer,
        Planning::Stand(saying) if saying.stand.verdict == Verdict::NoMember
    ));
}

/// protocol §5.6.6
#[test]
fn a_device_without_state_answers_nobody_and_vouches_for_nothing() {
    let mut scene = Scene::new(1);
    let head = scene.head();
    scene.lose();
    let check = Check {
        nonce: 1,
        state: head,
        logs: scene.engine.logs_of(&scene.group),
    };
    scene.engine.take_check(scene.channel, &check, NOW).unwrap();
    assert!(scene.engine.resyncs.planned.is_empty());
    let id = scene.group;
    let (sent, renamed) = (
        scene.engine.message_send(&id.to_string(), "x", None, NOW),
        scene.engine.group_rename(&id.to_string(), "y", NOW),
    );
    assert!(sent.is_ok(), "kept");
    assert!(matches!(renamed, Err(Error::Rejoining)));
    let group = &scene.engine.groups[&id];
    assert_eq!(group.resync.unsent.len(), 1);
    assert!(group.head.is_none() && group.record.states.is_empty());
}

/// protocol §5.6.7, §5.6.8
#[test]
fn an_answer_is_for_one_call_and_by_a_member() {
    let mut scene = Scene::new(1);
    let group = scene.group;
    let about = [6; 32];
    let device = scene.engine.core().unwrap().device().id();
    let way = scene
        .engine
        .with_group(group, |engine, group| engine.way(group, &device, &about))
        .unwrap();
    scene.lose();
    let call = scene.way();
    let asked = scene.ask(call);
    let core = scene.engine.core().unwrap();
    let key = core.hybrid_key(&[3; 32]).unwrap();
    // Signed for another call, though sealed for this one.
    let sealed = core
        .hybrid_seal(key.public(), WAY_INFO, &asked, &way)
        .unwrap();
    let held = &scene.engine.groups[&group];
    assert!(scene.engine.open_way(held, &sealed).is_none());
    let other = core.hybrid_key(&[4; 32]).unwrap();
    let sealed = core
        .hybrid_seal(other.public(), WAY_INFO, &asked, &way)
        .unwrap();
    assert!(scene.engine.open_way(held, &sealed).is_none());
    for garbage in [&[][..], &[0; 1200], &sealed[..sealed.len() - 1]] {
        assert!(scene.engine.open_way(held, garbage).is_none());
    }
}

/// protocol §5.6.9
#[test]
fn what_enough_others_say_is_held_back_until_somebody_says_otherwise() {
    let mut scene = Scene::new(20);
    let keys = std::mem::take(&mut scene.others);
    let check = Check {
        nonce: 1,
        state: scene.head(),
        logs: scene.engine.logs_of(&scene.group),
    };
    let about = check.id();
    scene.engine.take_check(scene.channel, &check, NOW).unwrap();
    let hear = |scene: &mut Scene, key: &AccountKey, verdict| {
        let mut stand = Stand {
            about,
            account: key.id(),
            verdict,
            signature: Vec::new(),
        };
        stand.signature = key.sign(STAND_LABEL, &stand.signed_bytes()).to_vec();
        let engine = &mut scene.engine;
        engine.take_stand(scene.channel, &stand, NOW).unwrap();
    };
    // Who is no member silences nobody.
    let strangers = (100..=130).map(|n| AccountKey::from_bytes(&[n; 32]));
    strangers.for_each(|key| hear(&mut scene, &key, Verdict::Follows));
    let heard = |scene: &Scene| match &scene.engine.resyncs.planned[0].answer {
        Planning::Stand(saying) => saying.others.len(),
        Planning::Way(_) => 0,
    };
    assert_eq!(heard(&scene), 0);
    let (agree, rest) = keys.split_at(saying::VOICES);
    agree
        .iter()
        .for_each(|key| hear(&mut scene, key, Verdict::Follows));
    let due = NOW.plus_ms(2_000);
    scene.engine.resyncs_timeout(due).unwrap();
    assert!(scene.engine.resyncs.is_to_say(&about), "held back");
    assert!(scene.engine.resyncs.next_timeout() > Some(due));
    // Those who say otherwise wait until all others are silent.
    rest.iter()
        .for_each(|key| hear(&mut scene, key, Verdict::Elsewhere));
    assert!(scene.engine.resyncs.next_timeout() < Some(due));
    scene.engine.resyncs_timeout(due).unwrap();
    assert!(!scene.engine.resyncs.is_to_say(&about), "said");
}
