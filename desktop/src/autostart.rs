//! Starting with the login, as the autostart specification of freedesktop.org has it.

use std::fs::{self, DirBuilder};
use std::io;
use std::path::{Path, PathBuf};

use crate::settings::folder;

/// The entry of this program; `None` if there is no home folder.
pub(crate) fn file() -> Option<PathBuf> {
    Some(folder("XDG_CONFIG_HOME", ".config")?.join("autostart/org.sori.desktop.desktop"))
}

/// Makes the entry or takes it away.
///
/// # Errors
/// When the folder cannot be written.
pub(crate) fn set(file: &Path, wanted: bool) -> io::Result<()> {
    if !wanted {
        return match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        };
    }
    if let Some(folder) = file.parent() {
        DirBuilder::new().recursive(true).create(folder)?;
    }
    let program = std::env::current_exe()?;
    let entry = entry(&program).ok_or(io::ErrorKind::InvalidInput)?;
    fs::write(file, entry)
}

/// The text of the entry. Some signs in a path have a meaning there.
fn entry(program: &Path) -> Option<String> {
    let program = program.to_str()?;
    if program.chars().any(char::is_control) {
        return None;
    }
    let mut quoted = String::new();
    for sign in program.chars() {
        match sign {
            // Once for the value of the key, once for the quoted argument.
            '\\' => quoted.push_str("\\\\\\\\"),
            '"' | '`' | '$' => {
                quoted.push_str("\\\\");
                quoted.push(sign);
            }
            '%' => quoted.push_str("%%"),
            other => quoted.push(other),
        }
    }
    Some(format!(
        "[Desktop Entry]\nType=Application\nName=Sori\nExec=\"{quoted}\" --minimized\nX-GNOME-Autostart-enabled=true\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_comes_and_goes() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("autostart/org.sori.desktop.desktop");
        set(&file, false).unwrap();
        set(&file, true).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains("Exec=\"/") && text.contains("\" --minimized\n"));
        set(&file, false).unwrap();
        assert!(!file.exists());
    }

    #[test]
    fn a_path_stays_one_argument() {
        let entry = entry(Path::new("/opt/my \"tools\"/100%/sori")).unwrap();
        assert!(
            entry.contains("Exec=\"/opt/my \\\\\"tools\\\\\"/100%%/sori\" --minimized\n"),
            "{entry}"
        );
        assert_eq!(super::entry(Path::new("/opt/a\nb")), None);
    }
}
