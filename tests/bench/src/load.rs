//! Load of one shape on one server, and what it cost the server's process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::error::Error;
use crate::line::{Dialler, Reading};
use crate::peer::{Peer, Role};
use crate::server::Server;

/// What is published to whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Publishers, each on a topic of its own.
    pub(crate) topics: usize,
    /// Readers of each topic.
    pub(crate) readers: usize,
    /// Length of a message in bytes.
    pub(crate) payload: usize,
    /// Messages that are written in one go.
    pub(crate) batch: usize,
    /// Batches on their way at once: the next one is written when a former one was read by all.
    pub(crate) window: usize,
    /// Pause from one batch to the next; zero for as fast as the window allows.
    pub(crate) pace: Duration,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// Messages that readers have got.
    pub(crate) deliveries: usize,
    /// The server's processor time meanwhile, in microseconds.
    pub(crate) cpu_us: u64,
    pub(crate) took: Duration,
    /// From the writing of a batch until one reader had all of it, in microseconds, sorted.
    pub(crate) latencies_us: Vec<u64>,
}

impl Shape {
    /// One message at a time.
    pub(crate) const fn single(readers: usize, payload: usize) -> Self {
        Self {
            topics: 1,
            readers,
            payload,
            batch: 1,
            window: 1,
            pace: Duration::ZERO,
        }
    }

    /// As much as goes through: 64 messages on their way.
    pub(crate) const fn saturated(readers: usize, payload: usize) -> Self {
        Self {
            batch: 32,
            window: 2,
            ..Self::single(readers, payload)
        }
    }

    /// In words, for errors.
    fn words(&self) -> String {
        let Self {
            topics,
            readers,
            payload,
            batch,
            window,
            ..
        } = self;
        format!(
            "{topics} publishers to {readers} readers, {payload} bytes, {batch} x {window} at once"
        )
    }
}

impl Sample {
    /// Microseconds of the server's processor time for each message and reader.
    pub(crate) fn cpu_per_delivery(&self) -> f64 {
        self.cpu_us as f64 / self.deliveries.max(1) as f64
    }

    /// Deliveries a second, by the clock.
    pub(crate) fn rate(&self) -> f64 {
        self.deliveries as f64 / self.took.as_secs_f64()
    }

    /// The latency that so many of a hundred deliveries stay under, in microseconds.
    pub(crate) fn latency_us(&self, percent: usize) -> u64 {
        let at = self.latencies_us.len().saturating_sub(1) * percent / 100;
        self.latencies_us.get(at).copied().unwrap_or_default()
    }
}

/// Puts the load on the server for so long, and waits until everything has arrived.
///
/// # Errors
/// Whatever failed on the way; [`Error::Late`] if something did not arrive.
pub(crate) async fn run(server: &Server, shape: Shape, lasting: Duration) -> Result<Sample, Error> {
    let dialler = Dialler::new(server)?;
    let start = Instant::now();
    let (latencies, mut measured) = mpsc::unbounded_channel();
    let mut background = JoinSet::new();
    let mut publishers = Vec::new();
    for topic in 0..shape.topics {
        let topic = u32::try_from(topic).unwrap_or_default();
        let rounds = Arc::new(Rounds::new(shape, start));
        for _ in 0..shape.readers {
            let peer = Peer::ready(&dialler, Role::Reader, topic, shape.payload).await?;
            let len = peer.delivery_len * shape.batch;
            let (rounds, latencies) = (Arc::clone(&rounds), latencies.clone());
            let keep = peer.writing;
            background.spawn(async move {
                let _keep = keep;
                count(peer.reading, len, &rounds, latencies).await;
            });
        }
        let peer = Peer::ready(&dialler, Role::Publisher, topic, shape.payload).await?;
        publishers.push((peer, rounds));
    }
    let (before, began) = (server.cpu_us()?, Instant::now());
    let mut publishing = JoinSet::new();
    for (peer, rounds) in publishers {
        background.spawn(drain(peer.reading));
        publishing.spawn(publish(
            peer.writing,
            peer.publish,
            shape,
            rounds,
            began + lasting,
        ));
    }
    let mut batches = 0_usize;
    while let Some(ended) = publishing.join_next().await {
        let late = || Error::Late {
            server: server.kind.name(),
            shape: shape.words(),
        };
        batches += ended.map_err(|_stopped| late())??.ok_or_else(late)?;
    }
    let (cpu_us, took) = (server.cpu_us()?.saturating_sub(before), began.elapsed());
    background.shutdown().await;
    drop(latencies);
    let mut latencies_us = Vec::new();
    while let Some(mut some) = measured.recv().await {
        latencies_us.append(&mut some);
    }
    latencies_us.sort_unstable();
    let deliveries = batches * shape.batch * shape.readers;
    Ok(Sample {
        deliveries,
        cpu_us,
        took,
        latencies_us,
    })
}

/// Writes batches until the deadline, then waits for the last one to arrive. How many; `None` if they
/// did not arrive.
async fn publish(
    mut writing: crate::line::Writing,
    message: Vec<u8>,
    shape: Shape,
    rounds: Arc<Rounds>,
    deadline: Instant,
) -> Result<Option<usize>, Error> {
    let batch = message.repeat(shape.batch);
    let window = u32::try_from(shape.window).unwrap_or(1);
    let mut written = 0_usize;
    let mut next = Instant::now();
    while Instant::now() < deadline {
        let Ok(Ok(permit)) = tokio::time::timeout(ARRIVAL_WAIT, rounds.room.acquire()).await else {
            return Ok(None);
        };
        permit.forget();
        rounds.note_written(written);
        writing.write(&batch).await?;
        written += 1;
        if !shape.pace.is_zero() {
            next += shape.pace;
            tokio::time::sleep_until(next.into()).await;
        }
    }
    let all = tokio::time::timeout(ARRIVAL_WAIT, rounds.room.acquire_many(window)).await;
    Ok(all.is_ok().then_some(written))
}

