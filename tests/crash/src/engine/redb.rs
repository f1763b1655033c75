//! redb as it comes, with durable commits.

use std::fs;
use std::path::Path;

use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};

use super::{Engine, HEAD_KEY, Subject, from_plain_key, number, plain_writes};
use crate::error::Error;
use crate::model::Contents;
use crate::plan::Step;

const FILE: &str = "redb";
const NEW_FILE: &str = "redb.new";
const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("records");

struct Plain(Database);

impl std::fmt::Debug for Plain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("redb")
    }
}

fn says<E: std::fmt::Display>(error: E) -> Error {
    Engine::Redb.says()(error)
}

pub(super) fn exists(dir: &Path) -> bool {
    dir.join(FILE).is_file()
}

pub(super) fn open(dir: &Path) -> Result<impl Subject + use<>, Error> {
    let path = dir.join(FILE);
    if !path.is_file() {
        // redb leaves the making of its file and the name of it to its user: half a file does not open.
        let new = dir.join(NEW_FILE);
        if new.is_file() {
            fs::remove_file(&new).map_err(Error::at(&new))?;
        }
        drop(Database::create(&new).map_err(says)?);
        let file = fs::File::open(&new).map_err(Error::at(&new))?;
        file.sync_all().map_err(Error::at(&new))?;
        fs::rename(&new, &path).map_err(Error::at(&path))?;
        sync_folder(dir)?;
    }
    Ok(Plain(Database::open(path).map_err(says)?))
}

pub(super) fn sync_folder(dir: &Path) -> Result<(), Error> {
    let folder = fs::File::open(dir).map_err(Error::at(dir))?;
    folder.sync_all().map_err(Error::at(dir))
}

impl Subject for Plain {
    fn take(&mut self, step: &Step, head: u64) -> Result<(), Error> {
        let writes = plain_writes(step, head);
        if writes.is_empty() {
            return Ok(());
        }
        let mut transaction = self.0.begin_write().map_err(says)?;
        transaction
            .set_durability(Durability::Immediate)
            .map_err(says)?;
        {
            let mut table = transaction.open_table(TABLE).map_err(says)?;
            for (key, value) in &writes {
                match value {
                    Some(value) => table.insert(key.as_slice(), value.as_slice()),
                    None => table.remove(key.as_slice()),
                }
                .map_err(says)?;
            }
        }
        transaction.commit().map_err(says)
    }

    fn head(&self) -> Result<u64, Error> {
        let transaction = self.0.begin_read().map_err(says)?;
        let table = match transaction.open_table(TABLE) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(0),
            Err(error) => return Err(says(error)),
        };
        let head = table.get(HEAD_KEY).map_err(says)?;
        head.map_or(Ok(0), |head| number(head.value()))
    }

    fn contents(&self) -> Result<Contents, Error> {
        let transaction = self.0.begin_read().map_err(says)?;
        let table = match transaction.open_table(TABLE) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Contents::new()),
            Err(error) => return Err(says(error)),
        };
        let mut contents = Contents::new();
        for row in table.iter().map_err(says)? {
            let (key, value) = row.map_err(says)?;
            if let Some(place) = from_plain_key(key.value()) {
                contents.insert(place, value.value().to_vec());
            }
        }
        Ok(contents)
    }
}
