//! What else a client can do to its stream and connection.

use std::time::Duration;

use quinn::VarInt;
use tokio::time::timeout;

use crate::catalogue::Check;
use crate::finding::{Finding, Outcome, must};
use crate::peer::encode::{FRAME_LEN_MAX, access, detach, publish};
use crate::peer::{Carrier, NO_HANDLE, Options, Peer, Said, Via, unexpected};
use crate::stage::Stage;

/// The table.
pub(crate) const CHECKS: &[Check] = &[
    Check::new(
        "WIRE-ONE-BYTE-AT-A-TIME",
        &["2.1.1", "1.1.8"],
        [
            "a message that comes byte by byte is understood",
            "한 바이트씩 온 메시지를 이해함",
        ],
        [
            "Publish, one byte in each write.",
            "It is answered, as any.",
        ],
        |stage| Box::pin(byte_by_byte(stage)),
    ),
    Check::new(
        "WIRE-MANY-AT-ONCE",
        &["2.1.1", "2.3.3"],
        [
            "a hundred messages in one write are all answered in order",
            "한 번에 온 100개 메시지에 순서대로 답함",
        ],
        [
            "100 Publish in one write.",
            "100 answers in the order of the requests.",
        ],
        |stage| Box::pin(many_at_once(stage)),
    ),
    Check::new(
        "WIRE-GREATEST-REQUEST",
        &["2.3.1"],
        [
            "the smallest and the greatest request come back",
            "가장 작은/큰 요청 번호가 그대로 돌아옴",
        ],
        [
            "Publish as request 0 and as request 4,294,967,295.",
            "Both answers have the number that was sent.",
        ],
        |stage| Box::pin(requests_come_back(stage)),
    ),
    Check::new(
        "WIRE-HALF-CLOSED",
        &["1.1.6"],
        [
            "the end of the client's direction ends the session with number 0",
            "단말 쪽이 끝나면 번호 0으로 종료",
        ],
        [
            "The client ends its direction between two messages.",
            "The connection ends as done: number 0, or without a number over TCP.",
        ],
        |stage| Box::pin(half_closed(stage)),
    ),
    Check::new(
        "WIRE-STREAM-RESET",
        &["1.1.6"],
        [
            "a reset of the stream ends the session",
            "스트림 리셋으로 세션 종료",
        ],
        [
            "RESET_STREAM inside a message.",
            "The connection is closed.",
        ],
        |stage| Box::pin(stream_reset(stage)),
    ),
    Check::new(
        "WIRE-STREAM-NOT-WANTED",
        &["1.1.6"],
        [
            "a client that will not read ends the session",
            "읽기를 거부하면 세션 종료",
        ],
        ["STOP_SENDING, then a request.", "The connection is closed."],
        |stage| Box::pin(stop_sending(stage)),
    ),
    Check::new(
        "WIRE-SECOND-STREAM",
        &["1.1.5"],
        [
            "a second stream is not let through",
            "두 번째 스트림을 허용하지 않음",
        ],
        [
            "Another bidirectional stream while the first is open.",
            "No credit for it within two seconds, and the session goes on.",
        ],
        |stage| Box::pin(second_stream(stage)),
    ),
    Check::new(
        "WIRE-UNI-STREAM",
        &["1.1.5"],
        [
            "a stream of one direction is not let through",
            "단방향 스트림을 허용하지 않음",
        ],
        [
            "A unidirectional stream.",
            "No credit for it within two seconds, and the session goes on.",
        ],
        |stage| Box::pin(uni_stream(stage)),
    ),
    Check::new(
        "WIRE-DATAGRAM",
        &["1.1.5"],
        ["datagrams are not announced", "데이터그램을 허용하지 않음"],
        [
            "The relay's transport parameters.",
            "No datagram may be sent.",
        ],
        |stage| Box::pin(datagrams(stage)),
    ),
    Check::new(
        "WIRE-RELAY-OPENS-NOTHING",
        &["1.1.5"],
        [
            "the relay opens no stream",
            "중계 서버는 스트림을 열지 않음",
        ],
        [
            "A session with traffic; then a look for streams of the relay for a second.",
            "There is none.",
        ],
        |stage| Box::pin(relay_opens_nothing(stage)),
    ),
    Check::new(
        "WIRE-DETACH-UNKNOWN",
        &["2.3.3"],
        [
            "a Detach of an unknown handle is ignored",
            "모르는 핸들의 Detach는 무시",
        ],
        [
            "Detach of a handle that was never given, twice.",
            "Nothing comes, and the session goes on.",
        ],
        |stage| Box::pin(detach_unknown(stage)),
    ),
    Check::new(
        "WIRE-UNKNOWN-HANDLE",
        &["2.6.1", "2.3.2"],
        [
            "a Publish through a handle of somebody else is refused with 3",
            "남의 핸들로 한 Publish는 3으로 거부",
        ],
        [
            "Publish through the handle of another connection, through none, and through one that was given back.",
            "Refused with 3 each time; nobody gets the frame.",
        ],
        |stage| Box::pin(unknown_handle(stage)),
    ),
    Check::new(
        "WIRE-ACCESS-ON-OPEN",
        &["2.9.6"],
        [
            "an open relay passes over an Access in the first place",
            "공개 중계 서버는 맨 앞의 Access를 넘김",
        ],
        [
            "Access with any proof as the first message, then Attach.",
            "Attached.",
        ],
        |stage| Box::pin(access_on_open(stage)),
    ),
];

