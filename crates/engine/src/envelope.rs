//! What is inside a sealed frame of a channel, and inside an application message
//! (protocol §4.3, §8.1).

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use sori_mls::limits::{ADDS_PER_COMMIT_MAX, KEY_PACKAGE_LEN_MAX};
use sori_mls::{AccountId, DeviceId, StateId};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::prints::Prints;
use crate::record;
use crate::session::{EnvelopeId, Salt};
use crate::time::Day;
use crate::typing::Typing;

/// Longest encoding of a channel message that is accepted, in bytes. A stranger with the channel
/// secret gains at most this much memory for one message, and only after authenticating as a
/// holder of that secret.
pub(crate) const CHANNEL_MESSAGE_LEN_MAX: usize = 4 * 1024 * 1024;

/// Most channels in one check.
pub(crate) const LOGS_MAX: usize = 16;

/// Most votes and reports in one ballot, together.
pub(crate) const BALLOT_MAX: usize = 64;

/// Most envelope ids in one receipt.
pub(crate) const RECEIPT_IDS_MAX: usize = 1024;

/// Most messages in one receipt that were read.
pub(crate) const RECEIPT_READS_MAX: usize = 256;

/// One message on a channel. The first three are envelopes: logged and given to whoever missed
/// them. The others are for those who are listening now.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum ChannelMessage {
    /// An MLS PrivateMessage, encrypted in `state`.
    Application { state: StateId, message: Vec<u8> },
    /// An MLS PublicMessage that commits on `parent`; `clock` only places its notice.
    Commit {
        parent: StateId,
        clock: u64,
        message: Vec<u8>,
        /// One more KeyPackage of each account that it adds and that has one, in case it loses.
        spares: Vec<Vec<u8>>,
    },
    /// A signed order.
    Order { order: Vec<u8> },
    /// The sender's log in short, to find out who differs.
    Hello(Hello),
    /// Come to this one-time topic to reconcile.
    Offer(Offer),
    /// These envelopes are stored on the sender's device.
    Receipt(Receipt),
    /// The sender's device has lost its state: who gives it a GroupInfo?
    Ask(Ask),
    /// Whether the others are on the way that the sender is on.
    Check(Check),
    /// An answer to one of the two.
    Stand(Stand),
    /// What the sender's account says about commits: votes and reports, each signed by itself.
    Ballot {
        votes: Vec<Vec<u8>>,
        reports: Vec<Vec<u8>>,
    },
    /// Who has this file?
    WhoHas { nonce: u64, file: [u8; 32] },
    /// I do: come to this one-time topic.
    Here { nonce: u64, seed: [u8; 32] },
    /// The sender is writing.
    Typing(Typing),
}

impl ChannelMessage {
    /// Whether it goes into the channel log.
    pub(crate) const fn is_logged(&self) -> bool {
        matches!(
            self,
            Self::Application { .. }
                | Self::Commit { .. }
                | Self::Order { .. }
                | Self::Ballot { .. }
        )
    }

    pub(crate) fn encode(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        record::encode(self)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > CHANNEL_MESSAGE_LEN_MAX {
            return None;
        }
        let (message, rest) = postcard::take_from_bytes::<Self>(bytes).ok()?;
        let bounded = match &message {
            Self::Receipt(receipt) => {
                receipt.ids.len() <= RECEIPT_IDS_MAX && receipt.reads.len() <= RECEIPT_READS_MAX
            }
            Self::Ballot { votes, reports } => {
                votes.len().saturating_add(reports.len()) <= BALLOT_MAX
            }
            Self::Commit { spares, .. } => {
                spares.len() <= ADDS_PER_COMMIT_MAX
                    && spares
                        .iter()
                        .all(|spare| spare.len() <= KEY_PACKAGE_LEN_MAX)
            }
            Self::Hello(hello) => hello.log.is_sound(),
            Self::Application { .. }
            | Self::Order { .. }
            | Self::Offer(_)
            | Self::Ask(_)
            | Self::Stand(_)
            | Self::WhoHas { .. }
            | Self::Here { .. }
            | Self::Typing(_) => true,
            Self::Check(check) => {
                check.logs.len() <= LOGS_MAX && check.logs.iter().all(|(_, log)| log.is_sound())
            }
        };
        (rest.is_empty() && bounded).then_some(message)
    }
}

/// Who I am and what my log of this channel holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) nonce: u64,
    /// Under which ids are masked in the catch-ups that answer it.
    pub(crate) salt: Salt,
    pub(crate) account: AccountId,
    pub(crate) log: Prints,
    /// By the device's MLS signature key.
    pub(crate) signature: Vec<u8>,
}

/// An acknowledgement of delivery, and of reading where a person wants it told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Receipt {
    pub(crate) account: AccountId,
    /// Envelopes that have arrived.
    pub(crate) ids: Vec<EnvelopeId>,
    /// Messages that were read, by their ids.
    pub(crate) reads: Vec<[u8; 32]>,
    /// By the device's MLS signature key.
    pub(crate) signature: Vec<u8>,
}

impl Hello {
    /// The bytes that are signed.
    pub(crate) fn signed_bytes(&self, channel: &[u8; 32]) -> Vec<u8> {
        let mut bytes = channel.to_vec();
        bytes.extend(self.nonce.to_be_bytes());
        bytes.extend(self.salt);
        bytes.extend(self.account.as_bytes());
        bytes.extend(self.log.signed_bytes());
        bytes
    }
}

/// Where to reconcile with whoever said a hello, or to get what a call asks for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Offer {
    /// The nonce of what it answers.
    pub(crate) hello: u64,
    /// Of the one-time topic.
    pub(crate) seed: [u8; 32],
    /// The first day of the answerer's log.
    pub(crate) floor: Day,
    pub(crate) account: AccountId,
    /// By the device's MLS signature key.
    pub(crate) signature: Vec<u8>,
}

