//! The engines under test behind one face: the real store, controls that must lose nothing, and one that must.

#[cfg(feature = "sqlite")]
mod lite;
mod raw_sled;
mod redb;
mod sori;

pub(crate) use sori::Large;

use std::fmt::{Debug, Display};
use std::path::Path;

use sori_store::Backend;

use crate::error::Error;
use crate::model::Contents;
use crate::plan::{Kind, Step};

/// Which engine.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, clap::ValueEnum)]
pub enum Engine {
    /// Control: redb as it is. It must lose nothing.
    Redb,
    /// Control: sled 0.34.7 as it is, acknowledging after its own flush. It must lose something.
    Sled,
    /// The store, on sled.
    Sori,
    /// The store, on redb.
    SoriRedb,
    /// Control: SQLite with a write-ahead log and full syncs. It must lose nothing.
    #[cfg(feature = "sqlite")]
    Sqlite,
}

/// Those that must lose nothing.
pub const SAFE: &[Engine] = &[
    Engine::Sori,
    Engine::SoriRedb,
    Engine::Redb,
    #[cfg(feature = "sqlite")]
    Engine::Sqlite,
];

/// An open store of any engine.
pub(crate) trait Subject: Debug {
    /// Carries out a step that leads to `head`; durable when it returns.
    ///
    /// # Errors
    /// [`Error::Engine`] with what the engine said.
    fn take(&mut self, step: &Step, head: u64) -> Result<(), Error>;

    /// The last step that changed the contents, as the store itself remembers it; 0 if there was none.
    ///
    /// # Errors
    /// [`Error::Engine`] with what the engine said.
    fn head(&self) -> Result<u64, Error>;

    /// Everything that it holds.
    ///
    /// # Errors
    /// [`Error::Engine`] with what the engine said.
    fn contents(&self) -> Result<Contents, Error>;
}

impl Engine {
    /// What it is called in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Redb => "redb",
            Self::Sled => "sled",
            Self::Sori => "sori",
            Self::SoriRedb => "sori-redb",
            #[cfg(feature = "sqlite")]
            Self::Sqlite => "sqlite",
        }
    }

    /// True for our store, on whatever backend, and false for the controls.
    pub(crate) const fn is_ours(self) -> bool {
        matches!(self, Self::Sori | Self::SoriRedb)
    }

    /// True if there is a store in `dir`.
    #[must_use]
    pub(crate) fn exists(self, dir: &Path) -> bool {
        match self {
            Self::Redb => redb::exists(dir),
            Self::Sled => raw_sled::exists(dir),
            Self::Sori | Self::SoriRedb => sori::exists(dir),
            #[cfg(feature = "sqlite")]
            Self::Sqlite => lite::exists(dir),
        }
    }

    /// Makes a store in `dir`; durable when it returns.
    ///
    /// # Errors
    /// [`Error::Engine`] with what the engine said.
    pub(crate) fn create(self, dir: &Path, entropy: u64) -> Result<Box<dyn Subject>, Error> {
        Ok(match self {
            Self::Redb => Box::new(redb::open(dir)?),
            Self::Sled => Box::new(raw_sled::open(dir)?),
            Self::Sori => Box::new(sori::create(dir, Backend::Sled, entropy)?),
            Self::SoriRedb => Box::new(sori::create(dir, Backend::Redb, entropy)?),
            #[cfg(feature = "sqlite")]
            Self::Sqlite => Box::new(lite::open(dir)?),
        })
    }

    /// Opens the store in `dir` with one of these secrets, tried in turn.
    ///
    /// # Errors
    /// [`Error::Engine`] with what the engine said.
    pub(crate) fn open(
        self,
        dir: &Path,
        secrets: &[u64],
        entropy: u64,
    ) -> Result<Box<dyn Subject>, Error> {
        Ok(match self {
            Self::Redb => Box::new(redb::open(dir)?),
            Self::Sled => Box::new(raw_sled::open(dir)?),
            Self::Sori | Self::SoriRedb => Box::new(sori::open(dir, secrets, entropy)?),
            #[cfg(feature = "sqlite")]
            Self::Sqlite => Box::new(lite::open(dir)?),
        })
    }

    /// For `map_err`: what the engine said.
    fn says<E: Display>(self) -> impl Fn(E) -> Error {
        move |error| Error::Engine {
            engine: self.name(),
            what: error.to_string(),
        }
    }
}

/// Where the plain engines keep the number of the last step.
const HEAD_KEY: &[u8] = b"head";

/// A record key of the plain engines: the number of the table, then the key.
fn plain_key(kind: Kind, key: &[u8]) -> Vec<u8> {
    [&[kind as u8], key].concat()
}

/// The opposite of [`plain_key`]; `None` for the head.
fn from_plain_key(key: &[u8]) -> Option<(Kind, Vec<u8>)> {
    let (number, key) = key.split_first()?;
    let kind = crate::plan::KINDS
        .into_iter()
        .find(|kind| *kind as u8 == *number)?;
    Some((kind, key.to_vec()))
}

/// The writes of a step for engines that know put and delete only: key, and value or `None`. Empty if the step means
/// nothing to such an engine.
fn plain_writes(step: &Step, head: u64) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    use crate::plan::Write;

    let Step::Commit(writes) = step else {
        return Vec::new();
    };
    let mut plain: Vec<_> = writes
        .iter()
        .map(|write| match write {
            Write::Delete { kind, key } => (plain_key(*kind, key), None),
            Write::Put {
                kind, key, value, ..
            }
            | Write::PutForgetting { kind, key, value } => {
                (plain_key(*kind, key), Some(value.bytes()))
            }
        })
        .collect();
    plain.push((HEAD_KEY.to_vec(), Some(head.to_be_bytes().to_vec())));
    plain
}

fn number(bytes: &[u8]) -> Result<u64, Error> {
    let bytes = bytes.try_into();
    bytes.map_or_else(
        |_| Err(Error::finding("the head is not a number")),
        |bytes| Ok(u64::from_be_bytes(bytes)),
    )
}
