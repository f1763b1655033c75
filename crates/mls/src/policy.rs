//! The rules of the group: what a commit may contain, who may make it, and which class it has.
//!
//! Everything here is a function of the parent state and the commit, so all members judge alike. MLS' own rules
//! (RFC 9420 §12) were checked before.

use std::collections::BTreeSet;

use openmls::prelude::{KeyPackage, Proposal, ProposalOrRefType, Sender, StagedCommit};

use crate::commit::{BranchKey, Class, CommitAad, CommitHeader, changes};
use crate::identity::Identity;
use crate::key_package::{check, check_leaf};
use crate::limits::{ADDS_PER_COMMIT_MAX, MEMBERS_MAX};
use crate::public::{Parent, PublicState};
use crate::{
    AccountId, Conversation, Epoch, Error, GroupData, Invalid, JoinPolicy, Member, Order, Refusal,
    Role, StateId, roles,
};

mod resync;
#[cfg(test)]
mod tests;

/// Judges a commit that MLS accepts.
pub(crate) fn judge(
    parent: &Parent<'_>,
    sender: &Sender,
    aad: &[u8],
    commit: &StagedCommit,
    confirmed_transcript_hash: &[u8],
) -> Result<CommitHeader, Error> {
    let aad = CommitAad::decode(aad)?;
    let public = parent.public;
    if aad.parent != public.id {
        return Err(Refusal::AssociatedData.into());
    }
    let (author, content) = match sender {
        Sender::Member(leaf) => {
            let author = public.member_by_leaf(leaf.u32());
            let author = author.ok_or(Invalid::UnexpectedKind)?;
            check_update_path(parent, author, commit)?;
            (
                author,
                Content::read(public, author.leaf, commit, aad.orders)?,
            )
        }
        Sender::NewMemberCommit => resync::read(parent, commit, &aad.orders)?,
        Sender::External(_) | Sender::NewMemberProposal => return Err(Refusal::External.into()),
    };
    let class = content.classify(public, author)?;
    let epoch = Epoch(commit.group_context().epoch().as_u64());
    let id = StateId::of(&public.group, epoch, confirmed_transcript_hash);
    let rank = public.data.rank_of(&author.account);
    let takes_my_leaf = content.rejoined.is_some() && Some(author.leaf) == parent.me;
    let removes_me = |member: &Member| Some(member.leaf) == parent.me;
    Ok(CommitHeader {
        id,
        parent: public.id,
        epoch,
        key: BranchKey::new(class, rank, &public.id, &author.account, id),
        author: author.account,
        author_device: author.device,
        removes_me: takes_my_leaf || content.removed.iter().any(removes_me),
        changes: changes(&public.data, content.data_after(public)),
        added: content.added,
        removed: content.removed,
        rejoined: content.rejoined,
        orders: content.orders,
    })
}

/// What a commit contains, sorted.
#[derive(Default)]
struct Content {
    added: Vec<Member>,
    removed: Vec<Member>,
    /// The author, if this is how it came back.
    rejoined: Option<Member>,
    /// The group data it sets, if it does.
    data: Option<GroupData>,
    orders: Vec<Order>,
}

