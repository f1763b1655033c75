//! Messages and receipts of members who keep to no rules.

use sori_content::{Disposition, MessageId, MimiContent, NestedPart};

use super::{NOW, Peer, pair, round};
use crate::chunk;
use crate::delivery::CHANNEL_AAD;
use crate::envelope::{
    AppBody, AppMessage, ChannelMessage, HELLO_LABEL, Hello, RECEIPT_LABEL, Receipt,
};
use crate::group::clock_of;
use crate::record::Body;
use crate::session::EnvelopeId;
use crate::time::Time;
use crate::view::MessageKind;

/// Sends whatever content, at whatever clock.
fn send(peer: &mut Peer, content: &MimiContent, clock: u64) {
    let app = AppMessage {
        clock,
        sent_at: NOW.unix_ms(),
        body: AppBody::Content(content.encode()),
    };
    let group = peer.group();
    peer.engine
        .with_group(group, |engine, group| {
            engine.send_app(group, &app, None, NOW)
        })
        .unwrap();
}

fn say(peer: &mut Peer, text: &str) -> MessageId {
    let group = peer.group().to_string();
    let id = peer.engine.message_send(&group, text, None, NOW).unwrap();
    id.parse().unwrap()
}

/// protocol §8.2
#[test]
fn a_message_that_comes_in_two_encryptions_is_kept_once() {
    let mut people = pair();
    let content = MimiContent::text([1; 16], "once");
    for clock in [clock_of(NOW), clock_of(NOW) + 1] {
        send(&mut people[0], &content, clock);
        round(&mut people, 0);
    }
    let group = people[1].group();
    assert_eq!(people[1].texts(group), ["once"]);
}

/// protocol §8.3
#[test]
fn a_clock_from_the_far_future_is_not_followed() {
    let mut people = pair();
    let group = people[1].group();
    let near = clock_of(NOW.plus_ms(599_000));
    send(&mut people[0], &MimiContent::text([1; 16], "near"), near);
    round(&mut people, 0);
    assert_eq!(people[1].engine.groups[&group].cursor.clock, near);
    for far in [clock_of(NOW.plus_ms(601_000)), u64::MAX] {
        send(&mut people[0], &MimiContent::text([2; 16], "far"), far);
        round(&mut people, 0);
        assert_eq!(people[1].engine.groups[&group].cursor.clock, near);
    }
    assert_eq!(people[1].texts(group), ["near", "far"]);
}

/// protocol §8.4
#[test]
fn nobody_edits_or_takes_back_what_another_has_said() {
    let mut people = pair();
    let group = people[1].group();
    let id = say(&mut people[1], "mine");
    round(&mut people, 1);
    send(
        &mut people[0],
        &MimiContent::edit([1; 16], "yours", id),
        clock_of(NOW) + 8,
    );
    send(
        &mut people[0],
        &MimiContent::delete([2; 16], id),
        clock_of(NOW) + 9,
    );
    round(&mut people, 0);
    for person in &mut people {
        assert_eq!(person.texts(group), ["mine"]);
        assert!(!person.list(group)[0].deleted);
    }
}

/// protocol §8.4
#[test]
fn what_is_taken_back_is_deleted_with_its_edits() {
    let mut people = pair();
    let group = people[0].group();
    let name = group.to_string();
    let id = say(&mut people[0], "first words").to_string();
    let edit = people[0]
        .engine
        .message_edit(&name, &id, "second words", NOW);
    edit.unwrap();
    people[0].engine.message_delete(&name, &id, NOW).unwrap();
    round(&mut people, 0);
    for person in &mut people {
        assert!(person.list(group)[0].deleted);
        let group = person.engine.groups.remove(&group).unwrap();
        let kept = (0..group.cursor.next_message)
            .filter_map(|at| person.engine.message_record(&group, at).unwrap());
        for record in kept {
            if let Body::Content(content) = record.body {
                let content = String::from_utf8_lossy(&content).into_owned();
                assert!(!content.contains("words"));
            }
        }
    }
}

/// protocol §8.5
#[test]
fn content_of_an_unknown_type_is_kept_and_shown_as_such() {
    let mut people = pair();
    let part =
        NestedPart::single(Disposition::RENDER, "application/x-poem", b"la la".to_vec()).unwrap();
    send(
        &mut people[0],
        &MimiContent::with_body([1; 16], part),
        clock_of(NOW) + 9,
    );
    round(&mut people, 0);
    people[1].restart(NOW);
    let group = people[1].group();
    let list = people[1].list(group);
    assert_eq!(list.len(), 1);
    assert_eq!(list[0].kind, MessageKind::Unknown);
}

