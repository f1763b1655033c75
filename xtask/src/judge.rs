//! `cargo xtask judge`: the audit suite against the relay and the client of this checkout, and against ones that were
//! broken on purpose, each of which it has to find out.

mod below;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use memchr::memmem;
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::error::Error;
use crate::step::Steps;
use crate::workspace::Workspace;
use crate::{mutants, shell};

/// What to judge.
#[derive(Debug, Args)]
pub(crate) struct Judge {
    /// Leave out the broken relays.
    #[arg(long)]
    good: bool,
    /// Put the table of broken builds into docs/auditing.md, and write docs/what-we-could-hand-over.md anew.
    #[arg(long, conflicts_with = "good")]
    write: bool,
    /// Folder for report.html and what belongs to it.
    #[arg(long, value_name = "DIR")]
    evidence: Option<PathBuf>,
}

/// Faults, each with the check that has to find it.
const TABLE: &str = include_str!("../../tests/mutants/table.txt");

/// Faults of clients.
const CLIENTS: &str = include_str!("../../tests/mutants/clients.txt");

/// What every run of `cargo xtask test` asks of the client: a few seconds of each area.
const QUICK_FOR_CLIENTS: &str =
    "SEAL-TEXT,SEAL-SESSION,GROUP-REMOVED,KEYS-CRASH,DISK-TEXT,CRASH-ACKNOWLEDGED,CHEAT-BEND";

/// Judges the good ones, then the broken ones.
pub(crate) async fn judge(workspace: &Workspace, judge: &Judge) -> Result<(), Error> {
    let mut steps = Steps::begin();
    steps.next("Build the relay and the audit suite");
    build(workspace).await?;
    good(workspace, &mut steps, judge.evidence.as_deref()).await?;
    if judge.write {
        answer(workspace, &mut steps).await?;
    }
    shell::run(shell::cargo(workspace.root()).args(["build", "-p", "sori", "-p", "sori-crash"]))
        .await?;
    client(workspace, &mut steps, Which::All).await?;
    if !judge.good {
        let mut found = broken(workspace, &mut steps, Which::All).await?;
        found.extend(broken_clients(workspace, &mut steps).await?);
        found.extend(below::engines(workspace, &mut steps).await?);
        found.extend(below::stores(workspace, &mut steps).await?);
        if judge.write {
            write(workspace, &found)?;
        }
    }
    steps.done("The relay and the client were judged");
    Ok(())
}

