//! Whole groups in one thread: real engines with real cryptography over memory disks, a model of
//! the relay, and a clock that only moves when the test moves it. Everything the network decides
//! follows from one seed.

#![expect(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unreachable,
    reason = "a test fails loudly and prints its seed; none uses all of this"
)]

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use sori_engine::view::Event;
use sori_engine::{Effect, Engine, Error, InviteOptions, Notices, PublishToken, Restore, Time};
use sori_store::backup::BackupRecord;
use sori_store::{MemoryDisk, Store, Table};
use sori_wire::{RelayUrl, Topic};

/// 2026-11-22T03:00:00Z.
const START_MS: u64 = 1_795_316_400_000;

/// Somebody with a device.
pub(crate) struct Person {
    disk: MemoryDisk,
    engine: Option<Engine>,
    connected: bool,
    online: bool,
    attached: BTreeMap<Topic, ()>,
    pub(crate) events: Vec<Event>,
    /// How far its clock is from the world's, in milliseconds.
    pub(crate) skew: i64,
    /// Frames pass only between people on one side.
    pub(crate) side: u8,
    /// The second of the world in which its timer last rang, and how often it did in it.
    rang: (u64, u32),
    /// Most that its timer rang in one second.
    pub(crate) rang_most: u32,
    /// Bytes that went from it to one other alone.
    pub(crate) given: u64,
}

/// How somebody's program ends in the middle of a step.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// Before what was done is written.
    Unwritten,
    /// The disk refuses to write it.
    Refused,
    /// The disk writes it and reports an error all the same.
    Written,
}

enum Happening {
    Connected,
    Disconnected,
    /// A relay other than the world's cannot be reached.
    Unreachable(RelayUrl),
    Attached(Topic),
    Frame(Topic, Vec<u8>),
    Published(PublishToken, u32),
}

/// Everybody, the relay and the time.
pub(crate) struct World {
    pub(crate) people: Vec<Person>,
    pub(crate) now: u64,
    relay_up: bool,
    relay: RelayUrl,
    queue: BTreeMap<(u64, u64), (usize, Happening)>,
    sequence: u64,
    rng: ChaCha20Rng,
    pub(crate) seed: u64,
    /// One in how many frames is lost; zero for none.
    pub(crate) loss: u64,
    /// One in how many frames comes twice; zero for none.
    pub(crate) doubled: u64,
    /// Longest way of a frame, in milliseconds: what is above one reorders.
    pub(crate) delay: u64,
    /// Frames that passed the relay.
    pub(crate) frames: u64,
    /// Those of them that were for more than one other.
    pub(crate) wide: u64,
    /// Most bytes that somebody's program handed out at once.
    pub(crate) most_at_once: usize,
}

impl Person {
    fn with(disk: MemoryDisk) -> Self {
        Self {
            disk,
            engine: None,
            connected: false,
            online: true,
            attached: BTreeMap::new(),
            events: Vec::new(),
            skew: 0,
            side: 0,
            rang: (0, 0),
            rang_most: 0,
            given: 0,
        }
    }
}

impl World {
    pub(crate) fn new(people: &[&str], seed: u64) -> Self {
        Self::at(START_MS, people, seed)
    }

    /// A world that begins at a time.
    pub(crate) fn at(now: u64, people: &[&str], seed: u64) -> Self {
        println!("seed {seed}");
        let relay = format!("relay://127.0.0.1:4433/#{}", "A".repeat(43))
            .parse()
            .unwrap();
        let mut world = Self {
            people: Vec::new(),
            now,
            relay_up: true,
            relay,
            queue: BTreeMap::new(),
            sequence: 0,
            rng: ChaCha20Rng::seed_from_u64(seed),
            seed,
            loss: 0,
            doubled: 0,
            delay: 20,
            frames: 0,
            wide: 0,
            most_at_once: 0,
        };
        for name in people {
            world.people.push(Person::with(MemoryDisk::default()));
            let who = world.people.len() - 1;
            world.start(who);
            world
                .act(who, |engine, now| engine.account_create(name, now))
                .unwrap();
            let relay = world.relay.to_string();
            world
                .act(who, |engine, now| engine.relay_set(&relay, now))
                .unwrap();
        }
        world.run(1_000);
        world
    }

    /// The time by somebody's clock.
    fn time(&self, who: usize) -> Time {
        Time::from_unix_ms(self.now.saturating_add_signed(self.people[who].skew))
    }

