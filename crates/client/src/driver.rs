//! The thread that owns the engine.
//!
//! One thread, one engine, one burst at a time: take what waits (at most [`BURST_INPUTS_MAX`]
//! inputs or [`BURST_TIME_MAX`]), let the engine handle it, make it durable with one commit, and
//! only then carry out effects and answer callers. Nothing leaves and nobody is told "done" before
//! that commit.
//!
//! If it fails, nobody is told "done". The engine is then ahead of the disk, so it is dropped with
//! all it holds in memory, and the profile is opened anew on what the disk has: connections are
//! made again, and what others sent meanwhile comes by catch-up. Only if that fails too, or again
//! and again, the thread ends.
//!
//! When nothing waits for a commit any more, the keys of what is gone are overwritten: by the
//! engine's timer soon after each commit, and at the end.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use sori_engine::view::Event;
use sori_engine::{Effect, Engine, Error, PublishToken, Time};
use sori_wire::RelayUrl;
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::clock::Clock;
use crate::links::Links;
use crate::relay::{Command, ConnectionId, Notice, Report};
use crate::upkeep::Upkeep;

/// Something a caller wants done on the engine.
pub(crate) enum Verb {
    /// Do this, and answer when it is durable.
    Call(Work),
    /// Close everything and end; the answer comes when the profile is free again.
    Shutdown(oneshot::Sender<()>),
}

/// A call, ready to run on the engine.
pub(crate) type Work = Box<dyn FnOnce(&mut Engine, Time) -> Answer + Send>;

/// The outcome of a call, held back until it is durable.
pub(crate) struct Answer {
    /// Whether the engine can go on.
    pub(crate) is_fatal: bool,
    /// Tells the caller: the outcome itself, or that it was not saved and why.
    pub(crate) deliver: Box<dyn FnOnce(Result<(), Arc<Error>>) + Send>,
}

/// Why the driver ended, if it did not end because it was asked to.
pub(crate) type Failure = Arc<OnceLock<Arc<Error>>>;

/// What the driver is connected to.
pub(crate) struct Ports {
    pub(crate) verbs: mpsc::Receiver<Verb>,
    pub(crate) reports: mpsc::Receiver<(ConnectionId, Report)>,
    pub(crate) events: broadcast::Sender<Event>,
    pub(crate) failure: Failure,
}

/// Opens the profile again after a failure.
pub(crate) type Reopen = Box<dyn FnMut(Time) -> Result<Engine, Arc<Error>> + Send>;

/// The engine and everything it is driven with.
pub(crate) struct Driver {
    /// Gone only while the profile is opened again.
    engine: Option<Engine>,
    reopen: Reopen,
    /// When the profile was opened again lately.
    reopened: VecDeque<Instant>,
    links: Links,
    ports: Ports,
    clock: Clock,
    upkeep: Upkeep,
    /// Whether the last input was a verb: verbs and reports take turns.
    verb_was_last: bool,
    /// When the engine last handled a timeout.
    last_timeout: Option<Instant>,
    /// [`BURST_TIME_MAX`], but for tests that count.
    burst_time_max: Duration,
}

/// One thing to hand to the engine.
enum Input {
    /// Nothing was to be done for a while.
    Idle,
    Lost(RelayUrl),
    Report(ConnectionId, Report),
    Timeout,
    Verb(Verb),
}

/// How a burst goes on.
enum Outcome {
    Answer(Answer),
    Shutdown(oneshot::Sender<()>),
    Silent,
}

impl Driver {
    /// A driver for an engine that was just opened.
    pub(crate) fn new(
        (engine, upkeep): (Engine, Upkeep),
        reopen: Reopen,
        links: Links,
        ports: Ports,
        clock: Clock,
    ) -> Self {
        Self {
            engine: Some(engine),
            reopen,
            reopened: VecDeque::new(),
            links,
            ports,
            clock,
            upkeep,
            verb_was_last: false,
            last_timeout: None,
            burst_time_max: BURST_TIME_MAX,
        }
    }

    /// Runs until shut down, abandoned by every caller, or failed.
    pub(crate) async fn run(mut self) {
        let done = match self.serve().await {
            Ok(done) => done,
            Err(error) => {
                // Set once: this is the only thread that does.
                let _first = self.ports.failure.set(error);
                None
            }
        };
        let Self {
            engine,
            upkeep,
            links,
            ports,
            ..
        } = self;
        // Connections must not wait for a reader that will not come.
        drop(ports.reports);
        drop(ports.verbs);
        let tasks = links.close_all();
        if let Some(engine) = &engine {
            upkeep.keep(engine);
        }
        // Forgets what is to be forgotten, and frees the profile.
        drop(engine);
        drop(upkeep);
        let closing = async {
            for task in tasks {
                let _ended = task.await;
            }
        };
        let _late = tokio::time::timeout(CLOSE_WAIT, closing).await;
        if let Some(done) = done {
            // Nobody has to wait for it.
            let _gone = done.send(());
        }
    }

