//! How frames are carried: which bytes, to whom, in which order.

use std::ops::Range;
use std::time::Duration;

use crate::catalogue::Check;
use crate::finding::{Finding, Outcome, must};
use crate::peer::encode::{FRAME_LEN_MAX, detach, publish};
use crate::peer::{Options, Peer, Said, Via, unexpected};
use crate::stage::Stage;

/// The table.
pub(crate) const CHECKS: &[Check] = &[
    Check::new(
        "CARRY-EXACT-BYTES",
        &["2.4.1", "1.1.8"],
        ["a frame arrives exactly as it was published", "데이터가 한 바이트도 바뀌지 않고 도착"],
        ["Random frames of 0, 1, 127, 128, 16383, 16384, 65535 and 65536 bytes, in all four directions between carriers.", "Each arrives once, byte for byte."],
        |stage| Box::pin(exact_bytes(stage)),
    ),
    Check::new(
        "CARRY-LOOKS-LIKE-PROTOCOL",
        &["2.4.1"],
        ["a frame that looks like the protocol is only a frame", "프로토콜처럼 보이는 데이터도 그대로 전달"],
        ["Frames that contain messages of the protocol, TLS records, zeros, and ones.", "They arrive byte for byte, and nothing else does."],
        |stage| Box::pin(looks_like_protocol(stage)),
    ),
    Check::new(
        "CARRY-ORDER",
        &["2.4.3"],
        ["frames of one publisher arrive in order", "한 발신자의 데이터는 순서대로 도착"],
        ["300 numbered frames of 3000 bytes in bursts of 30 in one write, without waiting for answers within a burst, to a reader on each carrier.", "Both readers get 0 to 299 in order."],
        |stage| Box::pin(order(stage)),
    ),
    Check::new(
        "CARRY-ORDER-OF-ANSWERS",
        &["2.3.3"],
        ["requests are answered in their order", "요청에는 순서대로 답함"],
        ["Attach, Publish, bad Attach, bad Publish and good ones mixed, in one write.", "One answer for each, in order."],
        |stage| Box::pin(order_of_answers(stage)),
    ),
    Check::new(
        "CARRY-NO-ECHO",
        &["2.4.2"],
        ["a frame never comes back to the connection that it came from", "보낸 연결로 되돌아오지 않음"],
        ["8 frames of all lengths to nobody and 50 to a reader, over each carrier; then three seconds of waiting.", "The reader gets 50, the publisher none."],
        |stage| Box::pin(no_echo(stage)),
    ),
    Check::new(
        "CARRY-AT-ONCE",
        &["2.4.5"],
        ["a frame does not lie at the relay before a reader gets it", "받을 사람이 있으면 데이터를 붙들지 않고 바로 전달함"],
        ["20 frames, one after the other, to a reader that waits for them, over each carrier.", "The quickest takes no 250 ms more than a question and its answer."],
        |stage| Box::pin(at_once(stage)),
    ),
    Check::new(
        "CARRY-OWN-OTHER-CONNECTION",
        &["2.4.2"],
        ["another connection of the same person gets the frame", "같은 사람의 다른 연결에는 도착"],
        ["Two connections of one program on one topic.", "Each hears the other; the relay knows no persons."],
        |stage| Box::pin(own_other_connection(stage)),
    ),
    Check::new(
        "CARRY-NO-LEAK",
        &["2.4.2", "2.3.4"],
        ["nobody on another topic gets the frame", "다른 토픽에는 전달되지 않음"],
        ["20 topics with a reader each; a frame on each.", "Each reader gets the frame of its topic and no other."],
        |stage| Box::pin(no_leak(stage)),
    ),
    Check::new(
        "CARRY-NOT-ATTACHED",
        &["2.3.4"],
        ["a connection without an attachment gets nothing", "연결하지 않은 단말은 아무것도 받지 않음"],
        ["A connection that attached to nothing, while others talk.", "Nothing comes to it."],
        |stage| Box::pin(not_attached(stage)),
    ),
    Check::new(
        "CARRY-LATE",
        &["2.4.5"],
        ["who attaches later gets nothing of before", "나중에 온 사람은 이전 것을 받지 않음"],
        ["20 frames to nobody and 20 to a reader; then somebody new attaches, over each carrier.", "The new one gets nothing until the next frame, and nobody anything more within three seconds."],
        |stage| Box::pin(late(stage)),
    ),
    Check::new(
        "CARRY-BACK-LATER",
        &["2.4.5", "2.7.3"],
        ["who was away for a moment gets nothing of meanwhile", "잠시 자리를 비운 사람도 그 사이의 것을 받지 않음"],
        ["A reader leaves, a frame is published, the reader comes back; another one does so without ending its connection.", "Nothing of meanwhile comes to either."],
        |stage| Box::pin(back_later(stage)),
    ),
    Check::new(
        "CARRY-DETACHED",
        &["2.3.4", "2.2.5"],
        ["who has detached gets nothing more", "연결을 끊은 사람은 더 받지 않음"],
        ["Detach, an answer behind it, then 20 frames of somebody else.", "Nothing comes to the one that detached."],
        |stage| Box::pin(detached(stage)),
    ),
    Check::new(
        "CARRY-SLOW-READER",
        &["2.4.7"],
        ["a reader that takes nothing slows nobody", "읽지 않는 사람이 다른 사람을 늦추지 않음"],
        ["A reader that takes nothing, one that reads, and 3 MiB of frames.", "Every answer comes within 5 s, and the other reader gets everything."],
        |stage| Box::pin(slow_reader(stage)),
    )
    .alone(),
    Check::new(
        "CARRY-GAP",
        &["2.4.6", "2.5.1"],
        ["a reader that was too slow is told of a gap, and goes on from there", "너무 느린 사람은 빠진 것이 있다는 알림을 받음"],
        ["3 MiB of frames to a reader that takes nothing and then reads.", "Frames from the beginning in order, a Gap wherever some are missing, and a frame that was published afterwards."],
        |stage| Box::pin(gap(stage)),
    )
    .alone(),
    Check::new(
        "CARRY-RESTLESS",
        &["2.4.1", "2.4.3", "2.3.3"],
        ["a random session of both carriers does what a model of the protocol says", "무작위 세션이 프로토콜 모형과 같게 동작"],
        ["400 random steps of 6 connections on 4 topics: attach, detach, publish, good and refused.", "Every answer, receiver count and frame is the one that the model predicts."],
        |stage| Box::pin(super::counting::restless(stage)),
    ),
];

