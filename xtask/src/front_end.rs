//! The web part of the desktop window: its packages, its checks, its build.

use std::fs;
use std::path::Path;

use tokio::process::Command;

use crate::error::Error;
use crate::shell;
use crate::workspace::Workspace;

/// Installs exactly what the lock file names, unless that is what is there already.
pub(crate) async fn install(folder: &Path) -> Result<(), Error> {
    if is_installed(folder) {
        println!(
            "   the packages in {} are as the lock file wants them",
            folder.display()
        );
        return Ok(());
    }
    shell::run(npm(folder).args(["ci", "--no-audit", "--no-fund"])).await
}

/// Builds it into `desktop/ui/dist`, from where the shell embeds it.
pub(crate) async fn build(workspace: &Workspace) -> Result<(), Error> {
    shell::run(npm(&workspace.front_end()).args(["run", "build"])).await
}

/// Runs one of its npm scripts.
pub(crate) async fn script(workspace: &Workspace, name: &str) -> Result<(), Error> {
    shell::run(npm(&workspace.front_end()).args(["run", name])).await
}

fn npm(folder: &Path) -> Command {
    let mut command = Command::new("npm");
    command.current_dir(folder);
    command
}

/// npm leaves a copy of the lock file when it has installed everything; older than the lock file means out of date.
fn is_installed(folder: &Path) -> bool {
    let changed = |path: &str| {
        fs::metadata(folder.join(path))
            .and_then(|metadata| metadata.modified())
            .ok()
    };
    match (
        changed("package-lock.json"),
        changed("node_modules/.package-lock.json"),
    ) {
        (Some(wanted), Some(installed)) => installed >= wanted,
        _ => false,
    }
}
