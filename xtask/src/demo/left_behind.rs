//! What is left of the conversation where others could find it: the relay's memory and files, the disks of the people.

use std::fs;
use std::io;
use std::path::Path;

use memchr::memmem;

use super::Stage;
use super::memory;
use super::story::Played;
use crate::error::Error;

/// A text that certainly is in the relay's memory: the name of its protocol. If the search does not find it, the
/// search is broken, and what else it did not find means nothing.
const CONTROL: &[u8] = b"sori/1";

/// Looks and tells; fails if something was found that must not be there.
pub(super) fn tell(stage: &Stage<'_>, played: &Played) -> Result<(), Error> {
    relay_memory(stage, played)?;
    relay_files(stage);
    println!(
        "   It did see: {} connections from this machine, random-looking topics, padded frames,",
        played.people.len()
    );
    println!("   and when they came. It kept none of it.");
    profiles(stage, played)
}

fn relay_memory(stage: &Stage<'_>, played: &Played) -> Result<(), Error> {
    let Some(id) = stage.relay.id() else {
        return Err(Error::DidNotHold("the relay is running".to_owned()));
    };
    let mut wanted: Vec<&[u8]> = needles(played);
    wanted.push(CONTROL);
    let search = match memory::search(id, &wanted) {
        Ok(search) => search,
        Err(error) => {
            println!(
                "   Relay memory (/proc/{id}/mem): not seen ({}).",
                why_not(&error)
            );
            return Ok(());
        }
    };
    let (control, found) = search.found.split_last().unwrap_or((&0, &[]));
    if *control == 0 {
        return Err(Error::DidNotHold(
            "the memory search finds what is certainly there".to_owned(),
        ));
    }
    let copies: usize = found.iter().sum();
    if copies > 0 {
        return Err(Error::DidNotHold(format!(
            "the relay's memory holds no text or name of the conversation ({copies} found)"
        )));
    }
    println!(
        "   Relay memory (/proc/{id}/mem, {} MiB read while all three were connected):",
        search.bytes >> 20
    );
    println!(
        "   {} message texts and {} names searched for: none found. Control: its protocol's name was found {control} times.",
        played.texts.len(),
        played.names.len()
    );
    Ok(())
}

/// Says which regular files the relay has open.
fn relay_files(stage: &Stage<'_>) {
    let Some(id) = stage.relay.id() else { return };
    let open = match fs::read_dir(format!("/proc/{id}/fd")) {
        Ok(open) => open,
        Err(error) => {
            println!("   Relay files: not seen ({}).", why_not(&error));
            return;
        }
    };
    let regular = open
        .filter_map(|entry| fs::metadata(entry.ok()?.path()).ok())
        .filter(fs::Metadata::is_file)
        .count();
    println!("   Relay files (/proc/{id}/fd): {regular} regular files open.");
}

/// Searches the profile folders as they are on the disk.
fn profiles(stage: &Stage<'_>, played: &Played) -> Result<(), Error> {
    let mut read = 0_u64;
    let mut found = 0_usize;
    search_folder(stage.folder.path(), &needles(played), &mut read, &mut found)
        .map_err(|source| Error::io("read the profile folders", source))?;
    if found > 0 {
        return Err(Error::DidNotHold(format!(
            "the profile folders hold no text or name in the clear ({found} found)"
        )));
    }
    println!(
        "   Profiles on disk ({} KiB): the same texts and names searched for: none found.",
        read >> 10
    );
    Ok(())
}

fn search_folder(
    folder: &Path,
    wanted: &[&[u8]],
    read: &mut u64,
    found: &mut usize,
) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            search_folder(&entry.path(), wanted, read, found)?;
            continue;
        }
        if !entry.file_type()?.is_file() {
            continue;
        }
        let bytes = fs::read(entry.path())?;
        *read = read.saturating_add(bytes.len() as u64);
        let hits = wanted
            .iter()
            .filter(|text| memmem::find(&bytes, text).is_some());
        *found = found.saturating_add(hits.count());
    }
    Ok(())
}

fn needles(played: &Played) -> Vec<&[u8]> {
    played
        .texts
        .iter()
        .chain(&played.names)
        .map(|text| text.as_bytes())
        .collect()
}

fn why_not(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "it needs the same user with tracing allowed, or root",
        _ => "this system does not show it",
    }
}
