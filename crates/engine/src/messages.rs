//! Messages: writing, changing and listing them.

use sori_content::{Meaning, MessageId, MimiContent};
use sori_mls::{AccountId, GroupId};

use crate::arrange::{WithTimer, checked_timer};
use crate::attachments::NewFile;
use crate::engine::Engine;
use crate::envelope::{AppBody, AppMessage, ChannelMessage};
use crate::error::Error;
use crate::expiry::minute_of;
use crate::group::Group;
use crate::record::{Body, MessageIdBytes, MessageRecord, Standing};
use crate::show::meaning;
use crate::time::Time;
use crate::view::MessageView;

/// Longest text of a message, in bytes of UTF-8. What a member gains at this size: one frame.
pub const TEXT_LEN_MAX: usize = 32 * 1024;
/// Longest reaction, in bytes.
const EMOJI_LEN_MAX: usize = 64;
/// Most messages in one answer of [`Engine::message_list`].
const LIST_MAX: u32 = 1000;

/// What is to be sent.
#[derive(Clone, Debug, Default)]
pub struct NewMessage {
    /// What it says; may be empty beside a file.
    pub text: String,
    /// The id of the message that it answers.
    pub reply_to: Option<String>,
    /// A file that it carries.
    pub file: Option<NewFile>,
    /// Seconds after which it disappears, a minute to a year, where the group or the conversation has no shorter time.
    pub timer_s: Option<u32>,
}

impl Engine {
    /// Sends a text. Returns its message id.
    ///
    /// # Errors
    /// [`Error::OutOfBounds`] for an empty or overlong text, [`Error::NotFound`] for the group or
    /// the message answered, [`Error::NotMember`].
    pub fn message_send(
        &mut self,
        group: &str,
        text: &str,
        reply_to: Option<&str>,
        now: Time,
    ) -> Result<String, Error> {
        let new = NewMessage {
            text: text.to_owned(),
            reply_to: reply_to.map(str::to_owned),
            ..NewMessage::default()
        };
        self.message_post(group, &new, now)
    }

    /// Sends a text, a file, or both. Returns the message id.
    ///
    /// # Errors
    /// As [`message_send`](Self::message_send); [`Error::OutOfBounds`] for a file of no bytes or one that is longer than the
    /// group permits, and for a time after which it is to disappear.
    pub fn message_post(
        &mut self,
        group: &str,
        new: &NewMessage,
        now: Time,
    ) -> Result<String, Error> {
        let text = match (new.text.trim(), &new.file) {
            ("", Some(_)) => None,
            _ => Some(checked_text(&new.text)?),
        };
        let timer = checked_timer(new.timer_s)?;
        let salt = self.random();
        self.send_content(group, now, |engine, group| {
            engine.send_unsent(group, now)?;
            let content = match &new.file {
                Some(file) => engine.content_with_file(group, salt, file, text)?,
                None => MimiContent::text(salt, text.unwrap_or_default()),
            };
            let content = match &new.reply_to {
                Some(id) => content.with_in_reply_to(engine.line(group, id)?),
                None => content,
            };
            Ok(content.with_timer(engine.timer(group, timer)?, now))
        })
    }

    /// Reacts to a message, or takes the own reactions to it back if `emoji` is empty. Returns the
    /// id of the reaction, or of the message that takes it back.
    ///
    /// # Errors
    /// As [`message_send`](Self::message_send); [`Error::NotFound`] if there is nothing to take
    /// back.
    pub fn message_react(
        &mut self,
        group: &str,
        id: &str,
        emoji: &str,
        now: Time,
    ) -> Result<String, Error> {
        let emoji = emoji.trim();
        if emoji.len() > EMOJI_LEN_MAX {
            return Err(Error::OutOfBounds {
                what: "a reaction",
                bounds: "one emoji",
            });
        }
        let salt = self.random();
        self.send_content(group, now, |engine, group| {
            let line = engine.line(group, id)?;
            if emoji.is_empty() {
                let given = engine.own_reaction(group, &line)?;
                return Ok(MimiContent::unreact(salt, given, line));
            }
            Ok(MimiContent::reaction(salt, emoji, line))
        })
    }

    /// The latest reaction of this account to a line that still stands.
    fn own_reaction(&self, group: &Group, line: &MessageId) -> Result<MessageId, Error> {
        let me = self.me()?.id;
        let mut given = None;
        for (_, change) in self.changes(group, line.as_bytes())? {
            match meaning(&change.body) {
                Some(Meaning::Reaction { .. }) if change.sender == me => given = Some(change.id),
                Some(Meaning::Unreact { .. }) if change.sender == me => given = None,
                _ => {}
            }
        }
        given
            .map(MessageId::from_bytes)
            .ok_or(Error::NotFound("reaction"))
    }

