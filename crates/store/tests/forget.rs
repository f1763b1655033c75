//! Random steps, crashes and power cuts, compared with a model of what must be there and of what nobody may
//! open any more, not even with the master key and every row that was ever written.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it stands"
)]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use sori_store::forensics::{Carver, Effort, rows_of};
use sori_store::{Class, MemoryDisk, Store, Table};

const OWN: Table = Table::own(0);
const PAGED: Table = Table::paged(1, 1);
const LOG: Table = Table::log(2, 1);
const TABLES: [Table; 3] = [OWN, PAGED, LOG];
const MARK: &[u8] = b"version ";

type Key = (Table, Vec<u8>);
type Bucket = (Table, u8, Class);

#[derive(Clone, Debug)]
enum Step {
    Commit,
    /// The power goes after so many bytes of the next writes to the slot file; the step that meets it, then.
    Cut(u16, Meets),
    Crash,
    Delete(usize, [u8; 2]),
    Forget,
    Put(usize, [u8; 2], How),
    Reopen,
    Rotate,
}

#[derive(Clone, Copy, Debug)]
enum Meets {
    Commit,
    Forget,
    Opening,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Forgetting,
    In(u8),
    Plain,
}

fn key() -> impl Strategy<Value = [u8; 2]> {
    [0..2_u8, 0..5_u8]
}

fn step() -> impl Strategy<Value = Step> {
    let how = prop_oneof![
        4 => Just(How::Plain),
        2 => (0..3_u8).prop_map(How::In),
        1 => Just(How::Forgetting),
    ];
    let meets = prop_oneof![
        Just(Meets::Commit),
        Just(Meets::Forget),
        Just(Meets::Opening)
    ];
    prop_oneof![
        12 => (0..3_usize, key(), how).prop_map(|(table, key, how)| Step::Put(table, key, how)),
        6 => (0..3_usize, key()).prop_map(|(table, key)| Step::Delete(table, key)),
        6 => Just(Step::Commit),
        3 => Just(Step::Forget),
        1 => Just(Step::Reopen),
        2 => Just(Step::Crash),
        2 => (0..4000_u16, meets).prop_map(|(bytes, meets)| Step::Cut(bytes, meets)),
        1 => Just(Step::Rotate),
    ]
}

/// What there is, and which versions the keys that exist may open.
#[derive(Clone, Default)]
struct Model {
    live: BTreeMap<Key, (u64, Class)>,
    /// Versions sealed under the slot that a bucket has now.
    sealed: BTreeMap<Bucket, BTreeSet<u64>>,
}

/// What is done to one record in a step, all of it together.
#[derive(Clone, Copy, Default)]
struct Write {
    /// `None` deletes.
    version: Option<u64>,
    class: Option<Class>,
    is_forgetting: bool,
    was_deleted: bool,
}

impl Model {
    fn commit(&mut self, staged: &BTreeMap<Key, Write>) {
        let (mut rekeyed, mut left) = (BTreeSet::new(), BTreeSet::new());
        for ((table, key), write) in staged {
            let at = (*table, key.clone());
            let before = self.live.remove(&at);
            let old = before.map(|(_, class)| (*table, key[0], class));
            let class = write
                .class
                .or_else(|| before.map(|(_, class)| class))
                .unwrap_or_default();
            let new = write.version.map(|_| (*table, key[0], class));
            if let Some(version) = write.version {
                self.live.insert(at, (version, class));
                self.sealed
                    .entry((*table, key[0], class))
                    .or_default()
                    .insert(version);
            }
            let Some(old) = old else { continue };
            let leaves = new != Some(old);
            let must = write.is_forgetting || (*table == PAGED && (leaves || write.was_deleted));
            if must {
                rekeyed.insert(old);
            } else if leaves {
                left.insert(old);
            }
        }
        for bucket in rekeyed {
            let live = self.live_in(bucket);
            self.sealed.insert(bucket, live);
        }
        for bucket in left {
            if self.live_in(bucket).is_empty() {
                self.sealed.remove(&bucket);
            }
        }
    }

    fn live_in(&self, bucket: Bucket) -> BTreeSet<u64> {
        let is_in =
            |((table, key), (_, class)): &(&Key, &(u64, Class))| (*table, key[0], *class) == bucket;
        let live = self.live.iter().filter(is_in);
        live.map(|(_, (version, _))| *version).collect()
    }

    /// Which versions may be opened.
    fn openable(&self) -> BTreeSet<u64> {
        let own = self.live.iter().filter(|((table, _), _)| *table == OWN);
        let own = own.map(|(_, (version, _))| *version);
        let shared = self.sealed.iter().filter(|((table, ..), _)| *table != OWN);
        own.chain(shared.flat_map(|(_, versions)| versions.iter().copied()))
            .collect()
    }
}

struct Run {
    disk: MemoryDisk,
    store: Option<Store>,
    model: Model,
    staged: BTreeMap<Key, Write>,
    /// Every row that was ever durable.
    history: Vec<u8>,
    versions: u64,
}

impl Run {
    fn new() -> Self {
        let disk = MemoryDisk::new();
        let store = Some(Store::open_memory(&disk, [1; 32]).unwrap());
        Self {
            disk,
            store,
            model: Model::default(),
            staged: BTreeMap::new(),
            history: Vec::new(),
            versions: 0,
        }
    }

