//! How far something is that takes a while.

use std::time::{Duration, Instant};

use serde::Serialize;
use sori_client::Progress;
use tauri::ipc::Channel;

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// Messages are written to a backup.
    BackingUp,
    /// The lines of a conversation are looked for, and then written.
    Exporting,
    /// A backup is read.
    Reading,
    /// A profile's files are written anew.
    Rewriting,
    /// The messages of a backup are put in their places.
    Sorting,
}

/// How far it is, for the page. Of `total`, if that is known yet.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct ProgressView {
    phase: Phase,
    done: u64,
    total: Option<u64>,
}

/// Tells the page, but not more often than an eye can follow.
pub(crate) struct Meter {
    channel: Channel<ProgressView>,
    told: Option<(Phase, Instant)>,
}

impl Meter {
    pub(crate) const fn new(channel: Channel<ProgressView>) -> Self {
        Self {
            channel,
            told: None,
        }
    }

    /// What tells how far the rewriting of a profile's files is.
    pub(crate) fn rewriting(mut self) -> impl FnMut(Progress) + Send + 'static {
        move |at| self.tell(Phase::Rewriting, at.rows_done, Some(at.rows))
    }

    pub(crate) fn tell(&mut self, phase: Phase, done: u64, total: Option<u64>) {
        let now = Instant::now();
        let is_soon = self
            .told
            .is_some_and(|(last, at)| last == phase && now.duration_since(at) < PAUSE);
        if is_soon && total != Some(done) {
            return;
        }
        self.told = Some((phase, now));
        // A page that has gone meanwhile needs no word.
        let _gone = self.channel.send(ProgressView { phase, done, total });
    }
}

/// Between two words about the same.
const PAUSE: Duration = Duration::from_millis(80);
