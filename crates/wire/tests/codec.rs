//! The byte session: `docs/protocol.md`, sections 2.1 and 2.3.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]

use proptest::prelude::*;
use sori_wire::limits::{FRAME_LEN_MAX, MESSAGE_LEN_MAX};
use sori_wire::{
    AccessProof, ClientMessage, ClientMessageRef, CloseCode, DecodeError, Decoder, DeliverHeader,
    Frame, FrameTooLong, Handle, Intake, Message, Refusal, RelayMessage, RequestId, Topic,
    TopicProof,
};

fn frames() -> impl Strategy<Value = Frame> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..300),
        (any::<u8>(), 0..=FRAME_LEN_MAX).prop_map(|(byte, len)| vec![byte; len]),
        any::<u8>().prop_map(|byte| vec![byte; FRAME_LEN_MAX]),
    ]
    .prop_map(|bytes| Frame::new(bytes).unwrap())
}

fn client_messages() -> impl Strategy<Value = ClientMessage> {
    prop_oneof![
        (any::<u32>(), any::<[u8; 32]>(), any::<[u8; 64]>()).prop_map(|(request, topic, proof)| {
            ClientMessage::Attach {
                request: RequestId(request),
                topic: Topic::from_bytes(topic),
                proof: TopicProof::from_bytes(proof),
            }
        }),
        any::<u32>().prop_map(|handle| ClientMessage::Detach {
            handle: Handle(handle)
        }),
        (any::<u32>(), any::<u32>(), frames()).prop_map(|(request, handle, frame)| {
            ClientMessage::Publish {
                request: RequestId(request),
                handle: Handle(handle),
                frame,
            }
        }),
        any::<[u8; 32]>().prop_map(|proof| ClientMessage::Access {
            proof: AccessProof::from_bytes(proof)
        }),
    ]
}

fn relay_messages() -> impl Strategy<Value = RelayMessage> {
    prop_oneof![
        (any::<u32>(), any::<u32>()).prop_map(|(request, handle)| RelayMessage::Attached {
            request: RequestId(request),
            handle: Handle(handle)
        }),
        (any::<u32>(), proptest::sample::select(&Refusal::ALL)).prop_map(|(request, reason)| {
            RelayMessage::Refused {
                request: RequestId(request),
                reason,
            }
        }),
        (any::<u32>(), any::<u32>()).prop_map(|(request, receivers)| RelayMessage::Published {
            request: RequestId(request),
            receivers
        }),
        (any::<u32>(), frames()).prop_map(|(handle, frame)| RelayMessage::Deliver {
            handle: Handle(handle),
            frame
        }),
        any::<u32>().prop_map(|handle| RelayMessage::Gap {
            handle: Handle(handle)
        }),
        Just(RelayMessage::GoingAway),
        proptest::sample::select(&CloseCode::ALL).prop_map(|code| RelayMessage::Closing { code }),
    ]
}

/// Feeds bytes in pieces of the given lengths, over and over, draining after each.
fn decode_in_pieces<M: Message>(bytes: &[u8], lens: &[usize]) -> Result<Vec<M>, DecodeError> {
    let mut decoder = Decoder::new();
    let mut messages = Vec::new();
    let mut rest = bytes;
    for len in lens.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at((*len).min(rest.len()));
        decoder.push(piece);
        rest = after;
        while let Some(message) = decoder.next()? {
            messages.push(message);
        }
    }
    assert!(decoder.is_between_messages());
    Ok(messages)
}

/// A message as the relay reads it, as the owned one that it must be equal to.
fn owned(message: ClientMessageRef<'_>) -> ClientMessage {
    match message {
        ClientMessageRef::Access { proof } => ClientMessage::Access { proof },
        ClientMessageRef::Attach {
            request,
            topic,
            proof,
        } => ClientMessage::Attach {
            request,
            topic,
            proof,
        },
        ClientMessageRef::Detach { handle } => ClientMessage::Detach { handle },
        ClientMessageRef::Publish {
            request,
            handle,
            frame,
        } => ClientMessage::Publish {
            request,
            handle,
            frame: Frame::new(frame.as_bytes().to_vec()).unwrap(),
        },
    }
}

/// The same bytes through the other way of reading: messages, and how it ended.
fn take_in(bytes: &[u8], lens: &[usize]) -> (Vec<ClientMessage>, Result<bool, DecodeError>) {
    let mut intake = Intake::new();
    let mut messages = Vec::new();
    let mut rest = bytes;
    for len in lens.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at((*len).min(rest.len()));
        rest = after;
        let mut received = intake.receive(piece);
        loop {
            match received.next() {
                Ok(Some(message)) => messages.push(owned(message)),
                Ok(None) => break,
                Err(error) => return (messages, Err(error)),
            }
        }
    }
    (messages, Ok(intake.is_between_messages()))
}

fn decode_one(bytes: &[u8]) -> Result<Option<ClientMessage>, DecodeError> {
    let mut decoder = Decoder::new();
    decoder.push(bytes);
    decoder.next()
}

