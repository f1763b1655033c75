//! The examples of draft-ietf-mimi-content-08 (see `examples/README.md`): bytes, ids, meanings, and
//! the builders.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests stand outside test functions"
)]

use sori_content::{
    Disposition, Error, Expiration, ExternalPart, Meaning, Mention, MessageId, MimiContent,
    NestedPart, PartSemantics, TopicId,
};

const ALICE: &str = "mimi://example.com/u/alice-smith";
const BOB: &str = "mimi://example.com/u/bob-jones";
const CATHY: &str = "mimi://example.com/u/cathy-washington";
const ROOM: &str = "mimi://example.com/r/engineering_team";
const MARKDOWN: &str = "text/markdown;variant=GFM-MIMI";
const HTML: &str = "text/html;charset=utf-8";
const PLAIN: &str = "text/plain;charset=utf-8";

const ORIGINAL_ID: &str = "017ce54837404c3696e0c747b985cb172716d0ed0a3d249ca63ace7d82a096f4";
const REPLY_ID: &str = "015354973c2b65ca937bf1e035ae53a5ab80e947afa43d46920d4202e5cc0b27";
const REACTION_ID: &str = "0158c4288911e50a8f6be3f47746b6682f10fd91bc8c05557aa589a3157aff68";

struct Example {
    name: &'static str,
    sender: &'static str,
    id: &'static str,
    bytes: &'static [u8],
}

macro_rules! example {
    ($name:literal, $sender:expr, $id:expr) => {
        Example {
            name: $name,
            sender: $sender,
            id: $id,
            bytes: include_bytes!(concat!("examples/", $name, ".cbor")),
        }
    };
}

const EXAMPLES: &[Example] = &[
    example!(
        "attachment",
        BOB,
        "0176180c7d19a925021fe446d241134d05c38e0d999cdc0f39c391d2377ed9d1"
    ),
    example!(
        "conferencing",
        ALICE,
        "01496d15a8dba28d7397f9868b70768e4a67f765d5b5b1ae9e03848c5fdeb0ba"
    ),
    example!(
        "delete",
        BOB,
        "011d9efc78d04d4dcf4d82b07d5199bbef37011c1f0c7e004b6111c6dda504b4"
    ),
    example!(
        "edit",
        BOB,
        "014028c0deddbdea56bec26172f6ede953d11024cb82b8192b5e2aea62d7fb47"
    ),
    example!(
        "expiring",
        ALICE,
        "01e59db8173939facc2c8a4a0f0ae8d0c7a11a81239626630c9464a8d6717a03"
    ),
    example!(
        "mention",
        CATHY,
        "018d825adf9f6be00dcafc5704c4102f5022e74219d0b603e4ba7622654042af"
    ),
    example!(
        "mention-html",
        CATHY,
        "01967ff8e9a66819738ad5cf26d2e0388a3b81d86b0f61d129c077d043ee2a4e"
    ),
    example!(
        "multipart-1",
        ALICE,
        "01da5a515ec5db42cc4dcc19b90c3c31245d8a1cfcce11318f24eb11dce0990e"
    ),
    example!(
        "multipart-2",
        ALICE,
        "01d65918c6c51c8e76546337276ae6f4bfd873d867d5cb57c76bcdca3d999dd7"
    ),
    example!(
        "multipart-3",
        ALICE,
        "01cfebeadbdb83c1eefb6403ba4852daf8bbbf9cd53bf5035a74d5d741950c9f"
    ),
    example!("original", ALICE, ORIGINAL_ID),
    example!("reaction", CATHY, REACTION_ID),
    example!("reply", BOB, REPLY_ID),
    example!(
        "unlike",
        CATHY,
        "013aadbb8f313253c8930f4e93c6ca54b2ed06d258185bdcec3870534c8a4ec4"
    ),
];

const IMPLIED_ORIGINAL: &[u8] = include_bytes!("examples/implied-original.cbor");

fn bytes(name: &str) -> &'static [u8] {
    EXAMPLES
        .iter()
        .find(|example| example.name == name)
        .unwrap()
        .bytes
}

fn meaning(name: &str) -> Meaning {
    MimiContent::decode(bytes(name)).unwrap().meaning()
}

fn id(text: &str) -> MessageId {
    text.parse().unwrap()
}

fn unhex<const N: usize>(text: &str) -> [u8; N] {
    let digits: Vec<u8> = text
        .chars()
        .map(|digit| u8::try_from(digit.to_digit(16).unwrap()).unwrap())
        .collect();
    let bytes: Vec<u8> = digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect();
    bytes.try_into().unwrap()
}

