use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const SALT: Salt = [9; 16];

/// One member's log.
#[derive(Clone, Default)]
struct Log(BTreeMap<EnvelopeId, Entry>);

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Log({} envelopes)", self.0.len())
    }
}

impl Log {
    fn of(numbers: impl IntoIterator<Item = u32>, len: usize) -> Self {
        let mut log = Self::default();
        for number in numbers {
            let mut sealed = number.to_be_bytes().to_vec();
            sealed.resize(len, 0);
            log.add(vec![Entry {
                day: Day(number % 31),
                sealed,
            }]);
        }
        log
    }

    fn add(&mut self, entries: Vec<Entry>) {
        self.0
            .extend(entries.into_iter().map(|entry| (entry.id(), entry)));
    }

    fn items(&self) -> Vec<(Day, EnvelopeId)> {
        self.0.iter().map(|(id, entry)| (entry.day, *id)).collect()
    }

    fn ids(&self) -> BTreeSet<EnvelopeId> {
        self.0.keys().copied().collect()
    }
}

struct Run {
    /// Initiator, responder.
    logs: [Log; 2],
    finished: [bool; 2],
    settled: [Option<BTreeSet<EnvelopeId>>; 2],
    messages: usize,
}

/// Runs a session; the message with number `lost`, from 0, does not arrive.
fn run(initiator: &Log, responder: &Log, lost: Option<usize>) -> Run {
    let (first, message) = Session::initiate(SALT, initiator.items()).unwrap();
    let mut sessions = [first, Session::respond(SALT, responder.items()).unwrap()];
    let mut run = Run {
        logs: [initiator.clone(), responder.clone()],
        finished: [false; 2],
        settled: [None, None],
        messages: 0,
    };
    let mut way = VecDeque::from([(1, message)]);
    while let Some((to, message)) = way.pop_front() {
        assert!(way.is_empty(), "one message is on its way at a time");
        run.messages += 1;
        let encoded = message.encode().unwrap();
        assert!(encoded.len() <= SESSION_MESSAGE_LEN_MAX);
        if lost == Some(run.messages - 1) {
            break;
        }
        let message = SessionMessage::decode(&encoded).unwrap();
        let log = &run.logs[to];
        let mut fetch = |id: &EnvelopeId| log.0.get(id).cloned();
        let step = sessions[to].handle(message, &mut fetch).unwrap();
        run.logs[to].add(step.received);
        run.finished[to] = step.finished;
        way.extend(step.send.into_iter().map(|message| (1 - to, message)));
    }
    run.settled = [sessions[0].settled(), sessions[1].settled()];
    run
}

fn assert_union(run: &Run, initiator: &Log, responder: &Log) {
    let union: BTreeSet<_> = initiator.ids().union(&responder.ids()).copied().collect();
    assert_eq!(run.finished, [true; 2]);
    for side in [0, 1] {
        assert_eq!(run.logs[side].ids(), union);
        assert_eq!(run.settled[side].as_ref(), Some(&union));
    }
}

#[test]
fn equal_sets_settle_in_two_round_trips() {
    for count in [0, 1, 1000] {
        let log = Log::of(0..count, 40);
        let run = run(&log, &log, None);
        assert_union(&run, &log, &log);
        assert_eq!(run.messages, 4);
    }
}

#[test]
fn one_empty_side_gets_all_in_full_batches() {
    let (full, empty) = (Log::of(0..1000, 40), Log::default());
    for (initiator, responder) in [(&full, &empty), (&empty, &full)] {
        let run = run(initiator, responder, None);
        assert_union(&run, initiator, responder);
        assert!(run.messages <= 2 + 2 * 4 + 4, "{}", run.messages);
    }
}

#[test]
fn large_envelopes_travel_a_few_at_a_time_and_one_too_large_is_passed_over() {
    let initiator = Log::of(0..20, ENTRY_LEN_MAX);
    let mut responder = Log::of(15..40, 60_000);
    assert_union(&run(&initiator, &responder, None), &initiator, &responder);

    let before = responder.clone();
    responder.add(vec![Entry {
        day: Day(3),
        sealed: vec![2; ENTRY_LEN_MAX + 1],
    }]);
    for (first, second) in [(&initiator, &responder), (&responder, &initiator)] {
        let run = run(first, second, None);
        assert_eq!(run.finished, [true; 2]);
        let settled: BTreeSet<_> = initiator.ids().union(&before.ids()).copied().collect();
        assert_eq!(run.settled, [Some(settled.clone()), Some(settled)]);
    }
}

