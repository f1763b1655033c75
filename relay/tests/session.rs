//! The byte session over plain pipes: it needs nothing of QUIC (`docs/protocol.md`, 1.1.8).

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests may panic like tests"
)]

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use sori_relay::carrier::{Broken, Farewell, Inlet, Outlet, Taken};
use sori_relay::session::serve;
use sori_relay::{AccessKeys, Hub, Limits, Monitor, Policy, Rate};
use sori_wire::limits::{
    ACCESS_MS_MAX, ATTACH_WORK, MESSAGE_WORK, TICK_MS, UNATTACHED_MS_MAX, WRITE_STALL_MS_MAX,
};
use sori_wire::{
    AccessKey, ClientMessage, CloseCode, Decoder, Exporter, Frame, Handle, RelayMessage, RequestId,
    TopicSeed,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// A pipe as a carrier: nothing of QUIC, nothing of TLS.
struct In(DuplexStream);
struct Out(DuplexStream);

impl Inlet for In {
    fn poll_take(
        &mut self,
        cx: &mut Context<'_>,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Poll<Result<Taken, Broken>> {
        let mut buffer = [0; 1000];
        let mut buffer = ReadBuf::new(&mut buffer);
        Pin::new(&mut self.0)
            .poll_read(cx, &mut buffer)
            .map(|read| {
                read.map_err(|_| Broken)?;
                if buffer.filled().is_empty() {
                    return Ok(Taken::End);
                }
                sink(buffer.filled());
                Ok(Taken::Bytes)
            })
    }
}

impl Outlet for Out {
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &mut Vec<Bytes>,
    ) -> Poll<Result<(), Broken>> {
        while let Some(piece) = pieces.first_mut() {
            match Pin::new(&mut self.0).poll_write(cx, piece) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Broken)),
                Poll::Ready(Ok(len)) => piece.advance(len),
            }
            pieces.retain(|piece| !piece.is_empty());
        }
        Poll::Ready(Ok(()))
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll_shutdown(cx).map(|_| ())
    }

    fn update_keys(&mut self) {}

    fn farewell(&self) -> Farewell {
        Farewell::Message
    }
}

/// A relay of one shard that keeps time.
fn hub_with(access_keys: Vec<AccessKey>, limits: Limits) -> Hub {
    let policy = Policy {
        access_keys: AccessKeys::new(access_keys),
        limits,
        key_update: Duration::from_secs(3600),
    };
    let hub = Hub::shards(1, policy, &Monitor::default()).remove(0);
    let running = hub.clone();
    tokio::spawn(async move { running.run().await });
    hub
}

fn hub() -> Hub {
    hub_with(Vec::new(), Limits::default())
}

/// Limits of time are kept to within a tick.
fn assert_after(elapsed: Duration, limit_ms: u64) {
    let ms = u64::try_from(elapsed.as_millis()).unwrap();
    assert!((limit_ms..=limit_ms + 2 * TICK_MS).contains(&ms), "{ms} ms");
}

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
            serve(&hub, exporter, In(far_read), Out(far_write)).await
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

    async fn say(&mut self, message: &ClientMessage) {
        self.write.write_all(&message.encode()).await.unwrap();
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
    let hub = hub();
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
    let hub = hub();
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
    let hub = hub();
    let start = Instant::now();
    let idle = Peer::start(&hub, 1, 100);
    let mut attached = Peer::start(&hub, 2, 100);
    let handle = attached.attach(2).await;
    assert_eq!(idle.session.await.unwrap(), CloseCode::Unattached);
    assert_after(start.elapsed(), UNATTACHED_MS_MAX);

    tokio::time::sleep(Duration::from_millis(5 * UNATTACHED_MS_MAX)).await;
    assert_eq!(attached.publish(handle, b"still here").await, 0);
    let detach = ClientMessage::Detach { handle };
    attached.write.write_all(&detach.encode()).await.unwrap();
    assert_eq!(attached.session.await.unwrap(), CloseCode::Unattached);
}

/// protocol §2.5.1
#[tokio::test(start_paused = true)]
async fn reader_that_takes_nothing_is_closed_in_time() {
    let hub = hub();
    let mut alice = Peer::start(&hub, 1, 100_000);
    let mut stalled = Peer::start(&hub, 2, 100);
    let a = alice.attach(1).await;
    stalled.attach(2).await;
    let start = Instant::now();
    assert_eq!(alice.publish(a, &[0; 5000]).await, 1);
    assert_eq!(stalled.session.await.unwrap(), CloseCode::Stalled);
    assert_after(start.elapsed(), WRITE_STALL_MS_MAX);
    assert_eq!(alice.publish(a, b"gone").await, 0);
}

