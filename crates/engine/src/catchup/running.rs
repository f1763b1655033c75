//! The catch-ups that are going on: with whom, how far, and who asks whom for what.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use sori_mls::AccountId;
use sori_wire::{RelayUrl, Topic, TopicSeed};

use crate::chunk::Assembler;
use crate::network::{Purpose, Wanted};
use crate::seal::SealKey;
use crate::session::{EnvelopeId, PART_LEN_MAX, Salt, Session, SessionMessage};
use crate::time::{Day, Time};

/// Associated data of the frames of the one that answered and of the one that asked: a frame
/// sent back to where it came from does not open.
const ANSWERER_AAD: &[u8] = b"sori catch-up 1 answerer";
const ASKER_AAD: &[u8] = b"sori catch-up 1 asker";
/// Ours and the peer's, by the side that we are on.
pub(super) const ASKING: [&[u8]; 2] = [ASKER_AAD, ANSWERER_AAD];
pub(super) const ANSWERING: [&[u8]; 2] = [ANSWERER_AAD, ASKER_AAD];
/// Members that one device catches up with at a time on a channel.
const HELPERS_MAX: usize = 3;
/// From so many missing envelopes on another member is asked to help.
pub(super) const HELP_FROM: usize = 512;
/// Most catch-ups at a time; a peer gains at most this many sessions' memory.
const SESSIONS_MAX: usize = 4;

/// The catch-ups that are going on.
#[derive(Default)]
pub(crate) struct Sessions {
    pub(super) running: BTreeMap<u64, Running>,
    pub(super) next: u64,
}

/// One of them.
pub(super) struct Running {
    pub(super) channel: u32,
    /// Who answers us or whom we answer, as it says.
    pub(super) peer: AccountId,
    pub(super) salt: Salt,
    /// The first day of what is reconciled.
    pub(super) floor: Day,
    pub(super) relays: Vec<RelayUrl>,
    pub(super) seed: TopicSeed,
    pub(super) topic: Topic,
    pub(super) seal: SealKey,
    /// Associated data of our frames and of the peer's.
    pub(super) aad: [&'static [u8]; 2],
    pub(super) stage: Stage,
    pub(super) incoming: Assembler,
    /// Frames seen: one that comes over two relays counts once.
    pub(super) seen: BTreeSet<EnvelopeId>,
    pub(super) until: Time,
    /// Whether the peer has said anything.
    pub(super) is_heard: bool,
    /// Whether it has brought anything that is in the log now. What is refused each time it
    /// comes is no news, or two who differ for good would greet each other without end.
    pub(super) accepted: bool,
}

/// How far it is.
pub(super) enum Stage {
    /// We answered a hello: the offer goes out once we listen on the topic.
    Offering { hello: u64, session: Session },
    /// We took an offer and begin once we are attached.
    Opening,
    /// Messages go back and forth.
    Talking(Session),
    /// We answer a device that comes back: it asks for one part after another.
    Giving { ask: u64, answer: Vec<u8> },
    /// We come back, and have this much of the answer.
    Taking(Vec<u8>),
}

/// The part of an answer from `offset` on; nothing at its end.
pub(super) fn part(answer: &[u8], offset: u32) -> Option<SessionMessage> {
    let rest = answer.get(usize::try_from(offset).ok()?..)?;
    let bytes = rest.get(..PART_LEN_MAX).unwrap_or(rest).to_vec();
    let len = u32::try_from(answer.len()).ok()?;
    (!bytes.is_empty()).then_some(SessionMessage::Part { len, bytes })
}

/// Of the other catch-ups that ask on a channel, what each leaves to this one: the later half of what
/// it asks for, as long as this one does not know what it will ask for itself.
pub(super) fn borrow(
    sessions: &mut Sessions,
    channel: u32,
    session: &mut Session,
) -> BTreeMap<u64, VecDeque<EnvelopeId>> {
    let mut lent = BTreeMap::new();
    let mut claimed = BTreeSet::new();
    if session.left_to_ask().is_some() {
        return lent;
    }
    for (number, other) in &mut sessions.running {
        if other.channel != channel || other.aad != ASKING {
            continue;
        }
        if let Stage::Talking(other) = &mut other.stage {
            lent.insert(*number, other.lend_half());
            claimed.extend(other.claims());
        }
    }
    session.leave_to_others(claimed);
    lent
}

/// Gives back what this one does not ask for.
pub(super) fn give_back(
    sessions: &mut Sessions,
    lent: BTreeMap<u64, VecDeque<EnvelopeId>>,
    session: &Session,
) {
    if lent.is_empty() {
        return;
    }
    let claimed = session.claims();
    for (number, ids) in lent {
        if let Some(Stage::Talking(other)) = sessions.running.get_mut(&number).map(|o| &mut o.stage)
        {
            other.take_back(ids.into_iter().filter(|id| !claimed.contains(id)));
        }
    }
}

impl Running {
    /// Whether it answers somebody who has said nothing yet, and may have taken another one's offer.
    pub(super) fn is_idle(&self) -> bool {
        self.aad == ANSWERING && !self.is_heard
    }
}

impl Sessions {
    pub(crate) fn topics(&self) -> Vec<Wanted> {
        let one = |(number, running): (&u64, &Running)| {
            let (number, seed, topic) = (*number, running.seed.clone(), running.topic);
            running
                .relays
                .iter()
                .map(move |relay| Wanted {
                    relay: relay.clone(),
                    topic,
                    seed: seed.clone(),
                    purpose: Purpose::Session(number),
                })
                .collect::<Vec<_>>()
        };
        self.running.iter().flat_map(one).collect()
    }

