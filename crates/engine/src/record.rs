//! What the store keeps, row by row. Every record is postcard; a record that does not decode is
//! an internal error, never a panic, and nothing is overwritten because of it.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sori_mls::{AccountId, Avatar, BranchKey, GroupId, JoinPolicy, Role, StateId};
use sori_wire::RelayUrl;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::error::Error;
use crate::session::EnvelopeId;
use crate::time::{Day, Time};
use crate::view::JoinState;

/// Encodes a record. The copy is wiped when dropped.
pub(crate) fn encode<T: Serialize>(record: &T) -> Result<Zeroizing<Vec<u8>>, Error> {
    postcard::to_allocvec(record)
        .map(Zeroizing::new)
        .map_err(|_| Error::Internal("record encode"))
}

/// Decodes a record.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    postcard::from_bytes(bytes).map_err(|_| Error::Internal("record decode"))
}

/// The account and its secrets.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub(crate) struct AccountRecord {
    pub(crate) name: String,
    pub(crate) account_key: [u8; 32],
    pub(crate) device: Vec<u8>,
    /// Seed of the hybrid key to which Welcomes and KeyPackages for this account are sealed.
    pub(crate) mailbox: [u8; 32],
}

/// A contact.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ContactRecord {
    pub(crate) number: u32,
    pub(crate) account: AccountId,
    pub(crate) name: String,
    pub(crate) verified: bool,
    /// The contact's hybrid public key.
    pub(crate) mailbox: Vec<u8>,
    /// Unused KeyPackages of the contact, the latest last.
    pub(crate) key_packages: Vec<SpareRecord>,
    /// When the contact was last given KeyPackages of this account.
    pub(crate) given: Day,
}

/// A KeyPackage of a contact.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SpareRecord {
    pub(crate) bytes: Vec<u8>,
    /// When it came.
    pub(crate) since: Day,
}

/// Whether the account takes part in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Standing {
    /// A member.
    Active,
    /// Has asked to leave; nobody has realised it yet.
    Leaving,
    /// No longer a member.
    Out,
    /// A member for the others, but the MLS state is lost: coming back.
    Lost,
    /// A member that must say nothing more: another copy of this device has voted otherwise.
    Halted,
    /// No longer a member, and halted before: halted again should the commit that put it out lose.
    OutHalted,
}

/// A group: everything that changes with commits, not with messages.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct GroupRecord {
    pub(crate) number: u32,
    pub(crate) id: GroupId,
    pub(crate) standing: Standing,
    /// The path from the oldest state kept (first) to the head (last).
    pub(crate) path: Vec<StateId>,
    /// Every state of which a snapshot is kept, on the path or not.
    pub(crate) states: BTreeMap<StateId, StateRecord>,
    pub(crate) next_snapshot: u32,
    /// Where long values are cut, and under which keys messages are found.
    pub(crate) seed: GroupSeed,
    pub(crate) next_commit: u64,
    /// What this device wants of the group and has committed or has still to commit.
    pub(crate) intents: Vec<Intent>,
    pub(crate) next_intent: u64,
    /// Names that members chose.
    pub(crate) names: BTreeMap<AccountId, String>,
    /// Everybody who ever was a member, in the order seen; holders are bits over this list.
    pub(crate) roster: Vec<AccountId>,
    /// Leave orders, realised or not: what realised them may lose yet.
    pub(crate) orders: Vec<Vec<u8>>,
    /// Whether this account has asked to leave.
    pub(crate) leaving: bool,
    /// Who let this account in; nobody if it made the group.
    pub(crate) inviter: Option<AccountId>,
}

/// Random bytes that only this profile knows, drawn for each group.
pub(crate) type GroupSeed = [u8; 16];

