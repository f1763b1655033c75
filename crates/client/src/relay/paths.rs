//! From which networks no UDP reaches a relay, for as long as this process lives.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What was found out in the networks this device was in. It says nothing about them: it holds
/// numbers keyed with random bytes of this process, is bounded, and is never written anywhere.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    key: RandomState,
    barred: Mutex<HashMap<u64, Instant>>,
}

/// The path from the network that this device is in, told from others by its address there, to an
/// address of a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Path(u64);

impl Paths {
    /// The path to `relay` as it is now. No packet is sent for that.
    pub(crate) fn to(&self, relay: SocketAddr) -> Path {
        Path(self.key.hash_one((own_address(relay), relay)))
    }

    /// Whether TCP should go first, because UDP got no answer.
    pub(crate) fn is_udp_barred(&self, path: Path) -> bool {
        let mut barred = self.barred();
        barred.retain(|_, since| since.elapsed() < REMEMBERED);
        barred.contains_key(&path.0)
    }

    /// UDP got no answer while TCP did.
    pub(crate) fn bar_udp(&self, path: Path) {
        let mut barred = self.barred();
        if barred.len() >= PATHS_MAX {
            let oldest = barred.iter().min_by_key(|(_, since)| **since);
            if let Some(oldest) = oldest.map(|(path, _)| *path) {
                barred.remove(&oldest);
            }
        }
        barred.insert(path.0, Instant::now());
    }

    /// UDP got an answer.
    pub(crate) fn open_udp(&self, path: Path) {
        self.barred().remove(&path.0);
    }

    fn barred(&self) -> MutexGuard<'_, HashMap<u64, Instant>> {
        self.barred.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The address that packets to `relay` would come from; `None` without a way there.
fn own_address(relay: SocketAddr) -> Option<IpAddr> {
    let any: SocketAddr = match relay {
        SocketAddr::V4(_) => ([0; 4], 0).into(),
        SocketAddr::V6(_) => ([0; 16], 0).into(),
    };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(relay).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// How long UDP is left to come second before it is tried first again.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// Paths remembered at once.
const PATHS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_barred_until_udp_is_answered_there() {
        let paths = Paths::default();
        let path = paths.to(([127, 0, 0, 1], 4433).into());
        assert!(!paths.is_udp_barred(path));
        paths.bar_udp(path);
        assert!(paths.is_udp_barred(path));
        assert!(!paths.is_udp_barred(Path(path.0 ^ 1)));
        paths.open_udp(path);
        assert!(!paths.is_udp_barred(path));
    }

    /// protocol §1.4.5
    #[test]
    fn what_is_remembered_is_bounded_and_means_nothing_to_another_process() {
        let (paths, other) = (Paths::default(), Paths::default());
        let relay = ([127, 0, 0, 1], 4433).into();
        assert_ne!(paths.to(relay), other.to(relay));
        for number in 0..1000 {
            paths.bar_udp(Path(number));
        }
        assert!(paths.barred().len() <= PATHS_MAX);
        assert!(paths.is_udp_barred(Path(999)));
    }
}
