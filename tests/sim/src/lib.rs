//! Whole groups in one thread: hundreds of real engines with real cryptography, the relay's own switch, disks that
//! lose what was not flushed, and a clock that only moves when the test moves it.
//!
//! ```text
//!  seed ──► campaign ──► world: people ──► engines over memory disks
//!              │                 │ frames as bytes
//!              │                 ▼
//!              │          relay: two nodes of the real switch ──► ways that lose, double, delay, replay
//!              ▼
//!           history ──► checks, pure functions ──► report
//! ```
//!
//! `world` is the stage; [`mod@campaign`] makes everything happen that can; [`history`] is what is left of it;
//! [`check`] judges that; [`many`] and [`report`] are for thousands of seeds. `cargo xtask sim` is the door.
//! [`mod@crowd`] is one group of up to five hundred that comes back at once.
//! [`scenarios`] are small worlds with one question each; `cargo xtask mutants` runs each in a build that is broken for it.
//!
//! A seed has one course of things: nothing that our code decides goes by the order of a `HashMap`.
//!
//! Which check or scenario shows which invariant of protocol 5.9, as far as a history can show it:
//!
//! | | shown by |
//! |---|---|
//! | I1, I2 | `one state`, `one order`, `heals`; scenario `rivals are judged alike everywhere` |
//! | I3, I13 | `heals`, `nobody stuck`, `quiet when idle`, with malicious members |
//! | I5, I6 | `removal stands`; scenarios `who asks to leave is let go`, `only who may puts somebody out` |
//! | I8 | `nobody outside reads` |
//! | I9 | `nothing lost` (a key that serves twice loses a message); scenario `no key serves twice over a restart` |
//! | I10 | `nothing lost`, `nothing twice` |
//! | I12 | crashes inside a step; scenario `what was confirmed survives a crash` |
//! | I14 | `nobody stuck`, `one state` |
//! | I4, I7, I11, I15 | not seen in a history: the model (`tests/model`) and the tests of the crates |

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unreachable,
    clippy::missing_panics_doc,
    reason = "a test fails loudly and prints its seed"
)]

#[cfg(not(sori_mutants))]
use sori_mls as _;

pub mod campaign;
pub mod check;
pub mod crowd;
mod forger;
pub mod history;
pub mod journal;
mod malice;
pub mod many;
mod relay;
pub mod report;
pub mod scenarios;
pub mod world;
