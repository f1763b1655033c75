//! What is kept between two runs: the profiles of person 1 to N and the relay's key and port.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::{ANY_PORT, Relay};
use crate::error::Error;
use crate::shell;
use crate::workspace::Workspace;

/// The folder `sori-dev` in the XDG data home. It is for trying Sori out and holds nobody's real profile.
#[derive(Debug)]
pub(crate) struct Home {
    path: PathBuf,
}

impl Home {
    /// Makes the folder if it is not there, readable by its owner only.
    pub(crate) fn open() -> Result<Self, Error> {
        let path = data_home()?.join("sori-dev");
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .map_err(|source| Error::io(format!("make {}", path.display()), source))?;
        Ok(Self { path })
    }

    /// The folder itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The profile folder of person `number`; the messenger makes it when it is first opened.
    pub(crate) fn profile(&self, number: u8) -> PathBuf {
        self.path.join(format!("person-{number}"))
    }

    /// Starts a relay at the address and with the key of the last run, so that profiles find it again.
    pub(crate) async fn relay(&self, workspace: &Workspace) -> Result<Relay, Error> {
        let key = self.path.join("relay.key");
        if !key.exists() {
            shell::run(
                Command::new(workspace.program("sori-relay")?)
                    .arg("key")
                    .arg(&key),
            )
            .await?;
        }
        let remembered = self.path.join("relay.address");
        let relay = match self.last_address(&remembered)? {
            // Somebody else may have taken the port since; then another one serves as well.
            Some(address) => match Relay::start(workspace, &address, Some(&key)).await {
                Ok(relay) => relay,
                Err(_) => {
                    println!("   {address} is not free any more, so the relay takes another port");
                    Relay::start(workspace, ANY_PORT, Some(&key)).await?
                }
            },
            None => Relay::start(workspace, ANY_PORT, Some(&key)).await?,
        };
        if let Some(address) = address(relay.url()) {
            fs::write(&remembered, address)
                .map_err(|source| Error::io(format!("write {}", remembered.display()), source))?;
        }
        Ok(relay)
    }

    fn last_address(&self, remembered: &Path) -> Result<Option<String>, Error> {
        match fs::read_to_string(remembered) {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::io(format!("read {}", remembered.display()), source)),
        }
    }
}

/// `HOST:PORT` of `relay://HOST:PORT/#KEY`.
fn address(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("relay://")?;
    rest.split(['/', '#']).next()
}

/// `XDG_DATA_HOME`, or its default (XDG Base Directory Specification).
fn data_home() -> Result<PathBuf, Error> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
        .ok_or_else(|| Error::Absent {
            what: "A home folder".to_owned(),
            remedy: "Set HOME or XDG_DATA_HOME to the folder where profiles are to be kept."
                .to_owned(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_taken_from_the_url_without_the_key() {
        assert_eq!(
            address("relay://127.0.0.1:4433/#abc"),
            Some("127.0.0.1:4433")
        );
        assert_eq!(address("relay://[::1]:4433/#abc"), Some("[::1]:4433"));
        assert_eq!(address("https://example.org/"), None);
    }
}