const LENGTHS: [usize; 8] = [
    0,
    1,
    127,
    128,
    16_383,
    16_384,
    FRAME_LEN_MAX - 1,
    FRAME_LEN_MAX,
];

async fn exact_bytes(stage: Stage) -> Outcome {
    let mut frames = 0_usize;
    for from in Via::BOTH {
        for to in Via::BOTH {
            let topic = stage.topic(&format!("{} {}", from.name(), to.name()));
            let (mut sender, handle) = stage.attached(from, &topic).await?;
            let (mut reader, of_reader) = stage.attached(to, &topic).await?;
            for len in LENGTHS {
                let frame = stage.noise(&format!("{len}"), len);
                let receivers = sender.publish(handle, &frame).await?;
                must(receivers == 1, || format!("{receivers} receivers"))?;
                let (handle, got) = reader.frame().await?;
                must(handle == of_reader, || "under another handle".into())?;
                must(got == frame, || {
                    format!("a frame of {len} bytes came with {} and others", got.len())
                })?;
                frames = frames.saturating_add(1);
            }
            reader.quiet().await?;
        }
    }
    Ok(format!("{frames} frames, byte for byte"))
}

async fn looks_like_protocol(stage: Stage) -> Outcome {
    let topic = stage.topic("x");
    let (mut sender, handle) = stage.attached(Via::Tcp, &topic).await?;
    let (mut reader, _) = stage.attached(Via::Quic, &topic).await?;
    let odd: [Vec<u8>; 6] = [
        publish(1, handle, b"inner"),
        vec![0; 4096],
        vec![0xff; 4096],
        vec![0, 0, 0, 1, 5],
        vec![0x16, 3, 3, 0, 5, 1, 2, 3, 4, 5],
        (0..=255).collect(),
    ];
    for frame in &odd {
        sender.publish(handle, frame).await?;
        must(reader.frame().await?.1 == *frame, || {
            "a frame was changed".into()
        })?;
    }
    reader.quiet().await?;
    Ok(format!("{} odd frames, byte for byte", odd.len()))
}

