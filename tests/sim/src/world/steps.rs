//! What somebody does and what follows from it, durable before anybody hears of it.

use sori_engine::view::{Event, MessageKind};
use sori_engine::{Engine, Error, Time};

use super::{End, Happening, World};

impl World {
    /// Does something as somebody, durably.
    ///
    /// # Errors
    /// What the verb answers.
    pub fn act<R>(
        &mut self,
        who: usize,
        verb: impl FnOnce(&mut Engine, Time) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let now = self.time(who);
        let result = verb(self.people[who].engine.as_mut().expect("running"), now);
        match &result {
            Err(error) if error.is_fatal() => self.fail(who, error),
            Ok(_) | Err(_) => self.flush(who),
        }
        result
    }

    /// Looks at something as somebody; nothing follows from it.
    ///
    /// # Errors
    /// What it answers.
    pub fn look<R>(
        &mut self,
        who: usize,
        look: impl FnOnce(&mut Engine, Time) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let now = self.time(who);
        look(self.people[who].engine.as_mut().expect("running"), now)
    }

    /// Begins something as somebody whose program ends before anybody hears of it.
    pub fn act_and_die<R>(
        &mut self,
        who: usize,
        end: End,
        verb: impl FnOnce(&mut Engine, Time) -> Result<R, Error>,
    ) {
        let now = self.time(who);
        let disk = self.people[who].disk.clone();
        let engine = self.people[who].engine.as_mut().expect("running");
        let done = verb(engine, now).is_ok();
        if done {
            match end {
                End::Unwritten => {}
                End::Refused => disk.fail_next_commit(),
                End::Written => disk.fail_next_commit_after_writing(),
            }
            assert!(matches!(end, End::Unwritten) || engine.flush(now).is_err());
        }
        self.kill(who);
    }

    /// The disk of somebody fails at the next commit, whatever that is; the program then ends.
    pub fn fail_next_commit(&mut self, who: usize, end: End) {
        let person = &mut self.people[who];
        person.is_failing = true;
        let disk = &person.disk;
        match end {
            End::Unwritten | End::Refused => disk.fail_next_commit(),
            End::Written => disk.fail_next_commit_after_writing(),
        }
    }

    pub(super) fn later(&mut self, ms: u64, who: usize, happening: Happening) {
        self.sequence += 1;
        self.queue
            .insert((self.now + ms, self.sequence), (who, happening));
    }

    pub(super) fn set_timer(&mut self, who: usize, at: Option<u64>) {
        let before = std::mem::replace(&mut self.people[who].timer, at);
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.timers.remove(&(before, who));
        }
        if let Some(at) = at {
            self.timers.insert((at, who));
        }
    }

    pub(super) fn wind(&mut self, who: usize) {
        let person = &self.people[who];
        let at = person.engine.as_ref().and_then(Engine::poll_timeout);
        let at = at.map(|at| at.unix_ms().saturating_add_signed(-person.skew));
        self.set_timer(who, at);
    }

    pub(super) fn flush(&mut self, who: usize) {
        let now = self.time(who);
        let effects = self.people[who].engine.as_mut().unwrap().flush(now);
        let effects = match effects {
            Ok(effects) => effects,
            Err(error) => return self.fail(who, &error),
        };
        self.wind(who);
        for effect in effects {
            self.carry_out(who, effect);
        }
        self.listen();
    }

    /// The driver's way with a disk that fails: end, and start again another time.
    pub(super) fn fail(&mut self, who: usize, error: &Error) {
        assert!(
            std::mem::take(&mut self.people[who].is_failing),
            "{who} fails without a reason: {error}"
        );
        self.kill(who);
    }

    pub(super) fn shown(&mut self, who: usize, event: Event) {
        if let Event::MessageNew { message, .. } = &event
            && message.kind == MessageKind::Text
        {
            *self.people[who]
                .shown
                .entry(message.id.clone())
                .or_default() += 1;
        }
        self.people[who].events.push(event);
    }
}
