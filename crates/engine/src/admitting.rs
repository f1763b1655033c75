//! Admissions on their way out: a piece at a time, so that who waits on an invite's topic gets all of a long one
//! (protocol §7.3.1).
//!
//! A relay keeps a bounded queue for each reader (§2.6) and drops what does not fit. So nothing is sent faster than a
//! middling line takes it, and slower to who asks once more. What has arrived of an admission counts: sent again, it is cut
//! into the same chunks.

use std::collections::{BTreeMap, VecDeque};

use sha2::{Digest as _, Sha256};

use crate::engine::Engine;
use crate::error::Error;
use crate::handshake::InviteMessage;
use crate::invites::invite_frames;
use crate::network::Carried;
use crate::record::{Side, StateOfJoin};
use crate::time::Time;

/// Bytes sent in a millisecond, the first time.
const BYTES_A_MS: usize = 640;
/// What may be sent at once after a silence, as milliseconds of that pace: half of what a relay keeps for a reader.
const BURST_MS: u64 = 200;
/// No pause is as long. A next time further away than this was planned before the clock was set back.
const PAUSE_MAX_MS: u64 = 5_000;
/// How often the pace is halved at most: down to 40 bytes in a millisecond.
const HALVED_MAX: u32 = 4;
/// How many tries are cut into the same chunks. Who holds the link can spoil what has come of a try, not all tries to come.
const TRIES_ALIKE: u32 = 3;

/// What is on its way out.
#[derive(Default)]
pub(crate) struct Admitting {
    /// Joins to be told next, each once.
    waiting: VecDeque<u32>,
    /// The one being told, and what is still to be sent to it.
    now: Option<(u32, VecDeque<Vec<u8>>)>,
    /// When the next frame may go.
    earliest: Time,
    /// How often each was told since it was let in.
    tries: BTreeMap<u32, u32>,
}

impl Admitting {
    pub(crate) fn next_timeout(&self) -> Option<Time> {
        let is_idle = self.now.is_none() && self.waiting.is_empty();
        (!is_idle).then_some(self.earliest)
    }

    fn add(&mut self, join: u32) {
        let is_known = self.now.as_ref().is_some_and(|(told, _)| *told == join);
        if !is_known && !self.waiting.contains(&join) {
            self.waiting.push_back(join);
        }
    }

    /// Whether something may go by now.
    fn is_due(&mut self, now: Time) -> bool {
        if self.earliest > now.plus_ms(PAUSE_MAX_MS) {
            self.earliest = now;
        }
        self.next_timeout().is_some_and(|at| at <= now)
    }

    /// So many bytes go to this one now.
    fn leave(&mut self, join: u32, len: usize, now: Time) {
        let burst = now.minus_ms(BURST_MS);
        let pause = self.pause(join, len);
        self.earliest = self.earliest.max(burst).plus_ms(pause);
    }

    /// The next who is to be told, and which try it is.
    fn turn(&mut self) -> Option<(u32, u32)> {
        let join = self.waiting.pop_front()?;
        let tries = self.tries.entry(join).or_default();
        let this = *tries;
        *tries = tries.saturating_add(1);
        Some((join, this))
    }

    /// How long the line is left alone after so many bytes, in milliseconds.
    fn pause(&self, join: u32, len: usize) -> u64 {
        let told = self.tries.get(&join).copied().unwrap_or_default();
        let halved = told.saturating_sub(1).min(HALVED_MAX);
        u64::try_from(len.div_ceil(BYTES_A_MS)).unwrap_or(u64::MAX) << halved
    }
}

impl Engine {
    /// Tells a joiner of its admission as soon as those before it have been told; nothing if that is planned already.
    pub(crate) fn tell_admitted(&mut self, join: u32, now: Time) -> Result<(), Error> {
        self.admitting.add(join);
        self.admitting_timeout(now)
    }

    /// This one is in, is forgotten, or has another admission now: nothing more is sent of the one before, and the tries begin anew.
    pub(crate) fn admitted_anew(&mut self, join: u32) {
        self.admitting.tries.remove(&join);
        self.admitting.waiting.retain(|waiting| *waiting != join);
        self.admitting.now.take_if(|(told, _)| *told == join);
    }

    /// Sends what may go by now.
    pub(crate) fn admitting_timeout(&mut self, now: Time) -> Result<(), Error> {
        while self.admitting.is_due(now) {
            self.admit_piece(now)?;
        }
        Ok(())
    }

