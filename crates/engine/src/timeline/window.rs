//! A piece of a timeline around one of its lines, and where what is unread begins: what a window
//! needs that shows a long conversation without holding it.

use std::ops::Bound;

use sori_content::MessageId;

use super::{Line, Place};
use crate::engine::Engine;
use crate::error::Error;
use crate::group::Group;
use crate::messages::{parse_group, parse_message};
use crate::record::Body;
use crate::time::Time;
use crate::view::WindowView;

/// Most lines on either side in one answer.
const SIDE_MAX: u32 = 500;
/// Lines that are looked at in one go for the first unread one.
const STRIDE: usize = 256;

impl Engine {
    /// The line `id` with at most `before` older and `after` newer lines, each at most 500, newest first,
    /// notices among them.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the group or the line.
    pub fn message_around(
        &mut self,
        group: &str,
        id: &str,
        (before, after): (u32, u32),
        _now: Time,
    ) -> Result<WindowView, Error> {
        let (group, id) = (parse_group(group)?, parse_message(id)?);
        let side = |count: u32| usize::try_from(count.min(SIDE_MAX)).unwrap_or(0);
        let (before, after) = (side(before), side(after));
        self.with_group(group, |engine, group| {
            let found = engine.find_line(group, &id)?;
            let (sequence, record) = found.ok_or(Error::NotFound("message"))?;
            let place = record.place();
            // One more than asked for tells whether there are more.
            let mut later = engine.lines_after(group, place, after.saturating_add(1))?;
            let mut earlier = engine.lines_before(group, Some(place), before.saturating_add(1))?;
            let has_later = later.len() > after;
            let has_earlier = earlier.len() > before;
            later.truncate(after);
            earlier.truncate(before);
            let mut messages = Vec::new();
            let this = Line { place, sequence };
            for line in later.into_iter().rev().chain([this]).chain(earlier) {
                if let Some(record) = engine.message_record(group, line.sequence)? {
                    messages.push(engine.message_view(group, &record)?);
                }
            }
            Ok(WindowView {
                messages,
                earlier: has_earlier,
                later: has_later,
            })
        })
    }

    /// The id of the oldest message that counts as unread; `None` if everything is read.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the group.
    pub fn message_unread(&mut self, group: &str, _now: Time) -> Result<Option<String>, Error> {
        let id = parse_group(group)?;
        self.with_group(id, |engine, group| {
            let me = engine.me()?.id;
            let (mut left, mut before, mut found) = (group.cursor.unread, None, None);
            while left > 0 {
                let lines = engine.lines_before(group, before, STRIDE)?;
                let Some(last) = lines.last() else { break };
                before = Some(last.place);
                for line in lines {
                    let record = engine.message_record(group, line.sequence)?;
                    let theirs = record.filter(|record| {
                        record.sender != me && !matches!(record.body, Body::Notice(_))
                    });
                    if let (Some(record), true) = (theirs, left > 0) {
                        found = Some(MessageId::from_bytes(record.id).to_string());
                        left = left.saturating_sub(1);
                    }
                }
            }
            Ok(found)
        })
    }

    /// At most `count` lines after a place, oldest first.
    fn lines_after(
        &self,
        group: &mut Group,
        after: Place,
        count: usize,
    ) -> Result<Vec<Line>, Error> {
        let number = group.record.number;
        let timeline = self.timeline(group)?;
        let newer = (Bound::Excluded(after), Bound::Unbounded);
        let tail = timeline.tail.range(newer).take(count);
        let mut lines: Vec<Line> = tail
            .map(|(place, sequence)| Line {
                place: *place,
                sequence: *sequence,
            })
            .collect();
        let mut paged = 0_usize;
        let first = timeline.directory.index_of(after);
        for (_, page) in timeline.directory.pages.iter().skip(first) {
            if paged >= count {
                break;
            }
            let page = self.page(number, *page)?;
            let newer = page.into_iter().filter(|line| line.place > after);
            let before = lines.len();
            lines.extend(newer.take(count.saturating_sub(paged)));
            paged = paged.saturating_add(lines.len().saturating_sub(before));
        }
        lines.sort_unstable();
        lines.truncate(count);
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    use crate::Notices;
    use crate::large::Large;

    /// Says `count` things and gives the ids of all lines, oldest first.
    fn said(large: &mut Large, count: usize) -> Vec<String> {
        for _ in 0..count {
            large.say(1, "line");
        }
        let (id, now) = (large.id.to_string(), large.now());
        let list = large
            .engine
            .message_list(&id, None, 1000, Notices::Shown, now);
        let ids = list.unwrap().into_iter().rev().map(|line| line.id);
        ids.collect()
    }

    #[test]
    fn a_window_is_what_lies_around_a_line_and_says_whether_there_is_more() {
        let mut large = Large::new(3, 2);
        // More than a page and a tail.
        let ids = said(&mut large, 600);
        let (id, now) = (large.id.to_string(), large.now());
        for at in [0, 1, 255, 256, 300, ids.len() - 2, ids.len() - 1] {
            for (before, after) in [(0, 0), (3, 5), (500, 500)] {
                let window = large
                    .engine
                    .message_around(&id, &ids[at], (before, after), now)
                    .unwrap();
                let first = at.saturating_sub(usize::try_from(before).unwrap());
                let end = (at + usize::try_from(after).unwrap() + 1).min(ids.len());
                let shown: Vec<_> = window.messages.into_iter().rev().map(|m| m.id).collect();
                assert_eq!(shown, ids[first..end], "{at} {before} {after}");
                assert_eq!(window.earlier, first > 0);
                assert_eq!(window.later, end < ids.len());
            }
        }
        let nowhere = "0".repeat(64);
        let gone = large.engine.message_around(&id, &nowhere, (1, 1), now);
        assert!(gone.is_err());
    }

    #[test]
    fn unread_begins_where_as_many_of_others_follow() {
        let mut large = Large::new(3, 2);
        let (id, now) = (large.id.to_string(), large.now());
        said(&mut large, 5);
        large.engine.mark_read(&id, now).unwrap();
        assert_eq!(large.engine.message_unread(&id, now).unwrap(), None);
        let before = said(&mut large, 0).len();
        large.engine.message_send(&id, "mine", None, now).unwrap();
        let ids = said(&mut large, 300);
        let first = large.engine.message_unread(&id, now).unwrap();
        assert_eq!(first.as_deref(), Some(ids[before + 1].as_str()));
    }
}
