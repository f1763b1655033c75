//! Files: who gives them to whom, and what is kept of what a member makes up.

use std::hash::{BuildHasher, RandomState};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use sori_wire::TopicSeed;
use zeroize::Zeroizing;

use super::{NOW, Peer, Published, carry, pair, round};
use crate::attachments::NewFile;
use crate::envelope::ChannelMessage;
use crate::table;
use crate::time::Time;
use crate::view::{FileState, FileView};

/// A file of `len` bytes that do not repeat soon.
fn file(len: usize) -> NewFile {
    let bytes: Vec<u8> = (0..len)
        .map(|n| u8::try_from(n * 7 % 251).unwrap())
        .collect();
    NewFile {
        name: "회의록.pdf".to_owned(),
        media_type: "application/pdf".to_owned(),
        bytes: Zeroizing::new(bytes),
    }
}

fn send(peer: &mut Peer, file: &NewFile) -> String {
    let group = peer.group().to_string();
    peer.engine
        .message_send_file(&group, file, "", NOW)
        .unwrap()
}

fn view(peer: &mut Peer) -> FileView {
    let group = peer.group();
    *peer.list(group)[0].file.clone().unwrap()
}

/// Lets both wait for `ms`, and do what is due.
fn wait(people: &mut [Peer], ms: u64) -> Time {
    let now = NOW.plus_ms(ms);
    for who in 0..people.len() {
        people[who].engine.handle_timeout(now).unwrap();
        round(people, who);
    }
    now
}

/// As often as it takes for questions, answers and pieces to go back and forth.
fn wait_long(people: &mut [Peer]) {
    for n in 1..20 {
        wait(people, n * 300);
    }
}

/// So long that who gives nothing is given up, and others are asked.
fn wait_out(people: &mut [Peer]) {
    for n in 1..100 {
        wait(people, n * 300);
    }
}

fn content(peer: &mut Peer, id: &str) -> Vec<u8> {
    let group = peer.group().to_string();
    let mut bytes = Vec::new();
    for index in 0.. {
        match peer.engine.file_piece(&group, id, index, NOW).unwrap() {
            Some(piece) => bytes.extend_from_slice(&piece),
            None => break,
        }
    }
    bytes
}

/// How many rows there are of files and their pieces.
fn rows(peer: &Peer) -> usize {
    let rows = |table| peer.engine.store.range(table, &[]).unwrap().len();
    rows(table::FILE) + rows(table::FILE_PIECE)
}

/// protocol §9.3, §9.4, §9.5
#[test]
fn a_file_comes_whole_from_who_has_it() {
    for len in [1, 61_440, 61_441, 400_000] {
        let mut people = pair();
        let sent = file(len);
        let id = send(&mut people[0], &sent);
        assert_eq!(view(&mut people[0]).state, FileState::Here);
        round(&mut people, 0);
        wait_long(&mut people);
        let came = view(&mut people[1]);
        assert_eq!((came.state, came.have), (FileState::Here, came.size));
        assert_eq!(came.name, "회의록.pdf");
        assert_eq!(content(&mut people[1], &id), *sent.bytes);
        // And it can be given on by who got it.
        people[1].restart(NOW);
        assert_eq!(content(&mut people[1], &id), *sent.bytes);
    }
}

/// protocol §9.5
#[test]
fn what_was_fetched_stays_and_the_next_goes_on_there() {
    let mut people = pair();
    let sent = file(400_000);
    let id = send(&mut people[0], &sent);
    round(&mut people, 0);
    // Each step the receiver ends its program.
    let mut seen = 0;
    for n in 1..200 {
        let now = NOW.plus_ms(n * 300);
        for who in 0..2 {
            people[who].engine.handle_timeout(now).unwrap();
            let said = people[who].attend(now);
            let said: Vec<Published> = said
                .into_iter()
                .map(|(topic, frame)| (who, topic, frame))
                .collect();
            some(&mut people, said, 6);
        }
        let have = view(&mut people[1]).have;
        assert!(have >= seen, "nothing is lost");
        if have > seen {
            people[1].restart(now);
            seen = have;
        }
    }
    assert_eq!(view(&mut people[1]).state, FileState::Here);
    assert_eq!(content(&mut people[1], &id), *sent.bytes);
}

/// As `carry`, and after so many frames the rest is lost.
fn some(people: &mut [Peer], said: Vec<Published>, count: usize) {
    let mut waiting = std::collections::VecDeque::from(said);
    for _ in 0..count {
        let Some((from, topic, frame)) = waiting.pop_front() else {
            return;
        };
        let other = 1 - from;
        if people[other].topics.contains(&topic) {
            let answers = people[other].hear(topic, &frame, NOW).into_iter();
            waiting.extend(answers.map(|(topic, frame)| (other, topic, frame)));
        }
    }
}

/// protocol §9.2
#[test]
fn hashes_and_pieces_that_a_member_made_up_are_not_kept() {
    use crate::attachments::testing::{Forged, forge};
    for what in [Forged::Hashes, Forged::Piece, Forged::ShortPiece] {
        let mut people = pair();
        let id = send(&mut people[0], &file(100_000));
        round(&mut people, 0);
        // The first answers, and makes something up.
        let now = NOW.plus_ms(100);
        let seed = lure(&mut people, now);
        for frame in forge(&people[0].engine, &seed, what) {
            people[1].hear(seed.topic(), &frame, now);
        }
        assert_eq!(view(&mut people[1]).have, 0);
        assert!(
            !people[1].topics.contains(&seed.topic()),
            "it parts with that one"
        );
        // From who is honest it comes all the same.
        wait_long(&mut people);
        assert_eq!(content(&mut people[1], &id), *file(100_000).bytes);
    }
}

