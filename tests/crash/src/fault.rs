//! Calls that fail: the disk fills up at the n-th call that needs space, or the device fails at the n-th call, for each n.

use std::path::PathBuf;
use std::process::Stdio;

use crate::disk::image::Image;
use crate::engine::Engine;
use crate::error::Error;
use crate::place;
use crate::recorder::{Fault, Place, Recorder, Trouble};
use crate::recording::{self, Event};
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
    /// The seed of the plan.
    pub seed: u64,
    /// Steps of the run that is made to fail.
    pub steps: u64,
    /// Every so many-th call is tried; 1 tries all.
    pub stride: u64,
    /// What happens.
    pub trouble: Trouble,
}

/// The store's folder on the recorded disk.
const STORE: &str = "profile";

/// What one run said and left.
struct Run {
    /// Steps acknowledged.
    acknowledged: Acknowledged,
    /// True if a call was made to fail.
    has_failed: bool,
    /// The error that the worker ended with, `None` if it reached its last step.
    error: Option<String>,
    /// How the process ended otherwise, if it did not end by itself.
    death: Option<String>,
}

/// Lets the call number 1, 1 + stride, ... fail, each in a run of its own from nothing, until there are no more; after each
/// the store has to open and hold everything acknowledged.
///
/// # Errors
/// If the campaign could not be run. What the engine did wrong is in the answer.
pub fn run(campaign: &Campaign, recorder: &Recorder) -> Result<Tally, Error> {
    let trial = match campaign.trouble {
        Trouble::DeviceError => "device error",
        Trouble::DiskFull => "disk full",
    };
    let mut tally = Tally::new(campaign.engine.name(), trial, campaign.seed);
    for at in (1..).step_by(usize::try_from(campaign.stride.max(1)).unwrap_or(usize::MAX)) {
        let place = Place::new()?;
        let run = fail(campaign, recorder, &place, at)?;
        if !run.has_failed {
            break;
        }
        tally.rounds += 1;
        tally.images += 1;
        let found = Image::read(place.disk())?;
        let outcome = look(campaign, &place, &run);
        tally.judge(outcome, &format!("call {at} failed"), &found)?;
    }
    Ok(tally)
}

fn fail(campaign: &Campaign, recorder: &Recorder, place: &Place, at: u64) -> Result<Run, Error> {
    if !campaign.engine.is_ours() {
        place::folder(place.disk(), STORE)?;
    }
    let task = Task {
        engine: campaign.engine,
        folder: place.disk().join(STORE),
        seed: campaign.seed,
        until: campaign.steps,
        done: 0,
        entropy: 0,
    };
    let mut command = task.command(&campaign.program);
    let fault = Fault {
        at,
        trouble: campaign.trouble,
    };
    recorder.attach(&mut command, place.disk(), &place.log(), Some(fault));
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(Error::io("a worker"))?;
    let events = recording::read(&place.log())?;
    let mut listener = Listener::new(campaign.seed, Acknowledged::default());
    for event in &events {
        listener.hear_event(event)?;
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let error = said.lines().find_map(|line| line.strip_prefix("error "));
    let is_orderly = output
        .status
        .code()
        .is_some_and(|code| code == i32::from(error.is_some()));
    Ok(Run {
        acknowledged: listener.acknowledged(),
        has_failed: events
            .iter()
            .any(|event| matches!(event, Event::Fault { .. })),
        error: error.map(str::to_owned),
        death: (!is_orderly).then(|| {
            let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
            format!("{}: {complaint}", output.status)
        }),
    })
}

fn look(campaign: &Campaign, place: &Place, run: &Run) -> Result<(), Error> {
    if let Some(death) = &run.death {
        return Err(Error::finding(format!("the process died: {death}")));
    }
    // What the store says for people.
    let word = match campaign.trouble {
        Trouble::DeviceError => "answered with an error",
        Trouble::DiskFull => "disk is full",
    };
    if let Some(error) = &run.error
        && campaign.engine.is_ours()
        && !error.contains(word)
    {
        return Err(Error::finding(format!("an unclear error: {error}")));
    }
    verify(&Case {
        engine: campaign.engine,
        folder: &place.disk().join(STORE),
        seed: campaign.seed,
        acknowledged: run.acknowledged,
        entropy: 1 << 32,
    })
    .map(drop)
}
