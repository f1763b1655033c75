//! What somebody typed into the search box, and where a text has it.

use std::ops::Range;

use memchr::memmem;
use zeroize::Zeroizing;

use super::filter::{FilterKey, Probe};
use super::fold::{Origins, fold};
use super::grams::{each, each_literal, each_of_initials};
use super::initials::{stands_for, written_initial};

/// The longest query, in bytes of UTF-8.
pub const QUERY_LEN_MAX: usize = 1024;

/// A query: terms that all have to be in a text.
pub struct Query {
    terms: Vec<Term>,
}

impl Query {
    /// Reads what was typed: terms between white space, terms in quotation marks (`"` or `“ ”`) as one
    /// with their spaces. A mark without a second one counts to the end.
    ///
    /// # Errors
    /// [`QueryError::Empty`] if there is nothing to look for, [`QueryError::TooLong`] above
    /// [`QUERY_LEN_MAX`].
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        if text.len() > QUERY_LEN_MAX {
            return Err(QueryError::TooLong);
        }
        let mut terms = Vec::new();
        for (part, quoted) in text
            .split(is_quotation_mark)
            .zip([false, true].into_iter().cycle())
        {
            let folded = Zeroizing::new(fold(part));
            if quoted {
                terms.extend(Term::new(folded.trim()));
            } else {
                terms.extend(folded.split(' ').filter_map(Term::new));
            }
        }
        if terms.is_empty() {
            return Err(QueryError::Empty);
        }
        Ok(Self { terms })
    }

    /// What to ask the filters of the profile with this key.
    #[must_use]
    pub fn probe(&self, key: &FilterKey) -> Probe {
        let mut grams = Vec::new();
        for term in &self.terms {
            term.each_gram(|gram| grams.push(gram));
        }
        Probe::new(grams, key)
    }

    /// Where `text` has the terms: byte ranges on character boundaries, ascending, apart from each other.
    /// `None` if a term is missing. A letter with its marks is found whole.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<Vec<Range<usize>>> {
        let folded = Zeroizing::new(fold(text));
        if !self.terms.iter().all(|term| term.is_in(&folded)) {
            return None;
        }
        let origins = Origins::of(text);
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for term in &self.terms {
            let found = term.ranges(&folded);
            ranges.extend(found.iter().filter_map(|range| origins.original(range)));
        }
        ranges.sort_unstable_by_key(|range| (range.start, range.end));
        ranges.dedup_by(|next, last| {
            let touches = next.start <= last.end;
            if touches {
                last.end = last.end.max(next.end);
            }
            touches
        });
        Some(ranges)
    }
}

impl std::fmt::Debug for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Query({} terms)", self.terms.len())
    }
}

/// Why something typed cannot be looked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum QueryError {
    /// Nothing but white space, quotation marks and invisible characters.
    #[error("There is nothing to search for. Enter a word or a part of one.")]
    Empty,
    /// More than [`QUERY_LEN_MAX`] bytes.
    #[error("The search text is too long. Shorten it to a few words.")]
    TooLong,
}

/// One folded term, not empty.
struct Term {
    folded: Zeroizing<String>,
    /// Whether it has consonants that may stand for syllables.
    initials: bool,
}

impl Term {
    fn new(folded: &str) -> Option<Self> {
        (!folded.is_empty()).then(|| Self {
            folded: Zeroizing::new(folded.to_owned()),
            initials: folded.chars().any(|c| written_initial(c).is_some()),
        })
    }

    /// Every gram that a text with this term has.
    fn each_gram(&self, mut visit: impl FnMut(u64)) {
        if !self.initials {
            return each(&self.folded, visit);
        }
        each_of_initials(&self.folded, &mut visit);
        for literal in self.folded.split(|c| written_initial(c).is_some()) {
            each_literal(literal, &mut visit);
        }
    }

    fn is_in(&self, folded: &str) -> bool {
        if self.initials {
            return (self.next_by_initials(folded, 0)).is_some();
        }
        memmem::find(folded.as_bytes(), self.folded.as_bytes()).is_some()
    }

    /// Where a folded text has the term, from left to right without overlaps.
    fn ranges(&self, folded: &str) -> Vec<Range<usize>> {
        if self.initials {
            let first = self.next_by_initials(folded, 0);
            return std::iter::successors(first, |last| self.next_by_initials(folded, last.end))
                .collect();
        }
        memmem::find_iter(folded.as_bytes(), self.folded.as_bytes())
            .map(|start| start..start.saturating_add(self.folded.len()))
            .collect()
    }

    /// The first range from byte `from` on whose characters the term's stand for.
    fn next_by_initials(&self, folded: &str, from: usize) -> Option<Range<usize>> {
        let rest = folded.get(from..)?;
        rest.char_indices().find_map(|(at, _)| {
            let (_, text) = rest.split_at_checked(at)?;
            let len = self.len_at_start(text)?;
            let start = from.saturating_add(at);
            Some(start..start.saturating_add(len))
        })
    }

    /// How many bytes of `text` the term stands for if it begins there.
    fn len_at_start(&self, text: &str) -> Option<usize> {
        let mut chars = text.chars();
        let fits = self
            .folded
            .chars()
            .all(|typed| chars.next().is_some_and(|c| stands_for(typed, c)));
        fits.then(|| text.len().saturating_sub(chars.as_str().len()))
    }
}

const fn is_quotation_mark(c: char) -> bool {
    matches!(c, '"' | '\u{201c}' | '\u{201d}')
}
