//! A profile's backup: one sealed file, made while the messenger goes on.

use std::io::Write;
use std::path::{Path, PathBuf};

use sori_engine::store::Cost;
use sori_engine::store::backup::{BackupError, BackupRecord, BackupWriter};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use crate::client::{Client, blocking};
use crate::error::Error;
use crate::part_file::PartFile;
use crate::profile;

/// How far a backup is, in messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupProgress {
    /// Messages read.
    pub done: u64,
    /// Messages in all when it began.
    pub total: u64,
}

impl Client {
    /// Writes everything that the account needs on another device, but no key that is in use, to a new file
    /// that `passphrase` opens. Meanwhile everything goes on; what arrives during that time may be missing.
    /// `replace`: whether the file may take the place of another. `progress` is called after each part. Gives the length of the file in bytes.
    ///
    /// The file is written beside its place, made durable, and only then gets its name.
    ///
    /// # Errors
    /// [`Error::Backup`] if the file exists or cannot be written, [`Error::EmptyPassphrase`]: then nothing is
    /// left of it. Others as for all calls.
    pub async fn backup(
        &self,
        file: &Path,
        passphrase: &str,
        replace: bool,
        mut progress: impl FnMut(BackupProgress),
    ) -> Result<u64, Error> {
        let passphrase = profile::normalised(passphrase)?;
        let mut backup = self.call(|engine, now| engine.backup(now)).await?;
        let (parts, queue) = mpsc::channel(PARTS_WAITING_MAX);
        let place = (file.to_owned(), replace);
        let writing = tokio::spawn(blocking(move || Ok(write(place, &passphrase, queue)?)));
        loop {
            let (records, at) = self
                .call(move |engine, _now| Ok((engine.backup_next(&mut backup)?, backup)))
                .await?;
            let (done, total) = at.progress();
            backup = at;
            let part = records.map_or(Part::End, Part::Records);
            let is_end = matches!(part, Part::End);
            // If the writer has stopped it says why.
            if parts.send(part).await.is_err() || is_end {
                break;
            }
            progress(BackupProgress { done, total });
        }
        drop(parts);
        writing.await.unwrap_or(Err(Error::Stopped))
    }
}

/// What goes to the thread that writes.
enum Part {
    Records(Vec<BackupRecord>),
    /// Everything was sent.
    End,
}

/// Parts that wait for the disk.
const PARTS_WAITING_MAX: usize = 4;

/// Writes what comes, until it is said to be all.
fn write(
    (file, replace): (PathBuf, bool),
    passphrase: &Zeroizing<String>,
    mut queue: mpsc::Receiver<Part>,
) -> Result<u64, BackupError> {
    let seed = profile::seed().map_err(|_| BackupError::Io {
        kind: std::io::ErrorKind::Other,
    })?;
    let out = Counted {
        file: PartFile::create(&file, replace)?,
        len: 0,
    };
    let mut writer = BackupWriter::new(out, passphrase, Cost::STANDARD, seed)?;
    loop {
        match queue.blocking_recv() {
            Some(Part::Records(records)) => {
                for record in records {
                    writer.record(record.table, &record.key, &record.value)?;
                }
            }
            Some(Part::End) => break,
            // Broken off: the part of a file goes with this.
            None => return Err(BackupError::Truncated),
        }
    }
    let Counted { file, len } = writer.finish()?;
    file.complete()?;
    Ok(len)
}

/// A file that knows how long it is.
struct Counted {
    file: PartFile,
    len: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.len = self
            .len
            .saturating_add(u64::try_from(written).unwrap_or(u64::MAX));
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}
