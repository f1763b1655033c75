//! After everybody has left, nothing of what passed is anywhere: not in the memory of the relays, not
//! in a file, a log or a core image; and what joins the relays never had it.
//!
//! A hundred messages by default; the size that the relay is judged by:
//! `SORI_RELAY_CANARIES=10000 cargo test -p sori-relay --test empty -- --nocapture`.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests may panic and print like tests"
)]

mod support;

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use sori_wire::{RelayMessage, RelayUrl, Topic};
use support::{
    Client, Cluster, Config, NatsServer, RelayProcess, TcpClient, copies_in_memory,
    copies_of_any_in_memory, is_ready, seed, tls_config, within,
};
use tokio::time::{sleep, timeout};

/// What would betray that somebody was here: bytes to look for, and what they are.
fn canaries(topic: Topic) -> Vec<(&'static str, Vec<u8>)> {
    let bytes = topic.as_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut canaries = vec![
        ("payload", payload_canary()),
        ("topic", bytes.to_vec()),
        ("topic in hex", hex.into_bytes()),
    ];
    for address in [QUIC_FROM, TCP_FROM] {
        canaries.push(("address", address.octets().to_vec()));
        canaries.push(("address as text", address.to_string().into_bytes()));
    }
    canaries
}

/// Not in one piece in this program's text, so that it cannot be found where nobody sent it.
fn payload_canary() -> Vec<u8> {
    [b"canary-".as_slice(), b"b07e", b"-of-", b"everywhere"].concat()
}

/// Three who are attached: two at one relay, by both carriers, and one at the other.
struct People {
    alice: Client,
    near: TcpClient,
    far: Client,
    handle: sori_wire::Handle,
}

impl People {
    async fn meet(here: &RelayUrl, there: &RelayUrl) -> Self {
        let config = || Config {
            from: QUIC_FROM.into(),
            ..Config::default()
        };
        let mut alice = Client::connect_with(here, config()).await.unwrap();
        let handle = alice.attach(&seed(TOPIC)).await;
        let tls = tls_config(Config::default(), *here.identity());
        let mut near = TcpClient::connect_with(here, tls, TCP_FROM).await.unwrap();
        near.attach(&seed(TOPIC)).await;
        let mut far = Client::connect_with(there, config()).await.unwrap();
        far.attach(&seed(TOPIC)).await;
        Self {
            alice,
            near,
            far,
            handle,
        }
    }

    /// Publishes until the one at the other relay hears it, too.
    async fn find_each_other(&mut self) {
        let finding = async {
            while !matches!(self.publish(b"hello").await, 2) {
                sleep(Duration::from_millis(100)).await;
            }
        };
        within(finding).await;
    }

    async fn publish(&mut self, frame: &[u8]) -> u32 {
        let receivers = self.alice_publishes(frame).await;
        while !matches!(self.near.hear().await, Some(RelayMessage::Deliver { .. })) {}
        receivers
    }

    /// What comes in between is a gap at most.
    async fn alice_publishes(&mut self, frame: &[u8]) -> u32 {
        self.alice
            .say(&sori_wire::ClientMessage::Publish {
                request: sori_wire::RequestId(7),
                handle: self.handle,
                frame: sori_wire::Frame::new(frame.to_vec()).unwrap(),
            })
            .await;
        loop {
            if let RelayMessage::Published { receivers, .. } = self.alice.hear().await {
                return receivers;
            }
        }
    }

    /// Publishes until everybody has it: between relays a frame may be lost.
    async fn all_hear(&mut self, frame: &[u8]) {
        within(async {
            loop {
                self.publish(frame).await;
                if timeout(Duration::from_secs(1), self.arrives_afar(frame))
                    .await
                    .is_ok()
                {
                    return;
                }
            }
        })
        .await;
    }

    /// Until the other relay has handed on exactly this one.
    async fn arrives_afar(&mut self, frame: &[u8]) {
        loop {
            match self.far.hear().await {
                RelayMessage::Deliver { frame: heard, .. } if heard.as_bytes() == frame => return,
                _ => {}
            }
        }
    }

