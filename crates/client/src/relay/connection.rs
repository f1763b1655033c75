//! The task behind one relay connection, and the handle the driver holds of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use sori_engine::Trouble;
use sori_wire::{AccessKey, CloseCode, Decoder, Exporter, RelayMessage, RelayUrl};
use tokio::runtime::Handle as Runtime;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::carrier::{Broken, Carrier, Dialled, Inlet, Outlet};
use super::dial;
use super::paths::Paths;
use super::queue::{self, Full};
use super::session::{Command, Notice, Session, Step};

/// Names one attempt at a connection; never used twice in a process. What a connection reports
/// after the driver has given it up is told apart by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConnectionId(pub(crate) u64);

/// What a connection tells the driver.
#[derive(Debug)]
pub(crate) enum Report {
    /// The session is open, and the relay lets us in.
    Connected,
    /// The attempt failed or the connection is over. The last report of its connection.
    Ended(Trouble),
    /// Something happened on it.
    Notice(Notice),
}

/// Where a connection reports to. Waiting for room in it is what makes a fast relay slow down.
pub(crate) type Reporter = mpsc::Sender<(ConnectionId, Report)>;

/// The driver's handle of a connection. Dropping it closes the connection in good order: what is
/// queued is still sent, for at most a second.
#[derive(Debug)]
pub(crate) struct Link {
    queue: queue::Sender,
    task: JoinHandle<()>,
}

impl Link {
    /// Starts connecting to `relay` on the given runtime.
    pub(crate) fn open(
        runtime: &Runtime,
        relay: RelayUrl,
        paths: Arc<Paths>,
        id: ConnectionId,
        reporter: Reporter,
    ) -> Self {
        let (queue, commands) = queue::channel();
        let task = runtime.spawn(run(relay, paths, id, commands, reporter));
        Self { queue, task }
    }

    /// Queues a command.
    ///
    /// # Errors
    /// [`Full`] if the connection ended or takes too little; [`abort`](Self::abort) it then.
    pub(crate) fn push(&self, command: Command) -> Result<(), Full> {
        self.queue.push(command)
    }

    /// Ends the connection at once; what is queued is dropped.
    pub(crate) fn abort(self) {
        self.task.abort();
    }

    /// Ends the connection in good order; the task can be awaited.
    pub(crate) fn close(self) -> JoinHandle<()> {
        self.task
    }
}

async fn run(
    relay: RelayUrl,
    paths: Arc<Paths>,
    id: ConnectionId,
    mut commands: queue::Receiver,
    reporter: Reporter,
) {
    let dialled = tokio::select! {
        dialled = dial::dial(&relay, &paths) => dialled,
        () = closed(&mut commands) => return,
    };
    let trouble = match dialled {
        Ok(dialled) => converse(dialled, relay.access(), id, commands, &reporter).await,
        Err(trouble) => trouble,
    };
    // If the driver is gone there is nobody to tell.
    let _gone = reporter.send((id, Report::Ended(trouble))).await;
}

/// Waits until the driver gives up a connection that is not open yet. Commands before
/// [`Report::Connected`] have no meaning and are dropped.
async fn closed(commands: &mut queue::Receiver) {
    while commands.next().await.is_some() {}
}

/// Runs an open session to its end.
async fn converse(
    dialled: Dialled,
    access: Option<&AccessKey>,
    id: ConnectionId,
    commands: queue::Receiver,
    reporter: &Reporter,
) -> Trouble {
    let Dialled {
        carrier,
        inlet,
        outlet,
        exporter,
    } = dialled;
    let (replies, reply_queue) = mpsc::unbounded_channel();
    let talk = Talk::new(exporter, &carrier, id, reporter, replies);
    talk.greet(access);
    let trouble = tokio::select! {
        trouble = talk.read(inlet) => trouble,
        trouble = talk.write(outlet, commands, reply_queue) => trouble,
    };
    carrier.close().await;
    trouble
}

/// What reader and writer of one session share.
struct Talk<'a> {
    session: Mutex<Session>,
    /// Whether a request waits for its answer.
    waiting: watch::Sender<bool>,
    carrier: &'a Carrier,
    id: ConnectionId,
    reporter: &'a Reporter,
    /// Bytes the reader owes the relay, such as a detach that became due.
    replies: mpsc::UnboundedSender<Bytes>,
}

/// The driver has gone, so there is nobody to work for.
struct DriverGone;

impl<'a> Talk<'a> {
    fn new(
        exporter: Exporter,
        carrier: &'a Carrier,
        id: ConnectionId,
        reporter: &'a Reporter,
        replies: mpsc::UnboundedSender<Bytes>,
    ) -> Self {
        let (waiting, _receiver) = watch::channel(false);
        Self {
            session: Mutex::new(Session::new(exporter)),
            waiting,
            carrier,
            id,
            reporter,
            replies,
        }
    }

