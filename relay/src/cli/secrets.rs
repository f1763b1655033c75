//! Files with secrets: the relay's key and the access keys. They come from files alone, as command
//! lines and environments can be read by others.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use sori_relay::{ClusterSecret, InvalidClusterSecret, RelaySecret};
use sori_wire::AccessKey;
use zeroize::Zeroizing;

use super::Failure;

/// Why a file with a secret is not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretFileError {
    /// What the operating system said.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Others than the owner may read or change the file.
    #[error("other users may read or change it; run `chmod 600` on it")]
    Permissions,
}

/// Why a file of access keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccessKeysError {
    /// There is no key in it.
    #[error(
        "there is no key in it; add one with `sori-relay access-key FILE`, or let everybody in with `access = \"open\"`"
    )]
    Empty,
    /// A line is not an access key. The line itself is not shown, as it may be one almost.
    #[error("line {0} is not an access key; `sori-relay access-key FILE` adds good ones")]
    Line(usize),
    /// The file as such.
    #[error(transparent)]
    Secret(#[from] SecretFileError),
    /// It has too many keys, or is no such file at all.
    #[error("there is more in it than 32 keys; remove those that nobody uses any more")]
    TooMany,
}

/// Why the file of a cluster's secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClusterSecretError {
    /// There is a file already; the other relays may know what is in it.
    #[error(
        "it exists already and is left as it is (a new secret would keep this relay from the others)"
    )]
    Exists,
    /// The file as such.
    #[error(transparent)]
    Secret(#[from] SecretFileError),
    /// What is in it is something else.
    #[error("{0}; `sori-relay cluster-secret FILE` makes one")]
    Text(#[from] InvalidClusterSecret),
}

/// Reads the cluster's secret at `path`.
///
/// # Errors
/// [`Failure::ClusterSecret`].
pub(crate) fn cluster_secret(path: &Path) -> Result<ClusterSecret, Failure> {
    let read = || -> Result<ClusterSecret, ClusterSecretError> {
        let file = File::open(path).map_err(SecretFileError::from)?;
        check_mode(path, &file)?;
        let text = read_bounded(file).map_err(|_| InvalidClusterSecret)?;
        Ok(text.trim_end().parse()?)
    };
    read().map_err(|source| Failure::ClusterSecret {
        path: path.to_owned(),
        source,
    })
}

/// Writes a new file with `secret`, readable by its owner only, and waits until it is on disk.
///
/// # Errors
/// [`Failure::ClusterSecret`], also if there is anything at `path`.
pub(crate) fn make_cluster_secret(path: &Path, secret: &ClusterSecret) -> Result<(), Failure> {
    let make = || -> Result<(), ClusterSecretError> {
        let mut options = OpenOptions::new();
        let created = options.write(true).create_new(true).mode(0o600).open(path);
        let mut file = match created {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(ClusterSecretError::Exists);
            }
            Err(error) => return Err(SecretFileError::from(error).into()),
        };
        let line = Zeroizing::new(format!("{}\n", secret.to_text().as_str()));
        file.write_all(line.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(SecretFileError::from)?;
        Ok(())
    };
    make().map_err(|source| Failure::ClusterSecret {
        path: path.to_owned(),
        source,
    })
}

/// Reads the key at `path`.
///
/// # Errors
/// [`Failure::KeyFile`] if others may read it, [`Failure::Key`] if it is no key.
pub(crate) fn relay_key(path: &Path) -> Result<RelaySecret, Failure> {
    check_mode_of(path)?;
    RelaySecret::load(path).map_err(|source| Failure::Key {
        path: path.to_owned(),
        source,
    })
}

/// Looks whether nobody but its owner can read or change the file of a key.
///
/// # Errors
/// [`Failure::KeyFile`].
pub(crate) fn check_mode_of(path: &Path) -> Result<(), Failure> {
    let open = || check_mode(path, &File::open(path)?);
    open().map_err(|source| Failure::KeyFile {
        path: path.to_owned(),
        source,
    })
}

/// Reads the access keys at `path`: one on each line, empty lines and what follows `#` left out.
///
/// # Errors
/// [`Failure::AccessKeys`].
pub(crate) fn access_keys(path: &Path) -> Result<Vec<AccessKey>, Failure> {
    let read = || -> Result<Vec<AccessKey>, AccessKeysError> {
        let file = File::open(path).map_err(SecretFileError::from)?;
        check_mode(path, &file)?;
        parse_access_keys(&read_bounded(file)?)
    };
    read().map_err(|source| Failure::AccessKeys {
        path: path.to_owned(),
        source,
    })
}

/// Adds `key` as the last line of the file at `path`, which is made if need be, and waits until it is
/// on disk.
///
/// # Errors
/// [`Failure::AccessKeys`], also if the file would not be usable as it is.
pub(crate) fn add_access_key(path: &Path, key: &AccessKey) -> Result<(), Failure> {
    let add = || -> Result<(), AccessKeysError> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600);
        let mut file = options.open(path).map_err(SecretFileError::from)?;
        check_mode(path, &file)?;
        let text = read_bounded(&file)?;
        match parse_access_keys(&text) {
            Ok(keys) if keys.len() >= KEYS_MAX => return Err(AccessKeysError::TooMany),
            Ok(_) | Err(AccessKeysError::Empty) => {}
            Err(error) => return Err(error),
        }
        let unfinished = !text.is_empty() && !text.ends_with('\n');
        let line_end = if unfinished { "\n" } else { "" };
        let line = Zeroizing::new(format!("{line_end}{}\n", key.to_text().as_str()));
        file.write_all(line.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(SecretFileError::from)?;
        Ok(())
    };
    add().map_err(|source| Failure::AccessKeys {
        path: path.to_owned(),
        source,
    })
}

