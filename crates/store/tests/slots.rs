//! The slot file: torn, damaged, cut short, and left behind by a change of the master key.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it stands"
)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use common::{Disk, LOG, OWN, TABLE, copy_of, files_below, noise, passphrase, write_files};
use sori_store::forensics::{Carver, Effort, rows_of};
use sori_store::{Error, MemoryDisk, Store, Unlock};
use zeroize::Zeroizing;

const CELL: usize = 128;
const COPY: usize = 128 * CELL;

type Files = BTreeMap<PathBuf, Vec<u8>>;

fn slots(disk: &Disk) -> PathBuf {
    disk.path().join("store/slots.0")
}

/// One record of each kind, with the mark in it, overwritten and deleted a few times.
fn use_it(store: &mut Store, round: u64) {
    for n in 0..6_u64 {
        store.put(OWN, &[n as u8], &value(round)).unwrap();
        store
            .put(TABLE, &(round * 8 + n).to_be_bytes(), &value(round))
            .unwrap();
        store
            .put(LOG, &[(round * 8 + n) as u8], &value(round))
            .unwrap();
    }
    store.delete(OWN, &[round as u8 % 6]).unwrap();
    if round > 0 {
        store
            .delete(TABLE, &((round - 1) * 8).to_be_bytes())
            .unwrap();
    }
    store.commit().unwrap();
}

fn value(round: u64) -> Vec<u8> {
    [b"the mark", &round.to_be_bytes()[..], &noise(round, 300)].concat()
}

fn records(store: &Store) -> Vec<(Vec<u8>, Vec<u8>)> {
    store.verify().unwrap();
    let all = [OWN, TABLE, LOG].map(|table| store.range(table, b"").unwrap());
    let all = all.into_iter().flatten();
    all.map(|(key, value)| (key, value.to_vec())).collect()
}

/// How many rows of all files the keys on the disk open.
fn openable(disk: &Disk) -> usize {
    let carver = Carver::new(&disk.path(), &passphrase()).unwrap();
    let is_marked = |plain: &[u8]| {
        plain
            .get(4..)
            .is_some_and(|plain| plain.starts_with(b"the mark"))
    };
    let files = files_below(&disk.path().join("store"));
    let rows = files
        .values()
        .flat_map(|bytes| carver.carve(bytes, Effort::NamedSlot, is_marked));
    rows.filter_map(|row| row.plain)
        .map(|plain| plain.to_vec())
        .collect::<std::collections::BTreeSet<_>>()
        .len()
}

/// Both copies of every cell, in the order in which they are written: first copy A of them all, then copy B.
fn cells(len: usize) -> Vec<std::ops::Range<usize>> {
    let starts = |copy: usize| {
        (0..len)
            .step_by(CELL)
            .filter(move |at| (at / COPY) % 2 == copy)
    };
    starts(0).chain(starts(1)).map(|at| at..at + CELL).collect()
}

#[test]
fn power_cut_at_any_write_of_forgetting_loses_nothing_and_forgets_at_the_next_opening() {
    let disk = Disk::folder();
    let mut store = disk.open();
    for round in 0..4 {
        use_it(&mut store, round);
    }
    let files = files_below(&disk.path());
    let expected = records(&store);
    store.forget().unwrap();
    let after = fs::read(slots(&disk)).unwrap();
    drop(store);
    let before = &files[&slots(&disk)];
    // The same rows under other slots: the engine drops rows of its own accord, now and then.
    let image_with = |slot_file: &[u8]| {
        let image = Disk::empty();
        write_files(&files, &disk.path(), &image.path());
        fs::write(slots(&image), slot_file).unwrap();
        image
    };
    let whole = image_with(&after);
    drop(whole.open());
    let remaining = openable(&whole);
    assert!(openable(&image_with(before)) > remaining);
    let changed: Vec<_> = cells(after.len())
        .into_iter()
        .filter(|cell| before[cell.clone()] != after[cell.clone()])
        .collect();
    assert!(
        changed.len() > 10 && changed.len().is_multiple_of(2),
        "{}",
        changed.len()
    );
    for cut in 0..=changed.len() {
        let mut image = before.clone();
        for (n, cell) in changed.iter().enumerate() {
            // Within one of the two waits for the device, writes may reach it in any order.
            let same_wait = (n < changed.len() / 2) == (cut < changed.len() / 2);
            let is_lucky = same_wait && noise((cut * 1000 + n) as u64, 1)[0] < 60;
            if n < cut || is_lucky {
                image[cell.clone()].copy_from_slice(&after[cell.clone()]);
            } else if n == cut {
                let half = cell.start..cell.start + CELL / 2;
                image[half.clone()].copy_from_slice(&after[half]);
            }
        }
        let torn = image_with(&image);
        let store = torn.open();
        assert!(records(&store) == expected, "cut {cut}");
        drop(store);
        assert!(openable(&torn) <= remaining, "cut {cut}");
    }
}

