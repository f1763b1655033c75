//! A file that is there whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A file being written under another name, under which nothing is left when this is dropped.
pub(crate) struct PartFile {
    out: BufWriter<File>,
    part: PathBuf,
    place: PathBuf,
    /// Whether it may take the place of another file.
    replaces: bool,
}

impl PartFile {
    /// Begins `place.part`, readable by its owner only. A part left by an attempt that was killed is
    /// replaced; a file at `place` is an error unless it may be replaced.
    pub(crate) fn create(place: &Path, replaces: bool) -> io::Result<Self> {
        if !replaces && place.symlink_metadata().is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let mut name = place
            .file_name()
            .ok_or(io::ErrorKind::InvalidFilename)?
            .to_os_string();
        name.push(".part");
        let part = place.with_file_name(name);
        match fs::remove_file(&part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Ok(Self {
            out: BufWriter::new(options.open(&part)?),
            part,
            place: place.to_path_buf(),
            replaces,
        })
    }

    /// Makes it durable and gives it its name. A file that came to be there meanwhile is not replaced.
    pub(crate) fn complete(mut self) -> io::Result<()> {
        self.out.flush()?;
        self.out.get_ref().sync_all()?;
        if self.replaces {
            fs::rename(&self.part, &self.place)?;
        } else {
            link(&self.part, &self.place)?;
        }
        let folder = self
            .place
            .parent()
            .filter(|path| !path.as_os_str().is_empty());
        File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()?;
        Ok(())
    }
}

/// Gives a file another name, if nothing has that name.
fn link(part: &Path, place: &Path) -> io::Result<()> {
    match fs::hard_link(part, place) {
        // There the check at the beginning has to do.
        Err(error) if knows_no_links(error.kind()) => fs::rename(part, place),
        linked => linked,
    }
}

/// What a file system without hard links answers.
const fn knows_no_links(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied
    )
}

impl Write for PartFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        // Complete, it has its own name by now. A part that stays behind is named as one, and replaced by the
        // next attempt.
        let _removed = fs::remove_file(&self.part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_whole_or_not_at_all_and_replaces_none() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("a.html");
        drop(PartFile::create(&place, false).unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);

        let mut file = PartFile::create(&place, false).unwrap();
        file.write_all(b"whole").unwrap();
        assert!(!place.exists());
        file.complete().unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"whole");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        let refused = PartFile::create(&place, false).err().unwrap();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn a_file_that_came_to_be_there_meanwhile_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("a.html");
        let file = PartFile::create(&place, false).unwrap();
        fs::write(&place, b"other").unwrap();
        assert!(file.complete().is_err());
        assert_eq!(fs::read(&place).unwrap(), b"other");
    }

    #[test]
    fn a_file_is_replaced_whole_and_only_where_that_was_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("a.html");
        fs::write(&place, b"old").unwrap();
        let mut file = PartFile::create(&place, true).unwrap();
        file.write_all(b"new").unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"old");
        file.complete().unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"new");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("a.json");
        PartFile::create(&place, false).unwrap().complete().unwrap();
        let mode = fs::metadata(&place).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
