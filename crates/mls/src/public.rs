//! What everybody sees of a state, also who has none of its secrets. Commits are judged by this alone.

use std::collections::BTreeSet;

use openmls::prelude::{
    Credential, Extensions, GroupContext, LeafNode, LeafNodeIndex, PublicGroup,
};

use crate::identity::Identity;
use crate::{AccountId, Epoch, Error, GroupData, GroupId, Invalid, Member, Role, StateId};

/// The public part of a state: its name, its data and its members.
pub(crate) struct PublicState {
    pub(crate) group: GroupId,
    pub(crate) id: StateId,
    pub(crate) epoch: Epoch,
    pub(crate) data: GroupData,
    pub(crate) members: Vec<Member>,
}

/// A state as the parent of a commit.
pub(crate) struct Parent<'a> {
    pub(crate) public: &'a PublicState,
    pub(crate) tree: &'a PublicGroup,
    /// The leaf of this device, if it is in the state.
    pub(crate) me: Option<u32>,
}

impl PublicState {
    /// Reads what OpenMLS holds of a state. Credentials were verified before.
    pub(crate) fn of(
        (group, id, epoch): (GroupId, StateId, Epoch),
        extensions: &Extensions<GroupContext>,
        members: impl Iterator<Item = openmls::prelude::Member>,
    ) -> Result<Self, Error> {
        let data = GroupData::from_extensions(extensions)?;
        let members = members
            .map(|member| {
                let identity =
                    Identity::of_member(&member.credential).ok_or(Invalid::Credential)?;
                let key = member.signature_key.as_slice().try_into();
                Ok(Member {
                    account: identity.account,
                    device: identity.device,
                    signature_key: key.map_err(|_| Invalid::Credential)?,
                    leaf: member.index.u32(),
                    role: data.role_of(&identity.account),
                })
            })
            .collect::<Result<_, Invalid>>()?;
        Ok(Self {
            group,
            id,
            epoch,
            data,
            members,
        })
    }

    pub(crate) fn member_by_leaf(&self, leaf: u32) -> Option<&Member> {
        self.members.iter().find(|member| member.leaf == leaf)
    }

    pub(crate) fn role_of(&self, account: &AccountId) -> Option<Role> {
        let member = self.members.iter().find(|m| m.account == *account)?;
        Some(member.role)
    }

    /// The leaves without a member, from the left; after the last leaf there are always more.
    pub(crate) fn free_leaves(&self) -> impl Iterator<Item = u32> {
        let occupied: BTreeSet<_> = self.members.iter().map(|member| member.leaf).collect();
        (0..).filter(move |leaf| !occupied.contains(leaf))
    }

    /// What a newcomer checks of the whole: every listed role belongs to a member, and no device is there twice.
    pub(crate) fn check_roles(&self) -> Result<(), Invalid> {
        let is_member = |account: &_| self.role_of(account).is_some();
        let devices: BTreeSet<_> = self.members.iter().map(|m| (m.account, m.device)).collect();
        let mut listed = self.data.admins.iter().chain([&self.data.owner]);
        if !listed.all(is_member) || devices.len() != self.members.len() {
            return Err(Invalid::GroupData);
        }
        Ok(())
    }
}

impl<'a> Parent<'a> {
    pub(crate) fn leaf(&self, leaf: u32) -> Option<&'a LeafNode> {
        self.tree.leaf(LeafNodeIndex::new(leaf))
    }

    /// The member at whose leaf exactly this credential and signature key stand.
    pub(crate) fn device_of(&self, credential: &Credential, key: &[u8]) -> Option<&'a Member> {
        let same = |member: &&Member| {
            self.leaf(member.leaf).is_some_and(|leaf| {
                leaf.credential() == credential && leaf.signature_key().as_slice() == key
            })
        };
        self.public.members.iter().find(same)
    }
}