/// The second asks, and the first answers with a topic on which it may say anything.
fn lure(people: &mut [Peer], now: Time) -> TopicSeed {
    let seed = TopicSeed::from_bytes([5; 32]);
    people[1].engine.handle_timeout(now).unwrap();
    let nonce = people[1].engine.files.a_question();
    let channel = people[0].channel();
    let here = ChannelMessage::Here {
        nonce,
        seed: [5; 32],
    };
    let engine = &mut people[0].engine;
    engine.send_transient(channel, &here, now).unwrap();
    round(people, 0);
    assert!(people[1].topics.contains(&seed.topic()));
    seed
}

/// Runs `case` on some of what a hostile member may say about a file of four pieces.
fn with_hostile_talk(case: impl Fn([Peer; 2], String, Vec<Vec<u8>>)) {
    use crate::attachments::testing::any_talk;
    let given = std::env::var("SORI_FILES_SEED").ok();
    let seed = given.map_or_else(
        || RandomState::new().hash_one(0),
        |seed| seed.parse().unwrap(),
    );
    println!("SORI_FILES_SEED={seed}");
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed.to_be_bytes(); 4].concat());
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), rng);
    for _ in 0..12 {
        let mut people = pair();
        let id = send(&mut people[0], &file(200_000));
        let talk = any_talk(&people[0].engine);
        let said = prop::collection::vec(talk, 1..40);
        case(people, id, said.new_tree(&mut runner).unwrap().current());
    }
}

/// protocol §9.2, §9.5
#[test]
fn whatever_a_giver_says_only_what_is_right_is_kept() {
    use crate::attachments::testing::{Speaker, frame};
    with_hostile_talk(|mut people, id, said| {
        round(&mut people, 0);
        let now = NOW.plus_ms(100);
        let seed = lure(&mut people, now);
        for plain in said {
            let frame = frame(&seed, Speaker::Giver, &plain);
            people[1].hear(seed.topic(), &frame, now);
        }
        // What it said may have been right, and not all.
        wait_out(&mut people);
        assert_eq!(content(&mut people[1], &id), *file(200_000).bytes);
    });
}

/// protocol §9.5
#[test]
fn whatever_a_taker_asks_it_gets_no_more_than_three_pieces_for_a_question() {
    use crate::attachments::testing::{Speaker, frame};
    with_hostile_talk(|mut people, _, said| {
        let known = people[0].engine.files.a_file();
        let channel = people[0].channel();
        people[0].engine.take_who_has(channel, 9, known, NOW);
        let now = NOW.plus_ms(300);
        people[0].engine.handle_timeout(now).unwrap();
        people[0].attend(now);
        let seed = people[0].engine.files.given_on();
        for plain in said {
            let frame = frame(&seed, Speaker::Taker, &plain);
            let answers = people[0].hear(seed.topic(), &frame, now);
            let answers = answers.iter().filter(|(topic, _)| *topic == seed.topic());
            assert!(answers.count() <= 3);
        }
    });
}

/// Who names a file wrongly, before it is named rightly, keeps nobody from it. (protocol §9.2)
#[test]
fn a_file_that_was_named_with_another_length_can_be_had_all_the_same() {
    let mut people = pair();
    let sent = file(100_000);
    let id = send(&mut people[0], &sent);
    let group = people[1].group();
    let wrong = people[0].engine.files.a_file();
    people[1].engine.files.squat(wrong, group, 70_000);
    round(&mut people, 0);
    wait_long(&mut people);
    assert_eq!(content(&mut people[1], &id), *sent.bytes);
}

/// protocol §9.4
#[test]
fn a_file_is_given_on_the_channel_of_its_own_group_only() {
    let mut people = pair();
    send(&mut people[0], &file(100));
    round(&mut people, 0);
    let now = NOW.plus_ms(100);
    let known = people[0].engine.files.a_file();
    let channel = people[0].channel();
    let other = people[0].engine.group_create("other", now).unwrap();
    round(&mut people, 0);
    let other = people[0].engine.groups[&other.parse().unwrap()]
        .channel()
        .unwrap();
    for (channel, answers) in [(other, 0), (channel, 1)] {
        people[0].engine.take_who_has(channel, 9, known, now);
        assert_eq!(people[0].engine.files.planned(), answers);
    }
}

/// protocol §9.6
#[test]
fn a_file_goes_when_its_message_goes() {
    let mut people = pair();
    let id = send(&mut people[0], &file(200_000));
    round(&mut people, 0);
    wait_long(&mut people);
    assert!(rows(&people[0]) > 4 && rows(&people[1]) > 4);
    let group = people[0].group().to_string();
    let edited = people[0].engine.message_edit(&group, &id, "edited", NOW);
    assert!(edited.is_err(), "an edit would take the file away");
    people[0].engine.message_delete(&group, &id, NOW).unwrap();
    round(&mut people, 0);
    assert_eq!((rows(&people[0]), rows(&people[1])), (0, 0));
}

/// Nothing is fetched any more after a word, and goes on after another.
#[test]
fn fetching_stops_and_goes_on_as_the_person_says() {
    let mut people = pair();
    let sent = file(400_000);
    let id = send(&mut people[0], &sent);
    let group = people[0].group().to_string();
    let said = people[0].attend(NOW);
    carry(
        &mut people,
        said.into_iter()
            .map(|(topic, frame)| (0, topic, frame))
            .collect(),
    );
    people[1].engine.file_stop(&group, &id, NOW).unwrap();
    wait_long(&mut people);
    let stopped = view(&mut people[1]);
    assert_eq!((stopped.state, stopped.have), (FileState::Stopped, 0));
    people[1].engine.file_fetch(&group, &id, NOW).unwrap();
    wait_long(&mut people);
    assert_eq!(content(&mut people[1], &id), *sent.bytes);
}
