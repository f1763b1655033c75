//! What a store promises, on every backend.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it stands"
)]

mod common;

use common::{Disk, LOG as OTHER, TABLE, noise};
use sori_store::{Error, KEY_LEN_MAX, MemoryDisk, Store, VALUE_LEN_MAX};

fn value(store: &Store, key: &[u8]) -> Option<Vec<u8>> {
    store.get(TABLE, key).unwrap().map(|value| value.to_vec())
}

fn keys(store: &Store, prefix: &[u8]) -> Vec<Vec<u8>> {
    let rows = store.range(TABLE, prefix).unwrap();
    rows.into_iter().map(|(key, _)| key).collect()
}

#[test]
fn staged_write_is_read_back_before_and_after_commit_and_reopening() {
    for disk in Disk::each() {
        let mut store = disk.open();
        assert_eq!(value(&store, b"a"), None);
        store.put(TABLE, b"a", b"one").unwrap();
        assert_eq!(value(&store, b"a"), Some(b"one".to_vec()));
        store.commit().unwrap();
        assert_eq!(value(&store, b"a"), Some(b"one".to_vec()));
        drop(store);
        assert_eq!(value(&disk.open(), b"a"), Some(b"one".to_vec()));
    }
}

#[test]
fn write_without_commit_is_gone_after_reopening() {
    for disk in Disk::each() {
        let mut store = disk.open();
        store.put(TABLE, b"a", b"one").unwrap();
        drop(store);
        assert_eq!(value(&disk.open(), b"a"), None);
    }
}

#[test]
fn delete_hides_at_once_and_stays_after_reopening() {
    for disk in Disk::each() {
        let mut store = disk.open();
        store.put(TABLE, b"a", b"one").unwrap();
        store.commit().unwrap();
        store.delete(TABLE, b"a").unwrap();
        store.delete(TABLE, b"never there").unwrap();
        assert_eq!(value(&store, b"a"), None);
        assert!(keys(&store, b"").is_empty());
        store.commit().unwrap();
        drop(store);
        let store = disk.open();
        assert_eq!(value(&store, b"a"), None);
        assert_eq!(store.verify().unwrap(), 0);
    }
}

#[test]
fn range_is_ascending_within_table_and_prefix_and_sees_staged_writes() {
    for disk in Disk::each() {
        let mut store = disk.open();
        let all: [&[u8]; 8] = [b"", b"a", b"a\0", b"ab", b"abc", b"b", b"\xff", b"\xff\xff"];
        for key in all.iter().rev() {
            store.put(TABLE, key, key).unwrap();
            store.put(OTHER, key, b"other table").unwrap();
        }
        store.commit().unwrap();
        store.delete(TABLE, b"ab").unwrap();
        store.put(TABLE, b"aa", b"staged").unwrap();
        store.put(TABLE, b"abc", b"changed").unwrap();
        let expected: [&[u8]; 4] = [b"a", b"a\0", b"aa", b"abc"];
        assert_eq!(keys(&store, b"a"), expected);
        assert_eq!(keys(&store, b"\xff"), [&b"\xff"[..], b"\xff\xff"]);
        assert_eq!(keys(&store, b"").len(), 8);
        assert!(keys(&store, b"abcd").is_empty());
        let found = store.range(TABLE, b"abc").unwrap();
        assert_eq!(found[0].1.as_slice(), b"changed");
    }
}

#[test]
fn get_each_answers_what_get_does_committed_and_staged() {
    for disk in Disk::each() {
        let mut store = disk.open();
        let long = noise(1, 9000);
        for (key, value) in [
            (b"p\x01", b"a"),
            (b"p\x02", b"b"),
            (b"p\xff", b"c"),
            (b"q\x01", b"d"),
        ] {
            store.put(TABLE, key, value).unwrap();
        }
        store.put(TABLE, b"p\x03", &long).unwrap();
        store.put(TABLE, b"p", b"e").unwrap();
        store.put(TABLE, b"p\x01\x01", b"f").unwrap();
        store.commit().unwrap();
        store.put(TABLE, b"p\x02", b"B").unwrap();
        store.put(TABLE, b"p\x04", b"g").unwrap();
        store.delete(TABLE, b"p\xff").unwrap();
        let found = store.get_each(TABLE, b"p", &[255, 4, 3, 2, 1, 0]).unwrap();
        let found: Vec<_> = found
            .into_iter()
            .map(|(last, value)| (last, value.to_vec()))
            .collect();
        let expected = [(1, &b"a"[..]), (2, b"B"), (3, &long), (4, b"g")];
        assert_eq!(found, expected.map(|(last, value)| (last, value.to_vec())));
        assert!(store.get_each(TABLE, b"p", &[]).unwrap().is_empty());
    }
}

#[test]
fn values_around_every_row_boundary_come_back_whole_and_shrink_cleanly() {
    // 3947 bytes of plaintext fit a row, 4 of them hold the length in the first.
    let boundary = [0, 1, 3942, 3943, 3944, 7889, 7890, 7891, 100_000];
    for disk in Disk::each() {
        let mut store = disk.open();
        for len in boundary.iter().chain(boundary.iter().rev()) {
            let bytes = noise(*len as u64, *len);
            store.put(TABLE, b"k", &bytes).unwrap();
            store.commit().unwrap();
            assert!(value(&store, b"k") == Some(bytes), "length {len}");
            assert_eq!(store.verify().unwrap(), 1, "length {len}");
        }
        store.delete(TABLE, b"k").unwrap();
        store.commit().unwrap();
        assert_eq!(store.verify().unwrap(), 0);
    }
}

