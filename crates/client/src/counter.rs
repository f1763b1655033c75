//! Noticing a profile that was put back from an older copy.
//!
//! A copy of a profile's folder is whole and opens with the same secret, and nothing in it tells that time
//! went on elsewhere. Going on from it would use keys of its groups a second time. So outside of the folder
//! is kept how far the profile had come ([`Mileage`]): in a file of the user account, and in the system
//! keychain where the profile is unlocked by it.
//!
//! ```text
//! $XDG_STATE_HOME/sori/NAME        0600, NAME = SHA-256 of the profile's random id
//!   "1 OPENINGS COMMITS\n"
//! $XDG_STATE_HOME/sori/NAME.lock   held while the profile, or a copy of it, is open in this account
//! ```
//!
//! Order at an opening: the store counts it durably; the profile is judged; a copy gives up, durably, what was
//! used elsewhere; the number of the opening is noted in the profile's folder (`judged`), then here; only then
//! does anything leave the device. So a crash leaves the counter behind what the folder notes, never ahead of
//! it, and a profile whose notes are behind the counter is a copy, however often its opening was broken off.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use sori_engine::Engine;
use sori_engine::store::Error as StoreError;

use crate::keychain::Keychain;
use crate::origin::Origin;

/// How far a profile has come. Both numbers only ever grow, and both grow at each opening, before anything is
/// read; so of two copies of a profile the older one shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mileage {
    /// How often it was opened.
    openings: u64,
    /// How many steps it has made durable.
    commits: u64,
}

impl Mileage {
    /// Of an open profile, as far as is durable.
    pub(crate) const fn of(engine: &Engine) -> Self {
        Self {
            openings: engine.openings(),
            commits: engine.commits(),
        }
    }

    /// How far it would have come with this opening as the last: each later one made a commit of its own.
    const fn as_of(self, opening: u64) -> Self {
        let later = self.openings.saturating_sub(opening);
        Self {
            openings: self.openings.saturating_sub(later),
            commits: self.commits.saturating_sub(later),
        }
    }
}

/// What is kept about one profile outside of it.
pub(crate) struct Counter {
    file: Option<PathBuf>,
    keychain: Option<(Keychain, String)>,
    /// Held for as long as the profile is open.
    _lock: Option<File>,
}

impl std::fmt::Debug for Counter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Counter")
    }
}

impl Counter {
    /// Of the profile with this id, in the folder `state` and in a keychain.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if a copy of it is open in this account.
    pub(crate) fn new(
        profile: [u8; 16],
        state: Option<&Path>,
        keychain: Option<Keychain>,
    ) -> Result<Self, StoreError> {
        let digest = Sha256::new()
            .chain_update(b"sori openings 1")
            .chain_update(profile);
        let name = hex(&digest.finalize());
        let file = state.map(|state| state.join(&name));
        Ok(Self {
            _lock: file.as_deref().map_or(Ok(None), lock)?,
            file,
            keychain: keychain.map(|keychain| (keychain, format!("openings-{name}"))),
        })
    }

    /// Where the profile comes from that has come as far as `now`, with `judged` as the last opening that came
    /// as far as being judged. Where nothing can be kept nothing can be noticed: then it goes on.
    pub(crate) fn judge(&self, now: Mileage, judged: Option<u64>) -> Origin {
        let Some(seen) = self.seen() else {
            let is_first = now.openings <= 1;
            // What could not be kept before says nothing by its absence.
            return match is_first || !self.can_keep(now) {
                true => Origin::Here,
                false => Origin::Elsewhere,
            };
        };
        let last = now.openings.saturating_sub(1);
        let before = now.as_of(judged.unwrap_or(last).min(last));
        match before.openings >= seen.openings && before.commits >= seen.commits {
            true => Origin::Here,
            false => Origin::OlderCopy,
        }
    }

    /// Notes an opening that was judged, durably and in every place. Answers whether one of them took it.
    pub(crate) fn keep_opening(&self, now: Mileage, judged: u64) -> bool {
        let now = now.as_of(judged);
        let in_file = self.keep(now, judged);
        let in_keychain = self.keychain.as_ref().is_some_and(|(keychain, name)| {
            keychain.set_number(name, encode(now).as_bytes()).is_ok()
        });
        in_file || in_keychain
    }

    /// Notes how far the profile has come, durably and in the file only: `judged` is the opening that the folder
    /// notes, for others are not known there. Answers whether that worked.
    pub(crate) fn keep(&self, now: Mileage, judged: u64) -> bool {
        let now = now.as_of(judged);
        let kept = self.file.as_deref().map(|file| {
            let staged = stage(file, now)?;
            fs::rename(staged, file)?;
            sync_folder_of(file)
        });
        matches!(kept, Some(Ok(())))
    }

