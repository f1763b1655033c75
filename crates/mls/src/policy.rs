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
    let class = match content.classify(public, author) {
        Err(_) if crate::broken!("skip policy") => Class::Update,
        class => class?,
    };
    let epoch = Epoch(commit.group_context().epoch().as_u64());
    let id = StateId::of(&public.group, epoch, confirmed_transcript_hash);
    let rank = content.rank(public, author, class);
    let takes_my_leaf = content.rejoined.is_some() && Some(author.leaf) == parent.me;
    let removes_me = |member: &Member| Some(member.leaf) == parent.me;
    Ok(CommitHeader {
        id,
        parent: public.id,
        epoch,
        key: BranchKey::new(class, rank, &public.id, &author.account, id),
        author: author.account,
        author_device: author.device,
        needs_role: content.needs_role(public, author, class),
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
            (false, _, Some(data), false) => self.realise(parent, author, data),
            (false, true, data, true) => self.own_devices(author, data.is_some()),
            (false, false, Some(data), true) => group_data(parent, author, data),
            (true, false, None, true) => self.add(parent, author),
            // The update path was checked; RFC 9420 §12.4 makes it mandatory here.
            (false, false, None, true) => Ok(Class::Update),
            _ => Err(Refusal::Content.into()),
        }
    }

    /// Classes 0 and 3: any member realises what was ordered about others (protocol §5.5.4).
    fn realise(
        &self,
        parent: &PublicState,
        author: &Member,
        data: &GroupData,
    ) -> Result<Class, Error> {
        let orders = &self.orders;
        orders.iter().try_for_each(|order| order.holds_in(parent))?;
        let names: BTreeSet<_> = orders.iter().map(Order::id).collect();
        let going = orders.iter().filter(|order| order.removes());
        let going: BTreeSet<_> = going.map(Order::target).collect();
        if names.len() != orders.len() || going != accounts(&self.removed) {
            return Err(Refusal::Order.into());
        }
        if orders.iter().any(|order| order.target() == author.account) {
            return Err(Refusal::NotAllowed.into());
        }
        self.check_complete(parent, &going)?;
        expect_data(data, &roles::after_orders(parent, orders)?)?;
        Ok(match self.orders_with_priority(parent).next() {
            Some(_) => Class::Moderation,
            None => Class::Leave,
        })
    }

    /// Class 3: an account removes other devices of its own. Whoever else is to go needs an order.
    fn own_devices(&self, author: &Member, sets_data: bool) -> Result<Class, Error> {
        if !accounts(&self.removed).iter().eq([&author.account]) {
            return Err(Refusal::Order.into());
        }
        match sets_data {
            true => Err(Refusal::GroupData.into()),
            false => Ok(Class::Leave),
        }
    }

    fn orders_with_priority(&self, parent: &PublicState) -> impl Iterator<Item = &Order> {
        let epoch = parent.epoch;
        let orders = self.orders.iter();
        orders.filter(move |order| order.has_priority(epoch))
    }

    /// The rank that counts in the branch key: of those whose decisions give the commit its class, the highest.
    fn rank(&self, parent: &PublicState, author: &Member, class: Class) -> u32 {
        let rank = |order: &Order| parent.data.rank_of(&order.issuer());
        let decided = match class {
            Class::Moderation => self.orders_with_priority(parent).map(rank).min(),
            Class::GroupData | Class::Add | Class::Leave | Class::Update => {
                self.orders.iter().map(rank).min()
            }
        };
        decided.unwrap_or_else(|| parent.data.rank_of(&author.account))
    }

    /// Whether the author could not make the commit as a plain member.
    fn needs_role(&self, parent: &PublicState, author: &Member, class: Class) -> bool {
        match class {
            Class::GroupData => true,
            Class::Add => {
                parent.data.join_policy == JoinPolicy::Admins && !self.adds_own_devices(author)
            }
            Class::Moderation | Class::Leave | Class::Update => false,
        }
    }

    fn adds_own_devices(&self, author: &Member) -> bool {
        let mut added = self.added.iter();
        added.all(|member| member.account == author.account)
    }

    /// Class 2.
    fn add(&self, parent: &PublicState, author: &Member) -> Result<Class, Error> {
        let may = match parent.data.join_policy {
            JoinPolicy::Members => true,
            JoinPolicy::Admins => author.role != Role::Member,
        };
        if !may && !self.adds_own_devices(author) {
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

/// Class 1: changes to the group data alone.
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
        // Who takes a role from somebody else orders it.
        Role::Member => Err(Refusal::Order.into()),
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

fn expect_data(found: &GroupData, expected: &GroupData) -> Result<(), Refusal> {
    if found != expected {
        return Err(Refusal::GroupData);
    }
    Ok(())
}

fn accounts(members: &[Member]) -> BTreeSet<AccountId> {
    members.iter().map(|member| member.account).collect()
}
