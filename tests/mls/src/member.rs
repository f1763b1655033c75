//! A device of an account as mls-rs has it, from the words of docs/protocol.md.

use std::time::Duration;

use mls_rs::client_builder::MlsConfig;
use mls_rs::error::{IntoAnyError as _, MlsError};
use mls_rs::identity::SigningIdentity;
use mls_rs::identity::basic::{BasicCredential, BasicIdentityProvider};
use mls_rs::time::MlsTime;
use mls_rs::{
    CipherSuiteProvider as _, Client, CryptoProvider as _, ExtensionList, Group, MlsMessage,
};
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
    let suite = Provider.cipher_suite_provider(SUITE);
    let suite = suite.ok_or(MlsError::UnsupportedCipherSuite(SUITE))?;
    let (secret, public) = suite
        .signature_key_generate()
        .map_err(|error| MlsError::CryptoProviderError(error.into_any_error()))?;
    let vouched = account.sign(b"device-v1", &[public.as_bytes(), &id].concat());
    let credential = [[1].as_slice(), account.id().as_bytes(), &id, &vouched].concat();
    let credential = BasicCredential::new(credential).into_credential();
    Ok(Client::builder()
        .identity_provider(BasicIdentityProvider)
        .crypto_provider(Provider)
        .extension_type(GROUP_DATA)
        // All of time (protocol §3.2.5); it begins where `key_package` says.
        .key_package_lifetime(Duration::from_secs(u64::MAX))
        .signing_identity(SigningIdentity::new(credential, public), secret, SUITE)
        .build())
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
