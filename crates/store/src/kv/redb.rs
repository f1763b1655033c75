//! The redb backend: the second engine, for comparison and as the way out of the first.
//!
//! redb 4 needs fewer rails than sled. What is set or added here, and why:
//!
//! 1. Every commit is `Durability::Immediate` in one phase: one sync of the device. Checksums tell a torn
//!    commit from a whole one. (Two phases guard against somebody who chooses the bytes of the rows; ours
//!    are sealed. `quick_repair` would cost a second sync each time, to spare a walk after a crash.)
//! 2. After a crash redb walks the whole tree and checks every page; a damaged latest commit falls back to
//!    the one before, which the ledger and the witness then notice.
//! 3. After an orderly close redb believes its pages. So where the file is not known to be as it was left,
//!    it is opened with the check of every page that redb offers.
//! 4. redb syncs its file, not the folder: that is synced at each opening.
//! 5. redb may panic on damaged pages: every call into it is fenced.
//! 6. The cache is as small as sled's; redb's own choice is 1 GiB.

use std::io::ErrorKind;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use redb::{Database, Durability, ReadableDatabase, TableDefinition, TableError};

use super::backend::Backend;
use super::{Care, Kv, Op, Row, Stats, fence};
use crate::error::Error;
use crate::ledger::DATABASE;
use crate::profile::files;

/// redb's page cache.
const CACHE_LEN: usize = 16 * 1024 * 1024;
/// The one table.
const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");

/// An open redb database.
pub(crate) struct RedbKv {
    db: Database,
    dir: PathBuf,
}

impl RedbKv {
    /// Opens or makes the database in the folder `dir`.
    pub(crate) fn open(dir: &Path, care: Care) -> Result<Self, Error> {
        files::create_private_dir(dir)?;
        let path = Backend::Redb.log_path(dir);
        // Made here, so that nobody else can read it from its first moment on.
        files::open_private(&path)?;
        files::make_private(dir)?;
        let db = fenced(|| {
            let mut builder = Database::builder();
            builder.set_cache_size(CACHE_LEN);
            builder.set_check_integrity_on_open(care != Care::Usual);
            let db = builder.create(&path)?;
            if let Err(TableError::TableDoesNotExist(_)) = db.begin_read()?.open_table(ROWS) {
                let write = db.begin_write()?;
                write.open_table(ROWS)?;
                write.commit()?;
            }
            Ok(db)
        })?;
        files::sync_tree(dir)?;
        let dir = dir.to_path_buf();
        Ok(Self { db, dir })
    }
}

impl Kv for RedbKv {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        fenced(|| {
            let table = self.db.begin_read()?.open_table(ROWS)?;
            Ok(table.get(key)?.map(|value| value.value().to_vec()))
        })
    }

    fn range(&self, from: &[u8], to: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, Error> {
        if to.is_some_and(|to| to <= from) {
            return Ok(Vec::new());
        }
        let to = to.map_or(Bound::Unbounded, Bound::Excluded);
        fenced(|| {
            let table = self.db.begin_read()?.open_table(ROWS)?;
            let mut rows = Vec::new();
            for row in table
                .range::<&[u8]>((Bound::Included(from), to))?
                .take(limit)
            {
                let (key, value) = row?;
                rows.push((key.value().to_vec(), value.value().to_vec()));
            }
            Ok(rows)
        })
    }

    fn commit(&self, ops: Vec<Op>) -> Result<(), Error> {
        if ops.is_empty() {
            return Ok(());
        }
        fenced(|| {
            let mut write = self.db.begin_write()?;
            write.set_durability(Durability::Immediate)?;
            let mut table = write.open_table(ROWS)?;
            for Op { key, value } in &ops {
                match value {
                    Some(value) => table.insert(key.as_slice(), value.as_slice())?,
                    None => table.remove(key.as_slice())?,
                };
            }
            drop(table);
            Ok(write.commit()?)
        })
    }

    fn maintain(&self) -> Result<Stats, Error> {
        let files = files::entries(&self.dir)?;
        Ok(Stats {
            len_on_disk: Backend::Redb.log_len(&self.dir),
            stray_files: u64::try_from(files.len().saturating_sub(1)).unwrap_or(u64::MAX),
            ..Stats::default()
        })
    }
}

impl std::fmt::Debug for RedbKv {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RedbKv")
    }
}

/// Runs a call into redb, turning panics and redb's errors into ours.
fn fenced<T>(call: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, Error> {
    match fence::fenced(call) {
        Ok(result) => result.map_err(|error| translate(&error)),
        Err(fence::Panicked) => Err(Error::Corrupt { file: DATABASE }),
    }
}

fn translate(error: &redb::Error) -> Error {
    if let redb::Error::Io(error) = error {
        // The file is shorter than its pages say, or does not begin as redb's files do.
        if matches!(
            error.kind(),
            ErrorKind::InvalidData | ErrorKind::UnexpectedEof
        ) {
            return Error::Corrupt { file: DATABASE };
        }
        return Error::from(error.kind());
    }
    if matches!(error, redb::Error::DatabaseAlreadyOpen) {
        return Error::InUse;
    }
    if matches!(error, redb::Error::PreviousIo | redb::Error::DatabaseClosed) {
        return Error::Poisoned;
    }
    Error::Corrupt { file: DATABASE }
}
