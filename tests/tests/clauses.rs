//! Every clause of `docs/protocol.md` that says MUST is cited by the test that proves it.
//!
//! A test cites a clause in a comment above it: `/// protocol §2.1.4, §2.4.1`. Code that enforces a clause may cite
//! it too, in the same form anywhere in a comment; then the clause has to exist, and no more. What no test can prove
//! stands in [`UNCITED`] with the reason.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Folders of Rust sources.
const SOURCES: &[&str] = &["crates", "desktop", "relay", "tests", "xtask"];

/// Folders inside them that hold nothing of ours.
const SKIPPED: &[&str] = &["dist", "gen", "node_modules", "target"];

/// What stands before the clauses in a citation.
const CITATION: &str = "protocol \u{a7}";

/// Clauses that say MUST and that no test cites, and why.
const UNCITED: &[(&str, &str)] = &[(
    "1.1.7",
    "needs ten seconds of a handshake that stands still",
)];

type Outcome = Result<(), Box<dyn Error>>;

/// A clause of the document: its text up to the next clause or heading.
#[derive(Default)]
struct Document {
    clauses: BTreeMap<String, String>,
    sections: BTreeSet<String>,
    /// Paragraphs with a MUST that belong to no clause.
    stray: Vec<String>,
    /// Clauses that do not follow the one before.
    disordered: Vec<String>,
}

/// Where clauses are cited, by clause.
#[derive(Default)]
struct Citations {
    by_tests: BTreeMap<String, Vec<String>>,
    anywhere: BTreeMap<String, Vec<String>>,
}

#[test]
fn clauses_that_say_must_are_cited_by_tests_or_listed_with_a_reason() -> Outcome {
    let document = document()?;
    let citations = citations()?;
    let listed: BTreeSet<&str> = UNCITED.iter().map(|(clause, _)| *clause).collect();
    let uncited: Vec<&String> = document
        .clauses
        .iter()
        .filter(|(clause, text)| {
            says_must(text)
                && !citations.by_tests.contains_key(*clause)
                && !listed.contains(clause.as_str())
        })
        .map(|(clause, _)| clause)
        .collect();
    assert!(uncited.is_empty(), "no test cites {uncited:?}");
    Ok(())
}

#[test]
fn citations_lead_to_clauses_that_exist() -> Outcome {
    let document = document()?;
    let mut astray: Vec<String> = Vec::new();
    for (cited, places) in citations()?.anywhere {
        if !document.clauses.contains_key(&cited) && !document.sections.contains(&cited) {
            astray.extend(places.iter().map(|place| format!("{place} cites {cited}")));
        }
    }
    assert!(astray.is_empty(), "no such clauses: {astray:#?}");
    Ok(())
}

#[test]
fn the_list_of_reasons_holds_nothing_that_needs_none() -> Outcome {
    let document = document()?;
    let citations = citations()?;
    for (clause, reason) in UNCITED {
        assert!(!reason.is_empty(), "{clause} is listed without a reason");
        assert!(
            document
                .clauses
                .get(*clause)
                .is_some_and(|text| says_must(text)),
            "{clause} is listed and does not say MUST"
        );
        assert!(
            !citations.by_tests.contains_key(*clause),
            "{clause} is listed and cited: {:?}",
            citations.by_tests.get(*clause)
        );
    }
    Ok(())
}

#[test]
fn what_must_be_has_a_number_and_numbers_follow_each_other() -> Outcome {
    let document = document()?;
    assert!(document.clauses.len() > 100, "the document was not read");
    assert!(
        document.stray.is_empty(),
        "no number: {:#?}",
        document.stray
    );
    assert!(document.disordered.is_empty(), "{:?}", document.disordered);
    Ok(())
}

