//! The certificate of a relay that has a domain: read from files, and read again without a restart.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

use crate::settings::CertificateFiles;
use crate::tls;

/// Why a certificate could not be used. Then the one before goes on being used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The chain file has no certificate in it, or something else than PEM.
    #[error("{0} holds no certificate in PEM form")]
    Chain(PathBuf),
    /// The operating system refused.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The key file has no private key in it that can be used.
    #[error("{0} holds no usable private key in PEM form")]
    Key(PathBuf),
    /// Certificate and key do not belong together.
    #[error("the certificate in {chain} is not for the key in {key}")]
    Mismatch {
        /// The chain file.
        chain: PathBuf,
        /// The key file.
        key: PathBuf,
    },
}

impl CertificateFiles {
    /// Reads the files as a relay that starts does.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn check(&self) -> Result<(), CertificateError> {
        read(self, &tls::provider()).map(drop)
    }
}

/// A certificate in use, shared by all handshakes.
#[derive(Debug)]
pub(crate) struct Certificate {
    files: CertificateFiles,
    provider: Arc<CryptoProvider>,
    current: Mutex<Arc<CertifiedKey>>,
}

impl Certificate {
    pub(crate) fn load(
        files: CertificateFiles,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, CertificateError> {
        let current = Mutex::new(Arc::new(read(&files, &provider)?));
        Ok(Self {
            files,
            provider,
            current,
        })
    }

    /// Reads the files again. Handshakes from then on use what was found.
    pub(crate) fn reload(&self) -> Result<(), CertificateError> {
        let found = Arc::new(read(&self.files, &self.provider)?);
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = found;
        Ok(())
    }

    pub(crate) fn current(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn read(
    files: &CertificateFiles,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, CertificateError> {
    let CertificateFiles { chain, key } = files;
    let contents = |path: &PathBuf| {
        let contents = fs::read(path).map(Zeroizing::new);
        contents.map_err(|source| CertificateError::Io {
            path: path.clone(),
            source,
        })
    };
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&contents(chain)?)
        .collect::<Result<_, _>>()
        .map_err(|_| CertificateError::Chain(chain.clone()))?;
    if certificates.is_empty() {
        return Err(CertificateError::Chain(chain.clone()));
    }
    let private = PrivateKeyDer::from_pem_slice(&contents(key)?)
        .map_err(|_| CertificateError::Key(key.clone()))?;
    let signer = provider
        .key_provider
        .load_private_key(private)
        .map_err(|_| CertificateError::Key(key.clone()))?;
    let certified = CertifiedKey::new(certificates, signer);
    certified
        .keys_match()
        .map_err(|_| CertificateError::Mismatch {
            chain: chain.clone(),
            key: key.clone(),
        })?;
    Ok(certified)
}
