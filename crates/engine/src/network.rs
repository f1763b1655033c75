//! Connections to relays and attachments to topics: what is wanted, what is there, and when to
//! try again. Nothing of it is stored; after a restart it is asked for anew.

use std::collections::{BTreeMap, BTreeSet};

use rand_core::RngCore;
use sori_wire::{Frame, RelayUrl, Topic, TopicSeed};

use crate::effect::{Effect, PublishToken};
use crate::time::{Day, Time};
use crate::trouble::Trouble;

/// First wait after a connection ended, in milliseconds; doubled with each failure in a row.
const BACKOFF_FIRST_MS: u64 = 250;
/// Longest wait between two attempts, in milliseconds. A relay that comes back is found within
/// one and a half times this.
const BACKOFF_MAX_MS: u64 = 15_000;

/// Why a topic is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Purpose {
    /// The meeting place of a channel on a day.
    Channel { channel: u32, day: Day },
    /// A file on its way to or from one member.
    File(u64),
    /// Nothing: a relay closes connections without any topic.
    Idle,
    /// An invite of ours.
    Invite(u32),
    /// An invite that we follow.
    Join(u32),
    /// A catch-up with one member.
    Session(u64),
}

/// A topic that should be attached.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) relay: RelayUrl,
    pub(crate) topic: Topic,
    pub(crate) seed: TopicSeed,
    pub(crate) purpose: Purpose,
}

/// What a publish carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carried {
    /// An envelope of a channel log.
    Envelope { channel: u32, sequence: u64 },
    /// A message that nobody needs to know the fate of.
    Transient,
}

/// The state of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connection {
    Connected,
    Connecting,
    Waiting { until: Time },
}

#[derive(Debug)]
struct Relay {
    connection: Connection,
    failures: u32,
    trouble: Option<Trouble>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Attached,
    Idle,
    Requested,
}

#[derive(Debug)]
struct Attachment {
    seed: TopicSeed,
    purpose: Purpose,
    progress: Progress,
}

/// All connections and attachments of the engine.
#[derive(Debug, Default)]
pub(crate) struct Network {
    relays: BTreeMap<RelayUrl, Relay>,
    attachments: BTreeMap<(RelayUrl, Topic), Attachment>,
    published: BTreeMap<PublishToken, (RelayUrl, Carried)>,
    next_token: u64,
}

impl Network {
    /// Makes what is there follow what is wanted. `keep` is connected even without a topic.
    pub(crate) fn want(
        &mut self,
        wanted: Vec<Wanted>,
        keep: Option<&RelayUrl>,
        effects: &mut Vec<Effect>,
    ) {
        let mut needed: BTreeSet<RelayUrl> = wanted.iter().map(|w| w.relay.clone()).collect();
        needed.extend(keep.cloned());
        let topics: BTreeSet<(RelayUrl, Topic)> =
            wanted.iter().map(|w| (w.relay.clone(), w.topic)).collect();
        self.drop_unwanted(&needed, &topics, effects);
        for relay in needed {
            self.relays.entry(relay.clone()).or_insert_with(|| {
                effects.push(Effect::Connect { relay });
                Relay {
                    connection: Connection::Connecting,
                    failures: 0,
                    trouble: None,
                }
            });
        }
        for Wanted {
            relay,
            topic,
            seed,
            purpose,
        } in wanted
        {
            let connected = self.is_connected(&relay);
            let key = (relay.clone(), topic);
            if self.attachments.contains_key(&key) {
                continue;
            }
            let progress = if connected {
                Progress::Requested
            } else {
                Progress::Idle
            };
            if connected {
                effects.push(Effect::Attach {
                    relay,
                    seed: seed.clone(),
                });
            }
            self.attachments.insert(
                key,
                Attachment {
                    seed,
                    purpose,
                    progress,
                },
            );
        }
    }

    fn drop_unwanted(
        &mut self,
        needed: &BTreeSet<RelayUrl>,
        topics: &BTreeSet<(RelayUrl, Topic)>,
        effects: &mut Vec<Effect>,
    ) {
        self.attachments.retain(|key, attachment| {
            let keep = topics.contains(key);
            if !keep && attachment.progress != Progress::Idle && needed.contains(&key.0) {
                effects.push(Effect::Detach {
                    relay: key.0.clone(),
                    topic: key.1,
                });
            }
            keep
        });
        self.relays.retain(|relay, _| {
            let keep = needed.contains(relay);
            if !keep {
                effects.push(Effect::Disconnect {
                    relay: relay.clone(),
                });
            }
            keep
        });
    }

    /// The relay answered: attach everything that belongs there.
    pub(crate) fn connected(&mut self, url: &RelayUrl, effects: &mut Vec<Effect>) {
        let Some(relay) = self.relays.get_mut(url) else {
            return;
        };
        relay.connection = Connection::Connected;
        relay.failures = 0;
        relay.trouble = None;
        for ((at, _), attachment) in &mut self.attachments {
            if at == url {
                attachment.progress = Progress::Requested;
                effects.push(Effect::Attach {
                    relay: url.clone(),
                    seed: attachment.seed.clone(),
                });
            }
        }
    }

    /// Notes why the connection ends or does not come about.
    pub(crate) fn fail(&mut self, url: &RelayUrl, trouble: Trouble) {
        if let Some(relay) = self.relays.get_mut(url) {
            relay.trouble = Some(trouble);
        }
    }

