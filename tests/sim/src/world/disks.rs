//! Programs, and the disks that they stand on.

use sori_engine::{Engine, Error, Restore, Time};
use sori_store::backup::BackupRecord;
use sori_store::{MemoryDisk, Store, Table};

use super::{Person, World};

impl World {
    /// Starts somebody's program on what the disk holds.
    pub fn start(&mut self, who: usize) {
        self.start_as(who, |_, _| Ok(()));
    }

    pub(super) fn start_as(
        &mut self,
        who: usize,
        first: impl FnOnce(&mut Engine, Time) -> Result<(), Error>,
    ) {
        let (store_seed, engine_seed) = (self.seed32(), self.seed32());
        let store = Store::open_memory(&self.people[who].disk, store_seed).unwrap();
        let mut engine = Engine::open(store, engine_seed, self.time(who)).unwrap();
        first(&mut engine, self.time(who)).unwrap();
        self.people[who].engine = Some(engine);
        self.people[who].is_failing = false;
        self.flush(who);
    }

    /// A copy of somebody's disk as it is now.
    pub fn image(&self, who: usize) -> MemoryDisk {
        self.people[who].disk.image()
    }

    /// How many commits somebody's disk has seen, and how many bytes they wrote.
    pub fn written(&self, who: usize) -> (u64, u64) {
        let disk = &self.people[who].disk;
        (disk.commits(), disk.written())
    }

    /// How many bytes somebody's disk holds.
    pub fn held(&self, who: usize) -> u64 {
        self.people[who].disk.held()
    }

    /// Puts an older copy in the place of somebody's disk and starts the program, which is told.
    pub fn put_back(&mut self, who: usize, image: &MemoryDisk) {
        self.kill(who);
        self.people[who].disk = image.image();
        self.people[who].shown.clear();
        self.start_as(who, |engine, now| engine.mark_restored(now));
    }

    /// Puts an older copy in the place of somebody's disk and starts the program, which is told nothing.
    pub fn put_back_secretly(&mut self, who: usize, image: &MemoryDisk) {
        self.kill(who);
        self.people[who].disk = image.image();
        self.people[who].shown.clear();
        self.start(who);
    }

    /// Spoils what somebody's disk holds: whoever's program starts again cannot follow the commits of others.
    pub fn forget_path_keys(&mut self, who: usize) {
        /// The table of snapshots, and the kind of the rows with the keys of a member's path.
        const SNAPSHOTS: Table = Table::log(5, 8);
        const PATH_KEYS: u8 = 14;
        self.kill(who);
        let seed = self.seed32();
        let mut store = Store::open_memory(&self.people[who].disk, seed).unwrap();
        let mut found = 0;
        for (key, bytes) in store.range(SNAPSHOTS, &[]).unwrap() {
            // The other half of each snapshot is public.
            if key.last() != Some(&0) {
                continue;
            }
            let mut rows: Vec<(Vec<u8>, Vec<u8>)> = postcard::from_bytes(&bytes).unwrap();
            let before = rows.len();
            rows.retain(|(row, _)| row[0] != PATH_KEYS);
            found += before - rows.len();
            let bytes = postcard::to_allocvec(&rows).unwrap();
            store.put(SNAPSHOTS, &key, &bytes).unwrap();
        }
        assert!(found > 0, "no such rows");
        store.commit().unwrap();
        drop(store);
        self.start(who);
    }

    /// Leaves of somebody's disk what a backup holds: no state, no commit, no KeyPackage, no channel log.
    /// Then starts the program, which is told.
    pub fn restore_without_state(&mut self, who: usize) {
        /// Snapshots, commits, log, sealed bytes, what waits, KeyPackages, chunks, message keys, pieces.
        const LEFT_OUT: [Table; 9] = [
            Table::log(5, 8),
            Table::log(6, 11),
            Table::log(8, 11),
            Table::log(9, 11),
            Table::log(10, 11),
            Table::own(14),
            Table::log(15, 13),
            Table::own(18),
            Table::own(19),
        ];
        self.kill(who);
        let seed = self.seed32();
        let mut store = Store::open_memory(&self.people[who].disk, seed).unwrap();
        let mut left_out = 0;
        for table in LEFT_OUT {
            for (key, _) in store.range(table, &[]).unwrap() {
                store.delete(table, &key).unwrap();
                left_out += 1;
            }
        }
        assert!(left_out > 20, "{left_out} rows");
        store.commit().unwrap();
        drop(store);
        self.start_as(who, |engine, now| engine.mark_restored(now));
    }

    /// The records of a backup of somebody's profile as it is now.
    pub fn backup(&mut self, who: usize) -> Vec<BackupRecord> {
        let records = self.act(who, |engine, now| {
            let mut backup = engine.backup(now)?;
            let mut records = Vec::new();
            while let Some(part) = engine.backup_next(&mut backup)? {
                records.extend(part);
            }
            Ok(records)
        });
        records.unwrap()
    }

    /// Somebody's disk is gone, and another one made of a backup. Then starts the program.
    pub fn restore(&mut self, who: usize, backup: &[BackupRecord]) {
        self.kill(who);
        self.people[who].disk = MemoryDisk::new();
        let (store_seed, engine_seed) = (self.seed32(), self.seed32());
        let store = Store::open_memory(&self.people[who].disk, store_seed).unwrap();
        let mut restore = Restore::new(store);
        for record in backup {
            restore.record(record).unwrap();
        }
        let engine = restore.finish(engine_seed, self.time(who), &mut |_| {});
        drop(engine.unwrap());
        self.start(who);
    }

    /// Somebody more, with a copy of another's disk and a program that is told nothing.
    pub fn copy_of(&mut self, image: &MemoryDisk) -> usize {
        self.people.push(Person::with(image.image()));
        self.people.len() - 1
    }

    /// Ends somebody's program as a power cut would: what was not flushed is gone.
    pub fn kill(&mut self, who: usize) {
        let person = &mut self.people[who];
        // What the disk holds at this moment: a store that is dropped closes it in order, which a crash does not.
        person.disk = person.disk.image();
        person.engine = None;
        self.hang_up(who);
        self.set_timer(who, None);
        self.queue.retain(|_, (to, _)| *to != who);
        self.gaps.retain(|(to, _)| *to != who);
    }

    /// Whether somebody's program runs.
    pub fn runs(&self, who: usize) -> bool {
        self.people[who].engine.is_some()
    }

    /// Whether somebody's disk is about to fail.
    #[must_use]
    pub fn is_failing(&self, who: usize) -> bool {
        self.people[who].is_failing
    }

    /// The rows of a table on somebody's disk, in the order of their keys.
    pub(crate) fn rows(&mut self, who: usize, table: Table) -> Vec<Vec<u8>> {
        let seed = self.seed32();
        let disk = self.people[who].disk.image();
        let store = Store::open_memory(&disk, seed).unwrap();
        let rows = store.range(table, &[]).unwrap();
        rows.into_iter().map(|(_, bytes)| bytes.to_vec()).collect()
    }
}
