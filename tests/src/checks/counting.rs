//! What the relay says of others: how many receive, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalogue::Check;
use crate::finding::{Finding, Outcome, must};
use crate::peer::encode::detach;
use crate::peer::{NO_HANDLE, Peer, Said, Topic, Via, unexpected};
use crate::stage::Stage;

/// The table.
pub(crate) const CHECKS: &[Check] = &[
    Check::new(
        "CARRY-COUNT",
        &["2.4.4"],
        [
            "the number of receivers is that of the others",
            "받는 사람 수는 나를 뺀 수",
        ],
        [
            "Publish with 0, 1, 2 and 3 others, who then leave again.",
            "0, 1, 2, 3, 2, 1, 0.",
        ],
        |stage| Box::pin(count(stage)),
    ),
    Check::new(
        "CARRY-UNKNOWN-LIKE-EMPTY",
        &["2.2.5"],
        [
            "a topic that was never used answers like one that is empty now",
            "한 번도 쓰이지 않은 토픽과 비어 있는 토픽이 똑같이 답함",
        ],
        [
            "Attach and Publish on a topic that others used a moment ago, and on a new one.",
            "The same answers, of the same length but for the handle's.",
        ],
        |stage| Box::pin(unknown_like_empty(stage)),
    ),
    Check::new(
        "CARRY-HANDLES-DIFFER",
        &["2.3.2"],
        [
            "no handle stands for two topics of a connection",
            "한 핸들이 두 토픽을 가리키지 않음",
        ],
        [
            "200 topics attached on one connection.",
            "200 handles, all different; a frame through each comes under the right one.",
        ],
        |stage| Box::pin(handles_differ(stage)),
    ),
    Check::new(
        "CARRY-NOTHING-UNASKED",
        &["2.3.3"],
        [
            "the relay says nothing unasked",
            "묻지 않은 것을 말하지 않음",
        ],
        [
            "A connection that attached and then is silent for two seconds while others come and go.",
            "Nothing comes: no greeting, no presence.",
        ],
        |stage| Box::pin(nothing_unasked(stage)),
    ),
];

async fn count(stage: Stage) -> Outcome {
    for via in Via::BOTH {
        let topic = stage.topic(via.name());
        let (mut sender, handle) = stage.attached(via, &topic).await?;
        let mut others = Vec::new();
        for expected in 0..=3_u32 {
            let said = sender.publish(handle, b"x").await?;
            must(said == expected, || {
                format!("{said} receivers instead of {expected}")
            })?;
            let via = if expected % 2 == 0 {
                Via::Tcp
            } else {
                Via::Quic
            };
            others.push(stage.attached(via, &topic).await?.0);
        }
        for expected in (0..=3_u32).rev() {
            if let Some(other) = others.pop() {
                other.leave().await;
            }
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            let said = sender.publish(handle, b"x").await?;
            must(said == expected, || {
                format!("{said} receivers instead of {expected} after one left")
            })?;
        }
    }
    Ok("0 to 3 and back, over both carriers".into())
}

async fn unknown_like_empty(stage: Stage) -> Outcome {
    let used = stage.topic("used");
    let (mut one, of_one) = stage.attached(Via::Quic, &used).await?;
    let (two, _) = stage.attached(Via::Tcp, &used).await?;
    one.publish(of_one, b"talk").await?;
    one.leave().await;
    two.leave().await;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    for topic in [used, stage.topic("never used")] {
        let (mut peer, handle) = stage.attached(Via::Quic, &topic).await?;
        let said = peer.publish(handle, b"anybody?").await?;
        must(said == 0, || format!("{said} receivers on an empty topic"))?;
        peer.quiet().await?;
        let stranger = stage.peer(Via::Quic).await?;
        let mut stranger = stranger;
        let refused = stranger.ask_attach(&topic.name(), &[0; 64]).await?;
        must(refused == Err(1), || format!("{refused:?}"))?;
    }
    Ok("the same answers for both, to its owner and to a stranger".into())
}

async fn handles_differ(stage: Stage) -> Outcome {
    let mut one = stage.peer(Via::Tcp).await?;
    let mut two = stage.peer(Via::Quic).await?;
    let mut handles = BTreeMap::new();
    for n in 0..200_u32 {
        let topic = stage.topic(&n.to_string());
        let handle = one.attach(&topic).await?;
        let of_two = two.attach(&topic).await?;
        must(handles.insert(handle, (n, of_two)).is_none(), || {
            format!("handle {handle} stands for two topics")
        })?;
    }
    for (handle, (n, of_two)) in &handles {
        one.publish(*handle, &n.to_be_bytes()).await?;
        let (under, frame) = two.frame().await?;
        must(
            (under, frame.as_slice()) == (*of_two, &n.to_be_bytes()[..]),
            || "a frame came under the handle of another topic".into(),
        )?;
    }
    Ok("200 handles, 200 topics".into())
}

async fn nothing_unasked(stage: Stage) -> Outcome {
    for via in Via::BOTH {
        let topic = stage.topic(via.name());
        let (mut silent, _) = stage.attached(via, &topic).await?;
        for _ in 0..3 {
            let (other, _) = stage.attached(Via::Quic, &topic).await?;
            other.leave().await;
        }
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        silent.quiet().await?;
    }
    Ok("nothing came, over both carriers".into())
}

