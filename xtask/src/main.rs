//! The one door to this repository: `cargo xtask run`, `cargo xtask test`, `cargo xtask check`, `cargo xtask crash`,
//! `cargo xtask sim`, `cargo xtask mutants`, `cargo xtask bench`.
//!
//! It looks for what the machine lacks, names it, installs it where it may, builds, and starts the real programs. It
//! knows no Sori crate: it meets the relay and the messenger as any other user does, through their command lines.
//!
//! - [`machine`] asks what is there and installs what is not; [`shell`] runs commands, [`step`] says what is going on;
//! - [`program`] holds a started process and ends it with all its children; [`relay`] is one of those;
//! - [`run`], [`demo`], [`check`], [`mod@audit`], [`mod@bench`], [`crash`], [`mod@fuzz`], [`sim`], [`mutants`], [`mod@mls`], [`deb`],
//!   [`judge`] and [`mod@test`] are the commands.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this program exists to speak with the person at the terminal"
)]

mod audit;
mod bench;
mod check;
mod crash;
mod deb;
mod demo;
mod error;
mod front_end;
mod fuzz;
mod judge;
mod machine;
mod meeting;
mod mls;
mod mutants;
mod program;
mod relay;
mod rpc;
mod run;
mod shell;
mod sim;
mod step;
mod test;
mod workspace;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use crate::error::Error;
use crate::workspace::Workspace;

/// Builds, runs and tests Sori.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Door {
    #[command(subcommand)]
    task: Task,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum Task {
    /// Open Sori: a relay on this machine and one window for each person.
    Run(Run),
    /// Install what the tests need, then check, test and drive the real window.
    Test,
    /// Formatting, lints (warnings denied), documentation, front end.
    Check,
    /// Look at what the programs are made of: advisories, licences, sources, lists of parts, two builds compared.
    Audit(audit::Audit),
    /// Measure what the relay costs, beside other servers.
    Bench(bench::Bench),
    /// Crash the store in every way we know, and print a table of what came of it.
    Crash(crash::Crash),
    /// Simulate groups with everything that can go wrong, and judge what came of it.
    Sim(sim::Sim),
    /// Try inputs at every parser that meets bytes from outside (needs cargo-fuzz and a nightly toolchain).
    Fuzz(fuzz::Fuzz),
    /// See that the tests notice builds that are broken on purpose.
    Mutants,
    /// Judge the relay and the client by the audit suite, and the suite by ones that were broken on purpose.
    Judge(judge::Judge),
    /// Let another MLS library into our groups and us into its groups, and run the official vectors of MLS.
    Mls(mls::Mls),
    /// Build a Debian package (needs cargo-deb).
    Deb {
        /// Which one.
        #[arg(default_value = "relay")]
        package: deb::Package,
    },
}

/// How to open Sori.
#[derive(Debug, Args)]
struct Run {
    /// How many people, each with a profile and a window of their own.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=8))]
    people: u8,
    /// Play a conversation of three real processes, one of them away for a while, and tell what happened.
    #[arg(long, conflicts_with_all = ["people", "terminal"])]
    demo: bool,
    /// Use this terminal although there is a display.
    #[arg(long)]
    terminal: bool,
}

fn main() -> ExitCode {
    if let Some(code) = mutants::compile_instead() {
        return code;
    }
    let door = Door::parse();
    match open(door.task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Error::Interrupted) => {
            println!();
            println!("Ended.");
            ExitCode::from(130)
        }
        Err(error) => {
            eprintln!();
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn open(task: Task) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Error::io("start", source))?;
    runtime.block_on(async {
        // Dropping the work ends every process that it started.
        tokio::select! {
            outcome = work(task) => outcome,
            outcome = interruption() => outcome,
        }
    })
}

async fn work(task: Task) -> Result<(), Error> {
    let workspace = Workspace::find()?;
    match task {
        Task::Audit(audit) => audit::audit(&workspace, &audit).await,
        Task::Bench(bench) => bench::bench(&workspace, &bench).await,
        Task::Check => check::check(&workspace).await,
        Task::Crash(crash) => crash::crash(&workspace, &crash).await,
        Task::Deb { package } => deb::deb(&workspace, package).await,
        Task::Fuzz(fuzz) => fuzz::fuzz(&workspace, &fuzz).await,
        Task::Mls(mls) => mls::mls(&workspace, &mls).await,
        Task::Mutants => mutants::mutants(&workspace).await,
        Task::Judge(judge) => judge::judge(&workspace, &judge).await,
        Task::Run(run) if run.demo => demo::demo(&workspace).await,
        Task::Run(run) if run.terminal => run::on_terminal(&workspace, run.people).await,
        Task::Run(run) => run::run(&workspace, run.people).await,
        Task::Sim(sim) => sim::sim(&workspace, &sim).await,
        Task::Test => test::test(&workspace).await,
    }
}

/// Resolves once somebody asks us to stop: Ctrl-C, or SIGTERM from a supervisor.
async fn interruption() -> Result<(), Error> {
    let mut terminate = signal(SignalKind::terminate())
        .map_err(|source| Error::io("listen for signals", source))?;
    let mut interrupt = signal(SignalKind::interrupt())
        .map_err(|source| Error::io("listen for signals", source))?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Err(Error::Interrupted)
}
