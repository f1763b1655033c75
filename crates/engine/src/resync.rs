//! The way back into a group whose MLS state is lost here, and finding out that one is off the way
//! (protocol §5.6).
//!
//! ```text
//!  device without state                      members
//!   ── Ask (channel; a key made for it) ──────►   who is at its head waits a random time
//!   ◄────────────── Offer (a one-time topic) ──   the first; it silences the others
//!   ── Want ──────────────────────────────────►
//!   ◄── Part … (sealed to the key: GroupInfo of the head, channel secret, names) ──
//!   ── Commit (external, on every channel) ───►   judged like any commit
//! ```
//!
//! Whether others follow is asked with a Check and told with a Stand, signed by the account.

mod answers;
mod saying;
#[cfg(test)]
mod tests;
mod weighing;

use std::collections::{BTreeMap, BTreeSet};

use saying::Saying;
use serde::{Deserialize, Serialize};
use sori_mls::{AccountId, DeviceId, GroupId, HybridKey, StateId};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::engine::Engine;
use crate::envelope::{ASK_LABEL, Ask, ChannelMessage, Check, Verdict};
use crate::error::Error;
use crate::group::Group;
use crate::network::Purpose;
use crate::record::Standing;
use crate::table;
use crate::time::{DAY_MS, Time};

/// Longest answer to a device that comes back: a GroupInfo of 4 MiB, and 1024 names.
pub(crate) const WAY_LEN_MAX: usize = 5 * 1024 * 1024;
/// Info of the seal of an answer.
const WAY_INFO: &[u8] = b"sori way 1";
/// Label of the signature in it.
const WAY_LABEL: &[u8] = b"sori way-v1";
/// Most former channels in an answer.
const FORMER_MAX: usize = 7;
/// Most names in an answer.
const NAMES_MAX: usize = 1024;

/// First wait before a question is put, or put again, in milliseconds; doubled up to the longest.
const ASK_FIRST_MS: u64 = 500;
const ASK_MAX_MS: u64 = 300_000;
/// How soon the way back is asked for when somebody is heard who may know it, in milliseconds.
const ASK_HEARD_MS: u64 = 1_000;
/// Wait before that may be so again, as often as follows; then it is doubled each time, up to the longest between questions.
const ASK_HEARD_AGAIN_MS: u64 = 10_000;
const ASK_HEARD_TIMES: u32 = 8;
/// Wait before the others are asked whether they follow, in milliseconds: what is on its way comes
/// before it.
const CHECK_FIRST_MS: u64 = 4_000;
/// First and longest wait before a device that came back asks once more whether the others are still with it, in
/// milliseconds: it does not know the channels on which it could have heard otherwise.
const RECHECK_FIRST_MS: u64 = 600_000;
const RECHECK_MAX_MS: u64 = DAY_MS;
/// Questions put without an answer before a suspicion is laid aside.
const CHECKS_MAX: u32 = 6;
/// Random part of the wait before a stand for each member, in milliseconds.
const STAND_SPREAD_PER_MEMBER_MS: u64 = 20;
/// Answers that wait, of all groups; more are not given.
const PLANNED_MAX: usize = 64;

/// What is asked and answered now; lost at a restart.
#[derive(Default)]
pub(crate) struct Resyncs {
    asking: BTreeMap<GroupId, Asking>,
    planned: Vec<Planned>,
    granted: BTreeMap<DeviceId, Time>,
    /// Waits before groups that this device came back into are asked about again.
    rechecks: BTreeMap<GroupId, u64>,
    /// When contacts are to get fresh KeyPackages.
    pub(crate) replace_at: Option<Time>,
}

/// What this device wants to know of a group.
#[derive(Default)]
struct Asking {
    next: Option<Time>,
    /// Nothing is in doubt: the next question is only to make sure.
    rests: bool,
    wait_ms: u64,
    /// Before then nobody who is heard makes the next question come sooner.
    patient_until: Option<Time>,
    /// How often somebody did so: those who are heard may all be such as cannot answer.
    hastened: u32,
    rounds: u32,
    /// When the first of them was put.
    since: Option<Time>,
    question: Option<Question>,
    /// When the answers to it are weighed: once whoever is there has spoken.
    weigh_at: Option<Time>,
    /// States that envelopes name and that are not known here.
    suspects: BTreeSet<StateId>,
}

