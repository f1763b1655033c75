//! What waits for one connection, bounded per attachment, per connection and in time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use sori_wire::limits::{
    ATTACHMENT_QUEUE_BYTES_MAX, CONNECTION_QUEUE_BYTES_MAX, FRAME_WAIT_MS_MAX,
};
use sori_wire::{DeliverHeader, Handle, RelayMessage};

use super::time::Time;

/// The queue of one connection: answers, notices and frames in the order in which they leave.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    items: VecDeque<Item>,
    /// Only attachments for which something waits, so that an idle connection costs nothing.
    backlogs: BTreeMap<Handle, Backlog>,
    frame_bytes: usize,
    control_bytes: usize,
}

#[derive(Debug)]
enum Item {
    Control(Bytes),
    Frame {
        handle: Handle,
        frame: Bytes,
        since: Time,
    },
    Gap(Handle),
}

/// What waits for one attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Backlog {
    /// Frames of this cost.
    Frames(usize),
    /// The notice that frames were dropped. Until it has left, more frames are dropped: the reader
    /// has to heal the gap anyway, and the relay holds nothing for it meanwhile.
    Gap,
}

/// Whether the relay as a whole has room for a longer queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    Normal,
    /// Take a frame only if nothing waits for that attachment.
    Scarce,
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Push {
    Dropped,
    Queued,
}

impl Outbox {
    pub(super) fn push_control(&mut self, message: &RelayMessage) {
        let bytes = Bytes::from(message.encode());
        self.control_bytes = self.control_bytes.saturating_add(bytes.len());
        self.items.push_back(Item::Control(bytes));
    }

    /// Queues a frame by reference. If there is no room, everything that waits for this attachment
    /// is dropped in favour of one gap notice.
    pub(super) fn push_frame(
        &mut self,
        handle: Handle,
        frame: &Bytes,
        now: Time,
        room: Room,
    ) -> Push {
        let waiting = match self.backlogs.get(&handle) {
            Some(Backlog::Gap) => return Push::Dropped,
            Some(Backlog::Frames(bytes)) => *bytes,
            None => 0,
        };
        let cost = cost(frame);
        let attachment_bytes = waiting.saturating_add(cost);
        let connection_bytes = self.frame_bytes.saturating_add(cost);
        if attachment_bytes > ATTACHMENT_QUEUE_BYTES_MAX
            || connection_bytes > CONNECTION_QUEUE_BYTES_MAX
            || (room == Room::Scarce && waiting > 0)
        {
            self.drop_for_gap(&BTreeSet::from([handle]));
            return Push::Dropped;
        }
        self.backlogs
            .insert(handle, Backlog::Frames(attachment_bytes));
        self.frame_bytes = connection_bytes;
        self.items.push_back(Item::Frame {
            handle,
            frame: frame.clone(),
            since: now,
        });
        Push::Queued
    }

    /// Drops all that waits for an attachment that ends. Returns the cost freed.
    pub(super) fn forget(&mut self, handle: Handle) -> usize {
        let before = self.frame_bytes;
        if self.backlogs.remove(&handle).is_some() {
            self.remove_items(&BTreeSet::from([handle]));
        }
        before.saturating_sub(self.frame_bytes)
    }

    /// Turns attachments whose oldest frame has waited too long into gaps. Returns the cost freed.
    pub(super) fn expire(&mut self, now: Time) -> usize {
        let before = self.frame_bytes;
        let mut late = BTreeSet::new();
        for item in &self.items {
            match item {
                Item::Frame { since, handle, .. } => {
                    if now.millis_since(*since) <= FRAME_WAIT_MS_MAX {
                        break; // The queue is in order of arrival: the rest is younger.
                    }
                    late.insert(*handle);
                }
                Item::Control(_) | Item::Gap(_) => {}
            }
        }
        if !late.is_empty() {
            self.drop_for_gap(&late);
        }
        before.saturating_sub(self.frame_bytes)
    }