impl Content {
    /// Takes the proposals apart and refuses every kind that is not in use.
    fn read(
        parent: &PublicState,
        author: u32,
        commit: &StagedCommit,
        orders: Vec<Order>,
    ) -> Result<Self, Error> {
        let (mut adds, mut removed, mut data) = (Vec::new(), Vec::new(), None);
        for queued in commit.queued_proposals() {
            if queued.proposal_or_ref_type() != ProposalOrRefType::Proposal {
                return Err(Refusal::ByReference.into());
            }
            if !matches!(queued.sender(), Sender::Member(leaf) if leaf.u32() == author) {
                return Err(Refusal::External.into());
            }
            #[expect(
                clippy::wildcard_enum_match_arm,
                reason = "whatever is not named is not in use"
            )]
            match queued.proposal() {
                Proposal::Add(add) => adds.push(add.key_package()),
                Proposal::Remove(remove) => {
                    let leaf = remove.removed().u32();
                    removed.push(*parent.member_by_leaf(leaf).ok_or(Refusal::Content)?);
                }
                Proposal::GroupContextExtensions(_) => {
                    data = Some(GroupData::from_extensions(
                        commit.group_context().extensions(),
                    )?);
                }
                _ => return Err(Refusal::ProposalType.into()),
            }
        }
        let data_after = data.as_ref().unwrap_or(&parent.data);
        let added = added_members(parent, data_after, &adds)?;
        Ok(Self {
            added,
            removed,
            data,
            orders,
            ..Self::default()
        })
    }

    fn data_after<'a>(&'a self, parent: &'a PublicState) -> &'a GroupData {
        self.data.as_ref().unwrap_or(&parent.data)
    }

    /// The class of exactly this content, if the author may make it (protocol §5.3).
    fn classify(&self, parent: &PublicState, author: &Member) -> Result<Class, Error> {
        let adds = !self.added.is_empty();
        let removes = !self.removed.is_empty();
        match (adds, removes, &self.data, self.orders.is_empty()) {
            (false, true, Some(data), false) => self.leave(parent, author, data),
            (false, true, _, true) => self.removal(parent, author),
            (false, false, Some(data), true) => group_data(parent, author, data),
            (true, false, None, true) => self.add(parent, author),
            // The update path was checked; RFC 9420 §12.4 makes it mandatory here.
            (false, false, None, true) => Ok(Class::Update),
            _ => Err(Refusal::Content.into()),
        }
    }

    /// Class 3: members realise that others leave.
    fn leave(
        &self,
        parent: &PublicState,
        author: &Member,
        data: &GroupData,
    ) -> Result<Class, Error> {
        self.orders
            .iter()
            .try_for_each(|order| order.holds_in(parent))?;
        let targets: BTreeSet<_> = self.orders.iter().map(Order::target).collect();
        if targets.len() != self.orders.len() || targets != accounts(&self.removed) {
            return Err(Refusal::Order.into());
        }
        if targets.contains(&author.account) {
            return Err(Refusal::NotAllowed.into());
        }
        self.check_complete(parent, &targets)?;
        expect_data(data, &roles::after_orders(parent, &self.orders)?)?;
        Ok(Class::Leave)
    }

    /// Class 0, or class 3 for other devices of one's own.
    ///
    /// The author decides here, and so is the issuer as well. With orders to remove, any member will realise what
    /// the issuer decided, and issuer and author part: in the ranks compared here and in the branch key.
    fn removal(&self, parent: &PublicState, author: &Member) -> Result<Class, Error> {
        let targets = accounts(&self.removed);
        if targets.iter().eq([&author.account]) {
            return match &self.data {
                Some(_) => Err(Refusal::GroupData.into()),
                None => Ok(Class::Leave),
            };
        }
        let before = &parent.data;
        for target in &targets {
            check_outranks(before, &author.account, target)?;
        }
        self.check_complete(parent, &targets)?;
        let targets: Vec<_> = targets.into_iter().collect();
        expect_data(self.data_after(parent), &roles::without(before, &targets))?;
        // Group data without need would be a second, hidden way to write the same commit.
        if self.data.as_ref() == Some(before) {
            return Err(Refusal::GroupData.into());
        }
        Ok(Class::Moderation)
    }

    /// Class 2.
    fn add(&self, parent: &PublicState, author: &Member) -> Result<Class, Error> {
        let own_devices = self
            .added
            .iter()
            .all(|member| member.account == author.account);
        let may = match parent.data.join_policy {
            JoinPolicy::Members => true,
            JoinPolicy::Admins => author.role != Role::Member,
        };
        if !may && !own_devices {
            return Err(Refusal::NotAllowed.into());
        }
        let mut all = accounts(&parent.members);
        all.extend(accounts(&self.added));
        if parent.data.direct == Conversation::Direct && all.len() > 2 {
            return Err(Refusal::DirectIsFull.into());
        }
        Ok(Class::Add)
    }

    /// Whoever is removed goes with all devices.
    fn check_complete(
        &self,
        parent: &PublicState,
        targets: &BTreeSet<AccountId>,
    ) -> Result<(), Refusal> {
        let of_targets = parent
            .members
            .iter()
            .filter(|member| targets.contains(&member.account))
            .count();
        if of_targets != self.removed.len() {
            return Err(Refusal::PartialRemoval);
        }
        Ok(())
    }
}

