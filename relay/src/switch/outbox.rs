//! What waits for one connection, bounded per attachment, per connection and in time.

use std::collections::VecDeque;

use bytes::Bytes;
use sori_wire::limits::{
    ATTACHMENT_QUEUE_BYTES_MAX, CONNECTION_QUEUE_BYTES_MAX, FRAME_WAIT_MS_MAX,
};
use sori_wire::{Handle, RelayMessage};

use super::Delivery;
use crate::time::Time;

/// The queue of one connection: answers, notices and frames in the order in which they leave.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    items: VecDeque<Item>,
    /// Only attachments for which something waits: none for a connection that reads.
    backlogs: Vec<(Handle, Backlog)>,
    frame_bytes: usize,
    control_bytes: usize,
}

#[derive(Debug)]
enum Item {
    Control(Vec<u8>),
    Frames {
        handle: Handle,
        /// Whole messages, shared by everybody they go to.
        messages: Bytes,
        cost: usize,
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
    /// Take frames only if nothing waits for that attachment.
    Scarce,
}

/// What became of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Push {
    /// Dropped, as others before them.
    Dropped,
    /// Dropped with everything that waited; a gap notice waits instead.
    Gap,
    Queued,
}

impl Outbox {
    pub(super) fn push_control(&mut self, message: &RelayMessage) {
        let bytes = message.encode();
        self.control_bytes = self.control_bytes.saturating_add(bytes.len());
        match self.items.back_mut() {
            Some(Item::Control(last)) => last.extend_from_slice(&bytes),
            Some(Item::Frames { .. } | Item::Gap(_)) | None => {
                self.items.push_back(Item::Control(bytes));
            }
        }
    }

    /// Queues frames by reference. If there is no room, everything that waits for this attachment is
    /// dropped in favour of one gap notice.
    pub(super) fn push_frames(
        &mut self,
        handle: Handle,
        delivery: &Delivery,
        now: Time,
        room: Room,
    ) -> Push {
        let cost = delivery.cost();
        let waiting = match self.backlog(handle).copied() {
            Some(Backlog::Gap) => return Push::Dropped,
            Some(Backlog::Frames(bytes)) => bytes,
            None => 0,
        };
        let attachment_bytes = waiting.saturating_add(cost);
        let connection_bytes = self.frame_bytes.saturating_add(cost);
        if attachment_bytes > ATTACHMENT_QUEUE_BYTES_MAX
            || connection_bytes > CONNECTION_QUEUE_BYTES_MAX
            || (room == Room::Scarce && waiting > 0)
        {
            self.drop_for_gap(handle);
            return Push::Gap;
        }
        self.set_backlog(handle, Backlog::Frames(attachment_bytes));
        self.frame_bytes = connection_bytes;
        self.items.push_back(Item::Frames {
            handle,
            messages: delivery.messages.clone(),
            cost,
            since: now,
        });
        #[cfg(sori_mutants)]
        if crate::mutant::is("reorders-frames") && self.items.len() > 1 {
            let last = self.items.len().saturating_sub(1);
            self.items.swap(last, last.saturating_sub(1));
        }
        Push::Queued
    }

    /// Drops whatever waits for an attachment in favour of a gap notice. Returns whether the notice
    /// is new.
    pub(super) fn push_gap(&mut self, handle: Handle) -> bool {
        let is_new = !matches!(self.backlog(handle), Some(Backlog::Gap));
        if is_new {
            self.drop_for_gap(handle);
        }
        is_new
    }

    /// Drops all that waits for an attachment that ends.
    pub(super) fn forget(&mut self, handle: Handle) {
        if self.backlog(handle).is_some() {
            self.clear_backlog(handle);
            self.remove_items(handle);
        }
    }

    /// Turns attachments whose oldest frame has waited too long into gaps. Returns how many.
    pub(super) fn expire(&mut self, now: Time) -> usize {
        let mut gaps = 0_usize;
        while let Some(handle) = self.first_late(now) {
            self.drop_for_gap(handle);
            gaps = gaps.saturating_add(1);
        }
        gaps
    }

