//! `cargo xtask fuzz`: every parser that meets bytes from outside, for a time of the processor and not of the clock, so
//! that a busy machine does not make it less.
//!
//! The targets are those of `fuzz/`; cargo-fuzz builds them with a compiler's instrumentation, which only a nightly
//! toolchain has.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use clap::Args;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use crate::error::Error;
use crate::judge;
use crate::shell;
use crate::step::Steps;
use crate::workspace::Workspace;

/// What to try, and for how long.
#[derive(Debug, Args)]
pub(crate) struct Fuzz {
    /// Seconds of processor time for each target.
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// How many targets at once.
    #[arg(long, default_value_t = 2)]
    together: usize,
    /// Only these targets.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Put the table into docs/auditing.md.
    #[arg(long, conflicts_with = "only")]
    write: bool,
}

/// What came of one target.
#[derive(Debug)]
struct Found {
    name: String,
    /// Inputs tried.
    runs: u64,
    /// By the clock, and of the processor.
    seconds: [u64; 2],
    /// Edges of the program that some input has reached.
    coverage: u64,
    /// Files with inputs that must not do what they do.
    findings: Vec<PathBuf>,
}

/// Builds the targets and runs each; fails if one has a finding.
pub(crate) async fn fuzz(workspace: &Workspace, fuzz: &Fuzz) -> Result<(), Error> {
    let mut steps = Steps::begin();
    steps.next("Build the targets");
    let folder = workspace.root().join("fuzz");
    let built = workspace.target().join("fuzz");
    // Not the toolchain of this program, but the nightly one.
    let mut build = Command::new("cargo");
    build
        .args(["+nightly", "fuzz", "build"])
        .current_dir(&folder)
        .env("CARGO_TARGET_DIR", &built);
    shell::run(&mut build).await?;

    steps.next("Try inputs");
    let mut waiting = names(&folder, fuzz)?.into_iter();
    let mut running = JoinSet::new();
    let mut table = Vec::new();
    loop {
        while running.len() < fuzz.together.max(1)
            && let Some(name) = waiting.next()
        {
            let program = program(&built, &name)?;
            running.spawn(one(
                program,
                folder.clone(),
                built.clone(),
                name,
                fuzz.seconds,
            ));
        }
        let Some(ended) = running.join_next().await else {
            break;
        };
        let found = ended
            .map_err(|error| Error::DidNotHold(format!("a target ends in order: {error}")))??;
        println!("   {}", found.line());
        table.push(found);
    }
    table.sort_by(|one, other| one.name.cmp(&other.name));
    let bad: Vec<&PathBuf> = table.iter().flat_map(|found| &found.findings).collect();
    if !bad.is_empty() {
        return Err(Error::DidNotHold(format!(
            "every input is parsed or refused: {bad:?} were not"
        )));
    }
    if fuzz.write {
        let lines: String = table.iter().map(Found::row).collect();
        judge::put(workspace, BEGIN, &format!("{HEAD}{lines}"))?;
    }
    steps.done("No input did any harm");
    Ok(())
}

/// The targets, by their corpora.
fn names(folder: &Path, fuzz: &Fuzz) -> Result<Vec<String>, Error> {
    let entries = fs::read_dir(folder.join("corpus"))
        .map_err(|source| Error::io("read fuzz/corpus", source))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names
        .filter(|name| fuzz.only.is_empty() || fuzz.only.contains(name))
        .collect();
    names.sort();
    let unknown = fuzz.only.iter().find(|name| !names.contains(name));
    match unknown {
        Some(name) => Err(Error::DidNotHold(format!("there is a target {name}"))),
        None => Ok(names),
    }
}

/// Where cargo-fuzz has put a target: below the name of this kind of machine.
fn program(built: &Path, name: &str) -> Result<PathBuf, Error> {
    let entries =
        fs::read_dir(built).map_err(|source| Error::io("read the built targets", source))?;
    let mut places =
        entries.filter_map(|entry| Some(entry.ok()?.path().join("release").join(name)));
    places
        .find(|place| place.is_file())
        .ok_or_else(|| Error::DidNotHold(format!("the target {name} is built")))
}