#[test]
fn largest_value_is_stored_and_one_byte_more_is_refused() {
    for disk in Disk::folders() {
        let mut store = disk.open();
        let mut bytes = noise(1, VALUE_LEN_MAX);
        store.put(TABLE, b"k", &bytes).unwrap();
        store.commit().unwrap();
        drop(store);
        let mut store = disk.open();
        assert!(value(&store, b"k").as_ref() == Some(&bytes));
        bytes.push(0);
        let refused = store.put(TABLE, b"k", &bytes);
        assert!(matches!(refused, Err(Error::ValueTooLarge)));
    }
}

#[test]
fn longest_key_is_accepted_and_one_byte_more_is_refused_everywhere() {
    for disk in Disk::each() {
        let mut store = disk.open();
        let (fits, too_long) = ([7; KEY_LEN_MAX], [7; KEY_LEN_MAX + 1]);
        store.put(TABLE, &fits, b"v").unwrap();
        store.commit().unwrap();
        assert_eq!(value(&store, &fits), Some(b"v".to_vec()));
        assert!(matches!(
            store.put(TABLE, &too_long, b"v"),
            Err(Error::KeyTooLong)
        ));
        assert!(matches!(
            store.delete(TABLE, &too_long),
            Err(Error::KeyTooLong)
        ));
        assert!(matches!(
            store.get(TABLE, &too_long),
            Err(Error::KeyTooLong)
        ));
        assert!(matches!(
            store.range(TABLE, &too_long),
            Err(Error::KeyTooLong)
        ));
        assert!(matches!(
            store.get_each(TABLE, &fits, &[1]),
            Err(Error::KeyTooLong)
        ));
    }
}

#[test]
fn savepoint_undoes_what_came_after_and_nothing_else() {
    for disk in Disk::each() {
        let mut store = disk.open();
        store.put(TABLE, b"committed", b"1").unwrap();
        store.commit().unwrap();
        store.put(TABLE, b"before", b"1").unwrap();
        let outer = store.savepoint();
        store.put(TABLE, b"before", b"2").unwrap();
        store.delete(TABLE, b"committed").unwrap();
        let inner = store.savepoint();
        store.put(TABLE, b"new", b"1").unwrap();
        store.rollback_to(inner);
        assert_eq!(value(&store, b"new"), None);
        assert_eq!(value(&store, b"before"), Some(b"2".to_vec()));
        store.rollback_to(outer);
        assert_eq!(value(&store, b"before"), Some(b"1".to_vec()));
        assert_eq!(value(&store, b"committed"), Some(b"1".to_vec()));
        store.commit().unwrap();
        store.put(TABLE, b"later", b"1").unwrap();
        store.rollback_to(outer);
        assert_eq!(value(&store, b"later"), None);
        assert_eq!(value(&store, b"before"), Some(b"1".to_vec()));
    }
}

#[test]
fn second_store_on_the_same_disk_is_refused_until_the_first_is_dropped() {
    for disk in Disk::each() {
        let first = disk.open();
        assert!(matches!(disk.try_open(), Err(Error::InUse)));
        drop(first);
        assert!(disk.try_open().is_ok());
    }
}

#[test]
fn failed_commit_poisons_until_reopened_and_keeps_nothing_staged() {
    let disk = MemoryDisk::new();
    let mut store = Store::open_memory(&disk, [1; 32]).unwrap();
    store.put(TABLE, b"old", b"1").unwrap();
    store.commit().unwrap();
    store.put(TABLE, b"new", b"1").unwrap();
    disk.fail_next_commit();
    assert!(store.commit().is_err());
    assert!(matches!(store.get(TABLE, b"old"), Err(Error::Poisoned)));
    assert!(matches!(store.range(TABLE, b""), Err(Error::Poisoned)));
    assert!(matches!(store.put(TABLE, b"x", b""), Err(Error::Poisoned)));
    assert!(matches!(store.delete(TABLE, b"x"), Err(Error::Poisoned)));
    assert!(matches!(store.commit(), Err(Error::Poisoned)));
    drop(store);
    let store = Store::open_memory(&disk, [1; 32]).unwrap();
    assert_eq!(keys(&store, b""), [b"old"]);
    assert_eq!(store.verify().unwrap(), 1);
}

#[test]
fn commit_that_was_written_but_reported_failed_is_found_at_reopening() {
    let disk = MemoryDisk::new();
    let mut store = Store::open_memory(&disk, [1; 32]).unwrap();
    store.put(TABLE, b"new", b"1").unwrap();
    disk.fail_next_commit_after_writing();
    assert!(store.commit().is_err());
    drop(store);
    let store = Store::open_memory(&disk, [1; 32]).unwrap();
    assert_eq!(keys(&store, b""), [b"new"]);
}

#[test]
fn commit_without_staged_writes_touches_nothing() {
    let disk = MemoryDisk::new();
    let mut store = Store::open_memory(&disk, [1; 32]).unwrap();
    let (commits, syncs) = (disk.commits(), disk.slot_syncs());
    store.commit().unwrap();
    store.delete(TABLE, b"never there").unwrap();
    store.commit().unwrap();
    store.forget().unwrap();
    assert_eq!((disk.commits(), disk.slot_syncs()), (commits, syncs));
}

#[test]
fn store_may_move_between_threads_and_says_how_its_files_are() {
    fn check<T: Send + Sync>(_: &T) {}
    for disk in Disk::each() {
        let mut store = disk.open();
        check(&store);
        let stats = store.maintain().unwrap();
        assert!(stats.len_on_disk > 0);
        assert_eq!(stats.stray_files, 0);
    }
}
