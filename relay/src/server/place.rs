//! A place among the connections, given back when it is dropped.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use crate::gate::{Address, Gate, Pass, Verdict};
use crate::settings::Limits;
use crate::stack;
use crate::time::Time;

/// The gate of a relay, shared by its shards. Cloning it is cheap.
#[derive(Clone, Debug)]
pub(super) struct Places {
    gate: Arc<Mutex<Gate>>,
    start: Instant,
}

/// A place. Dropping it is leaving.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    pass: Option<Pass>,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoPlace {
    Full,
    PassOver,
    Prove,
}

impl Places {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            gate: Arc::new(Mutex::new(Gate::new(limits, Time(0)))),
            start: Instant::now(),
        }
    }

    pub(super) fn take(&self, from: IpAddr, address: Address) -> Result<Place, NoPlace> {
        let verdict = self.with(|gate, now| gate.handle_arrival(from, address, now));
        match verdict {
            Verdict::Admit(pass) => Ok(Place {
                places: self.clone(),
                pass: Some(pass),
            }),
            Verdict::Full => Err(NoPlace::Full),
            Verdict::PassOver => Err(NoPlace::PassOver),
            Verdict::Prove => Err(NoPlace::Prove),
        }
    }

    /// Forgets who need not be remembered any more.
    pub(super) fn forget(&self) {
        self.with(Gate::handle_timeout);
    }

    fn with<R>(&self, step: impl FnOnce(&mut Gate, Time) -> R) -> R {
        let elapsed = self.start.elapsed().as_millis();
        let now = Time(u64::try_from(elapsed).unwrap_or(u64::MAX));
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        step(&mut gate, now)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        stack::mark();
        if let Some(pass) = self.pass.take() {
            self.places
                .with(|gate, now| gate.handle_departure(pass, now));
        }
    }
}
