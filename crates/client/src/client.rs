//! The public face: one method for each thing a front end can ask for.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use sori_engine::store::{Progress, Store};
use sori_engine::view::Event;
use sori_engine::{Engine, Time};
use tokio::runtime::Handle as Runtime;
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::clock::Clock;
use crate::driver::{Answer, Driver, Failure, Ports, Verb};
use crate::error::Error;
use crate::keychain::Keychain;
use crate::links::Links;
use crate::origin::Origin;
use crate::profile::{self, Opened, ProfileState, UnlockChange, UnlockChoice};
use crate::profile_info::ProfileInfo;
use crate::secrets::Secrets;

/// A handle of a running messenger. Clones are handles of the same one; when the last is dropped
/// it ends by itself, but only [`shutdown`](Self::shutdown) waits for that.
///
/// Every method answers when its effect is durable. All are cancel-safe in this sense: a method
/// whose future is dropped may still take effect.
///
/// Each method may fail with [`Error::Engine`] for the reasons its words suggest, with
/// [`Error::NotSaved`] if the disk failed, after which the messenger goes on from what the disk has,
/// and with [`Error::Stopped`] when it has ended.
///
/// What unlocks the profile stays in memory, so that the profile can be opened again after a
/// failure without asking for it.
#[derive(Clone, Debug)]
pub struct Client {
    verbs: mpsc::Sender<Verb>,
    events: broadcast::WeakSender<Event>,
    failure: Failure,
    begun: Begun,
    /// What opens the profile again.
    secrets: Secrets,
}

/// How the profile was found when it was opened.
#[derive(Clone, Debug)]
struct Begun {
    /// Its folder; `None` for one in memory.
    dir: Option<PathBuf>,
    origin: Origin,
    /// Whether an older copy of it would be noticed.
    is_guarded: bool,
}

impl Client {
    /// Makes a new profile in `dir` and starts on it. Must be called within a Tokio runtime, which
    /// carries the network from then on.
    ///
    /// # Errors
    /// [`Error::Profile`], [`Error::Folder`], [`Error::Keychain`], [`Error::EmptyPassphrase`].
    pub async fn create(dir: PathBuf, unlock: UnlockChoice) -> Result<Self, Error> {
        let secrets = Secrets::new(unlock.clone());
        let again = again(&secrets, &dir);
        let open = move || profile::create(&dir, &unlock);
        Self::start((open, again), secrets, |_progress| {}).await
    }

    /// Opens the profile in `dir` and starts on it. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// [`Error::Profile`], [`Error::Keychain`], [`Error::EmptyPassphrase`].
    pub async fn open(dir: PathBuf, unlock: UnlockChoice) -> Result<Self, Error> {
        Self::open_with(dir, unlock, |_progress| {}).await
    }

