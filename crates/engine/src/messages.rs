//! Messages: writing, reading, showing and changing them.

use sori_content::{Meaning, MessageId, MimiContent};
use sori_mls::{AccountId, GroupId, StateId};

use crate::engine::Engine;
use crate::envelope::{AppBody, AppMessage, ChannelMessage};
use crate::error::Error;
use crate::group::Group;
use crate::receipts::{add_holder, count_holders};
use crate::record::{Body, CommitRecord, MessageIdBytes, MessageRecord, Notice, Standing, Wish};
use crate::table;
use crate::time::Time;
use crate::timeline::{Part, Timeline, part};
use crate::view::{Event, MessageKind, MessageView, NoticeView, ReactionView};

/// Longest text of a message, in bytes of UTF-8. What a member gains at this size: one frame.
pub const TEXT_LEN_MAX: usize = 32 * 1024;
/// Messages that a device sends in one state before it renews its keys. Far fewer than the keys
/// that OpenMLS skips and keeps, so that a member who was away reads all of them in any order.
const SENT_PER_STATE_MAX: u32 = 400;
/// Longest reaction, in bytes.
const EMOJI_LEN_MAX: usize = 64;
/// Most messages in one answer of [`Engine::message_list`].
const LIST_MAX: u32 = 1000;

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
        let text = checked_text(text)?;
        let salt = self.random();
        self.send_content(group, now, |engine, group| {
            Ok(match reply_to {
                Some(id) => MimiContent::reply(salt, text, engine.line(group, id)?),
                None => MimiContent::text(salt, text),
            })
        })
    }

    /// Reacts to a message. Returns the id of the reaction.
    ///
    /// # Errors
    /// As [`message_send`](Self::message_send).
    pub fn message_react(
        &mut self,
        group: &str,
        id: &str,
        emoji: &str,
        now: Time,
    ) -> Result<String, Error> {
        let emoji = emoji.trim();
        if emoji.is_empty() || emoji.len() > EMOJI_LEN_MAX {
            return Err(Error::OutOfBounds {
                what: "a reaction",
                bounds: "one emoji",
            });
        }
        let salt = self.random();
        self.send_content(group, now, |engine, group| {
            Ok(MimiContent::reaction(salt, emoji, engine.line(group, id)?))
        })
    }

    /// Replaces the text of an own message.
    ///
    /// # Errors
    /// As [`message_send`](Self::message_send); [`Error::NotSender`] for somebody else's.
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
            Ok(MimiContent::edit(salt, text, engine.own_line(group, id)?))
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
            let before = match before {
                Some(text) => {
                    let id = parse_message(text)?;
                    let entry = engine
                        .timeline(group)?
                        .find(&id)
                        .ok_or(Error::NotFound("message"))?;
                    Some((entry.clock, id))
                }
                None => None,
            };
            let lines: Vec<u64> = engine.timeline(group)?.newest_before(before).collect();
            let mut views = Vec::new();
            for sequence in lines {
                if views.len() >= limit {
                    break;
                }
                let Some(record) = engine.message_record(group, sequence)? else {
                    continue;
                };
                if matches!(record.body, Body::Notice(_)) && notices == Notices::Left {
                    continue;
                }
                views.push(engine.message_view(group, &record)?);
            }
            Ok(views)
        })
    }

    /// Marks everything in a conversation as read.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the group.
    pub fn mark_read(&mut self, group: &str, _now: Time) -> Result<(), Error> {
        let id = parse_group(group)?;
        self.atomically(|engine| {
            engine.with_group(id, |engine, group| {
                if group.cursor.unread == 0 {
                    return Ok(());
                }
                group.cursor.unread = 0;
                engine.save_cursor(group)?;
                engine.group_changed(group);
                Ok(())
            })
        })
    }

    fn send_content(
        &mut self,
        group: &str,
        now: Time,
        content: impl FnOnce(&mut Self, &mut Group) -> Result<MimiContent, Error>,
    ) -> Result<String, Error> {
        let id = parse_group(group)?;
        self.atomically(|engine| {
            engine.with_group(id, |engine, group| {
                if group.record.standing != Standing::Active {
                    return Err(Error::NotMember);
                }
                engine.renew_keys(group, now)?;
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
                let record = MessageRecord {
                    id: *message_id.as_bytes(),
                    clock: app.clock,
                    sent_at: app.sent_at,
                    sender: me,
                    body: Body::Content(content.encode()),
                    holders: Vec::new(),
                };
                let sequence = group.cursor.next_message;
                engine.send_app(group, &app, Some(sequence), now)?;
                engine.add_message(group, record)?;
                Ok(message_id.to_string())
            })
        })
    }

    /// Renews this device's keys if enough was sent with the present ones. To be called before a
    /// message gets its place: what follows from the commit may bring other lines.
    pub(crate) fn renew_keys(&mut self, group: &mut Group, now: Time) -> Result<(), Error> {
        if group.cursor.sent >= SENT_PER_STATE_MAX {
            self.wish(group, Wish::Update, now)?;
        }
        Ok(())
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
        let state = group.head_state()?;
        let plaintext = app.encode()?;
        let core = &self.me.as_ref().ok_or(Error::NoAccount)?.core;
        let head = group.head.as_mut().ok_or(Error::Internal("head"))?;
        let private = head.encrypt(core, state.as_bytes(), &plaintext)?;
        let changes = head.snapshot_mut().take_changes();
        self.save_changes(group, &state, changes)?;
        self.save_cursor(group)?;
        let channel = group.channel()?;
        let envelope = ChannelMessage::Application {
            state,
            message: private,
        };
        self.send_envelope(channel, &envelope, message, now)
    }

    /// Takes in an application message that was encrypted in `state`. False if that state is not
    /// known: the message has to wait.
    pub(crate) fn take_application(
        &mut self,
        group: &mut Group,
        state: &StateId,
        message: &[u8],
        now: Time,
    ) -> Result<bool, Error> {
        if !group.record.states.contains_key(state) {
            if group.tree.node(state).is_none() {
                return Ok(false);
            }
            // A branch that lost: its messages are read all the same.
            if !self.open_state(group, state, now)? {
                return Ok(true);
            }
        }
        let Some(decrypted) = self.decrypt(group, state, message)? else {
            return Ok(true);
        };
        let sender = decrypted.sender.account;
        let Some(app) = AppMessage::decode(&decrypted.plaintext) else {
            return Ok(true);
        };
        group.observe(app.clock, now);
        match app.body {
            AppBody::Content(content) => {
                let Ok(parsed) = MimiContent::decode(&content) else {
                    return Ok(true);
                };
                let (from, room) = uris(&sender, &group.record.id);
                let id = *parsed.message_id(&from, &room).as_bytes();
                if self.timeline(group)?.find(&id).is_some() {
                    return Ok(true);
                }
                let record = MessageRecord {
                    id,
                    clock: app.clock,
                    sent_at: app.sent_at,
                    sender,
                    body: Body::Content(content),
                    holders: Vec::new(),
                };
                self.add_message(group, record)?;
            }
            AppBody::ForMember { to, sealed } => self.take_private(sender, to, &sealed)?,
            AppBody::Profile { name } => self.take_profile(group, sender, &name)?,
        }
        Ok(true)
    }

    fn decrypt(
        &mut self,
        group: &mut Group,
        state: &StateId,
        message: &[u8],
    ) -> Result<Option<sori_mls::Decrypted>, Error> {
        let at_head = group.head_state()? == *state;
        let (decrypted, changes) = if at_head {
            self.ensure_head(group)?;
            let core = &self.me.as_ref().ok_or(Error::NoAccount)?.core;
            let head = group.head.as_mut().ok_or(Error::Internal("head"))?;
            let decrypted = head.snapshot_mut().decrypt(core, message);
            (decrypted, head.snapshot_mut().take_changes())
        } else {
            let Some(mut snapshot) = self.snapshot(group, state)? else {
                return Ok(None);
            };
            let decrypted = snapshot.decrypt(self.core()?, message);
            (decrypted, snapshot.take_changes())
        };
        let Ok(decrypted) = decrypted else {
            // Nothing of a failed attempt is kept; the head is loaded again when needed.
            if at_head {
                group.head = None;
            }
            return Ok(None);
        };
        self.save_changes(group, state, changes)?;
        Ok(Some(decrypted))
    }

    /// Stages a message, puts it into the timeline and tells the front end.
    pub(crate) fn add_message(
        &mut self,
        group: &mut Group,
        mut record: MessageRecord,
    ) -> Result<(), Error> {
        let me = self.me()?.id;
        let mine = record.sender == me;
        let notice = matches!(record.body, Body::Notice(_));
        for account in [record.sender, me] {
            add_holder(&mut record.holders, group.roster_index(&account));
        }
        let sequence = group.cursor.next_message;
        group.cursor.next_message = sequence.saturating_add(1);
        self.timeline(group)?;
        let change = match part(&record.body) {
            Part::Line => None,
            Part::Change(target) => Some(target),
        };
        if change.is_none() && !mine && !notice {
            group.cursor.unread = group.cursor.unread.saturating_add(1);
        }
        self.save_message(group, sequence, &record)?;
        self.save_cursor(group)?;
        if let Some(timeline) = &mut group.timeline {
            timeline.insert(&record, sequence);
            if mine && !notice {
                timeline.undelivered.insert(sequence);
            }
        }
        match change {
            None => {
                self.forget_if_deleted(group, record.id)?;
                if let Some(record) = self.message_record(group, sequence)? {
                    let message = self.message_view(group, &record)?;
                    let group = group.record.id.to_string();
                    self.event(Event::MessageNew { group, message });
                }
                Ok(())
            }
            Some(target) => {
                self.forget_if_deleted(group, target)?;
                self.message_changed(group, &target)
            }
        }
    }

    pub(crate) fn message_changed(
        &mut self,
        group: &mut Group,
        id: &MessageIdBytes,
    ) -> Result<(), Error> {
        let timeline = self.timeline(group)?;
        let Some(entry) = timeline.find(id).filter(|_| timeline.is_line(id)) else {
            return Ok(());
        };
        let Some(record) = self.message_record(group, entry.sequence)? else {
            return Ok(());
        };
        let message = self.message_view(group, &record)?;
        self.event(Event::MessageChanged {
            group: group.record.id.to_string(),
            message,
        });
        Ok(())
    }

    /// Wipes the content of a line that its sender has taken back, and that of its edits.
    fn forget_if_deleted(&mut self, group: &mut Group, id: MessageIdBytes) -> Result<(), Error> {
        let timeline = self.timeline(group)?;
        let Some(entry) = timeline.find(&id).filter(|_| timeline.is_line(&id)) else {
            return Ok(());
        };
        let changes = timeline.changes(&id);
        let Some(mut line) = self.message_record(group, entry.sequence)? else {
            return Ok(());
        };
        let mut edits = Vec::new();
        let mut deleted = false;
        for sequence in changes {
            let Some(change) = self.message_record(group, sequence)? else {
                continue;
            };
            if change.sender != line.sender {
                continue;
            }
            match meaning(&change.body) {
                Some(Meaning::Delete { .. }) => deleted = true,
                Some(Meaning::Edit { .. }) => edits.push((sequence, change)),
                _ => {}
            }
        }
        if !deleted {
            return Ok(());
        }
        if !matches!(line.body, Body::Deleted) {
            line.body = Body::Deleted;
            self.save_message(group, entry.sequence, &line)?;
        }
        for (sequence, mut edit) in edits {
            edit.body = Body::Wiped(id);
            self.save_message(group, sequence, &edit)?;
        }
        Ok(())
    }

    pub(crate) fn save_message(
        &mut self,
        group: &Group,
        sequence: u64,
        record: &MessageRecord,
    ) -> Result<(), Error> {
        self.put(
            table::MESSAGE,
            &table::of(group.record.number, sequence),
            record,
        )
    }

    pub(crate) fn message_record(
        &self,
        group: &Group,
        sequence: u64,
    ) -> Result<Option<MessageRecord>, Error> {
        self.get(table::MESSAGE, &table::of(group.record.number, sequence))
    }

    /// The index of the timeline, built when first needed.
    pub(crate) fn timeline<'a>(&self, group: &'a mut Group) -> Result<&'a mut Timeline, Error> {
        if group.timeline.is_none() {
            let me = self.me()?.id;
            let mut timeline = Timeline::default();
            let prefix = table::one(group.record.number);
            let everybody = group.record.roster.len();
            for (sequence, record) in self.scan::<MessageRecord>(table::MESSAGE, &prefix)? {
                timeline.insert(&record, sequence);
                let open = count_holders(&record.holders, |_| true) < everybody;
                if record.sender == me && open && !matches!(record.body, Body::Notice(_)) {
                    timeline.undelivered.insert(sequence);
                }
            }
            group.timeline = Some(timeline);
        }
        group.timeline.as_mut().ok_or(Error::Internal("timeline"))
    }

    fn line(&self, group: &mut Group, id: &str) -> Result<MessageId, Error> {
        let id = parse_message(id)?;
        if !self.timeline(group)?.is_line(&id) {
            return Err(Error::NotFound("message"));
        }
        Ok(MessageId::from_bytes(id))
    }

    fn own_line(&self, group: &mut Group, id: &str) -> Result<MessageId, Error> {
        let id = self.line(group, id)?;
        let entry = self.timeline(group)?.find(id.as_bytes());
        let entry = entry.ok_or(Error::NotFound("message"))?;
        let record = self.message_record(group, entry.sequence)?;
        let record = record.ok_or(Error::NotFound("message"))?;
        if record.sender != self.me()?.id || matches!(record.body, Body::Notice(_)) {
            return Err(Error::NotSender);
        }
        Ok(id)
    }

    /// Puts what the timeline tells about a commit into it.
    pub(crate) fn add_notices(
        &mut self,
        group: &mut Group,
        commit: &CommitRecord,
    ) -> Result<(), Error> {
        for (index, notice) in commit.notices.iter().enumerate() {
            let record = MessageRecord {
                id: notice_id(&commit.id, index),
                clock: commit.clock,
                sent_at: commit.clock >> 20,
                sender: commit.author,
                body: Body::Notice(notice.clone()),
                holders: Vec::new(),
            };
            self.add_message(group, record)?;
        }
        Ok(())
    }

    /// Takes out what was told about a commit that lost.
    pub(crate) fn remove_notices(
        &mut self,
        group: &mut Group,
        state: &StateId,
    ) -> Result<(), Error> {
        let Some(commit) = self.commit_record(group, state)? else {
            return Ok(());
        };
        for index in 0..commit.notices.len() {
            let sequence = self.timeline(group)?.remove(&notice_id(state, index));
            if let Some(sequence) = sequence {
                self.delete(table::MESSAGE, &table::of(group.record.number, sequence))?;
            }
        }
        Ok(())
    }

    /// A line that only this device sees.
    pub(crate) fn add_own_notice(
        &mut self,
        group: &mut Group,
        notice: Notice,
        now: Time,
    ) -> Result<(), Error> {
        let record = MessageRecord {
            id: self.random(),
            clock: group.tick(now),
            sent_at: now.unix_ms(),
            sender: self.me()?.id,
            body: Body::Notice(notice),
            holders: Vec::new(),
        };
        self.add_message(group, record)
    }

    pub(crate) fn message_view(
        &self,
        group: &mut Group,
        record: &MessageRecord,
    ) -> Result<MessageView, Error> {
        let me = self.me()?.id;
        let mut view = self.bare_view(group, record, me)?;
        if view.kind == MessageKind::Notice {
            return Ok(view);
        }
        for sequence in self.timeline(group)?.changes(&record.id) {
            let Some(change) = self.message_record(group, sequence)? else {
                continue;
            };
            let own = change.sender == record.sender;
            match meaning(&change.body) {
                Some(Meaning::Edit { text, .. }) if own && !view.deleted => {
                    view.text = text;
                    view.edited = true;
                }
                Some(Meaning::Reaction { emojis, .. }) => {
                    for emoji in emojis {
                        react(&mut view.reactions, emoji, &change.sender, me);
                    }
                }
                Some(Meaning::Unreact { .. }) => unreact(&mut view.reactions, &change.sender, me),
                _ => {}
            }
        }
        Ok(view)
    }

    /// A line as it was sent.
    fn bare_view(
        &self,
        group: &mut Group,
        record: &MessageRecord,
        me: AccountId,
    ) -> Result<MessageView, Error> {
        let mine = record.sender == me && !matches!(record.body, Body::Notice(_));
        let (copies, members) = self.copies(group, record)?;
        let state = match (mine, copies) {
            (false, _) => "received",
            (true, copies) if copies >= members && members > 1 => "delivered",
            (true, copies) if copies > 1 => "sent",
            (true, _) => "waiting",
        };
        let mut view = MessageView {
            id: MessageId::from_bytes(record.id).to_string(),
            sender: record.sender.to_string(),
            sender_name: self.name_of(group, &record.sender),
            mine,
            sent_at: record.sent_at,
            kind: MessageKind::Text,
            text: String::new(),
            state: state.to_owned(),
            copies,
            members,
            edited: false,
            deleted: false,
            in_reply_to: None,
            reactions: Vec::new(),
            notice: None,
        };
        match &record.body {
            Body::Deleted | Body::Wiped(_) => view.deleted = true,
            Body::Notice(notice) => {
                view.kind = MessageKind::Notice;
                view.notice = Some(self.notice_view(group, notice));
            }
            Body::Content(_) => match meaning(&record.body) {
                Some(Meaning::Text {
                    text, in_reply_to, ..
                }) => {
                    view.text = text;
                    view.in_reply_to = in_reply_to.map(|id| id.to_string());
                }
                Some(Meaning::Unknown {
                    text, in_reply_to, ..
                }) => {
                    view.kind = MessageKind::Unknown;
                    view.text = text.unwrap_or_default();
                    view.in_reply_to = in_reply_to.map(|id| id.to_string());
                }
                _ => view.kind = MessageKind::Unknown,
            },
        }
        Ok(view)
    }

    fn notice_view(&self, group: &Group, notice: &Notice) -> NoticeView {
        let name = |account: Option<AccountId>| {
            account
                .map(|account| self.name_of(group, &account))
                .unwrap_or_default()
        };
        NoticeView {
            what: notice.what.name().to_owned(),
            actor: name(notice.actor),
            object: match notice.subject {
                None => notice.detail.clone(),
                subject => name(subject),
            },
            detail: notice.detail.clone(),
        }
    }

    /// The name of an account: as it told the group, else as a contact, else the start of its id.
    pub(crate) fn name_of(&self, group: &Group, account: &AccountId) -> String {
        if let Some(me) = self.me.as_ref().filter(|me| me.id == *account) {
            return me.record.name.clone();
        }
        let heard = group.record.names.get(account).cloned();
        heard
            .or_else(|| {
                self.contacts
                    .get(account)
                    .map(|contact| contact.name.clone())
            })
            .unwrap_or_else(|| account.to_string().chars().take(8).collect())
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

fn react(reactions: &mut Vec<ReactionView>, emoji: String, sender: &AccountId, me: AccountId) {
    let mine = *sender == me;
    let sender = sender.to_string();
    match reactions
        .iter_mut()
        .find(|reaction| reaction.emoji == emoji)
    {
        Some(reaction) if reaction.senders.contains(&sender) => {}
        Some(reaction) => {
            reaction.senders.push(sender);
            reaction.mine |= mine;
        }
        None => reactions.push(ReactionView {
            emoji,
            senders: vec![sender],
            mine,
        }),
    }
}

fn unreact(reactions: &mut Vec<ReactionView>, sender: &AccountId, me: AccountId) {
    let (mine, sender) = (*sender == me, sender.to_string());
    for reaction in reactions.iter_mut() {
        reaction.senders.retain(|known| *known != sender);
        reaction.mine &= !mine;
    }
    reactions.retain(|reaction| !reaction.senders.is_empty());
}

fn meaning(body: &Body) -> Option<Meaning> {
    let Body::Content(content) = body else {
        return None;
    };
    MimiContent::decode(content)
        .ok()
        .map(|content| content.meaning())
}

/// How accounts and groups are named inside MIMI content.
pub(crate) fn uris(account: &AccountId, group: &GroupId) -> (String, String) {
    (format!("sori:a/{account}"), format!("sori:g/{group}"))
}

fn notice_id(state: &StateId, index: usize) -> MessageIdBytes {
    let mut id = *state.as_bytes();
    if let Some(last) = id.last_mut() {
        *last ^= u8::try_from(index).unwrap_or(u8::MAX);
    }
    id
}

fn checked_text(text: &str) -> Result<&str, Error> {
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

fn parse_message(text: &str) -> Result<MessageIdBytes, Error> {
    let id: MessageId = text.parse().map_err(|_| Error::NotFound("message"))?;
    Ok(*id.as_bytes())
}
