//! Two starts in one: the first sets the environment of the web view and starts the program over
//! in the same process; the second opens the window.
//!
//! WebKit reads how it shall run from the environment, before anything of ours could tell it
//! otherwise, and changing the environment of a running program is unsafe in Rust.

use std::ffi::OsString;
use std::io;
use std::process::{Command, Stdio};

/// Set for the second start; its value says how far the first got.
const STAGE: &str = "SORI_DESKTOP_STAGE";
const SANDBOXED: &str = "sandboxed";
const PLAIN: &str = "plain";

/// What the second start knows of the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The web view's processes run without a sandbox: the system does not permit one.
    Plain,
    /// The web view's processes run in a sandbox of their own, without network and files.
    Sandboxed,
}

impl Stage {
    /// Answers in the second start. In the first it does not come back unless that failed.
    ///
    /// # Errors
    /// When the program cannot be started over.
    pub(crate) fn enter() -> io::Result<Self> {
        match std::env::var(STAGE).as_deref() {
            Ok(SANDBOXED) => Ok(Self::Sandboxed),
            Ok(_) => Ok(Self::Plain),
            Err(_) => Err(start_over()),
        }
    }
}

/// Replaces this process by the same program with the environment that it needs.
#[cfg(unix)]
fn start_over() -> io::Error {
    use std::os::unix::process::CommandExt;

    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return error,
    };
    let mut command = Command::new(program);
    command.args(std::env::args_os().skip(1));
    for (name, value) in additions(can_sandbox(), &|name| std::env::var_os(name)) {
        command.env(name, value);
    }
    if !cfg!(any(debug_assertions, feature = "driven")) {
        // With these anybody of the same login could drive a shipped window by WebDriver.
        command.env_remove("TAURI_AUTOMATION");
        command.env_remove("TAURI_WEBVIEW_AUTOMATION");
    }
    command.exec()
}

#[cfg(not(unix))]
fn start_over() -> io::Error {
    io::Error::from(io::ErrorKind::Unsupported)
}

/// What the second start gets on top of the environment; what a person has set stays.
fn additions(
    can_sandbox: bool,
    present: &dyn Fn(&str) -> Option<OsString>,
) -> Vec<(&'static str, &'static str)> {
    let mut set = Vec::new();
    if can_sandbox && present("WEBKIT_FORCE_SANDBOX").is_none() {
        set.push(("WEBKIT_FORCE_SANDBOX", "1"));
    }
    let is_sandboxed = match present("WEBKIT_FORCE_SANDBOX") {
        Some(value) => can_sandbox && value != "0",
        None => can_sandbox,
    };
    set.push((STAGE, if is_sandboxed { SANDBOXED } else { PLAIN }));
    set
}

/// Whether the environment names a screen. The toolkit would end the program with a stack trace.
pub(crate) fn has_screen(present: &dyn Fn(&str) -> Option<OsString>) -> bool {
    !cfg!(target_os = "linux")
        || ["DISPLAY", "WAYLAND_DISPLAY"]
            .into_iter()
            .filter_map(present)
            .any(|value| !value.is_empty())
}

/// Whether bubblewrap, which WebKit uses, is here and permitted: some systems and containers
/// refuse user namespaces, and WebKit would then show nothing at all.
fn can_sandbox() -> bool {
    Command::new("bwrap")
        .args(["--ro-bind", "/", "/", "--unshare-all", "--", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_name: &str) -> Option<OsString> {
        None
    }

    #[test]
    fn a_screen_is_one_that_is_named() {
        assert!(!has_screen(&nothing));
        assert!(!has_screen(&|_name| Some(OsString::new())));
        assert!(has_screen(
            &|name| (name == "WAYLAND_DISPLAY").then(|| OsString::from("wayland-0"))
        ));
    }

    #[test]
    fn a_sandbox_is_forced_where_the_system_permits_one() {
        let set = additions(true, &nothing);
        assert!(set.contains(&("WEBKIT_FORCE_SANDBOX", "1")));
        assert!(set.contains(&(STAGE, SANDBOXED)));
    }

    #[test]
    fn without_bubblewrap_the_window_opens_and_says_so() {
        let set = additions(false, &nothing);
        assert!(!set.iter().any(|(name, _)| *name == "WEBKIT_FORCE_SANDBOX"));
        assert!(set.contains(&(STAGE, PLAIN)));
    }

    #[test]
    fn what_a_person_set_stays_and_is_told_truly() {
        let off = |name: &str| (name == "WEBKIT_FORCE_SANDBOX").then(|| OsString::from("0"));
        let set = additions(true, &off);
        assert!(!set.iter().any(|(name, _)| *name == "WEBKIT_FORCE_SANDBOX"));
        assert!(set.contains(&(STAGE, PLAIN)));
    }
}
