//! What the machine has and lacks: Debian and Ubuntu packages, and Node.

use std::collections::BTreeSet;
use std::io::IsTerminal;

use tokio::process::Command;

use crate::error::Error;
use crate::shell;

/// What the machine is to be used for; each purpose includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Purpose {
    /// Building and running the relay and the command line.
    Programs,
    /// Building and showing the window.
    Window,
    /// Driving the window in tests, without a screen, and relays with a bus between them.
    WindowTests,
}

/// A C compiler and linker: one of the cryptographic libraries is written in C.
const FOR_PROGRAMS: &[&str] = &["build-essential", "pkg-config"];

/// The system web view, its sandbox, and a font that has Hangul.
const FOR_WINDOW: &[&str] = &[
    "bubblewrap",
    "fonts-noto-cjk",
    "fonts-noto-color-emoji",
    "libgtk-3-dev",
    "librsvg2-dev",
    "libwebkit2gtk-4.1-dev",
    "xdg-dbus-proxy",
];

/// A screen in memory, a window manager, WebKit's WebDriver, a message bus, and a Korean input method with a keyboard
/// that types by itself, sound without a sound card, a program to drag files from; and what joins relays behind one name.
const FOR_WINDOW_TESTS: &[&str] = &[
    "at-spi2-core",
    "dbus",
    "dbus-x11",
    "dconf-gsettings-backend",
    "gsettings-desktop-schemas",
    "ibus",
    "ibus-gtk3",
    "ibus-hangul",
    "libglib2.0-bin",
    "locales",
    "nats-server",
    "openbox",
    "pulseaudio",
    "python3-gi",
    "webkit2gtk-driver",
    "xdotool",
    "xvfb",
];

/// The Node versions that the front end's build accepts: this one or newer.
const NODE_MIN: (u32, u32) = (20, 19);

/// Names what is missing for `purpose`, installs it where that is possible, and fails with a clear word where not.
pub(crate) async fn prepare(purpose: Purpose) -> Result<(), Error> {
    install_packages(&packages(purpose)).await?;
    if purpose >= Purpose::Window {
        let version = node().await?;
        println!("   Node {version} is there");
    }
    Ok(())
}

/// True if the window's system libraries are here, whatever distribution they came from.
pub(crate) async fn has_window_libraries() -> bool {
    shell::ask(Command::new("pkg-config").args(["--exists", "webkit2gtk-4.1", "gtk+-3.0"]))
        .await
        .is_some()
}

/// The version of Node if it is new enough and npm is with it.
pub(crate) async fn node() -> Result<String, Error> {
    let remedy = || {
        let (major, minor) = NODE_MIN;
        format!(
            "Install Node {major}.{minor} or newer, with npm, from https://nodejs.org or your distribution, then try again."
        )
    };
    let absent = |what: String| Error::Absent {
        what,
        remedy: remedy(),
    };
    let said = shell::ask(Command::new("node").arg("--version"))
        .await
        .ok_or_else(|| absent("Node".to_owned()))?;
    let version = said.trim().trim_start_matches('v');
    if parse_version(version).is_none_or(|found| found < NODE_MIN) {
        return Err(absent(format!("A newer Node than {version}")));
    }
    shell::ask(Command::new("npm").arg("--version"))
        .await
        .ok_or_else(|| absent("npm".to_owned()))?;
    Ok(version.to_owned())
}

fn parse_version(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn packages(purpose: Purpose) -> Vec<&'static str> {
    let mut wanted = FOR_PROGRAMS.to_vec();
    if purpose >= Purpose::Window {
        wanted.extend(FOR_WINDOW);
    }
    if purpose >= Purpose::WindowTests {
        wanted.extend(FOR_WINDOW_TESTS);
    }
    wanted
}

async fn install_packages(wanted: &[&'static str]) -> Result<(), Error> {
    if !shell::has("dpkg-query") || !shell::has("apt-get") {
        println!(
            "   This is not Debian or Ubuntu, so nothing is installed for you. Debian calls what is needed:"
        );
        println!("   {}", wanted.join(" "));
        return Ok(());
    }
    let missing = missing(wanted).await;
    if missing.is_empty() {
        println!("   all {} system packages are there", wanted.len());
        return Ok(());
    }
    println!("   missing system packages: {}", missing.join(" "));
    apt_get(&["update"], &missing).await?;
    let mut install = vec!["install", "-y", "--no-install-recommends"];
    install.extend(&missing);
    apt_get(&install, &missing).await
}

/// Those of `wanted` that dpkg does not hold completely installed.
async fn missing(wanted: &[&'static str]) -> Vec<&'static str> {
    // dpkg-query fails as soon as one name is unknown to it, and still prints the others: ask for all, read what comes.
    let output = Command::new("dpkg-query")
        .args(["--show", "--showformat=${db:Status-Status} ${Package}\\n"])
        .args(wanted)
        .output()
        .await;
    let text = output.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).into_owned(),
    );
    let installed: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("installed "))
        .collect();
    wanted
        .iter()
        .copied()
        .filter(|package| !installed.contains(package))
        .collect()
}

async fn apt_get(arguments: &[&str], missing: &[&str]) -> Result<(), Error> {
    let mut command = as_root(missing)?;
    command
        .args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"])
        .args(["-o", "DPkg::Lock::Timeout=300"])
        .args(arguments);
    match shell::run(&mut command).await {
        Err(Error::Failed { .. }) => Err(cannot_install("apt-get did not succeed", missing)),
        other => other,
    }
}

/// `env`, as root: directly, or through sudo, which may ask for a password only where somebody can type one.
fn as_root(missing: &[&str]) -> Result<Command, Error> {
    if rustix::process::geteuid().is_root() {
        return Ok(Command::new("env"));
    }
    if !shell::has("sudo") {
        return Err(cannot_install(
            "you are not root and there is no sudo",
            missing,
        ));
    }
    let mut command = Command::new("sudo");
    if !std::io::stdin().is_terminal() {
        command.arg("--non-interactive");
    }
    command.arg("env");
    Ok(command)
}

fn cannot_install(reason: &str, missing: &[&str]) -> Error {
    let packages = missing.join(" ");
    Error::Absent {
        what: format!("What Debian and Ubuntu call {packages}"),
        remedy: format!(
            "It could not be installed ({reason}). As root:\n       apt-get update && apt-get install -y --no-install-recommends {packages}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number_not_by_text() {
        assert_eq!(parse_version("20.20.2"), Some((20, 20)));
        assert!(parse_version("9.99.0") < Some(NODE_MIN));
        assert!(parse_version("100.0.0") > Some(NODE_MIN));
        assert_eq!(parse_version("unknown"), None);
        assert_eq!(parse_version(""), None);
    }

    #[test]
    fn each_purpose_wants_what_the_one_before_wants() {
        let programs = packages(Purpose::Programs);
        let window = packages(Purpose::Window);
        let tests = packages(Purpose::WindowTests);
        assert!(programs.iter().all(|package| window.contains(package)));
        assert!(window.iter().all(|package| tests.contains(package)));
        let unique: BTreeSet<_> = tests.iter().collect();
        assert_eq!(unique.len(), tests.len());
    }
}
