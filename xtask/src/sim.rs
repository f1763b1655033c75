//! `cargo xtask sim`: whole groups for thousands of virtual hours, with everything that can go wrong.
//!
//! The campaigns and their judges are those of `tests/sim`; this is the door to them. The quick form is also an
//! ordinary test.

use clap::Args;

use crate::error::Error;
use crate::shell;
use crate::workspace::Workspace;

/// What to simulate.
#[derive(Debug, Args)]
pub(crate) struct Sim {
    /// 25,000 group-hours over 8,334 seeds. Takes hours.
    #[arg(long, conflicts_with = "seed")]
    deep: bool,
    /// Only this seed, with everything that happened in it; a failure names it.
    #[arg(long)]
    seed: Option<u64>,
    /// The first seed of many.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// How many seeds, of three group-hours each.
    #[arg(long, default_value_t = 400)]
    seeds: u64,
}

/// Builds the simulator, optimised, and runs it; fails if a judge found something.
pub(crate) async fn sim(workspace: &Workspace, sim: &Sim) -> Result<(), Error> {
    let seeds = if sim.deep { 8_334 } else { sim.seeds };
    let mut command = shell::cargo(workspace.root());
    command.args(["run", "--release", "-q", "-p", "sori-sim", "--"]);
    match sim.seed {
        Some(seed) => command.args(["--seed".to_owned(), seed.to_string()]),
        None => command.args([
            "--first".to_owned(),
            sim.first.to_string(),
            "--seeds".to_owned(),
            seeds.to_string(),
        ]),
    };
    shell::run(&mut command).await
}
