//! Each rail, seen holding.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;

fn open(dir: &Path) -> SledKv {
    SledKv::open(dir, Recovery::FromSnapshot).unwrap()
}

fn close(kv: SledKv) {
    let dir = kv.dir.clone();
    drop(kv);
    Backend::Sled.settle(&dir).unwrap().unwrap();
}

fn put(key: &[u8], value: &[u8]) -> Op {
    Op {
        key: key.to_vec(),
        value: Some(value.to_vec()),
    }
}

#[test]
fn conf_is_what_sled_writes_and_is_healed() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("db");
    close(open(&dir));
    assert_eq!(fs::read(dir.join("conf")).unwrap(), CONF);
    for damage in [&b"nonsense, but long enough"[..], b""] {
        fs::write(dir.join("conf"), damage).unwrap();
        close(open(&dir));
        assert_eq!(fs::read(dir.join("conf")).unwrap(), CONF);
    }
}

#[test]
fn unfinished_snapshot_is_removed_before_opening() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("db");
    let kv = open(&dir);
    kv.commit(vec![put(b"k", b"v")]).unwrap();
    close(kv);
    fs::write(dir.join("snap.FFFFFFFFFFFFFFFF.generating"), b"half").unwrap();
    assert_eq!(open(&dir).get(b"k").unwrap(), Some(b"v".to_vec()));
}

#[test]
fn damaged_snapshot_is_an_error_and_the_log_alone_holds_everything() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("db");
    for round in 0..3_u8 {
        let kv = open(&dir);
        kv.commit(vec![put(&[round], b"v")]).unwrap();
        close(kv);
    }
    for path in files::entries(&dir).unwrap() {
        if path.to_string_lossy().contains("snap.") {
            let mut bytes = fs::read(&path).unwrap();
            bytes[0] ^= 0xff;
            fs::write(&path, bytes).unwrap();
        }
    }
    let damaged = SledKv::open(&dir, Recovery::FromSnapshot);
    assert!(matches!(damaged, Err(Error::Corrupt { .. })));
    let kv = SledKv::open(&dir, Recovery::FromLog).unwrap();
    assert_eq!(kv.range(&[], None, 9).unwrap().len(), 3);
}

#[test]
fn step_larger_than_a_batch_is_applied_and_leaves_no_journal() {
    let dir = tempfile::tempdir().unwrap();
    let kv = open(&dir.path().join("db"));
    let ops: Vec<Op> = (0..2500_u16)
        .map(|n| put(&[&[9], &n.to_be_bytes()[..]].concat(), &[7; 100]))
        .collect();
    kv.commit(ops).unwrap();
    assert_eq!(kv.range(&[], None, 9999).unwrap().len(), 2500);
}

#[test]
fn settings_are_the_ones_that_were_tested() {
    let manifest = include_str!("../../../../../Cargo.toml");
    assert!(
        manifest.contains("\nsled = \"=0.34.7\"\n"),
        "pinned, without features"
    );
    let config = config(Path::new("none"));
    assert_eq!(config.flush_every_ms, Some(FLUSH_EVERY_MS));
    assert_eq!(config.cache_capacity, CACHE_LEN);
    assert!(!config.use_compression);
}

#[cfg(unix)]
#[test]
fn commit_waits_for_the_device_and_the_first_failure_is_the_last_word() {
    let dir = tempfile::tempdir().unwrap();
    let mut kv = open(&dir.path().join("db"));
    // Not a file that can be synced: had the commit not asked for it, it would succeed.
    kv.log = File::open("/dev/null").unwrap();
    assert!(matches!(
        kv.commit(vec![put(b"k", b"v")]),
        Err(Error::Io { .. })
    ));
    kv.log = files::open_private(&Backend::Sled.log_path(&kv.dir)).unwrap();
    assert!(matches!(
        kv.commit(vec![put(b"l", b"v")]),
        Err(Error::Poisoned)
    ));
    assert_eq!(kv.get(b"l").unwrap(), None);
}

#[test]
fn panic_in_sled_is_an_error_of_ours() {
    let fenced = fenced(|| -> sled::Result<()> { panic!("as sled does on some damaged files") });
    assert!(matches!(fenced, Err(Error::Corrupt { file: DATABASE })));
}

#[test]
fn longest_rows_leave_blobs_empty_whatever_their_order() {
    let dir = tempfile::tempdir().unwrap();
    let kv = open(&dir.path().join("db"));
    let key = |n: u16| [&[9; 66], &n.to_be_bytes()[..]].concat();
    let row = |n: u16| put(&key(n), &vec![n as u8; ROW_LEN_MAX]);
    let orders: [Vec<u16>; 4] = [
        (0..400).collect(),
        (400..800).rev().collect(),
        (0..800).map(|n| n * 37 % 800).collect(),
        (800..1600).map(|n| 800 + n * 37 % 800).collect(),
    ];
    for order in orders {
        for step in order.chunks(100) {
            kv.commit(step.iter().map(|n| row(*n)).collect()).unwrap();
        }
        assert_eq!(kv.maintain().unwrap().stray_files, 0);
    }
    close(kv);
    assert_eq!(
        open(&dir.path().join("db")).maintain().unwrap().stray_files,
        0
    );
}

#[test]
fn row_of_forbidden_length_would_leave_the_log_and_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let kv = open(&dir.path().join("db"));
    kv.db
        .0
        .as_ref()
        .unwrap()
        .insert(b"k", vec![7; 200_000])
        .unwrap();
    kv.sync().unwrap();
    assert_eq!(kv.maintain().unwrap().stray_files, 1);
    let refused = catch_unwind(AssertUnwindSafe(|| kv.commit(vec![put(b"l", &[7; 4001])])));
    assert!(refused.is_err() || !cfg!(debug_assertions));
}

#[test]
fn everything_lives_in_one_tree() {
    let dir = tempfile::tempdir().unwrap();
    let kv = open(&dir.path().join("db"));
    kv.commit(
        (0..1500_u16)
            .map(|n| put(&[&[9], &n.to_be_bytes()[..]].concat(), b"v"))
            .collect(),
    )
    .unwrap();
    let db = kv.db.0.as_ref().unwrap();
    assert_eq!(db.tree_names().len(), 1);
    assert_eq!(db.len(), 1500);
}

#[test]
fn open_database_is_locked_and_free_again_after_its_close() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("db");
    let kv = open(&dir);
    let second = SledKv::open(&dir, Recovery::FromSnapshot);
    assert!(matches!(second, Err(Error::InUse)));
    drop(kv);
    // No wait here: opening itself waits for the threads that are about to end.
    drop(open(&dir));
}
