//! `cargo xtask check`: what a machine can say about the text of the programs.

use tokio::process::Command;

use crate::error::Error;
use crate::shell;
use crate::step::Steps;
use crate::workspace::Workspace;
use crate::{front_end, machine};

/// Formatting, lints, documentation and the front end; all are looked at, also after one failed.
pub(crate) async fn check(workspace: &Workspace) -> Result<(), Error> {
    let mut steps = Steps::begin();
    all(workspace, &mut steps).await?;
    steps.done("Everything checked");
    Ok(())
}

/// The steps of the check, as part of a larger command.
pub(crate) async fn all(workspace: &Workspace, steps: &mut Steps) -> Result<(), Error> {
    let mut failed: usize = 0;
    let mut note = |outcome: Result<(), Error>| match outcome {
        Ok(()) => Ok(()),
        Err(error @ Error::Failed { .. }) => {
            eprintln!("error: {error}");
            failed = failed.saturating_add(1);
            Ok(())
        }
        Err(error) => Err(error),
    };

    steps.next("Formatting");
    note(shell::run(cargo(workspace).args(["fmt", "--all", "--", "--check"])).await)?;
    steps.next("Lints");
    note(shell::run(clippy(workspace).args(["--", "-D", "warnings"])).await)?;
    steps.next("Documentation");
    note(
        shell::run(
            cargo(workspace)
                .args(["doc", "--no-deps"])
                .env("RUSTDOCFLAGS", "-D warnings"),
        )
        .await,
    )?;
    steps.next("Front end");
    let front_end_is_built = match front_end(workspace).await {
        Ok(built) => built,
        Err(error) => {
            note(Err(error))?;
            false
        }
    };
    steps.next("Lints of the window");
    note(window(workspace, front_end_is_built).await)?;

    if failed > 0 {
        return Err(Error::Steps(failed));
    }
    Ok(())
}

/// Checks and builds the front end where Node is; says so where it is not. True if it is built.
async fn front_end(workspace: &Workspace) -> Result<bool, Error> {
    if !workspace.front_end().join("package.json").is_file() {
        println!("   not there yet");
        return Ok(false);
    }
    if let Err(absent) = machine::node().await {
        println!("   left out: {absent}");
        return Ok(false);
    }
    front_end::install(&workspace.front_end()).await?;
    front_end::script(workspace, "check").await?;
    front_end::build(workspace).await?;
    Ok(true)
}

/// The window's shell can only be compiled where its web view is, and with a front end to embed.
async fn window(workspace: &Workspace, front_end_is_built: bool) -> Result<(), Error> {
    if !front_end_is_built {
        println!("   left out: there is no front end to embed");
        return Ok(());
    }
    if !machine::has_window_libraries().await {
        println!(
            "   left out: the system's web view is not installed (`cargo xtask test` installs it)"
        );
        return Ok(());
    }
    shell::run(clippy(workspace).args(["-p", "sori-desktop", "--", "-D", "warnings"])).await
}

fn cargo(workspace: &Workspace) -> Command {
    shell::cargo(workspace.root())
}

fn clippy(workspace: &Workspace) -> Command {
    let mut command = cargo(workspace);
    command.args(["clippy", "--all-targets"]);
    command
}