async fn order(stage: Stage) -> Outcome {
    let topic = stage.topic("x");
    let (mut sender, handle) = stage.attached(Via::Quic, &topic).await?;
    let (mut one, _) = stage.attached(Via::Quic, &topic).await?;
    let (mut two, _) = stage.attached(Via::Tcp, &topic).await?;
    for burst in 0..10_u32 {
        let numbers = burst * 30..(burst + 1) * 30;
        let frames = numbers.clone().map(numbered);
        let all: Vec<u8> = frames
            .flat_map(|frame| publish(1, handle, &frame))
            .collect();
        let sending = async {
            sender.send(&all).await;
            for _ in numbers.clone() {
                sender.hear().await?;
            }
            Ok::<(), Finding>(())
        };
        // All of a burst fits into what a relay holds for a reader: however slow one is, it loses nothing.
        let reading = (
            in_order(&mut one, numbers.clone()),
            in_order(&mut two, numbers.clone()),
        );
        let (sent, one, two) = tokio::join!(sending, reading.0, reading.1);
        sent.and(one).and(two)?;
    }
    Ok("300 frames in order at both readers".into())
}

/// A frame of 3000 bytes, so that not all of a burst fit into one piece.
fn numbered(n: u32) -> Vec<u8> {
    n.to_be_bytes().iter().copied().cycle().take(3000).collect()
}

async fn in_order(reader: &mut Peer, numbers: Range<u32>) -> Result<(), Finding> {
    for n in numbers {
        let (_, frame) = reader.frame().await?;
        must(frame == numbered(n), || {
            format!(
                "not frame {n} but {:?}",
                frame.first_chunk::<4>().map(|n| u32::from_be_bytes(*n))
            )
        })?;
    }
    Ok(())
}

async fn order_of_answers(stage: Stage) -> Outcome {
    for via in Via::BOTH {
        let (one, two) = (stage.topic(via.name()), stage.topic("two"));
        let (mut peer, handle) = stage.attached(via, &one).await?;
        let attach = |request, topic: &crate::peer::Topic, proof: &[u8; 64]| {
            crate::peer::encode::attach(request, &topic.name(), proof)
        };
        let mut all = publish(10, handle, b"a");
        all.extend(attach(11, &two, &[0; 64]));
        all.extend(publish(12, handle ^ 1, b"b"));
        all.extend(attach(13, &two, &two.prove(&peer.exporter)));
        all.extend(publish(14, handle, b"c"));
        all.extend(attach(15, &two, &two.prove(&peer.exporter)));
        peer.send(&all).await;
        let expected = [(10, 0), (11, 1), (12, 3), (13, 0), (14, 0), (15, 4)];
        for (number, wrong) in expected {
            let said = peer.hear().await?;
            let (request, refusal) = match said {
                Said::Attached { request, .. } | Said::Published { request, .. } => (request, 0),
                Said::Refused { request, refusal } => (request, refusal),
                other => return Err(unexpected(&other, "an answer")),
            };
            must((request, refusal) == (number, wrong), || {
                format!("request {request} with {refusal} instead of {number} with {wrong}")
            })?;
        }
        peer.leave().await;
    }
    Ok("six answers in order over both carriers".into())
}

