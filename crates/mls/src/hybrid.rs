//! Sealing to somebody's hybrid key outside any group: HPKE (RFC 9180, base mode) with X-Wing.
//!
//! Used for first contact, before there is a group. X-Wing joins ML-KEM-768 and X25519, so what is recorded today
//! stays closed to a later quantum computer and, should ML-KEM break, to everybody without one.

use std::fmt;

use openmls::prelude::{
    HpkeAeadType, HpkeCiphertext, HpkeConfig, HpkeKdfType, HpkeKemType, OpenMlsCrypto as _,
};
use openmls_rust_crypto::RustCrypto;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::{Core, Error, Invalid};

/// KEM 0x004D of OpenMLS, 0x647a on the wire (X-Wing draft 6), HKDF-SHA256, ChaCha20Poly1305.
const SUITE: HpkeConfig = HpkeConfig(
    HpkeKemType::XWingKemDraft6,
    HpkeKdfType::HkdfSha256,
    HpkeAeadType::ChaCha20Poly1305,
);

/// Length of an X-Wing public key.
const PUBLIC_LEN: usize = 1216;
/// Length of an X-Wing ciphertext.
const ENCAPSULATION_LEN: usize = 1120;

/// A hybrid key pair. The secret is wiped when dropped.
pub struct HybridKey {
    secret: Zeroizing<Vec<u8>>,
    public: HybridPublic,
    crypto: RustCrypto,
}

/// The public half: 1,216 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct HybridPublic(Vec<u8>);

impl Core {
    /// The key pair that follows from a seed; the same seed gives the same pair.
    ///
    /// # Errors
    /// [`Error::Internal`] only.
    pub fn hybrid_key(&self, seed: &[u8; 32]) -> Result<HybridKey, Error> {
        let crypto = RustCrypto::default();
        let pair = crypto
            .derive_hpke_keypair(SUITE, seed)
            .map_err(|_| Error::Internal("hybrid key"))?;
        let public = HybridPublic(pair.public);
        Ok(HybridKey {
            secret: Zeroizing::new(pair.private.to_vec()),
            public,
            crypto,
        })
    }

    /// Seals a plaintext to a hybrid key: encapsulation (1,120 bytes) followed by the ciphertext (16 more than the
    /// plaintext).
    ///
    /// # Errors
    /// [`Invalid::Malformed`] if the key is not one.
    pub fn hybrid_seal(
        &self,
        to: &HybridPublic,
        info: &[u8],
        aad: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, Error> {
        self.crypto().begin_operation()?;
        let sealed = self
            .crypto()
            .hpke_seal(SUITE, &to.0, info, aad, plaintext)
            .map_err(|_| Invalid::Malformed)?;
        Ok([sealed.kem_output.as_slice(), sealed.ciphertext.as_slice()].concat())
    }
}

impl HybridKey {
    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &HybridPublic {
        &self.public
    }

    /// Opens what [`Core::hybrid_seal`] sealed with the same info and associated data.
    ///
    /// # Errors
    /// [`Invalid::Sealed`] if it does not open.
    pub fn open(
        &self,
        info: &[u8],
        aad: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let (encapsulation, ciphertext) = sealed
            .split_at_checked(ENCAPSULATION_LEN)
            .ok_or(Invalid::Sealed)?;
        let input = HpkeCiphertext {
            kem_output: encapsulation.into(),
            ciphertext: ciphertext.into(),
        };
        self.crypto
            .hpke_open(SUITE, &input, &self.secret, info, aad)
            .map(Zeroizing::new)
            .map_err(|_| Invalid::Sealed.into())
    }
}

impl HybridPublic {
    /// The key of these bytes.
    ///
    /// # Errors
    /// [`Invalid::Malformed`] if the length is not 1,216.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() != PUBLIC_LEN {
            return Err(Invalid::Malformed.into());
        }
        Ok(Self(bytes.to_vec()))
    }

    /// The bytes of the key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// SHA-256 over the key, by which an invite pins it.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(&self.0).into()
    }
}

impl fmt::Debug for HybridKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HybridKey(..)")
    }
}

impl fmt::Debug for HybridPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HybridPublic(..)")
    }
}