/// A body behind the right prefix.
fn with_prefix(body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).unwrap();
    [&len.to_be_bytes(), body].concat()
}

proptest! {
    /// protocol §2.1.1, §2.1.3
    #[test]
    fn client_messages_survive_any_cutting(
        messages in proptest::collection::vec(client_messages(), 1..5),
        lens in proptest::collection::vec(1_usize..70_000, 1..4),
    ) {
        let bytes: Vec<u8> = messages.iter().flat_map(ClientMessage::encode).collect();
        prop_assert_eq!(take_in(&bytes, &lens), (messages.clone(), Ok(true)));
        prop_assert_eq!(decode_in_pieces(&bytes, &lens), Ok(messages));
    }

    /// Both ways of reading agree on bytes that somebody changed, cut anywhere.
    #[test]
    fn changed_bytes_are_refused_alike(
        messages in proptest::collection::vec(client_messages(), 1..4),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        lens in proptest::collection::vec(1_usize..3000, 1..4),
    ) {
        let mut bytes: Vec<u8> = messages.iter().flat_map(ClientMessage::encode).collect();
        for (at, byte) in changes {
            let at = at.index(bytes.len().min(200));
            bytes[at] = byte;
        }
        let mut decoder = Decoder::<ClientMessage>::new();
        decoder.push(&bytes);
        let mut expected = Vec::new();
        let end = loop {
            match decoder.next() {
                Ok(Some(message)) => expected.push(message),
                Ok(None) => break Ok(decoder.is_between_messages()),
                Err(error) => break Err(error),
            }
        };
        prop_assert_eq!(take_in(&bytes, &lens), (expected, end));
    }

    /// protocol §2.1.1, §2.1.3
    #[test]
    fn relay_messages_survive_any_cutting(
        messages in proptest::collection::vec(relay_messages(), 1..5),
        lens in proptest::collection::vec(1_usize..70_000, 1..4),
    ) {
        let bytes: Vec<u8> = messages.iter().flat_map(RelayMessage::encode).collect();
        prop_assert_eq!(decode_in_pieces(&bytes, &lens), Ok(messages));
    }

    #[test]
    fn message_fits_the_limit(message in client_messages()) {
        prop_assert!(message.encode().len() <= MESSAGE_LEN_MAX + 4);
    }

    #[test]
    fn garbage_is_an_error_or_incomplete_and_never_a_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let _any_outcome = decode_one(&bytes);
        let _any_outcome = decode_one(&with_prefix(&bytes));
        let mut decoder = Decoder::<RelayMessage>::new();
        decoder.push(&with_prefix(&bytes));
        let _any_outcome = decoder.next();
    }

    /// What decodes has no second encoding.
    #[test]
    fn whatever_decodes_encodes_to_the_same_bytes(
        number in 0_u8..6,
        bytes in proptest::collection::vec(any::<u8>(), 0..120),
    ) {
        let bytes = with_prefix(&[&[number][..], &bytes].concat());
        if let Ok(Some(message)) = decode_one(&bytes) {
            prop_assert_eq!(message.encode(), bytes.clone());
        }
        let mut decoder = Decoder::<RelayMessage>::new();
        decoder.push(&bytes);
        if let Ok(Some(message)) = decoder.next() {
            prop_assert_eq!(message.encode(), bytes);
        }
    }

    #[test]
    fn deliver_header_is_the_start_of_the_message(handle in any::<u32>(), frame in frames()) {
        let header = DeliverHeader::new(Handle(handle), frame.len());
        let joined = [header.as_bytes(), frame.as_bytes()].concat();
        let message = RelayMessage::Deliver { handle: Handle(handle), frame };
        prop_assert_eq!(joined, message.encode());
    }
}

/// protocol §2.1.4
#[test]
fn truncated_message_is_incomplete_at_every_byte_and_malformed_if_it_claims_to_be_whole() {
    let whole = ClientMessage::Publish {
        request: RequestId(300),
        handle: Handle(70_000),
        frame: Frame::new(vec![5; 200]).unwrap(),
    }
    .encode();
    for len in 0..whole.len() {
        assert_eq!(decode_one(&whole[..len]), Ok(None), "{len} bytes");
    }
    for len in 4..whole.len() {
        let shorter = with_prefix(&whole[4..len]);
        assert_eq!(decode_one(&shorter), Err(DecodeError::Malformed), "{len}");
    }
    let longer = with_prefix(&[&whole[4..], &[0]].concat());
    assert_eq!(decode_one(&longer), Err(DecodeError::Malformed));
}

/// protocol §2.1.4
#[test]
fn integers_in_a_longer_form_are_malformed() {
    assert!(decode_one(&with_prefix(&[1, 5])).unwrap().is_some());
    for body in [&[1, 0x85, 0][..], &[0x81, 0, 5], &[1, 0x85, 0x80, 0]] {
        let outcome = decode_one(&with_prefix(body));
        assert_eq!(outcome, Err(DecodeError::Malformed), "{body:?}");
    }
}

