//! Whole groups in one thread: real engines with real cryptography over memory disks, the relay's own
//! switch, and a clock that only moves when the test moves it. Everything follows from one seed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use sori_engine::view::{Event, JoinView, MessageKind, SyncView};
use sori_engine::{Effect, Engine, Error, InviteOptions, Notices, PublishToken, Restore, Time};
use sori_store::backup::BackupRecord;
use sori_store::{MemoryDisk, Store, Table};
use sori_wire::{Frame, RelayUrl, Topic};

use crate::relay::{Relay, Said};

/// 2026-11-22T03:00:00Z.
const START_MS: u64 = 1_795_316_400_000;
/// Between two looks of the relay at what has waited too long, in milliseconds.
const RELAY_TICK_MS: u64 = 10_000;
/// How long a relay that drops frames waits before it says so, in milliseconds.
const GAP_WAIT_MS: u64 = 3_000;
/// Frames that a relay which replays keeps.
const KEPT_MAX: usize = 512;

/// Somebody with a device.
pub struct Person {
    disk: MemoryDisk,
    engine: Option<Engine>,
    /// When its timer rings, by the world's clock.
    timer: Option<u64>,
    /// Counts connections, so that nothing of an old one arrives on a new one.
    connection: u64,
    side: usize,
    skew: i64,
    /// What its window was told.
    pub events: Vec<Event>,
    /// Messages that its window was told are new, and how often since the disk was last put back.
    pub shown: BTreeMap<String, u32>,
    /// The second of the world in which its timer last rang, and how often it did in it.
    rang: (u64, u32),
    /// Most that its timer rang in one second.
    pub rang_most: u32,
    /// A relay that is against this person withholds every frame from it.
    pub is_cut_off: bool,
    /// Nothing that it publishes leaves: it withholds.
    pub is_mute: bool,
    /// Its disk was told to fail.
    is_failing: bool,
}

impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Person").finish_non_exhaustive()
    }
}

/// How somebody's program ends in the middle of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Before what was done is written.
    Unwritten,
    /// The disk refuses to write it.
    Refused,
    /// The disk writes it and reports an error all the same.
    Written,
}

enum Happening {
    /// This connection is open.
    Connected(u64),
    Disconnected,
    /// A relay other than the world's cannot be reached.
    Unreachable(RelayUrl),
    /// Through this connection.
    Said(u64, Said),
    /// Somebody who read nothing reads again.
    Resume,
}

/// What the way between relay and people does to frames.
#[derive(Clone, Copy, Debug)]
pub struct Ways {
    /// One in how many frames is lost; zero for none.
    pub loss: u64,
    /// One in how many frames comes twice; zero for none.
    pub doubled: u64,
    /// Longest way of a frame, in milliseconds: what is above one reorders.
    pub delay: u64,
    /// One in how many frames brings an old one with it; zero for none.
    pub replayed: u64,
    /// Whether nobody is told of lost frames. A relay that keeps to the protocol sends a gap notice for every frame
    /// that it drops.
    pub silent: bool,
}

impl Default for Ways {
    fn default() -> Self {
        Self {
            loss: 0,
            doubled: 0,
            delay: 20,
            replayed: 0,
            silent: true,
        }
    }
}

/// How often each thing was done to frames.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Published.
    pub frames: u64,
    /// Bytes published.
    pub bytes: u64,
    /// Handed to somebody.
    pub delivered: u64,
    /// Lost.
    pub lost: u64,
    /// Came twice.
    pub doubled: u64,
    /// Overtook another on the same way.
    pub reordered: u64,
    /// Came again long after.
    pub replayed: u64,
    /// Gap notices of the relay.
    pub gaps: u64,
}

/// Everybody, the relay and the time.
pub struct World {
    /// Everybody, by number.
    pub people: Vec<Person>,
    /// The time, in milliseconds since the Unix epoch.
    pub now: u64,
    relay: Option<Relay>,
    relay_tick: u64,
    url: RelayUrl,
    queue: BTreeMap<(u64, u64), (usize, Happening)>,
    timers: BTreeSet<(u64, usize)>,
    sequence: u64,
    rng: ChaCha20Rng,
    /// What everything follows from.
    pub seed: u64,
    /// What happens to frames.
    pub ways: Ways,
    /// What happened to frames.
    pub counts: Counts,
    /// Whether frames are kept for whoever sends them again.
    pub keeps: bool,
    /// Old frames, for a relay that replays.
    kept: VecDeque<(Topic, Vec<u8>)>,
    last_arrival: BTreeMap<usize, u64>,
    /// Gap notices on their way.
    gaps: BTreeSet<(usize, Topic)>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}

