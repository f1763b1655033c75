//! One large group that comes about, talks, and whose people all come back at the same moment: how much is said until
//! everybody is even, how long that takes, and what a member spends on it (protocol §6.1, §5.6.9).

use std::collections::BTreeSet;
use std::fmt;

use sori_engine::InviteOptions;

use crate::world::{Counts, World};

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
/// Messages that half of the people miss.
const MESSAGES: usize = 20;
/// What each member says while all are there, and how often the owner changes the group meanwhile.
const SAID_BY_EACH: usize = 2;
const COMMITS: usize = 20;
/// Between two messages while all are there, in milliseconds.
const TALK_MS: u64 = 100;
/// How often it is looked whether all agree, in milliseconds.
const LOOK_MS: u64 = 1_000;
/// How many ask to be let in at the same time.
const WAVE: usize = 64;

/// What was said in a span of time.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Its length in milliseconds.
    pub ms: u64,
    /// Frames published.
    pub frames: u64,
    /// Bytes published.
    pub bytes: u64,
    /// Frames handed to somebody.
    pub delivered: u64,
    /// Processor time of everybody together and of the world around them, in milliseconds; zero where the system does not tell.
    pub processor_ms: u64,
}

/// What a crowd costs.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// Members.
    pub members: usize,
    /// From the first who asks to be let in until all are in one state.
    pub gathering: Span,
    /// All are there and nobody speaks.
    pub quiet: Span,
    /// Two messages of each member and twenty commits, until everybody has them all.
    pub talk: Span,
    /// From the moment at which all come back until all agree.
    pub return_of_all: Span,
    /// The minute after it.
    pub after: Span,
    /// The most memory that the program held, in bytes, with everybody's disk; zero where the system does not tell.
    pub memory: u64,
    /// What everybody's disks hold in the end, in bytes, as sealed.
    pub disks: u64,
}

impl Figures {
    /// Frames from the return of all until a minute after they agree, for each member.
    #[must_use]
    pub const fn frames_of_a_member(&self) -> u64 {
        (self.return_of_all.frames + self.after.frames) / self.members as u64
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let half = self.members / 2;
        writeln!(
            f,
            "{} members say {} messages in {COMMITS} commits; {half} of them miss {MESSAGES} messages, a name and a removal; then all come back at once",
            self.members,
            self.members * SAID_BY_EACH
        )?;
        for (what, span) in [
            ("until all are in", &self.gathering),
            ("quiet minute before", &self.quiet),
            ("until all is heard", &self.talk),
            ("until all agree", &self.return_of_all),
            ("minute after", &self.after),
        ] {
            writeln!(
                f,
                "{what:>20}: {:6.1} s, {:6} frames, {:8} deliveries, {:8} KiB, {:7.1} s of a processor",
                span.ms as f64 / 1e3,
                span.frames,
                span.delivered,
                span.bytes / 1024,
                span.processor_ms as f64 / 1e3
            )?;
        }
        writeln!(
            f,
            "{:>20}: {}",
            "frames of a member",
            self.frames_of_a_member()
        )?;
        let of_each = |bytes: u64| bytes / self.members as u64 / 1024;
        writeln!(
            f,
            "{:>20}: {} KiB of memory, of which its disk is {} KiB",
            "for each member",
            of_each(self.memory),
            of_each(self.disks)
        )
    }
}

