//! Why a connection ends: the numbers in a QUIC CONNECTION_CLOSE.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Reason for closing a connection, sent as the QUIC application error code (`protocol §2.7`).
///
/// TLS on TCP has no place for it; there it comes in
/// [`RelayMessage::Closing`](crate::RelayMessage::Closing), before the stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CloseCode {
    /// The peer has finished; nothing went wrong.
    Done,
    /// The relay is stopping. Attach again later, here or at another relay.
    GoingAway,
    /// A message could not be decoded.
    Malformed,
    /// A message announced more than [`MESSAGE_LEN_MAX`](crate::limits::MESSAGE_LEN_MAX) bytes.
    MessageTooLong,
    /// The peer did not take the next piece of the stream within
    /// [`WRITE_STALL_MS_MAX`](crate::limits::WRITE_STALL_MS_MAX).
    Stalled,
    /// The peer stayed without any attachment for longer than
    /// [`UNATTACHED_MS_MAX`](crate::limits::UNATTACHED_MS_MAX), or never opened its stream.
    Unattached,
    /// The relay holds as many connections as it may.
    Full,
    /// The relay is private, and the peer did not show a good access key as the first thing it said,
    /// or not within [`ACCESS_MS_MAX`](crate::limits::ACCESS_MS_MAX).
    NoAccess,
}

impl CloseCode {
    /// Every code, in the order of the numbers.
    pub const ALL: [Self; 8] = [
        Self::Done,
        Self::GoingAway,
        Self::Malformed,
        Self::MessageTooLong,
        Self::Stalled,
        Self::Unattached,
        Self::Full,
        Self::NoAccess,
    ];

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::Done => 0,
            Self::GoingAway => 1,
            Self::Malformed => 2,
            Self::MessageTooLong => 3,
            Self::Stalled => 4,
            Self::Unattached => 5,
            Self::Full => 6,
            Self::NoAccess => 7,
        }
    }

    /// The code with this number, if this version of the protocol knows it.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|code| u64::from(code.number()) == number)
    }
}

impl Serialize for CloseCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.number())
    }
}

impl<'de> Deserialize<'de> for CloseCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u32::deserialize(deserializer)?;
        Self::from_number(number.into()).ok_or_else(|| de::Error::custom("unknown close number"))
    }
}