impl Offer {
    /// The bytes that are signed.
    pub(crate) fn signed_bytes(&self, channel: &[u8; 32]) -> Vec<u8> {
        let mut bytes = channel.to_vec();
        bytes.extend(self.hello.to_be_bytes());
        bytes.extend(self.seed);
        bytes.extend(self.floor.0.to_be_bytes());
        bytes.extend(self.account.as_bytes());
        bytes
    }
}

impl Receipt {
    /// The bytes that are signed.
    pub(crate) fn signed_bytes(&self, channel: &[u8; 32]) -> Vec<u8> {
        let mut bytes = channel.to_vec();
        bytes.extend(self.account.as_bytes());
        let count = u64::try_from(self.ids.len()).unwrap_or(u64::MAX);
        bytes.extend(count.to_be_bytes());
        for id in &self.ids {
            bytes.extend(id.0);
        }
        for id in &self.reads {
            bytes.extend(id);
        }
        bytes
    }
}

/// A device's call for a GroupInfo.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ask {
    pub(crate) nonce: u64,
    pub(crate) account: AccountId,
    pub(crate) device: DeviceId,
    /// An X-Wing public key made for this call.
    pub(crate) key: Vec<u8>,
    /// By the device's MLS signature key.
    pub(crate) signature: Vec<u8>,
}

/// A question about a state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Check {
    pub(crate) nonce: u64,
    pub(crate) state: StateId,
    /// The sender's logs of the group's channels, by their tags; at most [`LOGS_MAX`].
    pub(crate) logs: Vec<([u8; 32], Prints)>,
}

/// What a member says to a question.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Stand {
    /// What the question was: see [`Ask::id`] and [`Check::id`].
    pub(crate) about: [u8; 32],
    pub(crate) account: AccountId,
    pub(crate) verdict: Verdict,
    /// By the account.
    pub(crate) signature: Vec<u8>,
}

/// The answers there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Verdict {
    /// The state is on the way to the member's head.
    Follows,
    /// It is not.
    Elsewhere,
    /// The device that asks is not in the group.
    NoMember,
}

impl Ask {
    /// The bytes that are signed.
    pub(crate) fn signed_bytes(&self, channel: &[u8; 32]) -> Vec<u8> {
        let mut bytes = channel.to_vec();
        bytes.extend(self.nonce.to_be_bytes());
        bytes.extend(self.account.as_bytes());
        bytes.extend(self.device.as_bytes());
        bytes.extend(&self.key);
        bytes
    }

    /// Names the question.
    pub(crate) fn id(&self, channel: &[u8; 32]) -> [u8; 32] {
        let hash = Sha256::new().chain_update(ASK_LABEL);
        hash.chain_update(self.signed_bytes(channel))
            .finalize()
            .into()
    }
}

impl Check {
    /// Names the question.
    pub(crate) fn id(&self) -> [u8; 32] {
        let mut hash = Sha256::new()
            .chain_update(b"sori check 1")
            .chain_update(self.nonce.to_be_bytes())
            .chain_update(self.state.as_bytes());
        for (tag, log) in &self.logs {
            let log = log.signed_bytes();
            hash.update(tag);
            hash.update(u64::try_from(log.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(log);
        }
        hash.finalize().into()
    }
}

impl Stand {
    /// The bytes that are signed.
    pub(crate) fn signed_bytes(&self) -> Vec<u8> {
        let mut bytes = self.about.to_vec();
        bytes.push(self.verdict as u8);
        bytes
    }
}

/// Domain separation of the signatures above.
pub(crate) const HELLO_LABEL: &[u8] = b"sori hello 1";
/// See [`HELLO_LABEL`].
pub(crate) const OFFER_LABEL: &[u8] = b"sori offer 1";
/// See [`HELLO_LABEL`].
pub(crate) const RECEIPT_LABEL: &[u8] = b"sori receipt 1";
/// See [`HELLO_LABEL`].
pub(crate) const ASK_LABEL: &[u8] = b"sori ask 1";
/// See [`HELLO_LABEL`].
pub(crate) const STAND_LABEL: &[u8] = b"sori stand 1";
/// See [`HELLO_LABEL`].
pub(crate) const TYPING_LABEL: &[u8] = b"sori typing 1";

/// The plaintext of an MLS application message.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AppMessage {
    /// The sender's hybrid logical clock.
    pub(crate) clock: u64,
    /// When it was written, in milliseconds since the Unix epoch, by the sender's clock.
    pub(crate) sent_at: u64,
    pub(crate) body: AppBody,
}

/// What an application message carries.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum AppBody {
    /// MIMI content (CBOR).
    Content(Vec<u8>),
    /// For one member only, sealed to its mailbox.
    ForMember { to: AccountId, sealed: Vec<u8> },
    /// The sender's name.
    Profile { name: String },
}

impl AppMessage {
    pub(crate) fn encode(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        record::encode(self)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (message, rest) = postcard::take_from_bytes::<Self>(bytes).ok()?;
        rest.is_empty().then_some(message)
    }
}

/// What is sealed inside [`AppBody::ForMember`].
#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum Private {
    /// An encoded [`Admission`](crate::handshake::Admission) to another group.
    Admission(Vec<u8>),
    /// Fresh KeyPackages for later.
    KeyPackages(Vec<Vec<u8>>),
    /// The same; those that were given before are void.
    KeyPackagesAnew(Vec<Vec<u8>>),
}

impl Private {
    /// Reads all of the bytes or nothing (protocol §3.1.2).
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (private, rest) = postcard::take_from_bytes::<Self>(bytes).ok()?;
        rest.is_empty().then_some(private)
    }
}
