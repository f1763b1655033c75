//! The state that a device sends from. Only here can it encrypt and commit.

use std::fmt;

use openmls::prelude::{
    CommitMessageBundle, Extensions, GroupContext, KeyPackage, LeafNodeIndex, MlsGroup,
};

use crate::commit::CommitAad;
use crate::crypto::Provider;
use crate::limits::APPLICATION_LEN_MAX;
use crate::roles;
use crate::{
    AccountId, CommitHeader, Core, Error, GroupData, JoinPolicy, Misuse, NeedsState, Order,
    Refusal, Role, Snapshot, policy,
};

/// The head of a group on this device.
///
/// There is no way from a [`Snapshot`] to a head but loading its rows as one: so a state that was left cannot
/// encrypt again by accident, and no key and generation serves two plaintexts.
#[derive(Debug)]
pub struct Head(Snapshot);

/// What a commit is to do.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// Add the devices of these KeyPackages.
    Add {
        /// As others got them from [`Core::new_key_package`]; at most 64.
        key_packages: Vec<Vec<u8>>,
    },
    /// Realise what others ordered.
    Realise {
        /// Orders that hold in this state, about different accounts; at most 32.
        orders: Vec<Order>,
    },
    /// Remove an account of lower rank with all its devices.
    Remove {
        /// The account.
        account: AccountId,
    },
    /// Change the name.
    Rename {
        /// The new name.
        name: String,
    },
    /// Change or take away the picture.
    SetAvatar {
        /// SHA-256 of the picture.
        hash: Option<[u8; 32]>,
    },
    /// Change after what time messages disappear.
    SetDisappearing {
        /// Not zero; `None` for never.
        seconds: Option<u32>,
    },
    /// Change who may add others.
    SetJoinPolicy {
        /// The new rule.
        policy: JoinPolicy,
    },
    /// Change the relays.
    SetRelays {
        /// The new list.
        relays: Vec<String>,
    },
    /// Change the role of an account. Making somebody the owner hands over: the former owner becomes first admin.
    SetRole {
        /// The account.
        account: AccountId,
        /// Its new role.
        role: Role,
    },
    /// Renew the keys of this device.
    Update,
}

/// A commit of this device, made and merged on a copy: the head it was made on is as it was.
///
/// The child must be kept even while it is undecided whether it wins: OpenMLS cannot process own commits again.
#[derive(Debug)]
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
        let author = *parent.me().ok_or(NeedsState::NotMember)?;
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
        let header = policy::judge(parent, &author, &aad, staged, hash)?;
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

/// The content of a commit to be.
#[derive(Default)]
pub(crate) struct Plan {
    pub(crate) adds: Vec<KeyPackage>,
    pub(crate) removes: Vec<u32>,
    pub(crate) data: Option<GroupData>,
    pub(crate) orders: Vec<Order>,
}

impl Plan {
    fn of(parent: &Snapshot, core: &Core, operation: &Operation) -> Result<Self, Error> {
        match operation {
            Operation::Add { key_packages } => Self::add(core, key_packages),
            Operation::Realise { orders } => Self::realise(parent, core, orders),
            Operation::Remove { account } => Self::remove(parent, core, account),
            Operation::Rename { name } => Self::change(parent, |data| data.name.clone_from(name)),
            Operation::SetAvatar { hash } => Self::change(parent, |data| data.avatar_hash = *hash),
            Operation::SetDisappearing { seconds } => {
                Self::change(parent, |data| data.disappearing_seconds = *seconds)
            }
            Operation::SetJoinPolicy { policy } => {
                Self::change(parent, |data| data.join_policy = *policy)
            }
            Operation::SetRelays { relays } => {
                Self::change(parent, |data| data.relays.clone_from(relays))
            }
            Operation::SetRole { account, role } => {
                parent.role_of(account).ok_or(Misuse::UnknownAccount)?;
                let after = roles::with_role(parent.data(), account, *role)?;
                Self::change(parent, |data| *data = after)
            }
            Operation::Update => Ok(Self::default()),
        }
    }

