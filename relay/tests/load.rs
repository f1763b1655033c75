//! What the relay's process spends: processor time for each delivered frame and each connection,
//! memory for each idle one. The quick form only shows that the measuring works; figures come from
//! `SORI_RELAY_LOAD=1 cargo test --release -p sori-relay --test load -- --nocapture`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests may panic like tests, and figures are to be read"
)]

mod support;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use sori_wire::{
    ClientMessage, DeliverHeader, Frame, Handle, RelayMessage, RelayUrl, RequestId, TopicSeed,
};
use support::{
    Client, Cluster, NatsServer, RelayProcess, TcpClient, is_ready, resident_kib, seed, within,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn is_long() -> bool {
    std::env::var_os("SORI_RELAY_LOAD").is_some()
}

/// No bounds on what one client and one network may ask for: here all load comes from one.
fn unbounded() -> Vec<&'static str> {
    let arguments = [
        "--max-connections-per-network",
        "100000",
        "--max-handshakes-per-network",
        "100000:100000",
        "--max-unproven-handshakes",
        "100000:100000",
        "--max-work-per-connection",
        "1000000000000:1000000000000",
    ];
    arguments.to_vec()
}

fn relay() -> RelayProcess {
    let threads = std::env::var("SORI_RELAY_LOAD_THREADS").unwrap_or_else(|_| "1".into());
    let here = ["--listen", "127.0.0.1:0", "--threads", &threads];
    RelayProcess::start_with(&[&here, unbounded().as_slice()].concat(), Path::new("/"))
}

