//! Telling members which of their messages were read here, if the person wants that.
//!
//! What was read is told with the next receipt (protocol §6.3.3), and once more when its sender is
//! heard, who may not have been there.

use sori_mls::AccountId;

use crate::engine::Engine;
use crate::envelope::RECEIPT_READS_MAX;
use crate::error::Error;
use crate::group::Group;
use crate::receipts::add_holder;
use crate::record::{Body, MessageIdBytes, ReadRecord, Told};
use crate::time::Time;

impl Engine {
    /// Notes what is read now, the newest `unread` lines of others, to be told to their senders.
    pub(crate) fn note_reads(&mut self, group: &mut Group, now: Time) -> Result<(), Error> {
        if !self.prefs.tells_reading(&group.record.id) || group.is_stateless() {
            return Ok(());
        }
        let me = self.me()?.id;
        let unread = usize::try_from(group.cursor.unread).unwrap_or(RECEIPT_READS_MAX);
        let mut left = unread.min(RECEIPT_READS_MAX);
        let mut before = None;
        while left > 0 {
            let lines = self.lines_before(group, before, RECEIPT_READS_MAX)?;
            let Some(last) = lines.last() else { break };
            before = Some(last.place);
            for line in lines {
                let Some(record) = self.message_record(group, line.sequence)? else {
                    continue;
                };
                let counts = record.sender != me
                    && !matches!(record.body, Body::Notice(_))
                    && !self.is_blocked(&record.sender);
                if counts && left > 0 {
                    left = left.saturating_sub(1);
                    group.cursor.reads.push(ReadRecord {
                        sender: record.sender,
                        id: record.id,
                        told: Told::Not,
                    });
                }
            }
        }
        let surplus = group.cursor.reads.len().saturating_sub(RECEIPT_READS_MAX);
        group.cursor.reads.drain(..surplus);
        self.plan_reads(group, now)
    }

    fn plan_reads(&mut self, group: &Group, now: Time) -> Result<(), Error> {
        if group
            .cursor
            .reads
            .iter()
            .any(|read| read.told != Told::Once)
        {
            self.plan_receipt(group.channel()?, group.record.roster.len(), now);
        }
        Ok(())
    }

    /// What a receipt on a channel tells of what was read.
    pub(crate) fn reads_to_tell(&mut self, channel: u32) -> Result<Vec<MessageIdBytes>, Error> {
        let Some(held) = self.channels.get(&channel) else {
            return Ok(Vec::new());
        };
        let id = held.record.group;
        if !self.groups.contains_key(&id) {
            return Ok(Vec::new());
        }
        self.with_group(id, |engine, group| {
            let due = |read: &&ReadRecord| read.told != Told::Once;
            let reads = &mut group.cursor.reads;
            let told: Vec<_> = reads.iter().filter(due).map(|read| read.id).collect();
            if told.is_empty() || group.is_stateless() || group.channel()? != channel {
                return Ok(Vec::new());
            }
            let reads = &mut group.cursor.reads;
            reads.retain(|read| read.told != Told::Heard);
            for read in reads {
                read.told = Told::Once;
            }
            engine.save_cursor(group)?;
            Ok(told)
        })
    }

    /// A member was heard who may not have been there when it was told what was read.
    pub(crate) fn tell_reads_to(
        &mut self,
        channel: u32,
        account: &AccountId,
        now: Time,
    ) -> Result<(), Error> {
        let Some(held) = self.channels.get(&channel) else {
            return Ok(());
        };
        self.with_group(held.record.group, |engine, group| {
            let again = |read: &&mut ReadRecord| read.sender == *account && read.told == Told::Once;
            let mut found = false;
            for read in group.cursor.reads.iter_mut().filter(again) {
                read.told = Told::Heard;
                found = true;
            }
            if found && !group.is_stateless() && group.channel()? == channel {
                engine.plan_reads(group, now)?;
            }
            Ok(())
        })
    }

    /// A member says to have read these messages.
    pub(crate) fn mark_read_by(
        &mut self,
        group: &mut Group,
        account: &AccountId,
        reads: &[MessageIdBytes],
    ) -> Result<(), Error> {
        let me = self.me()?.id;
        for id in reads {
            let Some((sequence, mut record)) = self.find_line(group, id)? else {
                continue;
            };
            if record.sender != me || matches!(record.body, Body::Notice(_)) {
                continue;
            }
            let place = group.roster_index(account);
            if add_holder(&mut record.readers, place) {
                // Who has read it has it.
                add_holder(&mut record.holders, place);
                self.save_message(group, sequence, &record)?;
                self.message_changed(group, &record.id)?;
            }
        }
        Ok(())
    }
}
