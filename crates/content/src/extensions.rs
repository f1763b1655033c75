//! The extensions map: what later drafts and other messengers add (draft §4.3).

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use crate::Error;
use crate::codec::{self, Writer};
use crate::limits::{
    EXTENSION_KEY_LEN_MAX, EXTENSION_VALUE_LEN_MAX, EXTENSIONS_MAX, INTEGER_KEY_MAX,
};

/// The key of an extension: an integer or a text.
///
/// Ordered as the deterministic encoding wants it: integers from 0 up, then from -1 down, then
/// texts, shorter ones first (RFC 8949 §4.2.1).
#[derive(Clone, PartialEq, Eq)]
pub struct ExtensionKey(Key);

#[derive(Clone, PartialEq, Eq)]
enum Key {
    Integer(i64),
    Text(String),
}

impl ExtensionKey {
    /// The room as a URI.
    pub const ROOM_URI: Self = Self(Key::Integer(2));
    /// The sender as a URI.
    pub const SENDER_URI: Self = Self(Key::Integer(1));

    /// An integer key: positive ones are IANA's, negative ones for private use.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidExtension`] beyond ±(2^53 - 1).
    pub fn integer(value: i64) -> Result<Self, Error> {
        if value.unsigned_abs() > INTEGER_KEY_MAX {
            return Err(Error::InvalidExtension);
        }
        Ok(Self(Key::Integer(value)))
    }

    /// A text key, for private use.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidExtension`] unless it has 1 to 255 bytes.
    pub fn text(text: &str) -> Result<Self, Error> {
        if text.is_empty() || text.len() > EXTENSION_KEY_LEN_MAX {
            return Err(Error::InvalidExtension);
        }
        Ok(Self(Key::Text(text.to_owned())))
    }

    /// The integer, if it is one.
    #[must_use]
    pub const fn as_integer(&self) -> Option<i64> {
        match &self.0 {
            Key::Integer(value) => Some(*value),
            Key::Text(_) => None,
        }
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match &self.0 {
            Key::Integer(_) => None,
            Key::Text(text) => Some(text),
        }
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        match &self.0 {
            Key::Integer(value) => out.integer(*value),
            Key::Text(text) => out.text(text),
        }
    }

    /// Compares like the encoded bytes: major type, then length or magnitude, then the text.
    const fn sort_key(&self) -> (u8, u64, &str) {
        match &self.0 {
            Key::Integer(value) if *value < 0 => (1, value.unsigned_abs(), ""),
            Key::Integer(value) => (0, value.unsigned_abs(), ""),
            Key::Text(text) => (2, text.len() as u64, text.as_str()),
        }
    }
}

impl Ord for ExtensionKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.sort_key().cmp(&other.sort_key())
    }
}

impl PartialOrd for ExtensionKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Prints the kind only: a text key is content.
impl fmt::Debug for ExtensionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Key::Integer(_) => "ExtensionKey(integer)",
            Key::Text(_) => "ExtensionKey(text)",
        })
    }
}

/// The extensions of a message, the known and the unknown alike, values as the CBOR bytes that
/// came.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Extensions(BTreeMap<ExtensionKey, Vec<u8>>);

impl Extensions {
    /// No extensions.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Sets an extension to one item of deterministically encoded CBOR, in place of what the key
    /// had.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyExtensions`], [`Error::ExtensionTooLong`], [`Error::ExtensionTooDeep`],
    /// [`Error::InvalidExtension`] if the sender's or the room's URI is not a text, and the errors
    /// of decoding if `value` is not exactly one item in the deterministic encoding. On an error
    /// nothing has changed.
    pub fn insert(&mut self, key: ExtensionKey, value: Vec<u8>) -> Result<(), Error> {
        if self.0.len() >= EXTENSIONS_MAX && !self.0.contains_key(&key) {
            return Err(Error::TooManyExtensions);
        }
        if value.len() > EXTENSION_VALUE_LEN_MAX {
            return Err(Error::ExtensionTooLong);
        }
        codec::check_extension_value(&value)?;
        let is_uri = key == ExtensionKey::SENDER_URI || key == ExtensionKey::ROOM_URI;
        if is_uri && codec::text_item(&value).is_none() {
            return Err(Error::InvalidExtension);
        }
        self.0.insert(key, value);
        Ok(())
    }

    /// Sets an extension to a text.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyExtensions`] and [`Error::ExtensionTooLong`]. On an error nothing has
    /// changed.
    pub fn insert_text(&mut self, key: ExtensionKey, text: &str) -> Result<(), Error> {
        let mut value = Writer::new();
        value.text(text);
        self.insert(key, value.into_bytes())
    }

    /// The encoded value of an extension.
    #[must_use]
    pub fn get(&self, key: &ExtensionKey) -> Option<&[u8]> {
        self.0.get(key).map(Vec::as_slice)
    }

    /// The sender as the sender wrote it. What MLS says about the sender decides, not this.
    #[must_use]
    pub fn sender_uri(&self) -> Option<&str> {
        codec::text_item(self.get(&ExtensionKey::SENDER_URI)?)
    }

    /// The room as the sender wrote it. The group that the message came in decides, not this.
    #[must_use]
    pub fn room_uri(&self) -> Option<&str> {
        codec::text_item(self.get(&ExtensionKey::ROOM_URI)?)
    }

    /// Number of extensions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All extensions with their encoded values, in the order of the encoding.
    pub fn iter(&self) -> impl Iterator<Item = (&ExtensionKey, &[u8])> {
        self.0.iter().map(|(key, value)| (key, value.as_slice()))
    }
}

/// Prints the number only: values are content.
impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Extensions({})", self.0.len())
    }
}
