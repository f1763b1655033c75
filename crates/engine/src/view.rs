//! What front ends see: plain values that can be shown or written as JSON. No keys, no
//! ciphertext.

use serde::Serialize;

use crate::trouble::Trouble;

/// The person's own account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AccountView {
    /// Self-chosen display name.
    pub name: String,
    /// Account id: 43 characters of base64url, the public key.
    pub account: String,
    /// The profile's relay, if one is set.
    pub relay: Option<String>,
}

/// Somebody this account has met by an invite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ContactView {
    /// Account id.
    pub id: String,
    /// The name the contact chose.
    pub name: String,
    /// Whether the person has compared safety numbers and said so.
    pub verified: bool,
    /// The safety number of the two accounts: 60 digits in groups of five.
    pub safety_number: String,
}

/// Somebody, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PersonView {
    /// Account id.
    pub id: String,
    /// The name, as far as this device has heard it; else the start of the id.
    pub name: String,
    /// Among those who have a message: whether they have said that they read it.
    pub read: bool,
}

/// Where copies of a message are, as far as this device knows for certain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CopiesView {
    /// How many members, this one included, are known to have it.
    pub copies: u32,
    /// How many are to have it, this one included: those for whom it was written and who are still in.
    pub members: u32,
    /// The others who are known to have it.
    pub holders: Vec<PersonView>,
    /// The others who are not.
    pub missing: Vec<PersonView>,
}

/// What the person has chosen for this device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SettingsView {
    /// Whether members are told which of their messages were read here.
    pub read_receipts: bool,
    /// Most MiB of sealed messages that are kept for members who are away; zero for no bound.
    pub log_mib: u32,
    /// For how many days they are kept at most, 7 to 30.
    pub log_days: u32,
    /// Whether members are told that the person is writing, and this device is told of them.
    pub typing: bool,
}

/// Which way a join goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Somebody asks us.
    Incoming,
    /// We ask somebody.
    Outgoing,
}

/// How far a join has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JoinState {
    /// Outgoing: nobody who could answer has been online yet.
    Knocking,
    /// Both windows show the code; the inviter has to approve.
    Waiting,
    /// Approved; the joiner's confirmation is still out.
    Approved,
    /// The joiner is in.
    Done,
    /// The inviter said no.
    Denied,
    /// The invite has expired or is used up.
    Expired,
}

/// One join, ours or somebody's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JoinView {
    /// The join's id, 22 characters.
    pub id: String,
    /// Name of the other person; empty until known.
    pub name: String,
    /// Short authentication string, six digits as `123 456`; empty until known.
    pub code: String,
    /// Which way.
    pub direction: Direction,
    /// How far.
    pub state: JoinState,
    /// The group it leads to, as far as known.
    pub group: Option<String>,
}

/// A line of the conversation list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GroupView {
    /// Group id, 22 characters.
    pub group: String,
    /// Its name; for a conversation of two, the other person's.
    pub name: String,
    /// Names its picture, if that is on this device: another name is another picture.
    pub avatar: Option<String>,
    /// Messages not yet marked as read.
    pub unread: u32,
    /// Whether it is a conversation of two.
    pub direct: bool,
    /// Number of members, this account included.
    pub members: u32,
    /// Whether this account is still in.
    pub active: bool,
    /// How this device stands in it: `active`, `leaving` (asked to be taken out), `out`, `halted` (another copy of it
    /// has voted otherwise), or `rejoining` (it has lost the group's keys and comes back as soon as a member can be
    /// reached).
    pub standing: String,
    /// Whether the person wants no attention drawn to it.
    pub muted: bool,
    /// When muting ends, in milliseconds since the Unix epoch, if it does by itself.
    pub muted_until: Option<u64>,
    /// Whether an unread message names this account.
    pub named: bool,
    /// Whether it is the conversation with oneself.
    pub own: bool,
    /// The newest message, if there is one.
    pub last: Option<MessageView>,
    /// How the person arranged it on this device.
    #[serde(flatten)]
    pub arrangement: ArrangementView,
}

/// How a person arranged a conversation on this device. Nobody else hears of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ArrangementView {
    /// What was written and not sent.
    pub draft: String,
    /// Whether it stands before the others.
    pub pinned: bool,
    /// Whether it is put away; that ends with the next message.
    pub archived: bool,
    /// What is written here from now on disappears after so many seconds.
    pub timer_s: Option<u32>,
}

