//! Relays behind one name, as processes, with real NATS servers between them.

#![allow(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests may panic and print like tests"
)]

mod support;

use std::collections::VecDeque;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use sori_relay::{ClusterSecret, ClusterSettings};
use sori_wire::{ClientMessage, Frame, Handle, RelayMessage, RelayUrl, RequestId};
use support::{
    Client, Cluster, Local, NatsServer, RelayProcess, copies_in_memory, is_ready, seed, within,
};
use tokio::time::{sleep, timeout};

/// One of the things that a reader hears.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Heard {
    Frame(Vec<u8>),
    Gap,
}

/// Somebody attached to a topic at one relay, who takes answers and frames as they come.
struct Member {
    client: Client,
    handle: Handle,
    heard: VecDeque<Heard>,
}

impl Member {
    async fn at(relay: &RelayProcess, topic: u8) -> Self {
        Self::at_url(&relay.url, topic).await
    }

    async fn at_url(url: &RelayUrl, topic: u8) -> Self {
        let mut client = Client::connect(url).await;
        let handle = client.attach(&seed(topic)).await;
        Self {
            client,
            handle,
            heard: VecDeque::new(),
        }
    }

    /// Publishes, and says to how many others the frame was on its way.
    async fn publish(&mut self, frame: &[u8]) -> u32 {
        let publish = ClientMessage::Publish {
            request: RequestId(7),
            handle: self.handle,
            frame: Frame::new(frame.to_vec()).unwrap(),
        };
        self.client.say(&publish).await;
        loop {
            let message = self.client.hear().await;
            if let RelayMessage::Published { receivers, .. } = message {
                return receivers;
            }
            self.note(message);
        }
    }

    async fn next(&mut self) -> Heard {
        loop {
            if let Some(heard) = self.heard.pop_front() {
                return heard;
            }
            let message = self.client.hear().await;
            self.note(message);
        }
    }

    /// Hears until this frame comes, and returns what came before it.
    async fn hear(&mut self, frame: &[u8]) -> Vec<Heard> {
        let mut before = Vec::new();
        loop {
            match self.next().await {
                Heard::Frame(heard) if heard == frame => return before,
                other => before.push(other),
            }
        }
    }

    /// Hears until this frame comes, which `publisher` says over and over, and returns what came
    /// before it.
    async fn hear_from(&mut self, publisher: &mut Self, frame: &[u8]) -> Vec<Heard> {
        let mut before = Vec::new();
        within(async {
            loop {
                publisher.publish(frame).await;
                let pause = Duration::from_millis(100);
                while let Ok(heard) = timeout(pause, self.next()).await {
                    if heard == Heard::Frame(frame.to_vec()) {
                        return;
                    }
                    before.push(heard);
                }
            }
        })
        .await;
        before
    }

    /// Publishes until so many others are known to be there.
    async fn wait_for(&mut self, others: u32) {
        within(async {
            while self.publish(b"is anybody there?").await != others {
                sleep(Duration::from_millis(100)).await;
            }
        })
        .await;
    }

    fn note(&mut self, message: RelayMessage) {
        match message {
            RelayMessage::Deliver { frame, .. } => {
                self.heard.push_back(Heard::Frame(frame.into_bytes()));
            }
            RelayMessage::Gap { .. } => self.heard.push_back(Heard::Gap),
            other => panic!("not to be heard here: {other:?}"),
        }
    }
}

/// Every number that is missing between two that were heard has a gap beside it.
fn assert_losses_are_gaps(heard: &[Heard]) {
    let mut last = None;
    let mut gap = false;
    for heard in heard {
        match heard {
            Heard::Gap => gap = true,
            Heard::Frame(bytes) => {
                let Ok(bytes) = <[u8; 4]>::try_from(bytes.as_slice()) else {
                    continue;
                };
                let number = u32::from_be_bytes(bytes);
                if let Some(last) = last {
                    assert!(number > last, "{number} after {last}");
                    assert!(number == last + 1 || gap, "a hole before {number}, no gap");
                }
                last = Some(number);
                gap = false;
            }
        }
    }
}

