//! The engine itself: what it holds, how it opens, and the frame of every step.

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sori_mls::{AccountId, Core, GroupId};
use sori_store::{Class, Store, Table};
use sori_wire::{Refusal, RelayUrl, Topic, TopicSeed};

use crate::account::Me;
use crate::admitting::Admitting;
use crate::attachments::Files;
use crate::catchup::Sessions;
use crate::channel::{self, Channel};
use crate::effect::{Effect, PublishToken};
use crate::error::Error;
use crate::expiry::Minute;
use crate::group::Group;
use crate::handshake::Admission;
use crate::invites::Invite;
use crate::joins::Join;
use crate::network::{Carried, Network, Purpose, Wanted};
use crate::outcome::Outcomes;
use crate::prefs::PrefsRecord;
use crate::record::{self, ContactRecord, KeyPackageRecord};
use crate::resync::Resyncs;
use crate::search::Searches;
use crate::table;
use crate::time::Time;
use crate::trouble::Trouble;
use crate::view::Event;

/// The messenger of one profile.
pub struct Engine {
    pub(crate) store: Store,
    pub(crate) rng: ChaCha20Rng,
    pub(crate) me: Option<Me>,
    pub(crate) relay: Option<RelayUrl>,
    pub(crate) groups: BTreeMap<GroupId, Group>,
    pub(crate) channels: BTreeMap<u32, Channel>,
    pub(crate) contacts: BTreeMap<AccountId, ContactRecord>,
    pub(crate) prefs: PrefsRecord,
    /// The conversation with oneself, once it was made.
    pub(crate) own: Option<GroupId>,
    pub(crate) invites: BTreeMap<u32, Invite>,
    pub(crate) admitting: Admitting,
    pub(crate) joins: BTreeMap<u32, Join>,
    /// Own unused KeyPackages by their number in the store.
    pub(crate) key_packages: BTreeMap<u32, KeyPackageRecord>,
    /// The minutes in which messages disappear.
    pub(crate) expiries: BTreeSet<Minute>,
    /// Admissions that came inside a group (the third) and are to be followed at the end of the step.
    pub(crate) admissions: Vec<(Admission, AccountId, GroupId)>,
    pub(crate) files: Files,
    pub(crate) network: Network,
    pub(crate) sessions: Sessions,
    pub(crate) resyncs: Resyncs,
    pub(crate) searches: Searches,
    pub(crate) outcomes: Outcomes,
    pub(crate) effects: Vec<Effect>,
    /// Seed of a topic at which nobody meets, anew with each start.
    idle: [u8; 32],
    /// Whether the topics that should be attached may have changed.
    pub(crate) topics_stale: bool,
    pub(crate) day_change: Time,
    /// When keys of what is no longer there are overwritten.
    forget_at: Option<Time>,
    writes: u64,
}

