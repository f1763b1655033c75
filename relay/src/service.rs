//! What stands beside the server in a running relay: admin socket, metrics, watchdog, debug totals.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sori_relay::hardening::{self, Swap};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::admin::{AdminSocket, Question};
use crate::cli::Failure;
use crate::cli::log::{Event, Log};
use crate::report::Reporter;
use crate::tide::Tide;
use crate::{metrics, notify};

/// Whether the relay serves or is on its way out. Cloning it is cheap.
#[derive(Clone, Debug, Default)]
pub(crate) struct Phase {
    stopping: Arc<AtomicBool>,
}

impl Phase {
    pub(crate) fn is_serving(&self) -> bool {
        !self.stopping.load(Ordering::Relaxed)
    }

    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }
}

/// The places where the relay can be asked, open and not yet served: what cannot be had shows before
/// the first client is let in.
#[derive(Debug)]
pub(crate) struct Places {
    admin: Option<AdminSocket>,
    metrics: Option<TcpListener>,
}

impl Places {
    /// Opens those that are wanted.
    ///
    /// # Errors
    /// [`Failure::Admin`] or [`Failure::Metrics`].
    pub(crate) async fn open(
        admin: Option<PathBuf>,
        metrics: Option<SocketAddr>,
    ) -> Result<Self, Failure> {
        let admin = admin
            .map(|path| AdminSocket::bind(&path).map_err(|source| Failure::Admin { path, source }));
        let listener = match metrics {
            None => None,
            Some(address) => {
                let bound = TcpListener::bind(address).await;
                Some(bound.map_err(|source| Failure::Metrics { address, source })?)
            }
        };
        Ok(Self {
            admin: admin.transpose()?,
            metrics: listener,
        })
    }

    /// Serves them, and whatever else goes on beside the server, until the result is dropped.
    pub(crate) fn serve(
        self,
        reporter: &Reporter,
        phase: &Phase,
        memory: Swap,
        log: Log,
    ) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        if let Some(admin) = self.admin {
            let (reporter, phase) = (reporter.clone(), phase.clone());
            tasks.spawn(async move {
                let answer = move |question| answer(question, &reporter, &phase);
                admin.serve(log, answer).await;
            });
        }
        if let Some(listener) = self.metrics {
            tasks.spawn(metrics::serve(
                listener,
                reporter.clone(),
                phase.clone(),
                log,
            ));
        }
        if let Some(pause) = notify::watchdog_interval() {
            tasks.spawn(feed_watchdog(pause));
        }
        tasks.spawn(tell_totals(reporter.clone(), log));
        tasks.spawn(give_back_memory(reporter.clone(), memory));
        tasks
    }
}

fn answer(question: Question, reporter: &Reporter, phase: &Phase) -> String {
    match question {
        Question::Health if phase.is_serving() => "ok".to_owned(),
        Question::Health => "stopping".to_owned(),
        Question::Warrant => reporter.report().to_json(),
    }
}

/// Only a runtime that still runs its tasks feeds the watchdog.
async fn feed_watchdog(pause: Duration) {
    let mut beat = interval(pause);
    loop {
        beat.tick().await;
        let _the_manager_draws_its_conclusions = notify::tell(notify::State::Watchdog);
    }
}

async fn tell_totals(reporter: Reporter, log: Log) {
    loop {
        sleep(TOTALS_PAUSE).await;
        log.say(&Event::Totals(&reporter.report()));
    }
}

/// Gives back what a crowd took when it has left. Where memory could get to a disk while it is not locked,
/// it is kept instead.
async fn give_back_memory(reporter: Reporter, memory: Swap) {
    if hardening::may_swap() {
        return;
    }
    let mut tide = Tide::default();
    let mut look = interval(TIDE_PAUSE);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        if tide.tick(reporter.connections()) {
            memory.give_back_free();
        }
    }
}

/// How often it is looked whether a crowd has left.
const TIDE_PAUSE: Duration = Duration::from_secs(1);

/// How often the totals go to the debug log.
const TOTALS_PAUSE: Duration = Duration::from_secs(60);
