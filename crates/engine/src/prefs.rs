//! What a person has chosen for this device alone: whether others are told what was read and who is writing, which
//! conversations are muted, whose messages are hidden, and how much of the logs is kept, how long.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sori_mls::{AccountId, GroupId};

use crate::channel::LOG_DAYS;
use crate::engine::Engine;
use crate::error::Error;
use crate::group::Group;
use crate::messages::parse_group;
use crate::table;
use crate::time::Time;
use crate::view::{PersonView, SettingsView};

/// Most accounts that can be blocked.
const BLOCKED_MAX: usize = 4096;
/// Least days for which logs are kept. What a member wrote offline and brings later than that does not reach this device.
const LOG_DAYS_MIN: u32 = 7;

/// The choices, one record.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct PrefsRecord {
    /// Whether members are told which of their messages were read here.
    pub(crate) read_receipts: bool,
    /// Accounts whose messages are hidden on this device.
    pub(crate) blocked: BTreeSet<AccountId>,
    pub(crate) groups: BTreeMap<GroupId, GroupPrefs>,
    /// Most MiB of logs to keep for others; zero for no bound.
    pub(crate) log_mib: u32,
    /// For how many days to keep logs; zero for [`LOG_DAYS`].
    pub(crate) log_days: u32,
    /// Whether members are told that the person is writing, and this device is told of them.
    pub(crate) typing: bool,
}

/// What was chosen for one conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GroupPrefs {
    pub(crate) muted: bool,
    /// In place of the general choice.
    pub(crate) read_receipts: Option<bool>,
}

impl PrefsRecord {
    /// What was chosen for a conversation.
    pub(crate) fn of(&self, group: &GroupId) -> GroupPrefs {
        self.groups.get(group).copied().unwrap_or_default()
    }

    /// Most bytes of logs to keep.
    pub(crate) fn log_len_max(&self) -> Option<u64> {
        let len = u64::from(self.log_mib).saturating_mul(1024 * 1024);
        (self.log_mib > 0).then_some(len)
    }

    /// For how many days logs are kept.
    pub(crate) const fn log_days(&self) -> u32 {
        match self.log_days {
            0 => LOG_DAYS,
            days => days,
        }
    }

    /// Whether the members of a conversation are told what was read.
    pub(crate) fn tells_reading(&self, group: &GroupId) -> bool {
        self.of(group).read_receipts.unwrap_or(self.read_receipts)
    }
}

impl Engine {
    pub(crate) fn load_prefs(&mut self) -> Result<(), Error> {
        let prefs = self.get(table::ACCOUNT, &table::PREFS)?;
        self.prefs = prefs.unwrap_or_default();
        Ok(())
    }

    fn change_prefs(
        &mut self,
        change: impl FnOnce(&mut PrefsRecord) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut prefs = self.prefs.clone();
        change(&mut prefs)?;
        prefs
            .groups
            .retain(|_, chosen| *chosen != GroupPrefs::default());
        self.atomically(|engine| {
            engine.put(table::ACCOUNT, &table::PREFS, &prefs)?;
            engine.prefs = prefs;
            Ok(())
        })
    }

    /// What was chosen for this device.
    ///
    /// # Errors
    /// Trouble with the store.
    pub fn settings(&self) -> Result<SettingsView, Error> {
        Ok(SettingsView {
            read_receipts: self.prefs.read_receipts,
            log_mib: self.prefs.log_mib,
            log_days: self.prefs.log_days(),
            typing: self.prefs.typing,
        })
    }

    /// Chooses whether members are told which of their messages were read here.
    ///
    /// # Errors
    /// Trouble with the store.
    pub fn settings_read_receipts(&mut self, told: bool, _now: Time) -> Result<(), Error> {
        self.change_prefs(|prefs| {
            prefs.read_receipts = told;
            Ok(())
        })?;
        self.drop_reads()
    }

    /// Chooses whether members are told that the person is writing, and are heard when they tell.
    ///
    /// # Errors
    /// Trouble with the store.
    pub fn settings_typing(&mut self, told: bool, _now: Time) -> Result<(), Error> {
        self.change_prefs(|prefs| {
            prefs.typing = told;
            Ok(())
        })
    }

    /// Chooses how many MiB of logs are kept for members who are away; zero for no bound. What is
    /// too much goes by whole days, the oldest first, never today's.
    ///
    /// # Errors
    /// Trouble with the store.
    pub fn settings_log(&mut self, mib: u32, now: Time) -> Result<(), Error> {
        self.change_prefs(|prefs| {
            prefs.log_mib = mib;
            Ok(())
        })?;
        self.atomically(|engine| engine.prune_logs(now))
    }

