//! Proofs that must not open a topic: each is refused with 1, changes nothing, and leaves the session as it was.

use crate::catalogue::Check;
use crate::finding::{Finding, Outcome, must};
use crate::peer::{
    ATTACH_LABEL, EXPORTER_CONTEXT, EXPORTER_LABEL, Peer, Topic, Via, second_encoding,
};
use crate::stage::Stage;

/// A topic's name and what is shown for it.
type Attempt = ([u8; 32], [u8; 64]);

macro_rules! false_proof {
    ($id:literal, $english:literal, $korean:literal, $make:expr) => {
        Check::new(
            $id,
            &["2.2.4", "2.2.2"],
            [$english, $korean],
            [
                "An Attach with such a proof, over both carriers; then a Publish of somebody who is attached to that topic, if anybody can be.",
                "Refused with 1 (BadProof); the session goes on.",
            ],
            |stage| Box::pin(refused(stage, $make)),
        )
    };
}

/// The table.
pub(crate) const CHECKS: &[Check] = &[
    Check::new(
        "PROOF-HONEST",
        &["2.2.1", "2.2.2", "2.2.3"],
        [
            "whoever holds a topic's seed may attach",
            "토픽의 씨앗을 가진 사람은 연결할 수 있음",
        ],
        [
            "An honest Attach over each carrier.",
            "Attached, to one topic for both: each hears the other.",
        ],
        |stage| Box::pin(honest(stage)),
    ),
    false_proof!(
        "PROOF-OTHER-KEY",
        "a proof by another key is refused",
        "다른 키의 증명 거부",
        |peer, topic, stage| {
            let body = [ATTACH_LABEL, &peer.exporter, &topic.name()].concat();
            Ok((topic.name(), stage.topic("another").sign(&body)))
        }
    ),
    false_proof!(
        "PROOF-OTHER-TOPIC",
        "a proof of another topic is refused",
        "다른 토픽의 증명 거부",
        |peer, topic, stage| { Ok((topic.name(), stage.topic("another").prove(&peer.exporter))) }
    ),
    false_proof!(
        "PROOF-TOPIC-NOT-SIGNED",
        "a signature that leaves out the topic is refused",
        "토픽을 뺀 서명 거부",
        |peer, topic, _| {
            Ok((
                topic.name(),
                topic.sign(&[ATTACH_LABEL, &peer.exporter].concat()),
            ))
        }
    ),
    false_proof!(
        "PROOF-NO-EXPORTER",
        "a proof over an exporter value of zeros is refused",
        "0으로 채운 exporter 값의 증명 거부",
        |_, topic, _| { Ok((topic.name(), topic.prove(&[0; 32]))) }
    ),
    false_proof!(
        "PROOF-OTHER-LABEL",
        "a proof under another exporter label is refused",
        "다른 exporter 라벨의 증명 거부",
        |peer, topic, _| {
            let value = peer.export(b"EXPORTER-sori-topic-proof2", EXPORTER_CONTEXT)?;
            Ok((topic.name(), topic.prove(&value)))
        }
    ),
    false_proof!(
        "PROOF-OTHER-CONTEXT",
        "a proof under another exporter context is refused",
        "다른 exporter 문맥의 증명 거부",
        |peer, topic, _| {
            Ok((
                topic.name(),
                topic.prove(&peer.export(EXPORTER_LABEL, b"sori/2")?),
            ))
        }
    ),
    false_proof!(
        "PROOF-EMPTY-CONTEXT",
        "a proof without an exporter context is refused",
        "exporter 문맥이 없는 증명 거부",
        |peer, topic, _| {
            Ok((
                topic.name(),
                topic.prove(&peer.export(EXPORTER_LABEL, b"")?),
            ))
        }
    ),
    false_proof!(
        "PROOF-NO-ZERO-BYTE",
        "a signature without the zero byte behind the label is refused",
        "라벨 뒤 0바이트가 없는 서명 거부",
        |peer, topic, _| {
            let body = [b"sori/1 attach".as_slice(), &peer.exporter, &topic.name()].concat();
            Ok((topic.name(), topic.sign(&body)))
        }
    ),
    false_proof!(
        "PROOF-ACCESS-LABEL",
        "a signature under the label of Access is refused",
        "Access 라벨의 서명 거부",
        |peer, topic, _| {
            let body = [b"sori/1 access\0".as_slice(), &peer.exporter, &topic.name()].concat();
            Ok((topic.name(), topic.sign(&body)))
        }
    ),
    false_proof!(
        "PROOF-SECOND-ENCODING",
        "a good signature in its second encoding is refused",
        "두 번째 표기의 서명 거부",
        |peer, topic, _| { Ok((topic.name(), second_encoding(topic.prove(&peer.exporter)))) }
    ),
    false_proof!(
        "PROOF-FIRST-BIT",
        "a proof with its first bit turned is refused",
        "첫 비트가 바뀐 증명 거부",
        |peer, topic, _| {
            let mut proof = topic.prove(&peer.exporter);
            proof[0] ^= 1;
            Ok((topic.name(), proof))
        }
    ),
    false_proof!(
        "PROOF-LAST-BIT",
        "a proof with its last bit turned is refused",
        "마지막 비트가 바뀐 증명 거부",
        |peer, topic, _| {
            let mut proof = topic.prove(&peer.exporter);
            proof[63] ^= 0x80;
            Ok((topic.name(), proof))
        }
    ),
    false_proof!(
        "PROOF-ZEROS",
        "a proof of zeros is refused",
        "0으로 채운 증명 거부",
        |_, topic, _| { Ok((topic.name(), [0; 64])) }
    ),
    false_proof!(
        "PROOF-SMALL-ORDER",
        "a topic of small order, for which anybody can sign, is refused",
        "누구나 서명할 수 있는 작은 위수의 토픽 거부",
        |_, _, _| { Ok((NEUTRAL, neutral_signature())) }
    ),
    false_proof!(
        "PROOF-TOPIC-ZEROS",
        "the topic of zeros, of order four, is refused",
        "0으로 채운 토픽 거부",
        |_, _, _| { Ok(([0; 32], neutral_signature())) }
    ),
    false_proof!(
        "PROOF-SECOND-NEUTRAL",
        "the neutral topic in another encoding is refused",
        "다른 표기의 항등원 토픽 거부",
        |_, _, _| {
            // 1 + p, which is 1: p ends in 0xed.
            let mut topic = [0xff; 32];
            topic[0] = 0xee;
            topic[31] = 0x7f;
            Ok((topic, neutral_signature()))
        }
    ),
    false_proof!(
        "PROOF-NO-POINT",
        "a topic that is no point of the curve is refused",
        "곡선 위의 점이 아닌 토픽 거부",
        |_, _, _| {
            let mut topic = [0; 32];
            topic[0] = 2;
            Ok((topic, neutral_signature()))
        }
    ),
    Check::new(
        "PROOF-OTHER-CONNECTION",
        &["2.2.4", "2.2.3"],
        [
            "a proof from another connection is refused",
            "다른 연결의 증명 거부",
        ],
        [
            "A good proof of one connection, shown on a second one, on each carrier and across them.",
            "Refused with 1; on its own connection it attaches.",
        ],
        |stage| Box::pin(other_connection(stage)),
    ),
    Check::new(
        "PROOF-TWICE",
        &["2.6.1"],
        [
            "attaching twice to one topic is refused with 4",
            "같은 토픽에 두 번 연결하면 4로 거부",
        ],
        [
            "The same honest Attach twice.",
            "Refused with 4 (AlreadyAttached); the first attachment goes on.",
        ],
        |stage| Box::pin(twice(stage)),
    ),
    Check::new(
        "PROOF-AGAIN",
        &["2.2.4", "2.3.2"],
        [
            "after Detach the same connection may attach again",
            "Detach 뒤 다시 연결할 수 있음",
        ],
        ["Attach, Detach, Attach.", "Attached both times."],
        |stage| Box::pin(again(stage)),
    ),
];

