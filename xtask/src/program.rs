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

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use rustix::process::test_kill_process_group;
    use tokio::io::{AsyncBufReadExt, BufReader};

    use super::*;

    fn shell(script: &str) -> Program {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdout(Stdio::piped());
        Program::start("a test program", &mut command).unwrap()
    }

    /// Waits for the line by which the script says that it is as far as the test wants it.
    async fn first_line(program: &mut Program) {
        let output = program.take_stdout().unwrap();
        BufReader::new(output).lines().next_line().await.unwrap();
    }

    #[tokio::test]
    async fn dropped_program_takes_its_children_along() {
        let mut program = shell("sleep 600 & echo started; wait");
        first_line(&mut program).await;
        let group = program.group.unwrap();
        drop(program);
        // The orphan is reaped by the system's first process, which may take a moment.
        let limit = Instant::now() + END_PATIENCE;
        while test_kill_process_group(group).is_ok() && Instant::now() < limit {
            tokio::task::yield_now().await;
        }
        assert!(test_kill_process_group(group).is_err());
    }

    #[tokio::test]
    async fn program_may_say_goodbye_before_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let note = folder.path().join("goodbye");
        let script = format!(
            "trap 'echo bye > {}; exit 0' TERM; echo started; while :; do sleep 0.05; done",
            note.display()
        );
        let mut program = shell(&script);
        first_line(&mut program).await;
        drop(program);
        assert_eq!(std::fs::read_to_string(note).unwrap(), "bye\n");
    }

    #[tokio::test]
    async fn wait_tells_how_it_ended() {
        let mut program = shell("exit 3");
        assert_eq!(program.wait().await.unwrap().code(), Some(3));
    }
}
