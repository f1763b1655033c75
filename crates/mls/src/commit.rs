//! What is known about a commit: its place in the tree of states, its claim to it, and what it does.

use serde::{Deserialize, Serialize};
use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::limits::ORDERS_PER_COMMIT_MAX;
use crate::{
    AccountId, DeviceId, Epoch, Error, GroupData, JoinPolicy, Member, Order, Refusal, Role, StateId,
};

/// The class of a commit follows from its content alone. Smaller classes win.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Class {
    /// Realises orders to remove or demote that were given in this epoch or before.
    Moderation = 0,
    /// Changes group data or roles otherwise.
    GroupData = 1,
    /// Adds devices.
    Add = 2,
    /// Realises orders to leave, or of a later epoch; or removes own devices.
    Leave = 3,
    /// Renews the author's keys and nothing else, or brings back a device that had lost its state.
    Update = 4,
}

/// By which commits on one parent are compared: the smallest key wins.
///
/// Nobody can choose a key: class and rank follow from content and parent, the tie-break is fixed before the commit
/// exists, and the id decides only between two commits of one author. Time, arrival and length play no part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BranchKey {
    /// The class of the commit.
    pub class: Class,
    /// The rank of who decided, in the parent: the issuer of the orders it realises, else the author. 0 owner, admins by
    /// seniority, then one rank for all members.
    pub rank: u32,
    /// `SHA-256("tb" || parent state || author account)`.
    pub tie: [u8; 32],
    /// The state that the commit leads to.
    pub id: StateId,
}

/// One thing that a commit changes, for the timeline.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Change {
    /// The picture was changed or taken away.
    Avatar {
        /// The name of its file; `None` for none.
        hash: Option<[u8; 32]>,
    },
    /// The timer for disappearing messages was changed.
    Disappearing {
        /// The new time; `None` for never.
        seconds: Option<u32>,
    },
    /// How long files may be was changed.
    FileLimit {
        /// In bytes; zero for no files, `None` for as long as files can be.
        limit: Option<u32>,
    },
    /// The rule for adding was changed.
    JoinPolicy {
        /// The new rule.
        policy: JoinPolicy,
    },
    /// The relays were changed.
    Relays {
        /// The new list.
        relays: Vec<String>,
    },
    /// The group has a new name.
    Renamed {
        /// The new name.
        name: String,
    },
    /// An account has a new role.
    Role {
        /// The account.
        account: AccountId,
        /// Its new role.
        role: Role,
    },
}

/// Everything about a valid commit that is of interest without merging it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitHeader {
    /// The state it leads to.
    pub id: StateId,
    /// The state it was made on.
    pub parent: StateId,
    /// The epoch of the state it leads to.
    pub epoch: Epoch,
    /// How it compares to others on the same parent.
    pub key: BranchKey,
    /// The account of its author.
    pub author: AccountId,
    /// The device of its author.
    pub author_device: DeviceId,
    /// Whether its author could not make it as a plain member.
    pub needs_role: bool,
    /// Devices that it adds, with their leaves in the child.
    pub added: Vec<Member>,
    /// Devices that it removes, with their leaves in the parent.
    pub removed: Vec<Member>,
    /// The author, with its leaf in the child, if it came back by this commit after it had lost its state. It is
    /// the same device as before, and not among the added and removed.
    pub rejoined: Option<Member>,
    /// Whether this device is among the removed, or another copy of it came back in its place.
    pub removes_me: bool,
    /// What it changes in the group data.
    pub changes: Vec<Change>,
    /// The orders that it realises.
    pub orders: Vec<Order>,
}

/// The associated data of a commit: version, parent, and the orders that it realises, whole.
pub(crate) struct CommitAad {
    pub(crate) parent: StateId,
    pub(crate) orders: Vec<Order>,
}

const AAD_VERSION: u8 = 1;

impl BranchKey {
    pub(crate) fn new(
        class: Class,
        rank: u32,
        parent: &StateId,
        author: &AccountId,
        id: StateId,
    ) -> Self {
        let tie = tie_break(parent, author);
        Self {
            class,
            rank,
            tie,
            id,
        }
    }
}

/// The place of an account among the authors of commits of one class and rank on a parent: the smallest wins. It
/// is fixed before a commit exists.
#[must_use]
pub fn tie_break(parent: &StateId, author: &AccountId) -> [u8; 32] {
    Sha256::new()
        .chain_update(b"tb")
        .chain_update(parent.as_bytes())
        .chain_update(author.as_bytes())
        .finalize()
        .into()
}

