//! An engine without the sealing: for measuring what sealing costs, and nothing else.

use std::path::Path;

use super::{Backend, Care, Kv, Op};
use crate::error::Error;

/// A database that keeps rows as they are given. What it writes is readable by everybody who has the file.
#[doc(hidden)]
#[derive(Debug)]
pub struct Unsealed(Box<dyn Kv>);

impl Unsealed {
    /// Opens or makes a database in `dir`.
    ///
    /// # Errors
    /// As [`Store::open`](crate::Store::open).
    pub fn open(dir: &Path, backend: Backend) -> Result<Self, Error> {
        backend.open(dir, Care::Usual).map(Self)
    }

    /// Writes all rows as one durable step.
    ///
    /// # Errors
    /// As [`Store::commit`](crate::Store::commit).
    pub fn commit(&self, rows: Vec<(Vec<u8>, Vec<u8>)>) -> Result<(), Error> {
        let put = |(key, row)| Op {
            key,
            value: Some(row),
        };
        self.0.commit(rows.into_iter().map(put).collect())
    }

    /// The row at `key`.
    ///
    /// # Errors
    /// As [`Store::get`](crate::Store::get).
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.0.get(key)
    }
}
