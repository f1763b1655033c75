//! Damaged databases: an error that names the file and leaves everything as it was found, or
//! everything that was committed; nothing in between.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop where it stands"
)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use common::{Disk, TABLE, files_below, noise};
use sori_store::Error;

const RECORDS: u64 = 200;

fn filled() -> Disk {
    let disk = Disk::folder();
    for half in 0..2 {
        let mut store = disk.open();
        for n in 0..RECORDS / 2 {
            let n = half * RECORDS / 2 + n;
            store.put(TABLE, &n.to_be_bytes(), &noise(n, 700)).unwrap();
            store.commit().unwrap();
        }
    }
    disk
}

fn log(disk: &Disk) -> PathBuf {
    disk.path().join("store/db/db")
}

#[derive(Debug, Eq, PartialEq)]
enum Outcome {
    Refused,
    Whole,
}

/// Opens, and insists that it is all or nothing.
fn outcome(disk: &Disk) -> Outcome {
    let before = fs::read(log(disk)).unwrap_or_default();
    let store = match disk.try_open() {
        Ok(store) => store,
        Err(Error::Corrupt { file: "db" }) => {
            assert!(
                fs::read(log(disk)).unwrap_or_default() == before,
                "a refusal changed the log"
            );
            return Outcome::Refused;
        }
        Err(error) => panic!("{error}"),
    };
    let rows = match store.range(TABLE, b"") {
        Ok(rows) => rows,
        Err(Error::Corrupt { file: "db" }) => return Outcome::Refused,
        Err(error) => panic!("{error}"),
    };
    assert_eq!(
        rows.len() as u64,
        RECORDS,
        "records are missing without an error"
    );
    for (n, (key, value)) in (0_u64..).zip(&rows) {
        assert_eq!(key.as_slice(), n.to_be_bytes());
        assert!(**value == noise(n, 700));
    }
    Outcome::Whole
}

/// Damages the log of a profile in several ways, each from the same state of all files.
fn each_damage(
    disk: &Disk,
    state: &BTreeMap<PathBuf, Vec<u8>>,
    damages: impl Iterator<Item = (String, Vec<u8>)>,
) -> Vec<(String, Outcome)> {
    let mut outcomes = Vec::new();
    for (name, bytes) in damages {
        let store = disk.path().join("store");
        fs::remove_dir_all(&store).unwrap();
        for (path, bytes) in state {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        fs::write(log(disk), bytes).unwrap();
        outcomes.push((name, outcome(disk)));
    }
    outcomes
}

#[test]
fn truncated_log_is_never_taken_for_a_shorter_history() {
    let disk = filled();
    let state = files_below(&disk.path());
    let whole = fs::read(log(&disk)).unwrap();
    let cuts = [
        0,
        1,
        20,
        4096,
        whole.len() / 3,
        whole.len() / 2,
        whole.len() - 5000,
    ];
    let damages = cuts.map(|len| (format!("cut to {len}"), whole[..len].to_vec()));
    for (name, outcome) in each_damage(&disk, &state, damages.into_iter()) {
        assert_eq!(outcome, Outcome::Refused, "{name}");
    }
    fs::write(log(&disk), whole).unwrap();
    assert_eq!(
        outcome(&disk),
        Outcome::Whole,
        "the original file still opens"
    );
}

fn flips(whole: &[u8], count: u64) -> impl Iterator<Item = (String, Vec<u8>)> {
    (0..count).map(|n| {
        let chance = u64::from_be_bytes(noise(n + 7, 8).try_into().unwrap());
        let at = chance as usize % whole.len();
        let mut bytes = whole.to_vec();
        bytes[at] ^= 1 << (n % 8);
        (format!("bit {} of byte {at}", n % 8), bytes)
    })
}

#[test]
fn flipped_bits_are_refused_or_harmless_after_an_orderly_close() {
    let disk = filled();
    let state = files_below(&disk.path());
    let whole = fs::read(log(&disk)).unwrap();
    println!("{:?}", each_damage(&disk, &state, flips(&whole, 30)));
}

#[test]
fn flipped_bits_are_refused_or_harmless_after_a_crash() {
    let disk = filled();
    let store = disk.open();
    // The files as they are while the store is open are those that a killed process leaves.
    let state = files_below(&disk.path());
    drop(store);
    let whole = &state[&log(&disk)];
    println!("{:?}", each_damage(&disk, &state, flips(whole, 30)));
}

#[test]
fn missing_log_is_refused_not_replaced_by_an_empty_one() {
    let disk = filled();
    let kept = fs::read(log(&disk)).unwrap();
    fs::remove_file(log(&disk)).unwrap();
    assert_eq!(outcome(&disk), Outcome::Refused);
    assert!(!log(&disk).exists());
    fs::write(log(&disk), kept).unwrap();
    assert_eq!(outcome(&disk), Outcome::Whole);
}

#[test]
fn damaged_or_missing_snapshots_conf_witness_and_ballast_cost_nothing() {
    let disk = filled();
    let store = disk.path().join("store");
    let mut names: Vec<PathBuf> = fs::read_dir(store.join("db"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.retain(|path| path.is_file() && *path != log(&disk));
    names.extend(["witness", "ballast"].map(|name| store.join(name)));
    assert!(
        names
            .iter()
            .any(|path| path.to_string_lossy().contains("snap."))
    );
    for path in &names {
        if path.exists() {
            fs::write(path, b"nonsense in this place").unwrap();
        }
        assert_eq!(outcome(&disk), Outcome::Whole, "damaged {}", path.display());
        let _ = fs::remove_file(path);
        assert_eq!(outcome(&disk), Outcome::Whole, "missing {}", path.display());
    }
}

#[test]
fn log_of_an_older_state_is_refused() {
    let disk = filled();
    let older = fs::read(log(&disk)).unwrap();
    let mut store = disk.open();
    store.put(TABLE, b"later", b"x").unwrap();
    store.commit().unwrap();
    drop(store);
    fs::write(log(&disk), older).unwrap();
    assert_eq!(outcome(&disk), Outcome::Refused);
}