/// protocol §2.8.1
#[tokio::test]
async fn stopping_relay_says_so_and_ends_every_session() {
    let hub = hub();
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

/// protocol §2.8.1
#[tokio::test]
async fn who_ends_its_stream_first_is_still_closed_by_the_stop() {
    let hub = hub();
    let mut alice = Peer::start(&hub, 1, 100_000);
    let mut slow = Peer::start(&hub, 1, 100);
    let a = alice.attach(1).await;
    slow.attach(1).await;
    assert_eq!(alice.publish(a, &[0; 5000]).await, 1);
    hub.shut_down();
    // GoingAway waits behind the frame, which is not taken.
    slow.write.shutdown().await.unwrap();
    assert_eq!(slow.session.await.unwrap(), CloseCode::GoingAway);
}

/// protocol §2.8.1
#[tokio::test]
async fn what_another_shard_has_for_a_stopping_one_goes_before_the_goodbye() {
    let policy = Policy {
        access_keys: AccessKeys::default(),
        limits: Limits::default(),
        key_update: Duration::from_secs(3600),
    };
    // Nobody runs them, so that the frame still lies between the two when the other one stops.
    let hubs = Hub::shards(2, policy, &Monitor::default());
    let mut alice = Peer::start(&hubs[0], 1, 1000);
    let mut bob = Peer::start(&hubs[1], 2, 1000);
    let a = alice.attach(1).await;
    let handle = bob.attach(2).await;
    assert_eq!(alice.publish(a, b"last words").await, 1);
    hubs[1].shut_down();
    let frame = Frame::new(b"last words".to_vec()).unwrap();
    let deliver = RelayMessage::Deliver { handle, frame };
    assert_eq!(bob.hear().await, Some(deliver));
    assert_eq!(bob.hear().await, Some(RelayMessage::GoingAway));
}

/// protocol §1.1.8, §1.4.3
#[tokio::test]
async fn reason_is_said_where_the_carrier_cannot_tell_it() {
    let hub = hub();
    let mut peer = Peer::start(&hub, 1, 1000);
    peer.attach(1).await;
    peer.write.write_all(&[0, 1, 0, 33]).await.unwrap();
    let code = CloseCode::MessageTooLong;
    assert_eq!(peer.hear().await, Some(RelayMessage::Closing { code }));
    assert_eq!(peer.hear().await, None);
    assert_eq!(peer.session.await.unwrap(), code);
}

/// protocol §2.9.3, §2.9.4, §2.9.6
#[tokio::test]
async fn private_relay_hears_nothing_before_a_good_access_key() {
    let keys = [1, 2].map(|byte| AccessKey::from_bytes([byte; 32]));
    let access = |key: &AccessKey, number: u8| ClientMessage::Access {
        proof: key.prove(&Exporter::from_bytes([number; 32])),
    };
    let private = hub_with(keys.to_vec(), Limits::default());
    for (number, key) in (1..).zip(&keys) {
        let mut peer = Peer::start(&private, number, 1000);
        peer.say(&access(key, number)).await;
        let handle = peer.attach(number).await;
        assert_eq!(peer.publish(handle, b"in").await, 0);
    }
    // Nothing, another key, a proof for another connection: all the same.
    let other = AccessKey::from_bytes([3; 32]);
    let detach = ClientMessage::Detach { handle: Handle(1) };
    for first in [detach.clone(), access(&other, 9), access(&keys[0], 8)] {
        let mut peer = Peer::start(&private, 9, 1000);
        peer.say(&first).await;
        let code = CloseCode::NoAccess;
        assert_eq!(peer.hear().await, Some(RelayMessage::Closing { code }));
        assert_eq!(peer.session.await.unwrap(), code);
    }
    // In second place it is malformed, on any relay; in first place an open one takes any.
    for (relay, first) in [(&private, access(&keys[0], 9)), (&hub(), access(&other, 9))] {
        let mut peer = Peer::start(relay, 9, 1000);
        peer.say(&first).await;
        peer.attach(9).await;
        peer.say(&access(&keys[0], 9)).await;
        assert_eq!(peer.session.await.unwrap(), CloseCode::Malformed);
    }
}

/// protocol §2.5.1, §2.9.4
#[tokio::test(start_paused = true)]
async fn silence_ends_soon_on_a_private_relay() {
    let hub = hub_with(vec![AccessKey::from_bytes([1; 32])], Limits::default());
    let start = Instant::now();
    let peer = Peer::start(&hub, 1, 1000);
    assert_eq!(peer.session.await.unwrap(), CloseCode::NoAccess);
    assert_after(start.elapsed(), ACCESS_MS_MAX);
}

/// protocol §2.5.4
#[tokio::test(start_paused = true)]
async fn who_asks_for_too_much_is_read_from_later_and_loses_nothing() {
    let work = Rate {
        burst: ATTACH_WORK + 10 * MESSAGE_WORK,
        per_second: MESSAGE_WORK,
    };
    let hub = hub_with(
        Vec::new(),
        Limits {
            work,
            ..Limits::default()
        },
    );
    let mut greedy = Peer::start(&hub, 1, 1 << 20);
    let handle = greedy.attach(1).await;
    let start = Instant::now();
    for number in 0..100_u32 {
        assert_eq!(greedy.publish(handle, &number.to_be_bytes()).await, 0);
    }
    // Ten at once, and about one a second from then on.
    let seconds = start.elapsed().as_secs();
    assert!((85..=95).contains(&seconds), "{seconds} s");
}
