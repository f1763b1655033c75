use std::collections::BTreeMap;

use proptest::prelude::*;
use sori_wire::limits::{
    ACCESS_MS_MAX, ATTACHMENT_QUEUE_BYTES_MAX, CONNECTION_QUEUE_BYTES_MAX, CONTROL_QUEUE_BYTES_MAX,
    FRAME_WAIT_MS_MAX, UNATTACHED_MS_MAX,
};
use sori_wire::{
    ClientMessage, ClientMessageRef, CloseCode, Decoder, Exporter, Frame, Handle, Intake, Refusal,
    RelayMessage, RequestId, TopicSeed,
};

use super::{
    Access, ConnectionId, Delivery, Directory, Draft, ProvenTopic, Publication, Switch, Time,
    Transmit,
};

const START: Time = Time(0);
const REQUEST: RequestId = RequestId(7);
const NO_BOUND: usize = usize::MAX;

fn proven(number: u16) -> ProvenTopic {
    let mut bytes = [9; 32];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    let seed = TopicSeed::from_bytes(bytes);
    let exporter = Exporter::from_bytes([1; 32]);
    ProvenTopic::verify(&seed.topic(), &seed.prove(&exporter), &exporter).unwrap()
}

fn switch(queued_bytes_max: usize) -> Switch {
    Switch::new(Directory::new(1, usize::MAX), 0, queued_bytes_max)
}

fn connect(switch: &mut Switch, now: Time) -> ConnectionId {
    switch.handle_connect(Access::Free, now).unwrap()
}

/// One frame of zeros, published as the only one.
fn publication(handle: Handle, len: usize) -> Publication {
    publications(handle, &[len])
}

/// Frames of these lengths, published in one go.
fn publications(handle: Handle, lens: &[usize]) -> Publication {
    let mut draft: Option<Draft> = None;
    for len in lens {
        let message = ClientMessage::Publish {
            request: REQUEST,
            handle,
            frame: Frame::new(vec![0; *len]).unwrap(),
        }
        .encode();
        let mut intake = Intake::new();
        let mut received = intake.receive(&message);
        let Ok(Some(ClientMessageRef::Publish { frame, .. })) = received.next() else {
            panic!("not a publish");
        };
        match &mut draft {
            Some(draft) => assert!(draft.takes(handle, REQUEST, frame), "no room"),
            None => draft = Some(Draft::new(handle, REQUEST, frame)),
        }
    }
    draft.unwrap().finish()
}

/// Everything that waits for a connection, as messages.
fn drain(switch: &mut Switch, id: ConnectionId, now: Time) -> Vec<RelayMessage> {
    let mut decoder = Decoder::new();
    let mut messages = Vec::new();
    let mut pieces = Vec::new();
    while switch.poll_transmit(id, now, &mut pieces) == Transmit::Bytes {
        for piece in pieces.drain(..) {
            decoder.push(&piece);
            while let Some(message) = decoder.next().unwrap() {
                messages.push(message);
            }
        }
    }
    assert!(decoder.is_between_messages());
    messages
}

fn attach(switch: &mut Switch, id: ConnectionId, topic: &ProvenTopic) -> Handle {
    switch.handle_attach(id, REQUEST, topic);
    match drain(switch, id, START).as_slice() {
        [RelayMessage::Attached { handle, .. }] => *handle,
        other => panic!("not attached: {other:?}"),
    }
}

/// Publishes and gives the number of receivers.
fn publish(switch: &mut Switch, id: ConnectionId, handle: Handle, len: usize, now: Time) -> u32 {
    switch.handle_publish(id, &publication(handle, len), now);
    match drain(switch, id, now).as_slice() {
        [RelayMessage::Published { receivers, .. }] => *receivers,
        other => panic!("not published: {other:?}"),
    }
}

fn is_frame_of(len: usize) -> impl Fn(&RelayMessage) -> bool {
    move |message| matches!(message, RelayMessage::Deliver { frame, .. } if frame.len() == len)
}

struct Pair {
    switch: Switch,
    from: ConnectionId,
    from_handle: Handle,
    to: ConnectionId,
    to_handle: Handle,
}