/// protocol §2.1.2, §2.1.5
#[test]
fn length_over_the_limit_is_refused_by_its_prefix_and_for_good() {
    let at_limit = u32::try_from(MESSAGE_LEN_MAX).unwrap();
    assert_eq!(decode_one(&at_limit.to_be_bytes()), Ok(None));
    for announced in [at_limit + 1, u32::MAX] {
        let mut decoder = Decoder::<ClientMessage>::new();
        decoder.push(&announced.to_be_bytes());
        assert_eq!(decoder.next(), Err(DecodeError::TooLong));
        decoder.push(&ClientMessage::Detach { handle: Handle(1) }.encode());
        assert_eq!(decoder.next(), Err(DecodeError::TooLong));
        assert!(!decoder.is_between_messages());
    }
}

/// protocol §2.1.4, §2.4.1
#[test]
fn frame_one_past_the_limit_is_refused_on_both_sides() {
    let len = FRAME_LEN_MAX + 1;
    assert_eq!(Frame::new(vec![0; len]), Err(FrameTooLong { len }));
    let mut body = vec![2, 1, 1, 0x81, 0x80, 0x04]; // Publish, request 1, handle 1, 65,537 bytes.
    body.resize(body.len() + len, 0);
    assert!(body.len() <= MESSAGE_LEN_MAX);
    let outcome = decode_one(&with_prefix(&body));
    assert_eq!(outcome, Err(DecodeError::Malformed));
}

/// The numbers of `docs/protocol.md`, sections 2.3, 2.6 and 2.7, against the code.
#[test]
fn numbers_are_those_of_the_protocol_document() {
    let document = include_str!("../../../docs/protocol.md");
    let row = |number: u32, name: &str| {
        let row = format!("| {number} | `{name}` |");
        assert!(document.contains(&row), "not in protocol.md: {row}");
    };
    for refusal in Refusal::ALL {
        row(refusal.number().into(), &format!("{refusal:?}"));
        assert_eq!(Refusal::from_number(refusal.number()), Some(refusal));
    }
    assert_eq!(Refusal::from_number(0), None);
    assert_eq!(Refusal::from_number(7), None);
    for code in CloseCode::ALL {
        row(code.number(), &format!("{code:?}"));
        assert_eq!(CloseCode::from_number(code.number().into()), Some(code));
    }
    assert_eq!(CloseCode::from_number(8), None);

    let first_body_byte = |bytes: Vec<u8>| u32::from(bytes[4]);
    let (request, handle) = (RequestId(0), Handle(0));
    let frame = Frame::new(Vec::new()).unwrap();
    let attach = ClientMessage::Attach {
        request,
        topic: Topic::from_bytes([0; 32]),
        proof: TopicProof::from_bytes([0; 64]),
    };
    let publish = ClientMessage::Publish {
        request,
        handle,
        frame: frame.clone(),
    };
    row(first_body_byte(attach.encode()), "Attach");
    row(
        first_body_byte(ClientMessage::Detach { handle }.encode()),
        "Detach",
    );
    row(first_body_byte(publish.encode()), "Publish");
    let proof = AccessProof::from_bytes([0; 32]);
    row(
        first_body_byte(ClientMessage::Access { proof }.encode()),
        "Access",
    );
    for (message, name) in [
        (RelayMessage::Attached { request, handle }, "Attached"),
        (
            RelayMessage::Refused {
                request,
                reason: Refusal::Busy,
            },
            "Refused",
        ),
        (
            RelayMessage::Published {
                request,
                receivers: 0,
            },
            "Published",
        ),
        (RelayMessage::Deliver { handle, frame }, "Deliver"),
        (RelayMessage::Gap { handle }, "Gap"),
        (RelayMessage::GoingAway, "GoingAway"),
        (
            RelayMessage::Closing {
                code: CloseCode::Full,
            },
            "Closing",
        ),
    ] {
        row(first_body_byte(message.encode()), name);
    }
}

/// The examples of `docs/protocol.md`, section 2.3, byte for byte.
#[test]
fn encodings_are_those_of_the_protocol_document() {
    let document = include_str!("../../../docs/protocol.md");
    let hex = |bytes: Vec<u8>| {
        let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        bytes.join(" ")
    };
    let examples = [
        ClientMessage::Publish {
            request: RequestId(300),
            handle: Handle(1),
            frame: Frame::new(b"abc".to_vec()).unwrap(),
        }
        .encode(),
        ClientMessage::Detach { handle: Handle(1) }.encode(),
        RelayMessage::Published {
            request: RequestId(300),
            receivers: 2,
        }
        .encode(),
        RelayMessage::Refused {
            request: RequestId(300),
            reason: Refusal::UnknownHandle,
        }
        .encode(),
        RelayMessage::GoingAway.encode(),
        RelayMessage::Closing {
            code: CloseCode::NoAccess,
        }
        .encode(),
    ];
    for example in examples {
        let example = format!("`{}`", hex(example));
        assert!(document.contains(&example), "not in protocol.md: {example}");
    }
}
