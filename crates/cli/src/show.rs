//! Views as lines of text. Whatever others wrote is made harmless for a terminal first.

use std::fmt::Write;

use sori_client::{FILE_LEN_MAX, MemberView, MessageKind, MessageView, NoticeView, QrMatrix};

use crate::words::{Words, fill};

/// Text of somebody else in one line: no escape sequences, no line breaks, nothing that turns the
/// direction of writing or hides.
pub(crate) fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| if is_harmful(c) { '\u{fffd}' } else { c })
        .collect()
}

/// The same for a text of several lines; the later ones are set in by `indent`.
pub(crate) fn harmless_lines(text: &str, indent: usize) -> String {
    let lines: Vec<String> = text
        .lines()
        .map(|line| harmless(&line.replace('\t', "    ")))
        .collect();
    lines.join(&format!("\n{}", " ".repeat(indent)))
}

fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{feff}')
}

/// A name, or a word for somebody without one.
pub(crate) fn name(words: &Words, name: &str) -> String {
    if name.trim().is_empty() {
        return words.somebody.to_owned();
    }
    harmless(name)
}

/// A line of a conversation.
pub(crate) fn message(words: &Words, message: &MessageView) -> String {
    let time = local_time(message.sent_at);
    if let Some(notice) = &message.notice {
        return format!("{time}  -- {}", self::notice(words, notice));
    }
    let sender = if message.mine {
        words.you.to_owned()
    } else {
        name(words, &message.sender_name)
    };
    let mut text = match message.kind {
        _ if message.hidden => words.blocked_line.to_owned(),
        _ if message.deleted => words.chat_deleted.to_owned(),
        MessageKind::Unknown if message.text.is_empty() => words.chat_unsupported.to_owned(),
        MessageKind::Notice | MessageKind::Text | MessageKind::Unknown => {
            harmless_lines(&message.text, 7)
        }
    };
    if let Some(file) = message.file.as_ref().filter(|_| !message.deleted) {
        let name = harmless(&file.name);
        text = match text.as_str() {
            "" => format!("[{name}, {} B]", file.size),
            _ => format!("{text} [{name}, {} B]", file.size),
        };
    }
    if message.edited && !message.deleted {
        text = format!("{text} {}", words.chat_edited);
    }
    if message.mine && !message.deleted {
        text = format!("{text}  {}", mark(message));
    }
    if message.state == "held" {
        let id = message.id.get(..8).unwrap_or_default();
        text = format!("{text}  {}", fill(words.chat_held, &[id, id]));
    }
    if message.state == "superseded" {
        text = format!("{text}  {}", words.chat_superseded);
    }
    for reaction in &message.reactions {
        // Writing into a String cannot fail.
        let _written = write!(
            text,
            "  {} {}",
            harmless(&reaction.emoji),
            reaction.senders.len()
        );
    }
    format!("{time}  {sender}: {text}")
}

/// How many of the others hold an own message: `[2/4]`.
fn mark(message: &MessageView) -> String {
    let others = message.members.saturating_sub(1);
    let copies = message.copies.saturating_sub(1).min(others);
    format!("[{copies}/{others}]")
}

/// What happened to a group, as a sentence.
pub(crate) fn notice(words: &Words, notice: &NoticeView) -> String {
    let actor = name(words, &notice.actor);
    let object = harmless(&notice.object);
    let (template, detail) = match notice.what.as_str() {
        "created" => (words.notice_created, harmless(&notice.detail)),
        "added" => (words.notice_added, String::new()),
        "removed" => (words.notice_removed, String::new()),
        "left" => (words.notice_left, String::new()),
        "renamed" => (words.notice_renamed, String::new()),
        "role" => (words.notice_role, role(words, &notice.detail)),
        "joined" => (words.notice_joined, String::new()),
        "withdrawn" => (words.notice_withdrawn, String::new()),
        "lost" => (words.notice_lost, String::new()),
        "back" => (words.notice_back, since(&notice.detail)),
        "rejoined" => (words.notice_rejoined, String::new()),
        "added_meanwhile" => (words.notice_added_meanwhile, String::new()),
        "gone_meanwhile" => (words.notice_gone_meanwhile, String::new()),
        "out_meanwhile" => (words.notice_out_meanwhile, String::new()),
        "held" => (words.notice_held, String::new()),
        "elsewhere" => (words.notice_elsewhere, String::new()),
        "policy" if notice.detail == "members" => (words.notice_policy_members, String::new()),
        "policy" => (words.notice_policy_admins, String::new()),
        "timer" if notice.detail.is_empty() => (words.notice_timer_never, String::new()),
        "timer" => (words.notice_timer, time(&notice.detail)),
        "file_limit" if notice.detail == "0" => (words.notice_files_none, String::new()),
        "file_limit" => (words.notice_files, mebibytes(&notice.detail)),
        "avatar" if notice.detail.is_empty() => (words.notice_avatar_none, String::new()),
        "avatar" => (words.notice_avatar, String::new()),
        "unreadable" => (words.notice_unreadable, harmless(&notice.detail)),
        "undelivered" if object.is_empty() => {
            (words.notice_undelivered_several, harmless(&notice.detail))
        }
        "undelivered" => (words.notice_undelivered, harmless(&notice.detail)),
        "not_admitted" => (words.notice_not_admitted, String::new()),
        "halted" => (words.notice_halted, String::new()),
        "equivocated" => (words.notice_equivocated, String::new()),
        _ => (words.notice_other, String::new()),
    };
    fill(template, &[&actor, &object, &detail])
}

