//! A second opinion on how far the database had come.
//!
//! sled takes a damaged log for one that simply ends earlier. The witness, a small file beside it, says
//! how many commits were acknowledged, how long the log was, and whether it was closed in order. It is
//! written after each commit without waiting for the device: after a crash of the program it is exact,
//! after a power cut it may lag, but it is never ahead of the database.
//!
//! Two records of 96 bytes, written in turn, 512 bytes apart, integers big-endian: `sequence u64 |
//! commits u64 | log length u64 | closed u8 | zeros 7 | SHA-256 of the log or zeros 32 |
//! SHA-256(key || before)`.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::files;
use crate::error::Error;

const BODY_LEN: usize = 64;
const SPACING: u64 = 512;

/// Whether the last user closed the database in order.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Ending {
    Closed,
    #[default]
    Open,
}

/// What the witness testifies.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Testimony {
    pub(crate) commits: u64,
    pub(crate) log_len: u64,
    pub(crate) ending: Ending,
    /// The digest of the log when it was closed; zeros if it was not taken.
    pub(crate) digest: [u8; 32],
}

/// The open witness file.
pub(crate) struct Witness {
    file: File,
    key: Zeroizing<[u8; 32]>,
    sequence: u64,
    last: Testimony,
}

/// The latest testimony in a file, without opening it for more.
pub(crate) fn read(path: &Path, key: &Zeroizing<[u8; 32]>) -> Result<Testimony, Error> {
    Ok(read_numbered(path, key)?.1)
}

fn read_numbered(path: &Path, key: &[u8; 32]) -> Result<(u64, Testimony), Error> {
    let bytes = files::read_at_most(path, SPACING.saturating_mul(2))?.unwrap_or_default();
    let second = usize::try_from(SPACING).unwrap_or(usize::MAX);
    let records = [0, second].map(|at| bytes.get(at..).and_then(|bytes| decode(bytes, key)));
    let latest = records
        .into_iter()
        .flatten()
        .max_by_key(|(sequence, _)| *sequence);
    Ok(latest.unwrap_or_default())
}

impl Witness {
    /// Opens or makes the file. One that is missing or unreadable testifies nothing: zeros.
    pub(crate) fn open(path: &Path, key: &Zeroizing<[u8; 32]>) -> Result<Self, Error> {
        let (sequence, last) = read_numbered(path, key)?;
        Ok(Self {
            file: files::open_private(path)?,
            key: key.clone(),
            sequence,
            last,
        })
    }

    /// The latest testimony.
    pub(crate) const fn last(&self) -> Testimony {
        self.last
    }

    /// Writes a new testimony over the older of the two records.
    pub(crate) fn record(&mut self, testimony: Testimony) -> Result<(), Error> {
        let sequence = self.sequence.wrapping_add(1);
        let offset = if sequence.is_multiple_of(2) {
            0
        } else {
            SPACING
        };
        let mut file = &self.file;
        file.seek(SeekFrom::Start(offset))?;
        file.write_all(&encode(sequence, testimony, &self.key))?;
        self.sequence = sequence;
        self.last = testimony;
        Ok(())
    }

    /// Waits until the device has what was recorded.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        Ok(self.file.sync_data()?)
    }
}

impl std::fmt::Debug for Witness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Witness")
    }
}

fn encode(sequence: u64, testimony: Testimony, key: &[u8; 32]) -> Vec<u8> {
    let mut record = Vec::with_capacity(96);
    for number in [sequence, testimony.commits, testimony.log_len] {
        record.extend_from_slice(&number.to_be_bytes());
    }
    record.push(u8::from(testimony.ending == Ending::Closed));
    record.extend_from_slice(&[0; 7]);
    record.extend_from_slice(&testimony.digest);
    let digest = digest(key, &record);
    record.extend_from_slice(&digest);
    record
}

fn decode(bytes: &[u8], key: &[u8; 32]) -> Option<(u64, Testimony)> {
    let (body, rest) = bytes.split_at_checked(BODY_LEN)?;
    if rest.first_chunk::<32>()? != &digest(key, body) {
        return None;
    }
    let (numbers, log_digest) = body.split_last_chunk::<32>()?;
    let (numbers, _) = numbers.as_chunks::<8>();
    let [sequence, commits, log_len, flags] = numbers else {
        return None;
    };
    let ending = if flags.first() == Some(&1) {
        Ending::Closed
    } else {
        Ending::Open
    };
    let testimony = Testimony {
        commits: u64::from_be_bytes(*commits),
        log_len: u64::from_be_bytes(*log_len),
        ending,
        digest: *log_digest,
    };
    Some((u64::from_be_bytes(*sequence), testimony))
}

/// Records have one fixed length, so a plain prefix key is sound.
fn digest(key: &[u8; 32], body: &[u8]) -> [u8; 32] {
    Sha256::new()
        .chain_update(key)
        .chain_update(body)
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_record_wins_and_a_torn_one_falls_back_to_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("witness");
        let key = Zeroizing::new([1; 32]);
        let testimony = |commits| Testimony {
            commits,
            log_len: 9,
            ending: Ending::Closed,
            digest: [5; 32],
        };
        let mut witness = Witness::open(&path, &key).unwrap();
        assert_eq!(witness.last(), Testimony::default());
        witness.record(testimony(1)).unwrap();
        witness.record(testimony(2)).unwrap();
        assert_eq!(Witness::open(&path, &key).unwrap().last(), testimony(2));
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[3] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(Witness::open(&path, &key).unwrap().last(), testimony(1));
        let stranger = Zeroizing::new([2; 32]);
        assert_eq!(
            Witness::open(&path, &stranger).unwrap().last(),
            Testimony::default()
        );
    }
}
