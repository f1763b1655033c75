//! How the person arranged their conversations on this device: drafts, what stands first, what is put away, and
//! after which time what they write disappears. Nobody else hears of any of it.

use serde::{Deserialize, Serialize};
use sori_content::{Expiration, MimiContent};

use crate::engine::Engine;
use crate::error::Error;
use crate::group::Group;
use crate::messages::parse_group;
use crate::table;
use crate::time::Time;
use crate::view::ArrangementView;

/// Longest draft, in bytes of UTF-8: as long as a message, and markers of the front end.
pub const DRAFT_LEN_MAX: usize = 64 * 1024;
/// Shortest and longest time after which messages disappear, in seconds: a minute, and a year.
const TIMER_S: std::ops::RangeInclusive<u32> = 60..=31_536_000;

/// What is to change; `None` leaves it as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrange {
    /// What was written and not sent; an empty text for none.
    pub draft: Option<String>,
    /// Whether it stands before the others.
    pub pinned: Option<bool>,
    /// Whether it is put away, until somebody says something.
    pub archived: Option<bool>,
    /// Seconds after which what is written from now on disappears; zero for never.
    pub timer_s: Option<u32>,
}

/// [`ArrangementView`] in storage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ArrangementRecord {
    pub(crate) draft: String,
    pub(crate) pinned: bool,
    /// The number that the next message had when it was put away.
    pub(crate) archived_at: Option<u64>,
    pub(crate) timer_s: Option<u32>,
}

impl Engine {
    /// Arranges a conversation on this device.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the group, [`Error::OutOfBounds`] for a draft or a time.
    pub fn group_arrange(
        &mut self,
        group: &str,
        change: Arrange,
        _now: Time,
    ) -> Result<ArrangementView, Error> {
        let id = parse_group(group)?;
        let change = checked(change)?;
        self.atomically(|engine| {
            engine.with_group(id, |engine, group| {
                let before = engine.arrangement(group)?;
                let mut record = before.clone();
                record.apply(change, group.cursor.next_message);
                if record != before {
                    engine.save_arrangement(group, &record)?;
                }
                // Whoever types is not told of their own typing.
                if (record.pinned, record.archived_at, record.timer_s)
                    != (before.pinned, before.archived_at, before.timer_s)
                {
                    engine.group_changed(group);
                }
                engine.arrangement_view(group)
            })
        })
    }

    pub(crate) fn arrangement(&self, group: &Group) -> Result<ArrangementRecord, Error> {
        let record = self.get(table::ARRANGEMENT, &table::one(group.record.number))?;
        Ok(record.unwrap_or_default())
    }

    /// After how many seconds a message disappears that is written now: the shortest of the times that the group, this
    /// device for the conversation, and the person for the message have chosen.
    pub(crate) fn timer(
        &self,
        group: &mut Group,
        message: Option<u32>,
    ) -> Result<Option<u32>, Error> {
        let own = self.arrangement(group)?.timer_s;
        let all = self.group_data(group)?.disappearing_seconds;
        Ok([message, own, all].into_iter().flatten().min())
    }

    pub(crate) fn arrangement_view(&self, group: &Group) -> Result<ArrangementView, Error> {
        let record = self.arrangement(group)?;
        Ok(ArrangementView {
            draft: record.draft,
            pinned: record.pinned,
            archived: record.archived_at == Some(group.cursor.next_message),
            timer_s: record.timer_s,
        })
    }

    /// A former draft cannot be read any more: the table keeps a key for each record.
    fn save_arrangement(&mut self, group: &Group, record: &ArrangementRecord) -> Result<(), Error> {
        let key = table::one(group.record.number);
        if *record == ArrangementRecord::default() {
            return self.delete(table::ARRANGEMENT, &key);
        }
        self.put(table::ARRANGEMENT, &key, record)
    }
}

impl ArrangementRecord {
    fn apply(&mut self, change: Arrange, next_message: u64) {
        if let Some(draft) = change.draft {
            self.draft = draft;
        }
        if let Some(pinned) = change.pinned {
            self.pinned = pinned;
        }
        if let Some(archived) = change.archived {
            self.archived_at = archived.then_some(next_message);
        }
        if let Some(timer_s) = change.timer_s {
            self.timer_s = (timer_s > 0).then_some(timer_s);
        }
    }
}

/// Content that disappears after a time, where one is set.
pub(crate) trait WithTimer {
    /// The same, gone `timer_s` seconds after `now`.
    fn with_timer(self, timer_s: Option<u32>, now: Time) -> Self;
}

