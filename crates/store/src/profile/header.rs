//! The header: how to get from a passphrase or a keychain key to the master key.
//!
//! 512 bytes, in two files that hold the same, integers big-endian:
//! `magic 8 | version u16 | method u8 | sequence u64 | rotation u64 | memory KiB u32 | passes u32 | lanes u32 |
//! salt 16 | nonce 24 | wrapped master key 32 + 16 | zeros | SHA-256 of everything before`. The rotation says
//! which slot file belongs to this master key.
//! The wrapping is XChaCha20-Poly1305 with everything before the nonce as associated data. Magic,
//! version and digest keep their places in every later version. The digest tells damage from a wrong
//! passphrase; it needs no secret, so it protects from accidents only: against tampering stands the seal.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::entropy::Entropy;
use crate::error::Error;
use crate::unlock::{Cost, Unlock, UnlockMethod, Wrapping};

/// The length of each header file.
pub(crate) const HEADER_LEN: usize = 512;

const MAGIC: &[u8; 8] = b"SORISTOR";
const VERSION: u16 = 2;
const DIGEST_LEN: usize = 32;
const WRAPPED_LEN: usize = 32 + 16;

/// One decoded header copy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Header {
    method: UnlockMethod,
    sequence: u64,
    rotation: u64,
    cost: Cost,
    salt: [u8; 16],
    nonce: [u8; 24],
    wrapped: [u8; WRAPPED_LEN],
}

/// Why a copy could not be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Unreadable {
    /// Truncated, changed, or no header at all.
    Damaged,
    /// Whole, but of a later version.
    Newer,
    /// Whole, but of an earlier version, before there were key slots.
    Older,
}

impl Header {
    /// Wraps `master`.
    pub(crate) fn wrap(
        master: &[u8; 32],
        wrapping: &Wrapping,
        (sequence, rotation): (u64, u64),
        entropy: &mut Entropy,
    ) -> Result<Self, Error> {
        let mut header = Self {
            method: wrapping.method,
            sequence,
            rotation,
            cost: wrapping.cost,
            salt: wrapping.salt,
            nonce: entropy.bytes(),
            wrapped: [0; WRAPPED_LEN],
        };
        let aad = header.prefix();
        let payload = Payload {
            msg: master,
            aad: &aad,
        };
        header.wrapped = XChaCha20Poly1305::new(wrapping.key().into())
            .encrypt(XNonce::from_slice(&header.nonce), payload)
            .ok()
            .and_then(|sealed| sealed.try_into().ok())
            .ok_or(Error::ValueTooLarge)?;
        Ok(header)
    }

    /// The master key and what wraps it, if `unlock` opens this header.
    ///
    /// # Errors
    /// [`Error::WrongMethod`], [`Error::WrongPassphrase`], [`Error::WrongKey`] or
    /// [`Error::WrongPassphraseOrKey`].
    pub(crate) fn unwrap(&self, unlock: &Unlock) -> Result<(Zeroizing<[u8; 32]>, Wrapping), Error> {
        if unlock.method() != self.method {
            return Err(Error::WrongMethod {
                expected: self.method,
            });
        }
        let wrong = match self.method {
            UnlockMethod::Both => Error::WrongPassphraseOrKey,
            UnlockMethod::Keychain => Error::WrongKey,
            UnlockMethod::Passphrase => Error::WrongPassphrase,
        };
        let wrapping = Wrapping::with_salt(unlock, self.cost, self.salt)?;
        let aad = self.prefix();
        let payload = Payload {
            msg: &self.wrapped,
            aad: &aad,
        };
        let opened = XChaCha20Poly1305::new(wrapping.key().into())
            .decrypt(XNonce::from_slice(&self.nonce), payload)
            .map(Zeroizing::new);
        let Ok(plain) = opened else {
            return Err(wrong);
        };
        let mut master = Zeroizing::new([0; 32]);
        if plain.len() != master.len() {
            return Err(wrong);
        }
        master.copy_from_slice(&plain);
        Ok((master, wrapping))
    }

    /// How this profile is unlocked.
    pub(crate) const fn method(&self) -> UnlockMethod {
        self.method
    }

    /// Which of two differing copies is later.
    pub(crate) const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// How often the master key was replaced, hence which slot file it opens.
    pub(crate) const fn rotation(&self) -> u64 {
        self.rotation
    }

