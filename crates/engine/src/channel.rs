//! Channels: the meeting places of a group, and the log of what passed there (protocol §4.1).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use sori_mls::AccountId;
use sori_wire::{Topic, TopicSeed};
use zeroize::Zeroizing;

use crate::envelope::Offer;
use crate::prints::{Prints, SetHash};
use crate::record::ChannelRecord;
use crate::seal::{SealKey, derive32};
use crate::session::{EnvelopeId, Salt};
use crate::time::{Day, Time};

/// How far the clocks of two members may differ and they still meet on one topic around
/// midnight UTC, in milliseconds.
pub(crate) const CLOCK_SKEW_MS: u64 = 600_000;
/// How long envelopes are kept for members who are away, in days.
pub(crate) const LOG_DAYS: u32 = 30;

/// A channel with its log's index and what is going on there.
pub(crate) struct Channel {
    pub(crate) record: ChannelRecord,
    pub(crate) log: Log,
    pub(crate) live: Live,
    days: BTreeMap<Day, DayKeys>,
}

/// What is derived from the channel secret for one UTC day.
#[derive(Debug)]
pub(crate) struct DayKeys {
    pub(crate) seed: TopicSeed,
    pub(crate) topic: Topic,
    pub(crate) seal: SealKey,
}

/// The index of a channel log: which envelopes are held, not their bytes.
#[derive(Debug, Default)]
pub(crate) struct Log {
    by_id: BTreeMap<EnvelopeId, (u64, Day, u32)>,
    pub(crate) unsent: BTreeSet<u64>,
    /// Entries that carry own messages which somebody for whom they are is not known to hold, and those.
    pub(crate) open: BTreeMap<u64, u64>,
    /// What is of an earlier day is neither kept nor asked for.
    pub(crate) floor: Day,
    days: BTreeMap<Day, SetHash>,
    bytes: u64,
    pub(crate) next: u64,
}

/// What is planned or going on on a channel now; lost at a restart.
#[derive(Debug, Default)]
pub(crate) struct Live {
    /// When to say hello.
    pub(crate) hello_at: Option<Time>,
    /// By when to say one whatever others say.
    pub(crate) overdue: Option<Time>,
    /// How many hellos were said since the channel was attached, or since there was a reason to say them soon.
    pub(crate) hellos: u32,
    /// How long the log was when that count began anew because somebody differed.
    pub(crate) series_of: u64,
    /// When something last came into the log.
    pub(crate) changed: Option<Time>,
    /// How many times longer than a small one a group of this size waits.
    pub(crate) pace: u64,
    /// Nonces of our latest hellos that nobody has answered yet.
    pub(crate) asked: Vec<u64>,
    /// Under which ids are masked in the catch-ups that we ask for now.
    pub(crate) salt: Salt,
    /// Whether somebody's log agrees with ours, by a hello or by a catch-up that has ended, and nobody has
    /// differed since.
    pub(crate) is_even: bool,
    /// How many catch-ups that we asked for broke off one after the other without bringing anything.
    pub(crate) broke_off: u32,
    /// Members whose catch-up with us broke off without bringing anything, and when.
    pub(crate) unhelpful: BTreeMap<AccountId, Time>,
    /// An offer that no known member has signed, for the case that there is no other, and until when.
    pub(crate) unproved: Option<(Time, Offer)>,
    /// Offers that were heard, the latest last: by whom, to whom, and the log of the latter.
    pub(crate) offers: VecDeque<(AccountId, AccountId, Prints)>,
    /// A hello that differs from our log and that we mean to answer.
    pub(crate) answer: Option<Answer>,
    /// Envelopes of others to be acknowledged.
    pub(crate) unacknowledged: Vec<EnvelopeId>,
    pub(crate) receipt_at: Option<Time>,
    /// Up to which entry each account is known to hold a day of the log.
    pub(crate) holds: BTreeMap<(AccountId, Day), u64>,
    /// Whether a relay handed something to somebody since the channel was attached, or an envelope of somebody came.
    pub(crate) met: bool,
    /// Accounts heard since the channel was attached.
    pub(crate) heard: BTreeSet<AccountId>,
    /// When members were last told that the person is writing.
    pub(crate) typing_told: Option<Time>,
    /// The latest time at which each of the others said to be writing, by their own clock.
    pub(crate) typing_heard: BTreeMap<AccountId, u64>,
}

/// An answer to a hello, after a random wait.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) hello: u64,
    pub(crate) at: Time,
    /// Whose it is, as it says.
    pub(crate) asker: AccountId,
    pub(crate) salt: Salt,
    pub(crate) log: Prints,
}

impl Channel {
    /// A channel with an empty log.
    pub(crate) fn new(record: ChannelRecord) -> Self {
        Self {
            record,
            log: Log::default(),
            live: Live::default(),
            days: BTreeMap::new(),
        }
    }

