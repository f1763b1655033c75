//! A profile moved to another engine, or rebuilt: everything is there, whenever the power goes.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it stands"
)]

mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{Disk, LOG, OWN, TABLE, files_below, noise, passphrase};
use sori_store::{Backend, Error, Progress, Store};

const RECORDS: u64 = 400;

fn value(n: u64) -> Vec<u8> {
    noise(n, (n as usize * 977) % 9000)
}

fn filled(backend: Backend) -> Disk {
    let disk = Disk::folder_on(backend);
    let mut store = disk.open();
    for n in 0..RECORDS {
        store.put(TABLE, &n.to_be_bytes(), &value(n)).unwrap();
        store.put(OWN, &[n as u8 % 7], &n.to_be_bytes()).unwrap();
        if n % 20 == 19 {
            store.commit().unwrap();
        }
    }
    drop(store);
    disk
}

fn check(store: &Store) {
    assert_eq!(store.verify().unwrap(), RECORDS + 7);
    let records = store.range(TABLE, b"").unwrap();
    assert_eq!(records.len() as u64, RECORDS);
    for (n, (key, found)) in (0..).zip(&records) {
        assert!(key.as_slice() == u64::to_be_bytes(n) && **found == value(n));
    }
}

fn other(backend: Backend) -> Backend {
    Backend::ALL
        .into_iter()
        .find(|other| *other != backend)
        .unwrap()
}

fn move_to(disk: &Disk, backend: Backend, progress: &mut dyn FnMut(Progress)) -> Result<(), Error> {
    Store::move_to(&disk.path(), &passphrase(), backend, [7; 32], progress)
}

fn backend_of(disk: &Disk) -> Backend {
    Store::backend_of(&disk.path()).unwrap()
}

/// The names in the store's folder that belong to a database.
fn databases(disk: &Disk) -> Vec<String> {
    let entries = fs::read_dir(disk.path().join("store")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.starts_with("db")).collect();
    names.sort();
    names
}

fn copy_tree(from: &Path, to: &Path) {
    for (path, bytes) in files_below(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(target, bytes).unwrap();
    }
}

#[test]
fn moved_profile_has_everything_there_and_back_again_and_goes_on() {
    for backend in Backend::ALL {
        let disk = filled(backend);
        for to in [other(backend), backend, backend] {
            let mut steps = Vec::new();
            move_to(&disk, to, &mut |progress| steps.push(progress)).unwrap();
            assert_eq!(backend_of(&disk), to);
            assert_eq!(databases(&disk), ["db"]);
            let last = steps.last().unwrap();
            assert_eq!(last.rows_done, last.rows);
            assert!(steps.is_sorted_by_key(|step| step.rows_done) && steps.len() > 1);
            let mut store = disk.open();
            check(&store);
            store.put(OWN, &[0], b"later").unwrap();
            store.commit().unwrap();
        }
    }
}

#[test]
fn move_needs_the_right_secret_and_a_closed_profile() {
    let disk = filled(Backend::Sled);
    let before = files_below(&disk.path());
    let wrong = sori_store::Unlock::Key(zeroize::Zeroizing::new([0; 32]));
    let refused = Store::move_to(&disk.path(), &wrong, Backend::Redb, [7; 32], &mut |_| ());
    assert!(matches!(refused, Err(Error::WrongMethod { .. })));
    assert!(files_below(&disk.path()) == before);
    let store = disk.open();
    assert!(matches!(
        move_to(&disk, Backend::Redb, &mut |_| ()),
        Err(Error::InUse)
    ));
    check(&store);
}

/// The states in which a crash can leave a move, oldest first: which databases lie there under which names
/// (`Old` or `New`, whole or `Half`), and which one must come up.
#[test]
fn crash_at_every_point_of_a_move_opens_the_old_or_the_new_database_whole() {
    enum Content {
        Half,
        New,
        Old,
    }
    use Content::{Half, New, Old};
    let states: [(&[(&str, Content)], Content); 7] = [
        (&[("db", Old)], Old),
        (&[("db", Old), ("db.moving", Half)], Old),
        (&[("db", Old), ("db.moving", New)], Old),
        (&[("db", Old), ("db.moved", New)], New),
        (&[("db.discarded", Old), ("db.moved", New)], New),
        (&[("db.discarded", Old), ("db", New)], New),
        (&[("db.discarded", Half), ("db", New)], New),
    ];
    for backend in Backend::ALL {
        // From an open store: so that files and witness are as in the middle of a move.
        let disk = filled(backend);
        let image = tempfile::tempdir().unwrap();
        let store = disk.open();
        copy_tree(&disk.path(), image.path());
        drop(store);
        move_to(&disk, other(backend), &mut |_| ()).unwrap();
        let (old, new) = (image.path().join("store/db"), disk.path().join("store/db"));
        for (state, expected) in &states {
            let crashed = Disk::Folder(tempfile::tempdir().unwrap());
            copy_tree(image.path(), &crashed.path());
            let store = crashed.path().join("store");
            fs::remove_dir_all(store.join("db")).unwrap();
            for (name, content) in *state {
                let source = if matches!(content, Old) { &old } else { &new };
                copy_tree(source, &store.join(name));
                if matches!(content, Half) {
                    let cut = |path: &Path| {
                        let file = fs::OpenOptions::new().write(true).open(path).unwrap();
                        file.set_len(file.metadata().unwrap().len() / 2).unwrap();
                    };
                    files_below(&store.join(name))
                        .keys()
                        .for_each(|path| cut(path));
                }
            }
            let expected = if matches!(expected, Old) {
                backend
            } else {
                other(backend)
            };
            let names: Vec<&str> = state.iter().map(|(name, _)| *name).collect();
            assert_eq!(backend_of(&crashed), expected, "{names:?}");
            check(&crashed.open());
            assert_eq!(backend_of(&crashed), expected, "{names:?}");
            assert_eq!(databases(&crashed), ["db"], "{names:?}");
        }
    }
}

