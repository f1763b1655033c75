//! KeyPackages that contacts have given each other to be added to groups while they are away: used
//! once, given anew now and then, and not used when they are old (protocol §7.3.4).
//!
//! No clock decides whether a commit is valid. Who adds somebody judges by the own clock how old a
//! KeyPackage is, and who made it keeps its private half for long enough after that.

use sori_mls::{AccountId, Conversation};

use crate::engine::Engine;
use crate::error::Error;
use crate::table;
use crate::time::{DAY_MS, Day, Time};

/// After so many days contacts get new ones.
const GIVEN_AGAIN_DAYS: u32 = 30;
/// One that was given so many days ago is not used any more.
const USED_DAYS_MAX: u32 = 90;
/// After so many days the private half goes. A Welcome waits 30 days at most, and clocks differ.
const KEPT_DAYS_MAX: u32 = 150;
/// New ones are given within so many milliseconds after it is time to, so that not everybody does
/// so at midnight.
const GIVEN_WITHIN_MS: u64 = 3_600_000;

impl Engine {
    /// Today, or yesterday.
    pub(crate) fn about_today(&self) -> Day {
        self.day_change.minus_ms(DAY_MS).day()
    }

    /// One of the KeyPackages that a contact gave to be added to groups with, the newest one.
    pub(crate) fn spare_key_package(&mut self, account: &AccountId) -> Result<Vec<u8>, Error> {
        let oldest = Day(self.about_today().0.saturating_sub(USED_DAYS_MAX));
        let contact = self.contacts.get(account).cloned();
        let mut contact = contact.ok_or(Error::NoKeyPackage)?;
        contact.key_packages.retain(|spare| spare.since >= oldest);
        let spare = contact.key_packages.pop();
        self.save_contact(contact)?;
        Ok(spare.ok_or(Error::NoKeyPackage)?.bytes)
    }

    /// Destroys private halves that are too old, and plans to give new KeyPackages to contacts who
    /// have had theirs for long.
    pub(crate) fn refresh_key_packages(&mut self, now: Time) -> Result<(), Error> {
        let ago = |days: u32| Day(now.day().0.saturating_sub(days));
        let old = self.key_packages.iter();
        let old = old.filter(|(_, package)| package.since < ago(KEPT_DAYS_MAX));
        for number in old.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.key_packages.remove(&number);
            self.delete(table::KEY_PACKAGE, &table::one(number))?;
        }
        let due = self.contacts.values();
        let due = due.filter(|contact| contact.given <= ago(GIVEN_AGAIN_DAYS));
        let mut owed = Vec::new();
        for account in due.map(|contact| contact.account).collect::<Vec<_>>() {
            if self.shares_conversation(&account)? {
                owed.push(account);
            }
        }
        for account in &owed {
            if let Some(mut contact) = self.contacts.get(account).cloned() {
                contact.given = now.day();
                self.save_contact(contact)?;
            }
        }
        let within = self.below(GIVEN_WITHIN_MS);
        self.owe_key_packages(owed, now.plus_ms(within))
    }

    /// Whether there is a conversation of two with somebody.
    fn shares_conversation(&mut self, account: &AccountId) -> Result<bool, Error> {
        let Some(id) = self.shared_group(account)? else {
            return Ok(false);
        };
        self.with_group(id, |engine, group| {
            Ok(engine.group_data(group)?.direct == Conversation::Direct)
        })
    }
}
