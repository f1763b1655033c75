//! CBOR in the one deterministic form that the draft demands (draft §6, RFC 8949 §4.2.1).
//!
//! Written by hand on both sides: a derived codec would accept several encodings of one value, and
//! then two members could compute two ids for one message.

mod any;
mod decode;
mod encode;
mod float;
mod read;
mod write;

pub(crate) use any::{check_extension_value, text_item};
pub(crate) use decode::decode;
pub(crate) use encode::encode;
pub(crate) use write::Writer;

/// Number of fields of the content array.
const CONTENT_FIELDS: u64 = 7;
/// Number of fields of an expiration.
const EXPIRATION_FIELDS: u64 = 2;

/// The four kinds of part on the wire (draft §4.4).
mod cardinality {
    pub(super) const NULL: u64 = 0;
    pub(super) const SINGLE: u64 = 1;
    pub(super) const EXTERNAL: u64 = 2;
    pub(super) const MULTI: u64 = 3;
}

/// Number of fields of each kind of part, with disposition, language and cardinality.
mod part_fields {
    pub(super) const NULL: u64 = 3;
    pub(super) const SINGLE: u64 = 5;
    pub(super) const EXTERNAL: u64 = 15;
    pub(super) const MULTI: u64 = 5;
}
