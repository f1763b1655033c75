//! Messages that arrive, own ones among them: decrypting, keeping, and forgetting what was taken
//! back.

use sori_content::{Meaning, MimiContent};
use sori_mls::{Decrypted, NeedsState, StateId};

use crate::engine::Engine;
use crate::envelope::{AppBody, AppMessage};
use crate::error::Error;
use crate::expiry;
use crate::filters::searched_text;
use crate::group::{Group, clock_of, within};
use crate::messages::uris;
use crate::outcome::{Outcome, Reason};
use crate::receipts::add_holder;
use crate::record::{Body, MessageIdBytes, MessageRecord};
use crate::show::meaning;
use crate::table;
use crate::time::{Day, Time};
use crate::timeline::{Part, part};
use crate::view::Event;

/// What became of a message.
enum Reading {
    Read(Decrypted),
    /// It does not open here, or was read before. Nothing tells whether a member made it.
    Nothing(Outcome),
    /// A member made it, for only a member knows where it belongs; but its key is out of reach.
    TooFarAhead,
}

impl Engine {
    /// Takes in an application message that was encrypted in `state`.
    pub(crate) fn take_application(
        &mut self,
        group: &mut Group,
        state: &StateId,
        message: &[u8],
        (day, now): (Day, Time),
    ) -> Result<Outcome, Error> {
        if !group.record.states.contains_key(state) {
            if group.tree.node(state).is_none() {
                return Ok(Outcome::Waits(*state));
            }
            // A branch that lost: its messages are read all the same.
            if !self.open_state(group, state, now)? {
                return Ok(Outcome::Unreadable);
            }
        }
        let decrypted = match self.decrypt(group, state, message)? {
            Reading::Read(decrypted) => decrypted,
            Reading::Nothing(outcome) => return Ok(outcome),
            Reading::TooFarAhead => {
                self.note_unreadable(group, None, (day, now))?;
                return Ok(Outcome::Unreadable);
            }
        };
        self.confirm(group, now)?;
        let sender = decrypted.sender.account;
        let Some(app) = AppMessage::decode(&decrypted.plaintext) else {
            self.note_unreadable(group, Some(sender), (day, now))?;
            return Ok(Outcome::Refused(Reason::Malformed));
        };
        group.observe(app.clock, now);
        match app.body {
            AppBody::Content(content) => {
                let Ok(parsed) = MimiContent::decode(&content) else {
                    self.note_unreadable(group, Some(sender), (day, now))?;
                    return Ok(Outcome::Refused(Reason::Malformed));
                };
                let (from, room) = uris(&sender, &group.record.id);
                let id = *parsed.message_id(&from, &room).as_bytes();
                if let Some(known) = self.find_message(group, &id)? {
                    self.heard_again(group, known, state, within(app.clock, day))?;
                    return Ok(Outcome::Known);
                }
                let body = Body::Content(content);
                let record = MessageRecord {
                    id,
                    clock: within(app.clock, day),
                    sent_at: within(clock_of(Time::from_unix_ms(app.sent_at)), day) >> 20,
                    sender,
                    expires: expiry::minute_of(&body, now),
                    body,
                    holders: Vec::new(),
                    snapshot: group.mark_of(state),
                    audience: Vec::new(),
                    readers: Vec::new(),
                };
                let sequence = group.cursor.next_message;
                self.add_unless_gone(group, record, now)?;
                let is_added = group.cursor.next_message > sequence;
                if is_added && !group.record.path.contains(state) {
                    self.add_stray(group, sequence, false, state)?;
                }
            }
            AppBody::ForMember { to, sealed } => {
                if !self.take_private(group.record.id, sender, to, &sealed)? {
                    self.note_unreadable(group, Some(sender), (day, now))?;
                }
            }
            AppBody::Profile { name } => self.take_profile(group, sender, &name)?,
        }
        Ok(match group.record.path.contains(state) {
            true => Outcome::Taken,
            false => Outcome::Superseded,
        })
    }

