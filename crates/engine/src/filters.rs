//! What a search may pass over: filters for each full page of 256 arrivals of a group.
//!
//! ```text
//!  messages  by arrival:  [ 256 ][ 256 ][ 256 ][ 31 ...
//!  filters:                 0-7    0-7    0-7   none: the page that is being filled is read
//! ```
//!
//! A page has one filter for each slice of the grams, all under one key. They are written in the step that
//! fills the page, and written anew in the step that takes a text out of it; then the key goes that opened the
//! former ones.

use sori_content::Meaning;
use sori_store::search::{Filter, FilterBuilder, SLICES};
use zeroize::Zeroizing;

use crate::engine::Engine;
use crate::error::Error;
use crate::group::Group;
use crate::record::{self, Body, MessageRecord};
use crate::show::meaning;
use crate::table;

/// Messages in a page, as a power of two: as many as a filter tells apart.
const PAGE_BITS: u32 = 8;

/// One filter of a page, and how new what the page and all before it hold can be.
pub(crate) struct PageFilter {
    /// No message of this page or an older one has a higher clock.
    pub(crate) newest: u64,
    pub(crate) filter: Filter,
}

/// The page of a message.
pub(crate) const fn page_of(sequence: u64) -> u64 {
    sequence >> PAGE_BITS
}

/// The message with a number in a page.
pub(crate) fn sequence_in(page: u64, index: u8) -> u64 {
    (page << PAGE_BITS) | u64::from(index)
}

/// What a search can find in a message: its text, or what an edit put in the place of another's.
pub(crate) fn searched_text(body: &Body) -> Option<Zeroizing<String>> {
    match meaning(body)? {
        Meaning::Edit { text, .. } | Meaning::Text { text, .. } => Some(text),
        Meaning::Unknown { text, .. } => text,
        Meaning::Delete { .. } | Meaning::Reaction { .. } | Meaning::Unreact { .. } => None,
    }
    .map(Zeroizing::new)
}

impl Engine {
    /// Writes the filter of a page if the message `sequence` has filled it. To be called when everything that
    /// the message brought about is staged.
    pub(crate) fn note_arrival(&mut self, group: &Group, sequence: u64) -> Result<(), Error> {
        let page = page_of(sequence);
        if sequence != sequence_in(page, u8::MAX) {
            return Ok(());
        }
        self.write_filter(group, page)
    }

    /// Writes the filters of these messages' pages anew, because their texts are gone.
    pub(crate) fn note_removal(&mut self, group: &Group, sequences: &[u64]) -> Result<(), Error> {
        let full = page_of(group.cursor.next_message);
        let mut pages: Vec<u64> = sequences
            .iter()
            .map(|sequence| page_of(*sequence))
            .collect();
        pages.sort_unstable();
        pages.dedup();
        for page in pages {
            if page < full {
                self.write_filter(group, page)?;
            }
        }
        Ok(())
    }

    /// One filter of a page; `None` if there is none that can be used: then nothing may be passed over.
    pub(crate) fn page_filter(
        &self,
        group: &Group,
        page: u64,
        slice: u8,
    ) -> Result<Option<PageFilter>, Error> {
        let key = table::filter(group.record.number, page, slice);
        let stored = self.store.get(table::FILTER, &key)?;
        Ok(stored.and_then(PageFilter::decode))
    }

    /// The messages of a page with these numbers, ascending.
    pub(crate) fn messages_in(
        &self,
        group: &Group,
        page: u64,
        indices: &[u8],
    ) -> Result<Vec<(u8, MessageRecord)>, Error> {
        let key = table::of(group.record.number, sequence_in(page, 0));
        let prefix = key.split_last().map_or(&[][..], |(_, prefix)| prefix);
        let found = self.store.get_each(table::MESSAGE, prefix, indices)?;
        found
            .into_iter()
            .map(|(index, record)| Ok((index, record::decode(&record)?)))
            .collect()
    }

    fn write_filter(&mut self, group: &Group, page: u64) -> Result<(), Error> {
        let mut newest = match page.checked_sub(1) {
            Some(before) => self
                .page_filter(group, before, 0)?
                .map_or(u64::MAX, |before| before.newest),
            None => 0,
        };
        let key = self.store.filter_key();
        let mut builder = FilterBuilder::new(&key);
        let all: Vec<u8> = (0..=u8::MAX).collect();
        for (index, record) in self.messages_in(group, page, &all)? {
            newest = newest.max(record.clock);
            if let Some(text) = searched_text(&record.body) {
                builder.add(index, &text);
            }
        }
        for (slice, filter) in (0..SLICES).zip(builder.finish()) {
            let key = table::filter(group.record.number, page, slice);
            let record = PageFilter { newest, filter }.encode();
            self.put_bytes_forgetting(table::FILTER, &key, &record)?;
        }
        Ok(())
    }
}

impl PageFilter {
    /// The filter, then the clock.
    fn encode(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new([self.filter.as_bytes(), &self.newest.to_be_bytes()].concat())
    }

    fn decode(mut record: Zeroizing<Vec<u8>>) -> Option<Self> {
        let (filter, newest) = record.split_last_chunk()?;
        let (len, newest) = (filter.len(), u64::from_be_bytes(*newest));
        record.truncate(len);
        let filter = Filter::from_bytes(record)?;
        Some(Self { newest, filter })
    }
}
