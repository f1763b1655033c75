//! Bytes that no honest client sends: each has to end the connection with the right number, over both carriers.

use std::time::Duration;

use crate::catalogue::Check;
use crate::finding::{Finding, Outcome};
use crate::peer::encode::{
    BODY_LEN_MAX, FRAME_LEN_MAX, access, announced, attach, detach, framed, longer, number, publish,
};
use crate::peer::{Options, Topic, Via, must_end_with};
use crate::stage::Stage;

/// The number of `docs/protocol.md`, 2.7, for bytes that are refused.
pub(crate) const MALFORMED: u32 = 2;

/// What the bytes are made of: an attached client and a topic that it is not attached to.
pub(crate) struct Ground {
    pub(crate) handle: u32,
    pub(crate) other: Topic,
    pub(crate) exporter: [u8; 32],
}

/// A misbehaviour in the middle of a session.
macro_rules! wrong {
    ($id:literal, [$($clause:literal),+], $english:literal, $korean:literal, $code:literal, $bytes:expr) => {
        Check::new(
            $id,
            &[$($clause),+, "2.1.5"],
            [$english, $korean],
            [
                "An attached client sends these bytes, over QUIC and over TLS on TCP.",
                concat!("The connection is closed with number ", $code, " and no words."),
            ],
            |stage| Box::pin(refused(stage, $code, $bytes)),
        )
    };
}

/// A session that ends too early.
macro_rules! cut {
    ($id:literal, $english:literal, $korean:literal, $bytes:expr) => {
        Check::new(
            $id,
            &["2.7", "1.1.6"],
            [$english, $korean],
            [
                "An attached client sends these bytes and ends its direction.",
                "The connection is closed with number 2 (Malformed).",
            ],
            |stage| Box::pin(cut_off(stage, $bytes)),
        )
    };
}

