//! A profile of which a repair of the store saved what could be read: making it whole for its person.
//!
//! The messages are the only truth about a timeline, so everything derived from them is derived again. And no
//! message is left where nobody sees it: where the record of its group is lost, a group that is over takes
//! its place. That happens often, for such records are rewritten all the time, and an older version of one does
//! not open: that is what forgetting means.

use std::collections::BTreeSet;

use sori_mls::{AccountId, Conversation, GroupData, GroupId};

use crate::backup::RestoreProgress;
use crate::engine::Engine;
use crate::error::Error;
use crate::group::Group;
use crate::record::{
    CursorRecord, GroupRecord, KnownRecord, MessageRecord, ResyncRecord, Standing,
};
use crate::table;
use crate::time::Time;

/// Numbers of groups in a row that nothing was found for, before it is taken that there are no more.
const NUMBERS_MISSED_MAX: u32 = 256;

impl Engine {
    /// Makes whole what a repair left of a profile, and gives up the keys of its groups as
    /// [`mark_restored`](Self::mark_restored) does. To be called right after [`Engine::open`], before anything else,
    /// and made durable with [`Engine::flush`]; if the program ends before that, call it at the next opening.
    ///
    /// # Errors
    /// Trouble with the store, or a row that does not decode.
    pub fn mark_repaired(&mut self, now: Time) -> Result<(), Error> {
        let Ok(me) = self.me().map(|me| me.id) else {
            return Ok(());
        };
        for (key, _) in self.store.range(table::EXPIRY, &[])? {
            self.delete(table::EXPIRY, &key)?;
        }
        for number in self.groups_of_messages()? {
            if self
                .groups
                .values()
                .all(|group| group.record.number != number)
            {
                self.put_up_group(number)?;
            }
        }
        let mut at = RestoreProgress::default();
        for id in self.groups.keys().copied().collect::<Vec<_>>() {
            self.with_group(id, |engine, group| engine.prepare_group(group, me))?;
            self.index_again(id, &mut at, &mut |_| {})?;
        }
        self.load_expiries()?;
        self.mark_restored(now)
    }

    /// The numbers of groups that messages are there of.
    fn groups_of_messages(&self) -> Result<BTreeSet<u32>, Error> {
        let known = self.groups.values().map(|group| group.record.number);
        let mut end = known.max().unwrap_or(0).saturating_add(NUMBERS_MISSED_MAX);
        let mut found = BTreeSet::new();
        let mut number = 0_u32;
        while number < end {
            if !self
                .store
                .range(table::MESSAGE, &table::one(number))?
                .is_empty()
            {
                found.insert(number);
                end = end.max(number.saturating_add(NUMBERS_MISSED_MAX));
            }
            number = number.saturating_add(1);
        }
        Ok(found)
    }

    /// A group that is over, for messages whose group is not known any more.
    fn put_up_group(&mut self, number: u32) -> Result<(), Error> {
        let id = GroupId::from_bytes(self.random());
        let record = GroupRecord {
            number,
            id,
            standing: Standing::Out,
            path: Vec::new(),
            states: std::collections::BTreeMap::new(),
            next_snapshot: 0,
            seed: self.random(),
            next_commit: 0,
            intents: Vec::new(),
            next_intent: 0,
            names: std::collections::BTreeMap::new(),
            roster: Vec::new(),
            orders: Vec::new(),
            leaving: false,
            inviter: None,
        };
        let mut group = Group::new(record, CursorRecord::default());
        // What is left of another group of that number says nothing about this one.
        group.resync = ResyncRecord::default();
        self.save_group(&group)?;
        self.groups.insert(id, group);
        Ok(())
    }