fn pair(queued_bytes_max: usize) -> Pair {
    let mut switch = switch(queued_bytes_max);
    let from = connect(&mut switch, START);
    let to = connect(&mut switch, START);
    let from_handle = attach(&mut switch, from, &proven(1));
    let to_handle = attach(&mut switch, to, &proven(1));
    while switch.poll_wake().is_some() {}
    Pair {
        switch,
        from,
        from_handle,
        to,
        to_handle,
    }
}

impl Pair {
    fn publish(&mut self, len: usize, now: Time) -> u32 {
        publish(&mut self.switch, self.from, self.from_handle, len, now)
    }

    fn drain(&mut self, now: Time) -> Vec<RelayMessage> {
        drain(&mut self.switch, self.to, now)
    }

    fn gap(&self) -> RelayMessage {
        RelayMessage::Gap {
            handle: self.to_handle,
        }
    }
}

#[test]
fn frame_is_shared_and_not_copied_for_each_reader() {
    let mut pair = pair(NO_BOUND);
    let third = connect(&mut pair.switch, START);
    attach(&mut pair.switch, third, &proven(1));
    let publication = publications(pair.from_handle, &[10, 5000, 20]);
    let messages = &publication.delivery().messages;
    let receivers = pair.switch.handle_publish(pair.from, &publication, START);
    assert_eq!(receivers, Some(2));
    for reader in [pair.to, third] {
        let mut pieces = Vec::new();
        pair.switch.poll_transmit(reader, START, &mut pieces);
        let [piece] = pieces.as_slice() else {
            panic!("not in one piece");
        };
        assert_eq!(
            (piece.as_ptr(), piece.len()),
            (messages.as_ptr(), messages.len())
        );
    }
}

/// protocol §2.4.6, §2.5.1
#[test]
fn attachment_at_its_limit_keeps_its_frames_and_one_past_it_loses_them_for_a_gap() {
    let mut pair = pair(NO_BOUND);
    let each = ATTACHMENT_QUEUE_BYTES_MAX / 4 - 64;
    for _ in 0..4 {
        assert_eq!(pair.publish(each, START), 1);
    }
    assert_eq!(pair.switch.queued_bytes(), ATTACHMENT_QUEUE_BYTES_MAX);
    assert_eq!(pair.publish(0, START), 0);
    assert_eq!(pair.switch.queued_bytes(), 0);
    assert_eq!(pair.publish(0, START), 0);
    assert_eq!(pair.drain(START), [pair.gap()]);

    assert_eq!(pair.publish(3, START), 1);
    assert!(matches!(pair.drain(START).as_slice(), [message] if is_frame_of(3)(message)));
}

/// protocol §2.4.6
#[test]
fn gap_of_one_attachment_leaves_the_frames_of_another() {
    let mut pair = pair(NO_BOUND);
    let from_other = attach(&mut pair.switch, pair.from, &proven(2));
    attach(&mut pair.switch, pair.to, &proven(2));
    assert_eq!(
        publish(&mut pair.switch, pair.from, from_other, 5, START),
        1
    );
    for _ in 0..5 {
        pair.publish(60_000, START);
    }
    let heard = pair.drain(START);
    assert_eq!(heard.len(), 2);
    assert!(heard.iter().any(is_frame_of(5)));
    assert!(heard.contains(&pair.gap()));
}

/// protocol §2.5.1
#[test]
fn connection_is_bounded_over_all_its_attachments() {
    let mut pair = pair(NO_BOUND);
    let mut queued = 0;
    for number in 10..30 {
        let from = attach(&mut pair.switch, pair.from, &proven(number));
        pair.switch.handle_attach(pair.to, REQUEST, &proven(number));
        for _ in 0..3 {
            queued += publish(&mut pair.switch, pair.from, from, 65_536, START);
        }
    }
    assert!(pair.switch.queued_bytes() <= CONNECTION_QUEUE_BYTES_MAX);
    assert_eq!(
        usize::try_from(queued).unwrap(),
        CONNECTION_QUEUE_BYTES_MAX / (65_536 + 64)
    );
}

/// protocol §2.5.2
#[test]
fn relay_at_its_bound_serves_those_who_read() {
    let mut pair = pair(1000);
    let reader = connect(&mut pair.switch, START);
    attach(&mut pair.switch, reader, &proven(1));
    assert_eq!(pair.publish(2000, START), 2);
    let heard = drain(&mut pair.switch, reader, START);
    assert!(heard.iter().any(is_frame_of(2000)));
    // The one that does not read is still over the bound by its one frame: it gets a gap.
    assert_eq!(pair.publish(10, START), 1);
    assert_eq!(pair.drain(START), [pair.gap()]);
}

