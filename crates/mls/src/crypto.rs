//! The provider under OpenMLS: RustCrypto's primitives, and all randomness from one seed.

use std::fmt;
use std::sync::Mutex;

use openmls::prelude::{Ciphersuite, OpenMlsProvider};
use openmls_rust_crypto::RustCrypto;
use openmls_traits::random::OpenMlsRand;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore as _, SeedableRng as _};
use zeroize::Zeroizing;

use crate::Error;
use crate::storage::RowStore;

/// X-Wing (ML-KEM-768 + X25519), AES-128-GCM, SHA-256, Ed25519: 0x004F of draft-ietf-mls-pq-ciphersuites.
pub(crate) const CIPHERSUITE: Ciphersuite =
    Ciphersuite::MLS_128_MLKEM768X25519_AES128GCM_SHA256_Ed25519;

/// Cryptography and randomness of one core.
pub(crate) struct Crypto {
    /// RustCrypto seeds a generator of its own from the operating system; nothing of ours draws from it.
    pub(crate) primitives: RustCrypto,
    rng: Mutex<ChaCha20Rng>,
    /// `None` until the first operation: nothing encapsulates under a key that was not drawn.
    encapsulation_key: Mutex<Option<Zeroizing<[u8; 32]>>>,
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
            encapsulation_key: Mutex::default(),
        }
    }

    /// The provider for one operation on these rows.
    pub(crate) fn provider<'a>(&'a self, store: &'a RowStore) -> Result<Provider<'a>, Error> {
        self.begin_operation()?;
        Ok(Provider {
            crypto: self,
            store,
        })
    }

    /// Draws the key from which all encapsulations of the next operation take their randomness.
    pub(crate) fn begin_operation(&self) -> Result<(), Error> {
        let key = Zeroizing::new(self.random()?);
        let unavailable = |_| Error::Internal("random generator");
        *self.encapsulation_key.lock().map_err(unavailable)? = Some(key);
        Ok(())
    }

    /// The key drawn by [`Crypto::begin_operation`].
    pub(crate) fn encapsulation_key(&self) -> Option<Zeroizing<[u8; 32]>> {
        self.encapsulation_key.lock().ok()?.clone()
    }

    /// Fresh random bytes.
    pub(crate) fn random<const N: usize>(&self) -> Result<[u8; N], Error> {
        self.random_array()
            .map_err(|RandError| Error::Internal("random generator"))
    }
}

impl<'a> Provider<'a> {
    pub(crate) const fn store(&self) -> &'a RowStore {
        self.store
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
    type CryptoProvider = Crypto;
    type RandProvider = Crypto;
    type StorageProvider = RowStore;

    fn storage(&self) -> &RowStore {
        self.store
    }

    fn crypto(&self) -> &Crypto {
        self.crypto
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
