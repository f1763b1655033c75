//! Who is writing.

use sori_wire::Topic;

use super::{NOW, Peer, pair, relay};
use crate::effect::Effect;
use crate::envelope::{ChannelMessage, TYPING_LABEL};
use crate::time::Time;
use crate::typing::Typing;
use crate::view::Event;

fn choose(peer: &mut Peer, told: bool) {
    peer.engine.settings_typing(told, NOW).unwrap();
}

/// Presses a key; what was published for it.
fn write(peer: &mut Peer, now: Time) -> Vec<(Topic, Vec<u8>)> {
    let group = peer.group().to_string();
    peer.engine.typing(&group, now).unwrap();
    peer.attend(now)
}

/// Whether the person is told that somebody writes.
fn told(peer: &mut Peer, now: Time) -> bool {
    let is_typing = |effect: &Effect| matches!(effect, Effect::Event(Event::Typing { .. }));
    peer.engine.flush(now).unwrap().iter().any(is_typing)
}

/// Whether who hears these frames is told that somebody writes.
fn shown(peer: &mut Peer, frames: &[(Topic, Vec<u8>)], now: Time) -> bool {
    for (topic, frame) in frames {
        peer.engine
            .handle_frame(&relay(), *topic, frame, now)
            .unwrap();
    }
    told(peer, now)
}

/// protocol §6.4.1
#[test]
fn writing_is_told_by_who_wants_it_to_who_wants_it() {
    let [mut ada, mut bo] = pair();
    assert!(write(&mut ada, NOW).is_empty(), "off unless chosen");
    choose(&mut ada, true);
    let said = write(&mut ada, NOW);
    assert_eq!(said.len(), 1);
    assert!(!shown(&mut bo, &said, NOW), "Bo does not tell either");
    choose(&mut bo, true);
    assert!(shown(&mut bo, &said, NOW));
    // Keys that follow say nothing more for a while.
    assert!(write(&mut ada, NOW.plus_ms(3_999)).is_empty());
    let later = NOW.plus_ms(4_000);
    let said = write(&mut ada, later);
    assert!(shown(&mut bo, &said, later));
    choose(&mut ada, false);
    assert!(write(&mut ada, NOW.plus_ms(8_000)).is_empty());
}

/// protocol §6.4.2
#[test]
fn only_a_fresh_word_of_a_member_counts() {
    let [mut ada, mut bo] = pair();
    let eve = Peer::new("Eve", 3);
    let channel = ada.channel();
    choose(&mut ada, true);
    let tag = ada.engine.channels[&channel].tag();
    let word = |by: &Peer, as_: &Peer, time: u64| {
        let mut typing = Typing {
            account: as_.engine.me().unwrap().id,
            time,
            signature: Vec::new(),
        };
        let bytes = typing.signed_bytes(&tag);
        let device = by.engine.core().unwrap().device();
        typing.signature = device.sign(TYPING_LABEL, &bytes).to_vec();
        ChannelMessage::Typing(typing)
    };
    let hear = |ada: &mut Peer, word: ChannelMessage| {
        ada.engine.take_transient(channel, word, NOW).unwrap();
        told(ada, NOW)
    };
    let now = NOW.unix_ms();
    for (word, why) in [
        (word(&eve, &bo, now), "not signed by whom it names"),
        (word(&eve, &eve, now), "not a member"),
        (word(&bo, &bo, now - 60_001), "too old"),
        (word(&bo, &bo, now + 60_001), "from the future"),
        (word(&ada, &ada, now), "oneself"),
    ] {
        assert!(!hear(&mut ada, word), "{why}");
    }
    assert!(hear(&mut ada, word(&bo, &bo, now)));
    assert!(
        !hear(&mut ada, word(&bo, &bo, now)),
        "said again by another"
    );
    assert!(!hear(&mut ada, word(&bo, &bo, now - 1)), "out of turn");
    assert!(hear(&mut ada, word(&bo, &bo, now + 1)));
    let id = bo.engine.me().unwrap().id.to_string();
    ada.engine.member_block(&id, true, NOW).unwrap();
    told(&mut ada, NOW);
    assert!(!hear(&mut ada, word(&bo, &bo, now + 2)), "blocked");
    // Nobody is told later of what was heard now.
    let before = bo.list(bo.group()).len();
    choose(&mut bo, true);
    ada.restart(NOW);
    bo.restart(NOW);
    assert_eq!(bo.list(bo.group()).len(), before);
    assert!(
        bo.engine.channels[&bo.channel()]
            .live
            .typing_heard
            .is_empty()
    );
}
