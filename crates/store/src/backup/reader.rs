//! Reading a backup.

use std::io::{ErrorKind, Read};

use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::Payload;
use chacha20poly1305::aead::stream::DecryptorBE32;
use zeroize::{Zeroize, Zeroizing};

use super::error::BackupError;
use super::header::{HEADER_LEN, Header};
use super::{BackupRecord, END, RECORD, SEGMENT_LEN, TAG_LEN};
use crate::table::{KEY_LEN_MAX, VALUE_LEN_MAX};

/// A backup being read. Only when [`BackupReader::next_record`] answers `None` is it known to be complete:
/// keep what came before apart until then.
pub struct BackupReader<R> {
    from: R,
    aad: [u8; HEADER_LEN],
    /// Gone once the last segment was opened.
    stream: Option<DecryptorBE32<XChaCha20Poly1305>>,
    segment: Zeroizing<Vec<u8>>,
    /// Bytes of the segment that were handed out.
    taken: usize,
    /// Bytes of the file that were read.
    read: u64,
    /// What was read beyond the current segment.
    ahead: Vec<u8>,
    records: u64,
}

impl<R: Read> BackupReader<R> {
    /// Reads the header and tries the passphrase.
    ///
    /// # Errors
    /// [`BackupError::NotABackup`], [`BackupError::NewerVersion`], [`BackupError::WrongPassphrase`],
    /// [`BackupError::Damaged`], [`BackupError::Truncated`], and those of the disk.
    pub fn open(mut from: R, passphrase: &str) -> Result<Self, BackupError> {
        let header = Header::read(&mut from, passphrase)?;
        Ok(Self::behind(&header, from))
    }

    /// Reads what stands behind a header.
    pub(super) fn behind(header: &Header, from: R) -> Self {
        Self {
            from,
            aad: header.bytes,
            stream: Some(header.decryptor()),
            segment: Zeroizing::new(Vec::new()),
            taken: 0,
            read: u64::try_from(HEADER_LEN).unwrap_or(u64::MAX),
            ahead: Vec::new(),
            records: 0,
        }
    }

    /// The next record; `None` at the end of a backup that is whole.
    ///
    /// # Errors
    /// [`BackupError::Damaged`], [`BackupError::Truncated`], and those of the disk.
    pub fn next_record(&mut self) -> Result<Option<BackupRecord>, BackupError> {
        let [kind] = self.array()?;
        match kind {
            RECORD => self.record().map(Some),
            END => self.end().map(|()| None),
            _ => Err(self.damaged()),
        }
    }

    /// Bytes of the file read so far, for telling how far it is.
    pub const fn position(&self) -> u64 {
        self.read
    }

    fn record(&mut self) -> Result<BackupRecord, BackupError> {
        let [table, key_len] = self.array()?;
        let key_len = usize::from(key_len);
        if key_len > KEY_LEN_MAX {
            return Err(self.damaged());
        }
        let mut key = vec![0; key_len];
        self.fill(&mut key)?;
        let value_len = usize::try_from(u32::from_be_bytes(self.array()?)).unwrap_or(usize::MAX);
        if value_len > VALUE_LEN_MAX {
            return Err(self.damaged());
        }
        let mut value = Zeroizing::new(vec![0; value_len]);
        self.fill(&mut value)?;
        self.records = self.records.saturating_add(1);
        Ok(BackupRecord { table, key, value })
    }

    fn end(&mut self) -> Result<(), BackupError> {
        let records = u64::from_be_bytes(self.array()?);
        let is_last = self.stream.is_none() && self.taken == self.segment.len();
        if records != self.records || !is_last {
            return Err(self.damaged());
        }
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BackupError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, mut bytes: &mut [u8]) -> Result<(), BackupError> {
        while !bytes.is_empty() {
            if self.taken == self.segment.len() {
                self.open_segment()?;
            }
            let left = self.segment.get(self.taken..).unwrap_or_default();
            let len = left.len().min(bytes.len());
            let (now, later) = bytes.split_at_mut(len);
            now.copy_from_slice(left.get(..len).unwrap_or_default());
            self.taken = self.taken.saturating_add(len);
            bytes = later;
        }
        Ok(())
    }

    /// Opens the next segment. A full one is the last exactly if the file ends with it.
    fn open_segment(&mut self) -> Result<(), BackupError> {
        let Some(mut stream) = self.stream.take() else {
            return Err(self.damaged());
        };
        let sealed = self.read_sealed()?;
        if sealed.len() <= TAG_LEN {
            return Err(BackupError::Truncated);
        }
        let payload = Payload {
            msg: &sealed,
            aad: &self.aad,
        };
        self.segment.zeroize();
        self.taken = 0;
        if self.ahead.is_empty() {
            // Cut at a boundary of segments it is genuine, but not the last; cut elsewhere it is neither.
            let opened = stream.decrypt_last(payload);
            self.segment = Zeroizing::new(opened.map_err(|_| BackupError::Truncated)?);
        } else {
            let opened = stream.decrypt_next(payload);
            self.segment = Zeroizing::new(opened.map_err(|_| self.damaged())?);
            self.stream = Some(stream);
        }
        Ok(())
    }

    /// One sealed segment, and one byte beyond it to see whether more follows.
    fn read_sealed(&mut self) -> Result<Vec<u8>, BackupError> {
        let full = SEGMENT_LEN.saturating_add(TAG_LEN);
        let mut sealed = std::mem::take(&mut self.ahead);
        let wanted = full.saturating_add(1).saturating_sub(sealed.len());
        let limit = u64::try_from(wanted).unwrap_or(u64::MAX);
        let mut part = self.from.by_ref().take(limit);
        loop {
            match part.read_to_end(&mut sealed) {
                Ok(_) => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        if sealed.len() > full {
            self.ahead = sealed.split_off(full);
        }
        let len = u64::try_from(sealed.len()).unwrap_or(u64::MAX);
        self.read = self.read.saturating_add(len);
        Ok(sealed)
    }

    const fn damaged(&self) -> BackupError {
        BackupError::Damaged { at: self.read }
    }
}

impl<R> std::fmt::Debug for BackupReader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BackupReader")
    }
}
