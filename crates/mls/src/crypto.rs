//! The cryptographic provider under OpenMLS: RustCrypto, with all randomness from one seed.

use std::fmt;
use std::sync::Mutex;

use openmls::prelude::{Ciphersuite, OpenMlsProvider};
use openmls_rust_crypto::RustCrypto;
use openmls_traits::random::OpenMlsRand;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore as _, SeedableRng as _};

use crate::Error;
use crate::storage::RowStore;

/// X-Wing (ML-KEM-768 + X25519), AES-128-GCM, SHA-256, Ed25519: 0x004F of draft-ietf-mls-pq-ciphersuites.
pub(crate) const CIPHERSUITE: Ciphersuite =
    Ciphersuite::MLS_128_MLKEM768X25519_AES128GCM_SHA256_Ed25519;

/// Cryptography and randomness of one core.
pub(crate) struct Crypto {
    primitives: RustCrypto,
    rng: Mutex<ChaCha20Rng>,
}

/// The generator's lock was poisoned by a panic elsewhere.
#[derive(Debug, thiserror::Error)]
#[error("random generator not available")]
pub(crate) struct RandError;

/// A provider for one operation: the core's cryptography over one group's rows.
pub(crate) struct Provider<'a> {
    crypto: &'a Crypto,
    store: &'a RowStore,
}

impl Crypto {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self {
            primitives: RustCrypto::default(),
            rng: Mutex::new(ChaCha20Rng::from_seed(seed)),
        }
    }

    pub(crate) const fn provider<'a>(&'a self, store: &'a RowStore) -> Provider<'a> {
        Provider {
            crypto: self,
            store,
        }
    }

    pub(crate) const fn primitives(&self) -> &RustCrypto {
        &self.primitives
    }

    /// Fresh random bytes.
    pub(crate) fn random<const N: usize>(&self) -> Result<[u8; N], Error> {
        self.random_array()
            .map_err(|RandError| Error::Internal("random generator"))
    }
}

impl OpenMlsRand for Crypto {
    type Error = RandError;

    fn random_array<const N: usize>(&self) -> Result<[u8; N], RandError> {
        let mut bytes = [0; N];
        self.rng
            .lock()
            .map_err(|_| RandError)?
            .fill_bytes(&mut bytes);
        Ok(bytes)
    }

    fn random_vec(&self, len: usize) -> Result<Vec<u8>, RandError> {
        let mut bytes = vec![0; len];
        self.rng
            .lock()
            .map_err(|_| RandError)?
            .fill_bytes(&mut bytes);
        Ok(bytes)
    }
}

impl OpenMlsProvider for Provider<'_> {
    type CryptoProvider = RustCrypto;
    type RandProvider = Crypto;
    type StorageProvider = RowStore;

    fn storage(&self) -> &RowStore {
        self.store
    }

    fn crypto(&self) -> &RustCrypto {
        &self.crypto.primitives
    }

    fn rand(&self) -> &Crypto {
        self.crypto
    }
}

impl fmt::Debug for Crypto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Crypto(..)")
    }
}

impl Provider<'_> {
    pub(crate) const fn store(&self) -> &RowStore {
        self.store
    }
}
