//! Votes and reports: what members say about commits, so that all can settle on the same ones (protocol §5.7).
//!
//! A [`Vote`] is a promise: an account gives one for each parent and never another. Two are a proof that it cheats,
//! a [`DoubleVote`]. A [`Report`] says whether a device could process a commit.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::VOTE_LEN_MAX;
use crate::signed::{Body, Signed};
use crate::{AccountId, Core, Error, GroupId, Invalid, NeedsState, Refusal, StateFacts, StateId};

/// An account's word for one of the commits on a state.
#[derive(Clone, PartialEq, Eq)]
pub struct Vote(Signed<VoteBody>);

/// Whether an account could process a commit.
#[derive(Clone, PartialEq, Eq)]
pub struct Report(Signed<ReportBody>);

/// Two votes of one account for two commits on one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoubleVote {
    first: Vote,
    second: Vote,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct VoteBody {
    group: GroupId,
    parent: StateId,
    child: StateId,
    account: AccountId,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ReportBody {
    group: GroupId,
    child: StateId,
    account: AccountId,
    ok: bool,
}

impl Body for VoteBody {
    const LABEL: &'static [u8] = b"vote-v1";
    const LEN_MAX: usize = VOTE_LEN_MAX;
}

impl Body for ReportBody {
    const LABEL: &'static [u8] = b"report-v1";
    const LEN_MAX: usize = VOTE_LEN_MAX;
}

impl Core {
    /// Signs the vote of this account for the commit on `parent` that leads to `child`. Whether it may is for
    /// [`Graph::may_vote`](crate::branch::Graph::may_vote) to say, and it must be durable before it is sent.
    ///
    /// # Errors
    /// [`Refusal::NotAllowed`] if this device does not speak for its account in the parent.
    pub fn vote(&self, parent: &StateFacts, child: StateId) -> Result<Vote, Error> {
        if !parent.is_spoken_for_by(self.device()) {
            return Err(Refusal::NotAllowed.into());
        }
        let body = VoteBody {
            group: parent.group_id(),
            parent: parent.state(),
            child,
            account: self.device().account(),
        };
        Signed::new(self.device(), body).map(Vote)
    }

    /// Signs whether this device could process the commit on `parent` that leads to `child`.
    ///
    /// # Errors
    /// [`Refusal::NotAllowed`] if this device does not speak for its account in the parent.
    pub fn report(&self, parent: &StateFacts, child: StateId, ok: bool) -> Result<Report, Error> {
        if !parent.is_spoken_for_by(self.device()) {
            return Err(Refusal::NotAllowed.into());
        }
        let body = ReportBody {
            group: parent.group_id(),
            child,
            account: self.device().account(),
            ok,
        };
        Signed::new(self.device(), body).map(Report)
    }
}

impl Vote {
    /// The state on which the commit was made.
    #[must_use]
    pub const fn parent(&self) -> StateId {
        self.0.body.parent
    }

    /// The state to which the commit leads.
    #[must_use]
    pub const fn child(&self) -> StateId {
        self.0.body.child
    }

    /// Who votes.
    #[must_use]
    pub const fn account(&self) -> AccountId {
        self.0.body.account
    }

    /// The bytes that travel: 177.
    ///
    /// # Errors
    /// None that can occur; encoding is fallible by its interface.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        self.0.encode()
    }

    /// Reads a vote. Its signature can only be checked against the parent: [`Vote::verify`].
    ///
    /// # Errors
    /// [`Invalid`] if the bytes are not the one encoding of a vote.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        Signed::decode(bytes).map(Self)
    }

    /// Whether the vote counts: its device is the one that speaks for an account that votes on the parent.
    ///
    /// # Errors
    /// [`NeedsState`] for another parent than its own, [`Refusal::NotAllowed`] for an account that has no vote
    /// there, [`Invalid::Signature`].
    pub fn verify(&self, parent: &StateFacts) -> Result<(), Error> {
        if self.parent() != parent.state() {
            let parent = self.parent();
            return Err(NeedsState::OtherParent { parent }.into());
        }
        let key = voting_key(parent, self.0.body.group, &self.account())?;
        self.0.verify(key)
    }
}

impl Report {
    /// The state to which the commit leads that it is about.
    #[must_use]
    pub const fn child(&self) -> StateId {
        self.0.body.child
    }

