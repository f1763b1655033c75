//! A conversation as a file that people and programs can read.
//!
//! The file is not sealed: whoever has it can read it. It is written beside its place under the name
//! `FILE.part`, readable by its owner only, and gets its name when it is complete. Memory stays bounded
//! whatever the length of the conversation: lines are read in pages of [`PAGE_LEN`], the oldest page first.

mod html;
mod json;
mod time;
mod words;

use std::io::Write;
use std::path::Path;

use sori_engine::view::{GroupView, MessageView};

use crate::client::Client;
use crate::error::Error;
use crate::part_file::PartFile;
use html::Html;
use json::Json;

/// Lines read at a time.
const PAGE_LEN: u32 = 200;

/// What kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// One page for a browser, with everything in it; it loads nothing and runs nothing.
    Html,
    /// For programs; described in docs/export.md.
    Json,
}

/// The language of what Sori itself says in the file. Messages stay as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportLanguage {
    /// English.
    English,
    /// Korean.
    Korean,
}

/// How to write the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExportOptions {
    /// What kind of file.
    pub format: ExportFormat,
    /// The language of a page for people; programs are not spoken to.
    pub language: ExportLanguage,
    /// Whether to take the place of a file that exists.
    pub replace: bool,
}

/// How far an export is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExportProgress {
    /// Lines found (first) and written (then).
    pub done: u64,
    /// Lines in all, once known.
    pub total: Option<u64>,
}

/// What is written around and for each line.
trait Format: Send {
    fn begin(&mut self, out: &mut dyn Write, group: &GroupView) -> std::io::Result<()>;
    fn line(&mut self, out: &mut dyn Write, message: &MessageView) -> std::io::Result<()>;
    fn end(&mut self, out: &mut dyn Write) -> std::io::Result<()>;
}

impl Client {
    /// Writes all lines of a group to a file, the oldest first, and gives their number. `progress` is
    /// called after each page. Of what arrives meanwhile some may be missing.
    ///
    /// # Errors
    /// [`Error::Export`] if the file exists or cannot be written: then nothing is left of it. Others as for
    /// all calls.
    pub async fn group_export(
        &self,
        group: &str,
        file: &Path,
        options: ExportOptions,
        mut progress: impl FnMut(ExportProgress) + Send,
    ) -> Result<u64, Error> {
        let groups = self.group_list().await?;
        let view = groups.into_iter().find(|view| view.group == group);
        let view = view.ok_or(Error::Engine(sori_engine::Error::NotFound("group")))?;
        let mut out = PartFile::create(file, options.replace)?;
        let mut format: Box<dyn Format> = match options.format {
            ExportFormat::Html => Box::new(Html::new(options.language)),
            ExportFormat::Json => Box::new(Json::default()),
        };
        let pages = self.pages(group, &mut progress).await?;
        format.begin(&mut out, &view)?;
        let mut done = 0_u64;
        for range in pages.oldest_first() {
            let lines = self.lines(group, range).await?;
            for line in lines.iter().rev() {
                format.line(&mut out, line)?;
            }
            done = done.saturating_add(count(&lines));
            progress(ExportProgress {
                done,
                total: Some(pages.total.max(done)),
            });
        }
        format.end(&mut out)?;
        out.complete()?;
        Ok(done)
    }

    /// Where to cut a conversation into pages: lines can only be listed backwards.
    async fn pages(
        &self,
        group: &str,
        progress: &mut impl FnMut(ExportProgress),
    ) -> Result<Pages, Error> {
        let mut pages = Pages::default();
        loop {
            let before = pages.ends.last().map(String::as_str);
            let lines = self.message_list(group, before, PAGE_LEN).await?;
            let Some(oldest) = lines.last() else {
                return Ok(pages);
            };
            pages.ends.push(oldest.id.clone());
            pages.total = pages.total.saturating_add(count(&lines));
            progress(ExportProgress {
                done: pages.total,
                total: None,
            });
        }
    }

    /// The lines of a page, the newest first; what has come between them since is among them.
    async fn lines(
        &self,
        group: &str,
        (before, end): (Option<&str>, &str),
    ) -> Result<Vec<MessageView>, Error> {
        let mut found: Vec<MessageView> = Vec::new();
        loop {
            let from = found.last().map(|line| line.id.as_str()).or(before);
            let lines = self.message_list(group, from, PAGE_LEN).await?;
            if lines.is_empty() {
                // The line that ends the page was taken away meanwhile.
                return Err(Error::Engine(sori_engine::Error::NotFound("message")));
            }
            let end = lines.iter().position(|line| line.id == end);
            let wanted = end.map_or(lines.len(), |end| end.saturating_add(1));
            found.extend(lines.into_iter().take(wanted));
            if end.is_some() {
                return Ok(found);
            }
        }
    }
}

/// A conversation cut into pages.
#[derive(Debug, Default)]
struct Pages {
    /// The oldest line of each page, the newest page first.
    ends: Vec<String>,
    /// Lines in all.
    total: u64,
}

impl Pages {
    /// For each page the line before which it is, if it is not the newest, and its oldest line.
    fn oldest_first(&self) -> impl Iterator<Item = (Option<&str>, &str)> {
        let before = std::iter::once(None).chain(self.ends.iter().map(|end| Some(end.as_str())));
        let pages: Vec<_> = before.zip(self.ends.iter().map(String::as_str)).collect();
        pages.into_iter().rev()
    }
}

fn count(lines: &[MessageView]) -> u64 {
    u64::try_from(lines.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
