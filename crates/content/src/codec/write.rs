//! Writes CBOR items, always in the shortest form.

/// Major types, already shifted into place (RFC 8949 §3.1).
mod major {
    pub(super) const UNSIGNED: u8 = 0 << 5;
    pub(super) const NEGATIVE: u8 = 1 << 5;
    pub(super) const BYTES: u8 = 2 << 5;
    pub(super) const TEXT: u8 = 3 << 5;
    pub(super) const ARRAY: u8 = 4 << 5;
    pub(super) const MAP: u8 = 5 << 5;
}

const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;
const NULL: u8 = 0xf6;

/// Collects encoded items. Unlike a general encoder it cannot fail, so neither can encoding
/// content.
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    pub(crate) fn unsigned(&mut self, value: u64) {
        self.head(major::UNSIGNED, value);
    }

    /// A negative number n is written as -1 - n, which is its bitwise complement.
    pub(crate) fn integer(&mut self, value: i64) {
        if value < 0 {
            self.head(major::NEGATIVE, (!value).unsigned_abs());
        } else {
            self.head(major::UNSIGNED, value.unsigned_abs());
        }
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.head(major::BYTES, bytes.len() as u64);
        self.raw(bytes);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.head(major::TEXT, text.len() as u64);
        self.raw(text.as_bytes());
    }

    /// Announces an array of `len` items, which follow.
    pub(crate) fn array(&mut self, len: u64) {
        self.head(major::ARRAY, len);
    }

    /// Announces a map of `len` pairs, which follow in the order of their keys.
    pub(crate) fn map(&mut self, len: u64) {
        self.head(major::MAP, len);
    }

    pub(crate) fn bool(&mut self, value: bool) {
        self.0.push(if value { TRUE } else { FALSE });
    }

    pub(crate) fn null(&mut self) {
        self.0.push(NULL);
    }

    /// An item that is encoded already.
    pub(crate) fn raw(&mut self, item: &[u8]) {
        self.0.extend_from_slice(item);
    }

    fn head(&mut self, major: u8, value: u64) {
        let [a, b, c, d, e, f, g, h] = value.to_be_bytes();
        match value {
            0..=23 => self.0.push(major | h),
            24..=0xff => self.0.extend([major | 24, h]),
            0x100..=0xffff => self.0.extend([major | 25, g, h]),
            0x1_0000..=0xffff_ffff => self.0.extend([major | 26, e, f, g, h]),
            _ => self.0.extend([major | 27, a, b, c, d, e, f, g, h]),
        }
    }
}