impl WithTimer for MimiContent {
    fn with_timer(self, timer_s: Option<u32>, now: Time) -> Self {
        let at = |seconds: u32| {
            now.unix_ms()
                .div_ceil(1000)
                .saturating_add(u64::from(seconds))
        };
        let at = timer_s.and_then(|seconds| u32::try_from(at(seconds)).ok());
        match at {
            Some(unix_seconds) => self.with_expiry(Expiration::Absolute { unix_seconds }),
            None => self,
        }
    }
}

fn checked(change: Arrange) -> Result<Arrange, Error> {
    let is_long = |draft: &String| draft.len() > DRAFT_LEN_MAX;
    if change.draft.as_ref().is_some_and(is_long) {
        return Err(Error::OutOfBounds {
            what: "a draft",
            bounds: "at most 64 KiB of text",
        });
    }
    checked_timer(change.timer_s.filter(|seconds| *seconds > 0))?;
    Ok(change)
}

/// A time after which messages disappear, if it is one that can be chosen.
pub(crate) fn checked_timer(seconds: Option<u32>) -> Result<Option<u32>, Error> {
    if seconds.is_some_and(|seconds| !TIMER_S.contains(&seconds)) {
        return Err(Error::OutOfBounds {
            what: "the time after which messages disappear",
            bounds: "between a minute and a year",
        });
    }
    Ok(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::large::Large;

    #[test]
    fn an_arrangement_is_kept_over_a_restart_and_a_part_of_it_changes_alone() {
        let mut large = Large::new(3, 2);
        let (id, now) = (large.id.to_string(), large.now());
        let mut arrange = |change| large.engine.group_arrange(&id, change, now).unwrap();
        let draft = Arrange {
            draft: Some("half a sent".to_owned()),
            ..Arrange::default()
        };
        arrange(draft);
        let pin = Arrange {
            pinned: Some(true),
            ..Arrange::default()
        };
        let view = arrange(pin);
        assert_eq!((view.draft.as_str(), view.pinned), ("half a sent", true));
        large.commit();
        let disk = large.disk.clone();
        drop(large);
        let store = sori_store::Store::open_memory(&disk, [9; 32]).unwrap();
        let mut engine = Engine::open(store, [8; 32], now).unwrap();
        let list = engine.group_list(now).unwrap();
        assert_eq!(list[0].arrangement, view);
        let none = Arrange {
            draft: Some(String::new()),
            pinned: Some(false),
            ..Arrange::default()
        };
        let view = engine.group_arrange(&id, none, now).unwrap();
        assert_eq!(view, ArrangementView::default());
        assert!(
            engine
                .store
                .range(table::ARRANGEMENT, &[])
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn what_is_put_away_comes_back_when_somebody_says_something() {
        let mut large = Large::new(3, 2);
        let (id, now) = (large.id.to_string(), large.now());
        let away = Arrange {
            archived: Some(true),
            ..Arrange::default()
        };
        assert!(large.engine.group_arrange(&id, away, now).unwrap().archived);
        large.say(1, "hello");
        let list = large.engine.group_list(now).unwrap();
        assert!(!list[0].arrangement.archived);
    }

    #[test]
    fn what_is_written_under_a_timer_disappears_for_all() {
        let mut large = Large::new(3, 2);
        let (id, now) = (large.id.to_string(), large.now());
        let timer = |seconds| Arrange {
            timer_s: Some(seconds),
            ..Arrange::default()
        };
        for wrong in [1, 59, 31_536_001] {
            assert!(large.engine.group_arrange(&id, timer(wrong), now).is_err());
        }
        large.engine.group_arrange(&id, timer(3600), now).unwrap();
        large.engine.message_send(&id, "goes", None, now).unwrap();
        large.engine.group_arrange(&id, timer(0), now).unwrap();
        large.engine.message_send(&id, "stays", None, now).unwrap();
        let list = |large: &mut Large| {
            let now = large.now();
            let notices = crate::Notices::Left;
            let list = large.engine.message_list(&id, None, 10, notices, now);
            list.unwrap()
        };
        let said = list(&mut large);
        let expires = said[1].expires_at.unwrap();
        assert!(expires >= now.unix_ms() + 3_600_000 && expires <= now.unix_ms() + 3_720_000);
        assert_eq!(said[0].expires_at, None);
        large.wait(3_800_000);
        let left: Vec<_> = list(&mut large).into_iter().map(|m| m.text).collect();
        assert_eq!(left, ["stays"]);
    }
}
