//! Where things are.

use std::path::{Path, PathBuf};

use cargo_metadata::MetadataCommand;

use crate::error::Error;

/// The checkout and the place where cargo puts what it builds.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// Asks cargo, so that `CARGO_TARGET_DIR` and configuration files are honoured.
    pub(crate) fn find() -> Result<Self, Error> {
        let metadata = MetadataCommand::new()
            .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
            .no_deps()
            .exec()?;
        Ok(Self {
            root: metadata.workspace_root.into_std_path_buf(),
            target: metadata.target_directory.into_std_path_buf(),
        })
    }

    /// The folder with the root `Cargo.toml`.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where cargo puts what it builds.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// The front end of the desktop.
    pub(crate) fn front_end(&self) -> PathBuf {
        self.root.join("desktop/ui")
    }

    /// The end-to-end tests of the window.
    pub(crate) fn window_tests(&self) -> PathBuf {
        self.root.join("desktop/e2e")
    }

    /// A program of ours as the debug build leaves it.
    pub(crate) fn program(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.target.join("debug").join(name);
        if path.is_file() {
            Ok(path)
        } else {
            Err(Error::NotBuilt(path))
        }
    }
}
