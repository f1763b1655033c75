//! A profile's folder, and how it is unlocked.
//!
//! ```text
//! PROFILE/            readable by its owner only
//!   store/            the sealed store (sori-store)
//!   keychain-id       only if a key is in the system keychain: its name there; two names while it changes
//!   judged            the last opening that was found to be the original's, or a copy's that gave way (counter)
//!   rejoin            only from a repair on until the groups have been given up
//!   rotated-at        when the master key was replaced, in seconds since the Unix epoch
//! ```

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use sori_engine::store::{Backend, Progress, Store, Unlock};
pub use sori_engine::store::{Error as StoreError, RepairReport, UnlockMethod};
use unicode_normalization::UnicodeNormalization;
use zeroize::{Zeroize, Zeroizing};

use crate::counter::{self, Counter};
use crate::error::Error;
use crate::keychain::{self, Keychain, KeychainError};
use crate::upkeep::{self, Upkeep};

/// How the person wants to unlock a profile.
#[derive(Clone)]
pub enum UnlockChoice {
    /// By both at once: neither opens anything without the other.
    Both(Zeroizing<String>),
    /// By a random key in the operating system's keychain.
    Keychain,
    /// By a passphrase. Typed on another keyboard or system it still matches: it is taken in
    /// Unicode's composed form (NFC).
    Passphrase(Zeroizing<String>),
}

impl std::fmt::Debug for UnlockChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Both(_) => "Both",
            Self::Keychain => "Keychain",
            Self::Passphrase(_) => "Passphrase",
        })
    }
}

/// What is in a folder, as far as it shows without a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileState {
    /// No profile.
    Absent,
    /// A profile, and what unlocks it.
    Locked(UnlockMethod),
}

/// What is in `dir`. A profile that is damaged counts as locked by a passphrase: opening it says
/// what is wrong.
pub(crate) fn state(dir: &Path) -> ProfileState {
    let store = store_dir(dir);
    if !Store::exists(&store) {
        return ProfileState::Absent;
    }
    ProfileState::Locked(Store::unlock_method(&store).unwrap_or(UnlockMethod::Passphrase))
}

/// A profile that is open.
pub(crate) struct Opened {
    pub(crate) store: Store,
    pub(crate) upkeep: Upkeep,
}

/// Makes a new profile. Blocks: hashing, keychain, disk.
pub(crate) fn create(dir: &Path, choice: &UnlockChoice) -> Result<Opened, Error> {
    if Store::exists(&store_dir(dir)) {
        return Err(StoreError::AlreadyExists.into());
    }
    // What can fail without a trace comes before the folder is made.
    let (passphrase, keychain) = match choice {
        UnlockChoice::Passphrase(passphrase) => (Some(normalised(passphrase)?), None),
        UnlockChoice::Keychain => (None, Some(usable_keychain()?)),
        UnlockChoice::Both(passphrase) => (Some(normalised(passphrase)?), Some(usable_keychain()?)),
    };
    make_dir(dir)?;
    let make = |unlock: &Unlock| Ok(Store::create(&store_dir(dir), unlock, seed()?)?);
    let store = match (passphrase, &keychain) {
        (passphrase, Some(keychain)) => {
            let id = keychain::new_id()?;
            let key = keychain.create_key(&id)?;
            // The id is on disk before the store that needs it, and the key in the keychain before both.
            let made = write_keychain_ids(dir, std::slice::from_ref(&id))
                .and_then(|()| make(&with_key(passphrase.as_ref(), key)));
            if made.is_err() {
                keychain.delete_key(&id);
            }
            made?
        }
        (Some(passphrase), None) => make(&Unlock::Passphrase(passphrase))?,
        (None, None) => return Err(Error::EmptyPassphrase),
    };
    upkeep::note_rotation(dir);
    Opened::new(dir, store)
}

