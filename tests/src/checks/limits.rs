//! Bounds of size and time, and one past each.

use std::time::{Duration, Instant};

use crate::catalogue::{Check, Profile};
use crate::finding::{Finding, Outcome, must};
use crate::inspect::sockets;
use crate::peer::encode::{FRAME_LEN_MAX, attach, detach, publish};
use crate::peer::{Next, Options, Peer, Said, Via, must_end_with, tcp, unexpected};
use crate::stage::Stage;

/// The table.
pub(crate) const CHECKS: &[Check] = &[
    Check::new(
        "LIMIT-TOPICS",
        &["2.5.1", "2.6"],
        [
            "1024 topics on a connection, and not one more",
            "한 연결에 토픽 1024개까지",
        ],
        [
            "1025 honest Attach on one connection; then one Detach and another Attach.",
            "1024 are attached, the next is refused with 2; after a Detach there is room for one.",
        ],
        |stage| Box::pin(topics(stage)),
    ),
    Check::new(
        "LIMIT-FRAME",
        &["2.4.1", "2.5"],
        [
            "a frame of 65,536 bytes and one of none are carried",
            "65,536바이트와 0바이트 데이터를 모두 전달",
        ],
        [
            "Publish of the longest and of the empty frame.",
            "Both arrive.",
        ],
        |stage| Box::pin(frame(stage)),
    ),
    Check::new(
        "LIMIT-MEMBERS",
        &["2.5"],
        [
            "a topic takes a thousand attachments",
            "한 토픽에 1000명까지 연결",
        ],
        [
            "1000 connections over TCP attach to one topic; a frame.",
            "All are attached, and the frame is on its way to 999.",
        ],
        |stage| Box::pin(members(stage)),
    )
    .takes(Profile::Full)
    .alone(),
    Check::new(
        "LIMIT-ANSWERS-NOT-READ",
        &["2.5.1"],
        [
            "a client that asks and does not read is not read from",
            "묻기만 하고 읽지 않는 단말은 읽지 않음",
        ],
        [
            "Publish without end, without reading one answer.",
            "The relay stops taking before 64 MiB; when the answers are read they are all there.",
        ],
        |stage| Box::pin(answers_not_read(stage)),
    )
    .takes(Profile::Full),
    Check::new(
        "LIMIT-HANDSHAKE-TCP",
        &["1.1.7", "2.5"],
        [
            "a TCP connection without a handshake is given up after ten seconds",
            "핸드셰이크 없는 TCP 연결은 10초 뒤 종료",
        ],
        [
            "A TCP connection that says nothing, and one that sends one byte a second.",
            "Both are ended between 5 and 20 seconds later.",
        ],
        |stage| Box::pin(silent_tcp(stage)),
    )
    .takes(Profile::Full),
    Check::new(
        "LIMIT-UNATTACHED",
        &["2.5.1", "2.7"],
        [
            "a connection that attaches to nothing is closed after two minutes",
            "아무 토픽에도 연결하지 않으면 2분 뒤 종료",
        ],
        [
            "A connection without an Attach over each carrier.",
            "Closed with number 5 after 110 to 140 seconds.",
        ],
        |stage| Box::pin(unattached(stage)),
    )
    .takes(Profile::Full),
    Check::new(
        "LIMIT-WAIT",
        &["2.5.3", "2.4.6"],
        [
            "a frame waits at most ten seconds for a reader",
            "데이터는 최대 10초만 기다림",
        ],
        [
            "Frames to a reader that takes nothing for 14 seconds and then reads.",
            "What the transport held, then a Gap: nothing that waited at the relay for longer.",
        ],
        |stage| Box::pin(wait(stage)),
    )
    .takes(Profile::Full)
    .alone(),
    Check::new(
        "LIMIT-STALLED",
        &["2.5.1", "2.7"],
        [
            "a reader that takes nothing for half a minute is closed",
            "30초 동안 읽지 않으면 종료",
        ],
        [
            "Frames to a reader over QUIC that takes nothing.",
            "Closed with number 4 within 75 seconds.",
        ],
        |stage| Box::pin(stalled(stage)),
    )
    .takes(Profile::Full),
    Check::new(
        "LIMIT-TCP-PROBES",
        &["1.4.4"],
        [
            "the kernel probes silent TCP connections",
            "커널이 조용한 TCP 연결을 확인함",
        ],
        [
            "A TCP session; then the timers of the relay's sockets.",
            "A keep-alive timer on it.",
        ],
        |stage| Box::pin(tcp_probes(stage)),
    )
    .should()
    .inside(),
];