    /// The furthest that any place tells of.
    fn seen(&self) -> Option<Mileage> {
        let in_file = self.file.as_deref().and_then(read);
        let in_keychain = self.keychain.as_ref().and_then(|(keychain, name)| {
            let bytes = keychain.number(name)?;
            decode(&bytes)
        });
        let all = [in_file, in_keychain].into_iter().flatten();
        all.reduce(|one, other| Mileage {
            openings: one.openings.max(other.openings),
            commits: one.commits.max(other.commits),
        })
    }

    fn can_keep(&self, now: Mileage) -> bool {
        let staged = self.file.as_deref().map(|file| stage(file, now));
        matches!(staged, Some(Ok(_))) || self.keychain.is_some()
    }
}

/// The folder for what is kept outside of profiles: `$XDG_STATE_HOME/sori`, or what stands for it. `None`
/// where there is no home folder.
pub(crate) fn state_dir() -> Option<PathBuf> {
    if cfg!(test) {
        // Tests of this crate leave nothing in the account of who runs them.
        return None;
    }
    let set = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let state = set("XDG_STATE_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".local/state")))
        .or_else(|| set("LOCALAPPDATA"));
    state.map(|state| state.join("sori"))
}

/// Takes the lock beside `file`; nothing where there can be none.
fn lock(file: &Path) -> Result<Option<File>, StoreError> {
    let Ok(lock) = open_private(&file.with_extension("lock")) else {
        return Ok(None);
    };
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse),
        Err(TryLockError::Error(_)) => Ok(None),
    }
}

