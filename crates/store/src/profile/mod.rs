//! A profile as files.
//!
//! ```text
//! DIR/            0700, may hold files of others
//!   lock          taken while the profile is open
//!   store/        made as store.new/ and renamed when complete
//!     header-a    how to get to the master key ...
//!     header-b    ... twice
//!     slots.<n>   the keys that everything else is sealed under; n counts the master keys
//!     witness     how far the database had come
//!     ballast     space to give back when the disk is full, so that opening succeeds
//!     db/         the rows, kept by sled or redb
//!     db.before-repair/   only while a doubtful opening is under way
//!     db.moving/, db.moved/   only while a rebuild or a move is under way
//!     rebuild-due the database has grown out of proportion
//! ```

mod ballast;
mod destroy;
pub(crate) mod files;
mod header;
mod moving;
pub(crate) mod repair;
mod rescue;
mod rotation;
mod witness;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use crate::entropy::Entropy;
use crate::error::Error;
use crate::kv::{Backend, Care, Kv};
use crate::ledger::{DATABASE, Ledger};
use crate::seal::Keys;
use crate::slots::chain::ChainKey;
use crate::slots::device::FileDevice;
use crate::slots::{Left, SLOTS, Slots};
use crate::store::Options;
use crate::unlock::{Unlock, UnlockMethod, Wrapping};
use header::{HEADER_LEN, Header, Unreadable};
use witness::{Ending, Testimony, Witness};

const HEADER: &str = "header";
const HEADER_COPIES: [&str; 2] = ["header-a", "header-b"];

/// An open profile's files, its lock and what the close needs.
pub(crate) struct Profile {
    root: PathBuf,
    wrapping: Wrapping,
    header: Header,
    witness: Witness,
    backend: Backend,
    /// How long the engine took to open what had been closed in order.
    opening: Duration,
    trust: Trust,
    /// Last, so that it is let go after everything else.
    _lock: File,
}

/// Whether closing may record that all is in order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Trust {
    Doubted,
    Full,
}

/// How much reason there is to count everything before building on it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Suspicion {
    /// The files are not as they were left.
    Strong,
    /// None beyond the usual.
    Weak,
}

/// A profile whose database is open and not yet checked.
///
/// Dropped in this order: the database before the profile, which may put a copy in its place.
pub(crate) struct Opened {
    pub(crate) kv: Box<dyn Kv>,
    pub(crate) profile: Profile,
    pub(crate) slots: Slots,
    pub(crate) keys: Keys,
    pub(crate) suspicion: Suspicion,
    pub(crate) left: Left,
    pub(crate) commits_acknowledged: u64,
}

impl Profile {
    pub(crate) fn exists(dir: &Path) -> bool {
        root(dir).is_dir() || repair::repaired(dir).is_dir()
    }

    pub(crate) fn unlock_method(dir: &Path) -> Result<UnlockMethod, Error> {
        if !Self::exists(dir) {
            return Err(Error::NotFound);
        }
        let headers = read_headers(&current_root(dir))?;
        let latest = headers.first().ok_or(Error::Corrupt { file: HEADER })?;
        Ok(latest.method())
    }

    /// Whether a secret opens the profile, without opening it.
    pub(crate) fn check_unlock(dir: &Path, unlock: &Unlock) -> Result<(), Error> {
        if !Self::exists(dir) {
            return Err(Error::NotFound);
        }
        unwrap_any(read_headers(&current_root(dir))?, unlock).map(|_| ())
    }

    /// Master key and slot file, read without a lock and without changing anything.
    #[cfg(feature = "forensics")]
    pub(crate) fn read_keys(
        dir: &Path,
        unlock: &Unlock,
    ) -> Result<(Zeroizing<[u8; 32]>, Vec<u8>), Error> {
        let root = root(dir);
        let (header, _, master) = unwrap_any(read_headers(&root)?, unlock)?;
        let slots = fs::read(root.join(slots_name(&header)))?;
        Ok((master, slots))
    }

    pub(crate) fn backend_of(dir: &Path) -> Result<Backend, Error> {
        if !Self::exists(dir) {
            return Err(Error::NotFound);
        }
        Ok(Backend::of(&rescue::current(&current_root(dir))))
    }

    /// Builds a profile beside its place, moves it there, and opens it.
    pub(crate) fn create(
        dir: &Path,
        unlock: &Unlock,
        options: Options,
        entropy: &mut Entropy,
    ) -> Result<Opened, Error> {
        if Self::exists(dir) {
            return Err(Error::AlreadyExists);
        }
        files::create_private_dir(dir)?;
        let lock = files::lock(&dir.join("lock"))?;
        if Self::exists(dir) {
            return Err(Error::AlreadyExists);
        }
        let master = entropy.bytes32();
        let wrapping = Wrapping::new(unlock, options.cost, entropy)?;
        let header = Header::wrap(&master, &wrapping, (1, 0), entropy)?;
        let building = dir.join("store.new");
        let core = (entropy.bytes32(), Ledger::default());
        let built = build(
            &building,
            options.backend,
            (&header, &master),
            core,
            entropy,
        );
        if let Err(error) = built.and_then(|()| move_into_place(&building, dir)) {
            // What was built was never acknowledged; leaving it would only take space.
            let _ = files::remove_dir_if_there(&building);
            return Err(error);
        }
        Self::open_database(root(dir), lock, (header, wrapping), &master)
    }

