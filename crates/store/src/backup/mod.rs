//! One sealed file that holds a profile's records, to be read back on another device or another day.
//!
//! ```text
//! header   8  "SORIBKUP"
//!          2  version, 1
//!          12 Argon2id: KiB, passes, lanes (u32 each)
//!          16 salt
//!          19 nonce of the stream
//!          16 tag of an empty message under the check key: a wrong passphrase is told from damage
//!          32 SHA-256 of everything before
//! body     segments of 64 KiB + 16, the last one shorter or of equal length: XChaCha20-Poly1305 in the
//!          STREAM construction (32-bit counter, last segment marked), associated data the header
//! ```
//!
//! The body's plaintext is a sequence of records, `1 | table u8 | key length u8 | key | value length u32 |
//! value`, and at its end `0 | number of records u64`. Integers are big-endian. What tables and values mean
//! is the caller's affair. Reading and writing hold one segment and one record in memory, whatever the
//! length of the file. A file that was cut, reordered, mixed with another or changed in any bit is refused
//! where that shows, and never taken for a shorter one.

mod error;
mod header;
mod reader;
#[cfg(any(test, fuzzing))]
mod sealed;
mod writer;

pub use error::BackupError;
pub use reader::BackupReader;
#[cfg(any(test, fuzzing))]
pub(crate) use sealed::read_sealed;
pub use writer::BackupWriter;

use zeroize::Zeroizing;

/// One record of a backup.
#[derive(Clone, PartialEq, Eq)]
pub struct BackupRecord {
    /// The number of the table.
    pub table: u8,
    /// At most 64 bytes ([`KEY_LEN_MAX`](crate::KEY_LEN_MAX)).
    pub key: Vec<u8>,
    /// At most 16 MiB ([`VALUE_LEN_MAX`](crate::VALUE_LEN_MAX)).
    pub value: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for BackupRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BackupRecord")
    }
}

/// Plaintext bytes in a full segment.
const SEGMENT_LEN: usize = 65_536;
/// Bytes a sealed segment has more than its plaintext.
const TAG_LEN: usize = 16;
/// What stands before a record, and before the number of records at the end.
const RECORD: u8 = 1;
const END: u8 = 0;

#[cfg(test)]
mod tests;
