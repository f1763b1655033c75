//! The relay that is judged: where it is, and as much of its process as may be looked at.

mod process;
mod reach;
mod url;

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::finding::Finding;

use process::Running;
pub(crate) use process::{Ending, SpawnError};
pub(crate) use url::{InvalidUrl, Url};

/// What was given on the command line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    pub(crate) url: Option<String>,
    pub(crate) pid: Option<u32>,
    pub(crate) spawn: Option<String>,
    pub(crate) access: Option<String>,
    pub(crate) warrant: Option<String>,
    pub(crate) owned: bool,
}

/// Why there is nothing to judge.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TargetError {
    #[error("nothing answers at {0}, neither over TCP nor over QUIC")]
    Silent(SocketAddr),
    #[error("give the URL of a relay, or --spawn COMMAND to start one")]
    Nothing,
    #[error("{0}")]
    Url(#[from] InvalidUrl),
    #[error("{0}")]
    Spawn(#[from] SpawnError),
    #[error("the host of the relay has no address: {0}")]
    Name(std::io::Error),
    #[error("the host of the relay has no address")]
    NoAddress,
}

/// A relay that can be reached.
#[derive(Debug)]
pub(crate) struct Target {
    place: Mutex<Place>,
    pub(crate) given: Given,
}

#[derive(Debug)]
struct Place {
    url: Url,
    address: SocketAddr,
    running: Option<Running>,
}

impl Target {
    /// Finds the relay, or starts it.
    pub(crate) fn open(given: Given) -> Result<Self, TargetError> {
        let running = given.spawn.as_deref().map(Running::start).transpose()?;
        let text = match (&given.url, &running) {
            (Some(url), _) => url.clone(),
            (None, Some(running)) => running.url.clone(),
            (None, None) => return Err(TargetError::Nothing),
        };
        let mut url: Url = text.parse()?;
        if let Some(access) = &given.access {
            url.access = Some(url::key_of(access)?);
        }
        let address = (url.host.as_str(), url.port)
            .to_socket_addrs()
            .map_err(TargetError::Name)?
            .next()
            .ok_or(TargetError::NoAddress)?;
        if !reach::answers(address) {
            return Err(TargetError::Silent(address));
        }
        let place = Place {
            url,
            address,
            running,
        };
        Ok(Self {
            place: Mutex::new(place),
            given,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.lock().address
    }

    /// The key that the URL names.
    pub(crate) fn key(&self) -> [u8; 32] {
        self.lock().url.key
    }

    pub(crate) fn access(&self) -> Option<[u8; 32]> {
        self.lock().url.access
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        let of_child = self.lock().running.as_ref().map(Running::pid);
        of_child.or(self.given.pid)
    }

    /// The process, or why there is none to look at.
    pub(crate) fn process(&self) -> Result<u32, Finding> {
        self.pid().ok_or_else(|| {
            Finding::not_seen("only the network can be seen; give --pid or --spawn to look inside")
        })
    }

    /// Everything that the process has printed. Only of a relay that was started here.
    pub(crate) fn printed(&self) -> Result<Vec<u8>, Finding> {
        let place = self.lock();
        place.running.as_ref().map(Running::printed).ok_or_else(|| {
            Finding::not_seen("what the relay prints can be seen only if --spawn starts it")
        })
    }

    /// Ends the process and starts it anew. A finding if it was not started here, or comes back elsewhere.
    pub(crate) fn restart(&self, ending: Ending) -> Result<Option<i32>, Finding> {
        let code = self.end(ending)?;
        self.start_again()?;
        Ok(code)
    }

    /// Ends the process; the exit code.
    pub(crate) fn end(&self, ending: Ending) -> Result<Option<i32>, Finding> {
        let mut place = self.lock();
        let running = place
            .running
            .as_mut()
            .ok_or_else(|| Finding::skipped("the relay is ended only if --spawn started it"))?;
        running.end(ending).map_err(Finding::not_seen)
    }

    /// Asks the process to end, and does not wait.
    pub(crate) fn signal(&self, ending: Ending) -> Result<(), Finding> {
        let place = self.lock();
        let running = place
            .running
            .as_ref()
            .ok_or_else(|| Finding::skipped("the relay is ended only if --spawn started it"))?;
        running.signal(ending).map_err(Finding::not_seen)
    }

    pub(crate) fn start_again(&self) -> Result<(), Finding> {
        let command = self.given.spawn.as_deref().unwrap_or_default();
        let running = Running::start(command).map_err(Finding::not_seen)?;
        let mut place = self.lock();
        let mut url: Url = running.url.parse().map_err(Finding::not_seen)?;
        url.access = place.url.access;
        place.address.set_port(url.port);
        place.url = url;
        place.running = Some(running);
        Ok(())
    }

    /// Whether it may be burdened: it is on this machine, or somebody says that it is theirs.
    pub(crate) fn may_be_flooded(&self) -> Result<(), Finding> {
        if self.address().ip().is_loopback() || self.given.owned {
            return Ok(());
        }
        Err(Finding::skipped(
            "floods only on this machine, or with --i-own-this-target",
        ))
    }

    /// Other addresses of the loopback can be taken only there.
    pub(crate) fn is_loopback(&self) -> bool {
        let address = self.address();
        address.is_ipv4() && address.ip().is_loopback()
    }

    fn lock(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
