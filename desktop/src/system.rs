//! What stands between the window and the desktop: tray, notifications, sleep. Where something is not there, Sori
//! goes on without it, and says so in its settings.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde::Serialize;
use sori_client::{Client, Event};
use tauri::{AppHandle, Manager, WebviewWindow};

use crate::notify::Notifier;
use crate::session::Session;
use crate::settings::Notify;
use crate::tray::{Picture, Press, Tray};
use crate::wishes::{Wish, Wishes};

/// What of the desktop is at hand.
#[derive(Default)]
pub(crate) struct System {
    tray: OnceLock<Option<Tray>>,
    notifier: OnceLock<Option<Notifier>>,
    /// The conversation that is on the screen.
    shown: Mutex<Option<String>>,
    /// Whether the program was asked to end, not only to close its window.
    ending: OnceLock<()>,
}

/// The same for the page.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct DesktopView {
    tray: bool,
    notifications: bool,
}

/// Looks for tray, notifications and sleep, each of which may take a while to answer, aside.
pub(crate) fn begin(handle: &AppHandle) {
    let app = handle.clone();
    std::thread::spawn(move || {
        let system = app.state::<System>();
        let _set = system.tray.set(tray(&app));
        let _set = system.notifier.set(notifier(&app));
        if app.state::<Session>().minimized && !system.view().tray {
            show(&app);
        }
    });
    let app = handle.clone();
    std::thread::spawn(move || lock_on_sleep(&app));
}

fn tray(app: &AppHandle) -> Option<Tray> {
    let icon = app.default_window_icon()?;
    let picture = Picture {
        size: icon.width(),
        dots: icon.rgba().to_vec(),
    };
    let handle = app.clone();
    Tray::show(
        picture,
        app.state::<Session>().settings().language,
        move |press| match press {
            Press::Lock => handle.state::<Wishes>().tell(Wish::Lock),
            Press::Quit => {
                let _first = handle.state::<System>().ending.set(());
                handle.exit(0);
            }
            Press::Show => show(&handle),
        },
    )
}

fn notifier(app: &AppHandle) -> Option<Notifier> {
    let handle = app.clone();
    Notifier::connect(Arc::new(move |group, message| {
        let (group, message) = (group.to_owned(), message.to_owned());
        handle.state::<Wishes>().tell(Wish::Show { group, message });
        show(&handle);
    }))
}

/// Brings the window to the person.
pub(crate) fn show(app: &AppHandle) {
    if let Some(window) = app.get_webview_window("main") {
        let _shown = window.show();
        let _raised = window.unminimize();
        let _focused = window.set_focus();
    }
}

/// The computer goes to sleep: whoever wakes it up may be somebody else.
fn lock_on_sleep(app: &AppHandle) {
    const LOGIND: &str = "org.freedesktop.login1";
    let signals = zbus::blocking::Connection::system()
        .and_then(|bus| {
            zbus::blocking::Proxy::new(
                &bus,
                LOGIND,
                "/org/freedesktop/login1",
                "org.freedesktop.login1.Manager",
            )
        })
        .and_then(|manager| manager.receive_signal("PrepareForSleep"));
    for signal in signals.into_iter().flatten() {
        let begins = signal.body().deserialize::<bool>().unwrap_or(false);
        if begins && app.state::<Session>().settings().lock_after_min > 0 {
            app.state::<Wishes>().tell(Wish::Lock);
        }
    }
}

impl System {
    pub(crate) fn view(&self) -> DesktopView {
        DesktopView {
            tray: self
                .tray
                .get()
                .and_then(Option::as_ref)
                .is_some_and(Tray::is_there),
            notifications: self.notifier.get().is_some_and(Option::is_some),
        }
    }

    /// Whether closing the window shall only hide it.
    pub(crate) fn hides(&self, wanted: bool) -> bool {
        wanted && self.ending.get().is_none() && self.view().tray
    }

    /// The page tells what is unread and what it shows.
    pub(crate) fn told(&self, unread: u32, group: Option<String>, session: &Session) {
        if let Some(tray) = self.tray.get().and_then(Option::as_ref) {
            tray.tell(unread, session.settings().language);
        }
        if let Some(notifier) = self.notifier.get().and_then(Option::as_ref) {
            if unread == 0 {
                notifier.close(None);
            } else if let Some(group) = &group {
                notifier.close(Some(group));
            }
        }
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = group;
    }

    /// Something has happened: tells the person who is not looking.
    pub(crate) async fn heard(&self, event: &Event, client: &Client, app: &AppHandle) {
        let Event::MessageNew { group, message } = event else {
            return;
        };
        let settings = app.state::<Session>().settings();
        if message.mine || settings.notify == Notify::Off || self.is_looked_at(group, app) {
            return;
        }
        let Some(notifier) = self.notifier.get().and_then(Option::as_ref) else {
            return;
        };
        if let Ok(info) = client.group_info(group).await {
            // A conversation that is muted speaks up only for whom it names.
            if info.muted && !names_me(client, &message.text).await {
                return;
            }
            let how = (settings.notify, settings.language);
            notifier.tell(group, &info.name, message, how);
        }
    }

    fn is_looked_at(&self, group: &str, app: &AppHandle) -> bool {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let is_focused = |window: WebviewWindow| window.is_focused().unwrap_or(false);
        shown.as_deref() == Some(group) && app.get_webview_window("main").is_some_and(is_focused)
    }
}

/// Whether a text mentions the own account.
async fn names_me(client: &Client, text: &str) -> bool {
    let me = client.account_info().await.map(|me| me.account);
    me.is_ok_and(|me| text.contains(&format!("](sori:a/{me})")))
}
