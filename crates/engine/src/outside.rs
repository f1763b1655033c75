//! Every parser of this crate that meets bytes from outside, for the fuzzing of `fuzz/` and for its corpora.
//!
//! Compiled for tests and fuzzing alone. What has one encoding must have come from that one.

use crate::chunk::{Assembler, Chunk};
use crate::envelope::{AppMessage, ChannelMessage, Private};
use crate::handshake::{Admission, InviteMessage, JoinRequest};
use crate::invite_link::InviteLink;
use crate::seal::SealKey;
use crate::session::SessionMessage;

/// A frame of a channel, and the chunks that may be in it, each with its length in two bytes before it.
pub fn sealed_frame(bytes: &[u8]) {
    let key = SealKey::derive(&[7; 32], "fuzz", b"");
    assert!(key.open(b"fuzz", bytes).is_none(), "nobody sealed it");
    let mut assembler = Assembler::default();
    let mut rest = bytes;
    while let Some((len, behind)) = rest.split_first_chunk::<2>() {
        let len = usize::from(u16::from_be_bytes(*len)).min(behind.len());
        let (chunk, behind) = behind.split_at(len);
        if let Some(chunk) = Chunk::parse(chunk) {
            let _message = assembler.push(chunk);
        }
        rest = behind;
    }
}

/// What is in the frames of a channel, and in the messages of a group.
pub fn envelope(bytes: &[u8]) {
    if let Some(message) = ChannelMessage::decode(bytes) {
        assert!(message.encode().is_ok());
    }
    if let Some(message) = AppMessage::decode(bytes) {
        assert!(message.encode().is_ok());
    }
    let _is_none = Private::decode(bytes);
}

/// What is said about an invite.
pub fn first_contact(bytes: &[u8]) {
    if let Some(message) = InviteMessage::decode(bytes) {
        assert!(message.encode().is_ok());
    }
    if let Some(request) = JoinRequest::decode(bytes) {
        assert!(request.encode().is_ok());
    }
    if let Some(admission) = Admission::decode(bytes) {
        assert!(admission.encode().is_ok());
    }
}

/// The text of an invite.
pub fn invite_link(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(link) = text.parse::<InviteLink>()
    {
        assert!(link.to_string().parse::<InviteLink>().is_ok());
    }
}

/// What two members say while one catches up.
pub fn catch_up(bytes: &[u8]) {
    if let Ok(message) = SessionMessage::decode(bytes) {
        assert!(message.encode().is_ok());
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A name and what it stands for.
    type Door = (&'static str, fn(&[u8]));

    /// What fuzzing found worth keeping, and what it began with.
    #[test]
    fn corpora_are_parsed_without_a_panic() {
        let doors: &[Door] = &[
            ("sealed_frame", sealed_frame),
            ("envelope", envelope),
            ("first_contact", first_contact),
            ("invite_link", invite_link),
            ("catch_up", catch_up),
        ];
        for (name, parse) in doors {
            let folder = format!("{}/../../fuzz/corpus/{name}", env!("CARGO_MANIFEST_DIR"));
            let mut count = 0;
            for entry in fs::read_dir(folder).unwrap() {
                parse(&fs::read(entry.unwrap().path()).unwrap());
                count += 1;
            }
            assert!(count >= 3, "{name} has a corpus");
        }
    }
}
