//! Where files for the person go.
//!
//! The page names the place and this decides: a whole path, and an ending that fits what is
//! written, so that whatever ran in the page could not write over a program or its settings.

use std::fs;
use std::path::{Path, PathBuf};

use crate::refusal::Refusal;
use crate::settings::folder;

/// The path that a person typed, with `ending` put behind a name that has another or none.
///
/// # Errors
/// `file_place` for anything but a whole path with a name at its end.
pub(crate) fn to_write(typed: &str, ending: &str) -> Result<PathBuf, Refusal> {
    let mut path = to_read(typed)?;
    let fits = path
        .extension()
        .is_some_and(|found| found.eq_ignore_ascii_case(ending));
    if !fits && let Some(name) = path.file_name() {
        let mut name = name.to_owned();
        name.push(".");
        name.push(ending);
        path.set_file_name(name);
    }
    Ok(path)
}

/// The path that a person typed; `~` is their home.
///
/// # Errors
/// As [`to_write`].
pub(crate) fn to_read(typed: &str) -> Result<PathBuf, Refusal> {
    let typed = typed.trim();
    let path = match typed.strip_prefix("~/") {
        Some(rest) => std::env::home_dir().map(|home| home.join(rest)),
        None => Some(PathBuf::from(typed)),
    };
    path.filter(|path| path.is_absolute() && path.file_name().is_some() && !typed.ends_with('/'))
        .ok_or_else(Refusal::file_place)
}

/// The folder for documents of this login, by the XDG user directories; the home folder if there is none.
pub(crate) fn documents() -> Option<PathBuf> {
    let home = std::env::home_dir()?;
    let named = folder("XDG_CONFIG_HOME", ".config")
        .and_then(|config| fs::read_to_string(config.join("user-dirs.dirs")).ok())
        .and_then(|text| documents_in(&text, &home));
    let usual = home.join("Documents");
    let found = [named, Some(usual)].into_iter().flatten();
    found.into_iter().find(|path| path.is_dir()).or(Some(home))
}

/// What a `user-dirs.dirs` says: `XDG_DOCUMENTS_DIR="$HOME/folder"`, or an absolute path there.
fn documents_in(text: &str, home: &Path) -> Option<PathBuf> {
    let value = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("XDG_DOCUMENTS_DIR=\""))?
        .strip_suffix('"')?
        .replace('\\', "");
    match value.strip_prefix("$HOME") {
        Some(rest) => Some(home.join(rest.trim_start_matches('/'))),
        None => Some(PathBuf::from(value)).filter(|path| path.is_absolute()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_has_the_ending_of_its_kind() {
        for (typed, path) in [
            ("/home/me/talk.html", "/home/me/talk.html"),
            (" /home/me/talk.HTML ", "/home/me/talk.HTML"),
            ("/home/me/주말 등산", "/home/me/주말 등산.html"),
            ("/home/me/.bashrc", "/home/me/.bashrc.html"),
            ("/home/me/talk.desktop", "/home/me/talk.desktop.html"),
        ] {
            assert_eq!(to_write(typed, "html").unwrap(), PathBuf::from(path));
        }
    }

    #[test]
    fn a_place_is_a_whole_path_with_a_name() {
        for typed in ["", "talk.html", "./talk.html", "/", "/home/me/", "/home/.."] {
            assert_eq!(to_read(typed), Err(Refusal::file_place()), "{typed:?}");
        }
        let home = std::env::home_dir().unwrap();
        assert_eq!(to_read("~/talk.html"), Ok(home.join("talk.html")));
    }

    #[test]
    fn the_folder_for_documents_is_the_one_that_the_login_names() {
        let home = Path::new("/home/me");
        let text = "# written by xdg-user-dirs-update\nXDG_DESKTOP_DIR=\"$HOME/바탕화면\"\nXDG_DOCUMENTS_DIR=\"$HOME/문서\"\n";
        assert_eq!(
            documents_in(text, home),
            Some(PathBuf::from("/home/me/문서"))
        );
        let elsewhere = "XDG_DOCUMENTS_DIR=\"/data/my \\\"papers\\\"\"";
        assert_eq!(
            documents_in(elsewhere, home),
            Some(PathBuf::from("/data/my \"papers\""))
        );
        assert_eq!(documents_in("XDG_DOCUMENTS_DIR=\"papers\"", home), None);
        assert_eq!(documents_in("", home), None);
    }
}
