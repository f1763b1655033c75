//! Events as notifications.

use serde_json::{Value, json};
use sori_client::{Event, Origin};

use super::protocol::notification;

/// Every notification there is, in the order of docs/rpc.md.
#[cfg(test)]
pub(super) const NOTIFICATIONS: [&str; 11] = [
    "profile.copied",
    "message.new",
    "message.changed",
    "message.gone",
    "group.changed",
    "member.typing",
    "join.requested",
    "join.changed",
    "contacts.changed",
    "connection.changed",
    "events.lost",
];

/// The line for an event; `None` for one that this version does not know.
pub(super) fn of(event: &Event) -> Option<String> {
    let (method, params) = match event {
        Event::MessageNew { group, message } => {
            ("message.new", json!({ "group": group, "message": message }))
        }
        Event::MessageChanged { group, message } => (
            "message.changed",
            json!({ "group": group, "message": message }),
        ),
        Event::MessageGone { group, id } => ("message.gone", json!({ "group": group, "id": id })),
        Event::GroupChanged { group } => ("group.changed", json!({ "group": group })),
        Event::Typing { group, member } => {
            ("member.typing", json!({ "group": group, "member": member }))
        }
        Event::JoinRequested { join } => ("join.requested", json!(join)),
        Event::JoinChanged { join } => ("join.changed", json!(join)),
        Event::ContactsChanged => ("contacts.changed", json!({})),
        Event::ConnectionChanged { connection } => ("connection.changed", json!(connection)),
        _ => return None,
    };
    Some(notification(method, &params))
}

/// The line that says that the profile does not go on from where it was left, if that is so.
pub(super) fn origin(origin: Origin) -> Option<String> {
    let params = json!({ "origin": origin.name() });
    origin
        .must_rejoin()
        .then(|| notification("profile.copied", &params))
}

/// The line that says that events were lost because the reader was too slow.
pub(super) fn events_lost() -> String {
    notification("events.lost", &Value::Object(serde_json::Map::new()))
}
