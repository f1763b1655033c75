//! The connection against the real relay program, over real QUIC and TCP on the loopback address.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command as Process, Stdio};
use std::sync::Arc;
use std::time::Duration;

use sori_engine::Trouble;
use sori_wire::{AccessKey, Frame, RelayIdentity, RelayKey, RelayUrl, Topic, TopicSeed};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::Handle as Runtime;
use tokio::sync::mpsc;

use super::{Command, ConnectionId, Link, Notice, Paths, Report};

/// A relay of our own; ended with the test.
pub(crate) struct Relay {
    process: Child,
    pub(crate) url: RelayUrl,
}

impl Relay {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// A relay that lets in whoever has `key`.
    fn private(key: &AccessKey) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("access.keys");
        fs::write(&file, key.to_text().as_bytes()).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        Self::start_with(&["--access-keys", file.to_str().unwrap()])
    }

    fn start_with(arguments: &[&str]) -> Self {
        let mut process = Process::new(program("sori-relay"))
            .args(["run", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("start the relay; `cargo build -p sori-relay` builds it");
        let mut lines = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        let url = line
            .trim()
            .strip_prefix("ready ")
            .expect("the relay says when it is ready");
        let url = url.parse().expect("the relay prints its URL");
        Self { process, url }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _status = self.process.wait();
    }
}

/// A program of this workspace, beside the folder that holds this test.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test
        .parent()
        .and_then(|deps| deps.parent())
        .unwrap()
        .join(name);
    assert!(
        program.exists(),
        "{name} is not built; run `cargo build -p {name}` first"
    );
    program
}

/// A firewall in front of a relay: TCP passes, and UDP gets no answer.
struct Wall {
    url: RelayUrl,
    _udp: UdpSocket,
}

impl Wall {
    async fn before(relay: &RelayUrl) -> Self {
        let (tcp, udp) = loop {
            let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            // The same number may be taken for UDP; the next one will not be.
            if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()).await {
                break (tcp, udp);
            }
        };
        let port = udp.local_addr().unwrap().port();
        let mut url = RelayUrl::new(relay.host().clone(), port, *relay.identity()).unwrap();
        if let Some(key) = relay.access() {
            url = url.with_access(key.clone());
        }
        let behind = SocketAddr::new(relay.host().address().unwrap(), relay.port());
        tokio::spawn(async move {
            while let Ok((mut outside, _)) = tcp.accept().await {
                tokio::spawn(async move {
                    let mut inside = TcpStream::connect(behind).await.unwrap();
                    tokio::io::copy_bidirectional(&mut outside, &mut inside).await
                });
            }
        });
        Self { url, _udp: udp }
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::new(self.url.host().address().unwrap(), self.url.port())
    }
}

struct Peer {
    link: Link,
    reports: mpsc::Receiver<(ConnectionId, Report)>,
}

impl Peer {
    fn open(url: &RelayUrl) -> Self {
        Self::open_with(url, &Arc::default())
    }

    fn open_with(url: &RelayUrl, paths: &Arc<Paths>) -> Self {
        let (reporter, reports) = mpsc::channel(64);
        let (runtime, paths) = (Runtime::current(), Arc::clone(paths));
        let link = Link::open(&runtime, url.clone(), paths, ConnectionId(1), reporter);
        Self { link, reports }
    }

    async fn next(&mut self) -> Report {
        let report = tokio::time::timeout(Duration::from_secs(20), self.reports.recv()).await;
        report.expect("a report in time").expect("a report").1
    }

    async fn attached(url: &RelayUrl, seed: u8) -> (Self, Topic) {
        let mut peer = Self::open(url);
        assert!(matches!(peer.next().await, Report::Connected));
        let seed = TopicSeed::from_bytes([seed; 32]);
        let topic = seed.topic();
        peer.link.push(Command::Attach(seed)).unwrap();
        assert!(matches!(peer.next().await, Report::Notice(Notice::Attached(t)) if t == topic));
        (peer, topic)
    }

