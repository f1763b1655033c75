//! The relay as a process of its own.

use std::future::Future;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use sori_wire::RelayUrl;

/// How long a test waits for what must happen before it calls it missing.
pub const TIMEOUT: Duration = Duration::from_secs(20);

/// Waits for something that must happen.
pub async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(TIMEOUT, future)
        .await
        .expect("nothing happened in time")
}

pub struct RelayProcess {
    child: Child,
    stdout: BufReader<ChildStdout>,
    pub url: RelayUrl,
}

impl RelayProcess {
    /// A relay on a free port of the loopback with a key of the moment.
    pub fn start() -> Self {
        Self::start_with(&["--listen", "127.0.0.1:0"], Path::new("/"))
    }

    pub fn start_with(arguments: &[&str], directory: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sori-relay"))
            .arg("run")
            .args(arguments)
            .current_dir(directory)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let url = line
            .strip_prefix("ready ")
            .and_then(|rest| rest.strip_suffix('\n'))
            .unwrap_or_else(|| panic!("not a ready line: {line:?}"))
            .parse()
            .unwrap();
        Self { child, stdout, url }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// What makes other programs leave a core image.
    pub fn abort(&self) {
        self.signal(Signal::ABORT);
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for the end: exit code, and what was printed after the ready line and to stderr.
    pub fn wait(mut self) -> (Option<i32>, String, String) {
        let mut out = String::new();
        self.stdout.read_to_string(&mut out).unwrap();
        let mut err = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut err).unwrap();
        (self.child.wait().unwrap().code(), out, err)
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }
}

impl Drop for RelayProcess {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _already_waited_for = self.child.wait();
    }
}