/// Reads `docs/protocol.md`. What stands before the first section explains the words and is left out.
fn document() -> Result<Document, Box<dyn Error>> {
    let text = fs::read_to_string(Path::new(ROOT).join("docs/protocol.md"))?;
    let mut document = Document::default();
    let mut current: Option<String> = None;
    let mut last = Vec::new();
    for paragraph in text.split("\n\n") {
        let paragraph = paragraph.trim();
        if paragraph.starts_with('#') {
            current = None;
            document.sections.extend(heading(paragraph));
            continue;
        }
        if let Some(number) = clause_number(paragraph) {
            let parts = parts(&number);
            if parts <= last || document.clauses.contains_key(&number) {
                document.disordered.push(number.clone());
            }
            last = parts;
            document.clauses.insert(number.clone(), String::new());
            current = Some(number);
        }
        match current
            .as_ref()
            .and_then(|clause| document.clauses.get_mut(clause))
        {
            Some(clause) => clause.push_str(paragraph),
            None if says_must(paragraph) && !document.sections.is_empty() => {
                document.stray.push(paragraph.to_owned());
            }
            None => {}
        }
    }
    Ok(document)
}

/// The number of a section's heading: `### 2.1 Messages as bytes`, `## 3. Accounts`.
fn heading(paragraph: &str) -> Option<String> {
    let title = paragraph.trim_start_matches('#').trim_start();
    let number = title.split(' ').next()?.trim_end_matches('.');
    is_number(number).then(|| number.to_owned())
}

/// The number that a clause begins with: at least two levels.
fn clause_number(paragraph: &str) -> Option<String> {
    let number = paragraph.split(' ').next()?;
    (is_number(number) && number.contains('.')).then(|| number.to_owned())
}

fn is_number(text: &str) -> bool {
    text.split('.').all(|part| {
        !part.is_empty() && part.len() < 4 && part.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn parts(number: &str) -> Vec<u16> {
    number
        .split('.')
        .filter_map(|part| part.parse().ok())
        .collect()
}

fn says_must(text: &str) -> bool {
    text.split(|sign: char| !sign.is_ascii_alphabetic())
        .any(|word| word == "MUST")
}

/// Collects the citations of all Rust sources.
fn citations() -> Result<Citations, Box<dyn Error>> {
    let mut citations = Citations::default();
    for folder in SOURCES {
        for source in sources(&Path::new(ROOT).join(folder))? {
            let text = fs::read_to_string(&source)?;
            let lines: Vec<&str> = text.lines().collect();
            for (index, line) in lines.iter().enumerate() {
                let of_test = line.trim_start().starts_with(&format!("/// {CITATION}"))
                    && lines.get(index..).is_some_and(stands_above_a_test);
                for clause in cited(line) {
                    let number = index.saturating_add(1);
                    let place = format!("{}:{number}", source.display());
                    if of_test {
                        let places = citations.by_tests.entry(clause.clone());
                        places.or_default().push(place.clone());
                    }
                    citations.anywhere.entry(clause).or_default().push(place);
                }
            }
        }
    }
    Ok(citations)
}

/// Whether the first function from here on has an attribute that makes it a test.
fn stands_above_a_test(lines: &[&str]) -> bool {
    lines
        .iter()
        .map(|line| line.trim_start())
        .take_while(|line| line.starts_with("///") || line.starts_with("#["))
        .any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
}

/// The clauses that a line of a source cites.
fn cited(line: &str) -> Vec<String> {
    let Some((before, rest)) = line.split_once(CITATION) else {
        return Vec::new();
    };
    if !before.contains("//") {
        return Vec::new();
    }
    rest.split(", \u{a7}")
        .map(|clause| {
            let end = clause.find(|sign: char| !sign.is_ascii_digit() && sign != '.');
            let number = end.and_then(|end| clause.get(..end)).unwrap_or(clause);
            number.trim_end_matches('.').to_owned()
        })
        .filter(|clause| !clause.is_empty())
        .collect()
}

/// All Rust sources below a folder.
fn sources(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            if !SKIPPED.iter().any(|skipped| entry.file_name() == *skipped) {
                found.extend(sources(&path)?);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(found)
}
