//! What the process asks of the operating system, so that memory stays memory.

use std::io::{self, Write};

use rustix::io::Errno;
use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};
use rustix::thread::{CapabilitySet, capabilities};

/// Forbids core dumps, and reading the process' memory to anyone but the superuser.
///
/// # Errors
/// What the operating system said. Then the relay must not start: it could not keep its promise.
pub fn forbid_dumps() -> io::Result<()> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    #[cfg(sori_mutants)]
    if crate::mutant::is("leaves-core-files") {
        return Ok(());
    }
    setrlimit(Resource::Core, none)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Whether memory can get to a disk that is used as more memory (swap).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swap {
    /// The operating system keeps all of this process in memory.
    Locked,
    /// It was not allowed to be locked. `LimitMEMLOCK=infinity` for the service allows it; without it
    /// a machine without swap is as good.
    NotLocked,
}

/// Keeps all memory of the process, now and later, out of swap, if that is allowed without a bound.
/// To be called before there are other threads.
///
/// Under a bound it is not even tried: what did not fit later would be refused to the relay.
#[must_use]
pub fn lock_memory() -> Swap {
    let limit = getrlimit(Resource::Memlock);
    let unbounded = match (limit.current, limit.maximum) {
        (None, _) => true,
        (Some(_), None) => setrlimit(Resource::Memlock, limit_off()).is_ok(),
        (Some(_), Some(_)) => may_lock_anything(),
    };
    // Pages are locked as they come to exist: stacks and arenas reserve far more than they use.
    let all = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE;
    let locked = |flags| -> Result<(), Errno> { mlockall(flags) };
    if unbounded && (locked(all | MlockAllFlags::ONFAULT).is_ok() || locked(all).is_ok()) {
        return Swap::Locked;
    }
    Swap::NotLocked
}

const fn limit_off() -> Rlimit {
    Rlimit {
        current: None,
        maximum: None,
    }
}

fn may_lock_anything() -> bool {
    capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::IPC_LOCK))
}

/// Whether the machine has a disk that is used as more memory. If that cannot be seen, it may have one.
#[must_use]
pub fn machine_may_swap() -> bool {
    let swaps = std::fs::read_to_string("/proc/swaps");
    swaps.map_or(true, |table| table.lines().nth(1).is_some()) // The first line is a heading.
}

/// Makes a panic say where it happened and nothing else: its usual text may quote values.
pub fn quiet_panics() {
    std::panic::set_hook(Box::new(|info| {
        let mut stderr = io::stderr().lock();
        let _nobody_to_tell = match info.location() {
            Some(place) => writeln!(
                stderr,
                "sori-relay: internal error at {}:{}",
                place.file(),
                place.line()
            ),
            None => writeln!(stderr, "sori-relay: internal error"),
        };
    }));
}