    fn seed32(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        seed
    }

    /// Starts somebody's program on what the disk holds.
    pub(crate) fn start(&mut self, who: usize) {
        self.start_as(who, |_, _| Ok(()));
    }

    fn start_as(&mut self, who: usize, first: impl FnOnce(&mut Engine, Time) -> Result<(), Error>) {
        let (store_seed, engine_seed) = (self.seed32(), self.seed32());
        let store = Store::open_memory(&self.people[who].disk, store_seed).unwrap();
        let mut engine = Engine::open(store, engine_seed, self.time(who)).unwrap();
        first(&mut engine, self.time(who)).unwrap();
        self.people[who].engine = Some(engine);
        self.people[who].online = true;
        self.flush(who);
    }

    /// A copy of somebody's disk as it is now.
    pub(crate) fn image(&self, who: usize) -> MemoryDisk {
        self.people[who].disk.image()
    }

    /// Puts an older copy in the place of somebody's disk and starts the program, which is told.
    pub(crate) fn put_back(&mut self, who: usize, image: &MemoryDisk) {
        self.kill(who);
        self.people[who].disk = image.image();
        self.start_as(who, |engine, now| engine.mark_restored(now));
    }

    /// Spoils what somebody's disk holds: whoever's program starts again cannot follow the commits of others.
    pub(crate) fn forget_path_keys(&mut self, who: usize) {
        /// The table of snapshots, and the kind of the rows with the keys of a member's path.
        const SNAPSHOTS: Table = Table::log(5, 8);
        const PATH_KEYS: u8 = 14;
        self.kill(who);
        let seed = self.seed32();
        let mut store = Store::open_memory(&self.people[who].disk, seed).unwrap();
        let mut found = 0;
        for (key, bytes) in store.range(SNAPSHOTS, &[]).unwrap() {
            // The other half of each snapshot is public.
            if key.last() != Some(&0) {
                continue;
            }
            let mut rows: Vec<(Vec<u8>, Vec<u8>)> = postcard::from_bytes(&bytes).unwrap();
            let before = rows.len();
            rows.retain(|(row, _)| row[0] != PATH_KEYS);
            found += before - rows.len();
            let bytes = postcard::to_allocvec(&rows).unwrap();
            store.put(SNAPSHOTS, &key, &bytes).unwrap();
        }
        assert!(found > 0, "no such rows");
        store.commit().unwrap();
        drop(store);
        self.start(who);
    }

    /// Leaves of somebody's disk what a backup holds: no state, no commit, no KeyPackage, no channel log.
    /// Then starts the program, which is told.
    pub(crate) fn restore_without_state(&mut self, who: usize) {
        /// Snapshots, commits, log, sealed bytes, what waits, KeyPackages, chunks, message keys, pieces.
        const LEFT_OUT: [Table; 9] = [
            Table::log(5, 8),
            Table::log(6, 11),
            Table::log(8, 11),
            Table::log(9, 11),
            Table::log(10, 11),
            Table::own(14),
            Table::log(15, 13),
            Table::own(18),
            Table::own(19),
        ];
        self.kill(who);
        let seed = self.seed32();
        let mut store = Store::open_memory(&self.people[who].disk, seed).unwrap();
        let mut left_out = 0;
        for table in LEFT_OUT {
            for (key, _) in store.range(table, &[]).unwrap() {
                store.delete(table, &key).unwrap();
                left_out += 1;
            }
        }
        assert!(left_out > 20, "{left_out} rows");
        store.commit().unwrap();
        drop(store);
        self.start_as(who, |engine, now| engine.mark_restored(now));
    }

    /// The records of a backup of somebody's profile as it is now.
    pub(crate) fn backup(&mut self, who: usize) -> Vec<BackupRecord> {
        let records = self.act(who, |engine, now| {
            let mut backup = engine.backup(now)?;
            let mut records = Vec::new();
            while let Some(part) = engine.backup_next(&mut backup)? {
                records.extend(part);
            }
            Ok(records)
        });
        records.unwrap()
    }

