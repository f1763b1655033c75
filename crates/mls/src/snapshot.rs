//! One state of a group, to read and to process what was made on it.

use std::fmt;

use openmls::prelude::tls_codec::DeserializeBytes as _;
use openmls::prelude::{
    LeafNode, LeafNodeIndex, MlsGroup, MlsMessageIn, ProcessMessageError, ProcessedMessageContent,
    ProtocolMessage, Sender, StagedCommit,
};
use zeroize::Zeroizing;

use crate::core::mls_group_id;
use crate::fault;
use crate::peek::{Peek, PeekContent, peek};
use crate::public::{Parent, PublicState};
use crate::storage::{RowError, RowStore};
use crate::{
    AccountId, Changes, CommitHeader, Core, Epoch, Error, GroupData, GroupId, Invalid, Member,
    NeedsState, Role, Rows, StateId, StorageFault, policy, transcript,
};

/// One state of a group.
///
/// It never moves on to another state: processing a commit makes a child and leaves the parent as it was. Only
/// decrypting changes it, since each message's key is used up; then [`Snapshot::take_changes`] has rows to store.
pub struct Snapshot {
    store: RowStore,
    group: MlsGroup,
    public: PublicState,
}

/// A decrypted application message.
pub struct Decrypted {
    /// Who sent it, as the signature proves.
    pub sender: Member,
    /// The associated data, authenticated.
    pub aad: Vec<u8>,
    /// The content.
    pub plaintext: Zeroizing<Vec<u8>>,
}

impl Snapshot {
    /// The first state of a group on this device: just made or joined.
    pub(crate) fn founded(store: RowStore, group: MlsGroup) -> Result<Self, Error> {
        let id = group_id(group.group_id())?;
        let state = state_in_context(&id, &group);
        Self::child(store, group, state)
    }

    /// The state that a commit led to; all of its rows are to be stored.
    pub(crate) fn child(store: RowStore, group: MlsGroup, state: StateId) -> Result<Self, Error> {
        let id = group_id(group.group_id())?;
        // The context of a group that just lost this device does not name the state; the commit did.
        if group.is_active() && state_in_context(&id, &group) != state {
            return Err(Error::Internal("name of a state"));
        }
        store
            .become_state(&id, &state)
            .map_err(|_| Error::Internal("rows of a state"))?;
        Self::view(store, group, state)
    }

    pub(crate) fn load(core: &Core, rows: Rows) -> Result<Self, Error> {
        let (store, id, state) = RowStore::from_rows(rows)?;
        let group = MlsGroup::load(&store, &mls_group_id(&id))
            .map_err(|_| StorageFault::Corrupt)?
            .ok_or(StorageFault::Incomplete)?;
        let snapshot = Self::view(store, group, state).map_err(|_| StorageFault::Corrupt)?;
        let ours = core.device().signature_key();
        if snapshot.me().is_some_and(|me| me.signature_key != ours) {
            return Err(StorageFault::Corrupt.into());
        }
        Ok(snapshot)
    }

