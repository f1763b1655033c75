//! What every engine must do; each test runs on all of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;

use super::memory::MemoryDisk;
use super::{Backend, Care, Kv, Op, ROW_LEN_MAX, Row};

/// The longest key a row can have: kind, table, record key, index.
const KEY_LEN_MAX: usize = 1 + 1 + 64 + 2;

/// Where a database can be closed and opened again.
enum Place {
    Folder(tempfile::TempDir, Backend),
    Memory(MemoryDisk),
}

impl Place {
    fn each() -> impl Iterator<Item = Self> {
        let folders =
            Backend::ALL.map(|backend| Self::Folder(tempfile::tempdir().unwrap(), backend));
        folders.into_iter().chain([Self::Memory(MemoryDisk::new())])
    }

    fn open(&self) -> Box<dyn Kv> {
        match self {
            Self::Folder(dir, backend) => {
                let db = dir.path().join("db");
                let kv = backend.open(&db, Care::Usual).unwrap();
                assert_eq!(Backend::of(&db), *backend, "a database tells its engine");
                kv
            }
            Self::Memory(disk) => Box::new(disk.attach().unwrap()),
        }
    }
}

fn put(key: &[u8], value: &[u8]) -> Op {
    Op {
        key: key.to_vec(),
        value: Some(value.to_vec()),
    }
}

fn delete(key: &[u8]) -> Op {
    Op {
        key: key.to_vec(),
        value: None,
    }
}

fn key(n: u16) -> Vec<u8> {
    [&[9], &n.to_be_bytes()[..]].concat()
}

fn everything(kv: &dyn Kv) -> Vec<Row> {
    kv.range(&[], None, usize::MAX).unwrap()
}

#[test]
fn new_database_is_empty_and_an_empty_step_changes_nothing() {
    for place in Place::each() {
        let kv = place.open();
        assert_eq!(kv.get(b"a").unwrap(), None);
        assert_eq!(kv.get(b"").unwrap(), None);
        kv.commit(Vec::new()).unwrap();
        assert!(everything(kv.as_ref()).is_empty());
    }
}

#[test]
fn put_overwrite_and_delete_are_seen_at_once_and_after_reopening() {
    for place in Place::each() {
        let kv = place.open();
        kv.commit(vec![put(b"b", b"2"), put(b"a", b"1"), put(b"c", b"")])
            .unwrap();
        assert_eq!(kv.get(b"a").unwrap(), Some(b"1".to_vec()));
        assert_eq!(
            kv.get(b"c").unwrap(),
            Some(Vec::new()),
            "empty is not absent"
        );
        kv.commit(vec![delete(b"a"), put(b"b", b"longer"), delete(b"none")])
            .unwrap();
        let expected = vec![
            (b"b".to_vec(), b"longer".to_vec()),
            (b"c".to_vec(), Vec::new()),
        ];
        assert_eq!(everything(kv.as_ref()), expected);
        drop(kv);
        assert_eq!(everything(place.open().as_ref()), expected);
    }
}

#[test]
fn writes_of_one_step_take_effect_in_their_order() {
    for place in Place::each() {
        let kv = place.open();
        kv.commit(vec![put(b"a", b"old"), put(b"b", b"old")])
            .unwrap();
        kv.commit(vec![
            put(b"a", b"1"),
            delete(b"a"),
            delete(b"b"),
            put(b"b", b"1"),
            put(b"c", b"1"),
            put(b"c", b"2"),
        ])
        .unwrap();
        assert_eq!(kv.get(b"a").unwrap(), None);
        assert_eq!(kv.get(b"b").unwrap(), Some(b"1".to_vec()));
        assert_eq!(kv.get(b"c").unwrap(), Some(b"2".to_vec()));
    }
}

#[test]
fn order_holds_in_a_step_of_any_size() {
    for place in Place::each() {
        let kv = place.open();
        let mut ops: Vec<Op> = (0..1500).map(|n| put(&key(n), b"first")).collect();
        ops.extend((0..1500).map(|n| {
            if n % 2 == 0 {
                delete(&key(n))
            } else {
                put(&key(n), b"second")
            }
        }));
        kv.commit(ops).unwrap();
        let rows = everything(kv.as_ref());
        assert_eq!(rows.len(), 750);
        assert!(rows.iter().all(|(_, value)| value == b"second"));
    }
}

#[test]
fn steps_of_every_size_are_whole_after_reopening() {
    for place in Place::each() {
        let mut next = 0;
        for size in [1, 2, 15, 16, 17, 255, 999, 1000, 1001, 3000] {
            let kv = place.open();
            kv.commit(
                (next..next + size)
                    .map(|n| put(&key(n), &n.to_be_bytes()))
                    .collect(),
            )
            .unwrap();
            next += size;
            drop(kv);
            let expected: Vec<Row> = (0..next)
                .map(|n| (key(n), n.to_be_bytes().to_vec()))
                .collect();
            assert!(
                everything(place.open().as_ref()) == expected,
                "after a step of {size}"
            );
        }
        let kv = place.open();
        kv.commit((0..next).map(|n| delete(&key(n))).collect())
            .unwrap();
        assert!(everything(kv.as_ref()).is_empty());
    }
}

