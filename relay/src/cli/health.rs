//! `sori-relay health`.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use super::{Failure, HealthArguments};
use crate::admin::{self, Question};

/// Succeeds if the relay says that it serves.
///
/// # Errors
/// [`Failure::NotServing`] if it says something else, [`Failure::Ask`] or [`Failure::AskMetrics`] if
/// it says nothing.
pub(crate) fn ask(arguments: HealthArguments) -> Result<(), Failure> {
    let options = arguments.place.options()?;
    let said = match (arguments.metrics.or(options.metrics), options.admin) {
        (Some(address), _) => {
            ask_metrics(address).map_err(|source| Failure::AskMetrics { address, source })?
        }
        (None, Some(path)) => {
            admin::ask(&path, Question::Health).map_err(|source| Failure::Ask { path, source })?
        }
        (None, None) => {
            return Err(Failure::Usage(
                "nowhere to ask; give --metrics ADDR or --admin FILE, as the relay was started with",
            ));
        }
    };
    if said != "ok" {
        return Err(Failure::NotServing(said));
    }
    writeln!(io::stdout(), "ok").map_err(Failure::Output)
}

/// The first line of the body of `/health`.
fn ask_metrics(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&reachable(address), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(ANSWER_LEN_MAX).read_to_string(&mut answer)?;
    let (_, body) = answer
        .split_once("\r\n\r\n")
        .ok_or(io::ErrorKind::InvalidData)?;
    Ok(body.lines().next().unwrap_or_default().to_owned())
}

/// A relay that listens everywhere is asked on this machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    let ip = match address {
        SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::LOCALHOST),
        SocketAddr::V6(_) => IpAddr::from(Ipv6Addr::LOCALHOST),
    };
    SocketAddr::new(ip, address.port())
}

const PATIENCE: Duration = Duration::from_secs(5);

/// Longest answer that is read.
const ANSWER_LEN_MAX: u64 = 4096;
