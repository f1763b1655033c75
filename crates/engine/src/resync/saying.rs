//! Who says what others have said already: a group of any size answers a question with a few frames (protocol §5.6.9).

use std::collections::BTreeMap;

use sori_mls::AccountId;

use super::{Planned, Planning, Resyncs};
use crate::engine::Engine;
use crate::envelope::{ChannelMessage, Stand, Verdict};
use crate::error::Error;
use crate::time::Time;

/// Members who say the same before the others hold it back. Five are enough for who asks; some frames may be lost.
pub(super) const VOICES: usize = 8;
/// Longest time for which what is held back can still be said, in milliseconds: who says otherwise may speak last.
const HELD_BACK_MS: u64 = 10_000;
/// Random wait before it is said then, in milliseconds.
const CONTRADICT_MS: u64 = 250;

/// What this device would say, and what others say meanwhile.
pub(super) struct Saying {
    pub(super) stand: Stand,
    pub(super) others: BTreeMap<AccountId, Verdict>,
    /// Its time came and it was not needed.
    is_held_back: bool,
}

impl Saying {
    pub(super) const fn new(stand: Stand) -> Self {
        Self {
            stand,
            others: BTreeMap::new(),
            is_held_back: false,
        }
    }

    /// Whether enough others say the same, and more than say anything else.
    fn is_said(&self) -> bool {
        let same = self.others.values().filter(|v| **v == self.stand.verdict);
        let same = same.count();
        same >= VOICES && same > self.others.len().saturating_sub(same)
    }
}

impl Resyncs {
    /// Whether something is to be said to this question, or is held back.
    pub(super) fn is_to_say(&self, about: &[u8; 32]) -> bool {
        let is_it =
            |p: &Planned| matches!(&p.answer, Planning::Stand(s) if s.stand.about == *about);
        self.planned.iter().any(is_it)
    }

    /// Makes room for an answer that somebody waits for.
    pub(super) fn forget_one_held_back(&mut self) {
        let is_held = |p: &Planned| matches!(&p.answer, Planning::Stand(s) if s.is_held_back);
        if let Some(place) = self.planned.iter().position(is_held) {
            self.planned.swap_remove(place);
        }
    }
}

impl Engine {
    /// Says it, unless enough others have.
    pub(super) fn say(&mut self, channel: u32, saying: Saying, now: Time) -> Result<(), Error> {
        if !saying.is_said() {
            return self.send_transient(channel, &ChannelMessage::Stand(saying.stand), now);
        }
        if !saying.is_held_back {
            let answer = Planning::Stand(Saying {
                is_held_back: true,
                ..saying
            });
            let at = now.plus_ms(HELD_BACK_MS);
            self.resyncs.plan(Planned {
                at,
                channel,
                answer,
            });
        }
        Ok(())
    }

    /// A member says something to a question that this device may have an answer to as well.
    pub(super) fn somebody_says(&mut self, stand: &Stand, now: Time) {
        let mut is_wanted = false;
        for planned in &mut self.resyncs.planned {
            if let Planning::Stand(saying) = &mut planned.answer
                && saying.stand.about == stand.about
            {
                saying.others.insert(stand.account, stand.verdict);
                is_wanted = saying.is_held_back && !saying.is_said();
            }
        }
        if is_wanted {
            self.contradict(&stand.about, now);
        }
    }

    /// What was held back is to be said after all, soon.
    fn contradict(&mut self, about: &[u8; 32], now: Time) {
        let at = now.plus_ms(self.below(CONTRADICT_MS));
        for planned in &mut self.resyncs.planned {
            if matches!(&planned.answer, Planning::Stand(s) if s.stand.about == *about) {
                planned.at = planned.at.min(at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use sori_mls::AccountKey;

    use super::{Saying, VOICES};
    use crate::envelope::{Stand, Verdict};

    fn saying(verdict: Verdict, others: impl IntoIterator<Item = Verdict>) -> Saying {
        let mut saying = Saying::new(Stand {
            about: [1; 32],
            account: AccountKey::from_bytes(&[0; 32]).id(),
            verdict,
            signature: Vec::new(),
        });
        for (number, verdict) in (1..).zip(others) {
            let account = AccountKey::from_bytes(&[number; 32]).id();
            saying.others.insert(account, verdict);
        }
        saying
    }

    #[test]
    fn what_enough_say_is_said() {
        let others = |count| std::iter::repeat_n(Verdict::Follows, count);
        assert!(!saying(Verdict::Follows, others(VOICES - 1)).is_said());
        assert!(saying(Verdict::Follows, others(VOICES)).is_said());
        assert!(!saying(Verdict::Elsewhere, others(VOICES)).is_said());
    }

    /// However many say otherwise, those who know better speak until they are more.
    #[test]
    fn as_many_who_say_otherwise_silence_nobody() {
        let others = |same: usize, otherwise| {
            let same = std::iter::repeat_n(Verdict::Follows, same);
            same.chain(std::iter::repeat_n(Verdict::Elsewhere, otherwise))
        };
        assert!(!saying(Verdict::Follows, others(VOICES, VOICES)).is_said());
        assert!(!saying(Verdict::Follows, others(20, 30)).is_said());
        assert!(saying(Verdict::Follows, others(31, 30)).is_said());
    }
}
