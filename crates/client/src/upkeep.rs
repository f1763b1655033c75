//! What a profile needs besides being used: a look at where it comes from when it is opened, a fresh master
//! key each week, and care for its files when nothing else is to be done.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sori_engine::store::{Error as StoreError, Progress, Stats};
use sori_engine::{Effect, Engine, Error, Time};

use crate::counter::{Counter, Mileage};
use crate::origin::Origin;
use crate::profile::{self, Rejoin};

/// Looks after one open profile; nothing at all for one in memory.
#[derive(Debug, Default)]
pub(crate) struct Upkeep {
    /// Its folder.
    dir: Option<PathBuf>,
    counter: Option<Counter>,
    /// The opening that its folder notes.
    judged: u64,
    /// Whether what is kept outside of the profile was kept.
    is_guarded: bool,
    /// How the profile was when it was last looked at.
    looked_at: Option<(Instant, u64)>,
    counted: bool,
    /// What opening the engine asked for, to be carried out before anything else.
    asked: Vec<Effect>,
}

impl Upkeep {
    /// For the profile in `dir`.
    pub(crate) fn new(dir: PathBuf, counter: Counter) -> Self {
        Self {
            dir: Some(dir),
            counter: Some(counter),
            ..Self::default()
        }
    }

    /// Right after opening, before anything leaves: has a profile that does not know what its groups' keys were
    /// used for give them up, notes the opening, then rebuilds the files and replaces the master key where that
    /// is due. Answers where the profile comes from.
    pub(crate) fn begin(
        &mut self,
        engine: &mut Engine,
        now: Time,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Origin, Error> {
        let (Some(dir), Some(counter)) = (self.dir.as_deref(), &self.counter) else {
            return Ok(Origin::Here);
        };
        let opened = Mileage::of(engine);
        let judged = read_number(dir, JUDGED);
        let origin = match engine.account_info(now) {
            // Nothing in it can have been used.
            Err(Error::NoAccount) => Origin::Here,
            Err(error) => return Err(error),
            Ok(_) if Rejoin::is_due(dir) => Origin::Repaired,
            Ok(_) => counter.judge(opened, judged),
        };
        match origin {
            Origin::Here => {}
            Origin::Repaired => engine.mark_repaired(now)?,
            Origin::Elsewhere | Origin::OlderCopy => engine.mark_restored(now)?,
        }
        // Durable in the profile first: a crash before the notes finds the same again.
        self.asked = engine.flush(now)?;
        self.judged = judged.unwrap_or_default();
        if write_number(dir, JUDGED, engine.openings()) {
            self.judged = engine.openings();
            self.is_guarded = counter.keep_opening(Mileage::of(engine), self.judged);
            Rejoin::is_done(dir);
        }
        engine.rebuild_if_due(progress)?;
        self.rotate_if_due(engine)?;
        // The opening was a commit, so there is something to look at.
        self.looked_at = Some((Instant::now(), 0));
        Ok(origin)
    }

    /// For a profile that was made in place of another and has given up what that one used: the next opening
    /// goes on from here.
    pub(crate) fn made(&mut self, engine: &Engine) {
        if let (Some(dir), Some(counter)) = (self.dir.as_deref(), &self.counter)
            && write_number(dir, JUDGED, engine.openings())
        {
            self.is_guarded = counter.keep_opening(Mileage::of(engine), engine.openings());
        }
    }

    /// What opening the engine asked for; once.
    pub(crate) fn asked(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.asked)
    }

    /// When there is something to do for a profile that is at rest; `None` if it was not used since.
    pub(crate) fn due_in(&self, engine: &Engine) -> Option<Duration> {
        let (at, commits) = self.looked_at?;
        let is_used = engine.commits() != commits || !self.counted;
        is_used.then(|| IDLE.saturating_sub(at.elapsed()))
    }