    /// Moves the next bytes to write to `pieces`: whole messages, about [`BATCH_LEN`] bytes. Short
    /// pieces are copied together where there are several, since a transport handles one long piece
    /// better than many short ones; others go by reference.
    pub(super) fn take_batch(&mut self, pieces: &mut Vec<Bytes>) {
        let join_len_max = if self.items.len() > 1 {
            JOIN_LEN_MAX
        } else {
            0
        };
        let mut batch = Batch {
            pieces,
            joined: Vec::new(),
            len: 0,
        };
        while batch.len < BATCH_LEN {
            let Some(item) = self.items.pop_front() else {
                break;
            };
            match item {
                Item::Control(bytes) => {
                    self.control_bytes = self.control_bytes.saturating_sub(bytes.len());
                    batch.append(Bytes::from(bytes), join_len_max);
                }
                Item::Gap(handle) => {
                    self.clear_backlog(handle);
                    #[cfg(sori_mutants)]
                    if crate::mutant::is("says-nothing-of-gaps") {
                        continue;
                    }
                    batch.append(RelayMessage::Gap { handle }.encode().into(), join_len_max);
                }
                Item::Frames {
                    handle,
                    messages,
                    cost,
                    ..
                } => {
                    self.release(handle, cost);
                    batch.append(messages, join_len_max);
                }
            }
        }
        batch.close_joined();
        if self.items.is_empty() {
            self.items.shrink_to(ITEMS_KEPT);
        }
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

    fn first_late(&self, now: Time) -> Option<Handle> {
        self.items.iter().find_map(|item| match item {
            Item::Frames { handle, since, .. } => {
                // The queue is in order of arrival: what is behind the first is younger.
                Some((now.millis_since(*since) > FRAME_WAIT_MS_MAX).then_some(*handle))
            }
            Item::Control(_) | Item::Gap(_) => None,
        })?
    }

    fn drop_for_gap(&mut self, handle: Handle) {
        self.remove_items(handle);
        self.set_backlog(handle, Backlog::Gap);
        self.items.push_back(Item::Gap(handle));
    }

    fn remove_items(&mut self, of: Handle) {
        let mut freed = 0_usize;
        self.items.retain(|item| match item {
            Item::Control(_) => true,
            Item::Gap(handle) => *handle != of,
            Item::Frames { handle, cost, .. } => {
                if *handle == of {
                    freed = freed.saturating_add(*cost);
                }
                *handle != of
            }
        });
        self.frame_bytes = self.frame_bytes.saturating_sub(freed);
    }

    fn release(&mut self, handle: Handle, cost: usize) {
        self.frame_bytes = self.frame_bytes.saturating_sub(cost);
        match self.backlog(handle) {
            Some(Backlog::Frames(bytes)) if *bytes > cost => {
                let left = bytes.saturating_sub(cost);
                self.set_backlog(handle, Backlog::Frames(left));
            }
            Some(Backlog::Frames(_)) => self.clear_backlog(handle),
            Some(Backlog::Gap) | None => {}
        }
    }

    fn backlog(&self, of: Handle) -> Option<&Backlog> {
        let mut backlogs = self.backlogs.iter();
        backlogs.find_map(|(handle, backlog)| (*handle == of).then_some(backlog))
    }

    fn set_backlog(&mut self, of: Handle, backlog: Backlog) {
        let mut backlogs = self.backlogs.iter_mut();
        match backlogs.find(|(handle, _)| *handle == of) {
            Some((_, there)) => *there = backlog,
            None => self.backlogs.push((of, backlog)),
        }
    }

    fn clear_backlog(&mut self, of: Handle) {
        self.backlogs.retain(|(handle, _)| *handle != of);
    }
}

/// Pieces to write, short ones joined.
struct Batch<'a> {
    pieces: &'a mut Vec<Bytes>,
    joined: Vec<u8>,
    len: usize,
}

impl Batch<'_> {
    fn append(&mut self, bytes: Bytes, join_len_max: usize) {
        self.len = self.len.saturating_add(bytes.len());
        if bytes.len() <= join_len_max {
            return self.joined.extend_from_slice(&bytes);
        }
        self.close_joined();
        self.pieces.push(bytes);
    }

    fn close_joined(&mut self) {
        if !self.joined.is_empty() {
            let joined = std::mem::take(&mut self.joined);
            self.pieces.push(Bytes::from(joined));
        }
    }
}

/// A batch ends with the message that reaches this many bytes, so it has less than twice as many.
pub(crate) const BATCH_LEN: usize = 65_536;

/// Longest piece that is copied next to its neighbours instead of being passed by reference.
const JOIN_LEN_MAX: usize = 1024;

/// Queue entries for which an empty queue keeps its memory.
const ITEMS_KEPT: usize = 4;