struct Question {
    nonce: u64,
    what: What,
    /// Its names, one for each channel it was put on.
    about: BTreeSet<[u8; 32]>,
    verdicts: BTreeMap<AccountId, Verdict>,
}

enum What {
    /// How to come back; answers are sealed to this key.
    Way(Box<HybridKey>),
    /// Whether the others are at this state, or past it.
    State(StateId),
}

/// An answer after a random wait.
struct Planned {
    at: Time,
    channel: u32,
    answer: Planning,
}

enum Planning {
    Stand(Saying),
    Way(Ask),
}

/// The way back, as a member tells it.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct Way {
    body: Vec<u8>,
    #[zeroize(skip)]
    account: AccountId,
    /// By the account, over the question's name and the body.
    signature: Vec<u8>,
}

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct WayBody {
    group_info: Vec<u8>,
    channel_secret: [u8; 32],
    /// Of the channels before it that the device may know, at most [`FORMER_MAX`].
    former: Vec<[u8; 32]>,
    clock: u64,
    #[zeroize(skip)]
    names: Vec<(AccountId, String)>,
}

impl Asking {
    /// Puts the next question within `wait_ms`, `at_ms` from now, if it lies beyond that. Once in a while only, and ever less
    /// often: what gives reason for it may come without end.
    fn hasten(&mut self, wait_ms: u64, at_ms: u64, now: Time) {
        let is_far = self.next.is_some_and(|next| next > now.plus_ms(wait_ms));
        if !is_far || self.patient_until.is_some_and(|until| until > now) {
            return;
        }
        self.next = Some(now.plus_ms(at_ms));
        self.hastened = self.hastened.saturating_add(1);
        let more = self.hastened.saturating_sub(ASK_HEARD_TIMES).min(16);
        let patience = (ASK_HEARD_AGAIN_MS << more).min(ASK_MAX_MS);
        self.wait_ms = match more {
            0 => wait_ms,
            _ => patience / 2,
        };
        self.patient_until = Some(now.plus_ms(patience));
    }
}

impl Resyncs {
    pub(crate) fn next_timeout(&self) -> Option<Time> {
        let times = |asking: &Asking| [asking.next, asking.weigh_at];
        let asking = self.asking.values().flat_map(times).flatten();
        let planned = self.planned.iter().map(|planned| planned.at);
        asking.chain(planned).chain(self.replace_at).min()
    }

    /// Nothing is to be asked about a group any more.
    pub(crate) fn forget(&mut self, group: &GroupId) {
        self.asking.remove(group);
        self.rechecks.remove(group);
    }

    /// This device is on the group's way, as far as those can tell who were asked: they may not have
    /// heard yet of what makes it doubt.
    pub(crate) fn settled(&mut self, group: &GroupId, now: Time) {
        if self
            .asking
            .get(group)
            .is_some_and(|a| a.suspects.is_empty())
        {
            self.asking.remove(group);
        }
        self.replace_at.get_or_insert(now);
    }

    /// Another member answers: we need not.
    pub(crate) fn somebody_answers(&mut self, nonce: u64) {
        self.planned
            .retain(|p| !matches!(&p.answer, Planning::Way(ask) if ask.nonce == nonce));
    }

    fn plan(&mut self, planned: Planned) {
        if self.planned.len() >= PLANNED_MAX {
            self.forget_one_held_back();
        }
        if self.planned.len() < PLANNED_MAX {
            self.planned.push(planned);
        }
    }
}

impl Group {
    /// Whether this device is not to find its way in the group: it was put out, or must not go on; a halted one that
    /// came back would be none.
    fn is_over_here(&self) -> bool {
        let standing = self.record.standing;
        standing.is_out() || standing == Standing::Halted
    }
}

