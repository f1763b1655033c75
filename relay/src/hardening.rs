//! What the process asks of the operating system, so that memory stays memory.

use std::fs;
use std::io::{self, Write};

use rustix::io::Errno;
use rustix::mm::{MlockAllFlags, mlockall, munlockall};
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
    if unbounded && lock_all().is_ok() {
        return Swap::Locked;
    }
    Swap::NotLocked
}

impl Swap {
    /// Gives memory in which nothing is in use back to the operating system. It takes none that is locked, so
    /// locked memory is unlocked meanwhile, for milliseconds: to be called only where nothing can get to a
    /// disk anyway ([`may_swap`]).
    pub fn give_back_free(self) {
        if self == Self::NotLocked {
            let _or_there_was_none = sori_heap::give_back();
            return;
        }
        if munlockall().is_ok() {
            let _or_there_was_none = sori_heap::give_back();
            // What was allowed without a bound is allowed again.
            let _as_before = lock_all();
        }
    }
}

/// Locks the pages that there are, and others as they come to exist: stacks and arenas reserve far more than
/// they use.
fn lock_all() -> Result<(), Errno> {
    let all = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE;
    mlockall(all | MlockAllFlags::ONFAULT).or_else(|_| mlockall(all))
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

/// Whether memory of this process that is not locked can get to a disk: the machine has one that is used as
/// more memory, and the service manager did not rule that out (`MemorySwapMax=0`). What cannot be seen may be.
#[must_use]
pub fn may_swap() -> bool {
    let swaps = fs::read_to_string("/proc/swaps");
    let machine_may = swaps.map_or(true, |table| table.lines().nth(1).is_some()); // The first line is a heading.
    machine_may && !group_may_not_swap()
}

/// Whether this process is in a control group that may use no swap (cgroups(7), version 2).
fn group_may_not_swap() -> bool {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"));
    path.is_some_and(|path| {
        let most = fs::read_to_string(format!("/sys/fs/cgroup{path}/memory.swap.max"));
        most.is_ok_and(|most| most.trim() == "0")
    })
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
