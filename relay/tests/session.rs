//! The byte session over plain pipes: it needs nothing of QUIC (`docs/protocol.md`, 1.1.8).

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests may panic like tests"
)]

use std::time::Duration;

use sori_relay::Hub;
use sori_relay::session::serve;
use sori_relay::stream::{Reader, Writer};
use sori_wire::limits::{UNATTACHED_MS_MAX, WRITE_STALL_MS_MAX};
use sori_wire::{
    ClientMessage, CloseCode, Decoder, Exporter, Frame, Handle, RelayMessage, RequestId, TopicSeed,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// A client at the far end of two pipes, and the session at the near end.
struct Peer {
    write: DuplexStream,
    read: DuplexStream,
    decoder: Decoder<RelayMessage>,
    session: JoinHandle<CloseCode>,
}

impl Peer {
    fn start(hub: &Hub, number: u8, pipe_len: usize) -> Self {
        let (write, far_read) = tokio::io::duplex(pipe_len);
        let (far_write, read) = tokio::io::duplex(pipe_len);
        let hub = hub.clone();
        let session = tokio::spawn(async move {
            let exporter = Exporter::from_bytes([number; 32]);
            serve(&hub, &exporter, Reader::new(far_read), Writer(far_write)).await
        });
        Self {
            write,
            read,
            decoder: Decoder::new(),
            session,
        }
    }

    async fn attach(&mut self, number: u8) -> Handle {
        let seed = TopicSeed::from_bytes([1; 32]);
        let attach = ClientMessage::Attach {
            request: RequestId(1),
            topic: seed.topic(),
            proof: seed.prove(&Exporter::from_bytes([number; 32])),
        };
        self.write.write_all(&attach.encode()).await.unwrap();
        match self.hear().await {
            Some(RelayMessage::Attached { handle, .. }) => handle,
            other => panic!("not attached: {other:?}"),
        }
    }

    async fn publish(&mut self, handle: Handle, frame: &[u8]) -> u32 {
        let publish = ClientMessage::Publish {
            request: RequestId(2),
            handle,
            frame: Frame::new(frame.to_vec()).unwrap(),
        };
        self.write.write_all(&publish.encode()).await.unwrap();
        match self.hear().await {
            Some(RelayMessage::Published { receivers, .. }) => receivers,
            other => panic!("not published: {other:?}"),
        }
    }

    async fn hear(&mut self) -> Option<RelayMessage> {
        let mut buffer = [0; 1000];
        loop {
            if let Some(message) = self.decoder.next().unwrap() {
                return Some(message);
            }
            match self.read.read(&mut buffer).await.unwrap() {
                0 => return None,
                len => self.decoder.push(&buffer[..len]),
            }
        }
    }
}

/// protocol §1.1.8
#[tokio::test]
async fn frames_pass_between_pipes() {
    let hub = Hub::new(1 << 20);
    let mut alice = Peer::start(&hub, 1, 100);
    let mut bob = Peer::start(&hub, 2, 100);
    let a = alice.attach(1).await;
    let b = bob.attach(2).await;
    for len in [0, 1, 100, 2048, 2049, 65_536] {
        assert_eq!(alice.publish(a, &vec![3; len]).await, 1);
        let frame = Frame::new(vec![3; len]).unwrap();
        let deliver = RelayMessage::Deliver { handle: b, frame };
        assert_eq!(bob.hear().await, Some(deliver));
    }
}

/// protocol §1.1.6, §2.1.2, §2.7
#[tokio::test]
async fn end_of_stream_is_done_between_messages_and_malformed_inside_one() {
    let hub = Hub::new(1 << 20);
    for (bytes, code) in [
        (&[][..], CloseCode::Done),
        (&[0, 0, 0, 2, 1, 5], CloseCode::Done),
        (&[0], CloseCode::Malformed),
        (&[0, 0, 0, 2, 1], CloseCode::Malformed),
        (&[0, 0, 0, 1, 3], CloseCode::Malformed),
        (&[0, 1, 0, 33], CloseCode::MessageTooLong),
    ] {
        let mut peer = Peer::start(&hub, 1, 100);
        peer.write.write_all(bytes).await.unwrap();
        peer.write.shutdown().await.unwrap();
        assert_eq!(peer.session.await.unwrap(), code, "{bytes:?}");
    }
}

/// protocol §2.5.1
#[tokio::test(start_paused = true)]
async fn connection_without_attachment_is_closed_in_time_and_one_with_it_is_not() {
    let hub = Hub::new(1 << 20);
    let start = Instant::now();
    let idle = Peer::start(&hub, 1, 100);
    let mut attached = Peer::start(&hub, 2, 100);
    let handle = attached.attach(2).await;
    assert_eq!(idle.session.await.unwrap(), CloseCode::Unattached);
    assert_eq!(start.elapsed(), Duration::from_millis(UNATTACHED_MS_MAX));

    tokio::time::sleep(Duration::from_millis(5 * UNATTACHED_MS_MAX)).await;
    assert_eq!(attached.publish(handle, b"still here").await, 0);
    let detach = ClientMessage::Detach { handle };
    attached.write.write_all(&detach.encode()).await.unwrap();
    assert_eq!(attached.session.await.unwrap(), CloseCode::Unattached);
}

/// protocol §2.5.1
#[tokio::test(start_paused = true)]
async fn reader_that_takes_nothing_is_closed_in_time() {
    let hub = Hub::new(1 << 20);
    let mut alice = Peer::start(&hub, 1, 100_000);
    let mut stalled = Peer::start(&hub, 2, 100);
    let a = alice.attach(1).await;
    stalled.attach(2).await;
    let start = Instant::now();
    assert_eq!(alice.publish(a, &[0; 5000]).await, 1);
    assert_eq!(stalled.session.await.unwrap(), CloseCode::Stalled);
    assert_eq!(start.elapsed(), Duration::from_millis(WRITE_STALL_MS_MAX));
    assert_eq!(alice.publish(a, b"gone").await, 0);
}

/// protocol §2.8.1
#[tokio::test]
async fn stopping_relay_says_so_and_ends_every_session() {
    let hub = Hub::new(1 << 20);
    let mut peers = [Peer::start(&hub, 1, 100), Peer::start(&hub, 2, 100)];
    peers[0].attach(1).await;
    peers[1].attach(2).await;
    hub.shut_down();
    for mut peer in peers {
        assert_eq!(peer.hear().await, Some(RelayMessage::GoingAway));
        assert_eq!(peer.hear().await, None);
        assert_eq!(peer.session.await.unwrap(), CloseCode::GoingAway);
    }
    let late = Peer::start(&hub, 3, 100);
    assert_eq!(late.session.await.unwrap(), CloseCode::GoingAway);
}
