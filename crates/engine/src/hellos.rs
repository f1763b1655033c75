//! Hellos: when to say one, and what follows from those of others (protocol §6.1).
//!
//! It goes as in Trickle (RFC 6206): whoever hears a log that differs speaks soon, and whoever hears one that
//! agrees need not, for the same was said for it. So the members who hold the same speak as one, and the group
//! says little however many they are.
//!
//! ```text
//!  attached, a gap, news, a log that differs      1 s ─ 3 s ─ 10 s ─ 30 s     until one agrees
//!  something came within ten minutes              every 15 to 30 s            unless one agrees
//!  in any case                                    every 2 to 4 min
//! ```

use sori_mls::AccountId;

use crate::channel::Answer;
use crate::engine::Engine;
use crate::envelope::{ChannelMessage, HELLO_LABEL, Hello};
use crate::error::Error;
use crate::network::Purpose;
use crate::pruning;
use crate::time::Time;

/// Waits between the first hellos on a channel, in milliseconds; the first may be lost, or come
/// while the one who could answer is busy.
const HELLO_WAITS_MS: [u64; 5] = [100, 1_000, 3_000, 10_000, 30_000];
/// Waits while people talk lie between this and twice this, in milliseconds: nobody else says that a relay
/// withholds something.
const LIVELY_EVERY_MS: u64 = 15_000;
/// How long people count as talking after something came or went, in milliseconds.
const LIVELY_MS: u64 = 600_000;
/// Other waits lie between this and twice this, in milliseconds.
const HELLO_EVERY_MS: u64 = 120_000;
/// Least wait between such hellos for each member, in milliseconds: a group says five a second
/// at most, whatever its size.
const HELLO_PER_MEMBER_MS: u64 = 200;
/// A group with so many members more waits as much longer again before all other hellos.
const CROWD: usize = 25;
/// Shortest wait before an answer, in milliseconds.
const ANSWER_WAIT_MS: u64 = 20;
/// Length of one of the spans in which answers are given, in milliseconds: some more than an offer
/// takes to reach the others.
const ANSWER_SPAN_MS: u64 = 150;
/// Wait while somebody is being asked already, in milliseconds.
const BUSY_WAIT_MS: u64 = 1_000;
/// Hellos of ours that may still be answered.
const ASKED_MAX: usize = 4;

impl Engine {
    /// How many members the group of a channel has or had.
    fn crowd(&self, channel: u32) -> usize {
        let group = self.channels.get(&channel).map(|held| held.record.group);
        let group = group.and_then(|group| self.groups.get(&group));
        group.map_or(2, |group| group.record.roster.len())
    }

    /// How many times longer a group of that size waits before most of its hellos.
    fn pace(&self, channel: u32) -> u64 {
        let crowds = self.crowd(channel) / CROWD;
        u64::try_from(crowds).unwrap_or(0).saturating_add(1)
    }

    /// The shortest wait before a hello that is said whatever others say.
    fn regular_wait(&self, channel: u32) -> u64 {
        let members = u64::try_from(self.crowd(channel)).unwrap_or(u64::MAX);
        HELLO_PER_MEMBER_MS
            .saturating_mul(members)
            .max(HELLO_EVERY_MS)
    }

    /// A channel is attached: it is not known how its log stands.
    pub(crate) fn begin_hellos(&mut self, channel: u32, now: Time) {
        if let Some(held) = self.channels.get_mut(&channel) {
            let live = &mut held.live;
            (live.hellos, live.is_even, live.overdue) = (0, false, None);
            live.broke_off = 0;
        }
        self.plan_hello(channel, now);
    }

    /// Plans the next hello: a few soon until it is known how we stand, then regular ones.
    fn plan_hello(&mut self, channel: u32, now: Time) {
        let (pace, regular) = (self.pace(channel), self.regular_wait(channel));
        let (soon, later) = (self.below(1_000), self.below(regular));
        let Some(held) = self.channels.get_mut(&channel) else {
            return;
        };
        let live = &mut held.live;
        live.pace = pace;
        let place = usize::try_from(live.hellos).unwrap_or(usize::MAX);
        let in_series = HELLO_WAITS_MS.get(place).filter(|_| !live.is_even);
        let share = |wait: u64| wait.saturating_mul(soon) / 1_000;
        let wait = match in_series.map(|wait| wait.saturating_mul(pace)) {
            // In a crowd all of the first wait is random, or all would speak in one instant.
            Some(wait) if place == 0 && pace > 1 => share(wait),
            Some(wait) => wait.saturating_add(share(wait / 2)),
            None if live.is_lively(now) => {
                let wait = LIVELY_EVERY_MS.saturating_mul(pace);
                wait.saturating_add(share(wait))
            }
            None => regular.saturating_add(later),
        };
        let at = now.plus_ms(wait);
        live.hello_at = Some(live.overdue.map_or(at, |overdue| overdue.min(at)));
    }

