//! Every bound of this crate, with what a hostile sender would gain at that size.
//!
//! Content arrives decrypted from another member, so it is authenticated but not trusted: a member
//! may send anything. Bounds marked *draft* are the ones of draft-ietf-mimi-content-08.

/// Longest encoded content, in bytes (local policy, as draft §9.1 asks for).
///
/// At this size a sender makes each receiver hold about 1 MiB for the message and as much again
/// while it is decoded. Larger things travel as files.
pub const CONTENT_LEN_MAX: usize = 1 << 20;

/// Longest text, in bytes of UTF-8, that a person should be allowed to send as one message.
///
/// Chosen so that the content with all its fields still fits one relay frame (64 KiB) after MLS and
/// padding. Content built from a text of at most this length always decodes. Only senders apply it:
/// a received text is bounded by [`CONTENT_LEN_MAX`].
pub const TEXT_LEN_MAX: usize = 32 * 1024;

/// Levels of nested parts, the body being the first (*draft* §6.3 and §9.1).
///
/// Bounds the recursion, and so the stack, of everything that walks a body.
pub const PART_DEPTH_MAX: usize = 4;

/// Parts in one body, multiparts counted too (*draft* §9.1).
///
/// The smallest part is 4 bytes and becomes about 100 bytes in memory; at this number a sender
/// gains some 100 KiB of a receiver's memory beyond the message itself.
pub const PARTS_MAX: usize = 1024;

/// Fewest parts of a multipart (*draft* appendix A.1: `parts: [2* NestedPart]`).
pub const MULTIPART_LEN_MIN: usize = 2;

/// Longest topic id, in bytes (*draft* §9.1).
///
/// A topic id is copied into an index by whoever groups by it; this bounds the copy.
pub const TOPIC_ID_LEN_MAX: usize = 4096;

/// Longest language list, media type, URL, description, file name, key, nonce, associated data or
/// content hash, in bytes. The draft leaves these open.
///
/// They are shown beside a message or given to other code; at this size one of them fills a screen,
/// no more.
pub const FIELD_LEN_MAX: usize = 4096;

/// Extensions of one message. The draft leaves this open.
///
/// The smallest extension is 2 bytes and becomes a map entry of about 100; at this number it is 6
/// KiB.
pub const EXTENSIONS_MAX: usize = 64;

/// Longest text key of an extension, in bytes (*draft* §4.3); the shortest is one byte.
pub const EXTENSION_KEY_LEN_MAX: usize = 255;

/// Longest encoded value of an extension, in bytes (*draft* §4.3).
///
/// Unknown values are kept as they came; this bounds what is kept for a key that nobody
/// understands.
pub const EXTENSION_VALUE_LEN_MAX: usize = 4096;

/// Levels of maps, arrays and tags in the extensions, the extensions map being the first (*draft*
/// §6.3).
///
/// Bounds the recursion of the check of unknown values.
pub const EXTENSION_DEPTH_MAX: usize = 4;

/// Largest magnitude of an integer map key, 2^53 - 1: exact as a double (*draft* §6.2).
pub const INTEGER_KEY_MAX: u64 = (1 << 53) - 1;

/// Longest text, in bytes of UTF-8, that is shown as one reaction.
///
/// The longest emoji sequences in use take about 35 bytes. What is longer is shown as a message of
/// its own instead, so a reaction cannot push a conversation off the screen.
pub const REACTION_LEN_MAX: usize = 64;

/// Most reactions that one message may add. More are shown as a message of its own instead.
pub const REACTIONS_MAX: usize = 16;

/// Most mentions reported of one message; later ones stay plain text.
///
/// Bounds the look-ups that one message causes at its receivers.
pub const MENTIONS_MAX: usize = 256;

/// Most media types named to the front end for a message that cannot be shown.
///
/// A notice of more names than this would not be read.
pub const UNKNOWN_TYPES_MAX: usize = 16;
