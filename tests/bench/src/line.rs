//! One connection of the load: encrypted bytes to and from a server.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Connection, Endpoint, RecvStream, SendStream, TransportConfig, VarInt};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, aws_lc_rs, verify_tls13_signature, verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme, version};
use sori_wire::{ALPN, EXPORTER_CONTEXT, EXPORTER_LABEL, Exporter, RelayKey};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::error::Error;
use crate::server::{Kind, Server};

/// How connections to one server are made. Cloning it is cheap.
#[derive(Clone, Debug)]
pub(crate) struct Dialler {
    kind: Kind,
    address: SocketAddr,
    tls: Arc<ClientConfig>,
    quic: Option<quinn::ClientConfig>,
}

/// What comes from the server.
#[derive(Debug)]
pub(crate) enum Reading {
    Quic(RecvStream, Connection),
    Tls(ReadHalf<TlsStream<TcpStream>>),
}

/// What goes to the server.
#[derive(Debug)]
pub(crate) enum Writing {
    Quic(SendStream),
    Tls(WriteHalf<TlsStream<TcpStream>>),
}

impl Dialler {
    /// # Errors
    /// [`Error::Tls`].
    pub(crate) fn new(server: &Server) -> Result<Self, Error> {
        let provider = aws_lc_rs::default_provider();
        let verifier = AnyServer {
            key: server.key,
            provider: provider.clone(),
        };
        let mut tls = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&version::TLS13])
            .map_err(|error| Error::Tls(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        tls.resumption = Resumption::disabled();
        if server.key.is_some() {
            tls.alpn_protocols = vec![ALPN.to_vec()];
        }
        let quic = (server.kind == Kind::Quic)
            .then(|| quic_config(&tls))
            .transpose()?;
        Ok(Self {
            kind: server.kind,
            address: server.address,
            tls: Arc::new(tls),
            quic,
        })
    }

    pub(crate) const fn kind(&self) -> Kind {
        self.kind
    }

    /// Connects; gives what proofs of the relay are made over, too.
    ///
    /// # Errors
    /// Whatever failed on the way.
    pub(crate) async fn dial(&self) -> Result<(Reading, Writing, Exporter), Error> {
        match &self.quic {
            Some(config) => self.dial_quic(config.clone()).await,
            None => self.dial_tls().await,
        }
    }

    /// Each connection has a socket of its own, as clients of their own have.
    async fn dial_quic(
        &self,
        config: quinn::ClientConfig,
    ) -> Result<(Reading, Writing, Exporter), Error> {
        let endpoint = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into())
            .map_err(Error::io("open a socket"))?;
        let failed = |error: &dyn std::fmt::Display| Error::Quic(error.to_string());
        let connecting = endpoint.connect_with(config, self.address, "localhost");
        let connection = connecting.map_err(|error| failed(&error))?.await;
        let connection = connection.map_err(|error| failed(&error))?;
        let streams = connection.open_bi().await;
        let (send, receive) = streams.map_err(|error| failed(&error))?;
        let mut bytes = [0; 32];
        connection
            .export_keying_material(&mut bytes, EXPORTER_LABEL, EXPORTER_CONTEXT)
            .map_err(|_error| Error::Answer("QUIC"))?;
        let exporter = Exporter::from_bytes(bytes);
        Ok((
            Reading::Quic(receive, connection),
            Writing::Quic(send),
            exporter,
        ))
    }

    async fn dial_tls(&self) -> Result<(Reading, Writing, Exporter), Error> {
        let mut stream = TcpStream::connect(self.address)
            .await
            .map_err(Error::io("connect"))?;
        stream.set_nodelay(true).map_err(Error::io("connect"))?;
        if self.kind == Kind::Nats {
            skip_greeting(&mut stream).await?;
        }
        let name = ServerName::try_from("localhost").map_err(|_error| Error::Answer("TLS"))?;
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let stream = connector
            .connect(name, stream)
            .await
            .map_err(Error::io("shake hands"))?;
        let exported = stream.get_ref().1.export_keying_material(
            [0; 32],
            EXPORTER_LABEL,
            Some(EXPORTER_CONTEXT),
        );
        let exporter = exported.map_err(|error| Error::Tls(error.to_string()))?;
        let (read, write) = tokio::io::split(stream);
        Ok((
            Reading::Tls(read),
            Writing::Tls(write),
            Exporter::from_bytes(exporter),
        ))
    }
}

