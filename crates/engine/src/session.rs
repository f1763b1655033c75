//! One catch-up: two members meet on a one-time topic and leave with the same envelopes.
//!
//! ```text
//! initiator                                     responder
//!     | -- Reconcile ------------------------------> |   range-based set reconciliation, until
//!     | <------------------------------ Reconcile -- |   the initiator knows both differences
//!     | -- Exchange { wanted, entries } -----------> |   then one exchange a round trip, both
//!     | <------------- Give { answered, entries } -- |   directions at once
//!     | -- Done -----------------------------------> |   the initiator lacks nothing
//!     | <----------------------------------- Done -- |   neither does the responder
//! ```
//!
//! The two take turns, and each message acknowledges the one before it. That is the back
//! pressure: no more than one message is ever on its way, and it fits into three frames, which
//! is less than a relay queues for an attachment. Ids are asked for one batch after another; what does not fit into an answer is asked for again, and what is no longer
//! there is passed over. A message that gets lost leaves both sides waiting: the caller gives
//! up after a while, keeps what arrived, and the next catch-up begins where this one ended.
//!
//! **What the end means.** A side that is finished knows: all that was here at the start and
//! still is, and all that came, the peer says to hold as well. `Done` is never sent before; if
//! the last one is lost the initiator does not know, and the responder rightly does.
//!
//! **A hostile peer** can lie about what it holds (and be believed), send envelopes that nobody
//! can open (judged by whoever opens them), and stop. It cannot make a session hold more than
//! the named limits, answer more than it asked from a set it does not have, run without end or
//! panic: each error ends the session, and each accepted message makes progress towards a limit.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use negentropy::{Bound, Id, Item, Negentropy, NegentropyStorageBase, NegentropyStorageVector};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::chunk::CHUNK_LEN_MAX;
use crate::time::Day;

/// Envelopes that one side of a session can know of, at the start and by what arrives. At
/// the very worst a session takes some 25 MB while it runs.
pub(crate) const ITEMS_MAX: usize = 100_000;

/// Longest message in bytes: three frames.
pub(crate) const SESSION_MESSAGE_LEN_MAX: usize = 3 * CHUNK_LEN_MAX;

/// Bytes of envelopes in one message. With ids and lengths around them, it stays within
/// [`SESSION_MESSAGE_LEN_MAX`].
const BATCH_LEN_MAX: usize = 176 * 1024;
/// Envelopes asked for, or carried, in one message.
const BATCH_COUNT_MAX: usize = 256;
/// Bytes of one envelope: a frame.
const ENTRY_LEN_MAX: usize = 64 * 1024;
/// Bytes of a reconciliation message that we accept.
const RECONCILE_LEN_MAX: usize = 64 * 1024;
/// Bytes of a reconciliation message that we send: one frame.
const RECONCILE_LEN_OWN: u64 = 48 * 1024;
/// Round trips of reconciliation. Two full sets without a common element need under 200.
const ROUNDS_MAX: u32 = 512;

/// The name of an envelope: SHA-256 of its sealed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct EnvelopeId(pub [u8; 32]);

impl EnvelopeId {
    /// The id of the envelope with these sealed bytes.
    pub(crate) fn of(sealed: &[u8]) -> Self {
        Self(Sha256::digest(sealed).into())
    }
}

/// An envelope as it travels: the day under whose key it is sealed, and the sealed bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) day: Day,
    pub(crate) sealed: Vec<u8>,
}

impl Entry {
    /// The id of the envelope.
    pub(crate) fn id(&self) -> EnvelopeId {
        EnvelopeId::of(&self.sealed)
    }
}

/// What two sessions say to each other. The order of the variants is their number on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SessionMessage {
    /// A step of the reconciliation, in negentropy's protocol version 1.
    Reconcile { bytes: Vec<u8> },
    /// Initiator: envelopes I ask for, at most [`BATCH_COUNT_MAX`], and envelopes you lack.
    Exchange {
        wanted: Vec<EnvelopeId>,
        entries: Vec<Entry>,
    },
    /// Responder: those of the first `answered` wanted envelopes that are still there.
    Give { answered: u16, entries: Vec<Entry> },
    /// I lack nothing that you have.
    Done,
}

