//! 0x004F of draft-ietf-mls-pq-ciphersuites for mls-rs: X-Wing, AES-128-GCM, SHA-256, Ed25519.
//!
//! mls-rs does not know it. But for the KEM it is suite 1, whose provider therefore does everything else.

use hpke_rs_crypto::HpkeCrypto as _;
use hpke_rs_crypto::types::KemAlgorithm;
use hpke_rs_libcrux::HpkeLibcrux;
use mls_rs::error::IntoAnyError;
use mls_rs::{CipherSuite, CipherSuiteProvider, CryptoProvider};
use mls_rs_core::crypto::{
    HpkeCiphertext, HpkePsk, HpkePublicKey, HpkeSecretKey, SignaturePublicKey, SignatureSecretKey,
};
use mls_rs_crypto_rustcrypto::aead::Aead;
use mls_rs_crypto_rustcrypto::kdf::Kdf;
use mls_rs_crypto_rustcrypto::{RustCryptoCipherSuite, RustCryptoError};
use mls_rs_crypto_traits::{KemResult, KemType};
use zeroize::Zeroizing;

/// The suite of all our groups.
pub const SUITE: CipherSuite = CipherSuite::new(0x004F);

/// Its number as a KEM of HPKE, by the X-Wing draft.
const XWING_ID: u16 = 0x647a;

/// Length of a public key in bytes.
const PUBLIC_LEN: usize = 1216;

/// X-Wing (draft 6) by libcrux.
#[derive(Clone, Debug)]
pub struct XWing;

/// A key or ciphertext is none.
#[derive(Debug, thiserror::Error)]
#[error("X-Wing: {0}")]
pub struct XWingError(String);

impl IntoAnyError for XWingError {
    fn into_dyn_error(self) -> Result<Box<dyn std::error::Error + Send + Sync>, Self> {
        Ok(self.into())
    }
}

fn wrong(error: impl std::fmt::Debug) -> XWingError {
    XWingError(format!("{error:?}"))
}

impl KemType for XWing {
    type Error = XWingError;

    fn kem_id(&self) -> u16 {
        XWING_ID
    }

    fn generate_deterministic(
        &self,
        seed: &[u8],
    ) -> Result<(HpkeSecretKey, HpkePublicKey), XWingError> {
        let (public, secret) =
            HpkeLibcrux::kem_key_gen_derand(KemAlgorithm::XWingDraft06, seed).map_err(wrong)?;
        Ok((secret.into(), public.into()))
    }

    fn generate(&self) -> Result<(HpkeSecretKey, HpkePublicKey), XWingError> {
        let mut prng = HpkeLibcrux::prng();
        let (public, secret) =
            HpkeLibcrux::kem_key_gen(KemAlgorithm::XWingDraft06, &mut prng).map_err(wrong)?;
        Ok((secret.into(), public.into()))
    }

    fn public_key_validate(&self, key: &HpkePublicKey) -> Result<(), XWingError> {
        if key.len() == PUBLIC_LEN {
            return Ok(());
        }
        Err(XWingError("length".to_owned()))
    }

    fn encap(&self, remote_key: &HpkePublicKey) -> Result<KemResult, XWingError> {
        let mut prng = HpkeLibcrux::prng();
        let (shared, sealed) =
            HpkeLibcrux::kem_encaps(KemAlgorithm::XWingDraft06, remote_key, &mut prng)
                .map_err(wrong)?;
        Ok(KemResult::new(shared, sealed))
    }

    fn decap(
        &self,
        enc: &[u8],
        secret_key: &HpkeSecretKey,
        _local_public: &HpkePublicKey,
    ) -> Result<Vec<u8>, XWingError> {
        HpkeLibcrux::kem_decaps(KemAlgorithm::XWingDraft06, enc, secret_key).map_err(wrong)
    }

    fn seed_length_for_derive(&self) -> usize {
        32
    }
}

/// Offers [`SUITE`] and nothing else.
#[derive(Clone, Debug, Default)]
pub struct Provider;

impl CryptoProvider for Provider {
    type CipherSuiteProvider = Suite;

    fn supported_cipher_suites(&self) -> Vec<CipherSuite> {
        vec![SUITE]
    }

    fn cipher_suite_provider(&self, cipher_suite: CipherSuite) -> Option<Suite> {
        let like = CipherSuite::CURVE25519_AES128;
        let (kdf, aead) = (Kdf::new(like)?, Aead::new(like)?);
        let inner = RustCryptoCipherSuite::new(like, XWing, kdf, aead)?;
        (cipher_suite == SUITE).then_some(Suite(inner))
    }
}