/// Makes a group of so many, lets them talk, takes everybody away, and lets all come back at once. `tell` hears how far it is.
///
/// # Panics
/// If they do not agree within ten minutes of the world's time.
pub fn run(members: usize, seed: u64, tell: impl Fn(&str)) -> Figures {
    let names: Vec<String> = (0..members).map(|n| format!("p{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut world = World::new(&names, seed);
    let group = world.group("crowd", 0, &[]);
    let gathering = span(&mut world, |world| gather(world, &group, members, &tell));
    world.run(30 * MINUTE_MS);
    tell("all are in, and quiet");
    let quiet = span(&mut world, |world| world.run(MINUTE_MS));
    let talk = span(&mut world, |world| talk(world, &group, members));
    tell("all has been heard");
    world.run(30 * MINUTE_MS);

    let (here, away): (Vec<_>, Vec<_>) = (0..members - 1).partition(|who| *who <= members / 2);
    away.iter().for_each(|who| world.kill(*who));
    miss(&mut world, &group, &here, members - 1);
    world.relay(false);
    world.run(HOUR_MS);
    away.iter().for_each(|who| world.start(*who));
    world.relay(true);
    tell("all come back");
    let all: Vec<usize> = (0..members - 1).collect();
    let return_of_all = span(&mut world, |world| {
        let agreed = world.within(10 * MINUTE_MS, LOOK_MS, |world| {
            are_even(world, &group, &all)
        });
        assert!(agreed.is_some(), "they do not agree (seed {seed})");
    });
    let after = span(&mut world, |world| world.run(MINUTE_MS));
    Figures {
        memory: status("VmHWM:").unwrap_or(0) * 1024,
        disks: (0..members).map(|who| world.held(who)).sum(),
        members,
        gathering,
        quiet,
        talk,
        return_of_all,
        after,
    }
}

/// Everybody follows one link, a few dozen at once, and is let in.
fn gather(world: &mut World, group: &str, members: usize, tell: &impl Fn(&str)) {
    let options = InviteOptions {
        group: Some(group.to_owned()),
        ..InviteOptions::default()
    };
    let link = world
        .act(0, |engine, now| engine.invite_create(options, now))
        .unwrap();
    for first in (1..members).step_by(WAVE) {
        let wave = first..members.min(first + WAVE);
        for who in wave.clone() {
            let asked = world.act(who, |engine, now| engine.invite_accept(&link, now));
            asked.unwrap();
        }
        let all_in = world.within(10 * MINUTE_MS, LOOK_MS, |world| {
            let asking = world.act(0, |engine, now| engine.join_list(now)).unwrap();
            for join in asking {
                let _ = world.act(0, |engine, now| engine.join_approve(&join.id, now));
            }
            let is_in = |who| world.look(who, |e, now| e.sync_status(group, now)).is_ok();
            wave.clone().all(is_in)
        });
        assert!(all_in.is_some(), "they do not come in");
        tell(&format!("{} of {members} are in", wave.end));
    }
    let all: Vec<usize> = (0..members).collect();
    world.until(10 * MINUTE_MS, "all are in one state", |world| {
        are_even(world, group, &all)
    });
}

/// All speak in turn while the owner changes the group, and all hear it.
fn talk(world: &mut World, group: &str, members: usize) {
    let messages = members * SAID_BY_EACH;
    for said in 0..messages {
        world.say(said % members, group, &format!("all are here, {said}"));
        if said % messages.div_ceil(COMMITS) == 0 {
            let name = format!("the crowd, {said}");
            let renamed = world.act(0, |e, now| e.group_rename(group, &name, now));
            renamed.unwrap();
        }
        world.run(TALK_MS);
    }
    let all: Vec<usize> = (0..members).collect();
    world.until(10 * MINUTE_MS, "all is heard", |world| {
        are_even(world, group, &all)
    });
}

/// What happens while half are away: messages, a name, and somebody is put out.
fn miss(world: &mut World, group: &str, here: &[usize], out: usize) {
    for round in 0..MESSAGES {
        world.say(here[round % here.len()], group, &format!("{round}"));
        world.run(200);
    }
    world
        .act(0, |e, now| {
            e.group_rename(group, "while you were away", now)
        })
        .unwrap();
    world.run(30_000);
    let account = world.account(out);
    world
        .act(0, |e, now| e.group_remove(group, &account, now))
        .unwrap();
    world.run(2 * MINUTE_MS);
}

/// Whether all are in one state and lack nothing that another one holds.
fn are_even(world: &mut World, group: &str, people: &[usize]) -> bool {
    let mut states = BTreeSet::new();
    let mut counts = BTreeSet::new();
    people.iter().all(|who| {
        states.insert(world.state(*who, group));
        states.len() == 1 && {
            counts.insert(world.messages(*who, group));
            counts.len() == 1
        }
    })
}

/// What is said while something goes on.
fn span(world: &mut World, goes_on: impl FnOnce(&mut World)) -> Span {
    let (now, before, processor) = (world.now, world.counts, processor_ms());
    goes_on(world);
    let Counts {
        frames,
        bytes,
        delivered,
        ..
    } = world.counts;
    Span {
        ms: world.now - now,
        frames: frames - before.frames,
        bytes: bytes - before.bytes,
        delivered: delivered - before.delivered,
        processor_ms: processor_ms().saturating_sub(processor),
    }
}

/// Processor time of this thread until now, in milliseconds (Linux).
fn processor_ms() -> u64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let ns: Option<u64> = told.split_whitespace().next().and_then(|n| n.parse().ok());
    ns.unwrap_or(0) / 1_000_000
}

/// A number that the system tells about this process, in its own unit (Linux).
fn status(name: &str) -> Option<u64> {
    let told = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = told.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
