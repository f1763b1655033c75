//! Attacks of the size that the relay is judged by, on the program with the limits that it is installed
//! with, while two people talk: it lives and serves them. What it gives back of the memory is printed.
//!
//! Small by default. At full size, with figures:
//! `SORI_RELAY_SIEGE=1 cargo test --release -p sori-relay --test siege -- --nocapture --test-threads 1`; with
//! `SORI_RELAY_SIEGE=latency` it does not wait for memory to be given back.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests may panic like tests, and figures are to be read"
)]

mod support;

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sori_wire::{ClientMessage, Frame, Handle, RelayUrl, RequestId};
use support::{
    Client, Config, Dice, RelayProcess, TcpClient, initial, resident_kib, seed, tls_config,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

fn is_long() -> bool {
    std::env::var_os("SORI_RELAY_SIEGE").is_some()
}

fn pick<T>(long: T, short: T) -> T {
    if is_long() { long } else { short }
}

/// Two who talk, one over QUIC and one over TCP, from a network of their own.
struct Honest {
    alice: Client,
    bob: TcpClient,
    handle: Handle,
}

impl Honest {
    async fn meet(url: &RelayUrl) -> Self {
        let from = Ipv4Addr::new(127, 200, 0, 1);
        let config = Config {
            from: from.into(),
            ..Config::default()
        };
        let mut alice = Client::connect_with(url, config).await.unwrap();
        let handle = alice.attach(&seed(1)).await;
        let tls = tls_config(Config::default(), *url.identity());
        let mut bob = TcpClient::connect_with(url, tls, from).await.unwrap();
        bob.attach(&seed(1)).await;
        Self { alice, bob, handle }
    }

    /// How long a message takes, until who sent it knows that it went and the other one has it.
    async fn talk(&mut self) -> Duration {
        let start = Instant::now();
        assert_eq!(self.alice.publish(self.handle, b"ping").await, Ok(1));
        assert!(self.bob.hear().await.is_some());
        start.elapsed()
    }

    /// Talks two hundred times a second, at least so often and until `is_over`; the latencies.
    async fn talk_on(&mut self, least: usize, is_over: impl Fn() -> bool) -> Latencies {
        let mut latencies = Vec::new();
        let mut pace = interval(Duration::from_millis(5));
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while latencies.len() < least || !is_over() {
            pace.tick().await;
            latencies.push(self.talk().await);
        }
        latencies.sort_unstable();
        Latencies(latencies)
    }
}

struct Latencies(Vec<Duration>);

impl Latencies {
    fn percentile(&self, percent: usize) -> f64 {
        self.0[(self.0.len() - 1) * percent / 100].as_secs_f64() * 1000.0
    }
}

/// A load of its own, on a thread that comes after others: attackers bring their own processors, and
/// here they have to share ours.
fn attack<F: Future<Output = String>>(
    load: impl FnOnce() -> F + Send + 'static,
) -> JoinHandle<String> {
    std::thread::spawn(|| {
        // On Linux this is about the calling thread.
        rustix::process::nice(19).unwrap();
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build().unwrap().block_on(load())
    })
}

/// A relay that is attacked, with the limits that it is installed with.
struct Besieged {
    relay: RelayProcess,
    admin: PathBuf,
    _directory: TempDir,
}

impl Besieged {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let admin = directory.path().join("admin.sock");
        let arguments = [
            "--listen",
            "127.0.0.1:0",
            "--admin",
            admin.to_str().unwrap(),
        ];
        Self {
            relay: RelayProcess::start_with(&arguments, Path::new("/")),
            admin,
            _directory: directory,
        }
    }

    fn attack<F: Future<Output = String>>(
        &self,
        load: impl FnOnce(RelayUrl, u32) -> F + Send + 'static,
        size: u32,
    ) -> JoinHandle<String> {
        let url = self.relay.url.clone();
        attack(move || load(url, size))
    }

    /// At full size, waits until all attackers are gone, also those who went without a word, and until memory
    /// was given back; says how many seconds it took them to be gone.
    async fn settle(&self) -> f64 {
        if !is_long() {
            return 0.0;
        }
        let begin = Instant::now();
        while self.connections() > 2 {
            assert!(begin.elapsed() < TO_BE_GONE, "attackers are still there");
            sleep(Duration::from_millis(100)).await;
        }
        let gone = begin.elapsed().as_secs_f64();
        if std::env::var_os("SORI_RELAY_SIEGE").is_some_and(|size| size != "latency") {
            sleep(SETTLING).await;
        }
        gone
    }

    /// How many are connected or about to be, by what the relay says of itself.
    fn connections(&self) -> u64 {
        let said = Command::new(env!("CARGO_BIN_EXE_sori-relay"))
            .args(["warrant", "--json", "--admin"])
            .arg(&self.admin)
            .output()
            .unwrap();
        let report: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
        ["connections_quic", "connections_tcp", "handshakes"]
            .map(|name| report["now"][name].as_u64().unwrap())
            .iter()
            .sum()
    }

    fn resident_kib(&self) -> u64 {
        resident_kib(self.relay.pid())
    }
}

