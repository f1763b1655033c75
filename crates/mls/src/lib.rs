//! The MLS core of Sori.
//!
//! (Documentation follows.)
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

mod commit;
mod core;
mod crypto;
mod encapsulation;
mod error;
mod fault;
mod group_data;
mod head;
mod hybrid;
mod id;
mod identity;
mod key_package;
pub mod limits;
mod order;
mod peek;
mod policy;
mod role;
mod roles;
mod rows;
mod snapshot;
mod storage;
mod transcript;

pub use commit::{BranchKey, Change, Class, CommitHeader};
pub use core::Core;
pub use error::{Error, Invalid, Misuse, NeedsState, Refusal, StorageFault};
pub use group_data::{Conversation, GROUP_DATA_EXTENSION, GroupData, JoinPolicy};
pub use head::{Head, Operation, OwnCommit};
pub use hybrid::{HybridKey, HybridPublic};
pub use id::{AccountId, DeviceId, Epoch, GroupId, ParseIdError, StateId};
pub use identity::{
    AccountKey, Device, safety_number, verify_account_signature, verify_device_signature,
};
pub use key_package::{KeyPackageInfo, NewKeyPackage};
pub use order::{Order, OrderKind};
pub use peek::{Peek, PeekContent, peek};
pub use role::{Member, Role};
pub use rows::{Changes, Rows};
pub use snapshot::{Decrypted, Snapshot};
