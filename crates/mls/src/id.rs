//! The names of things: accounts, devices, groups, states, epochs.

use std::fmt;
use std::str::FromStr;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A text that is not the identifier it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid identifier")]
pub struct ParseIdError;

/// The public Ed25519 key of an account: 32 bytes, 43 characters of base64url without padding as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AccountId([u8; 32]);

/// A device of an account: 16 random bytes, 22 characters of base64url without padding as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeviceId([u8; 16]);

/// A group: 16 random bytes, 22 characters of base64url without padding as text. The MLS group id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GroupId([u8; 16]);

/// One state of a group, 64 hexadecimal digits as text.
///
/// `SHA-256("sid1" || group id || epoch as u64 big endian || confirmed transcript hash)` (protocol §5.2.1): public data only,
/// so that whoever sees a commit can name the state it leads to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StateId([u8; 32]);

/// How many commits lead from the creation of the group to a state (RFC 9420 §8.1). Branches share numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Epoch(pub u64);

/// The methods that every byte identifier has; the text form is that of [`Base64UrlUnpadded`].
macro_rules! base64_id {
    ($name:ident, $len:literal, $debug:literal) => {
        impl $name {
            /// The identifier of these bytes; every value is possible.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// The bytes of the identifier.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&Base64UrlUnpadded::encode_string(&self.0))
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let mut bytes = [0; $len];
                let decoded =
                    Base64UrlUnpadded::decode(text, &mut bytes).map_err(|_| ParseIdError)?;
                if decoded.len() != $len {
                    return Err(ParseIdError);
                }
                Ok(Self(bytes))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($debug)
            }
        }
    };
}

base64_id!(AccountId, 32, "AccountId(..)");
base64_id!(DeviceId, 16, "DeviceId(..)");
base64_id!(GroupId, 16, "GroupId(..)");

impl StateId {
    /// The identifier of these bytes; every value is possible.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes of the identifier.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Names the state with this epoch and confirmed transcript hash (RFC 9420 §8.2).
    pub(crate) fn of(group: &GroupId, epoch: Epoch, confirmed_transcript_hash: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"sid1");
        hash.update(group.0);
        hash.update(epoch.0.to_be_bytes());
        hash.update(confirmed_transcript_hash);
        Self(hash.finalize().into())
    }
}

impl fmt::Display for StateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for StateId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let mut bytes = [0; 32];
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != bytes.len() || !rest.is_empty() {
            return Err(ParseIdError);
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = hex_digit(*high)? << 4 | hex_digit(*low)?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Debug for StateId {
    /// The first four bytes: enough to follow a test, a hash of public data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "StateId({a:02x}{b:02x}{c:02x}{d:02x}..)")
    }
}

fn hex_digit(digit: u8) -> Result<u8, ParseIdError> {
    match digit {
        b'0'..=b'9' => Ok(digit.wrapping_sub(b'0')),
        b'a'..=b'f' => Ok(digit.wrapping_sub(b'a').wrapping_add(10)),
        _ => Err(ParseIdError),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_forms_return_to_the_same_identifier() {
        let account = AccountId::from_bytes([0xA7; 32]);
        assert_eq!(account.to_string().len(), 43);
        assert_eq!(account.to_string().parse(), Ok(account));
        let group = GroupId::from_bytes([9; 16]);
        assert_eq!(group.to_string().parse(), Ok(group));
        let state = StateId::from_bytes(std::array::from_fn(|i| u8::try_from(i).unwrap() * 8));
        assert_eq!(state.to_string().len(), 64);
        assert_eq!(state.to_string().parse(), Ok(state));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "a", "====", &"A".repeat(42), &"A".repeat(44), "한글"] {
            assert!(text.parse::<AccountId>().is_err(), "{text}");
            assert!(text.parse::<GroupId>().is_err(), "{text}");
            assert!(text.parse::<StateId>().is_err(), "{text}");
        }
        assert!("0".repeat(63).parse::<StateId>().is_err());
        assert!("G".repeat(64).parse::<StateId>().is_err());
    }
}
