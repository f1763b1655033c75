//! The desktop around the window: tray, notifications, addresses, pictures of QR codes.

use tauri::ipc::{Channel, Response};
use tauri::{AppHandle, State};

use super::Answer;
use super::invites::QrView;
use crate::clipboard;
use crate::links::{self, LinkView};
use crate::refusal::Refusal;
use crate::session::Session;
use crate::system::{DesktopView, System};
use crate::wishes::{Wish, Wishes};

/// From now on `channel` is told what the system asks of the window.
#[tauri::command]
pub(crate) fn wishes(wishes: State<'_, Wishes>, channel: Channel<Wish>) {
    wishes.listen(channel);
}

#[tauri::command]
pub(crate) fn desktop_info(system: State<'_, System>) -> DesktopView {
    system.view()
}

/// The page tells how much is unread and which conversation it shows.
#[tauri::command(async)]
pub(crate) fn desktop_show(
    system: State<'_, System>,
    session: State<'_, Session>,
    unread: u32,
    group: Option<String>,
) {
    system.told(unread, group, &session);
}

#[tauri::command]
pub(crate) fn link_info(url: String) -> Answer<LinkView> {
    links::view(&url)
}

/// Opens an address that the person has seen whole.
#[tauri::command]
pub(crate) fn link_open(url: String) -> Answer<()> {
    links::open(&url)
}

/// The picture that was copied, as PNG, for the page to look for a QR code in.
#[tauri::command]
pub(crate) async fn clipboard_picture(app: AppHandle) -> Result<Response, Refusal> {
    let (sender, receiver) = std::sync::mpsc::channel();
    app.run_on_main_thread(move || {
        // Nobody waits any more if this fails.
        let _gone = sender.send(clipboard::picture());
    })
    .map_err(|_error| Refusal::no_picture())?;
    let picture = tauri::async_runtime::spawn_blocking(move || receiver.recv()).await;
    let picture = picture.ok().and_then(Result::ok);
    Ok(Response::new(picture.ok_or_else(Refusal::no_picture)??))
}

#[tauri::command]
pub(crate) fn qr_draw(text: String) -> Option<QrView> {
    QrView::new(&text)
}
