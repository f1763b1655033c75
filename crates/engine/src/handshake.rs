//! First contact: what inviter and joiner say to each other on an invite's topic (protocol §7.2, §7.3).
//!
//! ```text
//! joiner                                                  inviter
//!   | -- Knock { commitment to the request } -------------> |
//!   | <--------------- Key { public key, account, nonce } -- |   checked against the link's pin
//!   | -- Request { the request, sealed to the key } -------> |   checked against the commitment
//!   | <------------------------------------- Received ------ |   both windows show the code
//!   | <--- Admitted { admission, sealed to the joiner } ---- |   or Denied, or Gone
//!   | -- Welcomed -----------------------------------------> |
//! ```
//!
//! Each of these travels in frames sealed under a key from the link, so a relay reads none of
//! them. Whoever has the link does read them, which is why the request and the admission are
//! sealed once more, to the one they are meant for. `Here` says that the inviter came online, so
//! that a joiner who waits knocks again.
//!
//! # Who could stand in the middle
//!
//! *Somebody who read the link* on its way. To pass for the inviter they would need keys that hash
//! to the pin; to pass for the joiner they only have to be first, and to open what the joiner
//! sealed they would need the inviter's secret key. So they can join in the joiner's stead under
//! any name, and no more: the person who approves can notice by the code.
//!
//! *Somebody who replaced the link* by one of their own plays the inviter to the joiner and the
//! joiner to the inviter: two handshakes with one attacker in both. Nothing but comparing the
//! codes over another way (in person, by voice) finds that out. The code is six digits of a hash
//! over the inviter's keys (by the pin), the inviter's nonce and the joiner's request. The attacker
//! wants both windows to show the same digits and chooses one input on either side:
//!
//! - towards the inviter, the request: bound by the commitment *before* the inviter's nonce is
//!   known, so it cannot be searched for one that fits;
//! - towards the joiner, the nonce (and the keys): chosen *before* the joiner's request is known.
//!   The commitment tells nothing about it, for the request holds 32 random bytes, its salt. So
//!   the nonce cannot be searched either.
//!
//! Whichever handshake is driven to its end first, the last choice in the other one is blind: the
//! codes agree with a chance of one in a million for each attempt, and an attempt is something
//! that both people see. This needs a fresh salt for every request and a fresh nonce for every
//! knock, of which the joiner takes the first and no other; a `Request` that does not match its
//! `Knock` is dropped.
//!
//! **Limits.** A code that nobody compares protects nobody: then all rests on who got the link.
//! The name in `Key` is a courtesy and not authenticated; the one in the admission is signed by
//! the inviter's account. Whoever has the link can make noise on its topic and thereby keep others
//! from joining, not make them join something else.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::session::{ENTRY_LEN_MAX, Entry};

/// Length of a hybrid (X-Wing) public key.
pub(crate) const HYBRID_PUBLIC_LEN: usize = 1216;
/// Characters in the name of a person.
pub(crate) const NAME_CHARS_MAX: usize = 64;
/// KeyPackages that one side gives the other at first contact.
pub(crate) const KEY_PACKAGES_MAX: usize = 5;
/// Members whose names come with an admission.
pub(crate) const NAMES_MAX: usize = 1024;

/// HPKE info under which a [`JoinRequest`] is sealed.
pub(crate) const REQUEST_INFO: &[u8] = b"sori join request 1";
/// HPKE info under which an [`Admission`] is sealed.
pub(crate) const ADMISSION_INFO: &[u8] = b"sori admission 1";

const KEY_PACKAGE_LEN_MAX: usize = 16 * 1024;
const WELCOME_LEN_MAX: usize = 4 * 1024 * 1024;
const REQUEST_LEN_MAX: usize = 128 * 1024;
const ADMISSION_LEN_MAX: usize = 7 * 1024 * 1024;
/// Envelopes that carry a commit which comes with an admission.
pub(crate) const COMMIT_ENVELOPES_MAX: usize = 32;
/// What sealing adds to it: an encapsulated key and a tag.
const SEAL_LEN: usize = 1120 + 16;
const INVITE_MESSAGE_LEN_MAX: usize = ADMISSION_LEN_MAX + 4096;
const SIGNATURE_LEN: usize = 64;

/// What is to be sent is outside its bounds: the caller's mistake.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("handshake message out of bounds")]
pub(crate) struct OutOfBounds;

