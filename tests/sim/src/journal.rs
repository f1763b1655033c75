//! What came of the seeds of a long run, on disk: whoever stops it goes on later where it was.
//!
//! A text file: the first line names the build and the hours of a seed, and each further one is the JSON of a
//! [`Verdict`]. A line that a stop cut short counts for nothing.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::report::Verdict;

/// The journal of a run that goes on.
#[derive(Debug)]
pub struct Journal {
    file: File,
}

impl Journal {
    /// Opens a journal, or begins it. Second: what came of the seeds that it names.
    ///
    /// # Errors
    /// If it cannot be read or written, or is that of another build or other hours: seeds take another course there.
    pub fn open(path: &Path, hours: Option<usize>) -> io::Result<(Self, BTreeMap<u64, Verdict>)> {
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let heading = heading(hours)?;
        let mut lines = text.lines();
        match lines.next() {
            None => writeln!(file, "{heading}")?,
            Some(first) if first == heading => {}
            Some(_) => {
                let what = format!(
                    "{} is the journal of another build or of other hours: remove it, or name another file",
                    path.display()
                );
                return Err(io::Error::other(what));
            }
        }
        let verdicts = lines.filter_map(|line| serde_json::from_str::<Verdict>(line).ok());
        let known = verdicts.map(|verdict| (verdict.seed, verdict)).collect();
        if !text.is_empty() && !text.ends_with('\n') {
            writeln!(file)?;
        }
        Ok((Self { file }, known))
    }

    /// Notes what came of a seed.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn note(&mut self, verdict: &Verdict) -> io::Result<()> {
        let mut line = serde_json::to_string(verdict)?;
        line.push('\n');
        self.file.write_all(line.as_bytes())
    }
}

fn heading(hours: Option<usize>) -> io::Result<String> {
    let build = Sha256::digest(std::fs::read(std::env::current_exe()?)?);
    let build: String = build.iter().map(|byte| format!("{byte:02x}")).collect();
    let hours = hours.map_or_else(|| "2 or 3".to_owned(), |hours| hours.to_string());
    Ok(format!("sori-sim {build}, {hours} hours a seed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_known_after_a_stop_and_a_line_cut_short_is_not() {
        let name = format!("sori-sim-journal-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let verdict = |seed| Verdict {
            seed,
            heals: vec![Some(7), None],
            ..Verdict::default()
        };
        let (mut journal, known) = Journal::open(&path, None).unwrap();
        assert!(known.is_empty());
        journal.note(&verdict(3)).unwrap();
        journal.file.write_all(b"{\"seed\":4,\"he").unwrap();
        drop(journal);
        let (mut journal, known) = Journal::open(&path, None).unwrap();
        assert_eq!(known, BTreeMap::from([(3, verdict(3))]));
        journal.note(&verdict(4)).unwrap();
        let (_, known) = Journal::open(&path, None).unwrap();
        assert_eq!(known.len(), 2);
        assert!(Journal::open(&path, Some(3)).is_err());
        std::fs::remove_file(path).unwrap();
    }
}
