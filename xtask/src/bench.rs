//! `cargo xtask bench relay`: what the relay costs, beside nats-server and mosquitto under the same loads.
//!
//! The loads and the tables are those of `tests/bench`; this is the door to them.

use clap::{Args, Subcommand};

use crate::error::Error;
use crate::shell;
use crate::workspace::Workspace;

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Processor time, memory and latency of the relay, nats-server and mosquitto, all with TLS.
    Relay(Relay),
}

/// How to measure the relay.
#[derive(Debug, Args)]
struct Relay {
    /// Put the tables into docs/performance.md, too.
    #[arg(long)]
    write: bool,
    /// Passed on to the benchmark; `-- --help` says what there is.
    #[arg(last = true)]
    rest: Vec<String>,
}

/// Builds relay and benchmark, optimised, and runs it.
pub(crate) async fn bench(workspace: &Workspace, bench: &Bench) -> Result<(), Error> {
    let What::Relay(relay) = &bench.what;
    let mut build = shell::cargo(workspace.root());
    build.args(["build", "--release", "-p", "sori-relay", "-p", "sori-bench"]);
    shell::run(&mut build).await?;
    let mut command = shell::cargo(workspace.root());
    command.args([
        "run",
        "--release",
        "-q",
        "-p",
        "sori-bench",
        "--",
        "--relay",
    ]);
    command.arg(workspace.target().join("release/sori-relay"));
    if relay.write {
        command.arg("--write");
        command.arg(workspace.root().join("docs/performance.md"));
    }
    command.args(&relay.rest);
    shell::run(&mut command).await
}
