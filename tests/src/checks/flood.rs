//! Floods, bounded: the relay goes on serving, and its memory and descriptors come back.
//!
//! Only against this machine, unless somebody says that the relay is theirs.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use crate::catalogue::{Check, Profile};
use crate::finding::{Finding, Outcome, must};
use crate::inspect::proc;
use crate::peer::datagram::{Datagrams, long_header, short_header};
use crate::peer::encode::{FRAME_LEN_MAX, announced, attach, publish};
use crate::peer::{Options, Via, tcp};
use crate::stage::Stage;

/// The table.
pub(crate) const CHECKS: &[Check] = &[
    Check::new(
        "FLOOD-DATAGRAMS",
        &["2.5.1"],
        [
            "noise and forged first packets stop nobody",
            "잡음과 가짜 첫 패킷이 서비스를 멈추지 못함",
        ],
        [
            "2,000 datagrams: noise, Initials of noise, unknown versions, short headers.",
            "An honest client is served at once, and memory comes back to within 16 MiB.",
        ],
        |stage| Box::pin(after(stage, "datagrams", Flood::Datagrams)),
    )
    .alone(),
    Check::new(
        "FLOOD-MALFORMED",
        &["2.1.5", "2.5.1"],
        [
            "hundreds of malformed sessions stop nobody",
            "수백 개의 잘못된 세션이 서비스를 멈추지 못함",
        ],
        [
            "200 sessions over TCP, each with other noise.",
            "An honest client is served at once; descriptors and memory come back.",
        ],
        |stage| Box::pin(after(stage, "sessions", Flood::Malformed)),
    )
    .alone(),
    Check::new(
        "FLOOD-GIANT-LENGTHS",
        &["2.1.2"],
        [
            "announced giants cost nothing",
            "거대한 길이를 알려도 비용이 없음",
        ],
        [
            "100 connections that announce the longest message and send nothing of it.",
            "Memory grows by less than 16 MiB.",
        ],
        |stage| Box::pin(after(stage, "lengths", Flood::Giants)),
    )
    .alone(),
    Check::new(
        "FLOOD-CHURN",
        &["2.7.1"],
        [
            "people who come and go leave nothing",
            "들고 나는 연결이 아무것도 남기지 않음",
        ],
        [
            "300 connections over TCP that attach, publish and leave.",
            "Descriptors and memory come back to within 16 MiB.",
        ],
        |stage| Box::pin(after(stage, "visits", Flood::Churn)),
    )
    .alone(),
    Check::new(
        "FLOOD-HALF-OPEN",
        &["1.1.7", "2.5"],
        [
            "half-open connections keep nobody out",
            "반쯤 열린 연결이 다른 사람을 막지 못함",
        ],
        [
            "300 TCP connections that say nothing, held while an honest client comes.",
            "It is served within two seconds.",
        ],
        |stage| Box::pin(half_open(stage)),
    )
    .alone(),
    Check::new(
        "FLOOD-FALSE-PROOFS",
        &["2.2.4", "2.5.4"],
        [
            "a storm of false proofs slows down who sends it, and nobody else",
            "가짜 증명의 폭주는 보낸 사람만 늦춤",
        ],
        [
            "2,000 false proofs on one connection while somebody else publishes.",
            "Each is refused; the other is answered within two seconds each time.",
        ],
        |stage| Box::pin(false_proofs(stage)),
    )
    .alone(),
    Check::new(
        "FLOOD-FRAMES",
        &["2.5.4", "2.4.7"],
        [
            "one who publishes without end starves nobody",
            "끝없이 보내는 사람이 다른 사람을 굶기지 못함",
        ],
        [
            "32 MiB of frames from one connection to nobody while somebody else publishes.",
            "The other is answered within two seconds each time.",
        ],
        |stage| Box::pin(frames(stage)),
    )
    .alone(),
    Check::new(
        "FLOOD-SLOW-LORIS",
        &["1.1.7", "2.5"],
        [
            "five hundred handshakes that stand still are cleared away",
            "멈춘 핸드셰이크 500개를 정리",
        ],
        [
            "500 TCP connections that send one byte in five seconds.",
            "All are ended within 20 s; honest clients are served all the time.",
        ],
        |stage| Box::pin(slow_loris(stage)),
    )
    .alone()
    .takes(Profile::Full),
];

#[derive(Clone, Copy, Debug)]
enum Flood {
    Datagrams,
    Malformed,
    Giants,
    Churn,
}