async fn topics(stage: Stage) -> Outcome {
    let mut peer = stage.peer(Via::Tcp).await?;
    let mut first = None;
    for n in 0..1024_u32 {
        let handle = peer.attach(&stage.topic(&n.to_string())).await;
        let handle = handle.map_err(|finding| finding.during(format!("topic {}", n + 1)))?;
        first.get_or_insert(handle);
    }
    let more = stage.topic("one more");
    let answer = peer
        .ask_attach(&more.name(), &more.prove(&peer.exporter))
        .await?;
    must(answer == Err(2), || {
        format!("the 1025th was answered with {answer:?}")
    })?;
    peer.send(&detach(first.unwrap_or_default())).await;
    peer.attach(&more).await?;
    Ok("1024, the next refused with 2".into())
}

async fn frame(stage: Stage) -> Outcome {
    let topic = stage.topic("x");
    let (mut sender, handle) = stage.attached(Via::Quic, &topic).await?;
    let (mut reader, _) = stage.attached(Via::Tcp, &topic).await?;
    for len in [FRAME_LEN_MAX, 0] {
        sender.publish(handle, &stage.noise("f", len)).await?;
        let got = reader.frame().await?.1.len();
        must(got == len, || format!("{got} bytes instead of {len}"))?;
    }
    Ok("65536 bytes, and none".into())
}

async fn members(stage: Stage) -> Outcome {
    stage.target.may_be_flooded()?;
    if !stage.target.is_loopback() {
        return Err(Finding::skipped("needs several addresses of the loopback"));
    }
    let topic = stage.topic("x");
    let mut peers = Vec::new();
    for n in 0..1000_u32 {
        let [.., high, low] = n.to_be_bytes();
        let address =
            std::net::Ipv4Addr::new(127, 77, high.wrapping_mul(64) | (low >> 3), 1 + (low & 7));
        let options = Options::new(Via::Tcp).from(address);
        let mut peer = Peer::connect(&stage, &options).await?;
        let handle = peer.attach(&topic).await;
        peers.push((
            peer,
            handle.map_err(|finding| finding.during(format!("member {}", n + 1)))?,
        ));
    }
    let Some((first, handle)) = peers.first_mut() else {
        return Err(Finding::not_seen("nobody"));
    };
    let receivers = first.publish(*handle, b"all").await?;
    must(receivers == 999, || format!("{receivers} receivers"))?;
    for (peer, _) in peers.iter_mut().skip(1) {
        must(peer.frame().await?.1 == b"all", || "another frame".into())?;
    }
    Ok("1000 attached, the frame came to 999".into())
}

async fn answers_not_read(stage: Stage) -> Outcome {
    stage.target.may_be_flooded()?;
    let topic = stage.topic("x");
    let mut peer = Peer::connect(&stage, &Options::new(Via::Quic).window(4096)).await?;
    let handle = peer.attach(&topic).await?;
    let message = publish(1, handle, &[]);
    let batch: Vec<u8> = message
        .iter()
        .copied()
        .cycle()
        .take(message.len() * 1000)
        .collect();
    let mut sent = 0_usize;
    let crate::peer::Carrier::Quic { send, .. } = &mut peer.carrier else {
        return Err(Finding::not_seen("no QUIC connection"));
    };
    while sent < 64 << 20 {
        let write = send.write_all(&batch);
        if tokio::time::timeout(Duration::from_secs(3), write)
            .await
            .is_err()
        {
            return Ok(format!("nothing more was taken after {sent} bytes"));
        }
        sent = sent.saturating_add(batch.len());
    }
    Err(Finding::broken(format!(
        "{sent} bytes of requests were taken without one answer read"
    )))
}

async fn silent_tcp(stage: Stage) -> Outcome {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut taken = Vec::new();
    for slowly in [false, true] {
        let mut stream = tcp(&stage, &Options::new(Via::Tcp)).await?;
        let begun = Instant::now();
        let mut byte = [0];
        // The beginning of a record that never comes to an end.
        let mut rest = [0x16, 3, 1, 0x40, 0]
            .into_iter()
            .chain(std::iter::repeat(1));
        loop {
            let read = tokio::time::timeout(Duration::from_secs(1), stream.read(&mut byte)).await;
            if let Ok(Ok(0) | Err(_)) = read {
                break;
            }
            must(begun.elapsed() < Duration::from_secs(20), || {
                "still open after 20 s".into()
            })?;
            if slowly && let Some(next) = rest.next() {
                let _ended = stream.write_all(&[next]).await;
            }
        }
        taken.push(begun.elapsed().as_secs());
    }
    Ok(format!("ended after {taken:?} s"))
}

