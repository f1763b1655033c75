//! What the command line takes. The help texts here are the manual.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Sori: end-to-end encrypted group chat whose relay keeps nothing.
#[derive(Debug, Parser)]
#[command(name = "sori", version, about, long_about = ABOUT, after_long_help = FIRST_STEPS, max_term_width = 100)]
pub(crate) struct Cli {
    /// Folder of the profile; by default sori/default in your data folder
    #[arg(long, value_name = "DIR", env = "SORI_PROFILE", global = true)]
    pub(crate) profile: Option<PathBuf>,

    /// Print JSON, one object a line, for programs
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a profile: an account of your own on this device
    #[command(after_help = INIT_EXAMPLES)]
    Init(InitArgs),
    /// Show or set the relay through which this profile meets others
    #[command(after_help = RELAY_EXAMPLES)]
    Relay {
        /// The relay, as its operator gave it to you: relay://HOST:PORT/#KEY
        url: Option<String>,
    },
    /// Invite somebody: prints a link and a QR code, then lets you approve who comes
    #[command(after_help = INVITE_EXAMPLES)]
    Invite(InviteArgs),
    /// Follow an invite link that somebody gave you
    #[command(after_help = JOIN_EXAMPLES)]
    Join {
        /// The whole link; it begins with sori:invite#
        url: String,
        /// Give up waiting after this long (30s, 10m, 2h, 1d); the request stays open
        #[arg(long, value_name = "TIME", value_parser = crate::duration::seconds)]
        timeout: Option<u64>,
    },
    /// List the people who wait for an answer, and answer them
    #[command(after_help = JOINS_EXAMPLES)]
    Joins {
        #[command(subcommand)]
        answer: Option<JoinAnswer>,
    },
    /// List the people you have met by an invite
    Contacts,
    /// Compare safety numbers with a contact, so that nobody can stand in between
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify {
        /// Name or id of the contact
        contact: String,
        /// Say that you have compared the number, without being asked
        #[arg(long)]
        yes: bool,
    },
    /// List your groups
    Groups,
    /// Show who has a message that you sent, and who does not
    #[command(after_help = COPIES_EXAMPLES)]
    Copies {
        /// Name or id of the group
        group: String,
        /// The message id, or its beginning; without it your latest message
        message: Option<String>,
    },
    /// Hide what somebody writes, on this device; without a name, list who is hidden
    #[command(after_help = BLOCK_EXAMPLES)]
    Block {
        /// Name or id of the contact or member
        person: Option<String>,
        /// Show it again
        #[arg(long, requires = "person")]
        undo: bool,
    },
    /// Show or choose what others are told, and how much is kept for them
    #[command(after_help = SETTINGS_EXAMPLES)]
    Settings {
        /// Tell members which of their messages you have read
        #[arg(long, value_name = "YES|NO", value_parser = clap::builder::BoolishValueParser::new())]
        read_receipts: Option<bool>,
        /// Most MiB of sealed messages to keep for members who are away; 0 for no bound but 30 days
        #[arg(long, value_name = "MIB")]
        log_mib: Option<u32>,
        /// How many days to keep them at most, 7 to 30. What nobody else is known to have stays for 30 days; what
        /// somebody wrote offline and brings later than that does not reach you
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(7..=30))]
        log_days: Option<u32>,
        /// Tell members that you are writing, and be told of them; only programs that show it send it
        #[arg(long, value_name = "YES|NO", value_parser = clap::builder::BoolishValueParser::new())]
        typing: Option<bool>,
    },
    /// Make a group, or change one
    #[command(subcommand, after_help = GROUP_EXAMPLES)]
    Group(GroupCommand),
    /// Send one message and say truthfully who has it
    #[command(after_help = SEND_EXAMPLES)]
    Send(SendArgs),
    /// Write the file of a message to a place of your choice
    #[command(after_help = SAVE_EXAMPLES)]
    Save(SaveArgs),
    /// Talk in a group, line by line, in this terminal
    #[command(after_help = CHAT_EXAMPLES)]
    Chat {
        /// Name or id of the group
        group: String,
    },
    /// Print what was said in a group, oldest first
    #[command(after_help = HISTORY_EXAMPLES)]
    History(HistoryArgs),
    /// Find messages by their text, newest first
    #[command(after_help = SEARCH_EXAMPLES)]
    Search(SearchArgs),
    /// Write a whole conversation to a file that anybody can read who has it
    #[command(after_help = EXPORT_EXAMPLES)]
    Export(ExportArgs),
    /// Write a sealed backup of this profile, to go on with on another device
    #[command(after_help = BACKUP_EXAMPLES)]
    Backup(BackupArgs),
    /// Make a profile of a backup
    #[command(after_help = RESTORE_EXAMPLES)]
    Restore(RestoreArgs),
    /// Show how this profile is kept, and change what unlocks it
    #[command(subcommand, after_help = PROFILE_EXAMPLES)]
    Profile(ProfileCommand),
    /// Speak JSON-RPC 2.0 on standard input and output, for bots and tests
    #[command(after_help = RPC_EXAMPLES)]
    Rpc,
}