/// protocol §6.2.4
#[test]
fn the_fullest_message_fits_into_three_frames() {
    let entry = |len| Entry {
        day: Day(u32::MAX),
        sealed: vec![7; len],
    };
    let each_len = BATCH_LEN_MAX / BATCH_COUNT_MAX;
    let wanted = vec![EnvelopeId([1; 32]); BATCH_COUNT_MAX];
    let fullest = exchange(wanted, vec![entry(each_len); BATCH_COUNT_MAX]);
    let encoded = fullest.encode().unwrap();
    assert!(encoded.len() <= SESSION_MESSAGE_LEN_MAX);
    assert_eq!(SessionMessage::decode(&encoded), Ok(fullest));
}

#[test]
fn two_full_sets_without_a_common_element_reconcile_within_the_rounds() {
    let half = u32::try_from(ITEMS_MAX).unwrap();
    let ids =
        |from: u32| (from..from + half).map(|n| (Day(n % 31), EnvelopeId::of(&n.to_be_bytes())));
    let (mut initiator, mut message) = Session::initiate(SALT, ids(0)).unwrap();
    let mut responder = Session::respond(SALT, ids(half)).unwrap();
    let mut gone = |_: &EnvelopeId| None;
    // Nothing can be fetched any more on either side, and that stalls nobody.
    let rounds = (1..).find(|_| {
        let mut step = responder.handle(message.clone(), &mut gone).unwrap();
        let reply = step.send.pop().unwrap();
        let mut step = initiator.handle(reply, &mut gone).unwrap();
        step.finished || {
            message = step.send.pop().unwrap();
            assert!(message.encode().unwrap().len() <= RECONCILE_LEN_MAX);
            false
        }
    });
    assert!(initiator.rounds <= 200, "{} rounds", initiator.rounds);
    assert!(rounds.unwrap() < 1000);
    assert!(initiator.settled().unwrap().is_empty());
    assert_eq!(responder.settled().unwrap().len(), 0);
    let too_many = ids(0).chain(ids(half));
    assert_eq!(
        Session::respond(SALT, too_many).err(),
        Some(SessionError::TooManyItems)
    );
}

/// protocol §6.2.3
#[test]
fn envelopes_that_vanish_meanwhile_are_passed_over_and_not_settled() {
    let (mine, theirs) = (Log::of(0..300, 40), Log::of(200..700, 40));
    let (mut initiator, mut message) = Session::initiate(SALT, mine.items()).unwrap();
    let mut responder = Session::respond(SALT, theirs.items()).unwrap();
    let keep = |log: &Log, id: &EnvelopeId| log.0.get(id).filter(|_| id.0[0] < 128).cloned();
    let (mut got, mut given) = (Log::default(), Log::default());
    loop {
        let step = responder
            .handle(message, &mut |id| keep(&theirs, id))
            .unwrap();
        given.add(step.received);
        let reply = step.send.into_iter().next().unwrap();
        let step = initiator.handle(reply, &mut |id| keep(&mine, id)).unwrap();
        got.add(step.received);
        match step.send.into_iter().next() {
            Some(next) => message = next,
            None => break assert!(step.finished),
        }
    }
    let settled = initiator.settled().unwrap();
    assert_eq!(settled, responder.settled().unwrap());
    let common = Log::of(200..300, 40).ids();
    for id in mine.ids().union(&theirs.ids()) {
        assert_eq!(settled.contains(id), id.0[0] < 128 || common.contains(id));
    }
    assert!(got.ids().is_subset(&settled) && given.ids().is_subset(&settled));
}

#[test]
fn one_envelope_under_two_days_stalls_nobody() {
    let (mine, mut theirs) = (Log::of(0..50, 40), Log::of(0..50, 40));
    theirs.0.values_mut().for_each(|entry| entry.day = Day(99));
    let run = run(&mine, &theirs, None);
    assert_union(&run, &mine, &theirs);
}

fn exchange(wanted: Vec<EnvelopeId>, entries: Vec<Entry>) -> SessionMessage {
    SessionMessage::Exchange { wanted, entries }
}

