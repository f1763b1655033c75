//! `sori profile`: how the profile is kept, and what unlocks it.

use std::io::IsTerminal;
use std::path::PathBuf;

use serde_json::json;
use sori_client::{
    Backend, Client, ProfileInfo, Repair, UnlockChoice, profile_move, profile_repair,
};

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
        // Handled before: they need the profile closed.
        ProfileCommand::Move { .. } | ProfileCommand::Repair => return Ok(()),
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

/// `sori profile repair`.
pub(crate) async fn repair(screen: Screen, dir: PathBuf) -> Result<(), Failure> {
    let choice = profile::choice(screen, &dir)?;
    let repaired = tokio::task::spawn_blocking(move || {
        let is_seen = std::io::stderr().is_terminal();
        let mut said = 0;
        profile_repair(&dir, &choice, &mut |records| {
            if is_seen && records >= said + REPAIR_STEP {
                said = records;
                screen.warn(&fill(screen.words().repairing, &[&records.to_string()]));
            }
        })
    });
    let words = screen.words();
    let repair = repaired
        .await
        .map_err(|_error| Failure::Failed(words.stopped.to_owned()))??;
    match repair {
        Repair::NotNeeded(records) => {
            screen.report(&json!({ "repaired": false, "records": records }))?;
            screen.say_with(words.repair_not_needed, &[&records.to_string()])
        }
        Repair::Done(report) => {
            let [kept, lost, steps] =
                [report.kept, report.lost, report.steps_missing].map(|number| number.to_string());
            let aside = report.aside.to_string_lossy();
            screen.report(&json!({
                "repaired": true,
                "records": report.kept,
                "lost": report.lost,
                "steps_missing": report.steps_missing,
                "aside": aside,
            }))?;
            screen.say_with(words.repaired, &[&kept, &lost])?;
            if report.steps_missing > 0 {
                screen.say_with(words.repaired_steps, &[&steps])?;
            }
            screen.say_with(words.repaired_aside, &[&aside])
        }
    }
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
        (words.info_copies_noticed, yes_or_no(info.copies_noticed)),
    ] {
        screen.say(&fill(line, &[value]))?;
    }
    Ok(())
}

/// Records between two words about how far a repair has come.
const REPAIR_STEP: u64 = 10_000;