    /// Chooses for how many days logs are kept for members who are away, 7 to 30. What is older goes by whole days, the
    /// oldest first, where another member is known to hold the same: the only copy stays for 30 days.
    ///
    /// # Errors
    /// [`Error::OutOfBounds`]; trouble with the store.
    pub fn settings_log_days(&mut self, days: u32, now: Time) -> Result<(), Error> {
        if !(LOG_DAYS_MIN..=LOG_DAYS).contains(&days) {
            return Err(Error::OutOfBounds {
                what: "the number of days",
                bounds: "from 7 to 30",
            });
        }
        self.change_prefs(|prefs| {
            prefs.log_days = days;
            Ok(())
        })?;
        self.atomically(|engine| engine.prune_logs(now))
    }

    /// Chooses for one conversation whether its members are told what was read; `None`: as everywhere.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn group_read_receipts(
        &mut self,
        group: &str,
        told: Option<bool>,
        _now: Time,
    ) -> Result<(), Error> {
        let id = self.known_group(group)?;
        self.change_prefs(|prefs| {
            prefs.groups.entry(id).or_default().read_receipts = told;
            Ok(())
        })?;
        self.drop_reads()?;
        self.tell_group_changed(&id);
        Ok(())
    }

    /// Notes whether a conversation is muted at all.
    pub(crate) fn mute(&mut self, group: GroupId, muted: bool) -> Result<(), Error> {
        self.change_prefs(|prefs| {
            prefs.groups.entry(group).or_default().muted = muted;
            Ok(())
        })
    }

    /// Hides the messages of an account on this device, in all groups, or shows them again.
    /// Nobody is told, and nothing is deleted.
    ///
    /// # Errors
    /// [`Error::NotFound`] for what is no account, or the own one; [`Error::OutOfBounds`].
    pub fn member_block(&mut self, id: &str, blocked: bool, _now: Time) -> Result<(), Error> {
        let account: AccountId = id.parse().map_err(|_| Error::NotFound("member"))?;
        if account == self.me()?.id {
            return Err(Error::NotFound("member"));
        }
        self.change_prefs(|prefs| {
            if !blocked {
                prefs.blocked.remove(&account);
                return Ok(());
            }
            if prefs.blocked.len() >= BLOCKED_MAX {
                return Err(Error::OutOfBounds {
                    what: "blocked people",
                    bounds: "at most 4096",
                });
            }
            prefs.blocked.insert(account);
            Ok(())
        })?;
        let ids: Vec<GroupId> = self.groups.keys().copied().collect();
        for id in ids {
            self.tell_group_changed(&id);
        }
        Ok(())
    }

    /// Everybody whose messages are hidden here.
    ///
    /// # Errors
    /// Trouble with the store.
    pub fn blocked_list(&self) -> Result<Vec<PersonView>, Error> {
        let view = |account: &AccountId| PersonView {
            id: account.to_string(),
            name: self.name_anywhere(account),
            read: false,
        };
        Ok(self.prefs.blocked.iter().map(view).collect())
    }

    /// Whether messages of an account are hidden on this device.
    pub(crate) fn is_blocked(&self, account: &AccountId) -> bool {
        self.prefs.blocked.contains(account)
    }

    fn name_anywhere(&self, account: &AccountId) -> String {
        let contact = self.contacts.get(account);
        let contact = contact.map(|contact| contact.name.clone());
        let mut told = self.groups.values();
        contact
            .or_else(|| told.find_map(|group| group.record.names.get(account).cloned()))
            .unwrap_or_else(|| account.to_string().chars().take(8).collect())
    }

    /// Forgets what was to be told about reading where it is not to be told any more.
    fn drop_reads(&mut self) -> Result<(), Error> {
        let silent = |group: &Group| {
            !group.cursor.reads.is_empty() && !self.prefs.tells_reading(&group.record.id)
        };
        let ids: Vec<GroupId> = (self.groups.values().filter(|group| silent(group)))
            .map(|group| group.record.id)
            .collect();
        self.atomically(|engine| {
            for id in ids {
                engine.with_group(id, |engine, group| {
                    group.cursor.reads.clear();
                    engine.save_cursor(group)
                })?;
            }
            Ok(())
        })
    }

    fn known_group(&self, group: &str) -> Result<GroupId, Error> {
        let id = parse_group(group)?;
        match self.groups.contains_key(&id) {
            true => Ok(id),
            false => Err(Error::NotFound("group")),
        }
    }

    fn tell_group_changed(&mut self, id: &GroupId) {
        self.event(crate::view::Event::GroupChanged {
            group: id.to_string(),
        });
    }
}
