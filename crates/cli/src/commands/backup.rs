//! `sori backup`: the profile as one sealed file.

use std::io::IsTerminal;

use serde_json::json;
use sori_client::{BackupProgress, Client};

use crate::args::BackupArgs;
use crate::failure::Failure;
use crate::profile;
use crate::screen::Screen;
use crate::words::fill;

/// Writes the backup.
pub(crate) async fn run(screen: Screen, client: &Client, args: BackupArgs) -> Result<(), Failure> {
    let passphrase = profile::new_backup_passphrase(screen)?;
    let len = client
        .backup(&args.file, &passphrase, args.force, progress(screen))
        .await?;
    let file = args.file.to_string_lossy();
    screen.report(&json!({ "file": file, "bytes": len }))?;
    let kibibytes = len.div_ceil(1024).to_string();
    screen.say_with(screen.words().backed_up, &[&file, &kibibytes])
}

/// Says on a terminal how far it has come.
fn progress(screen: Screen) -> impl FnMut(BackupProgress) {
    let is_seen = std::io::stderr().is_terminal();
    let mut said = 0;
    move |BackupProgress { done, total }| {
        if is_seen && done >= said + STEP {
            said = done;
            let values = [&*done.to_string(), &*total.to_string()];
            screen.warn(&fill(screen.words().backup_progress, &values));
        }
    }
}

/// Messages between two words about it.
const STEP: u64 = 10_000;
