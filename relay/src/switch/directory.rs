//! Which topics exist, over all shards: the one thing that shards share.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sori_wire::{Handle, Refusal, Topic};

use super::Interest;

/// All topics with at least one attachment, and how many each shard has of them. Locked when somebody
/// attaches or detaches, never when a frame passes. Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct Directory {
    shared: Arc<Mutex<Topics>>,
    shards: usize,
    attachments_per_topic_max: usize,
}

#[derive(Debug)]
struct Topics {
    by_key: BTreeMap<Arc<Topic>, Arc<Entry>>,
    handles: BTreeSet<Handle>,
    handles_given: u64,
    salt: RandomState,
    interest: Option<Arc<Interest>>,
}

/// What shards share about one topic. Its counts are read without a lock when a frame passes.
#[derive(Debug)]
pub(crate) struct Entry {
    /// On the heap and nowhere else: maps move their entries about and leave stale bytes in their
    /// nodes, while an allocation is wiped when it is freed.
    topic: Arc<Topic>,
    handle: Handle,
    attachments: Box<[AtomicUsize]>,
    /// Attachments at other relays of the cluster, as far as they were heard of.
    elsewhere: AtomicUsize,
}

impl Directory {
    /// An empty directory for so many shards.
    #[must_use]
    pub fn new(shards: usize, attachments_per_topic_max: usize) -> Self {
        let topics = Topics {
            by_key: BTreeMap::new(),
            handles: BTreeSet::new(),
            handles_given: 0,
            salt: RandomState::new(),
            interest: None,
        };
        Self {
            shared: Arc::new(Mutex::new(topics)),
            shards,
            attachments_per_topic_max,
        }
    }

    /// From now on `interest` is told of every topic that comes or goes.
    pub(crate) fn tell(&self, interest: Arc<Interest>) {
        self.lock().interest = Some(interest);
    }

    /// Number of topics with at least one attachment.
    #[must_use]
    pub fn topic_count(&self) -> usize {
        self.lock().by_key.len()
    }

    /// Counts one more attachment of `topic` in a shard.
    pub(super) fn enter(&self, topic: &Arc<Topic>, shard: usize) -> Result<Arc<Entry>, Refusal> {
        let mut topics = self.lock();
        let entry = match topics.by_key.get(topic) {
            Some(entry) => Arc::clone(entry),
            None => topics.add(topic, self.shards),
        };
        if entry.attachments() >= self.attachments_per_topic_max {
            topics.remove_if_empty(&entry);
            return Err(Refusal::TopicFull);
        }
        if let Some(count) = entry.attachments.get(shard) {
            count.fetch_add(1, Ordering::AcqRel);
        }
        Ok(entry)
    }

    /// Counts one attachment less.
    pub(super) fn leave(&self, entry: &Entry, shard: usize) {
        let mut topics = self.lock();
        if let Some(count) = entry.attachments.get(shard) {
            count.fetch_sub(1, Ordering::AcqRel);
        }
        topics.remove_if_empty(entry);
    }

    fn lock(&self) -> MutexGuard<'_, Topics> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Topics {
    fn add(&mut self, topic: &Arc<Topic>, shards: usize) -> Arc<Entry> {
        let entry = Arc::new(Entry {
            topic: Arc::clone(topic),
            handle: self.free_handle(),
            attachments: (0..shards).map(|_| AtomicUsize::new(0)).collect(),
            elsewhere: AtomicUsize::new(0),
        });
        if let Some(interest) = &self.interest {
            interest.came(&entry);
        }
        self.handles.insert(entry.handle);
        self.by_key.insert(Arc::clone(topic), Arc::clone(&entry));
        entry
    }

    /// A number that no topic has now and that says nothing of how many there were before.
    fn free_handle(&mut self) -> Handle {
        loop {
            self.handles_given = self.handles_given.wrapping_add(1);
            #[cfg(sori_mutants)]
            if crate::mutant::is("counts-handles") {
                return Handle(u32::try_from(self.handles_given).unwrap_or_default());
            }
            let [a, b, c, d, ..] = self.salt.hash_one(self.handles_given).to_le_bytes();
            let handle = Handle(u32::from_le_bytes([a, b, c, d]));
            if !self.handles.contains(&handle) {
                return handle;
            }
        }
    }

    fn remove_if_empty(&mut self, entry: &Entry) {
        if entry.attachments() == 0 {
            #[cfg(sori_mutants)]
            if crate::mutant::is("keeps-frames-for-a-second") {
                crate::mutant::let_go();
            }
            self.handles.remove(&entry.handle);
            let removed = self.by_key.remove(&entry.topic);
            if let (Some(interest), Some(entry)) = (&self.interest, removed) {
                interest.went(entry);
            }
        }
    }
}

impl Entry {
    pub(crate) const fn handle(&self) -> Handle {
        self.handle
    }

    pub(crate) fn topic(&self) -> &Topic {
        &self.topic
    }

    /// Attachments over all shards of this relay.
    pub(crate) fn attachments(&self) -> usize {
        self.in_shards().map(|(_, count)| count).sum()
    }

    /// Every shard with how many attachments it has.
    pub(crate) fn in_shards(&self) -> impl Iterator<Item = (usize, usize)> {
        let counts = self.attachments.iter();
        counts
            .map(|count| count.load(Ordering::Acquire))
            .enumerate()
    }

    /// Attachments at other relays.
    pub(super) fn elsewhere(&self) -> usize {
        self.elsewhere.load(Ordering::Acquire)
    }

    pub(crate) fn set_elsewhere(&self, count: usize) {
        self.elsewhere.store(count, Ordering::Release);
    }
}
