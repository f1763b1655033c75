//! `cargo xtask test`: everything that can be said about this checkout, from formatting to the real window.

use tokio::process::Command;

use crate::error::Error;
use crate::machine::Purpose;
use crate::step::Steps;
use crate::workspace::Workspace;
use crate::{check, front_end, judge, machine, mutants, shell};

/// The locale of the window tests; without it the toolkit falls back to English and to ASCII.
const LOCALE: &str = "ko_KR.UTF-8";

/// The window's package. Without the feature it would look for a development server instead of what it embeds.
const WINDOW: &[&str] = &["-p", "sori-desktop", "--features", "tauri/custom-protocol"];

/// Installs what is missing, then runs all checks and tests; the first step that fails ends it.
pub(crate) async fn test(workspace: &Workspace) -> Result<(), Error> {
    let mut steps = Steps::begin();
    steps.next("What this machine needs");
    machine::prepare(Purpose::WindowTests).await?;

    check::all(workspace, &mut steps).await?;

    steps.next("Build");
    // The suites in tests/ start the relay and the messenger as programs, so these must be there.
    shell::run(shell::cargo(workspace.root()).arg("build")).await?;
    steps.next("Tests");
    crates(workspace, &[]).await?;
    steps.next("Examples in the documentation");
    shell::run(shell::cargo(workspace.root()).args(["test", "--doc"])).await?;

    // Alone on the machine: it judges how soon something is forgotten.
    judge::good(workspace, &mut steps, None).await?;
    let which = match std::env::var_os("SORI_LONG") {
        Some(_) => judge::Which::All,
        None => judge::Which::Quick,
    };
    judge::client(workspace, &mut steps, which).await?;
    judge::broken(workspace, &mut steps, which).await?;
    steps.next("Find out the builds that are broken on purpose");
    mutants::mutants(workspace).await?;

    steps.next("Front end tests");
    front_end::script(workspace, "test").await?;
    steps.next("Build the window");
    build_window(workspace).await?;
    steps.next("Tests of the window's shell");
    crates(workspace, &[WINDOW, &["--no-tests=pass"]].concat()).await?;
    steps.next("Drive the window");
    window(workspace).await?;
    steps.done("All tests passed");
    Ok(())
}

/// Builds the window's program with the front end inside it; the front end itself must be built before.
pub(crate) async fn build_window(workspace: &Workspace) -> Result<(), Error> {
    shell::run(shell::cargo(workspace.root()).arg("build").args(WINDOW)).await
}

/// The tests of the default members, or of what `selection` says.
async fn crates(workspace: &Workspace, selection: &[&str]) -> Result<(), Error> {
    let mut command = shell::cargo(workspace.root());
    // No test may pass for want of a program that it needs.
    command.env("SORI_TEST_ALL", "1");
    if shell::has("cargo-nextest") {
        command.args(["nextest", "run"]).args(selection);
    } else {
        println!("   cargo-nextest is not installed: `cargo test` does the same, a little slower");
        command
            .arg("test")
            .args(["--lib", "--bins", "--tests"])
            .args(
                selection
                    .iter()
                    .filter(|argument| !argument.starts_with("--no-tests")),
            );
    }
    shell::run(&mut command).await
}

/// The end-to-end test of the real window, on screens in memory that the script starts itself.
async fn window(workspace: &Workspace) -> Result<(), Error> {
    let script = workspace.window_tests().join("run.mjs");
    make_locale().await;
    shell::run(
        Command::new("node")
            .arg(script)
            .current_dir(workspace.root())
            .env("CARGO_TARGET_DIR", workspace.target())
            // Also where there is a display: the test must not take it over, nor be disturbed by it.
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY"),
    )
    .await
}

/// Makes the Korean locale where it is missing and we may; the tests say themselves what they miss.
async fn make_locale() {
    let there = shell::ask(Command::new("locale").arg("-a"))
        .await
        .is_some_and(|names| {
            names
                .lines()
                .any(|name| name.eq_ignore_ascii_case("ko_KR.utf8"))
        });
    if there {
        return;
    }
    if !rustix::process::geteuid().is_root() {
        println!(
            "   the locale {LOCALE} is missing; as root: localedef -i ko_KR -f UTF-8 {LOCALE}"
        );
        return;
    }
    println!("   missing: the locale {LOCALE}");
    let _ =
        shell::run(Command::new("localedef").args(["-i", "ko_KR", "-f", "UTF-8", LOCALE])).await;
}
