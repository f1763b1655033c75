//! Who somebody is: an account key, devices that it vouches for, and the MLS credential that says so.

use std::fmt;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use openmls::prelude::{BasicCredential, Credential, CredentialWithKey, SignatureScheme};
use openmls_traits::signatures::{Signer, SignerError};
use rand_core::CryptoRngCore;
use sha2::{Digest as _, Sha512};
use zeroize::Zeroizing;

use crate::{AccountId, DeviceId, Error, Invalid, StorageFault};

/// Prefix of everything an account key signs.
const ACCOUNT_CONTEXT: &[u8] = b"sori account 1";
/// Prefix of everything of ours that a device key signs. MLS' own signatures begin with the length of a label below
/// 64 (RFC 9420 §5.1.2), so neither can pass for the other.
const DEVICE_CONTEXT: &[u8] = b"sori device 1";
/// Label of the signature by which an account vouches for a device.
const DEVICE_LABEL: &[u8] = b"device-v1";

const CREDENTIAL_VERSION: u8 = 1;
const CREDENTIAL_LEN: usize = 1 + 32 + 16 + 64;
const DEVICE_VERSION: u8 = 1;
const DEVICE_LEN: usize = 1 + 32 + 16 + 32 + 64;

/// The secret key of an account (Ed25519). Wiped when dropped.
pub struct AccountKey(SigningKey);

/// The secrets of one device: the MLS client of this account here. Wiped when dropped.
pub struct Device {
    account: AccountId,
    id: DeviceId,
    key: SigningKey,
    vouched: [u8; 64],
}

/// What a credential says once its signature is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) account: AccountId,
    pub(crate) device: DeviceId,
}

impl AccountKey {
    /// A new account.
    pub fn generate(rng: &mut impl CryptoRngCore) -> Self {
        Self(SigningKey::generate(rng))
    }

    /// The account with this secret key (RFC 8032 seed).
    #[must_use]
    pub fn from_bytes(secret: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(secret))
    }

    /// The secret key.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public name of the account.
    #[must_use]
    pub fn id(&self) -> AccountId {
        AccountId::from_bytes(self.0.verifying_key().to_bytes())
    }

    /// Signs `"sori account 1" || u8 length of label || label || message` (Ed25519).
    #[must_use]
    pub fn sign(&self, label: &[u8], message: &[u8]) -> [u8; 64] {
        self.0
            .sign(&labelled(ACCOUNT_CONTEXT, label, message))
            .to_bytes()
    }
}

/// Checks a signature by [`AccountKey::sign`].
///
/// # Errors
/// [`Invalid::Signature`] if it is not one, also for keys of small order.
pub fn verify_account_signature(
    account: &AccountId,
    label: &[u8],
    message: &[u8],
    signature: &[u8; 64],
) -> Result<(), Error> {
    verify(
        account.as_bytes(),
        &labelled(ACCOUNT_CONTEXT, label, message),
        signature,
    )
}

/// Checks a signature by [`Device::sign`].
///
/// # Errors
/// [`Invalid::Signature`] if it is not one, also for keys of small order.
pub fn verify_device_signature(
    signature_key: &[u8; 32],
    label: &[u8],
    message: &[u8],
    signature: &[u8; 64],
) -> Result<(), Error> {
    verify(
        signature_key,
        &labelled(DEVICE_CONTEXT, label, message),
        signature,
    )
}

/// The number two people compare to be sure of each other: 60 digits in groups of five, the same for both.
///
/// Each account gives thirty digits, from 5,200 rounds of SHA-512 over its key, so that looking for a key with
/// chosen digits costs as much again; the smaller half stands first.
#[must_use]
pub fn safety_number(a: &AccountId, b: &AccountId) -> String {
    let (a, b) = (digit_groups(a), digit_groups(b));
    let (first, second) = if a <= b { (a, b) } else { (b, a) };
    first
        .into_iter()
        .chain(second)
        .collect::<Vec<_>>()
        .join(" ")
}