    pub(crate) fn open(dir: &Path, unlock: &Unlock) -> Result<Opened, Error> {
        if !Self::exists(dir) {
            return Err(Error::NotFound);
        }
        let lock = files::lock(&dir.join("lock"))?;
        repair::settle(dir)?;
        let root = root(dir);
        let headers = read_headers(&root)?;
        let (header, wrapping, master) = unwrap_any(headers, unlock)?;
        write_headers(&root, &header)?;
        Self::open_database(root, lock, (header, wrapping), &master)
    }

    fn open_database(
        root: PathBuf,
        lock: File,
        (header, wrapping): (Header, Wrapping),
        master: &[u8; 32],
    ) -> Result<Opened, Error> {
        let slots = open_slots(&root, &header, master)?;
        let keys = Keys::new(&*slots.root()?)?;
        let witness = Witness::open(&root.join("witness"), &keys.witness())?;
        rescue::resume(&root)?;
        let mut profile = Self {
            backend: Backend::of(&root.join("db")),
            root,
            wrapping,
            header,
            witness,
            opening: Duration::ZERO,
            trust: Trust::Doubted,
            _lock: lock,
        };
        let before = profile.witness.last();
        let suspicion = profile.examine_log()?;
        let left = match (before.ending, suspicion) {
            (Ending::Closed, Suspicion::Weak) => Left::InOrder,
            (Ending::Closed | Ending::Open, _) => Left::Anyhow,
        };
        profile.witness.record(Testimony {
            ending: Ending::Open,
            ..before
        })?;
        profile.witness.sync()?;
        let db = profile.root.join("db");
        let open =
            |care| ballast::open_with_room(&profile.root, || profile.backend.open(&db, care));
        let care = match suspicion {
            Suspicion::Strong => Care::Checked,
            Suspicion::Weak => Care::Usual,
        };
        let begin = Instant::now();
        let (kv, suspicion) = match open(care) {
            Err(Error::Corrupt { .. }) => {
                rescue::keep(&profile.root)?;
                (open(Care::FromScratch)?, Suspicion::Strong)
            }
            result => (result?, suspicion),
        };
        if before.ending == Ending::Closed && suspicion == Suspicion::Weak {
            profile.opening = begin.elapsed();
        }
        Ok(Opened {
            kv,
            profile,
            slots,
            keys,
            suspicion,
            left,
            commits_acknowledged: before.commits,
        })
    }

    /// Compares the log with what the witness says of it; keeps a copy where they disagree, and after
    /// a crash as far as that is cheap.
    fn examine_log(&self) -> Result<Suspicion, Error> {
        let db = self.root.join("db");
        let said = self.witness.last();
        let len = self.backend.log_len(&db);
        let is_as_left =
            said.log_len == len && said.digest == rescue::digest(&self.backend.log_path(&db), len)?;
        match said.ending {
            Ending::Closed if is_as_left => Ok(Suspicion::Weak),
            // A missing or empty log is not something to build on: the engine would start afresh.
            Ending::Closed | Ending::Open if len == 0 => Err(Error::Corrupt { file: DATABASE }),
            Ending::Closed => {
                rescue::keep(&self.root)?;
                Ok(Suspicion::Strong)
            }
            // Both engines give space back on their own, so after a crash a shorter log may be harmless.
            Ending::Open if len < said.log_len => {
                rescue::keep(&self.root)?;
                Ok(Suspicion::Strong)
            }
            Ending::Open => {
                if rescue::is_careful(len) && rescue::keep(&self.root).is_err() {
                    // No room for a copy is no reason not to open.
                    rescue::resume(&self.root)?;
                }
                Ok(Suspicion::Weak)
            }
        }
    }

    /// The database holds what it should: from now on the witness follows it.
    pub(crate) fn accept(mut self, commits: u64) -> Result<Self, Error> {
        rescue::release(&self.root)?;
        self.wipe_other_slots()?;
        self.trust = Trust::Full;
        self.witness_commit(commits);
        Ok(self)
    }

    /// Something failed: leave the files as they are and let the next opening judge.
    pub(crate) const fn distrust(&mut self) {
        self.trust = Trust::Doubted;
    }

    /// How long the engine took to open, zero where it had more to do than open.
    pub(crate) const fn opening(&self) -> Duration {
        self.opening
    }

    /// Notes an acknowledged commit.
    pub(crate) fn witness_commit(&mut self, commits: u64) {
        let testimony = Testimony {
            commits,
            log_len: self.backend.log_len(&self.root.join("db")),
            ending: Ending::Open,
            digest: [0; 32],
        };
        // The commit is durable whether or not there is a witness to it.
        let _ = self.witness.record(testimony);
    }

    /// Whether the system keeps the wrapping key in memory.
    pub(crate) const fn is_locked(&self) -> bool {
        self.wrapping.is_locked()
    }

