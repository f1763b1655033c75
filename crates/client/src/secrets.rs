//! What unlocks a profile that is open, kept for the time after a failed write.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use sori_engine::store::{Error as StoreError, Store};

use crate::error::Error;
use crate::keychain::Keychain;
use crate::profile::{self, UnlockChoice};

/// What opens the profile again: one choice, or two while it changes, the newer last. Shared by its clones;
/// overwritten when the last goes. Empty for a profile in memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Secrets(Arc<Mutex<Vec<UnlockChoice>>>);

impl Secrets {
    pub(crate) fn new(choice: UnlockChoice) -> Self {
        Self(Arc::new(Mutex::new(vec![choice])))
    }

    /// From now on this choice may open the profile, too.
    pub(crate) fn change_begins(&self, choice: UnlockChoice) {
        self.with(|choices| choices.push(choice));
    }

    /// From now on the newest choice alone opens it.
    pub(crate) fn change_ended(&self) {
        self.with(|choices| {
            let older = choices.len().saturating_sub(1);
            choices.drain(..older);
        });
    }

    /// Opens the profile in `dir` again. Blocks: hashing, keychain, disk.
    pub(crate) fn open(&self, dir: &Path) -> Result<Store, Error> {
        let choices = self.with(|choices| choices.clone());
        let mut refusal = Error::Stopped;
        for choice in choices.iter().rev() {
            match profile::open_store(dir, choice, Keychain::connect) {
                Err(error) if is_refusal(&error) => refusal = error,
                done => return done,
            }
        }
        Err(refusal)
    }

    fn with<T>(&self, work: impl FnOnce(&mut Vec<UnlockChoice>) -> T) -> T {
        // A list is whole between any two steps, whoever panicked.
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Whether the secret was not the right one; anything else would happen with another, too.
fn is_refusal(error: &Error) -> bool {
    matches!(
        error,
        Error::Keychain(_)
            | Error::Profile(
                StoreError::WrongKey
                    | StoreError::WrongMethod { .. }
                    | StoreError::WrongPassphrase
                    | StoreError::WrongPassphraseOrKey
            )
    )
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    fn words(text: &str) -> UnlockChoice {
        UnlockChoice::Passphrase(Zeroizing::new(text.into()))
    }

    #[test]
    fn while_a_secret_changes_either_opens_the_profile_and_then_the_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let store = profile::create(dir.path(), &words("old")).unwrap();
        drop(store);
        let secrets = Secrets::new(words("old"));
        secrets.change_begins(words("new"));
        drop(secrets.open(dir.path()).unwrap());
        secrets.change_ended();
        assert!(matches!(
            secrets.open(dir.path()),
            Err(Error::Profile(StoreError::WrongPassphrase))
        ));
    }
}
