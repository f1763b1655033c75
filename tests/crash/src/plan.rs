//! What the workload does: a function of the seed alone.
//!
//! Every process that knows the seed knows each step and the whole contents after it, so a verifier needs nothing from the
//! worker but how many steps it has acknowledged. The steps are a messenger's: rows rewritten all the time, messages
//! that come and go, a log that is cut off by the day, now and then a large value or a large step.

use crate::chance::Chance;
use crate::model::{Class, Model};
use crate::value::Value;

/// Bytes at the start of every record key; they look like a group's identifier and must be in no file.
pub(crate) const GROUP_MARK: [u8; 12] = *b"\xF0\x9F\x90\xBCsorigrp!";

/// How many groups there are.
const GROUPS: u64 = 3;
/// Messages on a page: few, so that short workloads have several pages.
const PAGE_RECORDS: u64 = 16;

/// A table: how its records are to be kept, and its number.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Kind {
    /// Rewritten often; former versions must become unreadable.
    Own,
    /// Kept by the page; a deleted record must become unreadable.
    Paged,
    /// Kept by the page; unreadable once the whole page and class is deleted.
    Log,
}

/// All kinds.
pub(crate) const KINDS: [Kind; 3] = [Kind::Own, Kind::Paged, Kind::Log];

/// The number of bytes at the start of a key that say which page it is on: group 16, page 4.
pub(crate) const PAGE_LEN: usize = 20;

/// What opens a store.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Secret {
    /// Both, and neither without the other.
    Both(String, [u8; 32]),
    /// A random key.
    Key([u8; 32]),
    /// What a person types.
    Passphrase(String),
}

impl Secret {
    /// The secret of this number: of each kind in turn.
    pub(crate) fn numbered(number: u64) -> Self {
        let mut key = [7; 32];
        key[..8].copy_from_slice(&number.to_be_bytes());
        let passphrase = format!("correct horse {number}");
        match number % 3 {
            0 => Self::Key(key),
            1 => Self::Passphrase(passphrase),
            _ => Self::Both(passphrase, key),
        }
    }
}

/// One write.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Write {
    /// Takes a record away.
    Delete { kind: Kind, key: Vec<u8> },
    /// Writes a record: a new one in a class, or an old one that stays in its own.
    Put {
        kind: Kind,
        key: Vec<u8>,
        class: Option<Class>,
        value: Value,
    },
    /// Overwrites a record so that its former version becomes unreadable.
    PutForgetting {
        kind: Kind,
        key: Vec<u8>,
        value: Value,
    },
}

/// One step of the workload; each is acknowledged.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    /// The store gets another secret; they are numbered.
    ChangeUnlock(u64),
    /// These writes, at once.
    Commit(Vec<Write>),
    /// What was overwritten or deleted before becomes unreadable.
    Forget,
    /// The files are looked after.
    Maintain,
    /// The store moves to its other backend.
    Move,
    /// The store copies everything into fresh files.
    Rebuild,
    /// The store is closed and opened.
    Reopen,
    /// The store gets another master key.
    RotateMaster,
}

/// The steps of a seed, one after the other, and where they lead.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    seed: u64,
    number: u64,
    secret: u64,
    versions: u64,
    model: Model,
}

