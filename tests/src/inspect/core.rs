//! A core image, as an investigator would take one from a running process.

use std::fs;
use std::process::{Command, Stdio};

use crate::finding::Finding;

use super::needle::Needle;

/// Takes a core image of a process with gdb's `gcore`, searches it, and deletes it.
pub(crate) fn search(pid: u32, needles: &[&Needle]) -> Result<(Vec<usize>, usize), Finding> {
    let folder = tempfile::tempdir().map_err(Finding::not_seen)?;
    let base = folder.path().join("core");
    let taken = Command::new("gcore")
        .arg("-o")
        .arg(&base)
        .arg(pid.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let file = folder.path().join(format!("core.{pid}"));
    match taken {
        Ok(status) if status.success() && file.exists() => {}
        Ok(status) => {
            let why = format!("gcore could not take an image of process {pid} ({status})");
            return Err(Finding::not_seen(why));
        }
        Err(error) => return Err(Finding::not_seen(format!("gcore (Debian: gdb): {error}"))),
    }
    let image = fs::read(&file).map_err(Finding::not_seen)?;
    let found = needles.iter().map(|needle| needle.count(&image)).collect();
    Ok((found, image.len()))
}
