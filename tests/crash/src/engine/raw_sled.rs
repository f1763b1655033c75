//! sled 0.34.7 without any of the store's rails: what it acknowledges after its own flush.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use super::{Engine, HEAD_KEY, Subject, from_plain_key, number, plain_writes};
use crate::error::Error;
use crate::model::Contents;
use crate::plan::Step;

const FOLDER: &str = "sled";

#[derive(Debug)]
struct Plain(sled::Db);

/// sled panics on some damaged files.
fn fenced<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T, Error> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(Engine::Sled.says()),
        Err(_) => Err(Engine::Sled.says()("it panicked")),
    }
}

pub(super) fn exists(dir: &Path) -> bool {
    dir.join(FOLDER).is_dir()
}

pub(super) fn open(dir: &Path) -> Result<impl Subject + use<>, Error> {
    let config = sled::Config::new()
        .path(dir.join(FOLDER))
        .cache_capacity(16 * 1024 * 1024)
        .flush_every_ms(Some(500));
    let mut opened = fenced(|| config.open());
    for _ in 0..200 {
        // A thread of the last user may be about to let go of the lock.
        let is_locked =
            matches!(&opened, Err(Error::Engine { what, .. }) if what.contains("acquire lock"));
        if !is_locked {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
        opened = fenced(|| config.open());
    }
    let db = opened?;
    // That it syncs no names is not held against it: its log alone has to convict it.
    super::redb::sync_folder(&dir.join(FOLDER))?;
    super::redb::sync_folder(dir)?;
    Ok(Plain(db))
}

impl Subject for Plain {
    fn take(&mut self, step: &Step, head: u64) -> Result<(), Error> {
        let writes = plain_writes(step, head);
        if writes.is_empty() {
            return Ok(());
        }
        let mut batch = sled::Batch::default();
        for (key, value) in writes {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        fenced(|| self.0.apply_batch(batch))?;
        fenced(|| self.0.flush().map(drop))
    }

    fn head(&self) -> Result<u64, Error> {
        let head = fenced(|| self.0.get(HEAD_KEY))?;
        head.map_or(Ok(0), |head| number(&head))
    }

    fn contents(&self) -> Result<Contents, Error> {
        let rows: Vec<_> = fenced(|| self.0.iter().collect::<sled::Result<Vec<_>>>())?;
        let place = |key: &sled::IVec| from_plain_key(key);
        Ok(rows
            .iter()
            .filter_map(|(key, value)| Some((place(key)?, value.to_vec())))
            .collect())
    }
}
