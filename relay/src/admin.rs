//! The local admin socket: one question in one line, one answer in one line, and nothing but totals.
//!
//! A Unix socket that only the relay's own user and the superuser may open. It takes no orders and
//! changes nothing.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::cli::log::{Event, Log};

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// Does it serve? The answer is `ok` or `stopping`.
    Health,
    /// Everything that the process can say, as one line of JSON.
    Warrant,
}

/// Why the socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdminError {
    /// A relay answers there.
    #[error("a running relay has it; stop that one, or give this one another path")]
    InUse,
    /// There is a file that is no socket.
    #[error("there is a file that is not a socket; remove it, or give another path")]
    NotASocket,
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The socket, there until this is dropped.
#[derive(Debug)]
pub(crate) struct AdminSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl AdminSocket {
    /// Opens the socket with mode 0600. What a killed relay left there is removed. Must be called
    /// inside a tokio runtime.
    ///
    /// # Errors
    /// [`AdminError`].
    pub(crate) fn bind(path: &Path) -> Result<Self, AdminError> {
        remove_stale(path)?;
        // The mask makes the socket private from its first moment on.
        let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
        let bound = UnixListener::bind(path);
        rustix::process::umask(before);
        Ok(Self {
            listener: bound?,
            path: path.to_owned(),
        })
    }

    /// Whether [`Self::bind`] could succeed; leaves nothing behind.
    ///
    /// # Errors
    /// [`AdminError`].
    pub(crate) fn probe(path: &Path) -> Result<(), AdminError> {
        remove_stale(path)?;
        drop(std::os::unix::net::UnixListener::bind(path)?);
        Ok(fs::remove_file(path)?)
    }

    /// Answers questions, a few at a time, until the future is dropped.
    pub(crate) async fn serve(
        &self,
        log: Log,
        answer: impl Fn(Question) -> String + Clone + Send + 'static,
    ) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let answer = answer.clone();
                    tokio::spawn(async move {
                        let exchange = exchange(stream, answer);
                        let _too_slow = timeout(EXCHANGE_MAX, exchange).await;
                        drop(place);
                    });
                }
                Err(_) => {
                    log.say(&Event::CannotAccept {
                        place: "admin socket",
                    });
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        let _already_removed = fs::remove_file(&self.path);
    }
}

/// Asks the relay whose socket is at `path`. Blocks, a few seconds at most.
///
/// # Errors
/// What the operating system said; [`io::ErrorKind::InvalidData`] if the answer is not one line.
pub(crate) fn ask(path: &Path, question: Question) -> io::Result<String> {
    let mut stream = BlockingStream::connect(path)?;
    stream.set_read_timeout(Some(EXCHANGE_MAX))?;
    stream.set_write_timeout(Some(EXCHANGE_MAX))?;
    stream.write_all(question.name().as_bytes())?;
    stream.write_all(b"\n")?;
    let mut answer = String::new();
    stream.take(ANSWER_LEN_MAX).read_to_string(&mut answer)?;
    match answer.strip_suffix('\n') {
        Some(line) if !line.contains('\n') => Ok(line.to_owned()),
        Some(_) | None => Err(io::ErrorKind::InvalidData.into()),
    }
}

async fn exchange(stream: UnixStream, answer: impl Fn(Question) -> String) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    BufReader::new(read.take(QUESTION_LEN_MAX))
        .read_line(&mut line)
        .await?;
    let answer = Question::from_line(&line).map_or_else(|| UNKNOWN.to_owned(), answer);
    write.write_all(answer.as_bytes()).await?;
    write.write_all(b"\n").await?;
    write.shutdown().await
}

impl Question {
    const fn name(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Warrant => "warrant",
        }
    }

    fn from_line(line: &str) -> Option<Self> {
        [Self::Health, Self::Warrant]
            .into_iter()
            .find(|question| line.strip_suffix('\n') == Some(question.name()))
    }
}

/// Removes a socket that nobody listens on.
fn remove_stale(path: &Path) -> Result<(), AdminError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
        Ok(metadata) if !metadata.file_type().is_socket() => return Err(AdminError::NotASocket),
        Ok(_) => {}
    }
    match BlockingStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Ok(fs::remove_file(path)?)
        }
        Err(error) => Err(error.into()),
        Ok(_) => Err(AdminError::InUse),
    }
}

/// The answer to what is not a question.
const UNKNOWN: &str = "ask `health` or `warrant`";

/// Questions at a time.
const CONNECTIONS_MAX: usize = 4;

/// Longest question, with its line ending.
const QUESTION_LEN_MAX: u64 = 32;

/// Longest answer that is read.
const ANSWER_LEN_MAX: u64 = 65_536;

/// Longest time for one question and its answer.
const EXCHANGE_MAX: Duration = Duration::from_secs(5);

/// Pause after a failed accept, which is mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);
