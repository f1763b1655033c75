//! Build script: names every command that the window may be granted.

use std::error::Error;

use tauri_build::{AppManifest, Attributes, try_build};

fn main() -> Result<(), Box<dyn Error>> {
    let manifest = AppManifest::new().commands(&["app_start"]);
    Ok(try_build(Attributes::new().app_manifest(manifest))?)
}
