//! Can what was to be forgotten still be read? With every file of the profile and its secret in hand.
//!
//! - `keys`: every key that can be derived from the files;
//! - `carve`: every row at every offset of every file.
//!
//! The control: the same search with the slot files kept from before finds hundreds of forgotten versions. So they are all
//! still there, and it is the keys that are gone.

mod carve;
mod keys;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use memchr::memmem;

use crate::chance::Chance;
use crate::disk::image::Image;
use crate::engine::Engine;
use crate::error::Error;
use crate::model::Fate;
use crate::place;
use crate::plan::{GROUP_MARK, Plan, Secret, Step};
use crate::report::Tally;
use crate::value::{MARK, RECOGNISED_LEN};
use carve::carve;
use keys::Cells;

/// How much to do.
#[derive(Clone, Copy, Debug)]
pub struct Campaign {
    /// The store on one backend or the other.
    pub engine: Engine,
    /// The seed of the plan and of the moments.
    pub seed: u64,
    /// Steps of the workload.
    pub steps: u64,
    /// Search after so many steps, besides after each forgetting.
    pub every: u64,
}

/// The answer of a campaign.
#[derive(Clone, Debug)]
pub struct Findings {
    /// Searches and failures.
    pub tally: Tally,
    /// At the last search: rows found.
    pub rows: usize,
    /// At the last search: versions that have to be forgotten.
    pub doomed: usize,
    /// At the last search: how many of those could be read. None should.
    pub doomed_read: usize,
    /// At the last search: versions that live, and are long enough to be recognised.
    pub living: usize,
    /// At the last search: how many of those could be read. All should.
    pub living_read: usize,
    /// The control: how many doomed versions could be read, at one search or another, by somebody who had kept every
    /// earlier slot file.
    pub doomed_read_with_old_keys: usize,
}

const STREAM: u64 = (1 << 40) + 2;

/// Works with a store and searches its files again and again.
///
/// # Errors
/// If the campaign could not be run. What could be read and should not is in the answer.
pub fn run(campaign: &Campaign) -> Result<Findings, Error> {
    let place = place::scratch()?;
    let folder = place.path().join("profile");
    let mut plan = Plan::new(campaign.seed);
    let mut chance = Chance::new(campaign.seed, STREAM);
    let mut subject = campaign.engine.create(&folder, campaign.seed)?;
    let mut search = Search::new(campaign.engine.name(), campaign.seed);
    while plan.number() < campaign.steps {
        let step = plan.advance();
        subject.take(&step, plan.number())?;
        match step {
            Step::ChangeUnlock(_)
            | Step::Forget
            | Step::Move
            | Step::Reopen
            | Step::RotateMaster => {
                search.forgotten = plan.number();
            }
            Step::Commit(_) | Step::Maintain | Step::Rebuild => {}
        }
        if step == Step::Forget || chance.below(campaign.every.max(1)) == 0 {
            search.look(&folder, &plan)?;
        }
    }
    // Closing forgets, too.
    drop(subject);
    search.forgotten = plan.number();
    search.look(&folder, &plan)?;
    Ok(search.conclude())
}

/// Searches the files of a closed store, which must have forgotten everything that `plan` says.
///
/// # Errors
/// [`Error::Finding`] with what can be read and should not, or cannot and should.
pub(crate) fn examine(folder: &Path, plan: &Plan) -> Result<(), Error> {
    let image = Image::read(folder)?;
    let mut search = Search::new("", 0);
    search.forgotten = plan.number();
    look_for_plaintext(&image)?;
    search.examine(&image, plan)
}

/// Writes everything that the files below `folder` and the passphrase open: what the store shows, and what it would not.
///
/// # Errors
/// If the folder cannot be read, or the passphrase leads to no master key.
pub fn steal(folder: &Path, passphrase: String, out: &mut impl Write) -> Result<(), Error> {
    let image = Image::read(folder)?;
    let master = keys::master(&image, &Secret::Passphrase(passphrase));
    let master = master.ok_or_else(|| Error::finding("no header leads to the master key"))?;
    for row in carve::plaintexts(&image, &Cells::open(&image, &master)) {
        out.write_all(&row).map_err(Error::io("what was found"))?;
    }
    Ok(())
}