impl SessionMessage {
    /// The message in bytes, at most [`SESSION_MESSAGE_LEN_MAX`] of them.
    ///
    /// # Errors
    ///
    /// [`SessionError::Internal`], for no message that a session returned.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, SessionError> {
        postcard::to_allocvec(self).map_err(|_| SessionError::Internal)
    }

    /// The message in these bytes, all of them, within the limits.
    ///
    /// # Errors
    ///
    /// [`SessionError::Malformed`] for anything else.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, SessionError> {
        if bytes.len() > SESSION_MESSAGE_LEN_MAX {
            return Err(SessionError::Malformed);
        }
        let decoded = postcard::take_from_bytes(bytes).map_err(|_| SessionError::Malformed)?;
        let (message, rest): (Self, &[u8]) = decoded;
        let is_within = match &message {
            Self::Reconcile { bytes } => bytes.len() <= RECONCILE_LEN_MAX,
            Self::Exchange { wanted, entries } => {
                wanted.len() <= BATCH_COUNT_MAX && is_batch(entries)
            }
            Self::Give { entries, .. } => is_batch(entries),
            Self::Done => true,
        };
        if !rest.is_empty() || !is_within {
            return Err(SessionError::Malformed);
        }
        Ok(message)
    }
}

fn is_batch(entries: &[Entry]) -> bool {
    let mut lens = entries.iter().map(|entry| entry.sealed.len());
    entries.len() <= BATCH_COUNT_MAX
        && lens.clone().all(|len| (1..=ENTRY_LEN_MAX).contains(&len))
        && lens
            .try_fold(0, usize::checked_add)
            .is_some_and(|len| len <= BATCH_LEN_MAX)
}

/// Why a session ended early. All but the first two are the peer's doing.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum SessionError {
    /// A step failed that cannot.
    #[error("internal error in a catch-up")]
    Internal,
    /// More than [`ITEMS_MAX`] envelopes are here.
    #[error("too many envelopes for one catch-up")]
    TooManyItems,
    /// The session is over: finished, or ended by an error before.
    #[error("the catch-up is over")]
    Ended,
    /// Bytes that are no message, or a reconciliation that makes no sense.
    #[error("malformed catch-up message")]
    Malformed,
    /// A message that has no place here.
    #[error("catch-up message out of turn")]
    OutOfTurn,
    /// More rounds, ids or envelopes than a session may have.
    #[error("catch-up beyond its limits")]
    TooMuch,
    /// An envelope that was not asked for, or one sent twice.
    #[error("envelope that was not asked for")]
    Unasked,
}

/// What follows from a message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Step {
    /// To send to the peer, in this order; none or one.
    pub(crate) send: Vec<SessionMessage>,
    /// Envelopes that arrived; not opened, and perhaps here already by another way.
    pub(crate) received: Vec<Entry>,
    /// Whether this was the last step: both sides hold the same now.
    pub(crate) finished: bool,
}

/// Finds an envelope by its id, as long as it is kept.
pub(crate) type Fetch<'a> = dyn FnMut(&EnvelopeId) -> Option<Entry> + 'a;

/// One side of a catch-up.
pub(crate) struct Session {
    role: Role,
    phase: Phase,
    /// What was here at the start.
    items: Items,
    negentropy: Negentropy<'static, Items>,
    rounds: u32,
    /// Initiator: to ask for, in the order in which they were found.
    needed: IdQueue,
    /// Initiator: to send without being asked.
    lacked: IdQueue,
    /// Initiator: asked for in the exchange that is on its way.
    asked: Vec<EnvelopeId>,
    /// Responder: how many wanted ids have been answered.
    answered: usize,
    /// Of `items`, what turned out to be gone.
    skipped: BTreeSet<EnvelopeId>,
    received: BTreeSet<EnvelopeId>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Initiator,
    Responder,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Responder: nothing has come yet.
    Opening,
    Reconciling,
    Exchanging,
    /// Initiator: `Done` is sent.
    Closing,
    Finished,
    Failed,
}