/// One message on an invite's topic. The order of the variants is their number on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum InviteMessage {
    /// Inviter: I am online now.
    Here,
    /// Joiner: I would like to send the request with this [`commitment`]. `knock` is random and
    /// names this attempt.
    Knock {
        knock: [u8; 16],
        commitment: [u8; 32],
    },
    /// Inviter: seal it to this key. `nonce` is fresh for each knock; key and account are what
    /// the invite's [`pin`] says.
    Key {
        knock: [u8; 16],
        public: Vec<u8>,
        account: [u8; 32],
        name: String,
        nonce: [u8; 16],
    },
    /// Joiner: a [`JoinRequest`], sealed to the key.
    Request { knock: [u8; 16], sealed: Vec<u8> },
    /// Inviter: I have the request; a person decides.
    Received { knock: [u8; 16] },
    /// Inviter: an [`Admission`], sealed to the joiner's mailbox.
    Admitted { knock: [u8; 16], sealed: Vec<u8> },
    /// Inviter: no.
    Denied { knock: [u8; 16] },
    /// Inviter: the invite is used up or has expired.
    Gone { knock: [u8; 16] },
    /// Joiner: I am in; the admission need not be sent again.
    Welcomed { knock: [u8; 16] },
}

impl InviteMessage {
    /// The message in bytes.
    ///
    /// # Errors
    ///
    /// [`OutOfBounds`] for a message that [`InviteMessage::decode`] would refuse.
    pub(crate) fn encode(&self) -> Result<Zeroizing<Vec<u8>>, OutOfBounds> {
        write(self)
    }

    /// The message in these bytes, all of them, within the bounds.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        read(bytes)
    }
}

/// Who wants to join, and what is needed to admit them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JoinRequest {
    /// Random, so that the commitment to the request tells nothing about it.
    pub(crate) salt: [u8; 32],
    /// As the joiner calls themselves; see [`clean_name`].
    pub(crate) name: String,
    /// The joiner's account, whose key signs.
    pub(crate) account: [u8; 32],
    /// The joiner's hybrid public key; the admission is sealed to it.
    pub(crate) mailbox: Vec<u8>,
    /// One to five; the first is for this join, the others for later.
    pub(crate) key_packages: Vec<Vec<u8>>,
    /// The account's signature over [`JoinRequest::signed_bytes`], 64 bytes.
    pub(crate) signature: Vec<u8>,
}

impl JoinRequest {
    /// What the account signs under this label.
    pub(crate) const LABEL: &'static [u8] = b"sori join-v1";

    /// What is signed: all fields, bound to the invite and this attempt, so that nobody can hand
    /// the request on to somebody else.
    pub(crate) fn signed_bytes(&self, pin: &[u8; 32], knock: &[u8; 16]) -> Vec<u8> {
        let mut transcript = Transcript::new(Self::LABEL, pin, knock);
        transcript.add(&self.salt);
        transcript.add(self.name.as_bytes());
        transcript.add(&self.account);
        transcript.add(&self.mailbox);
        transcript.add_all(&self.key_packages);
        transcript.0
    }

    /// The request in bytes: what is committed to, sealed, and hashed into the code.
    ///
    /// # Errors
    ///
    /// [`OutOfBounds`] for a request that [`JoinRequest::decode`] would refuse.
    pub(crate) fn encode(&self) -> Result<Zeroizing<Vec<u8>>, OutOfBounds> {
        write(self)
    }

    /// The request in these bytes, all of them, within the bounds. The signature is not checked.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        read(bytes)
    }
}

/// What lets somebody in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Admission {
    /// The group that the Welcome is for.
    pub(crate) group: [u8; 16],
    /// The MLS Welcome.
    pub(crate) welcome: Vec<u8>,
    /// The secret of the group's present channel.
    #[serde(with = "secret")]
    pub(crate) channel_secret: Zeroizing<[u8; 32]>,
    /// The inviter's account, whose key signs.
    pub(crate) inviter_account: [u8; 32],
    /// As the inviter calls themselves; see [`clean_name`].
    pub(crate) inviter_name: String,
    /// The inviter's own hybrid public key, for later.
    pub(crate) inviter_mailbox: Vec<u8>,
    /// The inviter's KeyPackages for later, at most five.
    pub(crate) key_packages: Vec<Vec<u8>>,
    /// Accounts of members and what they call themselves.
    pub(crate) names: Vec<([u8; 32], String)>,
    /// The group's clock at the join: what came before it is not for the joiner.
    pub(crate) clock: u64,
    /// The envelopes of the commit that lets the joiner in, so that whoever has not heard it can have it from the joiner; none if the
    /// inviter does not hold them any more.
    pub(crate) commit: Vec<Entry>,
    /// The inviter's signature over [`Admission::signed_bytes`], 64 bytes.
    pub(crate) signature: Vec<u8>,
}

impl Admission {
    /// What the account signs under this label.
    pub(crate) const LABEL: &'static [u8] = b"sori admit-v1";