/// For `sori export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Name or id of the group
    pub(crate) group: String,
    /// The file to write
    pub(crate) file: PathBuf,
    /// What kind of file; without this json for a FILE that ends in .json, or else html
    #[arg(long)]
    pub(crate) format: Option<FileFormat>,
    /// The language of what Sori itself says in the page; without this that of the terminal
    #[arg(long)]
    pub(crate) language: Option<PageLanguage>,
    /// Take the place of a file that is there
    #[arg(long)]
    pub(crate) force: bool,
}

/// For `sori backup`.
#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// The file to write
    pub(crate) file: PathBuf,
    /// Take the place of a file that is there
    #[arg(long)]
    pub(crate) force: bool,
}

/// For `sori restore`.
#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The backup
    pub(crate) file: PathBuf,
    /// Keep the key in this system's keychain instead of asking for a passphrase
    #[arg(long)]
    pub(crate) keychain: bool,
}

/// A kind of file.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum FileFormat {
    /// A page for a browser, complete in itself
    Html,
    /// For programs; docs/export.md describes it
    Json,
}

/// A language of Sori.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum PageLanguage {
    /// English
    En,
    /// Korean
    Ko,
}

/// For `sori profile`.
#[derive(Debug, Subcommand)]
pub(crate) enum ProfileCommand {
    /// Show the storage engine, the size, what unlocks it and how old its master key is
    Info,
    /// Replace the master key now; it happens once a week by itself
    Rotate,
    /// Unlock it by a passphrase from now on, or by another one
    Passphrase,
    /// Unlock it by a key in this system's keychain from now on
    Keychain,
    /// Unlock it by a passphrase and the keychain together from now on
    Both,
    /// Save what can be read of a damaged profile, in a new one that takes its place
    Repair,
    /// Move it to another storage engine; to the one it has, this writes its files anew
    Move {
        /// The storage engine
        #[arg(long)]
        to: Engine,
    },
}

/// A storage engine.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Engine {
    /// A tree of pages in one file
    Redb,
    /// A log with a tree in memory; what new profiles get
    Sled,
}

/// For `sori init`.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The name that others see; anything you like
    #[arg(long)]
    pub(crate) name: String,
    /// The relay to use: relay://HOST:PORT/#KEY (can be set later)
    #[arg(long, value_name = "URL")]
    pub(crate) relay: Option<String>,
    /// Keep the key in this system's keychain instead of asking for a passphrase
    #[arg(long)]
    pub(crate) keychain: bool,
}

/// For `sori invite`.
#[derive(Debug, Args)]
pub(crate) struct InviteArgs {
    /// Invite into this group (name or id); without it you become contacts
    #[arg(long)]
    pub(crate) group: Option<String>,
    /// How many people may use the link [default: 1 for a contact, any number for a group]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) uses: Option<u32>,
    /// How long the link works (30m, 12h, 1d, 2w), at least a minute and at most 84 days
    #[arg(long, value_name = "TIME", default_value = "1d", value_parser = crate::duration::seconds)]
    pub(crate) expires: u64,
    /// Print the link and end. Whoever uses it waits until Sori runs again here
    #[arg(long, conflicts_with = "approve_all")]
    pub(crate) no_wait: bool,
    /// Let in everybody who comes with the link, unseen. Whoever gets hold of the link gets in
    #[arg(long)]
    pub(crate) approve_all: bool,
}

