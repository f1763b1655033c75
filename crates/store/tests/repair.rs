//! Damaged profiles: what can be read is saved, what is lost is counted, what was damaged is kept.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it stands"
)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use common::{Disk, LOG, OWN, TABLE, copy_of, files_below, noise, passphrase, write_files};
use sori_store::{Backend, Class, Error, RepairReport, Store, Table};

const RECORDS: u64 = 120;

type Records = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

/// Records of every kind, some of several rows, in a history of many commits.
fn filled(backend: Backend) -> (Disk, Records) {
    let disk = Disk::folder_on(backend);
    let mut store = disk.open();
    let mut records = Records::new();
    for n in 0..RECORDS {
        let key = n.to_be_bytes();
        let value = noise(n, if n % 10 == 0 { 9000 } else { 500 });
        let table = [OWN, TABLE, LOG][(n % 3) as usize];
        let class = Class(u32::try_from(n / 50).unwrap());
        store.put_in(table, &key, class, &value).unwrap();
        store.commit().unwrap();
        records.insert((table, key.to_vec()), value);
    }
    drop(store);
    (disk, records)
}

fn repair(disk: &Disk) -> Result<RepairReport, Error> {
    Store::repair(&disk.path(), &passphrase(), [8; 32], &mut |_| {})
}

fn found(store: &Store) -> Records {
    let all = [OWN, TABLE, LOG].map(|table| (table, store.range(table, b"").unwrap()));
    let all = all.into_iter().flat_map(|(table, rows)| {
        rows.into_iter()
            .map(move |(key, value)| ((table, key), value.to_vec()))
    });
    all.collect()
}

/// Everything that is there is as it was; answers how many records are missing.
fn missing(disk: &Disk, records: &Records) -> u64 {
    let store = disk.open();
    let found = found(&store);
    assert_eq!(store.verify().unwrap(), found.len() as u64);
    for (at, value) in &found {
        assert!(
            records.get(at) == Some(value),
            "{at:?} is not what was written"
        );
    }
    (records.len() - found.len()) as u64
}

fn log(disk: &Disk) -> PathBuf {
    let db = disk.path().join("store/db");
    let logs = [db.join("redb"), db.join("db")];
    logs.into_iter().find(|path| path.exists()).unwrap()
}

/// What the damaged profile is, wherever it lies.
fn below(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = files_below(root).into_iter();
    files
        .map(|(path, bytes)| (path.strip_prefix(root).unwrap().to_path_buf(), bytes))
        .collect()
}

#[test]
fn slots_whose_copies_are_both_damaged_cost_their_own_records_only() {
    let (disk, records) = filled(Backend::default());
    let slots = disk.path().join("store/slots.0");
    let mut bytes = fs::read(&slots).unwrap();
    for slot in [3, 9] {
        for copy in [0, 128 * 128] {
            bytes[copy + slot * 128 + 30] ^= 1;
        }
    }
    fs::write(&slots, bytes).unwrap();
    assert!(matches!(
        disk.try_open(),
        Err(Error::Corrupt { file: "slots" })
    ));
    let report = repair(&disk).unwrap();
    assert_eq!(report.kept + report.lost, RECORDS);
    assert_eq!((report.steps_missing, report.lost > 0), (0, true));
    assert!(report.kept > RECORDS / 2, "{report:?}");
    assert_eq!(missing(&disk, &records), report.lost);
}

#[test]
fn repaired_profile_keeps_name_secret_and_count_and_the_damaged_one_lies_beside_it() {
    for backend in Backend::ALL {
        let (disk, records) = filled(backend);
        let (id, openings) = {
            let store = disk.open();
            (store.profile_id(), store.openings())
        };
        let before = below(&disk.path().join("store"));
        let mut heard = Vec::new();
        let report = Store::repair(&disk.path(), &passphrase(), [8; 32], &mut |n| heard.push(n));
        let report = report.unwrap();
        assert_eq!(
            (report.kept, report.lost, report.steps_missing),
            (RECORDS, 0, 0)
        );
        assert!(heard.is_sorted() && heard.last() == Some(&RECORDS));
        assert!(
            below(&report.aside) == before,
            "the damaged one is as it was"
        );
        assert_eq!(report.aside, disk.path().join("store.damaged-1"));
        assert_eq!(missing(&disk, &records), 0);
        let mut store = disk.open();
        assert_eq!(store.profile_id(), id);
        assert!(store.openings() > openings);
        assert_eq!(Store::backend_of(&disk.path()).unwrap(), backend);
        // Buckets and slots are as they should be: every kind of record can still be forgotten.
        for (table, key) in records.keys() {
            store.delete(*table, key).unwrap();
        }
        store.commit().unwrap();
        store.forget().unwrap();
        assert_eq!(store.verify().unwrap(), 0);
        drop(store);
        assert_eq!(
            repair(&disk).unwrap().aside,
            disk.path().join("store.damaged-2")
        );
    }
}

