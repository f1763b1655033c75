//! The sealed local store of a Sori profile.
//!
//! What the provider does not hold, the device holds. This crate keeps it: small records in numbered
//! tables, written in atomic and durable steps, sealed so that the files alone tell nothing.
//!
//! ```text
//!  engine ──► Store      staged writes, savepoints, one commit a step
//!               │        (overlay)
//!               ▼
//!             sealing    values split into rows, rows sealed, keys masked
//!               │    │   (step, rows, seal, mask, ledger)
//!               │    └──► key slots: small keys, overwritten in place to forget (slots)
//!               ▼
//!              Kv        get, range, commit, maintain: sees sealed bytes only
//!           ╱   │   ╲
//!        sled  redb  memory
//! ```
//!
//! Start from [`Store`], [`Table`], [`Unlock`] and [`Error`]. `docs/store.md` describes the files byte by byte.
//!
//! What it does not do: it does not interpret records, knows no clock (it only takes the time of its own
//! opening), starts no network connection and takes no randomness from the operating system (the caller
//! passes a seed). So it cannot forget by itself: the caller calls [`Store::forget`] soon after each commit.
//!
//! Invariants:
//!
//! 1. When [`Store::commit`] answers `Ok`, the step survives a power cut; a step is there whole or
//!    not at all.
//! 2. After a failed commit the store answers nothing more until it is opened again, so that nobody
//!    builds on a state that may not be on disk.
//! 3. No file holds a key, a table number or a value of the caller in clear.
//! 4. An error at opening leaves every committed record where it was.
//! 5. After [`Store::forget`] nobody can open what was deleted or overwritten before, as its [`Table`] says,
//!    not even with the master key and every byte that is on the disk by then.
//!
//! ```
//! use sori_store::{MemoryDisk, Store, Table};
//!
//! const CONTACTS: Table = Table::own(1);
//! let disk = MemoryDisk::new();
//! let mut store = Store::open_memory(&disk, [7; 32])?;
//! store.put(CONTACTS, b"id-1", b"hello")?;
//! store.commit()?;
//! drop(store);
//!
//! let store = Store::open_memory(&disk, [8; 32])?;
//! assert_eq!(store.get(CONTACTS, b"id-1")?.as_deref().map(Vec::as_slice), Some(&b"hello"[..]));
//! # Ok::<(), sori_store::Error>(())
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
        clippy::cast_possible_truncation,
        reason = "a test that overflows fails loudly, which is what it should do"
    )
)]

pub mod backup;
mod entropy;
mod error;
#[cfg(feature = "forensics")]
pub mod forensics;
mod kv;
mod ledger;
mod mask;
mod mutant;
#[cfg(any(test, fuzzing))]
pub mod outside;
mod overlay;
mod profile;
mod rows;
mod seal;
pub mod search;
mod slots;
mod step;
mod store;
mod table;
mod unlock;

pub use error::Error;
pub use kv::copy::Progress;
pub use kv::memory::MemoryDisk;
#[doc(hidden)]
pub use kv::unsealed::Unsealed;
pub use kv::{Backend, Stats};
pub use overlay::Savepoint;
pub use store::{Options, RepairReport, Store};
pub use table::{Class, KEY_LEN_MAX, Table, VALUE_LEN_MAX};
pub use unlock::{Cost, Unlock, UnlockMethod};
