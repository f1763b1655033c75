//! The TLS of the suite's client: as strict as the protocol asks, or as wrong as a check wants it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use quinn::crypto::rustls::QuicClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientSessionStore, ResolvesClientCert, Resumption, Tls12ClientSessionValue};
use rustls::client::{Tls12Resumption, Tls13ClientSessionValue};
use rustls::crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, NamedGroup, SignatureScheme, version};

use crate::finding::Finding;

use super::Options;

/// What the relay offered that would let it recognise the client, or asked of it.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    tickets: AtomicUsize,
    tokens: AtomicUsize,
    certificate_requests: AtomicUsize,
    keys: Mutex<Vec<Vec<u8>>>,
}

impl Recorder {
    pub(crate) fn tickets(&self) -> usize {
        self.tickets.load(Ordering::Relaxed)
    }

    pub(crate) fn tokens(&self) -> usize {
        self.tokens.load(Ordering::Relaxed)
    }

    pub(crate) fn certificate_requests(&self) -> usize {
        self.certificate_requests.load(Ordering::Relaxed)
    }

    /// What the relay presented as its identity, last.
    pub(crate) fn presented(&self) -> Option<Vec<u8>> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.last().cloned()
    }
}

/// The configuration that `options` ask for; the relay has to prove that it has `key`.
pub(crate) fn client(
    options: &Options,
    key: [u8; 32],
    recorder: &Arc<Recorder>,
) -> Result<ClientConfig, Finding> {
    let provider = Arc::new(CryptoProvider {
        kx_groups: options.groups.clone(),
        ..aws_lc_rs::default_provider()
    });
    let verifier = Pinned {
        key: options.pinned.unwrap_or(key),
        algorithms: provider.signature_verification_algorithms,
        recorder: Arc::clone(recorder),
    };
    let mut tls = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])
        .map_err(Finding::not_seen)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::clone(recorder) as _);
    tls.alpn_protocols.clone_from(&options.alpn);
    tls.resumption =
        Resumption::store(Arc::clone(recorder) as _).tls12_resumption(Tls12Resumption::Disabled);
    Ok(tls)
}

/// The same for QUIC.
pub(crate) fn quic(tls: ClientConfig) -> Result<QuicClientConfig, Finding> {
    QuicClientConfig::try_from(tls).map_err(Finding::not_seen)
}

/// The one group of the protocol.
pub(crate) fn hybrid() -> Vec<&'static dyn SupportedKxGroup> {
    vec![aws_lc_rs::kx_group::X25519MLKEM768]
}

/// An Ed25519 public key as SubjectPublicKeyInfo (RFC 8410).
pub(crate) fn spki(key: &[u8; 32]) -> Vec<u8> {
    const PREFIX: [u8; 12] = [
        0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
    ];
    [PREFIX.as_slice(), key].concat()
}

#[derive(Debug)]
struct Pinned {
    key: [u8; 32],
    algorithms: WebPkiSupportedAlgorithms,
    recorder: Arc<Recorder>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let keys = self.recorder.keys.lock();
        let mut keys = keys.unwrap_or_else(PoisonError::into_inner);
        keys.push(end_entity.to_vec());
        if end_entity.as_ref() == spki(&self.key) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(rustls::Error::General("another relay".into()))
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("not TLS 1.3".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let key = SubjectPublicKeyInfoDer::from(cert.as_ref());
        verify_tls13_signature_with_raw_key(message, &key, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ResolvesClientCert for Recorder {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.certificate_requests.fetch_add(1, Ordering::Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl ClientSessionStore for Recorder {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, _: Tls13ClientSessionValue) {
        self.tickets.fetch_add(1, Ordering::Relaxed);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        None
    }
}

impl quinn::TokenStore for Recorder {
    fn insert(&self, _: &str, _: bytes::Bytes) {
        self.tokens.fetch_add(1, Ordering::Relaxed);
    }

    fn take(&self, _: &str) -> Option<bytes::Bytes> {
        None
    }
}
