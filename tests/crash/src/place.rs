//! Where the tests work.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::Error;

/// A disk in memory: waiting for it costs nothing, and what it would lose is decided by us.
const MEMORY: &str = "/dev/shm";
/// Use it only where it has so much room, in bytes: containers may give it very little.
const ROOM: u64 = 1 << 30;

/// A folder that vanishes; in memory where there is room and nobody has said where to work.
pub(crate) fn scratch() -> Result<TempDir, Error> {
    let place = if std::env::var_os("TMPDIR").is_none() && room(Path::new(MEMORY)) >= ROOM {
        tempfile::tempdir_in(MEMORY)
    } else {
        tempfile::tempdir()
    };
    place.map_err(Error::io("a temporary folder"))
}

/// A folder that vanishes, on a real disk: for what is measured or large.
pub(crate) fn on_disk() -> Result<TempDir, Error> {
    tempfile::tempdir().map_err(Error::io("a temporary folder"))
}

fn room(folder: &Path) -> u64 {
    rustix::fs::statvfs(folder).map_or(0, |room| room.f_bavail.saturating_mul(room.f_frsize))
}

/// The folder `name` below `place`, made, and free of symbolic links.
pub(crate) fn folder(place: &Path, name: &str) -> Result<PathBuf, Error> {
    let folder = place.join(name);
    std::fs::create_dir_all(&folder).map_err(Error::at(&folder))?;
    folder.canonicalize().map_err(Error::at(&folder))
}