    /// Puts in front of everything that will be said: the proof of an access key if there is one,
    /// and a question whose answer shows that the relay lets us in.
    fn greet(&self, access: Option<&AccessKey>) {
        let proof = access.map(|key| self.session().access(key));
        let Step::Send(question) = self.step(Session::greet) else {
            return;
        };
        for message in proof.into_iter().chain([question]) {
            // The queue's other end is in our hands still.
            let _queued = self.replies.send(message.encode().into());
        }
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn report(&self, report: Report) -> Result<(), DriverGone> {
        self.reporter
            .send((self.id, report))
            .await
            .map_err(|_closed| DriverGone)
    }

    /// Applies something to the session and notes whether answers are due.
    fn step(&self, apply: impl FnOnce(&mut Session) -> Step) -> Step {
        let mut session = self.session();
        let step = apply(&mut session);
        let is_waiting = session.is_waiting();
        self.waiting
            .send_if_modified(|waiting| std::mem::replace(waiting, is_waiting) != is_waiting);
        step
    }

    async fn read(&self, mut inlet: Inlet) -> Trouble {
        let mut decoder = Decoder::<RelayMessage>::new();
        loop {
            let bytes = tokio::select! {
                bytes = inlet.take() => bytes,
                () = self.silence() => return Trouble::Unreachable,
            };
            match bytes {
                Ok(Some(bytes)) => decoder.push(&bytes),
                Ok(None) => return Trouble::Closed,
                Err(Broken) => return self.carrier.ended().await,
            }
            if let Err(trouble) = self.drain(&mut decoder).await {
                return trouble;
            }
        }
    }

    /// Handles every whole message in the decoder.
    async fn drain(&self, decoder: &mut Decoder<RelayMessage>) -> Result<(), Trouble> {
        while let Some(message) = decoder.next().map_err(|_malformed| Trouble::Protocol)? {
            match self.step(|session| session.message(message)) {
                Step::Nothing => {}
                Step::Open => self.tell(Report::Connected).await?,
                Step::Tell(notice) => self.tell(Report::Notice(notice)).await?,
                Step::Send(message) => {
                    // The writer is gone only when this session is at its end.
                    let _ending = self.replies.send(message.encode().into());
                }
                Step::Over(CloseCode::NoAccess) => return Err(Trouble::NoAccess),
                Step::Over(_other) => return Err(Trouble::Closed),
            }
        }
        Ok(())
    }

    async fn tell(&self, report: Report) -> Result<(), Trouble> {
        let told = self.report(report).await;
        told.map_err(|DriverGone| Trouble::Closed)
    }

    /// Ends when the driver closes the queue, or the stream fails.
    async fn write(
        &self,
        mut outlet: Outlet,
        mut commands: queue::Receiver,
        mut replies: mpsc::UnboundedReceiver<Bytes>,
    ) -> Trouble {
        loop {
            let mut batch = Vec::new();
            tokio::select! {
                // Replies first: the proof of an access key is nothing if it is not the first thing.
                biased;
                reply = replies.recv() => batch.extend(reply),
                command = commands.next() => match command {
                    Some(command) => batch.extend(self.command(command).await),
                    None => {
                        outlet.finish().await;
                        return Trouble::Closed;
                    }
                },
            }
            // What waits already goes along, so that a burst fills packets.
            while batch.len() < BATCH_MAX {
                let Some(command) = commands.ready() else {
                    break;
                };
                batch.extend(self.command(command).await);
            }
            if outlet.put(&mut batch).await.is_err() {
                return self.carrier.ended().await;
            }
        }
    }

    /// The bytes for a command, if it is one for the relay.
    async fn command(&self, command: Command) -> Option<Bytes> {
        match self.step(|session| session.command(command)) {
            Step::Send(message) => Some(message.encode().into()),
            Step::Tell(notice) => {
                // If the driver is gone, its queue ends this session next.
                let _gone = self.report(Report::Notice(notice)).await;
                None
            }
            Step::Nothing | Step::Open | Step::Over(_) => None,
        }
    }

    /// Returns when a request has been waiting for the carrier's patience in which there was no sign
    /// of life: then the relay is gone, and there is no need to wait for the idle timeout. A slow
    /// network still delivers something and is left in peace.
    async fn silence(&self) {
        let mut waiting = self.waiting.subscribe();
        loop {
            if waiting.wait_for(|waiting| *waiting).await.is_err() {
                return std::future::pending().await;
            }
            let before = self.carrier.signs_of_life();
            let answer = waiting.wait_for(|waiting| !*waiting);
            let answered = tokio::time::timeout(self.carrier.patience(), answer).await;
            if answered.is_err() && self.carrier.signs_of_life() == before {
                return;
            }
        }
    }
}

/// Messages written at once.
const BATCH_MAX: usize = 32;