    /// What is signed: all fields, bound to the invite and this attempt. Holds the channel
    /// secret.
    pub(crate) fn signed_bytes(&self, pin: &[u8; 32], knock: &[u8; 16]) -> Zeroizing<Vec<u8>> {
        let mut transcript = Transcript::new(Self::LABEL, pin, knock);
        transcript.add(&self.group);
        transcript.add(&self.welcome);
        transcript.add(&*self.channel_secret);
        transcript.add(&self.inviter_account);
        transcript.add(self.inviter_name.as_bytes());
        transcript.add(&self.inviter_mailbox);
        transcript.add_all(&self.key_packages);
        transcript.add_len(self.names.len());
        for (account, name) in &self.names {
            transcript.add(account);
            transcript.add(name.as_bytes());
        }
        transcript.add(&self.clock.to_be_bytes());
        transcript.add_len(self.commit.len());
        for Entry { day, sealed } in &self.commit {
            transcript.add(&day.0.to_be_bytes());
            transcript.add(sealed);
        }
        Zeroizing::new(transcript.0)
    }

    /// The admission in bytes.
    ///
    /// # Errors
    ///
    /// [`OutOfBounds`] for an admission that [`Admission::decode`] would refuse.
    pub(crate) fn encode(&self) -> Result<Zeroizing<Vec<u8>>, OutOfBounds> {
        write(self)
    }

    /// The admission in these bytes, all of them, within the bounds. The signature is not
    /// checked.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        read(bytes)
    }
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Admission(..)")
    }
}

/// What an invite says about the inviter's keys: SHA-256 over `"sori invite pin 1"`, the account
/// and the hybrid public key.
pub(crate) fn pin(public: &[u8], account: &[u8; 32]) -> [u8; 32] {
    hash(&[b"sori invite pin 1", account, public])
}

/// What a joiner says about an encoded [`JoinRequest`] before sending it: SHA-256 over
/// `"sori invite commitment 1"` and its bytes.
pub(crate) fn commitment(request: &[u8]) -> [u8; 32] {
    hash(&[b"sori invite commitment 1", request])
}

/// The short authentication string that both windows show, as in `"123 456"`: the first eight
/// bytes of SHA-256 over `"sori invite code 1"`, pin, nonce and the encoded [`JoinRequest`], as a
/// number, modulo a million.
///
/// No code is more likely than another by more than one part in 10^13. What six digits are worth
/// stands at the top of this file.
pub(crate) fn code(pin: &[u8; 32], nonce: &[u8; 16], request: &[u8]) -> String {
    let hash = hash(&[b"sori invite code 1", pin, nonce, request]);
    let number = hash
        .first_chunk()
        .map_or(0, |bytes| u64::from_be_bytes(*bytes));
    format!("{:03} {:03}", number / 1000 % 1000, number % 1000)
}

/// A name as it may be shown: 1 to 64 characters, white space at the ends cut off and elsewhere
/// turned into single spaces. `None` if there is nothing to see, if it is too long, or if it holds
/// characters that hide or reorder what stands beside them: then a name could look like another
/// one, or like a part of the window.
pub(crate) fn clean_name(name: &str) -> Option<String> {
    // Cut before anything is copied: names of strangers can be long.
    if name.len() > NAME_CHARS_MAX.saturating_mul(8) {
        return None;
    }
    let words: Vec<_> = name.split_whitespace().collect();
    let clean = words.join(" ");
    let is_visible = clean.chars().any(|c| !is_joiner(c));
    let is_short = clean.chars().count() <= NAME_CHARS_MAX;
    (is_visible && is_short && !clean.chars().any(is_deceptive)).then_some(clean)
}

/// Characters that shape their neighbours, needed in some scripts and in emoji; alone they are
/// nothing to see.
const fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200C}' | '\u{200D}' | '\u{FE00}'..='\u{FE0F}' | '\u{E0020}'..='\u{E007F}')
}

