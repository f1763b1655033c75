//! Coming back: the one external commit that a group accepts (protocol §5.6).
//!
//! A device that lost its state is still a member for everybody else. By an external commit it takes its old leaf
//! out and stands in the group anew, as the same device of the same account with the same signature key. Whatever
//! would make it anybody else, or change anything besides, is refused.

use openmls::prelude::{Proposal, ProposalOrRefType, Sender, StagedCommit};

use super::Content;
use crate::identity::Identity;
use crate::key_package::check_leaf;
use crate::public::Parent;
use crate::{Error, Member, Order, Refusal};

/// Who comes back by this external commit, as the member it was, and what else the commit holds: nothing.
pub(super) fn read<'a>(
    parent: &Parent<'a>,
    commit: &StagedCommit,
    orders: &[Order],
) -> Result<(&'a Member, Content), Error> {
    let leaf = commit.update_path_leaf_node().ok_or(Refusal::Content)?;
    let key = leaf.signature_key().as_slice();
    let author = parent.device_of(leaf.credential(), key).ok_or_else(|| {
        let claimed = Identity::verify(leaf.credential(), key).ok();
        let is_claimed = |member: &Member| {
            claimed.is_some_and(|c| c.account == member.account && c.device == member.device)
        };
        match parent.public.members.iter().any(is_claimed) {
            true => Refusal::ChangedCredential,
            false => Refusal::External,
        }
    })?;
    check_leaf(leaf)?;
    if removed_leaves(commit)? != [author.leaf] || !orders.is_empty() {
        return Err(Refusal::Content.into());
    }
    // The leftmost leaf that is free once the old one is (RFC 9420 §12.4.3.2).
    let free = parent.public.free_leaves().next();
    let rejoined = Member {
        leaf: free.map_or(author.leaf, |free| free.min(author.leaf)),
        ..*author
    };
    let content = Content {
        rejoined: Some(rejoined),
        ..Content::default()
    };
    Ok((author, content))
}

/// The leaves that the commit takes out. MLS allows pre-shared keys besides, and proposals of further types.
fn removed_leaves(commit: &StagedCommit) -> Result<Vec<u32>, Refusal> {
    let mut removed = Vec::new();
    for queued in commit.queued_proposals() {
        if queued.proposal_or_ref_type() != ProposalOrRefType::Proposal {
            return Err(Refusal::ByReference);
        }
        if !matches!(queued.sender(), Sender::NewMemberCommit) {
            return Err(Refusal::External);
        }
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "whatever is not named is not in use"
        )]
        match queued.proposal() {
            Proposal::ExternalInit(_) => {}
            Proposal::Remove(remove) => removed.push(remove.removed().u32()),
            _ => return Err(Refusal::ProposalType),
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests;
