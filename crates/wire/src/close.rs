//! Why a connection ends: the numbers in a QUIC CONNECTION_CLOSE.

/// Reason for closing a connection, sent as the QUIC application error code (`protocol §2.7`).
///
/// Over TLS on TCP there is no such number: the stream simply ends.
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
}

impl CloseCode {
    /// Every code, in the order of the numbers.
    pub const ALL: [Self; 7] = [
        Self::Done,
        Self::GoingAway,
        Self::Malformed,
        Self::MessageTooLong,
        Self::Stalled,
        Self::Unattached,
        Self::Full,
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
