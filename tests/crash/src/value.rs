//! Values that tell which version of which record they are, in every piece.

use crate::chance::Chance;

/// Stands in every block of every value, so that plaintext is recognised wherever it turns up.
pub(crate) const MARK: [u8; 8] = *b"\xE5\x86\x8Dsoriv";

/// Shorter values do not tell which version they are.
pub(crate) const RECOGNISED_LEN: usize = MARK.len() + 8;

/// `MARK | check u32 | version u32 | index of the block u64`.
const BLOCK_LEN: usize = 24;

/// A value, described.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Value {
    /// Unique among all versions of all records of a plan; below 2^32.
    pub(crate) version: u64,
    /// In bytes.
    pub(crate) len: usize,
}

impl Value {
    /// The bytes to store.
    pub(crate) fn bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len + BLOCK_LEN);
        let checked = checked(self.version);
        for block in 0_u64.. {
            if bytes.len() >= self.len {
                break;
            }
            bytes.extend_from_slice(&MARK);
            bytes.extend_from_slice(&checked.to_be_bytes());
            bytes.extend_from_slice(&block.to_be_bytes());
        }
        bytes.truncate(self.len);
        bytes
    }
}

/// The version that a piece of plaintext belongs to, if a whole block of it is there. Whatever follows the plaintext may
/// be there, too: half a block and noise are no block.
pub(crate) fn recognise(plaintext: &[u8]) -> Option<u64> {
    plaintext
        .windows(RECOGNISED_LEN)
        .filter(|window| window.starts_with(&MARK))
        .find_map(|window| {
            let number = u64::from_be_bytes(window[MARK.len()..].try_into().ok()?);
            let version = number & u64::from(u32::MAX);
            (checked(version) == number).then_some(version)
        })
}

/// A version with something to tell it from noise.
fn checked(version: u64) -> u64 {
    let check = Chance::new(version, 0).below(1 << 32);
    check << 32 | version
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_of_a_value_tells_its_version() {
        let value = Value {
            version: 77,
            len: 1000,
        };
        let bytes = value.bytes();
        assert_eq!(bytes.len(), 1000);
        for piece in bytes.windows(2 * BLOCK_LEN) {
            assert_eq!(recognise(piece), Some(77));
        }
        assert_eq!(recognise(&[7; 100]), None);
    }

    #[test]
    fn piece_of_a_block_with_noise_behind_it_tells_nothing() {
        for len in MARK.len()..RECOGNISED_LEN {
            let value = Value { version: 77, len };
            let piece = [value.bytes(), vec![0xA7; 48]].concat();
            assert_eq!(recognise(&piece), None, "{len}");
        }
    }
}
