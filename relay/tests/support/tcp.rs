//! A client of the relay protocol inside TLS over any byte stream.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::ServerName;
use sori_wire::{
    AccessKey, ClientMessage, Decoder, EXPORTER_CONTEXT, EXPORTER_LABEL, Exporter, Frame, Handle,
    Refusal, RelayMessage, RelayUrl, RequestId, TopicSeed,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::client::{Config, tls_config};
use super::within;

pub struct TcpClient {
    pub stream: TlsStream<TcpStream>,
    decoder: Decoder<RelayMessage>,
    requests: u32,
}

impl TcpClient {
    pub async fn connect(url: &RelayUrl) -> Self {
        let config = tls_config(Config::default(), *url.identity());
        Self::connect_with(url, config, Ipv4Addr::LOCALHOST)
            .await
            .unwrap()
    }

    pub async fn connect_with(
        url: &RelayUrl,
        config: ClientConfig,
        from: Ipv4Addr,
    ) -> std::io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(from.into(), 0))?;
        let address = url
            .host()
            .address()
            .unwrap_or_else(|| Ipv4Addr::LOCALHOST.into());
        let stream = socket.connect(SocketAddr::new(address, url.port())).await?;
        Self::over(stream, config, "relay.invalid").await
    }

    pub async fn over(
        stream: TcpStream,
        config: ClientConfig,
        name: &str,
    ) -> std::io::Result<Self> {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        let stream = within(connector.connect(name, stream)).await?;
        Ok(Self {
            stream,
            decoder: Decoder::new(),
            requests: 0,
        })
    }

    pub fn exporter(&self) -> Exporter {
        let mut bytes = [0; 32];
        let tls = self.stream.get_ref().1;
        tls.export_keying_material(&mut bytes, EXPORTER_LABEL, Some(EXPORTER_CONTEXT))
            .unwrap();
        Exporter::from_bytes(bytes)
    }

    pub async fn show(&mut self, key: &AccessKey) {
        let proof = key.prove(&self.exporter());
        self.say(&ClientMessage::Access { proof }).await;
    }

    pub async fn attach(&mut self, seed: &TopicSeed) -> Handle {
        let request = self.next_request();
        let proof = seed.prove(&self.exporter());
        let topic = seed.topic();
        self.say(&ClientMessage::Attach {
            request,
            topic,
            proof,
        })
        .await;
        match self.hear().await {
            Some(RelayMessage::Attached { handle, .. }) => handle,
            other => panic!("not attached: {other:?}"),
        }
    }

    pub async fn publish(&mut self, handle: Handle, frame: &[u8]) -> Result<u32, Refusal> {
        let request = self.next_request();
        let frame = Frame::new(frame.to_vec()).unwrap();
        self.say(&ClientMessage::Publish {
            request,
            handle,
            frame,
        })
        .await;
        loop {
            match self.hear().await {
                Some(RelayMessage::Published { receivers, .. }) => return Ok(receivers),
                Some(RelayMessage::Refused { reason, .. }) => return Err(reason),
                Some(RelayMessage::Gap { .. }) => {}
                other => panic!("not an answer: {other:?}"),
            }
        }
    }

    pub async fn say(&mut self, message: &ClientMessage) {
        self.stream.write_all(&message.encode()).await.unwrap();
    }

    /// The next message; `None` at the end.
    pub async fn hear(&mut self) -> Option<RelayMessage> {
        within(async {
            let mut buffer = vec![0; 70_000];
            loop {
                if let Some(message) = self.decoder.next().unwrap() {
                    return Some(message);
                }
                match self.stream.read(&mut buffer).await {
                    Ok(0) | Err(_) => return None,
                    Ok(len) => self.decoder.push(&buffer[..len]),
                }
            }
        })
        .await
    }

    fn next_request(&mut self) -> RequestId {
        self.requests += 1;
        RequestId(self.requests)
    }
}

/// A client that accepts what `verifier` accepts.
pub fn with_verifier(verifier: Arc<dyn ServerCertVerifier>) -> ClientConfig {
    let mut config = super::client::builder(Config::default().groups)
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![sori_wire::ALPN.to_vec()];
    config
}