/// The table.
pub(crate) const CHECKS: &[Check] = &[
    // Lengths.
    wrong!(
        "WIRE-LENGTH-ONE-OVER",
        ["2.1.2"],
        "a length one over the limit is refused before its body",
        "한도보다 1 큰 길이는 본문 전에 거부",
        3,
        |_| announced(65_569, &[])
    ),
    wrong!(
        "WIRE-LENGTH-2-31",
        ["2.1.2"],
        "a length of 2 GiB is refused",
        "2 GiB 길이 거부",
        3,
        |_| announced(1 << 31, &[])
    ),
    wrong!(
        "WIRE-LENGTH-ALL-ONES",
        ["2.1.2"],
        "the greatest length there is is refused",
        "최댓값 길이 거부",
        3,
        |_| announced(u32::MAX, &[])
    ),
    wrong!(
        "WIRE-LENGTH-WITH-BODY",
        ["2.1.2"],
        "a message one byte too long, sent whole, is refused",
        "1바이트 긴 메시지 전체를 보내도 거부",
        3,
        |ground| framed(&vec![1; BODY_LEN_MAX + 1 + usize::from(ground.handle == 0)])
    ),
    wrong!(
        "WIRE-LENGTH-BEHIND-GOOD",
        ["2.1.2"],
        "a length over the limit behind a good message is refused",
        "정상 메시지 뒤의 초과 길이 거부",
        3,
        |_| [detach(1), announced(65_569, &[])].concat()
    ),
    wrong!(
        "WIRE-EMPTY-BODY",
        ["2.1.4"],
        "a message without a body is refused",
        "빈 메시지 거부",
        2,
        |_| framed(&[])
    ),
    wrong!(
        "WIRE-LENGTH-TOO-SHORT",
        ["2.1.3"],
        "a length that ends inside the fields is refused",
        "필드 중간에서 끝나는 길이 거부",
        2,
        |ground| {
            let whole = publish(9, ground.handle, b"abc");
            announced(6, whole.get(4..).unwrap_or_default())
        }
    ),
    wrong!(
        "WIRE-LENGTH-LITTLE-ENDIAN",
        ["2.1.1"],
        "a length with its bytes turned round is refused",
        "바이트 순서가 뒤집힌 길이 거부",
        3,
        |_| vec![2, 0, 0, 0, 1, 1]
    ),
    // Message numbers.
    wrong!(
        "WIRE-MESSAGE-4",
        ["2.1.4"],
        "message number 4, the first without a meaning, is refused",
        "의미 없는 첫 메시지 번호 4 거부",
        2,
        |_| framed(&[4])
    ),
    wrong!(
        "WIRE-MESSAGE-5",
        ["2.1.4"],
        "the relay's own GoingAway from a client is refused",
        "단말이 보낸 GoingAway 거부",
        2,
        |_| framed(&[5])
    ),
    wrong!(
        "WIRE-MESSAGE-6",
        ["2.1.4"],
        "the relay's own Closing from a client is refused",
        "단말이 보낸 Closing 거부",
        2,
        |_| framed(&[6, 0])
    ),
    wrong!(
        "WIRE-MESSAGE-127",
        ["2.1.4"],
        "message number 127 is refused",
        "메시지 번호 127 거부",
        2,
        |_| framed(&[127])
    ),
    wrong!(
        "WIRE-MESSAGE-128",
        ["2.1.4"],
        "message number 128, in two bytes, is refused",
        "두 바이트 메시지 번호 128 거부",
        2,
        |_| framed(&number(128))
    ),
    wrong!(
        "WIRE-MESSAGE-ALL-ONES",
        ["2.1.4"],
        "the greatest message number is refused",
        "최대 메시지 번호 거부",
        2,
        |_| framed(&number(u32::MAX.into()))
    ),
    wrong!(
        "WIRE-MESSAGE-257",
        ["2.1.4"],
        "message number 257 is not taken for number 1",
        "번호 257을 1로 잘못 읽지 않음",
        2,
        |_| framed(&[number(257), number(1)].concat())
    ),
    // Other forms of numbers.
    wrong!(
        "WIRE-LONG-ATTACH",
        ["2.1.4"],
        "Attach with its number in two bytes is refused",
        "두 바이트로 쓴 Attach 번호 거부",
        2,
        |ground| {
            let honest = attach(
                1,
                &ground.other.name(),
                &ground.other.prove(&ground.exporter),
            );
            framed(&[&longer(0), honest.get(5..).unwrap_or_default()].concat())
        }
    ),
    wrong!(
        "WIRE-LONG-DETACH",
        ["2.1.4"],
        "Detach with its number in two bytes is refused",
        "두 바이트로 쓴 Detach 번호 거부",
        2,
        |_| framed(&[longer(1), number(7)].concat())
    ),
    wrong!(
        "WIRE-LONG-PUBLISH",
        ["2.1.4"],
        "Publish with its number in two bytes is refused",
        "두 바이트로 쓴 Publish 번호 거부",
        2,
        |ground| parts(
            ground,
            [
                longer(2),
                number(1),
                number(ground.handle.into()),
                number(0)
            ]
        )
    ),
    wrong!(
        "WIRE-LONG-REQUEST",
        ["2.1.4"],
        "a request in a longer form than needed is refused",
        "필요 이상으로 긴 요청 번호 거부",
        2,
        |ground| parts(
            ground,
            [
                number(2),
                longer(300),
                number(ground.handle.into()),
                number(0)
            ]
        )
    ),
    wrong!(
        "WIRE-LONG-ZERO",
        ["2.1.4"],
        "a zero in two bytes is refused",
        "두 바이트로 쓴 0 거부",
        2,
        |ground| parts(
            ground,
            [
                number(2),
                longer(0),
                number(ground.handle.into()),
                number(0)
            ]
        )
    ),
    wrong!(
        "WIRE-LONG-HANDLE",
        ["2.1.4"],
        "a handle in a longer form than needed is refused",
        "필요 이상으로 긴 핸들 거부",
        2,
        |_| framed(&[number(1), longer(7)].concat())
    ),
    wrong!(
        "WIRE-LONG-FRAME-LENGTH",
        ["2.1.4"],
        "a frame's length in a longer form than needed is refused",
        "필요 이상으로 긴 데이터 길이 거부",
        2,
        |ground| parts(
            ground,
            [
                number(2),
                number(1),
                number(ground.handle.into()),
                [longer(3), b"abc".to_vec()].concat()
            ]
        )
    ),
    wrong!(
        "WIRE-33-BITS-REQUEST",
        ["2.1.3"],
        "a request of 33 bits is refused",
        "33비트 요청 번호 거부",
        2,
        |ground| parts(
            ground,
            [
                number(2),
                number(1 << 32),
                number(ground.handle.into()),
                number(0)
            ]
        )
    ),
    wrong!(
        "WIRE-33-BITS-HANDLE",
        ["2.1.3"],
        "a handle of 33 bits is refused",
        "33비트 핸들 거부",
        2,
        |_| framed(&[number(1), number(1 << 32)].concat())
    ),
    wrong!(
        "WIRE-35-BITS",
        ["2.1.3"],
        "a number whose fifth byte is full is refused",
        "다섯째 바이트가 넘치는 수 거부",
        2,
        |_| framed(&[1, 0xff, 0xff, 0xff, 0xff, 0x7f])
    ),
    wrong!(
        "WIRE-64-BITS",
        ["2.1.3"],
        "a number of 64 bits is refused",
        "64비트 수 거부",
        2,
        |_| framed(&[number(1), number(u64::MAX)].concat())
    ),
    wrong!(
        "WIRE-NUMBER-WITHOUT-END",
        ["2.1.3"],
        "a number that does not end is refused",
        "끝나지 않는 수 거부",
        2,
        |_| framed(&[1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80])
    ),
    wrong!(
        "WIRE-NUMBER-CUT",
        ["2.1.3"],
        "a number that is cut off is refused",
        "잘린 수 거부",
        2,
        |_| framed(&[1, 0x80])
    ),
    // Bytes behind the last field.
    wrong!(
        "WIRE-BEHIND-DETACH",
        ["2.1.4"],
        "a byte behind Detach is refused",
        "Detach 뒤의 남는 바이트 거부",
        2,
        |_| framed(&[1, 7, 0])
    ),
    wrong!(
        "WIRE-BEHIND-ATTACH",
        ["2.1.4"],
        "a byte behind Attach is refused",
        "Attach 뒤의 남는 바이트 거부",
        2,
        |ground| {
            let honest = attach(
                1,
                &ground.other.name(),
                &ground.other.prove(&ground.exporter),
            );
            framed(&[honest.get(4..).unwrap_or_default(), &[0]].concat())
        }
    ),
    wrong!(
        "WIRE-BEHIND-PUBLISH",
        ["2.1.4"],
        "a byte behind a frame is refused",
        "데이터 뒤의 남는 바이트 거부",
        2,
        |ground| {
            let honest = publish(1, ground.handle, b"abc");
            framed(&[honest.get(4..).unwrap_or_default(), b"d"].concat())
        }
    ),
    wrong!(
        "WIRE-BEHIND-MUCH",
        ["2.1.4"],
        "a thousand bytes behind Detach are refused",
        "Detach 뒤의 1000바이트 거부",
        2,
        |_| framed(&[&[1, 7][..], &[0; 1000]].concat())
    ),
    // Frames.
    wrong!(
        "WIRE-FRAME-ONE-OVER",
        ["2.1.4", "2.4.1"],
        "a frame one byte over the limit is refused",
        "한도보다 1바이트 큰 데이터 거부",
        2,
        |ground| publish(1, ground.handle, &vec![5; FRAME_LEN_MAX + 1])
    ),
    wrong!(
        "WIRE-FRAME-CLAIMS-MORE",
        ["2.1.3"],
        "a frame that claims a byte more than there is is refused",
        "실제보다 1바이트 길다고 하는 데이터 거부",
        2,
        |ground| parts(
            ground,
            [
                number(2),
                number(1),
                number(ground.handle.into()),
                [number(4), b"abc".to_vec()].concat()
            ]
        )
    ),
    wrong!(
        "WIRE-FRAME-CLAIMS-LESS",
        ["2.1.4"],
        "a frame that claims a byte less than there is is refused",
        "실제보다 1바이트 짧다고 하는 데이터 거부",
        2,
        |ground| parts(
            ground,
            [
                number(2),
                number(1),
                number(ground.handle.into()),
                [number(2), b"abc".to_vec()].concat()
            ]
        )
    ),
    wrong!(
        "WIRE-FRAME-CLAIMS-4-GIB",
        ["2.1.4"],
        "a short frame that claims 4 GiB is refused",
        "4 GiB라고 하는 짧은 데이터 거부",
        2,
        |ground| parts(
            ground,
            [
                number(2),
                number(1),
                number(ground.handle.into()),
                number(u32::MAX.into())
            ]
        )
    ),
    wrong!(
        "WIRE-FRAME-CLAIMS-NOTHING",
        ["2.1.4"],
        "a frame that claims to be empty and is not is refused",
        "비어 있다고 하는 데이터 거부",
        2,
        |ground| parts(
            ground,
            [
                number(2),
                number(1),
                number(ground.handle.into()),
                [number(0), b"a".to_vec()].concat()
            ]
        )
    ),
    // Fields that are missing.
    wrong!(
        "WIRE-ATTACH-BARE",
        ["2.1.3"],
        "Attach without fields is refused",
        "필드 없는 Attach 거부",
        2,
        |_| framed(&[0])
    ),
    wrong!(
        "WIRE-ATTACH-NO-PROOF",
        ["2.1.3"],
        "Attach without a proof is refused",
        "증명 없는 Attach 거부",
        2,
        |ground| framed(&[&[0, 1], ground.other.name().as_slice()].concat())
    ),
    wrong!(
        "WIRE-ATTACH-SHORT-PROOF",
        ["2.1.3"],
        "Attach with 63 bytes of a proof is refused",
        "63바이트 증명 거부",
        2,
        |ground| {
            let honest = attach(
                1,
                &ground.other.name(),
                &ground.other.prove(&ground.exporter),
            );
            framed(honest.get(4..honest.len() - 1).unwrap_or_default())
        }
    ),
    wrong!(
        "WIRE-ATTACH-SHORT-TOPIC",
        ["2.1.3"],
        "Attach with 31 bytes of a topic is refused",
        "31바이트 토픽 거부",
        2,
        |ground| {
            let topic = ground.other.name();
            framed(&[&[0, 1], topic.get(..31).unwrap_or_default(), &[0; 64]].concat())
        }
    ),
    wrong!(
        "WIRE-DETACH-BARE",
        ["2.1.3"],
        "Detach without a handle is refused",
        "핸들 없는 Detach 거부",
        2,
        |_| framed(&[1])
    ),
    wrong!(
        "WIRE-PUBLISH-BARE",
        ["2.1.3"],
        "Publish without fields is refused",
        "필드 없는 Publish 거부",
        2,
        |_| framed(&[2])
    ),
    wrong!(
        "WIRE-PUBLISH-NO-HANDLE",
        ["2.1.3"],
        "Publish without a handle is refused",
        "핸들 없는 Publish 거부",
        2,
        |_| framed(&[2, 1])
    ),
    wrong!(
        "WIRE-PUBLISH-NO-FRAME",
        ["2.1.3"],
        "Publish without a frame is refused",
        "데이터 없는 Publish 거부",
        2,
        |ground| framed(&[number(2), number(1), number(ground.handle.into())].concat())
    ),
    // Access anywhere but first.
    wrong!(
        "WIRE-ACCESS-LATER",
        ["2.9.3"],
        "Access behind another message is refused",
        "다른 메시지 뒤의 Access 거부",
        2,
        |_| access(&[7; 32])
    ),
    wrong!(
        "WIRE-ACCESS-LATER-CUT",
        ["2.9.3"],
        "Access with 31 bytes behind another message is refused",
        "다른 메시지 뒤의 31바이트 Access 거부",
        2,
        |_| framed(&[&[3][..], &[7; 31]].concat())
    ),
    wrong!(
        "WIRE-TLS-INSIDE",
        ["2.1.4"],
        "a TLS record inside the session is refused",
        "세션 안의 TLS 레코드 거부",
        3,
        |_| vec![0x16, 0x03, 0x01, 0x02, 0x00, 0x01]
    ),
    wrong!(
        "WIRE-HTTP-INSIDE",
        ["2.1.2"],
        "an HTTP request inside the session is refused",
        "세션 안의 HTTP 요청 거부",
        3,
        |_| b"GET / HTTP/1.1\r\nHost: relay\r\n\r\n".to_vec()
    ),
    // Ends in the middle.
    cut!(
        "WIRE-END-IN-LENGTH-1",
        "an end behind one byte of a length is refused",
        "길이 1바이트 뒤의 끝 거부",
        |_| vec![0]
    ),
    cut!(
        "WIRE-END-IN-LENGTH-3",
        "an end behind three bytes of a length is refused",
        "길이 3바이트 뒤의 끝 거부",
        |_| vec![0, 0, 0]
    ),
    cut!(
        "WIRE-END-BEHIND-LENGTH",
        "an end between length and body is refused",
        "길이와 본문 사이의 끝 거부",
        |_| vec![0, 0, 0, 2]
    ),
    cut!(
        "WIRE-END-IN-BODY",
        "an end inside a body is refused",
        "본문 안의 끝 거부",
        |_| vec![0, 0, 0, 2, 1]
    ),
    cut!(
        "WIRE-END-IN-LARGE-FRAME",
        "an end one byte before that of the longest frame is refused",
        "가장 긴 데이터의 마지막 바이트 앞의 끝 거부",
        |ground| {
            let mut whole = publish(1, ground.handle, &vec![6; FRAME_LEN_MAX]);
            whole.pop();
            whole
        }
    ),
    Check::new(
        "WIRE-CUT-EVERYWHERE",
        &["2.1.4", "2.7"],
        [
            "a Publish that is cut off at any byte is refused",
            "어느 바이트에서 잘린 Publish든 거부",
        ],
        [
            "The bytes of a Publish up to each of its bytes, each on a new connection, then the end of the stream.",
            "Each connection is closed with number 2; the whole message is answered.",
        ],
        |stage| Box::pin(cut_everywhere(stage)),
    ),
];

