//! The few lines that a running relay writes to stderr.
//!
//! What can be said is one closed list. No line takes text from a connection, so that no topic,
//! address, frame or key can get into the log at any level; not by a mistake either.

use std::fmt;
use std::io::{self, Write};

use super::Failure;
use super::level::Level;
use crate::report::Report;

/// Everything that is ever written.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    /// The admin socket or the metrics port cannot be accepted from for now.
    CannotAccept { place: &'static str },
    /// It listens on every address and was not told its name.
    NoPublicName,
    /// What is in memory may get to the machine's swap.
    NotLocked,
    /// Everyone is in who may be; it serves.
    Ready { version: &'static str },
    /// The files that can change under a running relay were read again.
    Reloaded,
    /// They cannot be used; what was in force stays.
    ReloadRefused { reason: &'a Failure },
    /// Told to stop: no new connections, all are told.
    Stopping,
    /// It has stopped.
    Stopped,
    /// What it has done since its start.
    Totals(&'a Report),
}

/// Writes to stderr, with the level in front of each line where the journal reads it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Log {
    level: Level,
    style: Style,
}

#[derive(Clone, Copy, Debug)]
enum Style {
    /// `<6>`, which journald takes for the priority and does not show.
    Journal,
    Terminal,
}

impl Log {
    pub(crate) fn new(level: Level) -> Self {
        let style = match std::env::var_os("JOURNAL_STREAM") {
            Some(_) => Style::Journal,
            None => Style::Terminal,
        };
        Self { level, style }
    }

    pub(crate) fn say(self, event: &Event<'_>) {
        let level = event.level();
        if level > self.level {
            return;
        }
        let mut stderr = io::stderr().lock();
        let _nobody_to_tell = match self.style {
            Style::Journal => writeln!(stderr, "<{}>{event}", level.priority()),
            Style::Terminal => writeln!(stderr, "sori-relay: {event}"),
        };
    }
}

impl Level {
    /// As in syslog (RFC 5424, section 6.2.1).
    const fn priority(self) -> u8 {
        match self {
            Self::Error => 3,
            Self::Warn => 4,
            Self::Info => 6,
            Self::Debug => 7,
        }
    }
}

impl Event<'_> {
    const fn level(&self) -> Level {
        match self {
            Self::ReloadRefused { .. } => Level::Error,
            Self::CannotAccept { .. } | Self::NoPublicName | Self::NotLocked => Level::Warn,
            Self::Ready { .. } | Self::Reloaded | Self::Stopping | Self::Stopped => Level::Info,
            Self::Totals(_) => Level::Debug,
        }
    }
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CannotAccept { place } => write!(
                f,
                "the operating system gives no more connections to the {place}; trying again"
            ),
            Self::NoPublicName => f.write_str(
                "listening on every address of this machine; \
                 give --public HOST to print a URL that others can use",
            ),
            Self::NotLocked => f.write_str(
                "the operating system may move memory of the relay to its swap; allow it to lock \
                 its memory (`LimitMEMLOCK=infinity`, `ulimit -l unlimited`) or turn swap off",
            ),
            Self::Ready { version } => write!(f, "ready, version {version}"),
            Self::Reloaded => f.write_str("read access keys and certificate again"),
            Self::ReloadRefused { reason } => {
                write!(f, "nothing was changed by the reload: {reason}")
            }
            Self::Stopping => f.write_str("stopping; clients are told to come back"),
            Self::Stopped => f.write_str("stopped"),
            Self::Totals(report) => write!(f, "{}", report.to_line()),
        }
    }
}