#[test]
fn either_copy_of_every_cell_is_enough_and_the_other_is_mended() {
    let disk = Disk::folder();
    let mut store = disk.open();
    use_it(&mut store, 0);
    let expected = records(&store);
    drop(store);
    let whole = fs::read(slots(&disk)).unwrap();
    for damaged in 0..2 {
        let mut bytes = fs::read(slots(&disk)).unwrap();
        for at in (0..bytes.len()).filter(|at| (at / COPY) % 2 == damaged) {
            bytes[at] ^= 0x55;
        }
        fs::write(slots(&disk), &bytes).unwrap();
        assert!(records(&disk.open()) == expected);
        let mended = fs::read(slots(&disk)).unwrap();
        assert_eq!(mended.len(), whole.len());
        let (a, b) = mended.split_at(COPY);
        assert!(a == b, "the copies agree again");
    }
}

/// Opens, and insists that the slot file is named and left as it is.
fn assert_refused(disk: &Disk) {
    let before = fs::read(slots(disk)).ok();
    assert!(matches!(
        disk.try_open(),
        Err(Error::Corrupt { file: "slots" })
    ));
    assert!(
        fs::read(slots(disk)).ok() == before,
        "a refusal changed the slot file"
    );
}

#[test]
fn slot_file_that_lost_a_key_in_use_is_refused_and_one_that_lost_a_free_key_is_mended() {
    let disk = Disk::folder();
    let mut store = disk.open();
    use_it(&mut store, 0);
    let expected = records(&store);
    drop(store);
    let whole = fs::read(slots(&disk)).unwrap();
    let without = |slot: usize| {
        let mut bytes = whole.clone();
        for copy in [0, COPY] {
            bytes[copy + slot * CELL + 50] ^= 1;
        }
        fs::write(slots(&disk), bytes).unwrap();
    };
    for in_use in [0, 1, 2] {
        without(in_use);
        assert_refused(&disk);
    }
    without(127);
    assert!(records(&disk.open()) == expected);
    let mended = fs::read(slots(&disk)).unwrap();
    assert_ne!(
        mended[127 * CELL..128 * CELL],
        whole[127 * CELL..128 * CELL]
    );
    for len in [0, 100, COPY / 100] {
        fs::write(slots(&disk), &whole[..len]).unwrap();
        assert_refused(&disk);
    }
    fs::remove_file(slots(&disk)).unwrap();
    assert_refused(&disk);
    fs::write(slots(&disk), &whole).unwrap();
    assert!(records(&disk.open()) == expected);
}

/// What lies on the disk at each point of a rotation, and whether the old and the new secret open it.
fn rotation_images(disk: &Disk, old: &Files, new: &Files) -> Vec<(Files, bool, bool)> {
    let at = |name: &str| disk.path().join("store").join(name);
    let [a, b, zero, one] = ["header-a", "header-b", "slots.0", "slots.1"].map(at);
    assert!(!new.contains_key(&zero) && !old.contains_key(&one));
    let half = |path: &PathBuf| [&new[path][..100], &old[path][100..]].concat();
    let image = |header_a: &[u8], header_b: &[u8], slots: [Option<Vec<u8>>; 2]| {
        let mut files = new.clone();
        files.insert(a.clone(), header_a.to_vec());
        files.insert(b.clone(), header_b.to_vec());
        for (path, bytes) in [&zero, &one].into_iter().zip(slots) {
            match bytes {
                Some(bytes) => files.insert(path.clone(), bytes),
                None => files.remove(path),
            };
        }
        files
    };
    let both = || [old.get(&zero).cloned(), new.get(&one).cloned()];
    let [none, begun] =
        [None, Some(new[&one][..5000].to_vec())].map(|one| [both()[0].clone(), one]);
    let mut zeroed = old[&zero].clone();
    zeroed[..COPY + 77].fill(0);
    let [zeroed, gone] = [Some(zeroed), None].map(|zero| [zero, both()[1].clone()]);
    vec![
        (image(&old[&a], &old[&b], none), true, false),
        (image(&old[&a], &old[&b], begun), true, false),
        (image(&old[&a], &old[&b], both()), true, false),
        (image(&half(&a), &old[&b], both()), true, false),
        (image(&new[&a], &old[&b], both()), true, true),
        (image(&new[&a], &half(&b), both()), false, true),
        (image(&new[&a], &new[&b], both()), false, true),
        (image(&new[&a], &new[&b], zeroed), false, true),
        (image(&new[&a], &new[&b], gone), false, true),
    ]
}

