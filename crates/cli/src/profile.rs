//! Where the profile is, and how it is opened.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use sori_client::{Client, Origin, ProfileState, Progress, UnlockChoice, UnlockMethod};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::screen::Screen;
use crate::words::fill;

/// The profile's folder: as given, or `sori/default` in the person's data folder.
pub(crate) fn dir(screen: Screen, given: Option<PathBuf>) -> Result<PathBuf, Failure> {
    if let Some(dir) = given.filter(|dir| !dir.as_os_str().is_empty()) {
        return Ok(dir);
    }
    let set = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let data = set("XDG_DATA_HOME")
        .filter(|dir| dir.is_absolute())
        .or_else(|| set("HOME").map(|home| home.join(".local/share")))
        .or_else(|| set("LOCALAPPDATA"));
    let data = data.ok_or_else(|| Failure::Usage(screen.words().no_folder.to_owned()))?;
    Ok(data.join("sori").join("default"))
}

/// Opens the profile in `dir`, asking for what unlocks it.
pub(crate) async fn open(screen: Screen, dir: PathBuf) -> Result<Client, Failure> {
    let choice = choice(screen, &dir)?;
    open_showing(screen, dir, choice).await
}

/// What unlocks the profile in `dir`, asked for.
pub(crate) fn choice(screen: Screen, dir: &Path) -> Result<UnlockChoice, Failure> {
    Ok(match Client::profile(dir) {
        ProfileState::Absent => {
            let text = fill(screen.words().no_profile, &[&dir.display().to_string()]);
            return Err(Failure::Failed(text));
        }
        ProfileState::Locked(UnlockMethod::Keychain) => UnlockChoice::Keychain,
        ProfileState::Locked(UnlockMethod::Both | UnlockMethod::Passphrase) => {
            UnlockChoice::Passphrase(passphrase(screen)?)
        }
    })
}

/// Opens, and says what takes long and what the person has to know.
async fn open_showing(
    screen: Screen,
    dir: PathBuf,
    choice: UnlockChoice,
) -> Result<Client, Failure> {
    let client = Client::open_with(dir, choice, progress(screen)).await?;
    match client.origin() {
        Origin::Here => {}
        Origin::Elsewhere => screen.warn(screen.words().origin_elsewhere),
        Origin::OlderCopy => screen.warn(screen.words().origin_older_copy),
        Origin::Repaired => screen.warn(screen.words().origin_repaired),
    }
    Ok(client)
}

/// Says on a terminal how far the copying of a profile's files has come.
pub(crate) fn progress(screen: Screen) -> impl FnMut(Progress) + Send + 'static {
    let mut said = None;
    let is_seen = std::io::stderr().is_terminal();
    move |progress| {
        let percent = progress
            .rows_done
            .saturating_mul(100)
            .checked_div(progress.rows)
            .unwrap_or(100);
        // Each tenth is enough to see that it goes on.
        let tenth = percent / 10;
        if is_seen && said != Some(tenth) {
            said = Some(tenth);
            screen.warn(&fill(screen.words().rewriting, &[&percent.to_string()]));
        }
    }
}

/// Opens the profile in `dir` for programs, which cannot be asked; makes it if it is not there and
/// there is a passphrase for it.
pub(crate) async fn open_or_create(screen: Screen, dir: PathBuf) -> Result<Client, Failure> {
    let from_environment = || {
        let passphrase = passphrase_from_environment();
        passphrase.ok_or_else(|| Failure::Failed(screen.words().no_passphrase.to_owned()))
    };
    Ok(match Client::profile(&dir) {
        ProfileState::Absent => {
            Client::create(dir, UnlockChoice::Passphrase(from_environment()?)).await?
        }
        ProfileState::Locked(UnlockMethod::Keychain) => {
            open_showing(screen, dir, UnlockChoice::Keychain).await?
        }
        ProfileState::Locked(UnlockMethod::Both | UnlockMethod::Passphrase) => {
            let choice = UnlockChoice::Passphrase(from_environment()?);
            open_showing(screen, dir, choice).await?
        }
    })
}

/// The passphrase for a profile that is there.
fn passphrase(screen: Screen) -> Result<Zeroizing<String>, Failure> {
    passphrase_from_environment().map_or_else(|| prompt(screen, screen.words().passphrase), Ok)
}

/// The passphrase for a profile that is about to be made: asked for twice.
pub(crate) fn new_passphrase(screen: Screen) -> Result<Zeroizing<String>, Failure> {
    if let Some(passphrase) = passphrase_from_environment() {
        return Ok(passphrase);
    }
    ask_twice(screen)
}

/// The passphrase for a backup that is about to be made: asked for twice.
pub(crate) fn new_backup_passphrase(screen: Screen) -> Result<Zeroizing<String>, Failure> {
    let text = screen.words().backup_passphrase_new;
    from_environment(BACKUP_PASSPHRASE).map_or_else(|| twice(screen, text), Ok)
}

/// The passphrase of a backup.
pub(crate) fn backup_passphrase(screen: Screen) -> Result<Zeroizing<String>, Failure> {
    let text = screen.words().backup_passphrase;
    from_environment(BACKUP_PASSPHRASE).map_or_else(|| prompt(screen, text), Ok)
}

/// Where programs put it.
const BACKUP_PASSPHRASE: &str = "SORI_BACKUP_PASSPHRASE";

/// The passphrase that is to take the place of another.
pub(crate) fn replacing_passphrase(screen: Screen) -> Result<Zeroizing<String>, Failure> {
    from_environment("SORI_NEW_PASSPHRASE").map_or_else(|| ask_twice(screen), Ok)
}

fn ask_twice(screen: Screen) -> Result<Zeroizing<String>, Failure> {
    twice(screen, screen.words().passphrase_new)
}

fn twice(screen: Screen, text: &str) -> Result<Zeroizing<String>, Failure> {
    let first = prompt(screen, text)?;
    let second = prompt(screen, screen.words().passphrase_again)?;
    if *first != *second {
        return Err(Failure::Failed(
            screen.words().passphrases_differ.to_owned(),
        ));
    }
    Ok(first)
}

fn passphrase_from_environment() -> Option<Zeroizing<String>> {
    from_environment("SORI_PASSPHRASE")
}

fn from_environment(name: &str) -> Option<Zeroizing<String>> {
    std::env::var(name)
        .ok()
        .filter(|text| !text.is_empty())
        .map(Zeroizing::new)
}

fn prompt(screen: Screen, text: &str) -> Result<Zeroizing<String>, Failure> {
    let no_terminal = || Failure::Failed(screen.words().no_passphrase.to_owned());
    if !std::io::stdin().is_terminal() {
        return Err(no_terminal());
    }
    rpassword::prompt_password(text)
        .map(Zeroizing::new)
        .map_err(|_error| no_terminal())
}
