//! What came of a run. Terminal, JSON, JUnit and HTML are all made of this one value.

pub(crate) mod evidence;
pub(crate) mod html;
pub(crate) mod json;
pub(crate) mod junit;
pub(crate) mod terminal;
mod words;

use serde::Serialize;

use crate::catalogue::{Check, Level, Profile, Sight};

pub(crate) use words::Language;

/// How a check ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    Passed,
    Failed,
    /// It could not be seen. Never a pass.
    #[default]
    NotSeen,
    Skipped,
}

/// One check and what came of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Entry {
    pub(crate) id: &'static str,
    pub(crate) area: &'static str,
    pub(crate) level: Level,
    pub(crate) clauses: &'static [&'static str],
    pub(crate) title: &'static str,
    pub(crate) title_ko: &'static str,
    pub(crate) sent: &'static str,
    pub(crate) expected: &'static str,
    pub(crate) sight: Sight,
    pub(crate) verdict: Verdict,
    /// What was seen, or why nothing could be.
    pub(crate) observed: String,
    pub(crate) duration_ms: u64,
    /// Why a failure was expected, from the baseline.
    pub(crate) expected_because: Option<String>,
    pub(crate) evidence: Vec<Evidence>,
    #[serde(skip)]
    pub(crate) said: Vec<String>,
}

/// A file beside the report.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Evidence {
    pub(crate) file: String,
    pub(crate) sha256: String,
}

/// How many of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Totals {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) not_seen: usize,
    pub(crate) skipped: usize,
}

/// A whole run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    /// Of the form of this value; `tests/report.schema.json` describes it.
    pub(crate) schema: u32,
    pub(crate) suite: String,
    /// Over ids, levels and clauses of the whole catalogue.
    pub(crate) catalogue_sha256: String,
    pub(crate) command: Vec<String>,
    pub(crate) profile: Profile,
    pub(crate) seed: u64,
    pub(crate) started: String,
    pub(crate) duration_ms: u64,
    pub(crate) target: String,
    pub(crate) machine: String,
    pub(crate) sees_process: bool,
    /// Checks of the catalogue that this run was told to leave aside, by its profile or by name.
    pub(crate) not_asked: usize,
    pub(crate) entries: Vec<Entry>,
    /// What is wrong with the baseline itself.
    pub(crate) baseline_findings: Vec<String>,
    pub(crate) totals: Totals,
    pub(crate) conformant: bool,
    pub(crate) exit_reason: &'static str,
}

impl Default for Entry {
    fn default() -> Self {
        Self {
            id: "SUITE",
            area: "SUITE",
            level: Level::Must,
            clauses: &[],
            title: "The suite itself",
            title_ko: "검사 프로그램 자체",
            sent: "",
            expected: "",
            sight: Sight::Network,
            verdict: Verdict::NotSeen,
            observed: String::new(),
            duration_ms: 0,
            expected_because: None,
            evidence: Vec::new(),
            said: Vec::new(),
        }
    }
}

impl Entry {
    pub(crate) fn of(check: &Check) -> Self {
        Self {
            id: check.id,
            area: check.area(),
            level: check.level,
            clauses: check.clauses,
            title: check.english,
            title_ko: check.korean,
            sent: check.sent,
            expected: check.expected,
            sight: check.sight,
            ..Self::default()
        }
    }

    /// A check that did not come to an end by a mistake of ours.
    pub(crate) fn of_the_suite(what: &str) -> Self {
        Self {
            observed: format!("the suite broke: {what}"),
            ..Self::default()
        }
    }

    /// Whether it stands in the way of a good report: something that must be was seen to be otherwise, or was not
    /// seen although it can be from where the run looked.
    pub(crate) fn is_against(&self, sees_process: bool) -> bool {
        let could_see = self.sight == Sight::Network || sees_process;
        let counts = match self.verdict {
            Verdict::Failed => true,
            Verdict::NotSeen => could_see,
            Verdict::Passed | Verdict::Skipped => false,
        };
        counts && self.level == Level::Must && self.expected_because.is_none()
    }
}

