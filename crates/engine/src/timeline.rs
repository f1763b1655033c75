//! A group's timeline: which lines there are, in the order that all members agree on, and which
//! later messages change them.
//!
//! ```text
//!  messages  by arrival:  0 1 2 3 ... │ ... n     one record each, the only truth
//!                                     │
//!  pages     by place:    [ 256 lines ][ 256 lines ]   and the tail in memory:
//!            directory:   first place of each page     what came since the last fold
//! ```
//!
//! Lines are kept in pages by place, and a directory tells where each page begins. The latest
//! arrivals are in no page yet: they are read again from their records at the first use, and
//! folded into the pages [`TAIL_MAX`] at a time, so that a message that arrives costs no page. In
//! memory are the directory (some bytes for each 256 lines) and the tail.
//!
//! A message is found by its id through a record of its own, and what changes it lies beside that
//! record. All of it is staged in the step that brings the message, so nothing can be out of step.

mod window;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sori_content::{Meaning, MimiContent};

use crate::engine::Engine;
use crate::error::Error;
use crate::group::Group;
use crate::record::{Body, MessageIdBytes, MessageRecord};
use crate::table;

/// The place of a line: the sender's clock, then the id.
pub(crate) type Place = (u64, MessageIdBytes);

/// Most lines in a page.
const PAGE_MAX: usize = 256;
/// Arrivals that may be in no page. As many records are read when a group is first used.
const TAIL_MAX: u64 = 64;

/// What is in memory of a timeline.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    directory: Directory,
    tail: BTreeMap<Place, u64>,
}

/// Where the pages begin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Directory {
    /// Lower bound of the places in each page, and its number; ascending.
    pages: Vec<(Place, u32)>,
    next_page: u32,
}

/// A line: its place and the number of its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) place: Place,
    pub(crate) sequence: u64,
}

/// What is found under the id of a message. It tells neither when nor by whom: see
/// [`table::LINK`].
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Link {
    /// The message with the number in the key changes the one under whose id this is found.
    ChangedBy,
    /// The message has this number.
    Message(u64),
}

/// Whether a message is a line of its own or a change to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A line.
    Line,
    /// A change to the line with this id.
    Change(MessageIdBytes),
}

impl MessageRecord {
    pub(crate) const fn place(&self) -> Place {
        (self.clock, self.id)
    }
}

impl Engine {
    /// Puts a message into the timeline. Its record is staged already, with this number.
    pub(crate) fn index_message(
        &mut self,
        group: &mut Group,
        record: &MessageRecord,
        sequence: u64,
    ) -> Result<Part, Error> {
        let part = part(&record.body);
        match part {
            Part::Line => {
                let timeline = self.timeline(group)?;
                timeline.tail.insert(record.place(), sequence);
            }
            Part::Change(target) => {
                let key = change_key(group, &target, sequence);
                self.put(table::LINK, &key, &Link::ChangedBy)?;
            }
        }
        let link = Link::Message(sequence);
        self.put(table::LINK, &link_key(group, &record.id), &link)?;
        let next = sequence.saturating_add(1);
        if next.saturating_sub(group.cursor.indexed) >= TAIL_MAX {
            self.fold_tail(group)?;
            group.cursor.indexed = next;
        }
        Ok(part)
    }

    /// Takes a message out of the timeline.
    pub(crate) fn unindex_message(
        &mut self,
        group: &mut Group,
        record: &MessageRecord,
        sequence: u64,
    ) -> Result<(), Error> {
        self.delete(table::LINK, &link_key(group, &record.id))?;
        match part(&record.body) {
            Part::Line => self.remove_line(group, record.place()),
            Part::Change(target) => self.delete(table::LINK, &change_key(group, &target, sequence)),
        }
    }

    /// Notes that there was a message with an id, so that nothing that changes it is kept any more.
    pub(crate) fn mark_gone(
        &mut self,
        group: &Group,
        id: &MessageIdBytes,
        sequence: u64,
    ) -> Result<(), Error> {
        self.put(table::LINK, &link_key(group, id), &Link::Message(sequence))
    }

    /// Whether there was a message with an id that has disappeared.
    pub(crate) fn is_gone(&self, group: &Group, id: &MessageIdBytes) -> Result<bool, Error> {
        match self.get(table::LINK, &link_key(group, id))? {
            Some(Link::Message(sequence)) => Ok(self.message_record(group, sequence)?.is_none()),
            Some(Link::ChangedBy) | None => Ok(false),
        }
    }

