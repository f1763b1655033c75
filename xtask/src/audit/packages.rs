//! Where packages come from, under which licences, how often, and which run code while they are built.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{Metadata, Package, TargetKind};

use super::foreign;

/// Licences under which everything has to be usable; one of an `OR` is enough, each of an `AND` counts.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BlueOak-1.0.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// What nothing may depend on: other TLS than the one that is used.
const BANNED: &[&str] = &["native-tls", "openssl", "openssl-sys", "openssl-src"];

/// More packages than this with code that runs while building need a look.
const BUILD_SCRIPTS_MAX: usize = 130;

/// What is wrong, in words.
pub(super) fn look(metadata: &Metadata) -> Vec<String> {
    let mut wrong = Vec::new();
    for package in foreign(metadata) {
        let name = format!("{} {}", package.name, package.version);
        let source = package.source.as_ref().map(ToString::to_string);
        if !source.is_some_and(|source| source.starts_with(REGISTRY)) {
            wrong.push(format!("{name} does not come from the registry"));
        }
        match package.license.as_deref() {
            Some(licence) if is_allowed(licence) => {}
            Some(licence) => wrong.push(format!("{name} is under {licence}")),
            None if package.license_file.is_some() => {
                println!("   {name} has a licence of its own: look at its file");
            }
            None => wrong.push(format!("{name} has no licence")),
        }
        if BANNED.contains(&package.name.as_str()) {
            wrong.push(format!("{name} is not wanted here"));
        }
    }
    say_duplicates(metadata);
    wrong.extend(build_scripts(metadata));
    wrong
}

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Whether a licence expression allows us to use something.
fn is_allowed(expression: &str) -> bool {
    let flat = expression.replace(['(', ')'], "").replace('/', " OR ");
    let conjunction = |text: &str| {
        text.split(" AND ")
            .all(|one| LICENCES.contains(&one.trim()))
    };
    // An OR inside of an AND was flattened: each side of it has to do.
    if expression.contains('(') {
        return flat
            .split(" AND ")
            .all(|side| side.split(" OR ").any(|one| LICENCES.contains(&one.trim())));
    }
    flat.split(" OR ").any(conjunction)
}

fn say_duplicates(metadata: &Metadata) {
    let mut versions: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for package in foreign(metadata) {
        let of_name = versions.entry(package.name.as_str()).or_default();
        of_name.insert(package.version.to_string());
    }
    let several: Vec<String> = versions
        .iter()
        .filter(|(_, versions)| versions.len() > 1)
        .map(|(name, versions)| {
            let versions: Vec<&str> = versions.iter().map(String::as_str).collect();
            format!("{name} {}", versions.join(" "))
        })
        .collect();
    println!(
        "   {} packages, {} of them in several versions: {}",
        versions.len(),
        several.len(),
        several.join(", ")
    );
}

fn build_scripts(metadata: &Metadata) -> Option<String> {
    let has = |package: &&Package, kind: TargetKind| {
        package
            .targets
            .iter()
            .any(|target| target.kind.contains(&kind))
    };
    let scripts = foreign(metadata).filter(|package| has(package, TargetKind::CustomBuild));
    let scripts = scripts.count();
    let macros = foreign(metadata).filter(|package| has(package, TargetKind::ProcMacro));
    println!(
        "   {scripts} packages with build scripts, {} with macros that run",
        macros.count()
    );
    (scripts > BUILD_SCRIPTS_MAX)
        .then(|| format!("{scripts} packages with build scripts, more than {BUILD_SCRIPTS_MAX}"))
}

#[cfg(test)]
mod tests {
    use super::is_allowed;

    #[test]
    fn one_of_a_choice_is_enough_and_everything_else_is_needed() {
        for (expression, allowed) in [
            ("MIT", true),
            ("GPL-3.0", false),
            ("GPL-3.0 OR MIT", true),
            ("MIT/Apache-2.0", true),
            ("MIT AND GPL-3.0", false),
            ("(MIT OR GPL-3.0) AND Unicode-3.0", true),
            ("ISC AND (Apache-2.0 OR ISC)", true),
            ("Apache-2.0 WITH LLVM-exception", true),
        ] {
            assert_eq!(is_allowed(expression), allowed, "{expression}");
        }
    }
}
