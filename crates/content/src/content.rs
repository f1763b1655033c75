//! One message (draft §4.1).

use std::fmt;

use crate::limits::TOPIC_ID_LEN_MAX;
use crate::{Error, Extensions, Meaning, MessageId, NestedPart, codec, meaning};

/// Length of the salt of a message in bytes.
pub const SALT_LEN: usize = 16;

/// What an MLS application message carries: a text, a reaction, an edit, or anything else that the
/// draft allows.
///
/// `decode` accepts only the one deterministic encoding, so `encode` gives back the very bytes that
/// came, and an id computed from either is the same.
#[derive(Clone, PartialEq, Eq)]
pub struct MimiContent {
    /// Random for each message, so that equal texts have different ids (draft §9.2).
    pub salt: [u8; SALT_LEN],
    /// The first version of the message that this one edits, deletes or takes back.
    pub replaces: Option<MessageId>,
    /// Groups messages of one topic; empty for none.
    pub topic_id: TopicId,
    /// When receivers are asked to forget the message.
    pub expires: Option<Expiration>,
    /// The message that this one answers or reacts to.
    pub in_reply_to: Option<MessageId>,
    /// The sender's and the room's URI, and whatever else senders add.
    pub extensions: Extensions,
    /// The content proper.
    pub body: NestedPart,
}

impl MimiContent {
    /// Reads content from all of `bytes`. Never panics, whatever they are.
    ///
    /// # Errors
    ///
    /// Any [`Error`] but the ones of constructors, when the bytes are not content, not
    /// deterministically encoded, or beyond a bound of [`limits`](crate::limits).
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        codec::decode(bytes)
    }

    /// The deterministic encoding (draft §6.1).
    ///
    /// Everything that this type can hold decodes again, save for two things that stay with the
    /// caller: a whole longer than [`CONTENT_LEN_MAX`](crate::limits::CONTENT_LEN_MAX) (text of at
    /// most [`TEXT_LEN_MAX`](crate::limits::TEXT_LEN_MAX) never is), and a reference to a message
    /// id that is not of SHA-256.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// The id of this message when this sender says it in this room (draft §3.3).
    ///
    /// The URIs are the ones that MLS and the group vouch for; those in the extensions are only the
    /// sender's word. Of a URI longer than 65,535 bytes the first 65,535 count.
    #[must_use]
    pub fn message_id(&self, sender_uri: &str, room_uri: &str) -> MessageId {
        MessageId::derive(sender_uri, room_uri, &self.encode(), &self.salt)
    }

    /// What a front end shows for it.
    #[must_use]
    pub fn meaning(&self) -> Meaning {
        meaning::of(self)
    }
}

/// Prints the name only: all of it is what the encryption is for.
impl fmt::Debug for MimiContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MimiContent(..)")
    }
}

/// When receivers are asked to forget a message (draft §4.1). A request: it cannot be enforced.
///
/// The draft calls times more than a year away nonsensical (§9.1); whoever has a clock checks that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Expiration {
    /// At this time, in seconds since 1970-01-01 UTC.
    Absolute {
        /// Seconds since 1970-01-01 UTC.
        unix_seconds: u32,
    },
    /// This long after the receiver has read it.
    Relative {
        /// Seconds after reading.
        seconds: u32,
    },
}

/// Names a topic within a group: 0 to 4096 bytes of any kind; empty means none.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(Vec<u8>);

impl TopicId {
    /// The topic with this name.
    ///
    /// # Errors
    ///
    /// [`Error::FieldTooLong`] for more than [`TOPIC_ID_LEN_MAX`] bytes.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, Error> {
        if bytes.len() > TOPIC_ID_LEN_MAX {
            return Err(Error::FieldTooLong);
        }
        Ok(Self(bytes))
    }

    /// The name.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Prints the name only: topics are often named in words.
impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TopicId(..)")
    }
}
