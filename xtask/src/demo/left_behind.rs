//! What is left of the conversation where others could find it: the relay's memory and files, the disks of the people.

use std::fs;
use std::io;
use std::path::Path;

use memchr::memmem;
use serde_json::json;

use super::Stage;
use super::memory;
use super::story::Played;
use crate::error::Error;
use crate::rpc::Rpc;

/// A text that certainly is in the relay's memory: the name of its protocol. If the search does not find it, the
/// search is broken, and what else it did not find means nothing.
const CONTROL: &[u8] = b"sori/1";

/// Looks and tells, ends the three processes, and looks again; fails if something was found that must not be there.
pub(super) async fn tell(stage: &Stage<'_>, played: Played) -> Result<(), Error> {
    let Played {
        group,
        texts,
        names,
        mut people,
    } = played;
    let attached = attached(&group, &mut people).await?;
    println!(
        "   It had to see {attached} connections with their addresses and times, the random-looking topics at which"
    );
    println!(
        "   they meet today, and how many sealed frames of which of eight sizes pass between them."
    );
    let wanted: Vec<&[u8]> = texts
        .iter()
        .chain(&names)
        .map(|text| text.as_bytes())
        .collect();
    println!(
        "   Searched for in what it has: {} message texts and {} names of people and groups.",
        texts.len(),
        names.len()
    );
    relay_memory(stage, "while all are connected", &wanted)?;
    relay_files(stage);
    for person in people {
        person.shut_down().await?;
    }
    relay_memory(stage, "after all have left", &wanted)?;
    profiles(stage, &wanted)
}

/// How many of the processes are connected to the relay and attached to the group's topics; all of them should be.
async fn attached(group: &str, people: &mut [Rpc]) -> Result<usize, Error> {
    for person in &mut *people {
        let question = ("sync.status", json!({ "group": group }));
        person
            .until("the process is attached at the relay", question, |answer| {
                (answer["attached"] == true).then_some(())
            })
            .await?;
    }
    Ok(people.len())
}

fn relay_memory(stage: &Stage<'_>, when: &str, wanted: &[&[u8]]) -> Result<(), Error> {
    let Some(id) = stage.relay.id() else {
        return Err(Error::DidNotHold("the relay is running".to_owned()));
    };
    let with_control: Vec<&[u8]> = wanted.iter().copied().chain([CONTROL]).collect();
    let search = match memory::search(id, &with_control) {
        Ok(search) => search,
        Err(error) => {
            println!("   Relay memory {when}: not seen ({}).", why_not(&error));
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
            "the relay's memory {when} holds no text or name of the conversation ({copies} found)"
        )));
    }
    println!(
        "   Relay memory {when} ({} MiB of /proc/{id}/mem): none found (its own word {}, as a control: {control} times).",
        search.bytes >> 20,
        String::from_utf8_lossy(CONTROL)
    );
    Ok(())
}

/// Says how many files the relay has open besides the three that it was given for its input and output.
fn relay_files(stage: &Stage<'_>) {
    let Some(id) = stage.relay.id() else { return };
    let open = match fs::read_dir(format!("/proc/{id}/fd")) {
        Ok(open) => open,
        Err(error) => {
            println!("   Relay files: not seen ({}).", why_not(&error));
            return;
        }
    };
    let files = open
        .filter_map(Result::ok)
        .filter(|entry| {
            !["0", "1", "2"]
                .iter()
                .any(|given| entry.file_name() == *given)
        })
        .filter_map(|entry| fs::metadata(entry.path()).ok())
        .filter(fs::Metadata::is_file)
        .count();
    println!("   Files that the relay has open (/proc/{id}/fd): {files}.");
}

/// Searches the profile folders as they are on the disk.
fn profiles(stage: &Stage<'_>, wanted: &[&[u8]]) -> Result<(), Error> {
    let mut read = 0_u64;
    let mut found = 0_usize;
    search_folder(stage.folder.path(), wanted, &mut read, &mut found)
        .map_err(|source| Error::io("read the profile folders", source))?;
    if found > 0 {
        return Err(Error::DidNotHold(format!(
            "the profile folders hold no text or name in the clear ({found} found)"
        )));
    }
    println!(
        "   Profile folders on the disk ({} KiB): none found.",
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

fn why_not(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "only root may look: the relay forbids it to others",
        _ => "this system does not show it",
    }
}