/// A group in detail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GroupInfo {
    /// Group id.
    pub group: String,
    /// Its name.
    pub name: String,
    /// MLS epoch of the head.
    pub epoch: u64,
    /// State id of the head, 64 hexadecimal digits.
    pub state_hash: String,
    /// Whether it is a conversation of two.
    pub direct: bool,
    /// Whether this account is still in.
    pub active: bool,
    /// As in [`GroupView`].
    pub standing: String,
    /// This account's role: `owner`, `admin` or `member`.
    pub role: String,
    /// Who may let others in: `admins` (and the owner) or all `members`.
    pub policy: String,
    /// What anybody writes here disappears after so many seconds.
    pub timer_s: Option<u32>,
    /// The longest file that may be sent here, in bytes; zero for none, nothing for as long as files can be.
    pub file_limit: Option<u32>,
    /// Names its picture, if that is on this device: another name is another picture.
    pub avatar: Option<String>,
    /// Whether the person wants no attention drawn to it.
    pub muted: bool,
    /// When muting ends, in milliseconds since the Unix epoch, if it does by itself.
    pub muted_until: Option<u64>,
    /// Whether its members are told what was read here, if that was chosen for it alone.
    pub read_receipts: Option<bool>,
    /// Everybody in it.
    pub members: Vec<MemberView>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemberView {
    /// Account id.
    pub id: String,
    /// The name the member chose, as far as this device has heard it.
    pub name: String,
    /// `owner`, `admin` or `member`.
    pub role: String,
    /// Whether this is the own account.
    pub me: bool,
    /// Whether the safety number was compared.
    pub verified: bool,
    /// Whether messages of this member are hidden on this device.
    pub blocked: bool,
}

/// What a line of the timeline is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    /// Something about the group: who joined, left, renamed. `text` is a stable key and its
    /// arguments, `notice` has them apart.
    Notice,
    /// A text.
    Text,
    /// Content of a type this version does not show; kept as it came.
    Unknown,
}

/// A reaction with everybody who gave it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReactionView {
    /// The emoji.
    pub emoji: String,
    /// Account ids.
    pub senders: Vec<String>,
    /// Whether this account is among them.
    pub mine: bool,
}

/// A notice of the timeline in parts, so that each front end can say it in its language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NoticeView {
    /// What happened: `added`, `created`, `joined`, `left`, `removed`, `renamed`, `role`,
    /// `withdrawn` (a change that could not be carried out in the end), `lost` (this device has lost the group's
    /// keys), `back` (it has them again; `detail`: lost since, in milliseconds since the Unix epoch),
    /// `held` (what was written meanwhile goes out with the next message, because somebody came in),
    /// `added_meanwhile`, `gone_meanwhile` (who came and went in between), `out_meanwhile` (this account was
    /// removed in between), `rejoined` (somebody else's device came back so), `elsewhere` (another copy of this
    /// device came back in its place), `policy` (who may let others in; `detail`: `admins` or `members`),
    /// `timer` (after which time messages disappear; `detail`: seconds, or nothing for never), `file_limit` (how long files may
    /// be; `detail`: bytes, or nothing for as long as files can be), `avatar` (the picture; `detail`: `set`, or nothing where it was
    /// taken away),
    /// `unreadable` (something that a member has sealed cannot be read here; `detail`: how often that day),
    /// `undelivered` (own messages, `detail` of them, are no longer kept for members who have not fetched them;
    /// `object`: who that is, if it is one), `not_admitted` (the actor's adding this account to a group failed),
    /// `halted` (another copy of this device has voted otherwise, so this one says nothing more), `equivocated` (the
    /// object has signed two things that exclude each other).
    pub what: String,
    /// Name of who did it; empty if nobody in particular.
    pub actor: String,
    /// Whom it concerns (`joined`: who let them in), or the name of the group (`created`,
    /// `renamed`).
    pub object: String,
    /// A second argument where there is one, such as the role.
    pub detail: String,
}

/// One line of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MessageView {
    /// Message id, 64 hexadecimal digits.
    pub id: String,
    /// Account id of the sender.
    pub sender: String,
    /// The sender's name.
    pub sender_name: String,
    /// Whether this account sent it.
    pub mine: bool,
    /// When the sender says it was sent, in milliseconds since the Unix epoch.
    pub sent_at: u64,
    /// What it is.
    pub kind: MessageKind,
    /// The text as it stands after edits; empty if deleted.
    pub text: String,
    /// Own messages: `waiting` (only on this device), `sent` (somebody has it), `delivered` (everybody has it), `held`
    /// (the person has to decide whether those who are in the group now may have it). Of others: `received`, or
    /// `superseded` (written on a branch that lost, and not sent again yet).
    pub state: String,
    /// How many members, this one included, are known to hold it.
    pub copies: u32,
    /// How many members there are to hold it, this one included: those for whom it was written and who are
    /// still in.
    pub members: u32,
    /// Own messages: how many others have said that they read it.
    pub read: u32,
    /// Whether it is hidden because its sender is blocked here. Then there is no text.
    pub hidden: bool,
    /// Whether the text was edited.
    pub edited: bool,
    /// Whether the sender deleted it.
    pub deleted: bool,
    /// When it disappears from every device, in milliseconds since the Unix epoch.
    pub expires_at: Option<u64>,
    /// The message this one answers.
    pub in_reply_to: Option<String>,
    /// Reactions, by emoji.
    pub reactions: Vec<ReactionView>,
    /// The parts of a notice.
    pub notice: Option<NoticeView>,
    /// The file that it carries.
    pub file: Option<Box<FileView>>,
}

