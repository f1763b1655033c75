//! What two say to each other on a one-time topic (protocol §6.2).

use super::offers::UNHELPFUL_MS;
use super::running::{ASKING, HELP_FROM, Running, Stage, borrow, give_back, part};
use crate::channel::LOG_DAYS;
use crate::chunk::{self, Chunk};
use crate::engine::Engine;
use crate::error::Error;
use crate::network::Carried;
use crate::resync::WAY_LEN_MAX;
use crate::session::{Entry, EnvelopeId, Session, SessionMessage};
use crate::time::{Day, Time};

/// After this long without a word a catch-up is given up, in milliseconds; the next begins where
/// it ended.
pub(super) const SILENCE_MS: u64 = 8_000;
/// Frames of one catch-up that are remembered.
const SEEN_MAX: usize = 4096;

impl Engine {
    /// A one-time topic is attached.
    pub(crate) fn session_attached(&mut self, number: u64, now: Time) -> Result<(), Error> {
        let Some(mut running) = self.sessions.running.remove(&number) else {
            return Ok(());
        };
        let channel = running.channel;
        let mut first = None;
        let mut offer = None;
        running.stage = match running.stage {
            Stage::Offering { hello, session } => {
                offer = Some(self.signed_offer(channel, hello, &running.seed)?);
                Stage::Talking(session)
            }
            Stage::Opening => {
                let held = self.channels.get(&channel);
                let items = held.map(|held| held.log.items_from(running.floor));
                let items = items.unwrap_or_default();
                let Ok((session, message)) = Session::initiate(running.salt, items) else {
                    self.topics_stale = true;
                    return Ok(());
                };
                first = Some(message);
                Stage::Talking(session)
            }
            Stage::Giving { ask, answer } => {
                offer = Some(self.signed_offer(channel, ask, &running.seed)?);
                Stage::Giving { ask, answer }
            }
            Stage::Taking(answer) => {
                first = Some(SessionMessage::Want { offset: 0 });
                Stage::Taking(answer)
            }
            Stage::Talking(session) => Stage::Talking(session),
        };
        self.sessions.running.insert(number, running);
        if let Some(offer) = offer {
            self.send_transient(channel, &offer, now)?;
        }
        match first {
            Some(message) => self.session_send(number, &message),
            None => Ok(()),
        }
    }

    fn session_send(&mut self, number: u64, message: &SessionMessage) -> Result<(), Error> {
        let Ok(encoded) = message.encode() else {
            return Ok(());
        };
        let Ok(chunks) = chunk::split(&encoded, self.random()) else {
            return Ok(());
        };
        let Some(running) = self.sessions.running.get(&number) else {
            return Ok(());
        };
        let [ours, _] = running.aad;
        for chunk in &chunks {
            let sealed = running
                .seal
                .seal(ours, chunk, &mut self.rng)
                .map_err(|_| Error::Internal("seal"))?;
            let carried = Carried::Transient;
            self.network
                .publish(running.topic, &sealed, carried, &mut self.effects);
        }
        Ok(())
    }

    /// A frame of a catch-up.
    pub(crate) fn session_frame(
        &mut self,
        number: u64,
        frame: &[u8],
        now: Time,
    ) -> Result<(), Error> {
        let Some(mut running) = self.sessions.running.remove(&number) else {
            return Ok(());
        };
        if running.seen.len() >= SEEN_MAX {
            running.seen.clear();
        }
        let [_, theirs] = running.aad;
        let plain = running
            .seen
            .insert(EnvelopeId::of(frame))
            .then(|| running.seal.open(theirs, frame))
            .flatten();
        // Only the peer's word keeps a catch-up going, not noise that the relay makes.
        if plain.is_some() {
            running.until = now.plus_ms(SILENCE_MS);
            running.is_heard = true;
        }
        let whole = plain
            .and_then(|plain| Chunk::parse(&plain))
            .and_then(|chunk| running.incoming.push(chunk));
        let Some(whole) = whole else {
            self.sessions.running.insert(number, running);
            return Ok(());
        };
        // A peer that makes no sense is left to itself (protocol §6.2.4).
        let Ok(message) = SessionMessage::decode(&whole) else {
            self.topics_stale = true;
            return Ok(());
        };
        if matches!(running.stage, Stage::Giving { .. } | Stage::Taking(_)) {
            return self.pass_on(number, running, message, now);
        }
        self.talk(number, running, message, now)
    }

