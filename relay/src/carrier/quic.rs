//! The byte session over the one stream of a QUIC connection.

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use quinn::{Connection, RecvStream, SendStream};

use super::{Broken, Farewell, Inlet, Outlet, Taken};

/// The client's direction.
#[derive(Debug)]
pub struct QuicInlet(pub RecvStream);

/// The relay's direction.
pub struct QuicOutlet {
    connection: Connection,
    stream: SendStream,
    finished: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Inlet for QuicInlet {
    /// Looks at quinn's own buffers, which are freed on return.
    fn poll_take(
        &mut self,
        cx: &mut Context<'_>,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Poll<Result<Taken, Broken>> {
        let mut chunks = [const { Bytes::new() }; CHUNKS_AT_ONCE];
        let read = pin!(self.0.read_chunks(&mut chunks)).poll(cx);
        let Poll::Ready(outcome) = read else {
            return Poll::Pending;
        };
        let Some(count) = outcome.map_err(|_| Broken)? else {
            return Poll::Ready(Ok(Taken::End));
        };
        for chunk in chunks.iter().take(count) {
            sink(chunk);
        }
        Poll::Ready(Ok(Taken::Bytes))
    }
}

impl QuicOutlet {
    /// The stream and the connection that it belongs to.
    #[must_use]
    pub const fn new(connection: Connection, stream: SendStream) -> Self {
        Self {
            connection,
            stream,
            finished: None,
        }
    }
}

impl Outlet for QuicOutlet {
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &mut Vec<Bytes>,
    ) -> Poll<Result<(), Broken>> {
        let mut taken = 0_usize;
        let outcome = loop {
            let Some(rest) = pieces.get_mut(taken..).filter(|rest| !rest.is_empty()) else {
                break Poll::Ready(Ok(()));
            };
            match pin!(self.stream.write_chunks(rest)).poll(cx) {
                Poll::Ready(Ok(written)) => taken = taken.saturating_add(written.chunks),
                Poll::Ready(Err(_)) => break Poll::Ready(Err(Broken)),
                Poll::Pending => break Poll::Pending,
            }
        };
        pieces.drain(..taken.min(pieces.len()));
        outcome
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let finished = match &mut self.finished {
            Some(finished) => finished,
            None => {
                let _already = self.stream.finish();
                let stopped = self.stream.stopped();
                self.finished.insert(Box::pin(async {
                    let _peer_has_it_or_went = stopped.await;
                }))
            }
        };
        finished.as_mut().poll(cx)
    }

    fn update_keys(&mut self) {
        self.connection.force_key_update();
    }

    fn farewell(&self) -> Farewell {
        Farewell::Number
    }
}

impl fmt::Debug for QuicOutlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QuicOutlet")
    }
}

/// Packets' worth of a stream that are looked at in one go.
const CHUNKS_AT_ONCE: usize = 24;
