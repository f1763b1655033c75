//! Messages of branches that lost (protocol §5.8).
//!
//! A message is for those who are in the group in the state that it is encrypted in: its *audience*. When that
//! state falls off the way to the head the message is a *stray*. Whoever keeps the states reads it where it is;
//! later nobody can. So its author encrypts it again at the head, under the same id. It does not if everybody
//! whom it is for has it. If somebody would read it who was not in its audience, a person decides.

use std::collections::BTreeMap;

use sori_mls::{AccountId, StateId};

use crate::engine::Engine;
use crate::envelope::{AppBody, AppMessage};
use crate::error::Error;
use crate::group::{Group, within};
use crate::messages::{parse_group, parse_message};
use crate::receipts::{add_holder, has_holder};
use crate::record::{Body, MessageRecord, Standing, StrayRecord};
use crate::table;
use crate::time::Time;

/// What is to be done about an own stray.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Everybody whom it is for has it, or its author has given it up.
    Rests,
    /// It can be encrypted again without asking.
    Again,
    /// Somebody is in the group whom it was not written for: a person decides.
    Held,
}

impl Group {
    /// The number under which messages of a state are noted; zero if no snapshot of it is kept.
    pub(crate) fn mark_of(&self, state: &StateId) -> u32 {
        let kept = self.record.states.get(state);
        kept.map_or(0, |kept| kept.snapshot.saturating_add(1))
    }

    pub(crate) fn has_own_strays(&self) -> bool {
        self.strays.values().any(|stray| stray.mine)
    }
}

impl Engine {
    pub(crate) fn load_strays(&self, group: &mut Group) -> Result<(), Error> {
        let strays = self.scan::<StrayRecord>(table::STRAY, &table::one(group.record.number))?;
        group.strays = strays.into_iter().collect();
        Ok(())
    }

    /// Notes which messages have become strays because their states were `left`, and which are none any more
    /// because theirs are on the way to the head again.
    pub(crate) fn follow_strays(
        &mut self,
        group: &mut Group,
        left: &[StateId],
        found: &[StateId],
    ) -> Result<(), Error> {
        if left.is_empty() && group.strays.is_empty() {
            return Ok(());
        }
        let marked = |states: &[StateId], is_left| -> Vec<(u32, (StateId, bool))> {
            let marks = states.iter().map(|s| (group.mark_of(s), (*s, is_left)));
            marks.filter(|(mark, _)| *mark != 0).collect()
        };
        let moved: BTreeMap<u32, (StateId, bool)> =
            (marked(left, true).into_iter().chain(marked(found, false))).collect();
        let kept = moved
            .values()
            .filter_map(|(s, _)| group.record.states.get(s));
        let Some(first) = kept.map(|state| state.messages).min() else {
            return Ok(());
        };
        let me = self.me()?.id;
        let mut changed = Vec::new();
        for sequence in first..group.cursor.next_message {
            let Some(record) = self.message_record(group, sequence)? else {
                continue;
            };
            match moved.get(&record.snapshot) {
                Some((state, true)) => {
                    self.add_stray(group, sequence, record.sender == me, state)?;
                }
                Some((_, false)) => self.forget_stray(group, sequence)?,
                None => continue,
            }
            changed.push(record.id);
        }
        for id in changed {
            self.message_changed(group, &id)?;
        }
        Ok(())
    }

    /// Notes that a message is of a state that is not on the way to the head.
    pub(crate) fn add_stray(
        &mut self,
        group: &mut Group,
        sequence: u64,
        mine: bool,
        state: &StateId,
    ) -> Result<(), Error> {
        let audience = match mine {
            true => self.audience(group, state)?,
            false => Vec::new(),
        };
        let stray = StrayRecord {
            mine,
            audience,
            given_up: false,
        };
        self.save_stray(group, sequence, stray)
    }

    fn save_stray(
        &mut self,
        group: &mut Group,
        sequence: u64,
        stray: StrayRecord,
    ) -> Result<(), Error> {
        let key = table::of(group.record.number, sequence);
        self.put(table::STRAY, &key, &stray)?;
        group.strays.insert(sequence, stray);
        Ok(())
    }

