//! The same without windows: one person chats here, the others are one command away in other terminals.

use std::io::IsTerminal;
use std::path::Path;

use serde_json::{Value, json};
use tokio::process::Command;

use super::{Home, Relay};
use crate::error::Error;
use crate::machine::{self, Purpose};
use crate::meeting;
use crate::rpc::Rpc;
use crate::shell;
use crate::step::Steps;
use crate::workspace::Workspace;

/// The name of the group that all of them are put into on the first run.
const GROUP_NAME: &str = "Sori";

/// Opens Sori on this terminal.
pub(crate) async fn on_terminal(workspace: &Workspace, people: u8) -> Result<(), Error> {
    let mut steps = Steps::begin();
    steps.next("What this machine needs");
    machine::prepare(Purpose::Programs).await?;
    steps.next("Build the relay and the command line");
    shell::run(shell::cargo(workspace.root()).args(["build", "-p", "sori-relay", "-p", "sori"]))
        .await?;

    steps.next("Open");
    let home = Home::open()?;
    let mut relay = home.relay(workspace).await?;
    println!("   relay: {}", relay.url());
    println!(
        "   Profiles are kept for the next time in {}",
        home.path().display()
    );
    let passphrase = passphrase()?;
    let group = gather(workspace, &home, &relay, people, &passphrase).await?;
    say_how_to_join_in(workspace, &home, people, &group)?;
    if !std::io::stdin().is_terminal() {
        println!("   Nobody can type here: the relay stays until it is ended (Ctrl-C).");
        return Err(relay.ended().await);
    }
    let program = workspace.program("sori")?;
    tokio::select! {
        outcome = chat(&program, &home, &group, &passphrase) => outcome,
        error = relay.ended() => Err(error),
    }
}

async fn chat(program: &Path, home: &Home, group: &str, passphrase: &str) -> Result<(), Error> {
    shell::run(
        Command::new(program)
            .arg("--profile")
            .arg(home.profile(1))
            .args(["chat", group])
            .env("SORI_PASSPHRASE", passphrase),
    )
    .await
}

/// From the environment, or typed without echo. One passphrase serves all profiles of this trial.
fn passphrase() -> Result<String, Error> {
    if let Ok(passphrase) = std::env::var("SORI_PASSPHRASE") {
        return Ok(passphrase);
    }
    if !std::io::stdin().is_terminal() {
        return Err(Error::Absent {
            what: "A passphrase for the profiles".to_owned(),
            remedy: "Set SORI_PASSPHRASE, or start this on a terminal where it can be typed."
                .to_owned(),
        });
    }
    rpassword::prompt_password("   Passphrase for the profiles of this trial: ")
        .map_err(|source| Error::io("read the passphrase", source))
}

/// Sees to it that person 1 to N exist and share a group; the id of that group.
async fn gather(
    workspace: &Workspace,
    home: &Home,
    relay: &Relay,
    people: u8,
    passphrase: &str,
) -> Result<String, Error> {
    let mut first = arrive(workspace, home, relay, 1, passphrase).await?;
    let group = match shared_group(&mut first).await? {
        Some(group) => group,
        None => meeting::create_group(&mut first, GROUP_NAME).await?,
    };
    for number in 2..=people {
        let mut other = arrive(workspace, home, relay, number, passphrase).await?;
        if !is_in(&mut other, &group).await? {
            meeting::join(&mut first, &mut other, &name(number), &group).await?;
            println!("   {} joined {GROUP_NAME}", name(number));
        }
        other.shut_down().await?;
    }
    first.shut_down().await?;
    Ok(group)
}

/// Opens the profile of person `number`, making it if this is the first time, at today's relay.
async fn arrive(
    workspace: &Workspace,
    home: &Home,
    relay: &Relay,
    number: u8,
    passphrase: &str,
) -> Result<Rpc, Error> {
    let profile = home.profile(number);
    let mut person = Rpc::start(workspace, &name(number), &profile, passphrase)?;
    if person.call("account.info", json!({})).await.is_err() {
        person
            .call("account.create", json!({ "name": name(number) }))
            .await?;
        println!("   {} is new: {}", name(number), profile.display());
    }
    person
        .call("relay.set", json!({ "url": relay.url() }))
        .await?;
    Ok(person)
}

async fn shared_group(person: &mut Rpc) -> Result<Option<String>, Error> {
    let answer = person.call("group.list", json!({})).await?;
    let group = meeting::list(&answer, "groups").find(|group| group["name"] == GROUP_NAME);
    Ok(group
        .and_then(|group| group["group"].as_str())
        .map(str::to_owned))
}

async fn is_in(person: &mut Rpc, group: &str) -> Result<bool, Error> {
    let answer: Value = person.call("group.list", json!({})).await?;
    Ok(meeting::list(&answer, "groups").any(|item| item["group"] == group))
}

fn say_how_to_join_in(
    workspace: &Workspace,
    home: &Home,
    people: u8,
    group: &str,
) -> Result<(), Error> {
    let program = workspace.program("sori")?;
    println!();
    println!("   You are {} here.", name(1));
    for number in 2..=people {
        println!("   {}, in another terminal:", name(number));
        println!(
            "     {} --profile {} chat {group}",
            program.display(),
            home.profile(number).display()
        );
    }
    println!();
    Ok(())
}

fn name(number: u8) -> String {
    format!("person {number}")
}
