//! A profile's folder, and how it is unlocked.
//!
//! ```text
//! PROFILE/            readable by its owner only
//!   store/            the sealed store (sori-store)
//!   keychain-id       only if the key is in the system keychain
//! ```

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

pub use sori_engine::store::{Error as StoreError, UnlockMethod};
use sori_engine::store::{Store, Unlock};
use unicode_normalization::UnicodeNormalization;
use zeroize::{Zeroize, Zeroizing};

use crate::error::Error;
use crate::keychain::{self, Keychain, KeychainError};

/// How the person wants to unlock a profile.
pub enum UnlockChoice {
    /// By a random key in the operating system's keychain.
    Keychain,
    /// By a passphrase. Typed on another keyboard or system it still matches: it is taken in
    /// Unicode's composed form (NFC).
    Passphrase(Zeroizing<String>),
}

impl std::fmt::Debug for UnlockChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
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

/// Makes a new profile. Blocks: hashing, keychain, disk.
pub(crate) fn create(dir: &Path, choice: UnlockChoice) -> Result<Store, Error> {
    if Store::exists(&store_dir(dir)) {
        return Err(StoreError::AlreadyExists.into());
    }
    // What can fail without a trace comes before the folder is made.
    match choice {
        UnlockChoice::Passphrase(passphrase) => {
            let unlock = Unlock::Passphrase(normalised(&passphrase)?);
            make_dir(dir)?;
            Ok(Store::create(&store_dir(dir), &unlock, seed()?)?)
        }
        UnlockChoice::Keychain => {
            let keychain = Keychain::connect()?;
            keychain.probe()?;
            make_dir(dir)?;
            create_with_key(dir, &keychain)
        }
    }
}

/// Opens a profile. Blocks: hashing, keychain, disk.
pub(crate) fn open(dir: &Path, choice: UnlockChoice) -> Result<Store, Error> {
    let store = store_dir(dir);
    if !Store::exists(&store) {
        return Err(StoreError::NotFound.into());
    }
    let key = || -> Result<_, Error> { Ok(Keychain::connect()?.key(&read_keychain_id(dir)?)?) };
    let unlock = match (choice, Store::unlock_method(&store)?) {
        (UnlockChoice::Passphrase(passphrase), UnlockMethod::Both) => Unlock::Both {
            passphrase: normalised(&passphrase)?,
            key: key()?,
        },
        (UnlockChoice::Passphrase(passphrase), _) => Unlock::Passphrase(normalised(&passphrase)?),
        (UnlockChoice::Keychain, UnlockMethod::Keychain) => Unlock::Key(key()?),
        (UnlockChoice::Keychain, expected) => {
            return Err(StoreError::WrongMethod { expected }.into());
        }
    };
    Ok(Store::open(&store, &unlock, seed()?)?)
}

/// A seed from the operating system.
pub(crate) fn seed() -> Result<[u8; 32], Error> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|_error| Error::System)?;
    Ok(seed)
}

/// The id is on disk before the store that needs it, and the key in the keychain before both.
fn create_with_key(dir: &Path, keychain: &Keychain) -> Result<Store, Error> {
    let id = keychain::new_id()?;
    let key = keychain.create_key(&id)?;
    let made = write_keychain_id(dir, &id)
        .and_then(|()| Ok(Store::create(&store_dir(dir), &Unlock::Key(key), seed()?)?));
    if made.is_err() {
        keychain.delete_key(&id);
    }
    made
}

fn normalised(passphrase: &str) -> Result<Zeroizing<String>, Error> {
    if passphrase.is_empty() {
        return Err(Error::EmptyPassphrase);
    }
    // With room for the whole result at once no copy of a part is left behind.
    let mut text = String::with_capacity(passphrase.len().saturating_mul(3));
    text.extend(passphrase.nfc());
    Ok(Zeroizing::new(text))
}

fn store_dir(dir: &Path) -> PathBuf {
    dir.join("store")
}

fn make_dir(dir: &Path) -> Result<(), Error> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|error| folder(&error))
}

fn write_keychain_id(dir: &Path, id: &str) -> Result<(), Error> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options
        .open(dir.join(KEYCHAIN_ID))
        .map_err(|error| folder(&error))?;
    file.write_all(id.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|error| folder(&error))
}

fn read_keychain_id(dir: &Path) -> Result<String, Error> {
    let mut bytes = fs::read(dir.join(KEYCHAIN_ID)).map_err(|_error| KeychainError::NoEntry)?;
    let id = std::str::from_utf8(&bytes)
        .ok()
        .filter(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .map(str::to_owned);
    bytes.zeroize();
    Ok(id.ok_or(KeychainError::NoEntry)?)
}

fn folder(error: &std::io::Error) -> Error {
    Error::Folder { kind: error.kind() }
}

/// Name of the file that holds the keychain id.
const KEYCHAIN_ID: &str = "keychain-id";

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
            open(dir.path(), choice),
            Err(Error::Profile(StoreError::NotFound))
        ));
    }

    #[test]
    fn a_keychain_id_is_read_back_and_nonsense_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let id = keychain::new_id().unwrap();
        write_keychain_id(dir.path(), &id).unwrap();
        assert_eq!(read_keychain_id(dir.path()).unwrap(), id);
        write_keychain_id(dir.path(), "../../etc").unwrap();
        assert!(read_keychain_id(dir.path()).is_err());
    }
}