/// Puts a load on a relay while people talk, and looks what it did to them and to the memory. What the same
/// load does to them when it goes to another relay is not their relay's doing but the machine's.
async fn besiege<F: Future<Output = String>>(
    name: &str,
    load: impl Fn(RelayUrl, u32) -> F + Copy + Send + 'static,
    size: u32,
) {
    let (here, elsewhere) = (Besieged::start(), Besieged::start());
    let mut honest = Honest::meet(&here.relay.url).await;
    // What a program takes once, for the first of a kind, is not what an attack leaves behind.
    let first = here.attack(load, size.div_ceil(10));
    honest.talk_on(1, || first.is_finished()).await;
    first.join().unwrap();
    here.settle().await;
    let before = here.resident_kib();
    let quiet = honest.talk_on(pick(2000, 20), || true).await;
    let there = elsewhere.attack(load, size);
    let beside = honest.talk_on(1, || there.is_finished()).await;
    there.join().unwrap();
    drop(elsewhere);
    let began = Instant::now();
    let load = here.attack(load, size);
    let during = honest.talk_on(1, || load.is_finished()).await;
    let took = began.elapsed();
    let said = load.join().unwrap();
    let most = here.resident_kib();
    let gone = here.settle().await;
    let after = here.resident_kib();
    let again = honest.talk_on(pick(2000, 20), || true).await;
    println!("{name}: {said} in {:.1} s", took.as_secs_f64());
    for (when, latencies) in [
        ("before", quiet),
        ("while another relay has it", beside),
        ("while theirs has it", during),
        ("after", again),
    ] {
        println!(
            "  honest messages {when}: {}, p50 {:.2} ms, p99 {:.2} ms",
            latencies.0.len(),
            latencies.percentile(50),
            latencies.percentile(99)
        );
    }
    println!("  the last attacker was gone {gone:.1} s after it");
    println!("  memory: {before} KiB before, {most} KiB at the end of it, {after} KiB after");
    assert!(honest.talk().await < Duration::from_secs(20));
}

/// One of a thousand addresses, in 250 networks.
fn address(number: u32) -> Ipv4Addr {
    let number = number % 1000;
    let low = |n: u32| u8::try_from(n).unwrap();
    Ipv4Addr::new(127, 0, low(number % 250), low(1 + number / 250))
}

fn socket_address(url: &RelayUrl) -> SocketAddr {
    SocketAddr::new(url.host().address().unwrap(), url.port())
}

async fn tcp_from(from: Ipv4Addr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(from.into(), 0))?;
    socket.connect(to).await
}

async fn udp_from(from: Ipv4Addr, to: SocketAddr, datagrams: &[Vec<u8>]) -> std::io::Result<()> {
    let udp = UdpSocket::bind(SocketAddr::new(from.into(), 0)).await?;
    for datagram in datagrams {
        udp.send_to(datagram, to).await?;
    }
    // Whatever is answered, the attacker has a look at it like anybody.
    let mut buffer = [0; 1500];
    let _silence = timeout(Duration::from_millis(20), udp.recv(&mut buffer)).await;
    Ok(())
}

