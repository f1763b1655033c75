//! Test vectors of the protocol, computed by this second implementation (`docs/vectors.json`).
//!
//! Inputs are those of the examples in `docs/protocol.md`, so the values meet there: the product's own tests compare
//! what it computes with the document, and the tests here compare what is computed here.

mod inside;

use base64ct::{Base64UrlUnpadded, Encoding};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::peer::encode::{access as access_message, detach, number, publish};
use crate::peer::{Topic, access};

/// All of them, as the file has them.
pub(crate) fn text() -> String {
    let vectors = json!({
        "about": "Test vectors of docs/protocol.md; bytes in hexadecimal. Written by `sori-audit vectors`.",
        "relay": relay(),
        "channel": channel(),
        "envelope": envelope(),
        "group": inside::group(),
        "branch": crate::branch::vectors(),
        "catch_up": catch_up(),
        "invite": invite(),
        "message": inside::message(),
        "file": inside::file(),
    });
    let mut text = serde_json::to_string_pretty(&vectors).unwrap_or_default();
    text.push('\n');
    text
}

/// Sections 2.1 to 2.3 and 2.9.
fn relay() -> Value {
    let (seed, exporter, key) = ([7; 32], [2; 32], [1; 32]);
    let topic = Topic::from_seed(seed);
    let access = access(&key, &exporter);
    json!({
        "clauses": ["2.1.1", "2.1.3", "2.2.1", "2.2.2", "2.9.2"],
        "publish": { "request": 300, "handle": 1, "frame": hex(b"abc"), "message": hex(&publish(300, 1, b"abc")) },
        "detach": { "handle": 1, "message": hex(&detach(1)) },
        "proof": {
            "topic_seed": hex(&seed), "exporter": hex(&exporter),
            "topic": hex(&topic.name()), "proof": hex(&topic.prove(&exporter)),
        },
        "access": {
            "key": hex(&key), "exporter": hex(&exporter), "proof": hex(&access),
            "message": hex(&access_message(&access)),
        },
    })
}

/// Sections 3.1.3, 4.1 and 4.2.
fn channel() -> Value {
    let mut secret = [0; 32];
    for (byte, value) in secret.iter_mut().zip(0..) {
        *byte = value;
    }
    let day = 20_000_u32;
    let seed = derive(&secret, "topic", &day.to_be_bytes());
    let key = derive(&secret, "seal", &day.to_be_bytes());
    let chunk = [&[1][..], &[8; 8], &[0, 0, 0, 1], b"abc"].concat();
    let frame = seal(&key, &[7; 24], b"sori channel frame 1", &chunk, 512);
    json!({
        "clauses": ["3.1.3", "4.1.2", "4.2.1", "4.2.2", "4.2.3"],
        "secret": hex(&secret), "day": day,
        "topic_seed": hex(&seed), "topic": hex(&Topic::from_seed(seed).name()),
        "sealing_key": hex(&key), "tag": hex(&derive(&secret, "tag", &[])),
        "frame": {
            "object_id": hex(&[8; 8]), "object": hex(b"abc"), "nonce": hex(&[7; 24]),
            "chunk": hex(&chunk), "frame": hex(&frame), "sha256": hex(&Sha256::digest(&frame)),
        },
    })
}

/// Section 4.3.
fn envelope() -> Value {
    let (state, message) = ([1; 32], b"abc");
    let application = [&[0][..], &state, &[3], message].concat();
    let (nonce, seed, floor, account) = (300_u64, [5; 32], 20_000_u64, [6; 32]);
    let parts: [&[u8]; 7] = [
        &[4],
        &number(nonce),
        &seed,
        &number(floor),
        &account,
        &[3],
        &[7; 3],
    ];
    json!({
        "clauses": ["4.3"],
        "application": { "state": hex(&state), "message": hex(message), "object": hex(&application) },
        "offer": {
            "nonce": nonce, "topic_seed": hex(&seed), "floor": floor, "account": hex(&account),
            "signature": hex(&[7; 3]), "object": hex(&parts.concat()),
        },
    })
}

/// Sections 6.2.1 and 6.2.2.
fn catch_up() -> Value {
    let (seed, count) = ([5; 32], 300_u64);
    let part = [&[5][..], &number(count), &[3], b"abc"].concat();
    json!({
        "clauses": ["6.2.1", "6.2.2"],
        "topic_seed": hex(&seed), "key": hex(&derive(&seed, "catch-up", &[])),
        "give": { "answered": count, "entries": [], "message": hex(&[&[2][..], &number(count), &[0]].concat()) },
        "done": { "message": hex(&[3]) },
        "want": { "offset": count, "message": hex(&[&[4][..], &number(count)].concat()) },
        "part": { "len": count, "bytes": hex(b"abc"), "message": hex(&part) },
    })
}

