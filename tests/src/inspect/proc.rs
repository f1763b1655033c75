//! Counters and settings of a process.

use std::fs;
use std::path::PathBuf;

use crate::finding::Finding;

/// A text of `/proc/PID`.
pub(crate) fn text(pid: u32, file: &str) -> Result<String, Finding> {
    let path = format!("/proc/{pid}/{file}");
    fs::read_to_string(&path).map_err(|error| Finding::not_seen(format!("{path}: {error}")))
}

/// A number behind `name:` in such a text.
pub(crate) fn number(pid: u32, file: &str, name: &str) -> Result<u64, Finding> {
    let text = text(pid, file)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let value = line.and_then(|rest| rest.trim_start_matches(':').split_whitespace().next());
    value
        .and_then(|value| value.parse().ok())
        .ok_or_else(|| Finding::not_seen(format!("/proc/{pid}/{file} says nothing of {name}")))
}

/// What its file descriptors stand for, by number.
pub(crate) fn descriptors(pid: u32) -> Result<Vec<PathBuf>, Finding> {
    let folder = format!("/proc/{pid}/fd");
    let entries =
        fs::read_dir(&folder).map_err(|error| Finding::not_seen(format!("{folder}: {error}")))?;
    let links = entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    Ok(links.collect())
}

/// How many there are.
pub(crate) fn descriptor_count(pid: u32) -> Result<usize, Finding> {
    descriptors(pid).map(|links| links.len())
}

/// Memory that is there now, in KiB.
pub(crate) fn resident_kib(pid: u32) -> Result<u64, Finding> {
    number(pid, "status", "VmRSS")
}