/// How much more memory the relay may have afterwards.
const GROWTH_KIB: u64 = 16 << 10;

async fn after(stage: Stage, what: &str, flood: Flood) -> Outcome {
    stage.target.may_be_flooded()?;
    let pid = stage.target.pid();
    served(&stage).await?;
    // Where nobody may look inside, that it serves has to do.
    let before = pid.and_then(|pid| measure(pid).ok());
    let count = match flood {
        Flood::Datagrams => datagrams(&stage).await?,
        Flood::Malformed => malformed(&stage).await?,
        Flood::Giants => giants(&stage, pid).await?,
        Flood::Churn => churn(&stage).await?,
    };
    let took = served(&stage).await?;
    let mut text = format!("{count} {what}; an honest client was served in {took} ms");
    if let (Some(pid), Some((descriptors, memory))) = (pid, before) {
        let (now, kib) = settled(pid, descriptors).await?;
        must(now <= descriptors.saturating_add(4), || {
            format!("{now} descriptors, {descriptors} before")
        })?;
        must(kib <= memory.saturating_add(GROWTH_KIB), || {
            format!("{kib} KiB, {memory} before")
        })?;
        text = format!("{text}; {memory} KiB before, {kib} after");
    }
    Ok(text)
}

/// Descriptors and memory.
fn measure(pid: u32) -> Result<(usize, u64), Finding> {
    Ok((proc::descriptor_count(pid)?, proc::resident_kib(pid)?))
}