impl Report {
    /// Counts and judges.
    pub(crate) fn close(&mut self) {
        let mut totals = Totals::default();
        for entry in &self.entries {
            let count = match entry.verdict {
                Verdict::Passed => &mut totals.passed,
                Verdict::Failed => &mut totals.failed,
                Verdict::NotSeen => &mut totals.not_seen,
                Verdict::Skipped => &mut totals.skipped,
            };
            *count = count.saturating_add(1);
        }
        self.totals = totals;
        let against = |verdict| {
            let mut entries = self.entries.iter();
            entries.any(|entry| entry.verdict == verdict && entry.is_against(self.sees_process))
        };
        self.exit_reason = if against(Verdict::Failed) {
            "a clause that says MUST does not hold"
        } else if against(Verdict::NotSeen) {
            "a clause that says MUST was not seen"
        } else if !self.baseline_findings.is_empty() {
            "the baseline does not fit"
        } else if totals.passed == 0 {
            "nothing passed"
        } else if totals.failed > 0 {
            "nothing fails that has to hold, but what was expected"
        } else {
            "everything that was looked for holds"
        };
        self.conformant = !against(Verdict::Failed)
            && !against(Verdict::NotSeen)
            && self.baseline_findings.is_empty()
            && totals.passed > 0;
    }
}

impl Totals {
    /// The last line of the terminal. What was not seen counts as skipped there; the lines above name it.
    pub(crate) fn line(self) -> String {
        format!(
            "{} passed, {} failed, {} skipped",
            self.passed,
            self.failed,
            self.skipped.saturating_add(self.not_seen)
        )
    }
}

#[cfg(test)]
pub(crate) fn example() -> Report {
    let checks = crate::catalogue::all();
    let verdicts = [
        Verdict::Passed,
        Verdict::Failed,
        Verdict::NotSeen,
        Verdict::Skipped,
    ];
    let entries = checks.iter().zip(verdicts).map(|(check, verdict)| Entry {
        verdict,
        observed: "5 < 6 & \"so\" \u{1}".to_owned(),
        duration_ms: 1500,
        ..Entry::of(check)
    });
    let mut report = Report {
        schema: 2,
        suite: "0".to_owned(),
        catalogue_sha256: "0".repeat(64),
        command: vec!["sori-audit".to_owned()],
        profile: Profile::Quick,
        seed: 7,
        started: "2026-01-02T03:04:05Z".to_owned(),
        duration_ms: 1,
        target: "127.0.0.1:1".to_owned(),
        machine: "linux".to_owned(),
        sees_process: true,
        not_asked: 3,
        entries: entries.collect(),
        baseline_findings: vec!["X".to_owned()],
        totals: Totals::default(),
        conformant: false,
        exit_reason: "",
    };
    report.close();
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(verdict: Verdict, sight: Sight, level: Level, sees_process: bool) -> bool {
        let entry = Entry {
            verdict,
            sight,
            level,
            ..Entry::default()
        };
        let passed = Entry {
            verdict: Verdict::Passed,
            ..Entry::default()
        };
        let mut report = Report {
            entries: vec![passed, entry],
            sees_process,
            baseline_findings: Vec::new(),
            ..example()
        };
        report.close();
        report.conformant
    }

    #[test]
    fn what_was_not_seen_is_never_a_pass() {
        use Level::{Must, Should};
        use Sight::{Network, Process};
        use Verdict::{Failed, NotSeen, Passed, Skipped};
        assert!(report(Passed, Network, Must, false));
        assert!(!report(Failed, Network, Must, false));
        assert!(report(Failed, Network, Should, false));
        assert!(!report(NotSeen, Network, Must, false));
        assert!(
            report(NotSeen, Process, Must, false),
            "nobody could look there"
        );
        assert!(!report(NotSeen, Process, Must, true));
        assert!(report(Skipped, Network, Must, false));
        let totals = example().totals;
        assert_eq!(totals.line(), "1 passed, 1 failed, 2 skipped");
    }

    #[test]
    fn a_run_of_nothing_is_no_good_run() {
        let mut report = Report {
            entries: Vec::new(),
            baseline_findings: Vec::new(),
            ..example()
        };
        report.close();
        assert!(!report.conformant);
    }
}
