//! Voice messages: recorded, sent, shown and played.

use serde::Serialize;
use sori_client::{NewFile, NewMessage};
use tauri::State;
use tauri::ipc::Channel;
use zeroize::Zeroizing;

use super::Answer;
use super::attach::aside;
use crate::refusal::Refusal;
use crate::session::Session;
use crate::voice::{self, HeardView, PlayedView, Player, Recorder, wave};

/// A voice message, as it is drawn.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ShapeView {
    ms: u32,
    /// How loud each part of it is, from 0 to 100.
    bars: Vec<u8>,
}

/// Opens the microphone: the person has pressed.
#[tauri::command]
pub(crate) async fn voice_begin(
    session: State<'_, Session>,
    recorder: State<'_, Recorder>,
    player: State<'_, Player>,
    channel: Channel<HeardView>,
) -> Answer<()> {
    session.client()?;
    player.stop();
    recorder.begin(channel).await
}

/// Closes the microphone, and forgets what it heard.
#[tauri::command]
pub(crate) fn voice_forget(recorder: State<'_, Recorder>) {
    recorder.forget();
}

/// Closes the microphone and sends what it heard. Gives the message id.
#[tauri::command]
pub(crate) async fn voice_send(
    session: State<'_, Session>,
    recorder: State<'_, Recorder>,
    group: String,
    reply_to: Option<String>,
    timer_s: Option<u32>,
) -> Answer<String> {
    let client = session.client()?;
    let heard = recorder.end()?;
    let bytes = aside(move || Some(wave::encode(&heard))).await?;
    let file = NewFile {
        name: "voice.wav".to_owned(),
        media_type: "audio/wav".to_owned(),
        bytes,
    };
    let new = NewMessage {
        file: Some(file),
        reply_to,
        timer_s,
        ..NewMessage::default()
    };
    let id = client.message_post(&group, new).await?;
    recorder.forget();
    Ok(id)
}

/// How the voice message that a message carries looks.
#[tauri::command]
pub(crate) async fn voice_shape(
    session: State<'_, Session>,
    group: String,
    id: String,
) -> Answer<ShapeView> {
    let samples = samples(&session, &group, &id).await?;
    Ok(ShapeView {
        ms: voice::ms(samples.len()),
        bars: wave::shape(&samples),
    })
}

/// Plays the voice message that a message carries, from so many milliseconds on.
#[tauri::command]
pub(crate) async fn voice_play(
    session: State<'_, Session>,
    player: State<'_, Player>,
    group: String,
    id: String,
    from_ms: u32,
    channel: Channel<PlayedView>,
) -> Answer<()> {
    let samples = samples(&session, &group, &id).await?;
    player.play(samples, voice::samples(from_ms), channel).await
}

#[tauri::command]
pub(crate) fn voice_stop(player: State<'_, Player>) {
    player.stop();
}

async fn samples(
    session: &State<'_, Session>,
    group: &str,
    id: &str,
) -> Answer<Zeroizing<Vec<i16>>> {
    let bytes = session.client()?.file_bytes(group, id).await?;
    let samples = aside(move || Some(wave::decode(&bytes))).await?;
    samples.ok_or_else(Refusal::bad_voice)
}
