//! What carries a byte session, as far as the session has to know: a QUIC stream, or TLS over TCP.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use quinn::{Connection, Endpoint, RecvStream, SendStream, VarInt};
use sori_engine::Trouble;
use sori_wire::{CloseCode, Exporter};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::dial;

/// An open byte session and what keeps it open.
#[derive(Debug)]
pub(super) struct Dialled {
    pub(super) carrier: Carrier,
    pub(super) inlet: Inlet,
    pub(super) outlet: Outlet,
    pub(super) exporter: Exporter,
}

/// The connection under a session.
#[derive(Debug)]
pub(super) enum Carrier {
    /// A QUIC connection and the endpoint that it alone uses.
    Quic(Endpoint, Connection),
    /// TLS over TCP, and how often something came.
    Tcp(Arc<AtomicU64>),
}

/// The relay's direction.
#[derive(Debug)]
pub(super) enum Inlet {
    Quic(RecvStream),
    Tcp(ReadHalf<TlsStream<TcpStream>>, Arc<AtomicU64>),
}

/// Our direction.
#[derive(Debug)]
pub(super) enum Outlet {
    Quic(SendStream),
    Tcp(WriteHalf<TlsStream<TcpStream>>),
}

/// The connection can carry no more.
#[derive(Debug)]
pub(super) struct Broken;

impl Carrier {
    /// Grows with every sign of life of the relay.
    pub(super) fn signs_of_life(&self) -> u64 {
        match self {
            Self::Quic(_, connection) => connection.stats().udp_rx.datagrams,
            Self::Tcp(taken) => taken.load(Ordering::Relaxed),
        }
    }

    /// How long a question may go unanswered without a sign of life. Packets of QUIC are
    /// acknowledged one by one; of TCP only whole answers are seen, which may have to wait behind
    /// what we send ourselves.
    pub(super) const fn patience(&self) -> Duration {
        match self {
            Self::Quic(..) => ANSWER_WAIT_QUIC,
            Self::Tcp(_) => ANSWER_WAIT_TCP,
        }
    }

    /// Why the connection broke. TCP itself does not say; the last message of the relay may, for
    /// which this leaves a moment to its reader.
    pub(super) async fn ended(&self) -> Trouble {
        match self {
            Self::Quic(_, connection) => connection
                .close_reason()
                .map_or(Trouble::Closed, |reason| dial::quic::trouble(&reason)),
            Self::Tcp(_) => {
                tokio::time::sleep(LAST_WORD_WAIT).await;
                Trouble::Closed
            }
        }
    }

    /// Ends the connection. The close packet of QUIC is on its way when the endpoint is idle; a
    /// lost one costs the relay its idle timeout.
    pub(super) async fn close(self) {
        if let Self::Quic(endpoint, connection) = self {
            connection.close(VarInt::from_u32(CloseCode::Done.number()), b"");
            let _late = tokio::time::timeout(CLOSE_WAIT, endpoint.wait_idle()).await;
        }
    }
}

impl Inlet {
    /// The next bytes; `None` at the end of the relay's direction. Cancel-safe.
    pub(super) async fn take(&mut self) -> Result<Option<Bytes>, Broken> {
        match self {
            Self::Quic(stream) => {
                let chunk = stream.read_chunk(READ_LEN_MAX, true).await;
                Ok(chunk.map_err(|_error| Broken)?.map(|chunk| chunk.bytes))
            }
            Self::Tcp(stream, taken) => {
                let mut bytes = BytesMut::with_capacity(RECORD_LEN_MAX);
                let len = stream.read_buf(&mut bytes).await.map_err(|_error| Broken)?;
                taken.fetch_add(1, Ordering::Relaxed);
                Ok((len > 0).then(|| bytes.freeze()))
            }
        }
    }
}

impl Outlet {
    /// Writes all of it.
    pub(super) async fn put(&mut self, batch: &mut [Bytes]) -> Result<(), Broken> {
        match self {
            Self::Quic(stream) => stream
                .write_all_chunks(batch)
                .await
                .map_err(|_error| Broken),
            Self::Tcp(stream) => {
                // In one piece, so that small messages share a record and a packet.
                stream
                    .write_all(&batch.concat())
                    .await
                    .map_err(|_error| Broken)?;
                stream.flush().await.map_err(|_error| Broken)
            }
        }
    }

    /// Ends our direction and sees to it that what was written arrives.
    pub(super) async fn finish(&mut self) {
        let finishing = async {
            match self {
                Self::Quic(stream) => {
                    if stream.finish().is_ok() {
                        let _arrived = stream.stopped().await;
                    }
                }
                Self::Tcp(stream) => {
                    let _sent = stream.shutdown().await;
                }
            }
        };
        let _late = tokio::time::timeout(CLOSE_WAIT, finishing).await;
    }
}

/// Bytes taken from a QUIC stream at once.
const READ_LEN_MAX: usize = 64 * 1024;

/// The longest record of TLS.
const RECORD_LEN_MAX: usize = 16 * 1024;

/// How long a question may go unanswered in complete silence over QUIC.
const ANSWER_WAIT_QUIC: Duration = Duration::from_secs(6);

/// The same over TCP.
const ANSWER_WAIT_TCP: Duration = Duration::from_secs(30);

/// How long the reason for an end may take to be read.
const LAST_WORD_WAIT: Duration = Duration::from_secs(1);

/// How long closing in good order may take.
const CLOSE_WAIT: Duration = Duration::from_secs(1);
