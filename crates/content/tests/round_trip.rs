//! Random content round-trips; random bytes do no harm. A failure prints its seed and is kept
//! beside this file.

use proptest::collection::vec;
use proptest::prelude::*;
use sori_content::{
    Disposition, Expiration, ExtensionKey, ExternalPart, MessageId, MimiContent, NestedPart,
    PartSemantics, TopicId,
};

fn message_id() -> impl Strategy<Value = MessageId> {
    any::<[u8; 31]>().prop_map(|hash| {
        let mut id = [1; 32];
        id[1..].copy_from_slice(&hash);
        MessageId::from_bytes(id)
    })
}

fn expiration() -> impl Strategy<Value = Expiration> {
    (any::<bool>(), any::<u32>()).prop_map(|(relative, time)| {
        if relative {
            return Expiration::Relative { seconds: time };
        }
        Expiration::Absolute { unix_seconds: time }
    })
}

fn extension_key() -> impl Strategy<Value = ExtensionKey> {
    prop_oneof![
        (-300_i64..300).prop_filter_map("key", |value| ExtensionKey::integer(value).ok()),
        any::<i32>().prop_filter_map("key", |value| ExtensionKey::integer(value.into()).ok()),
        "\\PC{1,30}".prop_filter_map("key", |text| ExtensionKey::text(&text).ok()),
    ]
}

fn external() -> impl Strategy<Value = ExternalPart> {
    let texts = vec("\\PC{0,20}", 4);
    let bytes = vec(vec(any::<u8>(), 0..40), 4);
    (texts, bytes, any::<(u32, u64, u16, u8)>()).prop_map(|(mut texts, mut bytes, numbers)| {
        let mut text = || texts.pop().unwrap_or_default();
        let mut bytes = || bytes.pop().unwrap_or_default();
        let (expires, size, encryption_algorithm, hash_algorithm) = numbers;
        ExternalPart {
            content_type: text(),
            url: text(),
            expires,
            size,
            encryption_algorithm,
            key: bytes(),
            nonce: bytes(),
            associated_data: bytes(),
            hash_algorithm,
            content_hash: bytes(),
            description: text(),
            filename: text(),
        }
    })
}

fn disposition() -> impl Strategy<Value = Disposition> {
    prop_oneof![(0_u8..10), any::<u8>()].prop_map(Disposition::from_value)
}

fn content_type() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("text/plain".to_owned()),
        Just("text/markdown;variant=GFM-MIMI".to_owned()),
        "[a-z]{1,9}/[a-z]{1,9}",
    ]
}

fn part() -> impl Strategy<Value = NestedPart> {
    let content = prop_oneof![
        vec(any::<u8>(), 0..300),
        "\\PC{0,40}".prop_map(String::into_bytes)
    ];
    let leaf = prop_oneof![
        disposition().prop_map(NestedPart::null),
        (disposition(), content_type(), content)
            .prop_filter_map("part", |(d, t, c)| NestedPart::single(d, &t, c).ok()),
        (disposition(), external())
            .prop_filter_map("part", |(d, e)| NestedPart::external(d, e).ok()),
    ];
    let leaf =
        (leaf, "[a-z,]{0,8}").prop_filter_map("language", |(part, l)| part.with_language(&l).ok());
    leaf.prop_recursive(3, 30, 5, |inner| {
        (disposition(), 0_u8..3, vec(inner, 2..5)).prop_filter_map(
            "multi",
            |(d, semantics, parts)| {
                NestedPart::multi(d, PartSemantics::from_value(semantics)?, parts).ok()
            },
        )
    })
}

fn content() -> impl Strategy<Value = MimiContent> {
    let references = (
        proptest::option::of(message_id()),
        proptest::option::of(message_id()),
    );
    let extensions = vec((extension_key(), "\\PC{0,300}"), 0..6);
    let expires = proptest::option::of(expiration());
    let rest = (vec(any::<u8>(), 0..50), expires, extensions, part());
    (any::<[u8; 16]>(), references, rest).prop_map(|(salt, references, rest)| {
        let (topic, expires, extensions, body) = rest;
        let mut content = MimiContent::with_body(salt, body);
        (content.replaces, content.in_reply_to) = references;
        content.topic_id = TopicId::from_bytes(topic).unwrap_or_default();
        content.expires = expires;
        for (key, text) in extensions {
            content.extensions.insert_text(key, &text).ok();
        }
        content
    })
}

/// minicbor reads each item by its own rules: a second opinion on what the writer wrote.
fn is_one_item(bytes: &[u8]) -> bool {
    let mut decoder = minicbor::Decoder::new(bytes);
    decoder.skip().is_ok() && decoder.position() == bytes.len()
}

proptest! {
    #[test]
    fn any_content_round_trips(content in content()) {
        let bytes = content.encode();
        prop_assert!(is_one_item(&bytes));
        let decoded = MimiContent::decode(&bytes);
        prop_assert!(decoded.as_ref() == Ok(&content), "{:?}", decoded);
        drop(content.meaning());
    }

    #[test]
    fn any_content_cut_short_is_refused(content in content(), cut in any::<prop::sample::Index>()) {
        let bytes = content.encode();
        prop_assert!(MimiContent::decode(&bytes[..cut.index(bytes.len())]).is_err());
    }

    #[test]
    fn any_content_with_changed_bytes_is_refused_or_round_trips(
        content in content(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = content.encode();
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if let Ok(decoded) = MimiContent::decode(&bytes) {
            prop_assert_eq!(decoded.encode(), bytes);
            drop(decoded.meaning());
        }
    }

    #[test]
    fn any_extension_value_is_refused_or_round_trips(value in vec(any::<u8>(), 0..24)) {
        let mut content = MimiContent::text([0; 16], "x");
        let key = ExtensionKey::integer(-1).expect("in range");
        if content.extensions.insert(key, value).is_ok() {
            let decoded = MimiContent::decode(&content.encode());
            prop_assert!(decoded.as_ref() == Ok(&content), "{:?}", decoded);
        }
    }

    #[test]
    fn garbage_is_refused_without_panic(bytes in vec(any::<u8>(), 0..300)) {
        prop_assert!(MimiContent::decode(&bytes).is_err());
    }

    #[test]
    fn garbage_after_a_good_beginning_does_not_panic(bytes in vec(any::<u8>(), 0..100), kept in 18_usize..40) {
        let good = MimiContent::text([0; 16], "x").encode();
        let bytes = [&good[..kept], &bytes].concat();
        if let Ok(decoded) = MimiContent::decode(&bytes) {
            prop_assert_eq!(decoded.encode(), bytes);
        }
    }
}
