//! Every bound of this crate, and what it keeps an attacker from.

/// A handshake or Welcome message in bytes. A batch add of 1,000 members needs 2.7 MB. More would let one message
/// cost memory out of proportion.
pub const HANDSHAKE_LEN_MAX: usize = 4 * 1024 * 1024;

/// An application message in bytes; larger things travel as files.
pub const APPLICATION_LEN_MAX: usize = 1024 * 1024;

/// A KeyPackage in bytes (ours have 2.7 kB).
pub const KEY_PACKAGE_LEN_MAX: usize = 8 * 1024;

/// Members that one commit may add. Each costs every member a signature check and O(members) work.
pub const ADDS_PER_COMMIT_MAX: usize = 64;

/// Leaves in a group. Joining costs time in the square of it.
pub const MEMBERS_MAX: usize = 1024;

/// The encoded group data in bytes: every commit that changes it carries it whole.
pub const GROUP_DATA_LEN_MAX: usize = 64 * 1024;

/// A group's name in bytes of UTF-8.
pub const NAME_LEN_MAX: usize = 256;

/// Admins of a group.
pub const ADMINS_MAX: usize = 64;

/// Relays of a group.
pub const RELAYS_MAX: usize = 8;

/// The longest file in bytes that a group can permit; also what it permits if nobody has chosen (protocol §9.1).
pub const FILE_LIMIT_MAX: u32 = 16 * 1024 * 1024;

/// The picture of a group in bytes: one piece of a file (protocol §9.1).
pub const AVATAR_LEN_MAX: u32 = 60 * 1024;

/// One relay address in bytes.
pub const RELAY_LEN_MAX: usize = 512;

/// Orders remembered as spent. An attacker who could fill the table would push out others and replay them; so a
/// commit that does not fit is refused instead.
pub const SPENT_ORDERS_MAX: usize = 1024;

/// How many epochs back an order may have been given, and for how long spent ones are remembered.
pub const ORDER_AGE_EPOCHS_MAX: u64 = 256;

/// Orders that one commit may realise.
pub const ORDERS_PER_COMMIT_MAX: usize = 32;

/// One encoded order in bytes: its length is one byte in a commit.
pub const ORDER_LEN_MAX: usize = 255;

/// One encoded vote or report in bytes.
pub const VOTE_LEN_MAX: usize = 177;

/// Accounts that vote in a group of more, beside the owner and the admins: what each device stores and checks for
/// one commit stays bounded.
pub const VOTERS_MAX: usize = 64;

/// Out-of-order messages of one sender in one epoch whose keys are kept: members catch up from several others at
/// once, so order is lost.
pub const OUT_OF_ORDER_MAX: u32 = 1000;

/// How far one message may jump ahead in its sender's ratchet. Each step costs two hash computations.
pub const RATCHET_FORWARD_MAX: u32 = 5000;

/// KeyPackages tried for one Welcome.
pub const KEY_PACKAGES_PER_JOIN_MAX: usize = 4096;