    /// Adds what came from outside, unless it is over already, or changes something that is.
    fn add_unless_gone(
        &mut self,
        group: &mut Group,
        mut record: MessageRecord,
        now: Time,
    ) -> Result<(), Error> {
        if let Part::Change(target) = part(&record.body) {
            if self.is_gone(group, &target)? {
                return Ok(());
            }
            let line = self.find_line(group, &target)?;
            let ends = line.and_then(|(_, line)| line.expires);
            record.expires = record.expires.into_iter().chain(ends).min();
        }
        if record
            .expires
            .is_some_and(|minute| expiry::is_over(minute, now))
        {
            return Ok(());
        }
        self.add_message(group, record)
    }

    fn decrypt(
        &mut self,
        group: &mut Group,
        state: &StateId,
        message: &[u8],
    ) -> Result<Reading, Error> {
        let at_head = group.head_state()? == *state;
        let (decrypted, changes) = if at_head {
            self.ensure_head(group)?;
            let core = &self.me.as_ref().ok_or(Error::NoAccount)?.core;
            let head = group.head.as_mut().ok_or(Error::Internal("head"))?;
            let decrypted = head.snapshot_mut().decrypt(core, message);
            (decrypted, head.snapshot_mut().take_changes())
        } else {
            let Some(mut snapshot) = self.snapshot(group, state)? else {
                return Ok(Reading::Nothing(Outcome::Unreadable));
            };
            let decrypted = snapshot.decrypt(self.core()?, message);
            (decrypted, snapshot.take_changes())
        };
        let decrypted = match decrypted {
            Ok(decrypted) => decrypted,
            Err(error) => {
                // Nothing of a failed attempt is kept; the head is loaded again when needed.
                if at_head {
                    group.head = None;
                }
                let ahead = sori_mls::Error::NeedsState(NeedsState::TooFarAhead);
                if error == ahead {
                    return Ok(Reading::TooFarAhead);
                }
                let was_read = matches!(error, sori_mls::Error::NeedsState(_));
                return Ok(Reading::Nothing(match was_read {
                    true => Outcome::Known,
                    false => Outcome::Refused(Reason::Malformed),
                }));
            }
        };
        self.save_changes(group, state, &changes)?;
        Ok(Reading::Read(decrypted))
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
        self.note_audience(group, &mut record)?;
        let sequence = group.cursor.next_message;
        group.cursor.next_message = sequence.saturating_add(1);
        self.save_message(group, sequence, &record)?;
        self.note_file(group, &record)?;
        self.plan_expiry(group.record.number, sequence, &record)?;
        let part = self.index_message(group, &record, sequence)?;
        let counts = part == Part::Line && !mine && !notice && !self.is_blocked(&record.sender);
        if counts {
            group.cursor.unread = group.cursor.unread.saturating_add(1);
        }
        self.save_cursor(group)?;
        match part {
            Part::Line => {
                self.forget_what_changed(group, record.id)?;
                if let Some(record) = self.message_record(group, sequence)? {
                    let message = self.message_view(group, &record)?;
                    if counts && self.names_me(&message.text)? {
                        self.note_named(group, true)?;
                    }
                    let group = group.record.id.to_string();
                    self.event(Event::MessageNew { group, message });
                }
            }
            Part::Change(target) => {
                self.note_pin(group, target, &record.body)?;
                self.forget_what_changed(group, target)?;
                self.message_changed(group, &target)?;
            }
        }
        self.note_arrival(group, sequence)
    }

    pub(crate) fn message_changed(
        &mut self,
        group: &mut Group,
        id: &MessageIdBytes,
    ) -> Result<(), Error> {
        let Some((_, record)) = self.find_line(group, id)? else {
            return Ok(());
        };
        let message = self.message_view(group, &record)?;
        self.event(Event::MessageChanged {
            group: group.record.id.to_string(),
            message,
        });
        Ok(())
    }

