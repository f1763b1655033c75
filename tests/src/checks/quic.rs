//! Packets below the connection (RFC 9000): what strangers and forged addresses get out of the relay.

use std::time::Duration;

use crate::catalogue::{Check, Profile};
use crate::finding::{Finding, Outcome, must};
use crate::peer::datagram::{Datagrams, long_header, short_header};
use crate::peer::tls::Recorder;
use crate::peer::{Options, Peer, Tap, Via, within};
use crate::stage::Stage;

/// The table.
pub(crate) const CHECKS: &[Check] = &[
    Check::new(
        "QUIC-VERSION-1",
        &["1.1.1"],
        [
            "an unknown version is answered with those that are spoken",
            "모르는 버전에는 지원 버전을 알림",
        ],
        [
            "A datagram of 1200 bytes with version 0x1a2a3a4a.",
            "A Version Negotiation packet with version 1 and our ids turned round.",
        ],
        |stage| Box::pin(version_negotiation(stage)),
    ),
    Check::new(
        "QUIC-NO-ANSWER-TO-ANSWER",
        &["1.1.1", "RFC 9000 6.1"],
        [
            "a Version Negotiation packet is not answered",
            "버전 협상 패킷에는 답하지 않음",
        ],
        ["A datagram with version 0.", "Nothing comes back."],
        |stage| Box::pin(no_answer(stage, |_| long_header(0, &[1; 8], &[2; 8], 1200))),
    ),
    Check::new(
        "QUIC-SMALL-UNKNOWN-VERSION",
        &["RFC 9000 6.1", "1.1.1"],
        [
            "a small datagram of an unknown version is not answered with a larger one",
            "작은 모르는 버전 패킷에 더 크게 답하지 않음",
        ],
        [
            "A datagram of 30 bytes with an unknown version.",
            "Nothing comes back.",
        ],
        |stage| {
            Box::pin(no_answer(stage, |_| {
                long_header(0x1a2a_3a4a, &[1; 8], &[2; 8], 30)
            }))
        },
    ),
    Check::new(
        "QUIC-SMALL-INITIAL",
        &["RFC 9000 14.1", "1.1.1"],
        [
            "a first packet in less than 1200 bytes is passed over",
            "1200바이트 미만의 첫 패킷은 무시",
        ],
        ["An Initial packet in 600 bytes.", "Nothing comes back."],
        |stage| Box::pin(no_answer(stage, |_| long_header(1, &[1; 8], &[2; 8], 600))),
    ),
    Check::new(
        "QUIC-GARBAGE",
        &["RFC 9000 5.2", "RFC 9000 10.3.3", "1.1.1"],
        [
            "noise gets nothing but a reset that is shorter than itself",
            "잡음에는 그보다 짧은 리셋 말고는 답하지 않음",
        ],
        [
            "Datagrams of noise of 1, 20 and 41 to 1400 bytes, with and without the fixed bit.",
            "Nothing, or a short header in fewer bytes than were sent.",
        ],
        |stage| Box::pin(garbage(stage)),
    ),
    Check::new(
        "QUIC-INITIAL-BAD-SEAL",
        &["RFC 9001 5.2", "1.1.1"],
        [
            "a first packet that does not open is passed over",
            "열리지 않는 첫 패킷은 무시",
        ],
        [
            "An Initial packet of 1200 bytes of noise.",
            "No handshake packet comes back.",
        ],
        |stage| Box::pin(no_answer(stage, |_| long_header(1, &[5; 8], &[6; 8], 1200))),
    ),
    Check::new(
        "QUIC-AMPLIFICATION",
        &["RFC 9000 8.1", "2.5.1"],
        [
            "an address that has not answered gets at most three times what it sent",
            "답하지 않은 주소에는 받은 양의 3배까지만 보냄",
        ],
        [
            "A handshake of which only the first datagrams pass; 1, then 2 of them.",
            "At most three times as many bytes come back within four seconds.",
        ],
        |stage| Box::pin(amplification(stage)),
    ),
    Check::new(
        "QUIC-RESET",
        &["1.2.4", "RFC 9000 10.3"],
        [
            "packets of a connection that is gone are answered with a shorter reset",
            "사라진 연결의 패킷에는 더 짧은 리셋으로 답함",
        ],
        [
            "Packets of 100 bytes with a short header for connections that never were.",
            "A reset shorter than the packet.",
        ],
        |stage| Box::pin(reset(stage)),
    )
    .should(),
    Check::new(
        "QUIC-RESET-TOKENS",
        &["1.2.4"],
        [
            "reset tokens belong to the connection id, and differ between ids",
            "리셋 토큰은 연결 ID마다 다름",
        ],
        [
            "Such packets twice for one id, and for another id.",
            "The same last 16 bytes for the same id, others for another.",
        ],
        |stage| Box::pin(reset_tokens(stage)),
    )
    .should(),
    Check::new(
        "QUIC-RESET-OF-SMALL",
        &["RFC 9000 10.3.3"],
        [
            "a small packet gets no reset, so that two ends do not answer each other for ever",
            "아주 작은 패킷에는 리셋하지 않음",
        ],
        [
            "A packet of 21 bytes with a short header.",
            "Nothing comes back.",
        ],
        |stage| {
            Box::pin(no_answer(stage, |stage| {
                short_header(&[7; 8], &stage.noise("n", 12))
            }))
        },
    ),
    Check::new(
        "QUIC-IDLE",
        &["1.1.7"],
        [
            "a client that vanished is given up after a minute",
            "사라진 단말은 1분 뒤 정리",
        ],
        [
            "A reader behind a way that is cut without a word; then Publish once a second.",
            "The relay stops counting it between 20 and 90 seconds later.",
        ],
        |stage| Box::pin(idle(stage)),
    )
    .should()
    .takes(Profile::Full),
    Check::new(
        "QUIC-STALLED-HANDSHAKE",
        &["1.1.7", "2.5"],
        [
            "a QUIC handshake that stands still is given up",
            "멈춘 QUIC 핸드셰이크는 정리",
        ],
        [
            "A handshake whose first datagram alone passes.",
            "After 12 seconds the relay sends nothing more for it.",
        ],
        |stage| Box::pin(stalled_handshake(stage)),
    )
    .takes(Profile::Full),
];

