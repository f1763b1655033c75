//! Commands that run to their end while we wait.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use crate::error::Error;

/// Runs `command`, lets it speak to the terminal, and fails if it fails.
pub(crate) async fn run(command: &mut Command) -> Result<(), Error> {
    let line = line(command);
    println!("   $ {line}");
    let status = command
        .kill_on_drop(true)
        .status()
        .await
        .map_err(|source| Error::io(format!("run `{line}`"), source))?;
    if status.success() {
        return Ok(());
    }
    Err(Error::Failed {
        command: line,
        status,
    })
}

/// Runs `command` silently; its standard output if it succeeded, `None` if it failed or is not there.
pub(crate) async fn ask(command: &mut Command) -> Option<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A cargo command in the workspace.
pub(crate) fn cargo(root: &Path) -> Command {
    // Cargo tells its children which cargo they came from; without it, the one in PATH is as good.
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    command
}

/// True if a program of this name can be found in PATH.
pub(crate) fn has(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
    })
}

/// The command as one could type it: the name of the program without its folder, then the arguments.
fn line(command: &Command) -> String {
    let command = command.as_std();
    let program = Path::new(command.get_program())
        .file_name()
        .unwrap_or_else(|| command.get_program());
    std::iter::once(program)
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}