    fn publish(&self, topic: Topic, bytes: &[u8], token: u64) {
        let frame = Frame::new(bytes.to_vec()).unwrap();
        self.link
            .push(Command::Publish {
                topic,
                frame,
                token,
            })
            .unwrap();
    }
}

#[tokio::test]
async fn a_frame_reaches_the_others_of_its_topic_and_the_answer_counts_them() {
    let relay = Relay::start();
    let (alice, topic) = Peer::attached(&relay.url, 1).await;
    let (mut bob, _topic) = Peer::attached(&relay.url, 1).await;
    let (mut carol, other) = Peer::attached(&relay.url, 2).await;
    let mut alice = alice;
    alice.publish(topic, b"sealed", 11);
    assert!(matches!(
        alice.next().await,
        Report::Notice(Notice::Published(11, 1))
    ));
    let Report::Notice(Notice::Frame(t, frame)) = bob.next().await else {
        panic!("a frame")
    };
    assert_eq!((t, frame.as_bytes()), (topic, b"sealed".as_slice()));
    // Carol hears nothing of it: the next thing she gets is her own answer.
    carol.publish(other, b"x", 12);
    assert!(matches!(
        carol.next().await,
        Report::Notice(Notice::Published(12, 0))
    ));
}

#[tokio::test]
async fn many_large_frames_arrive_whole_and_in_order() {
    let relay = Relay::start();
    let (mut alice, topic) = Peer::attached(&relay.url, 1).await;
    let (mut bob, _topic) = Peer::attached(&relay.url, 1).await;
    for n in 0..40_u8 {
        alice.publish(topic, &vec![n; 65_536], u64::from(n));
        assert!(
            matches!(alice.next().await, Report::Notice(Notice::Published(t, 1)) if t == u64::from(n))
        );
        let Report::Notice(Notice::Frame(_topic, frame)) = bob.next().await else {
            panic!("frame {n}")
        };
        assert!(frame.len() == 65_536 && frame.as_bytes().iter().all(|byte| *byte == n));
    }
}

#[tokio::test]
async fn another_key_than_the_pinned_one_is_refused() {
    let relay = Relay::start();
    let url = RelayUrl::new(
        relay.url.host().clone(),
        relay.url.port(),
        RelayIdentity::Key(RelayKey::from_bytes([9; 32])),
    )
    .unwrap();
    let mut peer = Peer::open(&url);
    let Report::Ended(trouble) = peer.next().await else {
        panic!("no connection")
    };
    assert_eq!(trouble, Trouble::WrongKey);
}

#[tokio::test]
async fn a_relay_that_is_killed_is_noticed_while_a_question_waits() {
    let mut relay = Relay::start();
    let (mut alice, topic) = Peer::attached(&relay.url, 1).await;
    relay.process.kill().unwrap();
    relay.process.wait().unwrap();
    alice.publish(topic, b"x", 1);
    let Report::Ended(trouble) = alice.next().await else {
        panic!("the end")
    };
    assert_eq!(trouble, Trouble::Unreachable);
}

#[tokio::test]
async fn closing_sends_what_was_queued() {
    let relay = Relay::start();
    let (alice, topic) = Peer::attached(&relay.url, 1).await;
    let (mut bob, _topic) = Peer::attached(&relay.url, 1).await;
    for n in 0..10 {
        alice.publish(topic, b"last words", n);
    }
    let Peer { link, reports } = alice;
    drop(reports);
    link.close().await.unwrap();
    for _ in 0..10 {
        assert!(matches!(
            bob.next().await,
            Report::Notice(Notice::Frame(..))
        ));
    }
}

#[tokio::test]
async fn a_name_that_leads_nowhere_is_told_as_such() {
    let host = "relay.invalid".parse().unwrap();
    let url = RelayUrl::new(
        host,
        4433,
        RelayIdentity::Key(RelayKey::from_bytes([9; 32])),
    )
    .unwrap();
    let mut peer = Peer::open(&url);
    let Report::Ended(trouble) = peer.next().await else {
        panic!("no connection")
    };
    assert_eq!(trouble, Trouble::Lookup);
}

