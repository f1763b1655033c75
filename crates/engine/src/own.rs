//! The conversation with oneself: a group of one, for notes and files.

use sori_mls::{Conversation, GroupId};

use crate::engine::Engine;
use crate::error::Error;
use crate::group::Group;
use crate::record::Standing;
use crate::table;
use crate::time::Time;

impl Engine {
    /// The id of the conversation with oneself. It is made if there is none yet, or if it is none any more because
    /// somebody else came in.
    ///
    /// # Errors
    /// [`Error::NoAccount`], [`Error::NoRelay`], trouble with the store.
    pub fn group_own(&mut self, now: Time) -> Result<String, Error> {
        self.atomically(|engine| {
            if let Some(id) = engine.own {
                let is_own = engine.groups.contains_key(&id)
                    && engine.with_group(id, |engine, group| engine.is_own(group))?;
                if is_own {
                    return Ok(id.to_string());
                }
            }
            let name = engine.me()?.record.name.clone();
            let id = engine.new_group(name, Conversation::Group, now)?;
            engine.put(table::ACCOUNT, &table::OWN, &id)?;
            engine.own = Some(id);
            Ok(id.to_string())
        })
    }

    /// Whether it is the conversation with oneself.
    pub(crate) fn is_own(&self, group: &mut Group) -> Result<bool, Error> {
        Ok(self.own == Some(group.record.id)
            && group.record.standing == Standing::Active
            && self.accounts(group)?.len() == 1)
    }

    pub(crate) fn load_own(&mut self) -> Result<(), Error> {
        self.own = self.get::<GroupId>(table::ACCOUNT, &table::OWN)?;
        Ok(())
    }
}
