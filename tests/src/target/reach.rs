//! Whether there is anything to judge.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

/// Whether something answers at this address, over TCP or over QUIC. About nothing, nothing can be said.
pub(super) fn answers(to: SocketAddr) -> bool {
    TcpStream::connect_timeout(&to, PATIENCE).is_ok() || answers_quic(to).unwrap_or(false)
}

/// Sends a first packet of a version that nobody has: whoever speaks QUIC answers which it has (RFC 9000, 6.1).
fn answers_quic(to: SocketAddr) -> io::Result<bool> {
    let socket = match to {
        SocketAddr::V4(_) => UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)),
    }?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.connect(to)?;
    let ids = [8, 1, 2, 3, 4, 5, 6, 7, 8, 8, 1, 2, 3, 4, 5, 6, 7, 8];
    let mut packet = [&[0xc0, 0x1a, 0x2a, 0x3a, 0x4a][..], &ids].concat();
    packet.resize(1200, 0);
    socket.send(&packet)?;
    Ok(socket.recv(&mut [0; 1500])? > 0)
}

const PATIENCE: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn who_listens_answers_and_nobody_does_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let there = listener.local_addr().unwrap();
        assert!(answers(there));
        drop(listener);
        assert!(!answers(there));
    }
}
