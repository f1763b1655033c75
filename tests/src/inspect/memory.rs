//! Looking at all memory of a process that it can write to or could, stacks and heaps included.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;

use crate::finding::Finding;

use super::needle::Needle;

/// How often each needle stands in the memory of a process that is its own.
///
/// Fails with a finding if the memory cannot be read, which takes the superuser's rights where the process protects
/// itself.
pub(crate) fn search(pid: u32, needles: &[&Needle]) -> Result<Vec<usize>, Finding> {
    let cannot = |error: io::Error| {
        Finding::not_seen(format!(
            "the memory of process {pid} cannot be read: {error}"
        ))
    };
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).map_err(cannot)?;
    let memory = File::open(format!("/proc/{pid}/mem")).map_err(cannot)?;
    let reach = needles
        .iter()
        .map(|needle| needle.reach())
        .max()
        .unwrap_or(1);
    let mut found = vec![0; needles.len()];
    let mut read = 0_u64;
    let mut buffer = vec![0; PIECE_LEN.saturating_add(reach)];
    for (start, end) in maps.lines().filter_map(kept) {
        let mut at = start;
        while at < end {
            let left = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
            let piece = buffer.get_mut(..left.min(PIECE_LEN.saturating_add(reach)));
            let Some(piece) = piece else { break };
            // Memory may be unmapped between the two looks, and guard pages cannot be read.
            if memory.read_exact_at(piece, at).is_ok() {
                read = read.saturating_add(u64::try_from(piece.len()).unwrap_or_default());
                for (needle, count) in needles.iter().zip(&mut found) {
                    *count += needle.count(piece);
                }
            }
            at = at.saturating_add(u64::try_from(PIECE_LEN).unwrap_or(u64::MAX));
        }
    }
    if read == 0 {
        return Err(Finding::not_seen(format!("process {pid} shows no memory")));
    }
    Ok(found)
}

/// The range of a mapping where a process can have kept something: one that it can write to, or that comes from no file
/// and may have been closed to writing since.
fn kept(line: &str) -> Option<(u64, u64)> {
    let mut fields = line.split_ascii_whitespace();
    let (range, rights) = (fields.next()?, fields.next()?);
    let is_of_no_file = fields.nth(2)? == "0";
    let (start, end) = range.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    let is_kept = rights.starts_with("rw") || (rights.starts_with('r') && is_of_no_file);
    is_kept.then_some((number(start)?, number(end)?))
}

/// Bytes read at a time: 4 MiB.
const PIECE_LEN: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_process_holds_is_found_in_it() {
        let secret = b"in one piece here";
        let needle = Needle::raw("x", &secret.map(|byte| byte ^ 1));
        let held: Vec<u8> = std::hint::black_box(secret.iter().map(|byte| byte ^ 1).collect());
        match search(std::process::id(), &[&needle]) {
            Ok(found) => assert!(found[0] >= 2, "{found:?}"),
            Err(Finding::NotSeen(why)) => println!("not seen: {why}"),
            Err(other) => panic!("{other}"),
        }
        drop(held);
    }
}
