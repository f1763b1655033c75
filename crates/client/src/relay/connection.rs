//! The task behind one relay connection, and the handle the driver holds of it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use quinn::{Connection, RecvStream, SendStream, VarInt};
use sori_wire::{AccessKey, CloseCode, Decoder, Exporter, RelayMessage, RelayUrl};
use tokio::runtime::Handle as Runtime;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::dial::{self, Dialled, Trouble};
use super::queue::{self, Full};
use super::session::{Command, Notice, Session, Step};

/// Names one attempt at a connection; never used twice in a process. What a connection reports
/// after the driver has given it up is told apart by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConnectionId(pub(crate) u64);

/// What a connection tells the driver.
#[derive(Debug)]
pub(crate) enum Report {
    /// The session is open.
    Connected,
    /// The attempt failed or the connection is over. The last report of its connection.
    Ended(Trouble),
    /// Something happened on it.
    Notice(Notice),
}

/// Where a connection reports to. Waiting for room in it is what makes a fast relay slow down.
pub(crate) type Reporter = mpsc::Sender<(ConnectionId, Report)>;

/// The driver's handle of a connection. Dropping it closes the connection in good order: what is
/// queued is still sent, for at most [`CLOSE_WAIT`].
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
        id: ConnectionId,
        reporter: Reporter,
    ) -> Self {
        let (queue, commands) = queue::channel();
        let task = runtime.spawn(run(relay, id, commands, reporter));
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

async fn run(relay: RelayUrl, id: ConnectionId, mut commands: queue::Receiver, reporter: Reporter) {
    let dialled = tokio::select! {
        dialled = dial::dial(&relay) => dialled,
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
        endpoint,
        connection,
        send,
        recv,
        exporter,
    } = dialled;
    let (replies, reply_queue) = mpsc::unbounded_channel();
    let talk = Talk::new(exporter, connection.clone(), id, reporter, replies);
    if let Some(key) = access {
        talk.show(key);
    }
    if talk.report(Report::Connected).await.is_err() {
        return Trouble::Closed;
    }
    let trouble = tokio::select! {
        trouble = talk.read(recv) => trouble,
        trouble = talk.write(send, commands, reply_queue) => trouble,
    };
    connection.close(VarInt::from_u32(CloseCode::Done.number()), b"");
    // The close packet is on its way when the endpoint is idle; a lost one costs the relay its
    // idle timeout.
    let _late = tokio::time::timeout(CLOSE_WAIT, endpoint.wait_idle()).await;
    trouble
}

/// What reader and writer of one session share.
struct Talk<'a> {
    session: Mutex<Session>,
    /// Whether a request waits for its answer.
    waiting: watch::Sender<bool>,
    connection: Connection,
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
        connection: Connection,
        id: ConnectionId,
        reporter: &'a Reporter,
        replies: mpsc::UnboundedSender<Bytes>,
    ) -> Self {
        let (waiting, _receiver) = watch::channel(false);
        Self {
            session: Mutex::new(Session::new(exporter)),
            waiting,
            connection,
            id,
            reporter,
            replies,
        }
    }

    /// Puts the proof of an access key in front of everything that will be said.
    fn show(&self, key: &AccessKey) {
        let message = self.session().access(key);
        let _ending = self.replies.send(message.encode().into());
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

    async fn read(&self, mut recv: RecvStream) -> Trouble {
        let mut decoder = Decoder::<RelayMessage>::new();
        loop {
            let chunk = tokio::select! {
                chunk = recv.read_chunk(READ_LEN_MAX, true) => chunk,
                () = self.silence() => return Trouble::Unreachable,
            };
            let chunk = match chunk {
                Ok(Some(chunk)) => chunk,
                Ok(None) => return Trouble::Closed,
                Err(_error) => return self.ended(),
            };
            decoder.push(&chunk.bytes);
            drop(chunk);
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
                Step::Tell(notice) => {
                    self.report(Report::Notice(notice))
                        .await
                        .map_err(|DriverGone| Trouble::Closed)?;
                }
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

    /// Ends when the driver closes the queue, or the stream fails.
    async fn write(
        &self,
        mut send: SendStream,
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
                    None => return self.finish(send).await,
                },
            }
            // What waits already goes along, so that a burst fills packets.
            while batch.len() < BATCH_MAX {
                let Some(command) = commands.ready() else {
                    break;
                };
                batch.extend(self.command(command).await);
            }
            if send.write_all_chunks(&mut batch).await.is_err() {
                return self.ended();
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
            Step::Nothing | Step::Over(_) => None,
        }
    }

    /// Sees to it that what was written arrives, then ends.
    async fn finish(&self, mut send: SendStream) -> Trouble {
        if send.finish().is_ok() {
            let _late = tokio::time::timeout(CLOSE_WAIT, send.stopped()).await;
        }
        Trouble::Closed
    }

    /// Returns when a request has been waiting for [`ANSWER_WAIT`] in which not one packet came:
    /// then the relay is gone, and there is no need to wait for the idle timeout. A slow network
    /// still delivers acknowledgements and is left in peace.
    async fn silence(&self) {
        let mut waiting = self.waiting.subscribe();
        loop {
            if waiting.wait_for(|waiting| *waiting).await.is_err() {
                return std::future::pending().await;
            }
            let packets_before = self.connection.stats().udp_rx.datagrams;
            let answered =
                tokio::time::timeout(ANSWER_WAIT, waiting.wait_for(|waiting| !*waiting)).await;
            if answered.is_err() && self.connection.stats().udp_rx.datagrams == packets_before {
                return;
            }
        }
    }

    fn ended(&self) -> Trouble {
        self.connection
            .close_reason()
            .map_or(Trouble::Closed, |reason| dial::trouble(&reason))
    }
}

/// Bytes taken from the stream at once.
const READ_LEN_MAX: usize = 64 * 1024;

/// Messages written at once.
const BATCH_MAX: usize = 32;

/// How long a question may go unanswered in complete silence.
const ANSWER_WAIT: Duration = Duration::from_secs(6);

/// How long closing in good order may take.
const CLOSE_WAIT: Duration = Duration::from_secs(1);
