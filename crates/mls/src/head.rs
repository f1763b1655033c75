//! The state that a device sends from. Only here can it encrypt and commit.

use std::fmt;

use openmls::prelude::{CommitMessageBundle, LeafNodeIndex, MlsGroup, MlsMessageOut, Sender};

use crate::commit::CommitAad;
use crate::crypto::Provider;
use crate::limits::APPLICATION_LEN_MAX;
use crate::plan::Plan;
use crate::{CommitHeader, Core, Error, Misuse, NeedsState, Operation, Refusal, Snapshot, policy};

/// The head of a group on this device.
///
/// There is no way from a [`Snapshot`] to a head but loading its rows as one: so a state that was left cannot
/// encrypt again by accident, and no key and generation serves two plaintexts.
#[derive(Debug)]
pub struct Head(Snapshot);

/// A commit of this device, made and merged on a copy: the head it was made on is as it was.
///
/// The child must be kept even while it is undecided whether it wins: OpenMLS cannot process own commits again.
pub struct OwnCommit {
    /// What others will see in it.
    pub header: CommitHeader,
    /// The commit for the members: an MLSMessage with a PublicMessage.
    pub message: Vec<u8>,
    /// The Welcome for those it adds.
    pub welcome: Option<Vec<u8>>,
    /// The state it leads to.
    pub child: Head,
}

impl Head {
    pub(crate) const fn new(snapshot: Snapshot) -> Self {
        Self(snapshot)
    }

    /// The state, to read.
    #[must_use]
    pub const fn snapshot(&self) -> &Snapshot {
        &self.0
    }

    /// The state, to decrypt in.
    pub const fn snapshot_mut(&mut self) -> &mut Snapshot {
        &mut self.0
    }

    /// Encrypts an application message. The changed rows must be durable before the bytes leave this device, and the
    /// bytes must be dropped if they are not: else a crash makes the same key encrypt twice.
    ///
    /// # Errors
    /// [`Misuse::Limits`] if it is too long; [`NeedsState::NotMember`] if this device was removed.
    pub fn encrypt(&mut self, core: &Core, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, Error> {
        self.0.me().ok_or(NeedsState::NotMember)?;
        // What framing and encryption add is far below a kilobyte.
        if aad
            .len()
            .saturating_add(plaintext.len())
            .saturating_add(1024)
            > APPLICATION_LEN_MAX
        {
            return Err(Misuse::Limits.into());
        }
        let (store, group) = self.0.parts_mut();
        group.set_aad(aad.to_vec());
        group
            .create_message(&core.crypto().provider(store)?, core.device(), plaintext)
            .map_err(|_| Error::Internal("encrypting"))?
            .to_bytes()
            .map_err(|_| Error::Internal("encoding"))
    }

    /// Makes a commit and its child. This head stays as it is and keeps sending until the caller moves on.
    ///
    /// # Errors
    /// [`Misuse`] if the operation makes no sense here; [`Refusal`] if the group's rules forbid it to this device;
    /// [`Invalid`](crate::Invalid) for a KeyPackage that does not hold.
    pub fn commit(&self, core: &Core, operation: &Operation) -> Result<OwnCommit, Error> {
        let plan = Plan::of(&self.0, core, operation)?;
        self.commit_plan(core, plan)
    }

    pub(crate) fn commit_plan(&self, core: &Core, plan: Plan) -> Result<OwnCommit, Error> {
        let parent = &self.0;
        let author = parent.me().ok_or(NeedsState::NotMember)?.leaf;
        let aad = CommitAad {
            parent: parent.state(),
            orders: plan.orders.clone(),
        }
        .encode()?;
        let (store, mut group) = parent.copy(core)?.into_parts();
        let provider = core.crypto().provider(&store)?;
        let bundle = build(&mut group, &provider, core, plan, aad.clone())?;
        let staged = group
            .pending_commit()
            .ok_or(Error::Internal("pending commit"))?;
        let hash = staged.group_context().confirmed_transcript_hash();
        let author = Sender::Member(LeafNodeIndex::new(author));
        let header = policy::judge(&parent.parent(), &author, &aad, staged, hash)?;
        let (message, welcome) = encode(bundle)?;
        group
            .merge_pending_commit(&provider)
            .map_err(|_| Error::Internal("merging own commit"))?;
        let child = Snapshot::child(store, group, header.id)?;
        Ok(OwnCommit {
            header,
            message,
            welcome,
            child: Self(child),
        })
    }
}

/// Builds a commit with all proposals inline and leaves it pending in the group.
fn build(
    group: &mut MlsGroup,
    provider: &Provider<'_>,
    core: &Core,
    plan: Plan,
    aad: Vec<u8>,
) -> Result<CommitMessageBundle, Error> {
    let extensions = plan.data.map(|data| data.to_extensions()).transpose()?;
    let only_update = plan.adds.is_empty() && plan.removes.is_empty() && extensions.is_none();
    group.set_aad(aad);
    let mut builder = group
        .commit_builder()
        .force_self_update(only_update)
        .propose_adds(plan.adds)
        .propose_removals(plan.removes.into_iter().map(LeafNodeIndex::new));
    if let Some(extensions) = extensions {
        builder = builder
            .propose_group_context_extensions(extensions)
            .map_err(|_| Error::Internal("group data proposal"))?;
    }
    builder
        .load_psks(provider.store())
        .map_err(|_| Error::Internal("building a commit"))?
        .build(core.crypto(), core.crypto(), core.device(), |_| true)
        .map_err(|_| Refusal::Content)?
        .stage_commit(provider)
        .map_err(|_| Error::Internal("staging a commit"))
}

/// The commit and the Welcome as bytes.
pub(crate) fn encode(bundle: CommitMessageBundle) -> Result<(Vec<u8>, Option<Vec<u8>>), Error> {
    let (message, welcome, _) = bundle.into_messages();
    let bytes =
        |message: MlsMessageOut| message.to_bytes().map_err(|_| Error::Internal("encoding"));
    Ok((bytes(message)?, welcome.map(bytes).transpose()?))
}

impl fmt::Debug for OwnCommit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnCommit")
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}
