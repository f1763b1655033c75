//! What a relay does with frames: `docs/protocol.md`, sections 2.2 to 2.6.

mod support;

use std::path::Path;

use sori_wire::limits::{MESSAGE_LEN_MAX, TOPICS_PER_CONNECTION_MAX};
use sori_wire::{ClientMessage, CloseCode, Frame, Handle, Refusal, RelayMessage, RequestId};
use support::{Client, Config, RelayProcess, seed, within};

/// protocol §1.1.1, §2.4.1, §2.4.2
#[tokio::test]
async fn frame_goes_to_every_other_attachment_and_not_back() {
    let relay = RelayProcess::start();
    let mut alice = Client::connect(&relay.url).await;
    let mut bob = Client::connect(&relay.url).await;
    let mut carol = Client::connect(&relay.url).await;
    let mut stranger = Client::connect(&relay.url).await;
    let [a, b, c] = [
        alice.attach(&seed(1)).await,
        bob.attach(&seed(1)).await,
        carol.attach(&seed(1)).await,
    ];
    stranger.attach(&seed(2)).await;

    assert_eq!(alice.publish(a, b"hello").await, Ok(2));
    assert_eq!(bob.hear_frame().await, (b, "hello".into()));
    assert_eq!(carol.hear_frame().await, (c, "hello".into()));
    alice.hears_nothing().await;
    stranger.hears_nothing().await;

    // The largest and the empty frame pass unchanged.
    let largest = vec![7; 65_536];
    assert_eq!(bob.publish(b, &largest).await, Ok(2));
    assert_eq!(alice.hear_frame().await.1, largest);
    assert_eq!(carol.hear_frame().await.1, largest);
    assert_eq!(carol.publish(c, b"").await, Ok(2));
    assert_eq!(alice.hear_frame().await.1, "");
}

/// protocol §2.4.3
#[tokio::test]
async fn frames_of_one_publisher_arrive_in_order() {
    let relay = RelayProcess::start();
    let mut alice = Client::connect(&relay.url).await;
    let mut bob = Client::connect(&relay.url).await;
    let a = alice.attach(&seed(1)).await;
    bob.attach(&seed(1)).await;
    for number in 0..500_u32 {
        assert_eq!(alice.publish(a, &number.to_be_bytes()).await, Ok(1));
    }
    for number in 0..500_u32 {
        assert_eq!(*bob.hear_frame().await.1, number.to_be_bytes());
    }
}

/// protocol §2.4.4, §2.4.5
#[tokio::test]
async fn publishing_to_nobody_is_answered_with_zero_and_kept_for_nobody() {
    let relay = RelayProcess::start();
    let mut alice = Client::connect(&relay.url).await;
    let a = alice.attach(&seed(1)).await;
    assert_eq!(alice.publish(a, b"anyone?").await, Ok(0));

    let mut late = Client::connect(&relay.url).await;
    late.attach(&seed(1)).await;
    late.hears_nothing().await;
    assert_eq!(alice.publish(a, b"now").await, Ok(1));
    assert_eq!(late.hear_frame().await.1, "now");
}

/// protocol §2.3.2, §2.3.3, §2.3.4
#[tokio::test]
async fn detached_connection_gets_no_more_and_its_handle_opens_nothing() {
    let relay = RelayProcess::start();
    let mut alice = Client::connect(&relay.url).await;
    let mut bob = Client::connect(&relay.url).await;
    let a = alice.attach(&seed(1)).await;
    let b = bob.attach(&seed(1)).await;
    bob.say(&ClientMessage::Detach { handle: b }).await;
    assert_eq!(bob.publish(b, b"x").await, Err(Refusal::UnknownHandle));
    assert_eq!(alice.publish(a, b"gone?").await, Ok(0));
    // A handle stands for one topic, and only for who is attached to it.
    let other = bob.attach(&seed(2)).await;
    assert_ne!(other, a);
    assert_eq!(bob.publish(a, b"x").await, Err(Refusal::UnknownHandle));
    let again = bob.attach(&seed(1)).await;
    assert_ne!(again, other);
    bob.hears_nothing().await;
}