    pub(crate) fn next_timeout(&self) -> Option<Time> {
        self.running.values().map(|running| running.until).min()
    }

    pub(crate) fn is_busy(&self, channel: u32) -> bool {
        self.running
            .values()
            .any(|running| running.channel == channel)
    }

    /// Whether somebody gives us the way back on this channel.
    pub(crate) fn is_taking(&self, channel: u32) -> bool {
        self.running
            .values()
            .any(|running| running.channel == channel && matches!(running.stage, Stage::Taking(_)))
    }

    /// How many we are asking on this channel, and whether all of them have much to give still.
    fn helpers(&self, channel: u32) -> (usize, bool) {
        let asking = |running: &&Running| running.channel == channel && running.aad == ASKING;
        let helpers: Vec<&Running> = self.running.values().filter(asking).collect();
        let busy = helpers.iter().all(|running| match &running.stage {
            Stage::Talking(session) => session.left_to_ask().is_some_and(|left| left >= HELP_FROM),
            Stage::Offering { .. } | Stage::Opening | Stage::Giving { .. } | Stage::Taking(_) => {
                false
            }
        });
        (helpers.len(), busy)
    }

    /// Whether somebody's hello can be answered now: not who is being answered already.
    pub(crate) fn may_answer(&self, channel: u32, account: &AccountId) -> bool {
        !self.has_peer(channel, account, ANSWERING)
            && (self.running.len() < SESSIONS_MAX || self.running.values().any(Running::is_idle))
    }

    /// Makes room for one more catch-up, if need be by giving up the oldest whose offer nobody has taken yet.
    pub(super) fn make_room(&mut self) -> bool {
        if self.running.len() >= SESSIONS_MAX {
            let idle = self.running.iter().find(|(_, running)| running.is_idle());
            let Some(idle) = idle.map(|(number, _)| *number) else {
                return false;
            };
            self.running.remove(&idle);
        }
        true
    }

    /// Whether a hello would bring nothing because somebody is being asked already who is enough.
    pub(crate) fn has_help(&self, channel: u32) -> bool {
        let (helpers, busy) = self.helpers(channel);
        helpers >= HELPERS_MAX || (helpers > 0 && !busy)
    }

    pub(super) fn has_peer(&self, channel: u32, account: &AccountId, aad: [&[u8]; 2]) -> bool {
        (self.running.values())
            .any(|one| one.channel == channel && one.peer == *account && one.aad == aad)
    }

    /// Whether we are asking somebody on this channel. Answering somebody does not keep us from
    /// asking: two members who say hello in the same instant answer each other, and if each waited
    /// for the other one to take its offer, both would wait for ever.
    pub(crate) fn is_asking(&self, channel: u32) -> bool {
        self.running
            .values()
            .any(|running| running.channel == channel && running.aad == ASKING)
    }

    /// The connection to a relay is gone, and with it the peers met there.
    pub(crate) fn disconnected(&mut self, relay: &RelayUrl) {
        self.running
            .retain(|_, running| !running.relays.contains(relay));
    }
}
