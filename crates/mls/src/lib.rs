//! The MLS core of Sori: who people are, what a group is, and which commits it follows.
//!
//! Groups are MLS groups (RFC 9420, by OpenMLS) without a server that puts commits in order. So this crate adds
//! what MLS leaves to an application: credentials that tie a device to an account, group data that all members
//! agree on, rules about who may do what, a key by which all members pick the same of several commits, and states
//! that can be left and come back to.
//!
//! It does no input or output, keeps no files, knows no clock. It does not decide when to follow a commit, does not
//! resend what was said on a losing branch, and knows nothing of relays and envelopes: that is the engine's part.
//!
//! ```text
//!   Core ── device, cryptography, randomness from one seed
//!    │ create_group, join, load_head          load
//!    ▼                                         ▼
//!   Head ── encrypt, commit                Snapshot ── decrypt, inspect_commit, apply_commit, export_secret
//!    │                                         │
//!    └───────────── Rows, Changes ─────────────┘        one set of rows for each StateId, kept by a store
//! ```
//!
//! Start from three types: [`Core`] is one device at work, [`Snapshot`] is one state of a group, [`Head`] is the
//! state that the device sends from.
//!
//! # Example
//!
//! ```
//! use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
//! use sori_mls::{AccountKey, Conversation, Core, Device, Error, GroupData, GroupId, Operation};
//!
//! # fn main() -> Result<(), Error> {
//! let mut rng = ChaCha20Rng::from_seed([7; 32]); // from the operating system, in a program
//! let (ada, bo) = (AccountKey::generate(&mut rng), AccountKey::generate(&mut rng));
//! let ada = Core::new(Device::generate(&ada, &mut rng), [1; 32])?;
//! let bo = Core::new(Device::generate(&bo, &mut rng), [2; 32])?;
//!
//! let data = GroupData::new(ada.device().account(), "tea".to_owned(), Conversation::Group);
//! let head = ada.create_group(GroupId::from_bytes([3; 16]), data)?;
//! let invitation = bo.new_key_package()?;
//! let commit = head.commit(&ada, &Operation::Add { key_packages: vec![invitation.bytes] })?;
//! let welcome = commit.welcome.unwrap_or_default();
//! let (bo_head, _) = bo.join(&welcome, &[&invitation.private])?;
//!
//! // The child replaces the head once the engine has stored it and decided for it.
//! let mut ada_head = commit.child;
//! assert_eq!(ada_head.snapshot().state(), bo_head.snapshot().state());
//! let message = ada_head.encrypt(&ada, b"", b"hello")?;
//! let changes = ada_head.snapshot_mut().take_changes(); // stored before the message leaves
//! assert!(!changes.is_empty());
//!
//! let mut bo_state = bo.load(bo_head.snapshot().rows())?;
//! assert_eq!(*bo_state.decrypt(&bo, &message)?.plaintext, *b"hello");
//! # Ok(())
//! # }
//! ```
//!
//! # States and branches
//!
//! A state is named by its [`StateId`], which follows from public data: also a member that cannot process a commit
//! names the state it leads to. OpenMLS moves a group from state to state in place; here each step is made on a copy
//! of the parent's rows, and the parent stays. So going back is loading another state, and a message that comes late
//! is read in the state it was sent in: OpenMLS' own memory of past epochs is off.
//!
//! Several commits on one parent are branches. Each valid one has a [`BranchKey`]; the smallest wins, and nothing
//! that an author can choose goes into it but what the commit does. Votes, poisoning by orders and settling are
//! above this crate; the fields they need ([`Order`], [`CommitHeader`]) are here.
//!
//! # What holds
//!
//! - A commit is either followed completely or leaves no trace; so is everything else that can fail.
//! - Whether a commit is valid depends on its parent state and its bytes: not on time, on what else was seen, or on
//!   who looks. KeyPackages therefore carry no lifetime that could run out between two observers.
//! - Only a [`Head`] encrypts, and nothing turns a snapshot into one but loading rows. The caller keeps two promises:
//!   changed rows are durable before bytes leave, and rows older than those are never loaded as a head again.
//! - Everybody in a group has a credential that its account signed, and keeps account, device and key.
//! - Joining consumes nothing: a KeyPackage's private part is the caller's to destroy when the group is stored.
//! - Bytes from outside are bounded by [`limits`] before they are looked at, and cause errors only.
//!
//! # Determinism
//!
//! One device, one seed and the same calls give the same bytes: KeyPackages, commits, Welcomes, messages, sealed
//! boxes. For that, HPKE takes its encapsulation randomness from the core's generator through the parts below
//! `openmls_rust_crypto`, whose own interface has no way in. What stays outside: RustCrypto seeds a generator that
//! is never drawn from, and HPKE contexts for opening do the same, so the operating system's generator is read
//! without effect; OpenMLS notes the time in the row of message secrets, for a use that is switched off, so that row
//! alone differs between runs; and it compares KeyPackage lifetimes with the clock, which ours always pass; any
//! other is refused whatever the clock says. Suites other than 0x004F would draw from the operating system; none is in use.
#![deny(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::wildcard_enum_match_arm,
    clippy::iter_over_hash_type
)]

#[cfg(test)]
extern crate self as sori_mls;

pub mod branch;
mod commit;
mod core;
mod crypto;
mod encapsulation;
mod error;
mod fault;
mod group_data;
mod group_info;
mod head;
mod hybrid;
mod id;
mod identity;
mod key_package;
#[cfg(feature = "simulation")]
mod known;
pub mod limits;
pub mod mutant;
mod operation;
mod order;
#[cfg(any(test, fuzzing))]
pub mod outside;
mod peek;
mod plan;
mod policy;
mod public;
mod role;
mod roles;
mod rows;
mod signed;
mod snapshot;
mod storage;
mod transcript;
#[cfg(test)]
mod vectors;
mod vote;

pub use branch::StateFacts;
pub use commit::{BranchKey, Change, Class, CommitHeader, tie_break};
pub use core::Core;
pub use error::{Error, Invalid, Misuse, NeedsState, Refusal, StorageFault};
pub use group_data::{Avatar, Conversation, GROUP_DATA_EXTENSION, GroupData, JoinPolicy};
pub use group_info::GroupInfo;
pub use head::{Head, OwnCommit};
pub use hybrid::{HybridKey, HybridPublic};
pub use id::{AccountId, DeviceId, Epoch, GroupId, ParseIdError, StateId};
pub use identity::{
    AccountKey, Device, safety_number, verify_account_signature, verify_device_signature,
};
pub use key_package::{KeyPackageInfo, NewKeyPackage};
#[cfg(feature = "simulation")]
pub use known::remember_signatures;
pub use operation::Operation;
pub use order::{Order, OrderKind};
pub use peek::{Peek, PeekContent, peek};
pub use role::{Member, Role};
pub use rows::{Changes, RowKind, Rows};
pub use snapshot::{Decrypted, Snapshot};
pub use vote::{DoubleVote, Report, Vote};