    /// The message with an id, if there is one, and its number.
    pub(crate) fn find_message(
        &self,
        group: &Group,
        id: &MessageIdBytes,
    ) -> Result<Option<(u64, MessageRecord)>, Error> {
        match self.get(table::LINK, &link_key(group, id))? {
            Some(Link::Message(sequence)) => {
                let record = self.message_record(group, sequence)?;
                Ok(record.map(|record| (sequence, record)))
            }
            Some(Link::ChangedBy) | None => Ok(None),
        }
    }

    /// The line with an id, if there is one, and its number.
    pub(crate) fn find_line(
        &self,
        group: &Group,
        id: &MessageIdBytes,
    ) -> Result<Option<(u64, MessageRecord)>, Error> {
        let found = self.find_message(group, id)?;
        Ok(found.filter(|(_, record)| part(&record.body) == Part::Line))
    }

    /// The messages that change a line, in their order, and their numbers.
    pub(crate) fn changes(
        &self,
        group: &Group,
        id: &MessageIdBytes,
    ) -> Result<Vec<(u64, MessageRecord)>, Error> {
        let mut changes = Vec::new();
        for (sequence, link) in self.scan::<Link>(table::LINK, &link_key(group, id))? {
            if matches!(link, Link::ChangedBy)
                && let Some(record) = self.message_record(group, sequence)?
            {
                changes.push((sequence, record));
            }
        }
        changes.sort_unstable_by_key(|(_, record)| record.place());
        Ok(changes)
    }

    /// At most `count` lines before a place (before the end, if there is none), newest first.
    pub(crate) fn lines_before(
        &self,
        group: &mut Group,
        before: Option<Place>,
        count: usize,
    ) -> Result<Vec<Line>, Error> {
        let number = group.record.number;
        let timeline = self.timeline(group)?;
        let end = before.unwrap_or((u64::MAX, [u8::MAX; 32]));
        let tail = timeline.tail.range(..end).rev().take(count);
        let mut lines: Vec<Line> = tail
            .map(|(place, sequence)| Line {
                place: *place,
                sequence: *sequence,
            })
            .collect();
        let mut paged = 0_usize;
        for (first, page) in timeline.directory.pages.iter().rev() {
            if paged >= count {
                break;
            }
            if *first < end {
                let page = self.page(number, *page)?;
                let older = page.into_iter().rev().filter(|line| line.place < end);
                let before = lines.len();
                lines.extend(older.take(count.saturating_sub(paged)));
                paged = paged.saturating_add(lines.len().saturating_sub(before));
            }
        }
        lines.sort_unstable_by(|a, b| b.cmp(a));
        lines.truncate(count);
        Ok(lines)
    }