/// Control characters, those that change the direction of writing, and those that take no room
/// or look like a space without being one.
fn is_deceptive(c: char) -> bool {
    let is_bidi = matches!(c,
        '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    let is_blank = matches!(c,
        '\u{AD}' | '\u{34F}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}' | '\u{2060}'..='\u{2065}'
            | '\u{206A}'..='\u{206F}' | '\u{2800}' | '\u{3164}' | '\u{FEFF}' | '\u{FFA0}'
            | '\u{FFF0}'..='\u{FFFB}' | '\u{E0000}'..='\u{E001F}');
    c.is_control() || is_bidi || is_blank
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// Fields one after another, each after its length (u64, big endian), so that no two lists of
/// fields give the same bytes.
struct Transcript(Vec<u8>);

impl Transcript {
    fn new(label: &[u8], pin: &[u8; 32], knock: &[u8; 16]) -> Self {
        let mut transcript = Self(Vec::new());
        transcript.add(label);
        transcript.add(pin);
        transcript.add(knock);
        transcript
    }

    fn add(&mut self, field: &[u8]) {
        self.add_len(field.len());
        self.0.extend_from_slice(field);
    }

    fn add_all(&mut self, fields: &[Vec<u8>]) {
        self.add_len(fields.len());
        for field in fields {
            self.add(field);
        }
    }

    fn add_len(&mut self, len: usize) {
        // No machine has a longer one.
        let len = u64::try_from(len).unwrap_or(u64::MAX);
        self.0.extend_from_slice(&len.to_be_bytes());
    }
}

/// Something with bounds that hold on both sides.
trait Bounded {
    const LEN_MAX: usize;

    fn is_within_bounds(&self) -> bool;
}

fn write<T: Bounded + Serialize>(value: &T) -> Result<Zeroizing<Vec<u8>>, OutOfBounds> {
    if !value.is_within_bounds() {
        return Err(OutOfBounds);
    }
    let bytes = postcard::to_allocvec(value).map_err(|_| OutOfBounds)?;
    let bytes = Zeroizing::new(bytes);
    match bytes.len() <= T::LEN_MAX {
        true => Ok(bytes),
        false => Err(OutOfBounds),
    }
}

fn read<T: Bounded + DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    if bytes.len() > T::LEN_MAX {
        return None;
    }
    let (value, rest) = postcard::take_from_bytes::<T>(bytes).ok()?;
    (rest.is_empty() && value.is_within_bounds()).then_some(value)
}

impl Bounded for InviteMessage {
    const LEN_MAX: usize = INVITE_MESSAGE_LEN_MAX;

    fn is_within_bounds(&self) -> bool {
        match self {
            Self::Key { public, name, .. } => public.len() == HYBRID_PUBLIC_LEN && is_clean(name),
            Self::Request { sealed, .. } => is_sealed(sealed, REQUEST_LEN_MAX),
            Self::Admitted { sealed, .. } => is_sealed(sealed, ADMISSION_LEN_MAX),
            Self::Here
            | Self::Knock { .. }
            | Self::Received { .. }
            | Self::Denied { .. }
            | Self::Gone { .. }
            | Self::Welcomed { .. } => true,
        }
    }
}

impl Bounded for JoinRequest {
    const LEN_MAX: usize = REQUEST_LEN_MAX;

    fn is_within_bounds(&self) -> bool {
        is_clean(&self.name)
            && self.mailbox.len() == HYBRID_PUBLIC_LEN
            && !self.key_packages.is_empty()
            && are_key_packages(&self.key_packages)
            && self.signature.len() == SIGNATURE_LEN
    }
}

impl Bounded for Admission {
    const LEN_MAX: usize = ADMISSION_LEN_MAX;

    fn is_within_bounds(&self) -> bool {
        self.welcome.len() <= WELCOME_LEN_MAX
            && is_clean(&self.inviter_name)
            && self.inviter_mailbox.len() == HYBRID_PUBLIC_LEN
            && are_key_packages(&self.key_packages)
            && self.names.len() <= NAMES_MAX
            && self.names.iter().all(|(_, name)| is_clean(name))
            && self.commit.len() <= COMMIT_ENVELOPES_MAX
            && (self.commit.iter()).all(|e| (1..=ENTRY_LEN_MAX).contains(&e.sealed.len()))
            && self.signature.len() == SIGNATURE_LEN
    }
}

fn is_clean(name: &str) -> bool {
    clean_name(name).is_some_and(|clean| clean == name)
}

fn is_sealed(sealed: &[u8], len_max: usize) -> bool {
    sealed.len() <= len_max.saturating_add(SEAL_LEN)
}

fn are_key_packages(key_packages: &[Vec<u8>]) -> bool {
    let lens = 1..=KEY_PACKAGE_LEN_MAX;
    key_packages.len() <= KEY_PACKAGES_MAX
        && key_packages.iter().all(|bytes| lens.contains(&bytes.len()))
}

/// Writes a secret as its bytes.
mod secret {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use zeroize::Zeroizing;

    pub(super) fn serialize<S: Serializer>(
        secret: &Zeroizing<[u8; 32]>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        (**secret).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Zeroizing<[u8; 32]>, D::Error> {
        Deserialize::deserialize(deserializer).map(Zeroizing::new)
    }
}

#[cfg(test)]
mod tests;