impl Device {
    /// A new device of this account.
    pub fn generate(account: &AccountKey, rng: &mut impl CryptoRngCore) -> Self {
        let mut id = [0; 16];
        rng.fill_bytes(&mut id);
        let key = SigningKey::generate(rng);
        let id = DeviceId::from_bytes(id);
        let vouched = account.sign(
            DEVICE_LABEL,
            &vouched_message(&key.verifying_key().to_bytes(), &id),
        );
        Self {
            account: account.id(),
            id,
            key,
            vouched,
        }
    }

    /// The device as stored by [`Device::to_bytes`].
    ///
    /// # Errors
    /// [`StorageFault`] if the bytes are not a device whose account vouches for it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        if bytes
            .first()
            .is_some_and(|version| *version != DEVICE_VERSION)
        {
            return Err(StorageFault::NewerVersion.into());
        }
        Self::parse(bytes).ok_or_else(|| StorageFault::Corrupt.into())
    }

    /// Everything needed to be this device again: version, account, id, secret key, the account's signature.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(DEVICE_LEN));
        bytes.push(DEVICE_VERSION);
        bytes.extend_from_slice(self.account.as_bytes());
        bytes.extend_from_slice(self.id.as_bytes());
        bytes.extend_from_slice(&*Zeroizing::new(self.key.to_bytes()));
        bytes.extend_from_slice(&self.vouched);
        bytes
    }

    /// The account the device belongs to.
    #[must_use]
    pub const fn account(&self) -> AccountId {
        self.account
    }

    /// The name of the device.
    #[must_use]
    pub const fn id(&self) -> DeviceId {
        self.id
    }

    /// The public MLS signature key, stable for the life of the device.
    #[must_use]
    pub fn signature_key(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }

    /// Signs `"sori device 1" || u8 length of label || label || message` with the MLS signature key (Ed25519).
    #[must_use]
    pub fn sign(&self, label: &[u8], message: &[u8]) -> [u8; 64] {
        self.key
            .sign(&labelled(DEVICE_CONTEXT, label, message))
            .to_bytes()
    }

    /// The MLS credential: `version 1 || account 32 || device 16 || account signature 64`.
    pub(crate) fn credential(&self) -> CredentialWithKey {
        let mut identity = Vec::with_capacity(CREDENTIAL_LEN);
        identity.push(CREDENTIAL_VERSION);
        identity.extend_from_slice(self.account.as_bytes());
        identity.extend_from_slice(self.id.as_bytes());
        identity.extend_from_slice(&self.vouched);
        CredentialWithKey {
            credential: BasicCredential::new(identity).into(),
            signature_key: self.signature_key().as_slice().into(),
        }
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (_, rest) = bytes.split_first()?;
        let (account, rest) = rest.split_first_chunk::<32>()?;
        let (id, rest) = rest.split_first_chunk::<16>()?;
        let (key, rest) = rest.split_first_chunk::<32>()?;
        let vouched: [u8; 64] = rest.try_into().ok()?;
        let (account, id) = (AccountId::from_bytes(*account), DeviceId::from_bytes(*id));
        let key = SigningKey::from_bytes(key);
        let message = vouched_message(&key.verifying_key().to_bytes(), &id);
        verify_account_signature(&account, DEVICE_LABEL, &message, &vouched).ok()?;
        Some(Self {
            account,
            id,
            key,
            vouched,
        })
    }
}

#[cfg(test)]
impl Device {
    /// A device with a chosen id and secret key.
    pub(crate) fn with_id(account: &AccountKey, id: DeviceId, secret: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(secret);
        let vouched = account.sign(
            DEVICE_LABEL,
            &vouched_message(&key.verifying_key().to_bytes(), &id),
        );
        Self {
            account: account.id(),
            id,
            key,
            vouched,
        }
    }

    /// Signs as it stands, as MLS does.
    pub(crate) fn sign_plain(&self, message: &[u8]) -> Vec<u8> {
        self.key.sign(message).to_vec()
    }

    /// A device that claims an account that did not vouch for it.
    pub(crate) fn forged(account: &AccountId, secret: &[u8; 32]) -> Self {
        let own = Self::with_id(
            &AccountKey::from_bytes(secret),
            DeviceId::from_bytes([1; 16]),
            secret,
        );
        Self {
            account: *account,
            ..own
        }
    }
}

