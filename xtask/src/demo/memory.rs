//! Looking for texts in the memory of a running process, as somebody who seized the machine would.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;

use memchr::memmem::Finder;

/// How much is read at once. Neighbouring reads overlap by the longest text, so that none is cut in two.
const CHUNK: usize = 1 << 20;

/// What a search saw.
#[derive(Debug)]
pub(super) struct Search {
    /// How often each of the texts was found, in the order they were given.
    pub(super) found: Vec<usize>,
    /// How many bytes were read.
    pub(super) bytes: u64,
}

/// Searches all readable memory of process `id` for `texts`.
///
/// Errors: `PermissionDenied` if this user may not look, `NotFound` if there is no such process or no `/proc`.
pub(super) fn search(id: u32, texts: &[&[u8]]) -> io::Result<Search> {
    let maps = fs::read_to_string(format!("/proc/{id}/maps"))?;
    let memory = File::open(format!("/proc/{id}/mem"))?;
    let finders: Vec<Finder<'_>> = texts.iter().map(Finder::new).collect();
    let overlap = texts
        .iter()
        .map(|text| text.len().saturating_sub(1))
        .max()
        .unwrap_or_default();
    let mut search = Search {
        found: vec![0; texts.len()],
        bytes: 0,
    };
    for (start, end) in maps.lines().filter_map(region) {
        read_region(&memory, (start, end), overlap, |bytes, fresh| {
            for (finder, (text, count)) in finders.iter().zip(texts.iter().zip(&mut search.found)) {
                // A hit that lies wholly in the repeated part was counted with the chunk before.
                let hits = finder
                    .find_iter(bytes)
                    .filter(|at| at.saturating_add(text.len()) > fresh);
                *count = count.saturating_add(hits.count());
            }
            search.bytes = search
                .bytes
                .saturating_add(bytes.len().saturating_sub(fresh) as u64);
        })?;
    }
    if search.bytes == 0 {
        return Err(io::Error::from(ErrorKind::PermissionDenied));
    }
    Ok(search)
}

/// Reads a region in chunks; `look` gets each chunk with the length of its repeated beginning.
fn read_region(
    memory: &File,
    (start, end): (u64, u64),
    overlap: usize,
    mut look: impl FnMut(&[u8], usize),
) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK + overlap];
    let mut kept = 0;
    let mut at = start;
    while at < end {
        let wanted = usize::try_from(end - at).map_or(CHUNK, |left| left.min(CHUNK));
        let read = match memory.read_at(&mut buffer[kept..kept + wanted], at) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::PermissionDenied => return Err(error),
            // Pages that no process may read through this door (the kernel's own) hold nothing of ours.
            Err(_) => return Ok(()),
        };
        let filled = kept + read;
        look(&buffer[..filled], kept);
        let repeat = overlap.min(filled);
        buffer.copy_within(filled - repeat..filled, 0);
        kept = repeat;
        at += read as u64;
    }
    Ok(())
}

/// Start and end of a readable region, from a line of `/proc/PID/maps` (proc(5)).
fn region(line: &str) -> Option<(u64, u64)> {
    let mut fields = line.split_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    if !fields.next()?.starts_with('r') {
        return None;
    }
    let number = |text: &str| u64::from_str_radix(text, 16).ok();
    Some((number(start)?, number(end)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_read_from_the_kernels_list() {
        let line = "7f00a000-7f00b000 rw-p 00000000 00:00 0    [heap]";
        assert_eq!(region(line), Some((0x7f00_a000, 0x7f00_b000)));
        assert_eq!(region("7f00a000-7f00b000 ---p 00000000 00:00 0"), None);
        assert_eq!(region(""), None);
    }

    #[test]
    fn chunks_overlap_so_that_a_text_on_the_seam_is_found_once() {
        let text = b"on the seam";
        let mut content = vec![b'.'; CHUNK * 2];
        content[CHUNK - 4..CHUNK - 4 + text.len()].copy_from_slice(text);
        content[10..10 + text.len()].copy_from_slice(text);
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&content, 0).unwrap();

        let mut count = 0;
        let finder = Finder::new(text);
        read_region(
            &file,
            (0, content.len() as u64),
            text.len() - 1,
            |bytes, fresh| {
                count += finder
                    .find_iter(bytes)
                    .filter(|at| at + text.len() > fresh)
                    .count();
            },
        )
        .unwrap();
        assert_eq!(count, 2);
    }

    #[test]
    fn own_memory_shows_what_is_in_it() {
        let planted = format!("planted {}", std::process::id());
        let Ok(search) = search(std::process::id(), &[planted.as_bytes()]) else {
            return; // no /proc, or not permitted: nothing to say
        };
        assert!(search.found[0] >= 1);
        assert!(search.bytes > 0);
    }
}
