//! What members alone see: group data, messages, files (`docs/protocol.md`, sections 5, 8 and 9).

use base64ct::{Base64UrlUnpadded, Encoding};
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{hash, hex};
use crate::peer::encode::number;

/// Sections 5.1.2 and 5.2.1.
pub(super) fn group() -> Value {
    let (name, owner) = ("소리", [1; 32]);
    let len = u64::try_from(name.len()).unwrap_or_default();
    let head = [&number(len), name.as_bytes(), &owner, &[0, 0]].concat();
    let (seconds, file) = (86_400_u64, 1_048_576_u64);
    let first = [&[1], head.as_slice(), &[0, 1, 0, 0, 0]].concat();
    let second: [&[u8]; 7] = [
        &[2],
        &head,
        &[1, 1, 1],
        &number(seconds),
        &[0],
        &[0],
        &number(file),
    ];
    let (id, epoch, transcript) = ([1; 16], 5_u64, [2; 32]);
    let state = hash(&[b"sid1", &id, &epoch.to_be_bytes(), &transcript]);
    json!({
        "clauses": ["5.1.2", "5.2.1"],
        "name": name, "owner": hex(&owner),
        "version_1": { "join_policy": 0, "conversation": 1, "data": hex(&first) },
        "version_2": {
            "join_policy": 1, "conversation": 1, "disappearing_seconds": seconds, "longest_file": file,
            "data": hex(&second.concat()),
        },
        "state": {
            "group": hex(&id), "epoch": epoch, "confirmed_transcript_hash": hex(&transcript), "name": hex(&state),
        },
    })
}

/// Sections 8.1, 8.2 and 8.7.
pub(super) fn message() -> Value {
    let (account, group, salt) = ([1; 32], [2; 16], [3; 16]);
    let sender = format!("sori:a/{}", Base64UrlUnpadded::encode_string(&account));
    let room = format!("sori:g/{}", Base64UrlUnpadded::encode_string(&group));
    let (clock, time, name) = (1, 2, "Ada");
    let profile = [&[clock, time, 2, 3], name.as_bytes()].concat();
    let seconds = 1_800_000_000_u32;
    let until = [&[0x82, 0xf4, 0x1a][..], &seconds.to_be_bytes()].concat();
    let example = |expires: &[u8]| {
        let content = content(&salt, expires, (&sender, &room), "hi");
        let id = message_id((&sender, &room), &content, &salt);
        json!({ "content": hex(&content), "message_id": hex(&id) })
    };
    json!({
        "clauses": ["8.1", "8.2", "8.7"],
        "profile": { "clock": clock, "time": time, "name": name, "plaintext": hex(&profile) },
        "account": hex(&account), "group": hex(&group), "salt": hex(&salt), "text": "hi",
        "sender": sender, "room": room,
        "stays": example(&[NULL]),
        "disappears": { "unix_seconds": seconds, "message": example(&until) },
    })
}

/// A text as MIMI content, in deterministic CBOR (RFC 8949).
fn content(salt: &[u8; 16], expires: &[u8], (sender, room): (&str, &str), text: &str) -> Vec<u8> {
    let parts: [&[u8]; 12] = [
        &[0x87, 0x50],
        salt,
        // Replaces nothing, has no topic.
        &[NULL, 0x40],
        expires,
        // Answers nothing. Two extensions.
        &[NULL, 0xa2, 1],
        &cbor_text(sender),
        &[2],
        &cbor_text(room),
        // A part to be rendered, in no language, that is single.
        &[0x85, 1, 0x60, 1],
        &cbor_text("text/markdown;variant=GFM-MIMI"),
        &[0x40 | u8::try_from(text.len()).unwrap_or_default()],
        text.as_bytes(),
    ];
    parts.concat()
}

/// A text of 24 to 255 bytes.
fn cbor_text(text: &str) -> Vec<u8> {
    let len = u8::try_from(text.len()).unwrap_or_default();
    [&[0x78, len], text.as_bytes()].concat()
}

/// As the draft derives it.
fn message_id((sender, room): (&str, &str), content: &[u8], salt: &[u8; 16]) -> Vec<u8> {
    let counted = |text: &str| {
        let len = u16::try_from(text.len()).unwrap_or_default();
        [&len.to_be_bytes(), text.as_bytes()].concat()
    };
    let hash = hash(&[&counted(sender), &counted(room), content, salt]);
    let first = hash.iter().take(31);
    [1].iter().chain(first).copied().collect()
}

/// Sections 9.1, 9.2 and 9.5.
pub(super) fn file() -> Value {
    let (key, nonce, seed) = ([1; 32], [2; 12], [5; 32]);
    let one = sealed(&key, &nonce, b"abc");
    let two = sealed(&key, &nonce, &[7; PIECE_LEN + 1]);
    let last = two.last().cloned().unwrap_or_default();
    json!({
        "clauses": ["9.1", "9.2", "9.5"],
        "key": hex(&key), "nonce": hex(&nonce),
        "short": { "file": hex(b"abc"), "piece": hex(&one.concat()), "name": hex(&file_name(3, &one)) },
        "long": {
            "byte": 7, "bytes": PIECE_LEN + 1, "last_piece": hex(&last),
            "name": hex(&file_name(PIECE_LEN + 1, &two)),
        },
        "transfer": { "topic_seed": hex(&seed), "key": hex(&super::derive(&seed, "file", &[])) },
    })
}

fn sealed(key: &[u8; 32], nonce: &[u8; 12], file: &[u8]) -> Vec<Vec<u8>> {
    let cipher = ChaCha20Poly1305::new(Key::from_slice(key));
    let pieces = file.chunks(PIECE_LEN).zip(0_u32..);
    let sealed = pieces.map(|(piece, index)| {
        let mut nonce = *nonce;
        for (byte, of_index) in nonce.iter_mut().skip(8).zip(index.to_be_bytes()) {
            *byte ^= of_index;
        }
        cipher
            .encrypt(Nonce::from_slice(&nonce), piece)
            .unwrap_or_default()
    });
    sealed.collect()
}

fn file_name(len: usize, pieces: &[Vec<u8>]) -> [u8; 32] {
    let len = u64::try_from(len).unwrap_or_default().to_be_bytes();
    let hashes: Vec<u8> = pieces.iter().flat_map(Sha256::digest).collect();
    hash(&[b"sori file 1", &len, &hashes])
}

/// In CBOR.
const NULL: u8 = 0xf6;

/// Bytes of a file in one piece.
const PIECE_LEN: usize = 61_440;
