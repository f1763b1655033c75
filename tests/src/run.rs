//! Runs checks: those that disturb nobody together, the others one after the other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::catalogue::{Check, Profile, Turn};
use crate::finding::Finding;
use crate::report::{Entry, Verdict};
use crate::stage::Stage;
use crate::target::Target;

/// Runs `checks` and tells `watch` of each that is over. The entries are in the order of the checks.
pub(crate) async fn run(
    target: &Arc<Target>,
    checks: &[Check],
    seed: u64,
    mut watch: impl FnMut(&Entry),
) -> Vec<Entry> {
    let mut entries: Vec<(usize, Entry)> = Vec::new();
    let places = Arc::new(Semaphore::new(TOGETHER_MAX));
    let mut running = JoinSet::new();
    for (at, check) in numbered(checks, Turn::Together) {
        let (target, places) = (Arc::clone(target), Arc::clone(&places));
        running.spawn(async move {
            // What waits for a limit of time costs nobody a place.
            let _place = match check.profile {
                Profile::Quick => places.acquire_owned().await.ok(),
                Profile::Full | Profile::Soak => None,
            };
            (at, one(target, check, seed).await)
        });
    }
    while let Some(done) = running.join_next().await {
        let (at, entry) = match done {
            Ok(done) => done,
            Err(broken) => (usize::MAX, Entry::of_the_suite(&broken.to_string())),
        };
        watch(&entry);
        entries.push((at, entry));
    }
    for (at, check) in numbered(checks, Turn::Alone) {
        let entry = one(Arc::clone(target), check, seed).await;
        watch(&entry);
        entries.push((at, entry));
    }
    entries.sort_by_key(|(at, _)| *at);
    entries.into_iter().map(|(_, entry)| entry).collect()
}

fn numbered(checks: &[Check], turn: Turn) -> impl Iterator<Item = (usize, Check)> + '_ {
    let checks = checks.iter().copied().enumerate();
    checks.filter(move |(_, check)| check.turn == turn)
}

async fn one(target: Arc<Target>, check: Check, seed: u64) -> Entry {
    let stage = Stage::new(target, seed, check.id);
    let tape = stage.tape.clone();
    let started = Instant::now();
    let bound = match check.profile {
        Profile::Quick => Duration::from_secs(90),
        Profile::Full => Duration::from_secs(400),
        Profile::Soak => Duration::from_secs(8000),
    };
    let outcome = timeout(bound, (check.run)(stage))
        .await
        .unwrap_or_else(|_| {
            Err(Finding::not_seen(format!(
                "the check did not come to an end within {bound:?}"
            )))
        });
    let (verdict, observed) = match outcome {
        Ok(seen) => (Verdict::Passed, seen),
        Err(Finding::Broken(what)) => (Verdict::Failed, what),
        Err(Finding::NotSeen(why)) => (Verdict::NotSeen, why),
        Err(Finding::Skipped(why)) => (Verdict::Skipped, why),
    };
    let mut entry = Entry::of(&check);
    entry.verdict = verdict;
    entry.observed = observed;
    entry.duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    entry.said = tape.lines();
    entry
}

/// Checks at the same time: more would measure each other.
const TOGETHER_MAX: usize = 6;
