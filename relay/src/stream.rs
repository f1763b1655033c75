//! The two halves of an ordered byte stream, as the byte session wants them: QUIC streams, or
//! anything that tokio can read and write (TLS over TCP, a pipe in a test).

use std::future::Future;

use bytes::Bytes;
use quinn::{RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use zeroize::Zeroize;

/// The stream broke. Why does not matter to the session: it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stream broke")]
pub struct Broken;

/// Reading half.
pub trait ByteReader: Send {
    /// The next bytes in order, at most 64 KiB; `None` at the end of the stream. Cancel-safe.
    fn read(&mut self) -> impl Future<Output = Result<Option<Bytes>, Broken>> + Send;
}

/// Writing half.
pub trait ByteWriter: Send {
    /// Hands all pieces to the transport, waiting while it takes none. Not cancel-safe: after a
    /// cancelled call the stream is good for nothing but being dropped.
    fn write(&mut self, pieces: Vec<Bytes>) -> impl Future<Output = Result<(), Broken>> + Send;

    /// Ends the stream and waits until the peer has everything, or has gone.
    fn finish(&mut self) -> impl Future<Output = ()> + Send;
}

impl ByteReader for RecvStream {
    /// Gives out quinn's own buffer: nothing is copied and nothing stays behind in a buffer of the
    /// connection.
    async fn read(&mut self) -> Result<Option<Bytes>, Broken> {
        let chunk = self.read_chunk(READ_LEN_MAX, true).await;
        Ok(chunk.map_err(|_| Broken)?.map(|chunk| chunk.bytes))
    }
}

impl ByteWriter for SendStream {
    async fn write(&mut self, mut pieces: Vec<Bytes>) -> Result<(), Broken> {
        self.write_all_chunks(&mut pieces).await.map_err(|_| Broken)
    }

    async fn finish(&mut self) {
        if Self::finish(self).is_ok() {
            let _peer_has_it_or_went = self.stopped().await;
        }
    }
}

/// A byte session over any tokio reader. The buffer lives as long as the connection and is wiped
/// after each use.
#[derive(Debug)]
pub struct Reader<R> {
    inner: R,
    buffer: Vec<u8>,
}

impl<R> Reader<R> {
    /// Reads from `inner`.
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            buffer: vec![0; STREAM_BUFFER_LEN],
        }
    }
}

impl<R: AsyncRead + Send + Unpin> ByteReader for Reader<R> {
    async fn read(&mut self) -> Result<Option<Bytes>, Broken> {
        let len = self
            .inner
            .read(&mut self.buffer)
            .await
            .map_err(|_| Broken)?;
        let Some(filled) = self.buffer.get_mut(..len).filter(|bytes| !bytes.is_empty()) else {
            return Ok(None);
        };
        let bytes = Bytes::copy_from_slice(filled);
        filled.zeroize();
        Ok(Some(bytes))
    }
}

/// A byte session over any tokio writer.
#[derive(Debug)]
pub struct Writer<W>(pub W);

impl<W: AsyncWrite + Send + Unpin> ByteWriter for Writer<W> {
    async fn write(&mut self, pieces: Vec<Bytes>) -> Result<(), Broken> {
        for piece in pieces {
            self.0.write_all(&piece).await.map_err(|_| Broken)?;
        }
        self.0.flush().await.map_err(|_| Broken)
    }

    async fn finish(&mut self) {
        let _peer_may_be_gone = self.0.shutdown().await;
    }
}

/// Most bytes taken from a QUIC stream at once.
const READ_LEN_MAX: usize = 65_536;

/// Size of the read buffer of a connection that is not QUIC. Small, as it stays while idle.
const STREAM_BUFFER_LEN: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn read_buffer_is_wiped_after_each_use() {
        let (mut far, near) = tokio::io::duplex(64);
        let mut reader = Reader::new(near);
        for text in ["first", "a longer second"] {
            far.write_all(text.as_bytes()).await.unwrap();
            assert_eq!(reader.read().await, Ok(Some(text.into())));
            assert!(reader.buffer.iter().all(|byte| *byte == 0));
        }
        drop(far);
        assert_eq!(reader.read().await, Ok(None));
    }
}
