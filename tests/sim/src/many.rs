//! Many seeds on a few threads.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::campaign::{self, Outcome, Shape};
use crate::check;
use crate::report::Report;

/// A mending that takes longer is named in the report.
const SLOW_MS: u64 = 30_000;

/// Which campaigns.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The first seed.
    pub first: u64,
    /// How many.
    pub seeds: u64,
    /// Group-hours of each.
    pub hours: usize,
    /// Threads.
    pub threads: usize,
}

impl Plan {
    /// What the seed of a plan does.
    #[must_use]
    pub const fn shape(&self, seed: u64) -> Shape {
        Shape::of(seed, self.hours)
    }
}

/// Runs all of them. A seed that panics is one that failed.
///
/// # Panics
/// If a thread panicked outside of a campaign.
#[must_use]
pub fn run(plan: &Plan) -> Report {
    let next = AtomicU64::new(plan.first);
    let outcomes = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..plan.threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= plan.first + plan.seeds {
                        return;
                    }
                    let run = AssertUnwindSafe(|| campaign::run(plan.shape(seed)));
                    let outcome = catch_unwind(run).ok();
                    let judged = outcome.map(|outcome| verdict(&outcome));
                    outcomes.lock().unwrap().insert(seed, judged);
                }
            });
        }
    });
    let mut report = Report::default();
    for (seed, verdict) in outcomes.into_inner().unwrap() {
        report.seeds += 1;
        let Some((outcome, found)) = verdict else {
            report.failed.push((seed, "panicked".to_owned()));
            continue;
        };
        report.faults.add(&outcome.faults);
        for heal in &outcome.heals {
            match heal {
                Some(ms) if outcome.is_silent => report.silent_heals.push(*ms),
                Some(ms) => {
                    report.heals.push(*ms);
                    if *ms > SLOW_MS {
                        report.slow.push((*ms, seed));
                    }
                }
                None => report.never += 1,
            }
        }
        if let Some(first) = found {
            report.failed.push((seed, first));
        }
    }
    report
}

/// What is kept of an outcome.
struct Kept {
    faults: crate::report::Faults,
    heals: Vec<Option<u64>>,
    is_silent: bool,
}

fn verdict(outcome: &Outcome) -> (Kept, Option<String>) {
    let found = check::judge(&outcome.history);
    let first = (found.first()).map(|first| {
        format!(
            "{}: {} (of {} findings)",
            first.check,
            first.what,
            found.len()
        )
    });
    let kept = Kept {
        faults: outcome.faults.clone(),
        heals: outcome.history.heals.clone(),
        is_silent: outcome.history.is_silent,
    };
    (kept, first)
}