    /// Plans a hello soon, because something may be missing here or news is to be passed on; less soon each time
    /// that what followed from it broke off.
    pub(crate) fn plan_hello_now(&mut self, channel: u32, now: Time) {
        let pace = self.pace(channel);
        let jitter = self.below(pace.saturating_mul(200));
        if let Some(held) = self.channels.get_mut(&channel) {
            let live = &mut held.live;
            let wait = match live.broke_off {
                0 | 1 => 50,
                again => 500_u64 << again.min(6),
            };
            live.hellos = live.hellos.min(1);
            live.is_even = false;
            let wait = wait.saturating_mul(pace).saturating_add(jitter);
            live.hello_at = Some(now.plus_ms(wait));
        }
    }

    /// A relay says that something is missing here.
    pub(crate) fn missed_something(&mut self, channel: u32, now: Time) {
        if let Some(held) = self.channels.get_mut(&channel) {
            held.live.broke_off = 0;
        }
        self.plan_hello_now(channel, now);
    }

    /// The time of a hello has come.
    pub(crate) fn hello_due(&mut self, channel: u32, now: Time) -> Result<(), Error> {
        let has_help = self.sessions.has_help(channel);
        let Some(held) = self.channels.get_mut(&channel) else {
            return Ok(());
        };
        held.live.hello_at = has_help.then(|| now.plus_ms(BUSY_WAIT_MS));
        match has_help {
            true => Ok(()),
            false => self.say_hello(channel, now),
        }
    }

    /// Something came into a channel's log: as long as people talk what is withheld is to be noticed soon.
    pub(crate) fn log_grew(&mut self, channel: u32, now: Time) {
        let wait = self.below(LIVELY_EVERY_MS);
        let Some(held) = self.channels.get_mut(&channel) else {
            return;
        };
        let live = &mut held.live;
        live.changed = Some(now);
        let wait = LIVELY_EVERY_MS.saturating_add(wait);
        let at = now.plus_ms(wait.saturating_mul(live.pace.max(1)));
        live.hello_at = live.hello_at.map(|planned| planned.min(at));
    }

    fn say_hello(&mut self, channel: u32, now: Time) -> Result<(), Error> {
        let is_here =
            |purpose| matches!(purpose, Purpose::Channel { channel: c, .. } if c == channel);
        if !self.network.is_attached(is_here) {
            return Ok(());
        }
        let nonce = u64::from_be_bytes(self.random());
        let account = self.me()?.id;
        let regular = self.regular_wait(channel);
        let regular = regular.saturating_add(self.below(regular));
        // Catch-ups that go on at the same time name ids alike, so that each brings what the others do not.
        if !self.sessions.is_asking(channel) {
            let salt = self.random();
            if let Some(held) = self.channels.get_mut(&channel) {
                held.live.salt = salt;
            }
        }
        let Some(held) = self.channels.get_mut(&channel) else {
            return Ok(());
        };
        let live = &mut held.live;
        live.hellos = live.hellos.saturating_add(1);
        live.overdue = Some(now.plus_ms(regular));
        live.asked.push(nonce);
        if live.asked.len() > ASKED_MAX {
            live.asked.remove(0);
        }
        // Who cannot read what it holds does not vouch for it.
        let vouches = (self.groups.get(&held.record.group)).is_some_and(|g| !g.is_stateless());
        let mut hello = Hello {
            nonce,
            salt: held.live.salt,
            account,
            log: held.log.prints(),
            signature: Vec::new(),
        };
        let bytes = hello.signed_bytes(&held.tag());
        if vouches {
            hello.signature = self.core()?.device().sign(HELLO_LABEL, &bytes).to_vec();
        }
        self.plan_hello(channel, now);
        self.send_transient(channel, &ChannelMessage::Hello(hello), now)
    }