/// Parts of a body.
fn parts(_: &Ground, parts: [Vec<u8>; 4]) -> Vec<u8> {
    framed(&parts.concat())
}

async fn refused(stage: Stage, code: u32, bytes: fn(&Ground) -> Vec<u8>) -> Outcome {
    for via in Via::BOTH {
        let topic = stage.topic(via.name());
        let (mut peer, handle) = stage.attached(via, &topic).await?;
        let ground = Ground {
            handle,
            other: stage.topic("other"),
            exporter: peer.exporter,
        };
        peer.send(&bytes(&ground)).await;
        let end = peer.ended_within(Duration::from_secs(10)).await;
        let end = end.map_err(|finding| finding.during(via.name()))?;
        must_end_with(&end, code).map_err(|finding| finding.during(via.name()))?;
    }
    Ok(format!("closed with number {code} over both carriers"))
}

async fn cut_off(stage: Stage, bytes: fn(&Ground) -> Vec<u8>) -> Outcome {
    for via in Via::BOTH {
        let topic = stage.topic(via.name());
        let (peer, handle) = stage.attached(via, &topic).await?;
        let ground = Ground {
            handle,
            other: stage.topic("other"),
            exporter: peer.exporter,
        };
        ends_malformed(peer, &bytes(&ground))
            .await
            .map_err(|finding| finding.during(via.name()))?;
    }
    Ok("closed with number 2 over both carriers".into())
}

async fn ends_malformed(mut peer: crate::peer::Peer, bytes: &[u8]) -> Result<(), Finding> {
    peer.send(bytes).await;
    peer.finish().await;
    let end = peer.ended_within(Duration::from_secs(10)).await?;
    must_end_with(&end, MALFORMED)
}

async fn cut_everywhere(stage: Stage) -> Outcome {
    let topic = stage.topic("x");
    let mut cuts = 0_usize;
    for via in Via::BOTH {
        let (mut whole, handle) = stage.attached(via, &topic).await?;
        let message = publish(1, handle, b"abc");
        whole.publish(handle, b"abc").await?;
        whole.leave().await;
        for len in 1..message.len() {
            let peer = crate::peer::Peer::connect(&stage, &Options::new(via)).await?;
            // Whether the handle is known does not matter to bytes that are not all there.
            ends_malformed(peer, message.get(..len).unwrap_or_default())
                .await
                .map_err(|finding| finding.during(format!("{} bytes over {}", len, via.name())))?;
            cuts = cuts.saturating_add(1);
        }
    }
    Ok(format!("{cuts} connections closed with number 2"))
}
