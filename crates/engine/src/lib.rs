//! The messenger as a sans-IO state machine: accounts, invites, groups, messages, the channel log
//! and catch-up. It knows no clock, no socket, no thread and no source of randomness of its own.
//!
//! A driver (crate `sori-client`) feeds it what happened ([`Engine`]'s `handle_*` methods and
//! verbs) and carries out what it asks for:
//!
//! ```text
//!  command, frame, time ──► Engine ──► staged rows ──► flush: one durable batch ──► Effects
//! ```
//!
//! Everything a step does to the store is staged; [`Engine::flush`] makes it durable and only
//! then hands out the effects, so that nothing is sent, shown or confirmed that a power cut could
//! take back. A refused step leaves everything as it was. The same inputs and seed give the same
//! effects, except where OpenMLS draws its own randomness (HPKE).
//!
//! Start with [`Engine`], [`Effect`] and [`view`].

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
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::wildcard_enum_match_arm,
        reason = "tests may fail loudly"
    )
)]

mod account;
mod admitting;
mod arrange;
mod attachments;
mod attention;
mod backup;
mod ballots;
mod catchup;
mod channel;
mod chunk;
#[cfg(test)]
mod clauses;
mod commits;
mod contacts;
mod delivery;
mod effect;
mod engine;
mod envelope;
mod error;
mod expiry;
mod filters;
mod group;
mod groups;
mod handshake;
mod hellos;
mod hiding;
mod incoming;
mod invite_link;
mod invites;
mod joins;
mod key_packages;
#[cfg(test)]
mod large;
mod lost;
mod messages;
mod network;
mod notices;
mod orders;
mod outcome;
#[cfg(any(test, fuzzing))]
pub mod outside;
mod own;
mod pieces;
mod pins;
mod prefs;
mod pressure;
mod prints;
mod proofs;
mod pruning;
mod reads;
mod receipts;
mod repaired;

mod record;
mod resync;
#[cfg(test)]
mod scale;
mod seal;
mod search;
mod session;
mod settled;
mod show;
mod snapshots;
mod strays;
mod table;
mod time;
mod timeline;
mod tree;
mod trouble;
mod truth;
mod typing;
mod upkeep;
#[cfg(test)]
mod vectors;
pub mod view;
mod welcomes;

pub use arrange::{Arrange, DRAFT_LEN_MAX};
pub use attachments::{FILE_LEN_MAX, NewFile};
pub use attention::Mute;
pub use backup::{Backup, Restore, RestoreProgress};
pub use effect::{Effect, PublishToken};
pub use engine::Engine;
pub use error::Error;
pub use invites::InviteOptions;
pub use messages::{NewMessage, Notices, TEXT_LEN_MAX};
/// The store that an engine is opened on: the driver opens it, the engine owns it.
pub use sori_store as store;
pub use time::{Day, Time};
pub use trouble::Trouble;
