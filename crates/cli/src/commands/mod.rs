//! One file for each command.

mod backup;
mod block;
mod chat;
mod copies;
mod export;
mod group;
mod history;
mod init;
mod invite;
mod join;
mod joins;
mod keeping;
mod lists;
mod relay;
mod restore;
mod save;
mod search;
mod send;
mod settings;
mod verify;

use sori_client::Client;

use crate::args::{Cli, Command, ProfileCommand};
use crate::failure::Failure;
use crate::screen::Screen;
use crate::{profile, rpc};

/// Carries out the command line.
pub(crate) async fn run(screen: Screen, cli: Cli) -> Result<(), Failure> {
    let dir = profile::dir(screen, cli.profile)?;
    match cli.command {
        Command::Init(args) => init::run(screen, dir, args).await,
        Command::Profile(ProfileCommand::Move { to }) => keeping::move_to(screen, dir, to).await,
        Command::Profile(ProfileCommand::Repair) => keeping::repair(screen, dir).await,
        Command::Restore(args) => restore::run(screen, dir, args).await,
        Command::Rpc => rpc::serve(profile::open_or_create(screen, dir).await?).await,
        command => {
            let client = profile::open(screen, dir).await?;
            let outcome = until_asked_to_end(screen, &client, command).await;
            // Forgets and wipes what is to be, however the command ended.
            client.shutdown().await;
            outcome
        }
    }
}

/// Carries out a command until the person or the system wants it to end; some end by themselves then.
async fn until_asked_to_end(
    screen: Screen,
    client: &Client,
    command: Command,
) -> Result<(), Failure> {
    let ends_itself = matches!(
        command,
        Command::Chat { .. } | Command::Invite(_) | Command::Join { .. }
    );
    tokio::select! {
        biased;
        outcome = run_with(screen, client, command) => outcome,
        () = sori_client::asked_to_end(), if !ends_itself => Err(Failure::Interrupted),
    }
}

/// The commands that work on a profile that is there.
async fn run_with(screen: Screen, client: &Client, command: Command) -> Result<(), Failure> {
    match command {
        Command::Relay { url } => relay::run(screen, client, url).await,
        Command::Invite(args) => invite::run(screen, client, args).await,
        Command::Join { url, timeout } => join::run(screen, client, &url, timeout).await,
        Command::Joins { answer } => joins::run(screen, client, answer).await,
        Command::Contacts => lists::contacts(screen, client).await,
        Command::Verify { contact, yes } => verify::run(screen, client, &contact, yes).await,
        Command::Groups => lists::groups(screen, client).await,
        Command::Copies { group, message } => {
            copies::run(screen, client, &group, message.as_deref()).await
        }
        Command::Block { person, undo } => {
            block::run(screen, client, person.as_deref(), !undo).await
        }
        Command::Settings {
            read_receipts,
            log_mib,
            log_days,
            typing,
        } => settings::run(screen, client, read_receipts, log_mib, log_days, typing).await,
        Command::Group(command) => group::run(screen, client, command).await,
        Command::Save(args) => save::run(screen, client, args).await,
        Command::Send(args) => send::run(screen, client, args).await,
        Command::Chat { group } => chat::run(screen, client, &group).await,
        Command::History(args) => history::run(screen, client, args).await,
        Command::Search(args) => search::run(screen, client, args).await,
        Command::Backup(args) => backup::run(screen, client, args).await,
        Command::Export(args) => export::run(screen, client, args).await,
        Command::Profile(command) => keeping::run(screen, client, command).await,
        // Handled before, because they may have to make the profile.
        Command::Init(_) | Command::Restore(_) | Command::Rpc => Ok(()),
    }
}

/// Why events ended: the messenger did.
fn stopped(screen: Screen, client: &Client) -> Failure {
    client.failure().map_or_else(
        || Failure::Failed(screen.words().stopped.to_owned()),
        Failure::Client,
    )
}
