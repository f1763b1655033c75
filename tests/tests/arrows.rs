//! Arrows between crates point downwards only (docs/architecture.md).
//!
//! The table below is the picture of the house as data. A dependency that is not in it fails here, and so does a
//! crate that nobody has placed: to add an arrow, change the picture first.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::error::Error;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};

/// Which of our packages each of our packages may use. `ANY` stands for all of them.
const ALLOWED: &[(&str, &[&str])] = &[
    ("sori", &["sori-client"]),
    ("sori-audit", ANY),
    ("sori-bench", &["sori-wire"]),
    ("sori-client", &["sori-engine", "sori-wire"]),
    ("sori-content", &[]),
    ("sori-crash", &["sori-store"]),
    ("sori-model", &["sori-mls"]),
    ("sori-desktop", &["sori-client"]),
    (
        "sori-engine",
        &["sori-content", "sori-mls", "sori-store", "sori-wire"],
    ),
    ("sori-heap", &[]),
    ("sori-mls", &[]),
    ("sori-relay", &["sori-heap", "sori-wire"]),
    (
        "sori-sim",
        &[
            "sori-engine",
            "sori-mls",
            "sori-relay",
            "sori-store",
            "sori-wire",
        ],
    ),
    ("sori-store", &[]),
    ("sori-wire", &[]),
    ("xtask", &[]),
];

const ANY: &[&str] = &["*"];

/// Crates that take time, randomness and bytes as arguments and do no I/O of their own (the store does file I/O
/// through sled, and nothing else).
const SANS_IO: &[&str] = &[
    "sori-content",
    "sori-engine",
    "sori-mls",
    "sori-store",
    "sori-wire",
];

/// Foreign packages that must not be reachable, at any depth, from one of ours.
const UNREACHABLE: &[(&str, &[&str])] = &[
    // What judges our programs shares no code with them.
    (
        "sori-audit",
        &["sori-client", "sori-engine", "sori-relay", "sori-wire"],
    ),
    (
        "sori-content",
        &["openmls", "quinn", "rustls", "sled", "tokio"],
    ),
    ("sori-engine", &["quinn", "rustls", "tauri", "tokio"]),
    ("sori-mls", &["quinn", "rustls", "sled", "tokio"]),
    ("sori-relay", &["openmls", "redb", "sled", "tauri"]),
    ("sori-store", &["openmls", "quinn", "rustls", "tokio"]),
    (
        "sori-wire",
        &["openmls", "quinn", "rustls", "sled", "tokio"],
    ),
];

/// Foreign packages that sans-IO crates must not name themselves: a clock, a socket, the system's randomness.
const NOT_DIRECT: &[&str] = &["chrono", "getrandom", "mio", "rand", "socket2", "time"];

type Outcome = Result<(), Box<dyn Error>>;

#[test]
fn every_workspace_package_has_a_place_in_the_picture() -> Outcome {
    let metadata = metadata()?;
    let placed: BTreeSet<&str> = ALLOWED.iter().map(|(name, _)| *name).collect();
    let ours: BTreeSet<&str> = metadata
        .workspace_packages()
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    assert_eq!(
        ours, placed,
        "workspace members (left) and the table (right)"
    );
    Ok(())
}

#[test]
fn own_packages_use_only_packages_below_them() -> Outcome {
    let metadata = metadata()?;
    let mut wrong = Vec::new();
    for package in metadata.workspace_packages() {
        let allowed = allowed(&package.name);
        for used in own_dependencies(&metadata, package, is_part_of_the_build) {
            if !allowed.contains(&"*") && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{} -> {used}", package.name));
            }
        }
    }
    assert!(wrong.is_empty(), "forbidden arrows: {wrong:#?}");
    Ok(())
}

#[test]
fn tests_of_sans_io_crates_need_no_program_above_them() -> Outcome {
    let metadata = metadata()?;
    let below: BTreeSet<&str> = SANS_IO.iter().copied().collect();
    let mut wrong = Vec::new();
    for package in metadata.workspace_packages() {
        if !below.contains(package.name.as_str()) {
            continue;
        }
        for used in own_dependencies(&metadata, package, |_| true) {
            if !below.contains(used.as_str()) {
                wrong.push(format!("{} -> {used}", package.name));
            }
        }
    }
    assert!(wrong.is_empty(), "forbidden test arrows: {wrong:#?}");
    Ok(())
}

