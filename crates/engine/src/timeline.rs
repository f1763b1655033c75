//! The index of a group's timeline: which lines there are, in the order that all members agree
//! on, and which later messages change them.

use std::collections::{BTreeMap, BTreeSet};

use sori_content::{Meaning, MimiContent};

use crate::record::{Body, MessageIdBytes, MessageRecord};

/// The place of a line: the sender's clock, then the id.
pub(crate) type Place = (u64, MessageIdBytes);

/// The index. Rebuilt from the store when a group is first used.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    lines: BTreeMap<Place, u64>,
    known: BTreeMap<MessageIdBytes, Entry>,
    changes: BTreeMap<MessageIdBytes, BTreeSet<Place>>,
    /// Own messages that some member is not known to hold.
    pub(crate) undelivered: BTreeSet<u64>,
}

/// Where a message is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) clock: u64,
    pub(crate) sequence: u64,
}

/// Whether a message is a line of its own or a change to one.
pub(crate) enum Part {
    /// A line.
    Line,
    /// A change to the line with this id.
    Change(MessageIdBytes),
}

impl Timeline {
    /// Puts a message into the index.
    pub(crate) fn insert(&mut self, record: &MessageRecord, sequence: u64) {
        self.known.insert(
            record.id,
            Entry {
                clock: record.clock,
                sequence,
            },
        );
        match part(&record.body) {
            Part::Line => {
                self.lines.insert((record.clock, record.id), sequence);
            }
            Part::Change(target) => {
                self.changes
                    .entry(target)
                    .or_default()
                    .insert((record.clock, record.id));
            }
        }
    }

    /// Takes a line out.
    pub(crate) fn remove(&mut self, id: &MessageIdBytes) -> Option<u64> {
        let entry = self.known.remove(id)?;
        self.lines.remove(&(entry.clock, *id));
        Some(entry.sequence)
    }

    pub(crate) fn find(&self, id: &MessageIdBytes) -> Option<Entry> {
        self.known.get(id).copied()
    }

    /// Whether the id names a line.
    pub(crate) fn is_line(&self, id: &MessageIdBytes) -> bool {
        self.known
            .get(id)
            .is_some_and(|entry| self.lines.contains_key(&(entry.clock, *id)))
    }

    /// The changes to a line, in their order.
    pub(crate) fn changes(&self, id: &MessageIdBytes) -> Vec<u64> {
        self.changes
            .get(id)
            .into_iter()
            .flatten()
            .filter_map(|(_, change)| self.known.get(change).map(|entry| entry.sequence))
            .collect()
    }

    /// Lines before a place (all, if there is none), newest first.
    pub(crate) fn newest_before(&self, before: Option<Place>) -> impl Iterator<Item = u64> {
        let end = before.unwrap_or((u64::MAX, [u8::MAX; 32]));
        self.lines.range(..end).rev().map(|(_, sequence)| *sequence)
    }
}

/// Whether a body is a line or a change.
pub(crate) fn part(body: &Body) -> Part {
    let content = match body {
        Body::Content(content) => content,
        Body::Wiped(target) => return Part::Change(*target),
        Body::Deleted | Body::Notice(_) => return Part::Line,
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
