//! A conversation as a file.

use serde::{Deserialize, Serialize};
use sori_client::{ExportFormat, ExportLanguage, ExportOptions, ExportProgress};
use tauri::State;
use tauri::ipc::Channel;

use super::Answer;
use super::progress::{Meter, Phase, ProgressView};
use crate::files;
use crate::session::Session;
use crate::settings::Language;

/// What to write, and where.
#[derive(Debug, Deserialize)]
pub(crate) struct Export {
    group: String,
    file: String,
    format: Format,
    replace: bool,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Format {
    Html,
    Json,
}

/// What was written.
#[derive(Debug, Serialize)]
pub(crate) struct Exported {
    file: String,
    lines: u64,
}

/// Where a person would look for a file first; empty if there is no home folder.
#[tauri::command]
pub(crate) fn documents_folder() -> String {
    let folder = files::documents();
    folder.map_or_else(String::new, |folder| folder.display().to_string())
}

#[tauri::command]
pub(crate) async fn group_export(
    session: State<'_, Session>,
    export: Export,
    progress: Channel<ProgressView>,
) -> Answer<Exported> {
    let (format, ending) = match export.format {
        Format::Html => (ExportFormat::Html, "html"),
        Format::Json => (ExportFormat::Json, "json"),
    };
    let language = match session.settings().language {
        Language::En => ExportLanguage::English,
        Language::Ko => ExportLanguage::Korean,
    };
    let file = files::to_write(&export.file, ending)?;
    let options = ExportOptions {
        format,
        language,
        replace: export.replace,
    };
    let mut meter = Meter::new(progress);
    let told = move |at: ExportProgress| meter.tell(Phase::Exporting, at.done, at.total);
    let lines = session
        .client()?
        .group_export(&export.group, &file, options, told)
        .await?;
    Ok(Exported {
        file: file.display().to_string(),
        lines,
    })
}
