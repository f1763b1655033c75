//! The connection against the real relay program, over real QUIC on the loopback address.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command as Process, Stdio};
use std::time::Duration;

use sori_wire::{Frame, RelayIdentity, RelayKey, RelayUrl, Topic, TopicSeed};
use tokio::runtime::Handle as Runtime;
use tokio::sync::mpsc;

use super::{Command, ConnectionId, Link, Notice, Report, Trouble};

/// A relay of our own; ended with the test.
pub(crate) struct Relay {
    process: Child,
    pub(crate) url: RelayUrl,
}

impl Relay {
    pub(crate) fn start() -> Self {
        let mut process = Process::new(program("sori-relay"))
            .args(["run", "--listen", "127.0.0.1:0"])
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

struct Peer {
    link: Link,
    reports: mpsc::Receiver<(ConnectionId, Report)>,
}

impl Peer {
    fn open(url: &RelayUrl) -> Self {
        let (reporter, reports) = mpsc::channel(64);
        let link = Link::open(&Runtime::current(), url.clone(), ConnectionId(1), reporter);
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