impl Session {
    /// Begins a catch-up for somebody who holds `items`, and its first message.
    ///
    /// # Errors
    ///
    /// [`SessionError::TooManyItems`] above [`ITEMS_MAX`].
    pub(crate) fn initiate(
        items: impl IntoIterator<Item = (Day, EnvelopeId)>,
    ) -> Result<(Self, SessionMessage), SessionError> {
        let mut session = Self::new(Role::Initiator, Phase::Reconciling, items)?;
        let bytes = session
            .negentropy
            .initiate()
            .map_err(|_| SessionError::Internal)?;
        Ok((session, SessionMessage::Reconcile { bytes }))
    }

    /// Waits for the first message of a catch-up, for somebody who holds `items`.
    ///
    /// # Errors
    ///
    /// [`SessionError::TooManyItems`] above [`ITEMS_MAX`].
    pub(crate) fn respond(
        items: impl IntoIterator<Item = (Day, EnvelopeId)>,
    ) -> Result<Self, SessionError> {
        Self::new(Role::Responder, Phase::Opening, items)
    }

    fn new(
        role: Role,
        phase: Phase,
        items: impl IntoIterator<Item = (Day, EnvelopeId)>,
    ) -> Result<Self, SessionError> {
        let items = Items::new(items)?;
        let negentropy = Negentropy::owned(items.clone(), RECONCILE_LEN_OWN);
        Ok(Self {
            role,
            phase,
            items,
            negentropy: negentropy.map_err(|_| SessionError::Internal)?,
            rounds: 0,
            needed: IdQueue::default(),
            lacked: IdQueue::default(),
            asked: Vec::new(),
            answered: 0,
            skipped: BTreeSet::new(),
            received: BTreeSet::new(),
        })
    }

    /// Takes the peer's next message. `fetch` finds the envelopes to hand over.
    ///
    /// # Errors
    ///
    /// What the peer did wrong. The session is over then, and every further call is
    /// [`SessionError::Ended`], as it is after the last step.
    pub(crate) fn handle(
        &mut self,
        message: SessionMessage,
        fetch: &mut Fetch<'_>,
    ) -> Result<Step, SessionError> {
        if matches!(self.phase, Phase::Finished | Phase::Failed) {
            return Err(SessionError::Ended);
        }
        let step = match message {
            SessionMessage::Reconcile { bytes } => self.handle_reconcile(&bytes, fetch),
            SessionMessage::Exchange { wanted, entries } => {
                self.handle_exchange(wanted, entries, fetch)
            }
            SessionMessage::Give { answered, entries } => {
                self.handle_give(usize::from(answered), entries, fetch)
            }
            SessionMessage::Done => self.handle_done(),
        };
        if step.is_err() {
            self.phase = Phase::Failed;
        }
        step
    }

    /// Once finished, the envelopes that both sides hold: those that were here at the start and
    /// were still here when the peer wanted them, and those that arrived. `None` before.
    #[cfg(test)]
    pub(crate) fn settled(&self) -> Option<BTreeSet<EnvelopeId>> {
        if self.phase != Phase::Finished {
            return None;
        }
        let mut settled = self.received.clone();
        settled.extend(self.items.ids().filter(|id| !self.skipped.contains(id)));
        Some(settled)
    }

    fn handle_reconcile(
        &mut self,
        query: &[u8],
        fetch: &mut Fetch<'_>,
    ) -> Result<Step, SessionError> {
        if !matches!(self.phase, Phase::Opening | Phase::Reconciling) {
            return Err(SessionError::OutOfTurn);
        }
        self.phase = Phase::Reconciling;
        self.rounds = self.rounds.saturating_add(1);
        if self.rounds > ROUNDS_MAX {
            return Err(SessionError::TooMuch);
        }
        if self.role == Role::Responder {
            let bytes = self.negentropy.reconcile(query);
            let bytes = bytes.map_err(|_| SessionError::Malformed)?;
            return Ok(Step::send(SessionMessage::Reconcile { bytes }));
        }
        let (mut have, mut need) = (Vec::new(), Vec::new());
        let next = self
            .negentropy
            .reconcile_with_ids(query, &mut have, &mut need);
        let next = next.map_err(|_| SessionError::Malformed)?;
        self.lacked.extend(have)?;
        self.needed.extend(need)?;
        match next {
            Some(bytes) => Ok(Step::send(SessionMessage::Reconcile { bytes })),
            None => self.exchange(fetch),
        }
    }

