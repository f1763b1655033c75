//! A relay of our own on this machine.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{ChildStdout, Command};
use tokio::time::timeout;

use crate::error::Error;
use crate::program::Program;
use crate::workspace::Workspace;

/// How long a relay may take until it is ready.
const READY_PATIENCE: Duration = Duration::from_secs(30);

/// Any free port of this machine, reachable from this machine only.
pub(crate) const ANY_PORT: &str = "127.0.0.1:0";

/// A running relay. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Relay {
    program: Program,
    url: String,
    // Kept open: a relay whose standard output is closed could fail on its next line.
    _output: Lines<BufReader<ChildStdout>>,
}

impl Relay {
    /// Starts `sori-relay run` and waits until it says `ready URL`.
    pub(crate) async fn start(
        workspace: &Workspace,
        listen: &str,
        key: Option<&Path>,
    ) -> Result<Self, Error> {
        let mut command = Command::new(workspace.program("sori-relay")?);
        command.args(["run", "--listen", listen]);
        if let Some(key) = key {
            command.arg("--key").arg(key);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut program = Program::start("the relay", &mut command)?;
        let output = program
            .take_stdout()
            .ok_or_else(|| not_ready("its output cannot be read"))?;
        let mut lines = BufReader::new(output).lines();
        let first = timeout(READY_PATIENCE, lines.next_line())
            .await
            .map_err(|_elapsed| not_ready("it said nothing in 30 seconds"))?
            .map_err(|source| Error::io("read what the relay says", source))?
            .ok_or_else(|| not_ready("it ended"))?;
        let url = first
            .strip_prefix("ready ")
            .ok_or_else(|| not_ready("its first line does not begin with `ready`"))?
            .trim()
            .to_owned();
        Ok(Self {
            program,
            url,
            _output: lines,
        })
    }

    /// The address with the pinned key, as it stands in every invite.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The process id, while it runs.
    pub(crate) fn id(&self) -> Option<u32> {
        self.program.id()
    }

    /// Waits until it has ended by itself, which it should not. Cancel safe.
    pub(crate) async fn ended(&mut self) -> Error {
        match self.program.wait().await {
            Ok(status) => Error::Failed {
                command: "sori-relay run".to_owned(),
                status,
            },
            Err(error) => error,
        }
    }
}

fn not_ready(reason: &str) -> Error {
    Error::NotReady {
        program: "the relay".to_owned(),
        reason: reason.to_owned(),
    }
}
