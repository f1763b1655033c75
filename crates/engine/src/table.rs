//! The tables of the local store, and their keys: counters and hashes only, because the
//! backend shows keys to whoever holds the disk (design: "record keys are opaque").

use sha2::{Digest, Sha256};
use sori_store::Table;

use crate::record::MessageIdBytes;

/// Pages of 256 things in a row: keys made by [`of`] without their last byte.
const SEQUENCE_PAGE: usize = 11;
/// Pages of 256 chunks of one object: keys made by [`chunk`] without their last byte.
const CHUNK_PAGE: usize = 13;
/// One page for all that belongs to a group.
const GROUP_PAGE: usize = 4;

/// One row: the account.
pub(crate) const ACCOUNT: Table = Table::own(1);
/// Contact number → contact.
pub(crate) const CONTACT: Table = Table::own(2);
/// Group number → group.
pub(crate) const GROUP: Table = Table::own(3);
/// Group number → what changes with each message.
pub(crate) const CURSOR: Table = Table::own(4);
/// Group, snapshot, hash of the OpenMLS row key → row.
pub(crate) const SNAPSHOT: Table = Table::own(5);
/// Group, commit number → commit.
pub(crate) const COMMIT: Table = Table::log(6, SEQUENCE_PAGE);
/// Channel number → channel.
pub(crate) const CHANNEL: Table = Table::own(7);
/// Channel, sequence → entry of the channel log, without its bytes.
pub(crate) const LOG: Table = Table::log(8, SEQUENCE_PAGE);
/// Channel, sequence → the sealed bytes of the entry.
pub(crate) const SEALED: Table = Table::log(9, SEQUENCE_PAGE);
/// Channel, sequence → what an envelope waits for.
pub(crate) const PENDING: Table = Table::log(10, SEQUENCE_PAGE);
/// Group, sequence → line of the timeline, or a change to one.
pub(crate) const MESSAGE: Table = Table::paged(11, SEQUENCE_PAGE);
/// Invite number → invite.
pub(crate) const INVITE: Table = Table::own(12);
/// Join number → join.
pub(crate) const JOIN: Table = Table::own(13);
/// Number → private half of an own KeyPackage.
pub(crate) const KEY_PACKAGE: Table = Table::own(14);
/// Channel, object, index → one chunk of a message that came in several frames.
pub(crate) const CHUNK: Table = Table::log(15, CHUNK_PAGE);
/// Group → directory of the timeline; group, page → lines in their order.
pub(crate) const ORDER: Table = Table::own(16);
/// Group, message id → where the message is; group, id of a line, sequence → a change to it.
pub(crate) const LINK: Table = Table::log(17, GROUP_PAGE);

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

/// Key of one OpenMLS row of a snapshot. OpenMLS' own keys contain the group id, so only their
/// hash is used; the row carries the full key inside the seal.
pub(crate) fn snapshot_row(group: u32, snapshot_number: u32, row: &[u8]) -> Vec<u8> {
    let mut key = snapshot(group, snapshot_number).to_vec();
    key.extend(Sha256::digest(row).iter().take(16));
    key
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

/// Key under which a message is found by its id. Half of the id will do: who makes two messages of
/// its own collide (2^64 attempts) loses the second, and nobody can hit somebody else's.
pub(crate) fn link(group: u32, id: &MessageIdBytes) -> Vec<u8> {
    let mut key = group.to_be_bytes().to_vec();
    key.extend(id.iter().skip(16));
    key
}

/// Key of a change to the line with an id.
pub(crate) fn change(group: u32, line: &MessageIdBytes, sequence: u64) -> Vec<u8> {
    let mut key = link(group, line);
    key.extend(sequence.to_be_bytes());
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
