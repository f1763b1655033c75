//! When envelopes leave the logs (protocol §4.3.2): a day of a channel goes when every member is
//! known to hold all of it, when it is too old, or when the logs are larger or older than the person wants.
//!
//! ```text
//!  days of a channel   … │ 20,771 │ 20,772 │ 20,773 │ today
//!                      gone ──────┤ floor  └─ held: who is known to hold the very same
//! ```
//!
//! Days go from the oldest on, so that one number, the floor, says what is no longer kept. It stands
//! in every hello, and two members compare and exchange only what both keep: nobody brings back
//! what another one has let go of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sori_mls::{AccountId, GroupId};

use crate::channel::{CLOCK_SKEW_MS, LOG_DAYS};
use crate::engine::Engine;
use crate::error::Error;
use crate::group::Group;
use crate::prints::Prints;
use crate::receipts::{add_holder, has_holder};
use crate::record::PendingRecord;
use crate::table;
use crate::time::{Day, Time};

/// Who holds a day of a channel.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct HeldRecord {
    /// What the day is in short. If it is another one by now, nobody is known to hold it.
    digest: [u8; 32],
    /// Bits over the roster.
    holders: Vec<u8>,
}

/// The first day of which more may come from members whose clocks go slow.
pub(crate) fn today(now: Time) -> Day {
    now.minus_ms(CLOCK_SKEW_MS.saturating_mul(2)).day()
}

impl Engine {
    /// Notes which of the days that are over a member holds, by its hello.
    pub(crate) fn note_days_held(
        &mut self,
        channel: u32,
        group: &mut Group,
        account: &AccountId,
        (past, theirs): (&Prints, &Prints),
    ) -> Result<(), Error> {
        let place = group.roster_index(account);
        for print in &past.days {
            // What a member does not keep any more it knew everybody to hold.
            let holds = print.day < theirs.floor || theirs.digest(print.day) == Some(print.digest);
            if !holds {
                continue;
            }
            let key = table::held(channel, print.day);
            let record: Option<HeldRecord> = self.get(table::HELD, &key)?;
            let mut record = record
                .filter(|known| known.digest == print.digest)
                .unwrap_or_else(|| HeldRecord {
                    digest: print.digest,
                    holders: Vec::new(),
                });
            if add_holder(&mut record.holders, place) {
                self.put(table::HELD, &key, &record)?;
            }
        }
        Ok(())
    }

    /// Lets go of the days that every member holds, from the oldest on.
    pub(crate) fn prune_held(
        &mut self,
        channel: u32,
        group: &mut Group,
        past: &Prints,
    ) -> Result<(), Error> {
        if past.days.is_empty() {
            return Ok(());
        }
        if group.is_stateless() || !self.is_settled_channel(channel, group)? {
            return Ok(());
        }
        let me = self.me()?.id;
        let accounts = self.accounts(group)?;
        let mut others = Vec::new();
        for account in accounts.iter().filter(|account| **account != me) {
            others.push(group.roster_index(account));
        }
        if others.is_empty() {
            return Ok(());
        }
        for print in &past.days {
            let record: Option<HeldRecord> =
                self.get(table::HELD, &table::held(channel, print.day))?;
            let record = record.filter(|known| known.digest == print.digest);
            let held = record.is_some_and(|known| {
                others
                    .iter()
                    .all(|place| has_holder(&known.holders, *place))
            });
            if !held {
                break;
            }
            let mut given_up = BTreeMap::new();
            self.raise_floor(channel, Day(print.day.0.saturating_add(1)), &mut given_up)?;
            for message in given_up.into_values().flatten() {
                self.wait_for_nobody_outside(group, message)?;
            }
        }
        Ok(())
    }

    /// Whether no removal that made a channel, or gave it up, can lose any more: else what passed
    /// there may have to be carried over to another one (protocol §4.1.6).
    fn is_settled_channel(&self, channel: u32, group: &Group) -> Result<bool, Error> {
        let Some(held) = self.channels.get(&channel) else {
            return Ok(false);
        };
        let anchor = group.channel_of(&group.anchor()?)?;
        let on_path = group.record.path.iter();
        let on_path = on_path.filter_map(|state| group.record.states.get(state));
        let used = on_path.into_iter().any(|state| state.channel == channel);
        Ok(channel == anchor || (held.record.superseded.is_some() && !held.record.lost && !used))
    }

