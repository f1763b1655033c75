//! A process killed without warning, again and again: while it writes, opens, forgets, changes its keys.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Stdio};
use std::time::Duration;

use crate::chance::Chance;
use crate::disk::image::Image;
use crate::engine::Engine;
use crate::error::Error;
use crate::place;
use crate::plan::{Plan, Step};
use crate::report::Tally;
use crate::verify::{Case, verify};
use crate::worker::{Acknowledged, Listener, Task};

/// How much to do.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// Which engine.
    pub engine: Engine,
    /// The program that can be a worker.
    pub program: PathBuf,
    /// The seed of plans and moments.
    pub seed: u64,
    /// How often to kill.
    pub rounds: u64,
}

/// After so many rounds a new store is begun.
const LIFE: u64 = 12;
const STREAM: u64 = (1 << 40) + 1;

/// The moment of a kill: what to wait for, then how long.
#[derive(Clone, Copy, Debug)]
struct Moment {
    /// Wait for this line first.
    after: After,
    pause: Duration,
}

#[derive(Clone, Copy, Debug)]
enum After {
    /// This step was acknowledged.
    Step(u64),
    /// The process has started and is about to open the store.
    Start,
}

/// Kills, compares everything, lets a new process go on.
///
/// # Errors
/// If the campaign could not be run. What the engine did wrong is in the answer.
pub fn run(campaign: &Campaign) -> Result<Tally, Error> {
    let mut tally = Tally::new(campaign.engine.name(), "kill -9", campaign.seed);
    let mut chance = Chance::new(campaign.seed, STREAM);
    for life in 0..campaign.rounds.div_ceil(LIFE) {
        let place = place::scratch()?;
        let folder = place.path().join("profile");
        if !campaign.engine.is_ours() {
            place::folder(place.path(), "profile")?;
        }
        let seed = campaign.seed.wrapping_mul(1000).wrapping_add(life);
        let mut done = Acknowledged::default();
        for round in 0..LIFE.min(campaign.rounds - life * LIFE) {
            let moment = draw(seed, done.step, &mut chance);
            let entropy = round * 2;
            let heard = kill(campaign, &folder, seed, done, moment, entropy)?;
            tally.rounds += 1;
            tally.images += 1;
            let found = Image::read(place.path())?;
            let outcome = verify(&Case {
                engine: campaign.engine,
                folder: &folder,
                seed,
                acknowledged: heard,
                entropy: entropy + 1,
            });
            let story = format!("life {life}, {heard:?}, killed at {moment:?}");
            match outcome {
                Ok(now) => done = now,
                Err(error) => {
                    tally.judge(Err(error), &story, &found)?;
                    break;
                }
            }
        }
    }
    Ok(tally)
}

/// A moment for the worker that has done `done` steps: while it opens, in the midst of writing, or just where a rare step is
/// under way.
fn draw(seed: u64, done: u64, chance: &mut Chance) -> Moment {
    let micros = |chance: &mut Chance, to: usize| Duration::from_micros(chance.len(1, to) as u64);
    match chance.below(4) {
        0 => Moment {
            after: After::Start,
            pause: micros(chance, 40_000),
        },
        1 => Moment {
            after: After::Step(done + chance.below(25)),
            pause: micros(chance, 8_000),
        },
        _ => Moment {
            after: After::Step(before_rare_step(seed, done, chance)),
            pause: micros(chance, 8_000),
        },
    }
}

/// The step before one of the next that are no plain commits.
fn before_rare_step(seed: u64, done: u64, chance: &mut Chance) -> u64 {
    let mut plan = Plan::new(seed);
    plan.advance_to(done);
    let mut left = chance.below(4);
    loop {
        let before = plan.number();
        match plan.advance() {
            Step::Commit(_) => {}
            _ if left == 0 => return before,
            _ => left -= 1,
        }
    }
}

/// Starts a worker, kills it, and answers what it had acknowledged.
fn kill(
    campaign: &Campaign,
    folder: &Path,
    seed: u64,
    done: Acknowledged,
    moment: Moment,
    entropy: u64,
) -> Result<Acknowledged, Error> {
    let task = Task {
        engine: campaign.engine,
        folder: folder.to_path_buf(),
        seed,
        until: u64::MAX,
        done: done.step,
        entropy,
    };
    let mut child = task
        .command(&campaign.program)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(Error::io("a worker"))?;
    let mut listener = Listener::new(seed, done);
    let mut lines = Lines(child.stdout.take().map(BufReader::new));
    while let Some(line) = lines.next()? {
        listener.hear(&line)?;
        let is_reached = match moment.after {
            After::Start => line == "start",
            After::Step(step) => {
                listener.acknowledged().is_open && listener.acknowledged().step >= step
            }
        };
        if is_reached {
            break;
        }
    }
    // There is no event to wait for inside of a step, only time.
    std::thread::sleep(moment.pause);
    child.kill().map_err(Error::io("kill a worker"))?;
    while let Some(line) = lines.next()? {
        listener.hear(&line)?;
    }
    child.wait().map_err(Error::io("a killed worker"))?;
    Ok(listener.acknowledged())
}

/// The whole lines of a process that may end within one.
struct Lines(Option<BufReader<ChildStdout>>);

impl Lines {
    fn next(&mut self) -> Result<Option<String>, Error> {
        let Some(reader) = &mut self.0 else {
            return Ok(None);
        };
        let mut line = String::new();
        reader
            .read_line(&mut line)
            .map_err(Error::io("the lines of a worker"))?;
        let whole = line.strip_suffix('\n').map(str::to_owned);
        if let Some(error) = whole
            .as_deref()
            .and_then(|line| line.strip_prefix("error "))
        {
            return Err(Error::Worker {
                status: "an error".to_owned(),
                said: error.to_owned(),
            });
        }
        Ok(whole)
    }
}