async fn no_echo(stage: Stage) -> Outcome {
    let mut people = Vec::new();
    for via in Via::BOTH {
        let topic = stage.topic(via.name());
        let (mut sender, handle) = stage.attached(via, &topic).await?;
        for len in LENGTHS {
            let receivers = sender.publish(handle, &vec![1; len]).await?;
            must(receivers == 0, || {
                format!("{receivers} receivers where nobody else is")
            })?;
        }
        sender.quiet().await?;
        let (mut reader, _) = stage.attached(via, &topic).await?;
        for n in 0..50_u8 {
            let len = LENGTHS.get(usize::from(n) % LENGTHS.len());
            let frame = vec![n; len.copied().unwrap_or_default()];
            let receivers = sender.publish(handle, &frame).await?;
            must(receivers == 1, || {
                format!("{receivers} receivers instead of 1")
            })?;
            reader.frame().await?;
        }
        people.extend([sender, reader]);
    }
    nothing_more(&mut people).await?;
    Ok("116 frames, none came back".into())
}

/// Nobody of these is told anything, now or soon.
async fn nothing_more(people: &mut [Peer]) -> Result<(), Finding> {
    for pause in [Duration::ZERO, Duration::from_millis(300), LINGERS] {
        tokio::time::sleep(pause).await;
        for peer in &mut *people {
            peer.quiet().await?;
        }
    }
    Ok(())
}

/// So long a relay is given to say what it should have forgotten.
const LINGERS: Duration = Duration::from_secs(3);

async fn at_once(stage: Stage) -> Outcome {
    let mut slowest = Duration::ZERO;
    for via in Via::BOTH {
        let topic = stage.topic(via.name());
        let (mut sender, handle) = stage.attached(Via::Quic, &topic).await?;
        let (mut reader, _) = stage.attached(via, &topic).await?;
        // The way there and back, and that of a frame. A busy machine may delay some of them, never all by so much.
        let (mut way, mut carried) = (Duration::MAX, Duration::MAX);
        for n in 0..20_u8 {
            let began = std::time::Instant::now();
            reader.quiet().await?;
            way = way.min(began.elapsed());
            let began = std::time::Instant::now();
            sender.publish(handle, &[n; 100]).await?;
            must(reader.frame().await?.1 == [n; 100], || {
                "another frame".into()
            })?;
            carried = carried.min(began.elapsed());
        }
        must(carried < way.saturating_add(HELD), || {
            format!(
                "over {} no frame took less than {} ms, and a question {} ms",
                via.name(),
                carried.as_millis(),
                way.as_millis()
            )
        })?;
        slowest = slowest.max(carried);
    }
    Ok(format!(
        "the quickest of 20 frames took {} ms",
        slowest.as_millis()
    ))
}

/// A relay that hands frames on as it gets them needs a hundredth of it.
const HELD: Duration = Duration::from_millis(250);

async fn own_other_connection(stage: Stage) -> Outcome {
    let topic = stage.topic("x");
    let (mut one, of_one) = stage.attached(Via::Quic, &topic).await?;
    let (mut two, of_two) = stage.attached(Via::Quic, &topic).await?;
    one.publish(of_one, b"one").await?;
    must(two.frame().await?.1 == b"one", || "another frame".into())?;
    two.publish(of_two, b"two").await?;
    must(one.frame().await?.1 == b"two", || "another frame".into())?;
    Ok("each heard the other".into())
}

async fn no_leak(stage: Stage) -> Outcome {
    let mut readers = Vec::new();
    let mut senders = Vec::new();
    let mut sender = stage.peer(Via::Quic).await?;
    for n in 0..20_u8 {
        let topic = stage.topic(&n.to_string());
        let via = if n % 2 == 0 { Via::Quic } else { Via::Tcp };
        readers.push((stage.attached(via, &topic).await?.0, n));
        senders.push((sender.attach(&topic).await?, n));
    }
    for (handle, n) in &senders {
        let receivers = sender.publish(*handle, &[*n; 10]).await?;
        must(receivers == 1, || {
            format!("{receivers} receivers on a topic of one")
        })?;
    }
    for (reader, n) in &mut readers {
        let (_, frame) = reader.frame().await?;
        must(frame == [*n; 10], || "the frame of another topic".into())?;
        reader.quiet().await?;
    }
    sender.quiet().await?;
    Ok("20 topics, 20 readers, one frame each".into())
}

