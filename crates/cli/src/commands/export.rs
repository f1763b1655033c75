//! `sori export`: a conversation as a file.

use std::io::IsTerminal;
use std::path::Path;

use serde_json::json;
use sori_client::{Client, ExportFormat, ExportLanguage, ExportOptions, ExportProgress};

use crate::args::{ExportArgs, FileFormat, PageLanguage};
use crate::failure::Failure;
use crate::find;
use crate::screen::Screen;
use crate::words::{Language, fill};

/// Writes a whole conversation to a file.
pub(crate) async fn run(screen: Screen, client: &Client, args: ExportArgs) -> Result<(), Failure> {
    let group = find::group(screen, client, &args.group).await?;
    let options = ExportOptions {
        format: format(&args),
        language: match args.language {
            Some(PageLanguage::En) => ExportLanguage::English,
            Some(PageLanguage::Ko) => ExportLanguage::Korean,
            None => match screen.language {
                Language::English => ExportLanguage::English,
                Language::Korean => ExportLanguage::Korean,
            },
        },
        replace: args.force,
    };
    let progress = progress(screen);
    let lines = client
        .group_export(&group.group, &args.file, options, progress)
        .await?;
    let file = args.file.to_string_lossy();
    screen.report(&json!({ "file": file, "lines": lines }))?;
    screen.say_with(screen.words().exported, &[&lines.to_string(), &file])?;
    screen.warn(screen.words().export_is_open);
    Ok(())
}

/// What was asked for, or what the name of the file asks for.
fn format(args: &ExportArgs) -> ExportFormat {
    let ends_in_json = |file: &Path| {
        let ending = file.extension();
        ending.is_some_and(|ending| ending.eq_ignore_ascii_case("json"))
    };
    match args.format {
        Some(FileFormat::Html) => ExportFormat::Html,
        Some(FileFormat::Json) => ExportFormat::Json,
        None if ends_in_json(&args.file) => ExportFormat::Json,
        None => ExportFormat::Html,
    }
}

/// Says on a terminal how far it has come: each [`STEP`] lines are enough to see that it goes on.
fn progress(screen: Screen) -> impl FnMut(ExportProgress) + Send {
    let is_seen = std::io::stderr().is_terminal();
    let mut said = 0;
    move |ExportProgress { done, total }| {
        if done < said {
            said = 0;
        }
        if !is_seen || done < said.saturating_add(STEP) {
            return;
        }
        said = done;
        let words = screen.words();
        let done = done.to_string();
        screen.warn(&match total {
            None => fill(words.export_found, &[&done]),
            Some(total) => fill(words.export_written, &[&done, &total.to_string()]),
        });
    }
}

/// Lines between two words about it.
const STEP: u64 = 2_000;