/// What there is of a group without its MLS state: a backup keeps this, and none of the snapshots.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct ResyncRecord {
    /// What is public of the head, to show and to find the group when its state is gone.
    pub(crate) known: KnownRecord,
    /// What was the last heard of the group when the state was lost: messages after it may be missing.
    pub(crate) since: Time,
    /// How often in a row this device came back in vain.
    pub(crate) tries: u32,
    /// The state it came back into.
    pub(crate) anchor: Option<StateId>,
    /// The same, until somebody else is seen to follow.
    pub(crate) entered: Option<StateId>,
    /// Whether this device founded the group anew because it knew of nobody else in it, and has heard nobody
    /// since.
    pub(crate) founded: bool,
    /// Own messages that wait to be encrypted, by their numbers.
    pub(crate) unsent: Vec<u64>,
    /// Whom they were written for: the members that were known then.
    pub(crate) audience: Vec<AccountId>,
    /// Own messages sent since it came back and as long as nobody is seen to follow.
    pub(crate) said: Vec<u64>,
    /// States that valid commits lead to which cannot be processed here.
    pub(crate) stuck: Vec<StateId>,
    /// Whether the oldest state here is the one that this device was let in by.
    pub(crate) let_in: bool,
    /// Whether that state was lost: nobody may be following it, and the device may be let in again.
    pub(crate) orphan: bool,
}

impl ResyncRecord {
    /// Whether an own message is to be encrypted, or may have to be once more.
    pub(crate) fn awaits(&self, message: u64) -> bool {
        self.unsent.contains(&message) || self.said.contains(&message)
    }
}

/// What is public of a state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KnownRecord {
    /// Group data, encoded.
    pub(crate) data: Vec<u8>,
    pub(crate) members: Vec<AccountId>,
}

/// A state whose snapshot is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StateRecord {
    pub(crate) snapshot: u32,
    pub(crate) channel: u32,
    pub(crate) since: Time,
    /// Messages before this number are not of this state.
    pub(crate) messages: u64,
    /// When the commit to it was seen to be settled.
    pub(crate) settled: Option<Time>,
}

/// What changes with each message.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct CursorRecord {
    /// Hybrid logical clock.
    pub(crate) clock: u64,
    pub(crate) unread: u32,
    pub(crate) next_message: u64,
    /// Messages from here on are in no page of the timeline yet.
    pub(crate) indexed: u64,
    /// Messages sent in the state at the head.
    pub(crate) sent: u32,
    /// What was read here and its sender is still to be told.
    pub(crate) reads: Vec<ReadRecord>,
}

/// A message of somebody that was read here.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ReadRecord {
    pub(crate) sender: AccountId,
    pub(crate) id: MessageIdBytes,
    pub(crate) told: Told,
}

/// How far the sender of a message knows that it was read. Nobody confirms it, so it is told twice: the second
/// time when the sender is heard, who may not have been there the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Told {
    /// To be told.
    Not,
    /// Told, perhaps to nobody.
    Once,
    /// To be told again, to a sender who is there.
    Heard,
}

/// Something this device wants of a group; carried out by a commit, again if that commit loses.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Intent {
    pub(crate) number: u64,
    pub(crate) wish: Wish,
    /// The state that the latest commit for it produced.
    pub(crate) committed: Option<StateId>,
    pub(crate) since: Time,
}

/// What an intent asks for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Wish {
    /// Add an account by one of these KeyPackages, the last one first, and hand it the Welcome.
    Add {
        account: AccountId,
        key_packages: Vec<Vec<u8>>,
        deliver: Delivery,
    },
    /// Carry out what was ordered.
    Realise,
    /// Have an order of this account carried out, by whomever.
    Order { order: Vec<u8> },
    /// Give the group another name.
    Rename { name: String },
    /// Choose who may let others in.
    SetPolicy { policy: PolicyRecord },
    /// Give an account another role.
    SetRole {
        account: AccountId,
        role: RoleRecord,
    },
    /// Renew this device's keys; dropped if another commit wins, for that renews the epoch too.
    Update,
    /// Choose after how many seconds what anybody writes disappears.
    SetTimer { seconds: Option<u32> },
    /// Choose how long files may be, in bytes.
    SetFileLimit { limit: Option<u32> },
    /// Give the group a picture, or take it away.
    SetAvatar { avatar: Option<Avatar> },
}