/// Who is attached to what, as the protocol says it has to be.
#[derive(Default)]
struct Model {
    /// By connection and topic, the handle.
    handles: BTreeMap<(usize, usize), u32>,
    /// What has to come to each connection before the answer to its next request.
    coming: BTreeMap<usize, Vec<(u32, Vec<u8>)>>,
}

const CONNECTIONS: usize = 6;
const TOPICS: usize = 4;
const STEPS: usize = 400;

/// A random session, compared with the model step by step.
pub(super) async fn restless(stage: Stage) -> Outcome {
    let topics: Vec<Topic> = (0..TOPICS).map(|n| stage.topic(&n.to_string())).collect();
    let mut peers = Vec::new();
    for n in 0..CONNECTIONS {
        let via = if n % 2 == 0 { Via::Quic } else { Via::Tcp };
        peers.push(stage.peer(via).await?);
    }
    let mut model = Model::default();
    let chances = stage.noise("steps", STEPS.saturating_mul(4));
    for (number, chance) in chances.chunks_exact(4).enumerate() {
        let [who, what, kind, len] = chance else {
            continue;
        };
        let (who, what) = (usize::from(*who) % CONNECTIONS, usize::from(*what) % TOPICS);
        let (Some(peer), Some(topic)) = (peers.get_mut(who), topics.get(what)) else {
            continue;
        };
        let step = match kind % 8 {
            0 | 1 => model.attach(peer, topic, (who, what)).await,
            2 => model.detach(peer, (who, what)).await,
            _ => {
                let frame = stage.noise(&number.to_string(), usize::from(*len) * 17);
                model.publish(peer, &frame, (who, what)).await
            }
        };
        step.map_err(|finding| finding.during(format!("step {number}, connection {who}")))?;
    }
    for (who, peer) in peers.iter_mut().enumerate() {
        model.settle(peer, who).await?;
    }
    Ok(format!("{STEPS} steps as predicted"))
}

impl Model {
    async fn attach(
        &mut self,
        peer: &mut Peer,
        topic: &Topic,
        at: (usize, usize),
    ) -> Result<(), Finding> {
        self.settle(peer, at.0).await?;
        let proof = topic.prove(&peer.exporter);
        match (
            peer.ask_attach(&topic.name(), &proof).await?,
            self.handles.contains_key(&at),
        ) {
            (Ok(handle), false) => {
                self.handles.insert(at, handle);
                Ok(())
            }
            (Err(4), true) => Ok(()),
            (answer, _) => Err(Finding::broken(format!(
                "Attach was answered with {answer:?}"
            ))),
        }
    }

    async fn detach(&mut self, peer: &mut Peer, at: (usize, usize)) -> Result<(), Finding> {
        self.settle(peer, at.0).await?;
        let handle = self.handles.remove(&at).unwrap_or(NO_HANDLE);
        peer.send(&detach(handle)).await;
        peer.quiet().await
    }

    async fn publish(
        &mut self,
        peer: &mut Peer,
        frame: &[u8],
        at: (usize, usize),
    ) -> Result<(), Finding> {
        self.settle(peer, at.0).await?;
        let Some(handle) = self.handles.get(&at) else {
            let answer = peer.ask_publish(NO_HANDLE, frame).await?;
            return must(answer == Err(3), || format!("answered with {answer:?}"));
        };
        let receivers = peer.publish(*handle, frame).await?;
        let others: Vec<(usize, u32)> = self
            .handles
            .iter()
            .filter(|((who, what), _)| *what == at.1 && *who != at.0)
            .map(|((who, _), handle)| (*who, *handle))
            .collect();
        must(u32::try_from(others.len()) == Ok(receivers), || {
            format!("{receivers} receivers instead of {}", others.len())
        })?;
        for (who, handle) in others {
            let coming = self.coming.entry(who).or_default();
            coming.push((handle, frame.to_vec()));
        }
        Ok(())
    }

    /// What has to have come to a connection has come, and nothing else. Frames of different topics may change places.
    async fn settle(&mut self, peer: &mut Peer, who: usize) -> Result<(), Finding> {
        let coming = self.coming.remove(&who).unwrap_or_default();
        let handles: BTreeSet<u32> = coming.iter().map(|(handle, _)| *handle).collect();
        let mut wanted: BTreeMap<u32, std::collections::VecDeque<Vec<u8>>> = BTreeMap::new();
        for (handle, frame) in coming.iter().cloned() {
            wanted.entry(handle).or_default().push_back(frame);
        }
        for _ in 0..coming.len() {
            let (handle, frame) = match peer.hear().await? {
                Said::Deliver { handle, frame } => (handle, frame),
                other => return Err(unexpected(&other, "a frame")),
            };
            must(handles.contains(&handle), || {
                "a frame under an unexpected handle".into()
            })?;
            let next = wanted
                .get_mut(&handle)
                .and_then(std::collections::VecDeque::pop_front);
            must(next.as_ref() == Some(&frame), || {
                "another frame than the next".into()
            })?;
        }
        peer.quiet().await
    }
}
