//! The opaque unit that a relay forwards.

use std::fmt;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::limits::FRAME_LEN_MAX;

/// What is published to a topic: bytes that mean nothing to the relay, at most
/// [`FRAME_LEN_MAX`] of them (`protocol §2.4`). Empty frames are allowed.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame(Vec<u8>);

/// A frame was longer than [`FRAME_LEN_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame holds at most {FRAME_LEN_MAX} bytes, this one has {len}")]
pub struct FrameTooLong {
    /// Length of the refused bytes.
    pub len: usize,
}

impl Frame {
    /// Takes bytes as a frame.
    ///
    /// # Errors
    /// [`FrameTooLong`] over [`FRAME_LEN_MAX`] bytes.
    pub fn new(bytes: Vec<u8>) -> Result<Self, FrameTooLong> {
        let len = bytes.len();
        if len > FRAME_LEN_MAX {
            return Err(FrameTooLong { len });
        }
        Ok(Self(bytes))
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, without a copy.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Number of bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} bytes)", self.0.len())
    }
}

impl Serialize for Frame {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Frame {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(FrameVisitor)
    }
}

/// A frame where it was received: the same bound, no copy.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FrameRef<'a>(&'a [u8]);

impl<'a> FrameRef<'a> {
    /// The bytes.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

impl fmt::Debug for FrameRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FrameRef({} bytes)", self.0.len())
    }
}

impl Serialize for FrameRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for FrameRef<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = <&'a [u8]>::deserialize(deserializer)?;
        if bytes.len() > FRAME_LEN_MAX {
            return Err(de::Error::invalid_length(bytes.len(), &FrameVisitor));
        }
        Ok(Self(bytes))
    }
}

struct FrameVisitor;

impl Visitor<'_> for FrameVisitor {
    type Value = Frame;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {FRAME_LEN_MAX} bytes")
    }

    /// Checks the length first, then copies once, so that the copy has exactly the frame's size.
    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Frame, E> {
        if bytes.len() > FRAME_LEN_MAX {
            return Err(E::invalid_length(bytes.len(), &self));
        }
        Ok(Frame(bytes.to_vec()))
    }
}