    /// `Ok` when asked to end, with whom to tell; `Err` when the engine cannot go on.
    async fn serve(&mut self) -> Result<Option<oneshot::Sender<()>>, Arc<Error>> {
        // What opening the engine asked for.
        for effect in self.upkeep.asked() {
            self.carry_out(effect);
        }
        self.settle(Vec::new())?;
        while let Some(first) = self.next().await {
            let mut done = None;
            if let Err(error) = self.burst(first, &mut done)
                && done.is_none()
            {
                self.recover(error)?;
            }
            if done.is_some() {
                return Ok(done);
            }
        }
        Ok(None)
    }

    /// Starts anew on what the disk has, after `error`.
    fn recover(&mut self, mut error: Arc<Error>) -> Result<(), Arc<Error>> {
        loop {
            // Frees the profile. What was in memory is ahead of the disk.
            self.engine = None;
            self.links.drop_all();
            let lately = |at: &Instant| at.elapsed() < REOPEN_SPAN;
            self.reopened.retain(lately);
            if self.reopened.len() >= REOPENS_MAX {
                return Err(error);
            }
            self.reopened.push_back(Instant::now());
            self.engine = Some((self.reopen)(self.clock.now())?);
            match self.settle(Vec::new()) {
                Ok(()) => return Ok(()),
                Err(again) => error = again,
            }
        }
    }

    /// Handles one burst of inputs; `done`: whom to tell if one of them asked to end.
    fn burst(
        &mut self,
        first: Input,
        done: &mut Option<oneshot::Sender<()>>,
    ) -> Result<(), Arc<Error>> {
        let started = Instant::now();
        let mut answers = Vec::new();
        let mut next = Some(first);
        let mut inputs = 0_usize;
        while let Some(input) = next.take() {
            match self.handle(input) {
                Ok(Outcome::Answer(answer)) if answer.is_fatal => {
                    let error = Arc::new(Error::Internal("the store failed"));
                    (answer.deliver)(Err(Arc::clone(&error)));
                    return Err(refuse(answers, error));
                }
                Ok(Outcome::Answer(answer)) => answers.push(answer),
                Ok(Outcome::Shutdown(sender)) => *done = Some(sender),
                Ok(Outcome::Silent) => {}
                Err(error) => return Err(refuse(answers, Arc::new(error))),
            }
            inputs = inputs.saturating_add(1);
            if done.is_none()
                && inputs < BURST_INPUTS_MAX
                && started.elapsed() < self.burst_time_max
            {
                next = self.ready();
            }
        }
        self.settle(answers)
    }

    /// Makes the burst durable, then shows it: effects first, answers after them.
    fn settle(&mut self, answers: Vec<Answer>) -> Result<(), Arc<Error>> {
        let now = self.clock.now();
        let effects = match self.engine().and_then(|engine| engine.flush(now)) {
            Ok(effects) => effects,
            Err(error) => return Err(refuse(answers, Arc::new(error))),
        };
        for effect in effects {
            self.carry_out(effect);
        }
        for answer in answers {
            (answer.deliver)(Ok(()));
        }
        Ok(())
    }

    fn handle(&mut self, input: Input) -> Result<Outcome, Error> {
        let now = self.clock.now();
        match input {
            Input::Idle => {
                let engine = self.engine.as_mut().ok_or(Error::Internal("no engine"))?;
                self.upkeep.idle(engine)?;
            }
            Input::Lost(relay) => self.engine()?.handle_disconnected(&relay, now)?,
            Input::Report(id, report) => self.report(id, report, now)?,
            Input::Timeout => self.engine()?.handle_timeout(now)?,
            Input::Verb(Verb::Call(work)) => {
                return Ok(Outcome::Answer(work(self.engine()?, now)));
            }
            Input::Verb(Verb::Shutdown(done)) => return Ok(Outcome::Shutdown(done)),
        }
        Ok(Outcome::Silent)
    }

