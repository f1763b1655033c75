//! Pieces of long conversations, and how the person arranged theirs.

use serde::Deserialize;
use sori_client::{Arrange, EditView, SyncView, WindowView};
use tauri::State;

use super::Answer;
use crate::session::Session;

/// What is to change of how a conversation is arranged; what is left out stays.
#[derive(Debug, Deserialize)]
pub(crate) struct Change {
    draft: Option<String>,
    pinned: Option<bool>,
    archived: Option<bool>,
    timer_s: Option<u32>,
}

#[tauri::command]
pub(crate) async fn group_arrange(
    session: State<'_, Session>,
    group: String,
    change: Change,
) -> Answer<()> {
    let change = Arrange {
        draft: change.draft,
        pinned: change.pinned,
        archived: change.archived,
        timer_s: change.timer_s,
    };
    session.client()?.group_arrange(&group, change).await?;
    Ok(())
}

#[tauri::command]
pub(crate) async fn sync_status(session: State<'_, Session>, group: String) -> Answer<SyncView> {
    Ok(session.client()?.sync_status(&group).await?)
}

#[tauri::command]
pub(crate) async fn message_around(
    session: State<'_, Session>,
    group: String,
    id: String,
    before: u32,
    after: u32,
) -> Answer<WindowView> {
    let sides = (before, after);
    Ok(session.client()?.message_around(&group, &id, sides).await?)
}

#[tauri::command]
pub(crate) async fn message_unread(
    session: State<'_, Session>,
    group: String,
) -> Answer<Option<String>> {
    Ok(session.client()?.message_unread(&group).await?)
}

#[tauri::command]
pub(crate) async fn message_history(
    session: State<'_, Session>,
    group: String,
    id: String,
) -> Answer<Vec<EditView>> {
    Ok(session.client()?.message_history(&group, &id).await?)
}

#[tauri::command]
pub(crate) async fn message_hide(
    session: State<'_, Session>,
    group: String,
    id: String,
) -> Answer<()> {
    Ok(session.client()?.message_hide(&group, &id).await?)
}
