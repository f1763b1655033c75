//! The examples of `docs/protocol.md`, sections 4 and 6 to 8, against the code.

use rand_core::{CryptoRng, RngCore};
use sori_content::MimiContent;
use sori_mls::{AccountId, GroupId, StateId};
use zeroize::Zeroizing;

use crate::arrange::WithTimer;
use crate::attachments::sealed::{self, FileId, FileKey, PIECE_LEN};
use crate::channel::Channel;
use crate::chunk;
use crate::delivery::CHANNEL_AAD;
use crate::envelope::{AppBody, AppMessage, ChannelMessage, Offer};
use crate::handshake;
use crate::invite_link::{InviteKind, InviteLink};
use crate::messages::uris;
use crate::record::ChannelRecord;
use crate::seal::{SealKey, derive32};
use crate::session::{EnvelopeId, SessionMessage};
use crate::time::{Day, Time};

const RELAY: &str = "relay://relay.example:4433/#AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Random numbers that all are sevens.
struct Sevens;

impl CryptoRng for Sevens {}

impl RngCore for Sevens {
    fn next_u32(&mut self) -> u32 {
        0x0707_0707
    }

    fn next_u64(&mut self) -> u64 {
        0x0707_0707_0707_0707
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        bytes.fill(7);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Fails for values that are not in the document, whose line breaks are those of a page.
#[track_caller]
fn assert_in_document(examples: &[(&str, String)]) {
    let page = |text: &str| text.split_whitespace().collect::<String>();
    let document = page(include_str!("../../../docs/protocol.md"));
    let missing: Vec<_> = examples
        .iter()
        .filter(|(_, value)| !document.contains(&format!("`{}`", page(value))))
        .filter(|(_, value)| !document.contains(&format!("```text{}```", page(value))))
        .collect();
    assert!(missing.is_empty(), "not in protocol.md: {missing:#?}");
}

/// protocol §3.1.1, §3.1.3, §4.1.2, §4.2.1, §4.2.2, §4.2.3, §4.3.1
#[test]
fn keys_and_frames_of_a_channel_are_those_of_the_document() {
    let mut channel = Channel::new(ChannelRecord {
        group: GroupId::from_bytes([0; 16]),
        secret: std::array::from_fn(|index| u8::try_from(index).unwrap()),
        superseded: None,
        lost: false,
        joiners: false,
        pruned: Day(0),
        undecided: false,
    });
    let tag = hex(&*channel.tag());
    let keys = channel.day(Day(20_000));
    let chunks = chunk::split(b"abc", [8; 8]).unwrap();
    let frame = keys
        .seal
        .seal(CHANNEL_AAD, &chunks[0], &mut Sevens)
        .unwrap();
    assert_eq!(frame.len(), 512);
    let application = ChannelMessage::Application {
        state: StateId::from_bytes([1; 32]),
        message: b"abc".to_vec(),
    };
    let offer = ChannelMessage::Offer(Offer {
        hello: 300,
        seed: [5; 32],
        floor: Day(20_000),
        account: AccountId::from_bytes([6; 32]),
        signature: vec![7; 3],
    });
    let seal_key = derive32(&channel.record.secret, "seal", &20_000_u32.to_be_bytes());
    let by_hand = SealKey::from_bytes(*seal_key);
    assert_eq!(*by_hand.open(CHANNEL_AAD, &frame).unwrap(), chunks[0]);
    let keys = channel.day(Day(20_000));
    assert_in_document(&[
        ("topic_seed", hex(keys.seed.as_bytes())),
        ("topic", hex(keys.topic.as_bytes())),
        ("seal_key", hex(&*seal_key)),
        ("tag", tag),
        ("chunk", hex(&chunks[0])),
        ("envelope_id", hex(&EnvelopeId::of(&frame).0)),
        ("application", hex(&application.encode().unwrap())),
        ("offer", hex(&offer.encode().unwrap())),
    ]);
}

/// protocol §6.2.1, §6.2.2
#[test]
fn keys_and_messages_of_a_catch_up_are_those_of_the_document() {
    let give = SessionMessage::Give {
        answered: 300,
        entries: Vec::new(),
    };
    let part = SessionMessage::Part {
        len: 300,
        bytes: b"abc".to_vec(),
    };
    assert_in_document(&[
        ("session_key", hex(&*derive32(&[5; 32], "catch-up", &[]))),
        ("give", hex(&give.encode().unwrap())),
        ("done", hex(&SessionMessage::Done.encode().unwrap())),
        (
            "want",
            hex(&SessionMessage::Want { offset: 300 }.encode().unwrap()),
        ),
        ("part", hex(&part.encode().unwrap())),
    ]);
}

/// protocol §7.1.1, §7.1.2, §7.1.3, §7.2.3, §7.2.5
#[test]
fn pin_link_commitment_and_code_are_those_of_the_document() {
    let pin = handshake::pin(&[2; 1216], &[1; 32]);
    let link = InviteLink::new(
        vec![RELAY.parse().unwrap()],
        Zeroizing::new([3; 32]),
        pin,
        InviteKind::Contact,
        Time::from_unix_ms(1_800_000_000_000),
        None,
    )
    .unwrap();
    let seal = derive32(&[3; 32], "sori invite seal 1", &pin);
    assert_in_document(&[
        ("relay", RELAY.to_owned()),
        ("pin", hex(&pin)),
        ("invite_topic", hex(link.topic_seed().as_bytes())),
        ("invite_seal", hex(&*seal)),
        ("invite", link.to_string()),
        ("commitment", hex(&handshake::commitment(b"request"))),
        ("code", handshake::code(&pin, &[4; 16], b"request")),
    ]);
}

/// protocol §8.1, §8.2, §8.7
#[test]
fn application_messages_and_their_ids_are_those_of_the_document() {
    let profile = AppMessage {
        clock: 1,
        sent_at: 2,
        body: AppBody::Profile {
            name: "Ada".to_owned(),
        },
    };
    let account = AccountId::from_bytes([1; 32]);
    let (sender, room) = uris(&account, &GroupId::from_bytes([2; 16]));
    let content = MimiContent::text([3; 16], "hi")
        .with_sender_and_room(&sender, &room)
        .unwrap();
    let time = Time::from_unix_ms(1_799_999_940_000);
    let short = content.clone().with_timer(Some(60), time);
    assert_in_document(&[
        ("profile", hex(&profile.encode().unwrap())),
        ("content", hex(&content.encode())),
        ("message_id", content.message_id(&sender, &room).to_string()),
        ("short_id", short.message_id(&sender, &room).to_string()),
    ]);
}

/// protocol §9.1, §9.2
#[test]
fn pieces_and_names_of_files_are_those_of_the_document() {
    let key = FileKey::new([1; 32], [2; 12]);
    let seal = |index: u32, piece: &[u8]| key.seal(index, piece).unwrap();
    let name = |size: u64, pieces: &[Vec<u8>]| {
        let hashes: Vec<_> = pieces.iter().map(|piece| sealed::hash(piece)).collect();
        hex(&FileId::of(size, &hashes).0)
    };
    let short = seal(0, b"abc");
    let long = [seal(0, &[7; PIECE_LEN]), seal(1, &[7])];
    let len = u64::try_from(PIECE_LEN).unwrap() + 1;
    assert_in_document(&[
        ("piece", hex(&short)),
        ("name", name(3, &[short])),
        ("last_piece", hex(&long[1])),
        ("name of two", name(len, &long)),
    ]);
}
