//! Whole groups in one thread: real engines with real cryptography over memory disks, the relay's own
//! switch, and a clock that only moves when the test moves it. Everything follows from one seed.

mod disks;
mod network;
mod steps;
mod time;
mod verbs;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use sori_engine::view::Event;
use sori_engine::{Engine, Time};
use sori_store::MemoryDisk;
use sori_wire::{RelayUrl, Topic};

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
        sori_mls::remember_signatures();
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

    /// Sets how far somebody's clock is from the world's, in milliseconds.
    pub fn set_skew(&mut self, who: usize, skew: i64) {
        self.people[who].skew = skew;
        self.wind(who);
    }
}
