//! Nothing of a frame is left in the relay's memory, by looking at all of it.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]

mod support;

use std::net::Ipv4Addr;

use sori_wire::RelayMessage;
use support::{
    Client, Config, RelayProcess, TcpClient, copies_in_memory, seed, tls_config, within,
};

fn marked(marker: &[u8], len: usize) -> Vec<u8> {
    marker.iter().copied().cycle().take(len).collect()
}

/// Not in one piece in this program's text, so that it cannot be found where nobody sent it.
fn marker() -> Vec<u8> {
    [b"canary-".as_slice(), b"5d1c", b"-of-", b"memory"].concat()
}

/// protocol §2.4.5, §2.2.5, §2.7.1
#[tokio::test]
async fn frames_are_gone_from_memory_once_delivered() {
    let relay = RelayProcess::start();
    let marker = marker();
    if let Err(error) = copies_in_memory(relay.pid(), &marker) {
        println!("memory not seen, only the superuser may look: {error}");
        return;
    }
    let mut alice = Client::connect(&relay.url).await;
    let a = alice.attach(&seed(1)).await;
    let mut readers = Vec::new();
    for _ in 0..5 {
        let mut reader = Client::connect(&relay.url).await;
        reader.attach(&seed(1)).await;
        readers.push(reader);
    }
    for len in [100, 512, 2048, 2049, 16_384, 65_536].repeat(10) {
        let frame = marked(&marker, len);
        assert_eq!(alice.publish(a, &frame).await, Ok(5));
        for reader in &mut readers {
            assert_eq!(reader.hear_frame().await.1, frame);
        }
    }
    // Everybody is still attached. The last acknowledgements free the last frames.
    within(async {
        while copies_in_memory(relay.pid(), &marker).unwrap() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await;
    let topic = seed(1).topic();
    assert!(copies_in_memory(relay.pid(), topic.as_bytes()).unwrap() > 0);

    drop(readers);
    alice.connection.close(0_u32.into(), b"");
    within(alice.endpoint.wait_idle()).await;
    within(async {
        while copies_in_memory(relay.pid(), topic.as_bytes()).unwrap() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await;
}

/// What came over TCP is no longer there either, while who sent it stays and says nothing more.
///
/// protocol §2.4.5
#[tokio::test]
async fn frames_over_tcp_are_gone_from_memory_while_everybody_stays() {
    let relay = RelayProcess::start();
    let marker = marker();
    if let Err(error) = copies_in_memory(relay.pid(), &marker) {
        println!("memory not seen, only the superuser may look: {error}");
        return;
    }
    let mut alice = TcpClient::connect(&relay.url).await;
    let a = alice.attach(&seed(1)).await;
    let mut bob = TcpClient::connect(&relay.url).await;
    bob.attach(&seed(1)).await;
    for len in [100, 2048, 4000, 16_384, 65_536, 300] {
        let frame = marked(&marker, len);
        assert_eq!(alice.publish(a, &frame).await, Ok(1));
        let heard = bob.hear().await;
        assert!(
            matches!(&heard, Some(RelayMessage::Deliver { frame: heard, .. }) if heard.as_bytes() == frame),
            "{heard:?}"
        );
        within(async {
            while copies_in_memory(relay.pid(), &marker).unwrap() > 0 {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await;
    }
}

/// protocol §2.4.5
#[tokio::test]
async fn scan_finds_what_waits_for_a_stalled_reader_and_nothing_after_it_left() {
    let relay = RelayProcess::start();
    let marker = marker();
    if let Err(error) = copies_in_memory(relay.pid(), &marker) {
        println!("memory not seen, only the superuser may look: {error}");
        return;
    }
    let mut alice = Client::connect(&relay.url).await;
    let narrow = Config {
        window: 4096,
        ..Config::default()
    };
    let mut stalled = Client::connect_with(&relay.url, narrow).await.unwrap();
    let a = alice.attach(&seed(1)).await;
    stalled.attach(&seed(1)).await;
    for _ in 0..10 {
        assert_eq!(alice.publish(a, &marked(&marker, 10_000)).await, Ok(1));
    }
    let found = copies_in_memory(relay.pid(), &marker).unwrap();
    assert!(
        found > 100,
        "the scan finds only {found} copies of what waits"
    );

    stalled.connection.close(0_u32.into(), b"");
    within(async {
        while copies_in_memory(relay.pid(), &marker).unwrap() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await;
}

/// Of the addresses that clients come from nothing is left once they have gone, over either carrier.
///
/// protocol §2.5.5, §2.7.1
#[tokio::test]
async fn addresses_are_gone_from_memory_once_everybody_has_left() {
    let relay = RelayProcess::start();
    // In the last round somebody else stays. Over QUIC that is no test: the library keeps what it
    // knew of a connection in a table that is freed when nobody is left, or used for the next one.
    let mut others = Vec::new();
    for (carrier, last) in [("quic", 201), ("tcp", 202), ("tcp", 203)] {
        if last == 203 {
            others.push(Client::connect(&relay.url).await);
        }
        let address = Ipv4Addr::new(127, 83, 190, last);
        let needle = address.octets();
        if let Err(error) = copies_in_memory(relay.pid(), &needle) {
            println!("memory not seen, only the superuser may look: {error}");
            return;
        }
        let mut clients = Vec::new();
        let mut tcp_clients = Vec::new();
        for _ in 0..3 {
            if carrier == "quic" {
                let config = Config {
                    from: address.into(),
                    ..Config::default()
                };
                let mut client = Client::connect_with(&relay.url, config).await.unwrap();
                client.attach(&seed(1)).await;
                clients.push(client);
            } else {
                let tls = tls_config(Config::default(), *relay.url.identity());
                let client = TcpClient::connect_with(&relay.url, tls, address).await;
                let mut client = client.unwrap();
                client.attach(&seed(1)).await;
                tcp_clients.push(client);
            }
        }
        if carrier == "quic" {
            assert!(
                copies_in_memory(relay.pid(), &needle).unwrap() > 0,
                "no test of it"
            );
        }
        for client in clients {
            client.connection.close(0_u32.into(), b"");
            within(client.endpoint.wait_idle()).await;
        }
        drop(tcp_clients);
        let left = std::time::Instant::now();
        within(async {
            while copies_in_memory(relay.pid(), &needle).unwrap() > 0 {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        })
        .await;
        println!(
            "{carrier}, {} others: nothing left after {:?}",
            others.len(),
            left.elapsed()
        );
        let text = address.to_string();
        assert_eq!(copies_in_memory(relay.pid(), text.as_bytes()).unwrap(), 0);
    }
}
