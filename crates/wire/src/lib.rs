//! The relay protocol `sori/1`: its types, its bytes and its limits.
//!
//! A relay carries opaque frames between whoever is attached to a topic at that moment. This crate
//! says how a client and a relay tell each other so, and nothing more: it opens no socket, reads no
//! clock, and knows nothing of groups, members or MLS. The normative text is `docs/protocol.md`,
//! sections 1 and 2; comments cite it as `protocol §x`.
//!
//! ```text
//!  client                                   relay
//!    │  Access { proof }                      │     only where the relay is private, and first of all
//!    ├───────────────────────────────────────►│
//!    │  Attach { request, topic, proof }      │     proof: topic key over this connection's exporter
//!    ├───────────────────────────────────────►│
//!    │  Attached { request, handle }          │     the handle stands for the topic from here on
//!    │◄───────────────────────────────────────┤
//!    │  Publish { request, handle, frame }    │
//!    ├───────────────────────────────────────►│──► Deliver { handle, frame } to every *other* one
//!    │  Published { request, receivers }      │
//!    │◄───────────────────────────────────────┤
//! ```
//!
//! Start with [`ClientMessage`] and [`RelayMessage`] (what is said), [`Decoder`] (how bytes become
//! messages) and [`TopicSeed`] (who may say it).
//!
//! What the compiler does not check: every bound lives in [`limits`]; a length is refused before
//! anything of that length is stored; each message has exactly one encoding.
//!
//! ```
//! use sori_wire::{ClientMessage, Decoder, Frame, Handle, RequestId};
//!
//! let message = ClientMessage::Publish {
//!     request: RequestId(1),
//!     handle: Handle(7),
//!     frame: Frame::new(b"sealed bytes".to_vec())?,
//! };
//! let mut decoder = Decoder::<ClientMessage>::new();
//! decoder.push(&message.encode());
//! assert_eq!(decoder.next()?, Some(message));
//! # Ok::<(), Box<dyn std::error::Error>>(())
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

mod access;
mod close;
mod codec;
mod frame;
mod intake;
pub mod limits;
mod message;
#[cfg(any(test, fuzzing))]
pub mod outside;
mod relay_key;
mod relay_url;
mod topic;

pub use access::{AccessKey, AccessProof, InvalidAccessKey};
pub use close::CloseCode;
pub use codec::{DecodeError, Decoder, DeliverHeader, Message};
pub use frame::{Frame, FrameRef, FrameTooLong};
pub use intake::{ClientMessageRef, Intake, Received};
pub use message::{ALPN, ClientMessage, Handle, Refusal, RelayMessage, RequestId};
pub use relay_key::{InvalidRelayKey, RelayKey};
pub use relay_url::{InvalidRelayUrl, RelayHost, RelayIdentity, RelayUrl};
pub use topic::{
    EXPORTER_CONTEXT, EXPORTER_LABEL, Exporter, ProofError, Topic, TopicProof, TopicSeed,
};
