//! The course of things, from the first who comes in to how everybody stands at the end.

use std::collections::BTreeSet;

use rand_core::RngCore;

use super::{Act, CHANGES, COMMITS, Campaign, HEALING_MS, HOUR_MS, IDLE_MINUTES, MESSAGES};
use crate::history::{Ending, Line, What};

impl Campaign {
    /// Most people come in at the beginning.
    pub(super) fn assemble(&mut self) {
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

    pub(super) fn agenda(&mut self) -> Vec<(u64, Act)> {
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

    pub(super) fn hour(&mut self) {
        let begin = self.world.now;
        for (at, act) in self.agenda() {
            self.run_to(begin + at);
            self.happen(act);
        }
        self.run_to(begin + HOUR_MS);
    }

    /// Lets time pass, with people who start again and people who are let in.
    pub(super) fn run_to(&mut self, end: u64) {
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
    pub(super) fn revive(&mut self) {
        for who in 0..self.people.len() {
            if !self.world.runs(who) && !self.starts.contains_key(&who) {
                self.starts.insert(who, self.world.now + 3_000);
            }
        }
    }

    pub(super) fn happen(&mut self, act: Act) {
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

    /// Notes who is in the group now.
    pub(super) fn look(&mut self) {
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
    pub(super) fn end(&mut self) {
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
        let all = 0..self.people.len();
        let topics = all.map(|who| self.world.topics(who)).max();
        self.history.idle_topics = topics.unwrap_or(0) as u64;
    }

    /// The accounts of those who keep to the protocol and are in the group: what others did on a way that lost is for those who
    /// were on it, and nobody does it again.
    fn honest_inside(&self) -> BTreeSet<String> {
        let people = self.people.iter().enumerate();
        let people = people.filter(|(who, person)| person.active && self.malicious != Some(*who));
        people.map(|(_, person)| person.account.clone()).collect()
    }

    pub(super) fn ending(&mut self, who: usize) -> Ending {
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
        let honest = self.honest_inside();
        let lines = self.list(who).into_iter().map(|message| Line {
            reactions: (message.reactions.iter())
                .filter(|r| r.senders.iter().any(|sender| honest.contains(sender)))
                .count(),
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
