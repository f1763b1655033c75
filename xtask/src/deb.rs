//! `cargo xtask deb`: the Debian package of the relay.

use crate::error::Error;
use crate::machine::Purpose;
use crate::step::Steps;
use crate::workspace::Workspace;
use crate::{machine, shell};

/// The folder in the build output where the package ends up.
const PACKAGES: &str = "debian";

/// Builds the package; names what is missing for that.
pub(crate) async fn deb(workspace: &Workspace) -> Result<(), Error> {
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
    machine::prepare(Purpose::Programs).await?;

    steps.next("Build the package");
    let mut command = shell::cargo(workspace.root());
    command.args(["deb", "--package", "sori-relay", "--locked"]);
    shell::run(&mut command).await?;
    let folder = workspace.target().join(PACKAGES);
    steps.done(&format!("The package is in {}", folder.display()));
    Ok(())
}
