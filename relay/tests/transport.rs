//! How a relay is reached and recognised: `docs/protocol.md`, section 1.

mod support;

use std::sync::atomic::Ordering;

use rustls::crypto::aws_lc_rs::kx_group;
use sori_wire::RelayKey;
use support::{Client, Config, RelayProcess, seed};

/// protocol §1.1.4
#[tokio::test]
async fn wrong_alpn_is_refused_in_the_handshake() {
    let relay = RelayProcess::start();
    for alpn in [&b"h3"[..], b"sori/2", b"sori/"] {
        let config = Config {
            alpn: alpn.to_vec(),
            ..Config::default()
        };
        assert!(Client::connect_with(&relay.url, config).await.is_err());
    }
}

/// protocol §1.1.3
#[tokio::test]
async fn key_exchange_without_ml_kem_is_refused() {
    let relay = RelayProcess::start();
    let config = Config {
        groups: vec![kx_group::X25519, kx_group::SECP256R1],
        ..Config::default()
    };
    assert!(Client::connect_with(&relay.url, config).await.is_err());
}

/// protocol §1.2.1, §1.2.2
#[tokio::test]
async fn relay_with_another_key_is_not_taken_for_the_pinned_one() {
    let relay = RelayProcess::start();
    let config = Config {
        key: Some(RelayKey::from_bytes([1; 32])),
        ..Config::default()
    };
    assert!(Client::connect_with(&relay.url, config).await.is_err());
}

/// protocol §1.2.3
#[tokio::test]
async fn nothing_that_links_two_sessions_is_handed_out() {
    let relay = RelayProcess::start();
    let config = Config::default();
    let recorder = config.recorder.clone();
    for _ in 0..2 {
        let mut alice = Client::connect_with(&relay.url, config.clone())
            .await
            .unwrap();
        let a = alice.attach(&seed(1)).await;
        assert_eq!(alice.publish(a, b"hello").await, Ok(0));
        // Tickets and tokens come right after the handshake: they would have arrived before this.
        alice.hears_nothing().await;
    }
    assert_eq!(recorder.tickets.load(Ordering::Relaxed), 0);
    assert_eq!(recorder.tokens.load(Ordering::Relaxed), 0);
}

/// protocol §1.1.5
#[tokio::test]
async fn one_stream_is_all_a_client_may_open() {
    let relay = RelayProcess::start();
    let mut alice = Client::connect(&relay.url).await;
    alice.attach(&seed(1)).await;
    let patience = std::time::Duration::from_millis(200);
    let second = tokio::time::timeout(patience, alice.connection.open_bi()).await;
    assert!(second.is_err());
    let one_way = tokio::time::timeout(patience, alice.connection.open_uni()).await;
    assert!(one_way.is_err());
    assert!(alice.connection.send_datagram(bytes::Bytes::new()).is_err());
}