#[test]
fn damaged_log_gives_what_can_be_read_and_says_what_is_missing() {
    for backend in Backend::ALL {
        let (disk, records) = filled(backend);
        let whole = fs::read(log(&disk)).unwrap();
        let (mut losses, mut refusals) = (0, 0);
        for damage in 0..12_u64 {
            let copy = copy_of(&disk);
            let mut bytes = whole.clone();
            if damage < 4 {
                bytes.truncate(whole.len() * (damage as usize + 5) / 10);
            } else {
                let chance = u64::from_be_bytes(noise(damage, 8).try_into().unwrap());
                let at = chance as usize % (whole.len() - 600);
                bytes[at..at + 600].fill(0xEE);
            }
            fs::write(log(&copy), &bytes).unwrap();
            let report = match repair(&copy) {
                Ok(report) => report,
                Err(Error::Corrupt { file: "db" }) => {
                    refusals += 1;
                    assert!(fs::read(log(&copy)).unwrap() == bytes);
                    continue;
                }
                Err(error) => unreachable!("damage {damage}: {error}"),
            };
            let missing = missing(&copy, &records);
            assert!(
                missing == 0 || report.lost > 0 || report.steps_missing > 0,
                "{report:?}"
            );
            assert_eq!(report.kept, RECORDS - missing, "{report:?}");
            losses += u64::from(missing > 0);
        }
        println!("{backend}: {losses} with losses, {refusals} refused");
    }
}

#[test]
fn interrupted_repair_leaves_the_damaged_profile_or_the_repaired_one() {
    let (disk, records) = filled(Backend::default());
    let damaged = copy_of(&disk);
    // Half built: worth nothing.
    fs::create_dir_all(damaged.path().join("store.new/db")).unwrap();
    fs::create_dir_all(damaged.path().join("store.repair")).unwrap();
    assert_eq!(missing(&damaged, &records), 0);
    assert!(!damaged.path().join("store.repair").exists());
    // Complete, before and after the damaged one has left its place.
    for is_aside in [false, true] {
        let crashed = copy_of(&disk);
        repair(&crashed).unwrap();
        let at = |name: &str| crashed.path().join(name);
        fs::rename(at("store"), at("store.repaired")).unwrap();
        if !is_aside {
            fs::rename(at("store.damaged-1"), at("store")).unwrap();
        }
        assert!(Store::exists(&crashed.path()));
        assert!(Store::unlock_method(&crashed.path()).is_ok());
        assert_eq!(missing(&crashed, &records), 0);
        assert!(at("store.damaged-1").exists() && !at("store.repaired").exists());
    }
}

#[test]
fn repair_needs_the_secret_and_a_profile_that_is_not_open() {
    let (disk, _) = filled(Backend::default());
    let store = disk.open();
    assert!(matches!(repair(&disk), Err(Error::InUse)));
    drop(store);
    let wrong = sori_store::Unlock::Key(zeroize::Zeroizing::new([1; 32]));
    let before = below(&disk.path());
    let refused = Store::repair(&disk.path(), &wrong, [8; 32], &mut |_| {});
    assert!(matches!(refused, Err(Error::WrongMethod { .. })));
    assert!(below(&disk.path()) == before);
    let nowhere = Disk::empty();
    assert!(matches!(repair(&nowhere), Err(Error::NotFound)));
}

/// sled alone finds no way into most of these: the log has been gone over, and pages lie anywhere in it.
#[test]
fn from_a_long_log_that_is_cut_short_what_is_left_of_it_is_saved() {
    let (disk, mut records) = filled(Backend::Sled);
    for round in 0..12_u64 {
        let mut store = disk.open();
        for n in 0..60_u64 {
            let (key, value) = ((n % 40).to_be_bytes(), noise(n + round, 1700));
            store.put(OWN, &key, &value).unwrap();
            store.commit().unwrap();
            records.insert((OWN, key.to_vec()), value);
        }
        store.forget().unwrap();
    }
    let files = files_below(&disk.path());
    let whole = &files[&log(&disk)];
    for tenths in [2, 4, 6, 9] {
        let damaged = Disk::empty();
        write_files(&files, &disk.path(), &damaged.path());
        fs::write(log(&damaged), &whole[..whole.len() * tenths / 10]).unwrap();
        let report = repair(&damaged).unwrap();
        let missing = missing(&damaged, &records);
        // How much lies where in the log differs from run to run.
        assert!(report.kept >= 20, "{tenths} tenths: {report:?}");
        assert_eq!(report.kept + missing, records.len() as u64);
    }
}
