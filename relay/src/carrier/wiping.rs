//! A byte stream whose reader keeps nothing of what it has read.

use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use zeroize::Zeroize;

/// Wipes the room that it is given to read into whenever nothing has arrived.
///
/// TLS is decrypted in place, in a buffer of each connection that the library reuses and does not wipe: without
/// this, up to 4 KiB of what a client said last would stay there until it says more. Before the library
/// waits it offers all of that buffer that holds no unfinished record.
#[derive(Debug)]
pub struct Wiping<S>(pub S);

impl<S: AsyncRead + Unpin> AsyncRead for Wiping<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let outcome = Pin::new(&mut self.0).poll_read(cx, buf);
        if outcome.is_pending() {
            buf.initialize_unfilled().zeroize();
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wiping<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn room_is_wiped_when_nothing_has_come() {
        let (mut there, here) = duplex(64);
        let mut here = Wiping(here);
        let mut room = [7; 8];
        there.write_all(b"abc").await.unwrap();
        let filled = poll_fn(|cx| {
            let mut buf = ReadBuf::new(&mut room);
            let outcome = Pin::new(&mut here).poll_read(cx, &mut buf);
            outcome.map(|_| buf.filled().len())
        })
        .await;
        assert_eq!((filled, room), (3, *b"abc\x07\x07\x07\x07\x07"));
        poll_fn(|cx| {
            let mut buf = ReadBuf::new(&mut room);
            assert!(Pin::new(&mut here).poll_read(cx, &mut buf).is_pending());
            Poll::Ready(())
        })
        .await;
        assert_eq!(room, [0; 8]);
    }
}
