//! `sori profile`: how the profile is kept, and what unlocks it.

use std::path::PathBuf;

use serde_json::json;
use sori_client::{Backend, Client, ProfileInfo, UnlockChoice, profile_move};

use crate::args::{Engine, ProfileCommand};
use crate::failure::Failure;
use crate::screen::Screen;
use crate::words::fill;
use crate::{profile, show};

/// The commands that work on an open profile.
pub(crate) async fn run(
    screen: Screen,
    client: &Client,
    command: ProfileCommand,
) -> Result<(), Failure> {
    let words = screen.words();
    match command {
        ProfileCommand::Info => return info(screen, &client.profile_info().await?),
        ProfileCommand::Rotate => {
            client.profile_rotate().await?;
            screen.say(words.rotated)?;
        }
        ProfileCommand::Passphrase => {
            let passphrase = profile::replacing_passphrase(screen)?;
            client
                .unlock_set(UnlockChoice::Passphrase(passphrase))
                .await?;
            screen.say(words.unlock_passphrase_set)?;
        }
        ProfileCommand::Keychain => {
            client.unlock_set(UnlockChoice::Keychain).await?;
            screen.say(words.unlock_keychain_set)?;
        }
        ProfileCommand::Both => {
            let passphrase = profile::replacing_passphrase(screen)?;
            client.unlock_set(UnlockChoice::Both(passphrase)).await?;
            screen.say(words.unlock_both_set)?;
        }
        // Handled before: it needs the profile closed.
        ProfileCommand::Move { .. } => return Ok(()),
    }
    screen.report(&json!({ "done": true }))
}

/// `sori profile move`.
pub(crate) async fn move_to(screen: Screen, dir: PathBuf, to: Engine) -> Result<(), Failure> {
    let choice = profile::choice(screen, &dir)?;
    let backend = match to {
        Engine::Redb => Backend::Redb,
        Engine::Sled => Backend::Sled,
    };
    let moved = tokio::task::spawn_blocking(move || {
        let mut progress = profile::progress(screen);
        profile_move(&dir, &choice, backend, &mut progress)
    });
    moved
        .await
        .map_err(|_error| Failure::Failed(screen.words().stopped.to_owned()))??;
    screen.report(&json!({ "backend": backend.name() }))?;
    screen.say_with(screen.words().moved, &[backend.name()])
}

fn info(screen: Screen, info: &ProfileInfo) -> Result<(), Failure> {
    let words = screen.words();
    screen.report(info)?;
    let unlock = match info.unlock {
        "both" => words.unlocked_by_both,
        "keychain" => words.unlocked_by_keychain,
        _ => words.unlocked_by_passphrase,
    };
    let rotated = info.rotated_at.map_or_else(
        || words.unknown.to_owned(),
        |seconds| show::local_time(seconds.saturating_mul(1000)),
    );
    let mebibytes = info.size.div_ceil(1024 * 1024).to_string();
    let yes_or_no = |is_so| if is_so { words.yes } else { words.no };
    for (line, value) in [
        (words.info_backend, info.backend),
        (words.info_size, &mebibytes),
        (words.info_unlock, unlock),
        (words.info_rotated, &rotated),
        (words.info_keys_locked, yes_or_no(info.keys_locked)),
    ] {
        screen.say(&fill(line, &[value]))?;
    }
    Ok(())
}
