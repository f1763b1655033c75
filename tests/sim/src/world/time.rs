//! The clock that only moves when the test moves it.

use super::{Happening, RELAY_TICK_MS, World};
use crate::relay::Said;

impl World {
    /// Lets time pass.
    pub fn run(&mut self, ms: u64) {
        self.run_to(self.now + ms);
    }

    /// Lets time pass until a time.
    pub fn run_to(&mut self, end: u64) {
        while self.step(end) {}
        self.now = self.now.max(end);
    }

    /// Lets time pass until something holds; fails after `ms`.
    pub fn until(&mut self, ms: u64, what: &str, holds: impl FnMut(&mut Self) -> bool) {
        let holds = self.within(ms, 100, holds);
        assert!(
            holds.is_some(),
            "not within {ms} ms: {what} (seed {})",
            self.seed
        );
    }

    /// Lets time pass until something holds, asked every `slice` milliseconds; after how long it did, or `None`
    /// after `ms`.
    pub fn within(
        &mut self,
        ms: u64,
        slice: u64,
        mut holds: impl FnMut(&mut Self) -> bool,
    ) -> Option<u64> {
        let (begin, end) = (self.now, self.now + ms);
        let mut news = true;
        loop {
            // Nothing can have begun to hold if nothing has happened.
            if std::mem::take(&mut news) && holds(self) {
                return Some(self.now - begin);
            }
            let slice = (self.now + slice).min(end);
            while self.step(slice) {
                news = true;
            }
            self.now = slice;
            if self.now >= end {
                return None;
            }
        }
    }

    /// The next thing that happens before `end`.
    pub(super) fn step(&mut self, end: u64) -> bool {
        let arrival = self.queue.keys().next().map(|(at, _)| *at);
        let timer = self.timers.first().map(|(at, _)| (*at).max(self.now));
        let tick = self.relay.is_some().then_some(self.relay_tick);
        let next = [arrival, timer, tick].into_iter().flatten().min();
        let Some(next) = next.filter(|at| *at <= end) else {
            return false;
        };
        self.now = self.now.max(next);
        if arrival == Some(next) {
            let (_, (who, happening)) = self.queue.pop_first().unwrap();
            self.happen(who, happening);
        } else if timer == Some(next) {
            let (_, who) = self.timers.first().copied().unwrap();
            self.ring(who);
            let now = self.time(who);
            let engine = self.people[who].engine.as_mut().unwrap();
            match engine.handle_timeout(now) {
                Ok(()) => self.flush(who),
                Err(error) => self.fail(who, &error),
            }
        } else {
            self.relay_tick = self.now + RELAY_TICK_MS;
            if let Some(relay) = &mut self.relay {
                relay.timeout(self.now);
            }
            self.listen();
        }
        true
    }

    pub(super) fn ring(&mut self, who: usize) {
        let second = self.now / 1000;
        let person = &mut self.people[who];
        let times = match person.rang {
            (last, times) if last == second => times + 1,
            _ => 1,
        };
        person.rang = (second, times);
        person.rang_most = person.rang_most.max(times);
    }

    pub(super) fn happen(&mut self, who: usize, happening: Happening) {
        let (now, url) = (self.time(who), self.url.clone());
        let current = self.people[who].connection;
        if let Happening::Said(_, Said::Gap(topic)) = &happening {
            self.gaps.remove(&(who, *topic));
        }
        if matches!(happening, Happening::Resume) {
            let said = (self.relay.as_mut()).map_or_else(Vec::new, |r| r.resume(who, self.now));
            for (who, said) in said {
                self.send(who, said);
            }
            return;
        }
        let Some(engine) = self.people[who].engine.as_mut() else {
            return;
        };
        let done = match happening {
            Happening::Connected(connection) | Happening::Said(connection, _)
                if connection != current =>
            {
                return;
            }
            Happening::Connected(_) => engine.handle_connected(&url, now),
            Happening::Disconnected => engine.handle_disconnected(&url, now),
            Happening::Unreachable(relay) => engine.handle_disconnected(&relay, now),
            Happening::Said(_, Said::Attached(topic)) => engine.handle_attached(&url, topic, now),
            Happening::Said(_, Said::Refused(topic, reason)) => {
                engine.handle_refused(&url, topic, reason, now)
            }
            Happening::Said(_, Said::Frame(topic, frame)) => {
                engine.handle_frame(&url, topic, &frame, now)
            }
            Happening::Said(_, Said::Gap(topic)) => engine.handle_gap(&url, topic, now),
            Happening::Said(_, Said::Published(token, receivers)) => {
                engine.handle_published(token, receivers, now)
            }
            Happening::Said(_, Said::Closed) | Happening::Resume => Ok(()),
        };
        match done {
            Ok(()) => self.flush(who),
            Err(error) => self.fail(who, &error),
        }
    }
}
