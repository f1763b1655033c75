//! What is inside a message: the IETF MIMI content format, draft-ietf-mimi-content-08, in CBOR.
//!
//! A message in Sori is an MLS application message, and its plaintext is one [`MimiContent`]: a
//! text, a reply, a reaction, an edit, a deletion, or anything else that the draft allows and
//! another messenger may send.
//!
//! ```text
//!   text, emoji, id ── MimiContent::text / reply / reaction / edit / delete / unreact
//!                          │
//!                     MimiContent ── encode ──> bytes ──> MLS
//!                          │       <── decode ──
//!                          ├── message_id(sender, room)   names it, the same for all members
//!                          └── meaning()                  what the reader is shown
//! ```
//!
//! Start with [`MimiContent`], [`Meaning`] and [`MessageId`].
//!
//! # What it does not do
//!
//! It knows no senders, no members and no clock. Whether an edit is by the author of what it edits,
//! whether a mention names a member, whether an expiry lies in the past, whether an id was seen
//! before: the engine decides. It fetches nothing, and it does not interpret Markdown: text is
//! shown as it was typed.
//!
//! # Invariants
//!
//! - For each content there is one encoding; every other is refused. So decoding and encoding again
//!   gives the same bytes, and all members compute the same id.
//! - What is not understood is kept: unknown dispositions, extensions and media types come out as
//!   they went in.
//! - No bytes make it panic, recurse more than four levels, or allocate more than a small multiple
//!   of what arrived; the bounds are in [`limits`].
//! - `Debug` prints no content.
//!
//! # Example
//!
//! ```
//! use sori_content::{Meaning, MimiContent};
//!
//! # fn main() -> Result<(), sori_content::Error> {
//! let salt = [7; 16]; // random in earnest
//! let sent = MimiContent::text(salt, "안녕!");
//! let id = sent.message_id("mimi://example.com/u/alice", "mimi://example.com/r/team");
//!
//! let received = MimiContent::decode(&sent.encode())?;
//! assert_eq!(received.message_id("mimi://example.com/u/alice", "mimi://example.com/r/team"), id);
//! assert!(matches!(received.meaning(), Meaning::Text { text, .. } if text == "안녕!"));
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
        reason = "a test that overflows has failed, as it should"
    )
)]

mod build;
mod codec;
mod content;
mod disposition;
mod error;
mod extensions;
pub mod limits;
mod meaning;
mod media_type;
mod mention;
mod message_id;
#[cfg(any(test, fuzzing))]
pub mod outside;
mod part;
mod reading;

pub use content::{Expiration, MimiContent, SALT_LEN, TopicId};
pub use disposition::Disposition;
pub use error::Error;
pub use extensions::{ExtensionKey, Extensions};
pub use meaning::Meaning;
pub use mention::Mention;
pub use message_id::{MESSAGE_ID_LEN, MessageId};
pub use part::{ExternalPart, MultiPart, NestedPart, PartBody, PartSemantics, SinglePart};
