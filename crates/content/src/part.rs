//! The body of a message: one part, or parts within parts (draft §4.4 and §4.5).

use std::fmt;

use crate::limits::{FIELD_LEN_MAX, MULTIPART_LEN_MIN, PART_DEPTH_MAX, PARTS_MAX};
use crate::{Disposition, Error};

/// One part of a body.
///
/// Only constructors make one, so that every value is within the bounds of
/// [`limits`](crate::limits): at most four levels, at most 1024 parts, multiparts of two at least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NestedPart {
    disposition: Disposition,
    language: String,
    body: PartBody,
}

/// What a part consists of. The variants carry the cardinalities of the draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartBody {
    /// Nothing: the body of a deletion.
    Null,
    /// Bytes of one media type.
    Single(SinglePart),
    /// Something to be fetched elsewhere.
    External(Box<ExternalPart>),
    /// Several parts.
    Multi(MultiPart),
}

impl NestedPart {
    /// A part without content.
    #[must_use]
    pub const fn null(disposition: Disposition) -> Self {
        Self::new(disposition, PartBody::Null)
    }

    /// A part with `content` of the given media type, for example `text/plain;charset=utf-8`.
    ///
    /// # Errors
    ///
    /// [`Error::FieldTooLong`] for a media type of more than [`FIELD_LEN_MAX`] bytes.
    pub fn single(
        disposition: Disposition,
        content_type: &str,
        content: Vec<u8>,
    ) -> Result<Self, Error> {
        check_field(content_type.as_bytes())?;
        let content_type = content_type.to_owned();
        let single = SinglePart {
            content_type,
            content,
        };
        Ok(Self::new(disposition, PartBody::Single(single)))
    }

    /// A part with text of one of this crate's own media types, which are short.
    pub(crate) fn text(disposition: Disposition, content_type: &'static str, text: &str) -> Self {
        let single = SinglePart {
            content_type: content_type.to_owned(),
            content: text.as_bytes().to_vec(),
        };
        Self::new(disposition, PartBody::Single(single))
    }

    /// A part that refers to something outside the message.
    ///
    /// # Errors
    ///
    /// [`Error::FieldTooLong`] if one of the fields has more than [`FIELD_LEN_MAX`] bytes.
    pub fn external(disposition: Disposition, external: ExternalPart) -> Result<Self, Error> {
        external.check()?;
        Ok(Self::new(
            disposition,
            PartBody::External(Box::new(external)),
        ))
    }

    /// A part made of `parts`.
    ///
    /// # Errors
    ///
    /// [`Error::TooFewParts`] for fewer than two, [`Error::TooManyParts`] and
    /// [`Error::PartsTooDeep`] if the result would pass [`PARTS_MAX`] or [`PART_DEPTH_MAX`].
    pub fn multi(
        disposition: Disposition,
        semantics: PartSemantics,
        parts: Vec<Self>,
    ) -> Result<Self, Error> {
        if parts.len() < MULTIPART_LEN_MIN {
            return Err(Error::TooFewParts);
        }
        let part = Self::new(disposition, PartBody::Multi(MultiPart { semantics, parts }));
        if part.depth() > PART_DEPTH_MAX {
            return Err(Error::PartsTooDeep);
        }
        if part.count() > PARTS_MAX {
            return Err(Error::TooManyParts);
        }
        Ok(part)
    }

    /// The same part in the given language: a comma-separated list of RFC 5646 tags, or empty.
    ///
    /// # Errors
    ///
    /// [`Error::FieldTooLong`] for more than [`FIELD_LEN_MAX`] bytes.
    pub fn with_language(mut self, language: &str) -> Result<Self, Error> {
        check_field(language.as_bytes())?;
        language.clone_into(&mut self.language);
        Ok(self)
    }

    /// What the part is for.
    #[must_use]
    pub const fn disposition(&self) -> Disposition {
        self.disposition
    }

    /// The languages of the part as the sender wrote them; may be empty.
    #[must_use]
    pub fn language(&self) -> &str {
        &self.language
    }

    /// What the part consists of.
    #[must_use]
    pub const fn body(&self) -> &PartBody {
        &self.body
    }

    const fn new(disposition: Disposition, body: PartBody) -> Self {
        Self {
            disposition,
            language: String::new(),
            body,
        }
    }

