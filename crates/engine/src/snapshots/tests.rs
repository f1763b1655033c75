//! What lies in the store of the states of a group, and what does not any more.

use std::collections::BTreeSet;

use super::*;
use crate::envelope::ChannelMessage;
use crate::large::Large;
use crate::record::{Body, LogRecord};

fn with_group<R>(large: &mut Large, work: impl FnOnce(&mut Engine, &mut Group) -> R) -> R {
    let id = large.id;
    let done = large
        .engine
        .with_group(id, |engine, group| Ok(work(engine, group)));
    done.unwrap()
}

/// Pieces are there exactly as long as a state names them, and message keys as long as a state.
fn assert_exact(large: &mut Large) {
    with_group(large, |engine, group| {
        let mut named = BTreeSet::new();
        let mut ratchets = BTreeSet::new();
        let number = group.record.number;
        for kept in group.record.states.values() {
            let key = table::public_rows(number, kept.snapshot);
            let public: PublicRecord = engine.get(table::SNAPSHOT, &key).unwrap().unwrap();
            let ids = public.rows.into_iter().flat_map(|(_, ids)| ids);
            named.extend(ids.map(|id| table::piece(number, &id)));
            ratchets.insert(table::snapshot(number, kept.snapshot).to_vec());
            let record = engine
                .ratchet_record(number, kept.snapshot)
                .unwrap()
                .unwrap();
            for (place, _) in &record.pieces {
                ratchets.insert(table::ratchet_piece(number, kept.snapshot, *place));
            }
        }
        let keys = |table| -> BTreeSet<Vec<u8>> {
            let rows = engine.store.range(table, &[]).unwrap();
            rows.into_iter().map(|(key, _)| key).collect()
        };
        assert!(keys(table::PIECE) == named);
        assert!(keys(table::RATCHET) == ratchets);
        assert_eq!(keys(table::SNAPSHOT).len(), 2 * group.record.states.len());
    });
}

fn drop_all_but_the_head(large: &mut Large) {
    with_group(large, |engine, group| {
        let head = group.head_state().unwrap();
        let states: Vec<StateId> = group.record.states.keys().copied().collect();
        for state in states.into_iter().filter(|state| *state != head) {
            engine.drop_snapshot(group, &state).unwrap();
        }
    });
}

#[test]
fn pieces_go_with_the_last_state_that_names_them() {
    let mut large = Large::new(24, 6);
    for who in [1, 2, 3, 1] {
        large.update(who);
        assert_exact(&mut large);
    }
    // Counted anew, as after a start.
    with_group(&mut large, |_, group| group.shared = None);
    large.update(2);
    assert_exact(&mut large);
    drop_all_but_the_head(&mut large);
    assert_exact(&mut large);
    with_group(&mut large, |engine, group| {
        let head = group.head_state().unwrap();
        engine.drop_snapshot(group, &head).unwrap();
        for table in [table::PIECE, table::RATCHET, table::SNAPSHOT] {
            assert!(engine.store.range(table, &[]).unwrap().is_empty());
        }
    });
}

#[test]
fn a_commit_writes_a_part_of_the_tree() {
    let mut large = Large::new(60, 3);
    large.update(1);
    large.commit();
    let len = large.update(2);
    let written = usize::try_from(large.commit()).unwrap();
    with_group(&mut large, |engine, group| {
        engine.ensure_head(group).unwrap();
        let rows = group.head.as_ref().unwrap().snapshot().rows();
        let public: usize = (rows
            .iter()
            .filter(|(key, _)| RowKind::of(key) == RowKind::Public))
        .map(|(_, value)| value.len())
        .sum();
        // The commit itself is written as chunk, as entry of the log and as commit.
        let snapshot = written.saturating_sub(3 * len);
        assert!(snapshot < public / 2, "{snapshot} of {public} bytes");
    });
}

#[test]
fn what_is_in_the_store_is_what_is_in_memory_through_messages_and_commits() {
    let mut large = Large::new(40, 39);
    for round in 0..3 {
        for who in 0..40 {
            large.say(who, "x");
            with_group(&mut large, |engine, group| {
                let head = group.head_state().unwrap();
                engine.ensure_head(group).unwrap();
                let memory = group.head.as_ref().unwrap().snapshot().rows();
                assert!(engine.rows(group, &head).unwrap() == Some(memory));
            });
            if who % 13 == 0 {
                // Read anew, as after a start.
                with_group(&mut large, |_, group| group.head = None);
            }
        }
        large.commit();
        if round == 1 {
            large.update(3);
        }
        assert_exact(&mut large);
    }
    let pieces = with_group(&mut large, |engine, group| {
        let kept = group.record.states.values().map(|kept| kept.snapshot);
        kept.filter_map(|snapshot| {
            engine
                .ratchet_record(group.record.number, snapshot)
                .unwrap()
        })
        .map(|record| record.pieces.len())
        .max()
    });
    assert!(pieces.unwrap() > 2, "the row was long enough to be cut");
}

