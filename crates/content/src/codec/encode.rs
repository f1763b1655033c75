//! From content to bytes.

use super::write::Writer;
use super::{CONTENT_FIELDS, EXPIRATION_FIELDS, cardinality, part_fields};
use crate::{
    Expiration, Extensions, ExternalPart, MessageId, MimiContent, MultiPart, NestedPart, PartBody,
    SinglePart,
};

pub(crate) fn encode(content: &MimiContent) -> Vec<u8> {
    let mut out = Writer::new();
    out.array(CONTENT_FIELDS);
    out.bytes(&content.salt);
    write_message_id(&mut out, content.replaces.as_ref());
    out.bytes(content.topic_id.as_bytes());
    write_expiration(&mut out, content.expires);
    write_message_id(&mut out, content.in_reply_to.as_ref());
    write_extensions(&mut out, &content.extensions);
    write_part(&mut out, &content.body);
    out.into_bytes()
}

fn write_message_id(out: &mut Writer, id: Option<&MessageId>) {
    match id {
        Some(id) => out.bytes(id.as_bytes()),
        None => out.null(),
    }
}

fn write_expiration(out: &mut Writer, expires: Option<Expiration>) {
    let Some(expires) = expires else {
        return out.null();
    };
    let (relative, time) = match expires {
        Expiration::Absolute { unix_seconds } => (false, unix_seconds),
        Expiration::Relative { seconds } => (true, seconds),
    };
    out.array(EXPIRATION_FIELDS);
    out.bool(relative);
    out.unsigned(time.into());
}

/// The map iterates in the order of the encoded keys.
fn write_extensions(out: &mut Writer, extensions: &Extensions) {
    out.map(extensions.len() as u64);
    for (key, value) in extensions.iter() {
        key.write(out);
        out.raw(value);
    }
}

/// The recursion is as deep as the part, which is at most
/// [`PART_DEPTH_MAX`](crate::limits::PART_DEPTH_MAX) levels.
fn write_part(out: &mut Writer, part: &NestedPart) {
    let (fields, cardinality) = match part.body() {
        PartBody::Null => (part_fields::NULL, cardinality::NULL),
        PartBody::Single(_) => (part_fields::SINGLE, cardinality::SINGLE),
        PartBody::External(_) => (part_fields::EXTERNAL, cardinality::EXTERNAL),
        PartBody::Multi(_) => (part_fields::MULTI, cardinality::MULTI),
    };
    out.array(fields);
    out.unsigned(part.disposition().value().into());
    out.text(part.language());
    out.unsigned(cardinality);
    match part.body() {
        PartBody::Null => {}
        PartBody::Single(single) => write_single(out, single),
        PartBody::External(external) => write_external(out, external),
        PartBody::Multi(multi) => write_multi(out, multi),
    }
}

fn write_single(out: &mut Writer, single: &SinglePart) {
    out.text(single.content_type());
    out.bytes(single.content());
}

fn write_external(out: &mut Writer, external: &ExternalPart) {
    out.text(&external.content_type);
    out.text(&external.url);
    out.unsigned(external.expires.into());
    out.unsigned(external.size);
    out.unsigned(external.encryption_algorithm.into());
    out.bytes(&external.key);
    out.bytes(&external.nonce);
    out.bytes(&external.associated_data);
    out.unsigned(external.hash_algorithm.into());
    out.bytes(&external.content_hash);
    out.text(&external.description);
    out.text(&external.filename);
}

fn write_multi(out: &mut Writer, multi: &MultiPart) {
    out.unsigned(multi.semantics().value().into());
    out.array(multi.parts().len() as u64);
    multi.parts().iter().for_each(|part| write_part(out, part));
}
