//! What a program is made of, as CycloneDX 1.5: the same bytes for the same lock file.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::Path;

use cargo_metadata::{DependencyKind, Metadata, Package, PackageId};
use serde_json::{Value, json};

use crate::error::Error;

/// Writes `PROGRAM.cdx.json` into a folder.
pub(super) fn write(metadata: &Metadata, program: &str, folder: &Path) -> Result<(), Error> {
    let document = document(metadata, program);
    let components = document["components"].as_array().map_or(0, Vec::len);
    let mut text = document.to_string();
    text.push('\n');
    let file = folder.join(format!("{program}.cdx.json"));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&file, text))
        .map_err(|source| Error::io(format!("write {}", file.display()), source))?;
    println!("   {}: {components} packages", file.display());
    Ok(())
}

/// Without a time and without random numbers, so that two people get the same.
fn document(metadata: &Metadata, program: &str) -> Value {
    let packages: BTreeMap<&PackageId, &Package> = metadata
        .packages
        .iter()
        .map(|package| (&package.id, package))
        .collect();
    let edges = edges(metadata);
    let root = metadata
        .packages
        .iter()
        .find(|package| package.name == program);
    let mut reached: BTreeSet<&PackageId> = BTreeSet::new();
    let mut queue: VecDeque<&PackageId> = root.map(|root| &root.id).into_iter().collect();
    while let Some(id) = queue.pop_front() {
        if reached.insert(id) {
            queue.extend(edges.get(id).into_iter().flatten());
        }
    }
    let mut parts: Vec<&Package> = reached
        .iter()
        .filter_map(|id| packages.get(id).copied())
        .collect();
    parts.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    let others = parts.iter().filter(|part| part.name != program);
    let dependencies = parts.iter().map(|part| {
        let mut on: Vec<String> = edges
            .get(&part.id)
            .into_iter()
            .flatten()
            .filter_map(|id| packages.get(id).map(|package| reference(package)))
            .collect();
        on.sort();
        json!({ "ref": reference(part), "dependsOn": on })
    });
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": root.map(|root| component(root, "application")) },
        "components": others.map(|part| component(part, "library")).collect::<Vec<_>>(),
        "dependencies": dependencies.collect::<Vec<_>>(),
    })
}

/// What is compiled into something, or runs while it is built.
fn edges(metadata: &Metadata) -> BTreeMap<&PackageId, Vec<&PackageId>> {
    let nodes = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
    nodes
        .map(|node| {
            let counts = |kind: DependencyKind| {
                matches!(kind, DependencyKind::Normal | DependencyKind::Build)
            };
            let deps = node
                .deps
                .iter()
                .filter(|dep| dep.dep_kinds.iter().any(|kind| counts(kind.kind)));
            (&node.id, deps.map(|dep| &dep.pkg).collect())
        })
        .collect()
}

fn reference(package: &Package) -> String {
    format!("pkg:cargo/{}@{}", package.name, package.version)
}

fn component(package: &Package, kind: &str) -> Value {
    let mut component = json!({
        "type": kind,
        "bom-ref": reference(package),
        "name": package.name.to_string(),
        "version": package.version.to_string(),
        "purl": reference(package),
    });
    if let Some(licence) = &package.license {
        component["licenses"] = json!([{ "expression": licence.replace('/', " OR ") }]);
    }
    component
}
