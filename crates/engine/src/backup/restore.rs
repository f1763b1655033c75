//! Making a profile of a backup.

use sori_mls::GroupId;
use sori_store::backup::BackupRecord;
use sori_store::{Class, Store, Table};

use super::{FORMAT, HEAD, Head};
use crate::engine::Engine;
use crate::error::Error;
use crate::expiry;
use crate::group::Group;
use crate::record::{self, LogRecord, MessageRecord};
use crate::table::{self, day};
use crate::time::Time;
use crate::timeline::Part;

/// Records staged before they are made durable: bounds what is in memory.
const STAGED_MAX: usize = 512;
const STAGED_LEN_MAX: usize = 4 * 1024 * 1024;

/// A profile in the making. Only after [`Restore::finish`] it is one.
pub struct Restore {
    store: Store,
    head: Option<Head>,
    /// Key of the log entry that was read last, and its day.
    entry: Option<(Vec<u8>, Class)>,
    staged: usize,
    staged_len: usize,
}

/// How far the second half of restoring is: messages found again, and messages in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RestoreProgress {
    /// Messages that have their place in a timeline and can be searched.
    pub done: u64,
    /// Messages in all, about.
    pub total: u64,
}

impl std::fmt::Debug for Restore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Restore")
    }
}

impl Restore {
    /// Begins on an empty store.
    #[must_use]
    pub const fn new(store: Store) -> Self {
        Self {
            store,
            head: None,
            entry: None,
            staged: 0,
            staged_len: 0,
        }
    }

    /// Takes one record of a backup, in the order in which they were written.
    ///
    /// # Errors
    /// [`Error::NewerBackup`] for the head of a later format, [`Error::Internal`] for a record that is not of a
    /// backup, or trouble with the store. Then the store is of no use.
    pub fn record(&mut self, record: &BackupRecord) -> Result<(), Error> {
        if self.head.is_none() {
            self.head = Some(read_head(record)?);
            return Ok(());
        }
        let (table, class) = self.place(record)?;
        self.store
            .put_in(table, &record.key, class, &record.value)?;
        self.staged = self.staged.saturating_add(1);
        self.staged_len = self.staged_len.saturating_add(record.value.len());
        if self.staged >= STAGED_MAX || self.staged_len >= STAGED_LEN_MAX {
            self.commit()?;
        }
        Ok(())
    }

    /// Derives what is not in a backup, and gives up the groups' states: the engine will enter them anew. To be
    /// called when the backup is known to be whole. `seed` as for [`Engine::open`].
    ///
    /// # Errors
    /// As [`Restore::record`].
    pub fn finish(
        mut self,
        seed: [u8; 32],
        now: Time,
        progress: &mut dyn FnMut(RestoreProgress),
    ) -> Result<Engine, Error> {
        let total = self.head.ok_or(NOT_OF_A_BACKUP)?.messages;
        self.commit()?;
        let mut engine = Engine::open(self.store, seed, now)?;
        engine.me().map_err(|_| NOT_OF_A_BACKUP)?;
        let mut at = RestoreProgress { done: 0, total };
        for id in engine.groups.keys().copied().collect::<Vec<_>>() {
            engine.index_again(id, &mut at, progress)?;
        }
        engine.load_expiries()?;
        engine.mark_restored(now)?;
        engine.flush(now)?;
        engine.forget()?;
        Ok(engine)
    }

    fn commit(&mut self) -> Result<(), Error> {
        (self.staged, self.staged_len) = (0, 0);
        Ok(self.store.commit()?)
    }

    /// The table of a record, and with what it is forgotten.
    fn place(&mut self, record: &BackupRecord) -> Result<(Table, Class), Error> {
        let known = [
            table::ACCOUNT,
            table::ARRANGEMENT,
            table::ATTENTION,
            table::CHANNEL,
            table::CONTACT,
            table::CURSOR,
            table::GROUP,
            table::LOG,
            table::MESSAGE,
            table::PINS,
            table::RESYNC,
            table::SEALED,
        ];
        let number = record.table;
        let table = known.into_iter().find(|table| table.number() == number);
        let table = table.ok_or(NOT_OF_A_BACKUP)?;
        let class = if table == table::MESSAGE {
            expiry::class_of(&record::decode::<MessageRecord>(&record.value)?)
        } else if table == table::LOG {
            let class = day(record::decode::<LogRecord>(&record.value)?.day);
            self.entry = Some((record.key.clone(), class));
            class
        } else if table == table::SEALED {
            let entry = self.entry.as_ref().filter(|(key, _)| *key == record.key);
            entry.ok_or(NOT_OF_A_BACKUP)?.1
        } else {
            Class::NONE
        };
        Ok((table, class))
    }
}

fn read_head(record: &BackupRecord) -> Result<Head, Error> {
    if record.table != HEAD {
        return Err(NOT_OF_A_BACKUP);
    }
    // The format stands first, whatever comes behind it.
    let (format, _) =
        postcard::take_from_bytes::<u16>(&record.value).map_err(|_| NOT_OF_A_BACKUP)?;
    if format != FORMAT {
        return Err(Error::NewerBackup);
    }
    record::decode(&record.value)
}

impl Engine {
    /// Derives from the messages of a group where they stand, what changes what, when they disappear and how
    /// they are found. Each page of messages is one step.
    pub(crate) fn index_again(
        &mut self,
        id: GroupId,
        at: &mut RestoreProgress,
        progress: &mut dyn FnMut(RestoreProgress),
    ) -> Result<(), Error> {
        let end = self.with_group(id, |_, group| {
            group.timeline = None;
            group.cursor.indexed = 0;
            Ok(std::mem::take(&mut group.cursor.next_message))
        })?;
        for sequence in 0..end {
            self.with_group(id, |engine, group| engine.index_one(group, sequence))?;
            at.done = at.done.saturating_add(1);
            if sequence % 256 == 255 || sequence.saturating_add(1) == end {
                self.with_group(id, |engine, group| engine.save_cursor(group))?;
                self.store.commit()?;
                progress(*at);
            }
        }
        Ok(())
    }

    fn index_one(&mut self, group: &mut Group, sequence: u64) -> Result<(), Error> {
        group.cursor.next_message = sequence.saturating_add(1);
        let Some(record) = self.message_record(group, sequence)? else {
            return self.note_arrival(group, sequence);
        };
        self.plan_expiry(group.record.number, sequence, &record)?;
        let part = self.index_message(group, &record, sequence)?;
        let line = match part {
            Part::Line => record.id,
            Part::Change(target) => target,
        };
        // The change may have come between the reading of the line and its own.
        self.forget_what_changed(group, line)?;
        self.note_arrival(group, sequence)
    }
}

/// A record that no backup has.
const NOT_OF_A_BACKUP: Error = Error::Internal("not a record of a backup");
