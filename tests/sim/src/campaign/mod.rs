//! A campaign: one group, some hours, everything that can go wrong; afterwards all must agree.
//!
//! A group-hour is 60 messages, 6 commits, 2 changes of members, a partition and its mending, a crash, and loss,
//! duplication and reordering at random. The hours of one seed share one group, so that they also share what
//! the hours before have left behind.

mod agreement;
mod course;
mod people;
mod trouble;

use std::collections::BTreeMap;

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use sori_engine::view::{GroupInfo, MessageView};
use sori_engine::{Engine, Error, InviteOptions, Notices, Time};
use sori_store::MemoryDisk;

use crate::history::{History, What};
use crate::report::Faults;
use crate::world::World;

/// A group-hour, in milliseconds.
const HOUR_MS: u64 = 3_600_000;
/// Messages, commits and changes of members in it.
const MESSAGES: usize = 60;
const COMMITS: usize = 6;
const CHANGES: usize = 2;
/// Virtual time in which everything must have come right once nothing is wrong any more: time enough for three of
/// the regular hellos.
const HEALING_MS: u64 = 15 * 60_000;
/// Time in which nobody speaks, to see how quiet it is, in minutes.
const IDLE_MINUTES: u64 = 20;
/// What a verb may answer to somebody who asks for what cannot be.
const REFUSALS: [&str; 14] = [
    "already_member",
    "invite_expired",
    "join_closed",
    "no_key_package",
    "not_allowed",
    "not_found",
    "not_member",
    "not_sender",
    "own_invite",
    "owner_cannot_leave",
    "out_of_bounds",
    "rejoining",
    "busy",
    "store",
];

/// What a campaign is made of.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// From which everything follows.
    pub seed: u64,
    /// Group-hours.
    pub hours: usize,
    /// People; `None` lets the seed choose.
    pub people: Option<usize>,
    /// Whether one person's disk is put back to an old copy now and then.
    pub old_disks: bool,
    /// Whether one person does not keep to the protocol.
    pub malicious_member: bool,
    /// Whether the relay is against the group.
    pub malicious_relay: bool,
}

impl Shape {
    /// What a seed does unless told otherwise: every fourth has old disks, every fifth a malicious member, every
    /// seventh a malicious relay.
    #[must_use]
    pub const fn of(seed: u64, hours: usize) -> Self {
        Self {
            seed,
            hours,
            people: None,
            old_disks: seed.is_multiple_of(4),
            malicious_member: seed % 5 == 1,
            malicious_relay: seed % 7 == 2,
        }
    }
}

/// What came of a campaign.
#[derive(Debug)]
pub struct Outcome {
    /// What happened.
    pub history: History,
    /// What was done to it.
    pub faults: Faults,
}

/// What the campaign knows of one person in the group.
pub(crate) struct Status {
    account: String,
    active: bool,
    /// The step since which it has been in the group without a break.
    since: usize,
    state: String,
}

/// What comes at its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    Say,
    Commit,
    Members,
    Part,
    Mend,
    Crash,
    Noise,
    RelayRestarts,
    ClockJumps,
    Stall,
    FullDisk,
    OldDisk,
    Move,
    Malice,
    RelayMalice,
}

/// A campaign that goes on.
pub(crate) struct Campaign {
    pub(crate) world: World,
    rng: ChaCha20Rng,
    pub(crate) group: String,
    link: String,
    pub(crate) people: Vec<Status>,
    began: u64,
    pub(crate) step: usize,
    /// Whose disk is put back now and then, and the latest copy of it.
    forgetful: Option<usize>,
    image: Option<MemoryDisk>,
    /// Who starts again, and when.
    starts: BTreeMap<usize, u64>,
    history: History,
    pub(crate) faults: Faults,
    /// Who does not keep to the protocol, and the copies of its device.
    pub(crate) malicious: Option<usize>,
    pub(crate) accomplices: Vec<usize>,
    pub(crate) relay_is_malicious: bool,
}

/// Runs a campaign; a panic inside prints the trace first.
#[must_use]
pub fn run(shape: Shape) -> Outcome {
    let mut campaign = Campaign::new(shape);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        campaign.assemble();
        campaign.world.keeps = shape.malicious_member;
        campaign.history.is_silent = shape.malicious_relay;
        for _ in 0..shape.hours {
            campaign.hour();
        }
        campaign.end();
    }));
    if let Err(panic) = result {
        print!("{}", campaign.history.trace());
        println!("rerun with --seed {}", shape.seed);
        std::panic::resume_unwind(panic);
    }
    campaign.faults.take(&campaign.world.counts);
    campaign.faults.people = campaign.people.len();
    campaign.faults.hours = shape.hours;
    Outcome {
        history: campaign.history,
        faults: campaign.faults,
    }
}

