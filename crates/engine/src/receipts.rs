//! Who holds what: acknowledgements of delivery, and what may be said about copies.
//!
//! A copy is claimed only on a signed word of the member that has it: a receipt that names the
//! envelope, or a hello whose log is equal to ours (protocol §6.3.2). What the relay says counts
//! for nothing.

use sori_mls::{AccountId, Member, verify_device_signature};

use crate::engine::Engine;
use crate::envelope::{ChannelMessage, RECEIPT_IDS_MAX, RECEIPT_LABEL, Receipt};
use crate::error::Error;
use crate::group::Group;
use crate::record::{LogRecord, MessageRecord};
use crate::session::EnvelopeId;
use crate::table;
use crate::time::{Day, Time};

/// Shortest wait before envelopes are acknowledged, in milliseconds; a burst shares a receipt.
const RECEIPT_WAIT_MS: u64 = 250;
/// Random part of the wait for each other member of the group, in milliseconds: a device waits half
/// of it on average, so a group of N sends about five receipts a second at most, whatever N is.
const RECEIPT_SPREAD_PER_MEMBER_MS: u64 = 400;

impl Engine {
    /// Notes that an envelope of somebody else has arrived and is to be acknowledged.
    pub(crate) fn note_receipt(
        &mut self,
        channel: u32,
        id: EnvelopeId,
        message: &ChannelMessage,
        now: Time,
    ) {
        let is_due = matches!(
            message,
            ChannelMessage::Application { .. } | ChannelMessage::Commit { .. }
        );
        if !is_due {
            return;
        }
        let group = self.channels.get(&channel).map(|c| c.record.group);
        let Some(group) = group.and_then(|group| self.groups.get(&group)) else {
            return;
        };
        // A copy that cannot be read is none to speak of.
        if group.is_stateless() {
            return;
        }
        let members = group.record.roster.len();
        if let Some(held) = self.channels.get_mut(&channel) {
            held.live.unacknowledged.push(id);
        }
        self.plan_receipt(channel, members, now);
    }

    /// Plans the next receipt on a channel of a group of so many, unless one is planned.
    pub(crate) fn plan_receipt(&mut self, channel: u32, members: usize, now: Time) {
        let others = u64::try_from(members.saturating_sub(1)).unwrap_or(u64::MAX);
        let spread = RECEIPT_SPREAD_PER_MEMBER_MS.saturating_mul(others);
        let wait = RECEIPT_WAIT_MS.saturating_add(self.below(spread));
        if let Some(held) = self.channels.get_mut(&channel) {
            let at = now.plus_ms(wait);
            held.live.receipt_at = held.live.receipt_at.or(Some(at));
        }
    }

    /// Acknowledges what has arrived on a channel.
    pub(crate) fn send_receipts(&mut self, channel: u32, now: Time) -> Result<(), Error> {
        let Some(held) = self.channels.get_mut(&channel) else {
            return Ok(());
        };
        held.live.receipt_at = None;
        let ids = std::mem::take(&mut held.live.unacknowledged);
        let tag = held.tag();
        let account = self.me()?.id;
        let mut reads = self.reads_to_tell(channel)?;
        let mut ids = ids.chunks(RECEIPT_IDS_MAX);
        loop {
            let (ids, reads) = (ids.next(), std::mem::take(&mut reads));
            if ids.is_none() && reads.is_empty() {
                break;
            }
            let mut receipt = Receipt {
                account,
                ids: ids.unwrap_or_default().to_vec(),
                reads,
                signature: Vec::new(),
            };
            let bytes = receipt.signed_bytes(&tag);
            receipt.signature = self.core()?.device().sign(RECEIPT_LABEL, &bytes).to_vec();
            self.send_transient(channel, &ChannelMessage::Receipt(receipt), now)?;
        }
        Ok(())
    }

    /// Takes in an acknowledgement.
    pub(crate) fn take_receipt(
        &mut self,
        channel: u32,
        receipt: &Receipt,
        now: Time,
    ) -> Result<(), Error> {
        let Some(held) = self.channels.get(&channel) else {
            return Ok(());
        };
        let group = held.record.group;
        let bytes = receipt.signed_bytes(&held.tag());
        let sequences: Vec<u64> = receipt
            .ids
            .iter()
            .filter_map(|id| held.log.find(id))
            .map(|(at, _)| at)
            .collect();
        let me = self.me()?.id;
        self.with_group(group, |engine, group| {
            if receipt.account == me
                || !engine.is_signed_by_member(
                    group,
                    &receipt.account,
                    RECEIPT_LABEL,
                    &bytes,
                    &receipt.signature,
                )?
            {
                return Ok(());
            }
            for sequence in sequences {
                engine.envelope_handed_over(channel, sequence)?;
                engine.mark_held(group, (channel, sequence), &receipt.account)?;
                engine.note_commit_held(group, (channel, sequence), &receipt.account, now)?;
            }
            engine.mark_read_by(group, &receipt.account, &receipt.reads)?;
            Ok(())
        })
    }

