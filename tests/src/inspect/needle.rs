//! Canaries: bytes that nobody else has, and the forms in which a program might keep them.

use std::fmt::Write;

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use memchr::memmem;

/// Something that must not be found.
#[derive(Clone, Debug)]
pub(crate) struct Needle {
    /// What it is: never the bytes themselves.
    pub(crate) name: &'static str,
    forms: Vec<Vec<u8>>,
}

impl Needle {
    /// The bytes as they are.
    pub(crate) fn raw(name: &'static str, bytes: &[u8]) -> Self {
        Self {
            name,
            forms: vec![bytes.to_vec()],
        }
    }

    /// The bytes, and what a program makes of them that prints them: hexadecimal and base64.
    pub(crate) fn printed(name: &'static str, bytes: &[u8]) -> Self {
        let (mut lower, mut upper, mut list) = (String::new(), String::new(), String::new());
        for byte in bytes {
            let _never_fails = write!(lower, "{byte:02x}");
            let _never_fails = write!(upper, "{byte:02X}");
            let _never_fails = write!(list, "{byte}, ");
        }
        let list = list.trim_end_matches(", ");
        let base64 = Base64::encode_string(bytes);
        let url = Base64UrlUnpadded::encode_string(bytes);
        let forms = [bytes, lower.as_bytes(), upper.as_bytes(), list.as_bytes()];
        let forms = forms.into_iter().chain([base64.as_bytes(), url.as_bytes()]);
        Self {
            name,
            forms: forms.map(<[u8]>::to_vec).collect(),
        }
    }

    /// The bytes and what is printed of them when somebody shortens it: any four that stand together, any six in base64.
    pub(crate) fn shortened(name: &'static str, bytes: &[u8]) -> Self {
        let mut needle = Self::printed(name, bytes);
        for piece in bytes.windows(4) {
            // Without the raw bytes: four of those may be anything.
            needle
                .forms
                .extend(Self::printed(name, piece).forms.drain(1..4));
        }
        for piece in bytes.windows(6) {
            needle.forms.push(Base64::encode_string(piece).into());
            needle
                .forms
                .push(Base64UrlUnpadded::encode_string(piece).into());
        }
        needle
    }

    /// A text.
    pub(crate) fn text(name: &'static str, text: &str) -> Self {
        Self::raw(name, text.as_bytes())
    }

    /// How often it stands in `hay`, in any form.
    pub(crate) fn count(&self, hay: &[u8]) -> usize {
        let count = |form: &Vec<u8>| memmem::find_iter(hay, form).count();
        self.forms.iter().map(count).sum()
    }

    /// Length of its longest form.
    pub(crate) fn reach(&self) -> usize {
        self.forms.iter().map(Vec::len).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shortened_is_found() {
        let bytes = [0xab, 2, 3, 0xf4, 5, 6, 7, 8, 9, 10, 11, 0xfc];
        let needle = Needle::shortened("x", &bytes);
        for hay in [
            "topic ab0203f4..",
            "..090A0BFC",
            "..05060708..",
            "[171, 2, 3, 244, ..]",
            "qwID9AUG",
        ] {
            assert!(needle.count(hay.as_bytes()) > 0, "{hay}");
        }
        assert_eq!(needle.count(b"ab0203f5"), 0);
        assert_eq!(needle.count(&bytes), 1);
    }

    #[test]
    fn it_is_found_in_every_form() {
        let needle = Needle::printed("x", &[1, 0xab, 3, 4, 0xff]);
        for hay in [
            "..01ab0304ff",
            "01AB0304FF",
            "[1, 171, 3, 4, 255]",
            "AasDBP8=",
        ] {
            assert!(needle.count(hay.as_bytes()) > 0, "{hay}");
        }
        assert_eq!(needle.count(&[0, 1, 0xab, 3, 4, 0xff, 9]), 1);
        assert_eq!(needle.count(b"01ab0304fe"), 0);
    }
}
