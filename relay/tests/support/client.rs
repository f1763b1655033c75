//! A client of the relay protocol on bare quinn, so that nothing of our own client is between the
//! test and the relay.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, Endpoint, RecvStream, SendStream, TransportConfig, VarInt};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientSessionStore, Resumption, Tls12ClientSessionValue};
use rustls::client::{Tls12Resumption, Tls13ClientSessionValue};
use rustls::crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::{DigitallySignedStruct, Error, NamedGroup, SignatureScheme, version};
use sori_wire::{
    ALPN, ClientMessage, Decoder, EXPORTER_CONTEXT, EXPORTER_LABEL, Exporter, Frame, Handle,
    Refusal, RelayIdentity, RelayKey, RelayMessage, RelayUrl, RequestId, TopicSeed,
};

use super::within;

/// A topic seed that is the same byte 32 times.
pub fn seed(byte: u8) -> TopicSeed {
    TopicSeed::from_bytes([byte; 32])
}

/// How to connect.
#[derive(Clone)]
pub struct Config {
    pub alpn: Vec<u8>,
    pub groups: Vec<&'static dyn SupportedKxGroup>,
    pub key: Option<RelayKey>,
    /// Address of its own, any of the loopback's.
    pub from: IpAddr,
    /// Bytes that the client lets the relay send before it reads.
    pub window: u32,
    pub recorder: Arc<Recorder>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            alpn: ALPN.to_vec(),
            groups: vec![aws_lc_rs::kx_group::X25519MLKEM768],
            key: None,
            from: Ipv4Addr::LOCALHOST.into(),
            window: 1 << 20,
            recorder: Arc::default(),
        }
    }
}

/// Counts what would let a server recognise a session.
#[derive(Debug, Default)]
pub struct Recorder {
    pub tickets: AtomicUsize,
    pub tokens: AtomicUsize,
    groups: Mutex<Vec<NamedGroup>>,
}

pub struct Client {
    pub endpoint: Endpoint,
    pub connection: Connection,
    pub send: SendStream,
    pub receive: RecvStream,
    decoder: Decoder<RelayMessage>,
    requests: u32,
}

impl Client {
    pub async fn connect(url: &RelayUrl) -> Self {
        Self::connect_with(url, Config::default()).await.unwrap()
    }

    pub async fn connect_with(
        url: &RelayUrl,
        config: Config,
    ) -> Result<Self, quinn::ConnectionError> {
        let address = SocketAddr::new(url.host().address().unwrap(), url.port());
        let mut endpoint = Endpoint::client(SocketAddr::new(config.from, 0)).unwrap();
        endpoint.set_default_client_config(client_config(config, *url.identity()));
        Self::over(endpoint, address, "relay.invalid").await
    }

    pub async fn over(
        endpoint: Endpoint,
        address: SocketAddr,
        name: &str,
    ) -> Result<Self, quinn::ConnectionError> {
        let connecting = endpoint.connect(address, name).unwrap();
        let connection = within(connecting).await?;
        let (send, receive) = connection.open_bi().await?;
        Ok(Self {
            endpoint,
            connection,
            send,
            receive,
            decoder: Decoder::new(),
            requests: 0,
        })
    }

    pub fn exporter(&self) -> Exporter {
        let mut bytes = [0; 32];
        self.connection
            .export_keying_material(&mut bytes, EXPORTER_LABEL, EXPORTER_CONTEXT)
            .unwrap();
        Exporter::from_bytes(bytes)
    }

    pub async fn attach(&mut self, seed: &TopicSeed) -> Handle {
        self.try_attach(seed, &self.exporter()).await.unwrap()
    }

    pub async fn try_attach(
        &mut self,
        seed: &TopicSeed,
        exporter: &Exporter,
    ) -> Result<Handle, Refusal> {
        let request = self.next_request();
        self.say(&ClientMessage::Attach {
            request,
            topic: seed.topic(),
            proof: seed.prove(exporter),
        })
        .await;
        match self.hear().await {
            RelayMessage::Attached {
                request: of,
                handle,
            } if of == request => Ok(handle),
            RelayMessage::Refused {
                request: of,
                reason,
            } if of == request => Err(reason),
            other => panic!("not an answer to the request: {other:?}"),
        }
    }