    /// Notes that a member holds all of some days of a channel: they are equal to ours. That says
    /// nothing of messages on other channels or of those that are in the log no more (protocol
    /// §6.3.2).
    pub(crate) fn holds_days(
        &mut self,
        channel: u32,
        group: &mut Group,
        account: &AccountId,
        days: &[Day],
    ) -> Result<(), Error> {
        let mut found = Vec::new();
        for day in days {
            let Some(held) = self.channels.get_mut(&channel) else {
                return Ok(());
            };
            let end = held.log.next;
            let from = held.live.holds.insert((*account, *day), end);
            let open = held.log.open.range(from.unwrap_or(0).min(end)..end);
            let open: Vec<u64> = open.map(|(sequence, _)| *sequence).collect();
            for sequence in open {
                let entry: Option<LogRecord> =
                    self.get(table::LOG, &table::of(channel, sequence))?;
                found.extend(entry.filter(|e| e.day == *day).map(|_| sequence));
            }
        }
        for sequence in found {
            self.mark_held(group, (channel, sequence), account)?;
        }
        Ok(())
    }

    /// Notes that a member holds an entry of a channel's log, and so the own message it carries.
    fn mark_held(
        &mut self,
        group: &mut Group,
        (channel, sequence): (u32, u64),
        account: &AccountId,
    ) -> Result<(), Error> {
        let held = self.channels.get(&channel);
        let Some(message) = held.and_then(|held| held.log.open.get(&sequence)).copied() else {
            return Ok(());
        };
        let Some(mut record) = self.message_record(group, message)? else {
            return self.close_entry(channel, sequence);
        };
        let index = group.roster_index(account);
        if !add_holder(&mut record.holders, index) {
            return Ok(());
        }
        self.save_message(group, message, &record)?;
        let (copies, members) = self.copies(group, &record)?;
        if copies >= members && is_with_all(&record.holders, &record.audience) {
            self.close_entry(channel, sequence)?;
        }
        self.message_changed(group, &record.id)
    }

    /// Everybody for whom it is holds what an entry carries, or it is there no more.
    fn close_entry(&mut self, channel: u32, sequence: u64) -> Result<(), Error> {
        if let Some(held) = self.channels.get_mut(&channel) {
            held.log.open.remove(&sequence);
        }
        let key = table::of(channel, sequence);
        let Some(mut entry) = self.get::<LogRecord>(table::LOG, &key)? else {
            return Ok(());
        };
        entry.message = None;
        self.put(table::LOG, &key, &entry)
    }

    /// How many members are known to hold a message, and how many there are to hold it.
    pub(crate) fn copies(
        &self,
        group: &mut Group,
        record: &MessageRecord,
    ) -> Result<(u32, u32), Error> {
        let counted = self.counted(group, record)?;
        let held = |(place, _): &&(usize, AccountId)| has_holder(&record.holders, *place);
        let copies = counted.iter().filter(held).count();
        let bounded = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Ok((bounded(copies), bounded(counted.len())))
    }

    /// Whether a device of this account that is in the group signed these bytes.
    pub(crate) fn is_signed_by_member(
        &self,
        group: &mut Group,
        account: &AccountId,
        label: &[u8],
        bytes: &[u8],
        signature: &[u8],
    ) -> Result<bool, Error> {
        let Ok(signature) = <&[u8; 64]>::try_from(signature) else {
            return Ok(false);
        };
        if group.is_stateless() {
            return Ok(false);
        }
        self.ensure_head(group)?;
        let head = group.head.as_ref().ok_or(Error::Internal("head"))?;
        let signed = |member: &&Member| {
            member.account == *account
                && verify_device_signature(&member.signature_key, label, bytes, signature).is_ok()
        };
        Ok(head
            .snapshot()
            .members()
            .iter()
            .any(|member| signed(&member)))
    }
}

/// Sets the bit of a member. Whether that was new.
pub(crate) fn add_holder(holders: &mut Vec<u8>, index: usize) -> bool {
    let (byte, bit) = (index / 8, 1_u8 << (index % 8));
    if holders.len() <= byte {
        holders.resize(byte.saturating_add(1), 0);
    }
    let Some(byte) = holders.get_mut(byte) else {
        return false;
    };
    let new = *byte & bit == 0;
    *byte |= bit;
    new
}

/// Whether all of these hold it, also those who are out now: who is let in again counts again, and may hold it.
fn is_with_all(holders: &[u8], these: &[u8]) -> bool {
    let held = holders.iter().copied().chain(std::iter::repeat(0));
    these
        .iter()
        .zip(held)
        .all(|(these, held)| these & !held == 0)
}

/// Whether the bit of a member is set.
pub(crate) fn has_holder(holders: &[u8], index: usize) -> bool {
    let byte = holders.get(index / 8);
    byte.is_some_and(|byte| byte & (1_u8 << (index % 8)) != 0)
}

/// How many of the members whose bits are set are counted.
pub(crate) fn count_holders(holders: &[u8], counted: impl Fn(usize) -> bool) -> usize {
    let bits = holders.len().saturating_mul(8);
    (0..bits)
        .filter(|index| has_holder(holders, *index) && counted(*index))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holders_are_counted_once_and_only_where_counted() {
        let mut holders = Vec::new();
        assert!(add_holder(&mut holders, 0));
        assert!(add_holder(&mut holders, 17));
        assert!(!add_holder(&mut holders, 17));
        assert_eq!(count_holders(&holders, |_| true), 2);
        assert_eq!(count_holders(&holders, |index| index != 0), 1);
        assert_eq!(count_holders(&[], |_| true), 0);
        assert!(is_with_all(&holders, &[1]) && is_with_all(&holders, &[1, 0, 2, 0]));
        assert!(!is_with_all(&holders, &[3]) && !is_with_all(&holders, &[1, 0, 0, 4]));
    }
}
