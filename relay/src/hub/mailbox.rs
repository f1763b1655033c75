//! From shard to shard: frames that were published in one and are for readers in another.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sori_wire::Handle;
use tokio::sync::Notify;

use crate::switch::Delivery;

/// What other shards have for one.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    parcels: Mutex<Parcels>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Parcels {
    queue: VecDeque<Parcel>,
    bytes: usize,
}

#[derive(Debug)]
pub(crate) enum Parcel {
    Delivery(Delivery),
    /// Frames for this topic did not fit.
    Loss(Handle),
}

impl Mailbox {
    /// Leaves frames for the shard. If it has fallen far behind, all that lies here for the topic is
    /// dropped, and its readers will be told.
    pub(super) fn post(&self, delivery: &Delivery) {
        let mut parcels = self.lock();
        let handle = delivery.handle();
        if parcels.bytes.saturating_add(delivery.cost()) > MAILBOX_BYTES_MAX {
            parcels.lose(handle);
        } else {
            parcels.bytes = parcels.bytes.saturating_add(delivery.cost());
            parcels.queue.push_back(Parcel::Delivery(delivery.clone()));
        }
        let is_first = parcels.queue.len() == 1;
        drop(parcels);
        if is_first {
            self.arrived.notify_one();
        }
    }

    /// Frames for a topic are lost: what lies here for it goes too, and its readers will be told.
    pub(super) fn post_loss(&self, of: Handle) {
        let mut parcels = self.lock();
        parcels.lose(of);
        drop(parcels);
        self.arrived.notify_one();
    }

    /// Everything that lies here. Waits until something does.
    pub(crate) async fn collect(&self) -> VecDeque<Parcel> {
        loop {
            let queue = self.take();
            if !queue.is_empty() {
                return queue;
            }
            self.arrived.notified().await;
        }
    }

    /// Everything that lies here now.
    pub(crate) fn take(&self) -> VecDeque<Parcel> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Parcels> {
        self.parcels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Parcels {
    fn take(&mut self) -> VecDeque<Parcel> {
        self.bytes = 0;
        std::mem::take(&mut self.queue)
    }

    fn lose(&mut self, of: Handle) {
        let mut freed = 0_usize;
        self.queue.retain(|parcel| match parcel {
            Parcel::Delivery(delivery) if delivery.handle() == of => {
                freed = freed.saturating_add(delivery.cost());
                false
            }
            Parcel::Delivery(_) => true,
            Parcel::Loss(handle) => *handle != of,
        });
        self.bytes = self.bytes.saturating_sub(freed);
        self.queue.push_back(Parcel::Loss(of));
    }
}

/// Most bytes of frames that may lie here: 16 MiB.
pub(crate) const MAILBOX_BYTES_MAX: usize = 16 << 20;
