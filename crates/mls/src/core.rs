//! The core: one device, its cryptography, and everything that does not start from a state.

use openmls::prelude::tls_codec::DeserializeBytes as _;
use openmls::prelude::{
    MlsGroup, MlsGroupCreateConfig, MlsGroupJoinConfig, MlsMessageBodyIn, MlsMessageIn,
    PURE_PLAINTEXT_WIRE_FORMAT_POLICY, SenderRatchetConfiguration, StagedWelcome, Welcome,
};
use openmls_traits::storage::StorageProvider as _;

use crate::crypto::{CIPHERSUITE, Crypto};
use crate::identity::Identity;
use crate::key_package::{capabilities, check_leaf, lifetime};
use crate::limits::{
    HANDSHAKE_LEN_MAX, KEY_PACKAGES_PER_JOIN_MAX, MEMBERS_MAX, OUT_OF_ORDER_MAX,
    RATCHET_FORWARD_MAX,
};
use crate::storage::RowStore;
use crate::{
    AccountId, Device, Error, GroupData, GroupId, Head, Invalid, Misuse, NeedsState, Order,
    OrderKind, Role, Rows, Snapshot,
};

/// One device at work. Used by one thread at a time; it may move between threads.
#[derive(Debug)]
pub struct Core {
    device: Device,
    crypto: Crypto,
}

impl Core {
    /// The core of a device. The seed must be fresh from the operating system for each core, except in tests: two
    /// cores with one device and one seed make the same keys.
    ///
    /// # Errors
    /// None today.
    pub fn new(device: Device, seed: [u8; 32]) -> Result<Self, Error> {
        Ok(Self {
            device,
            crypto: Crypto::new(seed),
        })
    }

    /// The device this core acts for.
    #[must_use]
    pub const fn device(&self) -> &Device {
        &self.device
    }

    /// Founds a group with this device as its only member.
    ///
    /// # Errors
    /// [`Misuse::NewGroupData`] unless this account is the owner and there are no admins and spent orders yet;
    /// [`Misuse::Limits`] if the data is outside its limits.
    pub fn create_group(&self, id: GroupId, data: GroupData) -> Result<Head, Error> {
        if data.owner != self.device.account()
            || !data.admins.is_empty()
            || !data.spent_orders.is_empty()
        {
            return Err(Misuse::NewGroupData.into());
        }
        let config = MlsGroupCreateConfig::builder()
            .ciphersuite(CIPHERSUITE)
            .capabilities(capabilities())
            .lifetime(lifetime())
            .wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
            .with_group_context_extensions(data.to_extensions()?)
            .use_ratchet_tree_extension(true)
            .max_past_epochs(0)
            .sender_ratchet_configuration(sender_ratchet())
            .build();
        let store = RowStore::default();
        let group = MlsGroup::new_with_group_id(
            &self.crypto.provider(&store)?,
            &self.device,
            &config,
            mls_group_id(&id),
            self.device.credential(),
        )
        .map_err(|_| Error::Internal("new group"))?;
        Snapshot::founded(store, group).map(Head::new)
    }

    /// Joins a group by a Welcome, with the first of these private KeyPackages that fits, and says which it was.
    ///
    /// Nothing is consumed: the caller destroys the KeyPackage once the rows of the head are durable. A group that
    /// was joined before does not matter.
    ///
    /// # Errors
    /// [`NeedsState::NoKeyPackage`] if none fits; [`Invalid`] if the Welcome, a member's credential, a leaf, or the
    /// group data does not hold, so that one bad member makes the group unusable for newcomers, but never silently.
    pub fn join(
        &self,
        welcome: &[u8],
        private_key_packages: &[&[u8]],
    ) -> Result<(Head, [u8; 32]), Error> {
        let welcome = parse_welcome(welcome)?;
        let store = RowStore::default();
        let reference = self.find_key_package(&welcome, private_key_packages, &store)?;
        let provider = self.crypto.provider(&store)?;
        let staged = StagedWelcome::build_from_welcome(&provider, &join_config(), welcome)
            .map_err(|_| Invalid::Welcome)?
            .skip_lifetime_validation()
            .replace_old_group()
            .build()
            .map_err(|_| Invalid::Welcome)?;
        check_welcome(&staged)?;
        let group = staged.into_group(&provider).map_err(|_| Invalid::Welcome)?;
        let snapshot = Snapshot::founded(store, group)?;
        check_joined(&snapshot)?;
        Ok((Head::new(snapshot), reference))
    }

    /// The state with these rows, to read and to continue from.
    ///
    /// # Errors
    /// [`StorageFault`](crate::StorageFault) if the rows are not a state of this device's.
    pub fn load(&self, rows: Rows) -> Result<Snapshot, Error> {
        Snapshot::load(self, rows)
    }

