//! The whole disk and the secret in strange hands: which states can still be opened?
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it stands"
)]

mod common;

use std::collections::BTreeSet;
use std::fs;

use common::{Disk, LOG, OWN, TABLE, files_below, passphrase};
use sori_store::forensics::{Carver, Effort};
use sori_store::{Class, Store};

const MARK: &[u8] = b"a state of a group, or a message ";
const STATES: u64 = 150;
const MESSAGES: u64 = 60;
const ENVELOPES: u64 = 40;

/// A value that tells its number; some have more than one row.
fn value(number: u64) -> Vec<u8> {
    let mut value = [MARK, &number.to_be_bytes()].concat();
    value.resize(if number % 10 == 3 { 9000 } else { 600 }, 7);
    value
}

/// The number of a first row's plaintext.
fn number(plain: &[u8]) -> Option<u64> {
    let number = plain.get(4..)?.strip_prefix(MARK)?.first_chunk()?;
    Some(u64::from_be_bytes(*number))
}

/// Numbers of all values whose rows were found, those of them that open, and how many rows do not.
fn carve(disk: &Disk, carver: &Carver, effort: Effort) -> (BTreeSet<u64>, usize) {
    let (mut open, mut shut) = (BTreeSet::new(), 0);
    for (path, bytes) in files_below(&disk.path().join("store")) {
        if path.file_name().is_some_and(|name| name == "ballast") {
            continue;
        }
        for sighting in carver.carve(&bytes, effort, |plain| number(plain).is_some()) {
            match sighting.plain {
                Some(plain) => drop(open.insert(number(&plain).unwrap())),
                None => shut += 1,
            }
        }
    }
    (open, shut)
}

/// What a messenger does: a state overwritten with every message, messages that are deleted, envelopes that
/// leave. Answers the slot file from near the beginning, and the numbers that are still there.
fn live(store: &mut Store, disk: &Disk) -> (Vec<u8>, BTreeSet<u64>) {
    let mut first_slots = Vec::new();
    for n in 0..STATES {
        store.put(OWN, b"state", &value(n)).unwrap();
        if n < MESSAGES {
            store
                .put(TABLE, &n.to_be_bytes(), &value(1000 + n))
                .unwrap();
        }
        if n < ENVELOPES {
            let day = Class(1 + u32::try_from(n / 20).unwrap());
            store
                .put_in(LOG, &[n as u8], day, &value(2000 + n))
                .unwrap();
        }
        store.commit().unwrap();
        if n == 30 {
            first_slots = fs::read(disk.path().join("store/slots.0")).unwrap();
        }
        if n % 12 == 0 {
            store.forget().unwrap();
        }
    }
    for n in (0..MESSAGES).filter(|n| n % 3 == 0) {
        store.delete(TABLE, &n.to_be_bytes()).unwrap();
    }
    // The first day of the log ends, the second goes on.
    for n in 0..25_u8 {
        store.delete(LOG, &[n]).unwrap();
    }
    store.commit().unwrap();
    let messages = (0..MESSAGES).filter(|n| n % 3 != 0).map(|n| 1000 + n);
    let envelopes = (25..ENVELOPES).map(|n| 2000 + n);
    let there = messages.chain(envelopes).chain([STATES - 1]).collect();
    (first_slots, there)
}

/// What opens must be what is there; of a log that goes on, deleted records may open, too.
fn assert_open(open: &BTreeSet<u64>, there: &BTreeSet<u64>, when: &str) {
    let missing: Vec<_> = there.difference(open).collect();
    assert!(
        missing.is_empty(),
        "{when}: {missing:?} are there and were not found"
    );
    let surplus: Vec<_> = open
        .difference(there)
        .filter(|n| !(2020..2025).contains(*n))
        .collect();
    assert!(surplus.is_empty(), "{when}: {surplus:?} are not forgotten");
}

#[test]
fn disk_and_secret_open_nothing_that_was_superseded_or_deleted() {
    for disk in Disk::folders() {
        let mut store = disk.open();
        let (first_slots, there) = live(&mut store, &disk);
        let carver = || Carver::new(&disk.path(), &passphrase()).unwrap();
        store.forget().unwrap();
        let (open, shut) = carve(&disk, &carver(), Effort::NamedSlot);
        assert_open(&open, &there, "while the profile is open");
        assert!(
            shut > 20,
            "the engine keeps old rows, else this shows nothing: {shut}"
        );
        drop(store);
        let (open, _) = carve(&disk, &carver(), Effort::EverySlot);
        assert_open(&open, &there, "after closing, with every key on every row");

        // That it is the slot file which forgets: with an early copy of it, almost everything opens.
        let early = carver().with_slot_file(&first_slots);
        let (open, _) = carve(&disk, &early, Effort::NamedSlot);
        let superseded = open.difference(&there).count();
        assert!(superseded > 20, "only {superseded} of the old values open");
        println!("rows that stay shut: {shut}; opened with an early slot file: {superseded}");
    }
}

#[test]
fn other_master_key_makes_an_early_copy_of_the_slot_file_worthless() {
    let disk = Disk::folder();
    let mut store = disk.open();
    let (first_slots, there) = live(&mut store, &disk);
    store.rotate_master(None).unwrap();
    drop(store);
    let carver = || Carver::new(&disk.path(), &passphrase()).unwrap();
    let early = carver().with_slot_file(&first_slots);
    assert_eq!(early.slots(), 0);
    assert_open(
        &carve(&disk, &carver(), Effort::NamedSlot).0,
        &there,
        "after a rotation",
    );
}

#[test]
fn deleted_record_opens_until_the_store_is_told_to_forget() {
    // Without this the test above might only show that the engine had dropped the rows.
    let disk = Disk::folder();
    let mut store = disk.open();
    store.put(OWN, b"a", &value(1)).unwrap();
    store.put(TABLE, &2_u64.to_be_bytes(), &value(2)).unwrap();
    store.commit().unwrap();
    store.delete(OWN, b"a").unwrap();
    store.delete(TABLE, &2_u64.to_be_bytes()).unwrap();
    store.commit().unwrap();
    let carver = || Carver::new(&disk.path(), &passphrase()).unwrap();
    assert!(store.forget_due());
    assert_eq!(carve(&disk, &carver(), Effort::NamedSlot).0, [1, 2].into());
    store.forget().unwrap();
    assert!(!store.forget_due());
    assert_eq!(carve(&disk, &carver(), Effort::NamedSlot).0, [].into());
}

#[test]
fn crash_before_forgetting_is_made_up_for_at_the_next_opening() {
    let disk = Disk::folder();
    let mut store = disk.open();
    let (_, there) = live(&mut store, &disk);
    let crashed = common::copy_of(&disk);
    drop(store);
    let carver = || Carver::new(&crashed.path(), &passphrase()).unwrap();
    let before = carve(&crashed, &carver(), Effort::NamedSlot).0;
    assert!(before.is_superset(&there) && before != there);
    drop(crashed.open());
    assert_open(
        &carve(&crashed, &carver(), Effort::NamedSlot).0,
        &there,
        "after the crash",
    );
}