/// Opens a profile. Blocks: hashing, keychain, disk.
pub(crate) fn open(dir: &Path, choice: &UnlockChoice) -> Result<Opened, Error> {
    let store = open_store(dir, choice, Keychain::connect)?;
    Opened::new(dir, store)
}

/// Opens the store of a profile. Blocks: hashing, keychain, disk.
pub(crate) fn open_store(
    dir: &Path,
    choice: &UnlockChoice,
    connect: impl FnOnce() -> Result<Keychain, KeychainError>,
) -> Result<Store, Error> {
    let seed = seed()?;
    with_secret(dir, choice, connect, |store, unlock| {
        Store::open(store, unlock, seed)
    })
}

/// Checks the secret of a profile, which may be open. Blocks: hashing, keychain.
pub(crate) fn check(
    dir: &Path,
    choice: &UnlockChoice,
    connect: impl FnOnce() -> Result<Keychain, KeychainError>,
) -> Result<(), Error> {
    with_secret(dir, choice, connect, Store::check_unlock)
}

/// Moves a profile to the other storage engine. Blocks.
pub(crate) fn move_to(
    dir: &Path,
    choice: &UnlockChoice,
    (to, progress): (Backend, &mut dyn FnMut(Progress)),
) -> Result<(), Error> {
    let seed = seed()?;
    with_secret(dir, choice, Keychain::connect, |store, unlock| {
        Store::move_to(store, unlock, to, seed, progress)
    })
}

/// What came of repairing a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repair {
    /// Something was missing: what could be read is in a new profile, in the place of the damaged one.
    Done(RepairReport),
    /// Every record is there and as it should be, so nothing was changed. The number of records.
    NotNeeded(u64),
}

/// Repairs a profile that is damaged. Blocks, and tells `progress` how many records it has looked at.
pub(crate) fn repair(
    dir: &Path,
    choice: &UnlockChoice,
    progress: &mut dyn FnMut(u64),
) -> Result<Repair, Error> {
    let seeds = [seed()?, seed()?];
    with_secret(dir, choice, Keychain::connect, |store, unlock| {
        match Store::open(store, unlock, seeds[0]).and_then(|store| store.verify()) {
            Ok(records) => return Ok(Repair::NotNeeded(records)),
            Err(StoreError::Corrupt { .. }) => {}
            Err(error) => return Err(error),
        }
        // Durable before the repaired profile is one: no crash lets it go on with states that were used.
        Rejoin::note(dir)?;
        Store::repair(store, unlock, seeds[1], progress).map(Repair::Done)
    })
}

/// The note that a profile has lost something, so that what its groups' keys were used for is not known.
pub(crate) struct Rejoin;

impl Rejoin {
    /// Notes it, durably.
    fn note(dir: &Path) -> Result<(), StoreError> {
        write_durably(dir, REJOIN, b"").map_err(StoreError::from)
    }

    /// Whether it is noted.
    pub(crate) fn is_due(dir: &Path) -> bool {
        dir.join(REJOIN).exists()
    }

    /// The groups have been given up, durably. If this is not noted they are once more.
    pub(crate) fn is_done(dir: &Path) {
        let _removed = fs::remove_file(dir.join(REJOIN));
    }
}

/// Opens the store in `dir`, or does something else that takes its secret.
fn with_secret<T>(
    dir: &Path,
    choice: &UnlockChoice,
    connect: impl FnOnce() -> Result<Keychain, KeychainError>,
    mut work: impl FnMut(&Path, &Unlock) -> Result<T, StoreError>,
) -> Result<T, Error> {
    let store = store_dir(dir);
    if !Store::exists(&store) {
        return Err(StoreError::NotFound.into());
    }
    let method = Store::unlock_method(&store)?;
    let passphrase = match choice {
        UnlockChoice::Both(text) | UnlockChoice::Passphrase(text) => Some(normalised(text)?),
        UnlockChoice::Keychain => None,
    };
    match (passphrase, method) {
        (passphrase @ Some(_), UnlockMethod::Both)
        | (passphrase @ None, UnlockMethod::Keychain) => {
            let keychain = connect()?;
            with_keychain(dir, passphrase.as_ref(), &keychain, work)
        }
        (Some(passphrase), UnlockMethod::Keychain | UnlockMethod::Passphrase) => {
            Ok(work(&store, &Unlock::Passphrase(passphrase))?)
        }
        (None, expected @ (UnlockMethod::Both | UnlockMethod::Passphrase)) => {
            Err(StoreError::WrongMethod { expected }.into())
        }
    }
}

