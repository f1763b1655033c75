//! The ways to a relay: UDP and TCP, IPv4 and IPv6, key and certificate, open and private.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]

mod support;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::aws_lc_rs::{self, kx_group};
use rustls::pki_types::CertificateDer;
use sori_relay::{CertificateFiles, Tcp};
use sori_wire::{AccessKey, CloseCode, Handle, Refusal, RelayKey, RelayMessage};
use support::{
    Client, Config, Local, TcpClient, at, quic_config, seed, tls_config, with_verifier, within,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// protocol §1.1.8, §1.4.1, §1.4.2, §2.4.2, §2.4.3
#[tokio::test]
async fn quic_and_tcp_meet_at_one_port_whatever_the_number_of_shards() {
    for shards in [1, 3] {
        let relay = Local::start(|settings| settings.shards = shards);
        let mut quic = Vec::new();
        let mut tcp = Vec::new();
        for _ in 0..4 {
            let mut client = Client::connect(&relay.url).await;
            client.attach(&seed(1)).await;
            quic.push(client);
            let mut client = TcpClient::connect(&relay.url).await;
            client.attach(&seed(1)).await;
            tcp.push(client);
        }
        let mut publisher = TcpClient::connect(&relay.url).await;
        let handle = publisher.attach(&seed(1)).await;
        for len in [0, 1, 1000, 1025, 65_536] {
            assert_eq!(publisher.publish(handle, &vec![5; len]).await, Ok(8));
            for client in &mut quic {
                assert_eq!(client.hear_frame().await.1, vec![5; len]);
            }
            for client in &mut tcp {
                let heard = client.hear().await;
                assert!(
                    matches!(&heard, Some(RelayMessage::Deliver { frame, .. })
                        if frame.as_bytes() == vec![5; len]),
                    "{heard:?}"
                );
            }
        }
        let current = relay.server.monitor().current();
        assert_eq!((current.connections_quic, current.connections_tcp), (4, 5));
        assert_eq!(current.attachments, 9);
        relay.server.drain().await;
        assert_eq!(publisher.hear().await, Some(RelayMessage::GoingAway));
        assert_eq!(publisher.hear().await, None);
    }
}

/// protocol §1.1.3, §1.1.4, §1.2.2, §1.4.1
#[tokio::test]
async fn tls_over_tcp_is_as_strict_as_quic() {
    let relay = Local::start(|_| {});
    for config in [
        Config {
            alpn: b"h2".to_vec(),
            ..Config::default()
        },
        Config {
            groups: vec![kx_group::X25519, kx_group::SECP256R1],
            ..Config::default()
        },
        Config {
            key: Some(RelayKey::from_bytes([1; 32])),
            ..Config::default()
        },
    ] {
        let config = tls_config(config, *relay.url.identity());
        let outcome = TcpClient::connect_with(&relay.url, config, Ipv4Addr::LOCALHOST).await;
        assert!(outcome.is_err());
    }
    // Without any ALPN, TLS itself would let the client in.
    let mut config = tls_config(Config::default(), *relay.url.identity());
    config.alpn_protocols.clear();
    if let Ok(mut client) = TcpClient::connect_with(&relay.url, config, Ipv4Addr::LOCALHOST).await {
        assert_eq!(client.hear().await, None);
    }
}

/// protocol §1.1.2
#[tokio::test]
async fn tls_of_before_1_3_is_refused() {
    let relay = Local::start(|_| {});
    let mut stream = TcpStream::connect(relay.server.local_addr()).await.unwrap();
    // A hello of TLS 1.2: one cipher suite, some signature schemes, one group.
    let extensions = [
        &[0, 13, 0, 8, 0, 6, 4, 3, 8, 4, 8, 7][..],
        &[0, 10, 0, 4, 0, 2, 0, 29],
    ]
    .concat();
    let body = [
        &[3, 3][..],
        &[7; 32],
        &[0, 0, 2, 0xc0, 0x2f, 1, 0, 0, 20],
        &extensions,
    ]
    .concat();
    let len = u8::try_from(body.len()).unwrap();
    let hello = [&[22, 3, 1, 0, len + 4, 1, 0, 0, len][..], &body].concat();
    stream.write_all(&hello).await.unwrap();
    let mut answer = Vec::new();
    within(stream.read_to_end(&mut answer)).await.unwrap();
    assert_eq!(answer[..3], [21, 3, 3], "an alert and nothing else");
    assert_eq!(answer[5..], [2, 70], "fatal, protocol version");
}

/// protocol §1.4.2
#[tokio::test]
async fn end_of_either_kind_detaches() {
    let relay = Local::start(|_| {});
    let mut alice = TcpClient::connect(&relay.url).await;
    let a = alice.attach(&seed(1)).await;
    let mut polite = TcpClient::connect(&relay.url).await;
    polite.attach(&seed(1)).await;
    let mut rude = TcpClient::connect(&relay.url).await;
    rude.attach(&seed(1)).await;
    assert_eq!(alice.publish(a, b"x").await, Ok(2));
    polite.stream.shutdown().await.unwrap();
    within(async { while alice.publish(a, b"x").await != Ok(1) {} }).await;
    drop(rude);
    within(async { while alice.publish(a, b"x").await != Ok(0) {} }).await;
}

/// protocol §1.4.4
#[tokio::test]
async fn publishing_through_no_handle_shows_that_the_relay_is_there() {
    let relay = Local::start(|_| {});
    let mut client = TcpClient::connect(&relay.url).await;
    let outcome = client.publish(Handle(1), b"").await;
    assert_eq!(outcome, Err(Refusal::UnknownHandle));
}

/// protocol §1.4.1
#[tokio::test]
async fn one_socket_serves_both_families_and_tcp_can_be_turned_off() {
    let relay = Local::start_at("[::]:0", |_| {});
    let port = relay.server.local_addr().port();
    for from in [
        IpAddr::from(Ipv4Addr::LOCALHOST),
        Ipv6Addr::LOCALHOST.into(),
    ] {
        let url = at(&relay.server, SocketAddr::new(from, port));
        let config = Config {
            from,
            ..Config::default()
        };
        let mut client = Client::connect_with(&url, config).await.unwrap();
        let handle = client.attach(&seed(1)).await;
        assert_eq!(client.publish(handle, b"").await, Ok(0));
        assert!(TcpStream::connect((from, port)).await.is_ok());
    }
    let relay = Local::start(|settings| settings.tcp = Tcp::Off);
    assert!(TcpStream::connect(relay.server.local_addr()).await.is_err());
}

#[tokio::test]
async fn a_second_relay_does_not_share_the_port_unnoticed() {
    let relay = Local::start(|settings| settings.shards = 2);
    let secret = sori_relay::RelaySecret::generate().unwrap();
    let mut settings = sori_relay::Settings::new(relay.server.local_addr(), secret);
    settings.shards = 2;
    assert!(sori_relay::Server::start(&settings).is_err());
}

/// protocol §2.9.4
#[tokio::test]
async fn private_relay_tells_those_without_access_on_every_carrier() {
    let keys = [1, 2].map(|byte| AccessKey::from_bytes([byte; 32]));
    let relay = Local::start(|settings| settings.access_keys = keys.to_vec());
    for key in &keys {
        let mut client = Client::connect(&relay.url).await;
        let proof = key.prove(&client.exporter());
        client
            .say(&sori_wire::ClientMessage::Access { proof })
            .await;
        client.attach(&seed(1)).await;
        let mut client = TcpClient::connect(&relay.url).await;
        client.show(key).await;
        client.attach(&seed(1)).await;
    }
    let mut client = Client::connect(&relay.url).await;
    let topic = seed(1).topic();
    let attach = sori_wire::ClientMessage::Attach {
        request: sori_wire::RequestId(1),
        topic,
        proof: seed(1).prove(&client.exporter()),
    };
    client.say(&attach).await;
    assert_eq!(
        client.close_number().await,
        u64::from(CloseCode::NoAccess.number())
    );
    let mut client = TcpClient::connect(&relay.url).await;
    client.show(&AccessKey::from_bytes([3; 32])).await;
    let code = CloseCode::NoAccess;
    assert_eq!(client.hear().await, Some(RelayMessage::Closing { code }));
    assert_eq!(client.hear().await, None);
    assert_eq!(relay.server.monitor().totals().access_denied, 2);
}

/// protocol §1.2.5
#[tokio::test]
async fn keys_are_renewed_on_both_carriers_and_talk_goes_on() {
    let relay = Local::start(|settings| settings.key_update = Duration::from_millis(1));
    let mut quic = Client::connect(&relay.url).await;
    let q = quic.attach(&seed(1)).await;
    let mut tcp = TcpClient::connect(&relay.url).await;
    let t = tcp.attach(&seed(1)).await;
    let monitor = relay.server.monitor();
    // Nobody says anything, and still a record comes: header, key_update message, type and tag.
    let mut record = [0; 100];
    let len = within(tcp.stream.get_ref().0.peek(&mut record))
        .await
        .unwrap();
    assert_eq!((record[0], len % 27), (23, 0));
    for round in 1..=3_u64 {
        within(async {
            while monitor.totals().key_updates < round * 4 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        assert_eq!(quic.publish(q, b"from quic").await, Ok(1));
        assert!(matches!(
            tcp.hear().await,
            Some(RelayMessage::Deliver { .. })
        ));
        assert_eq!(tcp.publish(t, b"from tcp").await, Ok(1));
        assert_eq!(quic.hear_frame().await.1, "from tcp");
    }
}

/// A certificate for `relay.example` in two files, and what a client has to trust for it.
fn certificate(folder: &Path) -> (CertificateFiles, CertificateDer<'static>) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["relay.example".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let files = CertificateFiles {
        chain: folder.join("chain.pem"),
        key: folder.join("key.pem"),
    };
    std::fs::write(&files.chain, certificate.pem()).unwrap();
    std::fs::write(&files.key, key.serialize_pem()).unwrap();
    (files, certificate.der().clone())
}

/// TLS of a client that trusts one authority.
fn trusting(authority: &CertificateDer<'static>) -> rustls::ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone()).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
    with_verifier(verifier.build().unwrap())
}

async fn by_name(relay: &Local, tls: &rustls::ClientConfig, name: &str) -> [bool; 2] {
    let address = relay.server.local_addr();
    let stream = TcpStream::connect(address).await.unwrap();
    let tcp = TcpClient::over(stream, tls.clone(), name).await.is_ok();
    let mut endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    endpoint.set_default_client_config(quic_config(tls.clone(), 1 << 20));
    let quic = Client::over(endpoint, address, name).await.is_ok();
    [tcp, quic]
}

/// protocol §1.2.6, §1.2.7
#[tokio::test]
async fn certificate_and_pinned_key_live_at_one_port_and_the_certificate_is_renewed() {
    let folder = tempfile::tempdir().unwrap();
    let (files, first) = certificate(folder.path());
    let relay = Local::start(|settings| settings.certificate = Some(files));
    assert_eq!(
        by_name(&relay, &trusting(&first), "relay.example").await,
        [true; 2]
    );
    assert_eq!(
        by_name(&relay, &trusting(&first), "other.example").await,
        [false; 2]
    );
    let mut alice = Client::connect(&relay.url).await;
    let a = alice.attach(&seed(1)).await;
    let mut bob = TcpClient::connect(&relay.url).await;
    bob.attach(&seed(1)).await;

    // Another certificate in the same files is used from the next handshake on.
    let (files, second) = certificate(folder.path());
    assert_eq!(
        by_name(&relay, &trusting(&second), "relay.example").await,
        [false; 2]
    );
    relay.server.reload_certificate().unwrap();
    assert_eq!(
        by_name(&relay, &trusting(&second), "relay.example").await,
        [true; 2]
    );
    assert_eq!(
        by_name(&relay, &trusting(&first), "relay.example").await,
        [false; 2]
    );
    assert_eq!(alice.publish(a, b"still here").await, Ok(1));

    // What cannot be used is refused, and the one before stays.
    std::fs::write(&files.key, KeyPair::generate().unwrap().serialize_pem()).unwrap();
    assert!(relay.server.reload_certificate().is_err());
    std::fs::write(&files.chain, "no certificate").unwrap();
    assert!(relay.server.reload_certificate().is_err());
    assert_eq!(
        by_name(&relay, &trusting(&second), "relay.example").await,
        [true; 2]
    );
}

/// protocol §1.2.6
#[tokio::test]
async fn relay_without_a_certificate_has_none_for_who_asks_for_one() {
    let folder = tempfile::tempdir().unwrap();
    let (_, authority) = certificate(folder.path());
    let relay = Local::start(|_| {});
    assert_eq!(
        by_name(&relay, &trusting(&authority), "relay.example").await,
        [false; 2]
    );
}
