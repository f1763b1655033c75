//! Power cuts: a real process is recorded, and from the recording come the folders that may be found afterwards.

use std::path::PathBuf;

use crate::chance::Chance;
use crate::engine::Engine;
use crate::error::Error;
use crate::film::{Film, Still, finish};
use crate::place;
use crate::recorder::{Base, Place, Recorder};
use crate::report::Tally;
use crate::verify::{Case, verify};
use crate::worker::{Acknowledged, Task};

/// How much to do.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// Which engine.
    pub engine: Engine,
    /// The program that can be a worker.
    pub program: PathBuf,
    /// The seed of the plan and of the cuts.
    pub seed: u64,
    /// Steps in the recording.
    pub steps: u64,
    /// Sessions that the steps are divided into.
    pub sessions: u64,
    /// Folders to build and look at.
    pub images: u64,
    /// Of so many folders the opening is recorded as well, and power is lost during it.
    pub reopened: u64,
}

/// The store's folder on the recorded disk.
const STORE: &str = "profile";
/// How often power is lost during one recorded opening.
const SECOND_CUTS: u64 = 4;
/// Streams of randomness: those of the plan are the numbers of its steps.
const STREAM: u64 = 1 << 40;

/// Records the workload, cuts the power many times, and looks at what each cut leaves.
///
/// # Errors
/// If the campaign could not be run. What the engine did wrong is in the answer.
pub fn run(campaign: &Campaign, recorder: &Recorder) -> Result<Tally, Error> {
    let film = record(campaign, recorder)?;
    let mut tally = Tally::new(campaign.engine.name(), "power cut", campaign.seed);
    tally.rounds = campaign.sessions;
    let mut reopened = 0;
    let mut chance = Chance::new(campaign.seed, STREAM);
    film.stills(campaign.images, &mut chance, |still, chance| {
        if tally.images * campaign.reopened >= reopened * campaign.images.max(1)
            && reopened < campaign.reopened
        {
            reopened += 1;
            cut_again(campaign, recorder, still, chance, &mut tally)?;
        }
        tally.images += 1;
        let outcome = look(campaign, still, tally.images);
        tally.judge(outcome, &still.story, &still.image)
    })?;
    Ok(tally)
}

/// Runs the workload in sessions under the recorder.
///
/// # Errors
/// If the worker fails or something escapes the recorder.
fn record(campaign: &Campaign, recorder: &Recorder) -> Result<Film, Error> {
    let place = Place::new()?;
    let disk = place.disk();
    if !campaign.engine.is_ours() {
        // The plain engines make no folder for themselves; that its name is safe is not theirs to see to.
        place::folder(disk, STORE)?;
    }
    let base = Base::of(disk)?;
    for session in 0..campaign.sessions {
        let task = Task {
            engine: campaign.engine,
            folder: disk.join(STORE),
            seed: campaign.seed,
            until: campaign.steps * (session + 1) / campaign.sessions,
            done: campaign.steps * session / campaign.sessions,
            entropy: session,
        };
        let mut command = task.command(&campaign.program);
        recorder.attach(&mut command, disk, &place.log(), None);
        finish(command)?;
    }
    Film::develop(&place, base, campaign.seed, Acknowledged::default())
}

/// Builds the folder and opens it with the real engine.
fn look(campaign: &Campaign, still: &Still, entropy: u64) -> Result<(), Error> {
    let place = Place::new()?;
    let disk = place.disk();
    still.image.write(disk)?;
    verify(&Case {
        engine: campaign.engine,
        folder: &disk.join(STORE),
        seed: campaign.seed,
        acknowledged: still.acknowledged,
        entropy: (2 << 32) + entropy,
    })
    .map(drop)
}

/// Builds the folder, records how a worker opens it and takes a step, and cuts the power during that, too.
fn cut_again(
    campaign: &Campaign,
    recorder: &Recorder,
    still: &Still,
    chance: &mut Chance,
    tally: &mut Tally,
) -> Result<(), Error> {
    let place = Place::new()?;
    let disk = place.disk();
    still.image.write(disk)?;
    let base = Base::of(disk)?;
    let task = Task {
        engine: campaign.engine,
        folder: disk.join(STORE),
        seed: campaign.seed,
        until: still.acknowledged.step + 2,
        done: still.acknowledged.step,
        entropy: (1 << 32) + tally.images,
    };
    let mut command = task.command(&campaign.program);
    recorder.attach(&mut command, disk, &place.log(), None);
    if let Err(error) = finish(command) {
        tally.images += 1;
        return tally.judge(Err(error), &still.story, &still.image);
    }
    let film = Film::develop(&place, base, campaign.seed, still.acknowledged)?;
    film.stills(SECOND_CUTS, chance, |second, _| {
        tally.images += 1;
        let outcome = look(campaign, second, tally.images);
        let story = format!("{}; then, while opening: {}", still.story, second.story);
        tally.judge(outcome, &story, &second.image)
    })
}