/// protocol §2.5.1, §2.5.3
#[test]
fn frame_waits_as_long_as_it_may_and_not_longer() {
    let mut pair = pair(NO_BOUND);
    assert_eq!(pair.publish(3, START), 1);
    let limit = Time(FRAME_WAIT_MS_MAX);
    pair.switch.handle_timeout(limit);
    assert!(pair.switch.queued_bytes() > 0);
    assert_eq!(pair.publish(4, limit), 1);
    pair.switch.handle_timeout(Time(FRAME_WAIT_MS_MAX + 1));
    assert_eq!(pair.switch.queued_bytes(), 0);
    assert_eq!(pair.drain(limit), [pair.gap()]);

    // Also when the transport comes back before anybody looked.
    assert_eq!(pair.publish(5, limit), 1);
    assert_eq!(pair.drain(Time(FRAME_WAIT_MS_MAX * 3)), [pair.gap()]);
}

/// protocol §2.2.5, §2.7.1
#[test]
fn detached_and_disconnected_readers_free_what_waited_for_them() {
    let mut pair = pair(NO_BOUND);
    assert_eq!(pair.publish(500, START), 1);
    pair.switch.handle_detach(pair.to, pair.to_handle, Time(3));
    assert_eq!(pair.switch.queued_bytes(), 0);
    assert_eq!(pair.drain(START), []);

    pair.switch.handle_attach(pair.to, REQUEST, &proven(1));
    assert_eq!(pair.publish(500, START), 1);
    pair.switch.handle_disconnect(pair.to);
    assert_eq!(pair.switch.queued_bytes(), 0);
    assert_eq!(pair.publish(500, START), 0);
    pair.switch.handle_disconnect(pair.from);
    assert_eq!(pair.switch.topic_count(), 0);
}

#[test]
fn connection_is_woken_once_when_its_empty_queue_gets_something() {
    let mut pair = pair(NO_BOUND);
    pair.publish(1, START);
    pair.publish(1, START);
    let mut woken = Vec::new();
    while let Some(id) = pair.switch.poll_wake() {
        woken.push(id);
    }
    assert_eq!(woken.iter().filter(|id| **id == pair.to).count(), 1);
    pair.drain(START);
    pair.publish(1, START);
    assert!(std::iter::from_fn(|| pair.switch.poll_wake()).any(|id| id == pair.to));
}

/// protocol §2.5.1
#[test]
fn answers_without_a_reader_congest_their_own_connection_only() {
    let mut pair = pair(NO_BOUND);
    let answer = RelayMessage::Refused {
        request: REQUEST,
        reason: Refusal::UnknownHandle,
    };
    let unknown = publication(Handle(99), 0);
    let fitting = CONTROL_QUEUE_BYTES_MAX / answer.encode().len();
    for _ in 0..fitting {
        pair.switch.handle_publish(pair.to, &unknown, START);
        assert!(!pair.switch.is_congested(pair.to));
    }
    pair.switch.handle_publish(pair.to, &unknown, START);
    assert!(pair.switch.is_congested(pair.to));
    assert!(!pair.switch.is_congested(pair.from));
    assert_eq!(pair.drain(START), vec![answer; fitting + 1]);
    assert!(!pair.switch.is_congested(pair.to));
}

/// protocol §2.5.1, §2.9.4
#[test]
fn who_shows_no_key_or_attaches_to_nothing_has_to_go_when_its_time_is_over() {
    let mut switch = switch(NO_BOUND);
    let silent = switch.handle_connect(Access::Required, START).unwrap();
    let shown = switch.handle_connect(Access::Required, START).unwrap();
    switch.handle_access(shown);
    let attached = connect(&mut switch, START);
    let handle = attach(&mut switch, attached, &proven(1));
    switch.handle_timeout(Time(ACCESS_MS_MAX - 1));
    assert_eq!(switch.poll_close(), None);
    switch.handle_timeout(Time(ACCESS_MS_MAX));
    assert_eq!(switch.poll_close(), Some((silent, CloseCode::NoAccess)));
    assert_eq!(switch.poll_close(), None);
    switch.handle_disconnect(silent);

    switch.handle_detach(attached, handle, Time(5));
    switch.handle_timeout(Time(UNATTACHED_MS_MAX));
    assert_eq!(switch.poll_close(), Some((shown, CloseCode::Unattached)));
    assert_eq!(switch.poll_close(), None);
    switch.handle_disconnect(shown);
    switch.handle_timeout(Time(UNATTACHED_MS_MAX + 5));
    assert_eq!(switch.poll_close(), Some((attached, CloseCode::Unattached)));
}

