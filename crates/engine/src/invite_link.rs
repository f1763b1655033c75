//! The text by which somebody is invited: `sori:invite#` and base64url (protocol §7.1).
//!
//! The bytes behind it are `version (1) || body (postcard) || checksum (4)`. The checksum, the
//! first bytes of SHA-256 over everything before it, is no protection against anybody; it tells
//! a link that was cut short or mistyped from one of a newer version.
//!
//! Who has the link can reach the inviter, read what is said in the clear on the invite's topic
//! and ask to join. It does not let anybody pass for the inviter: whoever answers must hold the
//! keys that the pin in the link commits to.

use std::fmt;
use std::str::FromStr;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sori_wire::{RelayUrl, TopicSeed};
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use crate::seal::{SealKey, derive32};
use crate::time::Time;

/// How every invite begins. Read in upper or lower case.
pub(crate) const INVITE_PREFIX: &str = "sori:invite#";

/// Most relays in an invite. Who is invited connects to them: so many connections, to addresses
/// of the inviter's choice.
pub(crate) const INVITE_RELAYS_MAX: usize = 4;

/// Longest access key of a private relay, in bytes.
pub(crate) const ACCESS_KEY_LEN_MAX: usize = 64;

/// Bytes of text that are looked at. Room for line breaks around the longest invite there is.
const TEXT_LEN_MAX: usize = 16 * 1024;
/// Characters of the longest invite, rounded up.
const LINK_LEN_MAX: usize = 4096;
const VERSION: u8 = 1;
const CHECKSUM_LEN: usize = 4;

/// What the one who accepts is invited to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum InviteKind {
    /// A conversation with the inviter.
    Contact,
    /// A group.
    Group,
}

/// An invite, complete and within its bounds.
///
/// [`fmt::Display`] writes the link, which is a secret between those who hold it.
pub(crate) struct InviteLink {
    relays: Vec<RelayUrl>,
    seed: Zeroizing<[u8; 32]>,
    pin: [u8; 32],
    kind: InviteKind,
    expires: Time,
    access_key: Option<Zeroizing<Vec<u8>>>,
    text: Zeroizing<String>,
}

/// Why a text is no invite that can be used. For the person who pasted it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum InvalidInviteLink {
    /// It begins like an invite, but something is missing or changed.
    #[error("this invite is damaged; copy it whole, to its last character")]
    Damaged,
    /// A version that this program does not know.
    #[error("this invite needs a newer version of Sori")]
    NewerVersion,
    /// It does not begin with [`INVITE_PREFIX`].
    #[error("this is not a Sori invite; one begins with sori:invite#")]
    NotInvite,
    /// No relay, too many of them, or an access key that is too long: the inviter's mistake.
    #[error("an invite names 1 to 4 relays and an access key of at most 64 bytes")]
    OutOfBounds,
}

impl InviteLink {
    /// An invite of these parts. `seed` is random and used for this invite alone; `pin` is
    /// [`crate::handshake::pin`] of the inviter's keys.
    ///
    /// # Errors
    ///
    /// [`InvalidInviteLink::OutOfBounds`].
    pub(crate) fn new(
        relays: Vec<RelayUrl>,
        seed: Zeroizing<[u8; 32]>,
        pin: [u8; 32],
        kind: InviteKind,
        expires: Time,
        access_key: Option<Zeroizing<Vec<u8>>>,
    ) -> Result<Self, InvalidInviteLink> {
        let is_key_long = access_key
            .as_ref()
            .is_some_and(|key| key.len() > ACCESS_KEY_LEN_MAX);
        if relays.is_empty() || relays.len() > INVITE_RELAYS_MAX || is_key_long {
            return Err(InvalidInviteLink::OutOfBounds);
        }
        let mut link = Self {
            relays,
            seed,
            pin,
            kind,
            expires,
            access_key,
            text: Zeroizing::new(String::new()),
        };
        link.text = link.write()?;
        Ok(link)
    }

    /// Where the inviter listens; one to four.
    pub(crate) fn relays(&self) -> &[RelayUrl] {
        &self.relays
    }

    /// What the inviter's keys must hash to.
    pub(crate) const fn pin(&self) -> &[u8; 32] {
        &self.pin
    }

    /// What it invites to.
    #[cfg(test)]
    pub(crate) const fn kind(&self) -> InviteKind {
        self.kind
    }

    /// The inviter does not answer from this time on.
    pub(crate) const fn expires(&self) -> Time {
        self.expires
    }

    /// The secret that the topic and the sealing key follow from; kept by the inviter.
    #[cfg(test)]
    pub(crate) const fn seed(&self) -> &Zeroizing<[u8; 32]> {
        &self.seed
    }

    /// What a private relay asks for.
    #[cfg(test)]
    pub(crate) fn access_key(&self) -> Option<&[u8]> {
        self.access_key.as_deref().map(Vec::as_slice)
    }

    /// The topic on which inviter and invited meet.
    pub(crate) fn topic_seed(&self) -> TopicSeed {
        TopicSeed::from_bytes(*derive32(&*self.seed, "sori invite topic 1", &self.pin))
    }

