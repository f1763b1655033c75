//! Which topics came and went since somebody looked: what the other relays of a cluster are asked for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sori_wire::Handle;
use tokio::sync::Notify;

use super::directory::Entry;

/// Changes that wait to be taken up, at most one for each topic. There are never more than topics that
/// were there at the last look and topics that are there now.
#[derive(Debug, Default)]
pub(crate) struct Interest {
    changes: Mutex<BTreeMap<Handle, Change>>,
    changed: Notify,
}

/// What became of a topic.
#[derive(Debug)]
pub(crate) enum Change {
    /// Somebody attached to it.
    Came(Arc<Entry>),
    /// Nobody is attached any more.
    Went(Arc<Entry>),
}

impl Interest {
    pub(super) fn came(&self, entry: &Arc<Entry>) {
        self.note(entry.handle(), Change::Came(Arc::clone(entry)));
    }

    pub(super) fn went(&self, entry: Arc<Entry>) {
        self.note(entry.handle(), Change::Went(entry));
    }

    /// Waits until there may be a change.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// All changes since the last look, by handle.
    pub(crate) fn take(&self) -> BTreeMap<Handle, Change> {
        std::mem::take(&mut *self.lock())
    }

    fn note(&self, handle: Handle, change: Change) {
        self.lock().insert(handle, change);
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Handle, Change>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
