//! Each bound and each rule of the encoding: at the edge, one step beyond, and what must be kept.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests stand outside test functions"
)]

use sori_content::limits::{
    CONTENT_LEN_MAX, EXTENSION_KEY_LEN_MAX, EXTENSION_VALUE_LEN_MAX, EXTENSIONS_MAX, FIELD_LEN_MAX,
    PART_DEPTH_MAX, PARTS_MAX, REACTION_LEN_MAX, REACTIONS_MAX, TEXT_LEN_MAX, TOPIC_ID_LEN_MAX,
    UNKNOWN_TYPES_MAX,
};
use sori_content::{
    Disposition, Error, Expiration, ExtensionKey, Extensions, ExternalPart, Meaning, MessageId,
    MimiContent, NestedPart, PartSemantics, TopicId,
};

const SALT: [u8; 16] = [7; 16];
/// A text part: disposition, language, cardinality, media type, content.
const PART: &[u8] = b"\x85\x01\x60\x01\x6atext/plain\x42hi";

fn id() -> MessageId {
    MessageId::from_bytes([1; 32])
}

/// Encoded content from its encoded fields.
fn content(
    replaces: &[u8],
    topic: &[u8],
    expires: &[u8],
    extensions: &[u8],
    body: &[u8],
) -> Vec<u8> {
    let head = [&[0x87, 0x50][..], &SALT].concat();
    [&head, replaces, topic, expires, &[0xf6], extensions, body].concat()
}

fn decode_body(body: &[u8]) -> Result<MimiContent, Error> {
    decode_exactly(&content(&[0xf6], &[0x40], &[0xf6], &[0xa0], body))
}

fn decode_extensions(extensions: &[u8]) -> Result<MimiContent, Error> {
    decode_exactly(&content(&[0xf6], &[0x40], &[0xf6], extensions, PART))
}

/// One extension with key 256 and this value.
fn decode_extension(value: &[u8]) -> Result<MimiContent, Error> {
    decode_extensions(&[&[0xa1, 0x19, 0x01, 0x00], value].concat())
}

/// Decodes; what decodes must encode to the same bytes.
fn decode_exactly(bytes: &[u8]) -> Result<MimiContent, Error> {
    let content = MimiContent::decode(bytes)?;
    assert!(content.encode() == bytes);
    Ok(content)
}

fn text_part(text: &str) -> NestedPart {
    NestedPart::single(Disposition::RENDER, "text/plain", text.as_bytes().to_vec()).unwrap()
}

fn all_of(parts: Vec<NestedPart>) -> Result<NestedPart, Error> {
    NestedPart::multi(Disposition::RENDER, PartSemantics::ProcessAll, parts)
}

fn nested(levels: usize) -> Result<NestedPart, Error> {
    (1..levels).try_fold(text_part("x"), |part, _| all_of(vec![part, text_part("y")]))
}

/// protocol §8.2
#[test]
fn content_at_the_length_limit_decodes_and_beyond_is_refused() {
    let filled = |len: usize| {
        let body = NestedPart::single(Disposition::RENDER, "x/y", vec![0; len]).unwrap();
        MimiContent::with_body(SALT, body).encode()
    };
    let overhead = filled(CONTENT_LEN_MAX).len() - CONTENT_LEN_MAX;
    let longest = filled(CONTENT_LEN_MAX - overhead);
    assert_eq!(longest.len(), CONTENT_LEN_MAX);
    assert!(MimiContent::decode(&longest).is_ok());
    let longer = filled(CONTENT_LEN_MAX - overhead + 1);
    assert_eq!(
        MimiContent::decode(&longer).unwrap_err(),
        Error::ContentTooLong
    );
}

#[test]
fn longest_text_fits_a_frame_with_every_field_set() {
    let uri = "u".repeat(256);
    let text = "한".repeat(TEXT_LEN_MAX / 3);
    let message = MimiContent::edit(SALT, &text, id()).with_in_reply_to(id());
    let message = message.with_sender_and_room(&uri, &uri).unwrap();
    let bytes = message
        .with_expiry(Expiration::Relative { seconds: u32::MAX })
        .encode();
    assert!(bytes.len() < 60 * 1024);
    assert!(decode_exactly(&bytes).is_ok());
}

