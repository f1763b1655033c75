//! Notifications of the system, by the Desktop Notifications specification: as much as the person permits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sori_client::{MessageKind, MessageView};
use zbus::blocking::{Connection, Proxy};
use zbus::zvariant::Value;

use crate::settings::{Language, Notify};

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";
/// Between two notifications about the same conversation.
const PAUSE: Duration = Duration::from_secs(2);
/// Longest part of a message that is shown, in letters.
const TEXT_MAX: usize = 160;

/// Somebody pressed a notification: the conversation and the message it was about.
pub(crate) type Pressed = Arc<dyn Fn(&str, &str) + Send + Sync>;

/// Where notifications go.
pub(crate) struct Notifier {
    connection: Connection,
    /// Whether the text of one is markup there.
    is_markup: bool,
    shown: Arc<Mutex<Shown>>,
}

#[derive(Default)]
struct Shown {
    /// By conversation: number of its notification, message, when.
    last: HashMap<String, (u32, String, Instant)>,
}

impl Notifier {
    /// Where the session's notifications go; `None` if nothing takes them.
    pub(crate) fn connect(pressed: Pressed) -> Option<Self> {
        Self::on(Connection::session().ok()?, pressed)
    }

    fn on(connection: Connection, pressed: Pressed) -> Option<Self> {
        let server = Proxy::new(&connection, NAME, PATH, NAME).ok()?;
        let capabilities: Vec<String> = server.call("GetCapabilities", &()).ok()?;
        let shown = Arc::new(Mutex::new(Shown::default()));
        let (known, presses) = (
            Arc::clone(&shown),
            server.receive_signal("ActionInvoked").ok()?,
        );
        std::thread::spawn(move || {
            for press in presses {
                let Ok((id, _action)) = press.body().deserialize::<(u32, String)>() else {
                    continue;
                };
                let found = known
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .find(id);
                if let Some((group, message)) = found {
                    pressed(&group, &message);
                }
            }
        });
        Some(Self {
            is_markup: capabilities.iter().any(|one| one == "body-markup"),
            connection,
            shown,
        })
    }

    /// Tells of a message. One conversation has one notification, which a later message takes the place of.
    pub(crate) fn tell(
        &self,
        group: &str,
        name: &str,
        message: &MessageView,
        how: (Notify, Language),
    ) {
        let Some((title, body)) = words(name, message, how) else {
            return;
        };
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let replaces = match shown.last.get(group) {
            Some((_, _, at)) if now.duration_since(*at) < PAUSE => return,
            known => known.map_or(0, |(id, _, _)| *id),
        };
        let body = if self.is_markup { escaped(&body) } else { body };
        let hints: HashMap<&str, Value<'_>> = [
            ("desktop-entry", Value::from("org.sori.desktop")),
            ("category", Value::from("im.received")),
        ]
        .into();
        let open = match how.1 {
            Language::Ko => "열기",
            Language::En => "Open",
        };
        let content = (
            "Sori",
            replaces,
            "org.sori.desktop",
            title,
            body,
            vec!["default", open],
            hints,
            -1_i32,
        );
        let sent = Proxy::new(&self.connection, NAME, PATH, NAME)
            .and_then(|server| server.call::<_, _, u32>("Notify", &content));
        if let Ok(id) = sent {
            shown
                .last
                .insert(group.to_owned(), (id, message.id.clone(), now));
        }
    }

    /// Takes the notification about a conversation back that somebody looks at now; all of them for `None`.
    pub(crate) fn close(&self, group: Option<&str>) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let over: Vec<_> = match group {
            Some(group) => shown.last.remove(group).into_iter().collect(),
            None => shown.last.drain().map(|(_, last)| last).collect(),
        };
        for (id, _, _) in over {
            let _closed = Proxy::new(&self.connection, NAME, PATH, NAME)
                .and_then(|server| server.call::<_, _, ()>("CloseNotification", &(id,)));
        }
    }
}

impl Shown {
    fn find(&self, id: u32) -> Option<(String, String)> {
        let found = self.last.iter().find(|(_, (known, _, _))| *known == id);
        found.map(|(group, (_, message, _))| (group.clone(), message.clone()))
    }
}

/// Title and text, as much as is permitted; `None` if nothing is to be shown.
fn words(
    name: &str,
    message: &MessageView,
    (notify, language): (Notify, Language),
) -> Option<(String, String)> {
    if message.mine || message.hidden || message.kind == MessageKind::Notice {
        return None;
    }
    let new = match language {
        Language::Ko => "새 메시지가 왔어요",
        Language::En => "New message",
    };
    let sender = message.sender_name.as_str();
    let who = match name == sender || name.is_empty() {
        true => sender.to_owned(),
        false => format!("{sender} · {name}"),
    };
    match notify {
        Notify::Off => None,
        Notify::Hidden => Some(("Sori".to_owned(), new.to_owned())),
        Notify::Who => Some((line(&who), new.to_owned())),
        Notify::All => {
            let said = line(&message.text);
            let said = if said.is_empty() {
                new.to_owned()
            } else {
                said
            };
            Some((line(&who), said))
        }
    }
}

