//! Writing a backup.

use std::io::Write;

use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::Payload;
use chacha20poly1305::aead::stream::EncryptorBE32;
use zeroize::Zeroizing;

use super::error::BackupError;
use super::header::{HEADER_LEN, Header};
use super::{END, RECORD, SEGMENT_LEN};
use crate::entropy::Entropy;
use crate::table::{KEY_LEN_MAX, VALUE_LEN_MAX};
use crate::unlock::Cost;

/// A backup in the making. It is complete only after [`BackupWriter::finish`]; what was written before is
/// refused by every reader as truncated.
pub struct BackupWriter<W> {
    out: W,
    aad: [u8; HEADER_LEN],
    stream: EncryptorBE32<XChaCha20Poly1305>,
    segment: Zeroizing<Vec<u8>>,
    records: u64,
}

impl<W: Write> BackupWriter<W> {
    /// Begins a backup on `out`. `seed`: 32 fresh bytes of the system's random source. Takes as long as the
    /// cost says, a tenth of a second for [`Cost::STANDARD`].
    ///
    /// # Errors
    /// [`BackupError::CostOutOfRange`], and those of the disk.
    pub fn new(
        mut out: W,
        passphrase: &str,
        cost: Cost,
        seed: [u8; 32],
    ) -> Result<Self, BackupError> {
        let mut entropy = Entropy::new(seed);
        let mut fresh = [0; 35];
        let (salt, nonce) = fresh.split_at_mut(16);
        salt.copy_from_slice(&entropy.bytes::<16>());
        nonce.copy_from_slice(&entropy.bytes::<19>());
        let header = Header::new(passphrase, cost, &fresh)?;
        out.write_all(&header.bytes)?;
        Ok(Self {
            out,
            aad: header.bytes,
            stream: header.encryptor(),
            segment: Zeroizing::new(Vec::with_capacity(SEGMENT_LEN)),
            records: 0,
        })
    }

    /// Appends a record.
    ///
    /// # Errors
    /// [`BackupError::TooLarge`] for more than a store takes, and those of the disk.
    pub fn record(&mut self, table: u8, key: &[u8], value: &[u8]) -> Result<(), BackupError> {
        if key.len() > KEY_LEN_MAX || value.len() > VALUE_LEN_MAX {
            return Err(BackupError::TooLarge);
        }
        let key_len = u8::try_from(key.len()).map_err(|_| BackupError::TooLarge)?;
        let value_len = u32::try_from(value.len()).map_err(|_| BackupError::TooLarge)?;
        self.push(&[RECORD, table, key_len])?;
        self.push(key)?;
        self.push(&value_len.to_be_bytes())?;
        self.push(value)?;
        self.records = self.records.saturating_add(1);
        Ok(())
    }

    /// Ends the backup and gives back what it was written to, not yet synced.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn finish(mut self) -> Result<W, BackupError> {
        self.push(&[END])?;
        let records = self.records;
        self.push(&records.to_be_bytes())?;
        let payload = Payload {
            msg: &self.segment,
            aad: &self.aad,
        };
        let sealed = self
            .stream
            .encrypt_last(payload)
            .map_err(|_| BackupError::TooLarge)?;
        self.out.write_all(&sealed)?;
        self.out.flush()?;
        Ok(self.out)
    }

    /// A segment goes out once something follows it, so that the last one is known as the last.
    fn push(&mut self, mut bytes: &[u8]) -> Result<(), BackupError> {
        while !bytes.is_empty() {
            if self.segment.len() == SEGMENT_LEN {
                self.write_segment()?;
            }
            let room = SEGMENT_LEN.saturating_sub(self.segment.len());
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.segment.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    fn write_segment(&mut self) -> Result<(), BackupError> {
        let payload = Payload {
            msg: &self.segment,
            aad: &self.aad,
        };
        let sealed = self
            .stream
            .encrypt_next(payload)
            .map_err(|_| BackupError::TooLarge)?;
        self.segment.clear();
        Ok(self.out.write_all(&sealed)?)
    }
}

impl<W> std::fmt::Debug for BackupWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BackupWriter")
    }
}
