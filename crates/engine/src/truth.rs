//! What is said where something did not arrive, and where copies of a message are.
//!
//! The timeline tells when this device cannot read what a member has sealed, and when it gives up
//! keeping an own message for somebody who never came for it (protocol §8.6). It says nothing of
//! what opens under no key of the group's state: whoever has the channel's secret can make that.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};
use sori_mls::{AccountId, GroupId};

use crate::engine::Engine;
use crate::error::Error;
use crate::group::Group;
use crate::messages::{parse_group, parse_message};
use crate::receipts::{add_holder, count_holders, has_holder};
use crate::record::{Body, LogRecord, MessageIdBytes, MessageRecord, Notice, NoticeKind};
use crate::table;
use crate::time::{Day, Time};
use crate::view::{CopiesView, PersonView};

impl Engine {
    /// Where copies of an own message are: who is known to have it, who is not.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the group or the message, [`Error::NotSender`] for somebody else's.
    pub fn message_copies(
        &mut self,
        group: &str,
        id: &str,
        _now: Time,
    ) -> Result<CopiesView, Error> {
        let (group, id) = (parse_group(group)?, parse_message(id)?);
        self.with_group(group, |engine, group| {
            let found = engine.find_line(group, &id)?;
            let (_, record) = found.ok_or(Error::NotFound("message"))?;
            let me = engine.me()?.id;
            if record.sender != me || matches!(record.body, Body::Notice(_)) {
                return Err(Error::NotSender);
            }
            let (copies, members) = engine.copies(group, &record)?;
            let (mut holders, mut missing) = (Vec::new(), Vec::new());
            for (index, account) in engine.counted(group, &record)? {
                let person = PersonView {
                    id: account.to_string(),
                    name: engine.name_of(group, &account),
                    read: has_holder(&record.readers, index),
                };
                if account == me {
                    continue;
                }
                match has_holder(&record.holders, index) {
                    true => holders.push(person),
                    false => missing.push(person),
                }
            }
            holders.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
            missing.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
            Ok(CopiesView {
                copies,
                members,
                holders,
                missing,
            })
        })
    }

    /// The accounts that are to have a message, with their places in the roster: those for whom it
    /// was written and who are still in.
    pub(crate) fn counted(
        &self,
        group: &mut Group,
        record: &MessageRecord,
    ) -> Result<Vec<(usize, AccountId)>, Error> {
        let accounts = self.accounts(group)?;
        let places: BTreeMap<AccountId, usize> = (group.record.roster.iter().enumerate())
            .map(|(place, account)| (*account, place))
            .collect();
        let everybody = record.audience.is_empty();
        Ok(accounts
            .into_iter()
            .filter_map(|account| Some((*places.get(&account)?, account)))
            .filter(|(place, _)| everybody || has_holder(&record.audience, *place))
            .collect())
    }

    /// Notes for whom an own message is written: everybody who is in the group now.
    pub(crate) fn note_audience(
        &self,
        group: &mut Group,
        record: &mut MessageRecord,
    ) -> Result<(), Error> {
        let own = record.sender == self.me()?.id && !matches!(record.body, Body::Notice(_));
        if !own || group.is_stateless() {
            return Ok(());
        }
        record.audience.clear();
        for account in self.accounts(group)? {
            let place = group.roster_index(&account);
            add_holder(&mut record.audience, place);
        }
        Ok(())
    }

    /// An own message that was written before was encrypted once more: it is for those who are in now.
    pub(crate) fn written_again(
        &mut self,
        group: &mut Group,
        message: Option<u64>,
    ) -> Result<(), Error> {
        let Some(sequence) = message else {
            return Ok(());
        };
        let Some(mut record) = self.message_record(group, sequence)? else {
            return Ok(());
        };
        self.note_audience(group, &mut record)?;
        self.save_message(group, sequence, &record)
    }

    /// An own message is in the log no more: whoever is out now and not known to hold it does not get it here, and
    /// counts no more when let in again. Until then such a one counted, and might say that it holds it (protocol §6.3.2).
    pub(crate) fn wait_for_nobody_outside(
        &mut self,
        group: &mut Group,
        sequence: u64,
    ) -> Result<(), Error> {
        let Some(mut record) = self.message_record(group, sequence)? else {
            return Ok(());
        };
        let inside = self.counted(group, &record)?;
        let before = std::mem::take(&mut record.audience);
        let stays = |place: usize| {
            let is_inside = inside.iter().any(|(at, _)| *at == place);
            has_holder(&before, place) && (is_inside || has_holder(&record.holders, place))
        };
        let places = (0..group.record.roster.len()).filter(|place| stays(*place));
        let mut audience = Vec::new();
        for place in places {
            add_holder(&mut audience, place);
        }
        record.audience = audience;
        if record.audience == before || before.is_empty() {
            return Ok(());
        }
        self.save_message(group, sequence, &record)
    }