impl Identity {
    /// Reads a credential and checks that its account vouches for this signature key (protocol §3.2.4).
    pub(crate) fn verify(credential: &Credential, signature_key: &[u8]) -> Result<Self, Invalid> {
        let (identity, vouched) = Self::parse(credential).ok_or(Invalid::Credential)?;
        let key: [u8; 32] = signature_key.try_into().map_err(|_| Invalid::Credential)?;
        let message = vouched_message(&key, &identity.device);
        verify_account_signature(&identity.account, DEVICE_LABEL, &message, &vouched)
            .map_err(|_| Invalid::Credential)?;
        Ok(identity)
    }

    /// Reads a credential that was verified before it got into the group.
    pub(crate) fn of_member(credential: &Credential) -> Option<Self> {
        Self::parse(credential).map(|(identity, _)| identity)
    }

    fn parse(credential: &Credential) -> Option<(Self, [u8; 64])> {
        let credential = BasicCredential::try_from(credential.clone()).ok()?;
        let (version, rest) = credential.identity().split_first()?;
        let (account, rest) = rest.split_first_chunk::<32>()?;
        let (device, rest) = rest.split_first_chunk::<16>()?;
        let vouched: [u8; 64] = rest.try_into().ok()?;
        if *version != CREDENTIAL_VERSION {
            return None;
        }
        let identity = Self {
            account: AccountId::from_bytes(*account),
            device: DeviceId::from_bytes(*device),
        };
        Some((identity, vouched))
    }
}

impl Signer for Device {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(self.key.sign(payload).to_bytes().to_vec())
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

impl fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountKey(..)")
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Device(..)")
    }
}

fn vouched_message(signature_key: &[u8; 32], device: &DeviceId) -> [u8; 48] {
    let mut message = [0; 48];
    let (key_part, device_part) = message.split_at_mut(32);
    key_part.copy_from_slice(signature_key);
    device_part.copy_from_slice(device.as_bytes());
    message
}

/// Labels are constants of ours, shorter than 256 bytes.
fn labelled(context: &[u8], label: &[u8], message: &[u8]) -> Vec<u8> {
    let label_len = u8::try_from(label.len()).unwrap_or(u8::MAX);
    [context, &[label_len], label, message].concat()
}

#[cfg(not(feature = "simulation"))]
use verify_anew as verify;