/// Garbage of every layer: datagrams, Initial packets with hostile frames inside, TLS, messages within a
/// session.
async fn garbage(url: RelayUrl, count: u32) -> String {
    let to = socket_address(&url);
    let tls = tls_config(Config::default(), *url.identity());
    let hello = initial::client_hello(&tls);
    let record = tls_record(&tls);
    let mut dice = Dice::new();
    let mut under_way = JoinSet::new();
    let mut kinds = [0_u32; 4];
    for number in 0..count {
        let from = address(number);
        let kind = if number % 100 == 99 { 3 } else { number % 4 };
        match kind {
            0 => {
                let connection = dice.bytes(8).try_into().unwrap();
                let [one, two] = [0, 1].map(|number| {
                    let frames = initial::frames(&mut dice, &hello);
                    initial::datagram(connection, number, &frames)
                });
                under_way.spawn(async move { drop(udp_from(from, to, &[one, two]).await) });
            }
            1 => {
                let mut bytes = record.clone();
                dice.spoil(&mut bytes);
                under_way.spawn(async move {
                    if let Ok(mut stream) = tcp_from(from, to).await {
                        let _sent_or_not = stream.write_all(&bytes).await;
                        let _over = stream.shutdown().await;
                        let _answer = timeout(PATIENCE, stream.read(&mut [0; 64])).await;
                    }
                });
            }
            2 => {
                let mut datagram = initial::datagram([dice.byte(); 8], 0, &hello[..1000]);
                dice.spoil(&mut datagram);
                under_way.spawn(async move { drop(udp_from(from, to, &[datagram]).await) });
            }
            _ => {
                let bytes = spoiled_messages(&mut dice);
                let (url, tls) = (url.clone(), tls.clone());
                let over_quic = number % 100 == 99;
                under_way
                    .spawn(async move { say_within(&url, tls, from, over_quic, &bytes).await });
            }
        }
        kinds[kind as usize] += 1;
        if under_way.len() >= AT_ONCE {
            under_way.join_next().await;
        }
    }
    while under_way.join_next().await.is_some() {}
    format!(
        "{} hostile Initials twice over, {} spoiled TLS hellos, {} spoiled datagrams, {} sessions with spoiled messages",
        kinds[0], kinds[1], kinds[2], kinds[3]
    )
}

/// The first record of TLS over TCP.
fn tls_record(tls: &rustls::ClientConfig) -> Vec<u8> {
    let name = rustls::pki_types::ServerName::try_from("relay.invalid").unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(tls.clone()), name).unwrap();
    let mut record = Vec::new();
    client.write_tls(&mut record).unwrap();
    record
}

fn spoiled_messages(dice: &mut Dice) -> Vec<u8> {
    let whole = ClientMessage::Publish {
        request: RequestId(1),
        handle: Handle(0),
        frame: Frame::new(vec![1; 40]).unwrap(),
    };
    let mut bytes = whole.encode().repeat(3);
    dice.spoil(&mut bytes);
    bytes
}

/// A whole handshake, then these bytes, until the relay has had enough of it.
async fn say_within(
    url: &RelayUrl,
    tls: rustls::ClientConfig,
    from: Ipv4Addr,
    over_quic: bool,
    bytes: &[u8],
) {
    let saying = async {
        if over_quic {
            let config = Config {
                from: from.into(),
                ..Config::default()
            };
            let Ok(mut client) = Client::connect_with(url, config).await else {
                return;
            };
            let _sent_or_not = client.send.write_all(bytes).await;
            let _already_closed = client.send.finish();
            while client.try_hear().await.is_some() {}
        } else {
            let Ok(mut client) = TcpClient::connect_with(url, tls, from).await else {
                return;
            };
            let _sent_or_not = client.stream.write_all(bytes).await;
            let _over = client.stream.shutdown().await;
            while client.hear().await.is_some() {}
        }
    };
    let _given_up = timeout(PATIENCE, saying).await;
}

/// Connections that say a byte now and then: before TLS, in the middle of a message over TCP, and over
/// QUIC. Each is held for `HELD`, or until the relay ends it.
async fn slow_loris(url: RelayUrl, count: u32) -> String {
    let to = socket_address(&url);
    let mut open = JoinSet::new();
    let tls = tls_config(Config::default(), *url.identity());
    let record = tls_record(&tls);
    for number in 0..count {
        let (url, from, tls) = (url.clone(), address(number), tls.clone());
        let record = record.clone();
        open.spawn(async move {
            let dripping = async {
                match number % 3 {
                    0 => {
                        let mut stream = tcp_from(from, to).await.ok()?;
                        drip(&mut stream, &record).await
                    }
                    1 => {
                        let client = TcpClient::connect_with(&url, tls, from).await;
                        drip(&mut client.ok()?.stream, &MESSAGE_BEGUN).await
                    }
                    _ => {
                        let config = Config {
                            from: from.into(),
                            ..Config::default()
                        };
                        let client = Client::connect_with(&url, config).await;
                        drip(&mut client.ok()?.send, &MESSAGE_BEGUN).await
                    }
                }
            };
            timeout(pick(HELD, Duration::from_millis(100)), dripping)
                .await
                .is_err()
        });
        if number % 50 == 49 {
            sleep(Duration::from_millis(50)).await;
        }
    }
    let mut held = 0;
    while let Some(ended) = open.join_next().await {
        // One that got no answer at all has panicked.
        held += u32::from(ended.unwrap_or(false));
    }
    format!("{count} connections by drips, {held} of them held to the end")
}

