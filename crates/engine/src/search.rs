//! Searching what was said, newest first over all conversations.
//!
//! A search goes back through each conversation page by page, always on in the one that may still hold the
//! newest message. What it finds it holds back until no page that is left can hold anything newer. A call does
//! a bounded piece of work and gives a name under which the search goes on, so that the first results are there
//! at once and nothing else has to wait long.

use std::collections::BTreeMap;
use std::ops::Range;

use sori_mls::GroupId;
use sori_store::search::{Columns, Probe, QUERY_LEN_MAX, Query};

use crate::engine::Engine;
use crate::error::Error;
use crate::filters::{page_of, searched_text, sequence_in};
use crate::group::Group;
use crate::messages::parse_group;
use crate::record::MessageRecord;
use crate::time::Time;
use crate::timeline::{Part, Place, part};
use crate::view::{HitView, MessageKind, PartView, SearchView};

/// Most hits in one answer.
const HITS_MAX: u32 = 200;
/// Searches that can be gone on with. The one that rested longest gives way.
const SEARCHES_MAX: usize = 8;
/// Work in one call, in messages read: about 30 ms on a slow machine. The last page may exceed it.
const WORK_MAX: usize = 2048;
/// What else costs about as much as reading so many messages.
const FILTER_WORK: usize = 3;
const HIT_WORK: usize = 4;

/// The searches that can be gone on with, by when they last were.
#[derive(Default)]
pub(crate) struct Searches {
    resting: BTreeMap<u64, Search>,
    next: u64,
}

/// A search: where it stands in each conversation, and what it holds back.
struct Search {
    query: Query,
    probe: Probe,
    sources: Vec<Source>,
    /// Line → its group and number.
    found: BTreeMap<Place, (GroupId, u64)>,
}

/// A conversation with pages that were not looked at yet.
struct Source {
    group: GroupId,
    /// The page that is next.
    page: u64,
    /// What is left has no higher clock.
    newest: u64,
    /// The part of the page that may match.
    columns: Columns,
    /// What arrived after the search began is not looked at.
    end: u64,
}

impl Engine {
    /// Looks for messages with a text, newest first. `text`: words that all have to be there, anywhere in any
    /// order, whatever the case; in quotation marks they stand together; Korean initial consonants stand for
    /// syllables. `group`: one conversation instead of all. `limit`: at most 200.
    ///
    /// An answer may hold fewer hits than there are, even none, and then says how to go on.
    ///
    /// # Errors
    /// [`Error::OutOfBounds`] if there is nothing to look for or it is too long, [`Error::NotFound`] for the
    /// group.
    pub fn message_search(
        &mut self,
        text: &str,
        group: Option<&str>,
        limit: u32,
        _now: Time,
    ) -> Result<SearchView, Error> {
        let query = Query::parse(text).map_err(|_| Error::OutOfBounds {
            what: "a search text",
            bounds: QUERY_BOUNDS,
        })?;
        let groups: Vec<GroupId> = match group {
            Some(group) => vec![parse_group(group)?],
            None => self.groups.keys().copied().collect(),
        };
        let probe = query.probe(&self.store.filter_key());
        let mut sources = Vec::new();
        for id in groups {
            sources.extend(self.with_group(id, |engine, group| engine.source(group))?);
        }
        let search = Search {
            query,
            probe,
            sources,
            found: BTreeMap::new(),
        };
        self.go_on(search, limit)
    }

    /// Goes on with a search that an earlier answer named. Each name is good for one call.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the search is over, was gone on with, or gave way to later ones.
    pub fn message_search_more(
        &mut self,
        search: &str,
        limit: u32,
        _now: Time,
    ) -> Result<SearchView, Error> {
        let search = self.searches.take(search);
        self.go_on(search.ok_or(Error::NotFound("search"))?, limit)
    }

    fn go_on(&mut self, mut search: Search, limit: u32) -> Result<SearchView, Error> {
        let limit = usize::try_from(limit.clamp(1, HITS_MAX)).unwrap_or(1);
        let mut hits = Vec::new();
        let mut work = 0_usize;
        while hits.len() < limit && work < WORK_MAX {
            let done = if let Some((group, sequence)) = search.take_settled() {
                hits.extend(self.hit(&search.query, group, sequence)?);
                HIT_WORK
            } else if let Some(source) = search.take_newest_source() {
                self.look_at(&mut search, source)?
            } else {
                break;
            };
            work = work.saturating_add(done);
        }
        let searched_to = search.newest_left().map(|clock| clock >> 20);
        let more = (!search.is_over()).then(|| self.searches.keep(search));
        Ok(SearchView {
            hits,
            more,
            searched_to,
        })
    }

    /// A conversation from its newest message on; `None` if it is empty.
    fn source(&self, group: &mut Group) -> Result<Option<Source>, Error> {
        let newest = self.lines_before(group, None, 1)?;
        let end = group.cursor.next_message;
        Ok(newest.first().map(|line| Source {
            group: group.record.id,
            page: page_of(end),
            newest: line.place.0,
            columns: Columns::ALL,
            end,
        }))
    }