/// For `sori joins`.
#[derive(Debug, Subcommand)]
pub(crate) enum JoinAnswer {
    /// Let somebody in
    Approve {
        /// The id that `sori joins` shows
        id: String,
    },
    /// Do not let somebody in
    Deny {
        /// The id that `sori joins` shows
        id: String,
    },
}

/// For `sori group`.
#[derive(Debug, Subcommand)]
pub(crate) enum GroupCommand {
    /// Make a group; you become its owner
    Create {
        /// The group's name
        name: String,
    },
    /// Show a group and its members
    Info {
        /// Name or id of the group
        group: String,
    },
    /// Add somebody you have met
    Add {
        /// Name or id of the group
        group: String,
        /// Name or id of the contact
        contact: String,
    },
    /// Remove a member
    Remove {
        /// Name or id of the group
        group: String,
        /// Name or id of the member
        member: String,
    },
    /// Give a group another name
    Rename {
        /// Name or id of the group
        group: String,
        /// The new name
        name: String,
    },
    /// Give a member a role
    Role {
        /// Name or id of the group
        group: String,
        /// Name or id of the member
        member: String,
        /// The role
        role: Role,
    },
    /// Choose who may let others in
    Policy {
        /// Name or id of the group
        group: String,
        /// Who
        policy: Policy,
    },
    /// Choose after which time messages disappear that anybody writes from now on
    Timer {
        /// Name or id of the group
        group: String,
        /// A minute to 52 weeks (10m, 2h, 1d, 4w), or never
        #[arg(value_parser = crate::duration::seconds_or_never)]
        time: u32,
    },
    /// Choose how long files may be that are sent from now on
    Files {
        /// Name or id of the group
        group: String,
        /// MiB, 0 for no files
        #[arg(value_parser = clap::value_parser!(u32).range(0..=16))]
        mib: u32,
    },
    /// Mute a group: it is listed as muted and draws no attention
    Mute {
        /// Name or id of the group
        group: String,
        /// Only for so long (30m, 8h, 1w)
        #[arg(long = "for", value_parser = crate::duration::seconds, conflicts_with = "undo")]
        time: Option<u64>,
        /// Let it be heard again
        #[arg(long)]
        undo: bool,
    },
    /// Choose for one group whether its members are told what you have read
    ReadReceipts {
        /// Name or id of the group
        group: String,
        /// What they are told
        choice: ReadReceipts,
    },
    /// Leave a group
    Leave {
        /// Name or id of the group
        group: String,
    },
}

/// Who may let others in.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Policy {
    /// The owner and admins
    Admins,
    /// Every member
    Members,
}

impl Policy {
    /// The word the messenger uses.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Admins => "admins",
            Self::Members => "members",
        }
    }
}

/// What the members of one group are told about reading.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ReadReceipts {
    /// What was read
    On,
    /// Nothing
    Off,
    /// As `sori settings` says
    Default,
}

/// A member's role.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Role {
    /// Everything, and hands over before leaving
    Owner,
    /// May add, remove and rename
    Admin,
    /// Talks
    Member,
}

impl Role {
    /// The word the messenger uses.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Member => "member",
        }
    }
}

/// For `sori send`.
#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    /// Name or id of the group
    pub(crate) group: String,
    /// The message; - reads it from standard input
    #[arg(required_unless_present = "file")]
    pub(crate) text: Option<String>,
    /// A file to send with it, of at most 16 MiB
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// How long to wait for somebody to take it; with a file, how long to stay for others to fetch it
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = crate::duration::seconds)]
    pub(crate) wait: u64,
}