    async fn leave(self) {
        for client in [self.alice, self.far] {
            client.connection.close(0_u32.into(), b"");
            within(client.endpoint.wait_idle()).await;
        }
    }
}

/// protocol §2.4.5, §2.4.9, §2.7.1
#[tokio::test]
async fn nothing_of_what_passed_is_anywhere_once_everybody_has_left() {
    if !is_ready() {
        return;
    }
    let cluster = Cluster::new();
    let bus = NatsServer::alone(cluster.path()).await;
    let servers = [bus.url()];
    let relays = [(); 2].map(|()| cluster.relay_with(&servers, &["--log", "debug"]));
    let canaries = canaries(seed(TOPIC).topic());
    if let Err(error) = copies_in_memory(bus.pid(), &canaries[0].1) {
        println!("memory not seen, only the superuser may look: {error}");
        return;
    }
    let files_before = names_in(cluster.path());
    let mut people = People::meet(&relays[0].url, &relays[1].url).await;
    people.find_each_other().await;
    let count = std::env::var("SORI_RELAY_CANARIES").map_or(100, |count| count.parse().unwrap());
    for number in 0..count {
        let len = [60, 512, 2048, 16_384, 65_536][number % 5];
        let canary = payload_canary();
        let mut frame: Vec<u8> = canary.iter().copied().cycle().take(len).collect();
        frame[..4].copy_from_slice(&u32::try_from(number).unwrap().to_be_bytes());
        people.all_hear(&frame).await;
    }
    // The scan finds what is there: everybody is still attached.
    let (_, topic) = &canaries[1];
    assert!(copies_in_memory(relays[0].pid(), topic).unwrap() > 0);
    people.leave().await;
    let left = Instant::now();
    within(async {
        while found(&relays, &canaries) > 0 {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    println!(
        "{count} messages: nothing left in both relays {:?} after the last one left",
        left.elapsed()
    );
    // The bus has seen our own machines' addresses only, and what it keeps is sealed.
    for (what, needle) in &canaries[..3] {
        let copies = copies_in_memory(bus.pid(), needle).unwrap();
        assert_eq!(copies, 0, "{what} in the memory of the bus");
    }
    no_core_no_log_no_file(relays, &canaries, cluster.path(), &files_before);
}

fn found(relays: &[RelayProcess; 2], canaries: &[(&str, Vec<u8>)]) -> usize {
    let needles: Vec<&[u8]> = canaries
        .iter()
        .map(|(_, needle)| needle.as_slice())
        .collect();
    let copies = |relay: &RelayProcess| copies_of_any_in_memory(relay.pid(), &needles).unwrap();
    relays.iter().map(copies).sum()
}

/// One relay ends in good order, the other one as a bug would end it.
fn no_core_no_log_no_file(
    relays: [RelayProcess; 2],
    canaries: &[(&str, Vec<u8>)],
    directory: &Path,
    files_before: &[String],
) {
    for relay in &relays {
        let limits = fs::read_to_string(format!("/proc/{}/limits", relay.pid())).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core"));
        let words: Vec<&str> = core.unwrap().split_whitespace().collect();
        assert_eq!(words[4..6], ["0", "0"], "core images are possible");
    }
    let [orderly, broken] = relays;
    orderly.terminate();
    broken.abort();
    for relay in [orderly, broken] {
        let (_, out, err) = relay.wait();
        for (what, needle) in canaries {
            // Four bytes of an address may be any text's.
            if *what != "address" {
                let text = [out.as_bytes(), err.as_bytes()].concat();
                assert_eq!(
                    memchr::memmem::find(&text, needle),
                    None,
                    "{what} in the log"
                );
            }
        }
    }
    assert_eq!(names_in(directory), files_before, "files came or went");
    for name in files_before {
        let path = directory.join(name);
        let content = fs::read(path).unwrap();
        for (what, needle) in canaries {
            assert_eq!(
                memchr::memmem::find(&content, needle),
                None,
                "{what} in {name}"
            );
        }
    }
}

fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    names
}

const TOPIC: u8 = 0xd3;
const QUIC_FROM: Ipv4Addr = Ipv4Addr::new(127, 83, 190, 205);
const TCP_FROM: Ipv4Addr = Ipv4Addr::new(127, 83, 190, 206);