/// Seconds as they are typed: the largest unit that fits.
fn time(seconds: &str) -> String {
    seconds
        .parse()
        .map_or_else(|_| "?".to_owned(), crate::duration::words)
}

/// Bytes in MiB; nothing stands for the longest file that there is.
fn mebibytes(bytes: &str) -> String {
    let bytes = bytes.parse().unwrap_or(FILE_LEN_MAX);
    format!("{} MiB", bytes.div_ceil(1024 * 1024))
}

/// A time in milliseconds since the Unix epoch, as it came.
fn since(unix_ms: &str) -> String {
    unix_ms.parse().map_or_else(|_| "?".to_owned(), local_time)
}

/// A role in the person's language.
pub(crate) fn role(words: &Words, role: &str) -> String {
    match role {
        "owner" => words.role_owner.to_owned(),
        "admin" => words.role_admin.to_owned(),
        "member" => words.role_member.to_owned(),
        other => harmless(other),
    }
}

/// A member of a group.
pub(crate) fn member(words: &Words, member: &MemberView) -> String {
    let role = role(words, &member.role);
    let name = name(words, &member.name);
    let remark = match (member.me, member.verified) {
        (true, _) => words.you,
        (false, true) => words.verified,
        (false, false) => words.not_verified,
    };
    let blocked = match member.blocked {
        true => format!(", {}", words.blocked_mark),
        false => String::new(),
    };
    format!("{name}  ({role}, {remark}{blocked})  {}", member.id)
}

/// Date and time in the zone of this machine.
pub(crate) fn local_time(unix_ms: u64) -> String {
    let timestamp = i64::try_from(unix_ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    let Some(timestamp) = timestamp else {
        return "?".to_owned();
    };
    let zoned = timestamp.to_zoned(jiff::tz::TimeZone::system());
    zoned.strftime("%Y-%m-%d %H:%M").to_string()
}

/// A QR code in half blocks, dark on light whatever the terminal's colours, with its border.
pub(crate) fn qr(matrix: &QrMatrix) -> String {
    const BORDER: usize = 4;
    let side = matrix.width() + 2 * BORDER;
    let is_dark = |row: usize, column: usize| {
        let inside = row.checked_sub(BORDER).zip(column.checked_sub(BORDER));
        inside.is_some_and(|(row, column)| matrix.is_dark(row, column))
    };
    let mut text = String::new();
    for row in (0..side).step_by(2) {
        text.push_str("\x1b[30;107m");
        for column in 0..side {
            text.push(match (is_dark(row, column), is_dark(row + 1, column)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        }
        text.push_str("\x1b[0m\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_write_cannot_steer_the_terminal() {
        assert_eq!(
            harmless("a\x1b[2Jb\u{202e}c\u{9b}d\ne"),
            "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d\u{fffd}e"
        );
        assert_eq!(harmless("한글 👩‍👩‍👧 ok"), "한글 👩‍👩‍👧 ok");
        assert_eq!(harmless_lines("one\r\ntwo\tx", 2), "one\n  two    x");
    }

    #[test]
    fn a_qr_code_has_its_border_on_all_sides() {
        let matrix = QrMatrix::new("sori").unwrap();
        let text = qr(&matrix);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), (matrix.width() + 8).div_ceil(2));
        assert!(
            lines
                .first()
                .unwrap()
                .ends_with(&format!("{}\x1b[0m", " ".repeat(matrix.width() + 8)))
        );
    }

    #[test]
    fn a_time_out_of_range_is_no_reason_to_stop() {
        assert_eq!(local_time(u64::MAX), "?");
    }
}