impl Engine {
    /// Plans the questions of groups that were not settled when the profile was closed.
    pub(crate) fn plan_open_resyncs(&mut self, now: Time) -> Result<(), Error> {
        for id in self.groups.keys().copied().collect::<Vec<_>>() {
            self.with_group(id, |engine, group| {
                engine.resync_stands(group, now);
                Ok(())
            })?;
        }
        let owed: Option<Vec<AccountId>> = self.get(table::RESYNC, &table::one(0))?;
        self.resyncs.replace_at = owed.map(|_| now.plus_ms(CHECK_FIRST_MS));
        Ok(())
    }

    /// A channel is attached: whoever is there may be asked.
    pub(crate) fn resync_attached(&mut self, channel: u32, now: Time) {
        let Some(id) = self.channels.get(&channel).map(|held| held.record.group) else {
            return;
        };
        let Some(mut group) = self.groups.remove(&id) else {
            return;
        };
        self.resync_stands(&group, now);
        group.plan_open_ballots(now);
        self.groups.insert(id, group);
        self.be_impatient(channel);
    }

    fn resync_stands(&mut self, group: &Group, now: Time) {
        if group.record.standing == Standing::Lost {
            return self.plan_ask(group, now);
        }
        if group.is_over_here() {
            return;
        }
        let id = group.record.id;
        let stuck = &group.resync.stuck;
        let named: Vec<StateId> = (stuck.iter())
            .filter(|child| group.waiting.contains_key(*child))
            .copied()
            .collect();
        let open = self
            .resyncs
            .asking
            .get(&id)
            .is_some_and(|a| !a.suspects.is_empty());
        if group.resync.entered.is_some() || group.came_back() || !named.is_empty() || open {
            let asking = self.resyncs.asking.entry(id).or_default();
            asking.suspects.extend(named);
            self.plan_check(&id, now);
        }
    }

    /// Plans to ask for the way back: soon, and later each time that it led astray.
    pub(crate) fn plan_ask(&mut self, group: &Group, now: Time) {
        let tries = group.resync.tries.min(16);
        let first = ASK_FIRST_MS.saturating_mul(1_u64.checked_shl(tries).unwrap_or(u64::MAX));
        self.plan_question(&group.record.id, first.min(ASK_MAX_MS), now);
    }

    /// Somebody is there on a channel: whoever waits to ask for the way back does so now.
    pub(crate) fn hasten_ask(&mut self, channel: u32, now: Time) {
        let Some(group) = self.channels.get(&channel).map(|held| held.record.group) else {
            return;
        };
        let is_lost =
            |group: &Group| group.record.standing == Standing::Lost && group.is_stateless();
        if !self.groups.get(&group).is_some_and(is_lost) {
            return;
        }
        let jitter = self.below(ASK_HEARD_MS);
        if let Some(asking) = self.resyncs.asking.get_mut(&group) {
            asking.hasten(ASK_HEARD_MS, jitter, now);
        }
    }

    /// Others may be there than before: whoever is heard next may know the way back.
    pub(crate) fn be_impatient(&mut self, channel: u32) {
        let group = self.channels.get(&channel).map(|held| held.record.group);
        if let Some(asking) = group.and_then(|group| self.resyncs.asking.get_mut(&group)) {
            (asking.hastened, asking.patient_until) = (0, None);
        }
    }

    fn plan_check(&mut self, group: &GroupId, now: Time) {
        self.plan_question(group, CHECK_FIRST_MS, now);
    }

    /// Plans to ask once more, while what came before the oldest state here is not known.
    pub(crate) fn plan_recheck(&mut self, group: &Group, now: Time) {
        let id = group.record.id;
        if !group.came_back() {
            self.resyncs.rechecks.remove(&id);
            return;
        }
        if self.resyncs.asking.entry(id).or_default().next.is_some() {
            return;
        }
        let wait = self.resyncs.rechecks.entry(id).or_insert(RECHECK_FIRST_MS);
        let wait_ms = *wait;
        *wait = wait_ms.saturating_mul(2).min(RECHECK_MAX_MS);
        self.plan_question(&id, wait_ms, now);
        if let Some(asking) = self.resyncs.asking.get_mut(&id) {
            asking.rests = true;
        }
    }

