//! Looking at all of another process' memory.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;

/// How often `needle` stands in the writable memory of a process.
pub fn copies_in_memory(pid: u32, needle: &[u8]) -> io::Result<usize> {
    copies_of_any_in_memory(pid, &[needle])
}

/// How often any of `needles` stands there, in one look.
pub fn copies_of_any_in_memory(pid: u32, needles: &[&[u8]]) -> io::Result<usize> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let memory = File::open(format!("/proc/{pid}/mem"))?;
    let mut copies = 0;
    for line in maps.lines() {
        let mut fields = line.split_ascii_whitespace();
        let (range, rights) = (fields.next().unwrap(), fields.next().unwrap());
        if !rights.starts_with("rw") {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let start = u64::from_str_radix(start, 16).unwrap();
        let end = u64::from_str_radix(end, 16).unwrap();
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        // Memory may be unmapped between the two looks.
        if memory.read_exact_at(&mut bytes, start).is_ok() {
            for needle in needles {
                copies += memchr::memmem::find_iter(&bytes, needle).count();
            }
        }
    }
    Ok(copies)
}

/// Memory of a process that is there now, in KiB.
pub fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
