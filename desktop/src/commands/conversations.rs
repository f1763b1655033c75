//! Groups and what is said in them.

use sori_client::{CopiesView, GroupInfo, GroupView, MessageView, Mute, NewMessage};
use tauri::State;

use super::Answer;
use crate::session::Session;

/// More messages than this are not handed out in one answer.
const LIMIT_MAX: u32 = 500;

#[tauri::command]
pub(crate) async fn group_create(session: State<'_, Session>, name: String) -> Answer<String> {
    Ok(session.client()?.group_create(&name).await?)
}

#[tauri::command]
pub(crate) async fn group_list(session: State<'_, Session>) -> Answer<Vec<GroupView>> {
    Ok(session.client()?.group_list().await?)
}

#[tauri::command]
pub(crate) async fn group_info(session: State<'_, Session>, group: String) -> Answer<GroupInfo> {
    Ok(session.client()?.group_info(&group).await?)
}

#[tauri::command]
pub(crate) async fn group_rename(
    session: State<'_, Session>,
    group: String,
    name: String,
) -> Answer<()> {
    Ok(session.client()?.group_rename(&group, &name).await?)
}

#[tauri::command]
pub(crate) async fn message_list(
    session: State<'_, Session>,
    group: String,
    before: Option<String>,
    limit: u32,
) -> Answer<Vec<MessageView>> {
    let limit = limit.min(LIMIT_MAX);
    Ok(session
        .client()?
        .message_list(&group, before.as_deref(), limit)
        .await?)
}

#[tauri::command]
pub(crate) async fn message_send(
    session: State<'_, Session>,
    group: String,
    text: String,
    reply_to: Option<String>,
    timer_s: Option<u32>,
) -> Answer<String> {
    let new = NewMessage {
        text,
        reply_to,
        timer_s,
        ..NewMessage::default()
    };
    Ok(session.client()?.message_post(&group, new).await?)
}

/// Pins a message for everybody, or takes the own pin from it.
#[tauri::command]
pub(crate) async fn message_pin(
    session: State<'_, Session>,
    group: String,
    id: String,
    pinned: bool,
) -> Answer<()> {
    Ok(session.client()?.message_pin(&group, &id, pinned).await?)
}

/// The pinned messages, the one that was pinned last first.
#[tauri::command]
pub(crate) async fn message_pinned(
    session: State<'_, Session>,
    group: String,
) -> Answer<Vec<MessageView>> {
    Ok(session.client()?.message_pinned(&group).await?)
}

/// An empty emoji takes the own reaction back.
#[tauri::command]
pub(crate) async fn message_react(
    session: State<'_, Session>,
    group: String,
    id: String,
    emoji: String,
) -> Answer<String> {
    Ok(session.client()?.message_react(&group, &id, &emoji).await?)
}

#[tauri::command]
pub(crate) async fn message_edit(
    session: State<'_, Session>,
    group: String,
    id: String,
    text: String,
) -> Answer<String> {
    Ok(session.client()?.message_edit(&group, &id, &text).await?)
}

#[tauri::command]
pub(crate) async fn message_delete(
    session: State<'_, Session>,
    group: String,
    id: String,
) -> Answer<String> {
    Ok(session.client()?.message_delete(&group, &id).await?)
}

#[tauri::command]
pub(crate) async fn message_resend(
    session: State<'_, Session>,
    group: String,
    id: String,
) -> Answer<()> {
    Ok(session.client()?.message_resend(&group, &id).await?)
}

#[tauri::command]
pub(crate) async fn message_drop(
    session: State<'_, Session>,
    group: String,
    id: String,
) -> Answer<()> {
    Ok(session.client()?.message_drop(&group, &id).await?)
}

#[tauri::command]
pub(crate) async fn mark_read(session: State<'_, Session>, group: String) -> Answer<()> {
    Ok(session.client()?.mark_read(&group).await?)
}

#[tauri::command]
pub(crate) async fn message_copies(
    session: State<'_, Session>,
    group: String,
    id: String,
) -> Answer<CopiesView> {
    Ok(session.client()?.message_copies(&group, &id).await?)
}

#[tauri::command]
pub(crate) async fn group_mute(
    session: State<'_, Session>,
    group: String,
    muted: bool,
    seconds: Option<u32>,
) -> Answer<()> {
    let mute = match (muted, seconds) {
        (false, _) => Mute::Off,
        (true, Some(seconds)) => Mute::For(seconds),
        (true, None) => Mute::Always,
    };
    Ok(session.client()?.group_mute(&group, mute).await?)
}

/// The conversation with oneself; it is made if there is none.
#[tauri::command]
pub(crate) async fn group_own(session: State<'_, Session>) -> Answer<String> {
    Ok(session.client()?.group_own().await?)
}

/// Without a choice it is as everywhere.
#[tauri::command]
pub(crate) async fn group_read_receipts(
    session: State<'_, Session>,
    group: String,
    told: Option<bool>,
) -> Answer<()> {
    Ok(session.client()?.group_read_receipts(&group, told).await?)
}

/// The person is writing there.
#[tauri::command]
pub(crate) async fn group_typing(session: State<'_, Session>, group: String) -> Answer<()> {
    Ok(session.client()?.typing(&group).await?)
}
