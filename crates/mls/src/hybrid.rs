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

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng as _;

    use super::*;
    use crate::{AccountKey, Device};

    fn core() -> Core {
        let device = Device::generate(
            &AccountKey::from_bytes(&[1; 32]),
            &mut ChaCha20Rng::from_seed([1; 32]),
        );
        Core::new(device, [1; 32]).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_with_key_info_and_data_only() {
        let core = core();
        let key = core.hybrid_key(&[5; 32]).unwrap();
        assert_eq!(core.hybrid_key(&[5; 32]).unwrap().public(), key.public());
        assert_eq!(key.public().as_bytes().len(), PUBLIC_LEN);
        let public = HybridPublic::from_bytes(key.public().as_bytes()).unwrap();
        assert_eq!(public.hash(), key.public().hash());
        let sealed = core
            .hybrid_seal(&public, b"info", b"aad", b"knock")
            .unwrap();
        assert_eq!(sealed.len(), ENCAPSULATION_LEN + 5 + 16);
        assert_eq!(
            key.open(b"info", b"aad", &sealed).unwrap().as_slice(),
            b"knock"
        );
        let closed = Error::Invalid(Invalid::Sealed);
        assert_eq!(key.open(b"other", b"aad", &sealed).unwrap_err(), closed);
        assert_eq!(key.open(b"info", b"other", &sealed).unwrap_err(), closed);
        let other = core.hybrid_key(&[6; 32]).unwrap();
        assert_eq!(other.open(b"info", b"aad", &sealed).unwrap_err(), closed);
        for len in [0, 1, ENCAPSULATION_LEN, sealed.len() - 1] {
            assert_eq!(
                key.open(b"info", b"aad", &sealed[..len]).unwrap_err(),
                closed
            );
        }
        for i in (0..sealed.len()).step_by(37) {
            let mut damaged = sealed.clone();
            damaged[i] ^= 1;
            assert_eq!(
                key.open(b"info", b"aad", &damaged).unwrap_err(),
                closed,
                "byte {i}"
            );
        }
    }

    #[test]
    fn sealing_twice_gives_different_bytes() {
        let core = core();
        let key = core.hybrid_key(&[5; 32]).unwrap();
        let seal = || core.hybrid_seal(key.public(), b"", b"", b"same").unwrap();
        assert_ne!(seal(), seal());
    }

    #[test]
    fn rustcrypto_seals_to_the_same_keys() {
        let core = core();
        let key = core.hybrid_key(&[5; 32]).unwrap();
        let sealed = RustCrypto::default()
            .hpke_seal(SUITE, key.public().as_bytes(), b"i", b"a", b"x")
            .unwrap();
        let sealed = [sealed.kem_output.as_slice(), sealed.ciphertext.as_slice()].concat();
        assert_eq!(key.open(b"i", b"a", &sealed).unwrap().as_slice(), b"x");
    }

    #[test]
    fn keys_of_another_length_or_content_are_refused() {
        let malformed = Error::Invalid(Invalid::Malformed);
        assert_eq!(
            HybridPublic::from_bytes(&[0; PUBLIC_LEN - 1]).unwrap_err(),
            malformed
        );
        let nonsense = HybridPublic::from_bytes(&[0xFF; PUBLIC_LEN]).unwrap();
        assert_eq!(
            core().hybrid_seal(&nonsense, b"", b"", b"").unwrap_err(),
            malformed
        );
    }
}
