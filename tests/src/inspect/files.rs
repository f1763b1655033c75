//! Files that were written since a moment, where a process could have written them.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::needle::Needle;

/// Where to look: places for passing things, and where the process is.
const PLACES: &[&str] = &[
    "/tmp", "/var/tmp", "/dev/shm", "/run", "/var/log", "/var/lib",
];

/// What was looked at and what was found.
#[derive(Debug, Default)]
pub(crate) struct Search {
    pub(crate) files: usize,
    pub(crate) hits: Vec<(PathBuf, &'static str)>,
}

/// Searches every file that was written since `start` in the usual places and in `own`, the working folder of the
/// process, for the needles.
pub(crate) fn search(own: Option<PathBuf>, start: SystemTime, needles: &[&Needle]) -> Search {
    let mut search = Search::default();
    // A process in the root folder would lead everywhere.
    let own = own.filter(|own| own.parent().is_some());
    let places = PLACES.iter().map(PathBuf::from).chain(own);
    for place in places {
        walk(&place, start, needles, &mut search, DEPTH_MAX);
    }
    search
}

fn walk(folder: &Path, start: SystemTime, needles: &[&Needle], search: &mut Search, depth: usize) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        // Of the entry itself: links are not followed.
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        if metadata.is_dir() && depth > 0 {
            walk(&path, start, needles, search, depth.saturating_sub(1));
        }
        let is_new = metadata.modified().is_ok_and(|time| time >= start);
        if metadata.is_file() && is_new && metadata.len() <= LEN_MAX {
            search.files = search.files.saturating_add(1);
            // An empty one has nothing; those of a mounted /proc say that they are empty, and reading can wait for ever.
            if metadata.len() > 0 {
                look(&path, needles, search);
            }
        }
    }
}

fn look(path: &Path, needles: &[&Needle], search: &mut Search) {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LEN_MAX).read_to_end(&mut bytes));
    if read.is_err() {
        return;
    }
    for needle in needles {
        if needle.count(&bytes) > 0 {
            search.hits.push((path.to_owned(), needle.name));
        }
    }
}

/// Folders within folders.
const DEPTH_MAX: usize = 6;

/// Longest file that is read: 64 MiB.
const LEN_MAX: u64 = 64 << 20;