/// The suite: suite 1 with another KEM and another number.
#[derive(Clone)]
pub struct Suite(RustCryptoCipherSuite<XWing, Kdf, Aead>);

type Inner = RustCryptoCipherSuite<XWing, Kdf, Aead>;

/// What suite 1 does as it is.
macro_rules! as_suite_1 {
    ($(fn $name:ident($($argument:ident: $type:ty),* $(,)?) -> $result:ty;)*) => {
        $(fn $name(&self, $($argument: $type),*) -> $result {
            CipherSuiteProvider::$name(&self.0, $($argument),*)
        })*
    };
}

type Failing<T> = Result<T, RustCryptoError>;

impl CipherSuiteProvider for Suite {
    type Error = RustCryptoError;
    type HpkeContextS = <Inner as CipherSuiteProvider>::HpkeContextS;
    type HpkeContextR = <Inner as CipherSuiteProvider>::HpkeContextR;

    fn cipher_suite(&self) -> CipherSuite {
        SUITE
    }

    /// The draft says how: SHAKE256 of the input, where suite 1 has an extraction of its own.
    fn kem_derive(&self, ikm: &[u8]) -> Failing<(HpkeSecretKey, HpkePublicKey)> {
        let seed = Zeroizing::new(libcrux_sha3::shake256::<32>(ikm));
        XWing
            .generate_deterministic(seed.as_slice())
            .map_err(|error| {
                RustCryptoError::HpkeError(mls_rs_crypto_hpke::hpke::HpkeError::KemError(
                    error.into_any_error(),
                ))
            })
    }

    as_suite_1! {
        fn hash(data: &[u8]) -> Failing<Vec<u8>>;
        fn mac(key: &[u8], data: &[u8]) -> Failing<Vec<u8>>;
        fn aead_seal(key: &[u8], data: &[u8], aad: Option<&[u8]>, nonce: &[u8]) -> Failing<Vec<u8>>;
        fn aead_open(key: &[u8], sealed: &[u8], aad: Option<&[u8]>, nonce: &[u8]) -> Failing<Zeroizing<Vec<u8>>>;
        fn aead_key_size() -> usize;
        fn aead_nonce_size() -> usize;
        fn kdf_extract(salt: &[u8], ikm: &[u8]) -> Failing<Zeroizing<Vec<u8>>>;
        fn kdf_expand(prk: &[u8], info: &[u8], len: usize) -> Failing<Zeroizing<Vec<u8>>>;
        fn kdf_extract_size() -> usize;
        fn hpke_seal(key: &HpkePublicKey, info: &[u8], aad: Option<&[u8]>, pt: &[u8]) -> Failing<HpkeCiphertext>;
        fn hpke_seal_psk(key: &HpkePublicKey, info: &[u8], aad: Option<&[u8]>, pt: &[u8], psk: HpkePsk<'_>) -> Failing<HpkeCiphertext>;
        fn hpke_open(sealed: &HpkeCiphertext, secret: &HpkeSecretKey, public: &HpkePublicKey, info: &[u8], aad: Option<&[u8]>) -> Failing<Zeroizing<Vec<u8>>>;
        fn hpke_open_psk(sealed: &HpkeCiphertext, secret: &HpkeSecretKey, public: &HpkePublicKey, info: &[u8], aad: Option<&[u8]>, psk: HpkePsk<'_>) -> Failing<Zeroizing<Vec<u8>>>;
        fn hpke_setup_s(key: &HpkePublicKey, info: &[u8]) -> Failing<(Vec<u8>, Self::HpkeContextS)>;
        fn hpke_setup_r(enc: &[u8], secret: &HpkeSecretKey, public: &HpkePublicKey, info: &[u8]) -> Failing<Self::HpkeContextR>;
        fn kem_generate() -> Failing<(HpkeSecretKey, HpkePublicKey)>;
        fn kem_public_key_validate(key: &HpkePublicKey) -> Failing<()>;
        fn random_bytes(out: &mut [u8]) -> Failing<()>;
        fn signature_key_generate() -> Failing<(SignatureSecretKey, SignaturePublicKey)>;
        fn signature_key_derive_public(secret: &SignatureSecretKey) -> Failing<SignaturePublicKey>;
        fn sign(secret: &SignatureSecretKey, data: &[u8]) -> Failing<Vec<u8>>;
        fn verify(public: &SignaturePublicKey, signature: &[u8], data: &[u8]) -> Failing<()>;
    }
}
