//! Random operations, compared with a plain map; reopened after every commit.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it stands"
)]

mod common;

use std::collections::BTreeMap;

use common::{Disk, noise};
use proptest::prelude::*;
use sori_store::{Savepoint, Store, Table};

/// One of each kind.
const TABLES: [Table; 3] = [Table::own(0), Table::paged(1, 2), Table::log(2, 1)];

type Model = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

#[derive(Clone, Debug)]
enum Step {
    Commit,
    Delete(u8, Vec<u8>),
    Put(u8, Vec<u8>, usize),
    Reopen,
    RollBack(usize),
    Savepoint,
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    // A small alphabet, so that keys collide and are prefixes of each other.
    prop::collection::vec(prop::sample::select(vec![0_u8, 1, 255]), 0..5)
}

fn step() -> impl Strategy<Value = Step> {
    let len = prop_oneof![4 => 0..40_usize, 1 => 3940..3950_usize, 1 => 4000..20_000_usize];
    prop_oneof![
        6 => (0..3_u8, key(), len).prop_map(|(table, key, len)| Step::Put(table, key, len)),
        3 => (0..3_u8, key()).prop_map(|(table, key)| Step::Delete(table, key)),
        2 => Just(Step::Commit),
        1 => Just(Step::Reopen),
        1 => Just(Step::Savepoint),
        1 => (0..4_usize).prop_map(Step::RollBack),
    ]
}

/// A store and what it should hold.
struct Pair {
    disk: Disk,
    store: Option<Store>,
    committed: Model,
    staged: Model,
    savepoints: Vec<(Savepoint, Model)>,
    count: u64,
}

impl Pair {
    fn new(disk: Disk) -> Self {
        let store = Some(disk.open());
        Self {
            disk,
            store,
            committed: Model::new(),
            staged: Model::new(),
            savepoints: Vec::new(),
            count: 0,
        }
    }

    fn store(&mut self) -> &mut Store {
        self.store.as_mut().unwrap()
    }

    fn apply(&mut self, step: Step) {
        self.count += 1;
        match step {
            Step::Commit => {
                self.store().commit().unwrap();
                self.committed = self.staged.clone();
                self.reopen();
            }
            Step::Delete(table, key) => {
                let table = TABLES[usize::from(table)];
                self.store().delete(table, &key).unwrap();
                self.staged.remove(&(table, key));
            }
            Step::Put(table, key, len) => {
                let value = noise(self.count, len);
                let table = TABLES[usize::from(table)];
                self.store().put(table, &key, &value).unwrap();
                self.staged.insert((table, key), value);
            }
            Step::Reopen => self.reopen(),
            Step::RollBack(to) => {
                self.savepoints.truncate(to + 1);
                if let Some((savepoint, model)) = self.savepoints.pop() {
                    self.store().rollback_to(savepoint);
                    self.staged = model;
                }
            }
            Step::Savepoint => {
                let savepoint = self.store().savepoint();
                self.savepoints.push((savepoint, self.staged.clone()));
            }
        }
    }

    fn reopen(&mut self) {
        self.store = None;
        self.store = Some(self.disk.open());
        self.staged = self.committed.clone();
        self.savepoints.clear();
    }

    fn check(&mut self) {
        let staged = self.staged.clone();
        for table in TABLES {
            for prefix in [&[][..], &[0], &[255, 255], &[1, 0]] {
                let found = self.store().range(table, prefix).unwrap();
                let expected = staged
                    .iter()
                    .filter(|((at, key), _)| *at == table && key.starts_with(prefix));
                let expected: Vec<_> = expected.map(|((_, key), value)| (key, value)).collect();
                let found: Vec<_> = found.iter().map(|(key, value)| (key, &**value)).collect();
                assert_eq!(found.len(), expected.len());
                assert!(found == expected, "{table:?} {prefix:?}");
            }
        }
        for ((table, key), value) in &staged {
            let found = self.store().get(*table, key).unwrap();
            assert!(found.as_deref() == Some(value));
        }
        let count = self.store().verify().unwrap();
        assert_eq!(count, self.committed.len() as u64);
    }
}

fn run(disk: Disk, steps: Vec<Step>) {
    let mut pair = Pair::new(disk);
    for step in steps {
        pair.apply(step);
    }
    pair.check();
    pair.apply(Step::Commit);
    pair.check();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn memory_behaves_like_a_map(steps in prop::collection::vec(step(), 1..40)) {
        run(Disk::memory(), steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn folder_behaves_like_a_map(steps in prop::collection::vec(step(), 1..30)) {
        run(Disk::folder(), steps);
    }
}
