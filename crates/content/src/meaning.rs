//! What a message means to the person who reads it.

use std::fmt;

use crate::limits::{REACTION_LEN_MAX, REACTIONS_MAX, UNKNOWN_TYPES_MAX};
use crate::media_type::{TextKind, text_kind};
use crate::mention::{self, Mention};
use crate::reading::Reading;
use crate::{
    Disposition, ExternalPart, MessageId, MimiContent, NestedPart, PartBody, PartSemantics,
};

/// What a front end shows for a message.
///
/// Texts are as the sender typed them, Markdown signs included: they are to be shown as plain text,
/// never to be interpreted as HTML. They are strangers' text of any length and any characters.
///
/// An edit, a deletion or a taken-back reaction counts only if the message that it names is by the
/// same sender (draft §9.3): whoever knows the senders checks that.
#[derive(Clone, PartialEq, Eq)]
pub enum Meaning {
    /// The sender's message `replaces` is taken back.
    Delete {
        /// The first version of the message.
        replaces: MessageId,
    },
    /// The sender's message `replaces` now has this text.
    Edit {
        /// The first version of the message.
        replaces: MessageId,
        /// The new text.
        text: String,
        /// Links in the text that may name members.
        mentions: Vec<Mention>,
    },
    /// Reactions to a message: nearly always one.
    Reaction {
        /// The message.
        on: MessageId,
        /// One to [`REACTIONS_MAX`] texts of 1 to [`REACTION_LEN_MAX`] bytes, normally an emoji
        /// each.
        emojis: Vec<String>,
        /// The sender's earlier reaction that these take the place of.
        replaces: Option<MessageId>,
    },
    /// A text, files, or both.
    Text {
        /// The text; empty if there are only files.
        text: String,
        /// Files that members fetch from each other.
        files: Vec<ExternalPart>,
        /// The message that it answers.
        in_reply_to: Option<MessageId>,
        /// Links in the text that may name members.
        mentions: Vec<Mention>,
    },
    /// Something that cannot be shown, or not wholly. The message is to be kept and a notice shown.
    Unknown {
        /// The media types that could not be read, each once, at most [`UNKNOWN_TYPES_MAX`].
        content_types: Vec<String>,
        /// What could be read: texts beside the unreadable parts, descriptions of external parts.
        text: Option<String>,
        /// The message that it answers.
        in_reply_to: Option<MessageId>,
        /// The first version of the sender's message that it takes the place of.
        replaces: Option<MessageId>,
    },
    /// The sender's reaction `replaces` is taken back.
    Unreact {
        /// The message that reacted.
        replaces: MessageId,
        /// The message that it had reacted to.
        on: Option<MessageId>,
    },
}

/// Prints the kind only: the rest is what the encryption is for.
impl fmt::Debug for Meaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Delete { .. } => "Delete(..)",
            Self::Edit { .. } => "Edit(..)",
            Self::Reaction { .. } => "Reaction(..)",
            Self::Text { .. } => "Text(..)",
            Self::Unknown { .. } => "Unknown(..)",
            Self::Unreact { .. } => "Unreact(..)",
        })
    }
}

pub(crate) fn of(content: &MimiContent) -> Meaning {
    removal(content)
        .or_else(|| reaction(content))
        .unwrap_or_else(|| shown(content))
}

/// An empty body that replaces something (draft §5.6 and §5.7).
fn removal(content: &MimiContent) -> Option<Meaning> {
    let replaces = content.replaces?;
    match content.body.body() {
        PartBody::Null if content.body.disposition() == Disposition::REACTION => {
            Some(Meaning::Unreact {
                replaces,
                on: content.in_reply_to,
            })
        }
        PartBody::Null => Some(Meaning::Delete { replaces }),
        PartBody::Single(_) | PartBody::External(_) | PartBody::Multi(_) => None,
    }
}

/// One reaction, or several in a multipart (draft §5.3). One that cannot be shown as a reaction is
/// shown as a message, which the draft allows.
fn reaction(content: &MimiContent) -> Option<Meaning> {
    let on = content.in_reply_to?;
    if content.body.disposition() != Disposition::REACTION {
        return None;
    }
    let parts = match content.body.body() {
        PartBody::Null | PartBody::External(_) => return None,
        PartBody::Single(_) => std::slice::from_ref(&content.body),
        PartBody::Multi(multi) => match multi.semantics() {
            PartSemantics::ProcessAll => multi.parts(),
            PartSemantics::ChooseOne | PartSemantics::SingleUnit => return None,
        },
    };
    if parts.len() > REACTIONS_MAX {
        return None;
    }
    let emojis: Option<Vec<_>> = parts.iter().map(emoji).collect();
    Some(Meaning::Reaction {
        on,
        emojis: emojis?,
        replaces: content.replaces,
    })
}

fn emoji(part: &NestedPart) -> Option<String> {
    let PartBody::Single(single) = part.body() else {
        return None;
    };
    if part.disposition() != Disposition::REACTION
        || text_kind(single.content_type()) != Some(TextKind::Plain)
    {
        return None;
    }
    let text = std::str::from_utf8(single.content()).ok()?.trim();
    let fits = !text.is_empty() && text.len() <= REACTION_LEN_MAX;
    (fits && !text.chars().any(char::is_control)).then(|| text.to_owned())
}

fn shown(content: &MimiContent) -> Meaning {
    let reading = Reading::of(&content.body);
    let in_reply_to = content.in_reply_to;
    let replaces = content.replaces;
    let text = reading.text();
    let files = reading.files();
    let said = text
        .clone()
        .or_else(|| (!files.is_empty()).then(String::new));
    let Some(text) = said.filter(|_| reading.is_complete()) else {
        let content_types = reading.unread_types(UNKNOWN_TYPES_MAX);
        return Meaning::Unknown {
            content_types,
            text,
            in_reply_to,
            replaces,
        };
    };
    let mentions = reading.markdown().as_deref().map(mention::find);
    let mentions = mentions.unwrap_or_default();
    match replaces {
        Some(replaces) => Meaning::Edit {
            replaces,
            text,
            mentions,
        },
        None => Meaning::Text {
            text,
            files,
            in_reply_to,
            mentions,
        },
    }
}
