//! The relay: it forwards live frames between attachments of a topic and keeps nothing.
//!
//! It has no database, writes no file, logs nothing about clients and never sees MLS. A frame lives
//! in its memory from arrival until it was handed to the transport of each attachment, bounded in
//! bytes and in time. The protocol is `docs/protocol.md`, sections 1 and 2.
//!
//! ```text
//!   shard (a thread)                                            shard
//!   UDP ─ server ─ carrier ─┐                                     │
//!                           ├─ session ─ hub ── switch ─ directory ┤ (shared by all shards)
//!   TCP ─ server ─ carrier ─┘             └───── mailboxes ────────┤
//!                                                                  └ cluster ═ other relays
//! ```
//!
//! - [`switch::Switch`]: who is attached to what, and what waits for whom. A plain value, no I/O, no
//!   clock; one for each shard.
//! - [`Hub`]: a switch and the ways out of its connections.
//! - [`session`]: the byte session of one connection over any [`carrier`].
//! - `cluster`: what relays behind one name tell each other, on a thread of its own.
//! - [`Server`]: threads, sockets and admission.
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
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::wildcard_enum_match_arm,
        reason = "tests may panic"
    )
)]

mod bucket;
pub mod carrier;
mod certificate;
mod cluster;
mod gate;
pub mod hardening;
mod hub;
mod key;
#[cfg(test)]
mod limits_table;
#[cfg(sori_mutants)]
mod mutant;
#[cfg(any(test, fuzzing))]
pub mod outside;
mod server;
pub mod session;
mod settings;
mod stack;
pub mod switch;
mod time;
mod tls;
mod totals;
mod transport;

pub use certificate::CertificateError;
pub use cluster::{
    BusServer, BusTls, ClusterSecret, ClusterSettings, InvalidBusServer, InvalidClusterSecret,
};
pub use hub::{AccessKeys, Hub, Policy};
pub use key::{KeyError, RelaySecret};
pub use server::{Server, StartError};
pub use settings::{CertificateFiles, Limits, Rate, Settings, Tcp};
pub use totals::{Current, Monitor, Totals};
