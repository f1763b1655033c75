//! `cargo xtask mls`: another MLS library in our groups and we in its groups, and the official vectors of MLS.
//!
//! Both live in `tests/mls`, outside of the workspace: they want features of our MLS library that nobody else should
//! be compiled with.

use clap::Args;

use crate::error::Error;
use crate::shell;
use crate::step::Steps;
use crate::workspace::Workspace;

/// What to run.
#[derive(Debug, Args)]
pub(crate) struct Mls {
    /// Also the vectors of what OpenMLS shows to tests alone, for which everything is compiled once more.
    #[arg(long)]
    internals: bool,
}

/// Runs it, and fails if the two libraries, or ours and the vectors, do not agree.
pub(crate) async fn mls(workspace: &Workspace, mls: &Mls) -> Result<(), Error> {
    let mut steps = Steps::begin();
    steps.next("Another library in our groups, and the official vectors");
    test(workspace, &[]).await?;
    if mls.internals {
        steps.next("Vectors of what the library keeps inside");
        let selection = ["--features", "internals", "--test", "vectors", "inside"];
        test(workspace, &selection).await?;
    }
    steps.done("Another library and the vectors agree with ours");
    Ok(())
}

async fn test(workspace: &Workspace, selection: &[&str]) -> Result<(), Error> {
    let mut command = shell::cargo(workspace.root());
    command
        .args(["test", "--locked", "--manifest-path"])
        .arg(workspace.root().join("tests/mls/Cargo.toml"))
        .arg("--target-dir")
        .arg(workspace.target().join("mls"))
        .args(selection)
        // Which vectors were there, and which were not.
        .args(["--", "--nocapture"]);
    shell::run(&mut command).await
}
