//! People named in a text: links to their URIs (draft §5.4 and §9.6).

use std::fmt;

use crate::Error;
use crate::limits::MENTIONS_MAX;

/// A link in a text whose target is no web address, and so perhaps a person: `[label](uri)`.
///
/// It is a mention only if the URI names a member of the group; whoever knows the members checks
/// that. The label is what the sender would like to be shown, and may lie: show the name that you
/// know for the URI.
#[derive(Clone, PartialEq, Eq)]
pub struct Mention {
    label: String,
    uri: String,
}

impl Mention {
    /// A mention to be written into a text.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidMention`] if the URI has no scheme or one of the web, if it contains white
    /// space, brackets or control characters, or if the label contains control characters.
    pub fn new(label: &str, uri: &str) -> Result<Self, Error> {
        if label.chars().any(char::is_control) || !is_mention_uri(uri) {
            return Err(Error::InvalidMention);
        }
        Ok(Self {
            label: label.to_owned(),
            uri: uri.to_owned(),
        })
    }

    /// What the sender would like to be shown.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Whom it names.
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// The link to write into the text.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut link = String::from("[");
        for character in self.label.chars() {
            if matches!(character, '\\' | '[' | ']') {
                link.push('\\');
            }
            link.push(character);
        }
        link.push_str("](");
        link.push_str(&self.uri);
        link.push(')');
        link
    }
}

/// Prints the name only: whom a message names is content.
impl fmt::Debug for Mention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mention(..)")
    }
}

/// The mentions in a text, in its order, at most [`MENTIONS_MAX`].
///
/// One pass over the text. Not a Markdown parser: links with titles, references and autolinks are
/// not looked for, and a link inside a code span counts. An image (`![..](..)`) does not.
pub(crate) fn find(text: &str) -> Vec<Mention> {
    let mut mentions = Vec::new();
    let mut label: Option<String> = None;
    let mut after_bang = false;
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match character {
            '[' => label = (!after_bang).then(String::new),
            ']' => {
                if let Some(label) = label.take()
                    && let Some(uri) = target(rest.as_str())
                    && let Ok(mention) = Mention::new(&label, uri)
                {
                    mentions.push(mention);
                }
            }
            '\\' => push(&mut label, escaped(&mut rest)),
            _ => push(&mut label, character),
        }
        after_bang = character == '!';
        if mentions.len() >= MENTIONS_MAX {
            break;
        }
    }
    mentions
}

fn push(label: &mut Option<String>, character: char) {
    if let Some(label) = label {
        label.push(character);
    }
}

/// The character that a backslash stands for, taken from `rest`; before anything but punctuation it
/// stands for itself.
fn escaped(rest: &mut std::str::Chars<'_>) -> char {
    let mut ahead = rest.clone();
    match ahead.next() {
        Some(next) if next.is_ascii_punctuation() => {
            *rest = ahead;
            next
        }
        Some(_) | None => '\\',
    }
}

/// The target of a link, from `(uri)` at the start of `rest`.
///
/// Looks no further than a URI may go, so that text full of brackets is still read in one pass.
fn target(rest: &str) -> Option<&str> {
    let inside = rest.strip_prefix('(')?;
    let (end, stop) = inside
        .char_indices()
        .take(URI_LEN_MAX)
        .find(|(_, character)| !is_uri_character(*character))?;
    (stop == ')').then(|| inside.get(..end)).flatten()
}

/// Longest URI of a mention, in characters. Text full of `](` makes the search look this far each
/// time.
const URI_LEN_MAX: usize = 512;

/// Has a scheme (RFC 3986 §3.1) other than those of the web, and nothing that would end the link.
fn is_mention_uri(uri: &str) -> bool {
    let Some((scheme, _)) = uri.split_once(':') else {
        return false;
    };
    let starts_with_letter = scheme.starts_with(|first: char| first.is_ascii_alphabetic());
    let is_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let is_web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    starts_with_letter
        && scheme.chars().all(is_scheme)
        && !is_web
        && uri.len() < URI_LEN_MAX
        && uri.chars().all(is_uri_character)
}

fn is_uri_character(character: char) -> bool {
    !(character.is_whitespace()
        || character.is_control()
        || matches!(character, '(' | ')' | '<' | '>'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn uris(text: &str) -> Vec<String> {
        find(text)
            .iter()
            .map(|mention| mention.uri().to_owned())
            .collect()
    }

    #[test]
    fn links_to_people_are_found_in_order() {
        assert_eq!(
            uris("[@A](im:a), [B](mimi://e/u/b)!"),
            ["im:a", "mimi://e/u/b"]
        );
    }

    #[test]
    fn web_links_images_and_broken_links_are_no_mentions() {
        for text in [
            "[x](https://e)",
            "[x](HTTP://e)",
            "![x](im:a)",
            "[x](im:a",
            "[x] (im:a)",
            "[x](im: a)",
            "x](im:a)",
            "\\[x](im:a)",
            "[x](a)",
            "[x](:a)",
            "[x]",
            "[",
            "](",
            "[x](",
            "\\",
        ] {
            assert!(uris(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn mentions_beyond_the_maximum_are_left_out() {
        assert_eq!(find(&"[x](im:a)".repeat(MENTIONS_MAX)).len(), MENTIONS_MAX);
        assert_eq!(
            find(&"[x](im:a)".repeat(MENTIONS_MAX + 1)).len(),
            MENTIONS_MAX
        );
    }

    #[test]
    fn mention_with_unwritable_target_or_label_is_refused() {
        for uri in ["", "alice", "https://e", "im:a b", "im:a)", "im:a(", "1m:a"] {
            assert_eq!(Mention::new("x", uri), Err(Error::InvalidMention), "{uri}");
        }
        assert_eq!(Mention::new("a\nb", "im:a"), Err(Error::InvalidMention));
        let longest = format!("im:{}", "a".repeat(URI_LEN_MAX - 4));
        let found = uris(&Mention::new("x", &longest).unwrap().to_markdown());
        assert!(found.iter().eq([&longest]));
        assert_eq!(
            Mention::new("x", &format!("{longest}a")),
            Err(Error::InvalidMention)
        );
    }

    proptest! {
        #[test]
        fn written_mention_is_found_again(label in "\\PC{0,20}", uri in "im:[a-z0-9/@.-]{0,20}", around in "[a-z ]{0,9}") {
            let mention = Mention::new(&label, &uri).unwrap();
            let text = format!("{around}{}{around}", mention.to_markdown());
            prop_assert!(find(&text) == [mention]);
        }

        #[test]
        fn any_text_is_searched_without_panic(text in "[\\[\\]()\\\\!:a-z한 \\n]{0,60}") {
            find(&text);
        }
    }
}
