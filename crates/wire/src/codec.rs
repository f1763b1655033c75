//! From messages to bytes and back (`protocol §2.1`): `u32` big-endian body length, then the body
//! in postcard's encoding, in exactly one way.

use std::marker::PhantomData;

use postcard::ser_flavors::Size;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::limits::{FRAME_LEN_MAX, MESSAGE_LEN_MAX, MESSAGE_PREFIX_LEN};
use crate::message::{ClientMessage, Handle, RelayMessage};

/// A message of one direction of the byte session. Sealed: [`ClientMessage`] and [`RelayMessage`].
pub trait Message: private::Sealed + Serialize + DeserializeOwned {}

impl Message for ClientMessage {}
impl Message for RelayMessage {}

/// What a peer sent is not a message. Every variant ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The body is not exactly one message in its one encoding: an unknown number, a missing or
    /// surplus byte, an integer in a longer form, or a frame over its limit.
    #[error("the peer sent a malformed message")]
    Malformed,
    /// The announced length is over [`MESSAGE_LEN_MAX`].
    #[error("the peer announced a message over {MESSAGE_LEN_MAX} bytes")]
    TooLong,
}

impl ClientMessage {
    /// The message with its length prefix, ready for the stream.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }
}

impl RelayMessage {
    /// The message with its length prefix, ready for the stream.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }
}

/// The bytes of a [`RelayMessage::Deliver`] in front of its frame, so that a relay can write one
/// shared frame behind a small header of its own for each attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliverHeader {
    bytes: [u8; DELIVER_HEADER_LEN_MAX],
    len: usize,
}

impl DeliverHeader {
    /// The header for a frame of `frame_len` bytes (at most [`FRAME_LEN_MAX`]) on `handle`.
    #[must_use]
    pub fn new(handle: Handle, frame_len: usize) -> Self {
        debug_assert!(
            frame_len <= FRAME_LEN_MAX,
            "frames are bounded by their type"
        );
        let mut header = Self {
            bytes: [0; DELIVER_HEADER_LEN_MAX],
            len: MESSAGE_PREFIX_LEN,
        };
        header.put(DELIVER_NUMBER);
        header.put_varint(handle.0);
        header.put_varint(u32::try_from(frame_len).unwrap_or(u32::MAX));
        let body_len = header
            .len
            .saturating_sub(MESSAGE_PREFIX_LEN)
            .saturating_add(frame_len);
        let prefix = u32::try_from(body_len).unwrap_or(u32::MAX).to_be_bytes();
        for (to, from) in header.bytes.iter_mut().zip(prefix) {
            *to = from;
        }
        header
    }

    /// The header's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&self.bytes)
    }

    fn put(&mut self, byte: u8) {
        if let Some(to) = self.bytes.get_mut(self.len) {
            *to = byte;
            self.len = self.len.saturating_add(1);
        }
    }

    /// Seven bits a byte, lowest first, as postcard writes a `u32`.
    fn put_varint(&mut self, mut value: u32) {
        loop {
            let [low, ..] = value.to_le_bytes();
            value >>= 7;
            if value == 0 {
                return self.put(low & 0x7f);
            }
            self.put(low | 0x80);
        }
    }
}

/// Cuts a byte stream into messages.
///
/// Feed it with [`push`](Self::push) and drain it with [`next`](Self::next) until that gives `None`.
/// It holds what was pushed and not yet returned: at most one unfinished message if it is drained
/// after every push. Bytes are wiped as soon as their message has been returned. After an error it
/// stays in error and swallows what is pushed.
#[derive(Debug)]
pub struct Decoder<M> {
    buffer: Buffer,
    failed: Option<DecodeError>,
    message: PhantomData<fn() -> M>,
}

impl<M: Message> Decoder<M> {
    /// A decoder at the start of a stream.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            buffer: Buffer::new(),
            failed: None,
            message: PhantomData,
        }
    }

    /// Takes the next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.buffer.push(bytes);
        }
    }

    /// The next whole message; `None` when more bytes are needed.
    ///
    /// # Errors
    /// [`DecodeError`], the same one again on every later call. A length over the limit is refused
    /// as soon as its prefix is there.
    #[expect(
        clippy::should_implement_trait,
        reason = "not an iterator: it goes on after None once more bytes are pushed"
    )]
    pub fn next(&mut self) -> Result<Option<M>, DecodeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let outcome = self.try_next();
        if let Err(error) = outcome {
            self.failed = Some(error);
            self.buffer.wipe();
        }
        outcome
    }

    /// Whether the stream may end here: nothing is waiting for its rest.
    #[must_use]
    pub fn is_between_messages(&self) -> bool {
        self.failed.is_none() && self.buffer.waiting().is_empty()
    }

    fn try_next(&mut self) -> Result<Option<M>, DecodeError> {
        let waiting = self.buffer.waiting();
        let Some(body) = body_len(waiting)?.and_then(|len| body(waiting, len)) else {
            return Ok(None);
        };
        let used = body.len().saturating_add(MESSAGE_PREFIX_LEN);
        let message = decode_body(body)?;
        self.buffer.consume(used);
        Ok(Some(message))
    }
}

