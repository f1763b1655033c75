//! A folder as bytes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::names::{Node, ROOT, Tree};
use crate::error::Error;

/// What a path leads to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Entry {
    /// A file with its bytes.
    File(Vec<u8>),
    /// A folder.
    Folder,
}

/// A folder with everything below it. Paths are relative; a folder comes before what is in it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Image(BTreeMap<String, Entry>);

impl Image {
    pub(super) fn new(tree: &Tree, mut file: impl FnMut(Node) -> Option<Vec<u8>>) -> Self {
        let mut image = Self::default();
        image.add(tree, ROOT, "", &mut file);
        image
    }

    fn add(
        &mut self,
        tree: &Tree,
        folder: Node,
        prefix: &str,
        file: &mut impl FnMut(Node) -> Option<Vec<u8>>,
    ) {
        for (name, node) in tree.get(&folder).into_iter().flatten() {
            let path = format!("{prefix}{name}");
            if let Some(bytes) = file(*node) {
                self.0.insert(path, Entry::File(bytes));
            } else {
                self.0.insert(path.clone(), Entry::Folder);
                self.add(tree, *node, &format!("{path}/"), file);
            }
        }
    }

    /// Reads the folder `from`.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read whole.
    pub(crate) fn read(from: &Path) -> Result<Self, Error> {
        let mut image = Self::default();
        image.read_below(from, "")?;
        Ok(image)
    }

    fn read_below(&mut self, folder: &Path, prefix: &str) -> Result<(), Error> {
        for entry in fs::read_dir(folder).map_err(Error::at(folder))? {
            let path = entry.map_err(Error::at(folder))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let name = format!("{prefix}{name}");
            if path.is_dir() {
                self.0.insert(name.clone(), Entry::Folder);
                self.read_below(&path, &format!("{name}/"))?;
            } else {
                let bytes = fs::read(&path).map_err(Error::at(&path))?;
                self.0.insert(name, Entry::File(bytes));
            }
        }
        Ok(())
    }

    /// Writes it into the folder `to`, which is made.
    ///
    /// # Errors
    /// [`Error::Io`] if that fails.
    pub(crate) fn write(&self, to: &Path) -> Result<(), Error> {
        fs::create_dir_all(to).map_err(Error::at(to))?;
        for (path, entry) in &self.0 {
            let path = to.join(path);
            match entry {
                Entry::File(bytes) => fs::write(&path, bytes),
                Entry::Folder => fs::create_dir_all(&path),
            }
            .map_err(Error::at(&path))?;
        }
        Ok(())
    }

    /// What there is, by path, ascending.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&String, &Entry)> {
        self.0.iter()
    }

    /// All files with their bytes.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().filter_map(|(path, entry)| match entry {
            Entry::File(bytes) => Some((path.as_str(), bytes.as_slice())),
            Entry::Folder => None,
        })
    }

    /// The bytes of one file, if it is there.
    #[cfg(test)]
    pub(crate) fn file(&self, path: &str) -> Option<&[u8]> {
        match self.0.get(path) {
            Some(Entry::File(bytes)) => Some(bytes),
            Some(Entry::Folder) | None => None,
        }
    }

    /// The first path at which two images differ.
    pub(crate) fn difference<'a>(&'a self, other: &'a Self) -> Option<&'a str> {
        let mut paths = self.0.keys().chain(other.0.keys());
        paths
            .find(|path| self.0.get(*path) != other.0.get(*path))
            .map(String::as_str)
    }
}

/// The inode of a file or folder.
pub(super) fn inode(path: &Path) -> Result<u64, Error> {
    let metadata = fs::metadata(path).map_err(Error::at(path))?;
    Ok(std::os::unix::fs::MetadataExt::ino(&metadata))
}
