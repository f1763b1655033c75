//! What the choice has to know of a state, apart from its snapshot: small, public, and kept when the snapshot goes.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::limits::VOTERS_MAX;
use crate::public::PublicState;
use crate::{AccountId, Device, Epoch, GroupData, GroupId, Member, Order, Role, Snapshot, StateId};

/// Who votes in a state, and which orders a commit on it could realise.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateFacts {
    group: GroupId,
    id: StateId,
    epoch: Epoch,
    data: GroupData,
    /// The devices of the owner and the admins, who can give orders.
    leaders: Vec<Member>,
    /// Accounts that vote, ascending, each with the signature key of the device that speaks for it.
    voters: Vec<(AccountId, [u8; 32])>,
}

impl Snapshot {
    /// What the choice among commits on this state needs to know of it.
    #[must_use]
    pub fn facts(&self) -> StateFacts {
        StateFacts::of(self.public())
    }
}

impl StateFacts {
    pub(crate) fn of(state: &PublicState) -> Self {
        let leaders = state.members.iter();
        let leaders = leaders.filter(|member| member.role != Role::Member);
        Self {
            group: state.group,
            id: state.id,
            epoch: state.epoch,
            data: state.data.clone(),
            leaders: leaders.copied().collect(),
            voters: voters(state),
        }
    }

    /// The group.
    #[must_use]
    pub const fn group_id(&self) -> GroupId {
        self.group
    }

    /// The state.
    #[must_use]
    pub const fn state(&self) -> StateId {
        self.id
    }

    /// Its epoch.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The accounts that vote about commits on this state: all, or in a group of more than 64 the owner, the admins
    /// and 64 others by a hash.
    #[must_use]
    pub fn voters(&self) -> BTreeSet<AccountId> {
        self.voters.iter().map(|(account, _)| *account).collect()
    }

    /// The signature key of the device that speaks for an account, if the account votes here.
    #[must_use]
    pub fn voting_key(&self, account: &AccountId) -> Option<&[u8; 32]> {
        let found = self
            .voters
            .binary_search_by_key(account, |(voter, _)| *voter);
        let voter = found.ok().and_then(|index| self.voters.get(index));
        voter.map(|(_, key)| key)
    }

    /// Whether this device votes and reports for its account: it has the lowest leaf of the account's devices.
    #[must_use]
    pub fn is_spoken_for_by(&self, device: &Device) -> bool {
        self.voting_key(&device.account()) == Some(&device.signature_key())
    }

    /// Whether an order to remove or demote is open here: were its target in the state, a commit could realise it.
    #[must_use]
    pub fn is_open(&self, order: &Order) -> bool {
        order
            .holds_among(self.group, self.epoch, &self.data, &self.leaders)
            .is_ok()
    }
}

/// The accounts that vote, each with the key of its device that has the lowest leaf.
fn voters(state: &PublicState) -> Vec<(AccountId, [u8; 32])> {
    let mut first: Vec<&Member> = state.members.iter().collect();
    first.sort_unstable_by_key(|member| (member.account, member.leaf));
    first.dedup_by_key(|member| member.account);
    if first.len() > VOTERS_MAX {
        let lot = |account: &AccountId| -> [u8; 32] {
            Sha256::new()
                .chain_update(state.group.as_bytes())
                .chain_update(account.as_bytes())
                .finalize()
                .into()
        };
        let mut lots: Vec<[u8; 32]> = first.iter().map(|member| lot(&member.account)).collect();
        lots.sort_unstable();
        lots.truncate(VOTERS_MAX);
        first.retain(|member| {
            member.role != Role::Member || lots.binary_search(&lot(&member.account)).is_ok()
        });
    }
    let voter = |member: &Member| (member.account, member.signature_key);
    first.into_iter().map(voter).collect()
}

impl fmt::Debug for StateFacts {
    /// The state, not the people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateFacts")
            .field("state", &self.id)
            .field("voters", &self.voters.len())
            .finish_non_exhaustive()
    }
}