#[tokio::test]
async fn where_udp_is_blocked_tcp_carries_the_same_session_and_goes_first_the_next_time() {
    let relay = Relay::start();
    let wall = Wall::before(&relay.url).await;
    let paths = Arc::<Paths>::default();
    let path = paths.to(wall.address());
    for _ in 0..2 {
        let mut alice = Peer::open_with(&wall.url, &paths);
        assert!(matches!(alice.next().await, Report::Connected));
        assert!(paths.is_udp_barred(path));
    }
    assert!(!paths.is_udp_barred(paths.to(([127, 0, 0, 1], 1).into())));
    let (mut alice, topic) = Peer::attached(&wall.url, 1).await;
    let (bob, _topic) = Peer::attached(&relay.url, 1).await;
    for n in 0..20_u8 {
        alice.publish(topic, &vec![n; 65_536], u64::from(n));
        let answer = alice.next().await;
        assert!(matches!(answer, Report::Notice(Notice::Published(t, 1)) if t == u64::from(n)));
    }
    for n in 0..20_u8 {
        bob.publish(topic, &[n], u64::from(n));
        let Report::Notice(Notice::Frame(_topic, frame)) = alice.next().await else {
            panic!("frame {n}")
        };
        assert_eq!(frame.as_bytes(), [n]);
    }
}

#[tokio::test]
async fn where_udp_passes_quic_is_used_and_remembered() {
    let relay = Relay::start();
    // Where a machine has no room, TCP may win the race now and then.
    for _ in 0..20 {
        let paths = Arc::<Paths>::default();
        let path = paths.to(SocketAddr::new(
            relay.url.host().address().unwrap(),
            relay.url.port(),
        ));
        let mut alice = Peer::open_with(&relay.url, &paths);
        assert!(matches!(alice.next().await, Report::Connected));
        if !paths.is_udp_barred(path) {
            return;
        }
    }
    panic!("QUIC was never used");
}

/// protocol §2.9.3
#[tokio::test]
async fn a_private_relay_lets_in_whoever_has_its_key_over_both_carriers() {
    let key = AccessKey::from_bytes([5; 32]);
    let relay = Relay::private(&key);
    let url = relay.url.clone().with_access(key);
    let wall = Wall::before(&url).await;
    let (alice, topic) = Peer::attached(&url, 1).await;
    let (mut bob, _topic) = Peer::attached(&wall.url, 1).await;
    alice.publish(topic, b"sealed", 1);
    let Report::Notice(Notice::Frame(_topic, frame)) = bob.next().await else {
        panic!("a frame")
    };
    assert_eq!(frame.as_bytes(), b"sealed");
}

#[tokio::test]
async fn who_has_no_key_or_an_old_one_is_told_so_and_never_counts_as_connected() {
    let relay = Relay::private(&AccessKey::from_bytes([5; 32]));
    let old = relay
        .url
        .clone()
        .with_access(AccessKey::from_bytes([4; 32]));
    for url in [&relay.url, &old] {
        let wall = Wall::before(url).await;
        for url in [url, &wall.url] {
            let mut peer = Peer::open(url);
            let Report::Ended(trouble) = peer.next().await else {
                panic!("not let in")
            };
            assert_eq!(trouble, Trouble::NoAccess);
        }
    }
}

#[tokio::test]
async fn over_tcp_the_end_of_the_relay_is_noticed_and_what_was_queued_is_sent() {
    let mut relay = Relay::start();
    let wall = Wall::before(&relay.url).await;
    let (mut alice, _topic) = Peer::attached(&wall.url, 2).await;
    let (bob, topic) = Peer::attached(&wall.url, 1).await;
    let (mut carol, _topic) = Peer::attached(&relay.url, 1).await;
    bob.publish(topic, b"last words", 1);
    let Peer { link, reports } = bob;
    drop(reports);
    link.close().await.unwrap();
    assert!(matches!(
        carol.next().await,
        Report::Notice(Notice::Frame(..))
    ));
    relay.process.kill().unwrap();
    relay.process.wait().unwrap();
    let Report::Ended(trouble) = alice.next().await else {
        panic!("the end")
    };
    assert_eq!(trouble, Trouble::Closed);
}