#[test]
fn longest_rows_and_keys_come_back_whole() {
    for place in Place::each() {
        let long = |n: u8| [vec![n; KEY_LEN_MAX - 1], vec![1]].concat();
        let kv = place.open();
        // 3 MB, so more than one batch by bytes and not by rows.
        kv.commit(
            (1..=250)
                .map(|n| put(&long(n), &vec![n; ROW_LEN_MAX]))
                .collect(),
        )
        .unwrap();
        kv.commit(
            (1..=250)
                .step_by(2)
                .map(|n| put(&long(n), &vec![!n; ROW_LEN_MAX]))
                .collect(),
        )
        .unwrap();
        assert_eq!(kv.maintain().unwrap().stray_files, 0);
        drop(kv);
        let kv = place.open();
        for n in 1..=250 {
            let byte = if n % 2 == 1 { !n } else { n };
            assert!(
                kv.get(&long(n)).unwrap() == Some(vec![byte; ROW_LEN_MAX]),
                "{n}"
            );
        }
    }
}

#[test]
fn empty_key_and_keys_that_continue_each_other_are_different_rows() {
    for place in Place::each() {
        let kv = place.open();
        let keys: [&[u8]; 7] = [
            b"",
            b"\x01",
            b"\x01\0",
            b"\x01\0\0",
            b"\x01\x01",
            b"\xff",
            b"\xff\xff",
        ];
        kv.commit(keys.iter().rev().map(|key| put(key, key)).collect())
            .unwrap();
        let expected: Vec<Row> = keys
            .iter()
            .map(|key| (key.to_vec(), key.to_vec()))
            .collect();
        assert_eq!(everything(kv.as_ref()), expected);
        kv.commit(vec![delete(b""), delete(b"\x01\0")]).unwrap();
        assert_eq!(kv.get(b"").unwrap(), None);
        assert_eq!(everything(kv.as_ref()).len(), 5);
        drop(kv);
        assert_eq!(everything(place.open().as_ref()).len(), 5);
    }
}

#[test]
fn range_has_an_included_start_an_excluded_end_and_a_limit() {
    for place in Place::each() {
        let kv = place.open();
        kv.commit((0..=255).map(|n| put(&[b'r', n], &[n])).collect())
            .unwrap();
        kv.commit(vec![put(b"q\xff", b""), put(b"s", b"")]).unwrap();
        let firsts = |from: &[u8], to: Option<&[u8]>, limit| -> Vec<u8> {
            let rows = kv.range(from, to, limit).unwrap();
            rows.into_iter().flat_map(|(_, value)| value).collect()
        };
        assert_eq!(
            firsts(b"r", Some(b"s"), usize::MAX),
            (0..=255).collect::<Vec<u8>>()
        );
        assert_eq!(firsts(b"r", Some(b"s"), 3), [0, 1, 2]);
        assert_eq!(firsts(&[b'r', 10], Some(&[b'r', 12]), 9), [10, 11]);
        assert_eq!(firsts(&[b'r', 10, 0], Some(&[b'r', 12, 0]), 9), [11, 12]);
        assert_eq!(firsts(&[b'r', 255], None, 9), [255]);
        for (from, to, limit) in [
            (&b"s"[..], Some(&b"a"[..]), 9),
            (b"r", Some(b"r"), 9),
            (b"t", None, 9),
            (b"a", Some(b"b"), 9),
            (b"r", None, 0),
            (b"", Some(b""), 9),
        ] {
            assert!(
                kv.range(from, to, limit).unwrap().is_empty(),
                "{from:?} {to:?}"
            );
        }
    }
}

#[test]
fn pages_of_a_range_add_up_to_the_whole() {
    for place in Place::each() {
        let kv = place.open();
        kv.commit(
            (0..700)
                .map(|n| put(&key(n * 3), &n.to_be_bytes()))
                .collect(),
        )
        .unwrap();
        for page_len in [1, 7, 256, 700, 701] {
            let (mut from, mut found) = (Vec::new(), Vec::new());
            loop {
                let page = kv.range(&from, None, page_len).unwrap();
                assert!(page.len() <= page_len);
                let Some((last, _)) = page.last() else {
                    break;
                };
                from = [last.as_slice(), &[0]].concat();
                found.extend(page);
            }
            assert!(found == everything(kv.as_ref()), "pages of {page_len}");
        }
    }
}

