//! Crash tests of the store, and the processes that are crashed. Usually started as `cargo xtask crash`.
#![expect(
    clippy::print_stderr,
    reason = "this program reports to the person at the terminal"
)]

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sori_crash::campaign::{self, Order};
use sori_crash::forensics;
use sori_crash::look::{self, Glance};
use sori_crash::worker::{self, Task};

#[derive(Debug, Parser)]
#[command(name = "sori-crash", version)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Run the trials and print a table.
    Campaign(Order),
    /// Look again at a folder that a failed campaign has kept.
    Look(Glance),
    /// Print everything that the files of a closed profile and the passphrase in SORI_PASSPHRASE open, also what was to be
    /// forgotten and is not.
    Steal {
        /// The profile.
        profile: PathBuf,
    },
    /// Work with a store and say what is acknowledged; meant to be crashed.
    Worker(Task),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments.what {
        What::Campaign(order) => match campaign::run(order, &mut io::stdout()) {
            Ok(true) => Ok(()),
            Ok(false) => return ExitCode::FAILURE,
            Err(error) => Err(error),
        },
        What::Look(glance) => look::look(glance),
        What::Steal { profile } => {
            let passphrase = std::env::var("SORI_PASSPHRASE").unwrap_or_default();
            forensics::steal(profile, passphrase, &mut io::stdout().lock())
        }
        What::Worker(task) => worker::work(task),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            match &arguments.what {
                // Not the number of a trial that found something.
                What::Campaign(_) | What::Look(_) | What::Steal { .. } => ExitCode::from(2),
                What::Worker(_) => ExitCode::FAILURE,
            }
        }
    }
}
