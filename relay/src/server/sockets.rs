//! The one port of a relay: UDP and TCP, IPv4 and IPv6, as many sockets as there are shards.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use crate::settings::Tcp;

/// The sockets of one shard. Those of UDP are kept as they are: an endpoint gets a copy.
#[derive(Debug)]
pub(super) struct Sockets {
    pub(super) udp: UdpSocket,
    pub(super) tcp: Option<TcpListener>,
}

/// Opens the sockets of all shards, at one address and port.
pub(super) fn open(listen: SocketAddr, tcp: Tcp, shards: usize) -> io::Result<Vec<Sockets>> {
    let tries = if listen.port() == 0 { PORT_TRIES } else { 1 };
    let mut outcome = Err(io::ErrorKind::AddrInUse.into());
    for _ in 0..tries {
        outcome = open_once(listen, tcp, shards);
        if !matches!(&outcome, Err(error) if error.kind() == io::ErrorKind::AddrInUse) {
            break;
        }
    }
    outcome
}

/// Takes a port for UDP and asks for the same one for TCP, which somebody else may have.
fn open_once(listen: SocketAddr, tcp: Tcp, shards: usize) -> io::Result<Vec<Sockets>> {
    // Sockets that share a port would share it with another relay of this user too, unnoticed. This
    // one does not share, so it finds out.
    let alone = bind(listen, SocketType::DGRAM, Port::Own)?;
    let listen = SocketAddr::new(listen.ip(), UdpSocket::from(alone).local_addr()?.port());
    if tcp == Tcp::On {
        bind(listen, SocketType::STREAM, Port::Own)?;
    }
    let port = if shards > 1 { Port::Shared } else { Port::Own };
    let shard = |_| {
        let udp = bind(listen, SocketType::DGRAM, port)?;
        // One socket serves many, so bursts need room. The kernel may grant less; that is no error.
        let _granted = sockopt::set_socket_recv_buffer_size(&udp, SOCKET_BUFFER_LEN);
        let _granted = sockopt::set_socket_send_buffer_size(&udp, SOCKET_BUFFER_LEN);
        Ok(Sockets {
            udp: udp.into(),
            tcp: match tcp {
                Tcp::Off => None,
                Tcp::On => Some(listener(listen, port)?),
            },
        })
    };
    (0..shards).map(shard).collect()
}

fn listener(listen: SocketAddr, port: Port) -> io::Result<TcpListener> {
    let socket = bind(listen, SocketType::STREAM, port)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Port {
    Own,
    Shared,
}

fn bind(address: SocketAddr, kind: SocketType, port: Port) -> io::Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, kind, flags, None)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, false)?;
    }
    if kind == SocketType::STREAM {
        // A relay that restarts takes its port again although old connections have not timed out.
        sockopt::set_socket_reuseaddr(&socket, true)?;
    }
    if port == Port::Shared {
        sockopt::set_socket_reuseport(&socket, true)?;
    }
    rustix::net::bind(&socket, &address)?;
    Ok(socket)
}

/// Free ports that are tried until one is free for TCP as well.
const PORT_TRIES: usize = 16;

/// Wanted size of the kernel's buffers of a UDP socket.
const SOCKET_BUFFER_LEN: usize = 4 << 20;

/// TCP connections that may wait to be accepted.
const BACKLOG: i32 = 1024;
