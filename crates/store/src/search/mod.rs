//! Full-text search over sealed messages: what a bucket may contain, and whether a text does.
//!
//! ```text
//!  message text ──► fold ──► grams ──► FilterBuilder ──► Filter   eight records beside its bucket
//!                                                          │
//!  what is typed ─► Query ──► grams ──► Probe ─────────────┴──► Columns   16 messages each that may match
//!                     └──► find(text) ──► ranges to highlight             (decrypt these, ask `find`)
//! ```
//!
//! Everything here is a pure function of its arguments: no input or output, no clock, no store. Filters
//! are to be kept where they die with the messages they describe; a text is never kept twice.
//!
//! Three promises, each with a test in `tests/search.rs`:
//!
//! 1. What [`Query::find`] finds, the filter lets through: there are no false negatives.
//! 2. A damaged or hostile filter record is refused or answers nonsense; it never panics and costs no
//!    more than [`Filter::LEN_MAX`] bytes.
//! 3. Filters of two profiles have nothing in common: the hash of a gram depends on the [`FilterKey`].
//!
//! A term is found anywhere in a text, inside words too, whatever its case and whether Hangul came as
//! syllables or as conjoining letters. Words are separated by white space and all have to be there; words
//! in quotation marks have to stand together. Initial consonants stand for syllables: `ㅅㄹ` finds 소리.
//!
//! ```
//! use sori_store::search::{Columns, FilterBuilder, FilterKey, Query};
//!
//! let key = FilterKey::new([7; 16]);
//! let mut builder = FilterBuilder::new(&key);
//! builder.add(3, "The sound, 소리");
//! let filters = builder.finish();
//! let candidates = |query: &Query| {
//!     let probe = query.probe(&key);
//!     let slices = probe.slices().map(|slice| filters[usize::from(slice)].candidates(slice, &probe));
//!     slices.fold(Columns::ALL, Columns::and)
//! };
//!
//! let query = Query::parse("ㅅㄹ SOUND")?;
//! assert!(candidates(&query).contains(3));
//! assert_eq!(query.find("The sound, 소리"), Some(vec![4..9, 11..17]));
//! assert!(candidates(&Query::parse("회의")?).is_empty());
//! # Ok::<(), sori_store::search::QueryError>(())
//! ```

mod filter;
mod fold;
mod grams;
mod initials;
mod query;

pub use filter::{Columns, Filter, FilterBuilder, FilterKey, Probe, SLICES};
pub use query::{QUERY_LEN_MAX, Query, QueryError};
