//! The access keys in force, which change under a running relay when they are rotated.

use std::sync::{Arc, PoisonError, RwLock};

use sori_wire::{AccessKey, AccessProof, Exporter};

/// Access keys that all shards share. Cloning is cheap and gives the same keys.
#[derive(Clone, Debug, Default)]
pub struct AccessKeys {
    current: Arc<RwLock<Vec<AccessKey>>>,
}

impl AccessKeys {
    /// Any of `keys` lets a client in; with none the relay is open.
    #[must_use]
    pub fn new(keys: Vec<AccessKey>) -> Self {
        Self {
            current: Arc::new(RwLock::new(keys)),
        }
    }

    /// From now on any of `keys` lets a client in, and no other. Who is in already stays.
    pub fn replace(&self, keys: Vec<AccessKey>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// Whether anybody may come in.
    pub(crate) fn are_none(&self) -> bool {
        self.read(|keys| keys.is_empty())
    }

    /// Whether a proof shows one of the keys. If there are none, every proof does.
    pub(crate) fn let_in(&self, proof: &AccessProof, exporter: &Exporter) -> bool {
        self.read(|keys| keys.is_empty() || proof.is_by_one_of(keys, exporter))
    }

    fn read<R>(&self, look: impl FnOnce(&[AccessKey]) -> R) -> R {
        look(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}