/// A file that a message carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileView {
    /// What its sender calls it: no path, but nothing that says what is in it.
    pub name: String,
    /// The media type that its sender names; may be empty, and wrong.
    pub media_type: String,
    /// Its length in bytes.
    pub size: u64,
    /// How many bytes of it are on this device.
    pub have: u64,
    /// How it stands.
    pub state: FileState,
}

/// How a file stands on this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileState {
    /// It is coming.
    Fetching,
    /// It is all here.
    Here,
    /// It is not fetched until the person asks for it.
    Stopped,
    /// Nobody who has it is online.
    Waiting,
}

/// A piece of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WindowView {
    /// Lines without a gap, newest first.
    pub messages: Vec<MessageView>,
    /// Whether there are older ones.
    pub earlier: bool,
    /// Whether there are newer ones.
    pub later: bool,
}

/// One state of a text that was edited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EditView {
    /// When the sender says it was written, in milliseconds since the Unix epoch.
    pub sent_at: u64,
    /// The text, if it is the latest: an earlier one is destroyed when the next arrives.
    pub text: Option<String>,
}

/// Some results of a search.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SearchView {
    /// Messages found, newest first. Perhaps none, though `more` may bring some.
    pub hits: Vec<HitView>,
    /// The name under which the search goes on; `None` if everything was looked at.
    pub more: Option<String>,
    /// What was sent later than this, in milliseconds since the Unix epoch, was looked at; `None`
    /// if everything was.
    pub searched_to: Option<u64>,
}

/// A message that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HitView {
    /// Group id.
    pub group: String,
    /// The message.
    pub message: MessageView,
    /// Its text in pieces, so that what was found can be marked.
    pub parts: Vec<PartView>,
}

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartView {
    /// The piece.
    pub text: String,
    /// Whether this is what was looked for.
    pub found: bool,
}

/// The connection to the profile's relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConnectionView {
    /// `none` (no relay set), `offline`, `connecting` or `connected`.
    pub state: String,
    /// Relay URL.
    pub relay: Option<String>,
    /// Why the last attempt failed or the last connection ended; `None` while one is open, and
    /// before there is anything to tell.
    pub trouble: Option<Trouble>,
}

/// How a group's log stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SyncView {
    /// Group id.
    pub group: String,
    /// Whether the group's topics are attached at a relay now.
    pub attached: bool,
    /// Envelopes in the log.
    pub envelopes: u64,
    /// Envelopes that wait for another one before they can be read.
    pub pending: u64,
    /// Own envelopes that no other member is known to hold.
    pub unsent: u64,
    /// Whether a catch-up is going on.
    pub catching_up: bool,
    /// Other members heard on the channel during this connection.
    pub peers: u32,
}

/// What a front end is told without asking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The connection to the profile's relay changed.
    ConnectionChanged {
        /// How it is now.
        connection: ConnectionView,
    },
    /// The list of contacts changed.
    ContactsChanged,
    /// Members, name, roles, unread count or state of a group changed; also a new or lost group.
    GroupChanged {
        /// Group id.
        group: String,
    },
    /// A join changed its state.
    JoinChanged {
        /// How it is now.
        join: JoinView,
    },
    /// Somebody asks to join.
    JoinRequested {
        /// The request.
        join: JoinView,
    },
    /// A message that was already listed changed.
    MessageChanged {
        /// Group id.
        group: String,
        /// How it is now.
        message: MessageView,
    },
    /// A message is no longer listed: its time was over, or it was taken out on this device.
    MessageGone {
        /// Group id.
        group: String,
        /// Message id.
        id: String,
    },
    /// A message or notice arrived, or an own one was written.
    MessageNew {
        /// Group id.
        group: String,
        /// The message.
        message: MessageView,
    },
    /// A member is writing now. Said again every few seconds as long as that goes on; told only if the person wants it.
    Typing {
        /// Group id.
        group: String,
        /// Whose account.
        member: String,
    },
}
