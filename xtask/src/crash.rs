//! `cargo xtask crash`: the store with the power gone, killed, out of space, and searched for what it forgot.
//!
//! The trials and their table are those of `tests/crash`; this is the door to them. The quick form of each is also an
//! ordinary test.

use clap::Args;

use crate::error::Error;
use crate::shell;
use crate::workspace::Workspace;

/// What to run.
#[derive(Debug, Args)]
pub(crate) struct Crash {
    /// Thousands of images, 1,000 kills, every single call made to fail, a million messages; with SQLite as one more
    /// control. Takes hours.
    #[arg(long)]
    long: bool,
    /// Where the seeds start; a failure names the seed that repeats it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only this trial: power-cut, kill, disk-full, device-error, forensics or million.
    #[arg(long)]
    trial: Option<String>,
    /// Only this engine: sori, sori-redb, redb, sled or, in the long form, sqlite.
    #[arg(long)]
    engine: Option<String>,
}

/// Builds the trials and runs them; fails if an engine did not do what it must.
pub(crate) async fn crash(workspace: &Workspace, crash: &Crash) -> Result<(), Error> {
    let mut command = shell::cargo(workspace.root());
    command.args(["run", "-p", "sori-crash"]);
    if crash.long {
        command.args(["--release", "--features", "sqlite"]);
    }
    command
        .args(["--", "campaign", "--seed"])
        .arg(crash.seed.to_string());
    if crash.long {
        command.arg("--long");
    }
    for (name, value) in [("--trial", &crash.trial), ("--engine", &crash.engine)] {
        if let Some(value) = value {
            command.args([name, value]);
        }
    }
    shell::run(&mut command).await
}