/// For `sori save`.
#[derive(Debug, Args)]
pub(crate) struct SaveArgs {
    /// Name or id of the group
    pub(crate) group: String,
    /// Id of the message
    pub(crate) message: String,
    /// Where to write the file
    pub(crate) file: PathBuf,
    /// Replace what is there
    #[arg(long)]
    pub(crate) force: bool,
    /// How long to wait for somebody who has it
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = crate::duration::seconds)]
    pub(crate) wait: u64,
}

/// For `sori history`.
#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    /// Name or id of the group
    pub(crate) group: String,
    /// How many messages at most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
    /// Only what is older than this message id
    #[arg(long, value_name = "ID")]
    pub(crate) before: Option<String>,
    /// First listen this long for what others have said meanwhile
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = crate::duration::seconds)]
    pub(crate) sync: u64,
}

/// For `sori search`.
#[derive(Debug, Args)]
pub(crate) struct SearchArgs {
    /// What to look for: words that all have to be there
    pub(crate) text: String,
    /// Only in this group (name or id)
    #[arg(long = "in", value_name = "GROUP")]
    pub(crate) group: Option<String>,
    /// How many messages at most
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
}

const ABOUT: &str = "\
Sori: end-to-end encrypted group chat whose relay keeps nothing.

Everything you write is kept on the devices of those who talk, and nowhere else. The relay only \
passes on what it cannot read, while people are online. There is no sign-up, no phone number and \
no directory: people meet by invite links.

The passphrase of a profile is taken from SORI_PASSPHRASE, or asked for. The profile's folder is \
taken from --profile or SORI_PROFILE.";

const FIRST_STEPS: &str = "\
First steps:
  sori init --name Alice --relay relay://chat.example.org:4433/#KEY
  sori group create Friends
  sori invite --group Friends        (give the link to somebody; keep this running)
  sori chat Friends

The other person:
  sori init --name Bob --relay relay://chat.example.org:4433/#KEY
  sori join 'sori:invite#...'
  sori chat Friends

Exit codes: 0 done, 1 failed, 2 used wrongly.";

const INIT_EXAMPLES: &str = "\
Examples:
  sori init --name Alice
  sori init --name 수진 --relay relay://chat.example.org:4433/#KEY --keychain
  SORI_PASSPHRASE=... sori --profile ./bot init --name Bot

There is no way to recover a forgotten passphrase.";

const RELAY_EXAMPLES: &str = "\
Examples:
  sori relay                                       show it, and whether it answers
  sori relay relay://chat.example.org:4433/#KEY    use this one

The KEY is the relay's public key. If what answers at the address holds another key, Sori does not
talk to it.";

const INVITE_EXAMPLES: &str = "\
Examples:
  sori invite                                    become contacts with one person
  sori invite --group Friends --uses 5           five people into a group
  sori invite --group Friends --expires 2h --no-wait

When somebody comes, both of you see the same six-digit code. Compare it, by telephone for
instance, before you say yes: then you know that it is really that person.";