/// Mostly a few people, sometimes many.
fn size(rng: &mut ChaCha20Rng) -> usize {
    let spread = |rng: &mut ChaCha20Rng, n: u64| usize::try_from(rng.next_u64() % n).unwrap();
    match rng.next_u64() % 100 {
        0..30 => 3,
        30..60 => 4,
        60..80 => 5,
        80..92 => 6 + spread(rng, 2),
        92..98 => 8 + spread(rng, 5),
        _ => 16 + spread(rng, 9),
    }
}

impl Campaign {
    /// A group of one, the others about to join.
    fn new(shape: Shape) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(shape.seed);
        let count = shape.people.unwrap_or_else(|| size(&mut rng));
        let day = 86_400_000;
        let before_midnight = 60_000 + rng.next_u64() % 1_200_000;
        let start = match rng.next_u64() % 3 {
            0 => 20_779 * day - before_midnight,
            _ => 20_779 * day + 3_600_000,
        };
        let names: Vec<String> = (0..count).map(|who| format!("p{who}")).collect();
        let world_names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut world = World::at(start, &world_names, shape.seed);
        let group = world
            .act(0, |engine, now| engine.group_create("group", now))
            .unwrap();
        let options = InviteOptions {
            group: Some(group.clone()),
            ..InviteOptions::default()
        };
        let link = world
            .act(0, |engine, now| engine.invite_create(options, now))
            .unwrap();
        let people = (0..count).map(|who| Status {
            account: world.account(who),
            active: who == 0,
            since: 0,
            state: String::new(),
        });
        let people = people.collect();
        Self {
            began: world.now,
            world,
            rng,
            group,
            link,
            people,
            step: 0,
            forgetful: (shape.old_disks && count > 2).then_some(1),
            image: None,
            starts: BTreeMap::new(),
            history: History {
                names,
                ..History::default()
            },
            faults: Faults::default(),
            malicious: (shape.malicious_member && count > 3).then_some(count - 1),
            accomplices: Vec::new(),
            relay_is_malicious: shape.malicious_relay,
        }
    }

    // Small things.

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.rng.next_u64()).unwrap_or(usize::MAX) % bound
    }

    fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    fn note(&mut self, what: What) {
        self.history
            .note(self.world.now.saturating_sub(self.began), self.step, what);
    }

    pub(crate) fn tell(&mut self, what: String) {
        self.note(What::Told(what));
    }

    pub(crate) fn account_of(&self, who: usize) -> &str {
        &self.people[who].account
    }

    pub(crate) fn name(&self, who: usize) -> String {
        self.history.name(who).to_owned()
    }

    fn info(&mut self, who: usize) -> Option<GroupInfo> {
        if !self.world.runs(who) {
            return None;
        }
        let group = self.group.clone();
        (self.world)
            .look(who, |e, now| e.group_info(&group, now))
            .ok()
    }

    fn list(&mut self, who: usize) -> Vec<MessageView> {
        let (group, mut before) = (self.group.clone(), None::<String>);
        let mut all = Vec::new();
        loop {
            let page = self.world.look(who, |e, now| {
                e.message_list(&group, before.as_deref(), 1000, Notices::Left, now)
            });
            let page = page.unwrap_or_default();
            before = page.last().map(|message| message.id.clone());
            let is_last = page.len() < 1000;
            all.extend(page);
            if is_last {
                all.reverse();
                return all;
            }
        }
    }

    fn running(&self) -> Vec<usize> {
        let all = 0..self.people.len();
        all.filter(|who| self.world.runs(*who)).collect()
    }

    fn anybody(&mut self) -> Option<usize> {
        let running = self.running();
        (!running.is_empty()).then(|| running[self.below(running.len())])
    }

    /// Somebody in the group whose program runs.
    fn member(&mut self) -> Option<usize> {
        let running = self.running();
        let members: Vec<usize> = (running.into_iter())
            .filter(|who| self.people[*who].active)
            .collect();
        (!members.is_empty()).then(|| members[self.below(members.len())])
    }

    /// Does something as somebody; what comes back may only be one of the refusals.
    fn verb<R>(
        &mut self,
        who: usize,
        what: &str,
        verb: impl FnOnce(&mut Engine, &str, Time) -> Result<R, Error>,
    ) -> Option<R> {
        let group = self.group.clone();
        let result = self.world.act(who, |engine, now| verb(engine, &group, now));
        let answer = result.as_ref().err().map_or("ok", Error::name);
        self.tell(format!("{} {what}: {answer}", self.name(who)));
        assert!(
            answer == "ok" || REFUSALS.contains(&answer),
            "{what}: {:?}",
            result.err()
        );
        // Of what was done when the disk failed nobody was told.
        result.ok().filter(|_| self.world.runs(who))
    }
}