    /// Replaces the text of an own message.
    ///
    /// # Errors
    /// As [`message_send`](Self::message_send); [`Error::NotSender`] for somebody else's; [`Error::OutOfBounds`] for one
    /// with a file, which would go.
    pub fn message_edit(
        &mut self,
        group: &str,
        id: &str,
        text: &str,
        now: Time,
    ) -> Result<String, Error> {
        let text = checked_text(text)?;
        let salt = self.random();
        self.send_content(group, now, |engine, group| {
            let line = engine.own_line(group, id)?;
            engine.carries_no_file(group, &line)?;
            Ok(MimiContent::edit(salt, text, line))
        })
    }

    /// Takes an own message back: every member's device forgets its text.
    ///
    /// # Errors
    /// As [`message_send`](Self::message_send); [`Error::NotSender`] for somebody else's.
    pub fn message_delete(&mut self, group: &str, id: &str, now: Time) -> Result<String, Error> {
        let salt = self.random();
        self.send_content(group, now, |engine, group| {
            Ok(MimiContent::delete(salt, engine.own_line(group, id)?))
        })
    }

    /// Lines of a conversation, newest first, in the order that all members agree on. `before`:
    /// id of a line; only older ones are listed. `limit`: at most 1000.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the group or the line.
    pub fn message_list(
        &mut self,
        group: &str,
        before: Option<&str>,
        limit: u32,
        notices: Notices,
        _now: Time,
    ) -> Result<Vec<MessageView>, Error> {
        let limit = usize::try_from(limit.min(LIST_MAX)).unwrap_or(0);
        let id = parse_group(group)?;
        self.with_group(id, |engine, group| {
            let mut before = match before {
                Some(text) => {
                    let found = engine.find_message(group, &parse_message(text)?)?;
                    let (_, record) = found.ok_or(Error::NotFound("message"))?;
                    Some(record.place())
                }
                None => None,
            };
            let mut views = Vec::new();
            while views.len() < limit {
                let missing = limit.saturating_sub(views.len());
                let lines = engine.lines_before(group, before, missing)?;
                let Some(last) = lines.last() else { break };
                before = Some(last.place);
                for line in lines {
                    views.extend(engine.listed(group, line.sequence, notices)?);
                }
            }
            Ok(views)
        })
    }

    /// A line as [`message_list`](Self::message_list) shows it, unless it is left out.
    fn listed(
        &self,
        group: &mut Group,
        sequence: u64,
        notices: Notices,
    ) -> Result<Option<MessageView>, Error> {
        let Some(record) = self.message_record(group, sequence)? else {
            return Ok(None);
        };
        if matches!(record.body, Body::Notice(_)) && notices == Notices::Left {
            return Ok(None);
        }
        self.message_view(group, &record).map(Some)
    }

    /// Marks everything in a conversation as read.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the group.
    pub fn mark_read(&mut self, group: &str, now: Time) -> Result<(), Error> {
        let id = parse_group(group)?;
        self.atomically(|engine| {
            engine.with_group(id, |engine, group| {
                if group.cursor.unread == 0 {
                    return Ok(());
                }
                engine.note_reads(group, now)?;
                group.cursor.unread = 0;
                engine.save_cursor(group)?;
                engine.note_named(group, false)?;
                engine.group_changed(group);
                Ok(())
            })
        })
    }

    pub(crate) fn send_content(
        &mut self,
        group: &str,
        now: Time,
        content: impl FnOnce(&mut Self, &mut Group) -> Result<MimiContent, Error>,
    ) -> Result<String, Error> {
        let id = parse_group(group)?;
        self.atomically(|engine| {
            engine.with_group(id, |engine, group| {
                let lost = group.record.standing == Standing::Lost;
                if !lost {
                    group.check_active()?;
                    engine.renew_keys(group, now)?;
                }
                let content = content(engine, group)?;
                let me = engine.me()?.id;
                let (sender, room) = uris(&me, &group.record.id);
                let content = content
                    .with_sender_and_room(&sender, &room)
                    .map_err(|_| Error::Internal("content"))?;
                let message_id = content.message_id(&sender, &room);
                let app = AppMessage {
                    clock: group.tick(now),
                    sent_at: now.unix_ms(),
                    body: AppBody::Content(content.encode()),
                };
                let body = Body::Content(content.encode());
                let mut record = MessageRecord {
                    id: *message_id.as_bytes(),
                    clock: app.clock,
                    sent_at: app.sent_at,
                    sender: me,
                    expires: minute_of(&body, now),
                    body,
                    holders: Vec::new(),
                    snapshot: 0,
                    audience: Vec::new(),
                    readers: Vec::new(),
                };
                let sequence = group.cursor.next_message;
                if lost {
                    engine.keep_unsent(group, sequence)?;
                } else {
                    record.snapshot = group.mark_of(&group.head_state()?);
                    engine.send_app(group, &app, Some(sequence), now)?;
                    engine.note_said(group, sequence)?;
                }
                engine.add_message(group, record)?;
                Ok(message_id.to_string())
            })
        })
    }

