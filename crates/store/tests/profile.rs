//! Profiles as folders: unlocking, refusals, and that no refusal changes a byte.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it stands"
)]

mod common;

use std::fs;
use std::path::Path;

use common::{Disk, TABLE, files_below, passphrase, profile};
use sori_store::{Cost, Error, Store, Unlock, UnlockMethod};
use zeroize::Zeroizing;

fn words(text: &str) -> Unlock {
    Unlock::Passphrase(Zeroizing::new(text.into()))
}

fn key(byte: u8) -> Unlock {
    Unlock::Key(Zeroizing::new([byte; 32]))
}

/// A folder with one committed record, closed.
fn filled() -> Disk {
    let disk = Disk::folder();
    let mut store = disk.open();
    store.put(TABLE, b"k", b"kept").unwrap();
    store.commit().unwrap();
    drop(store);
    disk
}

fn is_kept(store: &Store) -> bool {
    store
        .get(TABLE, b"k")
        .unwrap()
        .as_deref()
        .map(Vec::as_slice)
        == Some(b"kept")
}

/// Opens with `unlock`, expects a refusal, and that it changed nothing.
fn refusal(disk: &Disk, unlock: &Unlock) -> Error {
    let before = files_below(&disk.path());
    let error = Store::open(&disk.path(), unlock, [5; 32]).unwrap_err();
    assert!(
        files_below(&disk.path()) == before,
        "the refusal changed a file"
    );
    error
}

#[test]
fn wrong_passphrase_key_and_method_are_told_apart_and_change_nothing() {
    let disk = filled();
    assert!(matches!(
        refusal(&disk, &words("wrong")),
        Error::WrongPassphrase
    ));
    assert!(matches!(refusal(&disk, &words("")), Error::WrongPassphrase));
    let expected = UnlockMethod::Passphrase;
    assert!(matches!(refusal(&disk, &key(1)), Error::WrongMethod { expected: e } if e == expected));
    assert!(is_kept(&disk.open()));
}

#[test]
fn keychain_profile_opens_with_its_key_only() {
    let dir = tempfile::tempdir().unwrap();
    let dir = profile(&dir);
    drop(Store::create(&dir, &key(1), [1; 32]).unwrap());
    assert_eq!(Store::unlock_method(&dir).unwrap(), UnlockMethod::Keychain);
    assert!(matches!(
        Store::open(&dir, &key(2), [2; 32]),
        Err(Error::WrongKey)
    ));
    assert!(Store::open(&dir, &key(1), [2; 32]).is_ok());
}

#[test]
fn changed_unlock_opens_and_the_old_one_no_longer_does() {
    let disk = filled();
    let mut store = disk.open();
    store.change_unlock(&words("new")).unwrap();
    drop(store);
    assert!(matches!(
        refusal(&disk, &passphrase()),
        Error::WrongPassphrase
    ));
    let mut store = Store::open(&disk.path(), &words("new"), [3; 32]).unwrap();
    assert!(is_kept(&store));
    store.change_unlock(&key(9)).unwrap();
    drop(store);
    assert_eq!(
        Store::unlock_method(&disk.path()).unwrap(),
        UnlockMethod::Keychain
    );
    assert!(is_kept(
        &Store::open(&disk.path(), &key(9), [4; 32]).unwrap()
    ));
}

#[test]
fn interrupted_change_of_unlock_leaves_either_secret_working() {
    let disk = filled();
    let files = ["store/header-b", "store/slots.0"].map(|name| disk.path().join(name));
    let before = files.clone().map(|path| fs::read(path).unwrap());
    let mut store = disk.open();
    store.change_unlock(&words("new")).unwrap();
    drop(store);
    // Between the two copies of the header: the later one and its slot file are there, and the older ones are.
    let interrupt = || {
        for (path, bytes) in files.iter().zip(&before) {
            fs::write(path, bytes).unwrap();
        }
    };
    interrupt();
    assert!(is_kept(
        &Store::open(&disk.path(), &words("new"), [3; 32]).unwrap()
    ));
    assert!(!files[1].exists(), "the older slot file is removed");
    interrupt();
    assert!(is_kept(&disk.open()));
    assert!(!disk.path().join("store/slots.1").exists());
    assert!(matches!(
        refusal(&disk, &words("new")),
        Error::WrongPassphrase
    ));
}

#[test]
fn standard_cost_is_what_create_uses_and_the_header_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let dir = profile(&dir);
    drop(Store::create(&dir, &passphrase(), [1; 32]).unwrap());
    let header = fs::read(dir.join("store/header-a")).unwrap();
    assert_eq!(header[27..39], [0, 1, 0, 0, 0, 0, 0, 3, 0, 0, 0, 1]);
    assert_eq!(Cost::new(64 * 1024, 3, 1).unwrap(), Cost::STANDARD);
    assert!(Store::open(&dir, &passphrase(), [2; 32]).is_ok());
}