    /// The keys of a day.
    pub(crate) fn day(&mut self, day: Day) -> &DayKeys {
        let secret = &self.record.secret;
        self.days
            .entry(day)
            .or_insert_with(|| DayKeys::derive(secret, day))
    }

    /// Names the channel in signatures, without telling its secret.
    pub(crate) fn tag(&self) -> Zeroizing<[u8; 32]> {
        derive32(&self.record.secret, "tag", &[])
    }

    /// Keys of days that are no longer listened to.
    pub(crate) fn forget_days_before(&mut self, day: Day) {
        self.days.retain(|known, _| *known >= day);
    }
}

impl DayKeys {
    fn derive(secret: &[u8; 32], day: Day) -> Self {
        let context = day.0.to_be_bytes();
        let seed = TopicSeed::from_bytes(*derive32(secret, "topic", &context));
        let topic = seed.topic();
        Self {
            seed,
            topic,
            seal: SealKey::derive(secret, "seal", &context),
        }
    }
}

/// The days whose topics a device listens to: today's, and near midnight that of members whose
/// clocks are on the other side of it (protocol §4.1.3).
pub(crate) fn days(now: Time) -> BTreeSet<Day> {
    BTreeSet::from([
        now.minus_ms(CLOCK_SKEW_MS).day(),
        now.day(),
        now.plus_ms(CLOCK_SKEW_MS).day(),
    ])
}

/// When [`days`] changes next.
pub(crate) fn next_change(now: Time) -> Time {
    let midnight = now.day().end();
    [
        midnight.minus_ms(CLOCK_SKEW_MS),
        midnight,
        midnight.plus_ms(CLOCK_SKEW_MS),
        now.minus_ms(CLOCK_SKEW_MS)
            .day()
            .end()
            .plus_ms(CLOCK_SKEW_MS),
    ]
    .into_iter()
    .filter(|at| *at > now)
    .min()
    .unwrap_or(midnight)
}

impl Log {
    /// Puts an entry into the index.
    pub(crate) fn insert(&mut self, id: EnvelopeId, (sequence, day, len): (u64, Day, u32)) {
        if self.by_id.insert(id, (sequence, day, len)).is_none() {
            self.bytes = self.bytes.saturating_add(u64::from(len));
            self.days.entry(day).or_default().add(&id);
        }
        self.next = self.next.max(sequence.saturating_add(1));
    }

    /// Takes an entry out.
    pub(crate) fn remove(&mut self, id: &EnvelopeId) {
        if let Some((sequence, day, len)) = self.by_id.remove(id) {
            self.bytes = self.bytes.saturating_sub(u64::from(len));
            let left = self.days.get_mut(&day).map(|set| {
                set.remove(id);
                set.count()
            });
            if left == Some(0) {
                self.days.remove(&day);
            }
            self.unsent.remove(&sequence);
            self.open.remove(&sequence);
        }
    }

    /// The log in short.
    pub(crate) fn prints(&self) -> Prints {
        Prints::of(self.floor, &self.days)
    }

    /// Bytes of all sealed frames.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The oldest day of which there is anything.
    pub(crate) fn first_day(&self) -> Option<Day> {
        self.days.keys().next().copied()
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> u64 {
        u64::try_from(self.by_id.len()).unwrap_or(u64::MAX)
    }

    pub(crate) fn contains(&self, id: &EnvelopeId) -> bool {
        self.by_id.contains_key(id)
    }

    /// Where an entry is, and of which day.
    pub(crate) fn find(&self, id: &EnvelopeId) -> Option<(u64, Day)> {
        let (sequence, day, _) = self.by_id.get(id)?;
        Some((*sequence, *day))
    }

    /// All entries with their days, in the order in which they came.
    pub(crate) fn in_order(&self) -> BTreeMap<u64, Day> {
        let entries = self.by_id.values();
        entries
            .map(|(sequence, day, _)| (*sequence, *day))
            .collect()
    }

    /// The entries of a day and later ones, with their days.
    pub(crate) fn items_from(&self, floor: Day) -> Vec<(Day, EnvelopeId)> {
        let items = self.by_id.iter().map(|(id, (_, day, _))| (*day, *id));
        items.filter(|(day, _)| *day >= floor).collect()
    }

    #[cfg(test)]
    pub(crate) fn items(&self) -> Vec<(Day, EnvelopeId)> {
        self.items_from(Day(0))
    }

    /// Entries older than a day.
    pub(crate) fn older_than(&self, day: Day) -> Vec<(EnvelopeId, u64)> {
        self.by_id
            .iter()
            .filter(|(_, (_, of, _))| *of < day)
            .map(|(id, (sequence, _, _))| (*id, *sequence))
            .collect()
    }
}