#[test]
fn parts_at_the_depth_limit_decode_and_deeper_ones_are_refused() {
    let deepest = MimiContent::with_body(SALT, nested(PART_DEPTH_MAX).unwrap());
    assert!(decode_exactly(&deepest.encode()).is_ok());
    assert_eq!(nested(PART_DEPTH_MAX + 1).unwrap_err(), Error::PartsTooDeep);
    // Multiparts of two, one inside the other, as deep as there are bytes: cut off at the limit,
    // not by the stack.
    let body = b"\x85\x01\x60\x03\x02\x82".repeat(100_000);
    assert_eq!(decode_body(&body).unwrap_err(), Error::PartsTooDeep);
}

#[test]
fn parts_at_the_count_limit_decode_and_more_are_refused() {
    let many = |count: usize| all_of(vec![NestedPart::null(Disposition::RENDER); count]);
    let most = MimiContent::with_body(SALT, many(PARTS_MAX - 1).unwrap());
    assert!(decode_exactly(&most.encode()).is_ok());
    assert_eq!(many(PARTS_MAX).unwrap_err(), Error::TooManyParts);
    let with_len = |len: u16| [b"\x85\x01\x60\x03\x02\x99", &len.to_be_bytes()[..]].concat();
    assert_eq!(
        decode_body(&with_len(1024)).unwrap_err(),
        Error::TooManyParts
    );
    assert_eq!(decode_body(&with_len(1023)).unwrap_err(), Error::Truncated);
    let two_halves = all_of(vec![many(600).unwrap(), many(600).unwrap()]);
    assert_eq!(two_halves.unwrap_err(), Error::TooManyParts);
}

#[test]
fn multipart_of_fewer_than_two_is_refused() {
    assert_eq!(all_of(vec![]).unwrap_err(), Error::TooFewParts);
    assert_eq!(
        all_of(vec![text_part("x")]).unwrap_err(),
        Error::TooFewParts
    );
    assert_eq!(
        decode_body(b"\x85\x01\x60\x03\x02\x80").unwrap_err(),
        Error::TooFewParts
    );
    assert_eq!(
        decode_body(&[b"\x85\x01\x60\x03\x02\x81", PART].concat()).unwrap_err(),
        Error::TooFewParts
    );
}

#[test]
fn fields_at_their_limit_decode_and_longer_ones_are_refused() {
    let topic = |len| TopicId::from_bytes(vec![0; len]);
    let longest = MimiContent::text(SALT, "x").with_topic(topic(TOPIC_ID_LEN_MAX).unwrap());
    assert!(decode_exactly(&longest.encode()).is_ok());
    assert_eq!(
        topic(TOPIC_ID_LEN_MAX + 1).unwrap_err(),
        Error::FieldTooLong
    );
    let long_topic = [&[0x59, 0x10, 0x01][..], &[0; 4097]].concat();
    let bytes = content(&[0xf6], &long_topic, &[0xf6], &[0xa0], PART);
    assert_eq!(decode_exactly(&bytes).unwrap_err(), Error::FieldTooLong);

    let (longest, longer) = ("x".repeat(FIELD_LEN_MAX), "x".repeat(FIELD_LEN_MAX + 1));
    assert!(text_part("x").with_language(&longest).is_ok());
    assert_eq!(
        text_part("x").with_language(&longer).unwrap_err(),
        Error::FieldTooLong
    );
    assert_eq!(
        NestedPart::single(Disposition::RENDER, &longer, vec![]).unwrap_err(),
        Error::FieldTooLong
    );
    let external = |url: &str, key: usize| {
        let external = ExternalPart {
            url: url.to_owned(),
            key: vec![0; key],
            ..ExternalPart::default()
        };
        NestedPart::external(Disposition::ATTACHMENT, external)
    };
    let body = external(&longest, FIELD_LEN_MAX).unwrap();
    assert!(decode_exactly(&MimiContent::with_body(SALT, body).encode()).is_ok());
    assert_eq!(external(&longer, 0).unwrap_err(), Error::FieldTooLong);
    assert_eq!(
        external("", FIELD_LEN_MAX + 1).unwrap_err(),
        Error::FieldTooLong
    );
}

