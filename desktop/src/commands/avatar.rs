//! Pictures of groups.

use tauri::State;
use tauri::ipc::Response;

use super::Answer;
use super::attach::aside;
use crate::chosen::Chosen;
use crate::pictures;
use crate::refusal::Refusal;
use crate::session::Session;

/// The picture of a group, with no side longer than `side` dots, as dots; `not_found` where there is none.
#[tauri::command]
pub(crate) async fn group_avatar(
    session: State<'_, Session>,
    group: String,
    side: u32,
) -> Answer<Response> {
    let picture = session.client()?.group_avatar(&group).await?;
    let bytes = picture.ok_or_else(Refusal::gone)?;
    let dots = aside(move || pictures::dots(&bytes, side)).await?;
    Ok(Response::new(dots.to_bytes()))
}

/// Gives a group the middle of a chosen picture, made small and anew; without a number it has none any more.
#[tauri::command]
pub(crate) async fn group_avatar_set(
    session: State<'_, Session>,
    chosen: State<'_, Chosen>,
    group: String,
    number: Option<u32>,
) -> Answer<()> {
    let client = session.client()?;
    let picture = match number {
        Some(number) => {
            let source = chosen.get(number)?;
            chosen.forget(Some(number));
            Some(aside(move || pictures::small(&source.read().ok()?)).await?)
        }
        None => None,
    };
    Ok(client.group_avatar_set(&group, picture).await?)
}
