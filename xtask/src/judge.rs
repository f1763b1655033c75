//! `cargo xtask judge`: the audit suite against the relay of this checkout, and against relays that were broken on
//! purpose, each of which it has to find out.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use memchr::memmem;
use tokio::process::Command;

use crate::error::Error;
use crate::shell;
use crate::step::Steps;
use crate::workspace::Workspace;

/// What to judge.
#[derive(Debug, Args)]
pub(crate) struct Judge {
    /// Leave out the broken relays.
    #[arg(long)]
    good: bool,
    /// Put the table of broken relays into docs/auditing.md, too.
    #[arg(long, conflicts_with = "good")]
    write: bool,
    /// Folder for report.html and what belongs to it.
    #[arg(long, value_name = "DIR")]
    evidence: Option<PathBuf>,
}

/// Faults, each with the check that has to find it.
const TABLE: &str = include_str!("../../tests/mutants/table.txt");

/// Judges the good relay, then the broken ones.
pub(crate) async fn judge(workspace: &Workspace, judge: &Judge) -> Result<(), Error> {
    let mut steps = Steps::begin();
    steps.next("Build the relay and the audit suite");
    build(workspace, None).await?;
    good(workspace, &mut steps, judge.evidence.as_deref()).await?;
    if !judge.good {
        let table = broken(workspace, &mut steps).await?;
        if judge.write {
            write(workspace, &table)?;
        }
    }
    steps.done("The relay was judged");
    Ok(())
}

/// The relay that is there, from outside and inside, as an auditor would do it in a minute; then as a private one.
pub(crate) async fn good(
    workspace: &Workspace,
    steps: &mut Steps,
    evidence: Option<&Path>,
) -> Result<(), Error> {
    steps.next("Judge the relay");
    let relay = workspace.target().join("debug/sori-relay");
    let run = format!("{} run --listen 127.0.0.1:0 --log debug", relay.display());
    let mut command = suite(workspace, &run);
    if rustix::process::geteuid().is_root() {
        command
            .arg("--baseline")
            .arg(workspace.root().join("tests/baseline.toml"));
    } else {
        println!("   only root may look into the relay's process: what it keeps is left out");
        command.args(["--skip", "KEEP-*,LIMIT-TCP-PROBES"]);
    }
    if let Some(evidence) = evidence {
        command.arg("--evidence").arg(evidence);
    }
    shell::run(&mut command).await?;

    steps.next("Judge it as a private relay");
    let folder = tempfile::tempdir().map_err(|source| Error::io("make a folder", source))?;
    let keys = folder.path().join("access.keys");
    shell::run(Command::new(&relay).arg("access-key").arg(&keys)).await?;
    let key =
        fs::read_to_string(&keys).map_err(|source| Error::io("read the access key", source))?;
    let key = key
        .lines()
        .map(str::trim)
        .find(|line| line.len() == KEY_LEN);
    let key =
        key.ok_or_else(|| Error::DidNotHold("there is an access key in its file".to_owned()))?;
    let run = format!("{run} --access-keys {}", keys.display());
    let mut command = suite(workspace, &run);
    shell::run(command.args([
        "--access",
        key,
        "--only",
        "ACCESS-*,PROOF-HONEST,CARRY-ORDER",
    ]))
    .await
}

/// Every fault of the table has to be found by its check, which the same program without a fault passes. The table
/// with the seconds that it took, as Markdown.
pub(crate) async fn broken(workspace: &Workspace, steps: &mut Steps) -> Result<String, Error> {
    steps.next("Build the broken relays");
    let (good, broken) = build_broken(workspace).await?;
    steps.next("Find out the broken relays");
    let mut table = String::from("| fault | found by | seconds |\n| --- | --- | --- |\n");
    let mut missed = Vec::new();
    for (fault, check) in rows() {
        if !contains(&broken, fault)? || contains(&good, fault)? {
            return Err(Error::DidNotHold(format!(
                "{fault} is in the broken relay and only there"
            )));
        }
        let began = Instant::now();
        let without = code(workspace, &broken, "", check).await?;
        let between = Instant::now();
        let with = code(workspace, &broken, fault, check).await?;
        let seconds = between.elapsed().as_secs_f64();
        println!(
            "   {fault:<28} {check:<24} {with:?} with, {without:?} without [{:.1} s]",
            began.elapsed().as_secs_f64()
        );
        if (without, with) != (Some(0), Some(1)) {
            missed.push(fault);
        }
        table.push_str(&format!("| {fault} | {check} | {seconds:.1} |\n"));
    }
    if missed.is_empty() {
        return Ok(table);
    }
    Err(Error::DidNotHold(format!(
        "each fault is found by its check, and nothing is found without: {missed:?}"
    )))
}

fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?, words.next()?))
    })
}

/// How the suite ends with a relay that has this fault.
async fn code(
    workspace: &Workspace,
    relay: &Path,
    fault: &str,
    check: &str,
) -> Result<Option<i32>, Error> {
    let relay = relay.display();
    let run = format!("env SORI_MUTANT={fault} {relay} run --listen 127.0.0.1:0 --log debug");
    let mut command = suite(workspace, &run);
    let done = command
        .args(["--only", check])
        .kill_on_drop(true)
        .output()
        .await;
    let done = done.map_err(|source| Error::io("run the audit suite", source))?;
    Ok(done.status.code())
}

fn suite(workspace: &Workspace, run: &str) -> Command {
    let mut command = Command::new(workspace.target().join("debug/sori-audit"));
    command.args(["relay", "--spawn", run]);
    command
}

/// Builds both programs; with a wrapper, the relay alone and with its faults.
async fn build(workspace: &Workspace, wrapper: Option<&Path>) -> Result<(), Error> {
    let mut cargo = shell::cargo(workspace.root());
    cargo.args(["build", "-p", "sori-relay"]);
    match wrapper {
        Some(wrapper) => cargo.env("RUSTC_WORKSPACE_WRAPPER", wrapper),
        None => cargo.args(["-p", "sori-audit"]),
    };
    shell::run(&mut cargo).await
}

/// The good relay and the broken one.
async fn build_broken(workspace: &Workspace) -> Result<(PathBuf, PathBuf), Error> {
    let folder = workspace.target().join("debug");
    let (good, broken) = (folder.join("sori-relay"), folder.join("sori-relay-mutants"));
    let wrapper = workspace.root().join("tests/mutants/rustc");
    build(workspace, Some(&wrapper)).await?;
    // Not over the old one: both names may be one file.
    let _not_there = fs::remove_file(&broken);
    fs::copy(&good, &broken).map_err(|source| Error::io("copy the broken relay", source))?;
    build(workspace, None).await?;
    Ok((good, broken))
}

fn contains(program: &Path, name: &str) -> Result<bool, Error> {
    let bytes = fs::read(program).map_err(|source| Error::io("read a program", source))?;
    Ok(memmem::find(&bytes, name.as_bytes()).is_some())
}

/// Puts the table between its marks.
fn write(workspace: &Workspace, table: &str) -> Result<(), Error> {
    let file = workspace.root().join("docs/auditing.md");
    let text =
        fs::read_to_string(&file).map_err(|source| Error::io("read docs/auditing.md", source))?;
    let parts = text.split_once(BEGIN).zip(text.split_once(END));
    let Some(((before, _), (_, after))) = parts else {
        return Err(Error::DidNotHold(
            "docs/auditing.md has the marks of the table".to_owned(),
        ));
    };
    let text = format!("{before}{BEGIN}\n\n{table}\n{END}{after}");
    fs::write(&file, text).map_err(|source| Error::io("write docs/auditing.md", source))
}

const BEGIN: &str = "<!-- broken relays: cargo xtask judge --write -->";
const END: &str = "<!-- end -->";

/// 32 bytes in base64url.
const KEY_LEN: usize = 43;

#[cfg(test)]
mod tests {
    use super::rows;

    #[test]
    fn at_least_a_dozen_faults_each_with_its_check() {
        assert!(rows().count() >= 12);
        assert!(rows().all(|(fault, check)| fault.contains('-') && check == check.to_uppercase()));
    }
}