#[test]
fn unknown_dispositions_are_kept_and_shown() {
    for disposition in 9..=u8::MAX {
        let body = NestedPart::single(
            Disposition::from_value(disposition),
            "text/plain",
            b"hi".to_vec(),
        )
        .unwrap();
        let content = decode_exactly(&MimiContent::with_body(SALT, body).encode()).unwrap();
        assert_eq!(content.body.disposition().value(), disposition);
        assert!(matches!(content.meaning(), Meaning::Text { text, .. } if text == "hi"));
    }
    assert_eq!(
        decode_body(b"\x83\x19\x01\x00\x60\x00").unwrap_err(),
        Error::ValueOutOfRange
    );
}

#[test]
fn unknown_cardinality_or_semantics_or_hash_is_refused() {
    assert_eq!(
        decode_body(b"\x83\x01\x60\x04").unwrap_err(),
        Error::UnknownCardinality
    );
    assert_eq!(
        decode_body(&[b"\x85\x01\x60\x03\x03\x82", PART, PART].concat()).unwrap_err(),
        Error::UnknownPartSemantics
    );
    let replaces = [&[0x58, 32, 2][..], &[0; 31]].concat();
    let bytes = content(&replaces, &[0x40], &[0xf6], &[0xa0], PART);
    assert_eq!(
        decode_exactly(&bytes).unwrap_err(),
        Error::UnknownHashAlgorithm
    );
}

#[test]
fn part_with_the_wrong_number_of_fields_is_refused() {
    for body in [
        &b"\x84\x01\x60\x00\x00"[..],
        b"\x83\x01\x60\x01",
        b"\x85\x01\x60\x02\x60\x60",
        b"\x82\x01\x60",
    ] {
        assert!(decode_body(body).is_err());
    }
}

#[test]
fn longer_forms_than_needed_are_refused() {
    let bodies: [&[u8]; 7] = [
        b"\x83\x18\x01\x60\x00",             // disposition in two bytes
        b"\x83\x01\x78\x00\x00",             // language length in two bytes
        b"\x83\x01\x60\x19\x00\x00",         // cardinality in three bytes
        b"\x98\x03\x01\x60\x00",             // array length in two bytes
        b"\x9f\x01\x60\x00\xff",             // array without length
        b"\x85\x01\x60\x01\x60\x5f\x40\xff", // bytes without length
        b"\x83\x01\x7f\x60\xff\x00",         // text without length
    ];
    for body in bodies {
        assert_eq!(
            decode_body(body).unwrap_err(),
            Error::NotDeterministic,
            "{body:x?}"
        );
    }
}

#[test]
fn expiration_is_kept_and_out_of_range_refused() {
    let with = |expires: &[u8]| decode_exactly(&content(&[0xf6], &[0x40], expires, &[0xa0], PART));
    let latest = with(b"\x82\xf4\x1a\xff\xff\xff\xff").unwrap().expires;
    assert_eq!(
        latest,
        Some(Expiration::Absolute {
            unix_seconds: u32::MAX
        })
    );
    assert_eq!(
        with(b"\x82\xf5\x00").unwrap().expires,
        Some(Expiration::Relative { seconds: 0 })
    );
    assert_eq!(
        with(b"\x82\xf5\x1b\x00\x00\x00\x01\x00\x00\x00\x00").unwrap_err(),
        Error::ValueOutOfRange
    );
    for wrong in [
        &b"\x81\xf5"[..],
        b"\x83\xf5\x00\x00",
        b"\x82\x01\x00",
        b"\x82\xf5\x20",
        b"\x00",
    ] {
        assert_eq!(with(wrong).unwrap_err(), Error::Malformed, "{wrong:x?}");
    }
}

#[test]
fn unknown_extensions_of_every_kind_are_kept_byte_for_byte() {
    let values: [&[u8]; 14] = [
        b"\x00",
        b"\x3b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x40",
        b"\x60",
        b"\x80",
        b"\xa0",
        b"\xf4",
        b"\xf6",
        b"\xf7",
        b"\xe0",
        b"\xf8\xff",
        b"\xf9\x7e\x00",
        b"\xfa\x3d\xcc\xcc\xcd",
        b"\xc2\x49\x01\x00\x00\x00\x00\x00\x00\x00\x00",
    ];
    for value in values {
        let content = decode_extension(value).unwrap();
        let key = ExtensionKey::integer(256).unwrap();
        assert_eq!(content.extensions.get(&key), Some(value), "{value:x?}");
    }
}

