//! Peers that mean no good: floods, half-said things, garbage. The relay serves the others on and
//! gets back what it gave. `SORI_RELAY_ABUSE=20` makes everything so many times as much.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests may panic like tests, and seeds are to be read"
)]

mod support;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use sori_relay::{Current, Limits, Monitor, Rate};
use sori_wire::{ClientMessage, Frame, RequestId};
use support::{Client, Config, Dice, Local, TcpClient, seed, tls_config, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

fn times() -> u32 {
    let times = std::env::var("SORI_RELAY_ABUSE");
    times.ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

fn rate(burst: u64, per_second: u64) -> Rate {
    Rate { burst, per_second }
}

/// Two who talk, and find that it works.
struct Honest {
    alice: Client,
    bob: TcpClient,
    handle: sori_wire::Handle,
}

impl Honest {
    async fn meet(relay: &Local) -> Self {
        let mut alice = Client::connect(&relay.url).await;
        let handle = alice.attach(&seed(1)).await;
        let mut bob = TcpClient::connect(&relay.url).await;
        bob.attach(&seed(1)).await;
        Self { alice, bob, handle }
    }

    async fn talk(&mut self) {
        assert_eq!(self.alice.publish(self.handle, b"ping").await, Ok(1));
        assert!(self.bob.hear().await.is_some());
    }
}

/// Waits until the relay holds no more than two honest people.
async fn all_is_given_back(monitor: &Monitor) {
    within(async {
        loop {
            let Current {
                connections_quic,
                connections_tcp,
                handshakes,
                queued_bytes,
                ..
            } = monitor.current();
            if (connections_quic, connections_tcp, handshakes, queued_bytes) == (1, 1, 0, 0) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

async fn tcp_from(from: Ipv4Addr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(from.into(), 0))?;
    socket.connect(to).await
}

/// Reads until the other side is done, or tears it down.
async fn ends(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    let _torn_down_or_ended = within(stream.read_to_end(&mut rest)).await;
}

#[tokio::test]
async fn network_that_comes_too_often_waits_and_others_do_not() {
    let relay = Local::start(|settings| {
        settings.shards = 1;
        settings.limits.handshakes_per_prefix = rate(3, 2);
    });
    let to = relay.server.local_addr();
    for host in 1..=3 {
        let from = Ipv4Addr::new(127, 9, 1, host);
        let tls = tls_config(Config::default(), *relay.url.identity());
        let mut client = TcpClient::connect_with(&relay.url, tls, from)
            .await
            .unwrap();
        client.attach(&seed(1)).await;
    }
    // The fourth of the network is turned away at once...
    match tcp_from(Ipv4Addr::new(127, 9, 1, 4), to).await {
        Ok(mut fourth) => ends(&mut fourth).await,
        // Closed before it looked whether it is open.
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
    assert!(relay.server.monitor().totals().refused_rate >= 1);
    // ... somebody else is not ...
    let tls = tls_config(Config::default(), *relay.url.identity());
    let elsewhere = Ipv4Addr::new(127, 9, 2, 1);
    let mut client = TcpClient::connect_with(&relay.url, tls, elsewhere)
        .await
        .unwrap();
    client.attach(&seed(1)).await;
    // ... and QUIC from there gets through by its own patience.
    let config = Config {
        from: Ipv4Addr::new(127, 9, 1, 5).into(),
        ..Config::default()
    };
    let mut client = Client::connect_with(&relay.url, config).await.unwrap();
    client.attach(&seed(1)).await;
}

#[tokio::test]
async fn network_has_so_many_connections_and_no_more() {
    let relay = Local::start(|settings| {
        settings.shards = 1;
        settings.limits.connections_per_prefix_max = 2;
    });
    let mut honest = Honest::meet(&relay).await;
    let third = Client::connect_with(&relay.url, Config::default()).await;
    assert!(third.is_err());
    let config = Config {
        from: Ipv4Addr::new(127, 9, 3, 1).into(),
        ..Config::default()
    };
    assert!(Client::connect_with(&relay.url, config).await.is_ok());
    honest.talk().await;
    assert_eq!(relay.server.monitor().totals().refused_full, 1);
}

#[tokio::test]
async fn addresses_have_to_prove_themselves_when_many_come() {
    let relay = Local::start(|settings| {
        settings.shards = 2;
        settings.limits.handshakes_unproven = rate(0, 0);
    });
    let mut honest = Honest::meet(&relay).await;
    honest.talk().await;
    assert_eq!(relay.server.monitor().totals().retries, 1);
}

#[tokio::test]
async fn flood_from_many_addresses_leaves_honest_people_their_service() {
    let relay = Local::start(|settings| settings.limits.handshakes_per_prefix = rate(50, 5));
    let to = relay.server.local_addr();
    let mut honest = Honest::meet(&relay).await;
    let attempts = 300 * times();
    let mut flood = tokio::task::JoinSet::new();
    for number in 0..attempts {
        let [.., high, low] = (number % 1000).to_be_bytes();
        let from = Ipv4Addr::new(127, 20, high, low);
        flood.spawn(async move {
            let udp = tokio::net::UdpSocket::bind(SocketAddr::new(from.into(), 0)).await;
            if let Ok(udp) = udp {
                // The look of a first packet of QUIC, and nothing inside.
                let mut first = vec![0; 1200];
                first[..7].copy_from_slice(&[0xc0, 0, 0, 0, 1, 8, low]);
                let _sent_or_not = udp.send_to(&first, to).await;
            }
            if let Ok(mut stream) = tcp_from(from, to).await {
                let _sent_or_not = stream.write_all(&[22, 3, 1, 2, 0, 1]).await;
            }
        });
        if number % 10 == 0 {
            honest.talk().await;
        }
    }
    flood.join_all().await;
    honest.talk().await;
    all_is_given_back(&relay.server.monitor()).await;
    let totals = relay.server.monitor().totals();
    assert!(
        totals.handshakes_failed + totals.refused_rate > 0,
        "{totals:?}"
    );
}

#[tokio::test]
async fn who_says_things_by_halves_costs_only_a_place() {
    let relay = Local::start(|_| {});
    let to = relay.server.local_addr();
    let mut honest = Honest::meet(&relay).await;
    let (mut before, mut within_tls, mut over_quic) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..10 * times() {
        let mut stream = TcpStream::connect(to).await.unwrap();
        stream.write_all(&[22]).await.unwrap();
        before.push(stream);
        let mut client = TcpClient::connect(&relay.url).await;
        client.stream.write_all(&[0, 1, 0, 9, 2]).await.unwrap();
        within_tls.push(client);
        let mut client = Client::connect(&relay.url).await;
        client.send.write_all(&[0, 1]).await.unwrap();
        over_quic.push(client);
        honest.talk().await;
    }
    let count = u64::from(10 * times());
    // A client is through its handshake a moment before the relay is.
    let only_halves_are_open = async {
        loop {
            let current = relay.server.monitor().current();
            if (current.handshakes, current.connections_tcp) == (count, count + 1) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within(only_halves_are_open).await;
    for client in over_quic {
        client.connection.close(0_u32.into(), b"");
    }
    drop((before, within_tls));
    all_is_given_back(&relay.server.monitor()).await;
    honest.talk().await;
}

/// protocol §2.1.4, §2.1.5
#[tokio::test]
async fn garbage_ends_only_the_connection_that_it_came_from() {
    let relay = Local::start(|_| {});
    let mut honest = Honest::meet(&relay).await;
    let mut dice = Dice::new();
    let whole = ClientMessage::Publish {
        request: RequestId(1),
        handle: honest.handle,
        frame: Frame::new(vec![1; 40]).unwrap(),
    }
    .encode();
    for _ in 0..20 * times() {
        let mut bytes = whole.repeat(3);
        dice.spoil(&mut bytes);
        let mut client = TcpClient::connect(&relay.url).await;
        client.stream.write_all(&bytes).await.unwrap();
        client.stream.shutdown().await.unwrap();
        while client.hear().await.is_some() {}
        let mut client = Client::connect(&relay.url).await;
        client.send.write_all(&bytes).await.unwrap();
        let _already_closed = client.send.finish();
        while within(client.try_hear()).await.is_some() {}
        honest.talk().await;
    }
    all_is_given_back(&relay.server.monitor()).await;
    assert!(relay.server.monitor().totals().malformed > 0);
}

/// How much of somebody who publishes as fast as possible to many is done while one honest message is
/// on its way: a few turns' worth, whatever waits behind it. Since this process itself may have to wait
/// for a processor, the fastest of many messages counts: without turns not one of them would be fast.
///
/// protocol §2.4.7
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_who_publishes_without_end_gets_a_turn_like_anybody() {
    let relay = Local::start(|settings| {
        settings.shards = 1;
        settings.limits = Limits {
            work: rate(u64::MAX, u64::MAX),
            ..Limits::default()
        };
    });
    let mut honest = Honest::meet(&relay).await;
    let mut greedy = TcpClient::connect(&relay.url).await;
    let handle = greedy.attach(&seed(9)).await;
    for _ in 0..10 {
        let mut reader = TcpClient::connect(&relay.url).await;
        reader.attach(&seed(9)).await;
        tokio::spawn(async move {
            let mut buffer = vec![0; 65_536];
            while reader
                .stream
                .read(&mut buffer)
                .await
                .is_ok_and(|len| len > 0)
            {}
        });
    }
    let bytes = ClientMessage::Publish {
        request: RequestId(1),
        handle,
        frame: Frame::new(vec![1; 256]).unwrap(),
    }
    .encode()
    .repeat(200);
    let (mut read, mut write) = tokio::io::split(greedy.stream);
    tokio::spawn(async move { while write.write_all(&bytes).await.is_ok() {} });
    tokio::spawn(async move {
        let mut buffer = vec![0; 65_536];
        while read.read(&mut buffer).await.is_ok_and(|len| len > 0) {}
    });
    let monitor = relay.server.monitor();
    let mut meanwhile = Vec::new();
    for _ in 0..200 {
        let before = monitor.totals().frames_in;
        honest.talk().await;
        meanwhile.push(monitor.totals().frames_in - before);
    }
    meanwhile.sort_unstable();
    let total = monitor.totals().frames_in;
    println!(
        "least {} median {} p99 {} of {total}",
        meanwhile[0], meanwhile[100], meanwhile[198]
    );
    assert!(total > 1000, "there was nobody greedy");
    // 16 KiB of TLS are 63 frames, and a turn is two of them.
    assert!(meanwhile[0] <= 20 * 126, "{} frames", meanwhile[0]);
}
