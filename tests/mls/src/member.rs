//! A device of an account as mls-rs has it, from the words of docs/protocol.md.

use std::time::Duration;

use mls_rs::client_builder::MlsConfig;
use mls_rs::error::{IntoAnyError as _, MlsError};
use mls_rs::identity::SigningIdentity;
use mls_rs::identity::basic::{BasicCredential, BasicIdentityProvider};
use mls_rs::storage_provider::in_memory::InMemoryKeyPackageStorage;
use mls_rs::time::MlsTime;
use mls_rs::{
    CipherSuiteProvider as _, Client, CryptoProvider as _, ExtensionList, Group, MlsMessage,
};
use mls_rs_core::crypto::{SignaturePublicKey, SignatureSecretKey};
use mls_rs_core::extension::ExtensionType;
use sha2::{Digest as _, Sha256};
use sori_mls::AccountKey;

use crate::suite::{Provider, SUITE};

/// Group data (protocol §5.1.2).
pub const GROUP_DATA: ExtensionType = ExtensionType::new(0xF0A1);

/// A device of this account, with a credential by protocol §3.2.3.
///
/// # Errors
/// None but those of the library.
pub fn device(
    account: &AccountKey,
    id: [u8; 16],
) -> Result<Client<impl MlsConfig + use<>>, MlsError> {
    let keys = Keys::generate(account, id)?;
    Ok(keys.device(InMemoryKeyPackageStorage::new()))
}

/// What makes a device this device.
#[derive(Clone, Debug)]
pub struct Keys {
    /// By protocol §3.2.3.
    pub credential: Vec<u8>,
    /// Of its signatures.
    pub public: SignaturePublicKey,
    /// Of its signatures.
    pub secret: SignatureSecretKey,
}

impl Keys {
    /// The device, with the KeyPackages that it has made so far.
    #[must_use]
    pub fn device(self, packages: InMemoryKeyPackageStorage) -> Client<impl MlsConfig + use<>> {
        let credential = BasicCredential::new(self.credential).into_credential();
        Client::builder()
            .identity_provider(BasicIdentityProvider)
            .crypto_provider(Provider)
            .key_package_repo(packages)
            .extension_type(GROUP_DATA)
            // All of time (protocol §3.2.5); it begins where `key_package` says.
            .key_package_lifetime(Duration::from_secs(u64::MAX))
            .signing_identity(
                SigningIdentity::new(credential, self.public),
                self.secret,
                SUITE,
            )
            .build()
    }

    /// New ones of this account.
    ///
    /// # Errors
    /// None but those of the library.
    pub fn generate(account: &AccountKey, id: [u8; 16]) -> Result<Self, MlsError> {
        let suite = Provider.cipher_suite_provider(SUITE);
        let suite = suite.ok_or(MlsError::UnsupportedCipherSuite(SUITE))?;
        let (secret, public) = suite
            .signature_key_generate()
            .map_err(|error| MlsError::CryptoProviderError(error.into_any_error()))?;
        let vouched = account.sign(b"device-v1", &[public.as_bytes(), &id].concat());
        Ok(Self {
            credential: [[1].as_slice(), account.id().as_bytes(), &id, &vouched].concat(),
            public,
            secret,
        })
    }
}

/// A KeyPackage by protocol §3.2.5.
///
/// # Errors
/// None but those of the library.
pub fn key_package(client: &Client<impl MlsConfig>) -> Result<MlsMessage, MlsError> {
    let none = ExtensionList::new;
    client.generate_key_package_message(none(), none(), Some(MlsTime::from(0)))
}

/// The name of the group's state (protocol §5.2.1).
pub fn state(group: &Group<impl MlsConfig>) -> [u8; 32] {
    let context = group.context();
    Sha256::new()
        .chain_update(b"sid1")
        .chain_update(&context.group_id)
        .chain_update(context.epoch.to_be_bytes())
        .chain_update(&*context.confirmed_transcript_hash)
        .finalize()
        .into()
}

/// What stands beside a commit that realises no orders (protocol §5.3.2).
pub fn associated_data(group: &Group<impl MlsConfig>) -> Vec<u8> {
    [[1].as_slice(), &state(group), &[0]].concat()
}
