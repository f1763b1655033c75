//! The report for who sits at the terminal.

use crate::catalogue::Check;

use super::{Entry, Language, Report, Verdict};

/// One line for a check that is over.
pub(crate) fn line(entry: &Entry, language: Language) -> String {
    let verdict = match (entry.verdict, &entry.expected_because) {
        (Verdict::Passed, _) => "pass    ",
        (Verdict::Failed, None) => "FAIL    ",
        (Verdict::Failed, Some(_)) => "expected",
        (Verdict::NotSeen, _) => "not seen",
        (Verdict::Skipped, _) => "skipped ",
    };
    let title = language.choose(entry.title, entry.title_ko);
    let clauses = entry.clauses.join(" ");
    let line = format!("{verdict} {:<26} {title} [{clauses}]", entry.id);
    match entry.verdict {
        Verdict::Passed => line,
        _ => format!("{line}\n         {}", entry.observed),
    }
}

/// What comes after the lines of the checks; its last line is that of the totals.
pub(crate) fn summary(report: &Report, language: Language) -> String {
    let mut text = String::from("\n");
    let list = |wanted: Verdict| {
        let entries = report.entries.iter();
        let ids = entries
            .filter(|entry| entry.verdict == wanted)
            .map(|entry| entry.id);
        ids.collect::<Vec<_>>().join(" ")
    };
    let mut name = |title: [&str; 2], ids: String| {
        if !ids.is_empty() {
            text.push_str(&format!("{}: {ids}\n", language.choose(title[0], title[1])));
        }
    };
    name(["Failed", "지켜지지 않음"], list(Verdict::Failed));
    name(
        ["Not seen, which is no pass", "보지 못함 (통과가 아님)"],
        list(Verdict::NotSeen),
    );
    name(["Left out", "제외"], list(Verdict::Skipped));
    if report.not_asked > 0 {
        let words = ["Checks that were not chosen", "고르지 않은 검사"];
        let title = language.choose(words[0], words[1]);
        text.push_str(&format!("{title}: {}\n", report.not_asked));
    }
    for finding in &report.baseline_findings {
        text.push_str(&format!("baseline: {finding}\n"));
    }
    text.push_str(&format!(
        "{} (seed {}, {} ms): {}\n{}\n",
        report.target,
        report.seed,
        report.duration_ms,
        report.exit_reason,
        report.totals.line()
    ));
    text
}

/// The catalogue.
pub(crate) fn list(checks: &[Check], language: Language) -> String {
    let mut text = String::new();
    for check in checks {
        let level = match check.level {
            crate::catalogue::Level::Must => "MUST  ",
            crate::catalogue::Level::Should => "SHOULD",
        };
        let title = language.choose(check.english, check.korean);
        text.push_str(&format!(
            "{:<26} {level} {:<5} {:<8} {title} [{}]\n",
            check.id,
            format!("{:?}", check.profile).to_lowercase(),
            format!("{:?}", check.sight).to_lowercase(),
            check.clauses.join(" ")
        ));
    }
    text.push_str(&format!("{} checks\n", checks.len()));
    text
}
