//! Files that are sent, fetched, shown and saved.

use serde::Deserialize;
use sori_client::NewMessage;
use tauri::ipc::Response;
use tauri::{AppHandle, State};

use super::Answer;
use crate::choosing;
use crate::chosen::{Chosen, ChosenView, Source};
use crate::clipboard;
use crate::pictures;
use crate::refusal::Refusal;
use crate::session::Session;

/// Longest side of the small picture of a file that is about to be sent, in dots.
const PREVIEW_SIDE: u32 = 240;

/// The person picks files in the system's dialog.
#[tauri::command]
pub(crate) async fn files_choose(
    app: AppHandle,
    session: State<'_, Session>,
    chosen: State<'_, Chosen>,
) -> Answer<Vec<ChosenView>> {
    let paths = choosing::to_send(&app, session.settings().language).await;
    Ok(chosen.add(paths.into_iter().map(Source::Disk).collect()))
}

/// The files, or the picture, that were copied.
#[tauri::command]
pub(crate) async fn files_paste(
    app: AppHandle,
    chosen: State<'_, Chosen>,
) -> Answer<Vec<ChosenView>> {
    let (sender, receiver) = std::sync::mpsc::channel();
    app.run_on_main_thread(move || {
        // Nobody waits any more if this fails.
        let _gone = sender.send(clipboard::files());
    })
    .map_err(|_error| Refusal::no_picture())?;
    let copied = aside(move || receiver.recv().ok()).await?;
    Ok(chosen.add(copied))
}

/// Lets go of one that was chosen, or of all.
#[tauri::command]
pub(crate) fn file_forget(chosen: State<'_, Chosen>, number: Option<u32>) {
    chosen.forget(number);
}

/// A chosen picture, small, as dots.
#[tauri::command]
pub(crate) async fn file_preview(chosen: State<'_, Chosen>, number: u32) -> Answer<Response> {
    let source = chosen.get(number)?;
    let dots = aside(move || pictures::dots(&source.read().ok()?, PREVIEW_SIDE)).await?;
    Ok(Response::new(dots.to_bytes()))
}

/// A chosen file and what is said with it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Attached {
    number: u32,
    text: String,
    /// Whether a picture goes with all that is in it.
    as_it_is: bool,
    reply_to: Option<String>,
    timer_s: Option<u32>,
}

/// Sends a chosen file, with a text or an empty one. Gives the message id.
#[tauri::command]
pub(crate) async fn file_send(
    session: State<'_, Session>,
    chosen: State<'_, Chosen>,
    group: String,
    message: Attached,
) -> Answer<String> {
    let (client, source) = (session.client()?, chosen.get(message.number)?);
    let as_it_is = message.as_it_is;
    let file = aside(move || Some(source.to_send(as_it_is))).await??;
    let new = NewMessage {
        text: message.text,
        reply_to: message.reply_to,
        file: Some(file),
        timer_s: message.timer_s,
    };
    let id = client.message_post(&group, new).await?;
    chosen.forget(Some(message.number));
    Ok(id)
}

#[tauri::command]
pub(crate) async fn file_fetch(
    session: State<'_, Session>,
    group: String,
    id: String,
) -> Answer<()> {
    Ok(session.client()?.file_fetch(&group, &id).await?)
}

#[tauri::command]
pub(crate) async fn file_stop(
    session: State<'_, Session>,
    group: String,
    id: String,
) -> Answer<()> {
    Ok(session.client()?.file_stop(&group, &id).await?)
}

#[tauri::command]
pub(crate) async fn file_forward(
    session: State<'_, Session>,
    group: String,
    id: String,
    to: String,
) -> Answer<String> {
    Ok(session.client()?.file_forward(&group, &id, &to).await?)
}

/// Writes the file of a message where the person says; the path, or nothing if the person thought better of it.
#[tauri::command]
pub(crate) async fn file_save(
    app: AppHandle,
    session: State<'_, Session>,
    group: String,
    id: String,
) -> Answer<Option<String>> {
    let client = session.client()?;
    let around = client.message_around(&group, &id, (0, 0)).await?;
    let message = around.messages.into_iter().find(|message| message.id == id);
    let file = message.and_then(|message| message.file);
    let name = file.ok_or_else(Refusal::gone)?.name;
    let language = session.settings().language;
    let Some(place) = choosing::to_save(&app, language, name).await else {
        return Ok(None);
    };
    // The dialog has asked before it answered with a file that is there.
    client.file_save(&group, &id, &place, true).await?;
    Ok(Some(place.display().to_string()))
}

/// The picture that a message carries, with no side longer than `side` dots, as dots.
#[tauri::command]
pub(crate) async fn picture_draw(
    session: State<'_, Session>,
    group: String,
    id: String,
    side: u32,
) -> Answer<Response> {
    let bytes = session.client()?.file_bytes(&group, &id).await?;
    let dots = aside(move || pictures::dots(&bytes, side)).await?;
    Ok(Response::new(dots.to_bytes()))
}

/// Runs what takes a while, and may fail on bytes of somebody else, aside; `bad_picture` if nothing comes of it.
pub(super) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Option<T> + Send + 'static,
) -> Answer<T> {
    let done = tauri::async_runtime::spawn_blocking(work).await;
    done.ok().flatten().ok_or_else(Refusal::bad_picture)
}