    fn store(&mut self) -> &mut Store {
        self.store.as_mut().unwrap()
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Commit => {
                self.store().commit().unwrap();
                self.committed();
            }
            Step::Crash => {
                let image = self.disk.image();
                self.disk = image;
                self.reopen();
            }
            Step::Cut(bytes, meets) => self.cut(usize::from(bytes), meets),
            Step::Delete(table, key) => {
                self.store().delete(TABLES[table], &key).unwrap();
                let write = self.write(table, key);
                *write = Write {
                    was_deleted: true,
                    is_forgetting: write.is_forgetting,
                    ..Write::default()
                };
            }
            Step::Forget => {
                self.store().forget().unwrap();
                assert!(!self.store().forget_due());
                self.check_forgotten();
            }
            Step::Put(table, key, how) => self.put(table, key, how),
            Step::Reopen => self.reopen(),
            Step::Rotate => {
                self.store().rotate_master(None).unwrap();
                self.check_forgotten();
            }
        }
    }

    fn put(&mut self, table: usize, key: [u8; 2], how: How) {
        self.versions += 1;
        let version = self.versions;
        let mut value = [MARK, &version.to_be_bytes()].concat();
        // Some are longer than one row.
        value.resize(if version.is_multiple_of(7) { 5000 } else { 40 }, 0);
        let at = TABLES[table];
        match how {
            How::Plain => self.store().put(at, &key, &value),
            How::In(class) => self.store().put_in(at, &key, Class(class.into()), &value),
            How::Forgetting => self.store().put_forgetting(at, &key, &value),
        }
        .unwrap();
        let write = self.write(table, key);
        let class = match how {
            How::In(class) => Some(Class(class.into())),
            // After a deletion in the same step the record counts as new.
            How::Forgetting | How::Plain if write.was_deleted && write.version.is_none() => {
                Some(Class::NONE)
            }
            How::Forgetting | How::Plain => write.class,
        };
        *write = Write {
            version: Some(version),
            class,
            is_forgetting: write.is_forgetting || how == How::Forgetting,
            was_deleted: write.was_deleted,
        };
    }

    fn write(&mut self, table: usize, key: [u8; 2]) -> &mut Write {
        self.staged
            .entry((TABLES[table], key.to_vec()))
            .or_default()
    }

    fn committed(&mut self) {
        // A record that is not there and is deleted is nothing.
        let model = &self.model;
        self.staged
            .retain(|at, write| write.version.is_some() || model.live.contains_key(at));
        self.model.commit(&self.staged);
        self.staged.clear();
        self.history.extend(rows_of(&self.disk));
    }

    fn cut(&mut self, bytes: usize, meets: Meets) {
        match meets {
            Meets::Commit => {
                self.disk.cut_power_after_slot_bytes(bytes);
                if self.store().commit().is_ok() {
                    self.committed();
                }
            }
            Meets::Forget => {
                self.disk.cut_power_after_slot_bytes(bytes);
                let _ = self.store().forget();
            }
            Meets::Opening => {
                self.disk = self.disk.image();
                self.disk.cut_power_after_slot_bytes(bytes);
                let _ = Store::open_memory(&self.disk, [2; 32]);
            }
        }
        self.disk = self.disk.image();
        self.reopen();
    }

    fn reopen(&mut self) {
        self.store = None;
        self.staged.clear();
        self.store = Some(Store::open_memory(&self.disk, [2; 32]).unwrap());
        self.check_present();
        self.check_forgotten();
    }

    fn check_present(&mut self) {
        let expected = self.model.live.clone();
        assert_eq!(self.store().verify().unwrap(), expected.len() as u64);
        for ((table, key), (version, _)) in expected {
            let value = self.store().get(table, &key).unwrap().unwrap();
            assert_eq!(version_in(&value), Some(version));
        }
    }

    /// Only after the store has been brought up to date.
    fn check_forgotten(&self) {
        let carver = Carver::of_memory(&self.disk).unwrap();
        let recognise = |plain: &[u8]| version_in(plain.get(4..).unwrap_or_default()).is_some();
        let sightings = carver.carve(&self.history, Effort::NamedSlot, recognise);
        let open = sightings
            .iter()
            .filter_map(|sighting| version_in(&sighting.plain.as_ref()?[4..]));
        let open: BTreeSet<u64> = open.collect();
        let live: BTreeSet<u64> = self
            .model
            .live
            .values()
            .map(|(version, _)| *version)
            .collect();
        assert!(live.is_subset(&open), "carving misses {:?}", &live - &open);
        let allowed = self.model.openable();
        assert!(
            open.is_subset(&allowed),
            "not forgotten: {:?}",
            &open - &allowed
        );
    }
}

fn version_in(plain: &[u8]) -> Option<u64> {
    let version = plain.strip_prefix(MARK)?.first_chunk()?;
    Some(u64::from_be_bytes(*version))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("SORI_STORE_CASES").map_or(100, |n| n.parse().unwrap())
    ))]
    #[test]
    fn what_is_deleted_or_overwritten_is_gone_and_nothing_else(steps in prop::collection::vec(step(), 1..80)) {
        let mut run = Run::new();
        for step in steps {
            run.apply(step);
        }
        run.apply(Step::Commit);
        run.apply(Step::Forget);
        run.reopen();
    }
}