    /// Looks after the files, replaces the master key if that is due, and notes how far the profile has come.
    pub(crate) fn idle(&mut self, engine: &mut Engine) -> Result<(), Error> {
        let stats = engine.maintain()?;
        self.counted = is_counted(&stats);
        self.rotate_if_due(engine)?;
        self.keep(engine);
        self.looked_at = Some((Instant::now(), engine.commits()));
        Ok(())
    }

    /// Notes how far the profile has come: all of it is durable by now.
    pub(crate) fn keep(&self, engine: &Engine) {
        if let Some(counter) = self.counter.as_ref().filter(|_| self.is_guarded) {
            // Without it an older copy of this session is noticed by its number of openings only.
            let _kept = counter.keep(Mileage::of(engine), self.judged);
        }
    }

    /// Replaces the master key, with the same secret, if it is old. A full disk is no reason not to go on: it
    /// is tried again later.
    fn rotate_if_due(&self, engine: &mut Engine) -> Result<(), Error> {
        let Some(dir) = self.dir.as_deref().filter(|dir| is_rotation_due(dir)) else {
            return Ok(());
        };
        match engine.rotate_master(None) {
            Ok(()) => {
                note_rotation(dir);
                Ok(())
            }
            Err(Error::Store(StoreError::Full)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The profile's folder.
    pub(crate) fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    /// Whether an older copy of this profile would be noticed.
    pub(crate) const fn is_guarded(&self) -> bool {
        self.is_guarded
    }
}

/// A large database is counted bit by bit.
const fn is_counted(stats: &Stats) -> bool {
    stats.live_len.is_some() || stats.len_on_disk <= LARGE_LEN
}

/// When the master key was last replaced, in seconds since the Unix epoch, if that is known.
pub(crate) fn rotated_at(dir: &Path) -> Option<u64> {
    read_number(dir, ROTATED_AT)
}

/// Notes that the master key was replaced now.
pub(crate) fn note_rotation(dir: &Path) {
    // Without it the key is replaced again at the next occasion.
    let _written = write_number(dir, ROTATED_AT, now_s());
}

fn read_number(dir: &Path, name: &str) -> Option<u64> {
    fs::read_to_string(dir.join(name)).ok()?.trim().parse().ok()
}

/// Writes a file with one number, durably. Answers whether that worked.
fn write_number(dir: &Path, name: &str, number: u64) -> bool {
    profile::replace_file(dir, name, number.to_string().as_bytes()).is_ok()
}

/// Whether the master key is older than a week, or than the clock can say.
pub(crate) fn is_rotation_due(dir: &Path) -> bool {
    rotated_at(dir)
        .and_then(|at| now_s().checked_sub(at))
        .is_none_or(|age| age >= ROTATE_EVERY.as_secs())
}

fn now_s() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    since_epoch.unwrap_or_default().as_secs()
}

/// Name of the file that says which opening was judged last.
const JUDGED: &str = "judged";

/// Name of the file that says when the master key was replaced.
const ROTATED_AT: &str = "rotated-at";

/// How old a master key becomes.
const ROTATE_EVERY: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How long between two looks at a profile that is in use.
const IDLE: Duration = Duration::from_secs(60);

/// Databases up to this length are not counted.
const LARGE_LEN: u64 = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_key_is_due_when_its_age_is_a_week_or_unknown() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        assert!(is_rotation_due(dir));
        note_rotation(dir);
        assert!(!is_rotation_due(dir));
        let week = ROTATE_EVERY.as_secs();
        for (at, is_due) in [
            (now_s() - week - 1, true),
            (now_s() - week + 60, false),
            (now_s() + 3600, true),
        ] {
            fs::write(dir.join(ROTATED_AT), at.to_string()).unwrap();
            assert_eq!(is_rotation_due(dir), is_due, "{at}");
        }
        fs::write(dir.join(ROTATED_AT), "soon").unwrap();
        assert!(is_rotation_due(dir));
    }
}
