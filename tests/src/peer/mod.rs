//! A client of the relay protocol that can do everything wrong.
//!
//! It speaks over QUIC and over TLS on TCP, sends any bytes, and reads what comes back strictly. Waiting is bounded:
//! what does not come within [`PATIENCE`] did not come.

pub(crate) mod datagram;
pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod hello;
mod proof;
mod tap;
pub(crate) mod tls;

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use quinn::{ConnectionError, Endpoint, ReadError, RecvStream, SendStream, VarInt};
use rustls::crypto::SupportedKxGroup;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::finding::{Finding, must};
use crate::stage::{Stage, Tape};

pub(crate) use decode::Said;
pub(crate) use proof::{ATTACH_LABEL, Topic, access, second_encoding};
pub(crate) use tap::Tap;
use tls::Recorder;

/// The protocol's name.
pub(crate) const ALPN: &[u8] = b"sori/1";

/// What exporter values are for.
pub(crate) const EXPORTER_LABEL: &[u8] = b"EXPORTER-sori-topic-proof";

/// And in which protocol.
pub(crate) const EXPORTER_CONTEXT: &[u8] = b"sori/1";

/// How long to wait for what has to come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// How long a relay may take to close a connection whose peer has finished.
const CLOSES: Duration = Duration::from_secs(2);

/// What carries a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    Quic,
    Tcp,
}

impl Via {
    pub(crate) const BOTH: [Self; 2] = [Self::Quic, Self::Tcp];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Quic => "QUIC",
            Self::Tcp => "TLS over TCP",
        }
    }
}

/// How to show the access key of a private relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entrance {
    /// As the protocol says, if there is a key.
    Honest,
    /// Say nothing.
    Silent,
}

/// How to connect.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) via: Via,
    pub(crate) alpn: Vec<Vec<u8>>,
    pub(crate) groups: Vec<&'static dyn SupportedKxGroup>,
    pub(crate) entrance: Entrance,
    /// The key to expect instead of that of the URL.
    pub(crate) pinned: Option<[u8; 32]>,
    /// Own address; any of the loopback's is ours.
    pub(crate) from: Option<Ipv4Addr>,
    /// Where to send instead of to the relay itself.
    pub(crate) to: Option<SocketAddr>,
    /// Bytes that the relay may send before they are read.
    pub(crate) window: u32,
    /// Whether to keep the connection alive.
    pub(crate) pings: bool,
}

impl Options {
    pub(crate) fn new(via: Via) -> Self {
        Self {
            via,
            alpn: vec![ALPN.to_vec()],
            groups: tls::hybrid(),
            entrance: Entrance::Honest,
            pinned: None,
            from: None,
            to: None,
            window: 1 << 20,
            pings: true,
        }
    }

    pub(crate) const fn from(mut self, address: Ipv4Addr) -> Self {
        self.from = Some(address);
        self
    }

    pub(crate) const fn silent(mut self) -> Self {
        self.entrance = Entrance::Silent;
        self
    }

    pub(crate) const fn window(mut self, bytes: u32) -> Self {
        self.window = bytes;
        self
    }
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// The number of `docs/protocol.md` 2.7, if one was given.
    pub(crate) code: Option<u32>,
    /// Words that came with it.
    pub(crate) phrase: Vec<u8>,
    /// In words.
    pub(crate) how: String,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Said(Said),
    Ended(End),
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) carrier: Carrier,
    pub(crate) exporter: [u8; 32],
    pub(crate) recorder: Arc<Recorder>,
    arrived: Vec<u8>,
    requests: u32,
    closing: Option<u32>,
    tape: Tape,
}

/// What a session goes over.
#[derive(Debug)]
pub(crate) enum Carrier {
    Quic {
        endpoint: Endpoint,
        connection: quinn::Connection,
        send: SendStream,
        receive: RecvStream,
    },
    Tcp(Box<TlsStream<TcpStream>>),
}