    /// Decrypts an application message of this state, in any order, each once.
    ///
    /// # Errors
    /// [`NeedsState`] if it is of another state, was read before or is our own; [`Invalid`] if it does not decrypt,
    /// which may also mean that it is of another branch with the same epoch. The state is then as it was.
    pub fn decrypt(&mut self, core: &Core, private_message: &[u8]) -> Result<Decrypted, Error> {
        let peek = peek(private_message)?;
        self.expect_here(&peek)?;
        if !matches!(peek.content, PeekContent::Application { .. }) {
            return Err(Invalid::UnexpectedKind.into());
        }
        let message = parse(private_message)?;
        let provider = core.crypto().provider(&self.store)?;
        let processed = self
            .group
            .process_message(&provider, message)
            .map_err(|error| fault::of_message(&error))?;
        let aad = processed.aad().to_vec();
        let sender = self.sender(processed.sender())?;
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "every other kind is equally unexpected"
        )]
        match processed.into_content() {
            ProcessedMessageContent::ApplicationMessage(message) => Ok(Decrypted {
                sender,
                aad,
                plaintext: Zeroizing::new(message.into_bytes()),
            }),
            ProcessedMessageContent::OwnPrivateMessage => Err(NeedsState::OwnMessage.into()),
            _ => Err(Invalid::UnexpectedKind.into()),
        }
    }

    /// Rows that changed since this was loaded, made, or last asked: to be stored under this state before any effect
    /// shows.
    pub fn take_changes(&mut self) -> Changes {
        self.store.take_changes()
    }

    /// Checks a commit on this state, MLS' rules and the group's, without following it.
    ///
    /// # Errors
    /// As for [`Snapshot::apply_commit`].
    pub fn inspect_commit(
        &self,
        core: &Core,
        public_message: &[u8],
    ) -> Result<CommitHeader, Error> {
        self.stage(core, public_message).map(|staged| staged.header)
    }

    /// Follows a commit on this state to its child. This state stays as it is.
    ///
    /// If the commit removes this device, the child can name its members but not decrypt or continue. Its rows still
    /// hold secrets of the parent, which OpenMLS leaves there: they go when the parent's go.
    ///
    /// # Errors
    /// [`NeedsState`] if it is of another state or our own; [`Invalid`] if MLS forbids it; [`Refusal`](crate::Refusal)
    /// if the group's rules do.
    pub fn apply_commit(
        &self,
        core: &Core,
        public_message: &[u8],
    ) -> Result<(CommitHeader, Self), Error> {
        let Staged {
            header,
            commit,
            copy,
        } = self.stage(core, public_message)?;
        let Self {
            store, mut group, ..
        } = copy;
        group
            .merge_staged_commit(&core.crypto().provider(&store)?, commit)
            .map_err(|_| Error::Internal("merging a commit"))?;
        let child = Self::child(store, group, header.id)?;
        Ok((header, child))
    }

    /// Derives a secret that all members in this state share (RFC 9420 §8.5), for the use that the label names.
    ///
    /// # Errors
    /// [`NeedsState::NotMember`] if this device is not in the state.
    pub fn export_secret(
        &self,
        core: &Core,
        label: &str,
        context: &[u8],
    ) -> Result<Zeroizing<[u8; 32]>, Error> {
        self.me().ok_or(NeedsState::NotMember)?;
        let secret = self
            .group
            .export_secret(core.crypto(), label, context, 32)
            .map(Zeroizing::new)
            .map_err(|_| Error::Internal("exporter"))?;
        let secret = secret
            .as_slice()
            .try_into()
            .map_err(|_| Error::Internal("exporter"))?;
        Ok(Zeroizing::new(secret))
    }

    /// The name of this state.
    #[must_use]
    pub const fn state(&self) -> StateId {
        self.public.id
    }

    /// The epoch of this state.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.public.epoch
    }

    /// The group this is a state of.
    #[must_use]
    pub const fn group_id(&self) -> GroupId {
        self.public.group
    }

    /// The agreed group data.
    #[must_use]
    pub const fn data(&self) -> &GroupData {
        &self.public.data
    }

    /// All devices in the group, by leaf.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.public.members
    }

    /// This device in the group; `None` if the commit to this state removed it.
    #[must_use]
    pub fn me(&self) -> Option<&Member> {
        if !self.group.is_active() {
            return None;
        }
        self.member_by_leaf(self.group.own_leaf_index().u32())
    }

    /// The device at a leaf.
    #[must_use]
    pub fn member_by_leaf(&self, leaf: u32) -> Option<&Member> {
        self.public.member_by_leaf(leaf)
    }

    /// The role of an account; `None` if it is not in the group.
    #[must_use]
    pub fn role_of(&self, account: &AccountId) -> Option<Role> {
        self.public.role_of(account)
    }

    /// A copy of all rows.
    #[must_use]
    pub fn rows(&self) -> Rows {
        self.store.rows()
    }

    /// Another loaded copy of the same state, to continue from.
    pub(crate) fn copy(&self, core: &Core) -> Result<Self, Error> {
        Self::load(core, self.store.rows())
    }

    pub(crate) fn into_parts(self) -> (RowStore, MlsGroup) {
        (self.store, self.group)
    }

    pub(crate) const fn parts_mut(&mut self) -> (&RowStore, &mut MlsGroup) {
        (&self.store, &mut self.group)
    }

    pub(crate) fn leaf(&self, leaf: u32) -> Option<&LeafNode> {
        self.group.public_group().leaf(LeafNodeIndex::new(leaf))
    }

    pub(crate) fn leaves(&self) -> impl Iterator<Item = &LeafNode> {
        let members = self.public.members.iter();
        members.filter_map(|member| self.leaf(member.leaf))
    }

    pub(crate) const fn group(&self) -> &MlsGroup {
        &self.group
    }

    pub(crate) const fn public(&self) -> &PublicState {
        &self.public
    }

    pub(crate) fn parent(&self) -> Parent<'_> {
        Parent {
            public: &self.public,
            tree: self.group.public_group(),
            me: self.me().map(|me| me.leaf),
        }
    }

    fn view(store: RowStore, group: MlsGroup, state: StateId) -> Result<Self, Error> {
        let name = (
            group_id(group.group_id())?,
            state,
            Epoch(group.epoch().as_u64()),
        );
        let public = PublicState::of(name, group.extensions(), group.members())?;
        Ok(Self {
            store,
            group,
            public,
        })
    }

    /// Processes and judges a commit on a copy of this state.
    fn stage(&self, core: &Core, public_message: &[u8]) -> Result<Staged, Error> {
        let peek = peek(public_message)?;
        self.expect_here(&peek)?;
        let PeekContent::Commit { parent } = peek.content else {
            return Err(Invalid::UnexpectedKind.into());
        };
        if parent != self.state() {
            return Err(NeedsState::OtherParent { parent }.into());
        }
        let message = parse(public_message)?;
        let mut copy = self.copy(core)?;
        let provider = core.crypto().provider(&copy.store)?;
        let processed = copy
            .group
            .process_message(&provider, message)
            .map_err(|error| fault::of_commit(&error))?;
        let (sender, aad) = (processed.sender().clone(), processed.aad().to_vec());
        let ProcessedMessageContent::StagedCommitMessage(commit) = processed.into_content() else {
            return Err(Invalid::UnexpectedKind.into());
        };
        let parent = self.parent();
        // Not so an external commit of this device: another copy of it came back by that, and this one is out.
        if matches!(&sender, Sender::Member(leaf) if Some(leaf.u32()) == parent.me) {
            return Err(NeedsState::OwnCommit.into());
        }
        let hash = transcript::confirmed_hash(parent.tree, &sender, public_message)?;
        let header = policy::judge(&parent, &sender, &aad, &commit, &hash)?;
        Ok(Staged {
            header,
            commit: *commit,
            copy,
        })
    }

    /// Whether a message claims to be of this group and epoch, and this device can follow it.
    fn expect_here(&self, peek: &Peek) -> Result<(), Error> {
        let here = self.epoch();
        if peek.group != self.group_id() {
            return Err(NeedsState::OtherGroup.into());
        }
        if peek.epoch != here {
            return Err(NeedsState::OtherEpoch {
                found: peek.epoch,
                here,
            }
            .into());
        }
        self.me().ok_or(NeedsState::NotMember)?;
        Ok(())
    }

    fn sender(&self, sender: &Sender) -> Result<Member, Error> {
        let Sender::Member(leaf) = sender else {
            return Err(crate::Refusal::External.into());
        };
        self.member_by_leaf(leaf.u32())
            .copied()
            .ok_or_else(|| Invalid::UnexpectedKind.into())
    }
}