fn parse_access_keys(text: &str) -> Result<Vec<AccessKey>, AccessKeysError> {
    let mut keys = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let number = index.saturating_add(1);
        keys.push(line.parse().map_err(|_| AccessKeysError::Line(number))?);
    }
    match keys.len() {
        0 => Err(AccessKeysError::Empty),
        1..=KEYS_MAX => Ok(keys),
        _ => Err(AccessKeysError::TooMany),
    }
}

fn read_bounded(file: impl Read) -> Result<Zeroizing<String>, AccessKeysError> {
    let mut text = Zeroizing::new(String::with_capacity(FILE_CAPACITY));
    let read = file.take(FILE_LEN_MAX).read_to_string(&mut text);
    match read {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(AccessKeysError::Line(1)),
        Err(error) => Err(SecretFileError::from(error).into()),
        Ok(len) if u64::try_from(len).is_ok_and(|len| len < FILE_LEN_MAX) => Ok(text),
        Ok(_) => Err(AccessKeysError::TooMany),
    }
}

/// Nobody but the owner may read or change a secret. A service manager's credentials may be readable
/// for a group, by which it means this one process.
fn check_mode(path: &Path, file: &File) -> Result<(), SecretFileError> {
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY");
    let is_credential = credentials.is_some_and(|directory| path.starts_with(directory));
    let forbidden = if is_credential { 0o037 } else { 0o077 };
    if file.metadata()?.mode() & forbidden != 0 {
        return Err(SecretFileError::Permissions);
    }
    Ok(())
}

/// Most access keys at a time: each is tried for each connection, and rotation needs two.
const KEYS_MAX: usize = 32;

/// Longest file of access keys; leaves room for comments.
const FILE_LEN_MAX: u64 = 16_384;

/// Room from the start, so that growing leaves no copies.
const FILE_CAPACITY: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    #[test]
    fn keys_stand_on_lines_of_their_own_with_comments() {
        let text = format!("# sales\n{KEY}\n\n  {KEY} # last year's\r\n");
        assert_eq!(parse_access_keys(&text).unwrap().len(), 2);
        let bad = format!("# sales\n{KEY}\n{KEY}A\n");
        assert!(matches!(
            parse_access_keys(&bad),
            Err(AccessKeysError::Line(3))
        ));
        assert!(matches!(
            parse_access_keys("# nothing\n"),
            Err(AccessKeysError::Empty)
        ));
        let many = format!("{KEY}\n").repeat(KEYS_MAX + 1);
        assert!(matches!(
            parse_access_keys(&many),
            Err(AccessKeysError::TooMany)
        ));
    }

    #[test]
    fn a_cluster_secret_is_made_once_and_read_by_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cluster.secret");
        make_cluster_secret(&path, &ClusterSecret::from_bytes([7; 32])).unwrap();
        let read = cluster_secret(&path).unwrap();
        let expected = ClusterSecret::from_bytes([7; 32]).to_text();
        assert_eq!(read.to_text().as_str(), expected.as_str());
        let again = make_cluster_secret(&path, &ClusterSecret::from_bytes([8; 32]));
        assert!(again.unwrap_err().to_string().contains("exists already"));

        let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        std::fs::set_permissions(&path, open).unwrap();
        let error = cluster_secret(&path).unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn no_error_quotes_the_line() {
        let error = parse_access_keys("almost-a-secret").unwrap_err();
        assert!(!error.to_string().contains("almost"), "{error}");
    }
}