#[test]
fn every_example_decodes_and_encodes_to_the_same_bytes() {
    for example in EXAMPLES {
        let content = MimiContent::decode(example.bytes).unwrap();
        assert!(content.encode() == example.bytes, "{}", example.name);
        assert_eq!(
            content.extensions.sender_uri(),
            Some(example.sender),
            "{}",
            example.name
        );
        assert_eq!(
            content.extensions.room_uri(),
            Some(ROOM),
            "{}",
            example.name
        );
    }
}

/// protocol §8.2
#[test]
fn every_example_has_the_id_that_the_draft_gives() {
    for example in EXAMPLES {
        let content = MimiContent::decode(example.bytes).unwrap();
        assert_eq!(
            content.message_id(example.sender, ROOM).to_string(),
            example.id,
            "{}",
            example.name
        );
        assert!(
            content.message_id(ROOM, example.sender) != id(example.id),
            "{}",
            example.name
        );
    }
}

#[test]
fn every_example_cut_short_is_refused() {
    for example in EXAMPLES {
        for len in 0..example.bytes.len() {
            let error = MimiContent::decode(&example.bytes[..len]).unwrap_err();
            assert_eq!(error, Error::Truncated, "{} at {len}", example.name);
        }
    }
}

#[test]
fn every_example_with_a_byte_more_is_refused() {
    for example in EXAMPLES {
        let longer = [example.bytes, &[0]].concat();
        assert_eq!(
            MimiContent::decode(&longer).unwrap_err(),
            Error::TrailingBytes,
            "{}",
            example.name
        );
    }
}

#[test]
fn every_example_with_any_one_bit_changed_is_refused_or_round_trips() {
    for example in EXAMPLES {
        for bit in 0..example.bytes.len() * 8 {
            let mut changed = example.bytes.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            if let Ok(content) = MimiContent::decode(&changed) {
                drop(content.meaning());
                assert!(content.encode() == changed, "{} at bit {bit}", example.name);
            }
        }
    }
}

#[test]
fn implied_values_are_no_content_but_name_sender_and_room_of_the_original() {
    assert!(MimiContent::decode(IMPLIED_ORIGINAL).is_err());
    let mut implied = minicbor::Decoder::new(IMPLIED_ORIGINAL);
    assert_eq!(implied.array().unwrap(), Some(7));
    for _id_time_group_leaf_client in 0..5 {
        implied.skip().unwrap();
    }
    let (sender, room) = (implied.str().unwrap(), implied.str().unwrap());
    let original = MimiContent::decode(bytes("original")).unwrap();
    assert_eq!(original.message_id(sender, room).to_string(), ORIGINAL_ID);
}

#[test]
fn texts_of_the_examples_are_shown_as_they_are() {
    let text = |text: &str, in_reply_to, mentions| Meaning::Text {
        text: text.to_owned(),
        in_reply_to,
        mentions,
        files: vec![],
    };
    let original = Some(id(ORIGINAL_ID));
    let alice = Mention::new("@Alice Smith", ALICE).unwrap();
    let kudos = format!("Kudos to [@Alice Smith]({ALICE}) for making the release happen!");
    let vpn = "__*VPN GOING DOWN*__ I'm rebooting the VPN in ten minutes unless anyone objects.";
    let shipped = "Hi everyone, we just shipped release 2.0. __Good  work__!";
    assert!(meaning("original") == text(shipped, None, vec![]));
    assert!(meaning("reply") == text("Right on! _Congratulations_ 'all!", original, vec![]));
    assert!(meaning("mention") == text(&kudos, original, vec![alice]));
    assert!(meaning("expiring") == text(vpn, None, vec![]));
    assert!(meaning("multipart-1") == text("# Welcome!", None, vec![]));
}

#[test]
fn changes_in_the_examples_name_what_they_change() {
    let (original, reply, reaction) = (id(ORIGINAL_ID), id(REPLY_ID), id(REACTION_ID));
    let edited = "Right on! _Congratulations_ y'all!".to_owned();
    assert!(
        meaning("edit")
            == Meaning::Edit {
                replaces: reply,
                text: edited,
                mentions: vec![]
            }
    );
    assert!(meaning("delete") == Meaning::Delete { replaces: reply });
    let emojis = vec!["❤".to_owned()];
    assert!(
        meaning("reaction")
            == Meaning::Reaction {
                on: original,
                emojis,
                replaces: None
            }
    );
    assert!(
        meaning("unlike")
            == Meaning::Unreact {
                replaces: reaction,
                on: Some(original)
            }
    );
}

