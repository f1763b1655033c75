//! A relay that the suite started itself.

use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Why a relay could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpawnError {
    #[error("cannot run the command: {0}")]
    Run(#[from] io::Error),
    #[error("the command printed no line `ready URL` within {START:?}; it printed: {0}")]
    NotReady(String),
}

/// How to end a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// As `kill -9` does.
    Kill,
    /// As a supervisor does.
    Term,
}

/// A process that does not outlive the suite.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) url: String,
    child: Child,
    printed: Arc<Mutex<Vec<u8>>>,
}

impl Running {
    /// Runs a shell command that becomes the relay and prints `ready URL` as its first line.
    pub(crate) fn start(command: &str) -> Result<Self, SpawnError> {
        let mut child = Command::new("sh")
            .args(["-c", &format!("exec {command}")])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let printed = Arc::new(Mutex::new(Vec::new()));
        let (ready, is_ready) = mpsc::channel();
        if let Some(stdout) = child.stdout.take() {
            let printed = Arc::clone(&printed);
            thread::spawn(move || {
                let mut stdout = BufReader::new(stdout);
                let mut line = String::new();
                let _ended = stdout.read_line(&mut line);
                keep(&printed, line.as_bytes());
                let _nobody_waits = ready.send(line);
                collect(stdout, &printed);
            });
        }
        if let Some(stderr) = child.stderr.take() {
            let printed = Arc::clone(&printed);
            thread::spawn(move || collect(stderr, &printed));
        }
        let mut running = Self {
            url: String::new(),
            child,
            printed,
        };
        let line = is_ready.recv_timeout(START).unwrap_or_default();
        match line.trim().strip_prefix("ready ") {
            Some(url) => running.url = url.to_owned(),
            None => {
                let said = String::from_utf8_lossy(&running.printed()).into_owned();
                return Err(SpawnError::NotReady(said));
            }
        }
        Ok(running)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn printed(&self) -> Vec<u8> {
        let printed = self.printed.lock();
        printed.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn signal(&self, ending: Ending) -> io::Result<()> {
        let signal = match ending {
            Ending::Kill => Signal::KILL,
            Ending::Term => Signal::TERM,
        };
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or(io::ErrorKind::NotFound)?;
        Ok(kill_process(pid, signal)?)
    }

    /// Ends it and waits; it is killed if it takes too long.
    pub(crate) fn end(&mut self, ending: Ending) -> io::Result<Option<i32>> {
        self.signal(ending)?;
        let asked = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status.code());
            }
            if asked.elapsed() > END {
                self.child.kill()?;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _already_waited_for = self.child.wait();
    }
}

fn keep(printed: &Mutex<Vec<u8>>, bytes: &[u8]) {
    let mut printed = printed.lock().unwrap_or_else(PoisonError::into_inner);
    if printed.len().saturating_add(bytes.len()) <= PRINTED_MAX {
        printed.extend(bytes);
    }
}

fn collect(mut output: impl Read, printed: &Mutex<Vec<u8>>) {
    let mut buffer = vec![0; 1 << 14];
    while let Ok(len @ 1..) = output.read(&mut buffer) {
        keep(printed, buffer.get(..len).unwrap_or_default());
    }
}

/// How long it may take to be ready.
const START: Duration = Duration::from_secs(20);

/// How long it may take to end.
const END: Duration = Duration::from_secs(15);

/// Bytes kept of what it prints: 64 MiB.
const PRINTED_MAX: usize = 64 << 20;