    /// The peer's next message of a catch-up.
    fn talk(
        &mut self,
        number: u64,
        mut running: Running,
        message: SessionMessage,
        now: Time,
    ) -> Result<(), Error> {
        let channel = running.channel;
        let Stage::Talking(session) = &mut running.stage else {
            self.sessions.running.insert(number, running);
            return Ok(());
        };
        let mut trouble = None;
        let lent = borrow(&mut self.sessions, channel, session);
        let before = session.left_to_ask();
        let mut fetch = |id: &_| {
            let found = self.entry(channel, id);
            found.unwrap_or_else(|error| {
                trouble = Some(error);
                None
            })
        };
        let step = session.handle(message, &mut fetch);
        if let Some(error) = trouble {
            return Err(error);
        }
        give_back(&mut self.sessions, lent, session);
        let Ok(step) = step else {
            self.broke_off(&running, now);
            self.topics_stale = true;
            return Ok(());
        };
        let left = session.left_to_ask().unwrap_or(0);
        let needs_help = before.is_none() && left >= HELP_FROM;
        let mut accepted = running.accepted;
        self.sessions.running.insert(number, running);
        for message in &step.send {
            self.session_send(number, message)?;
        }
        for Entry { day, sealed } in step.received {
            if self.is_logged_day(channel, day, now) {
                let before = self.log_len(channel);
                self.tolerate(|engine| engine.accept_frame(channel, day, &sealed, now))?;
                accepted |= self.log_len(channel) > before;
            }
        }
        if let Some(running) = self.sessions.running.get_mut(&number) {
            running.accepted = accepted;
        }
        if step.finished {
            self.session_finished(number, channel, accepted, now);
        } else if needs_help {
            // Others may have what is missing, too.
            self.plan_hello_now(channel, now);
        }
        Ok(())
    }

    /// A message between a device that comes back and the one that answers it. What has no place here ends it.
    fn pass_on(
        &mut self,
        number: u64,
        mut running: Running,
        message: SessionMessage,
        now: Time,
    ) -> Result<(), Error> {
        self.topics_stale = true;
        let reply = match (&mut running.stage, message) {
            (Stage::Giving { answer, .. }, SessionMessage::Want { offset }) => part(answer, offset),
            (Stage::Taking(answer), SessionMessage::Part { len, bytes }) => {
                answer.extend_from_slice(&bytes);
                let (have, len) = (answer.len(), usize::try_from(len).unwrap_or(usize::MAX));
                if len > WAY_LEN_MAX || have > len {
                    return Ok(());
                }
                if have == len {
                    let (answer, channel) = (std::mem::take(answer), running.channel);
                    self.sessions.running.insert(number, running);
                    self.session_send(number, &SessionMessage::Done)?;
                    self.sessions.running.remove(&number);
                    return self.tolerate(|engine| engine.take_way(channel, &answer, now));
                }
                let offset = u32::try_from(have).map_err(|_| Error::Internal("length"))?;
                Some(SessionMessage::Want { offset })
            }
            _ => None,
        };
        let Some(reply) = reply else {
            return Ok(());
        };
        self.sessions.running.insert(number, running);
        self.session_send(number, &reply)
    }

    fn session_finished(&mut self, number: u64, channel: u32, accepted: bool, now: Time) {
        self.sessions.running.remove(&number);
        self.topics_stale = true;
        if accepted {
            // Others may miss what we have just got; and the peer learns that we hold it.
            self.plan_hello_now(channel, now);
        }
        if let Some(held) = self.channels.get_mut(&channel) {
            (held.live.is_even, held.live.broke_off) = (true, 0);
        }
        self.sync_changed(channel);
    }

    /// Whether an envelope of this day that somebody hands over has a place in a channel's log (protocol §6.2.6).
    pub(crate) fn is_logged_day(&self, channel: u32, day: Day, now: Time) -> bool {
        let floor = (self.channels.get(&channel)).map_or(Day(0), |held| held.log.floor);
        let oldest = Day(now.day().0.saturating_sub(LOG_DAYS)).max(floor);
        day >= oldest && day.0 <= now.day().0.saturating_add(1)
    }

    /// A catch-up ended before its time. A peer that has brought nothing comes last from now on.
    fn broke_off(&mut self, running: &Running, now: Time) {
        let asked = running.aad == ASKING && !running.accepted;
        if let Some(held) = self.channels.get_mut(&running.channel).filter(|_| asked) {
            held.live.broke_off = held.live.broke_off.saturating_add(1);
            let unhelpful = &mut held.live.unhelpful;
            unhelpful.retain(|_, at| now.since_ms(*at) < UNHELPFUL_MS);
            unhelpful.insert(running.peer, now);
        }
    }

    pub(crate) fn sessions_timeout(&mut self, now: Time) -> Result<(), Error> {
        let over: Vec<u64> = self
            .sessions
            .running
            .iter()
            .filter(|(_, running)| running.until <= now)
            .map(|(number, _)| *number)
            .collect();
        for number in over {
            let Some(running) = self.sessions.running.remove(&number) else {
                continue;
            };
            self.broke_off(&running, now);
            self.topics_stale = true;
            // Whose offer was not taken lacks nothing: somebody else was first.
            if running.aad == ASKING || running.is_heard {
                self.plan_hello_now(running.channel, now);
            }
        }
        Ok(())
    }
}