    /// Somebody's disk is gone, and another one made of a backup. Then starts the program.
    pub(crate) fn restore(&mut self, who: usize, backup: &[BackupRecord]) {
        self.kill(who);
        self.people[who].disk = MemoryDisk::new();
        let (store_seed, engine_seed) = (self.seed32(), self.seed32());
        let store = Store::open_memory(&self.people[who].disk, store_seed).unwrap();
        let mut restore = Restore::new(store);
        for record in backup {
            restore.record(record).unwrap();
        }
        let engine = restore.finish(engine_seed, self.time(who), &mut |_| {});
        drop(engine.unwrap());
        self.start(who);
    }

    /// Somebody more, with a copy of another's disk and a program that is told nothing.
    pub(crate) fn copy_of(&mut self, image: &MemoryDisk) -> usize {
        self.people.push(Person::with(image.image()));
        self.people.len() - 1
    }

    /// Ends somebody's program as a power cut would: what was not flushed is gone.
    pub(crate) fn kill(&mut self, who: usize) {
        self.people[who].engine = None;
        self.people[who].online = false;
        self.people[who].connected = false;
        self.people[who].attached.clear();
        self.queue.retain(|_, (to, _)| *to != who);
    }

    /// Takes the relay away, or brings it back without any memory.
    pub(crate) fn relay(&mut self, up: bool) {
        self.relay_up = up;
        if up {
            return;
        }
        // Nothing that the relay had to say arrives any more.
        self.queue.retain(|_, (_, happening)| {
            matches!(
                happening,
                Happening::Disconnected | Happening::Unreachable(_)
            )
        });
        for who in 0..self.people.len() {
            if self.people[who].connected {
                self.people[who].connected = false;
                self.people[who].attached.clear();
                self.later(1, who, Happening::Disconnected);
            }
        }
    }

    /// Does something as somebody, durably.
    pub(crate) fn act<R>(
        &mut self,
        who: usize,
        verb: impl FnOnce(&mut Engine, Time) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let now = self.time(who);
        let result = verb(self.people[who].engine.as_mut().expect("running"), now);
        self.flush(who);
        result
    }

    fn later(&mut self, ms: u64, who: usize, happening: Happening) {
        self.sequence += 1;
        self.queue
            .insert((self.now + ms, self.sequence), (who, happening));
    }

    /// Begins something as somebody whose program ends before anybody hears of it.
    pub(crate) fn act_and_die<R>(
        &mut self,
        who: usize,
        end: End,
        verb: impl FnOnce(&mut Engine, Time) -> Result<R, Error>,
    ) {
        let now = self.time(who);
        let disk = self.people[who].disk.clone();
        let engine = self.people[who].engine.as_mut().expect("running");
        let done = verb(engine, now).is_ok();
        if done {
            match end {
                End::Unwritten => {}
                End::Refused => disk.fail_next_commit(),
                End::Written => disk.fail_next_commit_after_writing(),
            }
            assert!(matches!(end, End::Unwritten) || engine.flush(now).is_err());
        }
        self.kill(who);
    }

    /// Whether somebody's program runs.
    pub(crate) fn runs(&self, who: usize) -> bool {
        self.people[who].engine.is_some()
    }

    fn flush(&mut self, who: usize) {
        let now = self.time(who);
        let effects = self.people[who]
            .engine
            .as_mut()
            .unwrap()
            .flush(now)
            .unwrap();
        let len = |effect: &Effect| match effect {
            Effect::Publish { frame, .. } => frame.as_bytes().len(),
            _ => 0,
        };
        let at_once = effects.iter().map(len).sum();
        self.most_at_once = self.most_at_once.max(at_once);
        for effect in effects {
            self.carry_out(who, effect);
        }
    }

    fn carry_out(&mut self, who: usize, effect: Effect) {
        match effect {
            Effect::Connect { relay } if relay != self.relay => {
                self.later(5, who, Happening::Unreachable(relay));
            }
            Effect::Connect { .. } => {
                let up = self.relay_up;
                self.people[who].connected = up;
                let answer = if up {
                    Happening::Connected
                } else {
                    Happening::Disconnected
                };
                self.later(5, who, answer);
            }
            Effect::Attach { relay, .. }
            | Effect::Detach { relay, .. }
            | Effect::Disconnect { relay }
            | Effect::Publish { relay, .. }
                if relay != self.relay => {}
            Effect::Disconnect { .. } => {
                self.people[who].connected = false;
                self.people[who].attached.clear();
            }
            Effect::Attach { seed, .. } => {
                if self.people[who].connected {
                    self.people[who].attached.insert(seed.topic(), ());
                    self.later(3, who, Happening::Attached(seed.topic()));
                }
            }
            Effect::Detach { topic, .. } => {
                self.people[who].attached.remove(&topic);
            }
            Effect::Event(event) => self.people[who].events.push(event),
            Effect::Publish {
                topic,
                frame,
                token,
                ..
            } => self.publish(who, topic, frame.as_bytes(), token),
            _ => unreachable!("a new effect"),
        }
    }