#[test]
fn crash_at_any_point_of_a_rotation_leaves_a_profile_that_opens() {
    let disk = Disk::folder();
    let mut store = disk.open();
    use_it(&mut store, 0);
    let expected = records(&store);
    drop(store);
    let old = files_below(&disk.path());
    let mut store = disk.open();
    let another = || Unlock::Passphrase(Zeroizing::new("another".into()));
    store.rotate_master(Some(&another())).unwrap();
    drop(store);
    let images = rotation_images(&disk, &old, &files_below(&disk.path()));
    for (n, (files, by_old, by_new)) in images.into_iter().enumerate() {
        for (unlock, opens) in [(passphrase(), by_old), (another(), by_new)] {
            let crashed = Disk::empty();
            write_files(&files, &disk.path(), &crashed.path());
            let opened = Store::open(&crashed.path(), &unlock, [4; 32]);
            assert_eq!(opened.is_ok(), opens, "image {n}: {opened:?}");
            let Ok(store) = opened else { continue };
            assert!(records(&store) == expected, "image {n}");
            drop(store);
            let is_there = |name: &&str| crashed.path().join("store").join(name).exists();
            let left = ["slots.0", "slots.1"]
                .iter()
                .filter(|name| is_there(name))
                .count();
            assert_eq!(left, 1, "slot files, image {n}");
            assert!(
                Store::open(&crashed.path(), &unlock, [5; 32]).is_ok(),
                "image {n}"
            );
        }
    }
}

#[test]
fn rotation_draws_fresh_keys_for_the_pool_so_that_an_older_slot_file_leads_nowhere_new() {
    let Disk::Memory(disk) = Disk::memory() else {
        unreachable!("asked for memory")
    };
    let is_new = |plain: &[u8]| {
        plain
            .get(4..)
            .is_some_and(|plain| plain.starts_with(b"written later"))
    };
    let opens = |carver: &Carver, disk: &MemoryDisk| {
        let rows = carver.carve(&rows_of(disk), Effort::EverySlot, is_new);
        rows.iter().any(|row| row.plain.is_some())
    };
    for rotates in [false, true] {
        let mut store = Store::open_memory(&disk, [1; 32]).unwrap();
        let older = Carver::of_memory(&disk).unwrap();
        if rotates {
            store.rotate_master(None).unwrap();
        }
        let key = [u8::from(rotates)];
        store
            .put(OWN, &key, b"written later, in a slot from the pool")
            .unwrap();
        store.commit().unwrap();
        assert!(opens(&Carver::of_memory(&disk).unwrap(), &disk));
        assert_eq!(opens(&older, &disk), !rotates);
        store.delete(OWN, &key).unwrap();
        store.commit().unwrap();
    }
}

#[test]
fn rotation_keeps_every_record_and_the_same_secret_and_counts() {
    for disk in Disk::each() {
        let mut store = disk.open();
        use_it(&mut store, 0);
        let id = store.profile_id();
        for turn in 1..4 {
            store.rotate_master(None).unwrap();
            assert_eq!(store.rotations(), turn);
            use_it(&mut store, turn);
            store.forget().unwrap();
        }
        let expected = records(&store);
        drop(store);
        let store = disk.open();
        assert_eq!((store.rotations(), store.profile_id()), (3, id));
        assert!(records(&store) == expected);
    }
}

#[test]
fn openings_are_counted_and_an_older_copy_shows() {
    for disk in Disk::each() {
        let id = disk.open().profile_id();
        let first = disk.open().openings();
        assert_eq!(disk.open().openings(), first + 1);
        assert_eq!(disk.open().profile_id(), id);
    }
    let disk = Disk::folder();
    let copy = copy_of(&disk);
    let there = disk.open().openings();
    drop(disk.open());
    assert_eq!(
        copy.open().openings(),
        there,
        "behind the one it was copied from"
    );
    assert_ne!(
        Disk::folder_with_seed(9).open().profile_id(),
        disk.open().profile_id()
    );
}

#[test]
fn commit_waits_for_the_slot_file_never_and_forgetting_twice() {
    let Disk::Memory(disk) = Disk::memory() else {
        unreachable!("asked for memory")
    };
    let mut store = Store::open_memory(&disk, [1; 32]).unwrap();
    use_it(&mut store, 0);
    for round in 1..5 {
        let (commits, syncs) = (disk.commits(), disk.slot_syncs());
        use_it(&mut store, round);
        assert_eq!(
            (disk.commits() - commits, disk.slot_syncs() - syncs),
            (1, 0)
        );
        assert!(store.forget_due());
        store.forget().unwrap();
        assert_eq!(
            (disk.commits() - commits, disk.slot_syncs() - syncs),
            (1, 2)
        );
        store.forget().unwrap();
        assert_eq!(disk.slot_syncs() - syncs, 2);
    }
}

#[test]
fn step_that_needs_more_slots_than_are_ready_makes_them() {
    for disk in Disk::each() {
        let mut store = disk.open();
        for n in 0..1000_u16 {
            store.put(OWN, &n.to_be_bytes(), &n.to_be_bytes()).unwrap();
        }
        store.commit().unwrap();
        assert_eq!(store.verify().unwrap(), 1000);
        drop(store);
        let mut store = disk.open();
        assert_eq!(store.verify().unwrap(), 1000);
        for n in 0..1000_u16 {
            store.delete(OWN, &n.to_be_bytes()).unwrap();
        }
        store.commit().unwrap();
        store.forget().unwrap();
        drop(store);
        assert_eq!(disk.open().verify().unwrap(), 0);
    }
}