/// The relay that is there, from outside and inside, as an auditor would do it in a minute; then as a private one.
pub(crate) async fn good(
    workspace: &Workspace,
    steps: &mut Steps,
    evidence: Option<&Path>,
) -> Result<(), Error> {
    steps.next("Judge the relay");
    let folder = tempfile::tempdir().map_err(|source| Error::io("make a folder", source))?;
    let relay = workspace.target().join("debug/sori-relay");
    let run = format!("{} run --listen 127.0.0.1:0 --log debug", relay.display());
    let mut command = open_relay(workspace, folder.path());
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

/// The suite, for a relay that can also be asked what it would say to a warrant.
fn open_relay(workspace: &Workspace, folder: &Path) -> Command {
    let relay = workspace.target().join("debug/sori-relay");
    let (relay, admin) = (relay.display(), folder.join("admin"));
    let admin = admin.display();
    let run = format!("{relay} run --listen 127.0.0.1:0 --log debug --admin {admin}");
    let mut command = suite(workspace, &run);
    command.args([
        "--warrant",
        &format!("{relay} warrant --json --admin {admin}"),
    ]);
    command
}

/// The answer to a warrant, from all the checks that it names.
async fn answer(workspace: &Workspace, steps: &mut Steps) -> Result<(), Error> {
    steps.next("Write the answer to a warrant");
    let folder = tempfile::tempdir().map_err(|source| Error::io("make a folder", source))?;
    let mut command = open_relay(workspace, folder.path());
    command.args(["--profile", "full", "--only", ANSWERING, "--answer"]);
    shell::run(command.arg(workspace.root().join(ANSWER))).await
}

/// The client that is there, behind the shim that comes with the suite.
pub(crate) async fn client(
    workspace: &Workspace,
    steps: &mut Steps,
    which: Which,
) -> Result<(), Error> {
    steps.next("Judge the client");
    let mut command = client_suite(workspace, "", &workspace.target().join("debug/sori"));
    if which == Which::Quick {
        command.args(["--only", QUICK_FOR_CLIENTS]);
        return shell::run(&mut command).await;
    }
    command.args(["--profile", "full"]);
    if !rustix::process::geteuid().is_root() {
        println!(
            "   only root may look into the client's memory and at its system calls: that is left out"
        );
        command.args(["--skip", "DISK-MEMORY,KEYS-FORGOTTEN,CRASH-EVERY-STEP"]);
    }
    shell::run(&mut command).await
}

/// Every fault of the table of clients has to be found by its check, which the same program without a fault passes.
async fn broken_clients(workspace: &Workspace, steps: &mut Steps) -> Result<Vec<Found>, Error> {
    steps.next("Build the broken clients");
    let folder = workspace.target().join("debug");
    let (good, broken) = (folder.join("sori"), folder.join("sori-mutants"));
    shell::run(mutants::cargo(workspace)?.args(["build", "-p", "sori"])).await?;
    let _not_there = fs::remove_file(&broken);
    fs::copy(&good, &broken).map_err(|source| Error::io("copy the broken client", source))?;
    shell::run(shell::cargo(workspace.root()).args(["build", "-p", "sori"])).await?;

    steps.next("Find out the broken clients");
    let (mut missed, mut rows) = (Vec::new(), Vec::new());
    for (check, fault) in pairs(CLIENTS) {
        if !contains(&broken, fault)? || contains(&good, fault)? {
            return Err(Error::DidNotHold(format!(
                "`{fault}` is in the broken client and only there"
            )));
        }
        let mut verdicts = Vec::new();
        let mut seconds = 0.0;
        for fault in ["", fault] {
            let began = Instant::now();
            let mut command = client_suite(workspace, fault, &broken);
            command.args(["--only", check]).kill_on_drop(true);
            let done = command.output().await;
            let done = done.map_err(|source| Error::io("run the audit suite", source))?;
            let said = String::from_utf8_lossy(&done.stdout);
            verdicts.push(said.lines().last().unwrap_or_default().to_owned());
            seconds = began.elapsed().as_secs_f64();
        }
        println!("   {fault:<30} {check:<20} {verdicts:?}");
        let [without, with] = verdicts.as_slice() else {
            continue;
        };
        if !without.starts_with("1 passed") || !with.starts_with("0 passed, 1 failed") {
            missed.push(fault);
        }
        rows.push(Found::new("client", fault, check, seconds));
    }
    if missed.is_empty() {
        one_broken_member(workspace, &good, &broken).await?;
        return Ok(rows);
    }
    Err(Error::DidNotHold(format!(
        "each fault of a client is found by its check: {missed:?} were not"
    )))
}

/// A client without the rules of groups, between good ones: it does what it may not, and they do not follow.
async fn one_broken_member(workspace: &Workspace, good: &Path, broken: &Path) -> Result<(), Error> {
    let folder = tempfile::tempdir().map_err(|source| Error::io("make a folder", source))?;
    let mut command = client_suite(workspace, "", good);
    command.args(["--hostile", &shim(workspace, LAWLESS, broken)]);
    command.args(["--only", "MEMBER-*", "--evidence"]);
    shell::run(command.arg(folder.path())).await?;
    let report = fs::read_to_string(folder.path().join("report.json"));
    let report = report.map_err(|source| Error::io("read the report", source))?;
    // Each time in its own view alone: else it was never put to the test whether others follow.
    let did = report.matches(DID_IT).count();
    if did == BREACHES {
        return Ok(());
    }
    Err(Error::DidNotHold(format!(
        "a client without rules does {BREACHES} things that it may not, and did {did}"
    )))
}

fn client_suite(workspace: &Workspace, fault: &str, client: &Path) -> Command {
    let mut command = Command::new(workspace.target().join("debug/sori-audit"));
    let thief = workspace.target().join("debug/sori-crash");
    command.args(["client", "--shim", &shim(workspace, fault, client)]);
    command.args(["--thief", &format!("{} steal", thief.display())]);
    command
}

/// The command of our shim before a client that has this fault.
fn shim(workspace: &Workspace, fault: &str, client: &Path) -> String {
    let suite = workspace.target().join("debug/sori-audit");
    let (suite, client) = (suite.display(), client.display());
    format!("env 'SORI_MUTANT={fault}' {suite} shim --sori {client}")
}

/// Every fault of the table has to be found by its check, which the same program without a fault passes.
pub(crate) async fn broken(
    workspace: &Workspace,
    steps: &mut Steps,
    which: Which,
) -> Result<Vec<Found>, Error> {
    steps.next("Build the broken relays");
    let (good, broken) = build_broken(workspace).await?;
    let rows: Vec<_> = rows()
        .filter(|row| which == Which::All || row.quick)
        .collect();
    for row in &rows {
        if !contains(&broken, row.fault)? || contains(&good, row.fault)? {
            return Err(Error::DidNotHold(format!(
                "{} is in the broken relay and only there",
                row.fault
            )));
        }
    }
    steps.next("Judge the same relay without a fault");
    let checks: Vec<_> = rows.iter().map(|row| row.check).collect();
    let mut command = suite(workspace, &run_with(&broken, ""));
    shell::run(command.args(["--only", &checks.join(",")])).await?;

    steps.next("Find out the broken relays");
    let mut waiting = rows.into_iter();
    let mut running = JoinSet::new();
    let (mut missed, mut found) = (Vec::new(), Vec::new());
    loop {
        while running.len() < TOGETHER
            && let Some(row) = waiting.next()
        {
            let mut command = suite(workspace, &run_with(&broken, row.fault));
            command.args(["--only", row.check]).kill_on_drop(true);
            running.spawn(find(row, command));
        }
        let Some(ended) = running.join_next().await else {
            break;
        };
        let (row, verdict, seconds) =
            ended.map_err(|error| Error::DidNotHold(format!("a run ends in order: {error}")))??;
        let Row { fault, check, .. } = row;
        println!("   {fault:<28} {check:<24} {verdict} [{seconds:.1} s]");
        if !verdict.starts_with("0 passed, 1 failed") {
            missed.push(fault);
        }
        found.push(Found::new("relay", fault, check, seconds));
    }
    if missed.is_empty() {
        found.sort_by(|one, other| one.fault.cmp(&other.fault));
        return Ok(found);
    }
    Err(Error::DidNotHold(format!(
        "each fault is found by its check: {missed:?} were not"
    )))
}

/// Which of the broken relays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    All,
    /// Those that the table names for every run of `cargo xtask test`.
    Quick,
}

