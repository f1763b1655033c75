//! Frames on their way: encoded once, shared by everybody they go to.

use bytes::Bytes;
use sori_wire::{DeliverHeader, FrameRef, Handle, RequestId};

/// Some frames for one topic, as the messages in which they leave. A topic has the same handle on
/// every connection, so these bytes are the same for all. Cloning it copies no frame.
#[derive(Clone, Debug)]
pub struct Delivery {
    handle: Handle,
    pub(super) messages: Bytes,
    frames: usize,
    frame_bytes: usize,
}

/// Frames that one connection publishes to one topic in one go, and the requests to answer.
#[derive(Debug)]
pub struct Publication {
    delivery: Delivery,
    requests: Vec<RequestId>,
}

/// A publication that grows while messages are read. It holds the one copy that a frame gets.
#[derive(Debug)]
pub struct Draft {
    handle: Handle,
    messages: Vec<u8>,
    frame_bytes: usize,
    requests: Vec<RequestId>,
}

impl Delivery {
    /// The topic, by its handle.
    #[must_use]
    pub const fn handle(&self) -> Handle {
        self.handle
    }

    /// How many frames there are.
    #[must_use]
    pub const fn frames(&self) -> usize {
        self.frames
    }

    /// Bytes of all frames together.
    #[must_use]
    pub const fn frame_bytes(&self) -> usize {
        self.frame_bytes
    }

    /// Frames that come from elsewhere, as the messages in which they leave here. `None` if there are
    /// none.
    pub(crate) fn new<'a>(handle: Handle, frames: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        let mut messages = Vec::new();
        let (mut count, mut frame_bytes) = (0_usize, 0_usize);
        for frame in frames {
            let header = DeliverHeader::new(handle, frame.len());
            let len = header.as_bytes().len().saturating_add(frame.len());
            messages.reserve_exact(len);
            messages.extend_from_slice(header.as_bytes());
            messages.extend_from_slice(frame);
            count = count.saturating_add(1);
            frame_bytes = frame_bytes.saturating_add(frame.len());
        }
        (count > 0).then(|| Self {
            handle,
            messages: Bytes::from(messages),
            frames: count,
            frame_bytes,
        })
    }

    /// The frames alone, in order.
    pub(crate) fn each_frame(&self) -> impl Iterator<Item = &[u8]> + Clone {
        let mut rest: &[u8] = &self.messages;
        std::iter::from_fn(move || {
            let (prefix, after) = rest.split_first_chunk()?;
            let len = usize::try_from(u32::from_be_bytes(*prefix)).ok()?;
            let (mut body, after) = after.split_at_checked(len)?;
            rest = after;
            // Number, handle and length of the frame, each as a varint, stand in front of it.
            for _ in 0..3 {
                let end = body.iter().position(|byte| *byte < 0x80)?;
                body = body.get(end.saturating_add(1)..)?;
            }
            Some(body)
        })
    }

    /// What it costs while it waits: the bytes of the frames and a place in the queue for each, so
    /// that many empty frames are bounded as well.
    pub(crate) const fn cost(&self) -> usize {
        self.frame_bytes
            .saturating_add(self.frames.saturating_mul(FRAME_COST))
    }
}

impl Publication {
    /// What is to be delivered.
    #[must_use]
    pub const fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    /// The requests that published the frames, one each.
    #[must_use]
    pub fn requests(&self) -> &[RequestId] {
        &self.requests
    }
}

impl Draft {
    /// The first frame. Its memory is exactly what it needs: most publications have one frame.
    #[must_use]
    pub fn new(handle: Handle, request: RequestId, frame: FrameRef<'_>) -> Self {
        let frame = frame.as_bytes();
        let header = DeliverHeader::new(handle, frame.len());
        Self {
            handle,
            messages: [header.as_bytes(), frame].concat(),
            frame_bytes: frame.len(),
            requests: vec![request],
        }
    }

    /// Adds a frame if it belongs here and there is room.
    pub fn takes(&mut self, handle: Handle, request: RequestId, frame: FrameRef<'_>) -> bool {
        let frame = frame.as_bytes();
        let len = self.messages.len().saturating_add(frame.len());
        if handle != self.handle || len > DRAFT_LEN_MAX {
            return false;
        }
        let header = DeliverHeader::new(handle, frame.len());
        self.messages.reserve(DRAFT_GROWTH.max(frame.len()));
        self.messages.extend_from_slice(header.as_bytes());
        self.messages.extend_from_slice(frame);
        self.frame_bytes = self.frame_bytes.saturating_add(frame.len());
        self.requests.push(request);
        true
    }

    /// What is to be published.
    #[must_use]
    pub fn finish(mut self) -> Publication {
        self.messages.shrink_to_fit();
        #[cfg(sori_mutants)]
        if let Some(last) = self.messages.last_mut()
            && crate::mutant::is("changes-a-bit")
            && self.frame_bytes > 1000
        {
            *last ^= 1;
        }
        Publication {
            delivery: Delivery {
                handle: self.handle,
                messages: Bytes::from(self.messages),
                frames: self.requests.len(),
                frame_bytes: self.frame_bytes,
            },
            requests: self.requests,
        }
    }
}

/// Rounded-up size of a queue entry and a header, in bytes.
const FRAME_COST: usize = 64;

/// Bytes at which a draft is closed: frames that go together also get lost together.
const DRAFT_LEN_MAX: usize = 16_384;

/// Room made at least when a second frame comes: there will be more.
const DRAFT_GROWTH: usize = 4096;
