//! Drawing the page into the window itself, where there is neither a graphics card nor an input method.
//!
//! That takes less time and memory than layers do ([`crate::stage`]). But WebKitGTK 2.50 then loses a syllable that is being composed when
//! somebody presses elsewhere, and draws nothing any more in a view that became a window of its own for the X server, which GTK's input
//! method for X (XIM) makes it when the focus comes. So with any input method there are layers; and should the view become a window of
//! its own all the same, the program starts over with them.

use std::sync::atomic::{AtomicBool, Ordering};

use gtk::prelude::{GtkSettingsExt, WidgetExt};
use tauri::{AppHandle, Manager, State, WebviewWindow};

use crate::stage;

/// The input method for letters that keys and their sequences make, without any help.
const SIMPLE: &str = "gtk-im-context-simple";

/// Whether the program has to start over with layers once it has ended.
#[derive(Debug, Default)]
pub(crate) struct Layers(AtomicBool);

fn environment(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name)
}

/// Before there is a window: where the desktop has chosen an input method, the program starts over with layers; where nobody has, GTK is not
/// to take one by the language, as it does in Korean.
pub(crate) fn prepare(app: &AppHandle) {
    if !stage::draws_without_layers(&environment) {
        return;
    }
    let Some(settings) = gtk::Settings::default() else {
        return;
    };
    match settings.gtk_im_module() {
        Some(chosen) if chosen == SIMPLE => {}
        Some(chosen) if !chosen.is_empty() => ask_for_layers(app),
        Some(_) | None => settings.set_gtk_im_module(Some(SIMPLE)),
    }
}

/// Looks, whenever something is drawn, whether it can be seen.
///
/// # Errors
/// When there is no web view any more.
pub(crate) fn watch(window: &WebviewWindow) -> tauri::Result<()> {
    if !stage::draws_without_layers(&environment) {
        return Ok(());
    }
    let app = window.app_handle().clone();
    window.with_webview(move |platform| {
        platform.inner().connect_draw(move |view, _context| {
            if view.window().is_some_and(|window| window.has_native()) {
                ask_for_layers(&app);
            }
            gtk::glib::Propagation::Proceed
        });
    })
}

fn ask_for_layers(app: &AppHandle) {
    let layers: State<'_, Layers> = app.state();
    if !layers.0.swap(true, Ordering::Relaxed) {
        app.exit(0);
    }
}

/// The last thing that the program does: it starts over if it has to.
pub(crate) fn end(app: &AppHandle) {
    let layers: State<'_, Layers> = app.state();
    if layers.0.load(Ordering::Relaxed) {
        // If that fails the program has ended, and the person starts it again.
        let _error = stage::start_over_with_layers();
    }
}