    /// Publishes and waits for the answer, which must come before anything else.
    pub async fn publish(&mut self, handle: Handle, frame: &[u8]) -> Result<u32, Refusal> {
        let request = self.next_request();
        let frame = Frame::new(frame.to_vec()).unwrap();
        self.say(&ClientMessage::Publish {
            request,
            handle,
            frame,
        })
        .await;
        match self.hear().await {
            RelayMessage::Published {
                request: of,
                receivers,
            } if of == request => Ok(receivers),
            RelayMessage::Refused {
                request: of,
                reason,
            } if of == request => Err(reason),
            other => panic!("not an answer to the request: {other:?}"),
        }
    }

    pub async fn say(&mut self, message: &ClientMessage) {
        self.send.write_all(&message.encode()).await.unwrap();
    }

    pub async fn hear(&mut self) -> RelayMessage {
        within(self.try_hear()).await.expect("the stream ended")
    }

    /// The next message; `None` at the end of the stream or connection.
    pub async fn try_hear(&mut self) -> Option<RelayMessage> {
        loop {
            if let Some(message) = self.decoder.next().unwrap() {
                return Some(message);
            }
            let chunk = self.receive.read_chunk(1 << 16, true).await.ok()??;
            self.decoder.push(&chunk.bytes);
        }
    }

    pub async fn hear_frame(&mut self) -> (Handle, Bytes) {
        match self.hear().await {
            RelayMessage::Deliver { handle, frame } => (handle, frame.into_bytes().into()),
            other => panic!("not a frame: {other:?}"),
        }
    }

    /// Shows that nothing is on its way: the answer to a bad request comes first.
    pub async fn hears_nothing(&mut self) {
        let refused = self.publish(Handle(u32::MAX), b"").await;
        assert_eq!(refused, Err(Refusal::UnknownHandle));
    }

    /// The number with which the relay closes the connection, which it does without a word.
    pub async fn close_number(&self) -> u64 {
        match within(self.connection.closed()).await {
            quinn::ConnectionError::ApplicationClosed(close) => {
                assert!(close.reason.is_empty(), "a reason in words");
                close.error_code.into_inner()
            }
            other => panic!("not closed by the relay: {other:?}"),
        }
    }

    fn next_request(&mut self) -> RequestId {
        self.requests += 1;
        RequestId(self.requests)
    }
}

fn client_config(config: Config, identity: RelayIdentity) -> ClientConfig {
    let (window, recorder) = (config.window, Arc::clone(&config.recorder));
    let mut client = quic_config(tls_config(config, identity), window);
    client.token_store(recorder);
    client
}

/// QUIC with the given TLS.
pub fn quic_config(tls: rustls::ClientConfig, window: u32) -> ClientConfig {
    let mut client = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    let mut transport = TransportConfig::default();
    transport
        .stream_receive_window(VarInt::from_u32(window))
        .keep_alive_interval(Some(Duration::from_secs(1)));
    client.transport_config(Arc::new(transport));
    client
}

/// The TLS of a client that pins a key.
pub fn tls_config(config: Config, identity: RelayIdentity) -> rustls::ClientConfig {
    let verifier = Pinned {
        key: config.key.unwrap_or_else(|| pinned(identity)),
        algorithms: aws_lc_rs::default_provider().signature_verification_algorithms,
    };
    let mut tls = builder(config.groups)
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    tls.alpn_protocols = vec![config.alpn];
    let store: Arc<dyn ClientSessionStore> = config.recorder as _;
    tls.resumption = Resumption::store(store).tls12_resumption(Tls12Resumption::Disabled);
    tls
}

pub fn builder(
    groups: Vec<&'static dyn SupportedKxGroup>,
) -> rustls::ConfigBuilder<rustls::ClientConfig, rustls::WantsVerifier> {
    let provider = Arc::new(CryptoProvider {
        kx_groups: groups,
        ..aws_lc_rs::default_provider()
    });
    rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])
        .unwrap()
}

fn pinned(identity: RelayIdentity) -> RelayKey {
    match identity {
        RelayIdentity::Key(key) => key,
        RelayIdentity::WebPki => panic!("this client knows keys only"),
    }
}

/// Accepts the relay whose key stands in its URL, and no other.
#[derive(Debug)]
struct Pinned {
    key: RelayKey,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if end_entity.as_ref() == self.key.to_spki() {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Error::General("another relay".into()))
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("not TLS 1.3".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
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

impl ClientSessionStore for Recorder {
    fn set_kx_hint(&self, _: ServerName<'static>, group: NamedGroup) {
        self.groups.lock().unwrap().push(group);
    }

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
    fn insert(&self, _: &str, _: Bytes) {
        self.tokens.fetch_add(1, Ordering::Relaxed);
    }

    fn take(&self, _: &str) -> Option<Bytes> {
        None
    }
}
