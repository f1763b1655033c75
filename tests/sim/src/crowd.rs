//! One large group whose people all come back at the same moment: how much is said until everybody is even, and how long
//! that takes (protocol §6.1, §5.6.9).

use std::collections::BTreeSet;
use std::fmt;

use sori_engine::InviteOptions;

use crate::world::{Counts, World};

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
/// Messages that half of the people miss.
const MESSAGES: usize = 20;
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
    /// From the moment at which all come back until all agree.
    pub return_of_all: Span,
    /// The minute after it.
    pub after: Span,
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
            "{} members; {half} of them missed {MESSAGES} messages, a name and a removal; then all come back at once",
            self.members
        )?;
        for (what, span) in [
            ("until all are in", &self.gathering),
            ("quiet minute before", &self.quiet),
            ("until all agree", &self.return_of_all),
            ("minute after", &self.after),
        ] {
            writeln!(
                f,
                "{what:>20}: {:6.1} s, {:6} frames, {:8} deliveries, {:6} KiB",
                span.ms as f64 / 1e3,
                span.frames,
                span.delivered,
                span.bytes / 1024
            )?;
        }
        writeln!(
            f,
            "{:>20}: {}",
            "frames of a member",
            self.frames_of_a_member()
        )
    }
}

/// Makes a group of so many, takes everybody away, and lets all come back at once. `tell` hears how far it is.
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
        members,
        gathering,
        quiet,
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
    let (now, before) = (world.now, world.counts);
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
    }
}
