//! What is left in memory: canaries are carried, then looked for in everything that the process can write to.
//!
//! A search that finds nothing proves nothing unless it is known to find something, so each check first looks where
//! the canary has to be.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use crate::catalogue::{Check, Profile};
use crate::finding::{Finding, Outcome, must};
use crate::inspect::needle::Needle;
use crate::inspect::{core, memory};
use crate::peer::encode::{FRAME_LEN_MAX, publish};
use crate::peer::{Options, Peer, Topic, Via};
use crate::stage::Stage;

/// The table.
pub(crate) const CHECKS: &[Check] = &[
    Check::new(
        "KEEP-DELIVERED",
        &["2.4.5"],
        ["a delivered frame is gone from memory while everybody is still there", "전달된 데이터는 모두가 접속해 있어도 메모리에서 사라짐"],
        ["60 frames with a canary to three readers over both carriers; then a search of the process' memory.", "No copy within 0.75 s after the last reader has it."],
        |stage| Box::pin(delivered(stage, 60)),
    )
    .inside(),
    Check::new(
        "KEEP-PAYLOAD",
        &["2.4.5", "2.7.1"],
        ["nothing of a frame is in memory after everybody left", "모두 떠난 뒤 메모리에 데이터가 없음"],
        ["60 frames with a canary to three readers, who leave; then a search.", "No copy within 0.75 s after the relay has noticed."],
        |stage| Box::pin(departed(stage, 60)),
    )
    .inside(),
    Check::new(
        "KEEP-NOBODY",
        &["2.4.5"],
        [
            "a frame that nobody was there for is gone at once",
            "받을 사람이 없던 데이터는 바로 사라짐",
        ],
        [
            "30 frames with a canary over QUIC to a topic without readers; the sender stays.",
            "Answered with 0 receivers; no copy within 0.75 s.",
        ],
        |stage| Box::pin(nobody(stage, Via::Quic)),
    )
    .inside(),
    Check::new(
        "KEEP-SENT-OVER-TCP",
        &["2.4.5"],
        [
            "what came over TCP is gone while its sender stays",
            "TCP로 온 데이터는 보낸 사람이 남아 있어도 사라짐",
        ],
        [
            "30 frames with a canary over TLS on TCP to a topic without readers; the sender stays.",
            "Answered with 0 receivers; no copy within 0.75 s.",
        ],
        |stage| Box::pin(nobody(stage, Via::Tcp)),
    )
    .inside(),
    Check::new(
        "KEEP-WAITING",
        &["2.4.5", "2.7.1"],
        ["what waited for a slow reader is gone when it leaves", "느린 사람을 기다리던 데이터는 그가 떠나면 사라짐"],
        ["Frames with a canary to a reader that takes nothing; a search; then it leaves, and another search.", "Found while it waits (or the search is blind); no copy within 0.75 s after it left."],
        |stage| Box::pin(waiting(stage)),
    )
    .inside(),
    Check::new(
        "KEEP-DROPPED",
        &["2.4.6", "2.4.5"],
        ["what was dropped for a slow reader is gone at once", "느린 사람 때문에 버린 데이터는 바로 사라짐"],
        ["More frames with a canary than may wait, then others behind them.", "At most what the limits allow is found while it stalls (1 MiB and what the transport holds)."],
        |stage| Box::pin(dropped(stage)),
    )
    .inside(),
    Check::new(
        "KEEP-UNFINISHED",
        &["2.7.1", "2.1.2"],
        ["half a message of somebody who left is gone", "보내다 만 메시지도 사라짐"],
        ["The first half of a large Publish with a canary over each carrier; then the connection ends.", "No copy within 0.75 s."],
        |stage| Box::pin(unfinished(stage)),
    )
    .inside(),
    Check::new(
        "KEEP-TOPIC",
        &["2.2.5", "2.7.1"],
        ["a topic and the proofs for it are gone when its last attachment ends", "대화 통로의 이름과 그 증명은 마지막 사람이 떠나면 사라짐"],
        ["Attachments over both carriers, also refused ones; a search; then they end.", "Found while attached; no copy of topic or proof, raw or printed, within 0.75 s after."],
        |stage| Box::pin(topic(stage)),
    )
    .inside(),
    Check::new(
        "KEEP-DETACHED-TOPIC",
        &["2.2.5"],
        ["a topic is gone after Detach although the connection stays", "대화에서 빠지면 연결이 남아 있어도 그 통로의 이름이 사라짐"],
        ["Attach and Detach on connections that stay.", "No copy of the topic within 0.75 s after the answer to what follows."],
        |stage| Box::pin(detached_topic(stage)),
    )
    .inside(),
    Check::new(
        "KEEP-ADDRESS-TCP",
        &["2.5.5", "2.7.1"],
        ["the address of who came over TCP is gone, while others stay", "TCP로 온 사람의 주소는 다른 사람이 남아 있어도 사라짐"],
        ["Three connections over TCP from an address of their own, with traffic; they leave, somebody else stays.", "The address is in memory neither as bytes nor as text within 2 s."],
        |stage| Box::pin(address(stage, Via::Tcp)),
    )
    .inside(),
    Check::new(
        "KEEP-ADDRESS-QUIC",
        &["2.5.5", "2.7.1"],
        ["the address of who came over QUIC is gone once everybody has left", "QUIC으로 온 사람의 주소는 모두 떠나면 사라짐"],
        ["Three connections over QUIC from an address of their own, with traffic; everybody leaves.", "Found while they are there; in memory neither as bytes nor as text within 12 s."],
        |stage| Box::pin(address(stage, Via::Quic)),
    )
    .inside(),
    Check::new(
        "KEEP-CORE-IMAGE",
        &["2.4.5", "2.2.5", "2.7.1"],
        ["a core image taken after everybody left holds nothing of it", "모두 떠난 뒤의 코어 이미지에 아무것도 없음"],
        ["60 frames with a canary; everybody leaves; an image by gdb's gcore after one second.", "Neither the topic nor 80 bytes of payload in the image: 64 may be in the registers of a thread that sleeps."],
        |stage| Box::pin(core_image(stage)),
    )
    .inside(),
    Check::new(
        "KEEP-MANY",
        &["2.4.5", "2.2.5", "2.7.1"],
        ["after ten thousand messages nothing is left", "메시지 1만 건 뒤에도 남는 것이 없음"],
        ["10,000 frames with a canary to three readers, who leave.", "No copy of payload or topic within 0.75 s."],
        |stage| Box::pin(departed(stage, 10_000)),
    )
    .inside()
    .takes(Profile::Full),
    Check::new(
        "KEEP-DRILL",
        &["2.2.5", "2.4.5", "2.5.5", "2.7.1"],
        ["the drill: what a seizure would find while people talk, and a second after", "모의 압수: 대화 중일 때와 1초 뒤에 발견되는 것"],
        ["Three people talk, one does not read; all memory is searched for every text, topic and address; they leave, and it is searched again.", "Live: topics and at most what waits. After: nothing."],
        |stage| Box::pin(drill(stage)),
    )
    .inside(),
];

