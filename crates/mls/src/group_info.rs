//! A state as seen from outside: what a member gives to a device that has lost its state, and how that comes back.

use std::fmt;

use openmls::messages::group_info::VerifiableGroupInfo;
use openmls::prelude::tls_codec::DeserializeBytes as _;
use openmls::prelude::{
    LeafNodeParameters, MlsGroup, MlsMessageBodyIn, MlsMessageIn, ProcessedMessageContent,
    ProposalStore, PublicGroup,
};

use crate::commit::CommitAad;
use crate::core::join_config;
use crate::crypto::CIPHERSUITE;
use crate::head::encode;
use crate::identity::Identity;
use crate::key_package::{capabilities, check_leaf};
use crate::limits::{HANDSHAKE_LEN_MAX, MEMBERS_MAX};
use crate::peek::{PeekContent, peek};
use crate::public::{Parent, PublicState};
use crate::snapshot::{group_id, parse};
use crate::storage::RowStore;
use crate::{
    CommitHeader, Core, Device, Epoch, Error, GroupData, GroupId, Head, Invalid, Member,
    NeedsState, OwnCommit, Snapshot, StateId, fault, policy, transcript,
};

/// A verified GroupInfo (RFC 9420 §12.4.3): the public part of a state, with the key for an external commit.
///
/// It says what the member who signed it says. Whether others are at that state too is for their commits to show.
pub struct GroupInfo {
    public: PublicState,
    group: PublicGroup,
    pub(crate) verifiable: VerifiableGroupInfo,
}

impl Snapshot {
    /// What a device of the group needs to come back into this state: a GroupInfo with the ratchet tree and the
    /// external key, signed by this device. It holds no secret, but names everybody in the group.
    ///
    /// # Errors
    /// [`NeedsState::NotMember`] if this device is not in the state.
    pub fn group_info(&self, core: &Core) -> Result<Vec<u8>, Error> {
        self.me().ok_or(NeedsState::NotMember)?;
        core.crypto().begin_operation()?;
        self.group()
            .export_group_info(core.crypto(), core.device(), true)
            .map_err(|_| Error::Internal("GroupInfo"))?
            .to_bytes()
            .map_err(|_| Error::Internal("encoding"))
    }
}

impl Core {
    /// Reads a GroupInfo and verifies all that a joiner verifies of a Welcome: signatures, tree, every credential,
    /// every leaf, the group data.
    ///
    /// # Errors
    /// [`Invalid`] if any of it does not hold.
    pub fn read_group_info(&self, bytes: &[u8]) -> Result<GroupInfo, Error> {
        if bytes.len() > HANDSHAKE_LEN_MAX {
            return Err(Invalid::TooLong.into());
        }
        let message =
            MlsMessageIn::tls_deserialize_exact_bytes(bytes).map_err(|_| Invalid::Malformed)?;
        let MlsMessageBodyIn::GroupInfo(verifiable) = message.extract() else {
            return Err(Invalid::UnexpectedKind.into());
        };
        let extensions = verifiable.extensions();
        let tree = extensions.ratchet_tree().map(|tree| tree.ratchet_tree());
        let tree = tree.ok_or(Invalid::GroupInfo)?.clone();
        let expected = extensions.external_pub().is_some() && extensions.iter().count() == 2;
        if verifiable.ciphersuite() != CIPHERSUITE || !expected {
            return Err(Invalid::GroupInfo.into());
        }
        let store = RowStore::default();
        let read = PublicGroup::from_external(
            self.crypto(),
            &store,
            tree,
            verifiable.clone(),
            ProposalStore::new(),
        );
        let (group, _) = read.map_err(|_| Invalid::GroupInfo)?;
        GroupInfo::checked(group, verifiable)
    }

    /// Comes back into a group that this device is a member of, after it has lost its state: an external commit that
    /// takes the old leaf out (protocol §5.6). It counts like any commit, and may lose like any.
    ///
    /// # Errors
    /// [`NeedsState::NotMember`] if the state has no such device: it was removed.
    pub fn rejoin(&self, info: &GroupInfo) -> Result<OwnCommit, Error> {
        info.member(self.device()).ok_or(NeedsState::NotMember)?;
        let aad = CommitAad {
            parent: info.state(),
            orders: Vec::new(),
        };
        let store = RowStore::default();
        let provider = self.crypto().provider(&store)?;
        let leaf = LeafNodeParameters::builder().with_capabilities(capabilities());
        let (group, bundle) = MlsGroup::external_commit_builder()
            .with_config(join_config())
            .with_aad(aad.encode()?)
            .skip_lifetime_validation()
            .build_group(
                &provider,
                info.verifiable.clone(),
                self.device().credential(),
            )
            .map_err(|_| Invalid::GroupInfo)?
            .leaf_node_parameters(leaf.build())
            .load_psks(&store)
            .map_err(|_| Error::Internal("building a commit"))?
            .build(self.crypto(), self.crypto(), self.device(), |_| true)
            .map_err(|_| Invalid::GroupInfo)?
            .finalize(&provider)
            .map_err(|_| Error::Internal("coming back"))?;
        let (message, welcome) = encode(bundle)?;
        // Judged from outside, as everybody else will.
        let header = info.inspect_commit(self, &message)?;
        let child = Head::new(Snapshot::child(store, group, header.id)?);
        Ok(OwnCommit {
            header,
            message,
            welcome,
            child,
        })
    }
}

