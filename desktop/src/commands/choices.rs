//! What the person has chosen for this device in the profile itself: what others are told, and what is kept for them.

use serde::Deserialize;
use sori_client::SettingsView;
use tauri::State;

use super::Answer;
use crate::session::Session;

/// What is to change; what is left out stays.
#[derive(Debug, Deserialize)]
pub(crate) struct Choices {
    read_receipts: Option<bool>,
    typing: Option<bool>,
    log_mib: Option<u32>,
    log_days: Option<u32>,
}

#[tauri::command]
pub(crate) async fn choices(session: State<'_, Session>) -> Answer<SettingsView> {
    Ok(session.client()?.settings().await?)
}

#[tauri::command]
pub(crate) async fn choices_set(session: State<'_, Session>, change: Choices) -> Answer<()> {
    let client = session.client()?;
    if let Some(told) = change.read_receipts {
        client.settings_read_receipts(told).await?;
    }
    if let Some(told) = change.typing {
        client.settings_typing(told).await?;
    }
    if let Some(mib) = change.log_mib {
        client.settings_log(mib).await?;
    }
    if let Some(days) = change.log_days {
        client.settings_log_days(days).await?;
    }
    Ok(())
}
