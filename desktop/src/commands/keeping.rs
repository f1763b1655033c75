//! How the profile is kept, and what unlocks it.

use sori_client::ProfileInfo;
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

#[tauri::command]
pub(crate) async fn unlock_set(
    session: State<'_, Session>,
    protection: Protection,
    passphrase: Option<Passphrase>,
) -> Answer<()> {
    let unlock = choice(protection, passphrase);
    Ok(session.client()?.unlock_set(unlock).await?)
}