    /// The bytes of a header file.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = self.prefix();
        bytes.extend_from_slice(&self.nonce);
        bytes.extend_from_slice(&self.wrapped);
        bytes.resize(HEADER_LEN - DIGEST_LEN, 0);
        let digest: [u8; DIGEST_LEN] = Sha256::digest(&bytes).into();
        bytes.extend_from_slice(&digest);
        bytes
    }

    /// Reads the bytes of a header file.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let fields = checked_fields(bytes).ok_or(Unreadable::Damaged)?;
        let (version, rest) = fields.split_first_chunk::<2>().ok_or(Unreadable::Damaged)?;
        let version = u16::from_be_bytes(*version);
        if version > VERSION {
            return Err(Unreadable::Newer);
        }
        if version < VERSION {
            return Err(Unreadable::Older);
        }
        Self::decode_fields(rest).ok_or(Unreadable::Damaged)
    }

    fn decode_fields(rest: &[u8]) -> Option<Self> {
        let ([method], rest) = rest.split_first_chunk::<1>()?;
        let method = match method {
            1 => UnlockMethod::Passphrase,
            2 => UnlockMethod::Keychain,
            3 => UnlockMethod::Both,
            _ => return None,
        };
        let (sequence, rest) = rest.split_first_chunk::<8>()?;
        let (rotation, rest) = rest.split_first_chunk::<8>()?;
        let (memory_kib, rest) = rest.split_first_chunk::<4>()?;
        let (passes, rest) = rest.split_first_chunk::<4>()?;
        let (lanes, rest) = rest.split_first_chunk::<4>()?;
        let (salt, rest) = rest.split_first_chunk::<16>()?;
        let (nonce, rest) = rest.split_first_chunk::<24>()?;
        let (wrapped, _) = rest.split_first_chunk::<WRAPPED_LEN>()?;
        let [memory_kib, passes, lanes] =
            [memory_kib, passes, lanes].map(|part| u32::from_be_bytes(*part));
        Some(Self {
            method,
            sequence: u64::from_be_bytes(*sequence),
            rotation: u64::from_be_bytes(*rotation),
            cost: Cost::from_header(memory_kib, passes, lanes)?,
            salt: *salt,
            nonce: *nonce,
            wrapped: *wrapped,
        })
    }

    /// Everything before the nonce.
    fn prefix(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&VERSION.to_be_bytes());
        bytes.push(match self.method {
            UnlockMethod::Passphrase => 1,
            UnlockMethod::Keychain => 2,
            UnlockMethod::Both => 3,
        });
        bytes.extend_from_slice(&self.sequence.to_be_bytes());
        bytes.extend_from_slice(&self.rotation.to_be_bytes());
        for part in self.cost.parts() {
            bytes.extend_from_slice(&part.to_be_bytes());
        }
        bytes.extend_from_slice(&self.salt);
        bytes
    }
}

/// What stands between magic and digest, if both are right.
fn checked_fields(bytes: &[u8]) -> Option<&[u8]> {
    let (body, digest) = bytes.split_last_chunk::<DIGEST_LEN>()?;
    if bytes.len() != HEADER_LEN || Sha256::digest(body).as_slice() != digest {
        return None;
    }
    body.strip_prefix(MAGIC)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passphrase(text: &str) -> Unlock {
        Unlock::Passphrase(Zeroizing::new(text.into()))
    }

    fn wrapped(unlock: &Unlock) -> Header {
        let mut entropy = Entropy::new([4; 32]);
        let wrapping = Wrapping::new(unlock, Cost::WEAK, &mut entropy).unwrap();
        Header::wrap(&[7; 32], &wrapping, (3, 5), &mut entropy).unwrap()
    }

    #[test]
    fn header_survives_encoding_and_opens_with_its_secret_only() {
        let both = |text: &str, byte| Unlock::Both {
            passphrase: Zeroizing::new(text.into()),
            key: Zeroizing::new([byte; 32]),
        };
        let key = Unlock::Key(Zeroizing::new([1; 32]));
        for unlock in [passphrase("one"), key, both("one", 1)] {
            let bytes = wrapped(&unlock).encode();
            assert_eq!(bytes.len(), HEADER_LEN);
            let header = Header::decode(&bytes).unwrap();
            assert_eq!(header, wrapped(&unlock));
            assert_eq!(*header.unwrap(&unlock).unwrap().0, [7; 32]);
        }
        for wrong in [both("one", 2), both("two", 1), both("two", 2)] {
            let refused = wrapped(&both("one", 1)).unwrap(&wrong);
            assert!(matches!(refused, Err(Error::WrongPassphraseOrKey)));
        }
        let by_passphrase = wrapped(&passphrase("one"));
        let other = by_passphrase.unwrap(&passphrase("One"));
        assert!(matches!(other, Err(Error::WrongPassphrase)));
        let key = Unlock::Key(Zeroizing::new([1; 32]));
        assert!(matches!(
            by_passphrase.unwrap(&key),
            Err(Error::WrongMethod { .. })
        ));
        let other_key = Unlock::Key(Zeroizing::new([2; 32]));
        assert!(matches!(
            wrapped(&key).unwrap(&other_key),
            Err(Error::WrongKey)
        ));
    }

    #[test]
    fn any_flipped_bit_and_any_other_length_is_damage() {
        let bytes = wrapped(&passphrase("one")).encode();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                Header::decode(&changed),
                Err(Unreadable::Damaged),
                "bit {bit}"
            );
        }
        for len in 0..bytes.len() {
            assert_eq!(Header::decode(&bytes[..len]), Err(Unreadable::Damaged));
        }
        assert_eq!(
            Header::decode(&[bytes, vec![0]].concat()),
            Err(Unreadable::Damaged)
        );
    }

    #[test]
    fn whole_header_of_another_version_is_recognised() {
        for (version, expected) in [(1, Unreadable::Older), (3, Unreadable::Newer)] {
            let mut bytes = wrapped(&passphrase("one")).encode();
            bytes.truncate(HEADER_LEN - DIGEST_LEN);
            bytes[9] = version;
            let digest = Sha256::digest(&bytes);
            bytes.extend_from_slice(&digest);
            assert_eq!(Header::decode(&bytes), Err(expected));
        }
    }

    #[test]
    fn changed_cost_with_a_fitting_digest_does_not_open() {
        let unlock = passphrase("one");
        let mut header = wrapped(&unlock);
        header.cost = Cost::from_header(16, 1, 1).unwrap();
        let header = Header::decode(&header.encode()).unwrap();
        assert!(matches!(
            header.unwrap(&unlock),
            Err(Error::WrongPassphrase)
        ));
    }
}