    /// The connection ended or did not come about: wait, longer each time, then try again.
    pub(crate) fn disconnected(&mut self, url: &RelayUrl, now: Time, rng: &mut impl RngCore) {
        for ((at, _), attachment) in &mut self.attachments {
            if at == url {
                attachment.progress = Progress::Idle;
            }
        }
        self.published.retain(|_, (at, _)| at != url);
        let Some(relay) = self.relays.get_mut(url) else {
            return;
        };
        let full = match relay.trouble {
            Some(trouble) if trouble.needs_a_person() => BACKOFF_MAX_MS,
            _ => BACKOFF_FIRST_MS
                .saturating_mul(1_u64.checked_shl(relay.failures).unwrap_or(u64::MAX))
                .min(BACKOFF_MAX_MS),
        };
        // Half to one and a half of it, so that many clients do not come back in one instant.
        let wait = (full / 2).saturating_add(rng.next_u64().checked_rem(full).unwrap_or(0));
        relay.failures = relay.failures.saturating_add(1).min(16);
        relay.connection = Connection::Waiting {
            until: now.plus_ms(wait),
        };
    }

    /// The relay confirmed an attachment. Its purpose, if it is still wanted.
    pub(crate) fn attached(&mut self, relay: &RelayUrl, topic: Topic) -> Option<Purpose> {
        let attachment = self.attachments.get_mut(&(relay.clone(), topic))?;
        attachment.progress = Progress::Attached;
        Some(attachment.purpose)
    }

    /// The relay refused an attachment; it is not tried again on this connection.
    pub(crate) fn refused(&mut self, relay: &RelayUrl, topic: Topic) {
        if let Some(attachment) = self.attachments.get_mut(&(relay.clone(), topic)) {
            attachment.progress = Progress::Idle;
        }
    }

    /// Connects again where the wait is over.
    pub(crate) fn timeout(&mut self, now: Time, effects: &mut Vec<Effect>) {
        for (url, relay) in &mut self.relays {
            if matches!(relay.connection, Connection::Waiting { until } if until <= now) {
                relay.connection = Connection::Connecting;
                effects.push(Effect::Connect { relay: url.clone() });
            }
        }
    }

    /// When [`timeout`](Self::timeout) has something to do.
    pub(crate) fn next_timeout(&self) -> Option<Time> {
        self.relays
            .values()
            .filter_map(|relay| match relay.connection {
                Connection::Waiting { until } => Some(until),
                Connection::Connected | Connection::Connecting => None,
            })
            .min()
    }

    /// Publishes on a topic wherever it is attached. Whether that was anywhere.
    pub(crate) fn publish(
        &mut self,
        topic: Topic,
        frame: &[u8],
        carried: Carried,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let relays: Vec<RelayUrl> = self
            .attachments
            .iter()
            .filter(|((_, at), a)| *at == topic && a.progress == Progress::Attached)
            .map(|((relay, _), _)| relay.clone())
            .collect();
        let mut anywhere = false;
        for relay in relays {
            let Ok(frame) = Frame::new(frame.to_vec()) else {
                continue;
            };
            let token = PublishToken(self.next_token);
            self.next_token = self.next_token.wrapping_add(1);
            self.published.insert(token, (relay.clone(), carried));
            effects.push(Effect::Publish {
                relay,
                topic,
                frame,
                token,
            });
            anywhere = true;
        }
        anywhere
    }

    /// The relay told to how many a frame went: what the frame was.
    pub(crate) fn published(&mut self, token: PublishToken) -> Option<Carried> {
        self.published.remove(&token).map(|(_, carried)| carried)
    }

    /// Why this topic is attached there, if it is.
    pub(crate) fn purpose(&self, relay: &RelayUrl, topic: Topic) -> Option<Purpose> {
        self.attachments
            .get(&(relay.clone(), topic))
            .map(|attachment| attachment.purpose)
    }

    /// Whether some topic with such a purpose is attached somewhere.
    pub(crate) fn is_attached(&self, wanted: impl Fn(Purpose) -> bool) -> bool {
        self.attachments
            .values()
            .any(|a| a.progress == Progress::Attached && wanted(a.purpose))
    }

    /// The relays at which topics with such a purpose are attached.
    pub(crate) fn relays_of(&self, wanted: impl Fn(Purpose) -> bool) -> Vec<RelayUrl> {
        let relays: BTreeSet<RelayUrl> = self
            .attachments
            .iter()
            .filter(|(_, a)| a.progress == Progress::Attached && wanted(a.purpose))
            .map(|((relay, _), _)| relay.clone())
            .collect();
        relays.into_iter().collect()
    }

    /// How the connection to this relay stands.
    pub(crate) fn connection(&self, relay: &RelayUrl) -> Option<Connection> {
        self.relays.get(relay).map(|relay| relay.connection)
    }

    /// Why there is no connection to this relay, once something is known.
    pub(crate) fn trouble(&self, relay: &RelayUrl) -> Option<Trouble> {
        self.relays.get(relay)?.trouble
    }

    fn is_connected(&self, relay: &RelayUrl) -> bool {
        self.connection(relay) == Some(Connection::Connected)
    }
}