    /// Looks at the next page of a conversation and goes on to the one before. How much work it was.
    fn look_at(&self, search: &mut Search, source: Source) -> Result<usize, Error> {
        let Some(group) = self.groups.get(&source.group) else {
            return Ok(0);
        };
        let columns = source.columns.newest_first().flatten();
        let indices: Vec<u8> = columns
            .filter(|index| sequence_in(source.page, *index) < source.end)
            .collect();
        for (index, record) in self.messages_in(group, source.page, &indices)? {
            let sequence = sequence_in(source.page, index);
            if let Some((place, sequence)) =
                self.match_at(group, (sequence, &record), &search.query)?
            {
                search.found.insert(place, (source.group, sequence));
            }
        }
        if let Some(page) = source.page.checked_sub(1) {
            let mut next = Source {
                page,
                columns: Columns::ALL,
                ..source
            };
            self.ask_filters(group, &search.probe, &mut next)?;
            search.sources.push(next);
        }
        Ok(indices.len().saturating_add(FILTER_WORK))
    }

    /// Narrows down what of a full page is to be read.
    fn ask_filters(&self, group: &Group, probe: &Probe, source: &mut Source) -> Result<(), Error> {
        for slice in probe.slices() {
            if source.columns.is_empty() {
                break;
            }
            if let Some(page) = self.page_filter(group, source.page, slice)? {
                let columns = page.filter.candidates(slice, probe);
                source.columns = source.columns.and(columns);
                source.newest = source.newest.min(page.newest);
            }
        }
        Ok(())
    }

    /// The line that a message is or changes, if the message has what is looked for.
    fn match_at(
        &self,
        group: &Group,
        (sequence, record): (u64, &MessageRecord),
        query: &Query,
    ) -> Result<Option<(Place, u64)>, Error> {
        let text = searched_text(&record.body);
        if text.is_none_or(|text| query.find(&text).is_none()) {
            return Ok(None);
        }
        Ok(match part(&record.body) {
            Part::Line => Some((record.place(), sequence)),
            Part::Change(line) => {
                let line = self.find_line(group, &line)?;
                line.map(|(sequence, line)| (line.place(), sequence))
            }
        })
    }

    /// A line as it is now, unless that has no longer what is looked for.
    fn hit(
        &mut self,
        query: &Query,
        group: GroupId,
        sequence: u64,
    ) -> Result<Option<HitView>, Error> {
        if !self.groups.contains_key(&group) {
            return Ok(None);
        }
        self.with_group(group, |engine, group| {
            let Some(record) = engine.message_record(group, sequence)? else {
                return Ok(None);
            };
            let message = engine.message_view(group, &record)?;
            if message.deleted || message.hidden || message.kind == MessageKind::Notice {
                return Ok(None);
            }
            Ok(query.find(&message.text).map(|found| HitView {
                group: group.record.id.to_string(),
                parts: parts(&message.text, &found),
                message,
            }))
        })
    }
}

impl Searches {
    /// Keeps a search; gives its name.
    fn keep(&mut self, search: Search) -> String {
        let name = self.next;
        self.next = name.wrapping_add(1);
        self.resting.insert(name, search);
        while self.resting.len() > SEARCHES_MAX {
            self.resting.pop_first();
        }
        name.to_string()
    }

    fn take(&mut self, name: &str) -> Option<Search> {
        self.resting.remove(&name.parse().ok()?)
    }
}

impl Search {
    /// The newest line found, if nothing newer can come any more.
    fn take_settled(&mut self) -> Option<(GroupId, u64)> {
        let newest = self.found.last_entry()?;
        if self
            .sources
            .iter()
            .any(|source| source.newest >= newest.key().0)
        {
            return None;
        }
        Some(newest.remove())
    }

    fn take_newest_source(&mut self) -> Option<Source> {
        let sources = self.sources.iter().enumerate();
        let (index, _) = sources.max_by_key(|(_, source)| source.newest)?;
        Some(self.sources.swap_remove(index))
    }

    /// The clock down to which everything was looked at; `None` when nothing is left.
    fn newest_left(&self) -> Option<u64> {
        self.sources.iter().map(|source| source.newest).max()
    }

    fn is_over(&self) -> bool {
        self.sources.is_empty() && self.found.is_empty()
    }
}

/// A text cut where a find begins or ends.
fn parts(text: &str, found: &[Range<usize>]) -> Vec<PartView> {
    let mut parts = Vec::new();
    let mut push = |range: Range<usize>, found: bool| {
        let text = text.get(range).filter(|text| !text.is_empty());
        parts.extend(text.map(|text| PartView {
            text: text.to_owned(),
            found,
        }));
    };
    let mut at = 0;
    for range in found {
        push(at..range.start, false);
        push(range.clone(), true);
        at = range.end;
    }
    push(at..text.len(), false);
    parts
}

const QUERY_BOUNDS: &str = "between one visible character and 1 KiB of text";
const _: () = assert!(QUERY_LEN_MAX == 1024);

#[cfg(test)]
mod tests;
