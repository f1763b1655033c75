//! A campaign: one group, some hours, everything that can go wrong; afterwards all must agree.
//!
//! A group-hour is 60 messages, 6 commits, 2 changes of members, a partition and its mending, a crash, and loss,
//! duplication and reordering at random. The hours of one seed share one group, so that they also share what
//! the hours before have left behind.

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use sori_engine::view::{Direction, GroupInfo, MessageView};
use sori_engine::{Engine, Error, InviteOptions, Notices, Time};
use sori_store::MemoryDisk;

use crate::history::{Ending, History, Line, Said, What};
use crate::report::Faults;
use crate::world::{End, World};

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

    // What people do.

    fn say(&mut self, who: usize) {
        let Some(info) = self.info(who) else { return };
        let number = self.below(1 << 30);
        let text = format!("{}-{}-{number}", self.name(who), self.step);
        let kind = self.below(20);
        let line = if kind < 4 {
            let before = self.list(who);
            before.get(self.below(before.len().max(1))).cloned()
        } else {
            None
        };
        let id = self.verb(who, &format!("says {text}"), |engine, group, now| {
            match (kind, &line) {
                (0, Some(line)) => engine
                    .message_react(group, &line.id, "👍", now)
                    .map(|_| None),
                (1, Some(line)) => engine
                    .message_edit(group, &line.id, &format!("{text}!"), now)
                    .map(|_| None),
                (2, Some(line)) => engine
                    .message_send(group, &text, Some(&line.id), now)
                    .map(Some),
                (3, Some(line)) if text.ends_with('7') => {
                    engine.message_delete(group, &line.id, now).map(|_| None)
                }
                _ => engine.message_send(group, &text, None, now).map(Some),
            }
        });
        let audience = self.numbers(&info);
        if let Some(id) = id.flatten() {
            self.faults.messages += 1;
            let is_last = self.step == self.history.last_step;
            let said = Said {
                step: self.step,
                author: who,
                audience,
                // What is written by somebody who has to come back waits, and is for whom it then says.
                is_waiting: self.forgetful == Some(who) && !is_last,
            };
            self.history.said.insert(id, said);
        }
    }

    /// The members of a group by their numbers.
    fn numbers(&self, info: &GroupInfo) -> BTreeSet<usize> {
        let all = 0..self.people.len();
        all.filter(|who| {
            let account = &self.people[*who].account;
            info.members.iter().any(|member| member.id == *account)
        })
        .collect()
    }

    fn commit(&mut self, who: usize) {
        let other = self.below(self.people.len());
        let account = self.people[other].account.clone();
        if other == who || self.one_in(2) {
            let name = format!("name {}", self.step);
            self.verb(who, "renames", |e, group, now| {
                e.group_rename(group, &name, now)
            });
            return;
        }
        let role = ["owner", "admin", "admin", "member"][self.below(4)];
        let what = format!("makes {} {role}", self.name(other));
        let done = self.verb(who, &what, |e, group, now| {
            e.group_role(group, &account, role, now)
        });
        if done.is_some() {
            self.note(What::Role { whom: other });
            if role == "owner" {
                self.note(What::Role { whom: who });
            }
        }
    }

    /// Somebody goes if many are in, somebody comes if not.
    fn change_members(&mut self, who: usize) {
        let other = self.below(self.people.len());
        let inside = self.people.iter().filter(|person| person.active).count();
        let many = inside * 3 > self.people.len() * 2;
        let account = self.people[other].account.clone();
        if other == who && many && self.one_in(2) {
            self.verb(who, "leaves", |e, group, now| e.group_leave(group, now));
        } else if other != who && many {
            let what = format!("removes {}", self.name(other));
            let done = self.verb(who, &what, |e, group, now| {
                e.group_remove(group, &account, now)
            });
            if done.is_some() {
                self.note(What::Removed {
                    by: who,
                    whom: other,
                });
            }
        } else if !self.people[other].active && self.one_in(3) {
            let what = format!("adds {}", self.name(other));
            let done = self.verb(who, &what, |e, group, now| {
                e.group_add(group, &account, now)
            });
            if done.is_some() {
                self.note(What::Asked { whom: other });
            }
        } else {
            self.knock();
        }
    }

    /// Somebody who is out follows the link.
    fn knock(&mut self) {
        let link = self.link.clone();
        for who in self.running() {
            if !self.people[who].active && self.one_in(2) {
                self.verb(who, "follows the link", |e, _, now| {
                    e.invite_accept(&link, now)
                });
                return;
            }
        }
    }

    fn approve(&mut self) {
        for who in self.running() {
            for join in self.world.joins(who) {
                let is_asked = join.direction == Direction::Incoming
                    && join.state == sori_engine::view::JoinState::Waiting;
                if is_asked && !self.one_in(4) {
                    let whom = self.history.names.iter().position(|n| *n == join.name);
                    let what = format!("approves {}", join.name);
                    self.verb(who, &what, |e, _, now| e.join_approve(&join.id, now));
                    if let Some(whom) = whom {
                        self.note(What::Asked { whom });
                    }
                }
            }
        }
    }

    // What happens to them.

    fn crash(&mut self, who: usize) {
        self.faults.crashes += 1;
        let wait = [50, 2_000, 20_000, 120_000][self.below(4)];
        self.starts.insert(who, self.world.now + wait);
        let name = self.name(who);
        if self.one_in(2) {
            self.tell(format!("{name} is killed"));
            return self.world.kill(who);
        }
        let end = [End::Unwritten, End::Refused, End::Written][self.below(3)];
        self.faults.crashes_in_step += 1;
        self.tell(format!("{name} says and dies {end:?}"));
        let (rename, half) = (self.one_in(2), format!("half {}", self.step));
        let group = self.group.clone();
        self.world
            .act_and_die(who, end, |engine, now| match rename {
                true => engine.group_rename(&group, &half, now),
                false => engine.message_send(&group, &half, None, now).map(|_| ()),
            });
    }

    fn noise(&mut self) {
        self.world.ways.loss = [0, 0, 2, 5, 20][self.below(5)];
        self.world.ways.doubled = [0, 3, 10][self.below(3)];
        self.world.ways.delay = [20, 20, 400, 3_000][self.below(4)];
        self.world.ways.replayed = [0, 0, 50][self.below(3)];
        self.world.ways.silent = self.relay_is_malicious;
        self.tell(format!("{:?}", self.world.ways));
    }

    fn calm(&mut self) {
        self.world.ways = crate::world::Ways::default();
        self.world.relay(true);
        for person in &mut self.world.people {
            (person.is_cut_off, person.is_mute) = (false, false);
        }
        for who in 0..self.people.len() {
            if self.world.is_failing(who) {
                self.world.kill(who);
            }
            if !self.world.runs(who) {
                self.world.start(who);
            }
        }
        self.starts.clear();
    }

    fn clock_jumps(&mut self, who: usize) {
        let skew = i64::try_from(self.below(1_200_000)).unwrap() - 600_000;
        self.faults.clocks += 1;
        self.tell(format!("{}'s clock is {skew} ms off", self.name(who)));
        self.world.set_skew(who, skew);
    }

    fn full_disk(&mut self, who: usize) {
        let end = [End::Refused, End::Written][self.below(2)];
        self.faults.full_disks += 1;
        self.tell(format!(
            "{}'s disk fails at the next write: {end:?}",
            self.name(who)
        ));
        self.world.fail_next_commit(who, end);
        let wait = self.world.now + 5_000;
        self.starts.insert(who, wait);
    }

    /// A copy of a disk is made now and then, and put back later: from then on its owner counts as come in anew.
    /// Only one has such a disk: if all had, nobody could let anybody back in.
    fn old_disk(&mut self) {
        let Some(who) = self.forgetful else { return };
        let is_in = self.people[who].active && self.world.runs(who);
        if !is_in || !self.world.joins(who).is_empty() {
            return;
        }
        let name = self.name(who);
        match self
            .image
            .take_if(|_| self.rng.next_u64().is_multiple_of(2))
        {
            Some(image) => {
                self.faults.old_disks += 1;
                self.tell(format!("an old disk of {name}"));
                self.world.put_back(who, &image);
                self.people[who].active = false;
                self.image = Some(image);
            }
            None => {
                self.tell(format!("a copy of {name}'s disk"));
                self.image = Some(self.world.image(who));
            }
        }
    }

    fn part(&mut self) {
        self.faults.partitions += 1;
        if self.running().iter().all(|who| self.world.side(*who) == 0) {
            for who in 0..self.people.len() {
                let side = self.below(2);
                self.world.set_side(who, side);
            }
        }
        let sides: Vec<usize> = (0..self.people.len()).map(|w| self.world.side(w)).collect();
        self.tell(format!("the relay's nodes are parted: {sides:?}"));
        self.world.cut(true, false);
    }

    /// The network is whole again: how long until all agree?
    fn mend(&mut self) {
        self.tell("all is mended".into());
        self.calm();
        self.world.cut(false, self.relay_is_malicious);
        self.look();
        let began = self.world.now;
        let mut ticks = 0;
        let converged = loop {
            if self.has_converged() {
                break Some(self.world.now - began);
            }
            if self.world.now - began > HEALING_MS {
                break None;
            }
            ticks += 1;
            let slice = if ticks < 200 { 100 } else { 2_000 };
            self.world.run(slice);
        };
        self.look();
        self.tell(format!("all agree after {converged:?} ms"));
        self.history.heals.push(converged);
        if converged.is_none() {
            self.tell_differences();
        }
    }

    fn tell_differences(&mut self) {
        for who in 0..self.people.len() {
            let Some(info) = self.info(who) else { continue };
            let (name, count) = (self.name(who), self.list(who).len());
            let members = self.numbers(&info);
            self.tell(format!(
                "{name}: {} epoch {} {} of {members:?}, {count} messages",
                info.standing,
                info.epoch,
                info.state_hash.get(..8).unwrap_or("no state")
            ));
        }
    }

    /// Whether all who are in are in one state, know the same members, and hold what they are to hold.
    fn has_converged(&mut self) -> bool {
        let mut inside = BTreeMap::new();
        for who in 0..self.people.len() {
            if let Some(info) = self.info(who)
                && info.active
                && self.malicious != Some(who)
            {
                inside.insert(who, info);
            }
        }
        let all: BTreeSet<usize> = inside.keys().copied().collect();
        let agreed = inside.values().all(|info| {
            let (_, first) = inside.first_key_value().unwrap();
            let mut members = self.numbers(info);
            members.retain(|who| self.malicious != Some(*who));
            info.state_hash == first.state_hash && members == all
        });
        agreed && self.all_hold_what_they_are_to_hold(&all)
    }

    fn all_hold_what_they_are_to_hold(&mut self, inside: &BTreeSet<usize>) -> bool {
        inside.iter().all(|who| {
            let missing: Vec<String> = self.not_shown(*who);
            if missing.is_empty() {
                return true;
            }
            // A program that ended after the write and before it told its window has them all the same.
            let held: BTreeSet<String> = self.list(*who).into_iter().map(|l| l.id).collect();
            missing.iter().all(|id| held.contains(id))
        })
    }

    /// What somebody is to hold and was not told of.
    fn not_shown(&self, who: usize) -> Vec<String> {
        if self.forgetful == Some(who) {
            return Vec::new();
        }
        let shown = &self.world.people[who].shown;
        let missing = self.history.said.iter().filter(|(id, said)| {
            let author = &self.people[said.author];
            let is_there = author.active && author.since <= said.step;
            let is_for = said.audience.contains(&who) && self.people[who].since <= said.step;
            let counts = is_there && self.malicious != Some(said.author);
            counts && is_for && !said.is_waiting && said.author != who && !shown.contains_key(*id)
        });
        missing.map(|(id, _)| id.clone()).collect()
    }

    // The course of things.

    /// Most people come in at the beginning.
    fn assemble(&mut self) {
        for who in 1..self.people.len() {
            let link = self.link.clone();
            self.verb(who, "follows the link", |e, _, now| {
                e.invite_accept(&link, now)
            });
            self.world.run(2_500);
            self.approve();
        }
        self.world.run(5_000);
        self.approve();
        self.world.run(5_000);
        self.look();
        if let Some(who) = self.malicious {
            // The more it may do the worse.
            let account = self.people[who].account.clone();
            self.verb(0, "makes it an admin", |e, group, now| {
                e.group_role(group, &account, "admin", now)
            });
            self.note(What::Role { whom: who });
            self.world.run(5_000);
        }
        // From here on the relay has two nodes, and people are at either.
        for who in 0..self.people.len() {
            let side = self.below(2);
            self.world.set_side(who, side);
        }
    }

    fn agenda(&mut self) -> Vec<(u64, Act)> {
        let mut agenda = Vec::new();
        let part = self.rng.next_u64() % (HOUR_MS / 2);
        let length = 30_000 + self.rng.next_u64() % (HOUR_MS / 4);
        agenda.push((part, Act::Part));
        agenda.push((part + length, Act::Mend));
        let mut at = |act: Act, times: usize, from: u64, len: u64| {
            for _ in 0..times {
                agenda.push((from + self.rng.next_u64() % len, act));
            }
        };
        // Many things happen at once while the network is parted: there lie the hard cases.
        at(Act::Say, MESSAGES * 2 / 3, 0, HOUR_MS);
        at(Act::Say, MESSAGES - MESSAGES * 2 / 3, part, length);
        at(Act::Commit, COMMITS / 2, 0, HOUR_MS);
        at(Act::Commit, COMMITS - COMMITS / 2, part, length);
        at(Act::Members, CHANGES / 2, 0, HOUR_MS);
        at(Act::Members, CHANGES - CHANGES / 2, part, length);
        at(Act::Crash, 2, 0, HOUR_MS);
        at(Act::Crash, 1, part, length);
        at(Act::Noise, 4, 0, HOUR_MS);
        at(Act::OldDisk, 4, 0, HOUR_MS);
        at(Act::Stall, 1, 0, HOUR_MS);
        at(Act::FullDisk, 1, 0, HOUR_MS);
        at(Act::ClockJumps, 1, 0, 2 * HOUR_MS);
        at(Act::RelayRestarts, 1, 0, 2 * HOUR_MS);
        at(Act::Move, 1, 0, 2 * HOUR_MS);
        at(Act::Malice, 3, 0, HOUR_MS);
        at(Act::Malice, 3, part, length);
        at(Act::RelayMalice, 4, 0, HOUR_MS);
        agenda.retain(|(at, _)| *at < HOUR_MS);
        agenda.sort_unstable();
        agenda
    }

    fn hour(&mut self) {
        let begin = self.world.now;
        for (at, act) in self.agenda() {
            self.run_to(begin + at);
            self.happen(act);
        }
        self.run_to(begin + HOUR_MS);
    }

    /// Lets time pass, with people who start again and people who are let in.
    fn run_to(&mut self, end: u64) {
        while let Some((who, at)) = (self.starts.iter())
            .map(|(who, at)| (*who, *at))
            .filter(|(_, at)| *at <= end)
            .min_by_key(|(_, at)| *at)
        {
            self.world.run_to(at);
            self.starts.remove(&who);
            if !self.world.runs(who) {
                self.tell(format!("{} starts", self.name(who)));
                self.world.start(who);
            }
        }
        self.world.run_to(end);
        self.revive();
        self.approve();
        self.look();
    }

    /// Whoever's disk failed starts again some time.
    fn revive(&mut self) {
        for who in 0..self.people.len() {
            if !self.world.runs(who) && !self.starts.contains_key(&who) {
                self.starts.insert(who, self.world.now + 3_000);
            }
        }
    }

    fn happen(&mut self, act: Act) {
        self.step += 1;
        let (member, anybody) = (self.member(), self.anybody());
        match (act, member, anybody) {
            (Act::Part, ..) => self.part(),
            (Act::Mend, ..) => self.mend(),
            (Act::Noise, ..) => self.noise(),
            (Act::OldDisk, ..) => self.old_disk(),
            (Act::Malice, ..) => self.malice(),
            (Act::RelayMalice, ..) => self.relay_misbehaves(),
            (Act::Say, Some(who), _) => self.say(who),
            (Act::Commit, Some(who), _) => {
                self.faults.commits += 1;
                self.commit(who);
            }
            (Act::Members, Some(who), _) => {
                self.faults.changes += 1;
                self.change_members(who);
            }
            (Act::Crash, _, Some(who)) => self.crash(who),
            (Act::ClockJumps, _, Some(who)) => self.clock_jumps(who),
            (Act::FullDisk, _, Some(who)) => self.full_disk(who),
            (Act::Stall, _, Some(who)) => {
                self.faults.stalls += 1;
                self.tell(format!("{} reads nothing", self.name(who)));
                let ms = 1_000 + self.rng.next_u64() % 40_000;
                self.world.stall(who, ms);
            }
            (Act::RelayRestarts, ..) => self.relay_restarts(),
            (Act::Move, _, Some(who)) => {
                let side = 1 - self.world.side(who);
                self.tell(format!("{} goes to node {side}", self.name(who)));
                self.world.set_side(who, side);
            }
            _ => {}
        }
    }

    fn relay_restarts(&mut self) {
        self.faults.relay_restarts += 1;
        self.tell("the relay restarts".into());
        let cut = self.world.is_cut();
        self.world.relay(false);
        let wait = [200, 5_000, 60_000][self.below(3)];
        self.world.run(wait);
        self.world.relay(true);
        self.world.cut(cut, false);
    }

    /// Notes who is in the group now.
    fn look(&mut self) {
        for who in 0..self.people.len() {
            if !self.world.runs(who) {
                continue;
            }
            let info = self.info(who);
            let active = info.as_ref().is_some_and(|info| info.active);
            if active && !self.people[who].active {
                self.people[who].since = self.step;
            }
            self.people[who].active = active;
            if let Some(info) = info
                && info.state_hash != self.people[who].state
            {
                self.people[who].state.clone_from(&info.state_hash);
                self.note(What::State {
                    who,
                    epoch: info.epoch,
                    state: info.state_hash,
                });
            }
        }
    }

    /// Everything is mended, everybody says something more, then nobody does.
    fn end(&mut self) {
        self.step += 1;
        self.mend();
        self.world.run(HEALING_MS);
        self.look();
        self.step += 1;
        self.history.last_step = self.step;
        for who in 0..self.people.len() {
            if self.people[who].active {
                self.say(who);
            }
        }
        self.world.run(60_000);
        self.look();
        for who in 0..self.people.len() {
            let end = self.ending(who);
            self.tell(format!("{} ends: {}", self.name(who), end.brief()));
            self.history.ends.push(end);
        }
        let before = self.world.counts.frames;
        self.world.run(IDLE_MINUTES * 60_000);
        self.history.idle = (self.world.counts.frames - before, IDLE_MINUTES);
        let all = 0..self.people.len();
        let joins: usize = all.map(|who| self.world.joins(who).len()).sum();
        self.history.idle_joins = joins as u64;
    }

    fn ending(&mut self, who: usize) -> Ending {
        let info = self.info(who);
        let is_out = !self.people[who].active;
        let waits = (info.as_ref()).is_some_and(|info| info.standing == "rejoining");
        let group = self.group.clone();
        let spoke_outside = is_out && !waits && {
            let said = (self.world).act(who, |e, now| e.message_send(&group, "x", None, now));
            said.is_ok()
        };
        let sync = (self.world)
            .act(who, |e, now| e.sync_status(&group, now))
            .ok();
        let lines = self.list(who).into_iter().map(|message| Line {
            reactions: message.reactions.len(),
            id: message.id,
            text: message.text,
            deleted: message.deleted,
            copies: (message.mine).then_some((message.copies, message.members)),
        });
        Ending {
            active: self.people[who].active,
            standing: (info.as_ref()).map_or(String::new(), |info| info.standing.clone()),
            role: (info.as_ref()).map_or(String::new(), |info| info.role.clone()),
            state: (info.as_ref()).map_or(String::new(), |info| info.state_hash.clone()),
            since: self.people[who].since,
            members: (info.as_ref()).map_or_else(BTreeSet::new, |info| self.numbers(info)),
            lines: lines.collect(),
            shown: self.world.people[who].shown.clone(),
            notices: if info.is_some() {
                self.world.notices(who, &group)
            } else {
                Vec::new()
            },
            pending: sync.as_ref().map_or(0, |sync| sync.pending),
            unsent: sync.as_ref().map_or(0, |sync| sync.unsent),
            spoke_outside,
            rang_most: self.world.people[who].rang_most,
            is_forgetful: self.forgetful == Some(who),
            is_malicious: self.malicious == Some(who),
        }
    }
}
