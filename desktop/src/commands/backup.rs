//! A backup of the profile, and a profile of a backup.

use serde::{Deserialize, Serialize};
use sori_client::{BackupProgress, Client, RestoreProgress};
use tauri::State;
use tauri::ipc::Channel;

use super::Answer;
use super::profile::{Passphrase, Protection, choice};
use super::progress::{Meter, Phase, ProgressView};
use crate::files;
use crate::refusal::Refusal;
use crate::session::Session;

/// The ending of what this window makes; any file is tried as a backup.
const ENDING: &str = "backup";

/// Where to write a backup, and what opens it.
#[derive(Deserialize)]
pub(crate) struct Backup {
    file: String,
    passphrase: Passphrase,
    replace: bool,
}

/// What was written.
#[derive(Debug, Serialize)]
pub(crate) struct Made {
    file: String,
    bytes: u64,
}

/// A backup to make the profile of, and what shall unlock that.
#[derive(Deserialize)]
pub(crate) struct Restoring {
    file: String,
    passphrase: Passphrase,
    protection: Protection,
    unlock: Option<Passphrase>,
}

#[tauri::command]
pub(crate) async fn profile_backup(
    session: State<'_, Session>,
    backup: Backup,
    progress: Channel<ProgressView>,
) -> Answer<Made> {
    let file = files::to_write(&backup.file, ENDING)?;
    let passphrase = backup.passphrase.into_inner();
    let mut meter = Meter::new(progress);
    let told = move |at: BackupProgress| meter.tell(Phase::BackingUp, at.done, Some(at.total));
    let bytes = session
        .client()?
        .backup(&file, &passphrase, backup.replace, told)
        .await?;
    Ok(Made {
        file: file.display().to_string(),
        bytes,
    })
}

/// Makes the profile of a backup and opens it.
#[tauri::command]
pub(crate) async fn profile_restore(
    session: State<'_, Session>,
    restoring: Restoring,
    progress: Channel<ProgressView>,
) -> Answer<()> {
    if session.opened().is_some() {
        return Err(Refusal::profile_exists());
    }
    let file = files::to_read(&restoring.file)?;
    let unlock = choice(restoring.protection, restoring.unlock);
    let place = (session.profile().to_owned(), unlock.clone());
    let mut meter = Meter::new(progress.clone());
    let told = move |at| match at {
        RestoreProgress::Reading { done, total } => meter.tell(Phase::Reading, done, Some(total)),
        RestoreProgress::Sorting { done, total } => meter.tell(Phase::Sorting, done, Some(total)),
    };
    Client::restore(file, restoring.passphrase.into_inner(), place, told).await?;
    session
        .open(unlock, Meter::new(progress).rewriting())
        .await?;
    Ok(())
}
