//! Where a relay and the other relays of its cluster hand frames to each other.

use std::sync::Arc;

use super::mailbox::Mailbox;
use crate::switch::{Delivery, Entry, Interest};

/// What goes out and comes in. Cloning it is cheap.
#[derive(Clone, Debug)]
pub(crate) struct Port {
    /// Which topics the relay wants to hear of.
    pub(crate) interest: Arc<Interest>,
    /// Frames that were published here.
    pub(crate) outward: Arc<Mailbox>,
    pub(super) shards: Arc<[Mailbox]>,
}

impl Port {
    /// A port for so many shards.
    pub(crate) fn new(shards: usize) -> Self {
        Self {
            interest: Arc::default(),
            outward: Arc::default(),
            shards: Self::mailboxes(shards),
        }
    }

    /// Frames that were published at another relay.
    pub(crate) fn deliver(&self, entry: &Entry, delivery: &Delivery) {
        for mailbox in self.readers(entry) {
            mailbox.post(delivery);
        }
    }

    /// Frames of other relays were lost, or may have been.
    pub(crate) fn lose(&self, entry: &Entry) {
        for mailbox in self.readers(entry) {
            mailbox.post_loss(entry.handle());
        }
    }

    pub(super) fn mailboxes(count: usize) -> Arc<[Mailbox]> {
        (0..count).map(|_| Mailbox::default()).collect()
    }

    fn readers(&self, entry: &Entry) -> impl Iterator<Item = &Mailbox> {
        let counts = entry.in_shards();
        let with_readers = self.shards.iter().zip(counts);
        with_readers.filter_map(|(mailbox, (_, count))| (count > 0).then_some(mailbox))
    }
}
