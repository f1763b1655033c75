//! Runs a process under the recorder.
//!
//! The recorder is a library in C that is loaded before all others and stands between the process and the C library
//! (`shim/recorder.c`). The usual tracer sees the same calls but stops the process twice at each of them, and would have to
//! be installed; a file system of our own would need privileges. What bypasses the C library escapes this way, so
//! `Place::recording` compares: replaying the log must give the folder as the process left it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::disk::Disk;
use crate::disk::image::Image;
use crate::disk::names::FileSystem;
use crate::error::Error;
use crate::place;
use crate::recording::{self, Event};

const SOURCE: &str = include_str!("../shim/recorder.c");

/// The compiled recorder.
#[derive(Debug)]
pub struct Recorder {
    place: TempDir,
}

/// When calls are to fail, and how.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Fault {
    /// The first call that fails, counted from 1 among those that can.
    pub(crate) at: u64,
    /// What it says.
    pub(crate) trouble: Trouble,
}

/// What a failing call says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Trouble {
    /// There is no space left, for this call and for all later ones that need some.
    DiskFull,
    /// The device has failed, this once. Waiting for it can fail, too.
    DeviceError,
}

impl Recorder {
    /// Compiles the recorder.
    ///
    /// # Errors
    /// [`Error::Compile`] if there is no C compiler or it refuses.
    pub fn compile() -> Result<Self, Error> {
        let place = place::scratch()?;
        let source = place.path().join("recorder.c");
        fs::write(&source, SOURCE).map_err(Error::at(&source))?;
        let output = Command::new("cc")
            .args(["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"])
            .arg("-o")
            .arg(place.path().join("recorder.so"))
            .arg(&source)
            .arg("-lpthread")
            .output()
            .map_err(|error| Error::Compile(error.to_string()))?;
        if output.status.success() {
            return Ok(Self { place });
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(Error::Compile(said))
    }

    /// Lets `command` run under the recorder: what it does below `folder` goes to `log`.
    pub(crate) fn attach(
        &self,
        command: &mut Command,
        folder: &Path,
        log: &Path,
        fault: Option<Fault>,
    ) {
        command
            .env("LD_PRELOAD", self.place.path().join("recorder.so"))
            .env("SORI_CRASH_FOLDER", folder)
            .env("SORI_CRASH_LOG", log);
        if let Some(fault) = fault {
            command.env("SORI_CRASH_FAIL", fault.to_setting());
        }
    }
}

impl Fault {
    /// As the recorder reads it.
    fn to_setting(self) -> String {
        match self.trouble {
            // ENOSPC and EIO of Linux.
            Trouble::DiskFull => format!("{} 28 always", self.at),
            Trouble::DeviceError => format!("{} 5 once sync", self.at),
        }
    }
}

/// A folder whose changes are recorded.
#[derive(Debug)]
pub(crate) struct Place {
    place: TempDir,
    disk: PathBuf,
}

impl Place {
    /// A new, empty folder.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be made.
    pub(crate) fn new() -> Result<Self, Error> {
        let place = place::scratch()?;
        let disk = place::folder(place.path(), "disk")?;
        Ok(Self { place, disk })
    }

    /// The recorded folder, free of symbolic links.
    pub(crate) fn disk(&self) -> &Path {
        &self.disk
    }

    /// Where the recorder writes.
    pub(crate) fn log(&self) -> PathBuf {
        self.place.path().join("log")
    }

    /// What was recorded, checked against the folder: `base` is what was there before.
    ///
    /// # Errors
    /// [`Error::Recording`] if something escaped the recorder.
    pub(crate) fn recording(&self, base: &Base) -> Result<Vec<Event>, Error> {
        let events = recording::read(&self.log())?;
        let mut disk = base.disk(FileSystem::Ordered);
        for event in &events {
            disk.feed(event)?;
        }
        let (seen, real) = (disk.seen(), Image::read(self.disk())?);
        match seen.difference(&real) {
            None => Ok(events),
            Some(path) => Err(Error::Recording(format!(
                "replaying it does not give {path} as it is"
            ))),
        }
    }
}

/// What was on the disk before the recording began, held for sure.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    ordered: Disk,
    strict: Disk,
}

impl Base {
    /// What `folder` holds now.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read.
    pub(crate) fn of(folder: &Path) -> Result<Self, Error> {
        let image = Image::read(folder)?;
        Ok(Self {
            ordered: Disk::holding(&image, folder, FileSystem::Ordered)?,
            strict: Disk::holding(&image, folder, FileSystem::Strict)?,
        })
    }

    /// The disk before the first event.
    pub(crate) fn disk(&self, file_system: FileSystem) -> Disk {
        match file_system {
            FileSystem::Ordered => self.ordered.clone(),
            FileSystem::Strict => self.strict.clone(),
        }
    }
}
