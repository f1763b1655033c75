//! What client and relay say to each other (`protocol §2.3`).

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::access::AccessProof;
use crate::close::CloseCode;
use crate::frame::Frame;
use crate::topic::{Topic, TopicProof};

/// The protocol's name in the TLS handshake (ALPN, RFC 7301). A change that an old peer would
/// misread gets another name.
pub const ALPN: &[u8] = b"sori/1";

/// Number that a client gives a request so that it can tell the answers apart. The relay returns
/// it and gives it no other meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestId(pub u32);

/// Number that stands for an attached topic on one connection. The relay chooses it and never uses
/// it twice on that connection, so a late frame cannot be taken for another topic's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Handle(pub u32);

/// From client to relay. The order of the variants is their number on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientMessage {
    /// Asks to attach this connection to a topic; answered by [`RelayMessage::Attached`] or
    /// [`RelayMessage::Refused`].
    Attach {
        /// Comes back in the answer.
        request: RequestId,
        /// The topic's public key.
        topic: Topic,
        /// Signature by the topic's key that binds this request to this connection.
        proof: TopicProof,
    },
    /// Ends an attachment. Not answered; an unknown handle is ignored. Frames that were already on
    /// their way may still arrive.
    Detach {
        /// The attachment to end.
        handle: Handle,
    },
    /// Hands over a frame for every other attachment of the topic; answered by
    /// [`RelayMessage::Published`] or [`RelayMessage::Refused`].
    Publish {
        /// Comes back in the answer.
        request: RequestId,
        /// The attachment to publish through.
        handle: Handle,
        /// The bytes to forward.
        frame: Frame,
    },
    /// Shows that the client belongs to a private relay; the first message on a connection or never.
    /// Not answered: what follows it is, or the connection ends with [`CloseCode::NoAccess`]. An open
    /// relay passes it over.
    Access {
        /// MAC under the access key that binds the proof to this connection.
        proof: AccessProof,
    },
}

/// From relay to client. The order of the variants is their number on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RelayMessage {
    /// The connection is attached; frames published from now on will be delivered.
    Attached {
        /// The request answered.
        request: RequestId,
        /// Stands for the topic on this connection.
        handle: Handle,
    },
    /// A request was not carried out and changed nothing.
    Refused {
        /// The request answered.
        request: RequestId,
        /// Why.
        reason: Refusal,
    },
    /// A frame was accepted.
    Published {
        /// The request answered.
        request: RequestId,
        /// How many other attachments the frame was queued for. Zero is normal: nobody is there.
        receivers: u32,
    },
    /// A frame that somebody else published.
    Deliver {
        /// The attachment it came through.
        handle: Handle,
        /// The bytes, unchanged.
        frame: Frame,
    },
    /// Frames for this attachment were dropped here because the client read too slowly.
    Gap {
        /// The attachment that lost frames.
        handle: Handle,
    },
    /// The relay is stopping and will close the connection. Requests not answered by now are lost.
    GoingAway,
    /// The relay ends the session, and why. The last message on a carrier that has no place for a
    /// number of its own, such as TLS over TCP.
    Closing {
        /// Why.
        code: CloseCode,
    },
}

/// Why the relay did not do what was asked (`protocol §2.6`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Refusal {
    /// This connection is attached to that topic already.
    #[error("already attached to this topic")]
    AlreadyAttached,
    /// The proof is not a signature by that topic over this connection.
    #[error("the proof does not match the topic and this connection")]
    BadProof,
    /// The relay cannot take more at the moment; trying again later may help.
    #[error("the relay is busy")]
    Busy,
    /// The topic has as many attachments as it may.
    #[error("the topic has as many attachments as it may")]
    TopicFull,
    /// The connection has
    /// [`TOPICS_PER_CONNECTION_MAX`](crate::limits::TOPICS_PER_CONNECTION_MAX) attachments.
    #[error("this connection is attached to as many topics as it may")]
    TooManyTopics,
    /// No attachment of this connection has that handle.
    #[error("no attachment has this handle")]
    UnknownHandle,
}

impl Refusal {
    /// Every refusal, in the order of the numbers.
    pub const ALL: [Self; 6] = [
        Self::BadProof,
        Self::TooManyTopics,
        Self::UnknownHandle,
        Self::AlreadyAttached,
        Self::Busy,
        Self::TopicFull,
    ];

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::BadProof => 1,
            Self::TooManyTopics => 2,
            Self::UnknownHandle => 3,
            Self::AlreadyAttached => 4,
            Self::Busy => 5,
            Self::TopicFull => 6,
        }
    }

    /// The refusal with this number, if this version of the protocol has one.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|refusal| refusal.number() == number)
    }
}

impl Serialize for Refusal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.number())
    }
}

impl<'de> Deserialize<'de> for Refusal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u8::deserialize(deserializer)?;
        Self::from_number(number).ok_or_else(|| de::Error::custom("unknown refusal number"))
    }
}
