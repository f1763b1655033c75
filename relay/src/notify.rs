//! Telling the service manager how we are (`sd_notify(3)`): one datagram to the socket it named.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// What the service manager can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Ready,
    Stopping,
    /// Still alive; due more often than [`watchdog_interval`].
    Watchdog,
}

/// Tells it, if there is one that wants to know.
///
/// # Errors
/// What the operating system said. The manager will then draw its own conclusions.
pub(crate) fn tell(state: State) -> io::Result<()> {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET") else {
        return Ok(());
    };
    UnixDatagram::unbound()?.send_to_addr(state.message(), &address(&name)?)?;
    Ok(())
}

/// How often it wants to hear that we are alive: half of what it allows. `None` if it does not ask,
/// or asks another process.
pub(crate) fn watchdog_interval() -> Option<Duration> {
    let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
    if number("WATCHDOG_PID").is_some_and(|pid| pid != u64::from(std::process::id())) {
        return None;
    }
    let micros = number("WATCHDOG_USEC").filter(|micros| *micros > 1)?;
    Some(Duration::from_micros(micros.div_euclid(2)))
}

impl State {
    const fn message(self) -> &'static [u8] {
        match self {
            Self::Ready => b"READY=1",
            Self::Stopping => b"STOPPING=1",
            Self::Watchdog => b"WATCHDOG=1",
        }
    }
}

/// A path, or after `@` a name in the abstract namespace.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(name),
    }
}