impl CommitAad {
    /// `version 1 || parent 32 || u8 number of orders || for each: u8 length, order`.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, Error> {
        let too_many = |_| Error::from(Refusal::TooMany);
        let mut bytes = vec![AAD_VERSION];
        bytes.extend_from_slice(self.parent.as_bytes());
        bytes.push(u8::try_from(self.orders.len()).map_err(too_many)?);
        for order in &self.orders {
            let order = order.encode()?;
            bytes.push(u8::try_from(order.len()).map_err(too_many)?);
            bytes.extend_from_slice(&order);
        }
        Ok(bytes)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let ([version, parent @ ..], rest) = bytes
            .split_first_chunk::<33>()
            .ok_or(Refusal::AssociatedData)?;
        let (count, mut rest) = rest.split_first().ok_or(Refusal::AssociatedData)?;
        if *version != AAD_VERSION || usize::from(*count) > ORDERS_PER_COMMIT_MAX {
            return Err(Refusal::AssociatedData.into());
        }
        let mut orders = Vec::new();
        for _ in 0..*count {
            let (len, tail) = rest.split_first().ok_or(Refusal::AssociatedData)?;
            let (order, tail) = tail
                .split_at_checked(usize::from(*len))
                .ok_or(Refusal::AssociatedData)?;
            orders.push(Order::decode(order).map_err(|_| Refusal::AssociatedData)?);
            rest = tail;
        }
        if !rest.is_empty() {
            return Err(Refusal::AssociatedData.into());
        }
        Ok(Self {
            parent: StateId::from_bytes(*parent),
            orders,
        })
    }
}

impl fmt::Debug for Change {
    /// Which change, not to what: names of groups are content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Avatar { .. } => "Avatar(..)",
            Self::Disappearing { .. } => "Disappearing(..)",
            Self::FileLimit { .. } => "FileLimit(..)",
            Self::JoinPolicy { .. } => "JoinPolicy(..)",
            Self::Relays { .. } => "Relays(..)",
            Self::Renamed { .. } => "Renamed(..)",
            Self::Role { .. } => "Role(..)",
        })
    }
}

/// What differs between the data of a parent and of its child.
pub(crate) fn changes(parent: &GroupData, child: &GroupData) -> Vec<Change> {
    let mut changes = Vec::new();
    if parent.avatar != child.avatar {
        changes.push(Change::Avatar {
            hash: child.avatar.map(|avatar| avatar.hash),
        });
    }
    if parent.disappearing_seconds != child.disappearing_seconds {
        changes.push(Change::Disappearing {
            seconds: child.disappearing_seconds,
        });
    }
    if parent.file_limit != child.file_limit {
        changes.push(Change::FileLimit {
            limit: child.file_limit,
        });
    }
    if parent.join_policy != child.join_policy {
        changes.push(Change::JoinPolicy {
            policy: child.join_policy,
        });
    }
    if parent.relays != child.relays {
        changes.push(Change::Relays {
            relays: child.relays.clone(),
        });
    }
    if parent.name != child.name {
        changes.push(Change::Renamed {
            name: child.name.clone(),
        });
    }
    let listed = |data: &GroupData| [vec![data.owner], data.admins.clone()].concat();
    let mut accounts = [listed(child), listed(parent)].concat();
    accounts.dedup();
    for account in accounts {
        let role = child.role_of(&account);
        let change = Change::Role { account, role };
        if role != parent.role_of(&account) && !changes.contains(&change) {
            changes.push(change);
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// protocol §5.3.2
    #[test]
    fn associated_data_has_one_encoding() {
        let parent = StateId::from_bytes([1; 32]);
        let bytes = CommitAad {
            parent,
            orders: Vec::new(),
        }
        .encode()
        .unwrap();
        assert_eq!(CommitAad::decode(&bytes).unwrap().parent, parent);
        let mut too_many = bytes.clone();
        too_many[33] = u8::try_from(ORDERS_PER_COMMIT_MAX).unwrap() + 1;
        let mut missing = bytes.clone();
        missing[33] = 1;
        let mut other_version = bytes.clone();
        other_version[0] += 1;
        let trailing = [bytes.as_slice(), &[0]].concat();
        for bytes in [
            &[],
            &bytes[..33],
            &too_many,
            &missing,
            &other_version,
            &trailing,
        ] {
            let refused = CommitAad::decode(bytes).err();
            assert_eq!(refused, Some(Error::Refused(Refusal::AssociatedData)));
        }
    }

    /// protocol §5.4.1
    #[test]
    fn keys_compare_class_rank_tie_and_id_in_this_order() {
        let (parent, id) = (StateId::from_bytes([1; 32]), StateId::from_bytes([2; 32]));
        let author = AccountId::from_bytes([3; 32]);
        let key = BranchKey::new(Class::Add, 1, &parent, &author, id);
        let keys = [
            BranchKey {
                class: Class::Moderation,
                rank: 9,
                ..key
            },
            BranchKey {
                rank: 0,
                tie: [0xFF; 32],
                ..key
            },
            BranchKey {
                tie: [0; 32],
                id: StateId::from_bytes([0xFF; 32]),
                ..key
            },
            BranchKey {
                id: StateId::from_bytes([0; 32]),
                ..key
            },
            key,
            BranchKey {
                class: Class::Update,
                rank: 0,
                tie: [0; 32],
                id: StateId::from_bytes([0; 32]),
            },
        ];
        assert!(keys.is_sorted());
        assert_ne!(BranchKey::new(Class::Add, 1, &id, &author, id).tie, key.tie);
        assert_ne!(
            BranchKey::new(Class::Add, 1, &parent, &AccountId::from_bytes([4; 32]), id).tie,
            key.tie
        );
    }
}
