//! Messages that disappear by themselves, at the time that their sender has set (MIMI `expires`).
//!
//! They share keys with those that end in the same minute, so that one overwritten key ends them
//! all. What changes such a message ends with it. What stays is that there was a message with its
//! id ([`table::LINK`]), so that an edit which comes late finds out that it is too late.
//!
//! Times after reading are not honoured: nobody says when something was read.

use sori_content::{Expiration, MimiContent};
use sori_store::Class;

use crate::engine::Engine;
use crate::error::Error;
use crate::record::{Body, MessageRecord};
use crate::table;
use crate::time::{DAY_MS, Time};

/// Milliseconds in a minute.
const MINUTE_MS: u64 = 60_000;
/// Times further away are not meant, in days.
const EXPIRY_DAYS_MAX: u64 = 366;

/// A minute since 1970: when messages disappear.
pub(crate) type Minute = u32;

/// The first minute at which a message is to be gone; `None` if it stays.
pub(crate) fn minute_of(body: &Body, now: Time) -> Option<Minute> {
    let Body::Content(content) = body else {
        return None;
    };
    let expires = MimiContent::decode(content).ok()?.expires?;
    let Expiration::Absolute { unix_seconds } = expires else {
        return None;
    };
    let at = Time::from_unix_ms(u64::from(unix_seconds).saturating_mul(1000));
    let latest = now.plus_ms(EXPIRY_DAYS_MAX.saturating_mul(DAY_MS));
    (at <= latest).then_some(unix_seconds.div_ceil(60))
}

/// When a minute begins.
pub(crate) fn time_of(minute: Minute) -> Time {
    Time::from_unix_ms(u64::from(minute).saturating_mul(MINUTE_MS))
}

/// Whether a minute has come.
pub(crate) fn is_over(minute: Minute, now: Time) -> bool {
    time_of(minute) <= now
}

/// What shares a key with a message.
pub(crate) const fn class_of(record: &MessageRecord) -> Class {
    match record.expires {
        Some(minute) => Class(minute),
        None => Class::NONE,
    }
}

impl Engine {
    /// Notes when a message disappears.
    pub(crate) fn plan_expiry(
        &mut self,
        group: u32,
        sequence: u64,
        record: &MessageRecord,
    ) -> Result<(), Error> {
        let Some(minute) = record.expires else {
            return Ok(());
        };
        let key = table::one(minute);
        let planned: Option<Vec<(u32, u64)>> = self.get(table::EXPIRY, &key)?;
        let mut planned = planned.unwrap_or_default();
        planned.push((group, sequence));
        self.expiries.insert(minute);
        self.put(table::EXPIRY, &key, &planned)
    }

    pub(crate) fn load_expiries(&mut self) -> Result<(), Error> {
        let planned = self.scan::<Vec<(u32, u64)>>(table::EXPIRY, &[])?;
        self.expiries = planned
            .into_iter()
            .filter_map(|(minute, _)| Minute::try_from(minute).ok())
            .collect();
        Ok(())
    }

    pub(crate) fn expiries_next_timeout(&self) -> Option<Time> {
        self.expiries.first().copied().map(time_of)
    }

    /// Lets disappear what is to be gone by now.
    pub(crate) fn expiries_timeout(&mut self, now: Time) -> Result<(), Error> {
        while let Some(minute) = self.expiries.first().copied() {
            if !is_over(minute, now) {
                break;
            }
            let key = table::one(minute);
            let planned: Option<Vec<(u32, u64)>> = self.get(table::EXPIRY, &key)?;
            for (group, sequence) in planned.unwrap_or_default() {
                self.let_disappear(group, sequence)?;
            }
            self.delete(table::EXPIRY, &key)?;
            self.expiries.remove(&minute);
        }
        Ok(())
    }

    fn let_disappear(&mut self, number: u32, sequence: u64) -> Result<(), Error> {
        let of_number = |group: &crate::group::Group| group.record.number == number;
        let id = self.groups.values().find(|group| of_number(group));
        let Some(id) = id.map(|group| group.record.id) else {
            return Ok(());
        };
        self.with_group(id, |engine, group| {
            engine.take_out(group, sequence)?;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Notices;
    use crate::large::Large;

    fn texts(large: &mut Large) -> Vec<String> {
        let (id, now) = (large.id.to_string(), large.now());
        let list = large.engine.message_list(&id, None, 10, Notices::Left, now);
        list.unwrap().into_iter().map(|m| m.text).collect()
    }

    fn in_seconds(large: &Large, seconds: u64) -> Expiration {
        let unix_seconds = u32::try_from(large.now().unix_ms() / 1000 + seconds).unwrap();
        Expiration::Absolute { unix_seconds }
    }

    #[test]
    fn a_message_disappears_at_its_time_with_all_that_changes_it() {
        let mut large = Large::new(3, 2);
        let text = |n: u8, text: &str| MimiContent::text([n; 16], text);
        let short = in_seconds(&large, 300);
        let long = in_seconds(&large, 100_000);
        large.say_content(1, &text(1, "stays"));
        let first = large.say_content(1, &text(2, "goes").with_expiry(short));
        large.say_content(2, &text(3, "goes later").with_expiry(long));
        large.say_content(2, &MimiContent::reaction([4; 16], "❤", first));
        large.say_content(1, &MimiContent::edit([5; 16], "goes, too", first));
        assert_eq!(texts(&mut large), ["goes later", "goes, too", "stays"]);
        large.wait(200_000);
        assert_eq!(texts(&mut large).len(), 3);
        let due = large.engine.poll_timeout().unwrap();
        assert!(
            due <= large.now().plus_ms(200_000),
            "the timer rings for it"
        );
        large.wait(200_000);
        assert_eq!(texts(&mut large), ["goes later", "stays"]);
        // What comes late for it is not kept, and neither is the message if it comes again.
        large.say_content(1, &MimiContent::edit([6; 16], "too late", first));
        large.say_content(1, &text(7, "over before it came").with_expiry(short));
        assert_eq!(texts(&mut large), ["goes later", "stays"]);
        let messages = large
            .engine
            .scan::<MessageRecord>(table::MESSAGE, &[])
            .unwrap();
        for (_, record) in &messages {
            if let Body::Content(content) = &record.body {
                let content = String::from_utf8_lossy(content);
                assert!(!content.contains("goes, too") && !content.contains("too late"));
            }
        }
        large.wait(100_000_000);
        assert_eq!(texts(&mut large), ["stays"]);
        assert!(
            large
                .engine
                .store
                .range(table::EXPIRY, &[])
                .unwrap()
                .is_empty()
        );
        assert!(large.engine.expiries.is_empty());
    }

    #[test]
    fn nonsense_and_times_after_reading_are_not_honoured() {
        let now = Time::from_unix_ms(1_795_316_400_000);
        let minute = |expiration| {
            let content = MimiContent::text([0; 16], "x").with_expiry(expiration);
            minute_of(&Body::Content(content.encode()), now)
        };
        let absolute = |unix_seconds| Expiration::Absolute { unix_seconds };
        assert_eq!(
            minute(absolute(1_795_316_401)),
            Some(1_795_316_401 / 60 + 1)
        );
        assert_eq!(minute(absolute(u32::MAX)), None);
        assert_eq!(minute(Expiration::Relative { seconds: 60 }), None);
    }
}