/// The neutral element of the curve: with it as key every message is signed by R = neutral, S = 0 for who checks
/// only the equation.
const NEUTRAL: [u8; 32] = {
    let mut point = [0; 32];
    point[0] = 1;
    point
};

fn neutral_signature() -> [u8; 64] {
    let mut signature = [0; 64];
    signature[0] = 1;
    signature
}

async fn honest(stage: Stage) -> Outcome {
    let topic = stage.topic("x");
    let (mut quic, quic_handle) = stage.attached(Via::Quic, &topic).await?;
    let (mut tcp, tcp_handle) = stage.attached(Via::Tcp, &topic).await?;
    must(quic.publish(quic_handle, b"to tcp").await? == 1, || {
        "nobody there".into()
    })?;
    must(
        tcp.frame().await? == (tcp_handle, b"to tcp".to_vec()),
        || "another frame".into(),
    )?;
    must(tcp.publish(tcp_handle, b"to quic").await? == 1, || {
        "nobody there".into()
    })?;
    must(
        quic.frame().await? == (quic_handle, b"to quic".to_vec()),
        || "another frame".into(),
    )?;
    Ok("attached over both carriers, each hears the other".into())
}

async fn refused(
    stage: Stage,
    make: fn(&Peer, &Topic, &Stage) -> Result<Attempt, Finding>,
) -> Outcome {
    for via in Via::BOTH {
        let topic = stage.topic(via.name());
        let mut peer = stage.peer(via).await?;
        let (name, proof) = make(&peer, &topic, &stage)?;
        let answer = peer.ask_attach(&name, &proof).await?;
        must(answer == Err(1), || {
            let answer = answer.map(|_| "a handle");
            format!("answered with {answer:?} over {}", via.name())
        })?;
        peer.quiet().await?;
        // It changed nothing: the topic has nobody, and the honest way is still open.
        let (mut owner, handle) = stage.attached(via, &topic).await?;
        must(owner.publish(handle, b"abc").await? == 0, || {
            "somebody is there".into()
        })?;
        peer.quiet().await?;
        peer.attach(&topic).await?;
    }
    Ok("refused with 1 over both carriers".into())
}