impl GroupInfo {
    fn checked(group: PublicGroup, verifiable: VerifiableGroupInfo) -> Result<Self, Error> {
        let context = group.group_context();
        let (id, epoch) = (group_id(group.group_id())?, Epoch(context.epoch().as_u64()));
        let state = StateId::of(&id, epoch, context.confirmed_transcript_hash());
        let mut count = 0_usize;
        for member in group.members() {
            count = count.saturating_add(1);
            Identity::verify(&member.credential, &member.signature_key)?;
            let leaf = group.leaf(member.index).ok_or(Invalid::GroupInfo)?;
            check_leaf(leaf).map_err(|_| Invalid::GroupInfo)?;
        }
        if count > MEMBERS_MAX {
            return Err(Invalid::GroupInfo.into());
        }
        let public = PublicState::of((id, state, epoch), context.extensions(), group.members())?;
        public.check_roles()?;
        Ok(Self {
            public,
            group,
            verifiable,
        })
    }

    /// The group.
    #[must_use]
    pub const fn group_id(&self) -> GroupId {
        self.public.group
    }

    /// The name of the state.
    #[must_use]
    pub const fn state(&self) -> StateId {
        self.public.id
    }

    /// The epoch of the state.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.public.epoch
    }

    /// The agreed group data.
    #[must_use]
    pub const fn data(&self) -> &GroupData {
        &self.public.data
    }

    /// All devices in the state, by leaf.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.public.members
    }

    /// This device in the state, if it is in it.
    #[must_use]
    pub fn member(&self, device: &Device) -> Option<&Member> {
        let is_device = |member: &&Member| {
            member.account == device.account()
                && member.device == device.id()
                && member.signature_key == device.signature_key()
        };
        self.public.members.iter().find(is_device)
    }

    /// Judges a commit on this state as every member does, as far as its public part goes: all but the tags, which
    /// prove that the author knew the group's secrets.
    ///
    /// # Errors
    /// As for [`Snapshot::inspect_commit`].
    pub fn inspect_commit(
        &self,
        core: &Core,
        public_message: &[u8],
    ) -> Result<CommitHeader, Error> {
        let parent = Parent {
            public: &self.public,
            tree: &self.group,
            me: None,
        };
        inspect(&parent, core, public_message)
    }
}

impl Snapshot {
    /// Judges a commit on this state by the public part alone, like [`GroupInfo::inspect_commit`]. What passes here
    /// and not in [`Snapshot::inspect_commit`] is a commit that others may be able to follow.
    ///
    /// # Errors
    /// As for [`Snapshot::inspect_commit`].
    pub fn inspect_commit_publicly(
        &self,
        core: &Core,
        public_message: &[u8],
    ) -> Result<CommitHeader, Error> {
        inspect(&self.parent(), core, public_message)
    }
}

fn inspect(parent: &Parent<'_>, core: &Core, public_message: &[u8]) -> Result<CommitHeader, Error> {
    let peek = peek(public_message)?;
    let public = parent.public;
    if peek.group != public.group {
        return Err(NeedsState::OtherGroup.into());
    }
    let (found, here) = (peek.epoch, public.epoch);
    if found != here {
        return Err(NeedsState::OtherEpoch { found, here }.into());
    }
    match peek.content {
        PeekContent::Commit { parent } if parent == public.id => {}
        PeekContent::Commit { parent } => return Err(NeedsState::OtherParent { parent }.into()),
        PeekContent::Application { .. } => return Err(Invalid::UnexpectedKind.into()),
    }
    let processed = parent
        .tree
        .process_message(core.crypto(), parse(public_message)?)
        .map_err(|error| fault::of_public_commit(&error))?;
    let (sender, aad) = (processed.sender().clone(), processed.aad().to_vec());
    let ProcessedMessageContent::StagedCommitMessage(commit) = processed.into_content() else {
        return Err(Invalid::UnexpectedKind.into());
    };
    let hash = transcript::confirmed_hash(parent.tree, &sender, public_message)?;
    policy::judge(parent, &sender, &aad, &commit, &hash)
}

impl fmt::Debug for GroupInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupInfo")
            .field("state", &self.state())
            .field("epoch", &self.epoch().0)
            .field("members", &self.members().len())
            .finish_non_exhaustive()
    }
}
