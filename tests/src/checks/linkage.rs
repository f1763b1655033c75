//! What would link one connection to another, or one day to the next.

use std::collections::BTreeSet;

use crate::catalogue::Check;
use crate::finding::{Finding, Outcome, must};
use crate::peer::datagram::source_of;
use crate::peer::hello::{Hello, Reply};
use crate::peer::{Options, Peer, Tap, Via, tcp};
use crate::stage::Stage;

/// The table.
pub(crate) const CHECKS: &[Check] = &[
    Check::new(
        "LINK-HANDLES",
        &["2.2.5", "2.3.2"],
        [
            "the handle of a topic is another when it comes again",
            "토픽이 다시 생기면 핸들이 바뀜",
        ],
        [
            "One topic attached and left ten times, with nobody there between.",
            "Handles that differ and do not count up.",
        ],
        |stage| Box::pin(handles(stage)),
    ),
    Check::new(
        "LINK-HANDLES-DO-NOT-COUNT",
        &["2.3.2"],
        [
            "handles do not tell how many topics there are",
            "핸들로 토픽 수를 알 수 없음",
        ],
        [
            "100 topics attached one after the other.",
            "Handles over the whole range, without an order.",
        ],
        |stage| Box::pin(do_not_count(stage)),
    )
    .should(),
    Check::new(
        "LINK-CONNECTION-IDS",
        &["1.2.3"],
        [
            "connection ids of QUIC have nothing in common",
            "QUIC 연결 ID에 공통점이 없음",
        ],
        [
            "20 connections; the ids that the relay chose for each.",
            "All differ; no byte is the same in all.",
        ],
        |stage| Box::pin(connection_ids(stage)),
    ),
    Check::new(
        "LINK-RANDOMS",
        &["1.2.3"],
        [
            "the relay's random numbers of handshakes never come again",
            "핸드셰이크의 난수가 반복되지 않음",
        ],
        [
            "20 ClientHello that are equal byte for byte.",
            "20 different randoms.",
        ],
        |stage| Box::pin(randoms(stage)),
    ),
    Check::new(
        "LINK-EXPORTERS",
        &["2.2.3"],
        [
            "every connection has another exporter value",
            "연결마다 exporter 값이 다름",
        ],
        ["10 connections over each carrier.", "20 different values."],
        |stage| Box::pin(exporters(stage)),
    ),
    Check::new(
        "LINK-ANSWERS-ALIKE",
        &["2.2.5", "2.4.4"],
        [
            "who comes back is answered like who comes first",
            "다시 온 사람에게도 처음 온 사람처럼 답함",
        ],
        [
            "A connection with the address, topic and requests of one that left, and one that is new.",
            "The same messages but for the handle.",
        ],
        |stage| Box::pin(answers_alike(stage)),
    ),
    Check::new(
        "LINK-NOTHING-ADDED",
        &["2.4.1"],
        [
            "a reader gets no sign of who published",
            "받는 사람은 누가 보냈는지 알 수 없음",
        ],
        [
            "The same frame from three connections over two carriers.",
            "The same message each time, byte for byte.",
        ],
        |stage| Box::pin(nothing_added(stage)),
    ),
];

async fn handles(stage: Stage) -> Outcome {
    let topic = stage.topic("x");
    let mut handles = Vec::new();
    for _ in 0..10 {
        let (peer, handle) = stage.attached(Via::Tcp, &topic).await?;
        peer.leave().await;
        handles.push(handle);
    }
    let different: BTreeSet<u32> = handles.iter().copied().collect();
    must(different.len() == handles.len(), || {
        format!("a handle came again: {handles:?}")
    })?;
    must(!handles.is_sorted(), || {
        format!("they count up: {handles:?}")
    })?;
    Ok("ten handles, all different".into())
}

async fn do_not_count(stage: Stage) -> Outcome {
    let mut peer = stage.peer(Via::Tcp).await?;
    let mut handles = Vec::new();
    for n in 0..100_u32 {
        handles.push(peer.attach(&stage.topic(&n.to_string())).await?);
    }
    must(!handles.is_sorted(), || "they count up".into())?;
    let high = handles.iter().filter(|handle| **handle >= 1 << 31).count();
    must((10..=90).contains(&high), || {
        format!("{high} of 100 are in the upper half")
    })?;
    Ok(format!("{high} of 100 in the upper half"))
}

async fn connection_ids(stage: Stage) -> Outcome {
    let mut ids = Vec::new();
    for _ in 0..20 {
        let tap = Tap::before(stage.target.address(), usize::MAX).await?;
        let options = Options {
            to: Some(tap.address),
            ..Options::new(Via::Quic)
        };
        let peer = Peer::connect(&stage, &options).await?;
        let heard = tap.heard();
        let id = heard.iter().rev().find_map(|datagram| source_of(datagram));
        let id = id.ok_or_else(|| Finding::not_seen("no long header came"))?;
        ids.push(id.to_vec());
        peer.leave().await;
    }
    let different: BTreeSet<&Vec<u8>> = ids.iter().collect();
    must(different.len() == ids.len(), || "an id came again".into())?;
    let len = ids.first().map(Vec::len).unwrap_or_default();
    must(len >= 8, || format!("ids of {len} bytes can be guessed"))?;
    for at in 0..len {
        let bytes: BTreeSet<Option<&u8>> = ids.iter().map(|id| id.get(at)).collect();
        must(bytes.len() > 5, || {
            format!("byte {at} has {} values in 20 ids", bytes.len())
        })?;
    }
    Ok(format!("20 ids of {len} bytes"))
}

async fn randoms(stage: Stage) -> Outcome {
    let hello = Hello::honest(stage.bytes("the same"));
    let mut seen = BTreeSet::new();
    for _ in 0..20 {
        let mut stream = tcp(&stage, &Options::new(Via::Tcp)).await?;
        let Reply::Hello(reply) = hello.say(&mut stream).await? else {
            return Err(Finding::broken("no ServerHello"));
        };
        must(seen.insert(reply.random), || "a random came again".into())?;
    }
    Ok("20 different randoms".into())
}

async fn exporters(stage: Stage) -> Outcome {
    let mut seen = BTreeSet::new();
    for via in Via::BOTH {
        for _ in 0..10 {
            let peer = stage.peer(via).await?;
            must(seen.insert(peer.exporter), || "a value came again".into())?;
        }
    }
    Ok("20 different values".into())
}

async fn answers_alike(stage: Stage) -> Outcome {
    let topic = stage.topic("known");
    let (mut before, handle) = stage.attached(Via::Quic, &topic).await?;
    before.publish(handle, b"x").await?;
    before.leave().await;
    for topic in [topic, stage.topic("new")] {
        let mut peer = stage.peer(Via::Quic).await?;
        peer.quiet().await?;
        let handle = peer.attach(&topic).await?;
        must(peer.publish(handle, b"x").await? == 0, || {
            "somebody is there".into()
        })?;
        peer.quiet().await?;
    }
    Ok("the same for both".into())
}

async fn nothing_added(stage: Stage) -> Outcome {
    let topic = stage.topic("x");
    let (mut reader, of_reader) = stage.attached(Via::Tcp, &topic).await?;
    for via in [Via::Quic, Via::Tcp, Via::Quic] {
        let (mut sender, handle) = stage.attached(via, &topic).await?;
        sender.publish(handle, b"the same").await?;
        let got = reader.frame().await?;
        must(got == (of_reader, b"the same".to_vec()), || {
            "another message".into()
        })?;
        sender.leave().await;
    }
    reader.quiet().await?;
    Ok("three times the same message".into())
}
