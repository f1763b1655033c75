//! A profile's key in the keychain of the operating system.
//!
//! The keychain holds one random key of 32 bytes for each profile that wants it, under the service
//! name [`SERVICE`] and, as user, the profile's keychain id: 32 hexadecimal digits, random, kept in
//! the file `keychain-id` of the profile's folder. So a profile can be moved, two profiles never
//! share a key, and neither the keychain nor the file tells whose it is. Beside it, under `openings-NAME`, is kept
//! how often the profile was opened (`counter`).
//!
//! Whether a keychain can be used is decided by writing, reading and deleting an entry: one that is
//! locked, or has nobody to ask for its password, only says so when written to. All of this blocks.

use std::sync::Arc;

use keyring_core::{CredentialStore, Entry};
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

/// Name of all Sori entries in a keychain.
pub(crate) const SERVICE: &str = "sori";

/// Why the keychain is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Error)]
#[non_exhaustive]
pub enum KeychainError {
    /// There is no entry for this profile.
    #[error(
        "the system keychain holds no key for this profile; log in as the user who made it, on the machine where it was made"
    )]
    NoEntry,
    /// There is no keychain, or it is locked and cannot be unlocked from here.
    #[error(
        "the system keychain cannot be used here (none is running, or it is locked); unlock it, or use a passphrase"
    )]
    Unavailable,
    /// The entry is not one of ours.
    #[error("the system keychain's entry for this profile is damaged")]
    Unreadable,
}

impl KeychainError {
    /// A stable name for programs; part of docs/rpc.md.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NoEntry => "keychain_no_entry",
            Self::Unavailable => "keychain_unavailable",
            Self::Unreadable => "keychain_unreadable",
        }
    }
}

/// A keychain that answered.
#[derive(Clone)]
pub(crate) struct Keychain {
    store: Arc<CredentialStore>,
}

impl Keychain {
    /// The keychain of this session: the Secret Service on Linux.
    pub(crate) fn connect() -> Result<Self, KeychainError> {
        let store = zbus_secret_service_keyring_store::Store::new()
            .map_err(|_error| KeychainError::Unavailable)?;
        Ok(Self { store })
    }

    /// Writes, reads and deletes an entry.
    pub(crate) fn probe(&self) -> Result<(), KeychainError> {
        let mut user = [0; 16];
        let mut value = [0; 32];
        fill(&mut user)?;
        fill(&mut value)?;
        let entry = self.entry(&format!("probe-{}", hex(&user)))?;
        entry
            .set_secret(&value)
            .map_err(|_error| KeychainError::Unavailable)?;
        let read = entry
            .get_secret()
            .map_err(|_error| KeychainError::Unavailable);
        let deleted = entry
            .delete_credential()
            .map_err(|_error| KeychainError::Unavailable);
        if read? != value {
            return Err(KeychainError::Unavailable);
        }
        deleted
    }

    /// Keeps a fresh key for the profile with this keychain id.
    pub(crate) fn create_key(&self, id: &str) -> Result<Zeroizing<[u8; 32]>, KeychainError> {
        let mut key = Zeroizing::new([0; 32]);
        fill(key.as_mut_slice())?;
        self.entry(id)?
            .set_secret(key.as_slice())
            .map_err(|_error| KeychainError::Unavailable)?;
        Ok(key)
    }

    /// The key of the profile with this keychain id.
    pub(crate) fn key(&self, id: &str) -> Result<Zeroizing<[u8; 32]>, KeychainError> {
        let read = self.entry(id)?.get_secret();
        if matches!(read, Err(keyring_core::Error::NoEntry)) {
            return Err(KeychainError::NoEntry);
        }
        let mut secret = read.map_err(|_error| KeychainError::Unavailable)?;
        let key = <[u8; 32]>::try_from(secret.as_slice()).map(Zeroizing::new);
        secret.zeroize();
        key.map_err(|_length| KeychainError::Unreadable)
    }

    /// Forgets the key of a profile that was not made after all.
    pub(crate) fn delete_key(&self, id: &str) {
        // An entry that stays behind opens nothing.
        let _deleted = self.entry(id).map(|entry| entry.delete_credential());
    }

    /// What is kept under this name besides keys.
    pub(crate) fn number(&self, name: &str) -> Option<Vec<u8>> {
        self.entry(name).ok()?.get_secret().ok()
    }

    /// Keeps something under a name of its own.
    pub(crate) fn set_number(&self, name: &str, value: &[u8]) -> Result<(), KeychainError> {
        self.entry(name)?
            .set_secret(value)
            .map_err(|_error| KeychainError::Unavailable)
    }

    /// A keychain that lives as long as the test.
    #[cfg(test)]
    pub(crate) fn mock() -> Self {
        Self {
            store: keyring_core::mock::Store::new().unwrap(),
        }
    }

    fn entry(&self, user: &str) -> Result<Entry, KeychainError> {
        self.store
            .build(SERVICE, user, None)
            .map_err(|_error| KeychainError::Unavailable)
    }
}

/// A new keychain id.
pub(crate) fn new_id() -> Result<String, KeychainError> {
    let mut id = [0; 16];
    fill(&mut id)?;
    Ok(hex(&id))
}

fn fill(bytes: &mut [u8]) -> Result<(), KeychainError> {
    getrandom::fill(bytes).map_err(|_error| KeychainError::Unavailable)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_was_kept_is_found_under_its_id_only() {
        let keychain = Keychain::mock();
        keychain.probe().unwrap();
        let id = new_id().unwrap();
        let key = keychain.create_key(&id).unwrap();
        assert_eq!(keychain.key(&id).unwrap(), key);
        assert_eq!(
            keychain.key(&new_id().unwrap()).unwrap_err(),
            KeychainError::NoEntry
        );
        keychain.delete_key(&id);
        assert_eq!(keychain.key(&id).unwrap_err(), KeychainError::NoEntry);
    }

    #[test]
    fn an_entry_of_another_size_is_not_a_key() {
        let keychain = Keychain::mock();
        keychain.entry("x").unwrap().set_secret(b"short").unwrap();
        assert_eq!(keychain.key("x").unwrap_err(), KeychainError::Unreadable);
    }
}
