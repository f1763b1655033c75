//! Private relays: who has no access key gets nothing, and learns nothing.

use std::time::Duration;

use crate::catalogue::{Check, Profile};
use crate::finding::{Finding, Outcome, must};
use crate::peer::encode::{access, framed, publish};
use crate::peer::{Entrance, Options, Peer, Said, Via, must_end_with};
use crate::stage::Stage;

use super::limits::honest_attach;
use super::wire::MALFORMED;

macro_rules! shut_out {
    ($id:literal, [$($clause:literal),+], $english:literal, $korean:literal, $code:expr, $first:expr) => {
        Check::new(
            $id,
            &[$($clause),+],
            [$english, $korean],
            [
                "A new connection whose first message is this, over both carriers; an honest member listens.",
                "Closed with the number of the clause; the member hears nothing.",
            ],
            |stage| Box::pin(shut_out(stage, $code, $first)),
        )
    };
}

/// What a private relay closes with.
const NO_ACCESS: u32 = 7;

/// The table.
pub(crate) const CHECKS: &[Check] = &[
    Check::new(
        "ACCESS-HONEST",
        &["2.9.2", "2.9.3"],
        [
            "whoever has the access key is let in, without an answer to it",
            "접근 키가 있으면 들어감",
        ],
        [
            "Access, Attach and Publish in one write.",
            "Attached and Published, and nothing before.",
        ],
        |stage| Box::pin(honest(stage)),
    ),
    shut_out!(
        "ACCESS-NONE",
        ["2.9.4"],
        "an Attach in the first place is refused",
        "맨 앞의 Attach 거부",
        NO_ACCESS,
        |peer, stage, _| { honest_attach(peer, &stage.topic("x")) }
    ),
    shut_out!(
        "ACCESS-PUBLISH-FIRST",
        ["2.9.4"],
        "a Publish in the first place is refused",
        "맨 앞의 Publish 거부",
        NO_ACCESS,
        |_, _, _| publish(1, 1, b"x")
    ),
    shut_out!(
        "ACCESS-WRONG-KEY",
        ["2.9.4", "2.9.5"],
        "a proof by another key is refused",
        "다른 키의 증명 거부",
        NO_ACCESS,
        |peer, stage, _| {
            access(&crate::peer::access(
                &stage.bytes("another key"),
                &peer.exporter,
            ))
        }
    ),
    shut_out!(
        "ACCESS-ZEROS",
        ["2.9.4"],
        "a proof of zeros is refused",
        "0으로 채운 증명 거부",
        NO_ACCESS,
        |_, _, _| access(&[0; 32])
    ),
    shut_out!(
        "ACCESS-OTHER-CONNECTION",
        ["2.9.2", "2.9.4"],
        "a proof of another connection is refused",
        "다른 연결의 증명 거부",
        NO_ACCESS,
        |_, stage, key| { access(&crate::peer::access(key, &stage.bytes("another exporter"))) }
    ),
    shut_out!(
        "ACCESS-LAST-BIT",
        ["2.9.4", "2.9.5"],
        "a proof with its last bit turned is refused",
        "마지막 비트가 바뀐 증명 거부",
        NO_ACCESS,
        |peer, _, key| {
            let mut proof = crate::peer::access(key, &peer.exporter);
            proof[31] ^= 1;
            access(&proof)
        }
    ),
    shut_out!(
        "ACCESS-SHORT",
        ["2.1.4"],
        "a proof of 31 bytes is refused",
        "31바이트 증명 거부",
        MALFORMED,
        |peer, _, key| {
            let proof = crate::peer::access(key, &peer.exporter);
            framed(&[&[3][..], proof.get(..31).unwrap_or_default()].concat())
        }
    ),
    shut_out!(
        "ACCESS-LONG",
        ["2.1.4"],
        "a proof of 33 bytes is refused",
        "33바이트 증명 거부",
        MALFORMED,
        |peer, _, key| {
            let proof = crate::peer::access(key, &peer.exporter);
            framed(&[&[3][..], &proof, &[0]].concat())
        }
    ),
    Check::new(
        "ACCESS-SILENT",
        &["2.9.4", "2.5"],
        [
            "who says nothing is closed after ten seconds",
            "아무 말이 없으면 10초 뒤 종료",
        ],
        [
            "A connection to a private relay that says nothing.",
            "Closed with number 7 within 15 seconds.",
        ],
        |stage| Box::pin(silent(stage)),
    )
    .takes(Profile::Full),
];

fn key(stage: &Stage) -> Result<[u8; 32], Finding> {
    let key = stage.target.access();
    key.ok_or_else(|| Finding::skipped("the relay is open; give the URL of a private one"))
}

async fn honest(stage: Stage) -> Outcome {
    let key = key(&stage)?;
    for via in Via::BOTH {
        let options = Options::new(via).silent();
        let mut peer = Peer::connect(&stage, &options).await?;
        let topic = stage.topic(via.name());
        let all = [
            access(&crate::peer::access(&key, &peer.exporter)),
            honest_attach(&peer, &topic),
        ];
        peer.send(&all.concat()).await;
        let said = peer.hear().await?;
        let Said::Attached { request: 1, handle } = said else {
            return Err(Finding::broken(format!("{said:?}")));
        };
        peer.publish(handle, b"x").await?;
    }
    Ok("let in over both carriers".into())
}

async fn shut_out(
    stage: Stage,
    code: u32,
    first: fn(&Peer, &Stage, &[u8; 32]) -> Vec<u8>,
) -> Outcome {
    let key = key(&stage)?;
    let topic = stage.topic("x");
    let (mut member, handle) = stage.attached(Via::Quic, &topic).await?;
    for via in Via::BOTH {
        let options = Options {
            entrance: Entrance::Silent,
            ..Options::new(via)
        };
        let mut peer = Peer::connect(&stage, &options).await?;
        let first = first(&peer, &stage, &key);
        peer.send(&first).await;
        let end = peer.ended_within(Duration::from_secs(10)).await?;
        must_end_with(&end, code).map_err(|finding| finding.during(via.name()))?;
        let there = member.publish(handle, b"anybody?").await?;
        must(there == 0, || format!("{there} receivers: somebody got in"))?;
    }
    member.quiet().await?;
    Ok(format!("closed with number {code} over both carriers"))
}

async fn silent(stage: Stage) -> Outcome {
    key(&stage)?;
    for via in Via::BOTH {
        let mut peer = Peer::connect(&stage, &Options::new(via).silent()).await?;
        let end = peer.ended_within(Duration::from_secs(15)).await?;
        must_end_with(&end, NO_ACCESS)?;
    }
    Ok("closed with number 7 over both carriers".into())
}