    /// Who reports.
    #[must_use]
    pub const fn account(&self) -> AccountId {
        self.0.body.account
    }

    /// Whether it could process the commit.
    #[must_use]
    pub const fn is_ok(&self) -> bool {
        self.0.body.ok
    }

    /// The bytes that travel: 146.
    ///
    /// # Errors
    /// None that can occur; encoding is fallible by its interface.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        self.0.encode()
    }

    /// Reads a report. Its signature can only be checked against the parent of the commit: [`Report::verify`].
    ///
    /// # Errors
    /// [`Invalid`] if the bytes are not the one encoding of a report.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        Signed::decode(bytes).map(Self)
    }

    /// Whether the report counts, given the state on which the commit was made that it is about.
    ///
    /// # Errors
    /// As for [`Vote::verify`].
    pub fn verify(&self, parent: &StateFacts) -> Result<(), Error> {
        let key = voting_key(parent, self.0.body.group, &self.account())?;
        self.0.verify(key)
    }
}

impl DoubleVote {
    /// The proof that these two votes are; `None` if they can both be honest.
    #[must_use]
    pub fn of(a: Vote, b: Vote) -> Option<Self> {
        let subject = |vote: &Vote| (vote.0.body.group, vote.parent(), vote.account());
        if subject(&a) != subject(&b) || a.child() == b.child() {
            return None;
        }
        let (first, second) = match a.child() < b.child() {
            true => (a, b),
            false => (b, a),
        };
        Some(Self { first, second })
    }

    /// The state about whose children it voted twice.
    #[must_use]
    pub const fn parent(&self) -> StateId {
        self.first.parent()
    }

    /// Who did.
    #[must_use]
    pub const fn account(&self) -> AccountId {
        self.first.account()
    }

    /// The proof in bytes: both votes, the one for the smaller id first; 354.
    ///
    /// # Errors
    /// None that can occur; encoding is fallible by its interface.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        Ok([self.first.encode()?, self.second.encode()?].concat())
    }

    /// Reads a proof; [`DoubleVote::verify`] says whether it is one.
    ///
    /// # Errors
    /// [`Invalid`] if the bytes are not two votes in order that exclude each other.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        // Both votes have the same length.
        let (first, second) = bytes
            .split_at_checked(bytes.len() / 2)
            .ok_or(Invalid::Malformed)?;
        let (first, second) = (Vote::decode(first)?, Vote::decode(second)?);
        match Self::of(first.clone(), second) {
            Some(proof) if proof.first == first => Ok(proof),
            _ => Err(Invalid::Malformed.into()),
        }
    }

    /// Whether both votes count.
    ///
    /// # Errors
    /// As for [`Vote::verify`].
    pub fn verify(&self, parent: &StateFacts) -> Result<(), Error> {
        self.first.verify(parent)?;
        self.second.verify(parent)
    }
}

fn voting_key<'a>(
    parent: &'a StateFacts,
    group: GroupId,
    account: &AccountId,
) -> Result<&'a [u8; 32], Error> {
    if group != parent.group_id() {
        return Err(NeedsState::OtherGroup.into());
    }
    let key = parent.voting_key(account);
    key.ok_or_else(|| Refusal::NotAllowed.into())
}

impl fmt::Debug for Vote {
    /// The edge, not the person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vote({:?} -> {:?})", self.parent(), self.child())
    }
}

impl fmt::Debug for Report {
    /// The commit, not the person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Report({:?}, {})", self.child(), self.is_ok())
    }
}

#[cfg(test)]
impl Vote {
    /// A vote by any device about anything.
    pub(crate) fn any(device: &crate::Device, group: GroupId, edge: (StateId, StateId)) -> Self {
        let (parent, child) = edge;
        let body = VoteBody {
            group,
            parent,
            child,
            account: device.account(),
        };
        Self(Signed::new(device, body).unwrap())
    }
}

#[cfg(test)]
impl Report {
    /// A report by any device that it could not process something.
    pub(crate) fn any(device: &crate::Device, group: GroupId, child: StateId) -> Self {
        let body = ReportBody {
            group,
            child,
            account: device.account(),
            ok: false,
        };
        Self(Signed::new(device, body).unwrap())
    }
}

#[cfg(test)]
mod tests;