#[test]
fn foreign_packages_stay_on_their_side() -> Outcome {
    let metadata = metadata()?;
    let mut wrong = Vec::new();
    for (ours, forbidden) in UNREACHABLE {
        let reachable = reachable(&metadata, ours)?;
        for name in *forbidden {
            if reachable.contains(*name) {
                wrong.push(format!("{ours} -> .. -> {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "forbidden reach: {wrong:#?}");
    Ok(())
}

#[test]
fn sans_io_crates_name_no_clock_socket_or_system_randomness() -> Outcome {
    let metadata = metadata()?;
    let mut wrong = Vec::new();
    for package in metadata.workspace_packages() {
        if !SANS_IO.contains(&package.name.as_str()) {
            continue;
        }
        for dependency in &package.dependencies {
            if is_part_of_the_build(dependency.kind)
                && NOT_DIRECT.contains(&dependency.name.as_str())
            {
                wrong.push(format!("{} -> {}", package.name, dependency.name));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "forbidden direct dependencies: {wrong:#?}"
    );
    Ok(())
}

#[test]
fn reach_sees_what_is_really_there() -> Outcome {
    // A check that finds nothing proves nothing unless it is known to find something.
    let metadata = metadata()?;
    assert!(reachable(&metadata, "sori-client")?.contains("quinn"));
    assert!(reachable(&metadata, "sori-engine")?.contains("openmls"));
    assert!(reachable(&metadata, "sori-relay")?.contains("rustls"));
    Ok(())
}

fn metadata() -> Result<Metadata, cargo_metadata::Error> {
    MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .exec()
}

fn allowed(name: &str) -> &'static [&'static str] {
    ALLOWED
        .iter()
        .find(|(ours, _)| *ours == name)
        .map_or(&[], |(_, allowed)| *allowed)
}

/// True for what is compiled into the crate or its build script, false for what only its tests use.
fn is_part_of_the_build(kind: DependencyKind) -> bool {
    matches!(kind, DependencyKind::Normal | DependencyKind::Build)
}

/// Names of the workspace packages that `package` uses in a way that `counts`.
fn own_dependencies(
    metadata: &Metadata,
    package: &Package,
    counts: fn(DependencyKind) -> bool,
) -> BTreeSet<String> {
    let ours: BTreeSet<&str> = metadata
        .workspace_packages()
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    package
        .dependencies
        .iter()
        .filter(|dependency| counts(dependency.kind) && ours.contains(dependency.name.as_str()))
        .map(|dependency| dependency.name.clone())
        .collect()
}

/// Names of all packages that end up in the build of `name`, its own tests left out.
fn reachable(metadata: &Metadata, name: &str) -> Result<BTreeSet<String>, Box<dyn Error>> {
    let resolve = metadata.resolve.as_ref().ok_or("cargo resolved nothing")?;
    let nodes: BTreeMap<&PackageId, _> =
        resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let names: BTreeMap<&PackageId, &str> = metadata
        .packages
        .iter()
        .map(|package| (&package.id, package.name.as_str()))
        .collect();
    let start = metadata
        .workspace_packages()
        .into_iter()
        .find(|package| package.name.as_str() == name)
        .ok_or("no such package")?;

    let mut seen: BTreeSet<&PackageId> = BTreeSet::new();
    let mut queue: VecDeque<&PackageId> = VecDeque::from([&start.id]);
    while let Some(id) = queue.pop_front() {
        if !seen.insert(id) {
            continue;
        }
        let Some(node) = nodes.get(id) else { continue };
        queue.extend(
            node.deps
                .iter()
                .filter(|edge| {
                    edge.dep_kinds
                        .iter()
                        .any(|kind| is_part_of_the_build(kind.kind))
                })
                .map(|edge| &edge.pkg),
        );
    }
    Ok(seen
        .into_iter()
        .filter_map(|id| names.get(id).map(|name| (*name).to_owned()))
        .collect())
}