/// Processor time of a process so far, in microseconds, with the kernel's work for it.
fn cpu_us(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    ticks * 10_000
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carrier {
    Quic,
    Tcp,
}

enum Peer {
    Quic(Box<Client>),
    Tcp(Box<TcpClient>),
}

impl Peer {
    async fn attached(carrier: Carrier, url: &RelayUrl, topic: u8) -> (Self, Handle) {
        match carrier {
            Carrier::Quic => {
                let mut client = Client::connect(url).await;
                let handle = client.attach(&seed(topic)).await;
                (Self::Quic(Box::new(client)), handle)
            }
            Carrier::Tcp => {
                let mut client = TcpClient::connect(url).await;
                let handle = client.attach(&seed(topic)).await;
                (Self::Tcp(Box::new(client)), handle)
            }
        }
    }

    /// Reads so many bytes and throws them away.
    async fn skip(&mut self, mut len: usize) {
        let mut buffer = vec![0; 65_536];
        while len > 0 {
            let read = match self {
                Self::Quic(client) => {
                    let chunk = client.receive.read_chunk(len, true).await.unwrap();
                    chunk.unwrap().bytes.len()
                }
                Self::Tcp(client) => {
                    let most = len.min(buffer.len());
                    client.stream.read(&mut buffer[..most]).await.unwrap()
                }
            };
            assert!(read > 0, "the relay has gone");
            len -= read;
        }
    }

    async fn write(&mut self, bytes: &[u8]) {
        match self {
            Self::Quic(client) => client.send.write_all(bytes).await.unwrap(),
            Self::Tcp(client) => client.stream.write_all(bytes).await.unwrap(),
        }
    }

    async fn hear_published(&mut self) {
        let message = match self {
            Self::Quic(client) => Some(client.hear().await),
            Self::Tcp(client) => client.hear().await,
        };
        assert!(
            matches!(message, Some(RelayMessage::Published { .. })),
            "{message:?}"
        );
    }
}

/// Publishes `rounds` times `batch` frames of `len` bytes to `readers`, waiting each time until all
/// have got it. Returns microseconds of the relay's processor time for each delivery.
async fn fan_out(carrier: Carrier, readers: usize, len: usize, batch: usize, rounds: usize) -> f64 {
    let relay = relay();
    let (mut publisher, handle) = Peer::attached(carrier, &relay.url, 1).await;
    let (told, mut heard) = tokio::sync::mpsc::channel(readers);
    for _ in 0..readers {
        let (mut reader, handle) = Peer::attached(carrier, &relay.url, 1).await;
        let told = told.clone();
        let deliver = DeliverHeader::new(handle, len).as_bytes().len() + len;
        tokio::spawn(async move {
            for _ in 0..rounds {
                reader.skip(deliver * batch).await;
                told.send(()).await.unwrap();
            }
            std::future::pending::<()>().await;
        });
    }
    let publish = ClientMessage::Publish {
        request: RequestId(1),
        handle,
        frame: Frame::new(vec![7; len]).unwrap(),
    };
    let bytes = publish.encode().repeat(batch);
    let before = cpu_us(relay.pid());
    for _ in 0..rounds {
        publisher.write(&bytes).await;
        for _ in 0..batch {
            publisher.hear_published().await;
        }
        for _ in 0..readers {
            within(heard.recv()).await.unwrap();
        }
    }
    let spent = cpu_us(relay.pid()) - before;
    spent as f64 / (readers * batch * rounds) as f64
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deliveries() {
    let counts: &[usize] = if is_long() { &[1, 10, 100, 500] } else { &[3] };
    for carrier in [Carrier::Quic, Carrier::Tcp] {
        for batch in [1, 32] {
            for len in [256, 1024] {
                let mut row = format!("{carrier:?} {batch:>2} x {len:>4} B:");
                for readers in counts {
                    let deliveries = match (is_long(), batch) {
                        (false, _) => 100,
                        (true, 1) => 60_000,
                        (true, _) => 1_000_000,
                    };
                    let rounds = (deliveries / readers / batch).clamp(3, 20_000);
                    let us = fan_out(carrier, *readers, len, batch, rounds).await;
                    row += &format!("  1 to {readers}: {us:.2} us");
                }
                println!("{row}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections() {
    let count = if is_long() { 1000 } else { 20 };
    for carrier in [Carrier::Quic, Carrier::Tcp] {
        let relay = relay();
        let first = Peer::attached(carrier, &relay.url, 1).await;
        let (memory, cpu) = (resident_kib(relay.pid()), cpu_us(relay.pid()));
        let mut peers = Vec::new();
        for number in 0..count {
            peers.push(
                Peer::attached(carrier, &relay.url, u8::try_from(number % 250).unwrap()).await,
            );
        }
        let cpu = cpu_us(relay.pid()) - cpu;
        tokio::time::sleep(Duration::from_millis(if is_long() { 2000 } else { 1 })).await;
        let memory = resident_kib(relay.pid()) - memory;
        println!(
            "{carrier:?}: {:.1} KiB for each idle connection, {:.0} us to connect and attach",
            memory as f64 / f64::from(count),
            cpu as f64 / f64::from(count),
        );
        drop((first, peers));
    }
}

/// How long messages take from one to the other, in microseconds, sorted; each is read before the next
/// one is sent.
async fn latencies(publisher: &mut TcpClient, at: Handle, reader: &mut TcpClient) -> Vec<u128> {
    let mut took = Vec::new();
    for _ in 0..if is_long() { 20_000 } else { 20 } {
        let began = Instant::now();
        publisher.publish(at, &[7; 256]).await.unwrap();
        while !matches!(reader.hear().await, Some(RelayMessage::Deliver { .. })) {}
        took.push(began.elapsed().as_micros());
    }
    took.sort_unstable();
    took
}

/// Until so many others are there.
async fn wait_for(publisher: &mut TcpClient, at: Handle, others: u32) {
    within(async {
        while publisher.publish(at, b"is anybody there?").await != Ok(others) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
}

/// One message at a time to a reader at the same relay, which stands alone or in a cluster, and to one at
/// another relay: latency, and processor time of each process for a message.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_at_a_time_over_the_bus() {
    if !is_ready() {
        return;
    }
    let cluster = Cluster::new();
    let bus = NatsServer::alone(cluster.path()).await;
    let joined = [(); 2].map(|()| cluster.relay_with(&[bus.url()], &unbounded()));
    let alone = relay();
    for (what, here, there) in [
        ("at a relay alone", &alone, &alone),
        ("at one relay of two", &joined[0], &joined[0]),
        ("from one relay to another", &joined[0], &joined[1]),
    ] {
        let mut publisher = TcpClient::connect(&here.url).await;
        let at = publisher.attach(&seed(1)).await;
        let mut reader = TcpClient::connect(&there.url).await;
        reader.attach(&seed(1)).await;
        wait_for(&mut publisher, at, 1).await;
        tokio::time::sleep(Duration::from_millis(if is_long() { 2000 } else { 0 })).await;
        while tokio::time::timeout(Duration::from_millis(100), reader.hear())
            .await
            .is_ok()
        {}
        let pids = [here.pid(), there.pid(), bus.pid()];
        let before = pids.map(cpu_us);
        let took = latencies(&mut publisher, at, &mut reader).await;
        let count = took.len();
        let spent: Vec<String> = ["publisher's relay", "reader's relay", "nats-server"]
            .iter()
            .zip(pids.map(cpu_us).iter().zip(before))
            .map(|(who, (after, before))| {
                format!("{who} {:.1} us", (after - before) as f64 / count as f64)
            })
            .collect();
        println!(
            "{what}: p50 {} us, p99 {} us; processor time for a message: {}",
            took[count / 2],
            took[count * 99 / 100],
            spent.join(", ")
        );
    }
}

/// Many topics with somebody attached at one relay, and few of them at another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_topics_on_the_bus() {
    if !is_ready() {
        return;
    }
    let cluster = Cluster::new();
    let bus = NatsServer::alone(cluster.path()).await;
    let [here, there] = [(); 2].map(|()| cluster.relay_with(&[bus.url()], &unbounded()));
    let topic = |number: u32| {
        let mut bytes = [3; 32];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        TopicSeed::from_bytes(bytes)
    };
    let memory = || [here.pid(), there.pid(), bus.pid()].map(resident_kib);
    let topics = if is_long() { 100_000 } else { 100 };
    let (before, began) = (memory(), Instant::now());
    let mut clients = Vec::new();
    for first in (0..topics).step_by(1000) {
        let mut client = TcpClient::connect(&here.url).await;
        for number in first..topics.min(first + 1000) {
            client.attach(&topic(number)).await;
        }
        clients.push(client);
    }
    let attached = began.elapsed();
    let mut publisher = TcpClient::connect(&here.url).await;
    let at = publisher.attach(&seed(1)).await;
    let mut reader = TcpClient::connect(&there.url).await;
    reader.attach(&seed(1)).await;
    let pause = Duration::from_millis(100);
    let limit = Duration::from_secs(if is_long() { 120 } else { 20 });
    let began = Instant::now();
    while publisher.publish(at, b"is anybody there?").await != Ok(1) {
        assert!(began.elapsed() < limit, "the relays do not find each other");
        tokio::time::sleep(pause).await;
    }
    println!(
        "{topics} topics attached in {attached:.1?}; one more is shared with another relay {:.1?} later",
        began.elapsed()
    );
    let kib = |at: usize, after: [u64; 3]| {
        after[at].saturating_sub(before[at]) as f64 / f64::from(topics)
    };
    let after = memory();
    println!(
        "KiB for each topic: {:.2} in its relay, {:.3} in the other one, {:.2} in nats-server",
        kib(0, after),
        kib(1, after),
        kib(2, after)
    );
    tokio::time::sleep(Duration::from_millis(if is_long() { 2000 } else { 0 })).await;
    while tokio::time::timeout(pause, reader.hear()).await.is_ok() {}
    let took = latencies(&mut publisher, at, &mut reader).await;
    println!(
        "from one relay to another beside them: p50 {} us, p99 {} us",
        took[took.len() / 2],
        took[took.len() * 99 / 100]
    );
}