/// The same once the relay has put away what ended.
async fn settled(pid: u32, descriptors: usize) -> Result<(usize, u64), Finding> {
    let begun = Instant::now();
    loop {
        let now = measure(pid)?;
        if now.0 <= descriptors || begun.elapsed() > Duration::from_secs(5) {
            return Ok(now);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// An honest session over both carriers; how many milliseconds the slower one took.
async fn served(stage: &Stage) -> Result<u128, Finding> {
    let mut slowest = 0;
    for via in Via::BOTH {
        let begun = Instant::now();
        let session = async {
            let (mut peer, handle) = stage.attached(via, &stage.topic("honest")).await?;
            peer.publish(handle, b"served").await?;
            peer.leave().await;
            Ok::<(), Finding>(())
        };
        session.await.map_err(|finding| {
            Finding::broken(format!("an honest client was not served: {finding}"))
        })?;
        slowest = slowest.max(begun.elapsed().as_millis());
    }
    Ok(slowest)
}

async fn datagrams(stage: &Stage) -> Result<usize, Finding> {
    let socket = Datagrams::to(stage).await?;
    for n in 0..500_u32 {
        let noise = stage.noise(&n.to_string(), 1200);
        let id = noise.get(..8).unwrap_or_default();
        socket.send(&noise).await;
        socket.send(&long_header(1, id, id, 1200)).await;
        socket
            .send(&long_header(n | 0x0a0a_0a0a, id, id, 1200))
            .await;
        socket.send(&short_header(id, &noise)).await;
        if n % 50 == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    Ok(2000)
}

async fn malformed(stage: &Stage) -> Result<usize, Finding> {
    for n in 0..200_u32 {
        let mut peer = stage.peer(Via::Tcp).await?;
        let mut noise = stage.noise(&n.to_string(), 300);
        // Half of them look like messages at first.
        if n % 2 == 0
            && let Some(head) = noise.first_chunk_mut::<5>()
        {
            *head = [0, 0, 1, 0, u8::try_from(n % 6).unwrap_or_default()];
        }
        peer.send(&noise).await;
        peer.finish().await;
        peer.ended_within(Duration::from_secs(10)).await?;
    }
    Ok(200)
}

async fn giants(stage: &Stage, pid: Option<u32>) -> Result<usize, Finding> {
    let before = pid.and_then(|pid| proc::resident_kib(pid).ok());
    let mut peers = Vec::new();
    for _ in 0..100 {
        let mut peer = stage.peer(Via::Tcp).await?;
        peer.send(&announced(65_568, &[2])).await;
        peers.push(peer);
    }
    if let (Some(pid), Some(before)) = (pid, before) {
        let now = proc::resident_kib(pid)?;
        must(now <= before.saturating_add(GROWTH_KIB), || {
            format!("{now} KiB while they wait, {before} before")
        })?;
    }
    for peer in peers {
        peer.leave().await;
    }
    Ok(100)
}

async fn churn(stage: &Stage) -> Result<usize, Finding> {
    for n in 0..300_u32 {
        let (mut peer, handle) = stage
            .attached(Via::Tcp, &stage.topic(&n.to_string()))
            .await?;
        peer.publish(handle, &[1; 1000]).await?;
        peer.leave().await;
    }
    Ok(300)
}

/// Another address of the loopback where there is one: limits by network are not what is asked here.
fn elsewhere(stage: &Stage, n: u32) -> Options {
    let [.., low] = n.to_be_bytes();
    let options = Options::new(Via::Tcp);
    if stage.target.is_loopback() {
        options.from(Ipv4Addr::new(127, 44, low, 9))
    } else {
        options
    }
}

async fn half_open(stage: Stage) -> Outcome {
    stage.target.may_be_flooded()?;
    let mut held = Vec::new();
    for n in 0..300 {
        held.push(tcp(&stage, &elsewhere(&stage, n)).await?);
    }
    let took = served(&stage).await?;
    must(took < 2000, || format!("an honest client took {took} ms"))?;
    Ok(format!(
        "{} held; an honest client was served in {took} ms",
        held.len()
    ))
}

/// Publishes while `storm` goes on; the slowest answer in milliseconds.
async fn meanwhile(
    stage: &Stage,
    storm: impl Future<Output = Result<(), Finding>>,
) -> Result<u128, Finding> {
    let (mut honest, handle) = stage.attached(Via::Tcp, &stage.topic("honest")).await?;
    let mut slowest = 0;
    tokio::pin!(storm);
    loop {
        tokio::select! {
            done = &mut storm => return done.map(|()| slowest),
            () = tokio::time::sleep(Duration::from_millis(20)) => {
                let asked = Instant::now();
                honest.publish(handle, b"meanwhile").await?;
                slowest = slowest.max(asked.elapsed().as_millis());
            }
        }
    }
}

async fn false_proofs(stage: Stage) -> Outcome {
    stage.target.may_be_flooded()?;
    let mut attacker = stage.peer(Via::Quic).await?;
    let name = stage.topic("x").name();
    let storm = async {
        for n in 0..2000 {
            attacker.send(&attach(n, &name, &[3; 64])).await;
            if n % 100 == 99 {
                for _ in 0..100 {
                    let said = attacker.hear().await?;
                    let is_refused = matches!(said, crate::peer::Said::Refused { refusal: 1, .. });
                    must(is_refused, || format!("{said:?}"))?;
                }
            }
        }
        Ok(())
    };
    let slowest = meanwhile(&stage, storm).await?;
    must(slowest < 2000, || format!("an answer took {slowest} ms"))?;
    Ok(format!(
        "2000 refused; the slowest answer to somebody else took {slowest} ms"
    ))
}

async fn frames(stage: Stage) -> Outcome {
    stage.target.may_be_flooded()?;
    let (mut attacker, handle) = stage.attached(Via::Quic, &stage.topic("x")).await?;
    let frame = publish(1, handle, &vec![5; FRAME_LEN_MAX]);
    let storm = async {
        for _ in 0..512 {
            attacker.send(&frame).await;
        }
        for _ in 0..512 {
            attacker.hear().await?;
        }
        Ok(())
    };
    let slowest = meanwhile(&stage, storm).await?;
    must(slowest < 2000, || format!("an answer took {slowest} ms"))?;
    Ok(format!(
        "32 MiB; the slowest answer to somebody else took {slowest} ms"
    ))
}

async fn slow_loris(stage: Stage) -> Outcome {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    stage.target.may_be_flooded()?;
    let begun = Instant::now();
    let mut held = Vec::new();
    for n in 0..500 {
        let mut stream = tcp(&stage, &elsewhere(&stage, n)).await?;
        let _ended = stream.write_all(&[0x16]).await;
        held.push(stream);
    }
    let mut slowest = 0;
    while !held.is_empty() {
        must(begun.elapsed() < Duration::from_secs(25), || {
            format!("{} are still open after 25 s", held.len())
        })?;
        slowest = slowest.max(served(&stage).await?);
        let mut open = Vec::new();
        for mut stream in held {
            let mut byte = [0];
            let read = tokio::time::timeout(Duration::from_millis(1), stream.read(&mut byte)).await;
            if read.is_err() {
                open.push(stream);
            }
        }
        held = open;
        for stream in &mut held {
            let _ended = stream.write_all(&[3]).await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(format!(
        "all ended after {} s; honest clients in {slowest} ms at most",
        begun.elapsed().as_secs()
    ))
}
