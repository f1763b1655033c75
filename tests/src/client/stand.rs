//! A relay in the suite's hands, over TLS on TCP.
//!
//! It serves as the protocol says and keeps what passes, so that a check can look at it and say it again; with a
//! [`Malice`] it does what no honest relay does.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};
use ed25519_dalek::{Signature, SigningKey, VerifyingKey};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, version};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::finding::Finding;
use crate::peer::{ALPN, ATTACH_LABEL, EXPORTER_CONTEXT, EXPORTER_LABEL, tls};

use super::session::{self, Asked};

/// What the relay does wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Malice {
    #[default]
    None,
    /// Takes frames and hands them to nobody.
    Mute,
    /// Hands every frame out twice.
    Twice,
    /// Hands every frame to its sender, too.
    Echo,
    /// Hands out two of three frames.
    Loss,
    /// Hands out frames in pairs, the later one first.
    Swap,
    /// Hands out every frame behind one of its copies with a bit turned.
    Bend,
    /// Hands every frame out in the name of all other topics, too.
    Mix,
    /// Says of every frame that a thousand have got it.
    Flatter,
    /// Says everything some seconds late.
    Late,
    /// Keeps every second connection apart from the others.
    Split,
    /// Ends the connection of whoever published every fifth frame.
    HangUp,
    /// Says after every frame that frames are missing.
    Gap,
    /// Refuses to take two of three frames.
    Refuse,
}

/// A frame that somebody published.
#[derive(Clone, Debug)]
pub(crate) struct Carried {
    pub(crate) topic: [u8; 32],
    pub(crate) frame: Vec<u8>,
}

/// The relay. It ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Stand {
    pub(crate) url: String,
    inside: Arc<Mutex<Inside>>,
    accepting: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Inside {
    connections: BTreeMap<u64, Connection>,
    carried: Vec<Carried>,
    malice: Malice,
    next: u64,
    /// Published, and waiting for another frame to come before it.
    waiting: Option<(u64, Carried)>,
    bad_proofs: usize,
    malformed: usize,
}

#[derive(Debug)]
struct Connection {
    out: UnboundedSender<(Instant, Vec<u8>)>,
    topics: BTreeMap<u32, [u8; 32]>,
    handles: u32,
}

impl Stand {
    /// Begins to serve at an address of this machine, with a key made of `seed`.
    pub(crate) async fn open(seed: [u8; 32]) -> Result<Self, Finding> {
        let key = SigningKey::from_bytes(&seed);
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .map_err(Finding::not_seen)?;
        let address = listener.local_addr().map_err(Finding::not_seen)?;
        let acceptor = TlsAcceptor::from(Arc::new(config(&key)?));
        let inside = Arc::new(Mutex::new(Inside::default()));
        let accepting = tokio::spawn(accept(listener, acceptor, Arc::clone(&inside)));
        Ok(Self {
            url: url(address, &key),
            inside,
            accepting,
        })
    }

    pub(crate) fn behave(&self, malice: Malice) {
        self.lock().malice = malice;
    }

    /// All that was published so far.
    pub(crate) fn carried(&self) -> Vec<Carried> {
        self.lock().carried.clone()
    }

    /// How many connections are attached to a topic now.
    pub(crate) fn attached(&self, topic: &[u8; 32]) -> usize {
        let inside = self.lock();
        let attached = inside.connections.values();
        attached
            .filter(|connection| connection.topics.values().any(|name| name == topic))
            .count()
    }

    pub(crate) fn connections(&self) -> usize {
        self.lock().connections.len()
    }

    /// Hands frames to everybody who is attached to their topics now.
    pub(crate) fn say_again(&self, frames: &[Carried]) {
        let inside = self.lock();
        for carried in frames {
            inside.hand_out(carried, None);
        }
    }

    /// Sends any bytes on every connection.
    pub(crate) fn send(&self, bytes: &[u8]) {
        let inside = self.lock();
        for connection in inside.connections.values() {
            inside.tell(connection, bytes.to_vec());
        }
    }

