//! `sori-sim`: campaigns by the seed or by the thousand. `cargo xtask sim` builds and starts it.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this program exists to print figures"
)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use sori_sim::{campaign, check, crowd, many};

/// Simulates groups for whole hours with everything that can go wrong, and judges what came of it.
#[derive(Debug, Parser)]
struct Options {
    /// Only this seed, with everything that happened.
    #[arg(long)]
    seed: Option<u64>,
    /// The first seed of many.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// How many seeds.
    #[arg(long, default_value_t = 40)]
    seeds: u64,
    /// Group-hours of each seed; two of an even one and three of an odd one if not given.
    #[arg(long)]
    hours: Option<usize>,
    /// A file that keeps what came of each seed, so that a run that was stopped goes on where it was.
    #[arg(long)]
    journal: Option<PathBuf>,
    /// Whether the scenarios notice each build that is broken on purpose (`cargo xtask mutants` makes such a build).
    #[arg(long)]
    mutants: bool,
    /// Instead of campaigns one group of so many members, who come back all at once.
    #[arg(long, value_parser = clap::value_parser!(u16).range(4..=500))]
    crowd: Option<u16>,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if options.mutants {
        return mutants();
    }
    if let Some(members) = options.crowd {
        let seed = options.seed.unwrap_or(1);
        print!(
            "{}",
            crowd::run(usize::from(members), seed, |line| eprintln!("{line}"))
        );
        return ExitCode::SUCCESS;
    }
    let plan = many::Plan {
        first: options.first,
        seeds: options.seeds,
        hours: options.hours,
        threads: options.threads,
        journal: options.journal,
        tells: true,
    };
    if let Some(seed) = options.seed {
        let outcome = campaign::run(plan.shape(seed));
        print!("{}", outcome.history.trace());
        let found = check::judge(&outcome.history);
        for violation in &found {
            println!("{}: {}", violation.check, violation.what);
        }
        println!("{:?}", outcome.faults);
        println!("mended after {:?} ms", outcome.history.heals);
        return if found.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        };
    }
    let report = match many::run(&plan) {
        Ok(report) => report,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    print!("{report}");
    if report.failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

#[cfg(sori_mutants)]
fn mutants() -> ExitCode {
    let survivors = sori_sim::scenarios::survivors();
    if survivors.is_empty() {
        println!("all {} were noticed", sori_sim::scenarios::MUTANTS.len());
        return ExitCode::SUCCESS;
    }
    println!("not noticed: {survivors:?}");
    ExitCode::FAILURE
}

#[cfg(not(sori_mutants))]
fn mutants() -> ExitCode {
    println!("this build is not one that can be broken; use `cargo xtask mutants`");
    ExitCode::from(2)
}
