//! What waits to be sent to one relay: an ordered queue, bounded in bytes.
//!
//! The engine thread must never wait for a network, so pushing does not block. A queue that
//! would grow beyond its bound is refused instead, and the driver ends that connection: the
//! channel log is the outbox, nothing is lost by it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use thiserror::Error;
use tokio::sync::mpsc;

use super::session::Command;

/// Largest number of bytes waiting for one relay: 16 MiB, 256 frames of the largest size. A
/// relay that reads slowly, or not at all, makes a client hold no more than this.
pub(super) const QUEUE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The bound of the queue is reached, or the connection has ended.
#[derive(Debug, Error)]
#[error("the connection cannot take any more")]
pub(crate) struct Full;

/// The pushing end.
#[derive(Debug)]
pub(super) struct Sender {
    commands: mpsc::UnboundedSender<Command>,
    waiting: Arc<AtomicUsize>,
}

/// The taking end. Ends when the sender is dropped and everything was taken.
#[derive(Debug)]
pub(super) struct Receiver {
    commands: mpsc::UnboundedReceiver<Command>,
    waiting: Arc<AtomicUsize>,
}

/// A new, empty queue.
pub(super) fn channel() -> (Sender, Receiver) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    (
        Sender {
            commands: sender,
            waiting: Arc::clone(&waiting),
        },
        Receiver {
            commands: receiver,
            waiting,
        },
    )
}

impl Sender {
    /// Appends a command.
    ///
    /// # Errors
    /// [`Full`] if the bytes waiting would exceed [`QUEUE_BYTES_MAX`], or nobody takes any more.
    pub(super) fn push(&self, command: Command) -> Result<(), Full> {
        let cost = command.cost();
        let before = self.waiting.fetch_add(cost, Ordering::Relaxed);
        if before.saturating_add(cost) > QUEUE_BYTES_MAX {
            self.waiting.fetch_sub(cost, Ordering::Relaxed);
            return Err(Full);
        }
        self.commands.send(command).map_err(|_closed| Full)
    }
}

impl Receiver {
    /// The next command; `None` when the sender is gone and the queue is empty. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Command> {
        let command = self.commands.recv().await?;
        self.waiting.fetch_sub(command.cost(), Ordering::Relaxed);
        Some(command)
    }

    /// A command that is there already.
    pub(super) fn ready(&mut self) -> Option<Command> {
        let command = self.commands.try_recv().ok()?;
        self.waiting.fetch_sub(command.cost(), Ordering::Relaxed);
        Some(command)
    }
}