#[test]
fn examples_that_cannot_be_shown_name_their_types_and_what_is_readable() {
    let unknown = |types: &[&str], text: Option<&str>, in_reply_to| Meaning::Unknown {
        content_types: types.iter().map(|&name| name.to_owned()).collect(),
        text: text.map(str::to_owned),
        in_reply_to,
        replaces: None,
    };
    let original = Some(id(ORIGINAL_ID));
    assert!(
        meaning("attachment")
            == unknown(&["video/mp4"], Some("2 hours of key signing video"), None)
    );
    assert!(meaning("conferencing") == unknown(&[], Some("Join the Foo 118 conference"), None));
    assert!(meaning("mention-html") == unknown(&[HTML], None, original));
    assert!(meaning("multipart-3") == unknown(&[HTML, "image/gif", "image/png"], None, None));
}

#[test]
fn several_reactions_at_once_are_shown_one_by_one() {
    let mut content = MimiContent::decode(bytes("multipart-2")).unwrap();
    let text = "❤\n🥳\n🤞".to_owned();
    // The example names no message to react to, so that all one can do is to show what it holds.
    assert!(
        content.meaning()
            == Meaning::Text {
                text,
                in_reply_to: None,
                mentions: vec![],
                files: vec![]
            }
    );
    content.in_reply_to = Some(id(ORIGINAL_ID));
    let emojis = ["❤", "🥳", "🤞"].map(str::to_owned).to_vec();
    assert!(
        content.meaning()
            == Meaning::Reaction {
                on: id(ORIGINAL_ID),
                emojis,
                replaces: None
            }
    );
}

#[test]
fn builders_of_texts_make_the_examples() {
    let original = id(ORIGINAL_ID);
    let salt = unhex("5eed9406c2545547ab6f09f20a18b003");
    let content = MimiContent::text(
        salt,
        "Hi everyone, we just shipped release 2.0. __Good  work__!",
    );
    assert_built("original", content, ALICE);

    let salt = unhex("11a458c73b8dd2cf404db4b378b8fe4d");
    let content = MimiContent::reply(salt, "Right on! _Congratulations_ 'all!", original);
    assert_built("reply", content, BOB);

    let salt = unhex("04f290e215d0f82d1750bfa8b7dc089d");
    let alice = Mention::new("@Alice Smith", ALICE).unwrap().to_markdown();
    let content = MimiContent::reply(
        salt,
        &format!("Kudos to {alice} for making the release happen!"),
        original,
    );
    assert_built("mention", content, CATHY);

    let salt = unhex("33be993eb39f418f9295afc2ae160d2d");
    let text = "__*VPN GOING DOWN*__ I'm rebooting the VPN in ten minutes unless anyone objects.";
    let expiry = Expiration::Absolute {
        unix_seconds: 1_644_390_004,
    };
    assert_built(
        "expiring",
        MimiContent::text(salt, text).with_expiry(expiry),
        ALICE,
    );
}

#[test]
fn builders_of_changes_make_the_examples() {
    let (original, reply, reaction) = (id(ORIGINAL_ID), id(REPLY_ID), id(REACTION_ID));
    let salt = unhex("b8c2e6d8800ecf45df39be6c45f4c042");
    let content = MimiContent::edit(salt, "Right on! _Congratulations_ y'all!", reply);
    assert_built("edit", content.with_in_reply_to(original), BOB);

    let salt = unhex("0a590d73b2c7761c39168be5ebf7f2e6");
    assert_built(
        "delete",
        MimiContent::delete(salt, reply).with_in_reply_to(original),
        BOB,
    );

    let salt = unhex("d37bc0e6a8b4f04e9e6382375f587bf6");
    assert_built(
        "reaction",
        MimiContent::reaction(salt, "❤", original),
        CATHY,
    );

    let salt = unhex("c5ba86dc9fd272e58ca52ec805b79199");
    assert_built(
        "unlike",
        MimiContent::unreact(salt, reaction, original),
        CATHY,
    );
}