#[test]
fn a_piece_that_is_not_what_its_name_says_is_an_error() {
    let mut large = Large::new(8, 1);
    with_group(&mut large, |engine, group| {
        let (key, mut piece) = engine.store.range(table::PIECE, &[]).unwrap().remove(0);
        piece[0] ^= 1;
        engine.put_bytes(table::PIECE, &key, &piece).unwrap();
        let head = group.head_state().unwrap();
        assert!(matches!(engine.rows(group, &head), Err(Error::Internal(_))));
        engine.delete(table::PIECE, &key).unwrap();
        assert!(matches!(engine.rows(group, &head), Err(Error::Internal(_))));
    });
}

/// All of the log's envelopes that this device can open with everything it has.
fn readable(large: &mut Large) -> usize {
    let channel = *large.engine.channels.keys().next().unwrap();
    let prefix = table::one(channel);
    let entries = large.engine.scan::<LogRecord>(table::LOG, &prefix).unwrap();
    let mut count = 0;
    for (sequence, entry) in entries {
        let key = table::of(channel, sequence);
        let sealed = large
            .engine
            .store
            .get(table::SEALED, &key)
            .unwrap()
            .unwrap();
        let held = large.engine.channels.get_mut(&channel).unwrap();
        let aad = crate::delivery::CHANNEL_AAD;
        let plain = held.day(entry.day).seal.open(aad, &sealed).unwrap();
        let chunk = crate::chunk::Chunk::parse(&plain).unwrap();
        let Some(ChannelMessage::Application { message, .. }) =
            ChannelMessage::decode(&chunk.bytes)
        else {
            continue;
        };
        count += with_group(large, |engine, group| {
            let states: Vec<StateId> = group.record.states.keys().copied().collect();
            let opens = |state: &StateId| {
                let mut snapshot = engine.snapshot(group, state).unwrap().unwrap();
                let core = engine.core().unwrap();
                snapshot.decrypt(core, &message).is_ok()
            };
            states.iter().filter(|state| opens(state)).count()
        });
    }
    count
}

/// The log keeps the envelope of a message that was taken back, for members who have missed it.
/// With all that the device has, nothing in the log can be read: keys go when they are used.
///
/// protocol §5.2.5
#[test]
fn nothing_in_the_log_opens_what_was_read_or_sent() {
    let mut large = Large::new(4, 3);
    large.say(1, "one secret");
    large.update(2);
    large.say(2, "another secret");
    let (id, now) = (large.id.to_string(), large.now());
    let own = large
        .engine
        .message_send(&id, "own secret", None, now)
        .unwrap();
    large.engine.message_delete(&id, &own, now).unwrap();
    large.commit();
    with_group(&mut large, |_, group| group.head = None);
    assert_eq!(readable(&mut large), 0);
}

/// A state that was left, kept beside, does open a message: so the test above could fail.
#[test]
fn a_copy_of_the_keys_would_open_the_log() {
    let mut large = Large::new(4, 3);
    let before = with_group(&mut large, |engine, group| {
        let head = group.head_state().unwrap();
        engine.rows(group, &head).unwrap().unwrap()
    });
    large.say(1, "one secret");
    assert_eq!(readable(&mut large), 0);
    with_group(&mut large, |engine, group| {
        let snapshot = group.record.states.values().next().unwrap().snapshot;
        engine.save_rows(group, snapshot, &before).unwrap();
    });
    assert_eq!(readable(&mut large), 1);
}

/// A text that its sender took back or replaced is in no record any more.
#[test]
fn texts_that_were_replaced_or_taken_back_are_in_no_record() {
    let mut large = Large::new(2, 1);
    let (id, now) = (large.id.to_string(), large.now());
    let engine = &mut large.engine;
    let taken = engine.message_send(&id, "taken back", None, now).unwrap();
    let first = engine
        .message_send(&id, "first words", Some(&taken), now)
        .unwrap();
    engine
        .message_edit(&id, &first, "second words", now)
        .unwrap();
    engine
        .message_edit(&id, &first, "third words", now)
        .unwrap();
    engine.message_delete(&id, &taken, now).unwrap();
    let list = engine
        .message_list(&id, None, 10, crate::Notices::Left, now)
        .unwrap();
    let shown: Vec<_> = list
        .iter()
        .map(|m| (m.text.as_str(), m.edited, m.deleted))
        .collect();
    assert_eq!(shown, [("third words", true, false), ("", false, true)]);
    assert_eq!(list[0].in_reply_to.as_deref(), Some(taken.as_str()));
    let mut texts = Vec::new();
    for (_, record) in engine
        .scan::<crate::record::MessageRecord>(table::MESSAGE, &[])
        .unwrap()
    {
        if let Body::Content(content) = &record.body {
            texts.push(String::from_utf8_lossy(content).into_owned());
        }
    }
    let all = texts.concat();
    assert!(all.contains("third words"));
    for gone in ["taken back", "first words", "second words"] {
        assert!(!all.contains(gone), "{gone}");
    }
}