    /// As [`open`](Self::open). Files that have grown out of proportion are written anew first, which may take
    /// a while: `progress` is told how far that has come, on another thread.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_with(
        dir: PathBuf,
        unlock: UnlockChoice,
        progress: impl FnMut(Progress) + Send + 'static,
    ) -> Result<Self, Error> {
        let secrets = Secrets::new(unlock.clone());
        let again = again(&secrets, &dir);
        let open = move || profile::open(&dir, &unlock);
        Self::start((open, again), secrets, progress).await
    }

    /// Where the profile came from when it was opened. If it does not go on from where it was left, its groups are
    /// being entered anew, and the person has to be told.
    #[must_use]
    pub const fn origin(&self) -> Origin {
        self.begun.origin
    }

    /// Checks what unlocks the profile now, as a program should before it changes that: whoever finds an open window
    /// must not be able to shut its owner out.
    ///
    /// # Errors
    /// As [`open`](Self::open) for a wrong secret.
    pub async fn unlock_check(&self, unlock: UnlockChoice) -> Result<(), Error> {
        let Some(dir) = self.begun.dir.clone() else {
            return Ok(());
        };
        blocking(move || profile::check(&dir, &unlock, Keychain::connect)).await
    }

    /// Has another secret open the profile from now on, and replaces its master key. The old secret opens
    /// older copies of the folder only.
    ///
    /// # Errors
    /// [`Error::Keychain`], [`Error::EmptyPassphrase`] or [`Error::Folder`] with nothing changed;
    /// [`Error::NotSaved`], after which the old or the new secret opens it.
    pub async fn unlock_set(&self, unlock: UnlockChoice) -> Result<(), Error> {
        let Some(dir) = self.begun.dir.clone() else {
            return Ok(());
        };
        let choice = unlock.clone();
        let prepare = move || UnlockChange::prepare(&dir, choice, Keychain::connect);
        let change = blocking(prepare).await?;
        // If writing fails now, nobody knows which of the two opens the profile.
        self.secrets.change_begins(unlock);
        let change = self
            .call(move |engine, _now| {
                engine.rotate_master(Some(change.unlock()))?;
                Ok(change)
            })
            .await?;
        self.secrets.change_ended();
        blocking(move || change.finish()).await
    }

    /// Replaces the profile's master key now; this happens once a week by itself. Where the profile is unlocked
    /// by the keychain alone, the key in the keychain is replaced, too.
    ///
    /// # Errors
    /// As [`unlock_set`](Self::unlock_set).
    pub async fn profile_rotate(&self) -> Result<(), Error> {
        let Some(dir) = self.begun.dir.clone() else {
            return Ok(());
        };
        if profile::state(&dir) == ProfileState::Locked(profile::UnlockMethod::Keychain) {
            return self.unlock_set(UnlockChoice::Keychain).await;
        }
        self.call(|engine, _now| engine.rotate_master(None)).await?;
        crate::upkeep::note_rotation(&dir);
        Ok(())
    }

    /// How the profile is kept.
    ///
    /// # Errors
    /// [`Error::Profile`] if its folder cannot be read, [`Error::NotSaved`] if looking after it failed.
    pub async fn profile_info(&self) -> Result<ProfileInfo, Error> {
        let (stats, is_locked) = self
            .call(|engine, _now| Ok((engine.maintain()?, engine.keys_locked())))
            .await?;
        let dir = self.begun.dir.as_deref();
        ProfileInfo::of(dir, &stats, (is_locked, self.begun.is_guarded))
    }

    /// What is in a folder. Reads a file.
    #[must_use]
    pub fn profile(dir: &Path) -> ProfileState {
        profile::state(dir)
    }

    /// Whether the operating system's keychain takes, keeps and forgets a key. May ask the person
    /// for the keychain's password, and so take as long as that.
    pub async fn keychain_available() -> bool {
        let probe = tokio::task::spawn_blocking(|| {
            Keychain::connect().and_then(|keychain| keychain.probe())
        });
        matches!(probe.await, Ok(Ok(())))
    }

    /// What happens, from now on. Holds the last [`EVENTS_KEPT`] events for each receiver; one
    /// that falls further behind gets `RecvError::Lagged` and has to read again what it shows.
    /// Ends (`RecvError::Closed`) when the messenger ends; [`failure`](Self::failure) says why.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events
            .upgrade()
            .map_or_else(|| broadcast::channel(1).1, |events| events.subscribe())
    }

    /// Why the messenger ended, if it did so because a write to the profile failed. The person has
    /// to start it again.
    #[must_use]
    pub fn failure(&self) -> Option<Error> {
        self.failure
            .get()
            .map(|error| Error::NotSaved(Arc::clone(error)))
    }

    /// Ends the messenger: saves, sends what is queued (for at most a second a relay), closes, and
    /// returns when the profile is free for the next.
    pub async fn shutdown(&self) {
        let (done, ended) = oneshot::channel();
        if self.verbs.send(Verb::Shutdown(done)).await.is_ok() {
            let _ended = ended.await;
        }
    }

    /// Starts on the profile that `open` gives, and after a failure on what `again` gives.
    async fn start(
        (open, again): (
            impl FnOnce() -> Result<Opened, Error> + Send + 'static,
            impl FnMut() -> Result<Store, Error> + Send + 'static,
        ),
        secrets: Secrets,
        progress: impl FnMut(Progress) + Send + 'static,
    ) -> Result<Self, Error> {
        let (verbs, verb_queue) = mpsc::channel(VERBS_WAITING_MAX);
        let (events, _receiver) = broadcast::channel(EVENTS_KEPT);
        let failure = Failure::new(OnceLock::new());
        let weak_events = events.downgrade();
        let seen_failure = Arc::clone(&failure);
        let (reporter, reports) = mpsc::channel(REPORTS_WAITING_MAX);
        let links = Links::new(Runtime::current(), reporter);
        let ports = Ports {
            verbs: verb_queue,
            reports,
            events,
            failure,
        };
        let (ready, started) = oneshot::channel();
        std::thread::Builder::new()
            .name("sori-engine".into())
            .stack_size(STACK_LEN)
            .spawn(move || engine_thread((open, again), progress, (links, ports), ready))
            .map_err(|_error| Error::System)?;
        let begun = started.await.unwrap_or(Err(Error::Stopped))?;
        Ok(Self {
            verbs,
            events: weak_events,
            failure: seen_failure,
            begun,
            secrets,
        })
    }

    /// Runs `verb` on the engine and waits until its effect is durable.
    pub(crate) async fn call<T, F>(&self, verb: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut Engine, Time) -> Result<T, sori_engine::Error> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let work = move |engine: &mut Engine, now: Time| {
            let outcome = verb(engine, now);
            let is_fatal = outcome.as_ref().is_err_and(sori_engine::Error::is_fatal);
            let deliver = move |saved: Result<(), Arc<sori_engine::Error>>| {
                let answer = match (outcome, saved) {
                    (Err(error), _) => Err(Error::Engine(error)),
                    (Ok(_), Err(error)) => Err(Error::NotSaved(error)),
                    (Ok(value), Ok(())) => Ok(value),
                };
                // The caller may have stopped waiting.
                let _gone = sender.send(answer);
            };
            Answer {
                is_fatal,
                deliver: Box::new(deliver),
            }
        };
        let ended = || self.failure().unwrap_or(Error::Stopped);
        // A refused verb is dropped here, and with it the sender that would never answer.
        self.verbs
            .send(Verb::Call(Box::new(work)))
            .await
            .map_err(|_refused| ended())?;
        receiver.await.unwrap_or_else(|_dropped| Err(ended()))
    }
}

