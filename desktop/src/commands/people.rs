//! Contacts, and who is in a group.

use sori_client::{ContactView, PersonView};
use tauri::State;

use super::Answer;
use crate::session::Session;

#[tauri::command]
pub(crate) async fn contact_list(session: State<'_, Session>) -> Answer<Vec<ContactView>> {
    Ok(session.client()?.contact_list().await?)
}

#[tauri::command]
pub(crate) async fn contact_info(session: State<'_, Session>, id: String) -> Answer<ContactView> {
    Ok(session.client()?.contact_info(&id).await?)
}

#[tauri::command]
pub(crate) async fn contact_verify(session: State<'_, Session>, id: String) -> Answer<()> {
    Ok(session.client()?.contact_verify(&id).await?)
}

#[tauri::command]
pub(crate) async fn group_add(
    session: State<'_, Session>,
    group: String,
    contact: String,
) -> Answer<()> {
    Ok(session.client()?.group_add(&group, &contact).await?)
}

#[tauri::command]
pub(crate) async fn group_remove(
    session: State<'_, Session>,
    group: String,
    member: String,
) -> Answer<()> {
    Ok(session.client()?.group_remove(&group, &member).await?)
}

#[tauri::command]
pub(crate) async fn group_role(
    session: State<'_, Session>,
    group: String,
    member: String,
    role: String,
) -> Answer<()> {
    Ok(session.client()?.group_role(&group, &member, &role).await?)
}

#[tauri::command]
pub(crate) async fn group_leave(session: State<'_, Session>, group: String) -> Answer<()> {
    Ok(session.client()?.group_leave(&group).await?)
}

#[tauri::command]
pub(crate) async fn group_policy(
    session: State<'_, Session>,
    group: String,
    policy: String,
) -> Answer<()> {
    Ok(session.client()?.group_policy(&group, &policy).await?)
}

#[tauri::command]
pub(crate) async fn group_timer(
    session: State<'_, Session>,
    group: String,
    seconds: Option<u32>,
) -> Answer<()> {
    Ok(session.client()?.group_timer(&group, seconds).await?)
}

#[tauri::command]
pub(crate) async fn group_file_limit(
    session: State<'_, Session>,
    group: String,
    bytes: Option<u32>,
) -> Answer<()> {
    Ok(session.client()?.group_file_limit(&group, bytes).await?)
}

#[tauri::command]
pub(crate) async fn member_block(
    session: State<'_, Session>,
    id: String,
    blocked: bool,
) -> Answer<()> {
    Ok(session.client()?.member_block(&id, blocked).await?)
}

#[tauri::command]
pub(crate) async fn blocked_list(session: State<'_, Session>) -> Answer<Vec<PersonView>> {
    Ok(session.client()?.blocked_list().await?)
}