/// A fault that was found out.
#[derive(Debug)]
pub(crate) struct Found {
    /// Of what.
    part: &'static str,
    fault: String,
    by: String,
    seconds: f64,
}

impl Found {
    fn new(part: &'static str, fault: &str, by: &str, seconds: f64) -> Self {
        Self {
            part,
            fault: fault.to_owned(),
            by: by.to_owned(),
            seconds,
        }
    }
}

/// The lines of a table that say who finds what, with the rest of the line as the fault.
fn pairs(table: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once(' '));
    pairs.map(|(by, fault)| (by, fault.trim()))
}

/// A line of the table of relays.
#[derive(Clone, Copy, Debug)]
struct Row {
    fault: &'static str,
    check: &'static str,
    quick: bool,
}

fn rows() -> impl Iterator<Item = Row> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| {
        let mut words = line.split_whitespace();
        Some(Row {
            fault: words.next()?,
            check: words.next()?,
            quick: words.next() == Some("quick"),
        })
    })
}

/// What the suite says in its last line, and the seconds until then.
async fn find(row: Row, mut command: Command) -> Result<(Row, String, f64), Error> {
    let began = Instant::now();
    let done = command.output().await;
    let done = done.map_err(|source| Error::io("run the audit suite", source))?;
    let said = String::from_utf8_lossy(&done.stdout);
    let verdict = said.lines().last().unwrap_or_default().to_owned();
    Ok((row, verdict, began.elapsed().as_secs_f64()))
}