    /// The initiator's next message, once both differences are known.
    fn exchange(&mut self, fetch: &mut Fetch<'_>) -> Result<Step, SessionError> {
        let entries = take_batch(&mut self.lacked.waiting, &mut self.skipped, fetch);
        let count = self.needed.waiting.len().min(BATCH_COUNT_MAX);
        self.asked = self.needed.waiting.drain(..count).collect();
        if self.asked.is_empty() && entries.is_empty() {
            self.phase = Phase::Closing;
            return Ok(Step::send(SessionMessage::Done));
        }
        self.phase = Phase::Exchanging;
        let wanted = self.asked.clone();
        Ok(Step::send(SessionMessage::Exchange { wanted, entries }))
    }

    fn handle_exchange(
        &mut self,
        wanted: Vec<EnvelopeId>,
        entries: Vec<Entry>,
        fetch: &mut Fetch<'_>,
    ) -> Result<Step, SessionError> {
        let is_turn = matches!(self.phase, Phase::Reconciling | Phase::Exchanging);
        if self.role != Role::Responder || !is_turn || (wanted.is_empty() && entries.is_empty()) {
            return Err(SessionError::OutOfTurn);
        }
        self.phase = Phase::Exchanging;
        self.note_received(&entries)?;
        let wanted_count = wanted.len();
        let mut wanted = VecDeque::from(wanted);
        let batch = take_batch(&mut wanted, &mut self.skipped, fetch);
        let answered = wanted_count.saturating_sub(wanted.len());
        // Who reconciled honestly asks for each of our envelopes at most once.
        self.answered = self.answered.saturating_add(answered);
        if self.answered > self.items.len() {
            return Err(SessionError::TooMuch);
        }
        let answered = u16::try_from(answered).map_err(|_| SessionError::Internal)?;
        let mut step = Step::send(SessionMessage::Give {
            answered,
            entries: batch,
        });
        step.received = entries;
        Ok(step)
    }

    fn handle_give(
        &mut self,
        answered: usize,
        entries: Vec<Entry>,
        fetch: &mut Fetch<'_>,
    ) -> Result<Step, SessionError> {
        let is_progress = answered > 0 || self.asked.is_empty();
        let is_turn = self.role == Role::Initiator && self.phase == Phase::Exchanging;
        if !is_turn || !is_progress || answered > self.asked.len() {
            return Err(SessionError::OutOfTurn);
        }
        let mut asked = std::mem::take(&mut self.asked).into_iter();
        let mut answered: BTreeSet<_> = asked.by_ref().take(answered).collect();
        if !entries.iter().all(|entry| answered.remove(&entry.id())) {
            return Err(SessionError::Unasked);
        }
        self.note_received(&entries)?;
        for id in asked.rev() {
            self.needed.waiting.push_front(id);
        }
        let mut step = self.exchange(fetch)?;
        step.received = entries;
        Ok(step)
    }

    fn handle_done(&mut self) -> Result<Step, SessionError> {
        let send = match (self.role, self.phase) {
            (Role::Initiator, Phase::Closing) => Vec::new(),
            (Role::Responder, Phase::Reconciling | Phase::Exchanging) => vec![SessionMessage::Done],
            _ => return Err(SessionError::OutOfTurn),
        };
        self.phase = Phase::Finished;
        Ok(Step {
            send,
            received: Vec::new(),
            finished: true,
        })
    }

    fn note_received(&mut self, entries: &[Entry]) -> Result<(), SessionError> {
        for entry in entries {
            if !self.received.insert(entry.id()) {
                return Err(SessionError::Unasked);
            }
        }
        if self.received.len() > ITEMS_MAX {
            return Err(SessionError::TooMuch);
        }
        Ok(())
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Session(..)")
    }
}

impl Step {
    fn send(message: SessionMessage) -> Self {
        Self {
            send: vec![message],
            received: Vec::new(),
            finished: false,
        }
    }
}