async fn version_negotiation(stage: Stage) -> Outcome {
    let (destination, source) = ([3; 8], [4; 8]);
    let packet = long_header(0x1a2a_3a4a, &destination, &source, 1200);
    let answer = ask(&stage, &packet).await?;
    let answer = answer.ok_or_else(|| Finding::broken("nothing came back"))?;
    let expected = [&[0, 0, 0, 0, 8][..], &source, &[8], &destination].concat();
    let head = answer.get(1..).and_then(|rest| rest.get(..expected.len()));
    must(head == Some(&expected), || {
        "not a Version Negotiation packet to us".into()
    })?;
    let versions = answer.get(1 + expected.len()..).unwrap_or_default();
    let speaks = versions
        .chunks_exact(4)
        .any(|version| version == [0, 0, 0, 1]);
    must(speaks, || "version 1 is not among them".into())?;
    must(answer.len() <= packet.len(), || {
        "longer than the packet".into()
    })?;
    Ok(format!("{} versions", versions.len() / 4))
}

/// Sends a datagram a few times; one may be lost.
async fn ask(stage: &Stage, packet: &[u8]) -> Result<Option<Vec<u8>>, Finding> {
    let socket = Datagrams::to(stage).await?;
    for _ in 0..3 {
        socket.send(packet).await;
        if let Some(answer) = socket.answer(Duration::from_millis(800)).await {
            return Ok(Some(answer));
        }
    }
    Ok(None)
}

async fn no_answer(stage: Stage, packet: fn(&Stage) -> Vec<u8>) -> Outcome {
    let packet = packet(&stage);
    let socket = Datagrams::to(&stage).await?;
    socket.send(&packet).await;
    socket.send(&packet).await;
    if let Some(answer) = socket.answer(Duration::from_millis(1500)).await {
        return Err(Finding::broken(format!(
            "{} bytes came back, beginning with {:02x?}",
            answer.len(),
            answer.get(..answer.len().min(6))
        )));
    }
    // The relay is there all the same.
    stage.peer(Via::Quic).await?;
    Ok("nothing came back".into())
}

async fn garbage(stage: Stage) -> Outcome {
    let mut resets = 0_usize;
    for len in [1, 20, 41, 200, 1200, 1400] {
        for bit in [0, 0x40] {
            let mut noise = stage.noise(&format!("{len} {bit}"), len);
            if let Some(first) = noise.first_mut() {
                *first = (*first & 0x3f) | bit;
            }
            let socket = Datagrams::to(&stage).await?;
            socket.send(&noise).await;
            let Some(answer) = socket.answer(Duration::from_millis(400)).await else {
                continue;
            };
            let is_short = answer.first().is_some_and(|first| first & 0xc0 == 0x40);
            must(is_short && answer.len() < len, || {
                format!("{} bytes came back for {len}", answer.len())
            })?;
            resets = resets.saturating_add(1);
        }
    }
    stage.peer(Via::Quic).await?;
    Ok(format!("{resets} shorter resets for 12 datagrams"))
}

