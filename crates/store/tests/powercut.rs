//! The power goes between two acknowledgements: of what the later step wrote, any part may be there.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it stands"
)]

mod common;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::PathBuf;

use common::{Disk, LOG, OWN, TABLE, files_below, noise, passphrase, write_files};
use sori_store::Store;

const SECTOR_LEN: usize = 512;
/// Images for each step looked at; more with SORI_STORE_CUTS=n.
const CUTS: u64 = 3;

type Image = BTreeMap<PathBuf, Vec<u8>>;

/// Step `n` leaves a record of its own, changes one of seven, and says how far things are.
fn stage(store: &mut Store, n: u64) {
    store.put(TABLE, &n.to_be_bytes(), &value(n)).unwrap();
    store.put(LOG, &[n as u8 % 7], &noise(n, 5000)).unwrap();
    store.put(OWN, b"head", &n.to_be_bytes()).unwrap();
}

fn value(n: u64) -> Vec<u8> {
    noise(n, (n as usize * 977) % 9000)
}

fn check(store: &Store) -> u64 {
    let head = store.get(OWN, b"head").unwrap().unwrap();
    let head = u64::from_be_bytes(head.as_slice().try_into().unwrap());
    store.verify().unwrap();
    let records = store.range(TABLE, b"").unwrap();
    assert_eq!(records.len() as u64, head);
    for (n, (key, found)) in (1..).zip(&records) {
        assert!(key.as_slice() == u64::to_be_bytes(n) && **found == value(n));
    }
    head
}

/// Each sector that differs is the old or the new one, by chance; so is the length.
fn torn(old: &[u8], new: &[u8], seed: u64) -> Vec<u8> {
    let sectors = old.len().max(new.len()).div_ceil(SECTOR_LEN);
    let chances = noise(seed, sectors + 1);
    // Some cuts come early, some late, some at the very end: not all of them toss a fair coin.
    let threshold = match chances[sectors] {
        late @ 192.. => late | 62,
        early => 32 + early,
    };
    let mut image = if chances[sectors] & 1 == 0 {
        old.to_vec()
    } else {
        new.to_vec()
    };
    for (sector, chance) in chances[..sectors].iter().enumerate() {
        let source = if *chance < threshold { new } else { old };
        let from = sector * SECTOR_LEN;
        let to = (from + SECTOR_LEN).min(source.len());
        if from < to {
            image.resize(image.len().max(to), 0);
            image[from..to].copy_from_slice(&source[from..to]);
        }
    }
    image
}

/// redb makes a longer file durable before anything in it says so, and a shorter one only after: where
/// the length differs, it is torn on one side of that moment and untouched or finished on the other.
fn torn_around_resize(old: &[u8], new: &[u8], seed: u64) -> Vec<u8> {
    let is_before = noise(!seed, 1)[0] & 1 == 0;
    match old.len().cmp(&new.len()) {
        Ordering::Less if is_before => old.to_vec(),
        Ordering::Less => {
            let grown = [old, &vec![0; new.len() - old.len()]].concat();
            torn(&grown, new, seed)
        }
        Ordering::Greater if is_before => {
            let unshrunk = [new, &old[new.len()..]].concat();
            torn(old, &unshrunk, seed)
        }
        Ordering::Greater => new.to_vec(),
        Ordering::Equal => torn(old, new, seed),
    }
}

fn between(old: &Image, new: &Image, seed: u64) -> Image {
    let mut image = new.clone();
    for (path, bytes) in &mut image {
        let before = old.get(path).map(Vec::as_slice).unwrap_or_default();
        if path.ends_with("witness") {
            // Written only after the step is on the disk: before that it is the old one.
            *bytes = before.to_vec();
            continue;
        }
        let tear = if path.ends_with("redb") {
            torn_around_resize
        } else {
            torn
        };
        *bytes = tear(before, bytes, seed);
    }
    image
}

#[test]
fn torn_sectors_of_an_unacknowledged_step_leave_the_state_before_or_after_it() {
    for disk in Disk::folders() {
        let outcomes = cut_the_power(&disk);
        // A simulation that never loses a step, or always does, would prove nothing.
        assert!(!outcomes.contains(&0), "{outcomes:?}");
        println!("before, after: {outcomes:?}");
    }
}

/// Answers how often the state before and after the step was found.
fn cut_the_power(disk: &Disk) -> [u64; 2] {
    let cuts = std::env::var("SORI_STORE_CUTS").map_or(CUTS, |n| n.parse().unwrap());
    let mut outcomes = [0; 2];
    for session in 0..3_u64 {
        let mut store = disk.open();
        for step in 1..=24 {
            let n = session * 24 + step;
            let before = files_below(&disk.path());
            stage(&mut store, n);
            store.commit().unwrap();
            if n < 3 || step % 4 != 0 {
                continue;
            }
            let after = files_below(&disk.path());
            for cut in 0..cuts {
                let place = tempfile::tempdir().unwrap();
                write_files(
                    &between(&before, &after, n * 1000 + cut),
                    &disk.path(),
                    place.path(),
                );
                let store = Store::open(place.path(), &passphrase(), [6; 32]).unwrap();
                let found = check(&store);
                assert!(
                    found == n || found == n - 1,
                    "cut {cut} of step {n} gave {found}"
                );
                outcomes[usize::from(found == n)] += 1;
            }
        }
    }
    outcomes
}
