//! Many seeds on a few threads.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::campaign::{self, Outcome, Shape};
use crate::check;
use crate::journal::Journal;
use crate::report::{Report, Verdict};

/// Between two lines about how far a run is.
const PROGRESS: Duration = Duration::from_secs(30);

/// Which campaigns.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The first seed.
    pub first: u64,
    /// How many.
    pub seeds: u64,
    /// Group-hours of each; `None` for two of an even seed and three of an odd one.
    pub hours: Option<usize>,
    /// Threads.
    pub threads: usize,
    /// Where to note what came of each seed, and to find what came of seeds before.
    pub journal: Option<PathBuf>,
    /// Whether to say on standard error how far it is.
    pub tells: bool,
}

impl Plan {
    /// What the seed of a plan does.
    #[must_use]
    pub const fn shape(&self, seed: u64) -> Shape {
        let hours = match self.hours {
            Some(hours) => hours,
            None if seed.is_multiple_of(2) => 2,
            None => 3,
        };
        Shape::of(seed, hours)
    }
}

/// What is known while it goes on.
struct Progress {
    journal: Option<Journal>,
    verdicts: BTreeMap<u64, Verdict>,
    /// How many of them an earlier run found.
    before: usize,
    began: Instant,
    told: Instant,
}

/// Runs all of them that the journal does not know. A seed that panics is one that failed.
///
/// # Errors
/// If the journal cannot be read or written, or belongs to another build.
///
/// # Panics
/// If a thread panicked outside of a campaign.
pub fn run(plan: &Plan) -> io::Result<Report> {
    let (journal, mut verdicts) = match &plan.journal {
        Some(path) => {
            let (journal, known) = Journal::open(path, plan.hours)?;
            (Some(journal), known)
        }
        None => (None, BTreeMap::new()),
    };
    let end = plan.first + plan.seeds;
    verdicts.retain(|seed, _| (plan.first..end).contains(seed));
    let progress = Mutex::new(Progress {
        journal,
        before: verdicts.len(),
        verdicts,
        began: Instant::now(),
        told: Instant::now(),
    });
    let next = AtomicU64::new(plan.first);
    std::thread::scope(|scope| {
        let threads = (0..plan.threads).map(|_| scope.spawn(|| work(plan, &next, &progress)));
        let threads: Vec<_> = threads.collect();
        threads.into_iter().try_for_each(|t| t.join().unwrap())
    })?;
    let progress = progress.into_inner().unwrap();
    Ok(Report::of(progress.verdicts.into_values()))
}

/// What one thread does.
fn work(plan: &Plan, next: &AtomicU64, progress: &Mutex<Progress>) -> io::Result<()> {
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= plan.first + plan.seeds {
            return Ok(());
        }
        if progress.lock().unwrap().verdicts.contains_key(&seed) {
            continue;
        }
        let run = AssertUnwindSafe(|| campaign::run(plan.shape(seed)));
        let verdict = match catch_unwind(run) {
            Ok(outcome) => verdict(seed, &outcome),
            Err(_) => Verdict {
                seed,
                failed: Some("panicked".to_owned()),
                ..Verdict::default()
            },
        };
        let mut progress = progress.lock().unwrap();
        if let Some(journal) = &mut progress.journal {
            journal.note(&verdict)?;
        }
        progress.verdicts.insert(seed, verdict);
        if plan.tells && progress.told.elapsed() > PROGRESS {
            progress.told = Instant::now();
            progress.tell(plan.seeds);
        }
    }
}

impl Progress {
    /// Says how far it is.
    #[expect(clippy::print_stderr, reason = "asked for by whoever runs it")]
    fn tell(&self, seeds: u64) {
        let done = self.verdicts.len();
        let hours: usize = self.verdicts.values().map(|v| v.faults.hours).sum();
        let failed = self.verdicts.values().filter(|v| v.failed.is_some());
        let elapsed = self.began.elapsed().as_secs();
        let (here, left) = ((done - self.before) as u64, seeds - done as u64);
        let minutes = elapsed * left / here.max(1) / 60;
        eprintln!(
            "{done} of {seeds} seeds, {hours} group-hours, {} failed; about {minutes} minutes more",
            failed.count()
        );
    }
}

fn verdict(seed: u64, outcome: &Outcome) -> Verdict {
    let found = check::judge(&outcome.history);
    let failed = (found.first()).map(|first| {
        format!(
            "{}: {} (of {} findings)",
            first.check,
            first.what,
            found.len()
        )
    });
    Verdict {
        seed,
        failed,
        faults: outcome.faults.clone(),
        heals: outcome.history.heals.clone(),
        is_silent: outcome.history.is_silent,
    }
}