/// Tries each key that the profile may be under: two, if a change of the key was interrupted. Then finishes
/// that change.
fn with_keychain<T>(
    dir: &Path,
    passphrase: Option<&Zeroizing<String>>,
    keychain: &Keychain,
    mut work: impl FnMut(&Path, &Unlock) -> Result<T, StoreError>,
) -> Result<T, Error> {
    let ids = read_keychain_ids(dir)?;
    let mut refusal = Error::Keychain(KeychainError::NoEntry);
    for id in &ids {
        let key = match keychain.key(id) {
            Ok(key) => key,
            Err(KeychainError::NoEntry) => continue,
            Err(error) => return Err(error.into()),
        };
        match work(&store_dir(dir), &with_key(passphrase, key)) {
            Ok(done) => {
                if ids.len() > 1 {
                    settle_keychain(dir, keychain, &ids, Some(id))?;
                }
                return Ok(done);
            }
            Err(error @ (StoreError::WrongKey | StoreError::WrongPassphraseOrKey)) => {
                refusal = error.into();
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(refusal)
}

impl Opened {
    fn new(dir: &Path, store: Store) -> Result<Self, Error> {
        let keychain = match state(dir) {
            ProfileState::Locked(UnlockMethod::Both | UnlockMethod::Keychain) => {
                Keychain::connect().ok()
            }
            ProfileState::Absent | ProfileState::Locked(UnlockMethod::Passphrase) => None,
        };
        let state = counter::state_dir();
        let counter = Counter::new(store.profile_id(), state.as_deref(), keychain)?;
        Ok(Self {
            store,
            upkeep: Upkeep::new(dir.to_owned(), counter),
        })
    }
}

/// A change of what unlocks a profile, prepared: the keychain holds what the profile will need.
///
/// ```text
///  1 keychain-id names old and new key   2 new key in the keychain   3 the profile changes
///  4 old key out of the keychain         5 keychain-id names the new one only
/// ```
///
/// Broken off anywhere, one of the keys that `keychain-id` names opens the profile.
pub(crate) struct UnlockChange {
    dir: PathBuf,
    unlock: Unlock,
    keychain: Option<Keychain>,
    old: Vec<String>,
    new: Option<String>,
}

impl UnlockChange {
    /// Steps 1 and 2. Blocks.
    pub(crate) fn prepare(
        dir: &Path,
        choice: UnlockChoice,
        connect: impl FnOnce() -> Result<Keychain, KeychainError>,
    ) -> Result<Self, Error> {
        let (passphrase, needs_keychain) = match choice {
            UnlockChoice::Both(text) => (Some(normalised(&text)?), true),
            UnlockChoice::Keychain => (None, true),
            UnlockChoice::Passphrase(text) => (Some(normalised(&text)?), false),
        };
        let old = read_keychain_ids(dir).unwrap_or_default();
        let (keychain, new, unlock) = match (passphrase, needs_keychain) {
            (Some(passphrase), false) => {
                // Without a keychain the old key stays in it, and opens nothing.
                let keychain = if old.is_empty() { None } else { connect().ok() };
                (keychain, None, Unlock::Passphrase(passphrase))
            }
            (passphrase, _) => {
                let keychain = connect()?;
                keychain.probe()?;
                let id = keychain::new_id()?;
                let mut ids = old.clone();
                ids.push(id.clone());
                write_keychain_ids(dir, &ids)?;
                let key = keychain.create_key(&id)?;
                let unlock = with_key(passphrase.as_ref(), key);
                (Some(keychain), Some(id), unlock)
            }
        };
        Ok(Self {
            dir: dir.to_owned(),
            unlock,
            keychain,
            old,
            new,
        })
    }

    /// What step 3 hands to the engine.
    pub(crate) const fn unlock(&self) -> &Unlock {
        &self.unlock
    }

    /// Steps 4 and 5, once the profile has changed. Blocks.
    pub(crate) fn finish(self) -> Result<(), Error> {
        upkeep::note_rotation(&self.dir);
        let Some(keychain) = &self.keychain else {
            return Ok(());
        };
        settle_keychain(&self.dir, keychain, &self.old, self.new.as_ref())
    }
}

/// Removes a profile that was never used, with its key in the keychain. None there is no error.
pub(crate) fn remove(dir: &Path) -> Result<(), Error> {
    for id in read_keychain_ids(dir).unwrap_or_default() {
        // Without a keychain the key stays there, and opens nothing.
        if let Ok(keychain) = Keychain::connect() {
            keychain.delete_key(&id);
        }
    }
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(folder(&error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Takes every key but `kept` out of the keychain, then says so in the profile.
fn settle_keychain(
    dir: &Path,
    keychain: &Keychain,
    ids: &[String],
    kept: Option<&String>,
) -> Result<(), Error> {
    for id in ids.iter().filter(|id| Some(*id) != kept) {
        keychain.delete_key(id);
    }
    match kept {
        Some(kept) => write_keychain_ids(dir, std::slice::from_ref(kept)),
        None => match fs::remove_file(dir.join(KEYCHAIN_ID)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(folder(&error)),
            _ => Ok(()),
        },
    }
}

fn usable_keychain() -> Result<Keychain, Error> {
    let keychain = Keychain::connect()?;
    keychain.probe()?;
    Ok(keychain)
}

fn with_key(passphrase: Option<&Zeroizing<String>>, key: Zeroizing<[u8; 32]>) -> Unlock {
    match passphrase {
        Some(passphrase) => Unlock::Both {
            passphrase: passphrase.clone(),
            key,
        },
        None => Unlock::Key(key),
    }
}

/// A seed from the operating system.
pub(crate) fn seed() -> Result<[u8; 32], Error> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|_error| Error::System)?;
    Ok(seed)
}

pub(crate) fn normalised(passphrase: &str) -> Result<Zeroizing<String>, Error> {
    if passphrase.is_empty() {
        return Err(Error::EmptyPassphrase);
    }
    // With room for the whole result at once no copy of a part is left behind.
    let mut text = String::with_capacity(passphrase.len().saturating_mul(3));
    text.extend(passphrase.nfc());
    Ok(Zeroizing::new(text))
}

pub(crate) fn store_dir(dir: &Path) -> PathBuf {
    dir.join("store")
}

fn make_dir(dir: &Path) -> Result<(), Error> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|error| folder(&error))
}

fn write_keychain_ids(dir: &Path, ids: &[String]) -> Result<(), Error> {
    replace_file(dir, KEYCHAIN_ID, ids.join("\n").as_bytes())
}

/// Puts a small file of this content in the place of the one with that name, durably.
pub(crate) fn replace_file(dir: &Path, name: &str, content: &[u8]) -> Result<(), Error> {
    write_durably(dir, name, content).map_err(|error| folder(&error))
}

fn write_durably(dir: &Path, name: &str, content: &[u8]) -> std::io::Result<()> {
    let staged = dir.join(format!("{name}.new"));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&staged)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&staged, dir.join(name))?;
    sync_dir(dir)
}