    pub(crate) fn forget_stray(&mut self, group: &mut Group, sequence: u64) -> Result<(), Error> {
        if group.strays.remove(&sequence).is_none() {
            return Ok(());
        }
        self.delete(table::STRAY, &table::of(group.record.number, sequence))
    }

    /// Who was in the group in a state, as bits over the roster.
    fn audience(&mut self, group: &mut Group, state: &StateId) -> Result<Vec<u8>, Error> {
        let mut audience = Vec::new();
        let Some(snapshot) = self.snapshot(group, state)? else {
            return Ok(audience);
        };
        let known = group.record.roster.len();
        for member in snapshot.members() {
            add_holder(&mut audience, group.roster_index(&member.account));
        }
        if group.record.roster.len() > known {
            self.save_group(group)?;
        }
        Ok(audience)
    }

    /// What is to be done about an own stray.
    pub(crate) fn fate(
        &self,
        group: &mut Group,
        stray: &StrayRecord,
        record: &MessageRecord,
    ) -> Result<Fate, Error> {
        let me = self.me()?.id;
        let accounts = self.accounts(group)?;
        let roster = &group.record.roster;
        let is_in = |bits: &[u8], account: &AccountId| {
            let index = roster.iter().position(|known| known == account);
            index.is_some_and(|index| has_holder(bits, index))
        };
        let mut others = accounts.iter().filter(|account| **account != me);
        let lacks = |a: &&AccountId| is_in(&stray.audience, a) && !is_in(&record.holders, a);
        if stray.given_up || others.clone().find(lacks).is_none() {
            return Ok(Fate::Rests);
        }
        Ok(match others.all(|a| is_in(&stray.audience, a)) {
            true => Fate::Again,
            false => Fate::Held,
        })
    }

    /// What is to be done about an own message that is a stray.
    pub(crate) fn fate_of(
        &self,
        group: &mut Group,
        sequence: u64,
        record: &MessageRecord,
    ) -> Result<Option<Fate>, Error> {
        let stray = group.strays.get(&sequence).filter(|stray| stray.mine);
        let Some(stray) = stray.cloned() else {
            return Ok(None);
        };
        self.fate(group, &stray, record).map(Some)
    }

    /// Encrypts again, at the head, what of the own strays needs no decision. Orders go first: nobody whom one is
    /// about is to read it.
    pub(crate) fn resend_strays(&mut self, group: &mut Group, now: Time) -> Result<(), Error> {
        let active = group.record.standing == Standing::Active;
        if !active || !group.has_own_strays() || !self.open_orders(group)?.is_empty() {
            return Ok(());
        }
        let mine = group.strays.iter().filter(|(_, stray)| stray.mine);
        for sequence in mine.map(|(sequence, _)| *sequence).collect::<Vec<_>>() {
            let Some(record) = self.message_record(group, sequence)? else {
                self.forget_stray(group, sequence)?;
                continue;
            };
            match self.fate_of(group, sequence, &record)? {
                Some(Fate::Again) => self.send_again(group, sequence, now)?,
                Some(Fate::Held) => self.message_changed(group, &record.id)?,
                // Its state is gone, and nobody waits for it.
                Some(Fate::Rests) if !group.keeps(record.snapshot) => {
                    self.forget_stray(group, sequence)?;
                }
                Some(Fate::Rests) | None => {}
            }
        }
        Ok(())
    }

    /// Encrypts an own message at the head, under the id that it has.
    pub(crate) fn send_again(
        &mut self,
        group: &mut Group,
        sequence: u64,
        now: Time,
    ) -> Result<(), Error> {
        self.renew_keys(group, now)?;
        let Some(mut record) = self.message_record(group, sequence)? else {
            return self.forget_stray(group, sequence);
        };
        let Body::Content(content) = &record.body else {
            return self.forget_stray(group, sequence);
        };
        // Of those that were written too long ago the order stays.
        let mut clock = within(record.clock, now.day());
        if clock > record.clock {
            clock = clock.max(group.sent_again.saturating_add(1));
            group.sent_again = clock;
        }
        let app = AppMessage {
            clock,
            sent_at: record.sent_at,
            body: AppBody::Content(content.clone()),
        };
        record.clock = app.clock;
        record.snapshot = group.mark_of(&group.head_state()?);
        // A new number, so that it is found among the messages of its new state.
        let at = self.move_message(group, sequence, &record)?;
        self.send_app(group, &app, Some(at), now)?;
        self.note_said(group, at)?;
        self.forget_what_changed(group, record.id)?;
        self.message_changed(group, &record.id)
    }

