//! Stopping in order, and coming back after a crash. Only of a relay that the suite started.

use std::time::{Duration, Instant};

use crate::catalogue::Check;
use crate::finding::{Finding, Outcome, must};
use crate::peer::{Next, Peer, Said, Via};
use crate::stage::Stage;
use crate::target::Ending;

/// The table.
pub(crate) const CHECKS: &[Check] = &[
    Check::new(
        "STOP-SAYS-SO",
        &["2.8.1", "2.8.2", "2.7.4"],
        ["a relay that stops says so, hands out what waits, and ends", "멈출 때 알리고, 남은 것을 주고, 끝냄"],
        ["SIGTERM with clients over both carriers and frames on the way.", "The frames, GoingAway, then the end with number 1 (over TCP without a number) and no words; within six seconds; exit code 0."],
        |stage| Box::pin(says_so(stage)),
    )
    .alone(),
    Check::new(
        "STOP-LETS-NOBODY-WAIT",
        &["2.8.2"],
        ["a reader that takes nothing does not keep the relay from stopping", "읽지 않는 사람이 정지를 막지 못함"],
        ["SIGTERM with a reader that takes nothing.", "The process ends within eight seconds."],
        |stage| Box::pin(nobody_waits(stage)),
    )
    .alone(),
    Check::new(
        "STOP-KILLED",
        &["1.2.4", "2.7.3"],
        ["after a crash old QUIC connections end at once, where the relay comes back with its key at its place", "강제 종료 뒤 같은 키와 자리로 돌아오면 옛 연결이 바로 끝남"],
        ["kill -9 and a new start at the same port; then the old client sends something.", "Its connection ends within five seconds, and it can come back."],
        |stage| Box::pin(killed(stage)),
    )
    .should()
    .alone(),
];

async fn says_so(stage: Stage) -> Outcome {
    stage.target.printed()?;
    let topic = stage.topic("x");
    let (mut sender, handle) = stage.attached(Via::Tcp, &topic).await?;
    let mut readers = Vec::new();
    for via in Via::BOTH {
        readers.push((stage.attached(via, &topic).await?.0, via));
    }
    for n in 0..5_u8 {
        sender.publish(handle, &[n; 1000]).await?;
    }
    let asked = Instant::now();
    stage.target.signal(Ending::Term)?;
    let (mut frames, mut reports) = (0, Vec::new());
    for (reader, via) in &mut readers {
        frames += farewell(reader, *via)
            .await
            .map_err(|finding| finding.during(via.name()))?;
        reports.push(asked.elapsed().as_millis());
    }
    must(frames == 10, || {
        format!("{frames} frames of 10 came before the end")
    })?;
    let code = stage.target.end(Ending::Term)?;
    let took = asked.elapsed();
    stage.target.start_again()?;
    must(code == Some(0), || format!("exit code {code:?}"))?;
    must(took < Duration::from_secs(6), || {
        format!("it took {took:?}")
    })?;
    Ok(format!(
        "said goodbye after {reports:?} ms, ended after {} ms",
        took.as_millis()
    ))
}

/// Frames until GoingAway and the end; how many.
async fn farewell(reader: &mut Peer, via: Via) -> Result<usize, Finding> {
    let mut frames = 0;
    let mut going = false;
    loop {
        match reader.next().await? {
            Next::Said(Said::Deliver { .. }) if !going => frames += 1,
            Next::Said(Said::GoingAway) => {
                going = true;
                reader.finish().await;
            }
            Next::Said(Said::Closing { code: 1 }) if via == Via::Tcp => {}
            Next::Said(other) => return Err(crate::peer::unexpected(&other, "a farewell")),
            Next::Ended(end) => {
                must(going, || format!("ended without GoingAway: {}", end.how))?;
                let is_right = match via {
                    Via::Quic => end.code == Some(1) && end.phrase.is_empty(),
                    Via::Tcp => end.code.is_none_or(|code| code == 1),
                };
                must(is_right, || end.how.clone())?;
                return Ok(frames);
            }
        }
    }
}

async fn nobody_waits(stage: Stage) -> Outcome {
    stage.target.printed()?;
    let topic = stage.topic("x");
    let (mut sender, handle) = stage.attached(Via::Tcp, &topic).await?;
    let options = crate::peer::Options::new(Via::Quic).window(4096);
    let mut slow = Peer::connect(&stage, &options).await?;
    slow.attach(&topic).await?;
    for _ in 0..7 {
        sender.publish(handle, &vec![1; 65_536]).await?;
    }
    let asked = Instant::now();
    stage.target.end(Ending::Term)?;
    let took = asked.elapsed();
    stage.target.start_again()?;
    must(took < Duration::from_secs(8), || {
        format!("it took {took:?}")
    })?;
    Ok(format!("ended after {} ms", took.as_millis()))
}

async fn killed(stage: Stage) -> Outcome {
    stage.target.printed()?;
    let (place, key) = (stage.target.address(), stage.target.key());
    let (mut old, handle) = stage.attached(Via::Quic, &stage.topic("x")).await?;
    old.publish(handle, b"x").await?;
    stage.target.restart(Ending::Kill)?;
    if (stage.target.address(), stage.target.key()) != (place, key) {
        return Err(Finding::skipped(
            "the command starts a relay at another place or with another key each time",
        ));
    }
    old.send(&crate::peer::encode::publish(9, handle, b"still there?"))
        .await;
    let begun = Instant::now();
    let end = old.ended_within(Duration::from_secs(5)).await?;
    stage.peer(Via::Quic).await?;
    Ok(format!(
        "ended after {} ms: {}",
        begun.elapsed().as_millis(),
        end.how
    ))
}
