//! `cargo xtask audit`: what the programs are made of, and whether two people get the same bytes from it.
//!
//! It asks nobody on the network: advisories come from a folder or archive that it is given, everything else from
//! `cargo metadata`.

mod advisories;
mod packages;
mod reproducible;
mod sbom;

use std::path::PathBuf;

use cargo_metadata::{Metadata, MetadataCommand};
use clap::Args;

use crate::error::Error;
use crate::step::Steps;
use crate::workspace::Workspace;

/// What to look at.
#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// The RustSec advisory database: a folder, or an archive that `tar` can open.
    #[arg(long, value_name = "PATH")]
    advisories: Option<PathBuf>,
    /// Write what the relay and the audit suite are made of (CycloneDX 1.5, JSON) into this folder.
    #[arg(long, value_name = "DIR")]
    sbom: Option<PathBuf>,
    /// Build relay and audit suite twice, in two folders, and compare.
    #[arg(long)]
    reproducible: bool,
}

/// Looks at everything that was asked for; fails if anything is not as it has to be.
pub(crate) async fn audit(workspace: &Workspace, audit: &Audit) -> Result<(), Error> {
    let mut steps = Steps::begin();
    let metadata = MetadataCommand::new()
        .current_dir(workspace.root())
        .other_options(vec!["--locked".to_owned()])
        .exec()?;
    let mut wrong = Vec::new();

    steps.next("Sources, licences, duplicates, build scripts");
    wrong.extend(packages::look(&metadata));
    steps.next("Advisories");
    match &audit.advisories {
        Some(path) => wrong.extend(advisories::look(path, &metadata).await?),
        None => println!("   left out: give --advisories PATH"),
    }
    if let Some(folder) = &audit.sbom {
        steps.next("What the programs are made of");
        for program in PROGRAMS {
            sbom::write(&metadata, program, folder)?;
        }
    }
    if audit.reproducible {
        steps.next("Two builds");
        wrong.extend(reproducible::compare(workspace, PROGRAMS).await?);
    }
    for finding in &wrong {
        println!("   WRONG {finding}");
    }
    if !wrong.is_empty() {
        return Err(Error::Steps(wrong.len()));
    }
    steps.done("Nothing was found");
    Ok(())
}

/// What is given to people who do not trust us.
const PROGRAMS: &[&str] = &["sori-relay", "sori-audit"];

/// Packages that are not ours.
fn foreign(metadata: &Metadata) -> impl Iterator<Item = &cargo_metadata::Package> {
    let packages = metadata.packages.iter();
    packages.filter(|package| package.source.is_some())
}
