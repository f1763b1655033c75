//! `sori restore`: a profile out of a backup.

use std::io::IsTerminal;
use std::path::PathBuf;

use serde_json::json;
use sori_client::{Client, RestoreProgress, UnlockChoice};

use crate::args::RestoreArgs;
use crate::failure::Failure;
use crate::profile;
use crate::screen::Screen;
use crate::words::fill;

/// Makes the profile in `dir`.
pub(crate) async fn run(screen: Screen, dir: PathBuf, args: RestoreArgs) -> Result<(), Failure> {
    let passphrase = profile::backup_passphrase(screen)?;
    let unlock = if args.keychain {
        UnlockChoice::Keychain
    } else {
        UnlockChoice::Passphrase(profile::new_passphrase(screen)?)
    };
    let place = (dir.clone(), unlock);
    Client::restore(args.file, passphrase, place, progress(screen)).await?;
    let dir = dir.to_string_lossy();
    screen.report(&json!({ "profile": dir }))?;
    screen.say_with(screen.words().restored, &[&dir])
}

/// Says on a terminal how far it has come.
fn progress(screen: Screen) -> impl FnMut(RestoreProgress) + Send + 'static {
    let is_seen = std::io::stderr().is_terminal();
    let mut said = None;
    move |at| {
        let words = screen.words();
        let (text, tenth) = match at {
            RestoreProgress::Reading { done, total } => {
                let percent = done.saturating_mul(100).checked_div(total).unwrap_or(100);
                let text = fill(words.restore_reading, &[&percent.to_string()]);
                (text, (0, percent / 10))
            }
            RestoreProgress::Sorting { done, total } => {
                let values = [&*done.to_string(), &*total.to_string()];
                (fill(words.restore_sorting, &values), (1, done / STEP))
            }
        };
        if is_seen && said != Some(tenth) {
            said = Some(tenth);
            screen.warn(&text);
        }
    }
}

/// Messages between two words about them.
const STEP: u64 = 10_000;
