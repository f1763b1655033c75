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
use std::time::Duration;

use sori_wire::{ClientMessage, DeliverHeader, Frame, Handle, RelayMessage, RelayUrl, RequestId};
use support::{Client, RelayProcess, TcpClient, resident_kib, seed, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn is_long() -> bool {
    std::env::var_os("SORI_RELAY_LOAD").is_some()
}

fn relay() -> RelayProcess {
    let arguments = [
        "--listen",
        "127.0.0.1:0",
        "--max-connections-per-network",
        "100000",
        "--max-handshakes-per-network",
        "100000:100000",
        "--max-unproven-handshakes",
        "100000:100000",
        "--max-work-per-connection",
        "1000000000000:1000000000000",
        "--threads",
        &std::env::var("SORI_RELAY_LOAD_THREADS").unwrap_or_else(|_| "1".into()),
    ];
    RelayProcess::start_with(&arguments, Path::new("/"))
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
