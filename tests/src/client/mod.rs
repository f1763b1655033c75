//! Judging clients: any messenger that a shim stands before (`docs/shim.md`), at a relay that is the suite's own.
//!
//! ```text
//!   check ── scene ── person ── shim ── (lines) ── the client
//!              └── stand ───────────────── (TLS) ──────┘
//! ```
//!
//! The [`Stand`](stand::Stand) is a whole relay in the suite's hands: it sees what an operator sees, and does what a
//! dishonest one does.

pub(crate) mod ours;
pub(crate) mod person;
pub(crate) mod scene;
pub(crate) mod session;
pub(crate) mod shim;
pub(crate) mod stand;
pub(crate) mod trial;
