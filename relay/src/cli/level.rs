//! How talkative a relay is.

use clap::ValueEnum;
use serde::Deserialize;

/// How much is written. Each level includes those before it.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// Only what keeps the relay from serving
    Error,
    /// Also what the operator should change
    #[default]
    Warn,
    /// Also start, reload and stop
    Info,
    /// Also the totals, once a minute and at the end
    Debug,
}