    /// Proofs that do not verify, and messages that are none.
    pub(crate) fn mistakes(&self) -> (usize, usize) {
        let inside = self.lock();
        (inside.bad_proofs, inside.malformed)
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        lock(&self.inside)
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Inside {
    /// Says something on a connection, now or as late as the malice has it.
    fn tell(&self, connection: &Connection, bytes: Vec<u8>) {
        let mut due = Instant::now();
        if self.malice == Malice::Late {
            due += LATE;
        }
        let _gone = connection.out.send((due, bytes));
    }

    fn enter(&mut self, out: UnboundedSender<(Instant, Vec<u8>)>) -> u64 {
        self.next = self.next.saturating_add(1);
        let connection = Connection {
            out,
            topics: BTreeMap::new(),
            handles: 0,
        };
        self.connections.insert(self.next, connection);
        self.next
    }

    /// Does what a client asks; the answer, if there is one.
    fn hear(&mut self, id: u64, asked: Asked, exporter: &[u8; 32]) -> Option<Vec<u8>> {
        match asked {
            Asked::Attach {
                request,
                topic,
                proof,
            } => {
                if !proves(&topic, &proof, exporter) {
                    self.bad_proofs = self.bad_proofs.saturating_add(1);
                    return Some(session::refused(request, 1));
                }
                let connection = self.connections.get_mut(&id)?;
                connection.handles = connection.handles.saturating_add(1);
                connection.topics.insert(connection.handles, topic);
                Some(session::attached(request, connection.handles))
            }
            Asked::Detach { handle } => {
                self.connections.get_mut(&id)?.topics.remove(&handle);
                None
            }
            Asked::Publish {
                request,
                handle,
                frame,
            } => {
                let Some(topic) = self.connections.get(&id)?.topics.get(&handle).copied() else {
                    return Some(session::refused(request, 3));
                };
                let carried = Carried { topic, frame };
                self.carried.push(carried.clone());
                if self.malice == Malice::Refuse && !self.carried.len().is_multiple_of(3) {
                    return Some(session::refused(request, BUSY));
                }
                let receivers = self.publish(id, carried);
                Some(session::published(request, receivers))
            }
            Asked::Access => None,
        }
    }

    /// Hands a frame out as the malice has it. How many receivers to speak of.
    fn publish(&mut self, from: u64, carried: Carried) -> u32 {
        match self.malice {
            Malice::None | Malice::Late | Malice::Refuse => self.hand_out(&carried, Some(from)),
            Malice::Split => self.hand_out_to(&carried, |id| id != from && id % 2 == from % 2),
            Malice::HangUp => {
                let receivers = self.hand_out(&carried, Some(from));
                if self.carried.len().is_multiple_of(5) {
                    self.connections.remove(&from);
                }
                receivers
            }
            Malice::Gap => {
                let receivers = self.hand_out(&carried, Some(from));
                for connection in self.connections.values() {
                    for handle in connection.topics.keys() {
                        self.tell(connection, session::gap(*handle));
                    }
                }
                receivers
            }
            Malice::Mute => 0,
            Malice::Twice => {
                self.hand_out(&carried, Some(from));
                self.hand_out(&carried, Some(from))
            }
            Malice::Echo => self.hand_out(&carried, None),
            Malice::Loss if self.carried.len().is_multiple_of(3) => 1,
            Malice::Loss => self.hand_out(&carried, Some(from)),
            Malice::Swap => match self.waiting.take() {
                Some((other, before)) => {
                    self.hand_out(&carried, Some(from));
                    self.hand_out(&before, Some(other))
                }
                None => {
                    self.waiting = Some((from, carried));
                    1
                }
            },
            Malice::Bend => {
                let mut bent = carried.clone();
                let at = self.carried.len() % bent.frame.len().max(1);
                if let Some(byte) = bent.frame.get_mut(at) {
                    *byte ^= 1;
                }
                self.hand_out(&bent, Some(from));
                self.hand_out(&carried, Some(from))
            }
            Malice::Mix => {
                for connection in self.connections.values() {
                    for handle in connection.topics.keys() {
                        self.tell(connection, session::deliver(*handle, &carried.frame));
                    }
                }
                1
            }
            Malice::Flatter => {
                self.hand_out(&carried, Some(from));
                1000
            }
        }
    }

    /// To all who are attached but `from`; how many these are.
    fn hand_out(&self, carried: &Carried, from: Option<u64>) -> u32 {
        self.hand_out_to(carried, |id| Some(id) != from)
    }

    /// To all who are attached and chosen.
    fn hand_out_to(&self, carried: &Carried, chosen: impl Fn(u64) -> bool) -> u32 {
        let mut receivers = 0_u32;
        for (id, connection) in &self.connections {
            let handle = connection
                .topics
                .iter()
                .find(|(_, name)| **name == carried.topic);
            if let Some((handle, _)) = handle
                && chosen(*id)
            {
                self.tell(connection, session::deliver(*handle, &carried.frame));
                receivers = receivers.saturating_add(1);
            }
        }
        receivers
    }
}

fn lock(inside: &Mutex<Inside>) -> MutexGuard<'_, Inside> {
    inside.lock().unwrap_or_else(PoisonError::into_inner)
}

fn proves(topic: &[u8; 32], proof: &[u8; 64], exporter: &[u8; 32]) -> bool {
    let signed = [ATTACH_LABEL, exporter, topic].concat();
    let signature = Signature::from_bytes(proof);
    VerifyingKey::from_bytes(topic).is_ok_and(|key| key.verify_strict(&signed, &signature).is_ok())
}

fn url(address: SocketAddr, key: &SigningKey) -> String {
    let key = Base64UrlUnpadded::encode_string(key.verifying_key().as_bytes());
    format!("relay://{address}/#{key}")
}

/// TLS as `docs/protocol.md`, 1.1 and 1.2, wants it of a relay.
fn config(key: &SigningKey) -> Result<ServerConfig, Finding> {
    /// An Ed25519 key in PKCS #8 (RFC 8410), before its 32 bytes.
    const PKCS8: [u8; 16] = [
        0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
    ];
    let provider = Arc::new(CryptoProvider {
        kx_groups: tls::hybrid(),
        ..aws_lc_rs::default_provider()
    });
    let private = [PKCS8.as_slice(), &key.to_bytes()].concat();
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(private));
    let signer = provider
        .key_provider
        .load_private_key(private)
        .map_err(Finding::not_seen)?;
    let public = CertificateDer::from(tls::spki(key.verifying_key().as_bytes()));
    let identity = CertifiedKey::new(vec![public], signer);
    let resolver = AlwaysResolvesServerRawPublicKeys::new(Arc::new(identity));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])
        .map_err(Finding::not_seen)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.send_tls13_tickets = 0;
    Ok(config)
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, inside: Arc<Mutex<Inside>>) {
    // Dropped with this task, and so are those who serve.
    let mut serving = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let _as_it_is = stream.set_nodelay(true);
        serving.spawn(serve(stream, acceptor.clone(), Arc::clone(&inside)));
        while serving.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, inside: Arc<Mutex<Inside>>) {
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let tls = stream.get_ref().1;
    let Ok(exporter) = tls.export_keying_material([0; 32], EXPORTER_LABEL, Some(EXPORTER_CONTEXT))
    else {
        return;
    };
    let (read, write) = tokio::io::split(stream);
    let (out, queue) = unbounded_channel();
    let id = lock(&inside).enter(out);
    tokio::select! {
        () = listen(read, id, &exporter, &inside) => {}
        () = speak(write, queue) => {}
    }
    lock(&inside).connections.remove(&id);
}

async fn listen(
    mut read: ReadHalf<TlsStream<TcpStream>>,
    id: u64,
    exporter: &[u8; 32],
    inside: &Mutex<Inside>,
) {
    let mut arrived = Vec::new();
    while let Ok(1..) = read.read_buf(&mut arrived).await {
        while let Some(asked) = session::take(&mut arrived) {
            let mut inside = lock(inside);
            let Some(asked) = asked else {
                inside.malformed = inside.malformed.saturating_add(1);
                return;
            };
            let answer = inside.hear(id, asked, exporter);
            if let (Some(answer), Some(connection)) = (answer, inside.connections.get(&id)) {
                inside.tell(connection, answer);
            }
        }
    }
}

async fn speak(
    mut write: WriteHalf<TlsStream<TcpStream>>,
    mut queue: UnboundedReceiver<(Instant, Vec<u8>)>,
) {
    while let Some((due, bytes)) = queue.recv().await {
        sleep_until(due).await;
        if write.write_all(&bytes).await.is_err() || write.flush().await.is_err() {
            return;
        }
    }
}

/// How late everything comes from a relay that is late.
const LATE: Duration = Duration::from_secs(3);

/// The refusal of a relay that cannot take more (2.6).
const BUSY: u32 = 5;