async fn unattached(stage: Stage) -> Outcome {
    let waiting = |via| {
        let stage = stage.clone();
        async move {
            let mut peer = stage.peer(via).await?;
            let begun = Instant::now();
            let end = peer.ended_within(Duration::from_secs(140)).await?;
            must_end_with(&end, 5)?;
            must(begun.elapsed() > Duration::from_secs(110), || {
                format!("after {} s already", begun.elapsed().as_secs())
            })?;
            Ok::<u64, Finding>(begun.elapsed().as_secs())
        }
    };
    let (quic, tcp) = tokio::join!(waiting(Via::Quic), waiting(Via::Tcp));
    Ok(format!("number 5 after {} and {} s", quic?, tcp?))
}

async fn wait(stage: Stage) -> Outcome {
    let topic = stage.topic("x");
    let (mut sender, handle) = stage.attached(Via::Tcp, &topic).await?;
    let mut slow = Peer::connect(&stage, &Options::new(Via::Quic).window(4096)).await?;
    slow.attach(&topic).await?;
    // More than the transport takes (262,144 bytes), less than would be dropped at once.
    for _ in 0..7 {
        sender.publish(handle, &[1; FRAME_LEN_MAX]).await?;
    }
    tokio::time::sleep(Duration::from_secs(14)).await;
    let mut frames = 0_usize;
    loop {
        match slow.next().await? {
            Next::Said(Said::Deliver { .. }) => frames = frames.saturating_add(1),
            Next::Said(Said::Gap { .. }) => break,
            Next::Said(other) => return Err(unexpected(&other, "a frame or a Gap")),
            Next::Ended(end) => return Err(Finding::broken(end.how)),
        }
        must(frames < 7, || "all frames came after 14 s".into())?;
    }
    Ok(format!("{frames} frames from the transport, then a Gap"))
}

async fn stalled(stage: Stage) -> Outcome {
    let topic = stage.topic("x");
    let (mut sender, handle) = stage.attached(Via::Tcp, &topic).await?;
    let mut slow = Peer::connect(&stage, &Options::new(Via::Quic).window(4096)).await?;
    slow.attach(&topic).await?;
    for _ in 0..12 {
        sender.publish(handle, &[1; FRAME_LEN_MAX]).await?;
    }
    let Some(connection) = slow.quic() else {
        return Err(Finding::not_seen("no QUIC connection"));
    };
    let begun = Instant::now();
    let closed = tokio::time::timeout(Duration::from_secs(75), connection.closed()).await;
    match closed {
        Ok(quinn::ConnectionError::ApplicationClosed(close)) => {
            must(close.error_code == 4_u32.into(), || {
                format!("number {}", close.error_code)
            })?;
            Ok(format!("number 4 after {} s", begun.elapsed().as_secs()))
        }
        Ok(other) => Err(Finding::broken(other.to_string())),
        Err(_) => Err(Finding::broken("still open after 75 s")),
    }
}

async fn tcp_probes(stage: Stage) -> Outcome {
    let pid = stage.target.process()?;
    let (peer, _) = stage.attached(Via::Tcp, &stage.topic("x")).await?;
    let crate::peer::Carrier::Tcp(stream) = &peer.carrier else {
        return Err(Finding::not_seen("no TCP connection"));
    };
    let ours = stream.get_ref().0.local_addr().map_err(Finding::not_seen)?;
    // What was said a moment ago is acknowledged first.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let sockets = sockets::of(pid)?;
    let socket = sockets
        .iter()
        .find(|socket| socket.is_tcp && socket.remote == ours);
    let socket = socket.ok_or_else(|| Finding::not_seen("the relay's end was not found"))?;
    must(socket.probes, || "no keep-alive timer runs".into())?;
    Ok("a keep-alive timer runs".into())
}

/// An honest Attach, for checks of private relays.
pub(crate) fn honest_attach(peer: &Peer, topic: &crate::peer::Topic) -> Vec<u8> {
    attach(1, &topic.name(), &topic.prove(&peer.exporter))
}