    fn add(core: &Core, key_packages: &[Vec<u8>]) -> Result<Self, Error> {
        if key_packages.is_empty() {
            return Err(Misuse::Empty.into());
        }
        let parse = |bytes: &Vec<u8>| core.parse_key_package(bytes);
        let adds = key_packages.iter().map(parse).collect::<Result<_, _>>()?;
        Ok(Self {
            adds,
            ..Self::default()
        })
    }

    fn realise(parent: &Snapshot, core: &Core, orders: &[Order]) -> Result<Self, Error> {
        if orders.is_empty() {
            return Err(Misuse::Empty.into());
        }
        orders.iter().try_for_each(|order| order.verify(parent))?;
        if orders
            .iter()
            .any(|order| order.target() == core.device().account())
        {
            return Err(Misuse::RemovesSelf.into());
        }
        let targets: Vec<_> = orders.iter().map(Order::target).collect();
        let removes = leaves_of(parent, &targets);
        let data = Some(roles::after_orders(parent, orders)?);
        Ok(Self {
            removes,
            data,
            orders: orders.to_vec(),
            ..Self::default()
        })
    }

    fn remove(parent: &Snapshot, core: &Core, account: &AccountId) -> Result<Self, Error> {
        if *account == core.device().account() {
            return Err(Misuse::RemovesSelf.into());
        }
        let removes = leaves_of(parent, &[*account]);
        if removes.is_empty() {
            return Err(Misuse::UnknownAccount.into());
        }
        let without = roles::without(parent.data(), &[*account]);
        let data = (without != *parent.data()).then_some(without);
        Ok(Self {
            removes,
            data,
            ..Self::default()
        })
    }

    fn change(parent: &Snapshot, change: impl FnOnce(&mut GroupData)) -> Result<Self, Error> {
        let mut data = parent.data().clone();
        change(&mut data);
        if data == *parent.data() {
            return Err(Misuse::NoChange.into());
        }
        Ok(Self {
            data: Some(data),
            ..Self::default()
        })
    }
}

impl fmt::Debug for Operation {
    /// Which operation, not on what: names and KeyPackages are not for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add { .. } => "Add(..)",
            Self::Realise { .. } => "Realise(..)",
            Self::Remove { .. } => "Remove(..)",
            Self::Rename { .. } => "Rename(..)",
            Self::SetAvatar { .. } => "SetAvatar(..)",
            Self::SetDisappearing { .. } => "SetDisappearing(..)",
            Self::SetJoinPolicy { .. } => "SetJoinPolicy(..)",
            Self::SetRelays { .. } => "SetRelays(..)",
            Self::SetRole { .. } => "SetRole(..)",
            Self::Update => "Update",
        })
    }
}

fn leaves_of(parent: &Snapshot, accounts: &[AccountId]) -> Vec<u32> {
    let listed = parent
        .members()
        .iter()
        .filter(|member| accounts.contains(&member.account));
    listed.map(|member| member.leaf).collect()
}

/// Builds a commit with all proposals inline and leaves it pending in the group.
fn build(
    group: &mut MlsGroup,
    provider: &Provider<'_>,
    core: &Core,
    plan: Plan,
    aad: Vec<u8>,
) -> Result<CommitMessageBundle, Error> {
    let extensions: Option<Extensions<GroupContext>> =
        plan.data.map(|data| data.to_extensions()).transpose()?;
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
fn encode(bundle: CommitMessageBundle) -> Result<(Vec<u8>, Option<Vec<u8>>), Error> {
    let (message, welcome, _) = bundle.into_messages();
    let bytes = |message: openmls::prelude::MlsMessageOut| {
        message.to_bytes().map_err(|_| Error::Internal("encoding"))
    };
    Ok((bytes(message)?, welcome.map(bytes).transpose()?))
}
