//! The system's own dialogs for files. What the person picks there is the only way for a file into a message, next to
//! dropping and pasting: the page names no path.

use std::path::PathBuf;

use tauri::AppHandle;

use crate::settings::Language;

/// Asks which files to send; none if the person thought better of it.
pub(crate) async fn to_send(app: &AppHandle, language: Language) -> Vec<PathBuf> {
    let title = match language {
        Language::En => "Choose files to send",
        Language::Ko => "보낼 파일 고르기",
    };
    ask(app, Wanted::Open { title }).await
}

/// Asks where to write a file that is called `name`; the dialog asks before it replaces one.
pub(crate) async fn to_save(app: &AppHandle, language: Language, name: String) -> Option<PathBuf> {
    let title = match language {
        Language::En => "Save the file",
        Language::Ko => "파일 저장",
    };
    ask(app, Wanted::Save { title, name }).await.pop()
}

enum Wanted {
    Open { title: &'static str },
    Save { title: &'static str, name: String },
}

async fn ask(app: &AppHandle, wanted: Wanted) -> Vec<PathBuf> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let handle = app.clone();
    let begun = app.run_on_main_thread(move || show(&handle, wanted, sender));
    if begun.is_err() {
        return Vec::new();
    }
    let chosen = tauri::async_runtime::spawn_blocking(move || receiver.recv()).await;
    chosen.ok().and_then(Result::ok).unwrap_or_default()
}

/// Shows a dialog; `sender` gets what was chosen when it is closed. To be called on the main thread.
#[cfg(target_os = "linux")]
fn show(app: &AppHandle, wanted: Wanted, sender: std::sync::mpsc::Sender<Vec<PathBuf>>) {
    use gtk::prelude::{FileChooserExt, NativeDialogExt};
    use gtk::{FileChooserAction, FileChooserNative, ResponseType};
    use tauri::Manager;

    let window = app.get_webview_window("main");
    let parent = window.and_then(|window| window.gtk_window().ok());
    let dialog = match wanted {
        Wanted::Open { title } => {
            let open = FileChooserAction::Open;
            let dialog = FileChooserNative::new(Some(title), parent.as_ref(), open, None, None);
            dialog.set_select_multiple(true);
            dialog
        }
        Wanted::Save { title, name } => {
            let save = FileChooserAction::Save;
            let dialog = FileChooserNative::new(Some(title), parent.as_ref(), save, None, None);
            dialog.set_do_overwrite_confirmation(true);
            dialog.set_current_name(&name);
            dialog
        }
    };
    dialog.set_modal(true);
    // The dialog lives as long as somebody holds it: until it has answered.
    let held = std::cell::RefCell::new(Some(dialog.clone()));
    dialog.connect_response(move |dialog, response| {
        let chosen = match response {
            ResponseType::Accept => dialog.filenames(),
            _ => Vec::new(),
        };
        // Nobody waits any more if this fails.
        let _gone = sender.send(chosen);
        dialog.hide();
        drop(held.take());
    });
    dialog.show();
}

#[cfg(not(target_os = "linux"))]
fn show(_app: &AppHandle, _wanted: Wanted, sender: std::sync::mpsc::Sender<Vec<PathBuf>>) {
    drop(sender);
}