    fn plan_question(&mut self, group: &GroupId, wait_ms: u64, now: Time) {
        let jitter = self.below(wait_ms);
        let asking = self.resyncs.asking.entry(*group).or_default();
        asking.wait_ms = wait_ms;
        (asking.rests, asking.rounds) = (false, 0);
        let at = now.plus_ms((wait_ms / 2).saturating_add(jitter));
        asking.next = Some(asking.next.map_or(at, |next| next.min(at)));
    }

    /// An envelope names a state that is not known. That is so for a moment whenever frames overtake
    /// each other; if it stays so, this device may be off the group's way. A state that was not named before is a reason
    /// to ask soon, and so is a commit on one.
    pub(crate) fn suspect(&mut self, group: &Group, state: StateId, is_commit: bool, now: Time) {
        if group.is_stateless() || group.is_over_here() {
            return;
        }
        let id = group.record.id;
        let asking = self.resyncs.asking.entry(id).or_default();
        let is_new = asking.suspects.insert(state);
        if is_new && (asking.next.is_none() || asking.rests) {
            self.plan_check(&id, now);
        } else if is_new || is_commit {
            let at = (CHECK_FIRST_MS / 2).saturating_add(self.below(CHECK_FIRST_MS / 2));
            if let Some(asking) = self.resyncs.asking.get_mut(&id) {
                asking.hasten(CHECK_FIRST_MS, at, now);
            }
        }
    }

