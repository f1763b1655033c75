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
/// Has WebKit draw what is on a page by the processor, and not by a card that the processor emulates.
const NO_GRAPHICS: &str = "WEBKIT_SKIA_ENABLE_CPU_RENDERING";
/// Keeps GTK from asking the X server for what only a card is good for: where there is none, that loads an emulation of one.
const NO_GL: &str = "GDK_GL";
/// Has it draw the page into the window itself, without layers that a card would put together. Not wherever there is no card:
/// see [`may_compose`] and [`crate::drawing`].
const NO_LAYERS: &str = "WEBKIT_DISABLE_COMPOSITING_MODE";

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

/// Starts the program over such that the page is drawn in layers; comes back only if that failed.
#[cfg(unix)]
pub(crate) fn start_over_with_layers() -> io::Error {
    use std::os::unix::process::CommandExt;

    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return error,
    };
    let mut command = Command::new(program);
    command.args(std::env::args_os().skip(1));
    command.env_remove(STAGE).env(NO_LAYERS, "0").exec()
}

#[cfg(not(unix))]
pub(crate) fn start_over_with_layers() -> io::Error {
    io::Error::from(io::ErrorKind::Unsupported)
}

/// Whether this start has the page drawn into the window itself.
pub(crate) fn draws_without_layers(present: &dyn Fn(&str) -> Option<OsString>) -> bool {
    present(NO_LAYERS).is_some_and(|value| value != "0")
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
    if !draws_fast && present(NO_GL).is_none() {
        set.push((NO_GL, "disable"));
    }
    if !draws_fast && present(NO_LAYERS).is_none() && !may_compose(present) {
        set.push((NO_LAYERS, "1"));
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

/// Whether an input method may compose letters in the window, as far as the environment says. Without layers WebKitGTK 2.50 loses a syllable
/// that is being composed when somebody presses elsewhere; and on Wayland the input method is the screen's own affair.
fn may_compose(present: &dyn Fn(&str) -> Option<OsString>) -> bool {
    let names = ["GTK_IM_MODULE", "XMODIFIERS", "WAYLAND_DISPLAY"];
    let mut set = names.into_iter().filter_map(present);
    set.any(|value| !value.is_empty())
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
        assert!(additions(machine, &nothing).contains(&(NO_GL, "disable")));
        let set_by_hand = |name: &str| (name == NO_GRAPHICS).then(|| OsString::from("0"));
        let names = |set: Vec<(&'static str, &'static str)>| set.into_iter().map(|(name, _)| name);
        assert!(!names(additions(machine, &set_by_hand)).any(|name| name == NO_GRAPHICS));
        assert!(!names(additions(WHOLE, &nothing)).any(|name| name == NO_GRAPHICS));
    }

    #[test]
    fn a_page_is_drawn_without_layers_where_there_is_no_card_and_no_input_method() {
        let machine = Machine {
            draws_fast: false,
            ..WHOLE
        };
        let without = |env: &[(&str, &str)], machine| {
            let present = |name: &str| {
                let found = env.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| OsString::from(value))
            };
            additions(machine, &present).contains(&(NO_LAYERS, "1"))
        };
        assert!(without(&[], machine));
        assert!(without(
            &[("GTK_IM_MODULE", ""), ("XMODIFIERS", "")],
            machine
        ));
        assert!(!without(&[], WHOLE));
        assert!(!without(&[("GTK_IM_MODULE", "ibus")], machine));
        assert!(!without(&[("XMODIFIERS", "@im=nabi")], machine));
        assert!(!without(&[("WAYLAND_DISPLAY", "wayland-0")], machine));
        assert!(!without(&[(NO_LAYERS, "0")], machine));
        let set = |value: &'static str| move |_: &str| Some(OsString::from(value));
        assert!(draws_without_layers(&set("1")));
        assert!(!draws_without_layers(&set("0")) && !draws_without_layers(&nothing));
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