/// What opens the profile in `dir` again.
fn again(secrets: &Secrets, dir: &Path) -> impl FnMut() -> Result<Store, Error> + Send + use<> {
    let (secrets, dir) = (secrets.clone(), dir.to_owned());
    move || secrets.open(&dir)
}

/// Runs what waits for the disk or the keychain aside.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or(Err(Error::Stopped))
}

/// Opens the profile and drives its engine to the end.
fn engine_thread(
    (open, mut again): (
        impl FnOnce() -> Result<Opened, Error>,
        impl FnMut() -> Result<Store, Error> + Send + 'static,
    ),
    mut progress: impl FnMut(Progress),
    (links, ports): (Links, Ports),
    ready: oneshot::Sender<Result<Begun, Error>>,
) {
    let mut clock = Clock::start();
    let begin = |store, now| Ok::<_, Error>(Engine::open(store, profile::seed()?, now)?);
    let opened = open().and_then(|Opened { store, mut upkeep }| {
        let mut engine = begin(store, clock.now())?;
        let begun = Begun {
            origin: upkeep.begin(&mut engine, clock.now(), &mut progress)?,
            dir: upkeep.dir().map(Path::to_owned),
            is_guarded: upkeep.is_guarded(),
        };
        Ok(((engine, upkeep), begun))
    });
    let reopen = move |now| {
        let opened = again().and_then(|store| begin(store, now));
        opened.map_err(|error| Arc::new(error.into_engine()))
    };
    let timers = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    match (opened, timers) {
        (Ok((engine, begun)), Ok(timers)) => {
            // If nobody waits for it, the callers have gone too and the driver ends at once.
            let _gone = ready.send(Ok(begun));
            let driver = Driver::new(engine, Box::new(reopen), links, ports, clock);
            timers.block_on(driver.run());
        }
        (Err(error), _) => {
            let _gone = ready.send(Err(error));
        }
        (Ok(_), Err(_)) => {
            let _gone = ready.send(Err(Error::System));
        }
    }
}

/// Calls that may wait for the engine; a caller beyond them waits for its turn.
const VERBS_WAITING_MAX: usize = 256;

/// Reports of connections that may wait: with frames of the largest size 16 MiB. Beyond them a
/// connection stops reading, and QUIC tells the relay to slow down.
const REPORTS_WAITING_MAX: usize = 256;

/// Events kept for a receiver that falls behind.
pub const EVENTS_KEPT: usize = 1024;

/// Stack of the engine thread; unoptimised lattice cryptography needs more than the usual 2 MiB.
pub(crate) const STACK_LEN: usize = 8 * 1024 * 1024;

#[cfg(test)]
pub(crate) mod tests {
    use sori_engine::store::{MemoryDisk, Store};
    use tokio::sync::broadcast::error::RecvError;
    use zeroize::Zeroizing;

    use super::*;
    use crate::profile::{StoreError, UnlockMethod};