/// A handshake of which so many datagrams of the client pass.
async fn begin(stage: &Stage, passes: usize) -> Result<Tap, Finding> {
    let tap = Tap::before(stage.target.address(), passes).await?;
    let options = Options {
        to: Some(tap.address),
        ..Options::new(Via::Quic)
    };
    let stage = stage.clone();
    tokio::spawn(async move {
        let recorder = std::sync::Arc::new(Recorder::default());
        let _never_done = Peer::quic_connection(&stage, &options, &recorder).await;
    });
    Ok(tap)
}

async fn amplification(stage: Stage) -> Outcome {
    let mut worst = 0.0_f64;
    for passes in [1, 2] {
        let tap = begin(&stage, passes).await?;
        tokio::time::sleep(Duration::from_secs(4)).await;
        let (there, back) = (tap.sent_to_relay(), tap.sent_by_relay());
        must(there > 0, || "no datagram left".into())?;
        must(back <= there.saturating_mul(3), || {
            format!("{back} bytes for {there} bytes, of {passes} datagrams")
        })?;
        let times = f64::from(u32::try_from(back).unwrap_or(u32::MAX))
            / f64::from(u32::try_from(there).unwrap_or(1));
        worst = worst.max(times);
    }
    Ok(format!("{worst:.2} times at most"))
}

async fn reset_of(stage: &Stage, id: [u8; 8], label: &str) -> Result<Vec<u8>, Finding> {
    let packet = short_header(&id, &stage.noise(label, 91));
    let answer = ask(stage, &packet).await?;
    let answer = answer.ok_or_else(|| Finding::broken("nothing came back"))?;
    must(answer.len() < packet.len() && answer.len() >= 21, || {
        format!("{} bytes for {}", answer.len(), packet.len())
    })?;
    let first = answer.first().copied().unwrap_or_default();
    must(first & 0xc0 == 0x40, || {
        format!("not a short header: {first:02x}")
    })?;
    Ok(answer)
}

async fn reset(stage: Stage) -> Outcome {
    let answer = reset_of(&stage, [9; 8], "x").await?;
    Ok(format!("a reset of {} bytes for 100", answer.len()))
}

async fn reset_tokens(stage: Stage) -> Outcome {
    let mut tokens = Vec::new();
    for (id, label) in [([9; 8], "a"), ([9; 8], "b"), ([8; 8], "c")] {
        let answer = reset_of(&stage, id, label).await?;
        tokens.push(
            answer
                .get(answer.len().saturating_sub(16)..)
                .unwrap_or_default()
                .to_vec(),
        );
    }
    let [one, again, other] = tokens.as_slice() else {
        return Err(Finding::not_seen("no tokens"));
    };
    must(one == again, || "another token for the same id".into())?;
    must(one != other, || "one token for two ids".into())?;
    Ok("by connection id".into())
}

async fn idle(stage: Stage) -> Outcome {
    let topic = stage.topic("x");
    let tap = Tap::before(stage.target.address(), usize::MAX).await?;
    let options = Options {
        to: Some(tap.address),
        ..Options::new(Via::Quic)
    };
    let mut reader = Peer::connect(&stage, &options).await?;
    reader.attach(&topic).await?;
    let (mut sender, handle) = stage.attached(Via::Tcp, &topic).await?;
    within("the first frame", sender.publish(handle, b"x")).await??;
    tap.cut();
    let cut = std::time::Instant::now();
    while sender.publish(handle, b"").await? > 0 {
        must(cut.elapsed() < Duration::from_secs(90), || {
            "still counted after 90 s".into()
        })?;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let after = cut.elapsed();
    Ok(format!("given up after {} s", after.as_secs()))
}

async fn stalled_handshake(stage: Stage) -> Outcome {
    let tap = begin(&stage, 1).await?;
    tokio::time::sleep(Duration::from_secs(13)).await;
    let before = tap.sent_by_relay();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let after = tap.sent_by_relay();
    must(after == before, || {
        format!("{} bytes more after 13 s", after - before)
    })?;
    Ok(format!("nothing after 13 s; {before} bytes before"))
}