    fn publish(&mut self, who: usize, topic: Topic, frame: &[u8], token: PublishToken) {
        if !self.people[who].connected || !self.people[who].attached.contains_key(&topic) {
            return;
        }
        self.frames += 1;
        let mut receivers = 0;
        for other in 0..self.people.len() {
            let person = &self.people[other];
            if other != who && person.connected && person.attached.contains_key(&topic) {
                receivers += 1;
                if self.loss > 0 && self.rng.next_u64().is_multiple_of(self.loss) {
                    continue;
                }
                if person.side != self.people[who].side {
                    continue;
                }
                let twice = self.doubled > 0 && self.rng.next_u64().is_multiple_of(self.doubled);
                for _ in 0..=usize::from(twice) {
                    let delay = 1 + self.rng.next_u64() % self.delay;
                    self.later(delay, other, Happening::Frame(topic, frame.to_vec()));
                }
            }
        }
        match receivers {
            0 => {}
            1 => self.people[who].given += frame.len() as u64,
            _ => self.wide += 1,
        }
        self.later(4, who, Happening::Published(token, receivers));
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, ms: u64) {
        let end = self.now + ms;
        while self.step(end) {}
        self.now = end;
    }

    /// Lets time pass until something holds; fails after `ms`.
    pub(crate) fn until(&mut self, ms: u64, what: &str, mut holds: impl FnMut(&mut Self) -> bool) {
        let end = self.now + ms;
        let mut news = true;
        loop {
            // Nothing can have begun to hold if nothing has happened.
            if std::mem::take(&mut news) && holds(self) {
                return;
            }
            let slice = (self.now + 100).min(end);
            while self.step(slice) {
                news = true;
            }
            self.now = slice;
            assert!(
                self.now < end,
                "not within {ms} ms: {what} (seed {})",
                self.seed
            );
        }
    }

    /// The next thing that happens before `end`.
    fn step(&mut self, end: u64) -> bool {
        let arrival = self.queue.keys().next().map(|(at, _)| *at);
        let timer = self
            .people
            .iter()
            .enumerate()
            .filter_map(|(who, person)| {
                let at = person.engine.as_ref()?.poll_timeout()?;
                let at = at.unix_ms().saturating_add_signed(-person.skew);
                Some((at.max(self.now), who))
            })
            .min();
        let next = [arrival, timer.map(|(at, _)| at)]
            .into_iter()
            .flatten()
            .min();
        let Some(next) = next.filter(|at| *at <= end) else {
            return false;
        };
        self.now = self.now.max(next);
        if arrival == Some(next) {
            let (_, (who, happening)) = self.queue.pop_first().unwrap();
            self.happen(who, happening);
        } else if let Some((_, who)) = timer {
            self.ring(who);
            let now = self.time(who);
            self.people[who]
                .engine
                .as_mut()
                .unwrap()
                .handle_timeout(now)
                .unwrap();
            self.flush(who);
        }
        true
    }

    fn ring(&mut self, who: usize) {
        let second = self.now / 1000;
        let person = &mut self.people[who];
        let times = match person.rang {
            (last, times) if last == second => times + 1,
            _ => 1,
        };
        person.rang = (second, times);
        person.rang_most = person.rang_most.max(times);
    }

    fn happen(&mut self, who: usize, happening: Happening) {
        let (now, relay) = (self.time(who), self.relay.clone());
        let Some(engine) = self.people[who].engine.as_mut() else {
            return;
        };
        match happening {
            Happening::Connected => engine.handle_connected(&relay, now),
            Happening::Disconnected => engine.handle_disconnected(&relay, now),
            Happening::Unreachable(relay) => engine.handle_disconnected(&relay, now),
            Happening::Attached(topic) => engine.handle_attached(&relay, topic, now),
            Happening::Frame(topic, frame) => engine.handle_frame(&relay, topic, &frame, now),
            Happening::Published(token, receivers) => {
                engine.handle_published(token, receivers, now)
            }
        }
        .unwrap();
        self.flush(who);
    }