/// Takes envelopes from the front of `ids` as long as they fit into one message. Ids whose
/// envelope is gone, or is not what its id says, are taken too and noted in `skipped`.
fn take_batch(
    ids: &mut VecDeque<EnvelopeId>,
    skipped: &mut BTreeSet<EnvelopeId>,
    fetch: &mut Fetch<'_>,
) -> Vec<Entry> {
    let mut batch = Vec::new();
    let mut batch_len = 0_usize;
    while let Some(id) = ids.front().copied() {
        if batch.len() >= BATCH_COUNT_MAX {
            break;
        }
        let is_sound =
            |entry: &Entry| (1..=ENTRY_LEN_MAX).contains(&entry.sealed.len()) && entry.id() == id;
        if let Some(entry) = fetch(&id).filter(is_sound) {
            batch_len = batch_len.saturating_add(entry.sealed.len());
            if batch_len > BATCH_LEN_MAX {
                break;
            }
            batch.push(entry);
        } else {
            skipped.insert(id);
        }
        ids.pop_front();
    }
    batch
}

/// Ids in the order in which they were found, each once.
#[derive(Default)]
struct IdQueue {
    waiting: VecDeque<EnvelopeId>,
    known: BTreeSet<EnvelopeId>,
}

impl IdQueue {
    /// Adds what one round found. Rounds go through the days in order; within a round the order
    /// of negentropy is that of a hash table, so it is replaced by that of the ids.
    fn extend(&mut self, mut found: Vec<Id>) -> Result<(), SessionError> {
        found.sort_unstable();
        for id in found {
            let id = EnvelopeId(id.to_bytes());
            if self.known.insert(id) {
                self.waiting.push_back(id);
            }
        }
        match self.known.len() <= ITEMS_MAX {
            true => Ok(()),
            false => Err(SessionError::TooMuch),
        }
    }
}

/// The sorted items of a session, shared with negentropy instead of copied.
#[derive(Clone)]
struct Items(Arc<NegentropyStorageVector>);

impl Items {
    fn new(items: impl IntoIterator<Item = (Day, EnvelopeId)>) -> Result<Self, SessionError> {
        let mut vector = NegentropyStorageVector::new();
        for (index, (day, id)) in items.into_iter().enumerate() {
            if index >= ITEMS_MAX {
                return Err(SessionError::TooManyItems);
            }
            let inserted = vector.insert(u64::from(day.0), Id::from_byte_array(id.0));
            inserted.map_err(|_| SessionError::Internal)?;
        }
        vector.seal().map_err(|_| SessionError::Internal)?;
        Ok(Self(Arc::new(vector)))
    }

    fn len(&self) -> usize {
        self.0.size().unwrap_or(0)
    }

    #[cfg(test)]
    fn ids(&self) -> impl Iterator<Item = EnvelopeId> {
        let items = (0..self.len()).filter_map(|index| self.0.get_item(index).ok().flatten());
        items.map(|item| EnvelopeId(item.id.to_bytes()))
    }
}

impl NegentropyStorageBase for Items {
    fn size(&self) -> Result<usize, negentropy::Error> {
        self.0.size()
    }

    fn get_item(&self, index: usize) -> Result<Option<Item>, negentropy::Error> {
        self.0.get_item(index)
    }

    fn iterate(
        &self,
        begin: usize,
        end: usize,
        visit: &mut dyn FnMut(Item, usize) -> Result<bool, negentropy::Error>,
    ) -> Result<(), negentropy::Error> {
        self.0.iterate(begin, end, visit)
    }

    fn find_lower_bound(&self, first: usize, last: usize, bound: &Bound) -> usize {
        self.0.find_lower_bound(first, last, bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

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
        let (first, message) = Session::initiate(initiator.items()).unwrap();
        let mut sessions = [first, Session::respond(responder.items()).unwrap()];
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
        let ids = |from: u32| {
            (from..from + half).map(|n| (Day(n % 31), EnvelopeId::of(&n.to_be_bytes())))
        };
        let (mut initiator, mut message) = Session::initiate(ids(0)).unwrap();
        let mut responder = Session::respond(ids(half)).unwrap();
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
            Session::respond(too_many).err(),
            Some(SessionError::TooManyItems)
        );
    }