impl Peer {
    pub(crate) async fn connect(stage: &Stage, options: &Options) -> Result<Self, Finding> {
        let recorder = Arc::new(Recorder::default());
        let mut peer = match options.via {
            Via::Quic => Self::over_quic(stage, options, recorder).await,
            Via::Tcp => Self::over_tcp(stage, options, recorder).await,
        }
        .map_err(|finding| finding.during(format!("connecting over {}", options.via.name())))?;
        peer.exporter = peer.export(EXPORTER_LABEL, EXPORTER_CONTEXT)?;
        if let (Entrance::Honest, Some(key)) = (options.entrance, stage.target.access()) {
            peer.send(&encode::access(&access(&key, &peer.exporter)))
                .await;
        }
        Ok(peer)
    }

    /// A connection over QUIC on which no stream was opened.
    pub(crate) async fn quic_connection(
        stage: &Stage,
        options: &Options,
        recorder: &Arc<Recorder>,
    ) -> Result<(Endpoint, quinn::Connection), Finding> {
        let target = stage.target.address();
        let to = options.to.unwrap_or(target);
        let mut endpoint = Endpoint::client(SocketAddr::new(own_address(options, to), 0))
            .map_err(Finding::not_seen)?;
        let tls = tls::client(options, stage.target.key(), recorder)?;
        let mut config = quinn::ClientConfig::new(Arc::new(tls::quic(tls)?));
        let mut transport = quinn::TransportConfig::default();
        transport.stream_receive_window(VarInt::from_u32(options.window));
        if options.pings {
            transport.keep_alive_interval(Some(Duration::from_secs(5)));
        } else {
            transport.max_idle_timeout(None);
        }
        config.transport_config(Arc::new(transport));
        config.token_store(Arc::clone(recorder) as _);
        endpoint.set_default_client_config(config);
        let connecting = endpoint.connect(to, NO_NAME).map_err(Finding::not_seen)?;
        let connection = within("a handshake", connecting)
            .await?
            .map_err(Finding::not_seen)?;
        Ok((endpoint, connection))
    }

    async fn over_quic(
        stage: &Stage,
        options: &Options,
        recorder: Arc<Recorder>,
    ) -> Result<Self, Finding> {
        let (endpoint, connection) = Self::quic_connection(stage, options, &recorder).await?;
        let (send, receive) = within("a stream", connection.open_bi())
            .await?
            .map_err(Finding::not_seen)?;
        let carrier = Carrier::Quic {
            endpoint,
            connection,
            send,
            receive,
        };
        Ok(Self::new(carrier, recorder, stage))
    }

    async fn over_tcp(
        stage: &Stage,
        options: &Options,
        recorder: Arc<Recorder>,
    ) -> Result<Self, Finding> {
        let stream = tcp(stage, options).await?;
        let tls = tls::client(options, stage.target.key(), &recorder)?;
        let name = ServerName::try_from(NO_NAME).map_err(Finding::not_seen)?;
        let connecting = TlsConnector::from(Arc::new(tls)).connect(name, stream);
        let stream = within("a handshake", connecting)
            .await?
            .map_err(Finding::not_seen)?;
        Ok(Self::new(Carrier::Tcp(Box::new(stream)), recorder, stage))
    }

    fn new(carrier: Carrier, recorder: Arc<Recorder>, stage: &Stage) -> Self {
        Self {
            carrier,
            exporter: [0; 32],
            recorder,
            arrived: Vec::new(),
            requests: 0,
            closing: None,
            tape: stage.tape.clone(),
        }
    }

    /// An exporter value of this connection.
    pub(crate) fn export(&self, label: &[u8], context: &[u8]) -> Result<[u8; 32], Finding> {
        let mut value = [0; 32];
        match &self.carrier {
            Carrier::Quic { connection, .. } => connection
                .export_keying_material(&mut value, label, context)
                .map_err(|_| Finding::not_seen("TLS gives no exporter value"))?,
            Carrier::Tcp(stream) => {
                let tls = stream.get_ref().1;
                tls.export_keying_material(&mut value, label, Some(context))
                    .map_err(Finding::not_seen)?;
            }
        }
        Ok(value)
    }