/// No file may hold anything of the caller in clear.
///
/// # Errors
/// [`Error::Finding`] with the file.
fn look_for_plaintext(image: &Image) -> Result<(), Error> {
    for (path, bytes) in image.files() {
        for mark in [&MARK[..], &GROUP_MARK] {
            if memmem::find(bytes, mark).is_some() {
                return Err(Error::finding(format!("plaintext in {path}")));
            }
        }
    }
    Ok(())
}

struct Search {
    tally: Tally,
    /// The last step after which everything was to be forgotten.
    forgotten: u64,
    /// All master keys there ever were.
    masters: BTreeSet<[u8; 32]>,
    /// All keys there ever were.
    kept: Cells,
    /// Forgotten versions that those keys could read.
    kept_read: BTreeSet<u64>,
    last: [usize; 5],
}

impl Search {
    fn new(engine: &'static str, seed: u64) -> Self {
        Self {
            tally: Tally::new(engine, "forensics", seed),
            forgotten: 0,
            masters: BTreeSet::new(),
            kept: Cells::default(),
            kept_read: BTreeSet::new(),
            last: [0; 5],
        }
    }

    fn look(&mut self, folder: &Path, plan: &Plan) -> Result<(), Error> {
        let image = Image::read(folder)?;
        self.tally.images += 1;
        let outcome = look_for_plaintext(&image).and_then(|()| self.examine(&image, plan));
        let story = format!(
            "after step {}, forgotten up to {}",
            plan.number(),
            self.forgotten
        );
        self.tally.judge(outcome, &story, &image)
    }

    fn examine(&mut self, image: &Image, plan: &Plan) -> Result<(), Error> {
        let secret = Secret::numbered(plan.secret());
        let master = keys::master(image, &secret);
        let master = master.ok_or_else(|| Error::finding("no header leads to the master key"))?;
        let cells = Cells::open(image, &master);
        self.masters.insert(master);
        let old = self.masters.iter().filter(|old| **old != master);
        if old
            .map(|old| Cells::open(image, old))
            .any(|cells| !cells.is_empty())
        {
            return Err(Error::finding("a replaced master key still opens cells"));
        }
        self.kept.join(&cells);
        let haul = carve(image, &cells);
        let doomed = doomed(plan, self.forgotten);
        let living = living(plan);
        let read = |versions: &[u64]| -> Vec<u64> {
            let read = versions
                .iter()
                .filter(|version| haul.versions.contains(version));
            read.copied().collect()
        };
        let old = carve(image, &self.kept).versions;
        self.kept_read
            .extend(doomed.iter().filter(|version| old.contains(version)));
        let (doomed_read, living_read) = (read(&doomed), read(&living));
        self.last = [
            haul.rows.len(),
            doomed.len(),
            doomed_read.len(),
            living.len(),
            living_read.len(),
        ];
        if !doomed_read.is_empty() {
            let told = doomed_read.iter().take(3);
            let told: Vec<String> = told.map(|version| plan.model().story(*version)).collect();
            return Err(Error::finding(format!(
                "{} forgotten versions can be read: {}",
                doomed_read.len(),
                told.join(", ")
            )));
        }
        if living_read.len() != living.len() {
            return Err(Error::finding(format!(
                "only {} of {} living versions are found: the search is at fault, or docs/store.md",
                living_read.len(),
                living.len()
            )));
        }
        Ok(())
    }

    fn conclude(self) -> Findings {
        let [rows, doomed, doomed_read, living, living_read] = self.last;
        Findings {
            rows,
            doomed,
            doomed_read,
            living,
            living_read,
            doomed_read_with_old_keys: self.kept_read.len(),
            tally: self.tally,
        }
    }
}

fn doomed(plan: &Plan, forgotten: u64) -> Vec<u64> {
    let fates = plan.model().fates().iter();
    fates
        .filter(|(_, fate)| matches!(fate, Fate::Doomed { at } if *at <= forgotten))
        .map(|(version, _)| *version)
        .collect()
}

fn living(plan: &Plan) -> Vec<u64> {
    let values = plan.model().values();
    values
        .filter(|value| value.len >= RECOGNISED_LEN)
        .map(|value| value.version)
        .collect()
}