    /// A message that is here came again, encrypted in `state`: it is no stray if that is on the way to the head,
    /// and of several places it takes the last.
    pub(crate) fn heard_again(
        &mut self,
        group: &mut Group,
        (sequence, mut record): (u64, MessageRecord),
        state: &StateId,
        clock: u64,
    ) -> Result<(), Error> {
        if record.sender == self.me()?.id {
            return Ok(());
        }
        let was_stray = group.strays.contains_key(&sequence);
        let is_on_way = group.record.path.contains(state);
        if record.clock >= clock && !(was_stray && is_on_way) {
            return Ok(());
        }
        record.clock = record.clock.max(clock);
        if was_stray {
            record.snapshot = group.mark_of(state);
        }
        let at = self.move_message(group, sequence, &record)?;
        if was_stray && !is_on_way {
            self.add_stray(group, at, false, state)?;
        }
        self.message_changed(group, &record.id)
    }

    /// Sends an own message that waits for a decision to whoever is in the group now.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the group, or if no such message waits; [`Error::NotMember`], [`Error::Rejoining`].
    pub fn message_resend(&mut self, group: &str, id: &str, now: Time) -> Result<(), Error> {
        self.decide(group, id, |engine, group, sequence| {
            group.check_active()?;
            group.resync.unsent.retain(|unsent| *unsent != sequence);
            engine.save_resync(group)?;
            engine.send_again(group, sequence, now)
        })
    }

    /// Gives up sending an own message that waits for a decision. It stays in the timeline; who has it keeps it.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the group, or if no such message waits.
    pub fn message_drop(&mut self, group: &str, id: &str, _now: Time) -> Result<(), Error> {
        self.decide(group, id, |engine, group, sequence| {
            group.resync.unsent.retain(|unsent| *unsent != sequence);
            engine.save_resync(group)?;
            if let Some(mut stray) = group.strays.get(&sequence).cloned() {
                stray.given_up = true;
                engine.save_stray(group, sequence, stray)?;
            }
            if let Some(record) = engine.message_record(group, sequence)? {
                engine.message_changed(group, &record.id)?;
            }
            Ok(())
        })
    }

    /// Carries out what a person decides about a message that waits for that.
    fn decide(
        &mut self,
        group: &str,
        id: &str,
        then: impl FnOnce(&mut Self, &mut Group, u64) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let (group, id) = (parse_group(group)?, parse_message(id)?);
        self.atomically(|engine| {
            engine.with_group(group, |engine, group| {
                let found = engine.find_message(group, &id)?;
                let (sequence, record) = found.ok_or(Error::NotFound("message"))?;
                if !engine.awaits_decision(group, sequence, &record)? {
                    return Err(Error::NotFound("message"));
                }
                then(engine, group, sequence)
            })
        })
    }

    /// Whether an own message is sent only once a person says so.
    pub(crate) fn awaits_decision(
        &self,
        group: &mut Group,
        sequence: u64,
        record: &MessageRecord,
    ) -> Result<bool, Error> {
        let active = group.record.standing == Standing::Active;
        let unsent = active && group.resync.unsent.contains(&sequence);
        Ok(unsent || self.fate_of(group, sequence, record)? == Some(Fate::Held))
    }
}

impl Group {
    /// Whether the snapshot is kept that messages with this mark are of.
    fn keeps(&self, mark: u32) -> bool {
        let mut states = self.record.states.values();
        states.any(|state| state.snapshot.saturating_add(1) == mark)
    }
}
