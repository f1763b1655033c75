//! Known weaknesses of what we depend on (the RustSec advisory database).

use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::Metadata;
use cargo_metadata::semver::{Version, VersionReq};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::process::Command;

use crate::error::Error;
use crate::shell;

/// Advisories that we live with, and why. One that is not found any more fails.
const ACCEPTED: &[(&str, &str)] = &[
    (
        "RUSTSEC-2024-0370",
        "a macro of GTK's bindings, at build time only",
    ),
    (
        "RUSTSEC-2024-0384",
        "clock of sled's locks, unmaintained; pinned with sled",
    ),
    (
        "RUSTSEC-2024-0411",
        "GTK 3, which the system's web view needs",
    ),
    (
        "RUSTSEC-2024-0412",
        "GTK 3, which the system's web view needs",
    ),
    (
        "RUSTSEC-2024-0413",
        "GTK 3, which the system's web view needs",
    ),
    (
        "RUSTSEC-2024-0414",
        "GTK 3, which the system's web view needs",
    ),
    (
        "RUSTSEC-2024-0415",
        "GTK 3, which the system's web view needs",
    ),
    (
        "RUSTSEC-2024-0416",
        "GTK 3, which the system's web view needs",
    ),
    (
        "RUSTSEC-2024-0417",
        "GTK 3, which the system's web view needs",
    ),
    (
        "RUSTSEC-2024-0418",
        "GTK 3, which the system's web view needs",
    ),
    (
        "RUSTSEC-2024-0419",
        "GTK 3, which the system's web view needs",
    ),
    (
        "RUSTSEC-2024-0420",
        "GTK 3, which the system's web view needs",
    ),
    (
        "RUSTSEC-2024-0429",
        "an iterator of GTK's bindings that we do not use",
    ),
    (
        "RUSTSEC-2025-0057",
        "hash of sled's tables, unmaintained; pinned with sled",
    ),
    (
        "RUSTSEC-2026-0173",
        "a macro of a library, at build time only",
    ),
];

/// The first part of an advisory file.
#[derive(Debug, Deserialize)]
struct Document {
    advisory: Advisory,
    #[serde(default)]
    versions: Versions,
}

#[derive(Debug, Deserialize)]
struct Advisory {
    id: String,
    package: String,
    withdrawn: Option<String>,
    informational: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Versions {
    #[serde(default)]
    patched: Vec<VersionReq>,
    #[serde(default)]
    unaffected: Vec<VersionReq>,
}

impl Document {
    /// The block of TOML at the beginning of the Markdown.
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once("```toml")?;
        let (block, _) = rest.split_once("```")?;
        toml::from_str(block).ok()
    }

    fn concerns(&self, name: &str, version: &Version) -> bool {
        let is_good = |requirement: &VersionReq| requirement.matches(version);
        let versions = &self.versions;
        self.advisory.package == name
            && self.advisory.withdrawn.is_none()
            && !versions
                .patched
                .iter()
                .chain(&versions.unaffected)
                .any(is_good)
    }
}

/// Compares every package with the database; what is wrong, in words.
pub(super) async fn look(path: &Path, metadata: &Metadata) -> Result<Vec<String>, Error> {
    let (_unpacked, folder) = open(path).await?;
    let documents = read(&folder.join("crates"))?;
    println!("   {} advisories", documents.len());
    if documents.is_empty() {
        return Ok(vec![format!(
            "there are no advisories in {}",
            path.display()
        )]);
    }
    let mut wrong = Vec::new();
    let mut found = Vec::new();
    for package in super::foreign(metadata) {
        let concerns = |document: &&Document| document.concerns(&package.name, &package.version);
        for Document { advisory, .. } in documents.iter().filter(concerns) {
            let kind = advisory.informational.as_deref().unwrap_or("vulnerable");
            let text = format!(
                "{} {} {}: {kind}",
                advisory.id, package.name, package.version
            );
            match ACCEPTED.iter().find(|(id, _)| *id == advisory.id) {
                Some((id, reason)) if advisory.informational.is_some() => {
                    println!("   accepted {text} ({reason})");
                    found.push(*id);
                }
                _ => wrong.push(text),
            }
        }
    }
    for (id, _) in ACCEPTED.iter().filter(|(id, _)| !found.contains(id)) {
        wrong.push(format!("{id} is accepted and concerns nothing any more"));
    }
    Ok(wrong)
}

/// The folder of the database, unpacked first if it is an archive.
async fn open(path: &Path) -> Result<(Option<TempDir>, PathBuf), Error> {
    if path.is_dir() {
        return Ok((None, path.to_owned()));
    }
    let folder = tempfile::tempdir().map_err(|source| Error::io("make a folder", source))?;
    let mut tar = Command::new("tar");
    shell::run(tar.arg("-xf").arg(path).arg("-C").arg(folder.path())).await?;
    // Some archives have one folder around everything.
    let mut place = folder.path().to_owned();
    if !place.join("crates").is_dir() {
        let entries =
            fs::read_dir(&place).map_err(|source| Error::io("read the archive", source))?;
        let mut folders = entries.flatten().map(|entry| entry.path());
        place = folders
            .find(|inner| inner.join("crates").is_dir())
            .unwrap_or(place);
    }
    Ok((Some(folder), place))
}

fn read(folder: &Path) -> Result<Vec<Document>, Error> {
    let list = |folder: &Path| {
        fs::read_dir(folder)
            .map_err(|source| Error::io(format!("read {}", folder.display()), source))
    };
    let mut documents = Vec::new();
    for package in list(folder)?.flatten() {
        for file in list(&package.path())?.flatten() {
            let text = fs::read_to_string(file.path());
            documents.extend(text.ok().as_deref().and_then(Document::parse));
        }
    }
    Ok(documents)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "```toml\n[advisory]\nid = \"RUSTSEC-2000-0001\"\npackage = \"a\"\n\n[versions]\n\
        patched = [\">= 1.2.3\"]\nunaffected = [\"< 0.5.0\"]\n```\n# Title\n";

    #[test]
    fn versions_that_are_neither_patched_nor_unaffected_are_concerned() {
        let document = Document::parse(TEXT).unwrap();
        for (name, version, concerned) in [
            ("a", "1.2.2", true),
            ("a", "1.2.3", false),
            ("a", "0.5.0", true),
            ("a", "0.4.9", false),
            ("b", "1.2.2", false),
        ] {
            let version = version.parse().unwrap();
            assert_eq!(
                document.concerns(name, &version),
                concerned,
                "{name} {version}"
            );
        }
    }

    #[test]
    fn advisories_that_were_withdrawn_concern_nobody() {
        let withdrawn = TEXT.replace("package", "withdrawn = \"2001-01-01\"\npackage");
        let document = Document::parse(&withdrawn).unwrap();
        assert!(!document.concerns("a", &Version::new(1, 0, 0)));
    }
}
