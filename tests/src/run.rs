//! Runs checks: those that disturb nobody together, the others one after the other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::catalogue::{Check, Profile, Run, Turn};
use crate::client::scene::Scene;
use crate::finding::{Finding, Outcome};
use crate::report::{Entry, Verdict};
use crate::stage::{Stage, Tape};
use crate::target::Target;

/// Shell commands that start clients.
#[derive(Clone, Debug)]
pub(crate) struct Shims {
    /// The client under test.
    pub(crate) judged: String,
    /// One that lacks the rules of groups, where there is one.
    pub(crate) hostile: Option<String>,
    /// What opens all that a folder and its passphrase open, where there is such a program.
    pub(crate) thief: Option<String>,
}

/// What is judged.
#[derive(Clone, Debug)]
pub(crate) enum Judged {
    Relay(Arc<Target>),
    Client(Shims),
}

/// Runs `checks` and tells `watch` of each that is over. The entries are in the order of the checks.
pub(crate) async fn run(
    judged: &Judged,
    checks: &[Check],
    seed: u64,
    mut watch: impl FnMut(&Entry),
) -> Vec<Entry> {
    let mut entries: Vec<(usize, Entry)> = Vec::new();
    let places = Arc::new(Semaphore::new(match judged {
        Judged::Relay(_) => TOGETHER_MAX,
        Judged::Client(_) => CLIENTS_TOGETHER_MAX,
    }));
    let mut running = JoinSet::new();
    for (at, check) in numbered(checks, Turn::Together) {
        let (judged, places) = (judged.clone(), Arc::clone(&places));
        running.spawn(async move {
            // What waits for a limit of time costs nobody a place.
            let _place = match check.profile {
                Profile::Quick => places.acquire_owned().await.ok(),
                Profile::Full | Profile::Soak => None,
            };
            (at, one(judged, check, seed).await)
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
        let entry = one(judged.clone(), check, seed).await;
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

async fn one(judged: Judged, check: Check, seed: u64) -> Entry {
    let tape = Tape::default();
    let started = Instant::now();
    let bound = match (check.profile, check.run) {
        (Profile::Quick, Run::Relay(_)) => Duration::from_secs(90),
        // Clients are many processes, which a busy machine makes wait for each other.
        (Profile::Quick, Run::Client(_)) | (Profile::Full, _) => Duration::from_secs(400),
        (Profile::Soak, _) => Duration::from_secs(8000),
    };
    let outcome = timeout(bound, carry_out(judged, check, seed, tape.clone()))
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

async fn carry_out(judged: Judged, check: Check, seed: u64, tape: Tape) -> Outcome {
    match (check.run, judged) {
        (Run::Relay(run), Judged::Relay(target)) => {
            let mut stage = Stage::new(target, seed, check.id);
            stage.tape = tape;
            run(stage).await
        }
        (Run::Client(run), Judged::Client(shims)) => {
            run(Scene::set(shims, seed, check.id, tape).await?).await
        }
        _ => Err(Finding::skipped("it is about something else")),
    }
}

/// Checks at the same time: more would measure each other.
const TOGETHER_MAX: usize = 6;

/// The same for clients, each of which is several processes.
const CLIENTS_TOGETHER_MAX: usize = 3;
