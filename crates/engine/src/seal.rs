//! Sealed frames: everything that is published leaves the device in this form.
//!
//! A sealed frame is `nonce (24 bytes) || ciphertext || tag (16 bytes)` under
//! XChaCha20-Poly1305. The plaintext is `length (u32, big endian) || body || zeros`, padded so
//! that the whole frame has one of eight sizes. Whoever carries it sees one of eight sizes and
//! otherwise noise: not what kind of thing it is, not whose, not how long (protocol §4.2).
//!
//! The nonce is random. With 192 bits of it, chance collisions are out of reach for as many
//! frames as anybody can send, so no counter has to survive a crash or a restored backup.

use chacha20poly1305::aead::{AeadInPlace, KeyInit};
use chacha20poly1305::{Key, Tag, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use rand_core::{CryptoRng, RngCore};
use sha2::Sha256;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Lengths that a sealed frame can have, ascending. The last is the relay's limit for a frame.
pub(crate) const SEALED_LENS: [usize; 8] = [512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536];

/// Most bytes that fit into one sealed frame.
pub(crate) const PLAINTEXT_LEN_MAX: usize = 65_536 - NONCE_LEN - LENGTH_LEN - TAG_LEN;

const NONCE_LEN: usize = 24;
const LENGTH_LEN: usize = 4;
const TAG_LEN: usize = 16;
const OVERHEAD_LEN: usize = NONCE_LEN + LENGTH_LEN + TAG_LEN;

/// Why something could not be sealed: the caller's mistake, never a peer's.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum SealError {
    /// The cipher refused, which it does for no input that passes the other check.
    #[error("the cipher refused")]
    Cipher,
    /// More than [`PLAINTEXT_LEN_MAX`] bytes.
    #[error("too long for one frame")]
    TooLong,
}

/// A key that seals and opens frames.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct SealKey([u8; 32]);

impl SealKey {
    /// A key from its 32 bytes.
    pub(crate) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key that follows from `ikm` for the use `label` in `context`; see [`derive32`].
    pub(crate) fn derive(ikm: &[u8], label: &str, context: &[u8]) -> Self {
        Self::from_bytes(*derive32(ikm, label, context))
    }

    /// Seals `plaintext` into the smallest of [`SEALED_LENS`] that holds it; `aad` is bound to
    /// it and not sent.
    ///
    /// # Errors
    ///
    /// [`SealError::TooLong`] above [`PLAINTEXT_LEN_MAX`] bytes.
    pub(crate) fn seal(
        &self,
        aad: &[u8],
        plaintext: &[u8],
        rng: &mut (impl CryptoRng + RngCore + ?Sized),
    ) -> Result<Vec<u8>, SealError> {
        let mut nonce = XNonce::default();
        rng.fill_bytes(&mut nonce);
        self.seal_with(aad, plaintext, &nonce)
    }

    /// Seals what was sealed elsewhere before, so that all who do it get the same bytes: the nonce
    /// follows from key and plaintext.
    ///
    /// # Errors
    ///
    /// As for [`SealKey::seal`].
    pub(crate) fn seal_again(&self, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
        let derived = derive32(&self.0, "nonce", plaintext);
        let mut nonce = XNonce::default();
        for (to, from) in nonce.iter_mut().zip(derived.iter()) {
            *to = *from;
        }
        self.seal_with(aad, plaintext, &nonce)
    }