#[cfg(unix)]
pub(crate) fn sync_dir(dir: &Path) -> std::io::Result<()> {
    fs::File::open(dir)?.sync_all()
}

#[cfg(not(unix))]
pub(crate) fn sync_dir(_dir: &Path) -> std::io::Result<()> {
    Ok(())
}

/// The names of the keys that the profile may be under; none if it is under none.
pub(crate) fn keychain_ids(dir: &Path) -> Vec<String> {
    read_keychain_ids(dir).unwrap_or_default()
}

/// The names of the keys that the profile may be under, the latest last; one, or two while they change.
fn read_keychain_ids(dir: &Path) -> Result<Vec<String>, Error> {
    let mut bytes = fs::read(dir.join(KEYCHAIN_ID)).map_err(|_error| KeychainError::NoEntry)?;
    let is_id = |id: &str| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let ids: Option<Vec<String>> = std::str::from_utf8(&bytes).ok().and_then(|text| {
        let ids = text.lines().map(|id| is_id(id).then(|| id.to_owned()));
        ids.collect()
    });
    bytes.zeroize();
    let ids = ids.filter(|ids| !ids.is_empty());
    Ok(ids.ok_or(KeychainError::NoEntry)?)
}

pub(crate) fn folder(error: &std::io::Error) -> Error {
    Error::Folder { kind: error.kind() }
}

