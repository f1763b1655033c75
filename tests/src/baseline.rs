//! Failures that are expected, each with a reason and a day on which it has to be looked at again.
//!
//! ```toml
//! [[expected]]
//! id = "KEEP-SWAP"
//! reason = "the test machine allows no locked memory"
//! until = "2027-01-31"
//! ```

use std::path::Path;

use serde::Deserialize;

use crate::report::{Entry, Verdict};

/// The file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Baseline {
    #[serde(default)]
    expected: Vec<Expected>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    id: String,
    reason: String,
    /// `YYYY-MM-DD`, the last day on which it counts.
    until: String,
}

/// Why a file of expected failures cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BaselineError {
    #[error("cannot read the baseline: {0}")]
    Read(#[from] std::io::Error),
    #[error("the baseline is not what it should be: {0}")]
    Text(#[from] toml::de::Error),
    #[error("the baseline: {0} has no reason")]
    NoReason(String),
    #[error("the baseline: {id} has no day YYYY-MM-DD: {source}")]
    NoDay { id: String, source: jiff::Error },
}

impl Baseline {
    pub(crate) fn read(path: &Path) -> Result<Self, BaselineError> {
        Self::parse(&std::fs::read_to_string(path)?)
    }

    fn parse(text: &str) -> Result<Self, BaselineError> {
        let baseline: Self = toml::from_str(text)?;
        for expected in &baseline.expected {
            if expected.reason.trim().is_empty() {
                return Err(BaselineError::NoReason(expected.id.clone()));
            }
            let day = expected.until.parse::<jiff::civil::Date>();
            day.map_err(|source| BaselineError::NoDay {
                id: expected.id.clone(),
                source,
            })?;
        }
        Ok(baseline)
    }

    /// Notes at each entry what was expected of it; answers what is wrong with the baseline itself, by `today`
    /// (`YYYY-MM-DD`).
    pub(crate) fn apply(&self, entries: &mut [Entry], today: &str) -> Vec<String> {
        let mut wrong = Vec::new();
        for expected in &self.expected {
            let id = &expected.id;
            let Some(entry) = entries.iter_mut().find(|entry| entry.id == *id) else {
                wrong.push(format!("{id} is in the baseline and was not run"));
                continue;
            };
            if expected.until.as_str() < today {
                wrong.push(format!(
                    "{id}: the baseline counted until {}",
                    expected.until
                ));
                continue;
            }
            match entry.verdict {
                Verdict::Passed => {
                    wrong.push(format!(
                        "{id} passed although the baseline says it would not"
                    ));
                }
                Verdict::Failed | Verdict::NotSeen => {
                    entry.expected_because = Some(expected.reason.clone());
                }
                Verdict::Skipped => {}
            }
        }
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(verdict: Verdict) -> Entry {
        Entry {
            id: "A-1",
            verdict,
            ..Entry::default()
        }
    }

    #[test]
    fn unexpected_passes_expired_and_unused_entries_are_wrong() {
        let text = "[[expected]]\nid = \"A-1\"\nreason = \"known\"\nuntil = \"2027-01-31\"\n";
        let baseline = Baseline::parse(text).unwrap();
        let mut failed = [entry(Verdict::Failed)];
        assert!(baseline.apply(&mut failed, "2027-01-31").is_empty());
        assert_eq!(failed[0].expected_because.as_deref(), Some("known"));
        for verdict in [Verdict::Failed, Verdict::Skipped] {
            let late = baseline.apply(&mut [entry(verdict)], "2027-02-01");
            assert_eq!(late, ["A-1: the baseline counted until 2027-01-31"]);
        }
        assert_eq!(
            baseline
                .apply(&mut [entry(Verdict::Passed)], "2027-01-01")
                .len(),
            1
        );
        assert_eq!(baseline.apply(&mut [], "2027-01-01").len(), 1);
    }

    #[test]
    fn entries_without_reason_or_day_are_refused() {
        let with = |reason: &str, until: &str| {
            let text =
                format!("[[expected]]\nid = \"A\"\nreason = \"{reason}\"\nuntil = \"{until}\"\n");
            Baseline::parse(&text)
        };
        assert!(with("x", "2027-01-31").is_ok());
        assert!(with(" ", "2027-01-31").is_err());
        assert!(with("x", "soon").is_err());
        assert!(with("x", "2027-02-30").is_err());
    }
}
