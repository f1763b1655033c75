//! The file for programs: one object, its messages one a line.

use std::io::{self, Write};

use sori_engine::view::{GroupView, MessageView};

use super::{Format, time};

/// Writes the JSON form.
#[derive(Debug, Default)]
pub(super) struct Json {
    has_lines: bool,
}

impl Format for Json {
    fn begin(&mut self, out: &mut dyn Write, group: &GroupView) -> io::Result<()> {
        let head = serde_json::json!({
            "format": "sori-conversation",
            "version": 1,
            "group": group.group,
            "name": group.name,
            "direct": group.direct,
            "exported_at": time::now_ms(),
        });
        let head = serde_json::to_string(&head)?;
        let open = head.strip_suffix('}').unwrap_or(&head);
        write!(out, "{open},\"messages\":[")
    }

    fn line(&mut self, out: &mut dyn Write, message: &MessageView) -> io::Result<()> {
        out.write_all(if self.has_lines { b",\n" } else { b"\n" })?;
        self.has_lines = true;
        serde_json::to_writer(out, message).map_err(io::Error::from)
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(b"\n]}\n")
    }
}
