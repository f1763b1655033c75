//! A screen in memory for tests: Xvfb and a window manager, on a display number that is free.

use std::ffi::OsStr;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use crate::error::Error;
use crate::program::Program;

/// How long Xvfb may take to choose a display.
const READY_PATIENCE: Duration = Duration::from_secs(30);

/// A running screen. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Display {
    // Dropped in this order: the manager before the screen it needs.
    _manager: Program,
    _screen: Program,
    name: String,
}

impl Display {
    /// Starts a screen and a window manager on it.
    pub(crate) async fn start() -> Result<Self, Error> {
        let mut command = Command::new("Xvfb");
        command
            .args([
                "-displayfd",
                "1",
                "-screen",
                "0",
                "1280x800x24",
                "-nolisten",
                "tcp",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut screen = Program::start("Xvfb", &mut command)?;
        let output = screen
            .take_stdout()
            .ok_or_else(|| not_ready("its output cannot be read"))?;
        // With -displayfd it takes the first free number and writes it once it accepts clients.
        let number = timeout(READY_PATIENCE, BufReader::new(output).lines().next_line())
            .await
            .map_err(|_elapsed| not_ready("it chose no display in 30 seconds"))?
            .map_err(|source| Error::io("read what Xvfb says", source))?
            .ok_or_else(|| not_ready("it ended"))?;
        let name = format!(":{}", number.trim());
        // Without a window manager nothing gets the keyboard focus, and so no input method either.
        let manager = Program::start(
            "openbox",
            Command::new("openbox")
                .env("DISPLAY", &name)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null()),
        )?;
        Ok(Self {
            _manager: manager,
            _screen: screen,
            name,
        })
    }

    /// What belongs into `DISPLAY`.
    pub(crate) fn name(&self) -> &OsStr {
        OsStr::new(&self.name)
    }
}

fn not_ready(reason: &str) -> Error {
    Error::NotReady {
        program: "Xvfb".to_owned(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell;

    #[tokio::test]
    async fn two_screens_get_two_names() {
        if !shell::has("Xvfb") || !shell::has("openbox") {
            println!("left out: Xvfb and openbox are not installed");
            return;
        }
        let first = Display::start().await.unwrap();
        let second = Display::start().await.unwrap();
        assert!(first.name.starts_with(':'));
        assert_ne!(first.name, second.name);
    }
}