/// protocol §2.5.1
#[test]
fn topic_takes_as_many_attachments_as_it_may() {
    let mut switch = Switch::new(Directory::new(1, 2), 0, NO_BOUND);
    let [a, b, c] = [0; 3].map(|_| connect(&mut switch, START));
    let handle = attach(&mut switch, a, &proven(1));
    attach(&mut switch, b, &proven(1));
    switch.handle_attach(c, REQUEST, &proven(1));
    let full = RelayMessage::Refused {
        request: REQUEST,
        reason: Refusal::TopicFull,
    };
    assert_eq!(drain(&mut switch, c, START), [full]);
    attach(&mut switch, c, &proven(2));
    switch.handle_detach(a, handle, START);
    attach(&mut switch, c, &proven(1));
}

/// Two shards with one reader each, and the publisher in the first.
struct Shards {
    switches: [Switch; 2],
    publisher: ConnectionId,
    handle: Handle,
    readers: [ConnectionId; 2],
}

fn shards() -> Shards {
    let directory = Directory::new(2, usize::MAX);
    let mut switches = [0, 1].map(|shard| Switch::new(directory.clone(), shard, NO_BOUND));
    let publisher = connect(&mut switches[0], START);
    let readers = [0, 1].map(|shard| connect(&mut switches[shard], START));
    let handle = attach(&mut switches[0], publisher, &proven(1));
    for (switch, reader) in switches.iter_mut().zip(readers) {
        assert_eq!(
            attach(switch, reader, &proven(1)),
            handle,
            "one handle for all"
        );
    }
    Shards {
        switches,
        publisher,
        handle,
        readers,
    }
}

impl Shards {
    fn publish(&mut self, len: usize) -> (u32, Delivery) {
        let publication = publication(self.handle, len);
        self.switches[0].handle_publish(self.publisher, &publication, START);
        let delivery = publication.delivery().clone();
        match drain(&mut self.switches[0], self.publisher, START).as_slice() {
            [RelayMessage::Published { receivers, .. }] => (*receivers, delivery),
            other => panic!("not published: {other:?}"),
        }
    }
}

/// protocol §2.4.2, §2.4.4
#[test]
fn frame_goes_to_readers_of_other_shards_and_is_counted_for_them() {
    let mut shards = shards();
    let (receivers, delivery) = shards.publish(7);
    assert_eq!(receivers, 2);
    let elsewhere: Vec<_> = shards.switches[0].other_shards(shards.handle).collect();
    assert_eq!(elsewhere, [(1, 1)]);
    shards.switches[1].handle_delivery(&delivery, START);
    for (switch, reader) in shards.switches.iter_mut().zip(shards.readers) {
        let heard = drain(switch, reader, START);
        assert!(matches!(heard.as_slice(), [message] if is_frame_of(7)(message)));
    }
    // Once the last one there has left, nothing goes there any more.
    shards.switches[1].handle_disconnect(shards.readers[1]);
    assert_eq!(shards.publish(7).0, 1);
    assert_eq!(shards.switches[0].other_shards(shards.handle).count(), 0);
}

/// protocol §2.4.6
#[test]
fn what_is_lost_between_shards_is_a_gap() {
    let mut shards = shards();
    let (_, delivery) = shards.publish(7);
    shards.switches[1].handle_delivery(&delivery, START);
    shards.switches[1].handle_loss(shards.handle);
    shards.switches[1].handle_delivery(&delivery, START);
    let gap = RelayMessage::Gap {
        handle: shards.handle,
    };
    assert_eq!(
        drain(&mut shards.switches[1], shards.readers[1], START),
        [gap]
    );
}

