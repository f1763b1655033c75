//! TLS as the relay speaks it (`protocol §1`): version 1.3, one hybrid key exchange, a raw public
//! key, and nothing that would let one session be recognised as the continuation of another.

use std::sync::Arc;

use quinn::crypto::rustls::QuicServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, kx_group};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, version};
use sori_wire::{ALPN, EXPORTER_CONTEXT, EXPORTER_LABEL, Exporter};

use crate::key::RelaySecret;

/// The TLS half of the server's QUIC configuration. `None` if the library refuses a part of it,
/// which a test rules out.
pub(crate) fn server_config(secret: &RelaySecret) -> Option<QuicServerConfig> {
    let provider = Arc::new(CryptoProvider {
        kx_groups: vec![kx_group::X25519MLKEM768],
        ..aws_lc_rs::default_provider()
    });
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(secret.to_pkcs8().to_vec()));
    let signer = provider.key_provider.load_private_key(private).ok()?;
    let public = CertificateDer::from(secret.public().to_spki().to_vec());
    let certified = Arc::new(CertifiedKey::new(vec![public], signer));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])
        .ok()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(certified)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.max_early_data_size = 0;
    QuicServerConfig::try_from(config).ok()
}

/// The value that topic proofs on this connection are bound to (`protocol §2.2`).
pub(crate) fn exporter(connection: &quinn::Connection) -> Option<Exporter> {
    let mut bytes = [0; 32];
    connection
        .export_keying_material(&mut bytes, EXPORTER_LABEL, EXPORTER_CONTEXT)
        .ok()?;
    Some(Exporter::from_bytes(bytes))
}
