//! The real store.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sori_store::{Backend, Class, Error as StoreError, Options, Store, Table, Unlock};
use zeroize::Zeroizing;

use super::{Engine, Subject, number};
use crate::error::Error;
use crate::model::Contents;
use crate::plan::{KINDS, Kind, PAGE_LEN, Secret, Step, Write};

const HEAD: Table = Table::own(9);

/// `None` only while it is being opened again.
#[derive(Debug)]
struct Whole {
    store: Option<Store>,
    dir: PathBuf,
    secret: u64,
    entropy: u64,
}

/// A worker that another thread starts holds what is open here, locks included, until it has become another program.
fn patiently<T>(open: impl Fn() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let mut opened = open();
    for _ in 0..400 {
        if !matches!(opened, Err(StoreError::InUse)) {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
        opened = open();
    }
    opened
}

fn says<E: std::fmt::Display>(error: E) -> Error {
    Engine::Sori.says()(error)
}

fn unlock(number: u64) -> Unlock {
    match Secret::numbered(number) {
        Secret::Both(passphrase, key) => Unlock::Both {
            passphrase: Zeroizing::new(passphrase),
            key: Zeroizing::new(key),
        },
        Secret::Key(key) => Unlock::Key(Zeroizing::new(key)),
        Secret::Passphrase(passphrase) => Unlock::Passphrase(Zeroizing::new(passphrase)),
    }
}

const fn table(kind: Kind) -> Table {
    match kind {
        Kind::Own => Table::own(1),
        Kind::Paged => Table::paged(2, PAGE_LEN),
        Kind::Log => Table::log(3, PAGE_LEN),
    }
}

fn seed(entropy: u64) -> [u8; 32] {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&entropy.to_be_bytes());
    seed
}

pub(super) fn exists(dir: &Path) -> bool {
    Store::exists(dir)
}

pub(super) fn create(
    dir: &Path,
    backend: Backend,
    entropy: u64,
) -> Result<impl Subject + use<>, Error> {
    let options = Options {
        backend,
        ..Options::weak_for_tests()
    };
    let store = Store::create_with(dir, &unlock(0), options, seed(entropy));
    Ok(Whole {
        store: Some(store.map_err(says)?),
        dir: dir.to_path_buf(),
        secret: 0,
        entropy,
    })
}

pub(super) fn open(
    dir: &Path,
    secrets: &[u64],
    entropy: u64,
) -> Result<impl Subject + use<>, Error> {
    let mut refusal = says("no secret was given");
    for secret in secrets {
        match patiently(|| Store::open(dir, &unlock(*secret), seed(entropy))) {
            Ok(store) => {
                return Ok(Whole {
                    store: Some(store),
                    dir: dir.to_path_buf(),
                    secret: *secret,
                    entropy,
                });
            }
            Err(error) => refusal = says(error),
        }
    }
    Err(refusal)
}

impl Whole {
    fn store(&self) -> Result<&Store, Error> {
        self.store.as_ref().ok_or_else(|| says("it is closed"))
    }

    fn store_mut(&mut self) -> Result<&mut Store, Error> {
        self.store.as_mut().ok_or_else(|| says("it is closed"))
    }

    fn change_backend(&mut self) -> Result<(), Error> {
        let backend = match Store::backend_of(&self.dir).map_err(says)? {
            Backend::Redb => Backend::Sled,
            Backend::Sled => Backend::Redb,
        };
        let (secret, entropy) = (unlock(self.secret), self.fresh_seed());
        patiently(|| Store::move_to(&self.dir, &secret, backend, entropy, &mut |_| {}))
            .map_err(says)
    }

    fn open_again(&mut self) -> Result<(), Error> {
        let (secret, entropy) = (unlock(self.secret), self.fresh_seed());
        let store = patiently(|| Store::open(&self.dir, &secret, entropy));
        self.store = Some(store.map_err(says)?);
        Ok(())
    }

