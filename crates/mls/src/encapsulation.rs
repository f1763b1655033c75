//! HPKE whose randomness is ours, so that one seed gives one run, byte for byte.
//!
//! `openmls_rust_crypto` draws what HPKE needs to encapsulate from the operating system and offers no way to pass
//! it in. The parts below it do: X-Wing encapsulates with given randomness, and `hpke-rs` continues from a shared
//! secret. That is all of RFC 9180 §5.1.1 and §6.1 for base mode, put together here; opening stays as it was, so
//! every test that opens checks the sealing.
//!
//! OpenMLS encrypts a path on several threads at once. Drawing from one generator would give each run another
//! order; so the randomness of each encapsulation is derived from a key, fresh for each operation, and everything
//! that goes in: SHA-512 over it is uniform to whoever does not know the key, and repeats only for the very same
//! call, whose result may repeat.

use hpke_rs::{Context, Hpke, Mode};
use hpke_rs_crypto::types::{AeadAlgorithm, KdfAlgorithm, KemAlgorithm};
use hpke_rs_rust_crypto::HpkeRustCrypto;
use openmls::prelude::{
    AeadType, Ciphersuite, CryptoError, ExporterSecret, HashType, HpkeAeadType, HpkeCiphertext,
    HpkeConfig, HpkeKdfType, HpkeKemType, HpkeKeyPair, KemOutput, OpenMlsCrypto, SignatureScheme,
};
use sha2::{Digest as _, Sha512};
use tls_codec::SecretVLBytes;
use x_wing::EncapsulationKey;
use zeroize::Zeroizing;

use crate::crypto::Crypto;

impl Crypto {
    /// SetupBaseS (RFC 9180 §5.1.1) for X-Wing; `inputs` is whatever else distinguishes this call.
    fn setup_sender(
        &self,
        config: HpkeConfig,
        pk_r: &[u8],
        info: &[u8],
        inputs: [&[u8]; 2],
    ) -> Result<(KemOutput, Context<HpkeRustCrypto>), CryptoError> {
        let public = EncapsulationKey::try_from(pk_r).map_err(|_| CryptoError::InvalidPublicKey)?;
        let [first, second] = inputs;
        let randomness = self.encapsulation_randomness(&[pk_r, info, first, second])?;
        let (kem_output, shared) = public.encapsulate_deterministic((&*randomness).into());
        let shared = Zeroizing::new(shared.to_vec());
        let context = Hpke::<HpkeRustCrypto>::new(
            Mode::Base,
            KemAlgorithm::XWingDraft06,
            kdf(config.1),
            aead(config.2),
        )
        .key_schedule(&shared, info, &[], &[])
        .map_err(|_| CryptoError::SenderSetupError)?;
        Ok((kem_output.to_vec(), context))
    }

    fn encapsulation_randomness(
        &self,
        inputs: &[&[u8]],
    ) -> Result<Zeroizing<[u8; 64]>, CryptoError> {
        let key = self
            .encapsulation_key()
            .ok_or(CryptoError::InsufficientRandomness)?;
        let mut hash = Sha512::new()
            .chain_update(b"sori encapsulation 1")
            .chain_update(key.as_slice());
        for input in inputs {
            let len = u64::try_from(input.len()).map_err(|_| CryptoError::InvalidLength)?;
            hash.update(len.to_be_bytes());
            hash.update(input);
        }
        Ok(Zeroizing::new(hash.finalize().into()))
    }
}

impl OpenMlsCrypto for Crypto {
    fn hpke_seal(
        &self,
        config: HpkeConfig,
        pk_r: &[u8],
        info: &[u8],
        aad: &[u8],
        ptxt: &[u8],
    ) -> Result<HpkeCiphertext, CryptoError> {
        if config.0 != HpkeKemType::XWingKemDraft6 {
            return self.primitives.hpke_seal(config, pk_r, info, aad, ptxt);
        }
        let (kem_output, mut context) = self.setup_sender(config, pk_r, info, [aad, ptxt])?;
        let ciphertext = context
            .seal(aad, ptxt)
            .map_err(|_| CryptoError::CryptoLibraryError)?;
        Ok(HpkeCiphertext {
            kem_output: kem_output.into(),
            ciphertext: ciphertext.into(),
        })
    }

