//! All trials one after the other, and the table that comes of them.

use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use crate::engine::{Engine, SAFE};
use crate::error::Error;
use crate::recorder::{Recorder, Trouble};
use crate::report::Tally;
use crate::{fault, forensics, kill, million, powercut};

/// What to run.
#[derive(Clone, Debug, clap::Args)]
pub struct Order {
    /// The form that takes hours: thousands of images, every single call made to fail, a million messages.
    #[arg(long)]
    pub long: bool,
    /// Where the seeds start. A failure names the seed that repeats it.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Only this trial.
    #[arg(long)]
    pub trial: Option<Trial>,
    /// Only this engine.
    #[arg(long)]
    pub engine: Option<Engine>,
}

/// What is done to an engine.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Trial {
    /// A call fails because of the device.
    DeviceError,
    /// The disk fills up.
    DiskFull,
    /// The files are searched for what was to be forgotten.
    Forensics,
    /// The process is killed.
    Kill,
    /// A million messages: how long opening takes, and the newest fifty.
    Million,
    /// The power goes.
    PowerCut,
}

/// Steps of one recording; a larger campaign takes more seeds instead.
const STEPS: u64 = 90;
/// Images from one recording.
const IMAGES: u64 = 200;
/// Kills with one seed.
const KILLS: u64 = 50;

/// Runs everything that was ordered and prints the table to `out`. True if every engine did what it must.
///
/// # Errors
/// If a trial could not be run.
pub fn run(order: &Order, out: &mut impl Write) -> Result<bool, Error> {
    let mut table = Table {
        order,
        program: std::env::current_exe().map_err(Error::io("this program"))?,
        recorder: Recorder::compile()?,
        is_good: true,
    };
    table.say(out, &Tally::heading())?;
    for engine in SAFE {
        let recordings = table.scale(1, if engine.is_ours() { 15 } else { 5 });
        table.repeat(out, Trial::PowerCut, *engine, recordings)?;
    }
    table.repeat(out, Trial::PowerCut, Engine::Sled, table.scale(1, 2))?;
    for engine in SAFE.iter().filter(|engine| engine.is_ours()) {
        table.repeat(out, Trial::Kill, *engine, table.scale(1, 20))?;
        table.repeat(out, Trial::DiskFull, *engine, table.scale(1, 2))?;
        table.repeat(out, Trial::DeviceError, *engine, table.scale(1, 2))?;
        table.repeat(out, Trial::Forensics, *engine, table.scale(2, 20))?;
    }
    if order.long || order.trial == Some(Trial::Million) {
        table.million(out)?;
    }
    Ok(table.is_good)
}

struct Table<'a> {
    order: &'a Order,
    program: PathBuf,
    recorder: Recorder,
    is_good: bool,
}

impl Table<'_> {
    const fn scale(&self, short: u64, long: u64) -> u64 {
        if self.order.long { long } else { short }
    }

    fn is_ordered(&self, trial: Trial, engine: Engine) -> bool {
        self.order.trial.is_none_or(|wanted| wanted == trial)
            && self.order.engine.is_none_or(|wanted| wanted == engine)
    }

    /// One line of the table: the trial with `seeds` seeds.
    fn repeat(
        &mut self,
        out: &mut impl Write,
        trial: Trial,
        engine: Engine,
        seeds: u64,
    ) -> Result<(), Error> {
        if !self.is_ordered(trial, engine) {
            return Ok(());
        }
        let begun = Instant::now();
        let mut sum: Option<Tally> = None;
        for seed in self.order.seed..self.order.seed.saturating_add(seeds) {
            let mut tally = self.one(trial, engine, seed)?;
            if tally.failures > 0 && engine != Engine::Sled {
                tally.told.push(repeat_command(trial, engine, seed));
            }
            match &mut sum {
                Some(sum) => sum.add(tally),
                None => sum = Some(tally),
            }
        }
        let Some(mut sum) = sum else { return Ok(()) };
        sum.seconds = begun.elapsed().as_secs();
        if engine == Engine::Sled {
            sum.must_fail();
        }
        self.is_good &= sum.is_good();
        self.say(out, &sum.to_string())
    }

    fn one(&self, trial: Trial, engine: Engine, seed: u64) -> Result<Tally, Error> {
        let program = self.program.clone();
        let fault = |trouble, stride| {
            let campaign = fault::Campaign {
                engine,
                program: self.program.clone(),
                seed,
                steps: 30,
                stride: self.scale(stride, 1),
                trouble,
            };
            fault::run(&campaign, &self.recorder)
        };
        match trial {
            Trial::DeviceError => fault(Trouble::DeviceError, 11),
            Trial::DiskFull => fault(Trouble::DiskFull, 7),
            Trial::Forensics => {
                let campaign = forensics::Campaign {
                    engine,
                    seed,
                    steps: self.scale(300, 600),
                    every: 25,
                };
                forensics::run(&campaign).map(|findings| findings.tally)
            }
            Trial::Kill => kill::run(&kill::Campaign {
                engine,
                program,
                seed,
                rounds: KILLS,
            }),
            Trial::Million => Ok(Tally::new(engine.name(), "million", seed)),
            Trial::PowerCut => powercut::run(
                &powercut::Campaign {
                    engine,
                    program,
                    seed,
                    steps: STEPS,
                    sessions: 3,
                    images: IMAGES,
                    reopened: self.scale(IMAGES / 20, IMAGES / 4),
                },
                &self.recorder,
            ),
        }
    }

    fn million(&self, out: &mut impl Write) -> Result<(), Error> {
        for engine in SAFE.iter().filter(|engine| engine.is_ours()) {
            if self.is_ordered(Trial::Million, *engine) {
                self.say(out, &million::run(*engine, 1_000_000)?.to_string())?;
            }
        }
        Ok(())
    }

    fn say(&self, out: &mut impl Write, line: &str) -> Result<(), Error> {
        writeln!(out, "{line}").map_err(Error::io("the report"))
    }
}

/// The command line that repeats one trial.
fn repeat_command(trial: Trial, engine: Engine, seed: u64) -> String {
    use clap::ValueEnum;

    let trial = trial.to_possible_value();
    let trial = trial.as_ref().map_or("", |value| value.get_name());
    format!(
        "again: cargo xtask crash --seed {seed} --trial {trial} --engine {}",
        engine.name()
    )
}
