//! Crash tests that travel: the real store as a real process, with the power gone at any moment, killed, out of space,
//! and searched byte by byte for what it was to forget.
//!
//! ```text
//!  plan ──► worker ──► engine ──► files
//!   │     (process)               │ recorder: every write, wait, name, and what was acknowledged
//!   │                             ▼
//!   │                           film ──► disk: what is held, what is on its way ──► image of a power cut
//!   ▼                                                                                │
//!  model ────────────────────────── verify: everything compared ◄────────────────────┘
//! ```
//!
//! `plan` is what the workload does, a function of a seed; `model` what has to be there after each step; `worker` the
//! process; `engine` the store and the controls. `powercut` is the campaign over images. The recorder is a small
//! library in C (`shim/recorder.c`), compiled when it is needed.
//!
//! A simulator that never finds anything proves nothing: sled without the store's rails goes through the same campaign and
//! must fail in a good part of the images; redb must in none.

pub mod campaign;
mod chance;
mod disk;
pub mod engine;
pub mod error;
pub mod fault;
mod film;
pub mod forensics;
pub mod kill;
pub mod look;
pub mod million;
mod model;
mod place;
mod plan;
pub mod powercut;
pub mod recorder;
mod recording;
pub mod report;
mod value;
mod verify;
pub mod worker;
