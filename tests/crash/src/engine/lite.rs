//! SQLite with a write-ahead log and full syncs.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

use super::{Engine, HEAD_KEY, Subject, from_plain_key, number, plain_writes};
use crate::error::Error;
use crate::model::Contents;
use crate::plan::Step;

const FILE: &str = "sqlite";
/// Exclusive before the log is chosen: then its index is in memory, not in a mapping that the recorder cannot see.
const SETTINGS: &str =
    "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS records (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;";

#[derive(Debug)]
struct Plain(Connection);

fn says<E: std::fmt::Display>(error: E) -> Error {
    Engine::Sqlite.says()(error)
}

pub(super) fn exists(dir: &Path) -> bool {
    dir.join(FILE).is_file()
}

pub(super) fn open(dir: &Path) -> Result<impl Subject + use<>, Error> {
    let connection = Connection::open(dir.join(FILE)).map_err(says)?;
    connection.execute_batch(SETTINGS).map_err(says)?;
    super::redb::sync_folder(dir)?;
    Ok(Plain(connection))
}

impl Subject for Plain {
    fn take(&mut self, step: &Step, head: u64) -> Result<(), Error> {
        let writes = plain_writes(step, head);
        if writes.is_empty() {
            return Ok(());
        }
        let transaction = self.0.transaction().map_err(says)?;
        for (key, value) in &writes {
            match value {
                Some(value) => transaction.execute(
                    "INSERT OR REPLACE INTO records VALUES (?1, ?2)",
                    params![key, value],
                ),
                None => transaction.execute("DELETE FROM records WHERE key = ?1", params![key]),
            }
            .map_err(says)?;
        }
        transaction.commit().map_err(says)
    }

    fn head(&self) -> Result<u64, Error> {
        let sql = "SELECT value FROM records WHERE key = ?1";
        let head = self
            .0
            .query_row(sql, params![HEAD_KEY], |row| row.get::<_, Vec<u8>>(0));
        let head = head.optional().map_err(says)?;
        head.map_or(Ok(0), |head| number(&head))
    }

    fn contents(&self) -> Result<Contents, Error> {
        let sql = "SELECT key, value FROM records";
        let mut statement = self.0.prepare(sql).map_err(says)?;
        let rows = statement.query_map([], |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?))
        });
        let mut contents = Contents::new();
        for row in rows.map_err(says)? {
            let (key, value) = row.map_err(says)?;
            if let Some(place) = from_plain_key(&key) {
                contents.insert(place, value);
            }
        }
        Ok(contents)
    }
}
