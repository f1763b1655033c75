//! Every parser of this crate that meets bytes from outside, for the fuzzing of `fuzz/` and for its corpora.
//!
//! Compiled for tests and fuzzing alone. What has one encoding must have come from that one.

use crate::backup::{self, BackupReader};

/// A backup file; and the same bytes once more as what stands, well sealed, in a file that the passphrase opens.
pub fn backup_file(bytes: &[u8]) {
    if let Ok(mut reader) = BackupReader::open(bytes, "fuzz") {
        while let Ok(Some(_)) = reader.next_record() {}
    }
    backup::read_sealed(bytes);
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A name and what it stands for.
    type Door = (&'static str, fn(&[u8]));

    /// What fuzzing found worth keeping, and what it began with.
    #[test]
    fn corpora_are_parsed_without_a_panic() {
        let doors: &[Door] = &[("backup_file", backup_file)];
        for (name, parse) in doors {
            let folder = format!("{}/../../fuzz/corpus/{name}", env!("CARGO_MANIFEST_DIR"));
            let mut count = 0;
            for entry in fs::read_dir(folder).unwrap() {
                parse(&fs::read(entry.unwrap().path()).unwrap());
                count += 1;
            }
            assert!(count >= 3, "{name} has a corpus");
        }
    }
}