/// How the only message of somebody stands.
fn state(peer: &mut Peer) -> String {
    let group = peer.group();
    peer.list(group).remove(0).state
}

/// protocol §6.3.2
#[test]
fn a_copy_is_counted_only_on_the_signed_word_of_who_has_it() {
    let [mut ada, bo] = pair();
    let eve = Peer::new("Eve", 3);
    let (channel, before) = (
        ada.channel(),
        ada.engine.channels[&ada.channel()].log.items(),
    );
    say(&mut ada, "hear me");
    ada.attend(NOW);
    let held = &ada.engine.channels[&channel];
    let after = held.log.items().into_iter().map(|(_, id)| id);
    let ids: Vec<EnvelopeId> = after
        .filter(|id| !before.iter().any(|(_, known)| known == id))
        .collect();
    let tag = held.tag();
    let claimed = bo.engine.me().unwrap().id;
    let receipt = |by: &Peer, ids: &[EnvelopeId]| {
        let mut receipt = Receipt {
            account: claimed,
            ids: ids.to_vec(),
            reads: Vec::new(),
            signature: Vec::new(),
        };
        let bytes = receipt.signed_bytes(&tag);
        let device = by.engine.core().unwrap().device();
        receipt.signature = device.sign(RECEIPT_LABEL, &bytes).to_vec();
        receipt
    };
    let forged = receipt(&eve, &ids);
    let other = receipt(&bo, &[EnvelopeId([1; 32])]);
    for receipt in [forged, other] {
        ada.engine.take_receipt(channel, &receipt, NOW).unwrap();
        assert_eq!(state(&mut ada), "waiting");
    }
    let good = receipt(&bo, &ids);
    ada.engine.take_receipt(channel, &good, NOW).unwrap();
    assert_eq!(state(&mut ada), "delivered");
}

/// protocol §6.3.2
#[test]
fn what_the_relay_says_counts_for_nothing() {
    let [mut ada, _] = pair();
    let group = ada.group().to_string();
    ada.engine
        .message_send(&group, "hear me", None, NOW)
        .unwrap();
    for effect in ada.engine.flush(NOW).unwrap() {
        if let crate::Effect::Publish { token, .. } = effect {
            ada.engine.handle_published(token, 99, NOW).unwrap();
        }
    }
    assert_eq!(state(&mut ada), "waiting");
}

/// protocol §6.3.2
#[test]
fn a_hello_counts_if_it_is_signed_equal_and_of_the_channel_of_the_message() {
    let [mut ada, mut bo] = pair();
    let eve = Peer::new("Eve", 3);
    let (group, channel) = (ada.group(), ada.channel());
    say(&mut ada, "hear me");
    ada.attend(NOW);
    let hello = |by: &Peer, as_: &Peer, log, tag: &[u8; 32]| {
        let mut hello = Hello {
            nonce: 1,
            salt: [0; 16],
            account: as_.engine.me().unwrap().id,
            log,
            signature: Vec::new(),
        };
        let bytes = hello.signed_bytes(tag);
        let device = by.engine.core().unwrap().device();
        hello.signature = device.sign(HELLO_LABEL, &bytes).to_vec();
        ChannelMessage::Hello(hello)
    };
    let held = &ada.engine.channels[&channel];
    let (mine, tag) = (held.log.prints(), held.tag());
    let theirs = bo.engine.channels[&bo.channel()].log.prints();
    assert_ne!(mine, theirs);

    // Another channel of the group, whose logs are equal: both are empty.
    let head = ada.engine.with_group(group, |engine, group| {
        engine.ensure_head(group)?;
        let head = group.head.as_ref().unwrap().snapshot();
        let secret = head.export_secret(engine.core()?, "another channel", &[])?;
        Ok(*secret)
    });
    let record = crate::record::ChannelRecord {
        group,
        secret: head.unwrap(),
        superseded: Some(NOW),
        lost: false,
        joiners: false,
        pruned: crate::time::Day(0),
        undecided: false,
    };
    let other = ada.engine.open_channel(record).unwrap();
    let other_tag = ada.engine.channels[&other].tag();
    let empty = ada.engine.channels[&other].log.prints();
    let elsewhere = hello(&bo, &bo, empty, &other_tag);
    ada.engine.take_transient(other, elsewhere, NOW).unwrap();
    assert_eq!(
        state(&mut ada),
        "waiting",
        "an equal log of another channel"
    );

    for (false_hello, why) in [
        (hello(&bo, &bo, theirs, &tag), "another log"),
        (
            hello(&eve, &bo, mine.clone(), &tag),
            "not signed by whom it names",
        ),
        (hello(&eve, &eve, mine.clone(), &tag), "not a member"),
    ] {
        ada.engine
            .take_transient(channel, false_hello, NOW)
            .unwrap();
        assert_eq!(state(&mut ada), "waiting", "{why}");
    }
    let good = hello(&bo, &bo, mine, &tag);
    ada.engine.take_transient(channel, good, NOW).unwrap();
    assert_eq!(state(&mut ada), "delivered");
    bo.attend(NOW);
}