/// How long the relay has to forget. Shorter than a second, because one that keeps for a second keeps.
const FORGETS: Duration = Duration::from_millis(750);

/// Bytes that a frame repeats: whoever keeps twice as many of it, from anywhere in it, keeps a whole one.
const CANARY_LEN: usize = 16;

/// A core image has the registers of each thread, too. One that sleeps may have there what it moved last, and no program can
/// help it: at most 64 bytes, so more are looked for.
const BEYOND_REGISTERS: usize = 80;

/// What a relay that forgets may need on a busy machine.
const MOMENT: Duration = Duration::from_millis(250);

/// People who talk on one topic, and what they say.
pub(super) struct Crowd {
    pub(super) topic: Topic,
    pub(super) payload: Needle,
    canary: Vec<u8>,
    sender: (Peer, u32),
    readers: Vec<Peer>,
}

impl Crowd {
    /// A sender and three readers over both carriers.
    pub(super) async fn gather(stage: &Stage, label: &str) -> Result<Self, Finding> {
        let topic = stage.topic(label);
        let canary = stage.noise(&format!("{label} canary"), CANARY_LEN);
        let sender = stage.attached(Via::Quic, &topic).await?;
        let mut readers = Vec::new();
        for via in [Via::Quic, Via::Tcp, Via::Quic] {
            readers.push(stage.attached(via, &topic).await?.0);
        }
        Ok(Self {
            payload: Needle::printed("payload", &canary),
            topic,
            canary,
            sender,
            readers,
        })
    }