    /// Levels of parts, this one included.
    fn depth(&self) -> usize {
        let below = self.children().iter().map(Self::depth).max().unwrap_or(0);
        below.saturating_add(1)
    }

    /// Number of parts, this one included.
    fn count(&self) -> usize {
        let add = |sum: usize, part: &Self| sum.saturating_add(part.count());
        self.children().iter().fold(1, add)
    }

    fn children(&self) -> &[Self] {
        match &self.body {
            PartBody::Multi(multi) => &multi.parts,
            PartBody::Null | PartBody::Single(_) | PartBody::External(_) => &[],
        }
    }
}

/// Content that travels inside the message.
#[derive(Clone, PartialEq, Eq)]
pub struct SinglePart {
    content_type: String,
    content: Vec<u8>,
}

impl SinglePart {
    /// The IANA media type with its parameters, as the sender wrote it.
    #[must_use]
    pub fn content_type(&self) -> &str {
        &self.content_type
    }

    /// The content, in the form that the media type says.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.content
    }
}

/// Prints lengths only: the content is what the encryption is for.
impl fmt::Debug for SinglePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SinglePart({} bytes)", self.content.len())
    }
}

/// Several parts and how they belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MultiPart {
    semantics: PartSemantics,
    parts: Vec<NestedPart>,
}

impl MultiPart {
    /// How the parts belong together.
    #[must_use]
    pub const fn semantics(&self) -> PartSemantics {
        self.semantics
    }

    /// The parts, two at least, in the sender's order.
    #[must_use]
    pub fn parts(&self) -> &[NestedPart] {
        &self.parts
    }
}

/// How the parts of a multipart belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartSemantics {
    /// The receiver picks exactly one (wire value 0).
    ChooseOne,
    /// All or none (wire value 1).
    SingleUnit,
    /// As many as possible, each for itself (wire value 2).
    ProcessAll,
}

impl PartSemantics {
    /// The number on the wire.
    #[must_use]
    pub const fn value(self) -> u8 {
        match self {
            Self::ChooseOne => 0,
            Self::SingleUnit => 1,
            Self::ProcessAll => 2,
        }
    }

    /// The semantics with this number on the wire, if there is one.
    #[must_use]
    pub const fn from_value(value: u8) -> Option<Self> {
        match value {
            0 => Some(Self::ChooseOne),
            1 => Some(Self::SingleUnit),
            2 => Some(Self::ProcessAll),
            _ => None,
        }
    }
}

/// Content that lies elsewhere and, if it is private, is encrypted there (draft §4.5).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ExternalPart {
    /// IANA media type with its parameters; may be empty.
    pub content_type: String,
    /// Where to fetch it, or the service to use.
    pub url: String,
    /// When it goes away, in seconds since 1970-01-01 UTC; 0 for never.
    pub expires: u32,
    /// Its size in bytes; 0 if not told.
    pub size: u64,
    /// IANA AEAD algorithm number (1 = AES-128-GCM); 0 for not encrypted.
    pub encryption_algorithm: u16,
    /// AEAD key; empty if not encrypted.
    pub key: Vec<u8>,
    /// AEAD nonce; empty if not encrypted.
    pub nonce: Vec<u8>,
    /// AEAD associated data, normally empty.
    pub associated_data: Vec<u8>,
    /// IANA named information hash algorithm (1 = SHA-256); 0 for none.
    pub hash_algorithm: u8,
    /// Hash of what lies at the URL; empty for none.
    pub content_hash: Vec<u8>,
    /// A description for people; may be empty.
    pub description: String,
    /// The file name that the sender suggests; may be empty. Not safe to use as a path.
    pub filename: String,
}

impl ExternalPart {
    fn check(&self) -> Result<(), Error> {
        let texts = [
            &self.content_type,
            &self.url,
            &self.description,
            &self.filename,
        ];
        let bytes = [
            &self.key,
            &self.nonce,
            &self.associated_data,
            &self.content_hash,
        ];
        texts
            .into_iter()
            .try_for_each(|text| check_field(text.as_bytes()))?;
        bytes.into_iter().try_for_each(|bytes| check_field(bytes))
    }
}

/// Prints the name only: it holds a key.
impl fmt::Debug for ExternalPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExternalPart(..)")
    }
}

const fn check_field(bytes: &[u8]) -> Result<(), Error> {
    if bytes.len() > FIELD_LEN_MAX {
        return Err(Error::FieldTooLong);
    }
    Ok(())
}
