//! The `sori-relay` program: runs a relay, and does for its operator what belongs to that.

#![deny(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::wildcard_enum_match_arm,
    clippy::iter_over_hash_type
)]
#![cfg_attr(
    test,
    allow(
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::arithmetic_side_effects,
        clippy::unwrap_used,
        reason = "tests may panic"
    )
)]

mod admin;
mod cli;
mod metrics;
mod notify;
mod report;
mod service;
mod tide;

use std::alloc::System;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use zeroizing_alloc::ZeroAlloc;

/// Wipes memory as it is freed, so that what was forwarded is gone and not only forgotten.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    let Err(failure) = cli::Arguments::parse().execute() else {
        return ExitCode::SUCCESS;
    };
    let _nobody_to_tell = writeln!(io::stderr(), "sori-relay: {failure}");
    failure.exit_code()
}
