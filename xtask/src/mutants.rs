//! `cargo xtask mutants`: builds that are broken on purpose, each of which a scenario must notice.
//!
//! One build holds all of them, behind `--cfg sori_mutants`, and breaks itself in one way at a time. Only crates of this
//! workspace are compiled anew: this program stands in for their compiler and adds the flag. No release is built so.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::{fs, io};

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
    let compiler = compiler(workspace)
        .map_err(|source| Error::io("put the compiler of broken builds in its place", source))?;
    let mut cargo = shell::cargo(workspace.root());
    cargo
        .env("RUSTC_WORKSPACE_WRAPPER", compiler)
        .env(STANDS_IN, "1");
    Ok(cargo)
}

/// A copy of this program, which cargo may put another one in the place of while it runs.
fn compiler(workspace: &Workspace) -> io::Result<PathBuf> {
    // There also where this program's file was replaced.
    let own = fs::read("/proc/self/exe").or_else(|_| fs::read(std::env::current_exe()?))?;
    let place = workspace.target().join("compiler-of-broken-builds");
    // Another file, if only by its time, is another compiler to cargo.
    if fs::read(&place).is_ok_and(|there| there == own) {
        return Ok(place);
    }
    let new = place.with_extension("new");
    fs::write(&new, own)?;
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755))?;
    fs::rename(&new, &place)?;
    Ok(place)
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
