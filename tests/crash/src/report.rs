//! What came of a campaign, for people.

use std::fmt;
use std::path::PathBuf;

use crate::disk::image::Image;
use crate::error::Error;

/// Findings told in full; of the others the number must do.
const TOLD_MAX: usize = 5;

/// The count of one campaign.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Which engine.
    pub engine: &'static str,
    /// What was done to it.
    pub trial: &'static str,
    /// The seed to repeat it with.
    pub seed: u64,
    /// Processes that worked, were killed, or were made to fail.
    pub rounds: u64,
    /// Folders that were opened and compared whole.
    pub images: u64,
    /// How many of those were wrong.
    pub failures: u64,
    /// What was wrong, the first few times, and how to see it again.
    pub told: Vec<String>,
    /// How long it took.
    pub seconds: u64,
    must: Must,
}

/// What an engine has to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Must {
    /// Fail in more than a quarter of the images: it is known to be unsafe, so a trial that it passes is worthless.
    Fail,
    Hold,
}

impl Tally {
    /// Nothing counted yet.
    #[must_use]
    pub(crate) const fn new(engine: &'static str, trial: &'static str, seed: u64) -> Self {
        Self {
            engine,
            trial,
            seed,
            rounds: 0,
            images: 0,
            failures: 0,
            told: Vec::new(),
            seconds: 0,
            must: Must::Hold,
        }
    }

    /// This engine is a control that has to fail. What it did wrong is no news.
    pub(crate) fn must_fail(&mut self) {
        self.must = Must::Fail;
        self.told.clear();
    }

    /// Whether the engine did what it must.
    #[must_use]
    pub const fn is_good(&self) -> bool {
        match self.must {
            Must::Fail => self.failures.saturating_mul(4) > self.images,
            Must::Hold => self.failures == 0,
        }
    }

    /// The first line of a table of tallies.
    #[must_use]
    pub fn heading() -> String {
        format!(
            "{:<10} {:<13} {:>7} {:>7} {:>9} {:>6}  verdict",
            "engine", "trial", "rounds", "images", "failures", "time"
        )
    }

    /// Adds what the same trial gave with another seed.
    pub(crate) fn add(&mut self, other: Self) {
        self.rounds += other.rounds;
        self.images += other.images;
        self.failures += other.failures;
        self.told.extend(other.told);
    }

    /// Counts an outcome. What the engine did wrong is a failure; that the campaign itself went wrong is an error. The
    /// folder in which it happened is kept.
    ///
    /// # Errors
    /// What is not the engine's fault.
    pub(crate) fn judge(
        &mut self,
        outcome: Result<(), Error>,
        story: &str,
        image: &Image,
    ) -> Result<(), Error> {
        let Err(error) = outcome else { return Ok(()) };
        if !matches!(
            error,
            Error::Engine { .. } | Error::Finding(_) | Error::Worker { .. }
        ) {
            return Err(error);
        }
        self.failures += 1;
        if self.told.len() < TOLD_MAX {
            let kept = self.keep(image)?;
            self.told
                .push(format!("{story}: {error} [{}]", kept.display()));
        }
        Ok(())
    }

    fn keep(&self, image: &Image) -> Result<PathBuf, Error> {
        let name = format!(
            "sori-crash-{}-{}-{}-{}",
            self.engine,
            self.trial.replace(' ', "-"),
            self.seed,
            self.told.len()
        );
        let kept = std::env::temp_dir().join(name);
        if kept.exists() {
            std::fs::remove_dir_all(&kept).map_err(Error::at(&kept))?;
        }
        image.write(&kept)?;
        Ok(kept)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match (self.is_good(), self.must) {
            (true, Must::Hold) => "good",
            (true, Must::Fail) => "fails, as it must",
            (false, Must::Hold) => "BAD",
            (false, Must::Fail) => "BAD: the trial is too kind",
        };
        write!(
            f,
            "{:<10} {:<13} {:>7} {:>7} {:>9} {:>4} s  {verdict}",
            self.engine, self.trial, self.rounds, self.images, self.failures, self.seconds
        )?;
        for told in &self.told {
            write!(f, "\n    {told}")?;
        }
        Ok(())
    }
}
