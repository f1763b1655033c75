//! Channels: the meeting places of a group, and the log of what passed there (protocol §4.1).

use std::collections::{BTreeMap, BTreeSet};

use sori_wire::{Topic, TopicSeed};
use zeroize::Zeroizing;

use crate::envelope::Fingerprint;
use crate::record::ChannelRecord;
use crate::seal::{SealKey, derive32};
use crate::session::EnvelopeId;
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
    by_id: BTreeMap<EnvelopeId, (u64, Day)>,
    pub(crate) unsent: BTreeSet<u64>,
    /// Entries that carry own messages which some member is not known to hold, and those.
    pub(crate) open: BTreeMap<u64, u64>,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) next: u64,
}

/// What is planned or going on on a channel now; lost at a restart.
#[derive(Debug, Default)]
pub(crate) struct Live {
    /// When to say hello.
    pub(crate) hello_at: Option<Time>,
    /// How many hellos were said since the channel was attached.
    pub(crate) hellos: u32,
    /// Nonces of our latest hellos that nobody has answered yet.
    pub(crate) asked: Vec<u64>,
    /// A hello that differs from our log and that we mean to answer.
    pub(crate) answer: Option<Answer>,
    /// Envelopes of others to be acknowledged.
    pub(crate) unacknowledged: Vec<EnvelopeId>,
    pub(crate) receipt_at: Option<Time>,
    /// Up to which entry each account is known to hold the log.
    pub(crate) holds: BTreeMap<sori_mls::AccountId, u64>,
    /// Whether a relay handed something to somebody since the channel was attached.
    pub(crate) met: bool,
    /// Accounts heard since the channel was attached.
    pub(crate) heard: BTreeSet<sori_mls::AccountId>,
}

/// An answer to a hello, after a random wait.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) hello: u64,
    pub(crate) at: Time,
    pub(crate) log: Fingerprint,
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
    pub(crate) fn insert(&mut self, id: EnvelopeId, day: Day, sequence: u64) {
        if self.by_id.insert(id, (sequence, day)).is_none() {
            self.fingerprint.add(&id);
        }
        self.next = self.next.max(sequence.saturating_add(1));
    }

    /// Takes an entry out.
    pub(crate) fn remove(&mut self, id: &EnvelopeId) {
        if let Some((sequence, _)) = self.by_id.remove(id) {
            self.fingerprint.remove(id);
            self.unsent.remove(&sequence);
            self.open.remove(&sequence);
        }
    }

    pub(crate) fn contains(&self, id: &EnvelopeId) -> bool {
        self.by_id.contains_key(id)
    }

    /// Where an entry is, and of which day.
    pub(crate) fn find(&self, id: &EnvelopeId) -> Option<(u64, Day)> {
        self.by_id.get(id).copied()
    }

    /// All entries with their days, in the order in which they came.
    pub(crate) fn in_order(&self) -> BTreeMap<u64, Day> {
        self.by_id.values().copied().collect()
    }

    pub(crate) fn items(&self) -> Vec<(Day, EnvelopeId)> {
        self.by_id
            .iter()
            .map(|(id, (_, day))| (*day, *id))
            .collect()
    }

    /// Entries older than a day.
    pub(crate) fn older_than(&self, day: Day) -> Vec<(EnvelopeId, u64)> {
        self.by_id
            .iter()
            .filter(|(_, (_, of))| *of < day)
            .map(|(id, (sequence, _))| (*id, *sequence))
            .collect()
    }
}