impl Person {
    fn with(disk: MemoryDisk) -> Self {
        Self {
            disk,
            engine: None,
            timer: None,
            connection: 0,
            side: 0,
            skew: 0,
            events: Vec::new(),
            shown: BTreeMap::new(),
            rang: (0, 0),
            rang_most: 0,
            is_cut_off: false,
            is_mute: false,
            is_failing: false,
        }
    }
}

impl World {
    /// A world of these people, each with an account, at a relay.
    pub fn new(people: &[&str], seed: u64) -> Self {
        Self::at(START_MS, people, seed)
    }

    /// A world that begins at a time.
    pub fn at(now: u64, people: &[&str], seed: u64) -> Self {
        let url = format!("relay://127.0.0.1:4433/#{}", "A".repeat(43));
        let mut world = Self {
            people: Vec::new(),
            now,
            relay: Some(Relay::new(now)),
            relay_tick: now + RELAY_TICK_MS,
            url: url.parse().unwrap(),
            queue: BTreeMap::new(),
            timers: BTreeSet::new(),
            sequence: 0,
            rng: ChaCha20Rng::seed_from_u64(seed),
            seed,
            ways: Ways::default(),
            counts: Counts::default(),
            keeps: false,
            kept: VecDeque::new(),
            last_arrival: BTreeMap::new(),
            gaps: BTreeSet::new(),
        };
        for name in people {
            world.person(name);
        }
        world.run(1_000);
        world
    }

    /// One more person.
    pub fn person(&mut self, name: &str) -> usize {
        self.people.push(Person::with(MemoryDisk::default()));
        let who = self.people.len() - 1;
        self.start(who);
        self.act(who, |engine, now| engine.account_create(name, now))
            .unwrap();
        let relay = self.url.to_string();
        self.act(who, |engine, now| engine.relay_set(&relay, now))
            .unwrap();
        who
    }

    /// The time by somebody's clock.
    pub fn time(&self, who: usize) -> Time {
        Time::from_unix_ms(self.now.saturating_add_signed(self.people[who].skew))
    }

    /// A random number.
    pub fn random(&mut self) -> u64 {
        self.rng.next_u64()
    }

    fn one_in(&mut self, n: u64) -> bool {
        n > 0 && self.rng.next_u64().is_multiple_of(n)
    }

    fn seed32(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        seed
    }

    // Programs and disks.

    /// Starts somebody's program on what the disk holds.
    pub fn start(&mut self, who: usize) {
        self.start_as(who, |_, _| Ok(()));
    }

    fn start_as(&mut self, who: usize, first: impl FnOnce(&mut Engine, Time) -> Result<(), Error>) {
        let (store_seed, engine_seed) = (self.seed32(), self.seed32());
        let store = Store::open_memory(&self.people[who].disk, store_seed).unwrap();
        let mut engine = Engine::open(store, engine_seed, self.time(who)).unwrap();
        first(&mut engine, self.time(who)).unwrap();
        self.people[who].engine = Some(engine);
        self.people[who].is_failing = false;
        self.flush(who);
    }

    /// A copy of somebody's disk as it is now.
    pub fn image(&self, who: usize) -> MemoryDisk {
        self.people[who].disk.image()
    }

    /// How many commits somebody's disk has seen, and how many bytes they wrote.
    pub fn written(&self, who: usize) -> (u64, u64) {
        let disk = &self.people[who].disk;
        (disk.commits(), disk.written())
    }

    /// Puts an older copy in the place of somebody's disk and starts the program, which is told.
    pub fn put_back(&mut self, who: usize, image: &MemoryDisk) {
        self.kill(who);
        self.people[who].disk = image.image();
        self.people[who].shown.clear();
        self.start_as(who, |engine, now| engine.mark_restored(now));
    }

    /// Puts an older copy in the place of somebody's disk and starts the program, which is told nothing.
    pub fn put_back_secretly(&mut self, who: usize, image: &MemoryDisk) {
        self.kill(who);
        self.people[who].disk = image.image();
        self.people[who].shown.clear();
        self.start(who);
    }

