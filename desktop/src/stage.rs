//! Two starts in one: the first sets the environment of the web view and starts the program over
//! in the same process; the second opens the window.
//!
//! WebKit reads how it shall run from the environment, before anything of ours could tell it
//! otherwise, and changing the environment of a running program is unsafe in Rust.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

/// Set for the second start; its value says how far the first got.
const STAGE: &str = "SORI_DESKTOP_STAGE";
const SANDBOXED: &str = "sandboxed";
const PLAIN: &str = "plain";
/// Has WebKit draw what is on a page by the processor. `WEBKIT_DISABLE_DMABUF_RENDERER` and `WEBKIT_DISABLE_COMPOSITING_MODE` leave
/// more to it, and left the window empty in a Korean login until something in it moved.
const NO_GRAPHICS: &str = "WEBKIT_SKIA_ENABLE_CPU_RENDERING";

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
    let machine = Machine {
        can_sandbox: can_sandbox(),
        draws_fast: draws_fast(Path::new("/")),
    };
    for (name, value) in additions(machine, &|name| std::env::var_os(name)) {
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

/// Bytes of memory that the page's collector takes the machine to have. It collects the more seldom the more there is:
/// on a machine with 24 GiB, scrolling through ten thousand messages left a hundred megabytes more behind.
const SCRIPT_MEMORY: &str = "JSC_forceRAMSize";

/// What the system offers to a web view.
#[derive(Clone, Copy)]
struct Machine {
    /// See [`can_sandbox`].
    can_sandbox: bool,
    /// See [`draws_fast`].
    draws_fast: bool,
}

/// What the second start gets on top of the environment; what a person has set stays.
fn additions(
    machine: Machine,
    present: &dyn Fn(&str) -> Option<OsString>,
) -> Vec<(&'static str, &'static str)> {
    let Machine {
        can_sandbox,
        draws_fast,
    } = machine;
    let mut set = Vec::new();
    if present(SCRIPT_MEMORY).is_none() {
        set.push((SCRIPT_MEMORY, "402653184"));
    }
    if !draws_fast && present(NO_GRAPHICS).is_none() {
        set.push((NO_GRAPHICS, "1"));
    }
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

/// Whether there is a graphics card that draws a page sooner than the processor does. Without one WebKit would have a card
/// emulated, which takes most of a second longer to start and forty megabytes.
fn draws_fast(root: &Path) -> bool {
    let is_card = |entry: io::Result<std::fs::DirEntry>| {
        entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("renderD"))
    };
    std::fs::read_dir(root.join("dev/dri")).is_ok_and(|mut entries| entries.any(is_card))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Machine = Machine {
        can_sandbox: true,
        draws_fast: true,
    };

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
        let set = additions(WHOLE, &nothing);
        assert!(set.contains(&("WEBKIT_FORCE_SANDBOX", "1")));
        assert!(set.contains(&(STAGE, SANDBOXED)));
    }

    #[test]
    fn without_bubblewrap_the_window_opens_and_says_so() {
        let machine = Machine {
            can_sandbox: false,
            ..WHOLE
        };
        let set = additions(machine, &nothing);
        assert!(!set.iter().any(|(name, _)| *name == "WEBKIT_FORCE_SANDBOX"));
        assert!(set.contains(&(STAGE, PLAIN)));
    }

    #[test]
    fn what_a_person_set_stays_and_is_told_truly() {
        let off = |name: &str| (name == "WEBKIT_FORCE_SANDBOX").then(|| OsString::from("0"));
        let set = additions(WHOLE, &off);
        assert!(!set.iter().any(|(name, _)| *name == "WEBKIT_FORCE_SANDBOX"));
        assert!(set.contains(&(STAGE, PLAIN)));
    }

    #[test]
    fn a_page_is_drawn_by_the_processor_where_no_card_is_faster() {
        let machine = Machine {
            draws_fast: false,
            ..WHOLE
        };
        assert!(additions(machine, &nothing).contains(&(NO_GRAPHICS, "1")));
        let set_by_hand = |name: &str| (name == NO_GRAPHICS).then(|| OsString::from("0"));
        let names = |set: Vec<(&'static str, &'static str)>| set.into_iter().map(|(name, _)| name);
        assert!(!names(additions(machine, &set_by_hand)).any(|name| name == NO_GRAPHICS));
        assert!(!names(additions(WHOLE, &nothing)).any(|name| name == NO_GRAPHICS));
    }

    #[test]
    fn a_card_is_one_that_draws() {
        let root = tempfile::tempdir().unwrap();
        assert!(!draws_fast(root.path()));
        let cards = root.path().join("dev/dri");
        std::fs::create_dir_all(&cards).unwrap();
        std::fs::write(cards.join("card0"), "").unwrap();
        assert!(!draws_fast(root.path()), "a screen alone draws nothing");
        std::fs::write(cards.join("renderD128"), "").unwrap();
        assert!(draws_fast(root.path()));
    }
}
