//! What a check has to work with: the relay, secrets of its own, and a record of what was said.

use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use crate::finding::Finding;
use crate::peer::{Options, Peer, Topic, Via};
use crate::target::Target;

/// The surroundings of one check. Cloning it is cheap.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    pub(crate) target: Arc<Target>,
    pub(crate) tape: Tape,
    seed: u64,
    id: &'static str,
}

impl Stage {
    pub(crate) fn new(target: Arc<Target>, seed: u64, id: &'static str) -> Self {
        let tape = Tape::default();
        Self {
            target,
            tape,
            seed,
            id,
        }
    }

    /// 32 bytes that nobody else has, and that the same seed gives again.
    pub(crate) fn bytes(&self, label: &str) -> [u8; 32] {
        let hash = Sha256::new()
            .chain_update(self.seed.to_be_bytes())
            .chain_update(self.id)
            .chain_update([0])
            .chain_update(label);
        hash.finalize().into()
    }

    /// Any number of such bytes.
    pub(crate) fn noise(&self, label: &str, len: usize) -> Vec<u8> {
        let blocks = (0..len.div_ceil(32)).flat_map(|n| self.bytes(&format!("{label}/{n}")));
        blocks.take(len).collect()
    }

    /// A topic of this check alone.
    pub(crate) fn topic(&self, label: &str) -> Topic {
        Topic::from_seed(self.bytes(label))
    }

    /// An honest client that is let in and has said nothing yet.
    pub(crate) async fn peer(&self, via: Via) -> Result<Peer, Finding> {
        Peer::connect(self, &Options::new(via)).await
    }

    /// An honest client that is attached to `topic`.
    pub(crate) async fn attached(&self, via: Via, topic: &Topic) -> Result<(Peer, u32), Finding> {
        let mut peer = self.peer(via).await?;
        let handle = peer.attach(topic).await?;
        Ok((peer, handle))
    }
}

/// What was said both ways, for the evidence of a failure. Bounded; the end is worth more than the beginning.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tape(Arc<Mutex<Vec<String>>>);

impl Tape {
    pub(crate) fn note(&self, line: impl Into<String>) {
        let mut lines = self.lock();
        if lines.len() >= LINES_MAX {
            lines.drain(..LINES_MAX / 2);
        }
        lines.push(line.into());
    }

    pub(crate) fn bytes(&self, direction: &str, bytes: &[u8]) {
        let mut line = format!("{direction} {} bytes", bytes.len());
        let shown = bytes.get(..bytes.len().min(SHOWN_LEN)).unwrap_or_default();
        for byte in shown {
            let _never_fails = write!(line, " {byte:02x}");
        }
        if shown.len() < bytes.len() {
            line.push_str(" ..");
        }
        self.note(line);
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lines kept of one check.
const LINES_MAX: usize = 400;

/// Bytes shown of one piece.
const SHOWN_LEN: usize = 128;
