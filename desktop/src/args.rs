//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Sori's window: end-to-end encrypted conversations that only the people in them keep.
///
/// Several windows can be open at once, each with a profile of its own:
///
///     sori-desktop --profile ~/sori/work
///     sori-desktop --profile ~/sori/home
#[derive(Debug, Parser)]
#[command(version, verbatim_doc_comment)]
pub(crate) struct Args {
    /// The folder of the profile; made if it is not there [default: sori/default in the data
    /// folder of this login, usually ~/.local/share]
    #[arg(long, value_name = "DIR", env = "SORI_PROFILE", hide_env_values = true)]
    pub(crate) profile: Option<PathBuf>,

    /// The relay that a new profile is offered, such as relay://HOST:PORT/#KEY
    #[arg(long, value_name = "URL", env = "SORI_RELAY", hide_env_values = true)]
    pub(crate) relay: Option<String>,

    /// Begin in the tray, without a window, if there is a tray
    #[arg(long)]
    pub(crate) minimized: bool,

    /// An invite link to look at, sori:invite#...; nothing happens before you agree
    #[arg(value_name = "LINK")]
    pub(crate) link: Option<String>,
}
