//! What draws the person's attention to a conversation and what does not: for how long it is muted, and whether somebody
//! has named them in what they have not read. Nobody else hears of any of it.

use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::error::Error;
use crate::group::Group;
use crate::messages::parse_group;
use crate::table;
use crate::time::Time;

/// Shortest and longest time for which a conversation is muted, in seconds: a second, and a year.
const MUTE_S: std::ops::RangeInclusive<u32> = 1..=31_536_000;

/// For how long a conversation is to draw no attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mute {
    /// It is heard again.
    Off,
    /// For so many seconds, at most a year.
    For(u32),
    /// Until somebody chooses otherwise.
    Always,
}

/// What there is of it in storage, beside whether the conversation is muted at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AttentionRecord {
    /// When muting ends, in milliseconds since the Unix epoch.
    pub(crate) muted_until: Option<u64>,
    /// Whether a message that counts as unread names this account.
    pub(crate) named: bool,
}

/// How it stands at some moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attention {
    pub(crate) muted: bool,
    pub(crate) muted_until: Option<u64>,
    pub(crate) named: bool,
}

impl Engine {
    /// Mutes a conversation, or lets it be heard again. What arrives is kept and counted all the same; it is for front ends
    /// not to draw attention to it.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::OutOfBounds`] for the time.
    pub fn group_mute(&mut self, group: &str, mute: Mute, now: Time) -> Result<(), Error> {
        let id = parse_group(group)?;
        let muted_until = match mute {
            Mute::For(seconds) if !MUTE_S.contains(&seconds) => {
                return Err(Error::OutOfBounds {
                    what: "the time for which a conversation is muted",
                    bounds: "between a second and a year",
                });
            }
            Mute::For(seconds) => Some(now.unix_ms().saturating_add(u64::from(seconds) * 1000)),
            Mute::Off | Mute::Always => None,
        };
        self.atomically(|engine| {
            engine.with_group(id, |engine, group| {
                let record = engine.attention_record(group)?;
                let record = AttentionRecord {
                    muted_until,
                    ..record
                };
                engine.save_attention(group, record)?;
                engine.group_changed(group);
                Ok(())
            })?;
            engine.mute(id, mute != Mute::Off)
        })
    }

    /// How a conversation stands at `now`.
    pub(crate) fn attention(&self, group: &Group, now: Time) -> Result<Attention, Error> {
        let record = self.attention_record(group)?;
        let ended = (record.muted_until).is_some_and(|until| until <= now.unix_ms());
        let muted = self.prefs.of(&group.record.id).muted && !ended;
        Ok(Attention {
            muted,
            muted_until: record.muted_until.filter(|_| muted),
            named: record.named,
        })
    }

    /// Notes whether what is unread names this account.
    pub(crate) fn note_named(&mut self, group: &Group, named: bool) -> Result<(), Error> {
        let record = self.attention_record(group)?;
        if record.named == named {
            return Ok(());
        }
        self.save_attention(group, AttentionRecord { named, ..record })
    }

    /// Whether a text names this account: a link to its address (docs/protocol.md, section 8).
    pub(crate) fn names_me(&self, text: &str) -> Result<bool, Error> {
        Ok(text.contains(&format!("](sori:a/{})", self.me()?.id)))
    }

    fn attention_record(&self, group: &Group) -> Result<AttentionRecord, Error> {
        let record = self.get(table::ATTENTION, &table::one(group.record.number))?;
        Ok(record.unwrap_or_default())
    }

    fn save_attention(&mut self, group: &Group, record: AttentionRecord) -> Result<(), Error> {
        let key = table::one(group.record.number);
        if record == AttentionRecord::default() {
            return self.delete(table::ATTENTION, &key);
        }
        self.put(table::ATTENTION, &key, &record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::large::Large;

    #[test]
    fn a_conversation_is_muted_for_a_time_and_heard_again() {
        let mut large = Large::new(3, 2);
        let id = large.id.to_string();
        let listed = |large: &mut Large| {
            let now = large.now();
            large.engine.group_list(now).unwrap().remove(0)
        };
        for wrong in [0, 31_536_001] {
            let now = large.now();
            assert!(large.engine.group_mute(&id, Mute::For(wrong), now).is_err());
        }
        let now = large.now();
        large.engine.group_mute(&id, Mute::For(3600), now).unwrap();
        let view = listed(&mut large);
        let until = now.unix_ms() + 3_600_000;
        assert_eq!((view.muted, view.muted_until), (true, Some(until)));
        large.wait(3_600_000);
        let view = listed(&mut large);
        assert_eq!((view.muted, view.muted_until), (false, None));
        let now = large.now();
        large.engine.group_mute(&id, Mute::Always, now).unwrap();
        large.wait(3_600_000);
        assert!(listed(&mut large).muted);
        let now = large.now();
        large.engine.group_mute(&id, Mute::Off, now).unwrap();
        assert!(!listed(&mut large).muted);
        let left = large.engine.store.range(table::ATTENTION, &[]).unwrap();
        assert!(left.is_empty());
    }

    #[test]
    fn who_is_named_sees_it_until_they_have_read() {
        let mut large = Large::new(3, 2);
        let id = large.id.to_string();
        let named = |large: &mut Large| {
            let now = large.now();
            large.engine.group_list(now).unwrap().remove(0).named
        };
        large.say(1, "hello");
        assert!(!named(&mut large));
        let me = large.engine.me().unwrap().id;
        large.say(1, &format!("[@Ada](sori:a/{me}) are you there?"));
        large.say(1, "well");
        assert!(named(&mut large));
        let now = large.now();
        large.engine.mark_read(&id, now).unwrap();
        assert!(!named(&mut large));
    }
}