/// protocol §6.2.4
#[test]
fn messages_out_of_turn_end_the_session() {
    let log = Log::of(0..10, 40);
    let give = || SessionMessage::Give {
        answered: 0,
        entries: vec![],
    };
    let want = exchange(
        log.items().iter().map(|(_, id)| *id).take(1).collect(),
        vec![],
    );
    let mut gone = |_: &EnvelopeId| None;
    for first in [SessionMessage::Done, want.clone(), give()] {
        let mut responder = Session::respond(SALT, log.items()).unwrap();
        assert_eq!(
            responder.handle(first, &mut gone),
            Err(SessionError::OutOfTurn)
        );
        let (mut initiator, hello) = Session::initiate(SALT, log.items()).unwrap();
        assert_eq!(responder.handle(hello, &mut gone), Err(SessionError::Ended));
        assert_eq!(
            initiator.handle(want.clone(), &mut gone),
            Err(SessionError::OutOfTurn)
        );
        assert_eq!(initiator.settled(), None);
    }
    let (_, hello) = Session::initiate(SALT, log.items()).unwrap();
    for second in [exchange(vec![], vec![]), give()] {
        let mut responder = Session::respond(SALT, log.items()).unwrap();
        responder.handle(hello.clone(), &mut gone).unwrap();
        assert_eq!(
            responder.handle(second, &mut gone),
            Err(SessionError::OutOfTurn)
        );
    }
}

/// protocol §6.2.4
#[test]
fn responder_refuses_to_answer_more_than_it_has_and_to_take_anything_twice() {
    let log = Log::of(0..10, 40);
    let all: Vec<_> = log.ids().iter().map(|id| mask(&SALT, id)).collect();
    let entry = Entry {
        day: Day(0),
        sealed: vec![1],
    };
    let (_, hello) = Session::initiate(SALT, []).unwrap();
    let mut fetch = |id: &EnvelopeId| log.0.get(id).cloned();
    for (second, error) in [
        (exchange(all[..1].to_vec(), vec![]), SessionError::TooMuch),
        (exchange(vec![], vec![entry.clone()]), SessionError::Unasked),
    ] {
        let mut responder = Session::respond(SALT, log.items()).unwrap();
        responder.handle(hello.clone(), &mut fetch).unwrap();
        let first = exchange(all.clone(), vec![entry.clone()]);
        responder.handle(first, &mut fetch).unwrap();
        assert_eq!(responder.handle(second, &mut fetch), Err(error));
    }
    let mut responder = Session::respond(SALT, log.items()).unwrap();
    for _ in 0..ROUNDS_MAX {
        responder.handle(hello.clone(), &mut fetch).unwrap();
    }
    assert_eq!(
        responder.handle(hello, &mut fetch),
        Err(SessionError::TooMuch)
    );
}

/// protocol §6.2.4
#[test]
fn initiator_refuses_what_it_did_not_ask_for_and_answers_without_progress() {
    let (mine, theirs) = (Log::default(), Log::of(0..10, 40));
    let asked: Vec<_> = theirs.0.values().cloned().collect();
    let other = Entry {
        day: Day(0),
        sealed: vec![1],
    };
    for (answered, entries, error) in [
        (0, vec![], SessionError::OutOfTurn),
        (11, vec![], SessionError::OutOfTurn),
        (10, vec![other], SessionError::Unasked),
        (
            10,
            vec![asked[0].clone(), asked[0].clone()],
            SessionError::Unasked,
        ),
        (1, asked[..2].to_vec(), SessionError::Unasked),
    ] {
        let (mut initiator, hello) = Session::initiate(SALT, mine.items()).unwrap();
        let mut responder = Session::respond(SALT, theirs.items()).unwrap();
        let mut gone = |_: &EnvelopeId| None;
        let reply = responder.handle(hello, &mut gone).unwrap().send.remove(0);
        initiator.handle(reply, &mut gone).unwrap();
        let give = SessionMessage::Give { answered, entries };
        assert_eq!(initiator.handle(give, &mut gone), Err(error));
    }
}

