//! Catch-up: meeting whoever holds what others miss, to exchange it (protocol §6).
//!
//! A device says hello with its log in short ([`hellos`](crate::hellos)). Whoever differs answers after a random wait with a one-time topic; one answer silences
//! the others ([`offers`]). There the two reconcile ([`talk`]), while others may do the same ([`running`]).

mod offers;
mod running;
mod talk;

pub(crate) use running::Sessions;

use crate::engine::Engine;
use crate::envelope::ChannelMessage;
use crate::error::Error;
use crate::network::Purpose;
use crate::record::LogRecord;
use crate::session::{Entry, EnvelopeId};
use crate::table;
use crate::time::{Day, Time};
use crate::view::SyncView;

impl Engine {
    /// A channel's topic is attached: what was written meanwhile goes out, and we say hello.
    pub(crate) fn channel_attached(
        &mut self,
        channel: u32,
        day: Day,
        now: Time,
    ) -> Result<(), Error> {
        if day != now.day() {
            return Ok(());
        }
        self.publish_unsent(channel, day)?;
        self.begin_hellos(channel, now);
        self.resync_attached(channel, now);
        self.welcomes_attached(channel, now);
        Ok(())
    }

    pub(crate) fn channels_next_timeout(&self) -> Option<Time> {
        self.channels
            .values()
            .flat_map(|channel| {
                let live = &channel.live;
                [
                    live.hello_at,
                    live.answer.as_ref().map(|answer| answer.at),
                    live.receipt_at,
                    live.unproved.as_ref().map(|(at, _)| *at),
                ]
            })
            .flatten()
            .min()
    }

    pub(crate) fn channels_timeout(&mut self, now: Time) -> Result<(), Error> {
        let due = |at: Option<Time>| at.is_some_and(|at| at <= now);
        let numbers: Vec<u32> = self.channels.keys().copied().collect();
        for number in numbers {
            let Some(held) = self.channels.get_mut(&number) else {
                continue;
            };
            let (hello, receipt) = (due(held.live.hello_at), due(held.live.receipt_at));
            let answer = held.live.answer.take_if(|answer| answer.at <= now);
            let unproved = held.live.unproved.take_if(|(at, _)| *at <= now);
            if hello {
                self.hello_due(number, now)?;
            }
            if receipt {
                self.send_receipts(number, now)?;
            }
            if let Some(answer) = answer {
                self.offer(number, &answer, now);
            }
            if let Some((_, offer)) = unproved {
                self.follow_offer(number, &offer, now);
            }
        }
        Ok(())
    }

    /// Takes in a message that is for those who listen now.
    pub(crate) fn take_transient(
        &mut self,
        channel: u32,
        message: ChannelMessage,
        now: Time,
    ) -> Result<(), Error> {
        match message {
            ChannelMessage::Hello(hello) => self.take_hello(channel, &hello, now),
            ChannelMessage::Offer(offer) => self.take_offer(channel, offer, now),
            ChannelMessage::Receipt(receipt) => self.take_receipt(channel, &receipt, now),
            ChannelMessage::Ask(ask) => self.take_ask(channel, ask, now),
            ChannelMessage::Check(check) => self.take_check(channel, &check, now),
            ChannelMessage::Stand(stand) => self.take_stand(channel, &stand, now),
            ChannelMessage::WhoHas { nonce, file } => {
                self.take_who_has(channel, nonce, file, now);
                Ok(())
            }
            ChannelMessage::Here { nonce, seed } => {
                self.take_here(channel, nonce, seed, now);
                Ok(())
            }
            ChannelMessage::Typing(typing) => self.take_typing(channel, &typing, now),
            ChannelMessage::Application { .. }
            | ChannelMessage::Commit { .. }
            | ChannelMessage::Order { .. }
            | ChannelMessage::Ballot { .. } => Ok(()),
        }
    }

    fn log_len(&self, channel: u32) -> u64 {
        self.channels.get(&channel).map_or(0, |held| held.log.len())
    }

    pub(crate) fn entry(&self, channel: u32, id: &EnvelopeId) -> Result<Option<Entry>, Error> {
        let held = self.channels.get(&channel);
        match held.and_then(|held| held.log.find(id)) {
            Some((sequence, day)) => self.sealed_entry(channel, sequence, day),
            None => Ok(None),
        }
    }

    /// The entry at a place of a channel's log, if it is held.
    pub(crate) fn entry_at(&self, channel: u32, sequence: u64) -> Result<Option<Entry>, Error> {
        let key = table::of(channel, sequence);
        match self.get::<LogRecord>(table::LOG, &key)? {
            Some(record) => self.sealed_entry(channel, sequence, record.day),
            None => Ok(None),
        }
    }

    fn sealed_entry(&self, channel: u32, sequence: u64, day: Day) -> Result<Option<Entry>, Error> {
        let sealed = self
            .store
            .get(table::SEALED, &table::of(channel, sequence))?;
        Ok(sealed.map(|sealed| Entry {
            day,
            sealed: sealed.to_vec(),
        }))
    }

    fn sync_changed(&mut self, channel: u32) {
        let Some(group) = self.channels.get(&channel).map(|held| held.record.group) else {
            return;
        };
        self.event(crate::view::Event::GroupChanged {
            group: group.to_string(),
        });
    }

    /// How a group's log stands.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the group.
    pub fn sync_status(&mut self, group: &str, _now: Time) -> Result<SyncView, Error> {
        let id = crate::messages::parse_group(group)?;
        let held = self.groups.get(&id).ok_or(Error::NotFound("group"))?;
        let pending = held
            .waiting
            .values()
            .map(Vec::len)
            .fold(0_usize, usize::saturating_add);
        let mut view = SyncView {
            group: id.to_string(),
            attached: false,
            envelopes: 0,
            pending: u64::try_from(pending).unwrap_or(u64::MAX),
            unsent: 0,
            catching_up: false,
            peers: 0,
        };
        for (number, channel) in self.channels.iter().filter(|(_, c)| c.record.group == id) {
            let is_here =
                |purpose| matches!(purpose, Purpose::Channel { channel: c, .. } if c == *number);
            view.attached |= self.network.is_attached(is_here);
            view.envelopes = view.envelopes.saturating_add(channel.log.len());
            let unsent = u64::try_from(channel.log.unsent.len()).unwrap_or(u64::MAX);
            view.unsent = view.unsent.saturating_add(unsent);
            view.catching_up |= self.sessions.is_busy(*number);
            let heard = u32::try_from(channel.live.heard.len()).unwrap_or(u32::MAX);
            view.peers = view.peers.max(heard);
        }
        Ok(view)
    }
}