    /// Wipes what a line's sender has taken back or put something else in place of: the line's
    /// content, and that of all its edits but the one that counts. What is still to be encrypted stays until it
    /// is, if only something else was put in its place: without it nobody could tell what was changed.
    pub(crate) fn forget_what_changed(
        &mut self,
        group: &Group,
        id: MessageIdBytes,
    ) -> Result<(), Error> {
        let Some((sequence, mut line)) = self.find_line(group, &id)? else {
            return Ok(());
        };
        let mut edits = Vec::new();
        let mut deleted = false;
        for (sequence, change) in self.changes(group, &id)? {
            if change.sender != line.sender {
                continue;
            }
            match meaning(&change.body) {
                Some(Meaning::Delete { .. }) => deleted = true,
                Some(Meaning::Edit { .. }) => edits.push((sequence, change)),
                _ => {}
            }
        }
        if !deleted && edits.pop().is_none() {
            return Ok(());
        }
        let is_stray = (group.strays.get(&sequence)).is_some_and(|stray| stray.mine);
        let is_awaited = is_stray || group.resync.awaits(sequence);
        let body = match (deleted, meaning(&line.body)) {
            (true, _) if !matches!(line.body, Body::Deleted) => Some(Body::Deleted),
            (false, Some(Meaning::Text { in_reply_to, .. })) if !is_awaited => {
                Some(Body::Replaced {
                    in_reply_to: in_reply_to.map(|id| *id.as_bytes()),
                })
            }
            _ => None,
        };
        let mut wiped = Vec::new();
        if let Some(body) = body {
            self.forget_file(group, &line)?;
            line.body = body;
            self.wipe_message(group, sequence, &line)?;
            wiped.push(sequence);
        }
        for (sequence, mut edit) in edits {
            edit.body = Body::Wiped(id);
            self.wipe_message(group, sequence, &edit)?;
            wiped.push(sequence);
        }
        self.note_removal(group, &wiped)
    }

    /// Stages a message whose content is gone; nobody can read any more what it was.
    fn wipe_message(
        &mut self,
        group: &Group,
        sequence: u64,
        record: &MessageRecord,
    ) -> Result<(), Error> {
        let key = table::of(group.record.number, sequence);
        self.put_forgetting(table::MESSAGE, &key, record)
    }

    /// Gives a message of the timeline another place, under the same id. Its new number.
    pub(crate) fn move_message(
        &mut self,
        group: &mut Group,
        sequence: u64,
        moved: &MessageRecord,
    ) -> Result<u64, Error> {
        self.remove_message(group, sequence)?;
        let next = group.cursor.next_message;
        group.cursor.next_message = next.saturating_add(1);
        self.save_message(group, next, moved)?;
        self.plan_expiry(group.record.number, next, moved)?;
        self.index_message(group, moved, next)?;
        self.save_cursor(group)?;
        self.message_changed(group, &moved.id)?;
        self.note_arrival(group, next)?;
        Ok(next)
    }

    pub(crate) fn save_message(
        &mut self,
        group: &Group,
        sequence: u64,
        record: &MessageRecord,
    ) -> Result<(), Error> {
        let place = (table::MESSAGE, expiry::class_of(record));
        self.put_in(place, &table::of(group.record.number, sequence), record)
    }

    pub(crate) fn message_record(
        &self,
        group: &Group,
        sequence: u64,
    ) -> Result<Option<MessageRecord>, Error> {
        self.get(table::MESSAGE, &table::of(group.record.number, sequence))
    }

    /// Takes a message away, and whatever leads to it.
    pub(crate) fn remove_message(&mut self, group: &mut Group, sequence: u64) -> Result<(), Error> {
        self.forget_stray(group, sequence)?;
        if let Some(record) = self.message_record(group, sequence)? {
            self.unindex_message(group, &record, sequence)?;
            self.delete(table::MESSAGE, &table::of(group.record.number, sequence))?;
            if searched_text(&record.body).is_some() {
                self.note_removal(group, &[sequence])?;
            }
        }
        Ok(())
    }
}
