//! What can be wrong with content.

use thiserror::Error;

/// Why bytes are not acceptable content, or why a value may not become part of it.
///
/// On decoding each of these means that the sender misbehaved or speaks a later format: the message
/// is to be dropped. From a constructor it means that the caller asked for something outside the
/// draft's bounds. No variant carries any of the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// The whole is longer than [`CONTENT_LEN_MAX`](crate::limits::CONTENT_LEN_MAX).
    #[error("the content is too long")]
    ContentTooLong,
    /// Maps, arrays and tags in an extension go deeper than
    /// [`EXTENSION_DEPTH_MAX`](crate::limits::EXTENSION_DEPTH_MAX).
    #[error("an extension is nested too deeply")]
    ExtensionTooDeep,
    /// An extension's value is longer than
    /// [`EXTENSION_VALUE_LEN_MAX`](crate::limits::EXTENSION_VALUE_LEN_MAX).
    #[error("an extension is too long")]
    ExtensionTooLong,
    /// A field is longer than its maximum in [`limits`](crate::limits).
    #[error("a field is too long")]
    FieldTooLong,
    /// A map key is of a kind or size that the draft forbids (§6.2), or a known extension has the
    /// wrong type.
    #[error("an extension's key or type is invalid")]
    InvalidExtension,
    /// A mention's URI or label cannot be written as a link.
    #[error("a mention cannot be written as a link")]
    InvalidMention,
    /// The text of a message id is not 64 hexadecimal digits.
    #[error("a message id is 64 hexadecimal digits")]
    InvalidMessageId,
    /// Not the CBOR item that the schema wants here, or no well-formed item, or text that is not
    /// UTF-8.
    #[error("the content is malformed")]
    Malformed,
    /// Well-formed, but not in the one deterministic encoding (§6.1): a longer form than needed, an
    /// indefinite length, or map keys out of order or twice.
    #[error("the encoding is not deterministic")]
    NotDeterministic,
    /// Parts are nested deeper than [`PART_DEPTH_MAX`](crate::limits::PART_DEPTH_MAX).
    #[error("the parts are nested too deeply")]
    PartsTooDeep,
    /// A multipart has fewer than two parts.
    #[error("a multipart has too few parts")]
    TooFewParts,
    /// There are more than [`EXTENSIONS_MAX`](crate::limits::EXTENSIONS_MAX) extensions.
    #[error("there are too many extensions")]
    TooManyExtensions,
    /// There are more than [`PARTS_MAX`](crate::limits::PARTS_MAX) parts.
    #[error("there are too many parts")]
    TooManyParts,
    /// Bytes follow the content.
    #[error("bytes follow the content")]
    TrailingBytes,
    /// The bytes end in the middle of the content.
    #[error("the content is cut short")]
    Truncated,
    /// A part's cardinality is none of the four.
    #[error("a part has an unknown cardinality")]
    UnknownCardinality,
    /// A message id starts with a hash algorithm other than SHA-256 (§9.1).
    #[error("a message id has an unknown hash algorithm")]
    UnknownHashAlgorithm,
    /// A multipart's semantics is none of the three (§9.1).
    #[error("a multipart has unknown semantics")]
    UnknownPartSemantics,
    /// A number is larger than its field allows.
    #[error("a number is out of range")]
    ValueOutOfRange,
}
