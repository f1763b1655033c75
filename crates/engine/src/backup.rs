//! What of a profile goes into a backup, and how a profile is made of one again.
//!
//! ```text
//!  head        format, time, how much there is
//!  log         of each channel, page by page: what was not handed over yet is not lost with the device
//!  messages    of each group, page by page: the only truth about a timeline
//!  the rest    account, contacts, channels, groups: in one step, so that they fit each other
//! ```
//!
//! The rest comes last because it has to know everything that the pages name. Not in it: MLS states,
//! commits and KeyPackages, for keys that are used on two devices are used twice ([`Engine::mark_restored`]);
//! invites and joins, which live a day; and what is derived from messages, which is derived again.

mod restore;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use sori_mls::GroupId;
use sori_store::Table;
use sori_store::backup::BackupRecord;
use zeroize::Zeroizing;

use crate::engine::Engine;
use crate::error::Error;
use crate::record::{self, ContactRecord};
use crate::table;
use crate::time::Time;

pub use restore::{Restore, RestoreProgress};

/// The version of what is in the records. Readers refuse others.
const FORMAT: u16 = 1;
/// The number of the head's table; no table of the store has it.
const HEAD: u8 = 0;
/// Bits of a number that count within a page of 256.
const PAGE_BITS: u32 = 8;

/// The first record of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    format: u16,
    /// Milliseconds since the Unix epoch.
    made_at: u64,
    groups: u32,
    /// Messages, about: those that are gone by themselves are counted, too.
    messages: u64,
}

/// A backup being made: what is still to be read.
#[derive(Debug)]
pub struct Backup {
    parts: VecDeque<Part>,
    done: u64,
    total: u64,
}

#[derive(Debug)]
enum Part {
    Head(Head),
    Log { channel: u32, page: u64 },
    Messages { group: GroupId, page: u64 },
    Rest,
}

impl Backup {
    /// Messages read so far, and messages in all.
    #[must_use]
    pub const fn progress(&self) -> (u64, u64) {
        (self.done, self.total)
    }
}

impl Engine {
    /// Begins a backup of what there is. Nothing is read yet.
    ///
    /// # Errors
    /// [`Error::NoAccount`].
    pub fn backup(&self, now: Time) -> Result<Backup, Error> {
        self.me()?;
        let total = (self.groups.values()).fold(0_u64, |sum, group| {
            sum.saturating_add(group.cursor.next_message)
        });
        let head = Head {
            format: FORMAT,
            made_at: now.unix_ms(),
            groups: u32::try_from(self.groups.len()).unwrap_or(u32::MAX),
            messages: total,
        };
        let logs = (self.channels.keys()).map(|channel| Part::Log {
            channel: *channel,
            page: 0,
        });
        let messages = (self.groups.keys()).map(|group| Part::Messages {
            group: *group,
            page: 0,
        });
        let parts = [Part::Head(head)].into_iter().chain(logs).chain(messages);
        Ok(Backup {
            parts: parts.chain([Part::Rest]).collect(),
            done: 0,
            total,
        })
    }

    /// The next records of a backup, at most a page of messages or log, or all that is small; `None` when
    /// everything was read. What happens between two calls may be in it or not.
    ///
    /// # Errors
    /// Trouble with the store.
    pub fn backup_next(&self, backup: &mut Backup) -> Result<Option<Vec<BackupRecord>>, Error> {
        let Some(part) = backup.parts.pop_front() else {
            return Ok(None);
        };
        let records = match part {
            Part::Head(head) => vec![record_of(HEAD, Vec::new(), record::encode(&head)?)],
            Part::Log { channel, page } => {
                let end = self.channels.get(&channel).map_or(0, |held| held.log.next);
                if first_of(page.saturating_add(1)) < end {
                    let page = page.saturating_add(1);
                    backup.parts.push_front(Part::Log { channel, page });
                }
                self.log_page(channel, page)?
            }
            Part::Messages { group, page } => {
                let Some(held) = self.groups.get(&group) else {
                    return Ok(Some(Vec::new()));
                };
                let end = held.cursor.next_message;
                let next = page.saturating_add(1);
                backup.done = backup
                    .done
                    .saturating_add(first_of(next).min(end).saturating_sub(first_of(page)));
                if first_of(next) < end {
                    backup
                        .parts
                        .push_front(Part::Messages { group, page: next });
                }
                self.page_of_table(table::MESSAGE, held.record.number, page)?
            }
            Part::Rest => self.rest()?,
        };
        Ok(Some(records))
    }

    /// Each entry, and right after it its bytes.
    fn log_page(&self, channel: u32, page: u64) -> Result<Vec<BackupRecord>, Error> {
        let mut records = self.page_of_table(table::LOG, channel, page)?;
        records.extend(self.page_of_table(table::SEALED, channel, page)?);
        records.sort_by(|a, b| (&a.key, a.table).cmp(&(&b.key, b.table)));
        Ok(records)
    }

    fn page_of_table(
        &self,
        table: Table,
        owner: u32,
        page: u64,
    ) -> Result<Vec<BackupRecord>, Error> {
        let key = table::of(owner, first_of(page));
        let prefix = key.split_last().map_or(&[][..], |(_, prefix)| prefix);
        self.rows_of(table, prefix)
    }

    fn rows_of(&self, table: Table, prefix: &[u8]) -> Result<Vec<BackupRecord>, Error> {
        let rows = self.store.range(table, prefix)?.into_iter();
        Ok(rows
            .map(|(key, value)| record_of(table.number(), key, value))
            .collect())
    }

    fn rest(&self) -> Result<Vec<BackupRecord>, Error> {
        let mut records = Vec::new();
        for table in [
            table::ACCOUNT,
            table::ARRANGEMENT,
            table::ATTENTION,
            table::CHANNEL,
            table::GROUP,
            table::CURSOR,
            table::PINS,
            table::RESYNC,
        ] {
            records.extend(self.rows_of(table, &[])?);
        }
        for contact in self.contacts.values() {
            // By the time of restoring they may be used up, and nobody can come in by one that is.
            let contact = ContactRecord {
                key_packages: Vec::new(),
                ..contact.clone()
            };
            let key = table::one(contact.number).to_vec();
            records.push(record_of(
                table::CONTACT.number(),
                key,
                record::encode(&contact)?,
            ));
        }
        Ok(records)
    }
}

/// The number of the first thing in a page.
const fn first_of(page: u64) -> u64 {
    page << PAGE_BITS
}

const fn record_of(table: u8, key: Vec<u8>, value: Zeroizing<Vec<u8>>) -> BackupRecord {
    BackupRecord { table, key, value }
}
