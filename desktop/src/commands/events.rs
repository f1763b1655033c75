//! What the page is told without asking.

use serde::Serialize;
use sori_client::Event;
use sori_client::broadcast::error::RecvError;
use tauri::ipc::Channel;
use tauri::{AppHandle, Manager, State};

use super::Answer;
use crate::refusal::Refusal;
use crate::session::Session;
use crate::system::System;

/// An event of the engine, or one of the shell's own.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Told {
    Engine(Box<Event>),
    Shell(ShellEvent),
}

#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum ShellEvent {
    /// Events were lost on the way: what is shown has to be read again.
    Resync,
    /// The messenger has ended; nothing that is asked from now on happens.
    Stopped { refusal: Refusal },
}

/// Hands every event to `channel`, in order, until the page or the messenger is gone.
#[tauri::command]
pub(crate) fn subscribe(
    app: AppHandle,
    session: State<'_, Session>,
    channel: Channel<Told>,
) -> Answer<()> {
    let client = session.client()?;
    let mut events = client.events();
    tauri::async_runtime::spawn(async move {
        loop {
            let told = match events.recv().await {
                Ok(event) => {
                    app.state::<System>().heard(&event, &client, &app).await;
                    Told::Engine(Box::new(event))
                }
                Err(RecvError::Lagged(_)) => Told::Shell(ShellEvent::Resync),
                Err(RecvError::Closed) => break,
            };
            if channel.send(told).is_err() {
                return;
            }
        }
        if let Some(failure) = client.failure() {
            let refusal = failure.into();
            // A page that has gone meanwhile needs no word.
            let _gone = channel.send(Told::Shell(ShellEvent::Stopped { refusal }));
        }
    });
    Ok(())
}
