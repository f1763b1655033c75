//! The report for machines that collect tests: JUnit XML.

use std::fmt::Write;

use crate::catalogue::AREAS;

use super::{Entry, Report, Verdict};

/// The report as JUnit XML, one suite for each area.
pub(crate) fn write(report: &Report) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let (totals, seconds) = (report.totals, seconds(report.duration_ms));
    let skipped = totals.skipped.saturating_add(totals.not_seen);
    let _never_fails = writeln!(
        xml,
        "<testsuites name=\"sori-audit\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{skipped}\" time=\"{seconds}\">",
        report.entries.len(),
        totals.failed,
    );
    for area in AREAS {
        let of_area = |entry: &&Entry| entry.area == area.prefix;
        let entries: Vec<&Entry> = report.entries.iter().filter(of_area).collect();
        if !entries.is_empty() {
            suite(&mut xml, area.prefix, &entries);
        }
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn suite(xml: &mut String, name: &str, entries: &[&Entry]) {
    let count = |wanted: &[Verdict]| {
        let entries = entries.iter();
        entries
            .filter(|entry| wanted.contains(&entry.verdict))
            .count()
    };
    let _never_fails = writeln!(
        xml,
        "  <testsuite name=\"{name}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\" time=\"{}\">",
        entries.len(),
        count(&[Verdict::Failed]),
        count(&[Verdict::NotSeen, Verdict::Skipped]),
        seconds(entries.iter().map(|entry| entry.duration_ms).sum()),
    );
    for entry in entries {
        case(xml, entry);
    }
    xml.push_str("  </testsuite>\n");
}

fn case(xml: &mut String, entry: &Entry) {
    let _never_fails = write!(
        xml,
        "    <testcase classname=\"sori-audit.{}\" name=\"{} {}\" time=\"{}\"",
        entry.area,
        entry.id,
        escape(entry.title),
        seconds(entry.duration_ms)
    );
    let observed = escape(&entry.observed);
    let _never_fails = match entry.verdict {
        Verdict::Passed => writeln!(xml, "/>"),
        Verdict::Failed => writeln!(
            xml,
            "><failure message=\"{observed}\">expected: {}\nobserved: {observed}\nclauses: {}</failure></testcase>",
            escape(entry.expected),
            entry.clauses.join(", ")
        ),
        Verdict::NotSeen => writeln!(
            xml,
            "><skipped message=\"not seen: {observed}\"/></testcase>"
        ),
        Verdict::Skipped => writeln!(xml, "><skipped message=\"{observed}\"/></testcase>"),
    };
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000)
}

/// Text for XML and HTML; characters that XML forbids become a question mark.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for sign in text.chars() {
        match sign {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(' '),
            sign if sign.is_control() || matches!(sign, '\u{fffe}' | '\u{ffff}') => {
                escaped.push('?')
            }
            sign => escaped.push(sign),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_a_case_and_what_is_forbidden_in_xml_is_escaped() {
        let report = super::super::example();
        let xml = write(&report);
        assert_eq!(xml.matches("<testcase ").count(), report.entries.len());
        assert_eq!(xml.matches("<failure ").count(), report.totals.failed);
        assert_eq!(xml.matches("<skipped ").count(), 2);
        assert!(xml.contains("5 &lt; 6 &amp; &quot;so&quot; ?"), "{xml}");
        assert_eq!(
            xml.matches("<testsuite ").count(),
            xml.matches("</testsuite>").count()
        );
        // A reader of XML has the last word, where there is one.
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("junit.xml");
        std::fs::write(&file, xml).unwrap();
        match std::process::Command::new("xmllint")
            .arg("--noout")
            .arg(&file)
            .status()
        {
            Ok(status) => assert!(status.success()),
            Err(_) => println!("xmllint is not there: well-formedness not seen"),
        }
    }
}
