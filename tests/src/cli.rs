//! The command line.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::{Args, Parser, Subcommand};

use crate::answer;
use crate::baseline::{Baseline, BaselineError};
use crate::catalogue::{self, Check, Profile};
use crate::report::{self, Language, Report, Totals, evidence, html, json, junit, terminal};
use crate::run::{Judged, Shims};
use crate::select::Selection;
use crate::target::{Given, Target, TargetError};

/// Judges Sori relays and clients from outside
///
/// Exit codes: 0 everything that was looked for holds; 1 something that must be does not hold, or was not seen
/// although it could be; 2 the run was not possible. The last line says how many checks passed, failed and were
/// skipped.
#[derive(Debug, Parser)]
#[command(name = "sori-audit", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Judge a relay: from the network, and its process where it may be looked at
    Relay(Box<RelayArguments>),
    /// Judge a client: any program that a shim stands before (docs/shim.md)
    Client(Box<ClientArguments>),
    /// Stand before `sori rpc` as docs/shim.md says
    Shim {
        /// The messenger
        #[arg(long, value_name = "PROGRAM", default_value = "sori")]
        sori: PathBuf,
    },
    /// Look for canaries in nats-server, mosquitto and redis-server, to see what residue looks like (as root)
    Residue,
    /// Print test vectors of the protocol, as in docs/vectors.json
    Vectors,
}

#[derive(Args, Debug)]
struct RelayArguments {
    /// The relay: relay://HOST:PORT/#KEY
    url: Option<String>,
    /// Look inside the process with this number (as root)
    #[arg(long, value_name = "N", conflicts_with = "spawn")]
    pid: Option<u32>,
    /// Start the relay by this shell command, which prints `ready URL`; it is also stopped and killed
    #[arg(long, value_name = "COMMAND")]
    spawn: Option<String>,
    /// Access key of a private relay, if the URL does not have it
    #[arg(long, value_name = "KEY")]
    access: Option<String>,
    /// Command that prints all that the relay can say about itself, for example `sori-relay warrant --json`
    #[arg(long, value_name = "COMMAND")]
    warrant: Option<String>,
    /// Write the answer to a warrant, as far as this run supports it, in English and Korean (Markdown)
    #[arg(long, value_name = "FILE")]
    answer: Option<PathBuf>,
    /// Allow floods against a relay on another machine
    #[arg(long)]
    i_own_this_target: bool,
    #[command(flatten)]
    run: RunArguments,
}

#[derive(Args, Debug)]
struct ClientArguments {
    /// Shell command that starts a shim; once for each client, on profiles of its own
    #[arg(long, value_name = "COMMAND", required_unless_present = "list")]
    shim: Option<String>,
    /// Shell command that starts the shim of a client without the rules of groups, for the checks of MEMBER
    #[arg(long, value_name = "COMMAND")]
    hostile: Option<String>,
    /// Shell command that prints everything that a profile (its argument) and the passphrase (SORI_PASSPHRASE) open, also
    /// what the client itself would not show, for what is said to be forgotten
    #[arg(long, value_name = "COMMAND")]
    thief: Option<String>,
    #[command(flatten)]
    run: RunArguments,
}

/// What is the same whoever is judged.
#[derive(Args, Debug)]
struct RunArguments {
    /// Print the checks and end
    #[arg(long)]
    list: bool,
    /// Run only these: ids, with * for anything; may be given several times
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    only: Vec<String>,
    /// Do not run these
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    skip: Vec<String>,
    /// How much time there is: a minute, five minutes, more than an hour
    #[arg(long, value_enum, default_value = "quick")]
    profile: Profile,
    /// Makes keys and canaries the same again [default: random]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Folder for report.json, junit.xml, report.html, and what was said in checks that did not pass
    #[arg(long, value_name = "DIR")]
    evidence: Option<PathBuf>,
    /// File of expected failures, each with a reason and a last day
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Language of what people read
    #[arg(long, value_enum, default_value = "en")]
    lang: Language,
}

/// Why there was no run.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Target(#[from] TargetError),
    #[error("{0}")]
    Baseline(#[from] BaselineError),
    #[error("no check is called {0}; `sori-audit relay --list` prints all")]
    Unknown(String),
    #[error("cannot write the report: {0}")]
    Write(io::Error),
    #[error("cannot start: {0}")]
    Start(io::Error),
    #[error("cannot write the report: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the shim cannot go on: {0}")]
    Shim(io::Error),
    #[error("the operating system gives no random numbers")]
    Random,
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Relay(arguments) => of_relay(&arguments),
        Command::Client(arguments) => of_client(&arguments),
        Command::Shim { sori } => crate::client::ours::serve(&sori)
            .map(|()| true)
            .map_err(Failure::Shim),
        Command::Residue => {
            say(&crate::residue::table());
            return ExitCode::SUCCESS;
        }
        Command::Vectors => {
            say(&crate::vectors::text());
            return ExitCode::SUCCESS;
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(failure) => {
            say(&format!(
                "sori-audit: {failure}\n{}\n",
                Totals::default().line()
            ));
            ExitCode::from(2)
        }
    }
}

/// Whether the relay is as it must be.
fn of_relay(arguments: &RelayArguments) -> Result<bool, Failure> {
    let answer = |report: &Report| match &arguments.answer {
        None => Ok(()),
        Some(file) => {
            let (page, open) = (answer::page(&report.entries), answer::open(&report.entries));
            say(&format!(
                "Answer to a warrant: {} (open: {open})\n",
                file.display()
            ));
            std::fs::write(file, page).map_err(Failure::Write)
        }
    };
    judge(catalogue::all(), &arguments.run, answer, || {
        let target = Target::open(given(arguments))?;
        Ok(Subject {
            name: target.address().to_string(),
            sees_process: target.pid().is_some(),
            judged: Judged::Relay(Arc::new(target)),
        })
    })
}

