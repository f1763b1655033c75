//! The tables of the local store, and their keys: counters and hashes only, because the
//! backend shows keys to whoever holds the disk (design: "record keys are opaque").
//!
//! Each table also says how the keys that seal its records are kept, which decides what can be
//! forgotten and when (docs/store.md, "What is forgotten when"):
//!
//! - **own**: a record has a key of its own that moves on with each version. For secrets, and for
//!   what is rewritten often.
//! - **paged**: up to 256 records share a key; when one is deleted the others get a new one. For
//!   what is many, small, and deleted one by one at times.
//! - **log**: records share a key, which dies with the last of them. For what leaves in order.

use sha2::{Digest, Sha256};
use sori_store::{Class, Table};

use crate::pieces::PieceId;
use crate::record::{GroupSeed, MessageIdBytes};
use crate::time::Day;

/// Pages of 256 things in a row: keys made by [`of`] without their last byte.
const SEQUENCE_PAGE: usize = 11;
/// Pages of 256 chunks of one object: keys made by [`chunk`] without their last byte.
const CHUNK_PAGE: usize = 13;
/// One page for each snapshot.
const SNAPSHOT_PAGE: usize = 8;
/// The filters of one page of arrivals: keys made by [`filter`] without their last byte.
const FILTER_PAGE: usize = 12;
/// One page for all that belongs to a group.
const GROUP_PAGE: usize = 4;

/// One row each: the account, its relay, [`PREFS`], [`OWN`]. Own: keys of the account and the device.
pub(crate) const ACCOUNT: Table = Table::own(1);
/// Contact number → contact. Own: unused KeyPackages go one by one.
pub(crate) const CONTACT: Table = Table::own(2);
/// Group number → group. Own: who was in it, under which names, changes all the time.
pub(crate) const GROUP: Table = Table::own(3);
/// Group number → what changes with each message. Own: for that reason.
pub(crate) const CURSOR: Table = Table::own(4);
/// Group, snapshot → its secret rows; its public rows, by their pieces. Log, a page for each
/// snapshot: both are written once, and go together.
pub(crate) const SNAPSHOT: Table = Table::log(5, SNAPSHOT_PAGE);
/// Group, commit number → commit. Log: public within the group; what it encrypts is for keys of
/// snapshots, which have keys of their own.
pub(crate) const COMMIT: Table = Table::log(6, SEQUENCE_PAGE);
/// Channel number → channel. Own: its secret opens the log.
pub(crate) const CHANNEL: Table = Table::own(7);
/// Channel, sequence → entry of the channel log, without its bytes. Log, by day: leaves by days.
pub(crate) const LOG: Table = Table::log(8, SEQUENCE_PAGE);
/// Channel, sequence → the sealed bytes of the entry. As [`LOG`]. Within is a message whose key
/// went when it was read, so the log opens nothing that the timeline has forgotten.
pub(crate) const SEALED: Table = Table::log(9, SEQUENCE_PAGE);
/// Channel, sequence → what an envelope waits for. As [`LOG`].
pub(crate) const PENDING: Table = Table::log(10, SEQUENCE_PAGE);
/// Group, sequence → line of the timeline, or a change to one. Paged, by time of expiry: what is
/// taken back goes on its own, what disappears by itself goes together.
pub(crate) const MESSAGE: Table = Table::paged(11, SEQUENCE_PAGE);
/// Invite number → invite. Own: its seeds.
pub(crate) const INVITE: Table = Table::own(12);
/// Join number → join. Own: requests and admissions.
pub(crate) const JOIN: Table = Table::own(13);
/// Number → private half of an own KeyPackage. Own: destroyed when used.
pub(crate) const KEY_PACKAGE: Table = Table::own(14);
/// Channel, object, index → one chunk of a message that came in several frames. Log, by day: all
/// chunks of an object go together.
pub(crate) const CHUNK: Table = Table::log(15, CHUNK_PAGE);
/// Group → directory of the timeline; group, page → lines in their order. Own: rewritten often,
/// and a line that is gone leaves nothing.
pub(crate) const ORDER: Table = Table::own(16);
/// Group, hash of a message id → number of the message; the same with a number → a change to it.
/// Log, a page for each group: what it tells is worth little without the messages (that there was
/// one with an id that one has to know already), and one key for each message is too much.
pub(crate) const LINK: Table = Table::log(17, GROUP_PAGE);
/// Group, snapshot → its message keys; group, snapshot, number → a piece of them. Own: changes
/// with each message, and what it was would open the message.
pub(crate) const RATCHET: Table = Table::own(18);
/// Group, hash of the content → a piece that snapshots share. Own: a piece of an old tree tells
/// who was in the group.
pub(crate) const PIECE: Table = Table::own(19);

/// Group, page of arrivals, slice → search filter.
pub(crate) const FILTER: Table = Table::paged(20, FILTER_PAGE);

/// Minute → messages that disappear in it. Own: a list that grows and goes.
pub(crate) const EXPIRY: Table = Table::own(21);

/// Group → what is public of its head, and how it stands if its state is or was lost; 0 → contacts
/// to be told that the KeyPackages they have are void. Own: who was in the group changes.
pub(crate) const RESYNC: Table = Table::own(22);

/// Group, sequence → a message of a branch that lost. Paged: they go one by one.
pub(crate) const STRAY: Table = Table::paged(23, SEQUENCE_PAGE);
/// Channel, day → who is known to hold all of it. Own: goes when the day goes.
pub(crate) const HELD: Table = Table::own(25);