    pub(crate) fn take_hello(
        &mut self,
        channel: u32,
        hello: &Hello,
        now: Time,
    ) -> Result<(), Error> {
        let Some(held) = self.channels.get(&channel) else {
            return Ok(());
        };
        let (group, mine) = (held.record.group, held.log.prints());
        let bytes = hello.signed_bytes(&held.tag());
        let me = self.me()?.id;
        let even = hello.log.agrees(&mine);
        let signed = self.with_group(group, |engine, group| {
            let signed = hello.account != me
                && engine.is_signed_by_member(
                    group,
                    &hello.account,
                    HELLO_LABEL,
                    &bytes,
                    &hello.signature,
                )?;
            if signed {
                if even && hello.log.floor <= mine.floor {
                    engine.all_handed_over(channel)?;
                    engine.note_even(group, channel, &hello.account, now);
                }
                let equal = mine.equal_days(&hello.log);
                engine.holds_days(channel, group, &hello.account, &equal)?;
                let past = mine.before(pruning::today(now));
                engine.note_days_held(channel, group, &hello.account, (&past, &hello.log))?;
                engine.prune_held(channel, group, &past)?;
                if even {
                    engine.note_commits_held(group, channel, &hello.account, now)?;
                }
            }
            Ok(signed)
        })?;
        if signed {
            self.heard(channel, hello.account);
            self.tell_reads_to(channel, &hello.account, now)?;
        }
        match even {
            true if signed => self.somebody_agrees(channel, now),
            true => {}
            false => {
                if signed {
                    self.somebody_differs(channel, now);
                }
                self.plan_answer(channel, hello, now);
            }
        }
        Ok(())
    }

    /// A member said what we would have said: the next hello has time.
    fn somebody_agrees(&mut self, channel: u32, now: Time) {
        let Some(held) = self.channels.get_mut(&channel) else {
            return;
        };
        // Who has just come is to be heard itself.
        if held.live.hellos > 0 {
            held.live.is_even = true;
            self.plan_hello(channel, now);
        }
    }

    /// A member holds something else: unless another one with our log says so, we do, a few times for each thing
    /// that comes. Those who differ for good do not go on greeting each other.
    fn somebody_differs(&mut self, channel: u32, now: Time) {
        let Some(held) = self.channels.get_mut(&channel) else {
            return;
        };
        let planned = held.live.hello_at;
        let live = &mut held.live;
        live.is_even = false;
        if live.series_of != held.log.next {
            (live.series_of, live.hellos) = (held.log.next, live.hellos.min(1));
        }
        self.plan_hello(channel, now);
        if let Some(held) = self.channels.get_mut(&channel) {
            let live = &mut held.live;
            live.hello_at = live.hello_at.into_iter().chain(planned).min();
        }
    }

    fn heard(&mut self, channel: u32, account: AccountId) {
        if let Some(held) = self.channels.get_mut(&channel) {
            held.live.heard.insert(account);
        }
    }

    fn plan_answer(&mut self, channel: u32, hello: &Hello, now: Time) {
        if !self.sessions.may_answer(channel, &hello.account) {
            return;
        }
        let at = now.plus_ms(self.answer_wait(channel));
        let Some(held) = self.channels.get_mut(&channel) else {
            return;
        };
        held.live.answer.get_or_insert_with(|| Answer {
            hello: hello.nonce,
            at,
            asker: hello.account,
            salt: hello.salt,
            log: hello.log.clone(),
        });
    }

    /// How long to wait before an answer. Each span of time has twice as many who answer in it as
    /// the one before, so that in a group of any size one or two are first, and silence the others.
    fn answer_wait(&mut self, channel: u32) -> u64 {
        let members = self.crowd(channel).max(2);
        let spans = usize::BITS.saturating_sub(members.saturating_sub(1).leading_zeros());
        let earlier = u64::from_be_bytes(self.random()).trailing_zeros();
        let span = u64::from(spans.saturating_sub(earlier.saturating_add(1)));
        ANSWER_WAIT_MS
            .saturating_add(span.saturating_mul(ANSWER_SPAN_MS))
            .saturating_add(self.below(ANSWER_SPAN_MS))
    }
}

impl crate::channel::Live {
    /// Whether something came or went within the last minutes.
    fn is_lively(&self, now: Time) -> bool {
        self.changed.is_some_and(|at| now.since_ms(at) < LIVELY_MS)
    }
}
