//! The byte session inside TLS, over any ordered byte stream: TCP, or a stream of another
//! connection (`protocol §1.4`).

use std::cell::RefCell;
use std::fmt;
use std::io::{ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;
use zeroize::Zeroize;

use super::{Broken, Farewell, Inlet, Outlet, Taken};

/// The client's direction.
pub struct TlsInlet<S>(Shared<S>);

/// The relay's direction.
pub struct TlsOutlet<S>(Shared<S>);

type Shared<S> = Arc<Mutex<TlsStream<S>>>;

/// Parts an open TLS session into its directions.
pub fn split<S>(stream: TlsStream<S>) -> (TlsInlet<S>, TlsOutlet<S>) {
    let shared = Arc::new(Mutex::new(stream));
    (TlsInlet(Arc::clone(&shared)), TlsOutlet(shared))
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Inlet for TlsInlet<S> {
    /// Reads into a buffer of this thread, which is wiped before anything else happens.
    fn poll_take(
        &mut self,
        cx: &mut Context<'_>,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Poll<Result<Taken, Broken>> {
        BUFFER.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            let outcome = Pin::new(&mut *lock(&self.0)).poll_read(cx, &mut buffer);
            let filled = buffer.filled_mut();
            let outcome = match outcome {
                Poll::Pending => return Poll::Pending,
                // Without close_notify: an end like any other, since messages tell their length.
                Poll::Ready(Err(error)) if error.kind() == ErrorKind::UnexpectedEof => {
                    Ok(Taken::End)
                }
                Poll::Ready(Err(_)) => Err(Broken),
                Poll::Ready(Ok(())) if filled.is_empty() => Ok(Taken::End),
                Poll::Ready(Ok(())) => Ok(Taken::Bytes),
            };
            if outcome == Ok(Taken::Bytes) {
                sink(filled);
            }
            filled.zeroize();
            Poll::Ready(outcome)
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Outlet for TlsOutlet<S> {
    /// Many pieces make few records.
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &mut Vec<Bytes>,
    ) -> Poll<Result<(), Broken>> {
        let mut stream = lock(&self.0);
        while !pieces.is_empty() {
            let mut slices = [IoSlice::new(&[]); PIECES_AT_ONCE];
            for (slice, piece) in slices.iter_mut().zip(pieces.iter()) {
                *slice = IoSlice::new(piece);
            }
            let len = pieces.len().min(PIECES_AT_ONCE);
            let slices = slices.get(..len).unwrap_or_default();
            match Pin::new(&mut *stream).poll_write_vectored(cx, slices) {
                Poll::Ready(Ok(written)) => advance(pieces, written),
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Broken)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Pin::new(&mut *stream).poll_flush(cx).map_err(|_| Broken)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let finished = Pin::new(&mut *lock(&self.0)).poll_shutdown(cx);
        finished.map(|_peer_may_be_gone| ())
    }

    fn update_keys(&mut self) {
        // A session that cannot is one that is about to end. The message leaves with what comes next.
        let _ending = lock(&self.0).get_mut().1.refresh_traffic_keys();
    }

    fn farewell(&self) -> Farewell {
        Farewell::Message
    }
}

/// Removes what was written, which may end inside a piece.
fn advance(pieces: &mut Vec<Bytes>, mut written: usize) {
    let mut whole = 0_usize;
    for piece in pieces.iter_mut() {
        if written < piece.len() {
            piece.advance(written);
            break;
        }
        written = written.saturating_sub(piece.len());
        whole = whole.saturating_add(1);
    }
    pieces.drain(..whole);
}

fn lock<S>(shared: &Shared<S>) -> MutexGuard<'_, TlsStream<S>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S> fmt::Debug for TlsInlet<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsInlet")
    }
}

impl<S> fmt::Debug for TlsOutlet<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsOutlet")
    }
}

thread_local! {
    /// One buffer for all connections of a thread: it is used and wiped before anyone else has a
    /// turn, so that an idle connection holds none.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; BUFFER_LEN]);
}

/// The longest record of TLS.
const BUFFER_LEN: usize = 16_384;

/// Pieces that are given to TLS in one go.
const PIECES_AT_ONCE: usize = 32;
