//! A shard's UDP socket as an endpoint sees it.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, Runtime, TokioRuntime, UdpPoller};

/// A socket that can be taken away from its endpoint while the port stays open, and that sends short
/// bursts, so that an idle connection keeps a small buffer.
pub(super) struct EndpointSocket {
    inner: Arc<dyn AsyncUdpSocket>,
    retired: AtomicBool,
}

impl EndpointSocket {
    /// Wraps a copy of `socket`; packets go to whichever copy asks first.
    pub(super) fn new(socket: &UdpSocket) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            inner: TokioRuntime.wrap_udp_socket(socket.try_clone()?)?,
            retired: AtomicBool::new(false),
        }))
    }

    /// From now on this endpoint receives nothing: what comes is for the next one.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
    }
}

impl AsyncUdpSocket for EndpointSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.inner).create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.inner.try_send(transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        if self.retired.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        self.inner.poll_recv(cx, bufs, meta)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.inner.max_transmit_segments().min(SEGMENTS_MAX)
    }

    fn max_receive_segments(&self) -> usize {
        self.inner.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.inner.may_fragment()
    }
}

impl fmt::Debug for EndpointSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EndpointSocket")
    }
}

/// Packets of one connection that leave in one system call. The connection keeps a buffer for so many
/// from its first packet on: with the ten that the library would take, it is the largest part of what
/// an idle connection costs.
const SEGMENTS_MAX: usize = 4;