#[test]
fn extension_values_outside_the_restrictions_are_refused() {
    let values: [(&[u8], Error); 15] = [
        (b"\x18\x17", Error::NotDeterministic),
        (b"\x38\x17", Error::NotDeterministic),
        (b"\xf9\x7e\x01", Error::NotDeterministic),
        (b"\xfa\x3f\x80\x00\x00", Error::NotDeterministic),
        (b"\x9f\xff", Error::NotDeterministic),
        (b"\xbf\xff", Error::NotDeterministic),
        (b"\xc2\x41\x01", Error::NotDeterministic),
        (
            b"\xc3\x48\xff\xff\xff\xff\xff\xff\xff\xff",
            Error::NotDeterministic,
        ),
        (
            b"\xc2\x49\x00\xff\xff\xff\xff\xff\xff\xff\xff",
            Error::NotDeterministic,
        ),
        (b"\xa2\x02\x00\x01\x00", Error::NotDeterministic),
        (b"\xa2\x01\x00\x01\x00", Error::NotDeterministic),
        (b"\xa1\x80\x00", Error::InvalidExtension),
        (
            b"\xa1\x1b\x00\x20\x00\x00\x00\x00\x00\x00\x00",
            Error::InvalidExtension,
        ),
        (b"\xf8\x18", Error::Malformed),
        (b"\x61\xff", Error::Malformed),
    ];
    for (value, error) in values {
        assert_eq!(decode_extension(value).unwrap_err(), error, "{value:x?}");
    }
}

#[test]
fn extensions_at_the_depth_limit_decode_and_deeper_ones_are_refused() {
    // The draft's own example of four levels (section 6.3).
    let deepest = b"\x82\x82\x42\x12\x34\xd8\x20\x72http://example.com\x82\x42\x34\x56\x19\x16\x8b";
    assert!(decode_extension(deepest).is_ok());
    assert_eq!(
        decode_extension(b"\x81\x81\xd8\x20\x81\x00").unwrap_err(),
        Error::ExtensionTooDeep
    );
    assert_eq!(
        decode_extension(&[0x81; 500_000]).unwrap_err(),
        Error::ExtensionTooDeep
    );
    assert_eq!(
        decode_extension(&[0xc6; 500_000]).unwrap_err(),
        Error::ExtensionTooDeep
    );
}

#[test]
fn extension_lengths_are_bounded() {
    let mut extensions = Extensions::new();
    let text = |len: usize| "x".repeat(len);
    let head = 3;
    let key = ExtensionKey::text("k").unwrap();
    assert_eq!(
        extensions.insert_text(key.clone(), &text(EXTENSION_VALUE_LEN_MAX - head)),
        Ok(())
    );
    let longer = extensions.insert_text(key.clone(), &text(EXTENSION_VALUE_LEN_MAX - head + 1));
    assert_eq!(longer, Err(Error::ExtensionTooLong));
    assert_eq!(
        extensions.get(&key).map(<[u8]>::len),
        Some(EXTENSION_VALUE_LEN_MAX)
    );
    let long = [&[0x59, 0x10, 0x00][..], &[0; 4096]].concat();
    assert_eq!(
        decode_extension(&long).unwrap_err(),
        Error::ExtensionTooLong
    );
    assert!(ExtensionKey::text(&text(EXTENSION_KEY_LEN_MAX)).is_ok());
    assert_eq!(
        ExtensionKey::text(&text(EXTENSION_KEY_LEN_MAX + 1)),
        Err(Error::InvalidExtension)
    );
    assert_eq!(ExtensionKey::text(""), Err(Error::InvalidExtension));
    assert!(ExtensionKey::integer(-(1 << 53) + 1).is_ok());
    assert_eq!(
        ExtensionKey::integer(-(1 << 53)),
        Err(Error::InvalidExtension)
    );
    assert_eq!(
        ExtensionKey::integer(i64::MIN),
        Err(Error::InvalidExtension)
    );
}

