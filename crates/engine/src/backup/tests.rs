use proptest::prelude::*;
use sori_content::{Expiration, MimiContent};
use sori_store::backup::BackupRecord;
use sori_store::{MemoryDisk, Store};

use super::*;
use crate::large::Large;
use crate::view::MessageView;
use crate::{Notices, Restore};

/// Everything there is to back up, and what was done between two parts of it.
fn records(large: &mut Large, mut between: impl FnMut(&mut Large, usize)) -> Vec<BackupRecord> {
    let mut backup = large.engine.backup(large.now()).unwrap();
    let mut records = Vec::new();
    for step in 0.. {
        let Some(part) = large.engine.backup_next(&mut backup).unwrap() else {
            break;
        };
        records.extend(part);
        between(large, step);
    }
    let (done, total) = backup.progress();
    assert!(done >= total);
    records
}

fn restored(records: &[BackupRecord], disk: &MemoryDisk, now: Time) -> Result<Engine, Error> {
    let mut restore = Restore::new(Store::open_memory(disk, [8; 32]).unwrap());
    for record in records {
        restore.record(record)?;
    }
    restore.finish([9; 32], now, &mut |_| {})
}

fn lines(engine: &mut Engine, id: &GroupId, now: Time) -> Vec<(String, bool, Vec<String>)> {
    let list = engine.message_list(&id.to_string(), None, 2000, Notices::Left, now);
    let view = |line: MessageView| {
        let reactions = line.reactions.into_iter().map(|reaction| reaction.emoji);
        (line.text, line.edited, reactions.collect())
    };
    list.unwrap().into_iter().map(view).collect()
}

fn text(salt: u8, text: &str) -> MimiContent {
    MimiContent::text([salt; 16], text)
}

#[test]
fn a_restored_profile_has_every_line_as_it_was_and_finds_it() {
    let mut large = Large::new(3, 2);
    let minute = u32::try_from(large.now().unix_ms() / 1000 + 300_000).unwrap();
    let expiry = Expiration::Absolute {
        unix_seconds: minute,
    };
    let kept = large.say_content(1, &text(1, "first kept"));
    let gone = large.say_content(1, &text(2, "marker-taken-back"));
    large.say_content(2, &text(3, "disappears later").with_expiry(expiry));
    for n in 0..600 {
        large.say(1 + n % 2, if n == 300 { "요술램프" } else { "chatter" });
    }
    large.say_content(1, &MimiContent::edit([4; 16], "edited 아침", kept));
    large.say_content(1, &MimiContent::delete([5; 16], gone));
    large.say_content(2, &MimiContent::reaction([6; 16], "❤", kept));
    large.commit();
    let (id, now) = (large.id, large.now());
    let records = records(&mut large, |_, _| {});
    for record in &records {
        let bytes = String::from_utf8_lossy(&record.value);
        assert!(!bytes.contains("marker-taken-back") && !bytes.contains("first kept"));
    }
    let before = lines(&mut large.engine, &id, now);
    let disk = MemoryDisk::new();
    let mut engine = restored(&records, &disk, now).unwrap();
    assert_eq!(before.len(), 603);
    assert_eq!(lines(&mut engine, &id, now), before);
    for (query, count) in [("요술", 1), ("아침", 1), ("first", 0), ("marker", 0)] {
        let found = engine.message_search(query, None, 200, now).unwrap();
        assert_eq!(found.hits.len(), count, "{query}");
    }
    let due = now.plus_ms(400_000_000);
    engine.handle_timeout(due).unwrap();
    assert_eq!(lines(&mut engine, &id, due).len(), 602);
    // It stays so when the profile is opened again.
    engine.flush(due).unwrap();
    drop(engine);
    let store = Store::open_memory(&disk, [10; 32]).unwrap();
    let mut engine = Engine::open(store, [11; 32], due).unwrap();
    assert_eq!(lines(&mut engine, &id, due).len(), 602);
}

