//! KeyPackages: how a device can be added while it is away (RFC 9420 §10).
//!
//! Ours carry an unbounded lifetime. A lifetime makes the validity of a commit depend on the clock of whoever looks
//! at it, and members that judge differently split the group. Freshness is a matter between who gives a KeyPackage
//! and who uses it: the giver destroys the private part when it is used or withdrawn.

use std::fmt;

use openmls::prelude::tls_codec::DeserializeBytes as _;
use openmls::prelude::{
    Capabilities, Ciphersuite, CredentialType, ExtensionType, KeyPackage, KeyPackageBundle,
    LeafNode, Lifetime, MlsMessageBodyIn, MlsMessageIn, MlsMessageOut, ProtocolVersion,
};
use openmls::treesync::LeafNodeSource;
use zeroize::Zeroizing;

use crate::crypto::CIPHERSUITE;
use crate::group_data::GROUP_DATA_EXTENSION;
use crate::identity::Identity;
use crate::limits::KEY_PACKAGE_LEN_MAX;
use crate::storage::RowStore;
use crate::{AccountId, Core, DeviceId, Error, Invalid, Refusal, StorageFault};

/// A KeyPackage of this device, just made.
pub struct NewKeyPackage {
    /// What is given to others: an MLSMessage with the KeyPackage, about 2.7 kB.
    pub bytes: Vec<u8>,
    /// What is needed to join by it; stored sealed, destroyed once used.
    pub private: Zeroizing<Vec<u8>>,
    /// Its reference, SHA-256 in the sense of RFC 9420 §5.2.
    pub reference: [u8; 32],
}

/// What a valid KeyPackage says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyPackageInfo {
    /// Whose device.
    pub account: AccountId,
    /// Which device.
    pub device: DeviceId,
    /// The reference of the KeyPackage.
    pub reference: [u8; 32],
    /// The MLS signature key of the device.
    pub signature_key: [u8; 32],
}

impl Core {
    /// Makes a KeyPackage for others to add this device by. Each may be used once.
    ///
    /// # Errors
    /// [`Error::Internal`] only.
    pub fn new_key_package(&self) -> Result<NewKeyPackage, Error> {
        let store = RowStore::default();
        let bundle = KeyPackage::builder()
            .leaf_node_capabilities(capabilities())
            .key_package_lifetime(lifetime())
            .build(
                CIPHERSUITE,
                &self.crypto().provider(&store)?,
                self.device(),
                self.device().credential(),
            )
            .map_err(|_| Error::Internal("KeyPackage"))?;
        let reference = self.reference_of(bundle.key_package())?;
        let private = postcard::to_allocvec(&bundle).map_err(|_| Error::Internal("KeyPackage"))?;
        let bytes = MlsMessageOut::from(bundle.into_key_package())
            .to_bytes()
            .map_err(|_| Error::Internal("KeyPackage"))?;
        Ok(NewKeyPackage {
            bytes,
            private: Zeroizing::new(private),
            reference,
        })
    }

    /// Checks a KeyPackage and says whose it is.
    ///
    /// # Errors
    /// [`Invalid`] if it is malformed or its signatures or credential do not hold; [`Refusal::KeyPackage`] if it
    /// lacks what our groups need.
    pub fn inspect_key_package(&self, bytes: &[u8]) -> Result<KeyPackageInfo, Error> {
        let key_package = self.parse_key_package(bytes)?;
        let (identity, signature_key) = check(&key_package)?;
        let reference = self.reference_of(&key_package)?;
        Ok(KeyPackageInfo {
            account: identity.account,
            device: identity.device,
            reference,
            signature_key,
        })
    }