    /// Encrypts an application message at the head and sends it.
    pub(crate) fn send_app(
        &mut self,
        group: &mut Group,
        app: &AppMessage,
        message: Option<u64>,
        now: Time,
    ) -> Result<(), Error> {
        group.cursor.sent = group.cursor.sent.saturating_add(1);
        self.ensure_head(group)?;
        if sori_mls::broken!("encrypt from an old snapshot")
            && let [.., old, _] = group.record.path.as_slice()
        {
            return self.send_from(group, *old, app, message, now);
        }
        let state = group.head_state()?;
        if sori_mls::broken!("seal twice under one key") {
            self.send_from(group, state, app, None, now)?;
        }
        let plaintext = app.encode()?;
        let core = &self.me.as_ref().ok_or(Error::NoAccount)?.core;
        let head = group.head.as_mut().ok_or(Error::Internal("head"))?;
        let private = head.encrypt(core, state.as_bytes(), &plaintext)?;
        let changes = head.snapshot_mut().take_changes();
        self.save_changes(group, &state, &changes)?;
        self.save_cursor(group)?;
        let channel = group.channel()?;
        let envelope = ChannelMessage::Application {
            state,
            message: private,
        };
        self.send_envelope(channel, &envelope, message, now)?;
        self.written_again(group, message)
    }

    /// What no build does that is not broken on purpose.
    fn send_from(
        &mut self,
        group: &Group,
        state: sori_mls::StateId,
        app: &AppMessage,
        message: Option<u64>,
        now: Time,
    ) -> Result<(), Error> {
        let snapshot = self.snapshot(group, &state)?;
        let snapshot = snapshot.ok_or(Error::Internal("snapshot"))?;
        let core = self.core()?;
        let mut head = core.load_head(snapshot.rows())?;
        let private = head.encrypt(core, state.as_bytes(), &app.encode()?)?;
        let envelope = ChannelMessage::Application {
            state,
            message: private,
        };
        self.send_envelope(group.channel()?, &envelope, message, now)?;
        Ok(())
    }

    pub(crate) fn line(&self, group: &Group, id: &str) -> Result<MessageId, Error> {
        let id = parse_message(id)?;
        let found = self.find_line(group, &id)?;
        found.ok_or(Error::NotFound("message"))?;
        Ok(MessageId::from_bytes(id))
    }

    fn own_line(&self, group: &Group, id: &str) -> Result<MessageId, Error> {
        let id = parse_message(id)?;
        let found = self.find_line(group, &id)?;
        let (_, record) = found.ok_or(Error::NotFound("message"))?;
        if record.sender != self.me()?.id || matches!(record.body, Body::Notice(_)) {
            return Err(Error::NotSender);
        }
        Ok(MessageId::from_bytes(id))
    }
}

/// Whether [`Engine::message_list`] lists what happened to the group besides what was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notices {
    /// Only messages.
    Left,
    /// Messages and notices.
    Shown,
}

/// How accounts and groups are named inside MIMI content.
pub(crate) fn uris(account: &AccountId, group: &GroupId) -> (String, String) {
    (format!("sori:a/{account}"), format!("sori:g/{group}"))
}

pub(crate) fn checked_text(text: &str) -> Result<&str, Error> {
    if text.trim().is_empty() || text.len() > TEXT_LEN_MAX {
        return Err(Error::OutOfBounds {
            what: "a message",
            bounds: "between one visible character and 32 KiB of text",
        });
    }
    Ok(text)
}

pub(crate) fn parse_group(text: &str) -> Result<GroupId, Error> {
    text.parse().map_err(|_| Error::NotFound("group"))
}

pub(crate) fn parse_message(text: &str) -> Result<MessageIdBytes, Error> {
    let id: MessageId = text.parse().map_err(|_| Error::NotFound("message"))?;
    Ok(*id.as_bytes())
}