    fn seal_with(
        &self,
        aad: &[u8],
        plaintext: &[u8],
        nonce: &XNonce,
    ) -> Result<Vec<u8>, SealError> {
        let needed = plaintext.len().saturating_add(OVERHEAD_LEN);
        let sealed_len = SEALED_LENS.into_iter().find(|len| *len >= needed);
        let sealed_len = sealed_len.ok_or(SealError::TooLong)?;
        let body_len = u32::try_from(plaintext.len()).map_err(|_| SealError::TooLong)?;

        let mut sealed = Vec::with_capacity(sealed_len);
        sealed.extend_from_slice(nonce);
        sealed.extend_from_slice(&body_len.to_be_bytes());
        sealed.extend_from_slice(plaintext);
        sealed.resize(sealed_len.saturating_sub(TAG_LEN), 0);
        // Encrypted in place: no second copy of the plaintext is left behind in memory.
        let padded = sealed.get_mut(NONCE_LEN..).ok_or(SealError::Cipher)?;
        let tag = self.cipher().encrypt_in_place_detached(nonce, aad, padded);
        let Ok(tag) = tag else {
            sealed.zeroize();
            return Err(SealError::Cipher);
        };
        sealed.extend_from_slice(&tag);
        Ok(sealed)
    }

    /// What [`SealKey::seal`] sealed with this key and `aad`; `None` for everything else, without
    /// telling why: not one of the sizes, another key, changed on the way, not padded with zeros.
    pub(crate) fn open(&self, aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        if !SEALED_LENS.contains(&sealed.len()) {
            return None;
        }
        let (nonce, rest) = sealed.split_at_checked(NONCE_LEN)?;
        let (ciphertext, tag) = rest.split_at_checked(rest.len().checked_sub(TAG_LEN)?)?;
        let mut padded = Zeroizing::new(ciphertext.to_vec());
        let (nonce, tag) = (XNonce::from_slice(nonce), Tag::from_slice(tag));
        let opened = self
            .cipher()
            .decrypt_in_place_detached(nonce, aad, &mut padded, tag);
        opened.ok()?;

        let (body_len, rest) = padded.split_first_chunk::<LENGTH_LEN>()?;
        let body_len = usize::try_from(u32::from_be_bytes(*body_len)).ok()?;
        let (body, padding) = rest.split_at_checked(body_len)?;
        if padding.iter().any(|byte| *byte != 0) {
            return None;
        }
        Some(Zeroizing::new(body.to_vec()))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(Key::from_slice(&self.0))
    }
}

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey(..)")
    }
}

