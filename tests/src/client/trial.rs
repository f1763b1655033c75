//! Keys that are found by trial: every 32 bytes of what a thief opens are taken for a secret, and tried on what the relay
//! has carried.
//!
//! So the suite needs to know no client's format. What a secret opens stands in `docs/protocol.md` (3.1.3, 4.1, 4.2, 4.3)
//! and in RFC 9420 (6.3, 9).

use std::collections::HashSet;

use aes_gcm::Aes128Gcm;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sha2::Sha256;

use crate::vectors::derive;

use super::stand::Carried;

/// A secret of 32 bytes.
pub(crate) type Secret = [u8; 32];

/// The secret among `hay` whose key of `day` opens one of `frames`: that of their channel (4.1.1).
pub(crate) fn channel(hay: &[u8], frames: &[&[u8]], day: u32) -> Option<Secret> {
    find(hay, |secret| {
        let key = sealing_key(secret, day);
        frames.iter().any(|frame| open(&key, frame).is_some())
    })
}

/// The secret among `hay` that tells who sent `message`: a secret of the state which that was sealed in.
pub(crate) fn sender_data(hay: &[u8], message: &Message) -> Option<Secret> {
    find(hay, |secret| message.sender(secret).is_some())
}

/// The way to the key of `message` from a secret among `hay`, from as near to the root of its state's tree of secrets as one
/// is there (RFC 9420, 9). `of_state` is its [`sender_data`] secret.
pub(crate) fn way(hay: &[u8], message: &Message, of_state: &Secret) -> Option<Way> {
    let from = message.opened_sender(of_state)?;
    let nodes = (0..=HEIGHT_MAX).rev().map(Start::Node);
    let mut starts = nodes.chain((0..=from.generation).map(Start::Ratchet));
    starts.find_map(|start| {
        let accepts = |secret: &Secret| message.opens(&from, &start.way(secret, &from));
        let secret = find_behind_length(hay, accepts)?;
        Some(start.way(&secret, &from))
    })
}

/// As [`find`], where a byte before says 32.
fn find_behind_length(hay: &[u8], accepts: impl Fn(&Secret) -> bool) -> Option<Secret> {
    let behind = memchr::memchr_iter(LEN_BYTE, hay).filter_map(|at| hay.get(at.checked_add(1)?..));
    let mut secrets = behind.filter_map(|rest| rest.first_chunk::<LEN>());
    let found = secrets.find(|secret| may_be_secret(secret) && accepts(secret));
    found.copied()
}

/// The first 32 bytes that are accepted. Those behind a byte that says 32 are tried first, for many formats write so.
fn find(hay: &[u8], accepts: impl Fn(&Secret) -> bool) -> Option<Secret> {
    let mut tried = HashSet::new();
    for behind_length in [true, false] {
        for (at, window) in hay.windows(LEN).enumerate() {
            let before = at.checked_sub(1).and_then(|at| hay.get(at));
            let (Some(secret), true) = (
                window.first_chunk::<LEN>(),
                !behind_length || before == Some(&LEN_BYTE),
            ) else {
                continue;
            };
            if may_be_secret(secret) && tried.insert(*secret) && accepts(secret) {
                return Some(*secret);
            }
        }
    }
    None
}

/// Random bytes repeat few of themselves: 32 of them have fewer than 20 values once in ten million times.
fn may_be_secret(bytes: &Secret) -> bool {
    let distinct: HashSet<u8> = bytes.iter().copied().collect();
    distinct.len() >= 20
}

/// Of a channel and a day (4.1.2).
fn sealing_key(secret: &Secret, day: u32) -> Secret {
    derive(secret, "seal", &day.to_be_bytes())
}

