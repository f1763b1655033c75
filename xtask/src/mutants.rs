//! `cargo xtask mutants`: builds that are broken on purpose, each of which a scenario must notice.
//!
//! One build holds all of them, behind `--cfg sori_mutants`, and breaks itself in one way at a time. Only crates of this
//! workspace are compiled anew: this program stands in for their compiler and adds the flag. No release is built so.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use crate::error::Error;
use crate::shell;
use crate::workspace::Workspace;

/// Set where this program is to be the compiler.
const STANDS_IN: &str = "SORI_MUTANTS_COMPILER";

/// Builds and runs them; fails if one goes unnoticed.
pub(crate) async fn mutants(workspace: &Workspace) -> Result<(), Error> {
    let mut command = cargo(workspace)?;
    command.args(["run", "-q", "-p", "sori-sim", "--", "--mutants"]);
    shell::run(&mut command).await
}

/// A cargo whose builds can be broken.
pub(crate) fn cargo(workspace: &Workspace) -> Result<tokio::process::Command, Error> {
    let own = std::env::current_exe().map_err(|source| Error::io("find this program", source))?;
    let mut cargo = shell::cargo(workspace.root());
    cargo
        .env("RUSTC_WORKSPACE_WRAPPER", own)
        .env(STANDS_IN, "1");
    Ok(cargo)
}

/// The compiler's work, if that is what this program was called for.
pub(crate) fn compile_instead() -> Option<ExitCode> {
    std::env::var_os(STANDS_IN)?;
    let mut arguments = std::env::args_os().skip(1);
    let compiler: OsString = arguments.next()?;
    let status = Command::new(compiler)
        .args(arguments)
        .args(["--cfg", "sori_mutants"])
        .status();
    let code = status.ok().and_then(|status| status.code()).unwrap_or(1);
    Some(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}
