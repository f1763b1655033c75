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

use std::collections::{BTreeMap, BTreeSet, VecDeque};
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
pub(crate) const ENTRY_LEN_MAX: usize = 64 * 1024;
/// Bytes of a reconciliation message that we accept.
const RECONCILE_LEN_MAX: usize = 64 * 1024;
/// Bytes of a reconciliation message that we send: one frame.
const RECONCILE_LEN_OWN: u64 = 48 * 1024;
/// Bytes of one part of an answer to a device that comes back.
pub(crate) const PART_LEN_MAX: usize = 128 * 1024;
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

/// A number that whoever asks for catch-ups draws for them. Ids are compared under masks made of
/// it: so nobody can make envelopes beforehand whose ids hide a difference in the sums that
/// negentropy compares.
pub(crate) type Salt = [u8; 16];

/// An id as it is named in the catch-ups with a salt.
pub(crate) fn mask(salt: &Salt, id: &EnvelopeId) -> EnvelopeId {
    let hash = Sha256::new_with_prefix(b"sori catch-up id 1");
    let hash = hash.chain_update(salt).chain_update(id.0);
    EnvelopeId(hash.finalize().into())
}

/// What two sessions say to each other. The order of the variants is their number on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SessionMessage {
    /// A step of the reconciliation, in negentropy's protocol version 1.
    Reconcile { bytes: Vec<u8> },
    /// Initiator: envelopes I ask for by their masked ids, at most [`BATCH_COUNT_MAX`], and envelopes you lack.
    Exchange {
        wanted: Vec<EnvelopeId>,
        entries: Vec<Entry>,
    },
    /// Responder: those of the first `answered` wanted envelopes that are still there.
    Give { answered: u16, entries: Vec<Entry> },
    /// I lack nothing that you have.
    Done,
    /// To a giver: what follows from this byte of the answer on.
    Want { offset: u32 },
    /// From a giver: a part of the answer, which has this many bytes in all.
    Part { len: u32, bytes: Vec<u8> },
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
            Self::Part { bytes, .. } => (1..=PART_LEN_MAX).contains(&bytes.len()),
            Self::Done | Self::Want { .. } => true,
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
    salt: Salt,
    /// What was here at the start, by masked ids.
    items: Items,
    /// The ids that are masked.
    unmasked: BTreeMap<EnvelopeId, EnvelopeId>,
    negentropy: Negentropy<'static, Items>,
    rounds: u32,
    /// Initiator: to ask for, in the order in which they were found. Masked, like all that follows
    /// but `received`.
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
    /// Initiator: what other catch-ups ask for.
    claimed_by_others: BTreeSet<EnvelopeId>,
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
        salt: Salt,
        items: impl IntoIterator<Item = (Day, EnvelopeId)>,
    ) -> Result<(Self, SessionMessage), SessionError> {
        let mut session = Self::new(Role::Initiator, Phase::Reconciling, salt, items)?;
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
        salt: Salt,
        items: impl IntoIterator<Item = (Day, EnvelopeId)>,
    ) -> Result<Self, SessionError> {
        Self::new(Role::Responder, Phase::Opening, salt, items)
    }

    fn new(
        role: Role,
        phase: Phase,
        salt: Salt,
        items: impl IntoIterator<Item = (Day, EnvelopeId)>,
    ) -> Result<Self, SessionError> {
        let mut unmasked = BTreeMap::new();
        let items = Items::new(items.into_iter().map(|(day, id)| {
            let masked = mask(&salt, &id);
            unmasked.insert(masked, id);
            (day, masked)
        }))?;
        let negentropy = Negentropy::owned(items.clone(), RECONCILE_LEN_OWN);
        Ok(Self {
            role,
            phase,
            salt,
            items,
            unmasked,
            negentropy: negentropy.map_err(|_| SessionError::Internal)?,
            rounds: 0,
            needed: IdQueue::default(),
            lacked: IdQueue::default(),
            asked: Vec::new(),
            answered: 0,
            skipped: BTreeSet::new(),
            received: BTreeSet::new(),
            claimed_by_others: BTreeSet::new(),
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
            SessionMessage::Want { .. } | SessionMessage::Part { .. } => {
                Err(SessionError::OutOfTurn)
            }
        };
        if step.is_err() {
            self.phase = Phase::Failed;
        }
        step
    }

    /// How many envelopes are to be asked for still; `None` as long as that is not known, and for
    /// the one who answers.
    pub(crate) fn left_to_ask(&self) -> Option<usize> {
        let asks = self.role == Role::Initiator && self.phase == Phase::Exchanging;
        asks.then_some(self.needed.waiting.len())
    }

    /// Leaves the later half of what is to be asked for to somebody else.
    pub(crate) fn lend_half(&mut self) -> VecDeque<EnvelopeId> {
        let half = self.needed.waiting.len().div_ceil(2);
        self.needed.waiting.split_off(half)
    }

    /// Takes back what somebody else does not ask for.
    pub(crate) fn take_back(&mut self, lent: impl IntoIterator<Item = EnvelopeId>) {
        self.needed.waiting.extend(lent);
    }

    /// What this one asks for: it is on its way or will be.
    pub(crate) fn claims(&self) -> BTreeSet<EnvelopeId> {
        self.needed
            .waiting
            .iter()
            .chain(&self.asked)
            .copied()
            .collect()
    }

    /// Leaves to others what they ask for already. To be called as long as nothing was asked for.
    pub(crate) fn leave_to_others(&mut self, claimed: BTreeSet<EnvelopeId>) {
        self.claimed_by_others = claimed;
    }

    /// Once finished, the envelopes that both sides hold: those that were here at the start and
    /// were still here when the peer wanted them, and those that arrived. `None` before.
    #[cfg(test)]
    pub(crate) fn settled(&self) -> Option<BTreeSet<EnvelopeId>> {
        if self.phase != Phase::Finished {
            return None;
        }
        let mut settled = self.received.clone();
        let there = |(masked, _): &(&EnvelopeId, &EnvelopeId)| !self.skipped.contains(*masked);
        settled.extend(self.unmasked.iter().filter(there).map(|(_, id)| *id));
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
            None => {
                let others = std::mem::take(&mut self.claimed_by_others);
                self.needed.waiting.retain(|id| !others.contains(id));
                self.exchange(fetch)
            }
        }
    }

    /// The initiator's next message, once both differences are known.
    fn exchange(&mut self, fetch: &mut Fetch<'_>) -> Result<Step, SessionError> {
        let fetch = &mut |masked: &EnvelopeId| fetch_masked(&self.unmasked, masked, fetch);
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
        let fetch = &mut |masked: &EnvelopeId| fetch_masked(&self.unmasked, masked, fetch);
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
        let salt = self.salt;
        let was_asked = |entry: &Entry| answered.remove(&mask(&salt, &entry.id()));
        if !entries.iter().all(was_asked) {
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

/// The envelope with a masked id, if it is here and is what its id says.
fn fetch_masked(
    unmasked: &BTreeMap<EnvelopeId, EnvelopeId>,
    masked: &EnvelopeId,
    fetch: &mut Fetch<'_>,
) -> Option<Entry> {
    let id = unmasked.get(masked)?;
    fetch(id).filter(|entry| entry.id() == *id)
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
        let is_sound = |entry: &Entry| (1..=ENTRY_LEN_MAX).contains(&entry.sealed.len());
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
mod tests;
