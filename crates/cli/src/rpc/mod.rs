//! `sori rpc`: JSON-RPC 2.0 on standard input and output, one object a line (docs/rpc.md).
//!
//! ```text
//!  stdin ─▶ lines ─▶ Request ─▶ Call ─▶ Client
//!                                          │
//!  stdout ◀─ one writer ◀─ answers ◀───────┤
//!                    ▲──── notifications ◀─┘
//! ```
//!
//! Calls begin in the order of their lines and are answered when their effect is durable, which
//! need not be the same order. Standard output carries JSON and nothing else.

mod call;
mod lines;
mod notification;
#[cfg(any(test, fuzzing))]
mod outside;
mod protocol;

use std::io::Write;
use std::sync::Arc;

use serde_json::Value;
use sori_client::Client;
use sori_client::broadcast::error::RecvError;
use tokio::sync::{Notify, Semaphore, mpsc};

use self::call::Call;
use self::lines::Line;
use self::protocol::{Fault, Request};
use crate::failure::Failure;

/// Serves until standard input ends, `shutdown` is called, or a signal asks to end.
///
/// # Errors
/// [`Failure::Client`] if the messenger had to stop because a write to the profile failed.
pub(crate) async fn serve(client: Client) -> Result<(), Failure> {
    let (out, out_queue) = mpsc::channel(OUT_WAITING_MAX);
    let (written, writer_ended) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        write_lines(out_queue);
        let _nobody_waits = written.send(());
    });
    let service = Arc::new(Service {
        client: client.clone(),
        out: out.clone(),
        asked_to_end: Notify::new(),
        running: Semaphore::new(CALLS_RUNNING_MAX),
    });
    let notifier = tokio::spawn(notify(client.clone(), out));
    Arc::clone(&service)
        .read(lines::read(std::io::stdin()))
        .await;
    let failure = client.failure();
    client.shutdown().await;
    // The end of the messenger ends the events, and so the notifier.
    let _ended = notifier.await;
    drop(service);
    let _ended = writer_ended.await;
    failure.map_or(Ok(()), |error| Err(error.into()))
}

/// What all calls share.
struct Service {
    client: Client,
    out: mpsc::Sender<String>,
    asked_to_end: Notify,
    running: Semaphore,
}

impl Service {
    /// Takes lines until there is a reason to end, then waits for the calls that run.
    async fn read(self: Arc<Self>, mut lines: mpsc::Receiver<Line>) {
        let mut signals = std::pin::pin!(sori_client::asked_to_end());
        loop {
            let line = tokio::select! {
                biased;
                () = self.asked_to_end.notified() => break,
                () = &mut signals => break,
                () = self.out.closed() => break,
                line = lines.recv() => line,
            };
            let Some(line) = line else { break };
            // A caller that writes faster than the messenger works waits here.
            let Ok(permit) = self.running.acquire().await else {
                break;
            };
            permit.forget();
            // On one thread tasks begin in the order in which they were made.
            tokio::spawn(Arc::clone(&self).answer(line));
        }
        let all = u32::try_from(CALLS_RUNNING_MAX).unwrap_or(u32::MAX);
        let _all_done = self.running.acquire_many(all).await;
    }

    /// Carries out one line and writes its answer, if it wants one.
    async fn answer(self: Arc<Self>, line: Line) {
        if let Some(answer) = self.outcome(line).await {
            // If nobody reads, the service ends anyway.
            let _closed = self.out.send(answer).await;
        }
        self.running.add_permits(1);
    }

    async fn outcome(&self, line: Line) -> Option<String> {
        let request = match line {
            Line::Text(text) => Request::parse(&text),
            Line::TooLong => Err(Fault::line_too_long()),
        };
        let request = match request {
            Ok(request) => request,
            Err(fault) => return Some(protocol::error(&Value::Null, &fault)),
        };
        let outcome = match Call::parse(&request.method, request.params) {
            Ok(Call::Shutdown {}) => {
                self.asked_to_end.notify_one();
                Ok(Value::Object(serde_json::Map::new()))
            }
            Ok(call) => call
                .run(&self.client)
                .await
                .map_err(|error| Fault::application(&error)),
            Err(fault) => Err(fault),
        };
        let id = request.id?;
        Some(match outcome {
            Ok(result) => protocol::result(&id, &result),
            Err(fault) => protocol::error(&id, &fault),
        })
    }
}

/// Writes events as notifications until the messenger ends.
async fn notify(client: Client, out: mpsc::Sender<String>) {
    let mut events = client.events();
    let origin = notification::origin(client.origin());
    drop(client);
    if let Some(line) = origin
        && out.send(line).await.is_err()
    {
        return;
    }
    loop {
        let line = match events.recv().await {
            Ok(event) => notification::of(&event),
            Err(RecvError::Lagged(_number)) => Some(notification::events_lost()),
            Err(RecvError::Closed) => return,
        };
        if let Some(line) = line
            && out.send(line).await.is_err()
        {
            return;
        }
    }
}

/// The only writer of standard output. Ends when all senders are gone or nobody reads.
fn write_lines(mut lines: mpsc::Receiver<String>) {
    let mut stdout = std::io::stdout().lock();
    while let Some(line) = lines.blocking_recv() {
        let written = stdout
            .write_all(line.as_bytes())
            .and_then(|()| stdout.write_all(b"\n"))
            .and_then(|()| stdout.flush());
        if written.is_err() {
            return;
        }
    }
}

/// Calls that run at a time; further lines wait to be read.
const CALLS_RUNNING_MAX: usize = 256;

/// Lines that wait to be written. A reader that is slower gets `events.lost`, not all memory.
const OUT_WAITING_MAX: usize = 1024;