/// protocol §2.7.1
#[tokio::test]
async fn closed_connection_is_detached_from_everything() {
    let relay = RelayProcess::start();
    let mut alice = Client::connect(&relay.url).await;
    let mut bob = Client::connect(&relay.url).await;
    let a = alice.attach(&seed(1)).await;
    bob.attach(&seed(1)).await;
    assert_eq!(alice.publish(a, b"there?").await, Ok(1));
    bob.connection.close(0_u32.into(), b"");
    within(async { while alice.publish(a, b"there?").await != Ok(0) {} }).await;
}

/// protocol §2.2.2, §2.2.3, §2.2.4
#[tokio::test]
async fn attach_is_refused_without_a_proof_for_this_topic_and_connection() {
    let relay = RelayProcess::start();
    let mut alice = Client::connect(&relay.url).await;
    let mut mallory = Client::connect(&relay.url).await;
    let a = alice.attach(&seed(1)).await;

    let foreign = alice.exporter();
    let replayed = mallory.try_attach(&seed(1), &foreign).await;
    assert_eq!(replayed, Err(Refusal::BadProof));

    mallory
        .say(&ClientMessage::Attach {
            request: RequestId(9),
            topic: seed(1).topic(),
            proof: seed(2).prove(&mallory.exporter()),
        })
        .await;
    let refused = RelayMessage::Refused {
        request: RequestId(9),
        reason: Refusal::BadProof,
    };
    assert_eq!(mallory.hear().await, refused);
    assert_eq!(alice.publish(a, b"private").await, Ok(0));
}

/// protocol §2.3.3, §2.6.1
#[tokio::test]
async fn requests_that_make_no_sense_are_refused_and_change_nothing() {
    let relay = RelayProcess::start();
    let mut alice = Client::connect(&relay.url).await;
    let unknown = Handle(77);
    assert_eq!(
        alice.publish(unknown, b"x").await,
        Err(Refusal::UnknownHandle)
    );
    alice.say(&ClientMessage::Detach { handle: unknown }).await;
    alice.attach(&seed(1)).await;
    let twice = alice.try_attach(&seed(1), &alice.exporter()).await;
    assert_eq!(twice, Err(Refusal::AlreadyAttached));
}

