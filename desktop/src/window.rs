//! The one window, and what its page may not do.

use tauri::webview::{Color, NewWindowResponse};
use tauri::{
    App, AppHandle, CloseRequestApi, DragDropEvent, Manager, Url, WebviewUrl, WebviewWindow,
    WebviewWindowBuilder,
};

use crate::chosen::{Chosen, Source};
use crate::place::{self, Place};
use crate::session::Session;
use crate::system::System;
use crate::wishes::{Wish, Wishes};

/// Opens the window.
///
/// # Errors
/// When the system gives no window or no web view.
pub(crate) fn open(app: &App) -> tauri::Result<()> {
    let window = WebviewWindowBuilder::new(app, "main", WebviewUrl::default())
        .title("Sori")
        .inner_size(1120.0, 780.0)
        .min_inner_size(420.0, 480.0)
        // The colour of the page before there is one: nothing flashes white.
        .background_color(Color(0xf3, 0xf0, 0xe9, 0xff))
        .content_protected(true)
        // Nothing of the page's state on disk. A WebDriver cannot attach to such a view.
        .incognito(!is_automated())
        .on_navigation(is_own_page)
        .on_new_window(|_url, _features| NewWindowResponse::Deny)
        .on_download(|_webview, _event| false)
        // To begin in the tray; shown after all where there is none.
        .visible(!app.state::<Session>().minimized)
        .build()?;
    restrain(&window)?;
    if let Some(place) = place::file().and_then(|file| Place::load(&file)) {
        place.restore(&window);
    }
    let settings = app.state::<Session>().settings();
    if settings.zoom != 100 {
        window.set_zoom(settings.scale())?;
    }
    Ok(())
}

/// Somebody closes the window: it stands there the next time, and hides where there is a tray to find it in.
pub(crate) fn close_asked(app: &AppHandle, close: &CloseRequestApi) {
    let Some(window) = app.get_webview_window("main") else {
        return;
    };
    if let (Some(file), Some(place)) = (place::file(), Place::of(&window)) {
        place.save(&file);
    }
    let wanted = app.state::<Session>().settings().close_to_tray;
    if app.state::<System>().hides(wanted) && window.hide().is_ok() {
        close.prevent_close();
    }
}

/// Files are dragged over the window: what is dropped is chosen to be sent, if the person says so.
pub(crate) fn dragged(app: &AppHandle, drag: DragDropEvent) {
    let wishes = app.state::<Wishes>();
    match drag {
        DragDropEvent::Enter { paths, .. } if !paths.is_empty() => {
            wishes.tell(Wish::Dragging { over: true });
        }
        DragDropEvent::Leave => wishes.tell(Wish::Dragging { over: false }),
        DragDropEvent::Drop { paths, .. } => {
            let sources = paths.into_iter().map(Source::Disk).collect();
            let files = app.state::<Chosen>().add(sources);
            wishes.tell(Wish::Files { files });
        }
        _ => {}
    }
}

/// Whether tests drive the window; never in a shipped build, see [`crate::stage`].
fn is_automated() -> bool {
    std::env::var_os("TAURI_WEBVIEW_AUTOMATION").is_some()
}

/// The page may go to itself and nowhere else. Whole hosts are compared, not beginnings.
fn is_own_page(url: &Url) -> bool {
    let own = match url.scheme() {
        "tauri" | "isolation" => url.host_str() == Some("localhost"),
        "http" | "https" => {
            cfg!(windows)
                && matches!(
                    url.host_str(),
                    Some("tauri.localhost" | "isolation.localhost")
                )
        }
        _ => false,
    };
    own && url.port().is_none()
}

/// Turns off what a messenger's page has no use for, and turns on what Korean needs.
#[cfg(target_os = "linux")]
fn restrain(window: &WebviewWindow) -> tauri::Result<()> {
    use webkit2gtk::{InputMethodContextExt, SettingsExt, WebViewExt};

    window.with_webview(|platform| {
        let view = platform.inner();
        if let Some(context) = view.input_method_context() {
            // Off in wry: the syllable that is being composed would not be seen in the line.
            context.set_enable_preedit(true);
        }
        if let Some(settings) = WebViewExt::settings(&view) {
            settings.set_enable_html5_database(false);
            settings.set_enable_html5_local_storage(false);
            settings.set_enable_media(false);
            settings.set_enable_media_stream(false);
            settings.set_enable_webaudio(false);
            settings.set_enable_webgl(false);
            settings.set_enable_webrtc(false);
        }
    })
}

#[cfg(not(target_os = "linux"))]
fn restrain(_window: &WebviewWindow) -> tauri::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_page_is_a_place_to_go() {
        let may = |url: &str| is_own_page(&url.parse().unwrap());
        assert!(may("tauri://localhost/"));
        assert!(may("isolation://localhost/index.html"));
        for elsewhere in [
            "https://example.org/",
            "https://localhost/",
            "http://tauri.localhost.example.org/",
            "tauri://localhost.example.org/",
            "tauri://localhost:81/",
            "file:///etc/passwd",
            "data:text/html,x",
            "javascript:void(0)",
            "about:blank",
        ] {
            assert!(!may(elsewhere), "{elsewhere}");
        }
    }
}