/// A commit that holds, and the copy of the parent that is ready to merge it.
struct Staged {
    header: CommitHeader,
    commit: StagedCommit,
    copy: Snapshot,
}

pub(crate) fn parse(message: &[u8]) -> Result<ProtocolMessage, Error> {
    let message =
        MlsMessageIn::tls_deserialize_exact_bytes(message).map_err(|_| Invalid::Malformed)?;
    message
        .try_into_protocol_message()
        .map_err(|_| Invalid::UnexpectedKind.into())
}

pub(crate) fn group_id(id: &openmls::prelude::GroupId) -> Result<GroupId, Error> {
    let id = id.as_slice().try_into().map_err(|_| Invalid::Welcome)?;
    Ok(GroupId::from_bytes(id))
}

/// The name of a state by OpenMLS' context.
fn state_in_context(id: &GroupId, group: &MlsGroup) -> StateId {
    let hash = group
        .public_group()
        .group_context()
        .confirmed_transcript_hash();
    StateId::of(id, Epoch(group.epoch().as_u64()), hash)
}

/// The error type that OpenMLS gives with our storage.
pub(crate) type ProcessError = ProcessMessageError<RowError>;

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("state", &self.state())
            .field("epoch", &self.epoch().0)
            .field("members", &self.members().len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Decrypted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decrypted(..)")
    }
}
