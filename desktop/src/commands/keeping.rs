//! How the profile is kept, and what unlocks it.

use sori_client::{Client, ProfileInfo, ProfileState, UnlockMethod};
use tauri::State;

use super::Answer;
use super::profile::{Passphrase, Protection, choice};
use crate::session::Session;

#[tauri::command]
pub(crate) async fn profile_info(session: State<'_, Session>) -> Answer<ProfileInfo> {
    Ok(session.client()?.profile_info().await?)
}

#[tauri::command]
pub(crate) async fn profile_rotate(session: State<'_, Session>) -> Answer<()> {
    Ok(session.client()?.profile_rotate().await?)
}

/// `present` is the passphrase that unlocks the profile now, if one does.
#[tauri::command]
pub(crate) async fn unlock_set(
    session: State<'_, Session>,
    present: Option<Passphrase>,
    protection: Protection,
    passphrase: Option<Passphrase>,
) -> Answer<()> {
    let client = session.client()?;
    if let ProfileState::Locked(method @ (UnlockMethod::Both | UnlockMethod::Passphrase)) =
        Client::profile(session.profile())
    {
        client.unlock_check(choice(method.into(), present)).await?;
    }
    Ok(client.unlock_set(choice(protection, passphrase)).await?)
}