const JOIN_EXAMPLES: &str = "\
Example:
  sori join 'sori:invite#...'       (quotes keep the shell from reading the # itself)

Shows a six-digit code; the person who invited you sees the same one. Then it waits until you are
let in. You may stop waiting: the request goes on whenever Sori runs.";

const JOINS_EXAMPLES: &str = "\
Examples:
  sori joins
  sori joins approve ID";

const VERIFY_EXAMPLES: &str = "\
Example:
  sori verify Bob

Shows sixty digits. Bob sees the same ones with `sori verify` and your name. If they are the same
on both devices, nobody stands in between.";

const GROUP_EXAMPLES: &str = "\
Examples:
  sori group create Friends
  sori group info Friends
  sori group add Friends Bob
  sori group role Friends Bob admin
  sori group remove Friends Mallory
  sori group policy Friends members    everybody may invite and approve
  sori group timer Friends 1d          what anybody writes disappears after a day
  sori group files Friends 4           no files of more than 4 MiB
  sori group mute Friends --for 8h
  sori group leave Friends";

const COPIES_EXAMPLES: &str = "\
Examples:
  sori copies Friends               your latest message
  sori copies Friends 9f2c          the message whose id begins so

Somebody has it only if their own device has said so.";

const BLOCK_EXAMPLES: &str = "\
Examples:
  sori block Mallory                hide what Mallory writes, in every group
  sori block Mallory --undo         show it again, also what came meanwhile
  sori block                        who is hidden

Nobody is told, and nothing is deleted.";

const SETTINGS_EXAMPLES: &str = "\
Examples:
  sori settings
  sori settings --read-receipts yes
  sori settings --log-mib 512 --log-days 14";

const SEND_EXAMPLES: &str = "\
Examples:
  sori send Friends 'On my way'
  date | sori send Friends -
  sori send Friends --file photo.jpg 'Look'

A file goes as it is, with whatever a camera or a program wrote into it. Others fetch it while you are online, and
from each other.

Says how many members have the message. If nobody else is online it is stored on this device, and
goes out when Sori runs here while somebody else is there.";

const SAVE_EXAMPLES: &str = "\
Example:
  sori save Friends 3f0a… photo.jpg

The id of a message is in `sori history --json`. The file is not sealed where it is written, and does not disappear with \
its message.";

const CHAT_EXAMPLES: &str = "\
Example:
  sori chat Friends

Write a line and press Enter. /help lists what else you can do; /quit or Ctrl-D ends.";

const HISTORY_EXAMPLES: &str = "\
Examples:
  sori history Friends
  sori history Friends --limit 10 --json
  sori history Friends --sync 5s     listen first, then print";

const SEARCH_EXAMPLES: &str = "\
Examples:
  sori search lunch                       in all conversations
  sori search 'lunch friday' --in Friends
  sori search '\"see you at\"'            these words together
  sori search 회의                        also as part of a word: 회의실, 회의는
  sori search ㅎㅇㅅ                      by initial consonants

Upper and lower case are the same. A message is found by its text as it is now; what was taken back \
is not found, and leaves nothing behind in the index.";

const BACKUP_EXAMPLES: &str = "\
Examples:
  sori backup sori.backup
  SORI_BACKUP_PASSPHRASE=... sori backup --force /media/stick/sori.backup

The passphrase of the backup is asked for twice, or taken from SORI_BACKUP_PASSPHRASE. It may be \
another one than the profile's. Whoever has the file and the passphrase can read everything that \
was said and act as you. docs/backup.md says what is in it and what is not.";

const RESTORE_EXAMPLES: &str = "\
Example:
  sori --profile ~/sori-new restore sori.backup

Asks for the passphrase of the backup (or takes it from SORI_BACKUP_PASSPHRASE), then for one for the \
new profile (or takes it from SORI_PASSPHRASE). Sori enters your groups again when somebody is there. \
Do not use the profile that the backup was made of any more: two that are the same person's same \
device put each other out.";

const EXPORT_EXAMPLES: &str = "\
Examples:
  sori export Friends friends.html
  sori export Friends friends.json
  sori export 친구들 대화.html --language ko

The file is not sealed: whoever has it can read the whole conversation. Only your user can open it where \
it is written; what happens to it then is up to you. Messages that disappear do not disappear from it.";

const PROFILE_EXAMPLES: &str = "\
Examples:
  sori profile info
  sori profile passphrase          asks for the old one, then twice for the new one
  sori profile both                a passphrase and the keychain: neither is enough alone
  sori profile move --to redb
  sori profile repair              when it refuses to open as damaged

A new passphrase is taken from SORI_NEW_PASSPHRASE, or asked for. The old secret opens older copies
of the profile's folder only: delete those. The profile must not be open elsewhere.";

const RPC_EXAMPLES: &str = "\
Example:
  SORI_PASSPHRASE=... sori rpc --profile ./bot
  {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"account.create\",\"params\":{\"name\":\"Bot\"}}
  {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"name\":\"Bot\",...}}

One object a line each way. A folder without a profile gets one, with the passphrase from
SORI_PASSPHRASE. docs/rpc.md describes every method.";
