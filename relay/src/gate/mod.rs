//! Who may begin a connection: counted by address prefix, forgotten as soon as it can be.
//!
//! No address is in here. A prefix has an entry while connections from it are open or its handshakes
//! are still counted, which is some seconds after the last one.

mod prefix;

use std::collections::BTreeMap;
use std::hash::RandomState;
use std::net::IpAddr;

use crate::bucket::Bucket;
use crate::settings::{Limits, Rate};
use crate::time::Time;
use prefix::{PrefixTag, Prefixes};

/// Admission to a relay, shared by all shards. No I/O, no clock.
#[derive(Debug)]
pub(crate) struct Gate {
    limits: Limits,
    salt: RandomState,
    prefixes: BTreeMap<PrefixTag, Entry>,
    connections: usize,
    unproven: Bucket,
}

/// Whether an address has shown that it receives what is sent to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Proven,
    Unproven,
}

/// What to do with whoever comes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Let it in; [`Gate::handle_departure`] takes the pass back.
    Admit(Pass),
    /// There are as many connections as there may be, in all or from there.
    Full,
    /// Too many have come from there: pass over it without an answer. It will try again.
    PassOver,
    /// Ask it to show that it receives what is sent to it.
    Prove,
}

/// A place that was taken. Not `Clone`: it is given back once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pass(Prefixes);

#[derive(Clone, Copy, Debug)]
struct Entry {
    connections: usize,
    handshakes: Bucket,
    width: Width,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Width {
    Narrow,
    Wide,
}

impl Gate {
    pub(crate) fn new(limits: Limits, now: Time) -> Self {
        Self {
            limits,
            salt: RandomState::new(),
            prefixes: BTreeMap::new(),
            connections: 0,
            unproven: Bucket::full(limits.handshakes_unproven, now),
        }
    }

    /// Somebody begins a connection.
    pub(crate) fn handle_arrival(&mut self, from: IpAddr, address: Address, now: Time) -> Verdict {
        if self.connections >= self.limits.connections_max {
            return Verdict::Full;
        }
        let prefixes = Prefixes::of(from, &self.salt);
        if address == Address::Unproven && !self.takes_unproven(prefixes, now) {
            return Verdict::Prove;
        }
        let new = prefixes
            .each()
            .filter(|(tag, _)| !self.prefixes.contains_key(tag));
        if self.prefixes.len().saturating_add(new.count()) > PREFIXES_MAX {
            return Verdict::PassOver;
        }
        if prefixes.each().any(|(tag, width)| self.is_full(tag, width)) {
            return Verdict::Full;
        }
        // Narrow first: what it refuses must not use up the wide one.
        if !prefixes
            .each()
            .all(|(tag, width)| self.takes_handshake(tag, width, now))
        {
            return Verdict::PassOver;
        }
        for (tag, _) in prefixes.each() {
            if let Some(entry) = self.prefixes.get_mut(&tag) {
                entry.connections = entry.connections.saturating_add(1);
            }
        }
        self.connections = self.connections.saturating_add(1);
        Verdict::Admit(Pass(prefixes))
    }

    /// A connection that was let in is over, or never came to be.
    pub(crate) fn handle_departure(&mut self, pass: Pass, now: Time) {
        let Pass(prefixes) = pass;
        self.connections = self.connections.saturating_sub(1);
        for (tag, _) in prefixes.each() {
            if let Some(entry) = self.prefixes.get_mut(&tag) {
                entry.connections = entry.connections.saturating_sub(1);
                if entry.is_idle(&self.limits, now) {
                    self.prefixes.remove(&tag);
                }
            }
        }
    }

    /// Forgets prefixes that have nothing more to count. To be called now and then.
    pub(crate) fn handle_timeout(&mut self, now: Time) {
        let limits = &self.limits;
        self.prefixes.retain(|_, entry| !entry.is_idle(limits, now));
    }

    #[cfg(test)]
    pub(crate) fn prefix_count(&self) -> usize {
        self.prefixes.len()
    }

    /// Unproven addresses may be forged: they get few places, and never the second half of what a
    /// prefix has, so that nobody can use up what belongs to somebody else.
    fn takes_unproven(&mut self, prefixes: Prefixes, now: Time) -> bool {
        let limits = &self.limits;
        let low = prefixes.each().any(|(tag, width)| {
            self.prefixes
                .get_mut(&tag)
                .is_some_and(|entry| entry.handshakes.is_low(width.handshakes(limits), now))
        });
        !low && self.unproven.take(1, self.limits.handshakes_unproven, now)
    }

    fn is_full(&self, tag: PrefixTag, width: Width) -> bool {
        self.prefixes.get(&tag).is_some_and(|entry| {
            entry.connections
                >= self
                    .limits
                    .connections_per_prefix_max
                    .saturating_mul(width.factor_usize())
        })
    }

    fn takes_handshake(&mut self, tag: PrefixTag, width: Width, now: Time) -> bool {
        let rate = width.handshakes(&self.limits);
        let entry = self.prefixes.entry(tag).or_insert_with(|| Entry {
            connections: 0,
            handshakes: Bucket::full(rate, now),
            width,
        });
        entry.handshakes.take(1, rate, now)
    }
}

impl Prefixes {
    fn each(self) -> impl Iterator<Item = (PrefixTag, Width)> {
        let wide = self.wide.map(|tag| (tag, Width::Wide));
        std::iter::once((self.narrow, Width::Narrow)).chain(wide)
    }
}

impl Entry {
    fn is_idle(&mut self, limits: &Limits, now: Time) -> bool {
        self.connections == 0 && self.handshakes.is_full(self.width.handshakes(limits), now)
    }
}

impl Width {
    fn handshakes(self, limits: &Limits) -> Rate {
        let rate = limits.handshakes_per_prefix;
        Rate {
            burst: rate.burst.saturating_mul(self.factor()),
            per_second: rate.per_second.saturating_mul(self.factor()),
        }
    }

    /// How many times a narrow prefix' share a prefix of this width gets.
    const fn factor(self) -> u64 {
        match self {
            Self::Narrow => 1,
            Self::Wide => WIDE_FACTOR,
        }
    }

    fn factor_usize(self) -> usize {
        usize::try_from(self.factor()).unwrap_or(usize::MAX)
    }
}

/// What a /48 of IPv6 gets, in shares of a /56.
const WIDE_FACTOR: u64 = 4;

/// Most prefixes that are counted at a time: some MiB.
pub(crate) const PREFIXES_MAX: usize = 65_536;

#[cfg(test)]
mod tests;