async fn byte_by_byte(stage: Stage) -> Outcome {
    for via in Via::BOTH {
        let topic = stage.topic(via.name());
        let (mut peer, handle) = stage.attached(via, &topic).await?;
        for byte in publish(77, handle, b"abc") {
            peer.send(&[byte]).await;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let expected = Said::Published {
            request: 77,
            receivers: 0,
        };
        let said = peer.hear().await?;
        must(said == expected, || format!("{said:?}"))?;
    }
    Ok("answered over both carriers".into())
}

async fn many_at_once(stage: Stage) -> Outcome {
    for via in Via::BOTH {
        let topic = stage.topic(via.name());
        let (mut peer, handle) = stage.attached(via, &topic).await?;
        let all: Vec<u8> = (0..100)
            .flat_map(|n| publish(n, handle, &[7; 64]))
            .collect();
        peer.send(&all).await;
        for wanted in 0..100 {
            match peer.hear().await? {
                Said::Published { request, .. } if request == wanted => {}
                other => return Err(unexpected(&other, "the next answer")),
            }
        }
    }
    Ok("200 answers in order".into())
}

async fn requests_come_back(stage: Stage) -> Outcome {
    let topic = stage.topic("x");
    let (mut peer, handle) = stage.attached(Via::Quic, &topic).await?;
    for request in [0, 1, 127, 128, u32::MAX] {
        peer.send(&publish(request, handle, b"")).await;
        let said = peer.hear().await?;
        let is_its = matches!(said, Said::Published { request: of, .. } if of == request);
        must(is_its, || {
            format!("request {request} was answered with {said:?}")
        })?;
    }
    Ok("0, 1, 127, 128 and 4294967295 came back".into())
}

async fn half_closed(stage: Stage) -> Outcome {
    for via in Via::BOTH {
        let topic = stage.topic(via.name());
        let (mut peer, handle) = stage.attached(via, &topic).await?;
        peer.publish(handle, b"abc").await?;
        peer.finish().await;
        let end = peer.ended_within(Duration::from_secs(10)).await?;
        let is_done = match via {
            Via::Quic => end.code == Some(0),
            Via::Tcp => end.code.is_none_or(|code| code == 0),
        };
        must(is_done && end.phrase.is_empty(), || {
            format!("over {}: {}", via.name(), end.how)
        })?;
    }
    Ok("ended as done over both carriers".into())
}

async fn stream_reset(stage: Stage) -> Outcome {
    let (mut peer, handle) = stage.attached(Via::Quic, &stage.topic("x")).await?;
    let whole = publish(1, handle, &[3; 1000]);
    peer.send(whole.get(..500).unwrap_or_default()).await;
    if let Carrier::Quic { send, .. } = &mut peer.carrier {
        let _already = send.reset(VarInt::from_u32(9));
    }
    let end = peer.ended_within(Duration::from_secs(10)).await?;
    must(end.phrase.is_empty(), || {
        format!("a reason in words: {}", end.how)
    })?;
    Ok(end.how)
}

async fn stop_sending(stage: Stage) -> Outcome {
    let (mut peer, handle) = stage.attached(Via::Quic, &stage.topic("x")).await?;
    if let Carrier::Quic { receive, .. } = &mut peer.carrier {
        let _already = receive.stop(VarInt::from_u32(9));
    }
    for _ in 0..3 {
        peer.send(&publish(1, handle, b"abc")).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let Some(connection) = peer.quic() else {
        return Err(Finding::not_seen("no QUIC connection"));
    };
    match timeout(Duration::from_secs(10), connection.closed()).await {
        Ok(error) => Ok(error.to_string()),
        Err(_) => Err(Finding::broken("the connection stayed open for 10 s")),
    }
}

async fn second_stream(stage: Stage) -> Outcome {
    let (mut peer, handle) = stage.attached(Via::Quic, &stage.topic("x")).await?;
    let opened = match peer.quic() {
        Some(connection) => timeout(Duration::from_secs(2), connection.open_bi())
            .await
            .is_ok(),
        None => return Err(Finding::not_seen("no QUIC connection")),
    };
    must(!opened, || "a second stream could be opened".into())?;
    peer.publish(handle, b"abc").await?;
    Ok("no credit for a second stream".into())
}

async fn uni_stream(stage: Stage) -> Outcome {
    let (mut peer, handle) = stage.attached(Via::Quic, &stage.topic("x")).await?;
    let opened = match peer.quic() {
        Some(connection) => timeout(Duration::from_secs(2), connection.open_uni())
            .await
            .is_ok(),
        None => return Err(Finding::not_seen("no QUIC connection")),
    };
    must(!opened, || "a unidirectional stream could be opened".into())?;
    peer.publish(handle, b"abc").await?;
    Ok("no credit for a unidirectional stream".into())
}

async fn datagrams(stage: Stage) -> Outcome {
    let peer = stage.peer(Via::Quic).await?;
    let size = peer.quic().and_then(quinn::Connection::max_datagram_size);
    must(size.is_none(), || {
        format!("datagrams of {size:?} bytes may be sent")
    })?;
    Ok("the relay takes no datagrams".into())
}

async fn relay_opens_nothing(stage: Stage) -> Outcome {
    let (mut peer, handle) = stage.attached(Via::Quic, &stage.topic("x")).await?;
    peer.publish(handle, &[1; 5000]).await?;
    let Some(connection) = peer.quic() else {
        return Err(Finding::not_seen("no QUIC connection"));
    };
    let second = Duration::from_secs(1);
    let (bi, uni, datagram) = tokio::join!(
        timeout(second, connection.accept_bi()),
        timeout(second, connection.accept_uni()),
        timeout(second, connection.read_datagram()),
    );
    must(bi.is_err() && uni.is_err() && datagram.is_err(), || {
        "the relay opened a stream or sent a datagram".into()
    })?;
    Ok("nothing but the one stream".into())
}

async fn detach_unknown(stage: Stage) -> Outcome {
    for via in Via::BOTH {
        let topic = stage.topic(via.name());
        let (mut peer, handle) = stage.attached(via, &topic).await?;
        peer.send(&detach(NO_HANDLE)).await;
        peer.send(&detach(handle)).await;
        peer.send(&detach(handle)).await;
        peer.quiet().await?;
    }
    Ok("ignored over both carriers".into())
}

async fn unknown_handle(stage: Stage) -> Outcome {
    let topic = stage.topic("x");
    let (mut reader, of_other) = stage.attached(Via::Quic, &topic).await?;
    for via in Via::BOTH {
        let mut stranger = stage.peer(via).await?;
        let (mut former, former_handle) = stage.attached(via, &topic).await?;
        former.send(&detach(former_handle)).await;
        let answers = [
            stranger.ask_publish(of_other, b"abc").await?,
            former.ask_publish(former_handle, b"abc").await?,
            former.ask_publish(NO_HANDLE, b"abc").await?,
        ];
        must(answers == [Err(3); 3], || {
            format!("{answers:?} over {}", via.name())
        })?;
    }
    reader.quiet().await?;
    Ok("refused with 3 six times, and nobody got anything".into())
}

async fn access_on_open(stage: Stage) -> Outcome {
    if stage.target.access().is_some() {
        return Err(Finding::skipped("the relay is private"));
    }
    for via in Via::BOTH {
        let mut peer = Peer::connect(&stage, &Options::new(via)).await?;
        peer.send(&access(&stage.bytes("any proof"))).await;
        let handle = peer.attach(&stage.topic(via.name())).await?;
        peer.publish(handle, &vec![1; FRAME_LEN_MAX]).await?;
    }
    Ok("passed over by both carriers".into())
}
