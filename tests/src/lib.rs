//! `sori-audit`: judges relays and clients from outside, for people who do not trust who wrote them.
//!
//! ```text
//!   cli ── select ── catalogue ── checks/*       what is asked, clause by clause
//!    │                               │
//!    │                    ┌──────────┼───────────┐
//!    │                  peer       target      inspect
//!    │            (says anything)  (a URL,   (what the kernel shows
//!    │                              a process)  of a process)
//!    └── run ── report ── terminal, JSON, JUnit, HTML    all from one value
//!          └── baseline
//! ```
//!
//! - `checks` has one file for each area, each with a table of its checks: id, level, clauses, words, function.
//! - `peer` is a second implementation of the relay protocol. It can say what no honest client says, and it shares no
//!   code with ours; a test compares its constants.
//! - `client` stands before a messenger, and has a relay of its own that sees what passes and can cheat.
//! - `inspect` looks at a process: memory, files, sockets, counters of the kernel.
//! - A check ends with what was seen, or with a finding. What cannot be seen is never called passed.
//!
//! Start with `docs/auditing.md`.

mod answer;
mod baseline;
mod branch;
mod catalogue;
mod checks;
mod cli;
mod client;
mod finding;
mod inspect;
mod peer;
mod report;
mod residue;
mod run;
mod select;
mod stage;
mod target;
mod vectors;

pub use cli::main;
