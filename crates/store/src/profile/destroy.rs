//! Destroying a profile: first what opens it, then what it opens.

use std::path::{Path, PathBuf};

use super::{HEADER, Profile, files};
use crate::error::Error;
use crate::slots::SLOTS;

impl Profile {
    /// Overwrites every slot file and every header with zeros, durably, and then removes everything. Without
    /// slots and headers nothing of the rest can be opened, so a crash in between gives nothing back.
    ///
    /// Goes on after an error, so that as much as possible is gone; the first one is answered in the end.
    pub(crate) fn destroy(dir: &Path) -> Result<(), Error> {
        if !Self::exists(dir) {
            return Err(Error::NotFound);
        }
        let lock = files::lock(&dir.join("lock"))?;
        let mut outcome = Ok(());
        for name in [SLOTS, HEADER] {
            for file in named(dir, name)? {
                let wiped = files::wipe(&file);
                outcome = outcome.and(wiped);
            }
        }
        let synced = files::sync_dir(dir);
        outcome = outcome.and(synced);
        // The lock's file is among what is removed.
        drop(lock);
        let removed = files::remove_dir_if_there(dir);
        outcome.and(removed)
    }
}

/// The files one level below `dir` whose names begin with `name`: those of the profile, and of attempts to
/// repair or move it.
fn named(dir: &Path, name: &str) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for place in files::entries(dir)? {
        if !place.is_dir() {
            continue;
        }
        found.extend(files::entries(&place)?.into_iter().filter(|file| {
            let file = file.file_name().and_then(std::ffi::OsStr::to_str);
            file.is_some_and(|file| file.starts_with(name))
        }));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use crate::error::Error;
    use crate::store::Store;
    use crate::table::Table;
    use crate::unlock::Unlock;

    const TABLE: Table = Table::own(1);

    #[test]
    fn what_opens_a_profile_is_overwritten_before_anything_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("store");
        let unlock = Unlock::Passphrase(Zeroizing::new("right".to_owned()));
        let mut store = Store::create_with_weak_cost_for_tests(&dir, &unlock, [1; 32]).unwrap();
        store.put(TABLE, b"key", b"value").unwrap();
        store.commit().unwrap();
        assert!(matches!(Store::destroy(&dir), Err(Error::InUse)));
        drop(store);
        // Links to what opens it, so that it can be looked at after it was removed.
        let kept: Vec<_> = super::named(&dir, "slots")
            .unwrap()
            .into_iter()
            .chain(super::named(&dir, "header").unwrap())
            .enumerate()
            .map(|(n, file)| {
                let kept = folder.path().join(n.to_string());
                std::fs::hard_link(file, &kept).unwrap();
                kept
            })
            .collect();
        assert!(kept.len() >= 3, "a slot file and two headers");
        Store::destroy(&dir).unwrap();
        assert!(!dir.exists());
        for file in kept {
            let bytes = std::fs::read(file).unwrap();
            assert!(!bytes.is_empty() && bytes.iter().all(|byte| *byte == 0));
        }
        assert!(matches!(Store::destroy(&dir), Err(Error::NotFound)));
    }
}