    fn hpke_setup_sender_and_export(
        &self,
        config: HpkeConfig,
        pk_r: &[u8],
        info: &[u8],
        exporter_context: &[u8],
        exporter_length: usize,
    ) -> Result<(KemOutput, ExporterSecret), CryptoError> {
        if config.0 != HpkeKemType::XWingKemDraft6 {
            return self.primitives.hpke_setup_sender_and_export(
                config,
                pk_r,
                info,
                exporter_context,
                exporter_length,
            );
        }
        let (kem_output, context) =
            self.setup_sender(config, pk_r, info, [exporter_context, &[]])?;
        let secret = context
            .export(exporter_context, exporter_length)
            .map_err(|_| CryptoError::ExporterError)?;
        Ok((kem_output, secret.into()))
    }

    // From here on RustCrypto does it all; none of it is random for our suite.

    fn supports(&self, ciphersuite: Ciphersuite) -> Result<(), CryptoError> {
        self.primitives.supports(ciphersuite)
    }

    fn supported_ciphersuites(&self) -> Vec<Ciphersuite> {
        self.primitives.supported_ciphersuites()
    }

    fn hkdf_extract(
        &self,
        hash_type: HashType,
        salt: &[u8],
        ikm: &[u8],
    ) -> Result<SecretVLBytes, CryptoError> {
        self.primitives.hkdf_extract(hash_type, salt, ikm)
    }

    fn hmac(
        &self,
        hash_type: HashType,
        key: &[u8],
        message: &[u8],
    ) -> Result<SecretVLBytes, CryptoError> {
        self.primitives.hmac(hash_type, key, message)
    }

    fn hkdf_expand(
        &self,
        hash_type: HashType,
        prk: &[u8],
        info: &[u8],
        okm_len: usize,
    ) -> Result<SecretVLBytes, CryptoError> {
        self.primitives.hkdf_expand(hash_type, prk, info, okm_len)
    }

    fn hash(&self, hash_type: HashType, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.primitives.hash(hash_type, data)
    }

    fn aead_encrypt(
        &self,
        alg: AeadType,
        key: &[u8],
        data: &[u8],
        nonce: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        self.primitives.aead_encrypt(alg, key, data, nonce, aad)
    }

    fn aead_decrypt(
        &self,
        alg: AeadType,
        key: &[u8],
        ct_tag: &[u8],
        nonce: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        self.primitives.aead_decrypt(alg, key, ct_tag, nonce, aad)
    }

    fn signature_key_gen(&self, alg: SignatureScheme) -> Result<(Vec<u8>, Vec<u8>), CryptoError> {
        self.primitives.signature_key_gen(alg)
    }

    fn verify_signature(
        &self,
        alg: SignatureScheme,
        data: &[u8],
        pk: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        self.primitives.verify_signature(alg, data, pk, signature)
    }

    fn sign(&self, alg: SignatureScheme, data: &[u8], key: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.primitives.sign(alg, data, key)
    }

    fn hpke_open(
        &self,
        config: HpkeConfig,
        input: &HpkeCiphertext,
        sk_r: &[u8],
        info: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        self.primitives.hpke_open(config, input, sk_r, info, aad)
    }

    fn hpke_setup_receiver_and_export(
        &self,
        config: HpkeConfig,
        enc: &[u8],
        sk_r: &[u8],
        info: &[u8],
        exporter_context: &[u8],
        exporter_length: usize,
    ) -> Result<ExporterSecret, CryptoError> {
        self.primitives.hpke_setup_receiver_and_export(
            config,
            enc,
            sk_r,
            info,
            exporter_context,
            exporter_length,
        )
    }

    fn derive_hpke_keypair(
        &self,
        config: HpkeConfig,
        ikm: &[u8],
    ) -> Result<HpkeKeyPair, CryptoError> {
        self.primitives.derive_hpke_keypair(config, ikm)
    }
}

const fn kdf(kdf: HpkeKdfType) -> KdfAlgorithm {
    match kdf {
        HpkeKdfType::HkdfSha256 => KdfAlgorithm::HkdfSha256,
        HpkeKdfType::HkdfSha384 => KdfAlgorithm::HkdfSha384,
        HpkeKdfType::HkdfSha512 => KdfAlgorithm::HkdfSha512,
    }
}

const fn aead(aead: HpkeAeadType) -> AeadAlgorithm {
    match aead {
        HpkeAeadType::AesGcm128 => AeadAlgorithm::Aes128Gcm,
        HpkeAeadType::AesGcm256 => AeadAlgorithm::Aes256Gcm,
        HpkeAeadType::ChaCha20Poly1305 => AeadAlgorithm::ChaCha20Poly1305,
        HpkeAeadType::Export => AeadAlgorithm::HpkeExport,
    }
}