/// What a frame has inside (4.2): the chunk, without its head, of an object that has no other.
fn open(key: &Secret, frame: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = frame.split_first_chunk::<24>()?;
    let payload = Payload {
        msg: sealed,
        aad: b"sori channel frame 1",
    };
    let cipher = XChaCha20Poly1305::new(Key::from_slice(key));
    let plain = cipher.decrypt(XNonce::from_slice(nonce), payload).ok()?;
    let (len, rest) = plain.split_first_chunk::<4>()?;
    let chunk = rest.get(..usize::try_from(u32::from_be_bytes(*len)).ok()?)?;
    let (head, object) = chunk.split_first_chunk::<13>()?;
    (head.ends_with(&[0, 0, 0, 1])).then(|| object.to_vec())
}

/// An MLS PrivateMessage with an application message (RFC 9420, 6.3), as far as it is not sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// The state that it was sealed in, by its name in the protocol.
    pub(crate) state: Secret,
    epoch: u64,
    /// Associated data of who sent it.
    aad: Vec<u8>,
    sealed_sender: Vec<u8>,
    /// Associated data of what it says.
    content_aad: Vec<u8>,
    sealed: Vec<u8>,
}

/// Who sent a message, and with which of their keys.
#[derive(Clone, Copy, Debug)]
struct Sender {
    leaf: u32,
    generation: u32,
    reuse_guard: [u8; 4],
}

/// Secrets that lead to the key of a message, each made of the one before, and the key itself.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) secrets: Vec<Secret>,
    pub(crate) key: [u8; 16],
    nonce: [u8; 12],
}

/// What a secret may be.
#[derive(Clone, Copy, Debug)]
enum Start {
    /// That of the node so far above the sender's leaf.
    Node(u32),
    /// That of the sender's messages from this generation on.
    Ratchet(u32),
}

impl Start {
    /// The way from here, if `secret` is what this says.
    fn way(self, secret: &Secret, from: &Sender) -> Way {
        let mut secrets = vec![*secret];
        let mut last = *secret;
        let mut step = |label: &[u8], context: &[u8]| {
            last = expand(&last, label, context);
            secrets.push(last);
        };
        let first = match self {
            Self::Ratchet(first) => first,
            Self::Node(height) => {
                for below in (0..height).rev() {
                    let is_right = from.leaf >> below & 1 == 1;
                    step(b"tree", if is_right { b"right" } else { b"left" });
                }
                step(b"application", &[]);
                0
            }
        };
        for generation in first..from.generation {
            step(b"secret", &generation.to_be_bytes());
        }
        let generation = from.generation.to_be_bytes();
        Way {
            key: expand(&last, b"key", &generation),
            nonce: expand(&last, b"nonce", &generation),
            secrets,
        }
    }
}

impl Message {
    /// All that are among `frames` of the channel of `secret`.
    pub(crate) fn all(secret: &Secret, frames: &[Carried], day: u32) -> Vec<Self> {
        let key = sealing_key(secret, day);
        let objects = frames.iter().filter_map(|one| open(&key, &one.frame));
        objects.filter_map(|object| Self::parse(&object)).collect()
    }

    /// An object of kind 0 (4.3).
    fn parse(object: &[u8]) -> Option<Self> {
        let (kind, rest) = object.split_first()?;
        let (state, mut rest) = rest.split_first_chunk::<LEN>()?;
        while rest.first()? & 0x80 != 0 {
            rest = rest.get(1..)?;
        }
        // MLS 1.0, a private message.
        let whole = rest.get(1..)?.strip_prefix(&[0, 1, 0, 2])?;
        let mut body = whole;
        let group = vector(&mut body)?;
        let (epoch, after) = body.split_first_chunk::<8>()?;
        let (content, mut body) = after.split_first()?;
        let _authenticated = vector(&mut body)?;
        let content_aad = whole.get(..whole.len().checked_sub(body.len())?)?;
        let (sealed_sender, sealed) = (vector(&mut body)?, vector(&mut body)?);
        let len = u8::try_from(group.len()).ok()?;
        (*kind == 0 && *content == APPLICATION && len < 64).then_some(())?;
        Some(Self {
            state: *state,
            epoch: u64::from_be_bytes(*epoch),
            aad: [&[len], group, epoch, &[*content]].concat(),
            sealed_sender: sealed_sender.to_vec(),
            content_aad: content_aad.to_vec(),
            sealed: sealed.to_vec(),
        })
    }