/// protocol §2.5.1
#[tokio::test]
async fn one_topic_past_the_limit_is_refused_until_another_is_given_up() {
    let relay = RelayProcess::start();
    let mut alice = Client::connect(&relay.url).await;
    let exporter = alice.exporter();
    let seed_of = |number: usize| {
        let mut bytes = [3; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        sori_wire::TopicSeed::from_bytes(bytes)
    };
    let mut first = None;
    for number in 0..TOPICS_PER_CONNECTION_MAX {
        let handle = alice.try_attach(&seed_of(number), &exporter).await.unwrap();
        first.get_or_insert(handle);
    }
    let extra = seed_of(TOPICS_PER_CONNECTION_MAX);
    let refused = alice.try_attach(&extra, &exporter).await;
    assert_eq!(refused, Err(Refusal::TooManyTopics));
    let handle = first.unwrap();
    alice.say(&ClientMessage::Detach { handle }).await;
    alice.attach(&extra).await;
}

/// protocol §2.1.2, §2.1.5, §2.7.4
#[tokio::test]
async fn message_over_the_limit_closes_the_connection_before_its_body() {
    let relay = RelayProcess::start();
    let mut alice = Client::connect(&relay.url).await;
    let announced = u32::try_from(MESSAGE_LEN_MAX).unwrap() + 1;
    alice
        .send
        .write_all(&announced.to_be_bytes())
        .await
        .unwrap();
    let number = alice.close_number().await;
    assert_eq!(number, u64::from(CloseCode::MessageTooLong.number()));
}

/// protocol §2.1.4, §2.1.5
#[tokio::test]
async fn frame_over_the_limit_and_garbage_close_only_the_connection_they_come_from() {
    let relay = RelayProcess::start();
    let mut bystander = Client::connect(&relay.url).await;
    let handle = bystander.attach(&seed(1)).await;

    let frame = Frame::new(vec![0; 65_536]).unwrap();
    let mut oversized = ClientMessage::Publish {
        request: RequestId(1),
        handle: Handle(0),
        frame,
    }
    .encode();
    oversized[3] += 1; // One byte more in the message ...
    oversized[6] += 1; // ... and in the frame.
    assert_eq!(oversized[..7], [0, 1, 0, 7, 2, 1, 1]);
    oversized.splice(6..10, [0, 0x81, 0x80, 0x04]);
    oversized.push(0);
    for bytes in [oversized, vec![0, 0, 0, 1, 99], vec![0, 0, 0, 0]] {
        let mut mallory = Client::connect(&relay.url).await;
        mallory.send.write_all(&bytes).await.unwrap();
        let number = mallory.close_number().await;
        assert_eq!(number, u64::from(CloseCode::Malformed.number()));
    }
    assert_eq!(bystander.publish(handle, b"still here").await, Ok(0));
}

/// protocol §2.4.6, §2.4.7
#[tokio::test]
async fn slow_reader_gets_a_gap_and_slows_nobody() {
    // One thread, so that the publisher is told of every frame that was not queued.
    let arguments = ["--listen", "127.0.0.1:0", "--threads", "1"];
    let relay = RelayProcess::start_with(&arguments, Path::new("/"));
    let mut alice = Client::connect(&relay.url).await;
    let mut bob = Client::connect(&relay.url).await;
    let narrow = Config {
        window: 16_384,
        ..Config::default()
    };
    let mut slow = Client::connect_with(&relay.url, narrow).await.unwrap();
    let a = alice.attach(&seed(1)).await;
    bob.attach(&seed(1)).await;
    let s = slow.attach(&seed(1)).await;

    let mut dropped = 0;
    for number in 0..40_u8 {
        let receivers = alice.publish(a, &[number; 60_000]).await.unwrap();
        dropped += 2 - receivers;
        assert_eq!(bob.hear_frame().await.1, vec![number; 60_000]);
    }
    assert!(dropped >= 20, "the relay queued {} frames", 40 - dropped);

    // What had been handed to the transport arrives, then the notice, then frames flow again.
    let mut arrived = 0;
    loop {
        match slow.hear().await {
            RelayMessage::Deliver { .. } => arrived += 1,
            RelayMessage::Gap { handle } if handle == s => break,
            other => panic!("neither frame nor gap: {other:?}"),
        }
    }
    assert!(
        arrived < 40 - dropped,
        "{arrived} arrived, {dropped} dropped"
    );
    assert_eq!(alice.publish(a, b"again").await, Ok(2));
    assert_eq!(slow.hear_frame().await, (s, "again".into()));
}

/// protocol §2.5.1
#[tokio::test]
async fn peer_that_asks_and_never_reads_waits_for_itself_only() {
    let relay = RelayProcess::start();
    let narrow = Config {
        window: 4096,
        ..Config::default()
    };
    let mut greedy = Client::connect_with(&relay.url, narrow).await.unwrap();
    let mut alice = Client::connect(&relay.url).await;
    let a = alice.attach(&seed(1)).await;
    let asked = async {
        let question = ClientMessage::Publish {
            request: RequestId(u32::MAX),
            handle: Handle(u32::MAX),
            frame: Frame::new(Vec::new()).unwrap(),
        };
        let questions = question.encode().repeat(10_000);
        while greedy.send.write_all(&questions).await.is_ok() {}
    };
    let served = async {
        for _ in 0..200 {
            assert_eq!(alice.publish(a, b"").await, Ok(0));
        }
    };
    tokio::select! {
        () = asked => panic!("the relay closed the connection"),
        () = within(served) => {}
    }
}