/// protocol §4.3.4
#[test]
fn what_names_an_unknown_state_waits_for_it_also_over_a_restart() {
    let [mut ada, mut bo] = pair();
    let group = ada.group();
    let name = group.to_string();
    // Only the owner may add; a renewal of keys makes a new state all the same.
    let renewal = ada.engine.with_group(group, |engine, group| {
        engine.wish(group, crate::record::Wish::Update, NOW)
    });
    renewal.unwrap();
    let commit = ada.attend(NOW);
    ada.engine.message_send(&name, "later", None, NOW).unwrap();
    let message = ada.attend(NOW);
    // The commit that let Bo in waits already, for a state that Bo will never know.
    let pending = |bo: &mut Peer| bo.engine.sync_status(&name, NOW).unwrap().pending;
    assert_eq!(pending(&mut bo), 1);
    for (topic, frame) in message {
        bo.hear(topic, &frame, NOW);
    }
    bo.restart(NOW);
    assert!(bo.texts(group).is_empty());
    assert_eq!(pending(&mut bo), 2);
    for (topic, frame) in commit {
        bo.hear(topic, &frame, NOW);
    }
    assert_eq!(bo.texts(group), ["later"]);
    assert_eq!(pending(&mut bo), 1);
}

/// protocol §4.3.3, §5.2.3
#[test]
fn what_could_not_be_stored_was_never_sent() {
    let [mut ada, mut bo] = pair();
    let (group, channel) = (ada.group(), ada.channel());
    let log = ada.engine.channels[&channel].log.items();
    let name = group.to_string();
    ada.engine.message_send(&name, "lost", None, NOW).unwrap();
    ada.disk.fail_next_commit();
    assert!(ada.engine.flush(NOW).is_err());
    ada.restart(NOW);
    assert!(ada.texts(group).is_empty());
    assert_eq!(ada.engine.channels[&channel].log.items(), log);
    // The key that was used for it has not been used for anything that anybody saw.
    ada.engine.message_send(&name, "sent", None, NOW).unwrap();
    for (topic, frame) in ada.attend(NOW) {
        bo.hear(topic, &frame, NOW);
    }
    assert_eq!(bo.texts(group), ["sent"]);
}

/// protocol §4.2.4, §4.3.1
#[test]
fn frames_that_make_no_sense_leave_no_trace() {
    let [mut ada, mut bo] = pair();
    let channel = ada.channel();
    let day = NOW.day();
    let hello = ChannelMessage::Hello(Hello {
        nonce: 1,
        salt: [0; 16],
        account: bo.engine.me().unwrap().id,
        log: crate::prints::Prints::default(),
        signature: vec![0; 100_000],
    });
    let long = chunk::split(&hello.encode().unwrap(), [1; 8]).unwrap();
    let held = ada.engine.channels.get_mut(&channel).unwrap();
    let topic = held.day(day).topic;
    let mut rng = bo.engine.rng.clone();
    let mut seal =
        |aad: &[u8], plain: &[u8]| held.day(day).seal.seal(aad, plain, &mut rng).unwrap();
    let nonsense = chunk::split(b"\x09nonsense", [2; 8]).unwrap();
    let frames = [
        vec![7; 512],
        vec![7; 100],
        Vec::new(),
        seal(b"another use", &nonsense[0]),
        seal(CHANNEL_AAD, b"no chunk"),
        seal(CHANNEL_AAD, &nonsense[0]),
    ];
    let before = held.log.prints();
    for frame in frames {
        assert_eq!(ada.hear(topic, &frame, NOW), []);
        assert_eq!(ada.engine.channels[&channel].log.prints(), before);
    }
    // What is for those who listen now fits into one chunk; in two it is nothing to act on.
    let held = ada.engine.channels.get_mut(&channel).unwrap();
    let mut seal = |plain: &[u8]| {
        held.day(day)
            .seal
            .seal(CHANNEL_AAD, plain, &mut rng)
            .unwrap()
    };
    let frames: Vec<_> = long.iter().map(|chunk| seal(chunk)).collect();
    assert_eq!(frames.len(), 2);
    for frame in frames {
        assert_eq!(ada.hear(topic, &frame, NOW), []);
    }
    assert!(ada.engine.channels[&channel].live.answer.is_none());
    let late = Time::from_unix_ms(NOW.unix_ms() + 1);
    assert_eq!(bo.attend(late), []);
}