#[test]
fn failure_while_copying_leaves_the_store_open_and_as_it_was() {
    for backend in Backend::ALL {
        let disk = filled(backend);
        let mut store = disk.open();
        // A file where the new database should be made: nothing else of the profile is in the way.
        fs::write(disk.path().join("store/db.moving"), b"in the way").unwrap();
        assert!(matches!(store.rebuild(&mut |_| ()), Err(Error::Io { .. })));
        check(&store);
        fs::remove_file(disk.path().join("store/db.moving")).unwrap();
        store.rebuild(&mut |_| ()).unwrap();
        check(&store);
        drop(store);
        check(&disk.open());
    }
}

#[test]
fn rebuild_keeps_what_is_staged_and_goes_on() {
    for disk in Disk::each() {
        let mut store = disk.open();
        store.put(TABLE, b"committed", b"1").unwrap();
        store.commit().unwrap();
        store.put(TABLE, b"staged", b"2").unwrap();
        store.rebuild(&mut |_| ()).unwrap();
        store.commit().unwrap();
        drop(store);
        assert_eq!(disk.open().range(TABLE, b"").unwrap().len(), 2);
    }
}

const FOLDER: &str = "SORI_STORE_TEST_FOLDER";

/// The child of the next test: moves the profile to and fro until it is killed. Nothing to do in an
/// ordinary run of the tests.
#[test]
fn child() {
    let Ok(dir) = std::env::var(FOLDER) else {
        return;
    };
    let dir = PathBuf::from(dir);
    for backend in Backend::ALL.into_iter().cycle() {
        let mut say = |progress: Progress| println!("\n{}", progress.rows_done);
        Store::move_to(&dir, &passphrase(), backend, [3; 32], &mut say).unwrap();
        println!("\nmoved");
    }
}

#[test]
fn killed_move_leaves_one_complete_database() {
    let rounds = std::env::var("SORI_STORE_KILL_ROUNDS").map_or(8, |n| n.parse().unwrap());
    let disk = filled(Backend::Redb);
    let mut engines = [0; 2];
    for round in 0..rounds {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child", "--exact", "--nocapture", "--test-threads=1"])
            .env(FOLDER, disk.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Somewhere in a move: after some lines of progress, and then a little.
        let chance = u64::from(noise(round + 1, 1)[0]);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = lines.map_while(Result::ok).filter(|line| !line.is_empty());
        assert!(
            said.by_ref().take(3 + chance as usize % 12).count() > 2,
            "the child ended by itself"
        );
        std::thread::sleep(Duration::from_micros(chance * 100));
        child.kill().unwrap();
        child.wait().unwrap();
        engines[usize::from(backend_of(&disk) == Backend::Sled)] += 1;
        check(&disk.open());
        assert_eq!(databases(&disk), ["db"]);
    }
    println!("redb, sled: {engines:?}");
}

/// Writes and deletes until the files are large and mostly dead.
fn churn(disk: &Disk) {
    let mut store = disk.open();
    for n in 0..RECORDS {
        store.put(TABLE, &n.to_be_bytes(), &value(n)).unwrap();
        store.put(OWN, &[n as u8 % 7], &n.to_be_bytes()).unwrap();
    }
    store.commit().unwrap();
    for n in 0..90_u64 {
        store
            .put(LOG, &n.to_be_bytes(), &noise(n, 900_000))
            .unwrap();
        store.commit().unwrap();
    }
    for n in 0..90_u64 {
        store.delete(LOG, &n.to_be_bytes()).unwrap();
    }
    store.commit().unwrap();
}

#[test]
fn bloated_profile_is_found_out_rebuilt_and_smaller_with_everything_there() {
    for backend in Backend::ALL {
        let disk = Disk::folder_on(backend);
        churn(&disk);
        let mut store = disk.open();
        assert!(!store.rebuild_is_due(), "not counted yet");
        let before = loop {
            let stats = store.maintain().unwrap();
            if stats.live_len.is_some() {
                break stats;
            }
        };
        println!("{backend}: {before:?}");
        assert!(before.is_bloated() && store.rebuild_is_due());
        drop(store);
        store = disk.open();
        assert!(store.rebuild_is_due(), "still known after reopening");
        store.rebuild(&mut |_| ()).unwrap();
        assert!(!store.rebuild_is_due());
        check(&store);
        drop(store);
        let mut store = disk.open();
        check(&store);
        let after = store.maintain().unwrap();
        println!("{backend}: {after:?}");
        assert!(after.len_on_disk < 16 << 20);
        assert_eq!((after.stray_files, after.is_bloated()), (0, false));
    }
}