    /// Says something with the canary in it so many times; everybody hears it.
    pub(super) async fn talk(&mut self, times: usize) -> Result<(), Finding> {
        let (sender, handle) = &mut self.sender;
        for len in [100, 512, 2048, 2049, 16_384, FRAME_LEN_MAX]
            .into_iter()
            .cycle()
            .take(times)
        {
            let frame = marked(&self.canary, len);
            let receivers = sender.publish(*handle, &frame).await?;
            must(receivers == 3, || {
                format!("{receivers} receivers instead of 3")
            })?;
            for reader in &mut self.readers {
                must(reader.frame().await?.1 == frame, || {
                    "a frame was changed".into()
                })?;
            }
        }
        Ok(())
    }

    /// Everybody goes at once.
    pub(super) fn go(self) {
        for reader in self.readers {
            reader.go();
        }
        self.sender.0.go();
    }

    /// Everybody leaves; the relay knows of it when this returns.
    pub(super) async fn leave(self, stage: &Stage) -> Result<(), Finding> {
        self.go();
        Witness::come(stage).await?.sees().await
    }
}

/// Somebody on another topic who stays, so that it can be told whether the relay has had a turn since.
pub(super) struct Witness([Peer; 2]);

impl Witness {
    pub(super) async fn come(stage: &Stage) -> Result<Self, Finding> {
        Ok(Self([
            stage.peer(Via::Quic).await?,
            stage.peer(Via::Tcp).await?,
        ]))
    }

    /// The relay has answered over both carriers after a moment.
    pub(super) async fn sees(&mut self) -> Result<(), Finding> {
        tokio::time::sleep(Duration::from_millis(30)).await;
        for peer in &mut self.0 {
            peer.quiet().await?;
        }
        Ok(())
    }
}

/// The canary over and over.
fn marked(canary: &[u8], len: usize) -> Vec<u8> {
    canary.iter().copied().cycle().take(len).collect()
}

