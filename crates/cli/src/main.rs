//! The Sori command line: for people who like a terminal, for scripts, for bots and for tests.
//!
//! ```text
//!  args ─▶ commands ─▶ Client (sori-client)
//!             │           │
//!          screen ◀── words, show            rpc: the same Client over JSON lines
//! ```
//!
//! Everything printed goes through `screen` (commands) or the one writer of `rpc`; every sentence
//! stands in `words`, in English and Korean; every text of somebody else goes through `show`.

mod args;
mod commands;
mod duration;
mod failure;
mod find;
mod profile;
mod rpc;
mod screen;
mod show;
mod words;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Cli;
use crate::failure::Failure;
use crate::screen::{Format, Screen};
use crate::words::{Language, fill};

fn main() -> ExitCode {
    // Where the system does not allow it, a messenger is worth more than none.
    let _dumps = sori_client::forbid_core_dumps().and_then(|()| sori_client::forbid_reading());
    let cli = Cli::parse();
    let format = if cli.json {
        Format::Programs
    } else {
        Format::People
    };
    let screen = Screen {
        language: Language::from_environment(),
        format,
    };
    // One thread for the network and the commands, besides the messenger's own: calls begin in
    // the order in which they are made.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => {
            let outcome = runtime.block_on(commands::run(screen, cli));
            // A thread that still waits for a line of input is not waited for.
            runtime.shutdown_background();
            outcome
        }
        Err(error) => Err(error.into()),
    };
    let Err(failure) = outcome else {
        return ExitCode::SUCCESS;
    };
    let text = match &failure {
        Failure::Client(error) => Some(screen.language.error(error)),
        Failure::Failed(text) | Failure::Usage(text) => Some(text.clone()),
        Failure::Interrupted | Failure::OutputClosed => None,
    };
    if let Some(text) = text {
        screen.warn(&fill(screen.words().error, &[&text]));
    }
    ExitCode::from(failure.exit_code())
}