/// The length that the first message of `bytes` announces; `None` if its prefix is not all there.
pub(crate) fn body_len(bytes: &[u8]) -> Result<Option<usize>, DecodeError> {
    let Some(prefix) = bytes.first_chunk() else {
        return Ok(None);
    };
    let len = usize::try_from(u32::from_be_bytes(*prefix)).unwrap_or(usize::MAX);
    if len > MESSAGE_LEN_MAX {
        return Err(DecodeError::TooLong);
    }
    Ok(Some(len))
}

/// The body of `len` bytes behind the prefix, if it is all there.
pub(crate) fn body(bytes: &[u8], len: usize) -> Option<&[u8]> {
    bytes.get(MESSAGE_PREFIX_LEN..len.saturating_add(MESSAGE_PREFIX_LEN))
}

impl<M: Message> Default for Decoder<M> {
    fn default() -> Self {
        Self::new()
    }
}

/// Bytes that wait for the rest of their message, wiped as they are used.
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
}

impl Buffer {
    pub(crate) const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            start: 0,
        }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let needed = self.waiting().len().saturating_add(bytes.len());
        if self.start > 0 || needed > self.bytes.capacity() {
            // A plain `extend` could move the bytes and leave an unwiped copy behind.
            // Powers of two: a long frame in many small pieces is moved a few times only.
            let mut moved = Vec::with_capacity(needed.next_power_of_two());
            moved.extend_from_slice(self.waiting());
            self.wipe();
            self.bytes = moved;
        }
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn waiting(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    fn consume(&mut self, len: usize) {
        let end = self.start.saturating_add(len);
        if let Some(used) = self.bytes.get_mut(self.start..end) {
            used.zeroize();
        }
        self.start = end;
        if self.waiting().is_empty() {
            self.wipe();
        }
    }

    pub(crate) fn wipe(&mut self) {
        self.bytes.zeroize();
        self.bytes = Vec::new();
        self.start = 0;
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.wipe();
    }
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buffer({} bytes)", self.waiting().len())
    }
}

/// A body decodes only if writing it again gives the same bytes. Postcard reads integers in longer
/// forms than it writes; as the shortest form is unique, comparing lengths finds every such case
/// and every surplus byte without writing anything.
pub(crate) fn decode_body<'a, M: Serialize + Deserialize<'a>>(
    body: &'a [u8],
) -> Result<M, DecodeError> {
    let (message, rest) =
        postcard::take_from_bytes::<M>(body).map_err(|_| DecodeError::Malformed)?;
    let canonical_len = postcard::serialize_with_flavor(&message, Size::default())
        .map_err(|_| DecodeError::Malformed)?;
    if !rest.is_empty() || canonical_len != body.len() {
        return Err(DecodeError::Malformed);
    }
    Ok(message)
}

/// Postcard fails only for types without a known length or a full buffer; messages have neither, so
/// the empty fallback is never taken (the round-trip tests would show it).
fn encode<M: Message>(message: &M) -> Vec<u8> {
    let len = postcard::serialize_with_flavor(message, Size::default()).unwrap_or_default();
    let mut bytes = Vec::with_capacity(len.saturating_add(MESSAGE_PREFIX_LEN));
    bytes.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes());
    postcard::to_extend(message, bytes).unwrap_or_default()
}

mod private {
    #[expect(unnameable_types, reason = "nobody outside may add a message type")]
    pub trait Sealed {}
    impl Sealed for crate::ClientMessage {}
    impl Sealed for crate::RelayMessage {}
}

/// Number of [`RelayMessage::Deliver`] on the wire.
const DELIVER_NUMBER: u8 = 3;

/// Prefix, number, handle (a `u32` takes up to five bytes) and frame length (up to three bytes, five
/// to be safe).
const DELIVER_HEADER_LEN_MAX: usize = MESSAGE_PREFIX_LEN + 1 + 5 + 5;
