//! What the recorder wrote down, read again. The format is described in `shim/recorder.c`.

use std::fs;
use std::path::Path;

use crate::error::Error;

const HEAD_LEN: usize = 28;
const DATA_ONLY: u8 = 1;
const WHOLE: u8 = 2;
const FAILED: u8 = 4;

/// What a wait for the device covers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Scope {
    /// Bytes and length of one file.
    Data,
    /// A file with everything about it, or a folder.
    File,
    /// The whole file system.
    Whole,
}

/// Whether the device answered that it has everything.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Answer {
    /// It did not: nothing is known about what it has.
    Failed,
    /// It has.
    Held,
}

/// One thing that happened, in the order in which it took effect. Paths are relative to the recorded folder.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Event {
    /// A new, empty file.
    Create { path: String, inode: u64 },
    /// This call was made to fail with this error number.
    Fault { errno: u64 },
    /// A second name for a file.
    Link { from: String, to: String },
    /// A new folder.
    MakeDir { path: String, inode: u64 },
    /// Bytes on the standard output: what the process has acknowledged.
    Mark(Vec<u8>),
    /// A file or an empty folder lost its name.
    Remove { path: String },
    /// A file or folder got another name, in place of what had it before.
    Rename { from: String, to: String },
    /// A wait for the device begins.
    SyncBegin {
        path: String,
        inode: u64,
        scope: Scope,
    },
    /// The wait is over.
    SyncEnd {
        path: String,
        inode: u64,
        scope: Scope,
        answer: Answer,
    },
    /// A file has a new length.
    Truncate { path: String, inode: u64, len: u64 },
    /// Bytes written to a file.
    Write {
        path: String,
        inode: u64,
        offset: u64,
        data: Vec<u8>,
    },
}

/// Reads a whole recording.
///
/// # Errors
/// [`Error::Recording`] if the log does not consist of whole records, [`Error::Io`] if it cannot be read.
pub(crate) fn read(log: &Path) -> Result<Vec<Event>, Error> {
    let bytes = fs::read(log).map_err(Error::at(log))?;
    let mut rest = bytes.as_slice();
    let mut events = Vec::new();
    while !rest.is_empty() {
        let (event, after) = parse(rest)
            .ok_or_else(|| Error::Recording(format!("record {} is broken", events.len())))?;
        events.push(event);
        rest = after;
    }
    Ok(events)
}

fn parse(bytes: &[u8]) -> Option<(Event, &[u8])> {
    let (head, rest) = bytes.split_at_checked(HEAD_LEN)?;
    let word = |at: usize| Some(u32::from_ne_bytes(head.get(at..at + 4)?.try_into().ok()?));
    let number = |at: usize| Some(u64::from_ne_bytes(head.get(at..at + 8)?.try_into().ok()?));
    let (kind, flag) = (head[0], head[1]);
    let (first, rest) = rest.split_at_checked(word(4)? as usize)?;
    let (second, rest) = rest.split_at_checked(word(8)? as usize)?;
    let (inode, number) = (number(12)?, number(20)?);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    let event = match kind {
        1 => Event::Mark(first.to_vec()),
        2 => Event::Create {
            path: text(first)?,
            inode,
        },
        3 => Event::Write {
            path: text(first)?,
            inode,
            offset: number,
            data: second.to_vec(),
        },
        4 => Event::Truncate {
            path: text(first)?,
            inode,
            len: number,
        },
        5 => Event::MakeDir {
            path: text(first)?,
            inode,
        },
        6 => Event::Rename {
            from: text(first)?,
            to: text(second)?,
        },
        7 => Event::Link {
            from: text(first)?,
            to: text(second)?,
        },
        8 => Event::Remove { path: text(first)? },
        9 => Event::SyncBegin {
            path: text(first)?,
            inode,
            scope: scope(flag),
        },
        10 => Event::SyncEnd {
            path: text(first)?,
            inode,
            scope: scope(flag),
            answer: if flag & FAILED == 0 {
                Answer::Held
            } else {
                Answer::Failed
            },
        },
        11 => Event::Fault { errno: number },
        _ => return None,
    };
    Some((event, rest))
}

const fn scope(flag: u8) -> Scope {
    if flag & WHOLE != 0 {
        Scope::Whole
    } else if flag & DATA_ONLY != 0 {
        Scope::Data
    } else {
        Scope::File
    }
}