async fn not_attached(stage: Stage) -> Outcome {
    for via in Via::BOTH {
        let topic = stage.topic(via.name());
        let mut stranger = stage.peer(via).await?;
        let (mut sender, handle) = stage.attached(via, &topic).await?;
        let (mut reader, _) = stage.attached(via, &topic).await?;
        for _ in 0..10 {
            sender.publish(handle, b"not for strangers").await?;
            reader.frame().await?;
        }
        stranger.quiet().await?;
    }
    Ok("nothing came to a stranger".into())
}

async fn late(stage: Stage) -> Outcome {
    let mut people = Vec::new();
    for via in Via::BOTH {
        let topic = stage.topic(via.name());
        let (mut sender, handle) = stage.attached(via, &topic).await?;
        for n in 0..20_u8 {
            sender.publish(handle, &[n; 100]).await?;
        }
        let (mut reader, _) = stage.attached(via, &topic).await?;
        reader.quiet().await?;
        for n in 0..20_u8 {
            sender.publish(handle, &[n; 100]).await?;
            reader.frame().await?;
        }
        let (mut late, _) = stage.attached(via, &topic).await?;
        late.quiet().await?;
        tokio::time::sleep(Duration::from_millis(300)).await;
        late.quiet().await?;
        sender.publish(handle, b"next").await?;
        must(late.frame().await?.1 == b"next", || "an old frame".into())?;
        must(reader.frame().await?.1 == b"next", || "an old frame".into())?;
        people.extend([reader, late, sender]);
    }
    nothing_more(&mut people).await?;
    Ok("nothing of before came, over both carriers".into())
}

async fn back_later(stage: Stage) -> Outcome {
    let mut people = Vec::new();
    for via in Via::BOTH {
        let topic = stage.topic(via.name());
        let (mut sender, handle) = stage.attached(via, &topic).await?;
        let (reader, _) = stage.attached(via, &topic).await?;
        reader.leave().await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let receivers = sender.publish(handle, b"meanwhile").await?;
        must(receivers == 0, || {
            format!("{receivers} receivers after the only one left")
        })?;
        let (mut back, of_back) = stage.attached(via, &topic).await?;
        back.quiet().await?;
        back.send(&detach(of_back)).await;
        back.quiet().await?;
        let receivers = sender.publish(handle, b"meanwhile").await?;
        must(receivers == 0, || {
            format!("{receivers} receivers after Detach")
        })?;
        back.attach(&topic).await?;
        people.extend([back, sender]);
    }
    nothing_more(&mut people).await?;
    Ok("nothing of meanwhile came, over both carriers".into())
}

async fn detached(stage: Stage) -> Outcome {
    for via in Via::BOTH {
        let topic = stage.topic(via.name());
        let (mut sender, handle) = stage.attached(via, &topic).await?;
        let (mut reader, of_reader) = stage.attached(via, &topic).await?;
        reader.send(&detach(of_reader)).await;
        reader.quiet().await?;
        for n in 0..20_u8 {
            let receivers = sender.publish(handle, &[n; 100]).await?;
            must(receivers == 0, || {
                format!("{receivers} receivers after Detach")
            })?;
        }
        reader.quiet().await?;
    }
    Ok("nothing came after Detach".into())
}

/// Enough to fill the queue of an attachment and everything between.
const MUCH: usize = 48;

async fn slow_reader(stage: Stage) -> Outcome {
    let topic = stage.topic("x");
    let (mut sender, handle) = stage.attached(Via::Quic, &topic).await?;
    let (mut reader, _) = stage.attached(Via::Tcp, &topic).await?;
    let mut stalled = Vec::new();
    for via in Via::BOTH {
        let mut peer = Peer::connect(&stage, &Options::new(via).window(4096)).await?;
        peer.attach(&topic).await?;
        stalled.push(peer);
    }
    let mut slowest = Duration::ZERO;
    for n in 0..MUCH {
        let frame = stage.noise(&n.to_string(), FRAME_LEN_MAX);
        let asked = std::time::Instant::now();
        sender.publish(handle, &frame).await?;
        slowest = slowest.max(asked.elapsed());
        must(reader.frame().await?.1 == frame, || "another frame".into())?;
    }
    must(slowest < Duration::from_secs(5), || {
        format!("an answer took {slowest:?}")
    })?;
    Ok(format!(
        "slowest answer {} ms with two stalled readers",
        slowest.as_millis()
    ))
}