/// protocol §2.4.2, §2.4.3, §2.4.4, §2.4.8
#[tokio::test]
async fn frames_reach_who_is_attached_at_another_relay() {
    if !is_ready() {
        return;
    }
    let cluster = Cluster::new();
    let server = NatsServer::alone(cluster.path()).await;
    let servers = [server.url()];
    let relays = [(); 3].map(|()| cluster.relay(&servers));
    let mut alice = Member::at(&relays[0], 1).await;
    let mut bob = Member::at(&relays[1], 1).await;
    let mut carol = Member::at(&relays[2], 1).await;
    let mut near = Member::at(&relays[0], 1).await;
    let mut stranger = Member::at(&relays[1], 2).await;
    alice.wait_for(3).await;

    // Who has just come is told of a gap; then nothing is missing, and everything is in order.
    within(async {
        let mut batch = 0_u32;
        loop {
            let numbers = batch..batch + 200;
            batch = numbers.end;
            for number in numbers.clone() {
                alice.publish(&number.to_be_bytes()).await;
            }
            let end = format!("end of {batch}").into_bytes();
            let mut whole = 0;
            for reader in [&mut bob, &mut carol, &mut near] {
                let heard = reader.hear_from(&mut alice, &end).await;
                assert_losses_are_gaps(&heard);
                let expected = numbers.clone().map(|number| number.to_be_bytes().to_vec());
                let is_of_batch =
                    |heard: &&Heard| matches!(heard, Heard::Frame(bytes) if bytes.len() == 4);
                let of_batch = heard.iter().filter(is_of_batch).cloned();
                whole += usize::from(of_batch.eq(expected.map(Heard::Frame)));
            }
            if whole == 3 {
                return;
            }
        }
    })
    .await;
    // The largest and the empty frame pass unchanged, and nobody hears what is not meant for them.
    let largest = vec![7; 65_536];
    bob.publish(&largest).await;
    bob.publish(b"").await;
    for reader in [&mut alice, &mut carol, &mut near] {
        reader.hear(&largest).await;
        reader.hear(b"").await;
    }
    stranger.publish(b"to nobody").await;
    assert!(stranger.heard.iter().all(|heard| *heard == Heard::Gap));

    // Who leaves is counted no longer, and a relay that dies neither.
    drop(near);
    alice.wait_for(2).await;
    let [first, second, third] = relays;
    third.kill();
    alice.wait_for(1).await;
    drop((first, second));
}

/// protocol §2.4.8
#[tokio::test]
async fn a_server_that_dies_and_comes_back_is_a_gap_and_nothing_else() {
    if !is_ready() {
        return;
    }
    let cluster = Cluster::new();
    let mut server = NatsServer::alone(cluster.path()).await;
    let servers = [server.url()];
    let relays = [(); 2].map(|()| cluster.relay(&servers));
    let mut alice = Member::at(&relays[0], 1).await;
    let mut bob = Member::at(&relays[1], 1).await;
    let mut near = Member::at(&relays[0], 1).await;
    alice.wait_for(2).await;
    alice.publish(b"before").await;
    bob.hear(b"before").await;
    near.hear(b"before").await;

    server.kill();
    alice.publish(b"lost").await;
    // At one relay nothing is lost, whatever becomes of the cluster.
    near.hear(b"lost").await;
    server.restart(None).await;
    within(async { while bob.next().await != Heard::Gap {} }).await;
    alice.wait_for(2).await;
    alice.publish(b"after").await;
    bob.hear(b"after").await;
}

/// protocol §2.4.8
#[tokio::test]
async fn relays_and_servers_come_and_go_and_every_loss_is_a_gap() {
    if !is_ready() {
        return;
    }
    let cluster = Cluster::new();
    let mut servers = NatsServer::several(cluster.path(), 3).await;
    let urls: Vec<String> = servers.iter().map(NatsServer::url).collect();
    let rotated = |by: usize| [&urls[by..], &urls[..by]].concat();
    let mut relays = vec![
        cluster.relay(&rotated(0)),
        cluster.relay(&rotated(1)),
        cluster.relay(&rotated(2)),
    ];
    let mut alice = Member::at(&relays[0], 1).await;
    let mut bob = Member::at(&relays[1], 1).await;
    let carol = Member::at(&relays[2], 1).await;
    alice.wait_for(2).await;

    let mut number = 0_u32;
    for victim in 0..servers.len() {
        for step in 0..60 {
            if step == 20 {
                servers[victim].kill();
            }
            if step == 40 {
                let others: Vec<String> = (0..servers.len())
                    .filter(|at| *at != victim)
                    .map(|at| servers[at].route())
                    .collect();
                servers[victim].restart(Some(others.join(","))).await;
            }
            alice.publish(&number.to_be_bytes()).await;
            number += 1;
            sleep(Duration::from_millis(10)).await;
        }
        alice.wait_for(2).await;
    }
    // A relay dies under load; whoever was there comes back at a new one.
    let dead = relays.pop().unwrap();
    dead.kill();
    drop(carol);
    relays.push(cluster.relay(&rotated(1)));
    let mut carol = Member::at(&relays[2], 1).await;
    for _ in 0..20 {
        alice.publish(&number.to_be_bytes()).await;
        number += 1;
    }
    carol.hear_from(&mut alice, b"carol").await;
    let heard = bob.hear_from(&mut alice, b"bob").await;
    assert_losses_are_gaps(&heard);
    let frames = heard.iter().filter(|heard| **heard != Heard::Gap).count();
    let gaps = heard.len() - frames;
    println!("bob heard {frames} frames and {gaps} gaps of {number} frames published");
}