#[test]
fn extensions_at_the_count_limit_decode_and_more_are_refused() {
    let mut content = MimiContent::text(SALT, "x");
    for number in 0..EXTENSIONS_MAX {
        let key = ExtensionKey::integer(-1 - i64::try_from(number).unwrap()).unwrap();
        content.extensions.insert(key, vec![0]).unwrap();
    }
    assert!(decode_exactly(&content.encode()).is_ok());
    let one_more = content
        .extensions
        .insert(ExtensionKey::text("k").unwrap(), vec![0]);
    assert_eq!(one_more, Err(Error::TooManyExtensions));
    let known = ExtensionKey::integer(-1).unwrap();
    assert_eq!(content.extensions.insert(known, vec![1]), Ok(()));
    assert_eq!(
        decode_extensions(b"\xb8\x41").unwrap_err(),
        Error::TooManyExtensions
    );
}

#[test]
fn extension_keys_are_in_the_order_of_their_bytes_and_come_once() {
    // 1, 24, -1, -25, "b", "aa"
    let sorted = b"\xa6\x01\x60\x18\x18\x00\x20\x00\x38\x18\x00\x61b\x00\x62aa\x00";
    assert_eq!(decode_extensions(sorted).unwrap().extensions.len(), 6);
    for wrong in [
        &b"\xa2\x20\x00\x01\x60"[..],
        b"\xa2\x62aa\x00\x61b\x00",
        b"\xa2\x05\x00\x05\x00",
    ] {
        assert_eq!(
            decode_extensions(wrong).unwrap_err(),
            Error::NotDeterministic,
            "{wrong:x?}"
        );
    }
    for wrong in [&b"\xa1\x60\x00"[..], b"\xa1\x01\x00", b"\xa1\x02\x40"] {
        assert_eq!(
            decode_extensions(wrong).unwrap_err(),
            Error::InvalidExtension,
            "{wrong:x?}"
        );
    }
    assert!(decode_extensions(b"\xa1\x40\x00").is_err());
}

#[test]
fn reactions_within_the_bounds_are_reactions_and_others_are_shown_as_messages() {
    let of = |emoji: &str| MimiContent::reaction(SALT, emoji, id()).meaning();
    let family = "👨🏽\u{200d}👩🏽\u{200d}👧🏽\u{200d}👦🏽";
    for emoji in ["👍", family, &"x".repeat(REACTION_LEN_MAX)] {
        assert!(matches!(of(emoji), Meaning::Reaction { emojis, .. } if emojis == [emoji]));
    }
    for text in ["", " ", "a\nb", &"x".repeat(REACTION_LEN_MAX + 1)] {
        assert!(
            matches!(of(text), Meaning::Text { text: shown, in_reply_to, .. } if shown == text && in_reply_to == Some(id()))
        );
    }
    let several = |count: usize| {
        let part = NestedPart::single(Disposition::REACTION, "text/plain", b"+".to_vec()).unwrap();
        let body = NestedPart::multi(
            Disposition::REACTION,
            PartSemantics::ProcessAll,
            vec![part; count],
        );
        MimiContent::with_body(SALT, body.unwrap())
            .with_in_reply_to(id())
            .meaning()
    };
    assert!(
        matches!(several(REACTIONS_MAX), Meaning::Reaction { emojis, .. } if emojis.len() == REACTIONS_MAX)
    );
    assert!(matches!(several(REACTIONS_MAX + 1), Meaning::Text { .. }));
}

#[test]
fn empty_body_that_replaces_nothing_means_nothing_known() {
    let meaning = MimiContent::with_body(SALT, NestedPart::null(Disposition::RENDER)).meaning();
    let empty = Meaning::Unknown {
        content_types: vec![],
        text: None,
        in_reply_to: None,
        replaces: None,
    };
    assert!(meaning == empty);
}

#[test]
fn text_that_is_not_utf8_is_unknown() {
    let body = NestedPart::single(Disposition::RENDER, "text/plain", vec![0xff]).unwrap();
    let meaning = MimiContent::with_body(SALT, body).meaning();
    assert!(
        matches!(meaning, Meaning::Unknown { content_types, text: None, .. } if content_types == ["text/plain"])
    );
}