/// protocol §3.1.2, §6.2.4
#[test]
fn messages_beyond_their_bounds_do_not_decode() {
    let id = EnvelopeId([1; 32]);
    let entry = |len| Entry {
        day: Day(1),
        sealed: vec![7; len],
    };
    let give = |entries| SessionMessage::Give {
        answered: 1,
        entries,
    };
    let reconcile = |len| SessionMessage::Reconcile {
        bytes: vec![1; len],
    };
    let decodes =
        |message: SessionMessage| SessionMessage::decode(&message.encode().unwrap()) == Ok(message);
    assert!(decodes(reconcile(RECONCILE_LEN_MAX)));
    assert!(!decodes(reconcile(RECONCILE_LEN_MAX + 1)));
    assert!(decodes(exchange(vec![id; BATCH_COUNT_MAX], vec![])));
    assert!(!decodes(exchange(vec![id; BATCH_COUNT_MAX + 1], vec![])));
    assert!(decodes(give(vec![entry(1); BATCH_COUNT_MAX])));
    assert!(!decodes(give(vec![entry(1); BATCH_COUNT_MAX + 1])));
    assert!(decodes(give(vec![entry(BATCH_LEN_MAX / 4); 4])));
    assert!(!decodes(give(vec![entry(BATCH_LEN_MAX / 4 + 1); 4])));
    assert!(decodes(give(vec![entry(ENTRY_LEN_MAX)])));
    assert!(!decodes(give(vec![entry(ENTRY_LEN_MAX + 1)])));
    assert!(!decodes(give(vec![entry(0)])));
    let done = SessionMessage::Done.encode().unwrap();
    assert_eq!(SessionMessage::decode(&done), Ok(SessionMessage::Done));
    assert!(SessionMessage::decode(&[done, vec![0]].concat()).is_err());
}

/// Two sets out of `0..n`: those in the first, in the second, in both.
fn logs() -> impl Strategy<Value = (Log, Log)> {
    (0..3000_u32, 0..3000_u32, 0..3000_u32, 1..200_usize).prop_map(|(first, second, both, len)| {
        let end = first.saturating_add(both);
        (
            Log::of(0..end, 40 + len),
            Log::of(first..end.saturating_add(second), 40 + len),
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_two_sets_become_their_union((mine, theirs) in logs()) {
        let run = run(&mine, &theirs, None);
        assert_union(&run, &mine, &theirs);
        prop_assert!(run.messages < 120, "{} messages", run.messages);
    }

    #[test]
    fn a_lost_message_leaves_it_unfinished_and_the_next_session_completes_it(
        (mine, theirs) in logs(), lost in 0..30_usize
    ) {
        let whole = run(&mine, &theirs, None);
        let lost = lost % whole.messages;
        let broken = run(&mine, &theirs, Some(lost));
        prop_assert!(!broken.finished[0]);
        // Only the very last message can be lost without the responder's noticing.
        prop_assert_eq!(broken.finished[1], lost + 1 == whole.messages);
        for (before, after) in [(&mine, &broken.logs[0]), (&theirs, &broken.logs[1])] {
            prop_assert!(before.ids().is_subset(&after.ids()));
            prop_assert!(after.ids().is_subset(&whole.logs[0].ids()));
        }
        assert_union(&run(&broken.logs[0], &broken.logs[1], None), &mine, &theirs);
    }

    #[test]
    fn same_sets_give_the_same_bytes((mine, theirs) in logs()) {
        let say = |(mut session, hello): (Session, SessionMessage)| {
            let mut peer = Session::respond(SALT, theirs.items()).unwrap();
            let mut fetch = |id: &EnvelopeId| mine.0.get(id).or_else(|| theirs.0.get(id)).cloned();
            let reply = peer.handle(hello, &mut fetch).unwrap().send.remove(0);
            session.handle(reply, &mut fetch).unwrap().send
        };
        let once = say(Session::initiate(SALT, mine.items()).unwrap());
        prop_assert_eq!(once, say(Session::initiate(SALT, mine.items()).unwrap()));
    }
}

proptest! {
    #[test]
    fn garbage_never_panics(
        garbage in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..8),
        kinds in prop::collection::vec(0..5_u8, 8),
    ) {
        let log = Log::of(0..200, 40);
        let (initiator, _) = Session::initiate(SALT, log.items()).unwrap();
        let responder = Session::respond(SALT, log.items()).unwrap();
        for mut session in [initiator, responder] {
            for (bytes, kind) in garbage.iter().zip(&kinds) {
                let framed = [&[*kind], bytes.as_slice()].concat();
                let version = [&[0x61], bytes.as_slice()].concat();
                let message = match SessionMessage::decode(&framed) {
                    Ok(message) => message,
                    Err(_) => SessionMessage::Reconcile { bytes: version },
                };
                if session.handle(message, &mut |id| log.0.get(id).cloned()).is_err() {
                    break;
                }
            }
        }
    }
}