/// 32 bytes that follow from the secret `ikm`: HKDF-SHA256 (RFC 5869) without salt and with
/// `label || 0x00 || context` as its info.
///
/// Labels are constants of the program and contain no zero byte, so no two pairs of label and
/// context share an info.
pub(crate) fn derive32(ikm: &[u8], label: &str, context: &[u8]) -> Zeroizing<[u8; 32]> {
    debug_assert!(
        !label.contains('\0'),
        "a label with a zero byte is ambiguous"
    );
    let (prk, _) = Hkdf::<Sha256>::extract(None, ikm);
    let mut prk = Zeroizing::new(<[u8; 32]>::from(prk));
    // An output of one hash is the first block of the expansion, HMAC(PRK, info || 0x01). Asking
    // HMAC for it, with the key padded as HMAC itself would, cannot fail; `expand` could.
    let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
    for (to, from) in block.iter_mut().zip(prk.iter()) {
        *to = *from;
    }
    let mut mac = <Hmac<Sha256> as Mac>::new(&block);
    block.zeroize();
    mac.update(label.as_bytes());
    mac.update(&[0]);
    mac.update(context);
    mac.update(&[1]);
    *prk = mac.finalize().into_bytes().into();
    prk
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    fn rng() -> ChaCha20Rng {
        ChaCha20Rng::from_seed([7; 32])
    }

    fn key() -> SealKey {
        SealKey::from_bytes([1; 32])
    }

    /// Seals exactly this padded plaintext, as a faulty or hostile sender could.
    fn seal_raw(key: &SealKey, padded: &[u8]) -> Vec<u8> {
        let nonce = XNonce::default();
        let mut ciphertext = padded.to_vec();
        let tag = key
            .cipher()
            .encrypt_in_place_detached(&nonce, b"", &mut ciphertext)
            .unwrap();
        [nonce.as_slice(), &ciphertext, &tag].concat()
    }

    /// protocol §4.2.2
    #[test]
    fn each_size_class_is_filled_to_the_brim_and_one_more_takes_the_next() {
        for (index, len) in SEALED_LENS.into_iter().enumerate() {
            let brim = vec![9; len - OVERHEAD_LEN];
            let sealed = key().seal(b"aad", &brim, &mut rng()).unwrap();
            assert_eq!(sealed.len(), len);
            assert_eq!(*key().open(b"aad", &sealed).unwrap(), brim);
            let over = vec![9; len - OVERHEAD_LEN + 1];
            match SEALED_LENS.get(index + 1) {
                Some(next) => {
                    assert_eq!(key().seal(b"", &over, &mut rng()).unwrap().len(), *next);
                }
                None => assert_eq!(key().seal(b"", &over, &mut rng()), Err(SealError::TooLong)),
            }
        }
        assert_eq!(PLAINTEXT_LEN_MAX, 65_536 - OVERHEAD_LEN);
    }

    #[test]
    fn other_key_other_aad_and_any_flipped_bit_are_refused() {
        let sealed = key().seal(b"aad", b"hello", &mut rng()).unwrap();
        assert!(SealKey::from_bytes([2; 32]).open(b"aad", &sealed).is_none());
        assert!(key().open(b"axd", &sealed).is_none());
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert!(key().open(b"aad", &changed).is_none());
        }
    }

    /// protocol §4.2.2
    #[test]
    fn length_beyond_the_frame_and_padding_with_anything_but_zeros_are_refused() {
        let padded_len = 512 - NONCE_LEN - TAG_LEN;
        let mut padded = vec![0; padded_len];
        padded[3] = 5;
        assert_eq!(
            key().open(b"", &seal_raw(&key(), &padded)).unwrap().len(),
            5
        );
        padded[padded_len - 1] = 1;
        assert!(key().open(b"", &seal_raw(&key(), &padded)).is_none());
        padded[padded_len - 1] = 0;
        for length in [
            u32::MAX,
            u32::try_from(padded_len - LENGTH_LEN).unwrap() + 1,
        ] {
            padded[..4].copy_from_slice(&length.to_be_bytes());
            assert!(key().open(b"", &seal_raw(&key(), &padded)).is_none());
        }
        assert!(key().open(b"", &seal_raw(&key(), &padded[1..])).is_none());
    }

    #[test]
    fn two_seals_of_one_text_differ() {
        let mut rng = rng();
        let first = key().seal(b"", b"same", &mut rng).unwrap();
        assert_ne!(first, key().seal(b"", b"same", &mut rng).unwrap());
    }

    /// protocol §3.1.3
    #[test]
    fn derivation_is_hkdf_and_separates_labels_and_contexts() {
        let mut expected = [0; 32];
        let hkdf = Hkdf::<Sha256>::new(None, b"secret");
        hkdf.expand(b"label\0context", &mut expected).unwrap();
        assert_eq!(*derive32(b"secret", "label", b"context"), expected);
        assert_ne!(
            derive32(b"secret", "labelc", b"ontext"),
            derive32(b"secret", "label", b"context")
        );
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(
            format!("{:?}", SealKey::from_bytes([0xAB; 32])),
            "SealKey(..)"
        );
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens(body in prop::collection::vec(any::<u8>(), 0..5000), seed: [u8; 32]) {
            let sealed = key().seal(b"x", &body, &mut ChaCha20Rng::from_seed(seed)).unwrap();
            prop_assert!(SEALED_LENS.contains(&sealed.len()));
            prop_assert_eq!(&*key().open(b"x", &sealed).unwrap(), &body);
        }

        /// protocol §4.2.2
        #[test]
        fn garbage_never_opens(garbage in prop::collection::vec(any::<u8>(), 0..2100)) {
            prop_assert!(key().open(b"", &garbage).is_none());
        }
    }
}