    /// What is in memory of the timeline, read when first needed.
    fn timeline<'a>(&self, group: &'a mut Group) -> Result<&'a mut Timeline, Error> {
        if group.timeline.is_none() {
            let directory = self.get(table::ORDER, &table::one(group.record.number))?;
            let mut timeline = Timeline {
                directory: directory.unwrap_or_default(),
                tail: BTreeMap::new(),
            };
            for sequence in group.cursor.indexed..group.cursor.next_message {
                if let Some(record) = self.message_record(group, sequence)?
                    && part(&record.body) == Part::Line
                {
                    timeline.tail.insert(record.place(), sequence);
                }
            }
            group.timeline = Some(timeline);
        }
        group.timeline.as_mut().ok_or(Error::Internal("timeline"))
    }

    fn page(&self, group: u32, page: u32) -> Result<Vec<Line>, Error> {
        let lines = self.get(table::ORDER, &table::page(group, page))?;
        lines.ok_or(Error::Internal("page of a timeline"))
    }

    /// Moves the tail into the pages.
    fn fold_tail(&mut self, group: &mut Group) -> Result<(), Error> {
        let number = group.record.number;
        let timeline = self.timeline(group)?;
        let before = timeline.directory.clone();
        let mut directory = before.clone();
        let mut lines: Vec<Line> = std::mem::take(&mut timeline.tail)
            .into_iter()
            .map(|(place, sequence)| Line { place, sequence })
            .collect();
        // From the end, so that new pages move none that is still to come.
        while let Some(last) = lines.last() {
            let index = directory.index_of(last.place);
            let first = directory.pages.get(index).map(|(first, _)| *first);
            // The first page takes what is before it, too.
            let from = match (index, first) {
                (0, _) | (_, None) => 0,
                (_, Some(first)) => lines.partition_point(|line| line.place < first),
            };
            let new = lines.split_off(from);
            self.fold_into_page(number, &mut directory, index, new)?;
        }
        if directory != before {
            self.put(table::ORDER, &table::one(number), &directory)?;
        }
        self.timeline(group)?.directory = directory;
        Ok(())
    }

    /// Merges lines into the page at `index` of the directory, and cuts it where it grows too
    /// long.
    fn fold_into_page(
        &mut self,
        group: u32,
        directory: &mut Directory,
        index: usize,
        new: Vec<Line>,
    ) -> Result<(), Error> {
        let old = match directory.pages.get(index) {
            Some((_, page)) => self.page(group, *page)?,
            None => Vec::new(),
        };
        let appends = old.last() < new.first();
        let mut lines = old.clone();
        lines.extend(new);
        lines.sort_unstable();
        // Where lines come one after the other, pages are filled; elsewhere room is left.
        let len = match appends || lines.len() <= PAGE_MAX {
            true => PAGE_MAX,
            false => lines.len().div_ceil(lines.len().div_ceil(PAGE_MAX)),
        };
        for (offset, lines) in lines.chunks(len).enumerate() {
            let Some(first) = lines.first() else { continue };
            let index = index.saturating_add(offset);
            let page = match directory.pages.get_mut(index).filter(|_| offset == 0) {
                Some((bound, page)) => {
                    *bound = (*bound).min(first.place);
                    *page
                }
                None => directory.insert(index, first.place),
            };
            if offset > 0 || lines != old {
                self.put(table::ORDER, &table::page(group, page), &lines)?;
            }
        }
        Ok(())
    }

    fn remove_line(&mut self, group: &mut Group, place: Place) -> Result<(), Error> {
        let number = group.record.number;
        let timeline = self.timeline(group)?;
        if timeline.tail.remove(&place).is_some() {
            return Ok(());
        }
        let index = timeline.directory.index_of(place);
        let Some((_, page)) = timeline.directory.pages.get(index).copied() else {
            return Ok(());
        };
        let mut lines = self.page(number, page)?;
        lines.retain(|line| line.place != place);
        if !lines.is_empty() {
            return self.put(table::ORDER, &table::page(number, page), &lines);
        }
        timeline.directory.pages.remove(index);
        let directory = timeline.directory.clone();
        self.delete(table::ORDER, &table::page(number, page))?;
        self.put(table::ORDER, &table::one(number), &directory)
    }
}

impl Directory {
    /// The place in the directory of the page that a line belongs to; zero if there is none yet.
    fn index_of(&self, place: Place) -> usize {
        self.pages
            .partition_point(|(first, _)| *first <= place)
            .saturating_sub(1)
    }

    /// Puts a new page at a place in the directory. Its number.
    fn insert(&mut self, index: usize, first: Place) -> u32 {
        let page = self.next_page;
        self.next_page = page.saturating_add(1);
        self.pages
            .insert(index.min(self.pages.len()), (first, page));
        page
    }
}

fn link_key(group: &Group, id: &MessageIdBytes) -> Vec<u8> {
    table::link(group.record.number, &group.record.seed, id)
}

fn change_key(group: &Group, line: &MessageIdBytes, sequence: u64) -> Vec<u8> {
    table::change(group.record.number, &group.record.seed, line, sequence)
}

/// Whether a body is a line or a change.
pub(crate) fn part(body: &Body) -> Part {
    let content = match body {
        Body::Content(content) => content,
        Body::Wiped(target) => return Part::Change(*target),
        Body::Deleted | Body::Notice(_) | Body::Replaced { .. } => return Part::Line,
    };
    let Ok(content) = MimiContent::decode(content) else {
        return Part::Line;
    };
    match content.meaning() {
        Meaning::Delete { replaces, .. } | Meaning::Edit { replaces, .. } => {
            Part::Change(*replaces.as_bytes())
        }
        Meaning::Reaction { on, .. } => Part::Change(*on.as_bytes()),
        Meaning::Unreact { replaces, on, .. } => Part::Change(*on.unwrap_or(replaces).as_bytes()),
        Meaning::Text { .. } | Meaning::Unknown { .. } => Part::Line,
    }
}

#[cfg(test)]
mod tests;
