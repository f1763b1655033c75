//! Keeping the memory of the process, and with it keys and texts, out of files and away from other programs.

use std::io;

/// Lets no crash write the memory of this process, and of those it starts, to a file.
///
/// # Errors
/// What the system answered; nothing has changed then.
pub fn forbid_core_dumps() -> io::Result<()> {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        let none = Rlimit {
            current: Some(0),
            maximum: Some(0),
        };
        setrlimit(Resource::Core, none)?;
    }
    Ok(())
}

/// Lets no other program of the same user read the memory of this process, as a debugger does. Not for
/// programs whose window or sandbox has others look at them.
///
/// # Errors
/// What the system answered; nothing has changed then.
pub fn forbid_reading() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    }
    Ok(())
}