/// Opens a file for writing, in a folder that is made if it is not there.
fn open_private(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Writes the file that is to take the place of `file`, durably.
fn stage(file: &Path, mileage: Mileage) -> io::Result<PathBuf> {
    let staged = file.with_extension("new");
    let mut new = open_private(&staged)?;
    new.write_all(encode(mileage).as_bytes())?;
    new.sync_all()?;
    Ok(staged)
}

#[cfg(unix)]
fn sync_folder_of(file: &Path) -> io::Result<()> {
    file.parent()
        .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

#[cfg(not(unix))]
fn sync_folder_of(_file: &Path) -> io::Result<()> {
    Ok(())
}

fn read(file: &Path) -> Option<Mileage> {
    let mut bytes = Vec::new();
    File::open(file)
        .ok()?
        .take(LEN_MAX)
        .read_to_end(&mut bytes)
        .ok()?;
    decode(&bytes)
}

fn encode(mileage: Mileage) -> String {
    format!("1 {} {}\n", mileage.openings, mileage.commits)
}

fn decode(bytes: &[u8]) -> Option<Mileage> {
    let text = std::str::from_utf8(bytes).ok()?.strip_suffix('\n')?;
    let mut words = text.split(' ');
    let (version, openings, commits) = (words.next()?, words.next()?, words.next()?);
    if version != "1" || words.next().is_some() {
        return None;
    }
    Some(Mileage {
        openings: openings.parse().ok()?,
        commits: commits.parse().ok()?,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Longest file that is read.
const LEN_MAX: u64 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const fn mileage(openings: u64, commits: u64) -> Mileage {
        Mileage { openings, commits }
    }

    fn counter_of(profile: u8, state: &Path) -> Counter {
        Counter::new([profile; 16], Some(state), None).unwrap()
    }

    #[test]
    fn what_goes_on_is_not_behind_its_counter_and_a_copy_is() {
        let folder = tempfile::tempdir().unwrap();
        let counter = counter_of(7, folder.path());
        assert_eq!(counter.judge(mileage(1, 1), None), Origin::Here);
        assert!(counter.keep_opening(mileage(4, 100), 4));
        for judged in [Some(4), None] {
            assert_eq!(counter.judge(mileage(5, 101), judged), Origin::Here);
        }
        // Of the third session; taken while the fourth went on; of the third, its opening broken off twice.
        for (copy, judged) in [((4, 91), 3), ((5, 100), 4), ((6, 93), 3), ((60, 150), 3)] {
            let judged = counter.judge(mileage(copy.0, copy.1), Some(judged));
            assert_eq!(judged, Origin::OlderCopy, "{copy:?}");
        }
        // A copy that was taken in is from then on the one that goes on.
        assert!(counter.keep(mileage(4, 95), 4));
        assert_eq!(counter.judge(mileage(5, 96), Some(4)), Origin::Here);
    }

    #[test]
    fn a_crash_at_any_point_of_an_opening_makes_no_copy() {
        let folder = tempfile::tempdir().unwrap();
        let counter = counter_of(7, folder.path());
        assert!(counter.keep_opening(mileage(4, 100), 4));
        // Before the judgement, several times; and nothing was written by the session before.
        assert_eq!(counter.judge(mileage(7, 103), Some(4)), Origin::Here);
        // After the note in the folder, before the counter.
        assert_eq!(counter.judge(mileage(8, 104), Some(7)), Origin::Here);
        // After the counter.
        assert!(counter.keep_opening(mileage(8, 104), 8));
        assert_eq!(counter.judge(mileage(9, 105), Some(8)), Origin::Here);
    }

    /// A session opens the profile again after a failed write; the folder notes the first opening only.
    #[test]
    fn a_session_that_opened_its_profile_again_makes_no_copy() {
        let folder = tempfile::tempdir().unwrap();
        let counter = counter_of(7, folder.path());
        assert!(counter.keep_opening(mileage(4, 100), 4));
        assert!(counter.keep(mileage(4, 120), 4));
        assert!(counter.keep(mileage(6, 140), 4));
        assert_eq!(counter.judge(mileage(7, 141), Some(4)), Origin::Here);
        // Taken before the last note, whether before or after the profile was opened again.
        for copy in [mileage(5, 121), mileage(7, 140)] {
            assert_eq!(counter.judge(copy, Some(4)), Origin::OlderCopy, "{copy:?}");
        }
    }

    #[test]
    fn a_copy_is_not_opened_beside_the_profile() {
        let folder = tempfile::tempdir().unwrap();
        let first = counter_of(7, folder.path());
        let second = Counter::new([7; 16], Some(folder.path()), None);
        assert!(matches!(second, Err(StoreError::InUse)));
        counter_of(8, folder.path());
        drop(first);
        counter_of(7, folder.path());
    }

    #[test]
    fn a_profile_without_a_counter_comes_from_elsewhere_unless_it_is_new() {
        let folder = tempfile::tempdir().unwrap();
        let counter = counter_of(7, folder.path());
        assert_eq!(counter.judge(mileage(2, 5), None), Origin::Elsewhere);
        // Judging writes no counter, so a crash here asks again.
        assert_eq!(counter.judge(mileage(3, 6), None), Origin::Elsewhere);
        assert!(counter.keep_opening(mileage(3, 6), 3));
        assert_eq!(counter.judge(mileage(4, 7), None), Origin::Here);
        let stranger = counter_of(8, folder.path());
        assert_eq!(stranger.judge(mileage(4, 7), None), Origin::Elsewhere);
    }

    #[test]
    fn where_nothing_can_be_kept_nothing_is_suspected() {
        assert_eq!(
            Counter::new([7; 16], None, None)
                .unwrap()
                .judge(mileage(9, 9), None),
            Origin::Here
        );
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a file");
        fs::write(&file, b"").unwrap();
        let counter = counter_of(7, &file);
        assert_eq!(counter.judge(mileage(9, 9), None), Origin::Here);
        assert!(!counter.keep_opening(mileage(9, 9), 9));
    }

    #[test]
    fn the_keychain_remembers_where_the_file_went_with_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let keychain = Keychain::mock();
        let counter = Counter::new([7; 16], Some(folder.path()), Some(keychain.clone())).unwrap();
        assert!(counter.keep_opening(mileage(6, 60), 6));
        let elsewhere = tempfile::tempdir().unwrap();
        let counter = Counter::new([7; 16], Some(elsewhere.path()), Some(keychain)).unwrap();
        assert_eq!(counter.judge(mileage(6, 60), None), Origin::OlderCopy);
        assert_eq!(counter.judge(mileage(7, 61), None), Origin::Here);
    }

    #[test]
    fn the_file_is_private_and_nonsense_in_it_counts_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let counter = counter_of(7, folder.path());
        assert!(counter.keep(mileage(6, 60), 6));
        let file = counter.file.clone().unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(
                fs::metadata(&file).unwrap().permissions().mode() & 0o777,
                0o600
            );
        }
        for nonsense in [
            "",
            "1 6",
            "2 6 60\n",
            "1 6 60",
            "1 6 60 7\n",
            "1 -6 60\n",
            "\u{0}",
        ] {
            fs::write(&file, nonsense).unwrap();
            assert_eq!(
                counter.judge(mileage(7, 61), None),
                Origin::Elsewhere,
                "{nonsense:?}"
            );
        }
    }
}