#[test]
fn no_key_of_a_conversation_is_in_a_backup() {
    let mut large = Large::new(3, 2);
    large.say(1, "hello");
    large.commit();
    let secret = [
        table::SNAPSHOT,
        table::COMMIT,
        table::RATCHET,
        table::PIECE,
        table::KEY_PACKAGE,
        table::INVITE,
        table::JOIN,
        table::PENDING,
    ];
    let records = records(&mut large, |_, _| {});
    for table in secret {
        assert!(records.iter().all(|record| record.table != table.number()));
    }
    // And nothing of what these tables hold is hidden elsewhere.
    for table in secret {
        for (_, row) in large.engine.store.range(table, &[]).unwrap() {
            let long = row.len() >= 32;
            let is_in = |record: &BackupRecord| {
                long && record.value.windows(row.len()).any(|part| *part == **row)
            };
            assert!(!records.iter().any(is_in));
        }
    }
}

#[test]
fn what_changes_while_a_backup_is_made_leaves_a_text_or_its_successor() {
    for at in 0..5 {
        let mut large = Large::new(3, 2);
        let first = large.say_content(1, &text(1, "marker-former"));
        for _ in 0..300 {
            large.say(2, "chatter");
        }
        let (id, now) = (large.id, large.now());
        let records = records(&mut large, |large, step| {
            if step == at {
                large.say_content(1, &MimiContent::edit([2; 16], "latter", first));
                large.commit();
            }
        });
        let disk = MemoryDisk::new();
        let mut engine = restored(&records, &disk, now).unwrap();
        let restored = lines(&mut engine, &id, now);
        assert_eq!(restored.len(), 301);
        let oldest = restored.last().unwrap();
        let is_former = (&*oldest.0, oldest.1) == ("marker-former", false);
        let is_latter = (&*oldest.0, oldest.1) == ("latter", true);
        assert!(is_former || is_latter, "{at}: {oldest:?}");
        if is_latter {
            let rows = engine.store.range(table::MESSAGE, &[]).unwrap();
            let has = |row: &[u8]| String::from_utf8_lossy(row).contains("marker-former");
            assert!(!rows.iter().any(|(_, row)| has(row)), "{at}");
        }
    }
}

#[test]
fn a_later_format_is_named() {
    let mut large = Large::new(3, 2);
    let mut records = records(&mut large, |_, _| {});
    records[0].value = postcard::to_allocvec(&(2_u16, "whatever")).unwrap().into();
    let refused = restored(&records, &MemoryDisk::new(), large.now());
    assert!(matches!(refused, Err(Error::NewerBackup)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whoever made the file, what it holds is refused or restored, and nothing panics.
    #[test]
    fn records_of_any_content_are_refused_or_taken(
        made in prop::collection::vec((0_u8..24, prop::collection::vec(any::<u8>(), 0..14), prop::collection::vec(any::<u8>(), 0..60)), 0..12)
    ) {
        let head = Head { format: FORMAT, made_at: 0, groups: 1, messages: 1 };
        let head = record_of(HEAD, Vec::new(), record::encode(&head).unwrap());
        let made = made.into_iter().map(|(table, key, value)| record_of(table, key, value.into()));
        let records: Vec<_> = [head].into_iter().chain(made).collect();
        let _outcome = restored(&records, &MemoryDisk::new(), Time::from_unix_ms(1_795_316_400_000));
    }

    /// As above, but of a true backup some bytes are others.
    #[test]
    fn a_changed_record_is_refused_or_taken(which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let mut large = Large::new(2, 1);
        large.say(0, "hello");
        large.commit();
        let mut records = records(&mut large, |_, _| {});
        let which = which.index(records.len());
        let value = &mut records[which].value;
        if !value.is_empty() {
            let at = at.index(value.len());
            value[at] ^= 1 << bit;
        }
        let _outcome = restored(&records, &MemoryDisk::new(), large.now());
    }
}