/// In [`ACCOUNT`]: what the person has chosen for this device.
pub(crate) const PREFS: [u8; 4] = one(2);
/// In [`ACCOUNT`]: the id of the conversation with oneself.
pub(crate) const OWN: [u8; 4] = one(3);

/// Group, intent → the Welcome to its commit. Own: destroyed when it is sent.
pub(crate) const WELCOME: Table = Table::own(24);
/// Group number → how the person arranged the conversation on this device. Own: a draft is written
/// over often, and what it was is nobody's business.
pub(crate) const ARRANGEMENT: Table = Table::own(30);

/// Group number → what draws attention to it: until when it is muted, whether somebody named this account. Own: changes often.
pub(crate) const ATTENTION: Table = Table::own(33);

/// Group number → ids of messages that may be pinned, the one pinned last at the end. Own: rewritten with each.
pub(crate) const PINS: Table = Table::own(34);

/// Group, number → a vote or report. Log: public within the group.
pub(crate) const BALLOT: Table = Table::log(28, SEQUENCE_PAGE);
/// Group, snapshot → what the choice has to know of its state. Own: who was in the group, with which roles.
pub(crate) const FACTS: Table = Table::own(26);
/// Group → names of states that were on the way and are destroyed. Own: rewritten each time.
pub(crate) const FORMER: Table = Table::own(29);
/// Group, place in the roster → the proof that an account has said two things that exclude each other. Own: few.
pub(crate) const PROOF: Table = Table::own(27);

/// File → what is here of it. Own: rewritten with each piece.
pub(crate) const FILE: Table = Table::own(31);
/// File, number → hashes of the pieces (0), a piece. Log, a page for each file: all of it goes together.
pub(crate) const FILE_PIECE: Table = Table::log(32, GROUP_PAGE);

/// What divides records of the log: those of one day end together.
pub(crate) const fn day(day: Day) -> Class {
    Class(day.0)
}

/// Key of one thing by its number.
pub(crate) const fn one(number: u32) -> [u8; 4] {
    number.to_be_bytes()
}

/// Key of the `sequence`th thing that belongs to `owner`.
pub(crate) fn of(owner: u32, sequence: u64) -> [u8; 12] {
    let mut key = [0; 12];
    let (head, tail) = key.split_at_mut(4);
    head.copy_from_slice(&owner.to_be_bytes());
    tail.copy_from_slice(&sequence.to_be_bytes());
    key
}

/// Prefix of all rows of one snapshot.
pub(crate) fn snapshot(group: u32, snapshot: u32) -> [u8; 8] {
    let mut key = [0; 8];
    let (head, tail) = key.split_at_mut(4);
    head.copy_from_slice(&group.to_be_bytes());
    tail.copy_from_slice(&snapshot.to_be_bytes());
    key
}

/// Key of the secret rows of a snapshot.
pub(crate) fn secret_rows(group: u32, number: u32) -> Vec<u8> {
    [&snapshot(group, number), [0].as_slice()].concat()
}

/// Key of the public rows of a snapshot.
pub(crate) fn public_rows(group: u32, number: u32) -> Vec<u8> {
    [&snapshot(group, number), [1].as_slice()].concat()
}

/// Key of one piece of a snapshot's message keys.
pub(crate) fn ratchet_piece(group: u32, number: u32, place: u16) -> Vec<u8> {
    [&snapshot(group, number), place.to_be_bytes().as_slice()].concat()
}

/// Key of a piece that snapshots of a group share.
pub(crate) fn piece(group: u32, id: &PieceId) -> Vec<u8> {
    [group.to_be_bytes().as_slice(), id].concat()
}

/// Key of a day of a channel.
pub(crate) fn held(channel: u32, day: Day) -> [u8; 8] {
    snapshot(channel, day.0)
}

/// Key of one chunk.
pub(crate) fn chunk(channel: u32, object: [u8; 8], index: u16) -> Vec<u8> {
    let mut key = channel.to_be_bytes().to_vec();
    key.extend(object);
    key.extend(index.to_be_bytes());
    key
}

/// Key of one page of a timeline.
pub(crate) fn page(group: u32, page: u32) -> [u8; 8] {
    snapshot(group, page)
}

/// Key under which a message is found by its id. Nobody outside knows the seed, so nobody can
/// make ids collide, and nobody reads ids from the keys.
pub(crate) fn link(group: u32, seed: &GroupSeed, id: &MessageIdBytes) -> Vec<u8> {
    let mut key = group.to_be_bytes().to_vec();
    let hash = Sha256::new_with_prefix(seed).chain_update(id).finalize();
    key.extend(hash.iter().take(12));
    key
}

/// Key of a change to the line with an id.
pub(crate) fn change(
    group: u32,
    seed: &GroupSeed,
    line: &MessageIdBytes,
    sequence: u64,
) -> Vec<u8> {
    let mut key = link(group, seed, line);
    key.extend(sequence.to_be_bytes());
    key
}

/// Key of one search filter.
pub(crate) fn filter(group: u32, page: u64, slice: u8) -> Vec<u8> {
    let mut key = of(group, page).to_vec();
    key.push(slice);
    key
}

/// The number or sequence at the end of a key made by [`one`] or [`of`].
pub(crate) fn sequence(key: &[u8]) -> u64 {
    key.iter()
        .rev()
        .take(8)
        .rev()
        .fold(0, |n, byte| (n << 8) | u64::from(*byte))
}
