//! What the process asks of the operating system, so that memory stays memory.

use std::io::{self, Write};

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Forbids core dumps, and reading the process' memory to anyone but the superuser.
///
/// # Errors
/// What the operating system said. Then the relay must not start: it could not keep its promise.
pub fn forbid_dumps() -> io::Result<()> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
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