/// protocol §2.4.9
#[tokio::test]
async fn frames_pass_while_keys_change() {
    if !is_ready() {
        return;
    }
    let cluster = Cluster::new();
    let server = NatsServer::alone(cluster.path()).await;
    let relay = || {
        Local::start(|settings| {
            let servers = vec![server.url().parse().unwrap()];
            let mut cluster = ClusterSettings::new(servers, ClusterSecret::from_bytes([1; 32]));
            cluster.rotation = Duration::from_secs(2);
            settings.cluster = Some(cluster);
        })
    };
    let relays = [relay(), relay()];
    let mut alice = Member::at_url(&relays[0].url, 1).await;
    let mut bob = Member::at_url(&relays[1].url, 1).await;
    alice.wait_for(1).await;
    let monitor = relays[1].server.monitor();
    let epochs = monitor.totals().cluster_epochs + 3;
    let mut number = 0_u32;
    within(async {
        while monitor.totals().cluster_epochs < epochs {
            alice.publish(&number.to_be_bytes()).await;
            number += 1;
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let heard = bob.hear_from(&mut alice, b"end").await;
    assert_losses_are_gaps(&heard);
    let is_number = |heard: &&Heard| matches!(heard, Heard::Frame(bytes) if bytes.len() == 4);
    let heard = heard.iter().filter(is_number).count();
    println!("{heard} of {number} frames arrived while keys changed three times");
    assert!(heard * 10 > usize::try_from(number).unwrap() * 9);
}

#[tokio::test]
async fn servers_and_relays_know_each_other_by_certificates() {
    if !is_ready() {
        return;
    }
    let cluster = Cluster::new();
    let names = vec!["127.0.0.1".to_owned()];
    let own = KeyPair::generate().unwrap();
    let signed = CertificateParams::new(names)
        .unwrap()
        .self_signed(&own)
        .unwrap();
    let (chain, key) = (cluster.path().join("crt"), cluster.path().join("key"));
    fs::write(&chain, signed.pem()).unwrap();
    fs::write(&key, own.serialize_pem()).unwrap();
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    let server = NatsServer::with_certificate(cluster.path(), &chain, &key).await;
    let servers = [server.url().replace("nats://", "tls://")];
    let [chain, key] = [chain, key].map(|path| path.to_str().unwrap().to_owned());
    let trusting = ["--cluster-authorities", &chain];
    let known = [
        "--cluster-certificate",
        &chain,
        "--cluster-certificate-key",
        &key,
    ];

    let both = [trusting.as_slice(), &known].concat();
    let relays = [(); 2].map(|()| cluster.relay_with(&servers, &both));
    let nameless = cluster.relay_with(&servers, &trusting);
    let mistrusting = cluster.relay_with(&servers, &known);
    let mut alice = Member::at(&relays[0], 1).await;
    let mut bob = Member::at(&relays[1], 1).await;
    let mut outside = [
        Member::at(&nameless, 1).await,
        Member::at(&mistrusting, 1).await,
    ];
    bob.hear_from(&mut alice, b"inside").await;
    alice.wait_for(1).await;
    for outside in &mut outside {
        assert_eq!(outside.publish(b"outside").await, 0);
        assert_eq!(outside.heard, []);
    }
}

/// protocol §2.4.9
#[tokio::test]
async fn what_a_server_keeps_in_memory_shows_neither_frame_nor_topic() {
    if !is_ready() {
        return;
    }
    let cluster = Cluster::new();
    let server = NatsServer::alone(cluster.path()).await;
    let servers = [server.url()];
    let relays = [(); 2].map(|()| cluster.relay(&servers));
    let canary = [b"canary-".as_slice(), b"9e41", b"-of-", b"the-bus"].concat();
    let control = [b"control-".as_slice(), b"77ab", b"-of-", b"the-scan"].concat();
    if let Err(error) = copies_in_memory(server.pid(), &canary) {
        println!("memory not seen, only the superuser may look: {error}");
        return;
    }
    let mut alice = Member::at(&relays[0], 1).await;
    let mut bob = Member::at(&relays[1], 1).await;
    alice.wait_for(1).await;
    let frame: Vec<u8> = canary.iter().copied().cycle().take(2_000).collect();
    for _ in 0..1_000 {
        bob.hear_from(&mut alice, &frame).await;
    }
    assert_eq!(copies_in_memory(server.pid(), &canary).unwrap(), 0);
    let topic = seed(1).topic();
    assert_eq!(copies_in_memory(server.pid(), topic.as_bytes()).unwrap(), 0);
    let secret = fs::read(&cluster.secret).unwrap();
    assert_eq!(copies_in_memory(server.pid(), &secret[..43]).unwrap(), 0);
    // Nor is a delivered frame left in the relays, whose attachments are still there.
    for relay in &relays {
        within(async {
            while copies_in_memory(relay.pid(), &canary).unwrap() > 0 {
                sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
    }

    // The same server does keep what is published in the clear, so the scan would have found it.
    let mut plain = std::net::TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    assert_eq!(control.len(), 24);
    let text = [b"PUB plain 24\r\n".as_slice(), &control, b"\r\n"].concat();
    within(async {
        // Again and again: what it reads next overwrites some of it.
        while copies_in_memory(server.pid(), &control).unwrap() == 0 {
            std::io::Write::write_all(&mut plain, &text.repeat(100)).unwrap();
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}
