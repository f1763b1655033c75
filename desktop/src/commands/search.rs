//! Looking for what was said.

use sori_client::SearchView;
use tauri::State;

use super::Answer;
use crate::session::Session;

/// More hits than this are not handed out in one answer.
const LIMIT_MAX: u32 = 200;

#[tauri::command]
pub(crate) async fn message_search(
    session: State<'_, Session>,
    text: String,
    limit: u32,
) -> Answer<SearchView> {
    let limit = limit.min(LIMIT_MAX);
    Ok(session.client()?.message_search(&text, None, limit).await?)
}

#[tauri::command]
pub(crate) async fn message_search_more(
    session: State<'_, Session>,
    search: String,
    limit: u32,
) -> Answer<SearchView> {
    let limit = limit.min(LIMIT_MAX);
    Ok(session
        .client()?
        .message_search_more(&search, limit)
        .await?)
}
