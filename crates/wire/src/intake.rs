//! Messages read where they arrived: the relay's way of cutting a stream, which copies nothing but
//! what is cut in two by the arrival of bytes (`protocol §2.1`).

use serde::{Deserialize, Serialize};

use crate::access::AccessProof;
use crate::codec::{Buffer, DecodeError, body, body_len, decode_body};
use crate::frame::FrameRef;
use crate::limits::MESSAGE_PREFIX_LEN;
use crate::message::{Handle, RequestId};
use crate::topic::{Topic, TopicProof};

/// A [`ClientMessage`](crate::ClientMessage) whose frame still lies in the bytes that were received.
/// It has the same encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientMessageRef<'a> {
    /// As [`ClientMessage::Attach`](crate::ClientMessage::Attach).
    Attach {
        /// Comes back in the answer.
        request: RequestId,
        /// The topic's public key.
        topic: Topic,
        /// Signature by the topic's key.
        proof: TopicProof,
    },
    /// As [`ClientMessage::Detach`](crate::ClientMessage::Detach).
    Detach {
        /// The attachment to end.
        handle: Handle,
    },
    /// As [`ClientMessage::Publish`](crate::ClientMessage::Publish).
    Publish {
        /// Comes back in the answer.
        request: RequestId,
        /// The attachment to publish through.
        handle: Handle,
        /// The bytes to forward.
        #[serde(borrow)]
        frame: FrameRef<'a>,
    },
    /// As [`ClientMessage::Access`](crate::ClientMessage::Access).
    Access {
        /// MAC under the access key.
        proof: AccessProof,
    },
}

/// Cuts what a client sends into messages. It keeps at most one unfinished message, and wipes it as
/// soon as it has been read. After an error it stays in error.
#[derive(Debug)]
pub struct Intake {
    unfinished: Buffer,
    failed: Option<DecodeError>,
}

/// The messages in some received bytes, behind what was left of the bytes before.
#[derive(Debug)]
pub struct Received<'a> {
    intake: &'a mut Intake,
    bytes: &'a [u8],
    /// The message in [`Intake::unfinished`] was read and is to be wiped.
    was_read: bool,
}

impl Intake {
    /// At the start of a stream.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            unfinished: Buffer::new(),
            failed: None,
        }
    }

    /// Takes the next bytes of the stream. All messages have to be read from what it returns: what
    /// is not read is lost.
    pub const fn receive<'a>(&'a mut self, bytes: &'a [u8]) -> Received<'a> {
        Received {
            intake: self,
            bytes,
            was_read: false,
        }
    }

    /// Whether the stream may end here: nothing is waiting for its rest.
    #[must_use]
    pub fn is_between_messages(&self) -> bool {
        self.failed.is_none() && self.unfinished.waiting().is_empty()
    }
}

impl Default for Intake {
    fn default() -> Self {
        Self::new()
    }
}

impl Received<'_> {
    /// The next whole message; `None` when more bytes are needed.
    ///
    /// # Errors
    /// [`DecodeError`], the same one again on every later call and for all bytes that follow.
    #[expect(
        clippy::should_implement_trait,
        reason = "not an iterator: what it gives lies in itself"
    )]
    pub fn next(&mut self) -> Result<Option<ClientMessageRef<'_>>, DecodeError> {
        if let Some(error) = self.intake.failed {
            return Err(error);
        }
        if std::mem::take(&mut self.was_read) {
            self.intake.unfinished.wipe();
        }
        let found = if self.intake.unfinished.waiting().is_empty() {
            self.find()
        } else {
            self.complete()
        };
        let outcome = match found {
            Ok(Some(Place::Received(message))) => decode_body(message).map(Some),
            Ok(Some(Place::Unfinished(len))) => {
                self.was_read = true;
                body(self.intake.unfinished.waiting(), len)
                    .map_or(Ok(None), |message| decode_body(message).map(Some))
            }
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        if let Err(error) = outcome {
            self.intake.failed = Some(error);
        }
        outcome
    }
}

/// Where a whole message lies.
enum Place<'a> {
    /// In the bytes just received.
    Received(&'a [u8]),
    /// In the buffer, with a body of so many bytes.
    Unfinished(usize),
}

impl<'a> Received<'a> {
    /// The next message in the bytes received, or the beginning of one, which is kept.
    fn find(&mut self) -> Result<Option<Place<'a>>, DecodeError> {
        let bytes = self.bytes;
        let Some(message) = body_len(bytes)?.and_then(|len| body(bytes, len)) else {
            self.intake.unfinished.push(bytes);
            self.bytes = &[];
            return Ok(None);
        };
        let used = message.len().saturating_add(MESSAGE_PREFIX_LEN);
        self.bytes = bytes.get(used..).unwrap_or_default();
        Ok(Some(Place::Received(message)))
    }

    /// Adds to the unfinished message what is its own, and no more.
    fn complete(&mut self) -> Result<Option<Place<'a>>, DecodeError> {
        loop {
            let announced = body_len(self.intake.unfinished.waiting())?;
            let whole = announced.unwrap_or(0).saturating_add(MESSAGE_PREFIX_LEN);
            let missing = whole.saturating_sub(self.intake.unfinished.waiting().len());
            if let (Some(len), 0) = (announced, missing) {
                return Ok(Some(Place::Unfinished(len)));
            }
            if self.bytes.is_empty() {
                return Ok(None);
            }
            let (own, rest) = self.bytes.split_at(missing.min(self.bytes.len()));
            self.intake.unfinished.push(own);
            self.bytes = rest;
        }
    }
}

impl Drop for Received<'_> {
    fn drop(&mut self) {
        if self.was_read || self.intake.failed.is_some() {
            self.intake.unfinished.wipe();
        }
    }
}
