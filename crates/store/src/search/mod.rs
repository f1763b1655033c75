//! Full-text search over sealed messages: what a bucket may contain, and whether a text does.
//!
//! ```text
//!  message text ──► fold ──► grams ──► FilterBuilder ──► Filter   one record beside its bucket
//!                                                          │
//!  what is typed ─► Query ──► grams ──► Probe ─────────────┴──► Columns   16 messages each that may match
//!                     └──► find(text) ──► ranges to highlight             (decrypt these, ask `find`)
//! ```
//!
//! Everything here is a pure function of its arguments: no input or output, no clock, no store. A filter
//! is kept in the bucket of the messages it describes and dies with them; a text is never kept twice.
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
//! use sori_store::search::{FilterBuilder, FilterKey, Query};
//!
//! let key = FilterKey::new([7; 16]);
//! let mut builder = FilterBuilder::new(&key);
//! builder.add(3, "The sound, 소리");
//! let filter = builder.finish();
//!
//! let query = Query::parse("ㅅㄹ SOUND")?;
//! assert!(filter.candidates(&query.probe(&key)).contains(3));
//! assert_eq!(query.find("The sound, 소리"), Some(vec![4..9, 11..17]));
//! assert!(filter.candidates(&Query::parse("회의")?.probe(&key)).is_empty());
//! # Ok::<(), sori_store::search::QueryError>(())
//! ```

mod filter;
mod fold;
mod grams;
mod initials;
mod query;

pub use filter::{Columns, Filter, FilterBuilder, FilterKey, Probe};
pub use query::{QUERY_LEN_MAX, Query, QueryError};