/// What the timeline tells of what could not be read: by whom, and how often.
fn unreadable(peer: &mut Peer) -> Vec<(String, String)> {
    let group = peer.group().to_string();
    let list = peer
        .engine
        .message_list(&group, None, 100, crate::Notices::Shown, NOW)
        .unwrap();
    let notices = list.into_iter().filter_map(|line| line.notice);
    notices
        .filter(|notice| notice.what == "unreadable")
        .map(|notice| (notice.actor, notice.detail))
        .collect()
}

/// protocol §8.6
#[test]
fn only_what_a_member_sealed_is_told_as_unreadable() {
    let [mut ada, mut bo] = pair();
    let (group, channel) = (ada.group(), ada.channel());
    let state = ada.engine.groups[&group].head_state().unwrap();
    let day = NOW.day();
    // Whoever knows the channel's secret can say what is of no key of the group.
    let garbage = ChannelMessage::Application {
        state,
        message: vec![7; 300],
    };
    // A member can say it with a key of the group that is long gone.
    say(&mut bo, "once");
    bo.attend(NOW);
    let mut envelopes = vec![garbage];
    let held = bo.engine.channels[&bo.channel()].log.items();
    for (day, id) in held {
        let entry = bo.engine.entry(bo.channel(), &id).unwrap().unwrap();
        let number = bo.channel();
        let keys = bo.engine.channels.get_mut(&number).unwrap().day(day);
        let plain = keys.seal.open(CHANNEL_AAD, &entry.sealed).unwrap();
        let whole = chunk::Chunk::parse(&plain).unwrap();
        envelopes.extend(ChannelMessage::decode(&whole.bytes));
    }
    for _ in 0..2 {
        for envelope in &envelopes {
            let object = ada.engine.random();
            for chunk in chunk::split(&envelope.encode().unwrap(), object).unwrap() {
                let sealed = ada.engine.seal_for(channel, day, &chunk).unwrap();
                ada.engine.accept_frame(channel, day, &sealed, NOW).unwrap();
            }
        }
    }
    assert_eq!(ada.texts(group), ["once"]);
    assert_eq!(unreadable(&mut ada), []);

    // What a member does seal and nobody understands is told, in one line a day.
    for body in [AppBody::Content(vec![0xff; 40]), AppBody::Content(vec![1])] {
        let app = AppMessage {
            clock: 1,
            sent_at: 1,
            body,
        };
        let sent = bo.engine.with_group(group, |engine, group| {
            engine.send_app(group, &app, None, NOW)
        });
        sent.unwrap();
    }
    for (topic, frame) in bo.attend(NOW) {
        ada.hear(topic, &frame, NOW);
    }
    assert_eq!(unreadable(&mut ada), [("Bo".to_owned(), "2".to_owned())]);
    ada.restart(NOW);
    assert_eq!(unreadable(&mut ada), [("Bo".to_owned(), "2".to_owned())]);
}

/// protocol §8.6
#[test]
fn who_is_not_reached_in_thirty_days_is_named() {
    let [mut ada, _] = pair();
    let group = ada.group().to_string();
    for text in ["one", "two"] {
        ada.engine.message_send(&group, text, None, NOW).unwrap();
    }
    ada.attend(NOW);
    let undelivered = |ada: &mut Peer| {
        let list = ada
            .engine
            .message_list(&group, None, 100, crate::Notices::Shown, NOW)
            .unwrap();
        let notices = list.into_iter().filter_map(|line| line.notice);
        let told = notices.filter(|notice| notice.what == "undelivered");
        told.map(|notice| (notice.object, notice.detail))
            .collect::<Vec<_>>()
    };
    ada.restart(NOW.plus_ms(30 * crate::time::DAY_MS));
    assert_eq!(undelivered(&mut ada), []);
    ada.restart(NOW.plus_ms(31 * crate::time::DAY_MS));
    assert_eq!(undelivered(&mut ada), [("Bo".to_owned(), "2".to_owned())]);
    ada.restart(NOW.plus_ms(32 * crate::time::DAY_MS));
    assert_eq!(undelivered(&mut ada).len(), 1, "told once");
}
