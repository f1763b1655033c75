//! Which media types Sori reads as text.

/// What Sori writes text as (draft §7.1.1).
pub(crate) const GFM_MIMI: &str = "text/markdown;variant=GFM-MIMI";
/// What Sori writes reactions as.
pub(crate) const PLAIN_UTF8: &str = "text/plain;charset=utf-8";

/// The kinds of text that are shown as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextKind {
    /// Any variant of Markdown. Showing it as plain text is support enough (draft §7.1); links may
    /// be mentions.
    Markdown,
    /// Plain text.
    Plain,
}

/// The kind of text that a media type names, or `None` if it is something else or in another
/// charset.
///
/// Type, subtype, parameter names and charsets compare without case (RFC 2045 §5.1).
pub(crate) fn text_kind(media_type: &str) -> Option<TextKind> {
    let mut fields = media_type.split(';');
    let essence = fields.next()?.trim();
    let kind = if essence.eq_ignore_ascii_case("text/markdown") {
        TextKind::Markdown
    } else if essence.eq_ignore_ascii_case("text/plain") {
        TextKind::Plain
    } else {
        return None;
    };
    fields.all(has_readable_charset).then_some(kind)
}

/// False for a parameter that names a charset of which UTF-8 is no superset.
fn has_readable_charset(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else {
        return true;
    };
    if !name.trim().eq_ignore_ascii_case("charset") {
        return true;
    }
    let charset = value.trim().trim_matches('"');
    ["utf-8", "us-ascii"]
        .iter()
        .any(|readable| charset.eq_ignore_ascii_case(readable))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_that_are_text_are_recognised_without_case() {
        for markdown in [
            GFM_MIMI,
            "TEXT/Markdown",
            "text/markdown; variant=CommonMark",
        ] {
            assert_eq!(text_kind(markdown), Some(TextKind::Markdown), "{markdown}");
        }
        for plain in [
            PLAIN_UTF8,
            "text/plain",
            "text/plain; Charset=\"US-ASCII\"",
            "text/plain;x",
        ] {
            assert_eq!(text_kind(plain), Some(TextKind::Plain), "{plain}");
        }
    }

    #[test]
    fn media_types_that_are_no_readable_text_are_refused() {
        for other in [
            "",
            ";",
            "text",
            "text/html",
            "text/plainer",
            "text/plain;charset=euc-kr",
        ] {
            assert_eq!(text_kind(other), None, "{other}");
        }
    }
}
