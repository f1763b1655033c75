//! The timeline against the plainest one there is: everything in maps in memory.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use sori_content::{MessageId, MimiContent};
use sori_mls::GroupId;
use sori_store::{MemoryDisk, Store};

use super::*;
use crate::time::Time;

const NOW: Time = Time::from_unix_ms(1_795_316_400_000);

/// The id of no line.
const NOBODY: MessageIdBytes = [1; 32];

/// What the timeline is to answer.
#[derive(Default)]
struct Model {
    lines: BTreeMap<Place, u64>,
    known: BTreeMap<MessageIdBytes, (Place, u64)>,
    changes: BTreeMap<MessageIdBytes, BTreeSet<(Place, u64)>>,
}

/// A group of one, its engine, and what its timeline should be.
struct Bench {
    disk: MemoryDisk,
    engine: Engine,
    group: GroupId,
    model: Model,
    /// Messages made so far.
    made: u64,
}

#[derive(Clone, Debug)]
enum Step {
    /// Lines with clocks that go on from the last one.
    Append(u16),
    /// A line with this clock.
    Line(u64),
    /// A change to the line with this number, modulo how many there are, or to one that is not
    /// there.
    Change(usize, u64),
    Remove(usize),
    /// Does what follows in vain.
    Undo(u64),
    Commit,
    Restart,
}

impl Bench {
    fn new() -> Self {
        let disk = MemoryDisk::new();
        let store = Store::open_memory(&disk, [1; 32]).unwrap();
        let mut engine = Engine::open(store, [2; 32], NOW).unwrap();
        engine.account_create("a", NOW).unwrap();
        let relay = format!("relay://127.0.0.1:4433/#{}", "A".repeat(43));
        engine.relay_set(&relay, NOW).unwrap();
        engine.group_create("g", NOW).unwrap();
        let group = *engine.groups.keys().next().unwrap();
        let mut bench = Self {
            disk,
            engine,
            group,
            model: Model::default(),
            made: 0,
        };
        // The group's own first line.
        let lines = bench.work(|engine, group| engine.lines_before(group, None, 10).unwrap());
        for line in lines {
            bench.model.lines.insert(line.place, line.sequence);
            bench
                .model
                .known
                .insert(line.place.1, (line.place, line.sequence));
        }
        bench
    }

    fn work<R>(&mut self, work: impl FnOnce(&mut Engine, &mut Group) -> R) -> R {
        let id = self.group;
        let done = self
            .engine
            .with_group(id, |engine, group| Ok(work(engine, group)));
        done.unwrap()
    }

    fn restart(&mut self) {
        self.engine.store.commit().unwrap();
        let other = Store::open_memory(&MemoryDisk::new(), [1; 32]).unwrap();
        drop(std::mem::replace(&mut self.engine.store, other));
        let store = Store::open_memory(&self.disk, [3; 32]).unwrap();
        self.engine = Engine::open(store, [4; 32], NOW).unwrap();
    }

    fn id(&self, number: u64) -> MessageIdBytes {
        let mut id = [1; 32];
        // Ids are in another order than arrivals.
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        id[1..9].copy_from_slice(&mixed.to_be_bytes());
        id[24..].copy_from_slice(&number.to_be_bytes());
        id
    }

    fn add(&mut self, clock: u64, target: Option<MessageIdBytes>) {
        self.made += 1;
        let number = self.made;
        let body = match target {
            None => Body::Deleted,
            Some(target) if number.is_multiple_of(2) => Body::Wiped(target),
            Some(target) => {
                let on = MessageId::from_bytes(target);
                Body::Content(MimiContent::reaction([7; 16], "x", on).encode())
            }
        };
        let record = MessageRecord {
            id: self.id(number),
            clock,
            sent_at: 0,
            sender: self.engine.me().unwrap().id,
            body,
            expires: None,
            holders: Vec::new(),
            snapshot: 0,
            audience: Vec::new(),
            readers: Vec::new(),
        };
        let place = record.place();
        let id = record.id;
        let sequence = self.work(|engine, group| {
            let sequence = group.cursor.next_message;
            group.cursor.next_message += 1;
            engine.save_message(group, sequence, &record).unwrap();
            engine.index_message(group, &record, sequence).unwrap();
            engine.save_cursor(group).unwrap();
            sequence
        });
        self.model.known.insert(id, (place, sequence));
        match target {
            None => {
                self.model.lines.insert(place, sequence);
            }
            Some(target) => {
                let changes = self.model.changes.entry(target).or_default();
                changes.insert((place, sequence));
            }
        }
    }