/// NATS says a line in the clear before TLS.
async fn skip_greeting(stream: &mut TcpStream) -> Result<(), Error> {
    while stream.read_u8().await.map_err(Error::io("hear NATS"))? != b'\n' {}
    Ok(())
}

fn quic_config(tls: &ClientConfig) -> Result<quinn::ClientConfig, Error> {
    let tls = QuicClientConfig::try_from(tls.clone());
    let tls = tls.map_err(|error| Error::Tls(error.to_string()))?;
    let mut config = quinn::ClientConfig::new(Arc::new(tls));
    let mut transport = TransportConfig::default();
    transport.stream_receive_window(VarInt::from_u32(1 << 20));
    // Those that do nothing stay, however long it takes until all of them are there.
    transport.keep_alive_interval(Some(KEEP_ALIVE));
    transport.max_idle_timeout(None);
    config.transport_config(Arc::new(transport));
    Ok(config)
}

impl Reading {
    /// Reads something into `buffer`; how much.
    ///
    /// # Errors
    /// If the connection has ended.
    pub(crate) async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let len = match self {
            Self::Quic(stream, _) => stream.read(buffer).await.ok().flatten().unwrap_or(0),
            Self::Tls(stream) => stream.read(buffer).await.map_err(Error::io("read"))?,
        };
        match len {
            0 => Err(Error::Answer("the server")),
            len => Ok(len),
        }
    }

    /// Whether the server has not given the connection up, as far as that is known here.
    pub(crate) fn is_open(&self) -> bool {
        match self {
            Self::Quic(_, connection) => connection.close_reason().is_none(),
            Self::Tls(_) => true,
        }
    }

    /// Reads exactly so much.
    ///
    /// # Errors
    /// If the connection has ended.
    pub(crate) async fn read_exact(&mut self, buffer: &mut [u8]) -> Result<(), Error> {
        let mut filled = 0;
        while filled < buffer.len() {
            let rest = buffer.get_mut(filled..).unwrap_or_default();
            filled += self.read(rest).await?;
        }
        Ok(())
    }
}

impl Writing {
    /// Writes all of it.
    ///
    /// # Errors
    /// If the connection has ended.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        match self {
            Self::Quic(stream) => {
                let written = stream.write_all(bytes).await;
                written.map_err(|error| Error::Quic(error.to_string()))
            }
            Self::Tls(stream) => {
                stream.write_all(bytes).await.map_err(Error::io("write"))?;
                stream.flush().await.map_err(Error::io("write"))
            }
        }
    }
}

/// Accepts the one relay, or any broker: it was started here. Signatures are checked as anywhere.
#[derive(Debug)]
struct AnyServer {
    key: Option<RelayKey>,
    provider: CryptoProvider,
}

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.key {
            Some(key) if end_entity.as_ref() != key.to_spki() => {
                Err(rustls::Error::General("another relay".to_owned()))
            }
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        if self.key.is_some() {
            let spki = SubjectPublicKeyInfoDer::from(cert.as_ref());
            return verify_tls13_signature_with_raw_key(message, &spki, dss, algorithms);
        }
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.key.is_some()
    }
}

/// Lets this process have as many connections as the system allows it.
pub(crate) fn raise_file_limit() -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    )?;
    Ok(())
}

/// How often a silent QUIC connection says that it is there: the relay gives it up after 60 s.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
