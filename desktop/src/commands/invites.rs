//! Inviting, joining, letting in.

use std::fmt::Write;

use serde::{Deserialize, Serialize};
use sori_client::{InviteOptions, JoinView, QrMatrix};
use tauri::State;

use super::Answer;
use crate::session::Session;

/// What an invite shall permit.
#[derive(Debug, Deserialize)]
pub(crate) struct Options {
    group: Option<String>,
    uses: u32,
    expires_s: u64,
}

/// An invite to show: as a link and as a QR code.
#[derive(Debug, Serialize)]
pub(crate) struct InviteView {
    url: String,
    /// `None` if the link is too long for one.
    qr: Option<QrView>,
}

/// A QR code as the page draws it: SVG path data of unit squares on a `size` by `size` field.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct QrView {
    size: usize,
    path: String,
}

impl QrView {
    pub(super) fn new(text: &str) -> Option<Self> {
        let matrix = QrMatrix::new(text).ok()?;
        let mut path = String::new();
        for (y, row) in matrix.rows().iter().enumerate() {
            let mut x = 0;
            for run in row.chunk_by(|a, b| a == b) {
                let width = run.len();
                if run.first() == Some(&true) {
                    // Writing to a string cannot fail.
                    let _written = write!(path, "M{x} {y}h{width}v1h-{width}z");
                }
                x += width;
            }
        }
        Some(Self {
            size: matrix.width(),
            path,
        })
    }
}

#[tauri::command]
pub(crate) async fn invite_create(
    session: State<'_, Session>,
    options: Options,
) -> Answer<InviteView> {
    let options = InviteOptions {
        group: options.group,
        uses: Some(options.uses),
        expires_s: Some(options.expires_s),
    };
    let url = session.client()?.invite_create(options).await?;
    let qr = QrView::new(&url);
    Ok(InviteView { url, qr })
}

#[tauri::command]
pub(crate) async fn invite_accept(session: State<'_, Session>, url: String) -> Answer<String> {
    Ok(session.client()?.invite_accept(&url).await?)
}

#[tauri::command]
pub(crate) async fn join_list(session: State<'_, Session>) -> Answer<Vec<JoinView>> {
    Ok(session.client()?.join_list().await?)
}

#[tauri::command]
pub(crate) async fn join_approve(session: State<'_, Session>, id: String) -> Answer<()> {
    Ok(session.client()?.join_approve(&id).await?)
}

#[tauri::command]
pub(crate) async fn join_deny(session: State<'_, Session>, id: String) -> Answer<()> {
    Ok(session.client()?.join_deny(&id).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_drawn_in_runs_and_begins_with_its_finder() {
        let qr = QrView::new("sori:invite#abc").unwrap();
        assert!(qr.path.starts_with("M0 0h7v1h-7z"));
        assert!(qr.path.contains("M0 1h1v1h-1zM6 1h1v1h-1z"));
    }

    #[test]
    fn a_text_too_long_for_a_code_has_none() {
        assert_eq!(QrView::new(&"x".repeat(4000)), None);
    }
}