    /// The key that seals every frame on that topic.
    pub(crate) fn seal_key(&self) -> SealKey {
        SealKey::derive(&*self.seed, "sori invite seal 1", &self.pin)
    }

    fn write(&self) -> Result<Zeroizing<String>, InvalidInviteLink> {
        let mut body = Body {
            relays: self.relays.clone(),
            seed: *self.seed,
            pin: self.pin,
            kind: self.kind,
            expires: self.expires,
            access_key: self.access_key.as_deref().cloned(),
        };
        let written = postcard::to_allocvec(&(VERSION, &body));
        body.forget();
        let mut bytes = written
            .map(Zeroizing::new)
            .map_err(|_| InvalidInviteLink::OutOfBounds)?;
        let checksum = checksum(&bytes);
        bytes.extend_from_slice(&checksum);
        let encoded = Zeroizing::new(Base64UrlUnpadded::encode_string(&bytes));
        Ok(Zeroizing::new([INVITE_PREFIX, &encoded].concat()))
    }
}

impl fmt::Display for InviteLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for InviteLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteLink(..)")
    }
}

impl FromStr for InviteLink {
    type Err = InvalidInviteLink;

    /// Reads a link with whatever white space and line breaks it was pasted with.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > TEXT_LEN_MAX {
            return Err(InvalidInviteLink::NotInvite);
        }
        let link = text
            .chars()
            .filter(|c| !c.is_whitespace() && !is_invisible(*c));
        let link = Zeroizing::new(link.collect::<String>());
        let (prefix, encoded) = link
            .split_at_checked(INVITE_PREFIX.len())
            .ok_or(InvalidInviteLink::NotInvite)?;
        if !prefix.eq_ignore_ascii_case(INVITE_PREFIX) {
            return Err(InvalidInviteLink::NotInvite);
        }
        if link.len() > LINK_LEN_MAX {
            return Err(InvalidInviteLink::Damaged);
        }
        let bytes = Base64UrlUnpadded::decode_vec(encoded);
        let bytes = Zeroizing::new(bytes.map_err(|_| InvalidInviteLink::Damaged)?);
        let (bytes, sum) = bytes.split_last_chunk().ok_or(InvalidInviteLink::Damaged)?;
        if checksum(bytes) != *sum {
            return Err(InvalidInviteLink::Damaged);
        }
        let (version, body) = bytes.split_first().ok_or(InvalidInviteLink::Damaged)?;
        if *version != VERSION {
            return Err(InvalidInviteLink::NewerVersion);
        }
        let body = postcard::take_from_bytes::<Body>(body);
        let (mut body, rest) = body.map_err(|_| InvalidInviteLink::Damaged)?;
        let link = Self::new(
            std::mem::take(&mut body.relays),
            Zeroizing::new(body.seed),
            body.pin,
            body.kind,
            body.expires,
            body.access_key.take().map(Zeroizing::new),
        );
        body.forget();
        match rest.is_empty() {
            true => link,
            false => Err(InvalidInviteLink::Damaged),
        }
    }
}

/// The fields of an invite in the order in which they are written.
#[derive(Serialize, Deserialize)]
struct Body {
    relays: Vec<RelayUrl>,
    seed: [u8; 32],
    pin: [u8; 32],
    kind: InviteKind,
    expires: Time,
    access_key: Option<Vec<u8>>,
}

impl Body {
    fn forget(&mut self) {
        self.seed.zeroize();
        self.access_key.zeroize();
    }
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_LEN] {
    let hash: [u8; 32] = Sha256::digest(bytes).into();
    hash.first_chunk().copied().unwrap_or_default()
}

