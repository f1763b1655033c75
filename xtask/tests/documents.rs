//! Documents point at things that exist: files by links, tests by name.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Folders that hold nothing of ours to read.
const SKIPPED: &[&str] = &[".git", "node_modules", "target", "dist", "gen"];

#[test]
fn links_of_documents_lead_to_files() -> io::Result<()> {
    let mut broken = Vec::new();
    for document in files(Path::new(ROOT), "md")? {
        let text = fs::read_to_string(&document)?;
        let folder = document.parent().unwrap_or_else(|| Path::new(ROOT));
        for link in links(&text) {
            if !folder.join(link).exists() {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere: {broken:#?}");
    Ok(())
}

#[test]
fn tests_named_in_the_threat_model_exist() -> io::Result<()> {
    let model = fs::read_to_string(Path::new(ROOT).join("docs/threat-model.md"))?;
    let mut known = BTreeSet::new();
    for source in files(Path::new(ROOT), "rs")? {
        known.extend(functions(&fs::read_to_string(source)?));
    }
    let named: Vec<&str> = named_tests(&model).chain(bracketed_tests(&model)).collect();
    let missing: Vec<&&str> = named
        .iter()
        .filter(|name| !known.contains(**name))
        .collect();
    assert!(!named.is_empty(), "the threat model names no test");
    assert!(missing.is_empty(), "tests that do not exist: {missing:#?}");
    Ok(())
}

/// What somebody is said to be unable to do is kept true by something that a name in brackets stands for; which checks
/// there are, the audit suite's own test compares.
#[test]
fn every_cannot_of_the_threat_model_names_what_keeps_it_true() -> io::Result<()> {
    let model = fs::read_to_string(Path::new(ROOT).join("docs/threat-model.md"))?;
    let (adversaries, _) = model
        .split_once("## What stands behind")
        .unwrap_or_default();
    let bare: Vec<&str> = adversaries
        .split("**Cannot**")
        .skip(1)
        .map(|rest| rest.split("**Can").next().unwrap_or_default())
        .map(|rest| rest.split("\n- ").next().unwrap_or_default())
        .map(|rest| rest.split("\n\n").next().unwrap_or_default())
        .filter(|sentence| !sentence.contains("[`"))
        .collect();
    assert!(bare.is_empty(), "nothing is named behind {bare:#?}");
    for adversary in [
        "compelled to hand over",
        "seizes the machine",
        "relay operator who is dishonest",
        "put together what they saw",
        "on the network",
        "member who means harm",
        "member who was removed",
        "locked device",
        "unlocked device",
    ] {
        let headings = adversaries.lines().filter(|line| line.starts_with("## "));
        assert!(
            headings.clone().any(|line| line.contains(adversary)),
            "{adversary}"
        );
    }
    Ok(())
}

/// All files with this extension in the checkout, build output left out.
fn files(folder: &Path, extension: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            if !SKIPPED.iter().any(|skipped| entry.file_name() == *skipped) {
                found.extend(files(&path, extension)?);
            }
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    Ok(found)
}

/// Targets of the links of a Markdown text that lead into the checkout, without their fragments.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.split('#').next().unwrap_or_default())
        .filter(|target| !target.is_empty() && !target.contains(':'))
}

/// Names in the last column of a table row, in backticks, that look like a test of ours.
fn named_tests(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| line.starts_with('|'))
        .filter_map(|line| line.trim_end_matches(['|', ' ']).rsplit_once('|'))
        .map(|(_, cell)| cell.trim().trim_matches('`'))
        .filter(|name| {
            name.contains('_')
                && name
                    .chars()
                    .all(|sign| sign.is_ascii_lowercase() || sign.is_ascii_digit() || sign == '_')
        })
}

/// Names in backticks within brackets that look like a test of ours.
fn bracketed_tests(text: &str) -> impl Iterator<Item = &str> {
    let brackets = text.split("[`").skip(1);
    let brackets = brackets.filter_map(|rest| rest.split_once("`]").map(|(names, _)| names));
    brackets.flat_map(|names| names.split('`')).filter(|name| {
        name.contains('_') && !name.contains(|sign: char| sign.is_ascii_uppercase() || sign == ' ')
    })
}

/// Names of the functions that a Rust source defines.
fn functions(source: &str) -> Vec<String> {
    source
        .split("fn ")
        .skip(1)
        .filter_map(|rest| rest.split(['(', '<']).next())
        .map(str::to_owned)
        .collect()
}