    /// Spoils what somebody's disk holds: whoever's program starts again cannot follow the commits of others.
    pub fn forget_path_keys(&mut self, who: usize) {
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
    pub fn restore_without_state(&mut self, who: usize) {
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
    pub fn backup(&mut self, who: usize) -> Vec<BackupRecord> {
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
    pub fn restore(&mut self, who: usize, backup: &[BackupRecord]) {
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
    pub fn copy_of(&mut self, image: &MemoryDisk) -> usize {
        self.people.push(Person::with(image.image()));
        self.people.len() - 1
    }

    /// Ends somebody's program as a power cut would: what was not flushed is gone.
    pub fn kill(&mut self, who: usize) {
        let person = &mut self.people[who];
        // What the disk holds at this moment: a store that is dropped closes it in order, which a crash does not.
        person.disk = person.disk.image();
        person.engine = None;
        self.hang_up(who);
        self.set_timer(who, None);
        self.queue.retain(|_, (to, _)| *to != who);
        self.gaps.retain(|(to, _)| *to != who);
    }

    /// Whether somebody's program runs.
    pub fn runs(&self, who: usize) -> bool {
        self.people[who].engine.is_some()
    }

    /// Whether somebody's disk is about to fail.
    #[must_use]
    pub fn is_failing(&self, who: usize) -> bool {
        self.people[who].is_failing
    }

    /// Sets how far somebody's clock is from the world's, in milliseconds.
    pub fn set_skew(&mut self, who: usize, skew: i64) {
        self.people[who].skew = skew;
        self.wind(who);
    }

    // The network.

    fn hang_up(&mut self, who: usize) {
        self.people[who].connection += 1;
        if let Some(relay) = &mut self.relay {
            relay.disconnect(who);
        }
    }

    /// Ends somebody's connection; the program notices.
    pub fn disconnect(&mut self, who: usize) {
        let connected = (self.relay.as_ref()).is_some_and(|relay| relay.is_connected(who));
        self.hang_up(who);
        if connected {
            self.later(1, who, Happening::Disconnected);
        }
    }

    /// Takes the relay away, or brings it back without any memory.
    pub fn relay(&mut self, up: bool) {
        if up == self.relay.is_some() {
            return;
        }
        if up {
            self.relay = Some(Relay::new(self.now));
            return;
        }
        for who in 0..self.people.len() {
            self.disconnect(who);
        }
        self.relay = None;
    }

    /// Connects somebody to the other node of the relay, as a change of network does. Frames pass between the
    /// two unless [`World::cut`] says otherwise.
    pub fn set_side(&mut self, who: usize, side: usize) {
        if self.people[who].side != side {
            self.people[who].side = side;
            self.disconnect(who);
        }
    }

    /// The node of the relay that somebody is connected to.
    pub fn side(&self, who: usize) -> usize {
        self.people[who].side
    }

    /// Cuts the way between the nodes of the relay, or mends it: a `silent` relay does not say that something
    /// was missed.
    pub fn cut(&mut self, cut: bool, silent: bool) {
        if let Some(relay) = &mut self.relay {
            relay.cut(cut, silent);
        }
        self.listen();
    }

    /// Whether the nodes of the relay do not hear each other.
    pub fn is_cut(&self) -> bool {
        self.relay.as_ref().is_some_and(Relay::is_cut)
    }

    /// Parts somebody from the others, or brings somebody back: frames pass only between people on one side.
    pub fn part(&mut self, who: usize, side: usize) {
        self.set_side(who, side);
        let parted = self.people.iter().any(|person| person.side != 0);
        self.cut(parted, false);
    }

    /// Somebody's program reads nothing for some time.
    pub fn stall(&mut self, who: usize, ms: u64) {
        if let Some(relay) = &mut self.relay {
            relay.stall(who, self.now + ms);
        }
    }

    // Steps.

    /// Does something as somebody, durably.
    ///
    /// # Errors
    /// What the verb answers.
    pub fn act<R>(
        &mut self,
        who: usize,
        verb: impl FnOnce(&mut Engine, Time) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let now = self.time(who);
        let result = verb(self.people[who].engine.as_mut().expect("running"), now);
        match &result {
            Err(error) if error.is_fatal() => self.fail(who, error),
            Ok(_) | Err(_) => self.flush(who),
        }
        result
    }

    /// Looks at something as somebody; nothing follows from it.
    ///
    /// # Errors
    /// What it answers.
    pub fn look<R>(
        &mut self,
        who: usize,
        look: impl FnOnce(&mut Engine, Time) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let now = self.time(who);
        look(self.people[who].engine.as_mut().expect("running"), now)
    }

    /// Begins something as somebody whose program ends before anybody hears of it.
    pub fn act_and_die<R>(
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

    /// The disk of somebody fails at the next commit, whatever that is; the program then ends.
    pub fn fail_next_commit(&mut self, who: usize, end: End) {
        let person = &mut self.people[who];
        person.is_failing = true;
        let disk = &person.disk;
        match end {
            End::Unwritten | End::Refused => disk.fail_next_commit(),
            End::Written => disk.fail_next_commit_after_writing(),
        }
    }

    fn later(&mut self, ms: u64, who: usize, happening: Happening) {
        self.sequence += 1;
        self.queue
            .insert((self.now + ms, self.sequence), (who, happening));
    }

    fn set_timer(&mut self, who: usize, at: Option<u64>) {
        let before = std::mem::replace(&mut self.people[who].timer, at);
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.timers.remove(&(before, who));
        }
        if let Some(at) = at {
            self.timers.insert((at, who));
        }
    }

    fn wind(&mut self, who: usize) {
        let person = &self.people[who];
        let at = person.engine.as_ref().and_then(Engine::poll_timeout);
        let at = at.map(|at| at.unix_ms().saturating_add_signed(-person.skew));
        self.set_timer(who, at);
    }

    fn flush(&mut self, who: usize) {
        let now = self.time(who);
        let effects = self.people[who].engine.as_mut().unwrap().flush(now);
        let effects = match effects {
            Ok(effects) => effects,
            Err(error) => return self.fail(who, &error),
        };
        self.wind(who);
        for effect in effects {
            self.carry_out(who, effect);
        }
        self.listen();
    }

    /// The driver's way with a disk that fails: end, and start again another time.
    fn fail(&mut self, who: usize, error: &Error) {
        assert!(
            std::mem::take(&mut self.people[who].is_failing),
            "{who} fails without a reason: {error}"
        );
        self.kill(who);
    }

    fn carry_out(&mut self, who: usize, effect: Effect) {
        let now = self.now;
        match effect {
            Effect::Connect { relay } if relay != self.url => {
                self.later(5, who, Happening::Unreachable(relay));
            }
            Effect::Connect { .. } => {
                let side = self.people[who].side;
                let answer = match &mut self.relay {
                    Some(relay) => {
                        relay.connect(who, side, now);
                        Happening::Connected(self.people[who].connection)
                    }
                    None => Happening::Disconnected,
                };
                self.later(5, who, answer);
            }
            Effect::Attach { relay, .. }
            | Effect::Detach { relay, .. }
            | Effect::Disconnect { relay }
            | Effect::Publish { relay, .. }
                if relay != self.url => {}
            Effect::Disconnect { .. } => self.hang_up(who),
            Effect::Attach { seed, .. } => {
                if let Some(relay) = &mut self.relay {
                    relay.attach(who, &seed, now);
                }
            }
            Effect::Detach { topic, .. } => {
                if let Some(relay) = &mut self.relay {
                    relay.detach(who, &topic, now);
                }
            }
            Effect::Event(event) => self.shown(who, event),
            Effect::Publish {
                topic,
                frame,
                token,
                ..
            } => {
                let bytes = frame.as_bytes().to_vec();
                if self.people[who].is_mute {
                    return;
                }
                let relay = self.relay.as_mut();
                if relay.is_some_and(|relay| relay.publish(who, &topic, frame, token, now)) {
                    self.counts.frames += 1;
                    self.counts.bytes += bytes.len() as u64;
                    self.keep(topic, bytes);
                }
            }
            _ => unreachable!("a new effect"),
        }
    }

    fn shown(&mut self, who: usize, event: Event) {
        if let Event::MessageNew { message, .. } = &event
            && message.kind == MessageKind::Text
        {
            *self.people[who]
                .shown
                .entry(message.id.clone())
                .or_default() += 1;
        }
        self.people[who].events.push(event);
    }

    fn keep(&mut self, topic: Topic, bytes: Vec<u8>) {
        if self.ways.replayed == 0 && !self.keeps {
            return;
        }
        if self.kept.len() >= KEPT_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back((topic, bytes));
    }

    /// To how many topics somebody is attached.
    pub(crate) fn topics(&self, who: usize) -> usize {
        (self.relay.as_ref()).map_or(0, |relay| relay.topics(who).len())
    }

    /// Whether somebody is attached to a topic.
    #[cfg(test)]
    pub(crate) fn is_at(&self, who: usize, topic: &Topic) -> bool {
        (self.relay.as_ref()).is_some_and(|relay| relay.topics(who).contains(topic))
    }

    /// Frames that were published on a topic, the latest ones.
    pub(crate) fn kept_on(&self, topic: &Topic) -> Vec<Vec<u8>> {
        let on = self.kept.iter().filter(|(at, _)| at == topic);
        on.map(|(_, bytes)| bytes.clone()).collect()
    }

    /// The rows of a table on somebody's disk, in the order of their keys.
    pub(crate) fn rows(&mut self, who: usize, table: Table) -> Vec<Vec<u8>> {
        let seed = self.seed32();
        let disk = self.people[who].disk.image();
        let store = Store::open_memory(&disk, seed).unwrap();
        let rows = store.range(table, &[]).unwrap();
        rows.into_iter().map(|(_, bytes)| bytes.to_vec()).collect()
    }

    /// Somebody publishes random bytes wherever it is attached.
    pub fn inject_noise(&mut self, who: usize, len: usize) {
        let mut bytes = vec![0; len];
        self.rng.fill_bytes(&mut bytes);
        let topics = (self.relay.as_ref()).map_or_else(Vec::new, |relay| relay.topics(who));
        for topic in topics {
            self.inject(who, topic, bytes.clone());
        }
    }

    /// Somebody publishes what another did, with one bit turned.
    pub fn inject_turned(&mut self, who: usize) {
        if self.kept.is_empty() {
            return;
        }
        let at = usize::try_from(self.rng.next_u64()).unwrap() % self.kept.len();
        let (topic, mut bytes) = self.kept[at].clone();
        let bit = usize::try_from(self.rng.next_u64()).unwrap() % (bytes.len() * 8).max(1);
        if let Some(byte) = bytes.get_mut(bit / 8) {
            *byte ^= 1 << (bit % 8);
        }
        self.inject(who, topic, bytes);
    }

    /// Somebody publishes these bytes.
    pub(crate) fn inject(&mut self, who: usize, topic: Topic, bytes: Vec<u8>) {
        let (frame, now) = (Frame::new(bytes).unwrap(), self.now);
        if let Some(relay) = &mut self.relay {
            relay.publish(who, &topic, frame, PublishToken(u64::MAX), now);
        }
        self.listen();
    }

    /// Puts what the relay says on its way.
    fn listen(&mut self) {
        let Some(relay) = &mut self.relay else {
            return;
        };
        let (said, later) = relay.poll(self.now);
        for (who, until) in later {
            self.later(until - self.now, who, Happening::Resume);
        }
        for (who, said) in said {
            self.send(who, said);
        }
    }

    fn send(&mut self, who: usize, said: Said) {
        match said {
            Said::Frame(topic, frame) => self.send_frame(who, topic, frame),
            Said::Closed => self.disconnect(who),
            Said::Gap(_) => {
                self.counts.gaps += 1;
                self.say_later(3, who, said);
            }
            Said::Attached(_) | Said::Refused(..) => self.say_later(3, who, said),
            Said::Published(..) => self.say_later(4, who, said),
        }
    }

    fn say_later(&mut self, ms: u64, who: usize, said: Said) {
        let connection = self.people[who].connection;
        self.later(ms, who, Happening::Said(connection, said));
    }

    fn send_frame(&mut self, who: usize, topic: Topic, frame: Vec<u8>) {
        if self.people[who].is_cut_off {
            self.counts.lost += 1;
            return;
        }
        if self.one_in(self.ways.loss) {
            self.counts.lost += 1;
            // One notice stands for all that is lost until it arrives.
            if !self.ways.silent && self.gaps.insert((who, topic)) {
                self.counts.gaps += 1;
                self.say_later(GAP_WAIT_MS, who, Said::Gap(topic));
            }
            return;
        }
        let twice = self.one_in(self.ways.doubled);
        self.counts.doubled += u64::from(twice);
        for _ in 0..=u64::from(twice) {
            let delay = 1 + self.rng.next_u64() % self.ways.delay;
            let last = self.last_arrival.entry(who).or_default();
            self.counts.reordered += u64::from(self.now + delay < *last);
            *last = (*last).max(self.now + delay);
            self.counts.delivered += 1;
            self.say_later(delay, who, Said::Frame(topic, frame.clone()));
        }
        if self.one_in(self.ways.replayed) && !self.kept.is_empty() {
            let at = usize::try_from(self.rng.next_u64()).unwrap() % self.kept.len();
            let (topic, frame) = self.kept[at].clone();
            self.counts.replayed += 1;
            self.say_later(self.ways.delay, who, Said::Frame(topic, frame));
        }
    }

    /// Lets time pass.
    pub fn run(&mut self, ms: u64) {
        self.run_to(self.now + ms);
    }

    /// Lets time pass until a time.
    pub fn run_to(&mut self, end: u64) {
        while self.step(end) {}
        self.now = self.now.max(end);
    }

    /// Lets time pass until something holds; fails after `ms`.
    pub fn until(&mut self, ms: u64, what: &str, holds: impl FnMut(&mut Self) -> bool) {
        let holds = self.within(ms, 100, holds);
        assert!(
            holds.is_some(),
            "not within {ms} ms: {what} (seed {})",
            self.seed
        );
    }

    /// Lets time pass until something holds, asked every `slice` milliseconds; after how long it did, or `None`
    /// after `ms`.
    pub fn within(
        &mut self,
        ms: u64,
        slice: u64,
        mut holds: impl FnMut(&mut Self) -> bool,
    ) -> Option<u64> {
        let (begin, end) = (self.now, self.now + ms);
        let mut news = true;
        loop {
            // Nothing can have begun to hold if nothing has happened.
            if std::mem::take(&mut news) && holds(self) {
                return Some(self.now - begin);
            }
            let slice = (self.now + slice).min(end);
            while self.step(slice) {
                news = true;
            }
            self.now = slice;
            if self.now >= end {
                return None;
            }
        }
    }

    /// The next thing that happens before `end`.
    fn step(&mut self, end: u64) -> bool {
        let arrival = self.queue.keys().next().map(|(at, _)| *at);
        let timer = self.timers.first().map(|(at, _)| (*at).max(self.now));
        let tick = self.relay.is_some().then_some(self.relay_tick);
        let next = [arrival, timer, tick].into_iter().flatten().min();
        let Some(next) = next.filter(|at| *at <= end) else {
            return false;
        };
        self.now = self.now.max(next);
        if arrival == Some(next) {
            let (_, (who, happening)) = self.queue.pop_first().unwrap();
            self.happen(who, happening);
        } else if timer == Some(next) {
            let (_, who) = self.timers.first().copied().unwrap();
            self.ring(who);
            let now = self.time(who);
            let engine = self.people[who].engine.as_mut().unwrap();
            match engine.handle_timeout(now) {
                Ok(()) => self.flush(who),
                Err(error) => self.fail(who, &error),
            }
        } else {
            self.relay_tick = self.now + RELAY_TICK_MS;
            if let Some(relay) = &mut self.relay {
                relay.timeout(self.now);
            }
            self.listen();
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
        let (now, url) = (self.time(who), self.url.clone());
        let current = self.people[who].connection;
        if let Happening::Said(_, Said::Gap(topic)) = &happening {
            self.gaps.remove(&(who, *topic));
        }
        if matches!(happening, Happening::Resume) {
            let said = (self.relay.as_mut()).map_or_else(Vec::new, |r| r.resume(who, self.now));
            for (who, said) in said {
                self.send(who, said);
            }
            return;
        }
        let Some(engine) = self.people[who].engine.as_mut() else {
            return;
        };
        let done = match happening {
            Happening::Connected(connection) | Happening::Said(connection, _)
                if connection != current =>
            {
                return;
            }
            Happening::Connected(_) => engine.handle_connected(&url, now),
            Happening::Disconnected => engine.handle_disconnected(&url, now),
            Happening::Unreachable(relay) => engine.handle_disconnected(&relay, now),
            Happening::Said(_, Said::Attached(topic)) => engine.handle_attached(&url, topic, now),
            Happening::Said(_, Said::Refused(topic, reason)) => {
                engine.handle_refused(&url, topic, reason, now)
            }
            Happening::Said(_, Said::Frame(topic, frame)) => {
                engine.handle_frame(&url, topic, &frame, now)
            }
            Happening::Said(_, Said::Gap(topic)) => engine.handle_gap(&url, topic, now),
            Happening::Said(_, Said::Published(token, receivers)) => {
                engine.handle_published(token, receivers, now)
            }
            Happening::Said(_, Said::Closed) | Happening::Resume => Ok(()),
        };
        match done {
            Ok(()) => self.flush(who),
            Err(error) => self.fail(who, &error),
        }
    }

    // What people do.

    /// Makes a group; the others join by one invite and are approved.
    pub fn group(&mut self, name: &str, owner: usize, others: &[usize]) -> String {
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
    pub fn join(&mut self, link: &str, inviter: usize, joiner: usize) {
        let id = self
            .act(joiner, |engine, now| engine.invite_accept(link, now))
            .unwrap();
        self.until(20_000, "asked", |world| {
            world.joins(inviter).iter().any(|join| join.id == id)
        });
        let code = |joins: Vec<JoinView>| {
            let join = joins.into_iter().find(|join| join.id == id);
            join.unwrap().code
        };
        let (ours, theirs) = (code(self.joins(joiner)), code(self.joins(inviter)));
        assert_eq!(ours, theirs);
        assert_eq!(ours.len(), 7);
        self.act(inviter, |engine, now| engine.join_approve(&id, now))
            .unwrap();
    }

    /// Joins that somebody knows of.
    pub fn joins(&mut self, who: usize) -> Vec<JoinView> {
        self.look(who, |engine, now| engine.join_list(now)).unwrap()
    }

    /// Says something; the id of the message.
    pub fn say(&mut self, who: usize, group: &str, text: &str) -> String {
        self.act(who, |engine, now| {
            engine.message_send(group, text, None, now)
        })
        .unwrap()
    }

    /// What somebody's window shows, the oldest first.
    pub fn texts(&mut self, who: usize, group: &str) -> Vec<String> {
        let list = self
            .act(who, |engine, now| {
                engine.message_list(group, None, 1000, Notices::Left, now)
            })
            .unwrap();
        list.into_iter().rev().map(|message| message.text).collect()
    }

    /// How somebody's log stands.
    pub fn sync(&mut self, who: usize, group: &str) -> SyncView {
        self.act(who, |engine, now| engine.sync_status(group, now))
            .unwrap()
    }

    /// How many messages there are, page by page.
    pub fn messages(&mut self, who: usize, group: &str) -> usize {
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
    pub fn standing(&mut self, who: usize, group: &str) -> String {
        self.act(who, |engine, now| engine.group_info(group, now))
            .unwrap()
            .standing
    }

    /// What happened to a group as somebody's window tells it, the oldest first.
    pub fn notices(&mut self, who: usize, group: &str) -> Vec<String> {
        let list = self
            .act(who, |engine, now| {
                engine.message_list(group, None, 1000, Notices::Shown, now)
            })
            .unwrap();
        let notices = list.into_iter().rev().filter_map(|message| message.notice);
        notices.map(|notice| notice.what).collect()
    }

    /// Somebody's account id.
    pub fn account(&mut self, who: usize) -> String {
        self.act(who, |engine, now| engine.account_info(now))
            .unwrap()
            .account
    }

    /// The state that somebody's device is in.
    pub fn state(&mut self, who: usize, group: &str) -> String {
        self.act(who, |engine, now| engine.group_info(group, now))
            .unwrap()
            .state_hash
    }

    /// Whether all of these see the same messages in the same order in the same state.
    pub fn agree(&mut self, group: &str, people: &[usize]) -> bool {
        let states: BTreeSet<_> = people.iter().map(|who| self.state(*who, group)).collect();
        if states.len() != 1 {
            return false;
        }
        let texts: BTreeSet<_> = people.iter().map(|who| self.texts(*who, group)).collect();
        texts.len() == 1
    }
}