    /// How many others have said to have read a message.
    pub(crate) fn read_by(&self, group: &Group, record: &MessageRecord) -> u32 {
        let me = self.me.as_ref().map(|me| me.id);
        let others = |index| group.record.roster.get(index).copied() != me;
        u32::try_from(count_holders(&record.readers, others)).unwrap_or(u32::MAX)
    }

    /// Notes that something which a member sealed cannot be read here. One line a day for each
    /// sender tells how often: nobody fills the timeline with it.
    pub(crate) fn note_unreadable(
        &mut self,
        group: &mut Group,
        sender: Option<AccountId>,
        (day, now): (Day, Time),
    ) -> Result<(), Error> {
        let mut hash = Sha256::new_with_prefix(b"unreadable").chain_update(group.record.seed);
        hash.update(sender.map_or([0; 32], |sender| *sender.as_bytes()));
        hash.update(day.0.to_be_bytes());
        let notice = Notice {
            what: NoticeKind::Unreadable,
            actor: sender,
            subject: None,
            detail: "1".to_owned(),
        };
        self.count_notice(group, hash.finalize().into(), notice, now)
    }

    /// Notes that somebody's adding this account to a group could not be followed. Whether that is the
    /// first time today.
    pub(crate) fn note_not_admitted(
        &mut self,
        group: &mut Group,
        from: AccountId,
        now: Time,
    ) -> Result<bool, Error> {
        let mut hash = Sha256::new_with_prefix(b"not admitted").chain_update(group.record.seed);
        hash.update(from.as_bytes());
        hash.update(now.day().0.to_be_bytes());
        let id = hash.finalize().into();
        let first = self.find_line(group, &id)?.is_none();
        let notice = Notice {
            what: NoticeKind::NotAdmitted,
            actor: Some(from),
            subject: None,
            detail: "1".to_owned(),
        };
        self.count_notice(group, id, notice, now)?;
        Ok(first)
    }

    /// A line that only this device sees, with a number that grows each time it is said again.
    fn count_notice(
        &mut self,
        group: &mut Group,
        id: MessageIdBytes,
        notice: Notice,
        now: Time,
    ) -> Result<(), Error> {
        let Some((sequence, mut record)) = self.find_line(group, &id)? else {
            return self.add_notice_as(group, id, notice, now);
        };
        if let Body::Notice(notice) = &mut record.body {
            let count: u64 = notice.detail.parse().unwrap_or(1);
            notice.detail = count.saturating_add(1).to_string();
        }
        self.save_message(group, sequence, &record)?;
        self.message_changed(group, &id)
    }

    /// Tells of own messages that leave the log before everybody has them. `dropped`: their numbers.
    pub(crate) fn tell_undelivered(
        &mut self,
        dropped: BTreeMap<GroupId, Vec<u64>>,
        now: Time,
    ) -> Result<(), Error> {
        for (id, messages) in dropped {
            if !self.groups.contains_key(&id) {
                continue;
            }
            self.with_group(id, |engine, group| {
                engine.tell_given_up(group, messages, now)
            })?;
        }
        Ok(())
    }

    fn tell_given_up(
        &mut self,
        group: &mut Group,
        messages: Vec<u64>,
        now: Time,
    ) -> Result<(), Error> {
        let mut lacking = BTreeSet::new();
        let mut count = 0_u64;
        for message in messages {
            let Some(record) = self.message_record(group, message)? else {
                continue;
            };
            self.wait_for_nobody_outside(group, message)?;
            let mut lack = self.counted(group, &record)?;
            lack.retain(|(place, _)| !has_holder(&record.holders, *place));
            count = count.saturating_add(u64::from(!lack.is_empty()));
            lacking.extend(lack.into_iter().map(|(_, account)| account));
        }
        if count == 0 {
            return Ok(());
        }
        let only = lacking.first().filter(|_| lacking.len() == 1);
        let notice = Notice {
            what: NoticeKind::Undelivered,
            actor: None,
            subject: only.copied(),
            detail: count.to_string(),
        };
        self.add_own_notice(group, notice, now)
    }

    /// The own message that a log entry carries, unless everybody is known to have it.
    pub(crate) fn still_open(
        &self,
        channel: u32,
        sequence: u64,
    ) -> Result<Option<(GroupId, u64)>, Error> {
        let Some(group) = self.channels.get(&channel).map(|held| held.record.group) else {
            return Ok(None);
        };
        let entry = self.get::<LogRecord>(table::LOG, &table::of(channel, sequence))?;
        Ok(entry
            .and_then(|entry| entry.message)
            .map(|message| (group, message)))
    }
}