    /// Finds the end of a group's messages, and says something about the group if nothing else does: members are
    /// taken to be all who ever were. One too many is harmless, for the others say who is a member (protocol
    /// §5.6); one too few would be taken for being alone, and the group for this device's to found anew.
    fn prepare_group(&mut self, group: &mut Group, me: AccountId) -> Result<(), Error> {
        let number = group.record.number;
        let mut members: BTreeSet<AccountId> = group.record.roster.iter().copied().collect();
        members.insert(me);
        for (sequence, message) in
            self.scan::<MessageRecord>(table::MESSAGE, &table::one(number))?
        {
            members.insert(message.sender);
            let next = sequence.saturating_add(1);
            group.cursor.next_message = group.cursor.next_message.max(next);
        }
        for (key, _) in self.store.range(table::ORDER, &table::one(number))? {
            self.delete(table::ORDER, &key)?;
        }
        if group.known_data().is_err() {
            let name = format!("복구된 대화 {number} · Recovered {number}");
            let data = GroupData::new(me, name, Conversation::Group).encode()?;
            let members = members.into_iter().collect();
            group.resync.known = KnownRecord { data, members };
            self.save_resync(group)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use sori_content::MimiContent;
    use sori_store::{MemoryDisk, Store};

    use super::*;
    use crate::Notices;
    use crate::large::Large;

    fn texts(engine: &mut Engine, now: Time) -> Vec<(String, Vec<String>)> {
        let groups = engine.group_list(now).unwrap();
        let texts = groups.into_iter().map(|group| {
            let list = engine.message_list(&group.group, None, 1000, Notices::Left, now);
            let texts = list.unwrap().into_iter().map(|line| line.text);
            (group.standing, texts.rev().collect())
        });
        texts.collect()
    }

    /// The engine as it starts on what is left when rows are missing.
    fn without(large: Large, lost: impl Fn(&mut Store)) -> (Engine, Time) {
        let (disk, now): (MemoryDisk, Time) = (large.disk.clone(), large.now());
        drop(large);
        let mut store = Store::open_memory(&disk, [5; 32]).unwrap();
        lost(&mut store);
        store.commit().unwrap();
        (Engine::open(store, [6; 32], now).unwrap(), now)
    }

    fn filled() -> (Large, Vec<String>) {
        let mut large = Large::new(3, 2);
        let first = large.say_content(1, &MimiContent::text([1; 16], "former"));
        for _ in 0..300 {
            large.say(2, "chatter");
        }
        large.say_content(1, &MimiContent::edit([2; 16], "latter", first));
        large.commit();
        let now = large.now();
        let expected = texts(&mut large.engine, now).remove(0).1;
        (large, expected)
    }

    #[test]
    fn nobody_is_taken_to_be_alone_because_nothing_else_of_the_others_is_left() {
        let (large, _) = filled();
        let me = large.engine.me().unwrap().id;
        let group = large.engine.groups.values().next().unwrap();
        let messages = large
            .engine
            .scan::<MessageRecord>(table::MESSAGE, &table::one(group.record.number));
        let others: Vec<u64> = (messages.unwrap().into_iter())
            .filter(|(_, message)| message.sender != me)
            .map(|(sequence, _)| sequence)
            .collect();
        assert!(!others.is_empty());
        let number = group.record.number;
        let (mut engine, now) = without(large, |store| {
            for sequence in &others {
                store
                    .delete(table::MESSAGE, &table::of(number, *sequence))
                    .unwrap();
            }
            for (key, _) in store.range(table::RESYNC, &[]).unwrap() {
                store.delete(table::RESYNC, &key).unwrap();
            }
        });
        engine.mark_repaired(now).unwrap();
        assert_eq!(texts(&mut engine, now).remove(0).0, "rejoining");
    }

    #[test]
    fn whatever_else_is_lost_the_messages_are_there() {
        let all = |store: &mut Store, table| {
            for (key, _) in store.range(table, &[]).unwrap() {
                store.delete(table, &key).unwrap();
            }
        };
        let derived = [table::ORDER, table::LINK, table::FILTER, table::EXPIRY];
        let kept = [table::CURSOR, table::RESYNC, table::GROUP, table::CHANNEL];
        for (lost, standing) in [
            (&derived[..], "rejoining"),
            (&kept[..1], "rejoining"),
            (&kept[1..2], "rejoining"),
            (&kept[2..3], "out"),
            (&kept[..], "out"),
        ] {
            let (large, expected) = filled();
            let (mut engine, now) = without(large, |store| {
                for table in lost {
                    all(store, *table);
                }
            });
            engine.mark_repaired(now).unwrap();
            engine.flush(now).unwrap();
            let found = texts(&mut engine, now);
            assert_eq!(found.len(), 1, "{lost:?}");
            assert_eq!(found[0].0, standing, "{lost:?}");
            let notices = |texts: &[String]| -> Vec<String> {
                texts
                    .iter()
                    .filter(|text| !text.is_empty())
                    .cloned()
                    .collect()
            };
            assert_eq!(notices(&found[0].1), notices(&expected), "{lost:?}");
            let hits = engine.message_search("latter", None, 10, now).unwrap();
            assert_eq!(hits.hits.len(), 1, "{lost:?}");
            // Again, as after a crash: nothing is doubled.
            engine.mark_repaired(now).unwrap();
            assert_eq!(texts(&mut engine, now).len(), 1);
        }
    }
}