    /// The state with these rows as the head, which may send. The caller sees to it that one state of a group is
    /// loaded so at a time, and never an older copy of rows that have encrypted since: that would use keys twice.
    ///
    /// # Errors
    /// As for [`Core::load`].
    pub fn load_head(&self, rows: Rows) -> Result<Head, Error> {
        Snapshot::load(self, rows).map(Head::new)
    }

    /// Signs that this account leaves the group, for others to realise.
    ///
    /// # Errors
    /// [`Refusal::OwnerLeaves`](crate::Refusal::OwnerLeaves) for the owner; [`NeedsState::NotMember`] if this device
    /// is no member in the state.
    pub fn leave_order(&self, head: &Snapshot) -> Result<Order, Error> {
        self.order(OrderKind::Leave, self.device.account(), head)
    }

    /// Signs that an account is to be removed or demoted, for any member to realise who is not the target.
    ///
    /// # Errors
    /// [`Misuse`] if that makes no sense; [`Refusal`](crate::Refusal) if this account may not; and
    /// [`NeedsState::NotMember`] if this device is no member in the state.
    pub fn order(
        &self,
        kind: OrderKind,
        target: AccountId,
        head: &Snapshot,
    ) -> Result<Order, Error> {
        head.me().ok_or(NeedsState::NotMember)?;
        let role = head.role_of(&target).ok_or(Misuse::UnknownAccount)?;
        if kind == OrderKind::Remove && target == self.device.account() {
            return Err(Misuse::RemovesSelf.into());
        }
        if kind == OrderKind::Demote && role == Role::Member {
            return Err(Misuse::NoChange.into());
        }
        let order = Order::new(&self.device, kind, target, head, self.crypto.random()?)?;
        order.verify(head)?;
        Ok(order)
    }

    pub(crate) const fn crypto(&self) -> &Crypto {
        &self.crypto
    }

    /// Puts the one KeyPackage that the Welcome is for into the store.
    fn find_key_package(
        &self,
        welcome: &Welcome,
        private: &[&[u8]],
        store: &RowStore,
    ) -> Result<[u8; 32], Error> {
        let addressed = |reference: &[u8; 32]| {
            welcome
                .secrets()
                .iter()
                .any(|secrets| secrets.new_member().as_slice() == reference)
        };
        for private in private.iter().take(KEY_PACKAGES_PER_JOIN_MAX) {
            let (bundle, reference) = self.open_private_key_package(private)?;
            if !addressed(&reference) {
                continue;
            }
            let hash_ref = bundle
                .key_package()
                .hash_ref(&self.crypto)
                .map_err(|_| Error::Internal("KeyPackage reference"))?;
            store
                .write_key_package(&hash_ref, &bundle)
                .map_err(|_| Error::Internal("KeyPackage"))?;
            return Ok(reference);
        }
        Err(NeedsState::NoKeyPackage.into())
    }
}

pub(crate) fn mls_group_id(id: &GroupId) -> openmls::prelude::GroupId {
    openmls::prelude::GroupId::from_slice(id.as_bytes())
}

pub(crate) fn parse_welcome(bytes: &[u8]) -> Result<Welcome, Error> {
    if bytes.len() > HANDSHAKE_LEN_MAX {
        return Err(Invalid::TooLong.into());
    }
    let message =
        MlsMessageIn::tls_deserialize_exact_bytes(bytes).map_err(|_| Invalid::Malformed)?;
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "every other kind is equally unexpected"
    )]
    match message.extract() {
        MlsMessageBodyIn::Welcome(welcome) => Ok(welcome),
        _ => Err(Invalid::UnexpectedKind.into()),
    }
}

/// What can be checked before the group exists: suite, size, and every credential (protocol §3.2.4).
fn check_welcome(staged: &StagedWelcome) -> Result<(), Error> {
    let context = staged.group_context();
    if context.ciphersuite() != CIPHERSUITE || staged.members().count() > MEMBERS_MAX {
        return Err(Invalid::Welcome.into());
    }
    for member in staged.members() {
        Identity::verify(&member.credential, &member.signature_key)?;
    }
    Ok(())
}

/// What a joiner checks of the state: the leaves, and that every listed role belongs to a member.
fn check_joined(snapshot: &Snapshot) -> Result<(), Error> {
    for leaf in snapshot.leaves() {
        check_leaf(leaf).map_err(|_| Invalid::Welcome)?;
    }
    Ok(snapshot.public().check_roles()?)
}

pub(crate) fn join_config() -> MlsGroupJoinConfig {
    MlsGroupJoinConfig::builder()
        .wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
        .use_ratchet_tree_extension(true)
        .max_past_epochs(0)
        .sender_ratchet_configuration(sender_ratchet())
        .build()
}

fn sender_ratchet() -> SenderRatchetConfiguration {
    SenderRatchetConfiguration::new(OUT_OF_ORDER_MAX, RATCHET_FORWARD_MAX)
}
