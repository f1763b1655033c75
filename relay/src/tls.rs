//! TLS as the relay speaks it (`protocol §1`): version 1.3, one hybrid key exchange, a raw public
//! key or a certificate, and nothing that would let one session be recognised as the continuation of
//! another.

use std::cell::Cell;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, kx_group};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{CertificateType, ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, version};
use sori_wire::{ALPN, EXPORTER_CONTEXT, EXPORTER_LABEL, Exporter};

use crate::certificate::Certificate;
use crate::key::RelaySecret;

/// What the relay's TLS computes with.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    #[cfg(sori_mutants)]
    if crate::mutant::is("takes-classic-keys") {
        return Arc::new(aws_lc_rs::default_provider());
    }
    Arc::new(CryptoProvider {
        kx_groups: vec![kx_group::X25519MLKEM768],
        ..aws_lc_rs::default_provider()
    })
}

/// The TLS of every carrier.
///
/// # Errors
/// If the library refuses a part of it, which a test rules out.
pub(crate) fn server_config(
    secret: &RelaySecret,
    certificate: Option<Arc<Certificate>>,
) -> Result<ServerConfig, rustls::Error> {
    let provider = provider();
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(secret.to_pkcs8().to_vec()));
    let signer = provider.key_provider.load_private_key(private)?;
    let public = CertificateDer::from(secret.public().to_spki().to_vec());
    let identities = Identities {
        raw: Arc::new(CertifiedKey::new(vec![public], signer)),
        certificate,
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(identities));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.max_early_data_size = 0;
    #[cfg(sori_mutants)]
    if crate::mutant::is("gives-tickets") {
        config.send_tls13_tickets = 2;
        config.session_storage = rustls::server::ServerSessionMemoryCache::new(64);
    }
    #[cfg(sori_mutants)]
    if crate::mutant::is("takes-other-protocols") {
        config.alpn_protocols.push(b"h3".to_vec());
    }
    Ok(config)
}

/// The value that proofs on a connection are bound to (`protocol §2.2.3`); `export` is the carrier's
/// way to its TLS exporter.
pub(crate) fn exporter<E>(
    export: impl FnOnce(&mut [u8; 32], &[u8], &[u8]) -> Result<(), E>,
) -> Option<Exporter> {
    let mut bytes = [0; 32];
    export(&mut bytes, EXPORTER_LABEL, EXPORTER_CONTEXT).ok()?;
    Some(Exporter::from_bytes(bytes))
}

/// The pinned key for those who ask for raw public keys, the certificate for others
/// (`protocol §1.2.6`).
#[derive(Debug)]
struct Identities {
    raw: Arc<CertifiedKey>,
    certificate: Option<Arc<Certificate>>,
}

thread_local! {
    /// What the handshake that this thread works on asks for. The library asks for the kind of key
    /// after it asked for the key, in the same call and without showing the hello again; a test holds
    /// it to that.
    static PRESENTED: Cell<CertificateType> = const { Cell::new(CertificateType::RawPublicKey) };
}

impl ResolvesServerCert for Identities {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let types = hello.server_cert_types().unwrap_or_default();
        let certificate = self
            .certificate
            .as_ref()
            .filter(|_| !types.contains(&CertificateType::RawPublicKey));
        PRESENTED.set(match certificate {
            Some(_) => CertificateType::X509,
            None => CertificateType::RawPublicKey,
        });
        Some(certificate.map_or_else(|| Arc::clone(&self.raw), |found| found.current()))
    }

    fn only_raw_public_keys(&self) -> bool {
        PRESENTED.get() == CertificateType::RawPublicKey
    }
}
