//! What a check of a client has to work with.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::process::Command;

use crate::finding::Finding;
use crate::run::Shims;
use crate::stage::Tape;

use super::person::Person;
use super::stand::Stand;

/// A relay, a folder, and commands that start clients.
#[derive(Debug)]
pub(crate) struct Scene {
    shims: Shims,
    pub(crate) stand: Stand,
    pub(crate) tape: Tape,
    folder: TempDir,
    seed: u64,
    id: &'static str,
}

impl Scene {
    pub(crate) async fn set(
        shims: Shims,
        seed: u64,
        id: &'static str,
        tape: Tape,
    ) -> Result<Self, Finding> {
        let folder = tempfile::Builder::new().prefix("sori-audit-").tempdir();
        Ok(Self {
            shims,
            stand: Stand::open(bytes(seed, id, "relay")).await?,
            tape,
            folder: folder.map_err(Finding::not_seen)?,
            seed,
            id,
        })
    }

    /// A word that stands nowhere else, and that the same seed gives again.
    pub(crate) fn canary(&self, label: &str) -> String {
        let bytes = bytes(self.seed, self.id, label);
        let hex: String = bytes
            .iter()
            .take(12)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("canary{hex}")
    }

    /// A path that nobody has yet.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Somebody with a new profile, connected to the stand.
    pub(crate) async fn person(&self, name: &str) -> Result<Person, Finding> {
        Person::come(self, name, &self.shims.judged).await
    }

    /// Somebody whose client breaks the rules, if there is one; else with the client under test.
    pub(crate) async fn hostile(&self, name: &str) -> Result<Person, Finding> {
        let command = self.shims.hostile.as_ref();
        Person::come(self, name, command.unwrap_or(&self.shims.judged)).await
    }

    /// Everything that the folder of a closed profile and its passphrase open; `None` without a program that looks.
    pub(crate) async fn stolen(&self, person: &Person) -> Result<Option<Vec<u8>>, Finding> {
        let Some(command) = &self.shims.thief else {
            return Ok(None);
        };
        let mut thief = Command::new("sh");
        thief
            .args(["-c", &format!("exec {command} \"$0\"")])
            .arg(&person.profile)
            .env("SORI_PASSPHRASE", &person.passphrase)
            .kill_on_drop(true);
        let found = thief.output().await.map_err(Finding::not_seen)?;
        if !found.status.success() {
            let words = String::from_utf8_lossy(&found.stderr);
            return Err(Finding::not_seen(format!(
                "the program that opens profiles: {}",
                words.trim()
            )));
        }
        Ok(Some(found.stdout))
    }

    /// Every byte of every file that the client has made, in its profile and elsewhere on the machine, as it lies there.
    pub(crate) fn lying(&self, person: &Person) -> Vec<u8> {
        let mut bytes = Vec::new();
        for folder in person.folders() {
            read_all(folder, &mut bytes);
        }
        bytes
    }

    /// Another relay, at which the same people can meet.
    pub(crate) async fn another_stand(&self) -> Result<Stand, Finding> {
        Stand::open(bytes(self.seed, self.id, "another relay")).await
    }

    /// So many people in one group of the first of them.
    pub(crate) async fn gather(&self, count: usize) -> Result<(Vec<Person>, String), Finding> {
        const NAMES: [&str; 8] = ["Ann", "Bob", "Cat", "Dan", "Eve", "Fay", "Gus", "Hal"];
        let mut people = Vec::new();
        for n in 0..count {
            let name = NAMES
                .get(n)
                .map_or_else(|| format!("Person {n}"), |name| (*name).to_owned());
            people.push(self.person(&name).await?);
        }
        let (first, others) = people
            .split_first_mut()
            .ok_or_else(|| Finding::not_seen("nobody is there"))?;
        let group = first.create("Somebody").await?;
        for other in others.iter_mut() {
            first.let_in(&group, other).await?;
        }
        all_have_members(&mut people, &group, count).await?;
        Ok((people, group))
    }
}

/// Appends every file below a folder. What cannot be read is no file that a thief reads either.
fn read_all(folder: &Path, bytes: &mut Vec<u8>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => read_all(&entry.path(), bytes),
            Ok(kind) if kind.is_file() => bytes.extend(fs::read(entry.path()).unwrap_or_default()),
            _ => {}
        }
    }
}

/// Waits until every device knows of so many members, and all are in one state.
pub(crate) async fn all_have_members(
    people: &mut [Person],
    group: &str,
    count: usize,
) -> Result<(), Finding> {
    let wait = Wait::of_many(format!("all {count} are in the group, in one state"), count);
    loop {
        let mut states = Vec::new();
        for person in people.iter_mut() {
            let view = person.look(group).await?;
            states.push((view.members.len(), view.state));
        }
        let (first, all) = (states.first(), &states);
        if all
            .iter()
            .all(|view| Some(view) == first && view.0 == count)
        {
            return Ok(());
        }
        wait.more().await?;
    }
}

/// Waits until each of `people` shows each of `texts`.
pub(crate) async fn all_have(
    people: &mut [Person],
    group: &str,
    texts: &[String],
) -> Result<(), Finding> {
    let count = people.len();
    for person in people {
        let what = format!("{} shows {} messages", person.name, texts.len());
        let wait = Wait::of_many(what, count);
        loop {
            let shown = person.texts(group).await?;
            if texts.iter().all(|text| shown.contains(text)) {
                break;
            }
            wait.more().await?;
        }
    }
    Ok(())
}

/// Waits for what must become so.
#[derive(Debug)]
pub(crate) struct Wait {
    what: String,
    since: Instant,
    patience: Duration,
}

impl Wait {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self::of_many(what, 0)
    }

    /// For something that so many clients have to do, all on this machine.
    pub(crate) fn of_many(what: impl Into<String>, count: usize) -> Self {
        let more = u32::try_from(count / CLIENTS_PER_PATIENCE).unwrap_or_default();
        Self {
            what: what.into(),
            since: Instant::now(),
            patience: PATIENCE * more.saturating_add(1),
        }
    }

    /// A moment later; a finding once it has taken too long.
    pub(crate) async fn more(&self) -> Result<(), Finding> {
        self.after(Duration::from_millis(150)).await
    }

    /// A shorter moment, for what is done many times.
    pub(crate) async fn briefly(&self) -> Result<(), Finding> {
        self.after(Duration::from_millis(10)).await
    }

    async fn after(&self, moment: Duration) -> Result<(), Finding> {
        if self.since.elapsed() > self.patience {
            return Err(Finding::broken(format!(
                "not within {:?}: {}",
                self.patience, self.what
            )));
        }
        tokio::time::sleep(moment).await;
        Ok(())
    }
}

fn bytes(seed: u64, id: &str, label: &str) -> [u8; 32] {
    let hash = Sha256::new()
        .chain_update(seed.to_be_bytes())
        .chain_update(id)
        .chain_update([0])
        .chain_update(label);
    hash.finalize().into()
}

/// How long what must happen may take: clients come back after waits that grow.
const PATIENCE: Duration = Duration::from_secs(60);

/// So many clients more have so much time more.
const CLIENTS_PER_PATIENCE: usize = 25;