    // What people do.

    /// Makes a group; the others join by one invite and are approved.
    pub(crate) fn group(&mut self, name: &str, owner: usize, others: &[usize]) -> String {
        let group = self
            .act(owner, |engine, now| engine.group_create(name, now))
            .unwrap();
        let options = InviteOptions {
            group: Some(group.clone()),
            ..InviteOptions::default()
        };
        let link = self
            .act(owner, |engine, now| engine.invite_create(options, now))
            .unwrap();
        for other in others {
            self.join(&link, owner, *other);
            let id = group.clone();
            self.until(20_000, "joined", |world| {
                world.act(*other, |e, now| e.group_info(&id, now)).is_ok()
            });
        }
        group
    }

    /// Follows a link and is approved.
    pub(crate) fn join(&mut self, link: &str, inviter: usize, joiner: usize) {
        let id = self
            .act(joiner, |engine, now| engine.invite_accept(link, now))
            .unwrap();
        self.until(20_000, "asked", |world| {
            world.joins(inviter).iter().any(|join| join.id == id)
        });
        let ours = self
            .joins(joiner)
            .into_iter()
            .find(|join| join.id == id)
            .unwrap();
        let theirs = self
            .joins(inviter)
            .into_iter()
            .find(|join| join.id == id)
            .unwrap();
        assert_eq!(ours.code, theirs.code);
        assert_eq!(ours.code.len(), 7);
        self.act(inviter, |engine, now| engine.join_approve(&id, now))
            .unwrap();
    }

    pub(crate) fn joins(&mut self, who: usize) -> Vec<sori_engine::view::JoinView> {
        self.act(who, |engine, now| engine.join_list(now)).unwrap()
    }

    pub(crate) fn say(&mut self, who: usize, group: &str, text: &str) -> String {
        self.act(who, |engine, now| {
            engine.message_send(group, text, None, now)
        })
        .unwrap()
    }

    pub(crate) fn texts(&mut self, who: usize, group: &str) -> Vec<String> {
        let list = self
            .act(who, |engine, now| {
                engine.message_list(group, None, 1000, Notices::Left, now)
            })
            .unwrap();
        list.into_iter().rev().map(|message| message.text).collect()
    }

    pub(crate) fn sync(&mut self, who: usize, group: &str) -> sori_engine::view::SyncView {
        self.act(who, |engine, now| engine.sync_status(group, now))
            .unwrap()
    }

    /// How many messages there are, page by page.
    pub(crate) fn messages(&mut self, who: usize, group: &str) -> usize {
        let (mut count, mut before) = (0, None::<String>);
        loop {
            let page = self
                .act(who, |engine, now| {
                    engine.message_list(group, before.as_deref(), 500, Notices::Left, now)
                })
                .unwrap();
            count += page.len();
            let Some(last) = page.last() else {
                return count;
            };
            before = Some(last.id.clone());
        }
    }

    /// How somebody's device stands in a group.
    pub(crate) fn standing(&mut self, who: usize, group: &str) -> String {
        self.act(who, |engine, now| engine.group_info(group, now))
            .unwrap()
            .standing
    }

    /// What happened to a group as somebody's window tells it, the oldest first.
    pub(crate) fn notices(&mut self, who: usize, group: &str) -> Vec<String> {
        let list = self
            .act(who, |engine, now| {
                engine.message_list(group, None, 1000, Notices::Shown, now)
            })
            .unwrap();
        let notices = list.into_iter().rev().filter_map(|message| message.notice);
        notices.map(|notice| notice.what).collect()
    }

    pub(crate) fn account(&mut self, who: usize) -> String {
        self.act(who, |engine, now| engine.account_info(now))
            .unwrap()
            .account
    }

    pub(crate) fn state(&mut self, who: usize, group: &str) -> String {
        self.act(who, |engine, now| engine.group_info(group, now))
            .unwrap()
            .state_hash
    }

    /// Whether all of these see the same messages in the same order in the same state.
    pub(crate) fn agree(&mut self, group: &str, people: &[usize]) -> bool {
        let states: BTreeSet<_> = people.iter().map(|who| self.state(*who, group)).collect();
        if states.len() != 1 {
            return false;
        }
        let texts: BTreeSet<_> = people.iter().map(|who| self.texts(*who, group)).collect();
        texts.len() == 1
    }
}
