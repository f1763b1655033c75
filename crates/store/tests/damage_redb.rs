//! Damaged redb files: an error that leaves everything as it was found, or everything that was
//! committed; nothing in between. As `damage.rs` has it for sled.
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
use sori_store::{Backend, Error};

const RECORDS: u64 = 200;

type State = BTreeMap<PathBuf, Vec<u8>>;

fn filled() -> Disk {
    let disk = Disk::folder_on(Backend::Redb);
    for half in 0..2 {
        let mut store = disk.open();
        for n in half * RECORDS / 2..(half + 1) * RECORDS / 2 {
            store.put(TABLE, &n.to_be_bytes(), &noise(n, 700)).unwrap();
            store.commit().unwrap();
        }
    }
    disk
}

/// The files of an open profile: those that a killed process leaves.
fn crashed(disk: &Disk) -> State {
    let mut store = disk.open();
    for n in 0..RECORDS {
        store.put(TABLE, &n.to_be_bytes(), &noise(n, 700)).unwrap();
        store.commit().unwrap();
    }
    files_below(&disk.path())
}

fn file(disk: &Disk) -> PathBuf {
    disk.path().join("store/db/redb")
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Outcome {
    Refused,
    Whole,
}

/// Opens, and insists that it is all or nothing.
fn outcome(disk: &Disk) -> Outcome {
    let before = fs::read(file(disk)).unwrap_or_default();
    let store = match disk.try_open() {
        Ok(store) => store,
        Err(Error::Corrupt { file: "db" }) => {
            let after = fs::read(file(disk)).unwrap_or_default();
            assert!(after == before, "a refusal changed the file");
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
        assert!(key.as_slice() == n.to_be_bytes() && **value == noise(n, 700));
    }
    Outcome::Whole
}

/// Puts `bytes` in the place of the database file of `state`.
fn damaged(disk: &Disk, state: &State, bytes: &[u8]) -> Outcome {
    fs::remove_dir_all(disk.path().join("store")).unwrap();
    for (path, bytes) in state {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    fs::write(file(disk), bytes).unwrap();
    outcome(disk)
}

#[test]
fn truncated_file_is_refused_and_the_whole_one_opens_again() {
    let disk = filled();
    let closed = files_below(&disk.path());
    for state in [closed, crashed(&disk)] {
        let whole = &state[&file(&disk)];
        let lens = [
            0,
            1,
            320,
            4096,
            whole.len() / 3,
            whole.len() / 2,
            whole.len() - 5000,
        ];
        for len in lens {
            assert_eq!(
                damaged(&disk, &state, &whole[..len]),
                Outcome::Refused,
                "cut to {len}"
            );
        }
        assert_eq!(damaged(&disk, &state, whole), Outcome::Whole);
    }
}

#[test]
fn flipped_bits_are_refused_or_harmless_after_an_orderly_close_and_after_a_crash() {
    let disk = filled();
    let closed = files_below(&disk.path());
    for state in [closed, crashed(&disk)] {
        let whole = &state[&file(&disk)];
        let mut outcomes = BTreeMap::new();
        // The first 400 bytes are the header; the rest is anywhere.
        let places = (0..12).map(|n| n * 33).chain(
            (0..30)
                .map(|n| usize::from_be_bytes(noise(n + 7, 8).try_into().unwrap()) % whole.len()),
        );
        for (n, at) in places.enumerate() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (n % 8);
            let found = damaged(&disk, &state, &bytes);
            *outcomes.entry(found).or_insert(0) += 1;
        }
        println!("{outcomes:?}");
        assert!(
            outcomes.contains_key(&Outcome::Refused),
            "damage that nothing notices proves nothing"
        );
    }
}

#[test]
fn pages_of_zeros_are_refused_or_harmless() {
    let disk = filled();
    let closed = files_below(&disk.path());
    for state in [closed, crashed(&disk)] {
        let whole = &state[&file(&disk)];
        let outcomes: Vec<Outcome> = (0..whole.len() / 4096)
            .step_by(7)
            .map(|page| {
                let mut bytes = whole.clone();
                bytes[page * 4096..(page + 1) * 4096].fill(0);
                damaged(&disk, &state, &bytes)
            })
            .collect();
        assert!(outcomes.contains(&Outcome::Refused), "{outcomes:?}");
    }
}

#[test]
fn missing_and_older_files_are_refused_and_nothing_is_made_in_their_place() {
    let disk = filled();
    let older = fs::read(file(&disk)).unwrap();
    let mut store = disk.open();
    store
        .put(TABLE, &0_u64.to_be_bytes(), &noise(0, 700))
        .unwrap();
    store.commit().unwrap();
    drop(store);
    let state = files_below(&disk.path());
    assert_eq!(damaged(&disk, &state, &older), Outcome::Refused);
    assert_eq!(damaged(&disk, &state, &state[&file(&disk)]), Outcome::Whole);
    fs::remove_file(file(&disk)).unwrap();
    assert_eq!(outcome(&disk), Outcome::Refused);
    assert!(!file(&disk).exists());
}

#[test]
fn damaged_or_missing_witness_and_ballast_cost_nothing() {
    let disk = filled();
    for name in ["witness", "ballast"] {
        let path = disk.path().join("store").join(name);
        fs::write(&path, b"nonsense in this place").unwrap();
        assert_eq!(outcome(&disk), Outcome::Whole, "damaged {name}");
        fs::remove_file(&path).unwrap();
        assert_eq!(outcome(&disk), Outcome::Whole, "missing {name}");
    }
}