    fn step(&mut self, step: &Step) {
        let last = self.model.lines.keys().last().map_or(0, |place| place.0);
        let nth = |known: &BTreeMap<MessageIdBytes, (Place, u64)>, n: usize| {
            known.iter().nth(n % known.len().max(1)).map(|(id, _)| *id)
        };
        match step {
            Step::Append(count) => (1..=u64::from(*count)).for_each(|n| self.add(last + n, None)),
            Step::Line(clock) => self.add(*clock, None),
            Step::Change(n, clock) => {
                let target = nth(&self.model.known, *n).filter(|id| n % 5 != 0 && id[0] == 1);
                self.add(*clock, Some(target.unwrap_or(NOBODY)));
            }
            Step::Remove(n) => {
                let Some(id) = nth(&self.model.known, *n) else {
                    return;
                };
                let (place, sequence) = self.model.known.remove(&id).unwrap();
                self.model.lines.remove(&place);
                for changes in self.model.changes.values_mut() {
                    changes.remove(&(place, sequence));
                }
                self.work(|engine, group| engine.remove_message(group, sequence).unwrap());
            }
            Step::Undo(clock) => {
                let (id, clock) = (self.group, *clock);
                let undone = self.engine.atomically(|engine| {
                    engine.with_group(id, |engine, group| {
                        for n in 0..70 {
                            let record = MessageRecord {
                                id: [u8::try_from(n).unwrap(); 32],
                                clock: clock + n,
                                sent_at: 0,
                                sender: engine.me()?.id,
                                body: Body::Deleted,
                                expires: None,
                                holders: Vec::new(),
                                snapshot: 0,
                                audience: Vec::new(),
                                readers: Vec::new(),
                            };
                            let sequence = group.cursor.next_message;
                            group.cursor.next_message += 1;
                            engine.save_message(group, sequence, &record)?;
                            engine.index_message(group, &record, sequence)?;
                        }
                        Err::<(), _>(Error::NotMember)
                    })
                });
                assert!(matches!(undone, Err(Error::NotMember)));
            }
            Step::Commit => self.engine.store.commit().unwrap(),
            Step::Restart => self.restart(),
        }
    }

    /// Everything that can be asked, in portions.
    fn check(&mut self, portion: usize) {
        let model = std::mem::take(&mut self.model);
        self.work(|engine, group| {
            let mut before = None;
            let mut found = Vec::new();
            loop {
                let lines = engine.lines_before(group, before, portion).unwrap();
                let Some(last) = lines.last() else { break };
                before = Some(last.place);
                found.extend(lines.into_iter().map(|line| (line.place, line.sequence)));
            }
            let expected: Vec<_> = model.lines.iter().rev().map(|(p, s)| (*p, *s)).collect();
            assert!(
                found == expected,
                "{} lines instead of {}, from {:?} on",
                found.len(),
                expected.len(),
                found.iter().zip(&expected).position(|(a, b)| a != b)
            );
            for (id, (place, sequence)) in &model.known {
                let (found, record) = engine.find_message(group, id).unwrap().unwrap();
                assert_eq!((record.place(), found), (*place, *sequence));
                let is_line = engine.find_line(group, id).unwrap().is_some();
                assert_eq!(is_line, model.lines.contains_key(place));
            }
            for id in model.known.keys().chain([&NOBODY]) {
                let expected = model.changes.get(id).into_iter().flatten();
                let expected: Vec<u64> = expected.map(|(_, sequence)| *sequence).collect();
                let changes = engine.changes(group, id).unwrap().into_iter();
                assert_eq!(
                    changes.map(|(sequence, _)| sequence).collect::<Vec<_>>(),
                    expected
                );
            }
            assert!(engine.find_message(group, &[8; 32]).unwrap().is_none());
            assert!(
                group.timeline.as_ref().unwrap().tail.len() < usize::try_from(TAIL_MAX).unwrap()
            );
        });
        self.model = model;
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1_u16..200).prop_map(Step::Append),
        8 => (0_u64..3000).prop_map(Step::Line),
        2 => (0_u64..4).prop_map(Step::Line),
        6 => (any::<u16>(), 0_u64..3000).prop_map(|(n, clock)| Step::Change(n.into(), clock)),
        3 => any::<u16>().prop_map(|n| Step::Remove(n.into())),
        1 => (0_u64..3000).prop_map(Step::Undo),
        1 => Just(Step::Commit),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_history_gives_what_maps_in_memory_give(
        steps in prop::collection::vec(step(), 1..120),
        portion in 1_usize..400,
    ) {
        let mut bench = Bench::new();
        for step in &steps {
            bench.step(step);
        }
        bench.check(portion);
        bench.restart();
        bench.check(50);
    }
}

/// Lines in order fill their pages, and each arrival writes little beside itself.
#[test]
fn pages_of_a_long_history_are_full_and_what_is_in_memory_is_small() {
    let mut bench = Bench::new();
    for _ in 0..40 {
        bench.step(&Step::Append(256));
        bench.step(&Step::Commit);
    }
    bench.check(300);
    bench.work(|_, group| {
        let timeline = group.timeline.as_ref().unwrap();
        let lines = 40 * 256 + 1;
        assert!(timeline.directory.pages.len() <= lines / PAGE_MAX + 1);
        assert!(timeline.tail.len() <= usize::try_from(TAIL_MAX).unwrap());
    });
}

/// Old lines that come late, in any order, do not make pages without end.
#[test]
fn pages_hold_half_of_what_they_can_when_lines_come_in_any_order() {
    let mut bench = Bench::new();
    for n in 0..8_000_u64 {
        bench.step(&Step::Line(n.wrapping_mul(0x9e37_79b9) % 100_000));
    }
    bench.check(999);
    bench.work(|_, group| {
        let timeline = group.timeline.as_ref().unwrap();
        assert!(timeline.directory.pages.len() <= 8_000 / (PAGE_MAX / 2) + 1);
    });
}

/// When all lines are taken out, nothing is left but an empty directory.
#[test]
fn removing_everything_leaves_nothing() {
    let mut bench = Bench::new();
    bench.step(&Step::Append(600));
    for n in 0..50_u64 {
        bench.step(&Step::Change(7 * usize::try_from(n).unwrap() + 1, n));
    }
    while !bench.model.known.is_empty() {
        bench.step(&Step::Remove(3));
    }
    bench.check(10);
    let store = &bench.engine.store;
    assert_eq!(store.range(table::MESSAGE, &[]).unwrap().len(), 0);
    assert_eq!(store.range(table::LINK, &[]).unwrap().len(), 0);
    assert!(store.range(table::ORDER, &[]).unwrap().len() <= 1);
}
