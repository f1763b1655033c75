//! `cargo xtask run --demo`: a conversation of three real processes over a real relay, told as it happens.
//!
//! Nothing here is a script of outputs: each line is printed after the thing it tells has been seen to happen, and the
//! first thing that does not happen ends the demo with exit status 1.

use std::fmt;
use std::fs::File;
use std::io::Read;

use tempfile::TempDir;

use crate::error::Error;
use crate::machine::{self, Purpose};
use crate::relay::{ANY_PORT, Relay};
use crate::rpc::Rpc;
use crate::shell;
use crate::step::Steps;
use crate::workspace::Workspace;

mod left_behind;
mod memory;
mod story;
mod talk;

/// Builds the programs, plays the conversation, and looks at what the relay and the disks hold of it.
pub(crate) async fn demo(workspace: &Workspace) -> Result<(), Error> {
    let mut steps = Steps::begin();
    steps.next("What this machine needs");
    machine::prepare(Purpose::Programs).await?;
    steps.next("Build the relay and the command line");
    shell::run(shell::cargo(workspace.root()).args(["build", "-p", "sori-relay", "-p", "sori"]))
        .await?;

    let stage = Stage::set(workspace).await?;
    let played = story::play(&stage, &mut steps).await?;
    steps.next("What the relay knew");
    left_behind::tell(&stage, played).await?;
    steps.done("All of this held");
    Ok(())
}

/// The real parts: a relay with a key that lives in its memory only, and a folder for the profiles.
#[derive(Debug)]
struct Stage<'a> {
    workspace: &'a Workspace,
    relay: Relay,
    folder: TempDir,
    passphrase: String,
}

/// Who plays.
#[derive(Debug, Clone, Copy)]
struct Actor {
    /// The display name. Long enough that it does not turn up in a search by chance.
    name: &'static str,
    /// Where the profile is, under a name that says nothing.
    folder: &'static str,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl<'a> Stage<'a> {
    async fn set(workspace: &'a Workspace) -> Result<Self, Error> {
        Ok(Self {
            workspace,
            relay: Relay::start(workspace, ANY_PORT, None).await?,
            folder: tempfile::tempdir().map_err(|source| Error::io("make a folder", source))?,
            passphrase: passphrase()?,
        })
    }

    /// Starts the process of `actor`; the profile stays where it was when it ended before.
    fn enter(&self, actor: Actor) -> Result<Rpc, Error> {
        let profile = self.folder.path().join(actor.folder);
        Rpc::start(self.workspace, actor.name, &profile, &self.passphrase)
    }
}

/// A passphrase that nobody needs to know: the profiles are thrown away at the end.
fn passphrase() -> Result<String, Error> {
    let mut bytes = [0_u8; 16];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|source| Error::io("read random bytes", source))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
