//! `cargo xtask deb`: the Debian packages of the relay and of the desktop.

use clap::ValueEnum;

use crate::error::Error;
use crate::machine::Purpose;
use crate::step::Steps;
use crate::workspace::Workspace;
use crate::{front_end, machine, shell};

/// The folder in the build output where the packages end up.
const PACKAGES: &str = "debian";

/// A Debian package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Package {
    /// The relay, as a service of the system.
    Relay,
    /// The window, and the command line beside it.
    Desktop,
}

/// Builds a package; names what is missing for that.
pub(crate) async fn deb(workspace: &Workspace, package: Package) -> Result<(), Error> {
    let mut steps = Steps::begin();
    steps.next("What this machine needs");
    if !shell::has("cargo-deb") {
        return Err(Error::Absent {
            what: "cargo-deb".to_owned(),
            remedy: "Install it with `cargo install cargo-deb --locked`, then try again."
                .to_owned(),
        });
    }
    if !shell::has("dpkg-shlibdeps") {
        return Err(Error::Absent {
            what: "dpkg-shlibdeps, which finds out the libraries that a program needs,".to_owned(),
            remedy: "Install what Debian and Ubuntu call dpkg-dev, then try again.".to_owned(),
        });
    }
    match package {
        Package::Relay => relay(workspace, &mut steps).await?,
        Package::Desktop => desktop(workspace, &mut steps).await?,
    }
    let folder = workspace.target().join(PACKAGES);
    steps.done(&format!("The package is in {}", folder.display()));
    Ok(())
}

async fn relay(workspace: &Workspace, steps: &mut Steps) -> Result<(), Error> {
    machine::prepare(Purpose::Programs).await?;
    steps.next("Build the package");
    let mut command = shell::cargo(workspace.root());
    command.args(["deb", "--package", "sori-relay", "--locked"]);
    shell::run(&mut command).await
}

async fn desktop(workspace: &Workspace, steps: &mut Steps) -> Result<(), Error> {
    machine::prepare(Purpose::Window).await?;
    steps.next("Build the front end");
    front_end::install(&workspace.front_end()).await?;
    front_end::build(workspace).await?;
    steps.next("Build the programs");
    // All that is released at once: what one of them needs is not built again for another.
    let mut build = shell::cargo(workspace.root());
    build.args(["build", "--release", "--locked"]);
    build.args(["-p", "sori-desktop", "-p", "sori", "-p", "sori-relay"]);
    shell::run(&mut build).await?;
    steps.next("Build the package");
    let mut command = shell::cargo(workspace.root());
    command.args(["deb", "--no-build", "--package", "sori-desktop", "--locked"]);
    shell::run(&mut command).await
}
