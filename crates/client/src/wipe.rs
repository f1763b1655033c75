//! Destroying a profile for good, fast: what opens it first.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use sori_engine::store::Store;

use crate::client::{Client, blocking};
use crate::error::Error;
use crate::keychain::{Keychain, KeychainError};
use crate::profile::{self, StoreError};

impl Client {
    /// Destroys the profile in `dir`: overwrites its keys, takes its entry out of the keychain, then removes its
    /// files. Nothing brings it back but a backup. Needs no secret; nothing may have the profile open.
    ///
    /// Files in the folder that are no part of a profile stay.
    ///
    /// # Errors
    /// [`Error::Profile`] if there is none or it is open; [`Error::Folder`] or [`Error::Profile`] if something
    /// could not be removed, after the rest was.
    pub async fn profile_wipe(dir: &Path) -> Result<(), Error> {
        let dir = dir.to_owned();
        blocking(move || wipe(&dir, Keychain::connect)).await
    }
}

fn wipe(
    dir: &Path,
    connect: impl FnOnce() -> Result<Keychain, KeychainError>,
) -> Result<(), Error> {
    let ids = profile::keychain_ids(dir);
    let mut outcome = match Store::destroy(&profile::store_dir(dir)) {
        Err(error @ (StoreError::InUse | StoreError::NotFound)) => return Err(error.into()),
        outcome => outcome.map_err(Error::from),
    };
    if !ids.is_empty()
        && let Ok(keychain) = connect()
    {
        for id in &ids {
            keychain.delete_key(id);
        }
    }
    for name in profile::FILES {
        let removed = match fs::remove_file(dir.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(profile::folder(&error)),
            Ok(()) | Err(_) => Ok(()),
        };
        outcome = outcome.and(removed);
    }
    // Something of somebody else's may be in it.
    let _kept = fs::remove_dir(dir);
    outcome
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::profile::{ProfileState, UnlockChoice};

    #[tokio::test]
    async fn a_wiped_profile_is_gone_and_what_else_is_in_its_folder_stays() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("profile");
        let unlock = UnlockChoice::Passphrase(Zeroizing::new("right".to_owned()));
        let client = Client::create(dir.clone(), unlock.clone()).await.unwrap();
        client.account_create("Alice").await.unwrap();
        let open = Client::profile_wipe(&dir).await;
        assert!(
            matches!(open, Err(Error::Profile(StoreError::InUse))),
            "{open:?}"
        );
        client.shutdown().await;
        fs::write(dir.join("letter.txt"), b"not ours").unwrap();
        Client::profile_wipe(&dir).await.unwrap();
        assert_eq!(Client::profile(&dir), ProfileState::Absent);
        let left: Vec<_> = fs::read_dir(&dir)
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(left, ["letter.txt"]);
        fs::remove_file(dir.join("letter.txt")).unwrap();
        let client = Client::create(dir.clone(), unlock).await.unwrap();
        client.shutdown().await;
        Client::profile_wipe(&dir).await.unwrap();
        assert!(!dir.exists());
    }

    #[test]
    fn the_keys_in_the_keychain_go_too() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("profile");
        let keychain = Keychain::mock();
        let id = crate::keychain::new_id().unwrap();
        let key = keychain.create_key(&id).unwrap();
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("keychain-id"), &id).unwrap();
        let unlock = sori_engine::store::Unlock::Key(key);
        drop(Store::create(&profile::store_dir(&dir), &unlock, [1; 32]).unwrap());
        let same = keychain.clone();
        wipe(&dir, move || Ok(same)).unwrap();
        assert!(matches!(keychain.key(&id), Err(KeychainError::NoEntry)));
        assert!(!dir.exists());
    }
}