#[test]
fn readers_beside_a_writer_see_steps_whole_and_never_go_back() {
    const STEPS: u64 = 60;
    for place in Place::each() {
        let kv = place.open();
        let read = |key: &[u8]| {
            let value = kv.get(key).unwrap();
            value.map_or(0, |value| u64::from_be_bytes(value.try_into().unwrap()))
        };
        let is_done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let mut seen = 0;
                    while !is_done.load(Ordering::Acquire) {
                        // Read one after the other: the second cannot be older than the first.
                        let (last, first) = (read(b"z"), read(b"a"));
                        assert!(seen <= last && last <= first, "{seen} {last} {first}");
                        seen = first;
                        assert!(kv.range(b"a", Some(b"b"), 9).unwrap().len() <= 1);
                    }
                });
            }
            for n in 1..=STEPS {
                let mut ops: Vec<Op> = (0..40)
                    .map(|row| put(&key(row), &n.to_be_bytes()))
                    .collect();
                ops.insert(0, put(b"a", &n.to_be_bytes()));
                ops.push(put(b"z", &n.to_be_bytes()));
                kv.commit(ops).unwrap();
            }
            is_done.store(true, Ordering::Release);
        });
        assert_eq!(read(b"z"), STEPS);
    }
}

#[test]
fn writers_beside_each_other_take_turns() {
    for place in Place::each() {
        let kv = place.open();
        std::thread::scope(|scope| {
            for writer in 0..3_u8 {
                let kv = kv.as_ref();
                // More than one batch holds, so that a step that is let in between would mix with it.
                scope.spawn(move || {
                    for _ in 0..2 {
                        kv.commit((0..1200).map(|n| put(&key(n), &[writer])).collect())
                            .unwrap();
                    }
                });
            }
        });
        let rows = everything(kv.as_ref());
        assert_eq!(rows.len(), 1200);
        assert!(
            rows.iter().all(|(_, value)| value == &rows[0].1),
            "one step, the last one"
        );
    }
}

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<(Vec<u8>, Option<usize>)>),
    Range(Vec<u8>, Option<Vec<u8>>, usize),
    Reopen,
}

fn any_key() -> impl Strategy<Value = Vec<u8>> {
    // A small alphabet, so that keys meet and continue each other; zero first is the engine's own.
    prop::collection::vec(prop::sample::select(vec![1_u8, 2, 255]), 0..4)
}

fn step() -> impl Strategy<Value = Step> {
    let len = prop_oneof![4 => 0..40_usize, 1 => Just(ROW_LEN_MAX)];
    let op = (any_key(), prop::option::weighted(0.7, len));
    prop_oneof![
        6 => prop::collection::vec(op, 0..12).prop_map(Step::Commit),
        3 => (any_key(), prop::option::of(any_key()), 0..20_usize)
            .prop_map(|(from, to, limit)| Step::Range(from, to, limit)),
        1 => Just(Step::Reopen),
    ]
}

fn expected_range(
    model: &BTreeMap<Vec<u8>, Vec<u8>>,
    from: &[u8],
    to: Option<&[u8]>,
    limit: usize,
) -> Vec<Row> {
    let is_within = |key: &[u8]| key >= from && to.is_none_or(|to| key < to);
    let rows = model.iter().filter(|(key, _)| is_within(key)).take(limit);
    rows.map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

proptest! {
    // Each case opens three databases several times; more with PROPTEST_CASES=n.
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").map_or(12, |n| n.parse().unwrap()),
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_engine_does_what_a_sorted_map_does(steps in prop::collection::vec(step(), 1..40)) {
        for place in Place::each() {
            let mut model = BTreeMap::new();
            let mut kv = Some(place.open());
            for (n, step) in steps.iter().enumerate() {
                let open = kv.as_deref().unwrap();
                match step {
                    Step::Commit(writes) => {
                        let value = |len: &usize| vec![n as u8; *len];
                        for (key, len) in writes {
                            match len {
                                Some(len) => model.insert(key.clone(), value(len)),
                                None => model.remove(key),
                            };
                        }
                        let op = |(key, len): &(Vec<u8>, Option<usize>)| Op {
                            key: key.clone(),
                            value: len.as_ref().map(value),
                        };
                        open.commit(writes.iter().map(op).collect()).unwrap();
                    }
                    Step::Range(from, to, limit) => prop_assert_eq!(
                        open.range(from, to.as_deref(), *limit).unwrap(),
                        expected_range(&model, from, to.as_deref(), *limit)
                    ),
                    Step::Reopen => {
                        drop(kv.take());
                        kv = Some(place.open());
                    }
                }
                let open = kv.as_deref().unwrap();
                prop_assert_eq!(everything(open), expected_range(&model, &[], None, usize::MAX));
            }
        }
    }
}