    fn fresh_seed(&mut self) -> [u8; 32] {
        self.entropy = self.entropy.wrapping_add(1 << 32);
        seed(self.entropy)
    }

    fn commit(&mut self, writes: &[Write], head: u64) -> Result<(), Error> {
        let store = self.store_mut()?;
        for write in writes {
            match write {
                Write::Delete { kind, key } => store.delete(table(*kind), key),
                Write::Put {
                    kind,
                    key,
                    class: Some(class),
                    value,
                } => store.put_in(table(*kind), key, Class(class.0), &value.bytes()),
                Write::Put {
                    kind,
                    key,
                    class: None,
                    value,
                } => store.put(table(*kind), key, &value.bytes()),
                Write::PutForgetting { kind, key, value } => {
                    store.put_forgetting(table(*kind), key, &value.bytes())
                }
            }
            .map_err(says)?;
        }
        store
            .put(HEAD, b"head", &head.to_be_bytes())
            .map_err(says)?;
        store.commit().map_err(says)
    }
}

impl Subject for Whole {
    fn take(&mut self, step: &Step, head: u64) -> Result<(), Error> {
        match step {
            Step::ChangeUnlock(secret) => {
                let store = self.store_mut()?;
                store.change_unlock(&unlock(*secret)).map_err(says)?;
                self.secret = *secret;
            }
            Step::Commit(writes) => self.commit(writes, head)?,
            Step::Forget => self.store_mut()?.forget().map_err(says)?,
            Step::RotateMaster => self.store_mut()?.rotate_master(None).map_err(says)?,
            Step::Maintain => {
                self.store_mut()?.maintain().map_err(says)?;
            }
            Step::Move => {
                self.store = None;
                self.change_backend()?;
                self.open_again()?;
            }
            Step::Rebuild => self.store_mut()?.rebuild(&mut |_| {}).map_err(says)?,
            Step::Reopen => {
                self.store = None;
                self.open_again()?;
            }
        }
        Ok(())
    }

    fn head(&self) -> Result<u64, Error> {
        let head = self.store()?.get(HEAD, b"head").map_err(says)?;
        head.map_or(Ok(0), |head| number(&head))
    }

    fn contents(&self) -> Result<Contents, Error> {
        let store = self.store()?;
        store.verify().map_err(says)?;
        let mut contents = Contents::new();
        for kind in KINDS {
            for (key, value) in store.range(table(kind), b"").map_err(says)? {
                contents.insert((kind, key), value.to_vec());
            }
        }
        Ok(contents)
    }
}

/// The bare store with one table of messages, for measuring.
#[derive(Debug)]
pub(crate) struct Large(Store);

impl Large {
    const MESSAGES: Table = Table::paged(1, 8);

    pub(crate) fn create(engine: Engine, dir: &Path) -> Result<Self, Error> {
        let backend = match engine {
            Engine::SoriRedb => Backend::Redb,
            _ => Backend::Sled,
        };
        let options = Options {
            backend,
            ..Options::weak_for_tests()
        };
        let store = Store::create_with(dir, &unlock(0), options, seed(0));
        store.map(Self).map_err(says)
    }

    pub(crate) fn open(dir: &Path) -> Result<Self, Error> {
        Store::open(dir, &unlock(0), seed(1))
            .map(Self)
            .map_err(says)
    }

    pub(crate) fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        self.0.put(Self::MESSAGES, key, value).map_err(says)
    }

    pub(crate) fn commit(&mut self) -> Result<(), Error> {
        self.0.commit().map_err(says)
    }

    /// How many records there are with this prefix, each of them read.
    pub(crate) fn count(&self, prefix: &[u8]) -> Result<usize, Error> {
        let found = self.0.range(Self::MESSAGES, prefix).map_err(says)?;
        Ok(found.len())
    }

    pub(crate) fn len_on_disk(&mut self) -> Result<u64, Error> {
        Ok(self.0.maintain().map_err(says)?.len_on_disk)
    }
}