#[test]
fn builders_of_external_parts_make_the_examples() {
    let salt = unhex("18fac6371e4e53f1aeaf8a013155c166");
    let video = ExternalPart {
        content_type: "video/mp4".to_owned(),
        url: "https://example.com/storage/8ksB4bSrrRE.mp4".to_owned(),
        size: 708_234_961,
        encryption_algorithm: 1,
        key: unhex::<16>("21399320958a6f4c745dde670d95e0d8").to_vec(),
        nonce: unhex::<12>("c86cf2c33f21527d1dd76f5b").to_vec(),
        hash_algorithm: 1,
        content_hash: unhex::<32>(
            "9ab17a8cf0890baaae7ee016c7312fcc080ba46498389458ee44f0276e783163",
        )
        .to_vec(),
        description: "2 hours of key signing video".to_owned(),
        filename: "bigfile.mp4".to_owned(),
        ..ExternalPart::default()
    };
    let body = NestedPart::external(Disposition::ATTACHMENT, video)
        .unwrap()
        .with_language("en")
        .unwrap();
    assert_built("attachment", MimiContent::with_body(salt, body), BOB);

    let salt = unhex("678ac6cd54de049c3e9665cd212470fa");
    let conference = ExternalPart {
        url: "https://example.com/join/12345".to_owned(),
        description: "Join the Foo 118 conference".to_owned(),
        ..ExternalPart::default()
    };
    let body = NestedPart::external(Disposition::SESSION, conference).unwrap();
    let topic = TopicId::from_bytes(b"Foo 118".to_vec()).unwrap();
    assert_built(
        "conferencing",
        MimiContent::with_body(salt, body).with_topic(topic),
        ALICE,
    );
}

#[test]
fn builders_of_other_bodies_make_the_examples() {
    let salt = unhex("15d9705fd5bf5e02b0af47c85f8b98fe");
    let html = format!(
        "<p>Kudos to <a href=\"{ALICE}\">@Alice Smith</a> for making the release happen!</p>"
    );
    let body = single(Disposition::RENDER, HTML, html.as_bytes());
    let content = MimiContent::with_body(salt, body).with_in_reply_to(id(ORIGINAL_ID));
    assert_built("mention-html", content, CATHY);

    let salt = unhex("261c953e178af653fe3d42641b91d814");
    let vendor = unhex::<15>("dc861ebaa718fd7c3ca159f71a2001");
    let body = multi(
        Disposition::RENDER,
        PartSemantics::ChooseOne,
        [
            single(Disposition::RENDER, MARKDOWN, b"# Welcome!"),
            single(
                Disposition::RENDER,
                "application/vnd.examplevendor-fancy-im-message",
                &vendor,
            ),
        ],
    );
    assert_built("multipart-1", MimiContent::with_body(salt, body), ALICE);

    let salt = unhex("8528dc2d92e4f1944d62042907ab94d0");
    let reactions =
        ["❤", "🥳", "🤞"].map(|emoji| single(Disposition::REACTION, PLAIN, emoji.as_bytes()));
    let body = multi(Disposition::REACTION, PartSemantics::ProcessAll, reactions);
    assert_built("multipart-2", MimiContent::with_body(salt, body), ALICE);
}

#[test]
fn builders_of_nested_parts_make_the_example() {
    let page = |language: &str, title: &str, index: u8, alt: &str| {
        let image = format!("<img src=\"cid:{index}@local.invalid\" alt=\"{alt}\"/>");
        let html = format!("<html><body><h1>{title}!</h1>\n{image}\n</body></html>");
        single(Disposition::RENDER, HTML, html.as_bytes())
            .with_language(language)
            .unwrap()
    };
    let pages = |index: u8| {
        let pages = [
            page("en", "Welcome", index, "Welcome image"),
            page("fr", "Bienvenue", index, "Image bienvenue"),
        ];
        multi(Disposition::RENDER, PartSemantics::ChooseOne, pages)
    };
    let gif = single(
        Disposition::INLINE,
        "image/gif",
        &unhex::<16>("dc861ebaa718fd7c3ca159f71a2001a7"),
    );
    let png = single(
        Disposition::INLINE,
        "image/png",
        &unhex::<16>("fa444237451a05a72bb0f67037cc1669"),
    );
    let with_gif = multi(
        Disposition::RENDER,
        PartSemantics::ProcessAll,
        [pages(5), gif],
    );
    let with_png = multi(
        Disposition::RENDER,
        PartSemantics::ProcessAll,
        [pages(10), png],
    );
    let body = multi(
        Disposition::RENDER,
        PartSemantics::ChooseOne,
        [with_gif, with_png],
    );
    let salt = unhex("b8362793168d18c049b882d4642a2274");
    assert_built("multipart-3", MimiContent::with_body(salt, body), ALICE);
}

fn single(disposition: Disposition, content_type: &str, content: &[u8]) -> NestedPart {
    NestedPart::single(disposition, content_type, content.to_vec()).unwrap()
}

fn multi<const N: usize>(
    disposition: Disposition,
    semantics: PartSemantics,
    parts: [NestedPart; N],
) -> NestedPart {
    NestedPart::multi(disposition, semantics, parts.to_vec()).unwrap()
}

fn assert_built(name: &str, content: MimiContent, sender: &str) {
    let content = content.with_sender_and_room(sender, ROOM).unwrap();
    assert!(content.encode() == bytes(name), "{name}");
}