/// The command of a relay that has this fault.
fn run_with(relay: &Path, fault: &str) -> String {
    let relay = relay.display();
    format!("env SORI_MUTANT={fault} {relay} run --listen 127.0.0.1:0 --log debug")
}

fn suite(workspace: &Workspace, run: &str) -> Command {
    let mut command = Command::new(workspace.target().join("debug/sori-audit"));
    command.args(["relay", "--spawn", run]);
    command
}

/// Builds the relay and the suite.
async fn build(workspace: &Workspace) -> Result<(), Error> {
    shell::run(shell::cargo(workspace.root()).args([
        "build",
        "-p",
        "sori-relay",
        "-p",
        "sori-audit",
    ]))
    .await
}

/// The good relay and the broken one.
async fn build_broken(workspace: &Workspace) -> Result<(PathBuf, PathBuf), Error> {
    let folder = workspace.target().join("debug");
    let (good, broken) = (folder.join("sori-relay"), folder.join("sori-relay-mutants"));
    shell::run(mutants::cargo(workspace)?.args(["build", "-p", "sori-relay"])).await?;
    // Not over the old one: both names may be one file.
    let _not_there = fs::remove_file(&broken);
    fs::copy(&good, &broken).map_err(|source| Error::io("copy the broken relay", source))?;
    build(workspace).await?;
    Ok((good, broken))
}

fn contains(program: &Path, name: &str) -> Result<bool, Error> {
    let bytes = fs::read(program).map_err(|source| Error::io("read a program", source))?;
    Ok(memmem::find(&bytes, name.as_bytes()).is_some())
}

/// Puts the table into the documentation.
fn write(workspace: &Workspace, found: &[Found]) -> Result<(), Error> {
    let rows = found.iter().map(|found| {
        let Found {
            part,
            fault,
            by,
            seconds,
        } = found;
        format!("| {part} | {fault} | {by} | {seconds:.1} |\n")
    });
    let head = "| of the | fault | found by | seconds |\n| --- | --- | --- | --- |\n";
    put(
        workspace,
        BEGIN,
        &format!("{head}{}", rows.collect::<String>()),
    )
}

/// Puts a table between its marks in docs/auditing.md.
pub(crate) fn put(workspace: &Workspace, begin: &str, table: &str) -> Result<(), Error> {
    let file = workspace.root().join("docs/auditing.md");
    let text =
        fs::read_to_string(&file).map_err(|source| Error::io("read docs/auditing.md", source))?;
    let parts = text.split_once(begin).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(END)?;
        Some((before, after))
    });
    let Some((before, after)) = parts else {
        return Err(Error::DidNotHold(
            "docs/auditing.md has the marks of the table".to_owned(),
        ));
    };
    let text = format!("{before}{begin}\n\n{table}\n{END}{after}");
    fs::write(&file, text).map_err(|source| Error::io("write docs/auditing.md", source))
}

/// The fault of a client that takes every commit for one that is allowed.
const LAWLESS: &str = "skip policy";

/// What a check of MEMBER says of a client that has broken a rule, and how many there are.
const DID_IT: &str = "and sees it done";
const BREACHES: usize = 3;

/// The answer to a warrant, which a run writes.
const ANSWER: &str = "docs/what-we-could-hand-over.md";

/// The checks that it names.
const ANSWERING: &str = "KEEP-*,CARRY-LATE,CARRY-BACK-LATER,TLS-NO-CLIENT-CERTIFICATE";

const BEGIN: &str = "<!-- broken builds: cargo xtask judge --write -->";
const END: &str = "<!-- end -->";

/// Runs at the same time: they mostly wait.
const TOGETHER: usize = 3;

/// 32 bytes in base64url.
const KEY_LEN: usize = 43;

#[cfg(test)]
mod tests {
    use super::rows;

    #[test]
    fn at_least_two_dozen_faults_each_with_its_check() {
        assert!(rows().count() >= 24);
        assert!(rows().filter(|row| row.quick).count() >= 8);
        for row in rows() {
            // A name that nobody would write by chance: it is searched for in the good program.
            assert!(row.fault.contains('-'), "{}", row.fault);
            assert_eq!(row.check, row.check.to_uppercase());
        }
    }
}