    /// Hands on what a connection tells; what comes from one that was given up is passed over.
    fn report(&mut self, id: ConnectionId, report: Report, now: Time) -> Result<(), Error> {
        let Some(relay) = self.links.relay(id) else {
            return Ok(());
        };
        if matches!(report, Report::Ended(_)) {
            self.links.ended(id);
        }
        let engine = self.engine()?;
        match report {
            Report::Connected => engine.handle_connected(&relay, now),
            Report::Ended(trouble) => {
                engine.handle_trouble(&relay, trouble);
                engine.handle_disconnected(&relay, now)
            }
            Report::Notice(Notice::Attached(topic)) => engine.handle_attached(&relay, topic, now),
            Report::Notice(Notice::Frame(topic, frame)) => {
                engine.handle_frame(&relay, topic, frame.as_bytes(), now)
            }
            Report::Notice(Notice::Gap(topic)) => engine.handle_gap(&relay, topic, now),
            Report::Notice(Notice::Published(token, receivers)) => {
                engine.handle_published(PublishToken(token), receivers, now)
            }
            Report::Notice(Notice::Refused(topic, reason)) => {
                engine.handle_refused(&relay, topic, reason, now)
            }
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Attach { relay, seed } => self.links.push(&relay, Command::Attach(seed)),
            Effect::Connect { relay } => self.links.connect(relay),
            Effect::Detach { relay, topic } => self.links.push(&relay, Command::Detach(topic)),
            Effect::Disconnect { relay } => self.links.disconnect(&relay),
            Effect::Event(event) => {
                // Nobody listening is a normal state.
                let _listeners = self.ports.events.send(event);
            }
            Effect::Publish {
                relay,
                topic,
                frame,
                token,
            } => {
                self.links.push(
                    &relay,
                    Command::Publish {
                        topic,
                        frame,
                        token: token.0,
                    },
                );
            }
            // The enum may grow; what this driver does not know it cannot do.
            _ => {}
        }
    }

    /// Waits for the next input; `None` when every caller has gone.
    async fn next(&mut self) -> Option<Input> {
        if let Some(relay) = self.links.next_lost() {
            return Some(Input::Lost(relay));
        }
        let timeout = self.timeout_in();
        let idle = self
            .engine
            .as_ref()
            .and_then(|engine| self.upkeep.due_in(engine));
        let Ports { verbs, reports, .. } = &mut self.ports;
        let input = tokio::select! {
            biased;
            () = sleep(timeout) => Input::Timeout,
            verb = verbs.recv() => Input::Verb(verb?),
            report = reports.recv() => {
                // The driver holds a sender itself, so the channel does not end.
                let (id, report) = report?;
                Input::Report(id, report)
            }
            () = sleep(idle) => Input::Idle,
        };
        self.note(&input);
        Some(input)
    }

    /// An input that is there already, verbs and reports by turns.
    fn ready(&mut self) -> Option<Input> {
        let verb = |ports: &mut Ports| ports.verbs.try_recv().ok().map(Input::Verb);
        let report = |ports: &mut Ports| {
            ports
                .reports
                .try_recv()
                .ok()
                .map(|(id, report)| Input::Report(id, report))
        };
        let input = if self.verb_was_last {
            report(&mut self.ports).or_else(|| verb(&mut self.ports))
        } else {
            verb(&mut self.ports).or_else(|| report(&mut self.ports))
        }?;
        self.note(&input);
        Some(input)
    }

    fn engine(&mut self) -> Result<&mut Engine, Error> {
        self.engine.as_mut().ok_or(Error::Internal("no engine"))
    }

    fn note(&mut self, input: &Input) {
        self.verb_was_last = matches!(input, Input::Verb(_));
        if matches!(input, Input::Timeout) {
            self.last_timeout = Some(Instant::now());
        }
    }

    /// How long the engine can wait; `None` if it waits for nothing. Two timeouts are
    /// [`TIMEOUT_INTERVAL_MIN`] apart, so that a mistake in a timer cannot eat a processor.
    fn timeout_in(&mut self) -> Option<Duration> {
        let due = self.engine.as_ref()?.poll_timeout()?;
        let wait = Duration::from_millis(due.since_ms(self.clock.now()));
        let floor = self.last_timeout.map_or(Duration::ZERO, |last| {
            TIMEOUT_INTERVAL_MIN.saturating_sub(last.elapsed())
        });
        Some(wait.max(floor))
    }
}

/// Tells every caller of a burst that nothing of it was saved.
fn refuse(answers: Vec<Answer>, error: Arc<Error>) -> Arc<Error> {
    for answer in answers {
        (answer.deliver)(Err(Arc::clone(&error)));
    }
    error
}

async fn sleep(timeout: Option<Duration>) {
    match timeout {
        Some(timeout) => tokio::time::sleep(timeout).await,
        None => std::future::pending().await,
    }
}

/// Inputs handled before their common commit. Bounds how much one commit carries.
const BURST_INPUTS_MAX: usize = 200;

/// Time spent on inputs before their common commit. Bounds how long a caller waits for others.
const BURST_TIME_MAX: Duration = Duration::from_millis(20);

/// How often the profile is opened again within [`REOPEN_SPAN`] before it is given up: a disk that
/// fails each time is not helped by more.
const REOPENS_MAX: usize = 3;

/// See [`REOPENS_MAX`].
const REOPEN_SPAN: Duration = Duration::from_secs(60);

/// Least time between two timeouts of the engine.
const TIMEOUT_INTERVAL_MIN: Duration = Duration::from_millis(5);

/// How long closing all connections may take.
const CLOSE_WAIT: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests;
