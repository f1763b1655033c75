//! How a check ends.

use std::fmt::Display;

/// What was seen, or why that cannot be said or must not be.
pub(crate) type Outcome = Result<String, Finding>;

/// A check that did not pass.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Finding {
    /// The relay does what the clause forbids.
    #[error("{0}")]
    Broken(String),
    /// It could not be seen whether it does. Never a pass.
    #[error("{0}")]
    NotSeen(String),
    /// There was no reason to look, or nobody allowed it.
    #[error("{0}")]
    Skipped(String),
}

impl Finding {
    pub(crate) fn broken(what: impl Display) -> Self {
        Self::Broken(what.to_string())
    }

    pub(crate) fn not_seen(why: impl Display) -> Self {
        Self::NotSeen(why.to_string())
    }

    pub(crate) fn skipped(why: impl Display) -> Self {
        Self::Skipped(why.to_string())
    }

    /// The same, with what was being done when it happened.
    pub(crate) fn during(self, what: impl Display) -> Self {
        match self {
            Self::Broken(text) => Self::Broken(format!("{what}: {text}")),
            Self::NotSeen(text) => Self::NotSeen(format!("{what}: {text}")),
            Self::Skipped(text) => Self::Skipped(format!("{what}: {text}")),
        }
    }
}

/// Goes on only if something is so; what is said otherwise describes what was seen instead.
pub(crate) fn must(is_so: bool, otherwise: impl FnOnce() -> String) -> Result<(), Finding> {
    if is_so {
        Ok(())
    } else {
        Err(Finding::Broken(otherwise()))
    }
}
