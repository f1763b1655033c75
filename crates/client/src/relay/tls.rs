//! TLS 1.3 towards a relay: X25519MLKEM768 only, the relay's raw public key pinned (RFC 7250) or its
//! certificate checked, no tickets, no early data, no server name on the wire.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use sori_wire::{RelayIdentity, RelayKey};

/// The configuration for a connection to the relay of this identity.
///
/// # Errors
/// If the provider cannot do TLS 1.3, which would be a fault of the build, or if the system trusts
/// no authority at all and one is needed.
pub(super) fn config(identity: &RelayIdentity) -> Result<ClientConfig, Error> {
    let provider = Arc::new(CryptoProvider {
        // Whoever records today's traffic must not be able to open it with a later quantum
        // computer, so there is no classical exchange to fall back to.
        kx_groups: vec![aws_lc_rs::kx_group::X25519MLKEM768],
        ..aws_lc_rs::default_provider()
    });
    let verifier: Arc<dyn ServerCertVerifier> = match identity {
        RelayIdentity::Key(key) => Arc::new(PinnedKey::new(key, &provider)),
        RelayIdentity::WebPki => {
            let roots = Arc::new(system_roots());
            WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
                .build()
                .map_err(|error| Error::General(error.to_string()))?
        }
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![sori_wire::ALPN.to_vec()];
    // Tickets and early data would link two connections of one client.
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    // The name would stand in the clear, and a relay has one certificate, whatever it is asked for.
    config.enable_sni = false;
    Ok(config)
}

/// The authorities that this system trusts. A file that cannot be read is as one that is not there.
fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let _added_and_ignored = roots.add_parsable_certificates(found.certs);
    roots
}

/// Accepts exactly one raw public key and proof of holding it.
#[derive(Debug)]
struct PinnedKey {
    spki: [u8; 44],
    algorithms: WebPkiSupportedAlgorithms,
}

impl PinnedKey {
    fn new(key: &RelayKey, provider: &CryptoProvider) -> Self {
        Self {
            spki: key.to_spki(),
            algorithms: provider.signature_verification_algorithms,
        }
    }
}

impl ServerCertVerifier for PinnedKey {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if end_entity.as_ref() == self.spki {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Error::InvalidCertificate(
            CertificateError::ApplicationVerificationFailure,
        ))
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::InvalidCertificate(
            CertificateError::ApplicationVerificationFailure,
        ))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let spki = SubjectPublicKeyInfoDer::from(cert.as_ref());
        rustls::crypto::verify_tls13_signature_with_raw_key(message, &spki, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