/// A text on one line, without signs that steer, and not too long. Marks of mentions go.
fn line(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("](sori:a/") {
        plain.push_str(&before.replacen('[', "", usize::from(before.contains('['))));
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    plain.push_str(rest);
    let words: Vec<_> = plain
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect();
    let flat = words.join(" ");
    let mut cut: String = flat.chars().take(TEXT_MAX).collect();
    if cut.len() < flat.len() {
        cut.push('…');
    }
    cut
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, Sender};

    use super::*;
    use crate::bus::tests::Bus;

    fn message(text: &str) -> MessageView {
        MessageView {
            id: "m1".to_owned(),
            sender: "a".to_owned(),
            sender_name: "하루".to_owned(),
            mine: false,
            sent_at: 0,
            kind: MessageKind::Text,
            text: text.to_owned(),
            state: "received".to_owned(),
            copies: 2,
            members: 2,
            edited: false,
            deleted: false,
            read: 0,
            hidden: false,
            expires_at: None,
            in_reply_to: None,
            reactions: Vec::new(),
            notice: None,
            file: None,
        }
    }

    #[test]
    fn a_notification_says_no_more_than_is_permitted() {
        let said = |notify, name: &str| {
            words(
                name,
                &message("비밀 <b>이야기</b>\n둘째 줄"),
                (notify, Language::Ko),
            )
        };
        assert_eq!(said(Notify::Off, "산행"), None);
        let (title, body) = said(Notify::Hidden, "산행").unwrap();
        assert_eq!(
            (title.as_str(), body.as_str()),
            ("Sori", "새 메시지가 왔어요")
        );
        let (title, body) = said(Notify::Who, "산행").unwrap();
        assert_eq!(
            (title.as_str(), body.as_str()),
            ("하루 · 산행", "새 메시지가 왔어요")
        );
        let (title, body) = said(Notify::All, "하루").unwrap();
        assert_eq!(
            (title.as_str(), body.as_str()),
            ("하루", "비밀 <b>이야기</b> 둘째 줄")
        );
        let mine = MessageView {
            mine: true,
            ..message("x")
        };
        assert_eq!(words("산행", &mine, (Notify::All, Language::Ko)), None);
    }

    #[test]
    fn a_line_is_one_line_of_what_was_said() {
        let account = "A".repeat(43);
        assert_eq!(
            line(&format!("보세요 [@민지](sori:a/{account}) 님")),
            "보세요 @민지 님"
        );
        assert_eq!(line(" a\n\n\u{7}b\tc "), "a b c");
        assert_eq!(line(&"가".repeat(300)).chars().count(), TEXT_MAX + 1);
    }

    /// What a desktop has that shows notifications.
    struct Server {
        told: Sender<(String, String, u32)>,
    }

    #[zbus::interface(name = "org.freedesktop.Notifications")]
    impl Server {
        fn get_capabilities(&self) -> Vec<String> {
            vec![
                "body".to_owned(),
                "body-markup".to_owned(),
                "actions".to_owned(),
            ]
        }

        #[expect(clippy::too_many_arguments, reason = "so says the specification")]
        fn notify(
            &self,
            _app: &str,
            replaces: u32,
            _icon: &str,
            title: &str,
            body: &str,
            _actions: Vec<String>,
            _hints: HashMap<String, zbus::zvariant::OwnedValue>,
            _timeout: i32,
        ) -> u32 {
            self.told
                .send((title.to_owned(), body.to_owned(), replaces))
                .unwrap();
            7
        }

        fn close_notification(&self, id: u32) {
            self.told
                .send(("closed".to_owned(), String::new(), id))
                .unwrap();
        }
    }

    #[test]
    fn a_desktop_gets_one_notification_a_conversation_and_a_press_comes_back() {
        let Some(bus) = Bus::start() else { return };
        let nobody: Pressed = Arc::new(|_group, _message| {});
        assert!(
            Notifier::on(bus.connect(), nobody).is_none(),
            "nothing takes them yet"
        );
        let (told, notifications) = mpsc::channel();
        let desktop = bus.connect();
        desktop.object_server().at(PATH, Server { told }).unwrap();
        desktop.request_name(NAME).unwrap();
        let (sender, presses) = mpsc::channel();
        let pressed: Pressed = Arc::new(move |group: &str, message: &str| {
            sender.send((group.to_owned(), message.to_owned())).unwrap();
        });
        let notifier = Notifier::on(bus.connect(), pressed).unwrap();
        let how = (Notify::All, Language::En);
        notifier.tell("g", "산행", &message("a < b"), how);
        // At once again: nothing.
        notifier.tell("g", "산행", &message("c"), how);
        let wait = Duration::from_secs(20);
        let first = notifications.recv_timeout(wait).unwrap();
        assert_eq!(first, ("하루 · 산행".to_owned(), "a &lt; b".to_owned(), 0));
        desktop
            .emit_signal(
                None::<&str>,
                PATH,
                NAME,
                "ActionInvoked",
                &(7_u32, "default"),
            )
            .unwrap();
        assert_eq!(
            presses.recv_timeout(wait).unwrap(),
            ("g".to_owned(), "m1".to_owned())
        );
        notifier.close(Some("g"));
        assert_eq!(notifications.recv_timeout(wait).unwrap().0, "closed");
        assert!(notifications.try_recv().is_err());
    }
}