    /// Sends any bytes. What cannot be sent any more is noticed when reading.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.tape.bytes("->", bytes);
        let sent = match &mut self.carrier {
            Carrier::Quic { send, .. } => timeout(PATIENCE, send.write_all(bytes))
                .await
                .is_ok_and(|sent| sent.is_ok()),
            Carrier::Tcp(stream) => timeout(PATIENCE, async {
                stream.write_all(bytes).await?;
                stream.flush().await
            })
            .await
            .is_ok_and(|sent| sent.is_ok()),
        };
        if !sent {
            self.tape.note("-> not taken");
        }
    }

    /// Ends the own direction.
    pub(crate) async fn finish(&mut self) {
        self.tape.note("-> end of the stream");
        match &mut self.carrier {
            Carrier::Quic { send, .. } => {
                let _already = send.finish();
            }
            Carrier::Tcp(stream) => {
                let _already = timeout(PATIENCE, stream.shutdown()).await;
            }
        }
    }

    /// What comes next, within [`PATIENCE`].
    pub(crate) async fn next(&mut self) -> Result<Next, Finding> {
        self.next_within(PATIENCE).await
    }

    /// What comes next; a finding if nothing does.
    pub(crate) async fn next_within(&mut self, patience: Duration) -> Result<Next, Finding> {
        let read = async {
            loop {
                if let Some(said) = decode::take(&mut self.arrived)? {
                    self.tape.note(format!("<- {}", brief(&said)));
                    if let Said::Closing { code } = said {
                        self.closing = Some(code);
                    }
                    return Ok(Next::Said(said));
                }
                if let Some(end) = self.read().await {
                    self.tape.note(format!("<- {}", end.how));
                    return Ok(Next::Ended(end));
                }
            }
        };
        timeout(patience, read)
            .await
            .map_err(|_| Finding::broken(format!("nothing came for {patience:?}")))?
    }

    /// The next message.
    pub(crate) async fn hear(&mut self) -> Result<Said, Finding> {
        match self.next().await? {
            Next::Said(said) => Ok(said),
            Next::Ended(end) => Err(Finding::broken(format!(
                "the connection ended instead: {}",
                end.how
            ))),
        }
    }

    /// How the connection ends; what comes before is passed over.
    pub(crate) async fn ended_within(&mut self, patience: Duration) -> Result<End, Finding> {
        let ended = async {
            loop {
                if let Next::Ended(end) = self.next_within(patience).await? {
                    return Ok(end);
                }
            }
        };
        timeout(patience, ended).await.map_err(|_| {
            Finding::broken(format!("the connection was not ended within {patience:?}"))
        })?
    }

    pub(crate) const fn next_request(&mut self) -> u32 {
        self.requests = self.requests.wrapping_add(1);
        self.requests
    }

    /// Attaches honestly.
    pub(crate) async fn attach(&mut self, topic: &Topic) -> Result<u32, Finding> {
        let proof = topic.prove(&self.exporter);
        match self.ask_attach(&topic.name(), &proof).await? {
            Ok(handle) => Ok(handle),
            Err(refusal) => Err(Finding::broken(format!(
                "an honest Attach was refused with {refusal}"
            ))),
        }
    }

    /// Asks to attach with any proof: a handle or a refusal.
    pub(crate) async fn ask_attach(
        &mut self,
        topic: &[u8; 32],
        proof: &[u8; 64],
    ) -> Result<Result<u32, u8>, Finding> {
        let request = self.next_request();
        self.send(&encode::attach(request, topic, proof)).await;
        match self.hear().await? {
            Said::Attached {
                request: of,
                handle,
            } if of == request => Ok(Ok(handle)),
            Said::Refused {
                request: of,
                refusal,
            } if of == request => Ok(Err(refusal)),
            other => Err(unexpected(&other, "an answer to Attach")),
        }
    }

    /// Publishes honestly, and waits for the answer, which has to come next: how many receivers.
    pub(crate) async fn publish(&mut self, handle: u32, frame: &[u8]) -> Result<u32, Finding> {
        match self.ask_publish(handle, frame).await? {
            Ok(receivers) => Ok(receivers),
            Err(refusal) => Err(Finding::broken(format!(
                "an honest Publish was refused with {refusal}"
            ))),
        }
    }

    pub(crate) async fn ask_publish(
        &mut self,
        handle: u32,
        frame: &[u8],
    ) -> Result<Result<u32, u8>, Finding> {
        let request = self.next_request();
        self.send(&encode::publish(request, handle, frame)).await;
        match self.hear().await? {
            Said::Published {
                request: of,
                receivers,
            } if of == request => Ok(Ok(receivers)),
            Said::Refused {
                request: of,
                refusal,
            } if of == request => Ok(Err(refusal)),
            other => Err(unexpected(&other, "an answer to Publish")),
        }
    }

    /// The next message, which has to be a frame.
    pub(crate) async fn frame(&mut self) -> Result<(u32, Vec<u8>), Finding> {
        match self.hear().await? {
            Said::Deliver { handle, frame } => Ok((handle, frame)),
            other => Err(unexpected(&other, "a frame")),
        }
    }

    /// Shows that nothing is on its way: the refusal of a publish through a handle that nobody has comes first.
    pub(crate) async fn quiet(&mut self) -> Result<(), Finding> {
        match self.ask_publish(NO_HANDLE, b"").await? {
            Err(3) => Ok(()),
            other => Err(Finding::broken(format!(
                "a handle that was never given was answered with {other:?}"
            ))),
        }
    }

    /// Leaves in good order; the relay knows of it when this returns.
    pub(crate) async fn leave(mut self) {
        self.finish().await;
        match self.carrier {
            Carrier::Quic {
                endpoint,
                connection,
                ..
            } => {
                // The end of a stream is sent until it arrives, a close only once: whoever missed it would take the
                // connection to be there for a minute. So the relay is to say first that it is over.
                let _over = timeout(CLOSES, connection.closed()).await;
                connection.close(VarInt::from_u32(0), b"");
                let _gone = timeout(PATIENCE, endpoint.wait_idle()).await;
            }
            Carrier::Tcp(mut stream) => {
                let mut rest = vec![0; 1 << 16];
                let read = async { while stream.read(&mut rest).await.is_ok_and(|len| len > 0) {} };
                let _gone = timeout(PATIENCE, read).await;
            }
        }
    }

    /// Goes at once, without waiting for anything.
    pub(crate) fn go(self) {
        self.tape.note("-> gone");
        if let Carrier::Quic { connection, .. } = &self.carrier {
            connection.close(VarInt::from_u32(0), b"");
        }
    }

    /// The QUIC connection, for what only it can do.
    pub(crate) const fn quic(&self) -> Option<&quinn::Connection> {
        match &self.carrier {
            Carrier::Quic { connection, .. } => Some(connection),
            Carrier::Tcp(_) => None,
        }
    }

    async fn read(&mut self) -> Option<End> {
        let mut buffer = vec![0; 1 << 16];
        match &mut self.carrier {
            Carrier::Quic {
                connection,
                receive,
                ..
            } => match receive.read(&mut buffer).await {
                Ok(Some(len)) => {
                    self.arrived.extend(buffer.iter().take(len));
                    None
                }
                Ok(None) => Some(end_of(&connection.closed().await)),
                Err(ReadError::ConnectionLost(error)) => Some(end_of(&error)),
                Err(error) => Some(End {
                    code: None,
                    phrase: Vec::new(),
                    how: format!("the stream broke: {error}"),
                }),
            },
            Carrier::Tcp(stream) => match stream.read(&mut buffer).await {
                Ok(len) if len > 0 => {
                    self.arrived.extend(buffer.iter().take(len));
                    None
                }
                ended => Some(End {
                    code: self.closing,
                    phrase: Vec::new(),
                    how: match ended {
                        Ok(_) => format!("end of the stream, closing number {:?}", self.closing),
                        Err(error) => format!("{error}, closing number {:?}", self.closing),
                    },
                }),
            },
        }
    }
}

