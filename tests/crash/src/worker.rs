//! The process that works with a store and says on its standard output what it has acknowledged.
//!
//! Lines: `start`, then `open HEAD`, then for each step `ack NUMBER DIGEST`, at the end `closed` or `error WHAT`. The
//! digest is that of the whole contents expected after the step.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::engine::Engine;
use crate::error::Error;
use crate::plan::Plan;
use crate::recording::Event;

/// What a worker is told.
#[derive(Clone, Debug, clap::Args)]
pub struct Task {
    /// Which engine to work with.
    #[arg(long)]
    pub engine: Engine,
    /// The folder of the store, which is made if it is not there.
    #[arg(long)]
    pub folder: PathBuf,
    /// The seed of the plan.
    #[arg(long)]
    pub seed: u64,
    /// The last step to take.
    #[arg(long)]
    pub until: u64,
    /// Steps that were acknowledged before and are not taken again.
    #[arg(long, default_value_t = 0)]
    pub done: u64,
    /// Where the engine's randomness starts; never the same twice for one folder.
    #[arg(long)]
    pub entropy: u64,
}

impl Task {
    /// The command line that starts `program` as this worker.
    #[must_use]
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        let folder: OsString = self.folder.clone().into();
        command
            .args(["worker", "--engine", self.engine.name(), "--folder"])
            .arg(folder)
            .args(["--seed", &self.seed.to_string()])
            .args(["--until", &self.until.to_string()])
            .args(["--done", &self.done.to_string()])
            .args(["--entropy", &self.entropy.to_string()]);
        command
    }
}

/// Works until the last step or the first error.
///
/// # Errors
/// What the engine said; it is announced as well.
pub fn work(task: &Task) -> Result<(), Error> {
    say("start");
    let outcome = take_steps(task);
    match &outcome {
        Ok(()) => say("closed"),
        Err(error) => say(&format!("error {error}")),
    }
    outcome
}

fn take_steps(task: &Task) -> Result<(), Error> {
    let mut plan = Plan::new(task.seed);
    plan.advance_to(task.done);
    let mut subject = if task.engine.exists(&task.folder) {
        let secrets = secrets(&plan);
        task.engine.open(&task.folder, &secrets, task.entropy)?
    } else {
        task.engine.create(&task.folder, task.entropy)?
    };
    let head = subject.head()?;
    say(&format!("open {head}"));
    plan.advance_to(head);
    while plan.number() < task.until {
        let step = plan.advance();
        subject.take(&step, plan.number())?;
        say(&acknowledgement(&plan));
    }
    Ok(())
}

/// The secrets that may open a store whose acknowledged steps are those of `plan`: of the last one, or already of the next.
#[must_use]
pub(crate) fn secrets(plan: &Plan) -> Vec<u64> {
    let mut next = plan.clone();
    next.advance();
    let mut secrets = vec![plan.secret(), next.secret()];
    secrets.dedup();
    secrets
}

/// The line that acknowledges the last step of `plan`.
fn acknowledgement(plan: &Plan) -> String {
    let digest = plan.model().digest();
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("ack {} {hex}", plan.number())
}

/// One line in one write, so that it is in the log of the recorder before anybody can read it.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // The reader may have gone; then there is nobody to tell.
    let _ = out
        .write_all(format!("{line}\n").as_bytes())
        .and_then(|()| out.flush());
}

/// What is known of a worker from its lines.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Acknowledged {
    /// It had a store open: so there is one.
    pub(crate) is_open: bool,
    /// The last acknowledged step.
    pub(crate) step: u64,
}

/// Hears what a worker acknowledges and holds it against the plan.
#[derive(Clone, Debug)]
pub(crate) struct Listener {
    plan: Plan,
    acknowledged: Acknowledged,
}

impl Listener {
    /// Listens to the worker of `seed`, which has acknowledged so much before.
    pub(crate) fn new(seed: u64, before: Acknowledged) -> Self {
        let mut plan = Plan::new(seed);
        plan.advance_to(before.step);
        Self {
            plan,
            acknowledged: before,
        }
    }

    /// What has been acknowledged so far.
    pub(crate) const fn acknowledged(&self) -> Acknowledged {
        self.acknowledged
    }

    /// Takes in an event of a recording.
    ///
    /// # Errors
    /// As [`Listener::hear`].
    pub(crate) fn hear_event(&mut self, event: &Event) -> Result<(), Error> {
        let Event::Mark(line) = event else {
            return Ok(());
        };
        self.hear(String::from_utf8_lossy(line).trim_end())
    }

    /// Takes in one line.
    ///
    /// # Errors
    /// [`Error::Finding`] if the worker expects other contents than the plan gives.
    pub(crate) fn hear(&mut self, line: &str) -> Result<(), Error> {
        let mut words = line.split(' ');
        let (verb, number) = (
            words.next(),
            words.next().and_then(|word| word.parse().ok()),
        );
        let (Some(verb @ ("open" | "ack")), Some(number)) = (verb, number) else {
            return Ok(());
        };
        self.acknowledged.is_open = true;
        self.plan.advance_to(number);
        if verb == "open" {
            // What the store has shown once it may not lose either, although nobody had acknowledged it.
            self.acknowledged.step = self.acknowledged.step.max(number);
            return Ok(());
        }
        if line != acknowledgement(&self.plan) {
            return Err(Error::finding(format!(
                "step {number} is not that of the plan"
            )));
        }
        self.acknowledged.step = number;
        Ok(())
    }
}