/// Waits until the process holds none of the needles. A finding if it still does when so much time is over since
/// `since`. Where the machine is too slow to look between a moment and then, it says so.
pub(super) fn gone(pid: u32, needles: &[&Needle], since: Instant, within: Duration) -> Outcome {
    let mut held: Option<(Duration, String)> = None;
    loop {
        let looked = since.elapsed();
        let found = memory::search(pid, needles)?;
        if found.iter().all(|count| *count == 0) {
            return match held {
                _ if looked <= within => {
                    Ok(format!("no copy is left, {} ms after", looked.as_millis()))
                }
                Some((when, what)) if when >= MOMENT => Err(Finding::Broken(what)),
                Some(_) | None => Err(Finding::not_seen(format!(
                    "this machine was too slow to look again within {} ms",
                    within.as_millis()
                ))),
            };
        }
        let kept: Vec<String> = needles
            .iter()
            .zip(&found)
            .filter(|(_, count)| **count > 0)
            .map(|(needle, count)| format!("{count} copies of the {}", needle.name))
            .collect();
        let what = format!(
            "{} ms after, the memory holds {}",
            looked.as_millis(),
            kept.join(" and ")
        );
        if looked > within {
            return Err(Finding::Broken(what));
        }
        held = Some((looked, what));
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The search is not blind.
fn found(pid: u32, needle: &Needle) -> Result<usize, Finding> {
    let count = memory::search(pid, &[needle])?
        .first()
        .copied()
        .unwrap_or_default();
    if count == 0 {
        let name = needle.name;
        return Err(Finding::not_seen(format!(
            "the {name} was not found even while it had to be there: the search is blind"
        )));
    }
    Ok(count)
}

async fn delivered(stage: Stage, times: usize) -> Outcome {
    let pid = stage.target.process()?;
    let mut crowd = Crowd::gather(&stage, "x").await?;
    found(pid, &Needle::raw("topic", &crowd.topic.name()))?;
    crowd.talk(times).await?;
    // An acknowledgement of the last frame may still be on its way.
    let since = Instant::now();
    for reader in &mut crowd.readers {
        reader.quiet().await?;
    }
    gone(pid, &[&crowd.payload], since, FORGETS)
}

async fn departed(stage: Stage, times: usize) -> Outcome {
    let pid = stage.target.process()?;
    let mut crowd = Crowd::gather(&stage, "x").await?;
    let topic = Needle::printed("topic", &crowd.topic.name());
    found(pid, &topic)?;
    crowd.talk(times).await?;
    let payload = crowd.payload.clone();
    let mut witness = Witness::come(&stage).await?;
    let since = Instant::now();
    crowd.go();
    witness.sees().await?;
    gone(pid, &[&payload, &topic], since, FORGETS)
}

async fn nobody(stage: Stage, via: Via) -> Outcome {
    let pid = stage.target.process()?;
    let topic = stage.topic("x");
    let canary = stage.noise("canary", CANARY_LEN);
    let (mut sender, handle) = stage.attached(via, &topic).await?;
    for len in [100, 2048, FRAME_LEN_MAX].repeat(10) {
        let receivers = sender.publish(handle, &marked(&canary, len)).await?;
        must(receivers == 0, || format!("{receivers} receivers"))?;
    }
    found(pid, &Needle::raw("topic", &topic.name()))?;
    let since = Instant::now();
    let outcome = gone(pid, &[&Needle::printed("payload", &canary)], since, FORGETS);
    sender.leave().await;
    outcome
}

/// A reader that takes nothing, and a sender to it.
async fn stall(stage: &Stage, via: Via) -> Result<(Peer, (Peer, u32), Vec<u8>), Finding> {
    let topic = stage.topic(via.name());
    let canary = stage.noise("canary", CANARY_LEN);
    let mut slow = Peer::connect(stage, &Options::new(via).window(4096)).await?;
    slow.attach(&topic).await?;
    let sender = stage.attached(Via::Quic, &topic).await?;
    Ok((slow, sender, canary))
}

async fn waiting(stage: Stage) -> Outcome {
    let pid = stage.target.process()?;
    let (slow, (mut sender, handle), canary) = stall(&stage, Via::Quic).await?;
    for _ in 0..10 {
        sender.publish(handle, &marked(&canary, 10_000)).await?;
    }
    let needle = Needle::printed("payload", &canary);
    let count = found(pid, &needle)?;
    let mut witness = Witness::come(&stage).await?;
    let since = Instant::now();
    slow.go();
    witness.sees().await?;
    gone(pid, &[&needle], since, FORGETS)
        .map(|text| format!("{count} copies while it waited, {text}"))
}

async fn dropped(stage: Stage) -> Outcome {
    let pid = stage.target.process()?;
    let (slow, (mut sender, handle), canary) = stall(&stage, Via::Quic).await?;
    for _ in 0..64 {
        sender
            .publish(handle, &marked(&canary, FRAME_LEN_MAX))
            .await?;
    }
    let needle = Needle::raw("payload", &canary);
    let copies = memory::search(pid, &[&needle])?
        .first()
        .copied()
        .unwrap_or_default();
    let bytes = copies.saturating_mul(canary.len());
    // The queue of the attachment and the window of QUIC, each of 262,144 bytes, and a batch on the way between them;
    // QUIC may hold what it has sent in a second form.
    must(bytes < 2 << 20, || {
        format!("{bytes} bytes of 4 MiB are still there")
    })?;
    let mut witness = Witness::come(&stage).await?;
    let since = Instant::now();
    slow.go();
    witness.sees().await?;
    gone(pid, &[&needle], since, FORGETS).map(|text| format!("{bytes} of 4194304 bytes, {text}"))
}

async fn unfinished(stage: Stage) -> Outcome {
    let pid = stage.target.process()?;
    let canary = stage.noise("canary", CANARY_LEN);
    let needle = Needle::printed("payload", &canary);
    for via in Via::BOTH {
        let (mut peer, handle) = stage.attached(via, &stage.topic(via.name())).await?;
        let whole = publish(1, handle, &marked(&canary, FRAME_LEN_MAX));
        peer.send(whole.get(..40_000).unwrap_or_default()).await;
        let begun = Instant::now();
        while found(pid, &needle).is_err() && begun.elapsed() < Duration::from_secs(2) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        found(pid, &needle)?;
        let mut witness = Witness::come(&stage).await?;
        let since = Instant::now();
        peer.go();
        witness.sees().await?;
        gone(pid, &[&needle], since, FORGETS).map_err(|finding| finding.during(via.name()))?;
    }
    Ok("nothing, over both carriers".into())
}

async fn topic(stage: Stage) -> Outcome {
    let pid = stage.target.process()?;
    let topic = stage.topic("x");
    let refused = stage.topic("refused");
    let mut peers = Vec::new();
    let mut needles = vec![
        Needle::printed("topic", &topic.name()),
        Needle::printed("topic of a refused Attach", &refused.name()),
    ];
    for via in Via::BOTH {
        let mut peer = stage.peer(via).await?;
        needles.push(Needle::printed("proof", &topic.prove(&peer.exporter)));
        peer.attach(&topic).await?;
        let answer = peer
            .ask_attach(&refused.name(), &stage_proof(&stage))
            .await?;
        must(answer == Err(1), || format!("{answer:?}"))?;
        peers.push(peer);
    }
    needles.push(Needle::printed("refused proof", &stage_proof(&stage)));
    let live = needles
        .first()
        .map(|needle| found(pid, needle))
        .transpose()?;
    let mut witness = Witness::come(&stage).await?;
    let since = Instant::now();
    for peer in peers {
        peer.go();
    }
    witness.sees().await?;
    let needles: Vec<&Needle> = needles.iter().collect();
    gone(pid, &needles, since, FORGETS)
        .map(|text| format!("{} copies while attached, {text}", live.unwrap_or_default()))
}

/// 64 bytes that are no signature.
fn stage_proof(stage: &Stage) -> [u8; 64] {
    let mut proof = [0; 64];
    proof.copy_from_slice(&stage.noise("no signature", 64));
    proof
}

async fn detached_topic(stage: Stage) -> Outcome {
    let pid = stage.target.process()?;
    let topic = stage.topic("x");
    let needle = Needle::printed("topic", &topic.name());
    let mut peers = Vec::new();
    for via in Via::BOTH {
        let (mut peer, handle) = stage.attached(via, &topic).await?;
        found(pid, &needle)?;
        peer.send(&crate::peer::encode::detach(handle)).await;
        peer.quiet().await?;
        peers.push(peer);
    }
    gone(pid, &[&needle], Instant::now(), FORGETS)
}

/// An address of the loopback whose bytes are nowhere in the relay's memory yet.
fn free_address(stage: &Stage, pid: u32) -> Result<(Ipv4Addr, Needle), Finding> {
    if !stage.target.is_loopback() {
        return Err(Finding::not_seen("needs several addresses of the loopback"));
    }
    for chance in stage.noise("addresses", 300).chunks_exact(3) {
        let [a, b, c] = chance else { continue };
        let address = Ipv4Addr::new(127, a | 0x41, b | 0x81, c | 0x21);
        let needle = Needle::raw("address", &address.octets());
        if memory::search(pid, &[&needle])?
            .iter()
            .all(|count| *count == 0)
            && *c != 0xff
        {
            return Ok((address, needle));
        }
    }
    Err(Finding::not_seen(
        "every address tried was in memory by chance",
    ))
}

async fn address(stage: Stage, via: Via) -> Outcome {
    let pid = stage.target.process()?;
    let (address, needle) = free_address(&stage, pid)?;
    let topic = stage.topic("x");
    let mut staying = None;
    if via == Via::Tcp {
        staying = Some(stage.attached(Via::Tcp, &stage.topic("staying")).await?);
    }
    let mut peers = Vec::new();
    for _ in 0..3 {
        let mut peer = Peer::connect(&stage, &Options::new(via).from(address)).await?;
        let handle = peer.attach(&topic).await?;
        peer.publish(handle, &[7; 1000]).await?;
        peers.push(peer);
    }
    // Over TCP the address may be in the kernel alone.
    let live = memory::search(pid, &[&needle])?
        .first()
        .copied()
        .unwrap_or_default();
    if via == Via::Quic {
        found(pid, &needle)?;
    }
    for peer in peers {
        peer.leave().await;
    }
    let since = Instant::now();
    let text = Needle::text("address as text", &address.to_string());
    let time = match via {
        Via::Tcp => Duration::from_secs(2),
        // Who has closed is remembered for a moment, to answer what was still on its way (RFC 9000, 10.2).
        Via::Quic => Duration::from_secs(12),
    };
    let outcome = gone(pid, &[&needle, &text], since, time);
    drop(staying);
    outcome.map(|text| format!("{live} copies while there, {text}"))
}

async fn core_image(stage: Stage) -> Outcome {
    let pid = stage.target.process()?;
    let mut crowd = Crowd::gather(&stage, "x").await?;
    let topic = Needle::printed("topic", &crowd.topic.name());
    let (live, _) = core::search(pid, &[&topic])?;
    if live.iter().all(|count| *count == 0) {
        return Err(Finding::not_seen(
            "the live topic is not in an image: the search is blind",
        ));
    }
    crowd.talk(60).await?;
    let payload = Needle::printed("payload", &marked(&crowd.canary, BEYOND_REGISTERS));
    crowd.leave(&stage).await?;
    tokio::time::sleep(FORGETS).await;
    let (found, len) = core::search(pid, &[&payload, &topic])?;
    must(found.iter().all(|count| *count == 0), || {
        format!("payload and topic are in an image of {len} bytes: {found:?} times")
    })?;
    Ok(format!("nothing in an image of {len} bytes"))
}

async fn drill(stage: Stage) -> Outcome {
    let pid = stage.target.process()?;
    let mut crowd = Crowd::gather(&stage, "talk").await?;
    crowd.talk(12).await?;
    let (slow, (mut sender, handle), waiting) = stall(&stage, Via::Quic).await?;
    for _ in 0..10 {
        sender.publish(handle, &marked(&waiting, 10_000)).await?;
    }
    for reader in &mut crowd.readers {
        reader.quiet().await?;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let topic = Needle::printed("topic", &crowd.topic.name());
    let waits = Needle::raw("frames that wait", &waiting);
    let live = memory::search(pid, &[&crowd.payload, &topic, &waits])?;
    let [said, topics, waited] = live.as_slice() else {
        return Err(Finding::not_seen("the memory was not searched"));
    };
    let live = format!(
        "live: {said} copies of what was said and delivered, {topics} of the topic in use, {waited} of frames that wait for one who does not read"
    );
    stage.tape.note(live.clone());
    if *topics == 0 || *waited == 0 {
        return Err(Finding::not_seen("the search is blind"));
    }
    must(*said == 0, || live.clone())?;
    let payload = crowd.payload.clone();
    let mut witness = Witness::come(&stage).await?;
    let since = Instant::now();
    slow.go();
    sender.go();
    crowd.go();
    witness.sees().await?;
    gone(pid, &[&payload, &topic, &waits], since, FORGETS)
        .map(|after| format!("{live}; after they left: {after}"))
}
