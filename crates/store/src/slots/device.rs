//! Where the slot file lies: on a disk, or in the memory of a simulated one.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};

use crate::error::Error;

/// Slots that a profile may have; what a file beyond that length holds is not our writing.
pub(crate) const SLOTS_MAX: u32 = 1 << 22;

/// Bytes to be written, each at its offset.
pub(crate) type Part = (u64, Vec<u8>);

/// A file of slots: read whole, overwritten in place.
pub(crate) trait Device: Send + Sync + std::fmt::Debug {
    /// The whole file.
    fn read(&self) -> Result<Vec<u8>, Error>;

    /// Overwrites the parts in place, growing the file where they lie beyond its end, and waits until the
    /// device has them. After an error any of them may be there, torn or whole.
    fn overwrite(&self, parts: Vec<Part>) -> Result<(), Error>;
}

/// A slot file on a disk.
#[derive(Debug)]
pub(crate) struct FileDevice(pub(crate) File);

impl Device for FileDevice {
    fn read(&self) -> Result<Vec<u8>, Error> {
        let mut file = &self.0;
        file.seek(SeekFrom::Start(0))?;
        let len_max = super::cell::offset(SLOTS_MAX, super::cell::CopyOf::A);
        let mut bytes = Vec::new();
        file.take(len_max).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn overwrite(&self, parts: Vec<Part>) -> Result<(), Error> {
        let mut file = &self.0;
        for (offset, bytes) in joined(parts) {
            file.seek(SeekFrom::Start(offset))?;
            file.write_all(&bytes)?;
        }
        Ok(self.0.sync_data()?)
    }
}

/// Parts that follow each other without a gap become one.
fn joined(parts: Vec<Part>) -> Vec<Part> {
    let mut joined: Vec<Part> = Vec::new();
    for (offset, bytes) in parts {
        let end = joined.last().map(|(start, before)| {
            start.saturating_add(u64::try_from(before.len()).unwrap_or(u64::MAX))
        });
        match joined.last_mut() {
            Some((_, before)) if end == Some(offset) => before.extend(bytes),
            Some(_) | None => joined.push((offset, bytes)),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjacent_parts_are_written_at_once_and_others_apart() {
        let parts = vec![(0, vec![1]), (1, vec![2, 3]), (9, vec![4]), (3, vec![5])];
        let expected = vec![(0, vec![1, 2, 3]), (9, vec![4]), (3, vec![5])];
        assert_eq!(joined(parts), expected);
    }

    #[test]
    fn overwriting_leaves_the_rest_and_grows_the_file() {
        let device = FileDevice(tempfile::tempfile().unwrap());
        device.overwrite(vec![(0, vec![1; 4])]).unwrap();
        device.overwrite(vec![(1, vec![2]), (6, vec![3])]).unwrap();
        assert_eq!(device.read().unwrap(), [1, 2, 1, 1, 0, 0, 3]);
    }
}