#[test]
fn parts_are_read_as_their_semantics_say() {
    let image = || NestedPart::single(Disposition::INLINE, "image/png", vec![1]).unwrap();
    let preview = || NestedPart::single(Disposition::PREVIEW, "image/png", vec![1]).unwrap();
    let file =
        || NestedPart::single(Disposition::ATTACHMENT, "text/plain", b"log".to_vec()).unwrap();
    let of = |semantics, parts| {
        let body = NestedPart::multi(Disposition::RENDER, semantics, parts).unwrap();
        MimiContent::with_body(SALT, body)
            .with_replaces(id())
            .meaning()
    };
    let shown = |meaning: Meaning| match meaning {
        Meaning::Edit { text, .. } => (Some(text), vec![]),
        Meaning::Unknown {
            content_types,
            text,
            ..
        } => (text, content_types),
        Meaning::Delete { .. }
        | Meaning::Reaction { .. }
        | Meaning::Text { .. }
        | Meaning::Unreact { .. } => (None, vec![]),
    };
    let both = || vec![image(), text_part("hi")];
    let (hi, png) = (Some("hi".to_owned()), vec!["image/png".to_owned()]);
    let types = |names: [&str; 2]| names.map(str::to_owned).to_vec();
    assert_eq!(
        shown(of(PartSemantics::ChooseOne, both())),
        (hi.clone(), vec![])
    );
    assert_eq!(
        shown(of(PartSemantics::ProcessAll, both())),
        (hi.clone(), png)
    );
    assert_eq!(
        shown(of(PartSemantics::SingleUnit, both())),
        (None, types(["image/png", "text/plain"]))
    );
    assert_eq!(
        shown(of(
            PartSemantics::SingleUnit,
            vec![text_part("hi"), preview()]
        )),
        (hi.clone(), vec![])
    );
    let with_file = of(PartSemantics::ProcessAll, vec![text_part("hi"), file()]);
    assert_eq!(shown(with_file), (hi, vec!["text/plain".to_owned()]));
}

#[test]
fn names_of_unreadable_types_are_bounded() {
    let part = |number: usize| {
        NestedPart::single(Disposition::RENDER, &format!("x/{}", number / 2), vec![]).unwrap()
    };
    let meaning =
        MimiContent::with_body(SALT, all_of((0..100).map(part).collect()).unwrap()).meaning();
    assert!(
        matches!(meaning, Meaning::Unknown { content_types, .. } if content_types.len() == UNKNOWN_TYPES_MAX)
    );
}

#[test]
fn message_id_is_read_as_it_is_written_and_nothing_else_is() {
    let text = "01".repeat(31) + "aF";
    assert_eq!(
        text.parse::<MessageId>().unwrap().to_string(),
        text.to_lowercase()
    );
    for wrong in [
        "",
        "01",
        &"01".repeat(33),
        &"0g".repeat(32),
        &("01".repeat(31) + "+1"),
        &"한".repeat(64),
    ] {
        assert_eq!(
            wrong.parse::<MessageId>().unwrap_err(),
            Error::InvalidMessageId
        );
    }
}

#[test]
fn message_id_depends_on_where_sender_ends_and_room_begins() {
    let content = MimiContent::text(SALT, "x");
    assert!(content.message_id("ab", "c") != content.message_id("a", "bc"));
    let longest = "u".repeat(65_535);
    let longer = "u".repeat(65_536);
    assert!(content.message_id(&longest, "r") == content.message_id(&longer, "r"));
}

#[test]
fn debug_prints_no_content() {
    let mention = sori_content::Mention::new("canary", "canary:canary").unwrap();
    let mut content = MimiContent::text(SALT, &mention.to_markdown())
        .with_topic(TopicId::from_bytes(b"canary".to_vec()).unwrap());
    content
        .extensions
        .insert_text(ExtensionKey::text("canary").unwrap(), "canary")
        .unwrap();
    let printed = format!(
        "{content:?} {:?} {:?} {:?} {:?} {mention:?}",
        content.body,
        content.topic_id,
        content.extensions,
        content.meaning()
    );
    assert!(!printed.contains("canary"), "{printed}");
}
