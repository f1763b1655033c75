//! File system steps, each durable when it returns.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Makes a directory, and those above it, that only the owner can enter.
pub(crate) fn create_private_dir(dir: &Path) -> Result<(), Error> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    Ok(builder.create(dir)?)
}

/// Opens a file for reading and writing, making it readable by its owner only if it is new.
pub(crate) fn open_private(path: &Path) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    Ok(options.open(path)?)
}

/// Opens a file for reading and writing; `None` if there is no such file.
pub(crate) fn open_existing(path: &Path) -> Result<Option<File>, Error> {
    match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Takes the file's lock for as long as the returned handle lives.
pub(crate) fn lock(path: &Path) -> Result<File, Error> {
    let file = open_private(path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Overwrites `bytes` at `offset` in place and waits until the device has them.
pub(crate) fn overwrite_durably(mut file: &File, offset: u64, bytes: &[u8]) -> Result<(), Error> {
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(bytes)?;
    Ok(file.sync_data()?)
}

/// Writes a new file whole, or replaces an old one whole.
pub(crate) fn replace_durably(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let next = path.with_extension("next");
    let mut file = open_private(&next)?;
    file.set_len(0)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&next, path)?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Reads at most `len_max` bytes; `None` if there is no such file.
pub(crate) fn read_at_most(path: &Path, len_max: u64) -> Result<Option<Vec<u8>>, Error> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut bytes = Vec::new();
    file.take(len_max).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Waits until what was created, renamed or removed in `dir` is on the device.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), Error> {
    #[cfg(unix)]
    File::open(dir)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = dir;
    Ok(())
}

/// Waits until everything below `dir` is on the device.
pub(crate) fn sync_tree(dir: &Path) -> Result<(), Error> {
    for path in entries(dir)? {
        if path.is_dir() {
            sync_tree(&path)?;
        } else {
            File::open(&path)?.sync_all()?;
        }
    }
    sync_dir(dir)
}

/// Lets only the owner read or enter anything below `dir`, and `dir` itself.
pub(crate) fn make_private(dir: &Path) -> Result<(), Error> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
        for path in entries(dir)? {
            if path.is_dir() {
                make_private(&path)?;
            } else {
                fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
            }
        }
    }
    #[cfg(not(unix))]
    let _ = dir;
    Ok(())
}

/// Bytes that may still be written to the disk under `dir`, where the system says.
pub(crate) fn free_len(dir: &Path) -> Option<u64> {
    #[cfg(unix)]
    return rustix::fs::statvfs(dir)
        .ok()
        .map(|status| status.f_bavail.saturating_mul(status.f_frsize));
    #[cfg(not(unix))]
    {
        let _ = dir;
        None
    }
}

/// What lies directly in `dir`, ascending by name; nothing if there is no such directory.
pub(crate) fn entries(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let list = match fs::read_dir(dir) {
        Ok(list) => list,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut paths = Vec::new();
    for entry in list {
        paths.push(entry?.path());
    }
    paths.sort();
    Ok(paths)
}

/// Removes a file that may be absent.
pub(crate) fn remove_if_there(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Overwrites a file with zeros, durably, and removes it.
pub(crate) fn wipe(path: &Path) -> Result<(), Error> {
    if let Some(file) = open_existing(path)? {
        let len = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
        overwrite_durably(&file, 0, &vec![0; len])?;
    }
    remove_if_there(path)
}

/// Removes a directory that may be absent, with all in it.
pub(crate) fn remove_dir_if_there(dir: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Copies the files directly in `from` and one level below to a new directory `to`, durably.
pub(crate) fn copy_tree(from: &Path, to: &Path) -> Result<(), Error> {
    create_private_dir(to)?;
    for path in entries(from)? {
        let Some(name) = path.file_name() else {
            continue;
        };
        let target = to.join(name);
        if path.is_dir() {
            copy_tree(&path, &target)?;
        } else {
            fs::copy(&path, &target)?;
        }
    }
    sync_tree(to)
}