fn end_of(error: &ConnectionError) -> End {
    let (code, phrase) = match error {
        ConnectionError::ApplicationClosed(close) => {
            let code = u32::try_from(close.error_code.into_inner()).ok();
            (code, close.reason.to_vec())
        }
        ConnectionError::ConnectionClosed(close) => (None, close.reason.to_vec()),
        ConnectionError::VersionMismatch
        | ConnectionError::TransportError(_)
        | ConnectionError::Reset
        | ConnectionError::TimedOut
        | ConnectionError::LocallyClosed
        | ConnectionError::CidsExhausted => (None, Vec::new()),
    };
    End {
        code,
        phrase,
        how: error.to_string(),
    }
}

/// A TCP connection without TLS.
pub(crate) async fn tcp(stage: &Stage, options: &Options) -> Result<TcpStream, Finding> {
    let to = options.to.unwrap_or_else(|| stage.target.address());
    let socket = match to {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }
    .map_err(Finding::not_seen)?;
    if options.window < SMALL_WINDOW {
        socket
            .set_recv_buffer_size(options.window)
            .map_err(Finding::not_seen)?;
    }
    socket
        .bind(SocketAddr::new(own_address(options, to), 0))
        .map_err(Finding::not_seen)?;
    let stream = within("a TCP connection", socket.connect(to))
        .await?
        .map_err(Finding::not_seen)?;
    stream.set_nodelay(true).map_err(Finding::not_seen)?;
    Ok(stream)
}