impl Plan {
    /// The plan of `seed`, before its first step.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            number: 0,
            secret: 0,
            versions: 0,
            model: Model::default(),
        }
    }

    /// The number of the last step taken; the first one is 1.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// The number of the secret that opens the store now.
    pub(crate) const fn secret(&self) -> u64 {
        self.secret
    }

    /// What the store holds now.
    pub(crate) const fn model(&self) -> &Model {
        &self.model
    }

    /// Takes the next step and answers what it is.
    pub(crate) fn advance(&mut self) -> Step {
        self.number += 1;
        let mut chance = Chance::new(self.seed, self.number);
        let step = self.draw(&mut chance);
        match &step {
            Step::ChangeUnlock(secret) => self.secret = *secret,
            Step::Commit(writes) => self.model.commit(writes, self.number),
            Step::Forget
            | Step::Maintain
            | Step::Move
            | Step::Rebuild
            | Step::Reopen
            | Step::RotateMaster => {}
        }
        step
    }

    /// Takes all steps up to the one numbered `number`.
    pub(crate) fn advance_to(&mut self, number: u64) {
        while self.number < number {
            self.advance();
        }
    }

    fn draw(&mut self, chance: &mut Chance) -> Step {
        match chance.below(100) {
            0..=5 => Step::Forget,
            6..=7 => Step::RotateMaster,
            8..=9 => Step::ChangeUnlock(self.secret + 1),
            10..=12 => Step::Reopen,
            13 => Step::Maintain,
            14..=15 => Step::Move,
            16 => Step::Rebuild,
            _ => Step::Commit(self.writes(chance)),
        }
    }

    fn writes(&mut self, chance: &mut Chance) -> Vec<Write> {
        let mut writes = Vec::new();
        let rounds = match chance.below(40) {
            0 => 12,
            1..=4 => 3,
            _ => 1,
        };
        for _ in 0..rounds {
            let group = chance.below(GROUPS);
            self.rewrite(group, chance, &mut writes);
            self.message(group, chance, &mut writes);
            self.log(group, chance, &mut writes);
        }
        dedup(writes)
    }

    /// A group's secrets move on: one row always, others sometimes.
    fn rewrite(&mut self, group: u64, chance: &mut Chance, writes: &mut Vec<Write>) {
        for label in 0..5_u8 {
            if label > 0 && !chance.permille(250) {
                continue;
            }
            let key = [&group_id(group)[..], &[label]].concat();
            let kind = Kind::Own;
            if chance.permille(60) && self.model.holds(kind, &key) {
                writes.push(Write::Delete { kind, key });
            } else {
                writes.push(self.put(kind, key, None, chance));
            }
        }
    }

    /// Messages come, change and go.
    fn message(&mut self, group: u64, chance: &mut Chance, writes: &mut Vec<Write>) {
        let kind = Kind::Paged;
        let class = Some(Class(chance.below(2) as u32));
        let place = self.number * 2;
        let key = page_key(group, place / PAGE_RECORDS, (place % PAGE_RECORDS) as u8);
        writes.push(self.put(kind, key, class, chance));
        let Some(old) = self.model.pick(kind, &group_id(group), chance) else {
            return;
        };
        match chance.below(12) {
            0 | 1 => writes.push(Write::Delete { kind, key: old }),
            2 | 3 => {
                let value = self.value(chance);
                let key = old;
                writes.push(Write::PutForgetting { kind, key, value });
            }
            4 => writes.push(self.put(kind, old, None, chance)),
            5 => {
                let page = old[..PAGE_LEN].to_vec();
                let keys = self.model.keys(kind, &page);
                writes.extend(keys.into_iter().map(|key| Write::Delete { kind, key }));
            }
            _ => {}
        }
    }

    /// The log grows, and now and then an old part of it goes.
    fn log(&mut self, group: u64, chance: &mut Chance, writes: &mut Vec<Write>) {
        let kind = Kind::Log;
        let class = Some(Class((self.number / 20) as u32));
        let page = self.number / PAGE_RECORDS;
        let key = page_key(group, page, (self.number % PAGE_RECORDS) as u8);
        writes.push(self.put(kind, key, class, chance));
        let Some(old) = self.model.pick(kind, &group_id(group), chance) else {
            return;
        };
        match chance.below(12) {
            0 => writes.push(Write::Delete { kind, key: old }),
            1 => {
                let page = old[..PAGE_LEN].to_vec();
                let keys = self.model.keys(kind, &page);
                writes.extend(keys.into_iter().map(|key| Write::Delete { kind, key }));
            }
            _ => {}
        }
    }

    fn put(
        &mut self,
        kind: Kind,
        key: Vec<u8>,
        class: Option<Class>,
        chance: &mut Chance,
    ) -> Write {
        let value = self.value(chance);
        Write::Put {
            kind,
            key,
            class,
            value,
        }
    }

    fn value(&mut self, chance: &mut Chance) -> Value {
        self.versions += 1;
        let len = match chance.below(1000) {
            0..=39 => chance.index(64) + 1,
            40..=44 => chance.len(50_000, 200_000),
            45..=99 => chance.len(4_000, 50_000),
            _ => chance.len(64, 4_000),
        };
        Value {
            version: self.versions,
            len,
        }
    }
}

/// The 16 bytes that name a group.
fn group_id(group: u64) -> [u8; 16] {
    let mut id = [0; 16];
    id[..12].copy_from_slice(&GROUP_MARK);
    id[12..].copy_from_slice(&(group as u32).to_be_bytes());
    id
}

fn page_key(group: u64, page: u64, index: u8) -> Vec<u8> {
    [&group_id(group)[..], &(page as u32).to_be_bytes(), &[index]].concat()
}

/// A record occurs once in a step: the last write of it counts.
fn dedup(mut writes: Vec<Write>) -> Vec<Write> {
    let mut seen = std::collections::BTreeSet::new();
    writes.reverse();
    writes.retain(|write| seen.insert(write.place()));
    writes.reverse();
    writes
}

impl Write {
    /// Which record it is about.
    fn place(&self) -> (Kind, Vec<u8>) {
        match self {
            Self::Delete { kind, key }
            | Self::Put { kind, key, .. }
            | Self::PutForgetting { kind, key, .. } => (*kind, key.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plan_depends_on_its_seed_alone_and_has_every_kind_of_step() {
        let steps = |seed| {
            let mut plan = Plan::new(seed);
            let steps: Vec<Step> = (0..300).map(|_| plan.advance()).collect();
            (steps, plan.model().digest())
        };
        assert_eq!(steps(5), steps(5));
        assert_ne!(steps(5).1, steps(6).1);
        let (steps, _) = steps(5);
        for wanted in [
            Step::Forget,
            Step::Maintain,
            Step::Move,
            Step::Rebuild,
            Step::Reopen,
            Step::RotateMaster,
        ] {
            assert!(steps.contains(&wanted), "{wanted:?}");
        }
        let writes = || {
            steps.iter().flat_map(|step| match step {
                Step::Commit(writes) => writes.as_slice(),
                _ => &[],
            })
        };
        assert!(writes().any(|write| matches!(write, Write::Delete { .. })));
        assert!(writes().any(|write| matches!(write, Write::PutForgetting { .. })));
    }
}