impl Wish {
    /// The KeyPackage that whoever is added could be added by once more.
    pub(crate) fn spare(&self) -> Option<Vec<u8>> {
        let Self::Add { key_packages, .. } = self else {
            return None;
        };
        key_packages.last().cloned()
    }
}

/// How a Welcome reaches the one it is for.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Delivery {
    /// Inside a group that both share, sealed to the contact.
    Contact,
    /// On the topic of an invite, as the answer to this join.
    Join { join: u32 },
    /// Not at all: the account was let in before on a way that lost, and asks for the way back.
    Way,
}

/// Who may let others in, in storage.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum PolicyRecord {
    Admins,
    Members,
}

impl From<PolicyRecord> for JoinPolicy {
    fn from(policy: PolicyRecord) -> Self {
        match policy {
            PolicyRecord::Admins => Self::Admins,
            PolicyRecord::Members => Self::Members,
        }
    }
}

/// A role in storage.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum RoleRecord {
    Owner,
    Admin,
    Member,
}

impl From<Role> for RoleRecord {
    fn from(role: Role) -> Self {
        match role {
            Role::Owner => Self::Owner,
            Role::Admin => Self::Admin,
            Role::Member => Self::Member,
        }
    }
}

impl From<RoleRecord> for Role {
    fn from(role: RoleRecord) -> Self {
        match role {
            RoleRecord::Owner => Self::Owner,
            RoleRecord::Admin => Self::Admin,
            RoleRecord::Member => Self::Member,
        }
    }
}

/// A commit, kept as long as the snapshot of its parent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CommitRecord {
    pub(crate) id: StateId,
    pub(crate) parent: StateId,
    pub(crate) clock: u64,
    pub(crate) key: BranchKey,
    pub(crate) author: AccountId,
    /// What the timeline says about it once it is on the path.
    pub(crate) notices: Vec<Notice>,
    pub(crate) message: Vec<u8>,
    /// One more KeyPackage of each account that it adds and that has one.
    pub(crate) spares: Vec<Vec<u8>>,
    /// The epoch of the state it leads to.
    pub(crate) epoch: u64,
    /// Whether its author could not make it as a plain member.
    pub(crate) needs_role: bool,
    /// When this device heard of it.
    pub(crate) heard: Time,
}

/// What a member said about a commit, in its own signed form.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum BallotRecord {
    /// For a commit among those on one parent.
    Vote(Vec<u8>),
    /// Whether a commit on this parent could be processed.
    Report { parent: StateId, report: Vec<u8> },
}

/// The Welcome to a commit of ours, until it is time to send it.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub(crate) struct WelcomeRecord {
    #[zeroize(skip)]
    pub(crate) state: StateId,
    /// Channel, first and last entry of its log that carry the commit.
    #[zeroize(skip)]
    pub(crate) entries: (u32, u64, u64),
    #[zeroize(skip)]
    pub(crate) voters: u32,
    pub(crate) welcome: Vec<u8>,
}

/// A channel: the meeting place of a group between two removals.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub(crate) struct ChannelRecord {
    #[zeroize(skip)]
    pub(crate) group: GroupId,
    pub(crate) secret: [u8; 32],
    /// When a removal made another channel take its place.
    #[zeroize(skip)]
    pub(crate) superseded: Option<Time>,
    /// Whether it began with a commit that is not on the path: nobody listens there, and what
    /// passed there is carried over to the channel of the head.
    pub(crate) lost: bool,
    /// Whether somebody was let in on it before it was lost, who knows no other one.
    pub(crate) joiners: bool,
    /// What is of an earlier day was let go of before its time: everybody had it, or it was too much.
    #[zeroize(skip)]
    pub(crate) pruned: Day,
    /// Whether it was lost and may be found again: nothing is settled yet in its place. Its members listen there.
    pub(crate) undecided: bool,
}

/// An entry of a channel log, without its bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LogRecord {
    pub(crate) id: EnvelopeId,
    pub(crate) day: Day,
    /// Bytes of the sealed frame.
    pub(crate) len: u32,
    /// Written by this device and not yet handed to anybody.
    pub(crate) unsent: bool,
    /// The own message that it carries, until every member is known to hold it.
    pub(crate) message: Option<u64>,
}