    /// Sends one frame, or turns to the next joiner if this one is to be told nothing.
    fn admit_piece(&mut self, now: Time) -> Result<(), Error> {
        let (join, mut frames) = match self.admitting.now.take() {
            Some(told) => told,
            None => match self.admitting.turn() {
                Some((join, this)) => (join, self.admission_frames(join, this)?),
                None => return Ok(()),
            },
        };
        let topic = self.admission_topic(join);
        let (Some(frame), Some(topic)) = (frames.pop_front(), topic) else {
            return Ok(());
        };
        self.network
            .publish(topic, &frame, Carried::Transient, &mut self.effects);
        if !frames.is_empty() {
            self.admitting.now = Some((join, frames));
        }
        self.admitting.leave(join, frame.len(), now);
        Ok(())
    }

    /// The topic on which a joiner waits to be told; none for one who is in or whose invite is gone.
    fn admission_topic(&self, join: u32) -> Option<sori_wire::Topic> {
        let held = self.joins.get(&join)?;
        let is_let_in = matches!(held.record.state, StateOfJoin::Approved | StateOfJoin::Done);
        let invite = self.invites.get(&held.invite()?)?;
        is_let_in.then(|| invite.topic())
    }

    fn admission_frames(&mut self, join: u32, this: u32) -> Result<VecDeque<Vec<u8>>, Error> {
        let Some(held) = self.joins.get(&join) else {
            return Ok(VecDeque::new());
        };
        let Side::Inviter {
            admission: Some(sealed),
            invite,
            ..
        } = &held.record.side
        else {
            return Ok(VecDeque::new());
        };
        let Some(invite) = self.invites.get(invite) else {
            return Ok(VecDeque::new());
        };
        let message = InviteMessage::Admitted {
            knock: held.record.knock,
            sealed: sealed.clone(),
        };
        let object = object_of(sealed, this / TRIES_ALIKE);
        invite_frames(invite.seal(), &message, object, &mut self.rng).map(VecDeque::from)
    }
}

/// The name that all chunks of an admission have in some tries.
fn object_of(sealed: &[u8], tries: u32) -> [u8; 8] {
    let digest = Sha256::new()
        .chain_update(tries.to_be_bytes())
        .chain_update(sealed)
        .finalize();
    let (object, _) = digest
        .as_slice()
        .split_first_chunk()
        .unwrap_or((&[0; 8], &[]));
    *object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_while_told_is_not_told_twice() {
        let mut admitting = Admitting::default();
        [7, 7, 8, 7]
            .into_iter()
            .for_each(|join| admitting.add(join));
        assert_eq!(admitting.turn(), Some((7, 0)));
        admitting.now = Some((7, VecDeque::new()));
        admitting.add(7);
        assert_eq!(admitting.turn(), Some((8, 0)));
        assert_eq!(admitting.turn(), None);
    }

    #[test]
    fn who_asks_again_is_told_ever_slower() {
        let mut admitting = Admitting::default();
        let mut pauses = Vec::new();
        for _ in 0..7 {
            admitting.add(1);
            admitting.turn().unwrap();
            pauses.push(admitting.pause(1, 64_000));
        }
        assert_eq!(pauses, [100, 200, 400, 800, 1_600, 1_600, 1_600]);
    }

    #[test]
    fn what_goes_at_once_is_bounded_and_the_rest_is_paced() {
        let mut admitting = Admitting::default();
        (0..100).for_each(|join| admitting.add(join));
        let mut sent = |now| {
            let mut count = 0;
            while admitting.is_due(now) {
                let (join, _) = admitting.turn().unwrap();
                admitting.leave(join, 64_000, now);
                count += 1;
            }
            count
        };
        let at = |ms: u64| Time::from_unix_ms(1_000_000 + ms);
        assert_eq!([0, 50, 100, 1_100].map(|ms| sent(at(ms))), [3, 0, 1, 3]);
        // The clock was set back by a quarter of an hour.
        assert_eq!(sent(Time::from_unix_ms(100_000)), 1);
    }

    #[test]
    fn three_tries_are_cut_alike() {
        let objects = [0, 1, 2, 3, 5, 6].map(|this| object_of(b"sealed", this / TRIES_ALIKE));
        assert_eq!(objects[0], objects[2]);
        assert_eq!(objects[3], objects[4]);
        assert_ne!(objects[0], objects[3]);
        assert_ne!(objects[0], object_of(b"another", 0));
    }
}