    fn close(&mut self) -> Result<(), Error> {
        if self.trust == Trust::Doubted {
            return rescue::restore(&self.root);
        }
        let db = self.root.join("db");
        let Some(log_len) = self.backend.settle(&db)? else {
            return Ok(());
        };
        let testimony = Testimony {
            commits: self.witness.last().commits,
            log_len,
            ending: Ending::Closed,
            digest: rescue::digest(&self.backend.log_path(&db), log_len)?,
        };
        self.witness.record(testimony)?;
        self.witness.sync()
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        // Without the record the next opening merely knows less.
        let _ = self.close();
    }
}

impl std::fmt::Debug for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Profile")
    }
}

fn root(dir: &Path) -> PathBuf {
    dir.join("store")
}

/// The folder that the next opening will use.
fn current_root(dir: &Path) -> PathBuf {
    let repaired = repair::repaired(dir);
    if repaired.is_dir() {
        repaired
    } else {
        root(dir)
    }
}

fn build(
    building: &Path,
    backend: Backend,
    (header, master): (&Header, &[u8; 32]),
    (root, ledger): (ChainKey, Ledger),
    entropy: &mut Entropy,
) -> Result<(), Error> {
    files::remove_dir_if_there(building)?;
    files::create_private_dir(building)?;
    for copy in HEADER_COPIES {
        files::overwrite_durably(
            &files::open_private(&building.join(copy))?,
            0,
            &header.encode(),
        )?;
    }
    let device = files::open_private(&building.join(slots_name(header)))?;
    let keys = Keys::new(&root)?;
    Slots::create(Box::new(FileDevice(device)), master, root, entropy)?;
    ballast::fill(building)?;
    let db = building.join("db");
    let kv = backend.open(&db, Care::Usual)?;
    kv.commit(vec![ledger.to_op(&keys, entropy)?])?;
    drop(kv);
    let log_len = backend.settle(&db)?.ok_or(Error::InUse)?;
    let mut witness = Witness::open(&building.join("witness"), &keys.witness())?;
    witness.record(Testimony {
        commits: 0,
        log_len,
        ending: Ending::Closed,
        digest: rescue::digest(&backend.log_path(&db), log_len)?,
    })?;
    files::make_private(building)?;
    files::sync_tree(building)
}

fn move_into_place(building: &Path, dir: &Path) -> Result<(), Error> {
    fs::rename(building, root(dir))?;
    files::sync_dir(dir)?;
    // The profile folder itself may be new; where its parent may not be read there is nothing to do.
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        let _ = files::sync_dir(parent);
    }
    Ok(())
}

/// Reads the slot file that belongs to this header.
fn open_slots(root: &Path, header: &Header, master: &[u8; 32]) -> Result<Slots, Error> {
    let file = files::open_existing(&root.join(slots_name(header)))?;
    let file = file.ok_or(Error::Corrupt { file: SLOTS })?;
    Slots::load(Box::new(FileDevice(file)), master)
}

fn slots_name(header: &Header) -> String {
    format!("slots.{}", header.rotation())
}

/// The readable header copies, latest first; at least one.
fn read_headers(root: &Path) -> Result<Vec<Header>, Error> {
    let len_max = u64::try_from(HEADER_LEN)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    let mut headers = Vec::new();
    for copy in HEADER_COPIES {
        let bytes = files::read_at_most(&root.join(copy), len_max)?.unwrap_or_default();
        match Header::decode(&bytes) {
            Ok(header) => headers.push(header),
            Err(Unreadable::Damaged) => {}
            Err(Unreadable::Newer) => return Err(Error::NewerVersion),
            Err(Unreadable::Older) => return Err(Error::OlderVersion),
        }
    }
    if headers.is_empty() {
        return Err(Error::Corrupt { file: HEADER });
    }
    headers.sort_by_key(|header| std::cmp::Reverse(header.sequence()));
    headers.dedup();
    Ok(headers)
}

/// Tries the copies in turn, the later first. They differ only if a change of the master key was
/// interrupted: if the secret changed with it either secret is a right one, and each copy's slot file is there.
fn unwrap_any(
    headers: Vec<Header>,
    unlock: &Unlock,
) -> Result<(Header, Wrapping, Zeroizing<[u8; 32]>), Error> {
    let mut refusal = Error::Corrupt { file: HEADER };
    for header in headers {
        match header.unwrap(unlock) {
            Ok((master, wrapping)) => return Ok((header, wrapping, master)),
            Err(error) => refusal = error,
        }
    }
    Err(refusal)
}

/// Makes both copies hold `header`, each durable before the next is touched; leaves equal ones alone.
fn write_headers(root: &Path, header: &Header) -> Result<(), Error> {
    let bytes = header.encode();
    for copy in HEADER_COPIES {
        let path = root.join(copy);
        let file = files::open_private(&path)?;
        if fs::read(&path)? != bytes {
            file.set_len(u64::try_from(bytes.len()).unwrap_or(u64::MAX))?;
            files::overwrite_durably(&file, 0, &bytes)?;
        }
    }
    Ok(())
}
