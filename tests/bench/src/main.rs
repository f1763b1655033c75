//! What the relay costs, beside brokers that organisations know: the same load on each, in one run.
//!
//! Every server is a process of its own that is measured from outside, by what the operating system
//! counts for it. `cargo xtask bench relay` builds everything and starts this.
//!
//! - [`server`] starts what is measured; [`mod@line`] and [`peer`] speak with it; [`load`] puts load on it;
//! - [`campaign`] decides which loads, in which order; [`report`] writes the tables.

#![allow(
    clippy::cast_precision_loss,
    reason = "counts become quotients that are shown with three digits"
)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this program exists to print figures"
)]

mod campaign;
mod error;
mod line;
mod load;
mod machine;
mod peer;
mod report;
mod server;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use crate::error::Error;
use crate::server::Kind;

/// Measures the relay and brokers with TLS under the same loads.
#[derive(Clone, Debug, Parser)]
pub(crate) struct Arguments {
    /// The relay's program
    #[arg(long, default_value = "target/release/sori-relay")]
    relay: PathBuf,
    /// What to measure
    #[arg(long, value_delimiter = ',', default_value = "quic,tls,nats,mosquitto")]
    servers: Vec<Kind>,
    /// Which parts to measure
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "fan-out,pairs,idle,latency"
    )]
    parts: Vec<Part>,
    /// A moment for each load: shows that everything works, and gives no figures to keep
    #[arg(long)]
    quick: bool,
    /// Repetitions of each load, each on a new server
    #[arg(long, default_value_t = 3)]
    repetitions: usize,
    /// Puts the tables into this Markdown file, between its two marks, besides printing them
    #[arg(long)]
    write: Option<PathBuf>,
}

/// A part of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// One publisher, many readers
    FanOut,
    /// Many publishers with a reader each
    Pairs,
    /// Connections that do nothing
    Idle,
    /// How long messages take at half load
    Latency,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match measure(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sori-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> Result<(), Error> {
    line::raise_file_limit().map_err(Error::io("allow itself more connections"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Error::io("start"))?;
    let tables = runtime.block_on(campaign::run(arguments))?;
    println!("{tables}");
    match &arguments.write {
        Some(file) => report::put_into(file, &tables),
        None => Ok(()),
    }
}