/// Throws away the answers that only the relay gives.
async fn drain(mut reading: Reading) {
    let mut buffer = vec![0; BUFFER_LEN];
    while reading.read(&mut buffer).await.is_ok() {}
}

/// Counts batches of so many bytes.
async fn count(
    mut reading: Reading,
    batch_len: usize,
    rounds: &Rounds,
    latencies: mpsc::UnboundedSender<Vec<u64>>,
) {
    let mut told = Told {
        latencies: Vec::new(),
        to: latencies,
    };
    let mut buffer = vec![0; BUFFER_LEN];
    let (mut round, mut bytes) = (0_usize, 0_usize);
    while let Ok(len) = reading.read(&mut buffer).await {
        bytes += len;
        while bytes >= batch_len {
            bytes -= batch_len;
            told.latencies.extend(rounds.note_read(round));
            round += 1;
        }
    }
}

/// Latencies that are told when their reader is stopped.
struct Told {
    latencies: Vec<u64>,
    to: mpsc::UnboundedSender<Vec<u64>>,
}

impl Drop for Told {
    fn drop(&mut self) {
        let _nobody_asks = self.to.send(std::mem::take(&mut self.latencies));
    }
}

/// What publisher and readers of one topic share: the batches on their way.
struct Rounds {
    room: Semaphore,
    readers: usize,
    start: Instant,
    slots: Vec<Slot>,
}

/// A batch on its way.
struct Slot {
    unread: AtomicUsize,
    written_us: AtomicU64,
}

impl Rounds {
    fn new(shape: Shape, start: Instant) -> Self {
        let slot = || Slot {
            unread: AtomicUsize::new(shape.readers),
            written_us: AtomicU64::new(0),
        };
        Self {
            room: Semaphore::new(shape.window),
            readers: shape.readers,
            start,
            slots: std::iter::repeat_with(slot).take(shape.window).collect(),
        }
    }

    fn slot(&self, round: usize) -> Option<&Slot> {
        self.slots.get(round % self.slots.len().max(1))
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn note_written(&self, round: usize) {
        if let Some(slot) = self.slot(round) {
            slot.written_us.store(self.now_us(), Ordering::Relaxed);
        }
    }

    /// A reader has all of a batch. How long that took; the last reader makes room for another batch.
    fn note_read(&self, round: usize) -> Option<u64> {
        let slot = self.slot(round)?;
        let latency = self
            .now_us()
            .saturating_sub(slot.written_us.load(Ordering::Relaxed));
        if slot.unread.fetch_sub(1, Ordering::AcqRel) == 1 {
            slot.unread.store(self.readers, Ordering::Release);
            self.room.add_permits(1);
        }
        Some(latency)
    }
}

/// Connects so many readers, each to a topic of its own; some at once.
///
/// # Errors
/// Whatever failed on the way.
pub(crate) async fn idle(server: &Server, count: usize) -> Result<Idle, Error> {
    let dialler = Dialler::new(server)?;
    // What the first connection makes a server do once is no part of what each one costs.
    let first = Peer::ready(&dialler, Role::Reader, 0, 1).await?;
    let (cpu, memory, began) = (server.cpu_us()?, server.resident_kib()?, Instant::now());
    let mut peers = Vec::with_capacity(count);
    let mut connecting = JoinSet::new();
    for number in 0..count {
        let (dialler, topic) = (
            dialler.clone(),
            u32::try_from(number + 1).unwrap_or_default(),
        );
        connecting.spawn(async move { Peer::ready(&dialler, Role::Reader, topic, 1).await });
        if connecting.len() >= CONNECTING_AT_ONCE {
            peers.extend(one(&mut connecting).await?);
        }
    }
    while !connecting.is_empty() {
        peers.extend(one(&mut connecting).await?);
    }
    let (cpu_us, took) = (server.cpu_us()?.saturating_sub(cpu), began.elapsed());
    tokio::time::sleep(SETTLE_WAIT).await;
    let kib = server.resident_kib()?.saturating_sub(memory);
    if peers.len() < count || !peers.iter().all(|peer| peer.reading.is_open()) {
        return Err(Error::Late {
            server: server.kind.name(),
            shape: format!("{count} idle connections"),
        });
    }
    drop((first, peers));
    Ok(Idle {
        kib_each: kib as f64 / count.max(1) as f64,
        cpu_us_each: cpu_us as f64 / count.max(1) as f64,
        per_second: count as f64 / took.as_secs_f64(),
    })
}

async fn one(connecting: &mut JoinSet<Result<Peer, Error>>) -> Result<Option<Peer>, Error> {
    match connecting.join_next().await {
        Some(Ok(peer)) => peer.map(Some),
        Some(Err(_)) | None => Ok(None),
    }
}

/// What connections cost that do nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Idle {
    /// Memory of the server for each, in KiB.
    pub(crate) kib_each: f64,
    /// The server's processor time to connect and attach one, in microseconds.
    pub(crate) cpu_us_each: f64,
    /// How many a second, by the clock, with the load on the same machine.
    pub(crate) per_second: f64,
}

/// Bytes a reader takes at once.
const BUFFER_LEN: usize = 65_536;

/// How long a batch may take to arrive.
const ARRIVAL_WAIT: Duration = Duration::from_secs(20);

/// Connections that are made at the same time.
const CONNECTING_AT_ONCE: usize = 16;

/// How long memory is left to settle before it is looked at.
const SETTLE_WAIT: Duration = Duration::from_secs(2);
