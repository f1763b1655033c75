//! The beginning of a backup: how to get from a passphrase to its keys.

use std::io::Read;

use chacha20poly1305::aead::stream::{DecryptorBE32, EncryptorBE32};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::error::BackupError;
use crate::unlock::{Cost, hash_passphrase};

/// Bytes of a header.
pub(super) const HEADER_LEN: usize = CHECKED_LEN + 16 + 32;

const MAGIC: &[u8; 8] = b"SORIBKUP";
const VERSION: u16 = 1;
const SALT_LEN: usize = 16;
const STREAM_NONCE_LEN: usize = 19;
/// What the check tag covers.
const CHECKED_LEN: usize = 8 + 2 + 12 + SALT_LEN + STREAM_NONCE_LEN;

/// A header that was written or read, and the key that follows from it and the passphrase.
pub(super) struct Header {
    pub(super) bytes: [u8; HEADER_LEN],
    nonce: [u8; STREAM_NONCE_LEN],
    cipher: XChaCha20Poly1305,
}

impl Header {
    /// A header for a new backup; `fresh` is random and used once.
    pub(super) fn new(passphrase: &str, cost: Cost, fresh: &[u8; 35]) -> Result<Self, BackupError> {
        let (salt, nonce) = fresh.split_at(SALT_LEN);
        let mut bytes = Vec::with_capacity(HEADER_LEN);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_be_bytes());
        for part in cost.parts() {
            bytes.extend_from_slice(&part.to_be_bytes());
        }
        bytes.extend_from_slice(salt);
        bytes.extend_from_slice(nonce);
        let keys = Keys::derive(passphrase, cost, salt)?;
        let tag = keys.check(&bytes)?;
        bytes.extend_from_slice(&tag);
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        bytes.extend_from_slice(&digest);
        Self::assemble(&bytes, nonce, &keys)
    }

    /// Reads and checks a header.
    pub(super) fn read(from: &mut impl Read, passphrase: &str) -> Result<Self, BackupError> {
        let bytes = read_bytes(from)?;
        let (covered, digest) = bytes.split_at(HEADER_LEN - 32);
        if Sha256::digest(covered).as_slice() != digest {
            return Err(BackupError::Damaged { at: 0 });
        }
        let (checked, tag) = covered.split_at(CHECKED_LEN);
        let (_, parameters) = checked.split_at(10);
        let (cost, rest) = parameters.split_at(12);
        let (salt, nonce) = rest.split_at(SALT_LEN);
        let cost = read_cost(cost).ok_or(BackupError::Damaged { at: 10 })?;
        let keys = Keys::derive(passphrase, cost, salt)?;
        if !bool::from(keys.check(checked)?.as_slice().ct_eq(tag)) {
            return Err(BackupError::WrongPassphrase);
        }
        Self::assemble(&bytes, nonce, &keys)
    }

    pub(super) fn encryptor(&self) -> EncryptorBE32<XChaCha20Poly1305> {
        EncryptorBE32::from_aead(self.cipher.clone(), self.nonce.as_slice().into())
    }

    pub(super) fn decryptor(&self) -> DecryptorBE32<XChaCha20Poly1305> {
        DecryptorBE32::from_aead(self.cipher.clone(), self.nonce.as_slice().into())
    }

    fn assemble(bytes: &[u8], nonce: &[u8], keys: &Keys) -> Result<Self, BackupError> {
        Ok(Self {
            bytes: bytes.try_into().map_err(|_| BackupError::TooLarge)?,
            nonce: nonce.try_into().map_err(|_| BackupError::TooLarge)?,
            cipher: XChaCha20Poly1305::new(keys.stream.as_slice().into()),
        })
    }
}

/// What follows from the passphrase.
struct Keys {
    check: Zeroizing<[u8; 32]>,
    stream: Zeroizing<[u8; 32]>,
}

impl Keys {
    fn derive(passphrase: &str, cost: Cost, salt: &[u8]) -> Result<Self, BackupError> {
        let salt = salt.try_into().map_err(|_| BackupError::TooLarge)?;
        let root =
            hash_passphrase(passphrase, cost, &salt).map_err(|_| BackupError::CostOutOfRange)?;
        let hkdf = Hkdf::<Sha256>::new(None, root.as_slice());
        let key = |label: &[u8]| {
            let mut out = Zeroizing::new([0; 32]);
            hkdf.expand(label, out.as_mut_slice())
                .map_err(|_| BackupError::TooLarge)?;
            Ok::<_, BackupError>(out)
        };
        Ok(Self {
            check: key(b"sori backup check key 1")?,
            stream: key(b"sori backup stream key 1")?,
        })
    }

    /// The tag of an empty message: the key is used with this one nonce only.
    fn check(&self, covered: &[u8]) -> Result<Vec<u8>, BackupError> {
        let payload = Payload {
            msg: &[],
            aad: covered,
        };
        XChaCha20Poly1305::new(self.check.as_slice().into())
            .encrypt(&XNonce::default(), payload)
            .map_err(|_| BackupError::TooLarge)
    }
}

/// A stranger's file is refused by its first bytes, a later version's by its number.
fn read_bytes(from: &mut impl Read) -> Result<[u8; HEADER_LEN], BackupError> {
    let mut bytes = [0; HEADER_LEN];
    let (begin, rest) = bytes.split_at_mut(10);
    let begun = from.read_exact(begin).map_err(BackupError::from);
    if begun == Err(BackupError::Truncated) {
        return Err(BackupError::NotABackup);
    }
    begun?;
    let (magic, version) = begin.split_at(MAGIC.len());
    if magic != MAGIC {
        return Err(BackupError::NotABackup);
    }
    if version != VERSION.to_be_bytes() {
        return Err(BackupError::NewerVersion);
    }
    from.read_exact(rest)?;
    Ok(bytes)
}

fn read_cost(bytes: &[u8]) -> Option<Cost> {
    let mut parts = bytes.chunks_exact(4).filter_map(|part| {
        let part = <[u8; 4]>::try_from(part).ok()?;
        Some(u32::from_be_bytes(part))
    });
    Cost::from_header(parts.next()?, parts.next()?, parts.next()?)
}
