//! The async driver of the Sori engine, and the interface that every front end uses.
//!
//! The engine is a state machine without clock, socket or thread. This crate gives it those: a
//! thread that owns it, connections to relays, the wall clock, the operating system's randomness
//! and keychain. It decides nothing about groups, people or messages.
//!
//! ```text
//!  front end ── Client ──▶ verbs ──┐                     ┌──▶ Link ── QUIC/TCP ── relay
//!      ▲                           ▼                     │
//!      │                       Driver (one thread): Engine, flush
//!      └── events ◀────────────────┘  ▲                  │
//!                                     └──── reports ◀────┘
//! ```
//!
//! Start with [`Client`] (everything a front end can ask for), [`Event`] (what it is told) and
//! [`UnlockChoice`] (how a profile is opened).
//!
//! What the compiler does not check:
//!
//! 1. No effect leaves and no call is answered before the step behind it is durable.
//! 2. After a write to the profile has failed nothing of it is acknowledged, and all that was in
//!    memory is read anew from what the disk has.
//! 3. Every queue is bounded; a network that is slow or hostile delays no caller.
//! 4. At rest nothing wakes up but the engine's timers and the connection's signs of life.
//! 5. No error carries a message, a name, a key or an address.
//!
//! ```no_run
//! # async fn example() -> Result<(), sori_client::Error> {
//! use sori_client::{Client, InviteOptions, UnlockChoice};
//!
//! let unlock = UnlockChoice::Passphrase("correct horse battery staple".to_owned().into());
//! let client = Client::create("profile".into(), unlock).await?;
//! client.account_create("Alice").await?;
//! client.relay_set("relay://127.0.0.1:4433/#...").await?;
//! let group = client.group_create("Friends").await?;
//! let invite = client.invite_create(InviteOptions { group: Some(group.clone()), uses: Some(3), expires_s: None }).await?;
//! client.message_send(&group, "Hello", None).await?;
//! client.shutdown().await;
//! # Ok(())
//! # }
//! ```
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
        reason = "a test that overflows fails loudly, which is what it should do"
    )
)]

mod backup;
mod client;
mod clock;
mod counter;
mod desk;
mod driver;
mod dumps;
mod error;
mod export;
mod files;
mod keychain;
mod links;
mod origin;
mod part_file;
mod profile;
mod profile_info;
mod qr;
mod relay;
mod restore;
mod secrets;
mod signal;
mod upkeep;
mod verbs;
mod wipe;

pub use backup::BackupProgress;
pub use client::{Client, EVENTS_KEPT};
pub use dumps::{forbid_core_dumps, forbid_reading};
pub use error::Error;
pub use export::{ExportFormat, ExportLanguage, ExportOptions, ExportProgress};
pub use keychain::KeychainError;
pub use origin::Origin;
pub use profile::{ProfileState, Repair, RepairReport, StoreError, UnlockChoice, UnlockMethod};
pub use profile_info::{ProfileInfo, profile_move, profile_repair};
pub use qr::{QrMatrix, TooLongForQr};
pub use restore::RestoreProgress;
pub use signal::asked_to_end;
pub use sori_engine::store::backup::BackupError;
pub use sori_engine::store::{Backend, Progress};
pub use sori_engine::view::{
    AccountView, ArrangementView, ConnectionView, ContactView, CopiesView, Direction, EditView,
    Event, FileState, FileView, GroupInfo, GroupView, HitView, JoinState, JoinView, MemberView,
    MessageKind, MessageView, NoticeView, PartView, PersonView, ReactionView, SearchView,
    SettingsView, SyncView, WindowView,
};
pub use sori_engine::{
    Arrange, Error as EngineError, FILE_LEN_MAX, InviteOptions, Mute, NewFile, NewMessage, Notices,
    Trouble,
};
pub use sori_wire::RelayUrl;
pub use tokio::sync::broadcast;