/// Writes one byte after the other until nobody takes them.
async fn drip(to: &mut (impl AsyncWriteExt + Unpin), bytes: &[u8]) -> Option<()> {
    for byte in bytes.iter().cycle() {
        to.write_all(&[*byte]).await.ok()?;
        to.flush().await.ok()?;
        sleep(Duration::from_millis(500)).await;
    }
    None
}

/// A thousand attempts a second, half over QUIC and half over TCP, each through its handshake and gone.
async fn attempts(url: RelayUrl, count: u32) -> String {
    let mut pace = interval(Duration::from_millis(1));
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let tls = tls_config(Config::default(), *url.identity());
    let mut under_way = JoinSet::new();
    let mut through = 0;
    for number in 0..count {
        pace.tick().await;
        let (url, from, tls) = (url.clone(), address(number), tls.clone());
        under_way.spawn(async move {
            let attempt = async {
                if number % 2 == 0 {
                    let config = Config {
                        from: from.into(),
                        ..Config::default()
                    };
                    Client::connect_with(&url, config).await.is_ok()
                } else {
                    TcpClient::connect_with(&url, tls, from).await.is_ok()
                }
            };
            u32::from(timeout(PATIENCE, attempt).await.unwrap_or(false))
        });
        while under_way.len() >= AT_ONCE * 8 {
            through += under_way.join_next().await.unwrap().unwrap_or(0);
        }
    }
    while let Some(ended) = under_way.join_next().await {
        // One that got no answer at all has panicked.
        through += ended.unwrap_or(0);
    }
    format!("{count} attempts, {through} of them through")
}

/// One client that asks for all it can, as fast as it is let: small frames, the largest frame, and proofs to
/// be verified. Nobody hears its frames but whoever is on its own topic.
async fn greedy(url: RelayUrl, batches: u32) -> String {
    let tls = tls_config(Config::default(), *url.identity());
    let mut client = TcpClient::connect_with(&url, tls, address(7))
        .await
        .unwrap();
    let handle = client.attach(&seed(2)).await;
    let proof = seed(3).prove(&client.exporter());
    let request = RequestId(9);
    let publish = |len: usize| {
        let frame = Frame::new(vec![1; len]).unwrap();
        ClientMessage::Publish {
            request,
            handle,
            frame,
        }
        .encode()
    };
    let topic = seed(3).topic();
    let attach = ClientMessage::Attach {
        request,
        topic,
        proof,
    }
    .encode();
    let batch = [publish(256).repeat(64), attach, publish(65_536)].concat();
    let (mut answers, mut to) = tokio::io::split(client.stream);
    let reading = tokio::spawn(async move {
        let mut buffer = vec![0; 65_536];
        while answers.read(&mut buffer).await.is_ok_and(|len| len > 0) {}
    });
    let mut written = 0;
    while written < batches && to.write_all(&batch).await.is_ok() {
        written += 1;
    }
    reading.abort();
    format!("{written} times 64 frames of 256 B, one of 64 KiB and a proof by one client")
}

/// protocol §2.1.4, §2.1.5
#[tokio::test]
async fn garbage_of_every_layer_keeps_nobody_from_talking() {
    besiege("garbage", garbage, pick(100_000, 200)).await;
}

#[tokio::test]
async fn slow_connections_keep_nobody_from_talking() {
    besiege("slow loris", slow_loris, pick(500, 12)).await;
}

#[tokio::test]
async fn attempts_from_a_thousand_addresses_keep_nobody_from_talking() {
    besiege("attempts", attempts, pick(10_000, 100)).await;
}

/// protocol §2.5.4
#[tokio::test]
async fn greedy_client_keeps_nobody_from_talking() {
    besiege("greedy client", greedy, pick(4000, 20)).await;
}

/// The length of a message as long as any, and its beginning, over and over.
const MESSAGE_BEGUN: [u8; 3] = [0, 1, 0];

/// Attempts that are under way at a time.
const AT_ONCE: usize = 64;

/// How long an attacker waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long slow connections are held open.
const HELD: Duration = Duration::from_secs(15);

/// How long an attacker who goes without a word may be taken for being there (`protocol §1.1.7`), with room.
const TO_BE_GONE: Duration = Duration::from_secs(120);

/// How long the relay has to give memory back after that: it does so after 5 s and after 60 s.
const SETTLING: Duration = Duration::from_secs(65);
