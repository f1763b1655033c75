//! Two builds in two folders have to give the same bytes, and the relay has to name them.

use std::path::Path;

use tokio::process::Command;

use crate::error::Error;
use crate::shell;
use crate::workspace::Workspace;

/// Builds the programs twice from what is committed, and compares; what differs, in words.
pub(super) async fn compare(
    workspace: &Workspace,
    programs: &[&str],
) -> Result<Vec<String>, Error> {
    let folder = tempfile::tempdir().map_err(|source| Error::io("make a folder", source))?;
    let mut hashes = Vec::new();
    for name in ["one", "another-one"] {
        let copy = folder.path().join(name);
        let mut clone = Command::new("git");
        clone.args(["clone", "--quiet", "--no-hardlinks"]);
        shell::run(clone.arg(workspace.root()).arg(&copy)).await?;
        build(&copy, programs).await?;
        for program in programs {
            hashes.push(hash(&copy.join("target/release").join(program)).await?);
        }
    }
    let (first, second) = hashes.split_at(programs.len());
    let mut wrong = Vec::new();
    let relay = folder.path().join("one/target/release").join(RELAY);
    let says = shell::ask(Command::new(relay).arg("digest")).await;
    let says = says.as_deref().map_or("nothing", str::trim);
    println!("   {says}  is what `{RELAY} digest` prints");
    if !first.iter().any(|built| built == says) {
        wrong.push(format!(
            "`{RELAY} digest` prints something else than its file's hash"
        ));
    }
    for ((program, first), second) in programs.iter().zip(first).zip(second) {
        println!("   {first}  {program}");
        if first != second {
            println!("   {second}  {program}, in another folder");
            wrong.push(format!("two builds of {program} differ"));
        }
    }
    Ok(wrong)
}

/// A release build that does not say where it was made.
async fn build(copy: &Path, programs: &[&str]) -> Result<(), Error> {
    let home =
        std::env::var("CARGO_HOME").or_else(|_| std::env::var("HOME").map(|home| home + "/.cargo"));
    let home = home.unwrap_or_default();
    let here = copy.display();
    let mut command = shell::cargo(copy);
    command
        .args(["build", "--release", "--locked", "--bins"])
        .env("CARGO_TARGET_DIR", copy.join("target"))
        .env("CARGO_INCREMENTAL", "0")
        .env(
            "RUSTFLAGS",
            format!("--remap-path-prefix={here}=/sori --remap-path-prefix={home}=/cargo"),
        )
        .env(
            "CFLAGS",
            format!("-ffile-prefix-map={here}=/sori -ffile-prefix-map={home}=/cargo"),
        );
    for program in programs {
        command.args(["--package", program]);
    }
    shell::run(&mut command).await
}

/// The program that prints its own hash.
const RELAY: &str = "sori-relay";

async fn hash(file: &Path) -> Result<String, Error> {
    let said = shell::ask(Command::new("sha256sum").arg(file)).await;
    let hash = said.and_then(|said| said.split_whitespace().next().map(str::to_owned));
    hash.ok_or_else(|| Error::NotBuilt(file.to_owned()))
}
