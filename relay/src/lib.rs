//! The relay: it forwards live frames between attachments of a topic and keeps nothing.
//!
//! It has no database, writes no file, logs nothing about clients and never sees MLS. A frame lives
//! in its memory from arrival until it was handed to the transport of each attachment, bounded in
//! bytes and in time. The protocol is `docs/protocol.md`, sections 1 and 2.
//!
//! ```text
//!   QUIC ── transport, tls ── server ── session ─┐
//!                                                ├── hub (one lock) ── switch (no I/O, no clock)
//!   QUIC ── transport, tls ── server ── session ─┘
//! ```
//!
//! - [`switch::Switch`]: who is attached to what, and what waits for whom. A plain value.
//! - [`session`]: the byte session of one connection over any pair of ordered byte streams.
//! - [`Server`]: the QUIC endpoint that feeds sessions.
//!
//! Invariants: a publisher never waits for a reader; what is queued for one attachment stays under
//! [`ATTACHMENT_QUEUE_BYTES_MAX`](sori_wire::limits::ATTACHMENT_QUEUE_BYTES_MAX) and
//! [`FRAME_WAIT_MS_MAX`](sori_wire::limits::FRAME_WAIT_MS_MAX); nothing about a connection outlives
//! it; buffers that live as long as a connection are wiped after each use, and the program's
//! allocator wipes what is freed.
#![deny(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::wildcard_enum_match_arm,
    clippy::iter_over_hash_type
)]

pub mod hardening;
mod hub;
mod key;
mod server;
pub mod session;
mod settings;
pub mod stream;
pub mod switch;
mod tls;
mod totals;
mod transport;

pub use hub::Hub;
pub use key::{KeyError, RelaySecret};
pub use server::{Server, StartError};
pub use settings::{CertificateFiles, Limits, Rate, Settings, Tcp};
pub use totals::{Current, Monitor, Totals};
