//! Telling those who are there that a person is writing, and hearing it of others (protocol §6.4).
//!
//! Only where the person wants that, and then both ways: who does not tell is not told either. Nothing of it is
//! stored, and nobody who is away gets it later.

use serde::{Deserialize, Serialize};
use sori_mls::{AccountId, GroupId};

use crate::engine::Engine;
use crate::envelope::{ChannelMessage, TYPING_LABEL};
use crate::error::Error;
use crate::messages::parse_group;
use crate::record::Standing;
use crate::time::Time;
use crate::view::Event;

/// Shortest time between two words that a person is writing in a conversation, in milliseconds.
const TYPING_EVERY_MS: u64 = 4_000;
/// How far the time of such a word may be from one's own, in milliseconds: one that somebody repeats later is none.
const TYPING_AWAY_MS: u64 = 60_000;
/// Most members of a conversation in which it is told who is writing.
const TYPING_MEMBERS_MAX: usize = 50;

/// Somebody is writing now.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Typing {
    pub(crate) account: AccountId,
    /// When, in milliseconds since the Unix epoch, by the sender's clock.
    pub(crate) time: u64,
    /// By the device's MLS signature key.
    pub(crate) signature: Vec<u8>,
}

impl Typing {
    /// The bytes that are signed.
    pub(crate) fn signed_bytes(&self, channel: &[u8; 32]) -> Vec<u8> {
        let mut bytes = channel.to_vec();
        bytes.extend(self.account.as_bytes());
        bytes.extend(self.time.to_be_bytes());
        bytes
    }
}

impl Engine {
    /// The person is writing in a conversation: members who are there are told, every few seconds at most and only if
    /// the person wants that ([`settings_typing`](Self::settings_typing)).
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn typing(&mut self, group: &str, now: Time) -> Result<(), Error> {
        let id = parse_group(group)?;
        let group = self.groups.get(&id).ok_or(Error::NotFound("group"))?;
        let tells = self.prefs.typing
            && group.record.standing == Standing::Active
            && !group.is_stateless()
            && group.record.roster.len() <= TYPING_MEMBERS_MAX;
        if !tells {
            return Ok(());
        }
        let channel = group.channel()?;
        let account = self.me()?.id;
        let held = self.channels.get_mut(&channel);
        let held = held.ok_or(Error::Internal("channel"))?;
        if (held.live.typing_told).is_some_and(|at| now.since_ms(at) < TYPING_EVERY_MS) {
            return Ok(());
        }
        held.live.typing_told = Some(now);
        let mut typing = Typing {
            account,
            time: now.unix_ms(),
            signature: Vec::new(),
        };
        let bytes = typing.signed_bytes(&held.tag());
        typing.signature = self.core()?.device().sign(TYPING_LABEL, &bytes).to_vec();
        self.send_transient(channel, &ChannelMessage::Typing(typing), now)
    }

    /// Somebody says to be writing.
    pub(crate) fn take_typing(
        &mut self,
        channel: u32,
        typing: &Typing,
        now: Time,
    ) -> Result<(), Error> {
        let Some(held) = self.channels.get(&channel) else {
            return Ok(());
        };
        let group = held.record.group;
        let bytes = typing.signed_bytes(&held.tag());
        let heard = held.live.typing_heard.get(&typing.account).copied();
        let is_news = typing.time.abs_diff(now.unix_ms()) <= TYPING_AWAY_MS
            && heard.is_none_or(|heard| heard < typing.time);
        let is_wanted = self.prefs.typing
            && typing.account != self.me()?.id
            && !self.is_blocked(&typing.account);
        if !is_news || !is_wanted || !self.is_here(&group, channel)? {
            return Ok(());
        }
        let (account, signature) = (&typing.account, &typing.signature);
        let is_signed = self.with_group(group, |engine, group| {
            engine.is_signed_by_member(group, account, TYPING_LABEL, &bytes, signature)
        })?;
        if !is_signed {
            return Ok(());
        }
        if let Some(held) = self.channels.get_mut(&channel) {
            held.live.typing_heard.insert(typing.account, typing.time);
        }
        self.event(Event::Typing {
            group: group.to_string(),
            member: typing.account.to_string(),
        });
        Ok(())
    }

    /// Whether a group meets on this channel now.
    fn is_here(&self, group: &GroupId, channel: u32) -> Result<bool, Error> {
        match self.groups.get(group) {
            Some(group) if !group.is_stateless() => Ok(group.channel()? == channel),
            _ => Ok(false),
        }
    }
}
