//! Messages that are pinned, for all who are in the conversation: those to which somebody reacts with a pin (protocol
//! §8.8). Which these may be is noted as reactions come; whether they are is asked of the messages.

use sori_content::Meaning;

use crate::engine::Engine;
use crate::error::Error;
use crate::group::Group;
use crate::messages::parse_group;
use crate::record::{Body, MessageIdBytes};
use crate::show::meaning;
use crate::table;
use crate::time::Time;
use crate::view::MessageView;

/// U+1F4CC: the reaction that pins.
const PIN: &str = "\u{1f4cc}";
/// Most messages of a conversation that are shown as pinned: the ones pinned last.
const PINS_MAX: usize = 64;

impl Engine {
    /// Pins a message for all who are in the conversation, or takes the own pin from it.
    ///
    /// # Errors
    /// As [`message_react`](Self::message_react).
    pub fn message_pin(
        &mut self,
        group: &str,
        id: &str,
        pinned: bool,
        now: Time,
    ) -> Result<(), Error> {
        self.atomically(|engine| {
            if pinned {
                engine.message_react(group, id, PIN, now)?;
                return Ok(());
            }
            let others = engine.own_emojis(group, id)?;
            engine.message_react(group, id, "", now)?;
            // All own reactions were taken back, and these were not meant.
            for emoji in others {
                engine.message_react(group, id, &emoji, now)?;
            }
            Ok(())
        })
    }

    /// The pinned messages of a conversation, the one that was pinned last first.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the group.
    pub fn message_pinned(&mut self, group: &str, _now: Time) -> Result<Vec<MessageView>, Error> {
        let id = parse_group(group)?;
        self.with_group(id, |engine, group| {
            let mut views = Vec::new();
            for id in engine.pins(group)?.into_iter().rev() {
                views.extend(engine.pinned_view(group, &id)?);
            }
            Ok(views)
        })
    }

    /// Notes that a message may be pinned now, if that is what a change of it does.
    pub(crate) fn note_pin(
        &mut self,
        group: &mut Group,
        target: MessageIdBytes,
        change: &Body,
    ) -> Result<(), Error> {
        let pins = match meaning(change) {
            Some(Meaning::Reaction { emojis, .. }) => emojis.iter().any(|emoji| emoji == PIN),
            _ => false,
        };
        if !pins {
            return Ok(());
        }
        let mut known = self.pins(group)?;
        known.retain(|id| *id != target);
        known.push(target);
        if known.len() > PINS_MAX {
            known = self.still_pinned(group, known)?;
        }
        self.put(table::PINS, &table::one(group.record.number), &known)
    }

    fn still_pinned(
        &self,
        group: &mut Group,
        known: Vec<MessageIdBytes>,
    ) -> Result<Vec<MessageIdBytes>, Error> {
        let mut kept = Vec::new();
        for id in known {
            if self.pinned_view(group, &id)?.is_some() {
                kept.push(id);
            }
        }
        let over = kept.len().saturating_sub(PINS_MAX);
        Ok(kept.split_off(over))
    }

    fn pins(&self, group: &Group) -> Result<Vec<MessageIdBytes>, Error> {
        let known = self.get(table::PINS, &table::one(group.record.number))?;
        Ok(known.unwrap_or_default())
    }

    /// A message as it is shown, if somebody who is in the group pins it.
    fn pinned_view(
        &self,
        group: &mut Group,
        id: &MessageIdBytes,
    ) -> Result<Option<MessageView>, Error> {
        let Some((_, record)) = self.find_line(group, id)? else {
            return Ok(None);
        };
        let view = self.message_view(group, &record)?;
        let members = self.accounts(group)?;
        let is_in = |sender: &String| members.iter().any(|member| member.to_string() == *sender);
        let pinned = (view.reactions.iter())
            .any(|reaction| reaction.emoji == PIN && reaction.senders.iter().any(is_in));
        Ok(Some(view).filter(|view| pinned && !view.deleted && !view.hidden))
    }

    /// What this account reacts to a message with, besides a pin.
    fn own_emojis(&mut self, group: &str, id: &str) -> Result<Vec<String>, Error> {
        self.with_group(parse_group(group)?, |engine, group| {
            let line = engine.line(group, id)?;
            let Some((_, record)) = engine.find_line(group, line.as_bytes())? else {
                return Err(Error::NotFound("message"));
            };
            let reactions = engine.message_view(group, &record)?.reactions;
            let mine = reactions.into_iter().filter(|reaction| reaction.mine);
            Ok(mine
                .map(|reaction| reaction.emoji)
                .filter(|emoji| emoji != PIN)
                .collect())
        })
    }
}