#[test]
fn absent_present_and_unfinished_profiles_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let dir = profile(&dir);
    assert!(!Store::exists(&dir));
    assert!(matches!(
        Store::open(&dir, &passphrase(), [1; 32]),
        Err(Error::NotFound)
    ));
    assert!(matches!(Store::unlock_method(&dir), Err(Error::NotFound)));
    assert!(!dir.exists(), "asking must not make a folder");
    fs::create_dir_all(dir.join("store.new/db")).unwrap();
    fs::write(dir.join("of others"), b"stays").unwrap();
    assert!(!Store::exists(&dir));
    drop(Store::create_with_weak_cost_for_tests(&dir, &passphrase(), [1; 32]).unwrap());
    assert!(Store::exists(&dir));
    assert!(!dir.join("store.new").exists());
    assert_eq!(fs::read(dir.join("of others")).unwrap(), b"stays");
    let again = Store::create(&dir, &passphrase(), [1; 32]);
    assert!(matches!(again, Err(Error::AlreadyExists)));
    assert!(Store::open(&dir, &passphrase(), [1; 32]).is_ok());
}

#[test]
fn one_damaged_header_copy_is_repaired_and_two_are_an_error_that_changes_nothing() {
    let disk = filled();
    let [a, b] = ["store/header-a", "store/header-b"].map(|name| disk.path().join(name));
    let good = fs::read(&a).unwrap();
    let damages: [&[u8]; 3] = [b"", &good[..511], &[0; 512]];
    for damage in damages {
        for copy in [&a, &b] {
            fs::write(copy, damage).unwrap();
            assert!(is_kept(&disk.open()));
            assert_eq!(fs::read(copy).unwrap(), good);
        }
        fs::remove_file(&a).unwrap();
        fs::write(&b, damage).unwrap();
        assert!(matches!(
            refusal(&disk, &passphrase()),
            Error::Corrupt { file: "header" }
        ));
        assert!(matches!(
            Store::unlock_method(&disk.path()),
            Err(Error::Corrupt { .. })
        ));
        fs::write(&b, &good).unwrap();
        assert!(is_kept(&disk.open()));
    }
}

#[test]
fn profile_of_a_newer_version_is_refused_unchanged() {
    use sha2::{Digest, Sha256};
    let disk = filled();
    for name in ["store/header-a", "store/header-b"] {
        let path = disk.path().join(name);
        let mut header = fs::read(&path).unwrap();
        header.truncate(480);
        header[9] = 3;
        let digest = Sha256::digest(&header);
        header.extend_from_slice(&digest);
        fs::write(&path, header).unwrap();
    }
    assert!(matches!(refusal(&disk, &passphrase()), Error::NewerVersion));
    assert!(matches!(
        Store::unlock_method(&disk.path()),
        Err(Error::NewerVersion)
    ));
}

#[test]
fn nothing_of_the_caller_is_in_any_file() {
    let disk = Disk::folder();
    let marker = b"a marker of thirty-two bytes!!!!";
    let mut store = disk.open();
    for round in 0..50_u8 {
        let key = [marker, &[round][..]].concat();
        let value = marker.repeat(usize::from(round) + 1).repeat(8);
        store.put(TABLE, &key, &value).unwrap();
        store.commit().unwrap();
        store.range(TABLE, marker).unwrap();
    }
    for round in 0..25_u8 {
        store
            .delete(TABLE, &[marker, &[round][..]].concat())
            .unwrap();
    }
    store.commit().unwrap();
    let open = files_below(&disk.path());
    drop(store);
    for (path, bytes) in open.into_iter().chain(files_below(&disk.path())) {
        let needles = [
            &marker[..8],
            &marker[8..16],
            &marker[24..],
            b"correct horse",
        ];
        for needle in needles {
            let found = bytes.windows(needle.len()).any(|window| window == needle);
            assert!(!found, "plaintext in {}", path.display());
        }
    }
}

#[test]
fn two_profiles_share_no_bytes_of_keys_for_the_same_records() {
    let stored = |seed: u8| {
        let dir = tempfile::tempdir().unwrap();
        let dir = profile(&dir);
        let mut store =
            Store::create_with_weak_cost_for_tests(&dir, &passphrase(), [seed; 32]).unwrap();
        store.put(TABLE, &[0xAB; 32], b"v").unwrap();
        store.commit().unwrap();
        drop(store);
        fs::read(dir.join("store/db/db")).unwrap()
    };
    let (a, b) = (stored(1), stored(2));
    let plain = [0xAB; 8];
    assert!(!a.windows(8).any(|window| window == plain));
    assert!(!b.windows(8).any(|window| window == plain));
}

#[cfg(unix)]
#[test]
fn folders_and_files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    fn check(path: &Path) {
        let mode = fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, expected, "{}", path.display());
        if path.is_dir() {
            fs::read_dir(path)
                .unwrap()
                .for_each(|entry| check(&entry.unwrap().path()));
        }
    }
    let disk = filled();
    let store = disk.open();
    check(&disk.path());
    drop(store);
}
