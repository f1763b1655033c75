//! What the window remembers outside the profile: how it looks. It has to be known before
//! anything is unlocked, and says nothing about anybody.

use std::fs::{self, DirBuilder};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Language of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Language {
    /// English.
    En,
    /// Korean.
    Ko,
}

/// Light or dark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Theme {
    /// Always dark.
    Dark,
    /// Always light.
    Light,
    /// As the system.
    #[default]
    System,
}

/// What a notification says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Notify {
    /// Who and what.
    All,
    /// That there is something.
    #[default]
    Hidden,
    /// Nothing at all: there is none.
    Off,
    /// Who.
    Who,
}

/// Which key sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SendWith {
    /// Control and Enter; Enter alone begins a line.
    CtrlEnter,
    /// Enter; with Shift it begins a line.
    #[default]
    Enter,
}

/// How the window looks and behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) language: Language,
    pub(crate) theme: Theme,
    #[serde(default)]
    pub(crate) notify: Notify,
    /// Minutes without a key or the mouse after which the page asks to lock; zero for never.
    #[serde(default)]
    pub(crate) lock_after_min: u16,
    #[serde(default = "yes")]
    pub(crate) close_to_tray: bool,
    #[serde(default)]
    pub(crate) autostart: bool,
    /// Size of everything, in per cent.
    #[serde(default = "whole")]
    pub(crate) zoom: u16,
    #[serde(default)]
    pub(crate) send_with: SendWith,
    /// Whether times go from 0 to 24 in every language.
    #[serde(default)]
    pub(crate) whole_day: bool,
    /// How wide the list of conversations is, in dots of the page; zero as long as nobody has moved its edge.
    #[serde(default)]
    pub(crate) list_width: u16,
}

const fn yes() -> bool {
    true
}

const fn whole() -> u16 {
    100
}

impl Settings {
    /// What was saved, or what suits this login. A file that does not parse counts as none.
    pub(crate) fn load(file: Option<&Path>) -> Self {
        file.and_then(|file| fs::read(file).ok())
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_else(|| Self {
                language: language_of(&|name| std::env::var(name).ok()),
                theme: Theme::default(),
                notify: Notify::default(),
                lock_after_min: 0,
                close_to_tray: yes(),
                autostart: false,
                zoom: whole(),
                send_with: SendWith::default(),
                whole_day: false,
                list_width: 0,
            })
    }

    /// The factor by which everything is drawn larger, within what can be read and fits.
    pub(crate) fn scale(self) -> f64 {
        f64::from(self.zoom.clamp(80, 200)) / 100.0
    }

    /// Saves to `file`, which is replaced as a whole.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub(crate) fn save(self, file: &Path) -> io::Result<()> {
        if let Some(folder) = file.parent() {
            DirBuilder::new().recursive(true).create(folder)?;
        }
        let fresh = file.with_extension(format!("{}.new", std::process::id()));
        fs::write(&fresh, serde_json::to_vec(&self)?)?;
        fs::rename(fresh, file)
    }
}

/// Where the settings are: one file for all profiles of a login.
pub(crate) fn file() -> Option<PathBuf> {
    Some(folder("XDG_CONFIG_HOME", ".config")?.join("sori/desktop.json"))
}

/// The profile that is opened when none is named.
pub(crate) fn default_profile() -> Option<PathBuf> {
    Some(folder("XDG_DATA_HOME", ".local/share")?.join("sori/default"))
}

/// A folder of the XDG base directory specification; a relative one counts as none, as it says.
pub(crate) fn folder(variable: &str, below_home: &str) -> Option<PathBuf> {
    std::env::var_os(variable)
        .map(PathBuf::from)
        .filter(|folder| folder.is_absolute())
        .or_else(|| Some(std::env::home_dir()?.join(below_home)))
}

/// The language of the login, by the variables of POSIX in their order.
fn language_of(variable: &dyn Fn(&str) -> Option<String>) -> Language {
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"]
        .into_iter()
        .filter_map(variable)
        .find(|value| !value.is_empty());
    match locale {
        Some(locale) if locale.starts_with("ko") => Language::Ko,
        _ => Language::En,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("sori/desktop.json");
        let settings = Settings {
            language: Language::Ko,
            theme: Theme::Dark,
            notify: Notify::Who,
            lock_after_min: 5,
            ..Settings::load(None)
        };
        settings.save(&file).unwrap();
        assert_eq!(Settings::load(Some(&file)), settings);
        assert_eq!(fs::read_dir(dir.path().join("sori")).unwrap().count(), 1);
    }

    #[test]
    fn a_file_of_nonsense_counts_as_none() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("desktop.json");
        fs::write(&file, b"{\"language\":7}").unwrap();
        assert_eq!(Settings::load(Some(&file)).theme, Theme::System);
    }

    #[test]
    fn settings_of_an_earlier_version_are_read_and_zoom_has_bounds() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("desktop.json");
        fs::write(&file, br#"{"language":"ko","theme":"dark"}"#).unwrap();
        let settings = Settings::load(Some(&file));
        assert_eq!((settings.theme, settings.zoom), (Theme::Dark, 100));
        assert!(settings.close_to_tray && settings.notify == Notify::Hidden);
        let scale = |zoom| Settings { zoom, ..settings }.scale();
        assert_eq!((scale(10), scale(150), scale(900)), (0.8, 1.5, 2.0));
    }

    #[test]
    fn the_language_is_that_of_the_login() {
        let with = |set: &'static [(&str, &str)]| {
            language_of(&|name| {
                let found = set.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(with(&[("LANG", "ko_KR.UTF-8")]), Language::Ko);
        assert_eq!(
            with(&[("LC_ALL", ""), ("LANG", "ko_KR.UTF-8")]),
            Language::Ko
        );
        assert_eq!(
            with(&[("LC_ALL", "en_US.UTF-8"), ("LANG", "ko_KR.UTF-8")]),
            Language::En
        );
        assert_eq!(with(&[]), Language::En);
    }
}
