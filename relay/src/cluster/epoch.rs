//! One epoch: a random secret that only the memory of the relays holds, the subjects that follow from
//! it, and how frames are sealed under it.

use std::cmp::Reverse;
use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{Key, KeyInit, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use sori_wire::Topic;
use zeroize::Zeroizing;

/// Names a relay of the cluster while its process lives: 16 random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NodeId(pub(super) [u8; 16]);

/// Names an epoch; follows from its secret and says nothing about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EpochId(pub(super) [u8; 16]);

/// Which of two epochs a cluster settles on: the higher number, and of equal ones the smaller id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank(pub(super) u64, pub(super) Reverse<EpochId>);

/// The subject of a topic in an epoch, before it is text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tag([u8; 16]);

/// The keys of an epoch. Wiped when the last owner drops it.
pub(super) struct Epoch {
    number: u64,
    id: EpochId,
    /// The epoch that it was made to follow, or zeros.
    parent: EpochId,
    secret: Zeroizing<[u8; 32]>,
    subjects: Zeroizing<[u8; 32]>,
    frames: XChaCha20Poly1305,
}

impl Epoch {
    pub(super) fn new(number: u64, parent: EpochId, secret: Zeroizing<[u8; 32]>) -> Self {
        let hkdf = Hkdf::<Sha256>::new(Some(b"sori cluster epoch 1"), secret.as_ref());
        let mut id = [0; 16];
        let mut subjects = Zeroizing::new([0; 32]);
        let mut frames = Zeroizing::new([0; 32]);
        // These lengths are always had.
        let _always = hkdf.expand(b"id", &mut id);
        let _always = hkdf.expand(b"subjects", subjects.as_mut());
        let _always = hkdf.expand(b"frames", frames.as_mut());
        Self {
            number,
            id: EpochId(id),
            parent,
            secret,
            subjects,
            frames: XChaCha20Poly1305::new(Key::from_slice(frames.as_ref())),
        }
    }

    /// An epoch with a secret of the system's randomness; `None` if it has none.
    pub(super) fn draw(number: u64, parent: EpochId) -> Option<Self> {
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(secret.as_mut()).ok()?;
        Some(Self::new(number, parent, secret))
    }

    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    pub(super) const fn id(&self) -> EpochId {
        self.id
    }

    pub(super) const fn parent(&self) -> EpochId {
        self.parent
    }

    pub(super) const fn rank(&self) -> Rank {
        Rank(self.number, Reverse(self.id))
    }

    pub(super) fn secret(&self) -> &[u8; 32] {
        &self.secret
    }

    /// The subject of a topic, which shows nothing to who has not this epoch's key.
    pub(super) fn tag(&self, topic: &Topic) -> Tag {
        let mut tag = [0; 16];
        // HMAC takes keys of every length, so there is always one.
        let mac = <Hmac<Sha256> as Mac>::new_from_slice(self.subjects.as_ref());
        if let Ok(mut mac) = mac {
            mac.update(topic.as_bytes());
            for (to, from) in tag.iter_mut().zip(mac.finalize().into_bytes()) {
                *to = from;
            }
        }
        Tag(tag)
    }

    /// Seals under a nonce that is never used again: a relay counts up, and no two have one id.
    pub(super) fn seal(
        &self,
        tag: Tag,
        from: NodeId,
        counter: u64,
        plaintext: &[u8],
    ) -> Option<Vec<u8>> {
        let payload = Payload {
            msg: plaintext,
            aad: &tag.0,
        };
        self.frames.encrypt(&nonce(from, counter), payload).ok()
    }

    pub(super) fn open(
        &self,
        tag: Tag,
        from: NodeId,
        counter: u64,
        sealed: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        let payload = Payload {
            msg: sealed,
            aad: &tag.0,
        };
        let opened = self.frames.decrypt(&nonce(from, counter), payload);
        opened.ok().map(Zeroizing::new)
    }
}

impl NodeId {
    /// A name that no other relay has; `None` if the system has no randomness.
    pub(super) fn draw() -> Option<Self> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).ok()?;
        Some(Self(id))
    }
}

impl EpochId {
    /// The parent of an epoch that follows none.
    pub(super) const NONE: Self = Self([0; 16]);
}

impl Tag {
    pub(super) fn to_subject(self) -> String {
        subject_of(self.0)
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Epoch(redacted)")
    }
}

/// All subjects look alike, whatever they are for.
pub(super) fn subject_of(tag: [u8; 16]) -> String {
    format!("sori.{}", Base64UrlUnpadded::encode_string(&tag))
}

fn nonce(from: NodeId, counter: u64) -> XNonce {
    let mut nonce = [0; 24];
    let bytes = from.0.into_iter().chain(counter.to_be_bytes());
    for (to, from) in nonce.iter_mut().zip(bytes) {
        *to = from;
    }
    nonce.into()
}