fn own_address(options: &Options, to: SocketAddr) -> IpAddr {
    match (options.from, to) {
        (Some(from), SocketAddr::V4(_)) => from.into(),
        (_, SocketAddr::V4(_)) => Ipv4Addr::UNSPECIFIED.into(),
        (_, SocketAddr::V6(_)) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// Waits for something that has to happen.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> Result<T, Finding> {
    let done = timeout(PATIENCE, future).await;
    done.map_err(|_| Finding::not_seen(format!("{what} did not come within {PATIENCE:?}")))
}

pub(crate) fn unexpected(said: &Said, instead_of: &str) -> Finding {
    Finding::broken(format!(
        "the relay said {} instead of {instead_of}",
        brief(said)
    ))
}

/// A message without the bytes of its frame.
pub(crate) fn brief(said: &Said) -> String {
    match said {
        Said::Deliver { handle, frame } => {
            format!(
                "Deliver {{ handle: {handle}, frame: {} bytes }}",
                frame.len()
            )
        }
        other => format!("{other:?}"),
    }
}

/// Ends differ from what they must be: in the number, or by words (`docs/protocol.md`, 2.7.4).
pub(crate) fn must_end_with(end: &End, code: u32) -> Result<(), Finding> {
    must(end.phrase.is_empty(), || {
        format!(
            "the close had a reason in words of {} bytes",
            end.phrase.len()
        )
    })?;
    must(end.code == Some(code), || {
        format!("ended otherwise than with number {code}: {}", end.how)
    })
}

/// A handle that no relay gives by chance.
pub(crate) const NO_HANDLE: u32 = 0xfffe_fdfc;

/// The relay is known by its key; no name leads anywhere.
const NO_NAME: &str = "relay.invalid";

/// Windows below this are meant to be small.
const SMALL_WINDOW: u32 = 1 << 16;