    /// Puts questions, gives answers, and replaces void KeyPackages when it is time.
    pub(crate) fn resyncs_timeout(&mut self, now: Time) -> Result<(), Error> {
        let due: Vec<GroupId> = (self.resyncs.asking.iter())
            .filter(|(_, asking)| asking.next.is_some_and(|at| at <= now))
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            self.tolerate(|engine| {
                engine.with_group(id, |engine, group| engine.question(group, now))
            })?;
        }
        let weighed: Vec<GroupId> = (self.resyncs.asking.iter())
            .filter(|(_, asking)| asking.weigh_at.is_some_and(|at| at <= now))
            .map(|(id, _)| *id)
            .collect();
        for id in weighed {
            if let Some(asking) = self.resyncs.asking.get_mut(&id) {
                asking.weigh_at = None;
            }
            self.tolerate(|engine| {
                engine.with_group(id, |engine, group| engine.weigh(group, now))
            })?;
        }
        let (due, later) = std::mem::take(&mut self.resyncs.planned)
            .into_iter()
            .partition(|planned| planned.at <= now);
        self.resyncs.planned = later;
        for Planned {
            channel, answer, ..
        } in Vec::from_iter::<Vec<Planned>>(due)
        {
            self.tolerate(|engine| match answer {
                Planning::Stand(saying) => engine.say(channel, saying, now),
                Planning::Way(ask) => engine.answer_ask(channel, ask, now),
            })?;
        }
        if self.resyncs.replace_at.is_some_and(|at| at <= now) {
            self.resyncs.replace_at = None;
            self.tolerate(|engine| engine.replace_key_packages(now))?;
        }
        Ok(())
    }

    /// Puts what there is to ask about a group, and plans to put it again.
    fn question(&mut self, group: &Group, now: Time) -> Result<(), Error> {
        let id = group.record.id;
        let Some(mut asking) = self.resyncs.asking.remove(&id) else {
            return Ok(());
        };
        (asking.next, asking.rests) = (None, false);
        let channels = self.attached_channels(&id);
        let Some(what) = self.what_to_ask(group, &mut asking)? else {
            return Ok(());
        };
        asking.rounds = asking.rounds.saturating_add(1);
        asking.since.get_or_insert(now);
        let is_vital = group.is_stateless() || group.resync.entered.is_some();
        if !channels.is_empty() && (is_vital || asking.rounds <= CHECKS_MAX) {
            asking.wait_ms = asking.wait_ms.saturating_mul(2).min(ASK_MAX_MS);
            let jitter = self.below(asking.wait_ms);
            asking.next = Some(now.plus_ms((asking.wait_ms / 2).saturating_add(jitter)));
        } else if !channels.is_empty() {
            asking.suspects.clear();
        }
        // What was said of the head is old by now; what was said of the rest is gathered.
        let gathers = group
            .head_state()
            .is_ok_and(|head| !matches!(what, What::State(s) if s == head));
        let mut question = match asking.question.take() {
            Some(known) if (gathers || group.is_stateless()) && known.what.is_same(&what) => known,
            Some(_) | None => Question {
                nonce: u64::from_be_bytes(self.random()),
                what,
                about: BTreeSet::new(),
                verdicts: BTreeMap::new(),
            },
        };
        for channel in channels {
            self.put_question(channel, &mut question, now)?;
        }
        asking.question = Some(question);
        let is_over = asking.next.is_none();
        self.resyncs.asking.insert(id, asking);
        if is_over {
            self.plan_recheck(group, now);
        }
        Ok(())
    }

    pub(crate) fn attached_channels(&self, group: &GroupId) -> Vec<u32> {
        let is_here = |number: u32| {
            self.network.is_attached(
                |purpose| matches!(purpose, Purpose::Channel { channel, .. } if channel == number),
            )
        };
        (self.channels.iter())
            .filter(|(number, held)| held.record.group == *group && is_here(**number))
            .map(|(number, _)| *number)
            .collect()
    }

    fn what_to_ask(&mut self, group: &Group, asking: &mut Asking) -> Result<Option<What>, Error> {
        if group.record.standing == Standing::Lost {
            let seed = Zeroizing::new(self.random());
            return Ok(Some(What::Way(Box::new(self.core()?.hybrid_key(&seed)?))));
        }
        if group.is_stateless() || group.is_over_here() {
            return Ok(None);
        }
        asking
            .suspects
            .retain(|state| group.waiting.contains_key(state));
        let mut stuck = group.resync.stuck.iter();
        if let Some(child) = stuck.find(|child| asking.suspects.contains(*child)) {
            return Ok(Some(What::State(*child)));
        }
        let is_new = group.resync.entered.is_some() || group.came_back();
        let doubtful = is_new || !asking.suspects.is_empty();
        let head = group.head_state()?;
        Ok(doubtful.then_some(What::State(head)))
    }

    fn put_question(
        &mut self,
        channel: u32,
        question: &mut Question,
        now: Time,
    ) -> Result<(), Error> {
        let Some(held) = self.channels.get(&channel) else {
            return Ok(());
        };
        let (group, tag) = (held.record.group, held.tag());
        let (about, message) = match &question.what {
            What::Way(key) => {
                let device = self.core()?.device();
                let mut ask = Ask {
                    nonce: question.nonce,
                    account: device.account(),
                    device: device.id(),
                    key: key.public().as_bytes().to_vec(),
                    signature: Vec::new(),
                };
                let bytes = ask.signed_bytes(&tag);
                ask.signature = device.sign(ASK_LABEL, &bytes).to_vec();
                (ask.id(&tag), ChannelMessage::Ask(ask))
            }
            What::State(state) => {
                let check = Check {
                    nonce: question.nonce,
                    state: *state,
                    logs: self.logs_of(&group),
                };
                (check.id(), ChannelMessage::Check(check))
            }
        };
        question.about.insert(about);
        self.send_transient(channel, &message, now)
    }
}

impl What {
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Way(_), Self::Way(_)) => true,
            (Self::State(here), Self::State(there)) => here == there,
            (Self::Way(_), Self::State(_)) | (Self::State(_), Self::Way(_)) => false,
        }
    }
}