/// Longest time from a commit to the overwriting of the keys that it made superfluous, in
/// milliseconds. Within it, commits share the two syncs that this takes.
const FORGET_WAIT_MS: u64 = 100;

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Engine {
    /// Opens the messenger on a profile's store. `seed`: 32 fresh random bytes, the only
    /// randomness it will have.
    ///
    /// # Errors
    /// [`Error::Store`] if the store cannot be read, [`Error::Internal`] if a row does not decode.
    pub fn open(store: Store, seed: [u8; 32], now: Time) -> Result<Self, Error> {
        let mut engine = Self {
            store,
            rng: ChaCha20Rng::from_seed(seed),
            me: None,
            relay: None,
            groups: BTreeMap::new(),
            channels: BTreeMap::new(),
            contacts: BTreeMap::new(),
            prefs: PrefsRecord::default(),
            own: None,
            invites: BTreeMap::new(),
            admitting: Admitting::default(),
            joins: BTreeMap::new(),
            key_packages: BTreeMap::new(),
            expiries: BTreeSet::new(),
            admissions: Vec::new(),
            files: Files::default(),
            network: Network::default(),
            sessions: Sessions::default(),
            resyncs: Resyncs::default(),
            searches: Searches::default(),
            outcomes: Outcomes::default(),
            effects: Vec::new(),
            idle: [0; 32],
            topics_stale: true,
            day_change: channel::next_change(now),
            forget_at: None,
            writes: 0,
        };
        engine.idle = engine.random();
        engine.load()?;
        engine.prune_logs(now)?;
        engine.plan_open_commits(now);
        engine.plan_open_resyncs(now)?;
        engine.refresh_key_packages(now)?;
        Ok(engine)
    }

    /// Makes everything staged since the last flush durable, then hands out what there is to do.
    ///
    /// # Errors
    /// [`Error::Store`]: nothing staged is kept; the engine must be dropped and opened again.
    pub fn flush(&mut self, now: Time) -> Result<Vec<Effect>, Error> {
        if self.topics_stale {
            self.topics_stale = false;
            let wanted = self.wanted_topics(now)?;
            self.network
                .want(wanted, self.relay.as_ref(), &mut self.effects);
        }
        if sori_mls::broken!("apply before durable") && !self.effects.is_empty() {
            return Ok(std::mem::take(&mut self.effects));
        }
        self.store.commit()?;
        if self.store.forget_due() && self.forget_at.is_none() {
            self.forget_at = Some(now.plus_ms(FORGET_WAIT_MS));
        }
        Ok(std::mem::take(&mut self.effects))
    }

    /// Overwrites the keys of everything that is no longer there, instead of waiting for
    /// [`handle_timeout`](Self::handle_timeout). Call it when the profile is locked or closed, after
    /// [`flush`](Self::flush).
    ///
    /// # Errors
    /// [`Error::Store`]; then the engine must be opened again, which makes up for it.
    pub fn forget(&mut self) -> Result<(), Error> {
        self.forget_at = None;
        Ok(self.store.forget()?)
    }

    /// The relay is connected.
    ///
    /// # Errors
    /// Only for trouble with the store; then the engine must be opened again.
    pub fn handle_connected(&mut self, relay: &RelayUrl, _now: Time) -> Result<(), Error> {
        self.network.connected(relay, &mut self.effects);
        self.connection_changed();
        Ok(())
    }

    /// Why the connection to the relay is about to be told ended; people see it until one is open.
    pub fn handle_trouble(&mut self, relay: &RelayUrl, trouble: Trouble) {
        self.network.fail(relay, trouble);
    }

    /// The connection to the relay ended or did not come about.
    ///
    /// # Errors
    /// Only for trouble with the store; then the engine must be opened again.
    pub fn handle_disconnected(&mut self, relay: &RelayUrl, now: Time) -> Result<(), Error> {
        self.network.disconnected(relay, now, &mut self.rng);
        self.sessions.disconnected(relay);
        let parted = self.files.disconnected(relay);
        self.topics_stale = true;
        self.forget_live_channels();
        self.connection_changed();
        self.tolerate(|engine| {
            let mut parted = parted.iter();
            parted.try_for_each(|file| engine.file_changed(file))
        })
    }

    /// The relay confirmed the attachment to a topic.
    ///
    /// # Errors
    /// Only for trouble with the store; then the engine must be opened again.
    pub fn handle_attached(
        &mut self,
        relay: &RelayUrl,
        topic: Topic,
        now: Time,
    ) -> Result<(), Error> {
        let Some(purpose) = self.network.attached(relay, topic) else {
            return Ok(());
        };
        self.tolerate(|engine| match purpose {
            Purpose::Channel { channel, day } => {
                engine.ask_soon();
                engine.channel_attached(channel, day, now)
            }
            Purpose::File(number) => engine.file_attached(number, now),
            Purpose::Invite(number) => engine.invite_attached(number),
            Purpose::Join(number) => engine.join_attached(number, now),
            Purpose::Session(number) => engine.session_attached(number, now),
            Purpose::Idle => Ok(()),
        })
    }

    /// The relay refused the attachment to a topic.
    ///
    /// # Errors
    /// Only for trouble with the store; then the engine must be opened again.
    pub fn handle_refused(
        &mut self,
        relay: &RelayUrl,
        topic: Topic,
        _reason: Refusal,
        _now: Time,
    ) -> Result<(), Error> {
        self.network.refused(relay, topic);
        Ok(())
    }

    /// A frame arrived on an attached topic. Whatever it holds, it is no error: what does not
    /// belong here is dropped.
    ///
    /// # Errors
    /// Only for trouble with the store; then the engine must be opened again.
    pub fn handle_frame(
        &mut self,
        relay: &RelayUrl,
        topic: Topic,
        frame: &[u8],
        now: Time,
    ) -> Result<(), Error> {
        let Some(purpose) = self.network.purpose(relay, topic) else {
            return Ok(());
        };
        self.tolerate(|engine| match purpose {
            Purpose::Channel { channel, day } => engine.accept_frame(channel, day, frame, now),
            Purpose::File(number) => engine.file_frame(number, frame, now),
            Purpose::Invite(number) => engine.invite_frame(number, frame, now),
            Purpose::Join(number) => engine.join_frame(number, frame, now),
            Purpose::Session(number) => engine.session_frame(number, frame, now),
            Purpose::Idle => Ok(()),
        })
    }

    /// The relay dropped frames of this topic because this device was too slow.
    ///
    /// # Errors
    /// Only for trouble with the store; then the engine must be opened again.
    pub fn handle_gap(&mut self, relay: &RelayUrl, topic: Topic, now: Time) -> Result<(), Error> {
        if sori_mls::broken!("drop the gap notice") {
            return Ok(());
        }
        if let Some(Purpose::Channel { channel, .. }) = self.network.purpose(relay, topic) {
            self.missed_something(channel, now);
            self.be_impatient(channel);
        }
        Ok(())
    }

    /// The relay told to how many a frame went.
    ///
    /// # Errors
    /// Only for trouble with the store; then the engine must be opened again.
    pub fn handle_published(
        &mut self,
        token: PublishToken,
        receivers: u32,
        now: Time,
    ) -> Result<(), Error> {
        match self.network.published(token) {
            Some(Carried::Envelope { channel, sequence }) if receivers > 0 => {
                if let Some(held) = self.channels.get_mut(&channel) {
                    held.live.met = true;
                }
                self.envelope_handed_over(channel, sequence)
            }
            Some(Carried::Envelope { channel, sequence }) => {
                self.tolerate(|engine| engine.nobody_there(channel, sequence, now))
            }
            Some(Carried::Transient) | None => Ok(()),
        }
    }

    /// How often messages on channels have come to each kind of end since the start, by its name. Nothing else is in
    /// it: no ids, no times.
    #[must_use]
    pub const fn outcomes(&self) -> &BTreeMap<&'static str, u64> {
        self.outcomes.counts()
    }

    /// Time has passed; call it at [`poll_timeout`](Self::poll_timeout) or later.
    ///
    /// # Errors
    /// Only for trouble with the store; then the engine must be opened again.
    pub fn handle_timeout(&mut self, now: Time) -> Result<(), Error> {
        if self.forget_at.is_some_and(|at| at <= now) {
            self.forget()?;
        }
        if self.day_change <= now {
            self.day_change = channel::next_change(now);
            self.topics_stale = true;
            self.prune_logs(now)?;
            self.refresh_key_packages(now)?;
        }
        self.network.timeout(now, &mut self.effects);
        self.tolerate(|engine| engine.expiries_timeout(now))?;
        self.tolerate(|engine| engine.channels_timeout(now))?;
        self.tolerate(|engine| engine.sessions_timeout(now))?;
        self.tolerate(|engine| engine.files_timeout(now))?;
        self.tolerate(|engine| engine.commits_timeout(now))?;
        self.welcomes_timeout(now)?;
        self.ballots_timeout(now)?;
        self.resyncs_timeout(now)?;
        self.tolerate(|engine| engine.invites_timeout(now))?;
        self.tolerate(|engine| engine.admitting_timeout(now))?;
        self.tolerate(|engine| engine.joins_timeout(now))
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        [
            Some(self.day_change),
            self.forget_at,
            self.expiries_next_timeout(),
            self.network.next_timeout(),
            self.channels_next_timeout(),
            self.sessions.next_timeout(),
            self.files.next_timeout(),
            self.commits_next_timeout(),
            self.welcomes_next_timeout(),
            self.ballots_next_timeout(),
            self.resyncs.next_timeout(),
            self.invites_next_timeout(),
            self.admitting.next_timeout(),
            self.joins_next_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Runs a step that happens as a whole or not at all.
    pub(crate) fn atomically<R>(
        &mut self,
        step: impl FnOnce(&mut Self) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let savepoint = self.store.savepoint();
        let (effects, writes) = (self.effects.len(), self.writes);
        match step(self) {
            Err(error) if !error.is_fatal() && self.writes != writes => {
                self.store.rollback_to(savepoint);
                self.effects.truncate(effects);
                self.load()?;
                Err(error)
            }
            result => result,
        }
    }

    /// Runs a step for something that came from outside: a failure undoes it and is no error,
    /// unless the store is in trouble.
    pub(crate) fn tolerate(
        &mut self,
        step: impl FnOnce(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        match self.atomically(step) {
            Err(error) if error.is_fatal() => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Works on a group and the engine at once: the group is out of the map meanwhile.
    pub(crate) fn with_group<R>(
        &mut self,
        id: GroupId,
        work: impl FnOnce(&mut Self, &mut Group) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let mut group = self.groups.remove(&id).ok_or(Error::NotFound("group"))?;
        let result = work(self, &mut group);
        self.groups.insert(id, group);
        result
    }

    pub(crate) fn me(&self) -> Result<&Me, Error> {
        self.me.as_ref().ok_or(Error::NoAccount)
    }

    pub(crate) fn core(&self) -> Result<&Core, Error> {
        Ok(&self.me()?.core)
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.effects.push(Effect::Event(event));
    }

    /// A random whole number below `bound`; zero if that is zero.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.rng.next_u64().checked_rem(bound).unwrap_or(0)
    }

    pub(crate) fn random<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    pub(crate) fn put<T: Serialize>(
        &mut self,
        table: Table,
        key: &[u8],
        record: &T,
    ) -> Result<(), Error> {
        self.put_bytes(table, key, &record::encode(record)?)
    }

    pub(crate) fn put_bytes(
        &mut self,
        table: Table,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), Error> {
        self.writes = self.writes.wrapping_add(1);
        Ok(self.store.put(table, key, value)?)
    }

    /// As [`put`](Self::put), for a record that shares its key with those of its class.
    pub(crate) fn put_in<T: Serialize>(
        &mut self,
        (table, class): (Table, Class),
        key: &[u8],
        record: &T,
    ) -> Result<(), Error> {
        self.writes = self.writes.wrapping_add(1);
        let bytes = record::encode(record)?;
        Ok(self.store.put_in(table, key, class, &bytes)?)
    }

    /// As [`put`](Self::put), and nobody can read any more what was there.
    pub(crate) fn put_forgetting<T: Serialize>(
        &mut self,
        table: Table,
        key: &[u8],
        record: &T,
    ) -> Result<(), Error> {
        self.writes = self.writes.wrapping_add(1);
        let bytes = record::encode(record)?;
        Ok(self.store.put_forgetting(table, key, &bytes)?)
    }

    /// As [`put_bytes`](Self::put_bytes); earlier versions go for good.
    pub(crate) fn put_bytes_forgetting(
        &mut self,
        table: Table,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), Error> {
        self.writes = self.writes.wrapping_add(1);
        Ok(self.store.put_forgetting(table, key, value)?)
    }

    pub(crate) fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), Error> {
        self.writes = self.writes.wrapping_add(1);
        Ok(self.store.delete(table, key)?)
    }

    pub(crate) fn get<T: DeserializeOwned>(
        &self,
        table: Table,
        key: &[u8],
    ) -> Result<Option<T>, Error> {
        self.store
            .get(table, key)?
            .map(|bytes| record::decode(&bytes))
            .transpose()
    }

    /// All records of a table whose keys begin with `prefix`, by their numbers.
    pub(crate) fn scan<T: DeserializeOwned>(
        &self,
        table: Table,
        prefix: &[u8],
    ) -> Result<Vec<(u64, T)>, Error> {
        self.store
            .range(table, prefix)?
            .into_iter()
            .map(|(key, bytes)| Ok((table::sequence(&key), record::decode(&bytes)?)))
            .collect()
    }

    /// Reads everything from the store, as after a start; what is going on with peers stays.
    fn load(&mut self) -> Result<(), Error> {
        self.load_account()?;
        self.load_prefs()?;
        self.load_own()?;
        self.load_channels()?;
        self.load_groups()?;
        self.load_contacts()?;
        self.load_invites()?;
        self.load_joins()?;
        self.load_expiries()?;
        self.load_files()?;
        self.topics_stale = true;
        Ok(())
    }

    /// Every topic that should be attached now, at every relay where others may be.
    fn wanted_topics(&mut self, now: Time) -> Result<Vec<Wanted>, Error> {
        let mut wanted = self.channel_topics(now)?;
        wanted.extend(self.invite_topics(now));
        if let Some(own) = &self.relay {
            // What groups and old invites say of our relay may have an access key of before.
            for topic in wanted.iter_mut().filter(|w| w.relay.is_same_relay(own)) {
                topic.relay = own.clone();
            }
        }
        wanted.extend(self.join_topics());
        wanted.extend(self.sessions.topics());
        wanted.extend(self.files.topics());
        let relay = self.relay.clone().filter(|_| self.me.is_some());
        if let Some(relay) = relay.filter(|relay| wanted.iter().all(|w| w.relay != *relay)) {
            let seed = TopicSeed::from_bytes(self.idle);
            wanted.push(Wanted {
                relay,
                topic: seed.topic(),
                seed,
                purpose: Purpose::Idle,
            });
        }
        Ok(wanted)
    }
}