/// An envelope that waits for a state, already opened.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PendingRecord {
    pub(crate) state: StateId,
    pub(crate) day: Day,
    pub(crate) envelope: Vec<u8>,
}

/// A line of the timeline, or a change to one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MessageRecord {
    pub(crate) id: MessageIdBytes,
    pub(crate) clock: u64,
    pub(crate) sent_at: u64,
    pub(crate) sender: AccountId,
    pub(crate) body: Body,
    /// The minute since 1970 in which it disappears.
    pub(crate) expires: Option<u32>,
    /// Bits over the roster: who is known to hold it.
    pub(crate) holders: Vec<u8>,
    /// One more than the number of the snapshot of the state it was encrypted in; zero if it was in none.
    pub(crate) snapshot: u32,
    /// An own one: bits over the roster, the members for whom it was written.
    pub(crate) audience: Vec<u8>,
    /// An own one: bits over the roster, who has said to have read it.
    pub(crate) readers: Vec<u8>,
}

/// A message of a state that is not on the way to the head.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StrayRecord {
    pub(crate) mine: bool,
    /// Bits over the roster: whom it was written for, if it is an own one.
    pub(crate) audience: Vec<u8>,
    /// Its author does not send it again.
    pub(crate) given_up: bool,
}

/// A message id in storage.
pub(crate) type MessageIdBytes = [u8; 32];

/// What a line of the timeline says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Body {
    /// MIMI content, as it came.
    Content(Vec<u8>),
    /// The sender took it back; the content is gone.
    Deleted,
    /// The sender has put another text in its place; the first one is gone.
    Replaced { in_reply_to: Option<MessageIdBytes> },
    /// Something about the group.
    Notice(Notice),
    /// A change to the line with this id that counts no more; the content is gone.
    Wiped(MessageIdBytes),
}

/// Something that happened to the group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Notice {
    pub(crate) what: NoticeKind,
    pub(crate) actor: Option<AccountId>,
    /// Whom it concerns.
    pub(crate) subject: Option<AccountId>,
    /// A new group name or a role.
    pub(crate) detail: String,
}

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum NoticeKind {
    Added,
    Created,
    Joined,
    Left,
    Removed,
    Renamed,
    Role,
    Withdrawn,
    /// This copy of the device is out: another one came back in its place.
    Elsewhere,
    /// The MLS state was lost here.
    Lost,
    /// A device came back that had lost its state.
    Rejoined,
    /// This device came back; `detail` tells since when it was away, in milliseconds since 1970.
    Back,
    /// The subject came in while this device was away.
    AddedMeanwhile,
    /// The subject went while this device was away.
    GoneMeanwhile,
    /// Members say that this account was removed while its state was lost.
    OutMeanwhile,
    /// What was written meanwhile is not sent yet, because somebody came in.
    Held,
    /// The rule who may let others in was changed; `detail` is the new one.
    Policy,
    /// Something that a member has sealed cannot be read here; `detail` tells how often that day.
    Unreadable,
    /// Own messages, as many as `detail` says, are no longer kept for members who have not fetched them:
    /// for the subject, if that is all who lacks them.
    Undelivered,
    /// The actor meant to add this account to a group, and it could not be followed.
    NotAdmitted,
    /// This device says nothing more here: a copy of it has voted otherwise.
    Halted,
    /// The subject has said two things that exclude each other; the proof is kept.
    Equivocated,
    /// The time after which messages disappear was changed; `detail` has it in seconds, or nothing for never.
    Timer,
    /// How long files may be was changed; `detail` has it in bytes, or nothing for as long as files can be.
    FileLimit,
    /// The picture was changed; `detail` is `set`, or nothing where it was taken away.
    Avatar,
}

impl Standing {
    /// No longer a member.
    pub(crate) const fn is_out(self) -> bool {
        matches!(self, Self::Out | Self::OutHalted)
    }

    /// The stable name of a standing, for front ends.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Leaving => "leaving",
            Self::Out | Self::OutHalted => "out",
            Self::Lost => "rejoining",
            Self::Halted => "halted",
        }
    }
}