/// protocol §2.8.1
#[test]
fn stopping_tells_everyone_behind_what_waits_and_lets_nobody_in() {
    let mut pair = pair(NO_BOUND);
    assert_eq!(pair.publish(3, START), 1);
    pair.switch.handle_shutdown();
    pair.switch.handle_shutdown();
    assert!(pair.switch.handle_connect(Access::Free, START).is_none());
    pair.switch.handle_attach(pair.to, REQUEST, &proven(5));
    let refused = RelayMessage::Refused {
        request: REQUEST,
        reason: Refusal::Busy,
    };
    let heard = pair.drain(START);
    assert!(is_frame_of(3)(&heard[0]));
    assert_eq!(heard[1..], [RelayMessage::GoingAway, refused]);
    let finish = pair.switch.poll_transmit(pair.to, START, &mut Vec::new());
    assert_eq!(finish, Transmit::Finish);
}

/// One step of anybody, in any order.
#[derive(Clone, Debug)]
enum Step {
    Attach(usize, u16),
    Detach(usize, usize),
    Disconnect(usize),
    Drain(usize),
    Publish(usize, usize, usize),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..5_usize, 0..4_u16).prop_map(|(who, topic)| Step::Attach(who, topic)),
        (0..5_usize, 0..6_usize).prop_map(|(who, handle)| Step::Detach(who, handle)),
        (0..5_usize).prop_map(Step::Disconnect),
        (0..5_usize).prop_map(Step::Drain),
        (0..5_usize, 0..6_usize, 0..65_537_usize)
            .prop_map(|(who, handle, len)| Step::Publish(who, handle, len)),
        (0..8000_u64).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever happens: bounds hold, frames come only through live handles, what was queued is
    /// delivered or covered by a gap, and nothing is left when everybody has gone.
    #[test]
    fn any_history_keeps_the_bounds_and_ends_empty(steps in steps()) {
        let topics: Vec<ProvenTopic> = (0..4).map(proven).collect();
        let mut switch = switch(NO_BOUND);
        let mut everyone: Vec<ConnectionId> =
            (0..5).map(|_| connect(&mut switch, START)).collect();
        let mut live: BTreeMap<ConnectionId, Vec<Handle>> = BTreeMap::new();
        let mut now = START;
        for step in steps {
            match step {
                Step::Attach(who, topic) => {
                    switch.handle_attach(everyone[who], REQUEST, &topics[usize::from(topic)]);
                }
                Step::Detach(who, handle) => {
                    let held = live.entry(everyone[who]).or_default();
                    if !held.is_empty() {
                        let handle = held.remove(handle % held.len());
                        switch.handle_detach(everyone[who], handle, now);
                    }
                }
                Step::Disconnect(who) => {
                    switch.handle_disconnect(everyone[who]);
                    live.remove(&everyone[who]);
                    let finish = switch.poll_transmit(everyone[who], now, &mut Vec::new());
                    prop_assert_eq!(finish, Transmit::Finish);
                    everyone[who] = connect(&mut switch, now);
                }
                Step::Drain(who) => {
                    let id = everyone[who];
                    for message in drain(&mut switch, id, now) {
                        match message {
                            RelayMessage::Attached { handle, .. } => {
                                live.entry(id).or_default().push(handle);
                            }
                            RelayMessage::Deliver { handle, .. } | RelayMessage::Gap { handle } => {
                                prop_assert!(live.entry(id).or_default().contains(&handle));
                            }
                            RelayMessage::GoingAway | RelayMessage::Closing { .. } => {
                                prop_assert!(false, "nobody stopped");
                            }
                            RelayMessage::Published { .. } | RelayMessage::Refused { .. } => {}
                        }
                    }
                }
                Step::Publish(who, handle, len) => {
                    let held = live.entry(everyone[who]).or_default();
                    let handle = held.get(handle).copied().unwrap_or(Handle(1));
                    switch.handle_publish(everyone[who], &publication(handle, len), now);
                }
                Step::Wait(ms) => {
                    now = Time(now.0.saturating_add(ms));
                    switch.handle_timeout(now);
                }
            }
            prop_assert!(switch.queued_bytes() <= 5 * CONNECTION_QUEUE_BYTES_MAX);
        }
        for id in &everyone {
            drain(&mut switch, *id, now);
        }
        prop_assert_eq!(switch.queued_bytes(), 0);
        for id in everyone {
            switch.handle_disconnect(id);
        }
        prop_assert_eq!(switch.topic_count() + switch.attachment_count(), 0);
        prop_assert_eq!(switch.directory.topic_count(), 0);
    }
}
