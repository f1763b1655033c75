//! The sockets of a process, and what the kernel holds in their buffers.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::finding::Finding;

use super::proc;

/// A row of `/proc/PID/net/{tcp,udp}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Socket {
    pub(crate) is_tcp: bool,
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    /// Bytes that wait to be sent.
    pub(crate) sending: u64,
    /// Bytes that wait to be read.
    pub(crate) received: u64,
    /// Whether the kernel probes a silent peer.
    pub(crate) probes: bool,
    pub(crate) listens: bool,
}

/// The internet sockets of a process.
pub(crate) fn of(pid: u32) -> Result<Vec<Socket>, Finding> {
    let links = proc::descriptors(pid)?;
    let inodes: BTreeSet<String> = links
        .iter()
        .filter_map(|link| link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']'))
        .map(str::to_owned)
        .collect();
    let mut sockets = Vec::new();
    for (file, is_tcp) in [
        ("tcp", true),
        ("tcp6", true),
        ("udp", false),
        ("udp6", false),
    ] {
        let table = proc::text(pid, &format!("net/{file}"))?;
        sockets.extend(
            table
                .lines()
                .skip(1)
                .filter_map(|line| row(line, is_tcp, &inodes)),
        );
    }
    Ok(sockets)
}

fn row(line: &str, is_tcp: bool, inodes: &BTreeSet<String>) -> Option<Socket> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let [_, local, remote, state, queues, timer, _, _, _, inode, ..] = fields.as_slice() else {
        return None;
    };
    if !inodes.contains(*inode) {
        return None;
    }
    let (sending, received) = queues.split_once(':')?;
    let hex = |text| u64::from_str_radix(text, 16).ok();
    Some(Socket {
        is_tcp,
        local: address(local)?,
        remote: address(remote)?,
        sending: hex(sending)?,
        received: hex(received)?,
        probes: timer.starts_with("02:"),
        listens: is_tcp && *state == "0A",
    })
}

/// Addresses stand as words in the byte order of the machine.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let word = |at: usize| {
        let word = ip.get(at..at.checked_add(8)?)?;
        Some(u32::from_str_radix(word, 16).ok()?.to_ne_bytes())
    };
    let ip: IpAddr = if ip.len() == 8 {
        Ipv4Addr::from(word(0)?).into()
    } else {
        let mut bytes = [0; 16];
        for (part, at) in bytes.chunks_exact_mut(4).zip([0, 8, 16, 24]) {
            part.copy_from_slice(&word(at)?);
        }
        let ip = Ipv6Addr::from(bytes);
        ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4)
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_kernel_are_read() {
        let text = format!("{:08X}:1151", u32::from_ne_bytes([127, 0, 0, 1]));
        assert_eq!(address(&text), Some("127.0.0.1:4433".parse().unwrap()));
        let any = format!("{}:0000", "0".repeat(32));
        assert_eq!(address(&any), Some("[::]:0".parse().unwrap()));
    }

    #[test]
    fn a_listening_socket_of_this_process_is_seen() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let local = listener.local_addr().unwrap();
        let sockets = of(std::process::id()).unwrap();
        assert!(
            sockets
                .iter()
                .any(|socket| socket.listens && socket.local == local)
        );
    }
}
