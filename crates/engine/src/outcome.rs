//! What becomes of each message on a channel: it ends in one of these, always.

use std::collections::BTreeMap;

use sori_mls::StateId;

/// The terminal state of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was acted upon.
    Taken,
    /// It is kept, or what it says is, but it belongs to a branch that loses at present.
    Superseded,
    /// It was acted upon before.
    Known,
    /// It waits for a state.
    Waits(StateId),
    /// What it would take to open it is gone, or never was here.
    Unreadable,
    /// It holds for everybody else, and cannot be processed here: the device asks whether it is off the way.
    Resync,
    /// It breaks a rule.
    Refused(Reason),
    /// The group is over for this account.
    Over,
    /// This device must not go on in the group.
    Halted,
}

/// Why a message is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// It is not what its kind demands.
    Malformed,
    /// Its signature does not hold, or is not of whom it should be.
    Signature,
    /// The group's rules forbid it.
    Rules,
}

impl Outcome {
    /// The outcome of several things in one message: the one that asks for most.
    pub(crate) const fn then(self, next: Self) -> Self {
        match (self, next) {
            (Self::Waits(state), _) => Self::Waits(state),
            (_, Self::Waits(state)) => Self::Waits(state),
            (Self::Halted, _) | (_, Self::Halted) => Self::Halted,
            (Self::Known, next) => next,
            (first, Self::Known) => first,
            (_, next) => next,
        }
    }

    /// A stable name, without what it is about.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Superseded => "superseded",
            Self::Known => "known",
            Self::Waits(_) => "waits",
            Self::Unreadable => "unreadable",
            Self::Resync => "resync",
            Self::Refused(Reason::Malformed) => "refused_malformed",
            Self::Refused(Reason::Signature) => "refused_signature",
            Self::Refused(Reason::Rules) => "refused_rules",
            Self::Over => "over",
            Self::Halted => "halted",
        }
    }
}

/// How often each outcome came about since the start: numbers only.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcomes(BTreeMap<&'static str, u64>);

impl Outcomes {
    pub(crate) fn count(&mut self, outcome: Outcome) {
        let count = self.0.entry(outcome.name()).or_default();
        *count = count.saturating_add(1);
    }

    pub(crate) const fn counts(&self) -> &BTreeMap<&'static str, u64> {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_outcomes_the_one_counts_that_asks_for_most() {
        let waits = Outcome::Waits(StateId::from_bytes([1; 32]));
        assert_eq!(Outcome::Known.then(Outcome::Taken), Outcome::Taken);
        assert_eq!(Outcome::Taken.then(Outcome::Known), Outcome::Taken);
        assert_eq!(Outcome::Taken.then(waits), waits);
        assert_eq!(waits.then(Outcome::Halted), waits);
        assert_eq!(Outcome::Halted.then(Outcome::Taken), Outcome::Halted);
    }
}
