//! `cargo xtask run`: a relay on this machine, and people with a window each or with this terminal.

use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::Command;

use crate::error::Error;
use crate::machine::Purpose;
use crate::program::Program;
use crate::relay::{ANY_PORT, Relay};
use crate::step::Steps;
use crate::workspace::Workspace;
use crate::{front_end, machine, shell, test};

mod home;
mod terminal;

use home::Home;
pub(crate) use terminal::on_terminal;

/// Opens a window for each person, or the same on the terminal where there is no display.
pub(crate) async fn run(workspace: &Workspace, people: u8) -> Result<(), Error> {
    if !has_display() {
        println!("There is no display here (neither DISPLAY nor WAYLAND_DISPLAY is set),");
        println!("so Sori opens on this terminal instead of in windows.");
        return on_terminal(workspace, people).await;
    }
    let mut steps = Steps::begin();
    steps.next("What this machine needs");
    machine::prepare(Purpose::Window).await?;
    steps.next("Build the relay");
    shell::run(shell::cargo(workspace.root()).args(["build", "-p", "sori-relay"])).await?;
    steps.next("Build the window");
    front_end::install(&workspace.front_end()).await?;
    front_end::build(workspace).await?;
    test::build_window(workspace).await?;

    steps.next("Open");
    let home = Home::open()?;
    let mut relay = home.relay(workspace).await?;
    println!("   relay: {}", relay.url());
    let mut windows = Vec::new();
    for number in 1..=people {
        windows.push(window(workspace, &relay, home.profile(number), number)?);
    }
    println!(
        "   Profiles are kept for the next time in {}",
        home.path().display()
    );
    println!("   Close the windows or press Ctrl-C to end.");
    tokio::select! {
        outcome = all_closed(&mut windows) => outcome,
        error = relay.ended() => Err(error),
    }
}

fn window(
    workspace: &Workspace,
    relay: &Relay,
    profile: PathBuf,
    number: u8,
) -> Result<Program, Error> {
    println!("   person {number}: {}", profile.display());
    Program::start(
        &format!("the window of person {number}"),
        Command::new(workspace.program("sori-desktop")?)
            .arg("--profile")
            .arg(profile)
            .args(["--relay", relay.url()])
            .stdin(Stdio::null()),
    )
}

/// Resolves when the last window is closed; fails if one of them ended badly.
async fn all_closed(windows: &mut [Program]) -> Result<(), Error> {
    let mut outcome = Ok(());
    for window in windows {
        let status = window.wait().await?;
        if !status.success() {
            outcome = Err(Error::Failed {
                command: "sori-desktop".to_owned(),
                status,
            });
        }
    }
    outcome
}

fn has_display() -> bool {
    ["DISPLAY", "WAYLAND_DISPLAY"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}