async fn gap(stage: Stage) -> Outcome {
    let topic = stage.topic("x");
    let mut gaps = 0_usize;
    for via in Via::BOTH {
        let (mut sender, handle) = stage.attached(Via::Quic, &topic).await?;
        let mut slow = Peer::connect(&stage, &Options::new(via).window(4096)).await?;
        slow.attach(&topic).await?;
        // Beside the queue of the attachment, the kernel and QUIC hold some.
        let mut published = 0_u64;
        for _ in 0..3 * MUCH {
            sender.publish(handle, &counted(published)).await?;
            published = published.saturating_add(1);
        }
        let mut reading = Reading::default();
        reading.until_gap(&mut slow).await?;
        // A relay may still be handing on what it accepted, and drop again: then it says so again. Whatever comes,
        // the reader hears of a frame that was published late enough.
        for _ in 0..LATE_FRAMES {
            must(
                sender.publish(handle, &counted(published)).await? <= 1,
                || "counted twice after a Gap".into(),
            )?;
            published = published.saturating_add(1);
            if reading.until(published, &mut slow).await? {
                break;
            }
        }
        must(reading.next == published, || {
            "nothing that was published after a Gap ever came".into()
        })?;
        gaps = gaps.saturating_add(reading.gaps);
        sender.leave().await;
        slow.leave().await;
    }
    Ok(format!(
        "a Gap in the place of what was dropped, over both carriers ({gaps} in all)"
    ))
}

/// Frames that are published one by one after a Gap, until one comes.
const LATE_FRAMES: usize = 20;

/// The longest frame, with a number in front.
fn counted(n: u64) -> Vec<u8> {
    let mut frame = vec![0; FRAME_LEN_MAX];
    frame[..8].copy_from_slice(&n.to_be_bytes());
    frame
}

/// What a slow reader has heard of numbered frames.
#[derive(Debug, Default)]
struct Reading {
    /// One after the last frame that came.
    next: u64,
    /// Whether a Gap came since.
    told: bool,
    gaps: usize,
}

impl Reading {
    /// Reads until a Gap.
    async fn until_gap(&mut self, slow: &mut Peer) -> Result<(), Finding> {
        while !self.told {
            let said = slow.hear().await?;
            self.take(said)?;
        }
        Ok(())
    }

    /// Reads until the last of so many frames came, or a Gap that may stand for it. Returns whether it came.
    async fn until(&mut self, published: u64, slow: &mut Peer) -> Result<bool, Finding> {
        let gaps = self.gaps;
        while self.next < published && self.gaps == gaps {
            let said = slow.hear().await?;
            self.take(said)?;
        }
        Ok(self.next == published)
    }

    /// A frame that does not follow the one before needs a Gap between them, and none comes twice or from before.
    fn take(&mut self, said: Said) -> Result<(), Finding> {
        match said {
            Said::Deliver { frame, .. } => {
                let number = frame.first_chunk().map(|n| u64::from_be_bytes(*n));
                let number = number.ok_or_else(|| Finding::broken("a frame was cut"))?;
                must(number >= self.next, || {
                    format!("frame {number} came after {}", self.next.saturating_sub(1))
                })?;
                must(number == self.next || self.told, || {
                    format!("frame {} is missing and nobody said so", self.next)
                })?;
                self.next = number.saturating_add(1);
                self.told = false;
            }
            Said::Gap { .. } => {
                self.told = true;
                self.gaps = self.gaps.saturating_add(1);
            }
            other => return Err(unexpected(&other, "a frame or a Gap")),
        }
        Ok(())
    }
}
