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
    /// 25,000 group-hours over 10,000 seeds. Takes hours; a run that was stopped goes on where it was, as long as the
    /// build is the same (sim-deep.journal beside what cargo builds).
    #[arg(long, conflicts_with_all = ["seed", "first", "seeds"])]
    deep: bool,
    /// Instead of that, one group of so many members (4 to 500) who come back all at once: what is said until all agree.
    #[arg(long, conflicts_with_all = ["deep", "seed", "first", "seeds"])]
    crowd: Option<u16>,
    /// Only this seed, with everything that happened in it; a failure names it.
    #[arg(long)]
    seed: Option<u64>,
    /// The first seed of many.
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// How many seeds, of two and a half group-hours on average.
    #[arg(long, default_value_t = 400)]
    seeds: u64,
}

/// Builds the simulator, optimised, and runs it; fails if a judge found something.
pub(crate) async fn sim(workspace: &Workspace, sim: &Sim) -> Result<(), Error> {
    let seeds = if sim.deep { 10_000 } else { sim.seeds };
    let mut command = shell::cargo(workspace.root());
    command.args(["run", "--release", "-q", "-p", "sori-sim", "--"]);
    if let Some(members) = sim.crowd {
        return shell::run(command.args(["--crowd".to_owned(), members.to_string()])).await;
    }
    match sim.seed {
        Some(seed) => command.args(["--seed".to_owned(), seed.to_string()]),
        None => command.args([
            "--first".to_owned(),
            sim.first.to_string(),
            "--seeds".to_owned(),
            seeds.to_string(),
        ]),
    };
    if sim.deep {
        let journal = workspace.target().join("sim-deep.journal");
        command.arg("--journal").arg(journal);
    }
    shell::run(&mut command).await
}