    /// A relay at which nobody answers.
    pub(crate) const NO_RELAY: &str =
        "relay://127.0.0.1:1/#AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    pub(crate) async fn in_memory(disk: &MemoryDisk) -> Client {
        let disks = (disk.clone(), disk.clone());
        let store = |disk: &MemoryDisk| Ok(Store::open_memory(disk, profile::seed()?)?);
        let open = move || {
            Ok(Opened {
                store: store(&disks.0)?,
                upkeep: crate::upkeep::Upkeep::default(),
            })
        };
        let again = move || store(&disks.1);
        let secrets = Secrets::default();
        Client::start((open, again), secrets, |_progress| {})
            .await
            .unwrap()
    }

    fn passphrase(text: &str) -> UnlockChoice {
        UnlockChoice::Passphrase(Zeroizing::new(text.to_owned()))
    }

    #[tokio::test]
    async fn what_was_answered_is_there_after_a_restart() {
        let disk = MemoryDisk::new();
        let client = in_memory(&disk).await;
        client.account_create("Alice").await.unwrap();
        client.relay_set(NO_RELAY).await.unwrap();
        let group = client.group_create("친구").await.unwrap();
        let id = client.message_send(&group, "안녕", None).await.unwrap();
        client.shutdown().await;
        assert!(matches!(client.account_info().await, Err(Error::Stopped)));
        let client = in_memory(&disk).await;
        let messages = client
            .message_list_with(sori_engine::Notices::Left, &group, None, 10)
            .await
            .unwrap();
        assert_eq!(messages.first().map(|message| &message.id), Some(&id));
    }

    #[tokio::test]
    async fn after_a_failed_write_nobody_is_told_of_success_and_everything_goes_on() {
        for written in [false, true] {
            let disk = MemoryDisk::new();
            let client = in_memory(&disk).await;
            client.account_create("Alice").await.unwrap();
            client.relay_set(NO_RELAY).await.unwrap();
            let group = client.group_create("g").await.unwrap();
            client.message_send(&group, "before", None).await.unwrap();
            match written {
                true => disk.fail_next_commit_after_writing(),
                false => disk.fail_next_commit(),
            }
            let sent = client.message_send(&group, "in between", None).await;
            assert!(matches!(sent, Err(Error::NotSaved(_))), "{sent:?}");
            client.message_send(&group, "after", None).await.unwrap();
            assert!(client.failure().is_none());
            let messages = client
                .message_list_with(sori_engine::Notices::Left, &group, None, 10)
                .await
                .unwrap();
            let texts: Vec<_> = messages
                .iter()
                .map(|message| message.text.as_str())
                .collect();
            let expected: &[&str] = match written {
                true => &["after", "in between", "before"],
                false => &["after", "before"],
            };
            assert_eq!(texts, expected);
            client.shutdown().await;
        }
    }

    async fn texts(client: &Client, group: &str) -> Vec<String> {
        let list = client
            .message_list_with(sori_engine::Notices::Left, group, None, 100)
            .await
            .unwrap();
        list.into_iter().rev().map(|message| message.text).collect()
    }

    /// Waits until something holds, by events of the client or the clock.
    async fn until<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
        for _ in 0..600 {
            if holds().await {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("not within 30 seconds: {what}");
    }

    /// The disk of one of two fails, now and then, before or after it has written. Messages flow on
    /// without anybody starting anything again; nothing is doubled, and nothing is lost of which
    /// its sender was told that it was saved.
    #[tokio::test]
    async fn two_talk_on_over_disks_that_fail_now_and_then() {
        let relay = crate::relay::tests::Relay::start();
        let disks = [MemoryDisk::new(), MemoryDisk::new()];
        let (alice, bob) = (in_memory(&disks[0]).await, in_memory(&disks[1]).await);
        for (client, name) in [(&alice, "Alice"), (&bob, "Bob")] {
            client.account_create(name).await.unwrap();
            client.relay_set(&relay.url.to_string()).await.unwrap();
        }
        let group = alice.group_create("g").await.unwrap();
        let options = sori_engine::InviteOptions {
            group: Some(group.clone()),
            ..sori_engine::InviteOptions::default()
        };
        let link = alice.invite_create(options).await.unwrap();
        let join = bob.invite_accept(&link).await.unwrap();
        until("asked", async || {
            let joins = alice.join_list().await.unwrap();
            joins.iter().any(|known| known.id == join)
        })
        .await;
        alice.join_approve(&join).await.unwrap();
        until("in", async || bob.group_info(&group).await.is_ok()).await;
        let mut saved = Vec::new();
        for n in 0..12 {
            let (client, disk) = if n % 2 == 0 {
                (&alice, &disks[0])
            } else {
                (&bob, &disks[1])
            };
            match n {
                3 | 4 => disk.fail_next_commit(),
                7 => disks[0].fail_next_commit(),
                8 => disk.fail_next_commit_after_writing(),
                _ => {}
            }
            let text = n.to_string();
            if client.message_send(&group, &text, None).await.is_ok() {
                saved.push(text);
            }
        }
        until("both have all", async || {
            let (ours, theirs) = (texts(&alice, &group).await, texts(&bob, &group).await);
            ours == theirs && saved.iter().all(|text| ours.contains(text))
        })
        .await;
        let all = texts(&alice, &group).await;
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len(), "{all:?}");
        assert!(saved.len() >= 8, "{saved:?}");
        assert!(alice.failure().is_none() && bob.failure().is_none());
    }

    #[tokio::test]
    async fn a_disk_that_always_fails_ends_the_client() {
        let disk = MemoryDisk::new();
        let client = in_memory(&disk).await;
        client.account_create("Alice").await.unwrap();
        client.relay_set(NO_RELAY).await.unwrap();
        let group = client.group_create("g").await.unwrap();
        let mut events = client.events();
        for n in 0..10 {
            disk.fail_next_commit();
            let sent = client.message_send(&group, "not saved", None).await;
            assert!(sent.is_err());
            if client.failure().is_some() {
                assert!(n > 0, "one failure is not the end");
                break;
            }
        }
        assert!(matches!(client.group_list().await, Err(Error::NotSaved(_))));
        while !matches!(events.recv().await, Err(RecvError::Closed)) {}
    }

    #[tokio::test]
    async fn many_calls_at_once_are_all_answered_in_order() {
        let client = in_memory(&MemoryDisk::new()).await;
        client.account_create("Alice").await.unwrap();
        client.relay_set(NO_RELAY).await.unwrap();
        let group = client.group_create("g").await.unwrap();
        let calls: Vec<_> = (0..500)
            .map(|n| {
                let (client, group) = (client.clone(), group.clone());
                tokio::spawn(async move { client.message_send(&group, &n.to_string(), None).await })
            })
            .collect();
        for call in calls {
            call.await.unwrap().unwrap();
        }
        let messages = client
            .message_list_with(sori_engine::Notices::Left, &group, None, 1000)
            .await
            .unwrap();
        let texts: Vec<u32> = messages
            .iter()
            .rev()
            .map(|message| message.text.parse().unwrap())
            .collect();
        assert_eq!(texts, (0..500).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_profile_opens_with_its_passphrase_for_one_client_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("profile");
        assert_eq!(Client::profile(&dir), ProfileState::Absent);
        let client = Client::create(dir.clone(), passphrase("right"))
            .await
            .unwrap();
        client.account_create("Alice").await.unwrap();
        assert_eq!(
            Client::profile(&dir),
            ProfileState::Locked(UnlockMethod::Passphrase)
        );
        let second = Client::open(dir.clone(), passphrase("right")).await;
        assert!(
            matches!(second, Err(Error::Profile(StoreError::InUse))),
            "{second:?}"
        );
        let again = Client::create(dir.clone(), passphrase("right")).await;
        assert!(
            matches!(again, Err(Error::Profile(StoreError::AlreadyExists))),
            "{again:?}"
        );
        client.shutdown().await;
        let wrong = Client::open(dir.clone(), passphrase("wrong")).await;
        assert!(
            matches!(wrong, Err(Error::Profile(StoreError::WrongPassphrase))),
            "{wrong:?}"
        );
        let other = Client::open(dir.clone(), UnlockChoice::Keychain).await;
        assert!(
            matches!(other, Err(Error::Profile(StoreError::WrongMethod { .. }))),
            "{other:?}"
        );
        let client = Client::open(dir.clone(), passphrase("right"))
            .await
            .unwrap();
        assert_eq!(client.account_info().await.unwrap().name, "Alice");
    }

    #[tokio::test]
    async fn dropping_the_last_handle_ends_the_client() {
        let client = in_memory(&MemoryDisk::new()).await;
        let mut events = client.events();
        drop(client);
        assert_eq!(events.recv().await.unwrap_err(), RecvError::Closed);
    }
}
