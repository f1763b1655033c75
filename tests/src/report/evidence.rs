//! Files beside the report: what was said in checks that did not pass.

use std::fs;
use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::{Entry, Evidence, Verdict};

/// Writes a file for each check that failed or was not seen. Secrets in it were made for this run alone.
pub(crate) fn write(folder: &Path, entries: &mut [Entry]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for entry in entries {
        if !matches!(entry.verdict, Verdict::Failed | Verdict::NotSeen) {
            continue;
        }
        let text = format!(
            "{} ({})\nexpected: {}\nobserved: {}\n\n{}\n",
            entry.id,
            entry.clauses.join(", "),
            entry.expected,
            entry.observed,
            entry.said.join("\n")
        );
        let file = format!("{}.txt", entry.id);
        fs::write(folder.join(&file), &text)?;
        entry.evidence.push(Evidence {
            file,
            sha256: hash(text.as_bytes()),
        });
    }
    Ok(())
}

/// SHA-256 in hexadecimal.
pub(crate) fn hash(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