async fn one(
    program: PathBuf,
    folder: PathBuf,
    built: PathBuf,
    name: String,
    seconds: u64,
) -> Result<Found, Error> {
    let work = built.join("work").join(&name);
    let (corpus, findings) = (work.join("corpus"), work.join("findings"));
    // What an earlier run has found is told again until somebody takes it away.
    for place in [&corpus, &findings] {
        fs::create_dir_all(place).map_err(|source| Error::io("make a folder", source))?;
    }
    let log = work.join("log");
    let out = fs::File::create(&log).map_err(|source| Error::io("write a log", source))?;
    let mut prefix = findings.clone().into_os_string();
    prefix.push("/");
    let mut artifacts = std::ffi::OsString::from("-artifact_prefix=");
    artifacts.push(prefix);
    let child = Command::new(program)
        .arg(artifacts)
        .args(["-print_final_stats=1"])
        // These count the clock, which goes on while a busy machine lets nothing of this run.
        .args(["-timeout=600", "-report_slow_units=600"])
        .arg(&corpus)
        .arg(folder.join("corpus").join(&name))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(out)
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| Error::io(format!("start the target {name}"), source))?;
    let began = Instant::now();
    let used = until(child, seconds).await?;
    let clock = began.elapsed().as_secs();
    let said = fs::read_to_string(&log).map_err(|source| Error::io("read a log", source))?;
    let number = |label: &str| {
        let rest = said.rsplit_once(label).map(|(_, rest)| rest.trim_start());
        let digits = rest.and_then(|rest| rest.split(|sign: char| !sign.is_ascii_digit()).next());
        digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
    };
    let entries = fs::read_dir(&findings).map_err(|source| Error::io("read findings", source))?;
    let mut findings: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    let runs = number("stat::number_of_executed_units:");
    if runs == 0 {
        // It ended before it could say so.
        findings.push(log);
    }
    Ok(Found {
        runs,
        coverage: number(" cov: "),
        seconds: [clock, used],
        findings,
        name,
    })
}

/// Lets a target go on until it has had its time or ends by itself; the seconds that it had.
async fn until(mut child: Child, seconds: u64) -> Result<u64, Error> {
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
    let mut used = 0;
    loop {
        tokio::select! {
            ended = child.wait() => {
                ended.map_err(|source| Error::io("wait for a target", source))?;
                return Ok(used);
            }
            () = tokio::time::sleep(LOOKS_EVERY) => {}
        }
        used = pid.and_then(processor_seconds).unwrap_or(used);
        if used >= seconds
            && let Some(pid) = pid.and_then(Pid::from_raw)
        {
            let _gone = kill_process(pid, Signal::INT);
        }
    }
}

/// What the system says a process has used, in whole seconds.
fn processor_seconds(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    let sum = ticks()?.checked_add(ticks()?)?;
    sum.checked_div(TICKS_A_SECOND)
}

impl Found {
    fn line(&self) -> String {
        let [clock, used] = self.seconds;
        format!(
            "{:<16} {:>10} inputs {clock:>5} s ({used:>5} s of the processor), {:>6} edges, {}",
            self.name,
            self.runs,
            self.coverage,
            match self.findings.as_slice() {
                [] => "no finding".to_owned(),
                some => format!("FOUND {some:?}"),
            }
        )
    }

    fn row(&self) -> String {
        let Self {
            name,
            runs,
            seconds: [clock, used],
            coverage,
            findings,
        } = self;
        format!(
            "| {name} | {runs} | {clock} | {used} | {coverage} | {} |\n",
            findings.len()
        )
    }
}

const BEGIN: &str = "<!-- fuzzing: cargo xtask fuzz --write -->";

const HEAD: &str = "| target | inputs | seconds by the clock | of processor time | edges reached | findings |\n\
                    | --- | --- | --- | --- | --- | --- |\n";

/// USER_HZ: what /proc counts in, the same on every Linux.
const TICKS_A_SECOND: u64 = 100;

const LOOKS_EVERY: Duration = Duration::from_secs(1);
