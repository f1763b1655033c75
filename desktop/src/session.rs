//! What the window has open: a profile, or none yet.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sori_client::{Client, Error, Progress, UnlockChoice};

use crate::args::Args;
use crate::early::Early;
use crate::refusal::Refusal;
use crate::settings::{self, Settings};
use crate::stage::Stage;

/// The name of the refusal to open what another program has open.
const IN_USE: &str = "profile_in_use";

/// The state behind the commands.
#[derive(Debug)]
pub(crate) struct Session {
    profile: PathBuf,
    relay: Option<String>,
    settings_file: Option<PathBuf>,
    settings: Mutex<Settings>,
    client: Mutex<Option<Client>>,
    /// The opening that began with the program, until the page asks for it.
    early: Mutex<Option<Early>>,
    pub(crate) stage: Stage,
    /// Whether to begin without a window.
    pub(crate) minimized: bool,
}

impl Session {
    /// A session with nothing open; `None` when no profile is named and there is no home folder.
    pub(crate) fn new(args: Args, stage: Stage) -> Option<Self> {
        let settings_file = settings::file();
        Some(Self {
            profile: args.profile.or_else(settings::default_profile)?,
            relay: args.relay.filter(|relay| !relay.is_empty()),
            settings: Mutex::new(Settings::load(settings_file.as_deref())),
            settings_file,
            client: Mutex::new(None),
            early: Mutex::new(None),
            stage,
            minimized: args.minimized,
        })
    }

    /// The folder of the profile.
    pub(crate) fn profile(&self) -> &Path {
        &self.profile
    }

    /// The relay named on the command line.
    pub(crate) fn relay(&self) -> Option<&str> {
        self.relay.as_deref()
    }

    /// How the window looks.
    pub(crate) fn settings(&self) -> Settings {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes how the window looks, and saves it.
    ///
    /// # Errors
    /// `settings` when it could not be saved; it holds for this window all the same.
    pub(crate) fn set_settings(&self, settings: Settings) -> Result<(), Refusal> {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = settings;
        self.settings_file.as_deref().map_or(Ok(()), |file| {
            settings
                .save(file)
                .map_err(|error| Refusal::settings(&error))
        })
    }

    /// The open profile.
    ///
    /// # Errors
    /// `not_open` when there is none.
    pub(crate) fn client(&self) -> Result<Client, Refusal> {
        self.opened().ok_or_else(Refusal::not_open)
    }

    /// The open profile, if there is one.
    pub(crate) fn opened(&self) -> Option<Client> {
        self.client
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Begins to open the profile if that needs nothing of the person.
    pub(crate) fn begin(&self) {
        let early = Early::begin(self.profile.clone());
        *self.early.lock().unwrap_or_else(PoisonError::into_inner) = early;
    }

    fn take_early(&self) -> Option<Early> {
        self.early
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Makes the profile.
    ///
    /// # Errors
    /// As [`Client::create`].
    pub(crate) async fn create(&self, unlock: UnlockChoice) -> Result<Client, Error> {
        let client = Client::create(self.profile.clone(), unlock).await?;
        self.keep(&client);
        Ok(client)
    }

    /// Opens the profile; `progress` is told while its files are written anew.
    ///
    /// # Errors
    /// As [`Client::open_with`].
    pub(crate) async fn open(
        &self,
        unlock: UnlockChoice,
        progress: impl FnMut(Progress) + Send + 'static,
    ) -> Result<Client, Error> {
        let early = match unlock {
            UnlockChoice::Keychain => self.take_early(),
            UnlockChoice::Both(_) | UnlockChoice::Passphrase(_) => None,
        };
        let client = match early {
            Some(early) => match early.end(progress).await {
                // A program that ends may have had it a moment ago.
                Err(error) if error.name() == IN_USE => {
                    Client::open_with(self.profile.clone(), unlock, |_progress| {}).await?
                }
                ended => ended?,
            },
            None => Client::open_with(self.profile.clone(), unlock, progress).await?,
        };
        self.keep(&client);
        Ok(client)
    }

    /// Saves and closes what is open.
    pub(crate) async fn shutdown(&self) {
        let early = match self.take_early() {
            Some(early) => early.end(|_progress| {}).await.ok(),
            None => None,
        };
        let open = self
            .client
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        for client in early.into_iter().chain(open) {
            client.shutdown().await;
        }
    }

    /// Closes what is open and destroys the profile.
    ///
    /// # Errors
    /// As [`Client::profile_wipe`].
    pub(crate) async fn wipe(&self) -> Result<(), Error> {
        self.shutdown().await;
        Client::profile_wipe(&self.profile).await
    }

    fn keep(&self, client: &Client) {
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = Some(client.clone());
    }
}
