//! Sori's desktop window.
//!
//! A thin shell: it opens one window on the front end of `ui/`, answers its commands with
//! [`sori_client`], and keeps the web view on a short leash. It decides nothing about groups,
//! people or messages, and no key ever reaches the page; the passphrase is the one secret that
//! crosses, inwards.
//!
//! ```text
//!  ui (Svelte) ── isolation gate ── commands ── Session ── sori-client
//! ```
//!
//! Start with [`window`] (what the page may not do), [`commands`] (what it may ask) and
//! [`session`] (what is open).

mod args;
mod autostart;
mod bus;
mod choosing;
mod chosen;
mod clipboard;
mod commands;
mod early;
mod files;
mod links;
mod notify;
mod pictures;
mod place;
mod refusal;
mod session;
mod settings;
mod stage;
mod system;
mod tray;
mod voice;
mod window;
mod wishes;

use std::process::ExitCode;

use clap::Parser;
use tauri::{AppHandle, Manager, RunEvent, WindowEvent};

use crate::args::Args;
use crate::bus::{Claim, Instance};
use crate::chosen::Chosen;
use crate::session::Session;
use crate::stage::Stage;
use crate::system::System;
use crate::voice::{Player, Recorder};
use crate::wishes::{Wish, Wishes};

fn main() -> ExitCode {
    // Where the system does not allow it, a messenger is worth more than none.
    let _dumps = sori_client::forbid_core_dumps();
    let args = Args::parse();
    if !stage::has_screen(&|name| std::env::var_os(name)) {
        return complain(
            "sori-desktop finds no screen to open a window on; on a terminal use sori",
        );
    }
    let stage = match Stage::enter() {
        Ok(stage) => stage,
        Err(error) => return complain(&format!("sori-desktop cannot start itself: {error}")),
    };
    let link = args.link.clone();
    let Some(session) = Session::new(args, stage) else {
        return complain("sori-desktop finds no home folder; say where with --profile DIR");
    };
    let claim = match Instance::claim(session.profile(), link.as_deref()) {
        Instance::First(claim) => claim,
        Instance::Told => return ExitCode::SUCCESS,
    };
    match run(session, claim, link.as_deref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&format!("sori-desktop cannot open its window: {error}")),
    }
}

fn run(session: Session, claim: Option<Claim>, link: Option<&str>) -> tauri::Result<()> {
    session.begin();
    let app = tauri::Builder::default()
        .manage(session)
        .manage(Wishes::default())
        .manage(Chosen::default())
        .manage(Player::default())
        .manage(Recorder::default())
        .manage(System::default())
        .invoke_handler(commands::handler())
        .setup(|app| {
            end_when_asked(app.handle().clone());
            window::open(app)?;
            system::begin(app.handle());
            Ok(())
        })
        .build(tauri::generate_context!())?;
    if let Some(wish) = link.and_then(Wish::link) {
        app.state::<Wishes>().tell(wish);
    }
    if let Some(claim) = &claim {
        let handle = app.handle().clone();
        claim.serve(move |link| {
            if let Some(wish) = Wish::link(link) {
                handle.state::<Wishes>().tell(wish);
            }
            system::show(&handle);
        });
    }
    app.run(|handle, event| match event {
        RunEvent::WindowEvent {
            event: WindowEvent::CloseRequested { api, .. },
            ..
        } => window::close_asked(handle, &api),
        RunEvent::WindowEvent {
            event: WindowEvent::DragDrop(drag),
            ..
        } => window::dragged(handle, drag),
        RunEvent::Exit => {
            tauri::async_runtime::block_on(handle.state::<Session>().shutdown());
        }
        _ => {}
    });
    drop(claim);
    Ok(())
}

/// Ends in good order when the system asks for it, as at the end of a session.
fn end_when_asked(handle: AppHandle) {
    tauri::async_runtime::spawn(async move {
        sori_client::asked_to_end().await;
        handle.exit(0);
    });
}

#[expect(
    clippy::print_stderr,
    reason = "there is no window to say it in: this is a program's last word on a terminal"
)]
fn complain(what: &str) -> ExitCode {
    eprintln!("{what}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    include!("command_names.rs");

    /// Words of `text` between `before` and `after`.
    fn between<'a>(text: &'a str, before: &str, after: &str) -> Vec<&'a str> {
        let mut found: Vec<_> = text
            .split(before)
            .skip(1)
            .filter_map(|rest| rest.split(after).next())
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    #[test]
    fn every_place_names_the_same_commands() {
        assert!(COMMANDS.is_sorted());

        let capability = include_str!("../capabilities/main.json").replace('-', "_");
        assert_eq!(between(&capability, "\"allow_", "\""), COMMANDS);

        let gate = include_str!("../isolation/index.js");
        assert_eq!(between(gate, "\n    '", "',"), COMMANDS);

        let front_end = include_str!("../ui/src/lib/tauri-backend.ts");
        assert_eq!(between(front_end, "call('", "'"), COMMANDS);

        let handler = include_str!("commands/mod.rs");
        let handler = between(handler, "generate_handler![", "]").concat();
        let mut handled: Vec<_> = handler
            .split([',', '\n', ' '])
            .filter_map(|path| path.split("::").nth(1))
            .collect();
        handled.sort_unstable();
        assert_eq!(handled, COMMANDS);
    }

    #[test]
    fn the_package_registers_links() {
        let entry = include_str!("../sori.desktop");
        assert!(entry.contains("\nMimeType=x-scheme-handler/sori;\n"));
        assert!(entry.contains("\nExec=sori-desktop %u\n"));
        let package = include_str!("../Cargo.toml");
        assert!(package.contains("[\"sori.desktop\", \"usr/share/applications/\", \"644\"]"));
    }

    #[test]
    fn the_page_may_load_nothing_from_anywhere() {
        let config: serde_json::Value =
            serde_json::from_str(include_str!("../tauri.conf.json")).unwrap();
        let security = &config["app"]["security"];
        assert_eq!(security["csp"]["default-src"], "'none'");
        assert_eq!(security["csp"]["require-trusted-types-for"], "'script'");
        for (directive, sources) in security["csp"].as_object().unwrap() {
            let sources = sources
                .as_str()
                .unwrap()
                .replace("http://ipc.localhost", "");
            assert!(!sources.contains("http"), "{directive} names a host");
            assert!(!sources.contains("unsafe"), "{directive} is unsafe");
            assert!(!sources.contains('*'), "{directive} has a wildcard");
        }
        assert_eq!(security["freezePrototype"], true);
        assert_eq!(security["assetProtocol"]["enable"], false);
        assert_eq!(security["pattern"]["use"], "isolation");
        assert_eq!(config["app"]["withGlobalTauri"], false);
    }
}