    /// Decodes and validates by RFC 9420 §10.1; what our groups need beyond that is [`check`].
    pub(crate) fn parse_key_package(&self, bytes: &[u8]) -> Result<KeyPackage, Error> {
        if bytes.len() > KEY_PACKAGE_LEN_MAX {
            return Err(Invalid::TooLong.into());
        }
        let message =
            MlsMessageIn::tls_deserialize_exact_bytes(bytes).map_err(|_| Invalid::Malformed)?;
        let MlsMessageBodyIn::KeyPackage(key_package) = message.extract() else {
            return Err(Invalid::UnexpectedKind.into());
        };
        key_package
            .validate(self.crypto(), ProtocolVersion::Mls10)
            .map_err(|_| Invalid::KeyPackage.into())
    }

    /// The bundle in [`NewKeyPackage::private`] and the reference of its KeyPackage.
    pub(crate) fn open_private_key_package(
        &self,
        private: &[u8],
    ) -> Result<(KeyPackageBundle, [u8; 32]), Error> {
        let bundle: KeyPackageBundle =
            postcard::from_bytes(private).map_err(|_| StorageFault::Corrupt)?;
        let reference = self.reference_of(bundle.key_package())?;
        Ok((bundle, reference))
    }

    fn reference_of(&self, key_package: &KeyPackage) -> Result<[u8; 32], Error> {
        let reference = key_package
            .hash_ref(self.crypto())
            .map_err(|_| Error::Internal("KeyPackage reference"))?;
        reference
            .as_slice()
            .try_into()
            .map_err(|_| Error::Internal("KeyPackage reference"))
    }
}

/// What every leaf of ours announces.
pub(crate) fn capabilities() -> Capabilities {
    Capabilities::new(
        Some(&[ProtocolVersion::Mls10]),
        Some(&[CIPHERSUITE]),
        Some(&[ExtensionType::Unknown(GROUP_DATA_EXTENSION)]),
        Some(&[]),
        Some(&[CredentialType::Basic]),
    )
}

/// The whole of time.
pub(crate) fn lifetime() -> Lifetime {
    Lifetime::init(0, u64::MAX)
}

/// What our groups need of a KeyPackage beyond its validity: the suite, our extension, no limits on its time, no
/// extensions we do not know, and a credential that its account vouches for.
pub(crate) fn check(key_package: &KeyPackage) -> Result<(Identity, [u8; 32]), Error> {
    let leaf = key_package.leaf_node();
    let suitable = key_package.ciphersuite() == CIPHERSUITE
        && !key_package.last_resort()
        && *key_package.life_time() == lifetime()
        && key_package.extensions().iter().next().is_none();
    if !suitable {
        return Err(Refusal::KeyPackage.into());
    }
    check_leaf(leaf).map_err(|_| Refusal::KeyPackage)?;
    let identity = Identity::verify(leaf.credential(), leaf.signature_key().as_slice())?;
    let key = leaf
        .signature_key()
        .as_slice()
        .try_into()
        .map_err(|_| Invalid::Credential)?;
    Ok((identity, key))
}

/// What our groups need of any leaf (protocol §3.2.5).
pub(crate) fn check_leaf(leaf: &LeafNode) -> Result<(), Refusal> {
    let capabilities = leaf.capabilities();
    let suite = |suite: &_| Ciphersuite::try_from(*suite) == Ok(CIPHERSUITE);
    let lifetime_unbounded = match leaf.leaf_node_source() {
        LeafNodeSource::KeyPackage(other) => *other == lifetime(),
        LeafNodeSource::Update | LeafNodeSource::Commit(_) => true,
    };
    let suitable = capabilities
        .extensions()
        .contains(&ExtensionType::Unknown(GROUP_DATA_EXTENSION))
        && capabilities.ciphersuites().iter().any(suite)
        && capabilities.credentials().contains(&CredentialType::Basic)
        && leaf.extensions().iter().next().is_none()
        && lifetime_unbounded;
    if !suitable {
        return Err(Refusal::KeyPackage);
    }
    Ok(())
}

impl fmt::Debug for NewKeyPackage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewKeyPackage(..)")
    }
}

impl fmt::Debug for KeyPackageInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyPackageInfo(..)")
    }
}