/// Characters without width that programs put into long words so that they can be broken.
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RELAY: &str = "relay://relay.example:4433/#AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn link(relays: usize, access_key: Option<usize>) -> Result<InviteLink, InvalidInviteLink> {
        InviteLink::new(
            vec![RELAY.parse().unwrap(); relays],
            Zeroizing::new([1; 32]),
            [2; 32],
            InviteKind::Group,
            Time::from_unix_ms(1_700_000_000_000),
            access_key.map(|len| Zeroizing::new(vec![3; len])),
        )
    }

    /// The link of these bytes, with a checksum that fits.
    fn sealed(bytes: &[u8]) -> String {
        let bytes = [bytes, &checksum(bytes)].concat();
        [INVITE_PREFIX, &Base64UrlUnpadded::encode_string(&bytes)].concat()
    }

    fn bytes(link: &InviteLink) -> Vec<u8> {
        let mut bytes =
            Base64UrlUnpadded::decode_vec(link.text.split_at(INVITE_PREFIX.len()).1).unwrap();
        bytes.truncate(bytes.len() - CHECKSUM_LEN);
        bytes
    }

    fn error(text: &str) -> InvalidInviteLink {
        text.parse::<InviteLink>().unwrap_err()
    }

    #[test]
    fn what_is_written_is_read() {
        for (relays, access_key) in [(1, None), (4, Some(ACCESS_KEY_LEN_MAX)), (2, Some(0))] {
            let link = link(relays, access_key).unwrap();
            let text = link.to_string();
            assert!(text.starts_with(INVITE_PREFIX) && text.len() < 1000);
            let read: InviteLink = text.parse().unwrap();
            assert_eq!(read.relays(), link.relays());
            assert_eq!(read.seed(), link.seed());
            assert_eq!(read.pin(), &[2; 32]);
            assert_eq!(read.kind(), InviteKind::Group);
            assert_eq!(read.expires(), Time::from_unix_ms(1_700_000_000_000));
            assert_eq!(read.access_key(), link.access_key());
            assert_eq!(read.to_string(), text);
            assert_eq!(read.topic_seed().as_bytes(), link.topic_seed().as_bytes());
        }
    }

    #[test]
    fn number_of_relays_and_length_of_access_key_are_bounded() {
        assert_eq!(link(0, None).unwrap_err(), InvalidInviteLink::OutOfBounds);
        assert_eq!(link(5, None).unwrap_err(), InvalidInviteLink::OutOfBounds);
        let long = Some(ACCESS_KEY_LEN_MAX + 1);
        assert_eq!(link(1, long).unwrap_err(), InvalidInviteLink::OutOfBounds);
    }

    /// protocol §7.1.1
    #[test]
    fn text_survives_the_ways_in_which_people_paste() {
        let text = link(2, None).unwrap().to_string();
        let broken: Vec<_> = text.chars().map(String::from).collect();
        for pasted in [
            format!("  \t{text}\r\n\n"),
            broken
                .chunks(40)
                .map(|line| line.concat())
                .collect::<Vec<_>>()
                .join("\r\n  "),
            broken.join("\u{200B}"),
            text.replacen("sori:invite", "SORI:Invite", 1),
            format!("\u{FEFF}{text}\u{A0}"),
        ] {
            assert_eq!(pasted.parse::<InviteLink>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn errors_tell_apart_what_the_person_has_to_do() {
        let text = link(1, None).unwrap().to_string();
        for other in [
            "",
            "hello",
            "sori:invite",
            RELAY,
            "sori:Ïnvite#AAAA",
            &"x".repeat(20_000),
        ] {
            assert_eq!(error(other), InvalidInviteLink::NotInvite);
        }
        for len in INVITE_PREFIX.len()..text.len() {
            assert_eq!(error(text.split_at(len).0), InvalidInviteLink::Damaged);
        }
        let swapped = text.replacen('A', "B", 1);
        let longer = format!("{text}A");
        let endless = format!("{text}{}", "A".repeat(5000));
        for damaged in [
            swapped,
            longer,
            endless,
            format!("{text}!"),
            format!("{text}="),
        ] {
            assert_eq!(error(&damaged), InvalidInviteLink::Damaged);
        }
        let mut newer = bytes(&link(1, None).unwrap());
        newer[0] = 2;
        assert_eq!(error(&sealed(&newer)), InvalidInviteLink::NewerVersion);
    }

    /// protocol §3.1.2, §7.1.1
    #[test]
    fn well_formed_bytes_beyond_the_bounds_are_refused() {
        let good = bytes(&link(1, None).unwrap());
        assert!(sealed(&good).parse::<InviteLink>().is_ok());
        assert_eq!(
            error(&sealed(&[good.as_slice(), &[0]].concat())),
            InvalidInviteLink::Damaged
        );
        assert_eq!(
            error(&sealed(&good[..good.len() - 1])),
            InvalidInviteLink::Damaged
        );
        let mut no_relay = vec![VERSION, 0];
        no_relay.extend_from_slice(&good[3 + RELAY.len()..]);
        assert_eq!(error(&sealed(&no_relay)), InvalidInviteLink::OutOfBounds);
    }

    #[test]
    fn topic_and_seal_key_are_not_the_seed_and_depend_on_the_pin() {
        let link = link(1, None).unwrap();
        let other = InviteLink {
            pin: [9; 32],
            ..self::link(1, None).unwrap()
        };
        assert_ne!(*link.topic_seed().as_bytes(), **link.seed());
        assert_ne!(link.topic_seed().as_bytes(), other.topic_seed().as_bytes());
        let mut rng = <rand_chacha::ChaCha20Rng as rand_core::SeedableRng>::from_seed([0; 32]);
        let sealed = link.seal_key().seal(b"", b"hello", &mut rng).unwrap();
        assert!(link.seal_key().open(b"", &sealed).is_some());
        assert!(other.seal_key().open(b"", &sealed).is_none());
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", link(1, None).unwrap()), "InviteLink(..)");
    }

    proptest! {
        #[test]
        fn garbage_never_panics(text: String, body in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(text.parse::<InviteLink>().is_err());
            let _ = format!("{INVITE_PREFIX}{text}").parse::<InviteLink>();
            let _ = sealed(&[&[VERSION], body.as_slice()].concat()).parse::<InviteLink>();
        }
    }
}
