//! What carries a byte session: QUIC, or TLS over any ordered byte stream.
//!
//! Both halves are polled, never awaited: whoever publishes writes to its readers in the same breath,
//! so that a delivery wakes no task of the relay's.

mod quic;
mod tls;
mod wiping;

use std::task::{Context, Poll};

use bytes::Bytes;

pub use quic::{QuicInlet, QuicOutlet};
pub use tls::{TlsInlet, TlsOutlet, split};
pub use wiping::Wiping;

/// The carrier broke. Why does not matter to the session: it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the carrier broke")]
pub struct Broken;

/// What a look at an [`Inlet`] brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Bytes, which were given to the sink.
    Bytes,
    /// The end of the client's direction.
    End,
}

/// Where a client's bytes come from.
pub trait Inlet: Send + Unpin {
    /// Gives what has arrived to `sink`, in order, in pieces of at most 64 KiB and about 32 KiB in
    /// all. When nothing has, `cx` is woken once something does. Nothing stays behind in a buffer of
    /// the connection.
    fn poll_take(
        &mut self,
        cx: &mut Context<'_>,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Poll<Result<Taken, Broken>>;
}

/// Where a client's bytes go.
pub trait Outlet: Send {
    /// Hands over as much of `pieces` as the transport takes now and removes it from there. Ready
    /// when it took everything; else `cx` is woken once it takes more.
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &mut Vec<Bytes>,
    ) -> Poll<Result<(), Broken>>;

    /// Ends the relay's direction. Ready when the peer has everything, or has gone, as far as the
    /// carrier can tell.
    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Renews the keys under which packets or records go out.
    fn update_keys(&mut self);

    /// How the peer learns why the relay ends the session.
    fn farewell(&self) -> Farewell;
}

/// How a reason travels (`protocol §2.7`, §1.4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// In a message.
    Message,
    /// As the number with which the carrier closes.
    Number,
}