    /// Forgets what everybody had [`LOG_DAYS`] to fetch, and more if the logs are too large.
    pub(crate) fn prune_logs(&mut self, now: Time) -> Result<(), Error> {
        let kept = match sori_mls::broken!("prune before all have it") {
            true => 0,
            false => LOG_DAYS,
        };
        let oldest = Day(now.day().0.saturating_sub(kept));
        for (key, bytes) in self.store.range(table::CHUNK, &[])? {
            let (day, _): (Day, Vec<u8>) = crate::record::decode(&bytes)?;
            if day < oldest {
                self.delete(table::CHUNK, &key)?;
            }
        }
        // What waits for a state stays longer than its bytes in a log that everybody has.
        for (key, bytes) in self.store.range(table::PENDING, &[])? {
            let pending: PendingRecord = crate::record::decode(&bytes)?;
            if pending.day < oldest {
                self.delete(table::PENDING, &key)?;
            }
        }
        let numbers: Vec<u32> = self.channels.keys().copied().collect();
        let mut given_up = BTreeMap::new();
        for number in numbers {
            self.drop_days_before(number, oldest, &mut given_up)?;
            if let Some(next) = self.aged(number, now)? {
                self.raise_floor(number, next, &mut given_up)?;
            }
            if let Some(held) = self.channels.get_mut(&number) {
                held.log.floor = held.log.floor.max(oldest).max(held.record.pruned);
            }
        }
        while let Some((number, next)) = self.day_too_much(now) {
            self.raise_floor(number, next, &mut given_up)?;
        }
        self.tell_undelivered(given_up, now)
    }

    /// The day after those of a channel that are older than the person wants and that somebody else is known to hold
    /// as they are here, from the oldest on.
    fn aged(&self, channel: u32, now: Time) -> Result<Option<Day>, Error> {
        let wanted = Day(now.day().0.saturating_sub(self.prefs.log_days()));
        let Some(held) = self.channels.get(&channel) else {
            return Ok(None);
        };
        // Nearly always there is nothing so old.
        if held.log.first_day().is_none_or(|first| first >= wanted) {
            return Ok(None);
        }
        let mut next = None;
        for print in held.log.prints().days {
            if print.day >= wanted {
                break;
            }
            let record: Option<HeldRecord> =
                self.get(table::HELD, &table::held(channel, print.day))?;
            let record = record.filter(|known| known.digest == print.digest);
            if !record.is_some_and(|known| known.holders.iter().any(|bits| *bits != 0)) {
                break;
            }
            next = Some(Day(print.day.0.saturating_add(1)));
        }
        Ok(next)
    }

    /// A channel with the oldest of all days, and the day after it, if the logs are larger than
    /// the person wants. Today always stays.
    fn day_too_much(&self, now: Time) -> Option<(u32, Day)> {
        let most = self.prefs.log_len_max()?;
        let sizes = self.channels.values().map(|held| held.log.bytes());
        if sizes.fold(0, u64::saturating_add) <= most {
            return None;
        }
        let oldest = self.channels.iter();
        let oldest = oldest.filter_map(|(number, held)| Some((held.log.first_day()?, *number)));
        let (day, number) = oldest.min()?;
        (day < now.day()).then(|| (number, Day(day.0.saturating_add(1))))
    }

    /// Keeps nothing of a channel that is of an earlier day. `given_up` as with [`Engine::drop_days_before`].
    fn raise_floor(
        &mut self,
        channel: u32,
        floor: Day,
        given_up: &mut BTreeMap<GroupId, Vec<u64>>,
    ) -> Result<(), Error> {
        self.drop_days_before(channel, floor, given_up)?;
        let Some(held) = self.channels.get_mut(&channel) else {
            return Ok(());
        };
        held.log.floor = held.log.floor.max(floor);
        held.record.pruned = held.record.pruned.max(floor);
        self.save_channel(channel)
    }

    /// `given_up`: own messages that not everybody is known to hold, by their groups.
    fn drop_days_before(
        &mut self,
        channel: u32,
        floor: Day,
        given_up: &mut BTreeMap<GroupId, Vec<u64>>,
    ) -> Result<(), Error> {
        let Some(held) = self.channels.get(&channel) else {
            return Ok(());
        };
        let doomed = held.log.older_than(floor);
        for (id, sequence) in doomed {
            let key = table::of(channel, sequence);
            if let Some((group, message)) = self.still_open(channel, sequence)? {
                given_up.entry(group).or_default().push(message);
            }
            self.delete(table::LOG, &key)?;
            self.delete(table::SEALED, &key)?;
            if let Some(held) = self.channels.get_mut(&channel) {
                held.log.remove(&id);
            }
        }
        let mut past = Vec::new();
        for (key, _) in self.store.range(table::HELD, &table::one(channel))? {
            if key.as_slice() < table::held(channel, floor).as_slice() {
                past.push(key);
            }
        }
        for key in past {
            self.delete(table::HELD, &key)?;
        }
        Ok(())
    }
}
