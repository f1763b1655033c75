//! Build script: names every command that the window may be granted. Without this list Tauri
//! lets each window call each command.

use std::error::Error;

use tauri_build::{AppManifest, Attributes, try_build};

include!("src/command_names.rs");

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=src/command_names.rs");
    // The front end is compiled in; it has to be built first.
    println!("cargo:rerun-if-changed=ui/dist");
    let manifest = AppManifest::new().commands(COMMANDS);
    Ok(try_build(Attributes::new().app_manifest(manifest))?)
}
