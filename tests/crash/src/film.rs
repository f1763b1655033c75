//! A recorded run that can be stopped at any moment.

use std::process::{Command, Stdio};

use crate::chance::Chance;
use crate::disk::image::Image;
use crate::disk::loss::Loss;
use crate::disk::names::FileSystem;
use crate::error::Error;
use crate::recorder::{Base, Place};
use crate::recording::Event;
use crate::worker::{Acknowledged, Listener};

/// What was there before, and everything that happened.
#[derive(Debug)]
pub(crate) struct Film {
    base: Base,
    events: Vec<Event>,
    seed: u64,
    before: Acknowledged,
}

/// A folder that may be found after a power cut.
#[derive(Debug)]
pub(crate) struct Still {
    /// The folder.
    pub(crate) image: Image,
    /// What had been acknowledged.
    pub(crate) acknowledged: Acknowledged,
    /// When and how the power went, for a report.
    pub(crate) story: String,
}

impl Film {
    /// Checks and keeps what was recorded at `place`. `before` is what had been acknowledged when the recording began.
    ///
    /// # Errors
    /// [`Error::Recording`] if something escaped the recorder.
    pub(crate) fn develop(
        place: &Place,
        base: Base,
        seed: u64,
        before: Acknowledged,
    ) -> Result<Self, Error> {
        let events = place.recording(&base)?;
        Ok(Self {
            base,
            events,
            seed,
            before,
        })
    }

    /// Cuts the power `count` times, on each kind of file system in turn, and shows what may be found.
    ///
    /// # Errors
    /// Whatever `look` answers, and [`Error::Recording`].
    pub(crate) fn stills(
        &self,
        count: u64,
        chance: &mut Chance,
        mut look: impl FnMut(&Still, &mut Chance) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for (file_system, count) in [
            (FileSystem::Ordered, count - count / 2),
            (FileSystem::Strict, count / 2),
        ] {
            let cuts = self.cuts(count, chance);
            let mut disk = self.base.disk(file_system);
            let mut listener = Listener::new(self.seed, self.before);
            let mut next = cuts.iter().peekable();
            for (index, event) in self.events.iter().enumerate() {
                while next.next_if(|cut| **cut == index).is_some() {
                    let loss = Loss::draw(&disk.moments_on_their_way(), chance);
                    let image = disk.after(&loss, chance);
                    let acknowledged = listener.acknowledged();
                    let story = format!(
                        "before call {index} of {}, {file_system:?}, {loss:?}, {} steps acknowledged",
                        self.events.len(),
                        acknowledged.step
                    );
                    let still = Still {
                        image,
                        acknowledged,
                        story,
                    };
                    look(&still, chance)?;
                }
                disk.feed(event)?;
                listener.hear_event(event)?;
            }
        }
        Ok(())
    }

    /// Moments to cut at, ascending: each acknowledged step is as likely as any other, however many calls it made.
    fn cuts(&self, count: u64, chance: &mut Chance) -> Vec<usize> {
        let marks = self.events.iter().enumerate();
        let mut ends: Vec<usize> = marks
            .filter(|(_, event)| matches!(event, Event::Mark(_)))
            .map(|(index, _)| index)
            .collect();
        ends.push(self.events.len().saturating_sub(1));
        let mut cuts: Vec<usize> = (0..count)
            .map(|_| {
                let step = chance.index(ends.len());
                let from = step.checked_sub(1).map_or(0, |before| ends[before]);
                from + 1 + chance.index(ends[step].saturating_sub(from))
            })
            .collect();
        cuts.sort_unstable();
        cuts
    }
}

/// Runs a worker to its end, which has to be a good one.
///
/// # Errors
/// [`Error::Worker`] with what it said.
pub(crate) fn finish(mut command: Command) -> Result<(), Error> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(Error::io("a worker"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said[said.len().saturating_sub(600)..]).into_owned();
    Err(Error::Worker {
        status: output.status.to_string(),
        said,
    })
}