    /// Leaf and generation, if this is the secret of its state for that.
    pub(crate) fn sender(&self, secret: &Secret) -> Option<(u32, u32)> {
        let sender = self.opened_sender(secret)?;
        Some((sender.leaf, sender.generation))
    }

    fn opened_sender(&self, secret: &Secret) -> Option<Sender> {
        let sample = self.sealed.first_chunk::<LEN>()?;
        let key: [u8; 16] = expand(secret, b"key", sample);
        let nonce: [u8; 12] = expand(secret, b"nonce", sample);
        let payload = Payload {
            msg: &self.sealed_sender,
            aad: &self.aad,
        };
        let cipher = Aes128Gcm::new(&key.into());
        let plain = cipher.decrypt(&nonce.into(), payload).ok()?;
        let (leaf, rest) = plain.split_first_chunk()?;
        let (generation, rest) = rest.split_first_chunk()?;
        Some(Sender {
            leaf: u32::from_be_bytes(*leaf),
            generation: u32::from_be_bytes(*generation),
            reuse_guard: *rest.first_chunk()?,
        })
    }

    /// Whether the way ends at the key of this message (RFC 9420, 6.3.1).
    fn opens(&self, from: &Sender, way: &Way) -> bool {
        let mut nonce = way.nonce;
        for (byte, guard) in nonce.iter_mut().zip(from.reuse_guard) {
            *byte ^= guard;
        }
        let payload = Payload {
            msg: &self.sealed,
            aad: &self.content_aad,
        };
        let cipher = Aes128Gcm::new(&way.key.into());
        cipher.decrypt(&nonce.into(), payload).is_ok()
    }
}

/// ExpandWithLabel (RFC 9420, 8) with SHA-256.
fn expand<const N: usize>(secret: &Secret, label: &[u8], context: &[u8]) -> [u8; N] {
    let label = [b"MLS 1.0 ", label].concat();
    // All that stands here is short.
    let short = |len: usize| u8::try_from(len).unwrap_or(u8::MAX);
    let info = [
        &[0, short(N), short(label.len())],
        label.as_slice(),
        &[short(context.len())],
        context,
    ]
    .concat();
    let mut out = [0; N];
    // 32 bytes are enough of a key, and few enough of an output.
    if let Ok(hkdf) = Hkdf::<Sha256>::from_prk(secret) {
        let _expanded = hkdf.expand(&info, &mut out);
    }
    out
}

/// A vector with its length in one, two or four bytes in front (RFC 9420, 2.1.2).
fn vector<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let first = *bytes.first()?;
    let size = 1_usize << (first >> 6);
    let number = bytes.get(..size)?;
    let high = usize::from(first & 0x3f);
    let low = number.get(1..)?.iter();
    let len = low.fold(high, |len, byte| (len << 8) | usize::from(*byte));
    let (vector, rest) = bytes.get(size..)?.split_at_checked(len)?;
    *bytes = rest;
    Some(vector)
}

/// Bytes of a secret, also where they stand in one byte.
const LEN: usize = 32;
const LEN_BYTE: u8 = 32;

/// The highest node that is tried: the root of a group of up to eight devices.
const HEIGHT_MAX: u32 = 3;