/// Whether the client is.
fn of_client(arguments: &ClientArguments) -> Result<bool, Failure> {
    judge(
        catalogue::of_clients(),
        &arguments.run,
        |_| Ok(()),
        || {
            let shim = arguments.shim.clone().unwrap_or_default();
            Ok(Subject {
                name: shim.clone(),
                sees_process: true,
                judged: Judged::Client(Shims {
                    judged: shim,
                    hostile: arguments.hostile.clone(),
                    thief: arguments.thief.clone(),
                }),
            })
        },
    )
}

/// Who is judged.
struct Subject {
    name: String,
    sees_process: bool,
    judged: Judged,
}

fn judge(
    all: Vec<Check>,
    arguments: &RunArguments,
    afterwards: impl FnOnce(&Report) -> Result<(), Failure>,
    subject: impl FnOnce() -> Result<Subject, Failure>,
) -> Result<bool, Failure> {
    let selection = Selection {
        only: arguments.only.clone(),
        skip: arguments.skip.clone(),
        profile: arguments.profile,
    };
    if let Some(unknown) = selection.unknown(&all).first() {
        return Err(Failure::Unknown((*unknown).to_owned()));
    }
    let catalogue_sha256 = catalogue_hash(&all);
    if arguments.list {
        let listed = if arguments.only.is_empty() && arguments.skip.is_empty() {
            all
        } else {
            selection.of(all)
        };
        say(&terminal::list(&listed, arguments.lang));
        return Ok(true);
    }
    let in_catalogue = all.len();
    let checks = selection.of(all);
    let baseline = arguments
        .baseline
        .as_deref()
        .map(Baseline::read)
        .transpose()?;
    let subject = subject()?;
    let mut report = blank(arguments, &subject, catalogue_sha256)?;
    report.not_asked = in_catalogue.saturating_sub(checks.len());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(Failure::Start)?;
    let started = Instant::now();
    let watch =
        |entry: &report::Entry| say(&format!("{}\n", terminal::line(entry, arguments.lang)));
    report.entries = runtime.block_on(crate::run::run(
        &subject.judged,
        &checks,
        report.seed,
        watch,
    ));
    report.duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    if let Some(baseline) = baseline {
        let today = report.started.get(..10).unwrap_or_default().to_owned();
        report.baseline_findings = baseline.apply(&mut report.entries, &today);
    }
    report.close();
    if let Some(folder) = &arguments.evidence {
        write(folder, &mut report, arguments.lang)?;
    }
    afterwards(&report)?;
    say(&terminal::summary(&report, arguments.lang));
    Ok(report.conformant)
}

fn given(arguments: &RelayArguments) -> Given {
    Given {
        url: arguments.url.clone(),
        pid: arguments.pid,
        spawn: arguments.spawn.clone(),
        access: arguments.access.clone(),
        warrant: arguments.warrant.clone(),
        owned: arguments.i_own_this_target,
    }
}

fn blank(
    arguments: &RunArguments,
    subject: &Subject,
    catalogue_sha256: String,
) -> Result<Report, Failure> {
    let seed = match arguments.seed {
        Some(seed) => seed,
        None => u64::from(getrandom::u32().map_err(|_| Failure::Random)?),
    };
    Ok(Report {
        schema: 2,
        suite: format!("sori-audit {}", env!("CARGO_PKG_VERSION")),
        catalogue_sha256,
        command: command(),
        profile: arguments.profile,
        seed,
        started: jiff::Timestamp::now()
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string(),
        duration_ms: 0,
        target: subject.name.clone(),
        machine: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        sees_process: subject.sees_process,
        not_asked: 0,
        entries: Vec::new(),
        baseline_findings: Vec::new(),
        totals: Totals::default(),
        conformant: false,
        exit_reason: "",
    })
}

/// The command line, without access keys.
fn command() -> Vec<String> {
    let mut hides = false;
    let hide = |word: String| {
        let hidden = std::mem::replace(&mut hides, word == "--access");
        match word.split_once("access=") {
            _ if hidden => "...".to_owned(),
            Some((before, _)) => format!("{before}access=..."),
            None if word.starts_with("--access=") => "--access=...".to_owned(),
            None => word,
        }
    };
    std::env::args().map(hide).collect()
}

fn write(folder: &Path, report: &mut Report, language: Language) -> Result<(), Failure> {
    evidence::write(folder, &mut report.entries).map_err(Failure::Write)?;
    let json = json::write(report)?;
    let page = html::write(report, &json, language);
    for (name, text) in [
        ("report.json", &json),
        ("junit.xml", &junit::write(report)),
        ("report.html", &page),
    ] {
        std::fs::write(folder.join(name), text).map_err(Failure::Write)?;
    }
    Ok(())
}

fn catalogue_hash(checks: &[Check]) -> String {
    let lines: Vec<String> = checks
        .iter()
        .map(|check| {
            format!(
                "{} {:?} {}\n",
                check.id,
                check.level,
                check.clauses.join(",")
            )
        })
        .collect();
    evidence::hash(lines.concat().as_bytes())
}

fn say(text: &str) {
    let _nobody_reads = io::stdout().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
