//! The first start, unlocking, settings, relay.

use serde::{Deserialize, Deserializer, Serialize};
use sori_client::{AccountView, Client, ConnectionView, ProfileState, UnlockChoice, UnlockMethod};
use tauri::ipc::Channel;
use tauri::{State, WebviewWindow};
use zeroize::Zeroizing;

use super::Answer;
use super::progress::{Meter, ProgressView};
use crate::autostart;
use crate::chosen::Chosen;
use crate::refusal::Refusal;
use crate::session::Session;
use crate::settings::Settings;
use crate::stage::Stage;

/// What the page has to know before anything is unlocked. It holds no name and no count.
#[derive(Debug, Serialize)]
pub(crate) struct StartView {
    profile: Profile,
    unlock: Option<Protection>,
    relay: Option<String>,
    /// Where the profile is: a person who has to repair it needs to name it.
    folder: String,
    version: &'static str,
    sandboxed: bool,
    settings: Settings,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Profile {
    Absent,
    Locked,
    Open,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Protection {
    Both,
    Keychain,
    Passphrase,
}

impl From<UnlockMethod> for Protection {
    fn from(method: UnlockMethod) -> Self {
        match method {
            UnlockMethod::Both => Self::Both,
            UnlockMethod::Keychain => Self::Keychain,
            UnlockMethod::Passphrase => Self::Passphrase,
        }
    }
}

/// A new profile as the person described it.
#[derive(Deserialize)]
pub(crate) struct NewProfile {
    name: String,
    protection: Protection,
    passphrase: Option<Passphrase>,
    relay: Option<String>,
}

/// A passphrase on its way in: wiped when dropped, never printed.
pub(crate) struct Passphrase(Zeroizing<String>);

impl<'de> Deserialize<'de> for Passphrase {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Zeroizing::new(String::deserialize(deserializer)?)))
    }
}

impl Passphrase {
    pub(crate) fn into_inner(self) -> Zeroizing<String> {
        self.0
    }
}

/// What the person wants to unlock by. An empty passphrase is refused by the client, with a name for it.
pub(crate) fn choice(protection: Protection, passphrase: Option<Passphrase>) -> UnlockChoice {
    let words = passphrase.map(Passphrase::into_inner).unwrap_or_default();
    match protection {
        Protection::Both => UnlockChoice::Both(words),
        Protection::Keychain => UnlockChoice::Keychain,
        Protection::Passphrase => UnlockChoice::Passphrase(words),
    }
}

#[tauri::command]
pub(crate) fn app_start(session: State<'_, Session>) -> StartView {
    let locked = match Client::profile(session.profile()) {
        ProfileState::Absent => None,
        ProfileState::Locked(method) => Some(Protection::from(method)),
    };
    let profile = match (session.opened(), locked) {
        (Some(_), _) => Profile::Open,
        (None, Some(_)) => Profile::Locked,
        (None, None) => Profile::Absent,
    };
    StartView {
        profile,
        unlock: locked,
        relay: session.relay().map(str::to_owned),
        folder: session.profile().display().to_string(),
        version: env!("CARGO_PKG_VERSION"),
        sandboxed: session.stage == Stage::Sandboxed,
        settings: session.settings(),
    }
}

#[tauri::command]
pub(crate) async fn keychain_available() -> bool {
    Client::keychain_available().await
}

/// Makes the profile, the account in it and its relay. Steps that were done by an earlier attempt
/// are not done again, so that a wrong relay address can be corrected.
#[tauri::command]
pub(crate) async fn profile_create(session: State<'_, Session>, profile: NewProfile) -> Answer<()> {
    let client = match session.opened() {
        Some(client) => client,
        None => {
            session
                .create(choice(profile.protection, profile.passphrase))
                .await?
        }
    };
    match client.account_info().await {
        Err(error) if error.name() == "no_account" => {
            client.account_create(&profile.name).await?;
        }
        known => drop(known?),
    }
    if let Some(relay) = profile.relay {
        client.relay_set(&relay).await?;
    }
    Ok(())
}

/// Opens the profile, tells `progress` while its files are written anew, and answers where the profile
/// comes from. A relay named on the
/// command line serves a profile that has none yet.
#[tauri::command]
pub(crate) async fn profile_open(
    session: State<'_, Session>,
    passphrase: Option<Passphrase>,
    progress: Channel<ProgressView>,
) -> Answer<&'static str> {
    if let Some(client) = session.opened() {
        return Ok(client.origin().name());
    }
    let protection = match passphrase {
        Some(_) => Protection::Passphrase,
        None => Protection::Keychain,
    };
    let told = Meter::new(progress).rewriting();
    let client = session.open(choice(protection, passphrase), told).await?;
    if let Some(relay) = session.relay()
        && client.relay_get().await?.is_none()
        && client.account_info().await.is_ok()
    {
        client.relay_set(relay).await?;
    }
    Ok(client.origin().name())
}

#[tauri::command]
pub(crate) async fn account_info(session: State<'_, Session>) -> Answer<AccountView> {
    Ok(session.client()?.account_info().await?)
}

#[tauri::command]
pub(crate) async fn connection(session: State<'_, Session>) -> Answer<ConnectionView> {
    Ok(session.client()?.connection().await?)
}

#[tauri::command]
pub(crate) async fn relay_set(session: State<'_, Session>, url: String) -> Answer<()> {
    Ok(session.client()?.relay_set(&url).await?)
}

/// Saves the settings and carries out what is the shell's of them.
#[tauri::command]
pub(crate) fn settings_set(
    window: WebviewWindow,
    session: State<'_, Session>,
    settings: Settings,
) -> Answer<()> {
    let before = session.settings();
    session.set_settings(settings)?;
    if before.zoom != settings.zoom {
        // A window that cannot be zoomed stays as it is.
        let _zoomed = window.set_zoom(settings.scale());
    }
    if before.autostart != settings.autostart
        && let Some(file) = autostart::file()
    {
        autostart::set(&file, settings.autostart).map_err(|error| Refusal::settings(&error))?;
    }
    Ok(())
}

/// Saves and closes the profile: what it takes to open it is asked again.
#[tauri::command]
pub(crate) async fn profile_lock(
    session: State<'_, Session>,
    chosen: State<'_, Chosen>,
) -> Answer<()> {
    chosen.forget(None);
    session.shutdown().await;
    Ok(())
}

/// Destroys the profile for good, open or not.
#[tauri::command]
pub(crate) async fn profile_wipe(session: State<'_, Session>) -> Answer<()> {
    Ok(session.wipe().await?)
}