/// Name of the file that holds the keychain id.
const KEYCHAIN_ID: &str = "keychain-id";

/// The files of a profile besides its store.
pub(crate) const FILES: [&str; 4] = [KEYCHAIN_ID, REJOIN, "judged", "rotated-at"];

/// Name of the file that says that the groups have to be given up.
const REJOIN: &str = "rejoin";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decomposed_passphrase_is_the_composed_one() {
        let composed = normalised("소리").unwrap();
        let decomposed = normalised("\u{1109}\u{1169}\u{1105}\u{1175}").unwrap();
        assert_eq!(composed, decomposed);
        assert!(matches!(normalised(""), Err(Error::EmptyPassphrase)));
    }

    #[test]
    fn an_empty_folder_holds_no_profile() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(state(dir.path()), ProfileState::Absent);
        let choice = UnlockChoice::Passphrase(Zeroizing::new("x".into()));
        assert!(matches!(
            open(dir.path(), &choice),
            Err(Error::Profile(StoreError::NotFound))
        ));
    }

    #[test]
    fn the_secret_of_a_profile_can_be_checked_while_it_is_open() {
        let folder = tempfile::tempdir().unwrap();
        let unlock = Unlock::Passphrase(normalised("right").unwrap());
        let store = store_dir(folder.path());
        let open = Store::create_with_weak_cost_for_tests(&store, &unlock, [7; 32]).unwrap();
        let tried = |text: &str| {
            let choice = UnlockChoice::Passphrase(Zeroizing::new(text.into()));
            check(folder.path(), &choice, || Err(KeychainError::Unavailable))
        };
        tried("right").unwrap();
        assert!(matches!(
            tried("wrong"),
            Err(Error::Profile(StoreError::WrongPassphrase))
        ));
        drop(open);
    }

    #[test]
    fn keychain_ids_are_read_back_and_nonsense_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let ids = [keychain::new_id().unwrap(), keychain::new_id().unwrap()];
        for ids in [&ids[..1], &ids[..]] {
            write_keychain_ids(dir, ids).unwrap();
            assert_eq!(read_keychain_ids(dir).unwrap(), ids);
        }
        for nonsense in ["", "../../etc", "00\n11"] {
            fs::write(dir.join(KEYCHAIN_ID), nonsense).unwrap();
            assert!(read_keychain_ids(dir).is_err(), "{nonsense:?}");
        }
    }

    fn words(text: &str) -> UnlockChoice {
        UnlockChoice::Passphrase(Zeroizing::new(text.into()))
    }

    /// A profile under a key in a keychain.
    fn in_keychain(dir: &Path, keychain: &Keychain) -> Store {
        make_dir(dir).unwrap();
        let id = keychain::new_id().unwrap();
        let unlock = Unlock::Key(keychain.create_key(&id).unwrap());
        write_keychain_ids(dir, &[id]).unwrap();
        Store::create(&store_dir(dir), &unlock, seed().unwrap()).unwrap()
    }

    fn opens(dir: &Path, choice: &UnlockChoice, keychain: &Keychain) -> bool {
        open_store(dir, choice, || Ok(keychain.clone())).is_ok()
    }

    #[test]
    fn a_new_keychain_key_broken_off_anywhere_leaves_a_profile_that_opens() {
        for stop_after in 0..=5 {
            let folder = tempfile::tempdir().unwrap();
            let dir = folder.path();
            let keychain = Keychain::mock();
            let mut store = in_keychain(dir, &keychain);
            let old = read_keychain_ids(dir).unwrap();
            let new = keychain::new_id().unwrap();
            // The steps of a change, each made by hand.
            if stop_after >= 1 {
                write_keychain_ids(dir, &[old[0].clone(), new.clone()]).unwrap();
            }
            if stop_after >= 2 {
                let key = keychain.create_key(&new).unwrap();
                if stop_after >= 3 {
                    store.change_unlock(&Unlock::Key(key)).unwrap();
                }
            }
            if stop_after >= 4 {
                keychain.delete_key(&old[0]);
            }
            if stop_after >= 5 {
                write_keychain_ids(dir, std::slice::from_ref(&new)).unwrap();
            }
            drop(store);
            assert!(
                opens(dir, &UnlockChoice::Keychain, &keychain),
                "{stop_after}"
            );
            // And the change is over: one key is left, in the profile and in the keychain.
            let ids = read_keychain_ids(dir).unwrap();
            assert_eq!(ids.len(), 1, "{stop_after}");
            let kept = if stop_after >= 3 { &new } else { &old[0] };
            assert_eq!(&ids[0], kept, "{stop_after}");
            let gone = if stop_after >= 3 { &old[0] } else { &new };
            assert!(keychain.key(gone).is_err(), "{stop_after}");
            assert!(
                opens(dir, &UnlockChoice::Keychain, &keychain),
                "{stop_after}"
            );
        }
    }

    #[test]
    fn what_unlocks_a_profile_changes_and_the_old_secret_opens_it_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let keychain = Keychain::mock();
        drop(in_keychain(dir, &keychain));
        let both = || UnlockChoice::Both(Zeroizing::new("둘 다".into()));
        let steps: [(UnlockChoice, UnlockChoice); 4] = [
            (UnlockChoice::Keychain, words("one")),
            (words("one"), words("two")),
            (words("two"), both()),
            (both(), UnlockChoice::Keychain),
        ];
        for (old, new) in steps {
            let what = format!("{old:?} to {new:?}");
            let again = match &new {
                UnlockChoice::Both(text) => UnlockChoice::Both(text.clone()),
                UnlockChoice::Keychain => UnlockChoice::Keychain,
                UnlockChoice::Passphrase(text) => UnlockChoice::Passphrase(text.clone()),
            };
            let ids = read_keychain_ids(dir).unwrap_or_default();
            let mut store = open_store(dir, &old, || Ok(keychain.clone())).unwrap();
            let change = UnlockChange::prepare(dir, new, || Ok(keychain.clone())).unwrap();
            store.change_unlock(change.unlock()).unwrap();
            change.finish().unwrap();
            drop(store);
            assert!(!opens(dir, &old, &keychain), "{what}");
            assert!(opens(dir, &again, &keychain), "{what}");
            for id in ids {
                assert!(keychain.key(&id).is_err(), "{what}: the old key is gone");
            }
        }
    }

    #[test]
    fn a_change_that_finds_no_keychain_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let none = || Err(KeychainError::Unavailable);
        assert!(UnlockChange::prepare(dir, UnlockChoice::Keychain, none).is_err());
        assert!(!dir.join(KEYCHAIN_ID).exists());
    }
}