#[cfg(feature = "simulation")]
fn verify(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> Result<(), Error> {
    let name = crate::known::name(key, message, signature);
    if !name.as_ref().is_some_and(crate::known::is_good) {
        verify_anew(key, message, signature)?;
        name.into_iter().for_each(crate::known::remember);
    }
    Ok(())
}

fn verify_anew(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> Result<(), Error> {
    let key = VerifyingKey::from_bytes(key).map_err(|_| Invalid::Signature)?;
    key.verify_strict(message, &Signature::from_bytes(signature))
        .map_err(|_| Invalid::Signature.into())
}

/// Six groups of five digits for one account.
fn digit_groups(account: &AccountId) -> Vec<String> {
    const ROUNDS: usize = 5200;
    let mut hash: [u8; 64] = Sha512::new()
        .chain_update(b"sori safety number 1")
        .chain_update(account.as_bytes())
        .finalize()
        .into();
    for _ in 1..ROUNDS {
        hash = Sha512::new()
            .chain_update(hash)
            .chain_update(account.as_bytes())
            .finalize()
            .into();
    }
    let (chunks, _) = hash.as_chunks::<8>();
    let group = |chunk: &[u8; 8]| format!("{:05}", u64::from_be_bytes(*chunk) % 100_000);
    chunks.iter().take(6).map(group).collect()
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng as _;

    use super::*;

    fn account(number: u8) -> AccountKey {
        AccountKey::from_bytes(&[number; 32])
    }

    fn device(number: u8) -> Device {
        Device::generate(&account(number), &mut ChaCha20Rng::from_seed([number; 32]))
    }

    #[test]
    fn account_keys_come_back_from_bytes() {
        let key = AccountKey::generate(&mut ChaCha20Rng::from_seed([1; 32]));
        assert_eq!(AccountKey::from_bytes(&key.to_bytes()).id(), key.id());
    }

    /// protocol §3.2.1, §3.2.2
    #[test]
    fn signatures_hold_for_key_label_and_message_only() {
        let (account, device) = (account(1), device(1));
        let signature = account.sign(b"label", b"message");
        let verify = |id: &AccountId, label: &[u8], message: &[u8], signature: &[u8; 64]| {
            verify_account_signature(id, label, message, signature)
        };
        assert_eq!(
            verify(&account.id(), b"label", b"message", &signature),
            Ok(())
        );
        let refused = Err(Error::Invalid(Invalid::Signature));
        assert_eq!(
            verify(&account.id(), b"labe", b"lmessage", &signature),
            refused
        );
        assert_eq!(
            verify(&account.id(), b"label", b"other", &signature),
            refused
        );
        assert_eq!(
            verify(
                &AccountId::from_bytes([0; 32]),
                b"label",
                b"message",
                &signature
            ),
            refused
        );
        assert_eq!(
            verify(&account.id(), b"label", b"message", &[0; 64]),
            refused
        );

        let signature = device.sign(b"label", b"message");
        let key = device.signature_key();
        assert_eq!(
            verify_device_signature(&key, b"label", b"message", &signature),
            Ok(())
        );
        assert_eq!(
            verify_device_signature(&key, b"other", b"message", &signature),
            refused
        );
        // An account's signature is not a device's, even with the same key.
        let same_key = AccountKey::from_bytes(&device.key.to_bytes());
        let signature = same_key.sign(b"label", b"message");
        assert_eq!(
            verify_device_signature(&key, b"label", b"message", &signature),
            refused
        );
    }

    #[test]
    fn devices_come_back_from_bytes_and_nothing_else_does() {
        let device = device(1);
        let bytes = device.to_bytes();
        assert_eq!(bytes.len(), DEVICE_LEN);
        let again = Device::from_bytes(&bytes).unwrap();
        assert_eq!(
            (again.account(), again.id()),
            (device.account(), device.id())
        );
        assert_eq!(again.signature_key(), device.signature_key());
        for i in 0..bytes.len() {
            let mut damaged = bytes.to_vec();
            damaged[i] ^= 1;
            let fault = if i == 0 {
                StorageFault::NewerVersion
            } else {
                StorageFault::Corrupt
            };
            assert_eq!(
                Device::from_bytes(&damaged).unwrap_err(),
                Error::Storage(fault),
                "byte {i}"
            );
        }
        assert!(Device::from_bytes(&bytes[1..]).is_err());
        assert!(Device::from_bytes(&[bytes.as_slice(), &[0]].concat()).is_err());
    }

    #[test]
    fn credentials_hold_for_their_signature_key_only() {
        let device = device(1);
        let CredentialWithKey {
            credential,
            signature_key,
        } = device.credential();
        let identity = Identity {
            account: device.account(),
            device: device.id(),
        };
        assert_eq!(
            Identity::verify(&credential, signature_key.as_slice()),
            Ok(identity)
        );
        assert_eq!(Identity::of_member(&credential), Some(identity));
        assert_eq!(
            Identity::verify(&credential, &[1; 32]),
            Err(Invalid::Credential)
        );
        assert_eq!(Identity::verify(&credential, &[]), Err(Invalid::Credential));
        let identity = credential.serialized_content().to_vec();
        assert_eq!(identity.len(), CREDENTIAL_LEN);
        for i in 0..identity.len() {
            let mut damaged = identity.clone();
            damaged[i] ^= 1;
            let damaged = BasicCredential::new(damaged).into();
            assert_eq!(
                Identity::verify(&damaged, signature_key.as_slice()),
                Err(Invalid::Credential)
            );
        }
    }

    #[test]
    fn safety_numbers_are_the_same_for_both_and_differ_for_others() {
        let [a, b, c] = [1, 2, 3].map(|number| account(number).id());
        let number = safety_number(&a, &b);
        assert_eq!(number, safety_number(&b, &a));
        assert_ne!(number, safety_number(&a, &c));
        let groups: Vec<_> = number.split(' ').collect();
        assert_eq!(groups.len(), 12);
        assert!(
            groups
                .iter()
                .all(|group| group.len() == 5 && group.bytes().all(|digit| digit.is_ascii_digit()))
        );
    }
}