async fn other_connection(stage: Stage) -> Outcome {
    let topic = stage.topic("x");
    for (first, second) in [
        (Via::Quic, Via::Quic),
        (Via::Tcp, Via::Tcp),
        (Via::Quic, Via::Tcp),
        (Via::Tcp, Via::Quic),
    ] {
        let owner = stage.peer(first).await?;
        let mut thief = stage.peer(second).await?;
        let stolen = topic.prove(&owner.exporter);
        let answer = thief.ask_attach(&topic.name(), &stolen).await?;
        must(answer == Err(1), || {
            let answer = answer.map(|_| "a handle");
            format!("{answer:?}, from {} to {}", first.name(), second.name())
        })?;
    }
    Ok("refused with 1 in all four directions".into())
}

async fn twice(stage: Stage) -> Outcome {
    let topic = stage.topic("x");
    for via in Via::BOTH {
        let (mut peer, handle) = stage.attached(via, &topic).await?;
        let proof = topic.prove(&peer.exporter);
        let answer = peer.ask_attach(&topic.name(), &proof).await?;
        must(answer == Err(4), || {
            format!("{answer:?} over {}", via.name())
        })?;
        must(peer.publish(handle, b"abc").await? == 0, || {
            "it is there twice".into()
        })?;
        peer.leave().await;
    }
    Ok("refused with 4 over both carriers".into())
}

async fn again(stage: Stage) -> Outcome {
    let topic = stage.topic("x");
    for via in Via::BOTH {
        let (mut peer, handle) = stage.attached(via, &topic).await?;
        peer.send(&crate::peer::encode::detach(handle)).await;
        let handle = peer.attach(&topic).await?;
        must(peer.publish(handle, b"abc").await? == 0, || {
            "it is there twice".into()
        })?;
        peer.leave().await;
    }
    Ok("attached again over both carriers".into())
}
