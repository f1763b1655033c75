//! Datagrams written by hand (RFC 9000), for what no library would send.

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::finding::Finding;
use crate::stage::Stage;

/// A socket towards the relay, without anything above it.
#[derive(Debug)]
pub(crate) struct Datagrams(UdpSocket);

impl Datagrams {
    pub(crate) async fn to(stage: &Stage) -> Result<Self, Finding> {
        let to = stage.target.address();
        let socket = if to.is_ipv4() {
            UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await
        } else {
            UdpSocket::bind((std::net::Ipv6Addr::UNSPECIFIED, 0)).await
        }
        .map_err(Finding::not_seen)?;
        socket.connect(to).await.map_err(Finding::not_seen)?;
        Ok(Self(socket))
    }

    pub(crate) async fn send(&self, datagram: &[u8]) {
        let _lost = self.0.send(datagram).await;
    }

    /// What comes back within the time; `None` if nothing does.
    pub(crate) async fn answer(&self, within: Duration) -> Option<Vec<u8>> {
        let mut buffer = vec![0; 1 << 16];
        let len = timeout(within, self.0.recv(&mut buffer)).await.ok()?.ok()?;
        buffer.truncate(len);
        Some(buffer)
    }
}

/// A packet with a long header of any version, filled up to `len` bytes.
pub(crate) fn long_header(version: u32, destination: &[u8], source: &[u8], len: usize) -> Vec<u8> {
    let short = |id: &[u8]| u8::try_from(id.len()).unwrap_or(u8::MAX);
    let mut packet = vec![0xc3];
    packet.extend(version.to_be_bytes());
    packet.push(short(destination));
    packet.extend(destination);
    packet.push(short(source));
    packet.extend(source);
    packet.resize(len.max(packet.len()), 0x5a);
    packet
}

/// A packet with a short header for a connection that does not exist.
pub(crate) fn short_header(destination: &[u8], noise: &[u8]) -> Vec<u8> {
    [&[0x43], destination, noise].concat()
}

/// The source connection id of a packet with a long header.
pub(crate) fn source_of(datagram: &[u8]) -> Option<&[u8]> {
    let (first, rest) = datagram.split_first()?;
    if first & 0x80 == 0 {
        return None;
    }
    let rest = rest.get(4..)?;
    let (len, rest) = rest.split_first()?;
    let (len, rest) = rest.get(usize::from(*len)..)?.split_first()?;
    rest.get(..usize::from(*len))
}