    /// Takes the next bytes to write: whole messages, about [`BATCH_LEN`] bytes. Short frames are
    /// copied together, since a transport handles one long piece better than many short ones; long
    /// frames go by reference.
    pub(super) fn take_batch(&mut self) -> Vec<Bytes> {
        let mut batch = Batch::default();
        while batch.len < BATCH_LEN {
            let Some(item) = self.items.pop_front() else {
                break;
            };
            match item {
                Item::Control(bytes) => {
                    self.control_bytes = self.control_bytes.saturating_sub(bytes.len());
                    batch.copy(&bytes);
                }
                Item::Gap(handle) => {
                    self.backlogs.remove(&handle);
                    batch.copy(&RelayMessage::Gap { handle }.encode());
                }
                Item::Frame { handle, frame, .. } => {
                    self.release(handle, cost(&frame));
                    batch.copy(DeliverHeader::new(handle, frame.len()).as_bytes());
                    batch.append(frame);
                }
            }
        }
        if self.items.is_empty() {
            self.items.shrink_to(ITEMS_KEPT);
        }
        batch.finish()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Cost of the frames that wait.
    pub(super) const fn queued_bytes(&self) -> usize {
        self.frame_bytes
    }

    /// Bytes of the answers that wait.
    pub(super) const fn control_bytes(&self) -> usize {
        self.control_bytes
    }

    fn drop_for_gap(&mut self, handles: &BTreeSet<Handle>) {
        self.remove_items(handles);
        for handle in handles {
            self.backlogs.insert(*handle, Backlog::Gap);
            self.items.push_back(Item::Gap(*handle));
        }
    }

    fn remove_items(&mut self, handles: &BTreeSet<Handle>) {
        let mut freed = 0_usize;
        self.items.retain(|item| match item {
            Item::Control(_) => true,
            Item::Gap(handle) => !handles.contains(handle),
            Item::Frame { handle, frame, .. } => {
                let goes = handles.contains(handle);
                if goes {
                    freed = freed.saturating_add(cost(frame));
                }
                !goes
            }
        });
        self.frame_bytes = self.frame_bytes.saturating_sub(freed);
    }

    fn release(&mut self, handle: Handle, cost: usize) {
        self.frame_bytes = self.frame_bytes.saturating_sub(cost);
        let left = match self.backlogs.get(&handle) {
            Some(Backlog::Frames(bytes)) => bytes.saturating_sub(cost),
            Some(Backlog::Gap) | None => return,
        };
        if left == 0 {
            self.backlogs.remove(&handle);
        } else {
            self.backlogs.insert(handle, Backlog::Frames(left));
        }
    }
}

/// Pieces to write, short ones joined.
#[derive(Default)]
struct Batch {
    pieces: Vec<Bytes>,
    joined: Vec<u8>,
    len: usize,
}

impl Batch {
    fn copy(&mut self, bytes: &[u8]) {
        self.len = self.len.saturating_add(bytes.len());
        self.joined.extend_from_slice(bytes);
    }

    fn append(&mut self, frame: Bytes) {
        if frame.len() <= JOIN_LEN_MAX {
            return self.copy(&frame);
        }
        self.len = self.len.saturating_add(frame.len());
        self.close_joined();
        self.pieces.push(frame);
    }

    fn close_joined(&mut self) {
        if !self.joined.is_empty() {
            self.pieces
                .push(Bytes::from(std::mem::take(&mut self.joined)));
        }
    }

    fn finish(mut self) -> Vec<Bytes> {
        self.close_joined();
        self.pieces
    }
}

/// What a queued frame costs: its bytes and its place in the queue, so that many empty frames are
/// bounded as well.
fn cost(frame: &Bytes) -> usize {
    frame.len().saturating_add(ITEM_COST)
}

/// Rounded-up size of a queue entry, in bytes.
const ITEM_COST: usize = 64;

/// A batch ends with the message that reaches this many bytes, so it has less than twice as many.
const BATCH_LEN: usize = 65_536;

/// Longest frame that is copied next to its neighbours instead of being passed by reference.
const JOIN_LEN_MAX: usize = 2048;

/// Queue entries for which an empty queue keeps its memory.
const ITEMS_KEPT: usize = 16;
