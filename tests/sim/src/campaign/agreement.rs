//! Whether all agree once everything is mended, and how long that takes.

use std::collections::{BTreeMap, BTreeSet};

use super::{Campaign, HEALING_MS};

/// Looks at whether all agree before what keeps them is told: half a minute of them.
const SLOW_TICKS: u32 = 205;

impl Campaign {
    /// The network is whole again: how long until all agree?
    pub(super) fn mend(&mut self) {
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
            // What keeps a slow one.
            if ticks == SLOW_TICKS {
                self.tell_differences();
            }
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

    pub(super) fn tell_differences(&mut self) {
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
    pub(super) fn has_converged(&mut self) -> bool {
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

    pub(super) fn all_hold_what_they_are_to_hold(&mut self, inside: &BTreeSet<usize>) -> bool {
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
    pub(super) fn not_shown(&self, who: usize) -> Vec<String> {
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
}