impl NoticeKind {
    /// Whether `detail` is a number or a rule that is nobody's name.
    pub(crate) const fn counts(self) -> bool {
        matches!(
            self,
            Self::Unreadable
                | Self::Undelivered
                | Self::NotAdmitted
                | Self::Policy
                | Self::Timer
                | Self::FileLimit
                | Self::Avatar
        )
    }

    /// The stable name of a notice, for front ends.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Created => "created",
            Self::Joined => "joined",
            Self::Left => "left",
            Self::Removed => "removed",
            Self::Renamed => "renamed",
            Self::Role => "role",
            Self::Withdrawn => "withdrawn",
            Self::Elsewhere => "elsewhere",
            Self::Lost => "lost",
            Self::Rejoined => "rejoined",
            Self::Back => "back",
            Self::AddedMeanwhile => "added_meanwhile",
            Self::GoneMeanwhile => "gone_meanwhile",
            Self::OutMeanwhile => "out_meanwhile",
            Self::Held => "held",
            Self::Policy => "policy",
            Self::Timer => "timer",
            Self::FileLimit => "file_limit",
            Self::Avatar => "avatar",
            Self::Unreadable => "unreadable",
            Self::Undelivered => "undelivered",
            Self::NotAdmitted => "not_admitted",
            Self::Halted => "halted",
            Self::Equivocated => "equivocated",
        }
    }
}

/// An invite this account has made.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub(crate) struct InviteRecord {
    pub(crate) seed: [u8; 32],
    /// Seed of the hybrid key that the link pins.
    pub(crate) hybrid: [u8; 32],
    #[zeroize(skip)]
    pub(crate) pin: [u8; 32],
    #[zeroize(skip)]
    pub(crate) group: Option<GroupId>,
    #[zeroize(skip)]
    pub(crate) relay: RelayUrl,
    pub(crate) uses_left: Option<u32>,
    #[zeroize(skip)]
    pub(crate) expires: Time,
}

/// A join, seen from either side.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct JoinRecord {
    /// The knock that began it.
    pub(crate) knock: [u8; 16],
    pub(crate) name: String,
    pub(crate) code: String,
    pub(crate) state: StateOfJoin,
    pub(crate) group: Option<GroupId>,
    pub(crate) since: Time,
    pub(crate) side: Side,
}

/// [`JoinState`] in storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StateOfJoin {
    Knocking,
    Waiting,
    Approved,
    Done,
    Denied,
    Expired,
}

impl From<StateOfJoin> for JoinState {
    fn from(state: StateOfJoin) -> Self {
        match state {
            StateOfJoin::Knocking => Self::Knocking,
            StateOfJoin::Waiting => Self::Waiting,
            StateOfJoin::Approved => Self::Approved,
            StateOfJoin::Done => Self::Done,
            StateOfJoin::Denied => Self::Denied,
            StateOfJoin::Expired => Self::Expired,
        }
    }
}

/// What only one side of a join knows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Side {
    /// The inviter's.
    Inviter {
        invite: u32,
        commitment: [u8; 32],
        nonce: [u8; 16],
        /// Known once the request is there.
        account: Option<AccountId>,
        mailbox: Vec<u8>,
        key_packages: Vec<Vec<u8>>,
        /// The sealed admission, to be sent again until it is confirmed.
        admission: Option<Vec<u8>>,
    },
    /// The joiner's.
    Joiner {
        /// The link, as text.
        link: String,
        /// The encoded request to which the knock commits.
        request: Vec<u8>,
        /// Numbers of the private KeyPackages made for it.
        key_packages: Vec<u32>,
        /// The request sealed to the inviter's key, once that is known.
        sealed: Option<Vec<u8>>,
        inviter: Option<AccountId>,
        nonce: Option<[u8; 16]>,
    },
}

/// The private half of an own KeyPackage.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub(crate) struct KeyPackageRecord {
    pub(crate) reference: [u8; 32],
    pub(crate) private: Vec<u8>,
    /// When it was made.
    #[zeroize(skip)]
    pub(crate) since: Day,
}
