//! What the tests share: every kind of disk behind one face.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its part of this module"
)]

use std::path::{Path, PathBuf};

use sori_store::{Backend, Error, MemoryDisk, Options, Store, Table, Unlock};
use zeroize::Zeroizing;

/// Pages of the records whose keys, often a number of eight bytes, differ in the last byte only.
pub const TABLE: Table = Table::paged(3, 7);
/// Records with slots of their own.
pub const OWN: Table = Table::own(9);
/// One log for all.
pub const LOG: Table = Table::log(8, 0);

/// A disk that can be opened again and again.
pub enum Disk {
    Folder(tempfile::TempDir),
    Memory(MemoryDisk),
}

impl Disk {
    pub fn each() -> impl Iterator<Item = Self> {
        Self::folders().chain([Self::memory()])
    }

    /// A folder for each engine.
    pub fn folders() -> impl Iterator<Item = Self> {
        Backend::ALL.into_iter().map(Self::folder_on)
    }

    pub fn memory() -> Self {
        Self::Memory(MemoryDisk::new())
    }

    pub fn folder() -> Self {
        Self::folder_on(Backend::default())
    }

    pub fn folder_on(backend: Backend) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            backend,
            ..Options::weak_for_tests()
        };
        drop(Store::create_with(&profile(&dir), &passphrase(), options, [1; 32]).unwrap());
        Self::Folder(dir)
    }

    /// A folder on the usual engine, made from another seed.
    pub fn folder_with_seed(seed: u8) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = Options::weak_for_tests();
        drop(Store::create_with(&profile(&dir), &passphrase(), options, [seed; 32]).unwrap());
        Self::Folder(dir)
    }

    /// A folder with no profile in it yet.
    pub fn empty() -> Self {
        Self::Folder(tempfile::tempdir().unwrap())
    }

    pub fn open(&self) -> Store {
        self.try_open().unwrap()
    }

    pub fn try_open(&self) -> Result<Store, Error> {
        match self {
            Self::Folder(dir) => Store::open(&profile(dir), &passphrase(), [2; 32]),
            Self::Memory(disk) => Store::open_memory(disk, [2; 32]),
        }
    }

    /// The profile folder.
    pub fn path(&self) -> PathBuf {
        match self {
            Self::Folder(dir) => profile(dir),
            Self::Memory(_) => PathBuf::new(),
        }
    }
}

pub fn profile(dir: &tempfile::TempDir) -> PathBuf {
    dir.path().join("profile")
}

pub fn passphrase() -> Unlock {
    Unlock::Passphrase(Zeroizing::new("correct horse".into()))
}

/// Every file below `dir` with its bytes, so that two moments can be compared.
pub fn files_below(dir: &Path) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
    let mut found = std::collections::BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    found
}

/// Writes files that lay below `from` to their places below `to`.
pub fn write_files(files: &std::collections::BTreeMap<PathBuf, Vec<u8>>, from: &Path, to: &Path) {
    for (path, bytes) in files {
        let target = to.join(path.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::write(target, bytes).unwrap();
    }
}

/// The folder as it is now: if it is open, as a crash would leave it.
pub fn copy_of(disk: &Disk) -> Disk {
    let copy = Disk::empty();
    write_files(&files_below(&disk.path()), &disk.path(), &copy.path());
    copy
}

/// Bytes that look random and depend on `seed` only.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..len).map(step).collect()
}