/// Classes 0 and 1: changes to the group data alone.
fn group_data(parent: &PublicState, author: &Member, after: &GroupData) -> Result<Class, Error> {
    let before = &parent.data;
    if author.role == Role::Member {
        return Err(Refusal::NotAllowed.into());
    }
    let fixed = before.spent_orders == after.spent_orders && before.direct == after.direct;
    if !fixed || before == after {
        return Err(Refusal::GroupData.into());
    }
    if before.owner == after.owner && before.admins == after.admins {
        return Ok(Class::GroupData);
    }
    // Roles change one account at a time and with nothing else, so that each such commit has one meaning.
    let with_same_roles = GroupData {
        owner: before.owner,
        admins: before.admins.clone(),
        ..after.clone()
    };
    if with_same_roles != *before {
        return Err(Refusal::Content.into());
    }
    role_change(parent, author, after)
}

/// One account gets another role.
fn role_change(parent: &PublicState, author: &Member, after: &GroupData) -> Result<Class, Error> {
    let before = &parent.data;
    let account = subject(before, after).ok_or(Refusal::GroupData)?;
    parent.role_of(&account).ok_or(Refusal::GroupData)?;
    let role = after.role_of(&account);
    expect_data(
        after,
        &roles::with_role(before, &account, role).map_err(|_| Refusal::GroupData)?,
    )?;
    match role {
        // Nobody gives away a role as high as the own; so the owner alone appoints.
        Role::Owner | Role::Admin if author.role != Role::Owner => Err(Refusal::NotAllowed.into()),
        Role::Owner | Role::Admin => Ok(Class::GroupData),
        Role::Member if account == author.account => Ok(Class::GroupData),
        Role::Member => {
            check_outranks(before, &author.account, &account)?;
            Ok(Class::Moderation)
        }
    }
}

/// The account whose role changes, if there is one that explains the new table.
fn subject(before: &GroupData, after: &GroupData) -> Option<AccountId> {
    if before.owner != after.owner {
        return Some(after.owner);
    }
    let only_in = |here: &GroupData, there: &GroupData| {
        here.admins
            .iter()
            .find(|admin| !there.admins.contains(admin))
            .copied()
    };
    only_in(after, before).or_else(|| only_in(before, after))
}

/// The members that these KeyPackages become, with the leaves that RFC 9420 §12.1.1 gives them.
fn added_members(
    parent: &PublicState,
    data: &GroupData,
    adds: &[&KeyPackage],
) -> Result<Vec<Member>, Error> {
    let members = &parent.members;
    if adds.len() > ADDS_PER_COMMIT_MAX || adds.len().saturating_add(members.len()) > MEMBERS_MAX {
        return Err(Refusal::TooMany.into());
    }
    let mut devices: BTreeSet<_> = members.iter().map(|m| (m.account, m.device)).collect();
    let mut free_leaves = parent.free_leaves();
    let mut added = Vec::new();
    for key_package in adds {
        let (Identity { account, device }, signature_key) = check(key_package)?;
        if !devices.insert((account, device)) {
            return Err(Refusal::DuplicateDevice.into());
        }
        let leaf = free_leaves.next().ok_or(Refusal::TooMany)?;
        added.push(Member {
            account,
            device,
            signature_key,
            leaf,
            role: data.role_of(&account),
        });
    }
    Ok(added)
}

/// A member renews its keys, never its account, device or signature key (protocol §3.2.4).
fn check_update_path(
    parent: &Parent<'_>,
    author: &Member,
    commit: &StagedCommit,
) -> Result<(), Refusal> {
    let Some(after) = commit.update_path_leaf_node() else {
        return Ok(());
    };
    let before = parent.leaf(author.leaf).ok_or(Refusal::ChangedCredential)?;
    if before.credential() != after.credential() || before.signature_key() != after.signature_key()
    {
        return Err(Refusal::ChangedCredential);
    }
    check_leaf(after)
}

fn check_outranks(data: &GroupData, author: &AccountId, target: &AccountId) -> Result<(), Refusal> {
    if data.role_of(author) == Role::Member {
        return Err(Refusal::NotAllowed);
    }
    if data.rank_of(author) >= data.rank_of(target) {
        return Err(Refusal::Outranked);
    }
    Ok(())
}

fn expect_data(found: &GroupData, expected: &GroupData) -> Result<(), Refusal> {
    if found != expected {
        return Err(Refusal::GroupData);
    }
    Ok(())
}

fn accounts(members: &[Member]) -> BTreeSet<AccountId> {
    members.iter().map(|member| member.account).collect()
}