    #[test]
    fn envelopes_that_vanish_meanwhile_are_passed_over_and_not_settled() {
        let (mine, theirs) = (Log::of(0..300, 40), Log::of(200..700, 40));
        let (mut initiator, mut message) = Session::initiate(mine.items()).unwrap();
        let mut responder = Session::respond(theirs.items()).unwrap();
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
            let mut responder = Session::respond(log.items()).unwrap();
            assert_eq!(
                responder.handle(first, &mut gone),
                Err(SessionError::OutOfTurn)
            );
            let (mut initiator, hello) = Session::initiate(log.items()).unwrap();
            assert_eq!(responder.handle(hello, &mut gone), Err(SessionError::Ended));
            assert_eq!(
                initiator.handle(want.clone(), &mut gone),
                Err(SessionError::OutOfTurn)
            );
            assert_eq!(initiator.settled(), None);
        }
        let (_, hello) = Session::initiate(log.items()).unwrap();
        for second in [exchange(vec![], vec![]), give()] {
            let mut responder = Session::respond(log.items()).unwrap();
            responder.handle(hello.clone(), &mut gone).unwrap();
            assert_eq!(
                responder.handle(second, &mut gone),
                Err(SessionError::OutOfTurn)
            );
        }
    }

    #[test]
    fn responder_refuses_to_answer_more_than_it_has_and_to_take_anything_twice() {
        let log = Log::of(0..10, 40);
        let all: Vec<_> = log.ids().into_iter().collect();
        let entry = Entry {
            day: Day(0),
            sealed: vec![1],
        };
        let (_, hello) = Session::initiate([]).unwrap();
        let mut fetch = |id: &EnvelopeId| log.0.get(id).cloned();
        for (second, error) in [
            (exchange(all[..1].to_vec(), vec![]), SessionError::TooMuch),
            (exchange(vec![], vec![entry.clone()]), SessionError::Unasked),
        ] {
            let mut responder = Session::respond(log.items()).unwrap();
            responder.handle(hello.clone(), &mut fetch).unwrap();
            let first = exchange(all.clone(), vec![entry.clone()]);
            responder.handle(first, &mut fetch).unwrap();
            assert_eq!(responder.handle(second, &mut fetch), Err(error));
        }
        let mut responder = Session::respond(log.items()).unwrap();
        for _ in 0..ROUNDS_MAX {
            responder.handle(hello.clone(), &mut fetch).unwrap();
        }
        assert_eq!(
            responder.handle(hello, &mut fetch),
            Err(SessionError::TooMuch)
        );
    }

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
            let (mut initiator, hello) = Session::initiate(mine.items()).unwrap();
            let mut responder = Session::respond(theirs.items()).unwrap();
            let mut gone = |_: &EnvelopeId| None;
            let reply = responder.handle(hello, &mut gone).unwrap().send.remove(0);
            initiator.handle(reply, &mut gone).unwrap();
            let give = SessionMessage::Give { answered, entries };
            assert_eq!(initiator.handle(give, &mut gone), Err(error));
        }
    }

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
        let decodes = |message: SessionMessage| {
            SessionMessage::decode(&message.encode().unwrap()) == Ok(message)
        };
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
        (0..3000_u32, 0..3000_u32, 0..3000_u32, 1..200_usize).prop_map(
            |(first, second, both, len)| {
                let end = first.saturating_add(both);
                (
                    Log::of(0..end, 40 + len),
                    Log::of(first..end.saturating_add(second), 40 + len),
                )
            },
        )
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
                let mut peer = Session::respond(theirs.items()).unwrap();
                let mut fetch = |id: &EnvelopeId| mine.0.get(id).or_else(|| theirs.0.get(id)).cloned();
                let reply = peer.handle(hello, &mut fetch).unwrap().send.remove(0);
                session.handle(reply, &mut fetch).unwrap().send
            };
            let once = say(Session::initiate(mine.items()).unwrap());
            prop_assert_eq!(once, say(Session::initiate(mine.items()).unwrap()));
        }
    }

    proptest! {
        #[test]
        fn garbage_never_panics(
            garbage in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..8),
            kinds in prop::collection::vec(0..5_u8, 8),
        ) {
            let log = Log::of(0..200, 40);
            let (initiator, _) = Session::initiate(log.items()).unwrap();
            let responder = Session::respond(log.items()).unwrap();
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
}