/// The content type of application messages.
const APPLICATION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(n: u8) -> Secret {
        std::array::from_fn(|at| n.wrapping_add(u8::try_from(at).unwrap().wrapping_mul(7)))
    }

    /// Who sends what [`object`] has.
    const FROM: Sender = Sender {
        leaf: 3,
        generation: 5,
        reuse_guard: [1; 4],
    };

    /// A message of this group's leaf 3 in generation 5, sealed as RFC 9420 says in a group of up to four.
    fn object(of_state: &Secret, of_tree: &Secret) -> Vec<u8> {
        let aad = [&[2, 1, 2][..], &7_u64.to_be_bytes(), &[1]].concat();
        let way = Start::Node(2).way(of_tree, &FROM);
        let nonce: Vec<u8> = way
            .nonce
            .iter()
            .zip([1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0])
            .map(|(a, b)| a ^ b)
            .collect();
        let payload = Payload {
            msg: &[9; 24],
            aad: &[&aad[..], &[0]].concat(),
        };
        let sealed = Aes128Gcm::new(&way.key.into())
            .encrypt(nonce.as_slice().into(), payload)
            .unwrap();
        let sample = sealed.first_chunk::<LEN>().unwrap();
        let key: [u8; 16] = expand(of_state, b"key", sample);
        let nonce: [u8; 12] = expand(of_state, b"nonce", sample);
        let payload = Payload {
            msg: &[0, 0, 0, 3, 0, 0, 0, 5, 1, 1, 1, 1],
            aad: &aad,
        };
        let sender = Aes128Gcm::new(&key.into())
            .encrypt(&nonce.into(), payload)
            .unwrap();
        let message = [&[0, 1, 0, 2][..], &aad, &[0, 28], &sender, &[40], &sealed].concat();
        let len = u8::try_from(message.len()).unwrap();
        [&[0][..], &[8; 32], &[len], &message].concat()
    }

    /// protocol §4.2.1, §4.3
    #[test]
    fn secrets_are_found_by_what_they_open() {
        let (of_channel, of_state, day) = (secret(3), secret(90), 20_000);
        let chunk = [
            &[1][..],
            &[8; 8],
            &[0, 0, 0, 1],
            &object(&of_state, &secret(200)),
        ]
        .concat();
        let key = sealing_key(&of_channel, day);
        let frame = crate::vectors::seal(&key, &[7; 24], b"sori channel frame 1", &chunk, 512);
        let hay = [&[1; 99][..], &of_channel, &[32], &of_state, &[5; 50]].concat();
        assert_eq!(channel(&hay, &[&[0; 512], &frame], day), Some(of_channel));
        assert_eq!(channel(&hay, &[&frame], day + 1), None);
        let carried = Carried {
            topic: [0; 32],
            frame,
        };
        let messages = Message::all(&of_channel, &[carried], day);
        assert_eq!(messages.len(), 1);
        assert_eq!((messages[0].state, messages[0].epoch), ([8; 32], 7));
        assert_eq!(sender_data(&hay, &messages[0]), Some(of_state));
        assert_eq!(messages[0].sender(&of_state), Some((3, 5)));
        assert_eq!(messages[0].sender(&of_channel), None);
        assert_eq!(sender_data(&hay[..140], &messages[0]), None);
    }

    /// protocol §5.2.5
    #[test]
    fn the_way_to_a_key_is_found_from_wherever_it_begins() {
        let (of_state, of_tree) = (secret(90), secret(200));
        let message = Message::parse(&object(&of_state, &of_tree)).unwrap();
        let whole = Start::Node(2).way(&of_tree, &FROM);
        // Root, a node, the leaf, and six generations.
        assert_eq!(whole.secrets.len(), 9);
        let hay = |secret: &Secret| [&[1; 99][..], &[32], secret, &[5; 50]].concat();
        for (at, secret) in whole.secrets.iter().enumerate() {
            let way = way(&hay(secret), &message, &of_state).unwrap();
            assert_eq!(way.key, whole.key, "{at}");
            assert_eq!(way.secrets, whole.secrets[at..], "{at}");
        }
        assert!(way(&hay(&of_state), &message, &of_state).is_none());
        assert!(way(&hay(&of_tree), &message, &of_tree).is_none());
    }

    #[test]
    fn what_is_cut_is_no_message() {
        let object = object(&secret(90), &secret(200));
        assert!(Message::parse(&object).is_some());
        for len in 0..object.len() {
            assert_eq!(Message::parse(&object[..len]), None, "{len}");
        }
    }
}
