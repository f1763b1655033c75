//! A started process that never outlives us, nor do its children.

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::error::Error;

/// How long a process may take to end after SIGTERM before it is killed.
const END_PATIENCE: Duration = Duration::from_secs(5);

/// How often an ending process is looked at.
const END_LOOK: Duration = Duration::from_millis(20);

/// A process that leads a process group of its own (a web view has several processes; all must end with it).
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    group: Option<Pid>,
}

impl Program {
    /// Starts `command`, known to the person as `name`.
    pub(crate) fn start(name: &str, command: &mut Command) -> Result<Self, Error> {
        let child = command
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| Error::io(format!("start {name}"), source))?;
        let group = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        Ok(Self { child, group })
    }

    /// The process id, while it runs.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Takes its standard input, if it was piped and not taken before.
    pub(crate) fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Takes its standard output, if it was piped and not taken before.
    pub(crate) fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Waits until it has ended by itself. Cancel safe.
    pub(crate) async fn wait(&mut self) -> Result<ExitStatus, Error> {
        self.child
            .wait()
            .await
            .map_err(|source| Error::io("wait for a program", source))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let Some(group) = self.group else { return };
        if !matches!(self.child.try_wait(), Ok(None)) {
            // The leader has been waited for; what is left of its group, if anything, goes too.
            let _ = kill_process_group(group, Signal::KILL);
            return;
        }
        let _ = kill_process_group(group, Signal::TERM);
        let limit = Instant::now() + END_PATIENCE;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < limit {
            std::thread::sleep(END_LOOK);
        }
        let _ = kill_process_group(group, Signal::KILL);
    }
}