/// Sections 7.1 and 7.2.
fn invite() -> Value {
    let (account, public, seed) = ([1; 32], [2; 1216], [3; 32]);
    let relay = "relay://relay.example:4433/#AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let expiry = 1_800_000_000_000_u64;
    let pin = hash(&[b"sori invite pin 1", &account, &public]);
    let len = u64::try_from(relay.len()).unwrap_or_default();
    let parts: [&[u8]; 8] = [
        &[1, 1],
        &number(len),
        relay.as_bytes(),
        &seed,
        &pin,
        &[0],
        &number(expiry),
        &[0],
    ];
    let mut bytes = parts.concat();
    let check = Sha256::digest(&bytes);
    bytes.extend(check.iter().take(4));
    let request = b"request";
    let code = hash(&[b"sori invite code 1", &pin, &[4; 16], request]);
    let code = code
        .iter()
        .take(8)
        .fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte))
        % 1_000_000;
    json!({
        "clauses": ["7.1.1", "7.1.2", "7.1.3", "7.2.3", "7.2.5"],
        "account": hex(&account), "public_key": hex(&public), "pin": hex(&pin),
        "seed": hex(&seed), "topic_seed": hex(&derive(&seed, "sori invite topic 1", &pin)),
        "sealing_key": hex(&derive(&seed, "sori invite seal 1", &pin)),
        "relays": [relay], "kind": 0, "expiry": expiry,
        "text": format!("sori:invite#{}", Base64UrlUnpadded::encode_string(&bytes)),
        "request": hex(request), "commitment": hex(&hash(&[b"sori invite commitment 1", request])),
        "nonce": hex(&[4; 16]), "code": format!("{:03} {:03}", code / 1000, code % 1000),
    })
}

/// HKDF(secret, label, context) of 3.1.3.
pub(crate) fn derive(secret: &[u8], label: &str, context: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    let info = [label.as_bytes(), &[0], context].concat();
    // 32 bytes are never too many for it.
    let _expanded = Hkdf::<Sha256>::new(None, secret).expand(&info, &mut key);
    key
}

/// A frame of `len` bytes (4.2.1, 4.2.2).
pub(crate) fn seal(
    key: &[u8; 32],
    nonce: &[u8; 24],
    aad: &[u8],
    chunk: &[u8],
    len: usize,
) -> Vec<u8> {
    let size = u32::try_from(chunk.len()).unwrap_or_default();
    let mut plain = [&size.to_be_bytes(), chunk].concat();
    plain.resize(len.saturating_sub(nonce.len()).saturating_sub(16), 0);
    let payload = Payload { msg: &plain, aad };
    let cipher = XChaCha20Poly1305::new(Key::from_slice(key));
    let sealed = cipher
        .encrypt(XNonce::from_slice(nonce), payload)
        .unwrap_or_default();
    [&nonce[..], &sealed].concat()
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    Sha256::digest(parts.concat()).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_what_is_computed() {
        let file = include_str!("../../docs/vectors.json");
        assert_eq!(file, text(), "run `sori-audit vectors > docs/vectors.json`");
    }

    /// protocol §2.9.2, §3.1.3, §4.1.2, §4.2.1, §4.2.2, §4.2.3, §5.1.2, §5.2.1, §6.2.1, §6.2.2, §7.1.1, §7.1.2, §7.1.3
    /// protocol §7.2.3, §7.2.5, §8.1, §8.2, §8.7, §9.1, §9.2
    #[test]
    fn values_are_those_of_the_document() {
        let page = |text: &str| text.split_whitespace().collect::<String>();
        let document = page(include_str!("../../docs/protocol.md"));
        let (relay, channel, invite) = (relay(), channel(), invite());
        let (group, message, file) = (inside::group(), inside::message(), inside::file());
        for value in [
            &relay["access"]["proof"],
            &channel["topic_seed"],
            &channel["topic"],
            &channel["sealing_key"],
            &channel["tag"],
            &channel["frame"]["chunk"],
            &channel["frame"]["sha256"],
            &envelope()["application"]["object"],
            &envelope()["offer"]["object"],
            &group["version_1"]["data"],
            &group["version_2"]["data"],
            &group["state"]["name"],
            &catch_up()["key"],
            &catch_up()["give"]["message"],
            &catch_up()["done"]["message"],
            &catch_up()["want"]["message"],
            &catch_up()["part"]["message"],
            &message["profile"]["plaintext"],
            &message["stays"]["content"],
            &message["stays"]["message_id"],
            &message["disappears"]["message"]["message_id"],
            &file["short"]["piece"],
            &file["short"]["name"],
            &file["long"]["last_piece"],
            &file["long"]["name"],
            &invite["pin"],
            &invite["topic_seed"],
            &invite["sealing_key"],
            &invite["text"],
            &invite["commitment"],
            &invite["code"],
        ] {
            let value = page(value.as_str().unwrap());
            assert!(document.contains(&value), "not in protocol.md: {value}");
        }
    }
}
